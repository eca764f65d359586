//! The engine of wasm guests, as this program uses it: how large it is, what compiles for it, and `inspect`.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{Arc, atomic::AtomicBool},
};

use wappa_component::{Component, Logger, Services};
use wappa_spec::{ComponentKind, ComponentNode, Node, Size, StreamConfig};
use wappa_wasm::{
    Budget, ChildCompiler, Engine, EngineConfig, child_main,
    inspect::{Inspection, Limits, Severity},
    precompile,
    processor::{self, ConfigDir, read_module},
};

use crate::{cli::InspectArguments, environment};

/// The name of the hidden command that compiles one module.
pub(crate) const COMPILE_CHILD: &str = "compile-child";

static PROCESSOR: Component = processor::COMPONENT;

/// The components of the wasm crate.
pub(crate) fn components() -> Vec<&'static Component> {
    vec![&PROCESSOR]
}

/// Makes the engine when the config has a guest, and tells components where the config is. The flag, once it is set,
/// ends a compilation that is under way.
pub(crate) fn provide(
    services: &mut Services,
    config: &StreamConfig,
    config_path: Option<&Path>,
    budget: Budget,
    interrupted: Arc<AtomicBool>,
    logger: &Logger,
) -> Result<(), String> {
    let guests = Guests::of(config);
    if guests.n == 0 {
        return Ok(());
    }
    let program = environment::program()
        .map_err(|err| format!("finding this program, which compiles modules: {err}"))?;
    let compiler =
        ChildCompiler::new(program, vec![COMPILE_CHILD.into()], budget).interrupted_by(interrupted);
    let mut engine_config = EngineConfig::default();
    // One for each thread and one for each turn, should a guest stand under an input or output.
    let lanes = wappa_engine::threads(config) as u64 + 2;
    engine_config.instances = u32::try_from(guests.n.saturating_mul(lanes)).unwrap_or(u32::MAX);
    engine_config.memory_limit_max = usize::try_from(guests.memory_bytes_max).unwrap_or(usize::MAX);
    engine_config.compiler = Arc::new(compiler);
    let engine = Engine::new(engine_config).map_err(|err| err.to_string())?;
    if let Some(reason) = engine.no_pool() {
        logger.warn(&format!("wasm instances are made on demand, which is slower: {reason}"));
    }
    services.insert(Arc::new(engine));
    if let Some(dir) = config_path.and_then(Path::parent) {
        services.insert(Arc::new(ConfigDir(dir.to_path_buf())));
    }
    Ok(())
}

/// What is known of the guests of a config before they are built.
#[derive(Debug, Default, PartialEq, Eq)]
struct Guests {
    n: u64,
    memory_bytes_max: u64,
}

impl Guests {
    fn of(config: &StreamConfig) -> Guests {
        let mut guests = Guests { n: 0, memory_bytes_max: Limits::default().memory_bytes };
        let resources = &config.resources;
        let all = [&config.input, &config.output]
            .into_iter()
            .chain(&config.pipeline.processors)
            .chain(&resources.inputs)
            .chain(&resources.processors)
            .chain(&resources.outputs);
        all.for_each(|it| guests.add(it));
        guests
    }

    fn add(&mut self, component: &ComponentNode) {
        if component.kind == ComponentKind::Processor && component.name == PROCESSOR.spec.name {
            self.add_guest(&component.body);
        } else {
            self.search(&component.body);
        }
        component.processors.iter().for_each(|it| self.add(it));
    }

    /// Whatever looks like a guest in a body counts as one: too large a pool costs nothing but addresses.
    fn search(&mut self, node: &Node) {
        node.as_seq().into_iter().flatten().for_each(|it| self.search(it));
        for (key, value) in node.as_map().into_iter().flatten() {
            match key.as_key() {
                name if name == PROCESSOR.spec.name => self.add_guest(value),
                "type" if value.as_str() == Some(PROCESSOR.spec.name) => {
                    self.add_guest(node.get("plugin").unwrap_or(value));
                }
                _ => self.search(value),
            }
        }
    }

    fn add_guest(&mut self, body: &Node) {
        self.n += 1;
        let limit = body.get("memory_limit").and_then(Node::as_str).and_then(Size::parse);
        self.memory_bytes_max = self.memory_bytes_max.max(limit.map_or(0, Size::bytes));
    }
}

/// `compile-child`: compiles the one module that comes over standard input.
pub(crate) fn compile_child() -> ExitCode {
    child_main(|wasm| precompile(wasm).map_err(|err| err.to_string()))
}

/// `inspect`: what a module is, and what keeps it from running.
pub(crate) fn inspect(arguments: &InspectArguments) -> Result<ExitCode, String> {
    let path: &PathBuf = &arguments.module;
    let place = |text: String| format!("{}: {text}", path.display());
    let bytes = read_module(path).map_err(place)?;
    let limits = match arguments.memory_limit {
        Some(limit) => Limits { memory_bytes: limit.bytes() },
        None => Limits::default(),
    };
    let (text, runs) = match Inspection::of(&bytes) {
        Ok(inspection) => {
            let problems = inspection.problems(&arguments.function, &limits);
            let runs = problems.iter().all(|it| it.severity != Severity::Error);
            let text = match arguments.json {
                true => json_line(inspection.to_json(&problems)),
                false => inspection.report(&problems),
            };
            (text, runs)
        }
        Err(err) if arguments.json => (json_line(err.to_json()), false),
        Err(err) => return Err(place(err.to_string())),
    };
    // Whoever closed the stream does not want to read it.
    let _ = io::stdout().lock().write_all(text.as_bytes());
    Ok(if runs { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn json_line(value: serde_json::Value) -> String {
    format!("{value:#}\n")
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
  processors:
    - wasm: {module_path: a, memory_limit: 256MiB}
    - type: wasm
      plugin: {module_path: b}
    - try:
        - for_each:
            - wasm: {module_path: c, memory_limit: 1GiB}
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
        assert_eq!(Guests::of(&config), Guests { n: 6, memory_bytes_max: 1 << 30 });
    }
}
