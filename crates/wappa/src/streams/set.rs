//! All streams of the process: each is made, takes another one's place and goes, one change of it after the other.
//!
//! Invariant: whoever changes a stream has its turn, so that a name is one stream's at any time; and no lock is held while
//! something is read, built or stopped. A stream is there from when it was begun until it has ended after a stop: one that
//! does not end keeps its place and its name.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io,
    num::NonZero,
    os::unix::fs::MetadataExt,
    path::PathBuf,
    process,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use wappa_component::{Level, Logger, Metrics, NotRead, Pool, Services, Tracer, cause, read_file};
use wappa_engine::{BuildRequest, ComponentsOfProcess, Setting, SharedResources, World};
use wappa_http_server::{Readiness, StreamView, stats_of_stream};
use wappa_pure::share_pipes;
use wappa_spec::{
    ComponentKind, ComponentNode, Lint, LintOptions, Registry, Resources, Restricted, Source, StreamConfig,
    StreamPart, scrub,
};
use wappa_wasm::{EngineConfig, processor::place_of};

use super::{
    files::StreamFile,
    one::{Beginning, Running, bring_down, still_at_work},
    serving::Lent,
    threads::Threads,
};
use crate::{
    cli::Options,
    compiling::Keeping,
    config::{Finding, Reading},
    environment::Environment,
    run::{is_refused, tell_at},
    table::{self, Table},
    wasm,
};

/// No config is that big.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// How long the name of a stream may be, in bytes: it stands in paths, labels and lines of the log.
const ID_BYTES_MAX: usize = 128;

/// The first pieces of the program's own paths, which no stream can have.
const IDS_OF_PROGRAM: [&str; 10] =
    ["-", "debug", "endpoints", "metrics", "ping", "ready", "resources", "stats", "streams", "version"];

/// How many components all streams may have together.
const COMPONENTS_MAX: usize = 1 << 14;

/// How much memory the configs of all streams may take together, in bytes, each as the tree that is kept so that a part of
/// it can be changed.
const CONFIG_BYTES_MAX: usize = 128 << 20;

/// How many resources may be added by requests.
const RESOURCES_MAX: usize = 1_000;

/// How many files the process can still open when a stream is made: what takes connections needs some, so that streams can be
/// deleted whatever they hold.
const SPARE_FILES: usize = 16;

/// How many streams are read and built at once, at least: each of them may compile modules.
const BUILDS_MIN: usize = 2;

/// The same at most.
const BUILDS_MAX: usize = 4;

/// What streams may have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// How many there may be.
    pub(super) streams_max: usize,
    /// How many threads the pipeline of each has at most.
    pub(super) threads_max: usize,
    /// Whether the paths of a stream are below its name.
    pub(super) has_prefix: bool,
    /// Whether configs that come by requests are not trusted.
    pub(super) is_api_restricted: bool,
}

/// What streams have around them.
pub(super) struct Around {
    pub(super) config: StreamConfig,
    pub(super) options: Options,
    pub(super) environment: Environment,
    pub(super) logger: Logger,
    pub(super) metrics: Metrics,
    pub(super) tracer: Tracer,
    pub(super) keeping: Keeping,
    pub(super) world: World,
    /// Of the resources that all have together.
    pub(super) setting: Setting,
    /// Set when a signal has come.
    pub(super) interrupted: Arc<AtomicBool>,
    /// Caches and rate limits.
    pub(super) shared: Arc<SharedResources>,
    pub(super) bounds: Bounds,
}

impl Around {
    /// Whether lints are no reason not to run.
    pub(super) fn is_chilled(&self) -> bool {
        self.options.chilled && !self.config.is_restricted
    }

    /// Whether findings keep the stream of a file from being run.
    pub(super) fn refuses(&self, findings: &[Finding]) -> bool {
        is_refused(&self.config, findings, &self.options)
    }

    fn table(&self) -> Result<Table, String> {
        let modules = wasm::modules(self.options.compiling.budget())?;
        Ok(table::with_modules(match &self.keeping {
            Keeping::In(cache) => modules.trusting(Arc::clone(cache)),
            Keeping::Nowhere | Keeping::Off => modules,
        }))
    }

    /// Whether what comes by a request is not trusted.
    pub(super) fn is_api_restricted(&self) -> bool {
        self.bounds.is_api_restricted || self.options.restricted || self.config.is_restricted
    }

    /// Reads with all components, or as what is not trusted.
    fn with_reading<T>(
        &self,
        is_restricted: bool,
        read: impl FnOnce(&Reading<'_>) -> T,
    ) -> Result<T, String> {
        let table = self.table()?;
        let restricted = Restricted(&table);
        let is_restricted = is_restricted || self.options.restricted || self.config.is_restricted;
        let registry: &dyn Registry = if is_restricted { &restricted } else { &table };
        Ok(read(&Reading {
            registry,
            environment: &self.environment,
            options: LintOptions::default(),
            guest_memory_limit: None,
            is_around: false,
        }))
    }
}

/// The config of a stream, read and linted.
#[derive(Clone, Debug)]
pub(super) struct Submitted {
    /// What it says.
    pub(super) part: StreamPart,
    /// The tree that it was read from.
    pub(super) source: Source,
    /// What its file and those of its modules are known by, where they may be watched.
    pub(super) stamp: Option<String>,
}

impl Submitted {
    /// The same, known by its text and by the files of its modules as they are now.
    fn stamped(self) -> Submitted {
        let mut stamp = self.source.text.clone();
        for path in self.modules() {
            let known = fs::metadata(&path).map(|it| (it.len(), it.ino(), it.mtime(), it.mtime_nsec())).ok();
            stamp += &format!("\n{path:?} {known:?}");
        }
        Submitted { stamp: Some(stamp), ..self }
    }

    /// The files of the modules that it names.
    pub(super) fn modules(&self) -> Vec<PathBuf> {
        let StreamPart { input, pipeline, output, .. } = &self.part;
        let nodes: Vec<&ComponentNode> = [input, output].into_iter().chain(&pipeline.processors).collect();
        wasm::module_paths_of(&nodes).iter().map(|(path, dir)| place_of(path, dir.as_deref())).collect()
    }
}

/// What reading a config gave.
#[derive(Debug)]
pub(super) struct Read {
    /// The config, where sense can be made of it.
    pub(super) submitted: Option<Submitted>,
    /// What is wrong with it.
    pub(super) findings: Vec<Finding>,
}

/// What a request says, with its lints; or, where no sense can be made of it, these alone.
pub(super) type Found<T> = Result<(Option<T>, Vec<Lint>), Vec<Lint>>;

/// Why a change was not made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// There is no such stream.
    NotFound,
    /// There is one already.
    Exists,
    /// Something is wrong with what was asked.
    Mistake(String),
    /// It cannot be built, or not be stopped.
    Failed(String),
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Refusal::NotFound => f.write_str("Stream not found"),
            Refusal::Exists => f.write_str("Stream already exists"),
            Refusal::Mistake(text) | Refusal::Failed(text) => f.write_str(text),
        }
    }
}

/// A stream that is built and not begun.
struct Built {
    beginning: Beginning,
    stream: wappa_engine::Stream,
}

impl Drop for Unused<'_> {
    fn drop(&mut self) {
        if let Some(metrics) = self.0.take() {
            metrics.retire();
        }
    }
}

/// The series of a stream that was not begun are gone with it.
struct Unused<'a>(Option<&'a Metrics>);

/// All streams.
pub(crate) struct Streams {
    around: Around,
    lent: Lent,
    /// What guests of all streams hold.
    guest_memory: Pool,
    /// What streams reach each other through.
    services: Services,
    components: Arc<ComponentsOfProcess>,
    threads: Arc<Threads>,
    /// Whether all streams of files were begun.
    has_started: AtomicBool,
    state: Mutex<State>,
    /// Somebody's turn is over.
    turn_over: Condvar,
    /// Shared by those who change one stream; who replaces all of them has it alone.
    whole: RwLock<()>,
}

#[derive(Default)]
struct State {
    all: BTreeMap<String, Arc<Running>>,
    /// Names of streams that are being changed.
    busy: BTreeSet<String>,
    n_building: usize,
    /// Nothing more is changed.
    is_closed: bool,
    /// Processors, inputs and outputs that each stream builds for itself, where it refers to them.
    resources: Resources,
    n_added: usize,
}

/// The turn to change a stream.
struct Turn<'a> {
    streams: &'a Streams,
    id: String,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.streams.lock().busy.remove(&self.id);
        self.streams.turn_over.notify_all();
    }
}

/// The turn to read and build.
struct Building<'a>(&'a Streams);

impl Drop for Building<'_> {
    fn drop(&mut self) {
        self.0.lock().n_building -= 1;
        self.0.turn_over.notify_all();
    }
}

fn check_config_bytes(n_bytes: usize) -> Result<(), Refusal> {
    if n_bytes <= CONFIG_BYTES_MAX {
        return Ok(());
    }
    let max = CONFIG_BYTES_MAX >> 20;
    Err(Refusal::Mistake(format!(
        "the configs of all streams would take more than {max} MiB of memory together"
    )))
}

/// Whether the process can open as many files as are to be left.
fn check_spare_files() -> Result<(), String> {
    let spare: io::Result<Vec<File>> = (0..SPARE_FILES).map(|_| File::open("/dev/null")).collect();
    spare.map(drop).map_err(|err| {
        format!("no more than {SPARE_FILES} files would be left for all else: {}", cause(&err))
    })
}

/// Whether a stream can be called so.
pub(super) fn check_id(id: &str) -> Result<(), String> {
    let is_letter = |it: char| !it.is_control() && !matches!(it, '/' | '\\' | '?' | '#' | '%');
    if id.is_empty() || ID_BYTES_MAX < id.len() {
        return Err(format!("a stream id has from 1 to {ID_BYTES_MAX} bytes, not {}", id.len()));
    }
    if [".", ".."].contains(&id) || !id.chars().all(is_letter) || wappa_spec::printable(id) != id {
        return Err(format!(
            "stream id `{}` cannot be part of a path: letters, digits, `-`, `_` and `.` always can",
            wappa_spec::printable(id)
        ));
    }
    Ok(())
}

impl Streams {
    /// None yet. The error says which of the resources cannot be built.
    pub(super) fn new(around: Around, lent: Lent) -> Result<Streams, String> {
        let limit =
            around.options.guest_memory_limit.map(|it| usize::try_from(it.bytes()).unwrap_or(usize::MAX));
        let guest_memory = Pool::new(limit.unwrap_or(EngineConfig::default().guest_memory));
        let mut resources = around.config.resources.clone();
        let shared = Resources {
            caches: std::mem::take(&mut resources.caches),
            rate_limits: std::mem::take(&mut resources.rate_limits),
            ..Resources::default()
        };
        let streams = Streams {
            around,
            lent,
            guest_memory,
            services: Services::default(),
            components: Arc::new(ComponentsOfProcess::new(COMPONENTS_MAX)),
            threads: Threads::of_machine(),
            has_started: AtomicBool::new(false),
            state: Mutex::new(State { resources, ..State::default() }),
            turn_over: Condvar::new(),
            whole: RwLock::new(()),
        };
        streams.build_shared(shared)?;
        Ok(streams)
    }

    pub(super) fn around(&self) -> &Around {
        &self.around
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All streams, by name.
    pub(super) fn all(&self) -> Vec<Arc<Running>> {
        self.lock().all.values().cloned().collect()
    }

    /// The stream of this name.
    pub(super) fn get(&self, id: &str) -> Option<Arc<Running>> {
        self.lock().all.get(id).cloned()
    }

    /// Whether the stream of this name is made of the same.
    pub(super) fn is_as(&self, id: &str, submitted: &Submitted) -> bool {
        submitted.stamp.is_some() && self.get(id).is_some_and(|it| it.stamp == submitted.stamp)
    }

    /// All streams of files were begun: from here on it can be ready.
    pub(super) fn have_started(&self) {
        self.has_started.store(true, Ordering::SeqCst);
    }

    /// Those that run and do not have all connections that they want.
    pub(super) fn readiness(&self) -> Readiness {
        if !self.has_started.load(Ordering::SeqCst) {
            return Readiness::Starting;
        }
        let is_unconnected = |it: &Arc<Running>| it.is_active() && !it.is_connected();
        let names = self.all().into_iter().filter(is_unconnected).map(|it| it.id.clone());
        Readiness::Unconnected(names.collect())
    }

    /// What the page shows.
    pub(super) fn views(&self) -> Vec<StreamView> {
        self.all().iter().map(|it| it.view()).collect()
    }

    /// The components of all streams that were called and have not returned, a line each.
    pub(super) fn at_work(&self) -> String {
        let of = |it: &Arc<Running>| -> Vec<String> {
            it.at_work().iter().map(|name| format!("{}: {name}\n", it.id)).collect()
        };
        self.all().iter().flat_map(of).collect()
    }

    /// Lines on what guests hold.
    pub(super) fn memory(&self) -> String {
        format!("guests {}\nguests_limit {}\n", self.guest_memory.held(), self.guest_memory.limit())
    }

    /// What a stream counts.
    pub(super) fn stats(&self, id: &str) -> Option<String> {
        let running = self.get(id)?;
        Some(stats_of_stream(&self.around.metrics, id, running.uptime()))
    }

    /// Reads the config of a file. The error is one of this program.
    pub(super) fn read_file(&self, file: &StreamFile) -> Result<Read, String> {
        let shown = file.path.display().to_string();
        let bytes = read_file(&file.path, FILE_BYTES_MAX).map_err(|NotRead { step, cause }| {
            format!("Stream configuration file read error: failed to load config '{shown}': {step} {shown}: {cause}")
        })?;
        self.around.with_reading(false, |reading| {
            let (read, source, findings) = reading.part(&shown, file.path.parent(), &bytes);
            let submitted =
                read.zip(source).map(|(part, source)| Submitted { part, source, stamp: None }.stamped());
            Read { submitted, findings }
        })
    }

    /// Reads what came by a request, which `source_of` makes a tree of: with its lints, where there is one.
    pub(super) fn read_posted(
        &self,
        source_of: impl FnOnce(&Reading<'_>) -> Result<Source, Vec<Lint>>,
    ) -> Result<Found<Submitted>, String> {
        let _building = self.begin_building().map_err(|it| it.to_string())?;
        self.around.with_reading(self.around.bounds.is_api_restricted, |reading| {
            let source = source_of(reading)?;
            let linted = source.part(reading.registry, reading.options, false);
            Ok((linted.config.map(|part| Submitted { part, source, stamp: None }), linted.lints))
        })
    }

    /// Reads a resource that came by a request.
    pub(super) fn read_resource(
        &self,
        kind: ComponentKind,
        body: &[u8],
    ) -> Result<Found<ComponentNode>, String> {
        let _building = self.begin_building().map_err(|it| it.to_string())?;
        self.around.with_reading(self.around.bounds.is_api_restricted, |reading| {
            let source = reading.source(body, None)?;
            let linted = source.resource(kind, reading.registry, reading.options);
            Ok((linted.config, linted.lints))
        })
    }

    /// A source of a request's body, of which parts may be configs.
    pub(super) fn source_of(&self, body: &[u8]) -> Result<Result<Source, Vec<Lint>>, String> {
        self.around.with_reading(self.around.bounds.is_api_restricted, |reading| reading.source(body, None))
    }

    /// Makes a stream.
    pub(super) fn create(&self, id: &str, submitted: Submitted) -> Result<(), Refusal> {
        self.check_name(id).map_err(Refusal::Mistake)?;
        let _shared = self.whole.read().unwrap_or_else(PoisonError::into_inner);
        let _turn = self.take_turn(id)?;
        if self.get(id).is_some() {
            return Err(Refusal::Exists);
        }
        self.create_in_turn(id, submitted)
    }

    /// Whether a stream can be called so here, where the program has paths as well.
    fn check_name(&self, id: &str) -> Result<(), String> {
        check_id(id)?;
        let is_of_program = IDS_OF_PROGRAM.contains(&id) || id == self.lent.root_path();
        match is_of_program && self.around.bounds.has_prefix {
            true => Err(format!("no stream can have the id `{id}`: its paths would be those of the program")),
            false => Ok(()),
        }
    }

    fn create_in_turn(&self, id: &str, submitted: Submitted) -> Result<(), Refusal> {
        self.check_room(1)?;
        self.check_configs(id, &submitted)?;
        let built = self.build(id, submitted)?;
        self.begin(built)
    }

    /// Has a stream take the place of the one of its name, or makes it.
    pub(super) fn put(&self, id: &str, submitted: Submitted) -> Result<(), Refusal> {
        let _shared = self.whole.read().unwrap_or_else(PoisonError::into_inner);
        let _turn = self.take_turn(id)?;
        match self.get(id) {
            Some(before) => self.replace(&before, submitted),
            None => self.create_in_turn(id, submitted),
        }
    }

    /// Has a stream take the place of the one of its name. `submitted` is asked for it in the stream's turn.
    pub(super) fn update<E: From<Refusal>>(
        &self,
        id: &str,
        submitted: impl FnOnce(&Running) -> Result<Submitted, E>,
    ) -> Result<(), E> {
        let _shared = self.whole.read().unwrap_or_else(PoisonError::into_inner);
        let _turn = self.take_turn(id)?;
        let before = self.get(id).ok_or(Refusal::NotFound)?;
        let submitted = submitted(&before)?;
        Ok(self.replace(&before, submitted)?)
    }

    fn replace(&self, before: &Arc<Running>, submitted: Submitted) -> Result<(), Refusal> {
        self.check_configs(&before.id, &submitted)?;
        // One that cannot be built takes nobody's place.
        let built = self.build(&before.id, submitted)?;
        let mut unused = Unused(Some(&built.beginning.metrics));
        before.forget_paths();
        self.bring_down(std::slice::from_ref(before))?;
        before.let_go();
        unused.0 = None;
        drop(unused);
        match self.begin(built) {
            Ok(()) => {
                before.forget(true);
                Ok(())
            }
            Err(err) => {
                self.lock().all.remove(&before.id);
                before.forget(false);
                Err(err)
            }
        }
    }

    /// Stops a stream, and it is gone.
    pub(super) fn delete(&self, id: &str) -> Result<(), Refusal> {
        let _shared = self.whole.read().unwrap_or_else(PoisonError::into_inner);
        let _turn = self.take_turn(id)?;
        let running = self.get(id).ok_or(Refusal::NotFound)?;
        self.bring_down(std::slice::from_ref(&running))?;
        self.lock().all.remove(id);
        running.forget(false);
        Ok(())
    }

    /// Has a set of streams take the place of all that there are.
    pub(super) fn replace_all(&self, set: Vec<(String, Submitted)>) -> Result<(), Refusal> {
        for (id, _) in &set {
            self.check_name(id).map_err(|text| Refusal::Mistake(format!("stream '{id}': {text}")))?;
        }
        self.check_number(set.len())?;
        check_config_bytes(set.iter().map(|(_, it)| it.source.node.n_bytes()).sum())?;
        let _alone = self.whole.write().unwrap_or_else(PoisonError::into_inner);
        if self.lock().is_closed {
            return Err(closed());
        }
        let mut all_built: Vec<Built> = Vec::with_capacity(set.len());
        for (id, submitted) in set {
            match self.build(&id, submitted) {
                Ok(built) => all_built.push(built),
                Err(err) => {
                    all_built.iter().for_each(|it| it.beginning.metrics.retire());
                    return Err(match err {
                        Refusal::Failed(text) => Refusal::Failed(format!("stream '{id}': {text}")),
                        other => other,
                    });
                }
            }
        }
        let before = self.all();
        if let Err(err) = self.bring_down(&before) {
            all_built.iter().for_each(|it| it.beginning.metrics.retire());
            // Those that have ended are gone all the same.
            for running in before.iter().filter(|it| !it.is_active()) {
                self.lock().all.remove(&running.id);
                running.forget(false);
            }
            return Err(err);
        }
        self.lock().all.clear();
        before.iter().for_each(|it| it.let_go());
        let mut first = Ok(());
        let mut begun = BTreeSet::new();
        for built in all_built {
            let id = built.beginning.id.clone();
            match self.begin(built) {
                Ok(()) => _ = begun.insert(id),
                Err(err) => first = first.and(Err(err)),
            }
        }
        before.iter().for_each(|it| it.forget(begun.contains(&it.id)));
        first
    }

    /// Adds a resource, or replaces the one of its label.
    pub(super) fn put_resource(&self, mut node: ComponentNode, label: &str) -> Result<(), Refusal> {
        node.label = label.to_string();
        let _alone = self.whole.write().unwrap_or_else(PoisonError::into_inner);
        let mut state = self.lock();
        let others = state.resources.clone();
        let of_others = [
            (ComponentKind::Input, &others.inputs),
            (ComponentKind::Processor, &others.processors),
            (ComponentKind::Output, &others.outputs),
        ];
        let is_other =
            of_others.iter().any(|(kind, all)| *kind != node.kind && all.iter().any(|it| it.label == label));
        let of_shared = self.around.shared.labels();
        let is_other_shared = of_shared.iter().any(|(kind, it)| *kind != node.kind && it == label);
        if is_other || is_other_shared {
            return Err(Refusal::Mistake(format!(
                "{} resource label '{label}' collides with a previously defined resource",
                node.kind
            )));
        }
        let is_there =
            of_others.iter().any(|(kind, all)| *kind == node.kind && all.iter().any(|it| it.label == label))
                || of_shared.iter().any(|(kind, it)| *kind == node.kind && it == label);
        if !is_there {
            if RESOURCES_MAX <= state.n_added {
                let text =
                    format!("no more than {RESOURCES_MAX} resources can be added while the process runs");
                return Err(Refusal::Mistake(text));
            }
            state.n_added += 1;
        }
        let list = match node.kind {
            ComponentKind::Input => &mut state.resources.inputs,
            ComponentKind::Processor => &mut state.resources.processors,
            ComponentKind::Output => &mut state.resources.outputs,
            kind => {
                drop(state);
                let resources = match kind {
                    ComponentKind::Cache => Resources { caches: vec![node], ..Resources::default() },
                    _ => Resources { rate_limits: vec![node], ..Resources::default() },
                };
                return self.build_shared(resources).map_err(Refusal::Failed);
            }
        };
        match list.iter_mut().find(|it| it.label == label) {
            Some(found) => *found = node,
            None => list.push(node),
        }
        Ok(())
    }

    fn build_shared(&self, resources: Resources) -> Result<(), String> {
        let config = StreamConfig { resources, ..self.around.config.clone() };
        let table = self.around.table()?;
        let restricted = Restricted(&table);
        let registry: &dyn Registry = if config.is_restricted { &restricted } else { &table };
        let request = BuildRequest {
            config: &config,
            components: table::table(),
            registry,
            logger: self.around.logger.clone(),
            metrics: self.around.metrics.clone(),
            services: self.services_of(None),
            setting: &self.around.setting,
        };
        wappa_engine::build_shared(request, &self.around.shared).map_err(|err| err.to_string())
    }

    /// What components of a stream are built with; or those of the resources that all have together.
    fn services_of(&self, id: Option<&str>) -> Services {
        let mut services = Services::default();
        share_pipes(&self.services, &mut services);
        services.insert(Arc::clone(&self.around.shared));
        services.insert(Arc::new(self.around.tracer.clone()));
        if id.is_some() {
            services.insert(Arc::clone(&self.components));
        }
        self.lent.provide(&mut services, id, self.around.bounds.has_prefix);
        services
    }

    fn build(&self, id: &str, submitted: Submitted) -> Result<Built, Refusal> {
        let _building = self.begin_building()?;
        let Submitted { part, source, stamp } = submitted;
        let bounds = self.around.bounds;
        let mut config = self.around.config.around(part);
        config.resources = self.lock().resources.clone();
        let asked = usize::try_from(config.pipeline.threads).unwrap_or(0);
        if bounds.threads_max < asked {
            return Err(Refusal::Mistake(format!(
                "the pipeline of a stream has at most {} threads, not {asked} (`--max-stream-threads`)",
                bounds.threads_max
            )));
        }
        if asked == 0 {
            let n_processors = thread::available_parallelism().map_or(1, NonZero::get);
            config.pipeline.threads = n_processors.min(bounds.threads_max) as i64;
        }
        // One more that waits for its end, and one that fills a buffer.
        let fills = usize::from(config.buffer.name != "none");
        let n_threads = usize::try_from(config.pipeline.threads).unwrap_or(0) + 1 + fills;
        let threads = self.threads.take(n_threads).map_err(Refusal::Mistake)?;
        let failed = |text: String| Refusal::Failed(text);
        check_spare_files().map_err(failed)?;
        let table = self.around.table().map_err(failed)?;
        let restricted = Restricted(&table);
        let registry: &dyn Registry = if config.is_restricted { &restricted } else { &table };
        let taps = self.lent.taps().of_stream(id);
        let setting = Setting::new(&self.around.world).map_err(|err| failed(cause(&err)))?;
        let setting = setting.tapped_by(&taps).one_of_several();
        let logger = self.around.logger.for_stream(id);
        let mut services = self.services_of(Some(id));
        let providing = wasm::Providing {
            budget: self.around.options.compiling.budget(),
            keeping: self.around.keeping.clone(),
            interrupted: Arc::clone(&self.around.interrupted),
            guest_memory_limit: None,
            pool: Some(self.guest_memory.clone()),
        };
        wasm::provide(&mut services, &config, providing, &logger).map_err(failed)?;
        let metrics = self.around.metrics.of_stream(id);
        let mut unused = Unused(Some(&metrics));
        let request = BuildRequest {
            config: &config,
            components: table::table(),
            registry,
            logger: logger.clone(),
            metrics: metrics.clone(),
            services,
            setting: &setting,
        };
        let (stream, tally) = wappa_engine::build(request).map_err(|err| failed(err.to_string()))?;
        unused.0 = None;
        drop(unused);
        let shown = scrub(&source.node, StreamPart::FIELDS, registry);
        let routes = self.lent.routes_of(id, bounds.has_prefix);
        let beginning = Beginning {
            id: id.to_string(),
            tree: source.node,
            stamp,
            shown,
            setting,
            tally,
            logger,
            metrics,
            taps,
            routes,
            threads,
            has_ready_path: bounds.has_prefix,
        };
        Ok(Built { beginning, stream })
    }

    fn begin(&self, built: Built) -> Result<(), Refusal> {
        let Built { beginning, stream } = built;
        let (id, metrics) = (beginning.id.clone(), beginning.metrics.clone());
        let mut state = self.lock();
        if state.is_closed {
            metrics.retire();
            return Err(closed());
        }
        // Under the lock, so that whoever closes finds it, or keeps it from beginning.
        match Running::begin(beginning, stream) {
            Ok(running) => {
                state.all.insert(id, running);
                Ok(())
            }
            Err(text) => {
                metrics.retire();
                Err(Refusal::Failed(text))
            }
        }
    }

    fn bring_down(&self, all: &[Arc<Running>]) -> Result<(), Refusal> {
        let timeout = self.around.config.shutdown_timeout;
        let left = bring_down(all, timeout, &|| false);
        if left.is_empty() {
            return Ok(());
        }
        let text = format!("did not stop within {timeout:?}, and goes on stopping: {}", still_at_work(&left));
        Err(Refusal::Failed(text))
    }

    fn check_room(&self, n_more: usize) -> Result<(), Refusal> {
        let state = self.lock();
        // Those that others are about to make count as well.
        let n_coming = state.busy.iter().filter(|it| !state.all.contains_key(*it)).count().max(n_more);
        let n = state.all.len() + n_coming;
        drop(state);
        self.check_number(n)
    }

    /// Whether there may be so many streams.
    pub(super) fn check_number(&self, n: usize) -> Result<(), Refusal> {
        if self.around.bounds.streams_max < n { Err(self.too_many(n)) } else { Ok(()) }
    }

    /// Whether this config finds room beside those of all other streams.
    fn check_configs(&self, id: &str, submitted: &Submitted) -> Result<(), Refusal> {
        let others: usize = self.lock().all.values().filter(|it| it.id != id).map(|it| it.n_bytes).sum();
        check_config_bytes(others + submitted.source.node.n_bytes())
    }

    fn too_many(&self, n: usize) -> Refusal {
        let max = self.around.bounds.streams_max;
        Refusal::Mistake(format!("there would be {n} streams, and at most {max} may be (`--max-streams`)"))
    }

    fn take_turn(&self, id: &str) -> Result<Turn<'_>, Refusal> {
        let state = self.lock();
        let is_waiting = |it: &mut State| it.busy.contains(id) && !it.is_closed;
        let mut state = self.turn_over.wait_while(state, is_waiting).unwrap_or_else(PoisonError::into_inner);
        if state.is_closed {
            return Err(closed());
        }
        state.busy.insert(id.to_string());
        Ok(Turn { streams: self, id: id.to_string() })
    }

    fn begin_building(&self) -> Result<Building<'_>, Refusal> {
        let n_processors = thread::available_parallelism().map_or(1, NonZero::get);
        let max = n_processors.clamp(BUILDS_MIN, BUILDS_MAX);
        let state = self.lock();
        let is_waiting = |it: &mut State| max <= it.n_building && !it.is_closed;
        let mut state = self.turn_over.wait_while(state, is_waiting).unwrap_or_else(PoisonError::into_inner);
        if state.is_closed {
            return Err(closed());
        }
        state.n_building += 1;
        Ok(Building(self))
    }

    /// Nothing more is changed, and all streams are stopped within this time. Whether all have ended and delivered all.
    pub(super) fn close(&self, timeout: Duration, is_hurried: impl Fn() -> bool) -> bool {
        let all: Vec<Arc<Running>> = {
            let mut state = self.lock();
            state.is_closed = true;
            state.all.values().cloned().collect()
        };
        self.turn_over.notify_all();
        let left = bring_down(&all, timeout, &is_hurried);
        if !left.is_empty() {
            let text = format!("Streams did not stop in time. Still at work: {}", still_at_work(&left));
            tell_at(Level::Error, &self.around.logger, &text);
        }
        self.around.setting.stop().cut();
        left.is_empty() && all.iter().all(|it| it.undelivered() == 0)
    }
}

fn closed() -> Refusal {
    Refusal::Failed("the service is closing".to_string())
}

/// What comes after a shutdown that does not end: Bento's second of grace.
const GRACE: Duration = Duration::from_secs(1);

/// Ends the process, whatever hangs, a while after the time of a stop is over.
pub(super) fn watch_over(streams: &Arc<Streams>, budget: Duration) {
    let streams = Arc::clone(streams);
    let watch = move || {
        thread::sleep(budget.saturating_add(2 * GRACE));
        let say = move || {
            let active: Vec<Arc<Running>> = streams.all().into_iter().filter(|it| it.is_active()).collect();
            let text = "Service failed to close cleanly within allocated time. Exiting forcefully";
            let text = format!("{text}. Still at work: {}", still_at_work(&active));
            tell_at(Level::Warn, &streams.around.logger, &text);
        };
        // The log itself may be what hangs.
        let said = thread::Builder::new().spawn(say);
        if said.is_ok() {
            thread::sleep(GRACE / 5);
        }
        process::exit(1);
    };
    // A process that can start no thread ends without a guard.
    let _ = thread::Builder::new().name("watchdog".to_string()).spawn(watch);
}

impl std::fmt::Debug for Streams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.all().iter().map(|it| it.id.clone())).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_part_of_a_path() {
        let long = "a".repeat(ID_BYTES_MAX);
        for id in ["a", "A-b_c.d", "eins zwei", "é", ".hid", "...", &long] {
            assert_eq!(check_id(id), Ok(()), "{id}");
        }
        let longer = format!("{long}a");
        for id in ["", ".", "..", "a/b", "a\\b", "a?b", "a#b", "a%b", "a\0b", "a\nb", "a\u{202e}b", &longer] {
            assert!(check_id(id).is_err(), "{id:?}");
        }
    }
}
