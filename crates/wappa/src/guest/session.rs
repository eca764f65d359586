//! A guest that is called by hand: the module is loaded, an instance is kept, and replaced when it is spent.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use wappa_spec::printable_path;
use wappa_wasm::{
    CallError, ChildCompiler, Guest, Instance, Kind, Level, Module, Outcome, Run,
    inspect::{self, Problem, Severity, Verdict},
    processor::read_module,
};

use super::{
    Host,
    options::GuestOptions,
    places::Places,
    records::{Recorder, word},
};

/// A guest and the one instance that works for it.
pub(super) struct Session {
    guest: Guest,
    instance: Option<Instance>,
    /// What the guest said that nobody has asked for yet.
    pub(super) recorder: Arc<Recorder>,
    /// The size of the module's file.
    pub(super) module_bytes: u64,
    /// How long loading the module took, compiling included.
    pub(super) load_time: Duration,
    /// How long the start of the first instance took.
    pub(super) start_time: Duration,
    /// How many instances were replaced.
    pub(super) n_replaced: u64,
    places: Places,
}

/// What became of messages, and what it cost.
pub(super) struct Ran {
    /// One for each message.
    pub(super) outcomes: Vec<Outcome>,
    /// Inside of the guest, without the start of an instance.
    pub(super) time: Duration,
    /// Of the instance, afterwards; of the one that failed, when it did.
    pub(super) memory_bytes: u64,
}

impl Session {
    /// Loads a module and starts an instance. The error has the module's path and a way out.
    pub(super) fn open(host: &Host, path: &Path, options: &GuestOptions) -> Result<Session, String> {
        let place = |text: String| format!("{}: {text}", printable_path(path));
        let bytes = read_module(path).map_err(place)?;
        check(&host.reader, &bytes, path, options)?;
        let engine = &host.engine;
        let began = Instant::now();
        let module = Module::new(engine, &bytes).map_err(|err| place(err.to_string()))?;
        let recorder = Recorder::new();
        let mut config = options.guest_config();
        config.log = Some(recorder.clone());
        config.metrics = Some(recorder.clone());
        let guest = Guest::new(engine, &module, config).map_err(|err| place(err.to_string()))?;
        let load_time = began.elapsed();
        let mut session = Session {
            guest,
            instance: None,
            recorder,
            module_bytes: bytes.len() as u64,
            load_time,
            start_time: Duration::ZERO,
            n_replaced: 0,
            places: Places::new(host.reader.clone(), bytes),
        };
        let began = Instant::now();
        if let Err(err) = session.start() {
            return Err(session.not_started(path, &err));
        }
        session.start_time = began.elapsed();
        Ok(session)
    }

    /// What is to be said when the first instance does not start.
    fn not_started(&mut self, path: &Path, err: &CallError) -> String {
        let mut text = format!("{}: starting the guest: {}", printable_path(path), err.mark_text());
        let stack = self.stack(err);
        for (level, line) in self.recorder.take().lines {
            text.push_str(&format!("\n  log: {}: {line}", word(level)));
        }
        for frame in stack {
            text.push_str(&format!("\n  stack: {frame}"));
        }
        text
    }

    fn start(&mut self) -> Result<(), CallError> {
        if self.instance.is_none() {
            let deadline = Instant::now() + self.guest.limits().timeout;
            self.instance = Some(self.guest.instantiate(deadline)?);
        }
        Ok(())
    }

    /// Takes messages through the guest: all of the run.
    pub(super) fn run(&mut self, mut run: Run) -> Ran {
        let mut time = Duration::ZERO;
        let mut memory_bytes = 0;
        while !run.is_done() {
            let n_done = run.n_done();
            if let Err(err) = self.start() {
                run.fail_next(err);
                continue;
            }
            let instance = self.instance.as_mut().expect("it was started");
            // Commands run on threads that are large enough, so that this does not fail.
            let ended = self.guest.engine().enter().map_err(|err| err.to_string()).map(|context| {
                let began = Instant::now();
                let ended = instance.run(&mut run, &context);
                time += began.elapsed();
                ended
            });
            let ended = ended.expect("the thread is large enough");
            memory_bytes = instance.memory_bytes() as u64;
            self.look_after();
            if let Err(err) = ended {
                self.tell(&err);
                if run.n_done() == n_done {
                    run.fail_next(err);
                }
            }
        }
        Ran { outcomes: run.finish().collect(), time, memory_bytes }
    }

    /// An instance that cannot or should not be called again goes.
    fn look_after(&mut self) {
        let Some(instance) = self.instance.take_if(|it| it.is_spent() || it.is_worn()) else { return };
        self.n_replaced += 1;
        if !instance.is_spent() {
            instance.close();
        }
    }

    /// A failure that belongs to no message.
    fn tell(&self, err: &CallError) {
        use wappa_wasm::GuestLog;
        if err.kind() != Kind::Interrupted {
            let text = format!("the guest failed after its last message was finished: {err}");
            self.recorder.log(Level::Error, &text);
        }
    }

    /// The call stack of a failure, with places in the source.
    pub(super) fn stack(&mut self, err: &CallError) -> Vec<String> {
        use wappa_wasm::GuestLog;
        let (stack, problem) = self.places.stack(err);
        if let Some(problem) = problem {
            self.recorder.log(Level::Warn, &format!("the lines of the source are not known: {problem}"));
        }
        stack
    }

    /// The memory of the instance, in bytes; zero when there is none.
    pub(super) fn memory_bytes(&self) -> u64 {
        self.instance.as_ref().map_or(0, |it| it.memory_bytes() as u64)
    }

    /// Ends the guest in good order. What it says meanwhile is in the recorder.
    pub(super) fn close(&mut self) {
        if let Some(instance) = self.instance.take() {
            instance.close();
        }
    }
}

/// Refuses a module that does not fit, with everything that is wrong with it, before it is compiled.
fn check(reader: &ChildCompiler, bytes: &[u8], path: &Path, options: &GuestOptions) -> Result<(), String> {
    let limits = inspect::Limits { memory_bytes: options.limits().memory as u64 };
    let verdict = reader.inspect(bytes, &options.function, &limits);
    let findings = match verdict.map_err(|text| format!("{}: {text}", printable_path(path)))? {
        Verdict::Module(findings) => findings,
        // `wappa inspect` would only say the same of a file that is no module.
        Verdict::NotAModule(refusal) => {
            let hint = refusal.hint.map(|it| format!("\nhint: {it}")).unwrap_or_default();
            return Err(format!("{}: {}{hint}", printable_path(path), refusal.text));
        }
    };
    let mut problems = findings.problems;
    problems.retain(|it| it.severity == Severity::Error);
    if problems.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = problems.into_iter().map(|it| problem_text(path, &it.in_flags())).collect();
    Err(format!("{}{}", lines.join("\n"), tell_more(path)))
}

fn problem_text(path: &Path, problem: &Problem) -> String {
    let hint = problem.hint.as_ref().map(|it| format!("\nhint: {it}")).unwrap_or_default();
    format!("{}: {}{hint}", printable_path(path), problem.text)
}

fn tell_more(path: &Path) -> String {
    format!("\nhint: `wappa inspect {}` says what the module is", printable_path(path))
}
