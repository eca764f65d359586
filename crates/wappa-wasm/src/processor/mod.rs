//! The `wasm` processor: a guest in a pipeline.

mod config;
mod lanes;
mod lint;

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use wappa_component::{
    BuildError, BuildProcessor, Component, Context, Counter, Logger, Part, Processor, Step,
};
use wappa_message::{Mark, Message};
use wappa_spec::Status;

use crate::{
    CallContext, CallError, Engine, Guest, GuestConfig, GuestLog, Instance, Interrupt, Kind, Level, Limits,
    Module, Mount, THREAD_STACK_BYTES,
};
use config::WasmConfig;
use lanes::{Borrowed, Lanes};

pub use lint::trust;

/// The entry of the table of components.
pub const COMPONENT: Component =
    Component::processor::<WasmConfig>("wasm").categories(&["Utility"]).status(Status::Experimental);

/// Where the config file is, for module paths that are relative to it. A service of the program.
#[derive(Clone, Debug)]
pub struct ConfigDir(pub PathBuf);

/// How many lines a second a processor's guests may log together.
const LOG_LINES_PER_SECOND: u32 = 100;

/// No module is larger. The largest that toolchains make, an interpreter with its libraries, have some 20 MiB.
const MODULE_BYTES_MAX: u64 = 256 << 20;

/// After an instance could not be made the next attempt waits, longer each time.
const INSTANCE_BACK_OFF: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// Says that state was lost at most once in this time.
const STATE_LOST_INTERVAL: Duration = Duration::from_secs(10);

struct Wasm {
    engine: Engine,
    guest: Guest,
    lanes: Lanes,
    logger: Logger,
    /// The path without `root.`, as it stands in marks.
    path: String,
    state_lost: Counter,
}

impl BuildProcessor for WasmConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Processor>, BuildError> {
        let Some(engine) = ctx.services().get::<Engine>() else {
            return Err(BuildError::new("this program was started without a wasm engine"));
        };
        let engine = engine.as_ref().clone();
        let dir = ctx.services().get::<ConfigDir>();
        let file = module_file(&self.module_path, dir.as_ref().map(|it| it.0.as_path()));
        let bytes = read_module(&file)
            .map_err(|cause| BuildError::new(format!("reading the module `{}`: {cause}", file.display())))?;
        let interrupt = Interrupt::new();
        let (logger, threads) = (ctx.logger(), ctx.threads());
        // Compiling takes long: a stop during it ends the compiler too.
        let of_hook = interrupt.clone();
        ctx.on_abandon(move || of_hook.raise());
        let module = match self.sha256.as_str() {
            "" => Module::new(&engine, &bytes),
            pinned => Module::with_sha256(&engine, &bytes, pinned),
        };
        let place = |text: String| BuildError::new(format!("`{}`: {text}", file.display()));
        let module = module.map_err(|err| place(err.to_string()))?;
        let max_instances = usize::try_from(self.max_instances).unwrap_or(usize::MAX);
        let guest_config = self.guest_config(interrupt, &logger);
        let guest = Guest::new(&engine, &module, guest_config).map_err(|err| place(err.to_string()))?;
        let first = first_instance(&guest).map_err(|err| place(err.mark_text()))?;
        let lanes = Lanes::new(ctx.lanes(), max_instances, threads, first);
        let path = ctx.path();
        let labels = [("label", ctx.label()), ("path", path)];
        let state_lost = ctx.metrics().counter("wasm_state_lost", &labels);
        let path = path.strip_prefix("root.").unwrap_or(path).to_string();
        Ok(Box::new(Wasm { engine, guest, lanes, logger, path, state_lost }))
    }
}

impl WasmConfig {
    fn guest_config(self, interrupt: Interrupt, logger: &Logger) -> GuestConfig {
        let bytes = |size: wappa_spec::Size| usize::try_from(size.bytes()).unwrap_or(usize::MAX);
        let mounts = self.mounts.into_iter();
        GuestConfig {
            function: self.function,
            limits: Limits {
                timeout: self.timeout,
                memory: bytes(self.memory_limit),
                output: bytes(self.output_limit),
                log_lines_per_second: LOG_LINES_PER_SECOND,
            },
            max_instances: 0,
            env: self.env.0.0,
            args: self.args,
            mounts: mounts
                .map(|it| Mount { host: it.host.into(), guest: it.guest, writable: it.writable })
                .collect(),
            log: Some(std::sync::Arc::new(LogOfGuest(logger.clone()))),
            interrupt,
        }
    }
}

/// The file of a module: relative to the working directory, as in Bento; when it is not there, relative to the
/// config file.
pub fn module_file(path: &str, config_dir: Option<&Path>) -> PathBuf {
    let direct = PathBuf::from(path);
    match config_dir.map(|it| it.join(path)) {
        Some(beside_config) if !direct.exists() && beside_config.exists() => beside_config,
        _ => direct,
    }
}

/// What is in the file of a module; or why it cannot be had. A file that never ends, such as `/dev/zero`, must not
/// fill the memory.
pub fn read_module(file: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = File::open(file).and_then(|it| it.take(MODULE_BYTES_MAX + 1).read_to_end(&mut bytes));
    match read {
        Ok(n) if n as u64 > MODULE_BYTES_MAX => {
            Err(format!("the file is larger than {} MiB", MODULE_BYTES_MAX >> 20))
        }
        Ok(_) => Ok(bytes),
        Err(err) => Err(wappa_component::cause(&err)),
    }
}

/// Makes the first instance, so that a module that cannot start fails the start of the stream. Guests need a large
/// stack, which the calling thread may not have.
fn first_instance(guest: &Guest) -> Result<Instance, CallError> {
    let deadline = Instant::now() + guest.limits().timeout;
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(THREAD_STACK_BYTES);
        let thread = thread.spawn_scoped(scope, || {
            let _context = guest.engine().enter();
            guest.instantiate(deadline)
        });
        thread.expect("a thread can be started").join().expect("instantiating does not panic")
    })
}

struct LogOfGuest(Logger);

impl GuestLog for LogOfGuest {
    fn log(&self, level: Level, text: &str) {
        match level {
            Level::Info => self.0.info(text),
            Level::Warn => self.0.warn(text),
            Level::Error => self.0.error(text),
        }
    }
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
        let mut turn = Turn { wasm: self, borrowed, context };
        for batch in 0..part.n_batches() {
            for idx in part.batch(batch) {
                if !turn.call(&mut part.messages_mut()[idx], step) {
                    return batch;
                }
            }
            if step.is_due() {
                return batch + 1;
            }
        }
        part.n_batches()
    }
}

/// One part's turn on one instance.
struct Turn<'a> {
    wasm: &'a Wasm,
    borrowed: Borrowed<'a>,
    context: CallContext<'a>,
}

impl Turn<'_> {
    /// Calls the guest for one message. `false`: interrupted.
    fn call(&mut self, message: &mut Message, step: &mut Step<'_>) -> bool {
        if !self.has_instance(message, step) {
            return !step.is_interrupted();
        }
        let instance = self.borrowed.instance.as_mut().expect("it was just made");
        let Err(err) = instance.call(message, &self.context) else {
            self.borrowed.n_calls += 1;
            return true;
        };
        if instance.is_spent() {
            self.drop_instance(step);
        } else {
            self.borrowed.n_calls += 1;
        }
        if err.kind() == Kind::Interrupted {
            return false;
        }
        self.wasm.mark(message, &err, step);
        true
    }

    /// Makes an instance unless there is one. Where that fails the message is marked.
    fn has_instance(&mut self, message: &mut Message, step: &mut Step<'_>) -> bool {
        if self.borrowed.instance.is_some() {
            return true;
        }
        if step.now() < self.borrowed.not_before {
            let mark = format!("instance: none could be made a moment ago ({})", self.wasm.path);
            step.mark(message, Mark::new(mark));
            return false;
        }
        let deadline = Instant::now() + self.wasm.guest.limits().timeout;
        match self.wasm.guest.instantiate(deadline) {
            Ok(instance) => {
                self.borrowed.instance = Some(instance);
                self.borrowed.back_off = Duration::ZERO;
                self.borrowed.n_calls = 0;
                true
            }
            Err(err) => {
                let (shortest, longest) = INSTANCE_BACK_OFF;
                self.borrowed.back_off = (self.borrowed.back_off * 2).clamp(shortest, longest);
                self.borrowed.not_before = step.now() + self.borrowed.back_off;
                if err.kind() != Kind::Interrupted {
                    self.wasm.mark(message, &err, step);
                }
                false
            }
        }
    }

    /// The instance is spent. What it kept in globals is lost, which a guest with state on one thread would miss.
    fn drop_instance(&mut self, step: &Step<'_>) {
        self.borrowed.instance = None;
        if self.borrowed.n_calls == 0 {
            return;
        }
        self.wasm.state_lost.add(1);
        let now = step.now();
        if self.borrowed.quiet_until <= now {
            self.borrowed.quiet_until = now + STATE_LOST_INTERVAL;
            let text = "an instance was replaced after a failure: what the module kept in globals is lost";
            self.wasm.logger.warn(text);
        }
    }
}

impl Wasm {
    fn mark(&self, message: &mut Message, err: &CallError, step: &mut Step<'_>) {
        step.mark(message, Mark::new(format!("{} ({})", err.mark_text(), self.path)));
        if let Some(backtrace) = err.backtrace() {
            self.logger.debug(&format!("{}\n{backtrace}", err.mark_text()));
        }
    }
}
