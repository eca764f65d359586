//! Runs whole streams of a config, over sockets of this machine, and says what came of them.
#![allow(dead_code, reason = "each test uses some of it")]

#[path = "../../src/pages/asking.rs"]
pub(crate) mod asking;
#[path = "../../src/pages/far.rs"]
pub(crate) mod far;
#[path = "../../src/pages/leased.rs"]
pub(crate) mod leased;
pub(crate) mod peers;
pub(crate) mod server;

use std::{
    borrow::Cow,
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
};

use wappa_component::{Component, Level, LogSink, Logger, Metrics, Services};
pub(crate) use wappa_conformance::{TempDir, wait_until};
use wappa_engine::{BuildRequest, Report, Setting, Stop, Tally, World};
use wappa_spec::{LintOptions, Source, Spec};

/// What was logged, a line each.
#[derive(Default)]
pub(crate) struct Log(Mutex<Vec<String>>);

impl Log {
    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What follows `text` in the first line that has it, once there is one.
    pub(crate) fn behind(&self, text: &str) -> String {
        let mut found = None;
        wait_until(text, || {
            found = self.lines().iter().find_map(|it| it.split_once(text).map(|it| it.1.to_string()));
            found.is_some()
        });
        found.expect("it was waited for")
    }
}

impl LogSink for Log {
    fn enabled(&self, level: Level) -> bool {
        level <= Level::Info
    }

    fn write(&self, level: Level, message: &str, _: &[(&str, Cow<'_, str>)]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{level:?} {message}"));
    }
}

/// A stream that runs.
pub(crate) struct Running {
    pub(crate) log: Arc<Log>,
    pub(crate) stop: Stop,
    pub(crate) tally: Tally,
    thread: Option<JoinHandle<Report>>,
}

pub(crate) fn table(more: &[&'static Component]) -> &'static [&'static Component] {
    let all: Vec<_> = wappa_pure::components()
        .into_iter()
        .chain(wappa_net::components())
        .chain(more.iter().copied())
        .collect();
    all.leak()
}

/// What is wrong with a config.
pub(crate) fn lint(config: &str) -> String {
    let specs: Vec<&Spec> = table(&[]).iter().map(|it| &it.spec).collect();
    let source = Source::read(config.as_bytes(), |_| None).expect("the test's YAML is sound");
    let lints = source.stream(&specs, LintOptions::default()).lints;
    lints.iter().map(|it| format!("{it}\n")).collect()
}

impl Running {
    pub(crate) fn start(config: &str) -> Running {
        Running::start_with(config, &[])
    }

    /// Starts a stream in which there are more components.
    pub(crate) fn start_with(config: &str, more: &[&'static Component]) -> Running {
        let components = table(more);
        let specs: Vec<&Spec> = components.iter().map(|it| &it.spec).collect();
        let source = Source::read(config.as_bytes(), |_| None).expect("the test's YAML is sound");
        let linted = source.stream(&specs, LintOptions::default());
        let errors: Vec<_> = linted.lints.iter().filter(|it| it.is_error()).collect();
        assert!(errors.is_empty(), "{errors:?}");
        let config = linted.config.expect("a config without errors can be read");
        let log = Arc::new(Log::default());
        let world = World::real().expect("a thread can be started");
        let setting = Setting::new(&world).expect("a descriptor can be had");
        let request = BuildRequest {
            config: &config,
            components,
            registry: &specs,
            logger: Logger::new(Arc::clone(&log) as Arc<dyn LogSink>),
            metrics: Metrics::default(),
            services: Services::default(),
            setting: &setting,
        };
        let (stream, tally) = wappa_engine::build(request).expect("the stream can be built");
        let thread = thread::spawn(move || stream.run().expect("its threads can be started"));
        Running { log, stop: setting.stop().clone(), tally, thread: Some(thread) }
    }

    /// Waits for its end.
    pub(crate) fn join(mut self) -> Report {
        self.thread.take().expect("it runs").join().expect("it does not panic")
    }

    /// Asks it to work off what it has read, and waits for that.
    pub(crate) fn drain(self) -> Report {
        self.stop.drain();
        self.join()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cut();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A stream from a server to a file, and the server's address.
pub(crate) fn server(dir: &TempDir, fields: &str) -> (Running, String) {
    let config = format!(
        "input: {{ socket_server: {{ {fields} }} }}\npipeline: {{ threads: 1 }}\noutput: {{ file: {{ path: {:?}, codec: lines }} }}\n",
        dir.at("out")
    );
    let running = Running::start(&config);
    let address = running.log.behind("socket messages from address: ");
    (running, address)
}

pub(crate) fn wait_for_lines(dir: &TempDir, count: usize) -> String {
    wait_until("lines", || dir.read_so_far("out").lines().count() == count);
    dir.read_so_far("out")
}
