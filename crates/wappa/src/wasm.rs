//! The engine of wasm guests, as this program uses it: how large it is, what compiles for it, and `inspect`.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{Arc, atomic::AtomicBool},
};

use wappa_component::{Component, Logger, Pool, Services};
use wappa_spec::{
    ComponentKind, ComponentNode, Lint, Node, Pos, Rule, Size, StreamConfig, printable_json, printable_path,
};
use wappa_wasm::{
    Budget, ChildCompiler, CodeCache, Engine, EngineConfig, Holdings, Level, child_main,
    inspect::{Limits, Severity, Verdict},
    processor::{self, Modules, read_module},
};

use crate::{
    cli::InspectArguments,
    compiling::{CompileOptions, Keeping, NOWHERE, tell_of_slow_build},
    environment, standard_output,
};

/// The name of the hidden command that compiles one module.
pub(crate) const COMPILE_CHILD: &str = "compile-child";

static PROCESSOR: Component = processor::COMPONENT;

/// The components of the wasm crate.
pub(crate) fn components() -> Vec<&'static Component> {
    vec![&PROCESSOR]
}

/// Makes the engine when the config has a guest. What is returned tells how much its guests hold.
pub(crate) fn provide(
    services: &mut Services,
    config: &StreamConfig,
    providing: Providing,
    logger: &Logger,
) -> Result<Option<Holdings>, String> {
    let guests = Guests::of(config);
    if guests.n == 0 {
        return Ok(None);
    }
    tell_of_slow_build();
    let compiler = compiler(providing.budget)?.interrupted_by(providing.interrupted);
    let mut engine_config = EngineConfig::default();
    // One for each thread and one for each turn, should a guest stand under an input or output.
    let lanes = wappa_engine::threads(config) as u64 + 2;
    engine_config.instances = u32::try_from(guests.n.saturating_mul(lanes)).unwrap_or(u32::MAX);
    engine_config.memory_limit_max = usize::try_from(guests.memory_bytes_max).unwrap_or(usize::MAX);
    if let Some(limit) = providing.guest_memory_limit {
        engine_config.guest_memory = usize::try_from(limit.bytes()).unwrap_or(usize::MAX);
    }
    engine_config.pool = providing.pool;
    engine_config.compiler = Arc::new(compiler);
    engine_config.cache = cache(providing.keeping, logger);
    let engine = Engine::new(engine_config).map_err(|err| err.to_string())?;
    if let Some(reason) = engine.no_pool() {
        logger.warn(&format!("wasm instances are made on demand, which is slower: {reason}"));
    }
    let holdings = engine.holdings();
    services.insert(Arc::new(engine));
    Ok(Some(holdings))
}

/// How the modules of a stream are compiled, and what their guests may hold.
pub(crate) struct Providing {
    pub(crate) budget: Budget,
    pub(crate) keeping: Keeping,
    /// Ends a compilation that is under way, once it is set.
    pub(crate) interrupted: Arc<AtomicBool>,
    /// What all guests may hold together; `None`: what the machine has room for.
    pub(crate) guest_memory_limit: Option<Size>,
    /// What guests of all streams may hold together, where there are several.
    pub(crate) pool: Option<Pool>,
}

/// Says when all instances of a config may want more memory than there is for them.
pub(crate) fn lint_memory(config: &StreamConfig, limit: Size) -> Option<Lint> {
    let Guests { memory_bytes, first, .. } = Guests::of(config);
    let text = format!(
        "the guests may want {} together, the `memory_limit` of each for each thread, and all of them may have {limit} \
         (`--guest-memory-limit`)",
        Size(memory_bytes)
    );
    let hint = "past that, guests that have their share are refused more; `memory_limit`, `max_instances` and \
                `pipeline.threads` bound what they want";
    (limit.bytes() < memory_bytes).then(|| Lint::warning(Rule::Custom, first, text).hint(hint))
}

/// This program itself, as a compiler.
pub(crate) fn compiler(budget: Budget) -> Result<ChildCompiler, String> {
    let program = environment::program()
        .map_err(|err| format!("finding this program, which compiles modules: {err}"))?;
    Ok(ChildCompiler::new(program, vec![COMPILE_CHILD.into()], budget))
}

fn cache(keeping: Keeping, logger: &Logger) -> Option<Arc<CodeCache>> {
    match keeping {
        Keeping::In(cache) => {
            let of_cache = logger.clone();
            cache.log_to(move |level, text| match level {
                Level::Trace => of_cache.trace(text),
                Level::Debug => of_cache.debug(text),
                Level::Info => of_cache.info(text),
                Level::Warn => of_cache.warn(text),
                Level::Error => of_cache.error(text),
            });
            Some(cache)
        }
        Keeping::Nowhere => {
            logger.info(NOWHERE);
            None
        }
        Keeping::Off => None,
    }
}

/// What is written in the fields `module_path` of a config, and the directory of the file that it is in.
pub(crate) fn module_paths(config: &StreamConfig) -> Vec<(String, Option<Arc<Path>>)> {
    Guests::of(config).module_paths
}

/// The same of some of its components.
pub(crate) fn module_paths_of(components: &[&ComponentNode]) -> Vec<(String, Option<Arc<Path>>)> {
    let mut guests = Guests::default();
    components.iter().for_each(|it| guests.add(it, At::new(it, 1)));
    guests.module_paths
}

/// What is known of the guests of a config before they are built.
#[derive(Debug, Default, PartialEq, Eq)]
struct Guests {
    n: u64,
    memory_bytes_max: u64,
    /// What all instances may have together.
    memory_bytes: u64,
    /// Where the first of them is.
    first: Pos,
    module_paths: Vec<(String, Option<Arc<Path>>)>,
}

/// Where a guest is.
#[derive(Clone, Copy)]
struct At<'a> {
    /// How many threads may want an instance at once.
    n_threads: u64,
    /// The directory of the file.
    dir: Option<&'a Arc<Path>>,
}

impl At<'_> {
    fn new(component: &ComponentNode, n_threads: u64) -> At<'_> {
        At { n_threads, dir: component.dir.as_ref() }
    }
}

impl Guests {
    fn of(config: &StreamConfig) -> Guests {
        let memory_bytes_max = Limits::default().memory_bytes;
        let mut guests = Guests { memory_bytes_max, ..Guests::default() };
        let resources = &config.resources;
        // What is under an input or output has one turn.
        let ends =
            [&config.input, &config.output].into_iter().chain(&resources.inputs).chain(&resources.outputs);
        ends.for_each(|it| guests.add(it, At::new(it, 1)));
        let threads = wappa_engine::threads(config) as u64;
        let others = config.pipeline.processors.iter().chain(&resources.processors);
        others.for_each(|it| guests.add(it, At::new(it, threads)));
        guests
    }

    fn add(&mut self, component: &ComponentNode, at: At<'_>) {
        if component.kind == ComponentKind::Processor && component.name == PROCESSOR.spec.name {
            self.add_guest(&component.body, at);
        } else {
            self.search(&component.body, at);
        }
        component.processors.iter().for_each(|it| self.add(it, at));
    }

    /// Whatever looks like a guest in a body counts as one: too large a pool costs nothing but addresses.
    fn search(&mut self, node: &Node, at: At<'_>) {
        node.as_seq().into_iter().flatten().for_each(|it| self.search(it, at));
        for (key, value) in node.as_map().into_iter().flatten() {
            match key.as_key() {
                name if name == PROCESSOR.spec.name => self.add_guest(value, at),
                "type" if value.as_str() == Some(PROCESSOR.spec.name) => {
                    self.add_guest(node.get("plugin").unwrap_or(value), at);
                }
                _ => self.search(value, at),
            }
        }
    }

    fn add_guest(&mut self, body: &Node, at: At<'_>) {
        if self.n == 0 {
            self.first = body.pos;
        }
        self.n += 1;
        let limit = body.get("memory_limit").and_then(Node::as_str).and_then(Size::parse);
        self.memory_bytes_max = self.memory_bytes_max.max(limit.map_or(0, Size::bytes));
        let max_instances = body.get("max_instances").and_then(Node::as_str).and_then(|it| it.parse().ok());
        let n_instances = max_instances.filter(|it| *it != 0).unwrap_or(u64::MAX).min(at.n_threads);
        let bytes = limit.map_or(Limits::default().memory_bytes, Size::bytes);
        self.memory_bytes = self.memory_bytes.saturating_add(bytes.saturating_mul(n_instances));
        let path = body.get("module_path").and_then(Node::as_str);
        self.module_paths.extend(path.map(|it| (it.to_string(), at.dir.cloned())));
    }
}

/// What is known of modules: nothing yet. They are read in a process that is limited.
pub(crate) fn modules(budget: Budget) -> Result<Modules, String> {
    Ok(Modules::default().read_by(compiler(budget)?))
}

/// `compile-child`: reads or compiles the one module that comes over standard input.
pub(crate) fn compile_child() -> ExitCode {
    child_main()
}

/// `inspect`: what a module is, and what keeps it from running.
pub(crate) fn inspect(arguments: &InspectArguments, options: &CompileOptions) -> Result<ExitCode, String> {
    let path: &PathBuf = &arguments.module;
    let place = |text: String| format!("{}: {text}", printable_path(path));
    let bytes = read_module(path).map_err(place)?;
    let limits = match arguments.memory_limit {
        Some(limit) => Limits { memory_bytes: limit.bytes() },
        None => Limits::default(),
    };
    let verdict = compiler(options.budget())?.inspect(&bytes, &arguments.function, &limits).map_err(place)?;
    let (text, runs) = match verdict {
        Verdict::Module(findings) => {
            let runs = findings.problems.iter().all(|it| it.severity != Severity::Error);
            let text = if arguments.json { json_line(findings.json) } else { findings.report };
            (text, runs)
        }
        Verdict::NotAModule(refusal) if arguments.json => (json_line(refusal.json), false),
        Verdict::NotAModule(refusal) => {
            let hint = refusal.hint.map(|it| format!("\nhint: {it}")).unwrap_or_default();
            return Err(place(format!("{}{hint}", refusal.text)));
        }
    };
    standard_output::print(text.as_bytes())?;
    Ok(if runs { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn json_line(value: serde_json::Value) -> String {
    format!("{}\n", printable_json(&format!("{value:#}")))
}

#[cfg(test)]
mod tests {
    use wappa_spec::{LintOptions, Registry, Source};

    use super::*;
    use crate::table;

    #[test]
    fn guests_are_found_wherever_they_are() {
        let text = "
pipeline:
  threads: 3
  processors:
    - wasm: {module_path: a, memory_limit: 256MiB}
    - type: wasm
      plugin: {module_path: b}
    - try:
        - for_each:
            - wasm: {module_path: c, memory_limit: 1GiB, max_instances: 2}
        - type: wasm
          plugin: {module_path: d}
output:
  drop: {}
  processors:
    - wasm: {module_path: e}
processor_resources:
  - label: x
    wasm: {module_path: f}
";
        let registry: &dyn Registry = &table::registry();
        let source = Source::read(text.as_bytes(), |_| None).expect("it is YAML");
        let config = source.stream(registry, LintOptions::default()).config.expect("it is a config");
        let guests = Guests::of(&config);
        assert_eq!((guests.n, guests.memory_bytes_max), (6, 1 << 30));
        let module_paths: Vec<&str> = guests.module_paths.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(module_paths, ["e", "a", "b", "c", "d", "f"]);
        // That under the output once; of the others c has as many instances as it may.
        assert_eq!(guests.memory_bytes >> 20, 128 + 3 * (256 + 3 * 128) + 2 * 1024);
    }
}
