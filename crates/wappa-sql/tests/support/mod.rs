//! Runs whole streams of a config over databases, and says what came of them.
#![allow(dead_code, reason = "each test uses some of it")]

use std::{
    borrow::Cow,
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use wappa_component::{Component, Level, LogSink, Logger, Metrics, Services};
use wappa_engine::{BuildRequest, Report, Setting, Stop, Tally, World};
use wappa_spec::{LintOptions, Registry, Restricted, Source, Spec};

/// Nothing here takes that long, unless it is never done.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until something is so.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "{what}: never");
        thread::sleep(Duration::from_millis(5));
    }
}

/// A directory of its own, which is removed with all that is in it.
pub(crate) struct TempDir(PathBuf);

impl TempDir {
    pub(crate) fn new() -> TempDir {
        static N: AtomicUsize = AtomicUsize::new(0);
        let name = format!("wappa-sql-{}-{}", std::process::id(), N.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).expect("a directory can be made");
        TempDir(path)
    }

    pub(crate) fn at(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        fs::write(self.at(name), text).expect("it can be written");
        self.at(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        let bytes = fs::read(Path::new(&self.at(name))).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What was logged, a line each.
#[derive(Default)]
pub(crate) struct Log(Mutex<Vec<String>>);

impl Log {
    pub(crate) fn text(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).join("\n")
    }

    /// Waits until a line has this.
    pub(crate) fn wait_for(&self, text: &str) {
        let began = Instant::now();
        while !self.text().contains(text) {
            assert!(began.elapsed() < PATIENCE, "{text}: never, in\n{}", self.text());
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl LogSink for Log {
    fn enabled(&self, level: Level) -> bool {
        level <= Level::Debug
    }

    fn write(&self, level: Level, message: &str, _: &[(&str, Cow<'_, str>)]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{level:?} {message}"));
    }
}

fn table() -> &'static [&'static Component] {
    let all: Vec<_> = wappa_pure::components().into_iter().chain(wappa_sql::components()).collect();
    all.leak()
}

/// What is wrong with a config.
pub(crate) fn lint(config: &str) -> String {
    let specs: Vec<&Spec> = table().iter().map(|it| &it.spec).collect();
    let source = Source::read(config.as_bytes(), |_| None).expect("the test's YAML is sound");
    let lints = source.stream(&specs, LintOptions::default()).lints;
    lints.iter().map(|it| format!("{it}\n")).collect()
}

/// What is wrong with a config that is not trusted.
pub(crate) fn lint_restricted(config: &str) -> String {
    let specs: Vec<&Spec> = table().iter().map(|it| &it.spec).collect();
    let source = Source::read(config.as_bytes(), |_| None).expect("the test's YAML is sound");
    let lints = source.stream(&Restricted(&specs), LintOptions::default()).lints;
    lints.iter().map(|it| format!("{it}\n")).collect()
}

/// A stream that runs.
pub(crate) struct Running {
    pub(crate) log: Arc<Log>,
    pub(crate) stop: Stop,
    pub(crate) tally: Tally,
    thread: Option<JoinHandle<Report>>,
}

impl Running {
    pub(crate) fn start(config: &str) -> Running {
        let (running, built) = Running::try_start(config);
        if let Err(err) = built {
            panic!("{err}");
        }
        running
    }

    /// Starts it, or says why it cannot be built.
    fn try_start(config: &str) -> (Running, Result<(), String>) {
        let components = table();
        let specs: Vec<&Spec> = components.iter().map(|it| &it.spec).collect();
        let source = Source::read(config.as_bytes(), |_| None).expect("the test's YAML is sound");
        let linted = source.stream(&specs, LintOptions::default());
        let errors: Vec<_> = linted.lints.iter().filter(|it| it.is_error()).collect();
        assert!(errors.is_empty(), "{errors:?}");
        let config = linted.config.expect("a config without errors can be read");
        let restricted = Restricted(&specs);
        let registry: &dyn Registry = if config.is_restricted { &restricted } else { &specs };
        let log = Arc::new(Log::default());
        let world = World::real().expect("a thread can be started");
        let setting = Setting::new(&world).expect("a descriptor can be had");
        let request = BuildRequest {
            config: &config,
            components,
            registry,
            logger: Logger::new(Arc::clone(&log) as Arc<dyn LogSink>),
            metrics: Metrics::default(),
            services: Services::default(),
            setting: &setting,
        };
        let stop = setting.stop().clone();
        match wappa_engine::build(request) {
            Ok((stream, tally)) => {
                let thread = thread::spawn(move || stream.run().expect("its threads can be started"));
                (Running { log, stop, tally, thread: Some(thread) }, Ok(()))
            }
            Err(err) => {
                let tally = Tally::default();
                (Running { log, stop, tally, thread: None }, Err(err.to_string()))
            }
        }
    }

    /// Waits for its end.
    pub(crate) fn join(mut self) -> (Report, Arc<Log>) {
        let report = self.thread.take().expect("it runs").join().expect("it does not panic");
        (report, Arc::clone(&self.log))
    }

    /// Asks it to work off what it has read, and waits for that.
    pub(crate) fn drain(self) -> (Report, Arc<Log>) {
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

/// Why a stream cannot be built.
pub(crate) fn build_error(config: &str) -> String {
    Running::try_start(config).1.expect_err("it cannot be built")
}

/// Runs a stream to its end, and gives the log.
pub(crate) fn run(config: &str) -> String {
    let (report, log) = Running::start(config).join();
    assert_eq!(report.fault, None, "{}", log.text());
    log.text()
}

/// Runs lines through processors, and gives what comes of them, with the marks of those that failed.
pub(crate) fn process(lines: &str, processors: &str) -> String {
    let dir = TempDir::new();
    let input = dir.write("in", lines);
    let config = format!(
        "input: {{ file: {{ paths: [{input:?}] }} }}\n\
         pipeline:\n  threads: 1\n  processors:\n{processors}\
         \n    - catch: [{{ mapping: 'root = content().string() + \" [\" + error() + \"]\"' }}]\n\
         output: {{ file: {{ path: {:?}, codec: lines }} }}\n",
        dir.at("out")
    );
    run(&config);
    dir.read("out")
}

/// What a statement gives, a line for each row.
pub(crate) fn rows(driver: &str, dsn: &str, query: &str, more: &str) -> String {
    let dir = TempDir::new();
    let config = format!(
        "input: {{ sql_raw: {{ driver: {driver}, dsn: {dsn:?}, query: {query:?}{more} }} }}\n\
         output: {{ file: {{ path: {:?}, codec: lines }} }}\n",
        dir.at("out")
    );
    run(&config);
    dir.read("out")
}

/// A certificate for `localhost` that vouches for itself, and its key, as servers read them.
pub(crate) fn certificate() -> (String, String) {
    let made =
        rcgen::generate_simple_self_signed(["localhost".to_string()]).expect("a certificate can be made");
    let text = |tag, der: &[u8]| pem::encode(&pem::Pem::new(tag, der));
    (text("CERTIFICATE", made.cert.der()), text("PRIVATE KEY", &made.signing_key.serialize_der()))
}
