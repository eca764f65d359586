//! The `wasm` processor: a guest in a pipeline.

mod calls;
mod config;
mod counted;
mod known;
mod lanes;
mod lint;
mod observers;
mod recycle;
mod seat;
mod series;
mod versions;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Instant,
};

use wappa_component::{
    BuildError, BuildProcessor, Component, Context, Logger, Part, Processor, Step, cause_of_start,
};
use wappa_message::Mark;

use crate::{
    engine::Engine, engine::module::Module, file::digest::Digest, file::digest::digest_of, file::digest::hex,
    guest::Guest, guest::GuestConfig, guest::instance::Instance, host::error::CallError, host::error::Kind,
    host::interrupt::Interrupt, host::log::RatedLog, host::shared::Limits, host::shared::Mount,
    host::stack::spawn_scoped_thread,
};
use calls::CallSpans;
use config::WasmConfig;
use counted::Counted;
use lanes::{Alive, Lanes};
use observers::{Failures, LogOfGuest, MetricsOfGuest, TicksOfStream};
use recycle::Recycle;
use seat::Seat;
use versions::{Look, Versions, Watch, Watched};

pub use known::Modules;
pub use series::SERIES;

/// The entry of the table of components.
pub const COMPONENT: Component = Component::processor::<WasmConfig>("wasm").categories(&["Utility"]);

/// How many lines a second a processor's guests may log together.
const LOG_LINES_PER_SECOND: u32 = 100;

/// No module is larger. The largest that toolchains make, an interpreter with its libraries, have some 20 MiB.
const MODULE_BYTES_MAX: u64 = 256 << 20;

struct Wasm {
    engine: Engine,
    versions: Arc<Versions>,
    lanes: Lanes,
    recycle: Recycle,
    part_limit: usize,
    logger: Logger,
    /// The path without `root.`, as it stands in marks.
    path: String,
    counted: Arc<Counted>,
    failures: Failures,
    /// Failures of host functions, after which a guest goes on as if nothing were.
    mistakes: RatedLog,
    /// Tells of calls; none where nothing is traced.
    calls: Option<CallSpans>,
    /// Brings new versions, with `reload`.
    _watch: Option<Watch>,
}

impl BuildProcessor for WasmConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Processor>, BuildError> {
        let Some(engine) = ctx.services().get::<Engine>() else {
            return Err(BuildError::new("this program was started without a wasm engine"));
        };
        let engine = engine.as_ref().clone();
        let file = place_of(&self.module_path, ctx.config_dir());
        let logger = ctx.logger();
        let interrupt = Interrupt::new();
        // Compiling takes long: a stop during it ends the compiler too.
        let of_hook = interrupt.clone();
        ctx.on_abandon(move || of_hook.raise());
        let counted = Arc::new(Counted::new(ctx, self.reload));
        let maker = self.maker(&engine, &file, interrupt, Arc::clone(&counted), ctx);
        let began = Instant::now();
        let seen = Look::at(&file);
        let place = |text: String| BuildError::new(format!("`{}`: {text}", file.display()));
        let unreadable = |cause| BuildError::new(format!("reading the module `{}`: {cause}", file.display()));
        let unknown = Modules::default();
        let modules = ctx.registry().get::<Modules>().unwrap_or(&unknown);
        let mut module = modules.open(&file).map_err(unreadable)?;
        let module = match maker.known_module(module.digest()) {
            Some(module) => module,
            None => {
                let (bytes, digest) = module.read().map_err(unreadable)?;
                maker.module(bytes, digest).map_err(&place)?
            }
        };
        let guest = maker.guest(&module).map_err(&place)?;
        let first = first_instance(&guest).map_err(|err| place(err.mark_text()))?;
        let max_instances = usize::try_from(self.max_instances).unwrap_or(usize::MAX);
        counted.loaded(began.elapsed());
        let lanes = Lanes::new(ctx.lanes(), max_instances, ctx.threads(), Alive::new(first, 0, &counted));
        let versions = Arc::new(Versions::new(guest, counted.version(&module.sha256()), &module.sha256()));
        let watch = if self.reload {
            let watched = Watched {
                file,
                digest: module.sha256(),
                load: Box::new(move |digest| maker.load(digest)),
                versions: Arc::clone(&versions),
                logger: logger.clone(),
                counted: Arc::clone(&counted),
            };
            let watch = Watch::begin(watched, seen);
            Some(watch.map_err(|err| BuildError::new(format!("watching the module: {err}")))?)
        } else {
            None
        };
        let recycle = Recycle {
            messages: self.recycle.messages,
            growth: self.recycle.growth,
            memory_limit: bytes_of(self.memory_limit),
            prepares: max_instances == 0,
        };
        let path = ctx.path().strip_prefix("root.").unwrap_or(ctx.path()).to_string();
        let mistakes = RatedLog::new(Some(Arc::new(LogOfGuest(logger.clone()))), LOG_LINES_PER_SECOND);
        Ok(Box::new(Wasm {
            engine,
            versions,
            lanes,
            recycle,
            part_limit: bytes_of(self.part_limit),
            logger,
            path,
            counted,
            failures: Failures::new(ctx.metrics(), ctx.label(), ctx.path()),
            mistakes,
            calls: CallSpans::new(&self.function, ctx),
            _watch: watch,
        }))
    }
}

fn bytes_of(size: wappa_spec::Size) -> usize {
    usize::try_from(size.bytes()).unwrap_or(usize::MAX)
}

impl WasmConfig {
    /// What makes guests of a module's versions.
    fn maker(
        &self,
        engine: &Engine,
        file: &Path,
        interrupt: Interrupt,
        counted: Arc<Counted>,
        ctx: &Context<'_>,
    ) -> Maker {
        let mounts = self.mounts.iter();
        let logger = ctx.logger();
        let metrics = MetricsOfGuest::new(ctx.metrics().clone(), ctx.label(), ctx.path(), logger.clone());
        Maker {
            engine: engine.clone(),
            file: file.to_path_buf(),
            sha256: self.sha256.clone(),
            counted,
            config: GuestConfig {
                function: self.function.clone(),
                config: self.config.reveal().0.clone(),
                limits: Limits {
                    timeout: self.timeout,
                    memory: bytes_of(self.memory_limit),
                    output: bytes_of(self.output_limit),
                    log_lines_per_second: LOG_LINES_PER_SECOND,
                },
                max_instances: 0,
                env: self.env.reveal().0.clone(),
                args: self.args.clone(),
                mounts: mounts
                    .map(|it| Mount {
                        host: place_of(&it.host, ctx.config_dir()),
                        guest: it.guest.clone(),
                        writable: it.writable,
                    })
                    .collect(),
                log: Some(Arc::new(LogOfGuest(logger))),
                metrics: Some(Arc::new(metrics)),
                ticks: Some(Arc::new(TicksOfStream(ctx.pulse()))),
                interrupt,
                // One for all versions of the module.
                account: Some(engine.account()),
            },
        }
    }
}

/// Makes guests of what is in the module's file.
struct Maker {
    engine: Engine,
    file: PathBuf,
    sha256: String,
    counted: Arc<Counted>,
    config: GuestConfig,
}

impl Maker {
    fn module(&self, bytes: &[u8], digest: Digest) -> Result<Module, String> {
        let began = Instant::now();
        let module = match self.sha256.as_str() {
            "" => Module::with_digest(&self.engine, bytes, digest),
            pinned => Module::with_digest_that_is(&self.engine, bytes, digest, pinned),
        };
        let module = module.map_err(|err| err.to_string())?;
        if !module.is_from_cache() {
            self.counted.compiled(began.elapsed());
        }
        Ok(module)
    }

    /// The module of a digest, where another processor has it already.
    fn known_module(&self, digest: &Digest) -> Option<Module> {
        let is_pinned = self.sha256.is_empty() || self.sha256.trim().eq_ignore_ascii_case(&hex(digest));
        is_pinned.then(|| Module::known(&self.engine, digest)).flatten()
    }

    fn guest(&self, module: &Module) -> Result<Guest, String> {
        Guest::new(&self.engine, module, self.config.clone()).map_err(|err| err.to_string())
    }

    /// The guest of what is in the file now, once its first instance has started, unless the file is the one of the
    /// digest.
    fn load(&self, digest: &str) -> Result<Option<(Guest, String)>, String> {
        let began = Instant::now();
        let bytes = read_module(&self.file)?;
        let found = digest_of(&bytes);
        if hex(&found) == digest {
            return Ok(None);
        }
        let module = self.module(&bytes, found)?;
        let guest = self.guest(&module)?;
        let first = first_instance(&guest).map_err(|err| err.mark_text())?;
        self.counted.loaded(began.elapsed());
        first.close();
        Ok(Some((guest, module.sha256())))
    }
}

/// The module's file or the directory that a config names: relative to the working directory, as in Bento; when it is not
/// there, relative to the file that names it.
pub fn place_of(path: &str, config_dir: Option<&Path>) -> PathBuf {
    let direct = PathBuf::from(path);
    match beside_config(path, config_dir) {
        Some(beside) if !direct.exists() => beside,
        _ => direct,
    }
}

/// What a path leads to beside the file that names it, if there is something.
fn beside_config(path: &str, config_dir: Option<&Path>) -> Option<PathBuf> {
    config_dir.map(|it| it.join(path)).filter(|it| it.exists())
}

/// What is in the file of a module; or why it cannot be had.
pub fn read_module(file: &Path) -> Result<Vec<u8>, String> {
    wappa_component::read_file(file, MODULE_BYTES_MAX).map_err(|err| err.cause)
}

/// Makes the first instance, so that a module that cannot start fails the start of the stream. Guests need a large
/// stack, which the calling thread may not have.
fn first_instance(guest: &Guest) -> Result<Instance, CallError> {
    let deadline = Instant::now() + guest.limits().timeout;
    thread::scope(|scope| {
        let thread = spawn_scoped_thread(scope, || {
            let _context = guest.engine().enter();
            guest.instantiate(deadline)
        });
        match thread {
            Ok(thread) => thread.join().expect("instantiating does not panic"),
            Err(err) => {
                let text = format!("starting a thread: {}", cause_of_start(&err));
                Err(CallError::new(Kind::Instance, text))
            }
        }
    })
}

impl Processor for Wasm {
    fn process(&self, part: &mut Part, step: &mut Step<'_>) -> usize {
        let Some(borrowed) = self.lanes.borrow(step) else { return 0 };
        let context = match self.engine.enter() {
            Ok(context) => context,
            Err(err) => {
                // Only a program that embeds the processor on threads of its own can come here.
                let mark = Mark::new(format!("instance: {err} ({})", self.path));
                part.messages_mut().iter_mut().for_each(|it| step.mark(it, mark.clone()));
                return part.n_batches();
            }
        };
        Seat { wasm: self, borrowed, context, traced: Vec::new() }.take(part, step)
    }

    fn is_parent(&self) -> bool {
        true
    }
}

impl Drop for Wasm {
    /// The stream is over: guests that want to know are told. They need a large stack, which this thread may not have.
    fn drop(&mut self) {
        let instances: Vec<Instance> = self.lanes.drain().into_iter().filter(Instance::has_close).collect();
        if instances.is_empty() {
            return;
        }
        // They have the time of one together: a guest that does not end must not hold up the end of the stream so often.
        let deadline = Instant::now() + instances[0].timeout();
        let close = || instances.into_iter().for_each(|it| it.close_until(deadline));
        thread::scope(|scope| {
            // Without a thread they end untold, as after a failure.
            let _ = spawn_scoped_thread(scope, close);
        });
    }
}
