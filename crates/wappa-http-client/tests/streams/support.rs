//! Runs whole streams of a config, and says what came of them.

use std::{
    borrow::Cow,
    fs,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use wappa_component::{
    BuildError, BuildProcessor, Component, Context, Level, LogSink, Logger, Metrics, Part, Processor, Sample,
    Services, Step,
};
use wappa_engine::{BuildRequest, Report, Setting, Stop, World};
use wappa_message::Reply;
use wappa_spec::{Config, LintOptions, Source, Spec};

/// Nothing here takes that long, unless it is never done.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until something is so.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "{what}: never");
        thread::sleep(Duration::from_millis(2));
    }
}

/// A directory of its own, which is removed with all that is in it.
pub(crate) struct TempDir(PathBuf);

impl TempDir {
    pub(crate) fn new() -> TempDir {
        static N: AtomicUsize = AtomicUsize::new(0);
        let name = format!("wappa-http-client-{}-{}", std::process::id(), N.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).expect("a directory can be made");
        TempDir(path)
    }

    pub(crate) fn at(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    pub(crate) fn read(&self, name: &str) -> String {
        let bytes = fs::read(self.at(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    pub(crate) fn write(&self, name: &str, content: &str) -> String {
        fs::write(self.at(name), content).expect("it can be written");
        self.at(name)
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
    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn has(&self, text: &str) -> bool {
        self.lines().iter().any(|it| it.contains(text))
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
        level <= Level::Debug
    }

    fn write(&self, level: Level, message: &str, fields: &[(&str, Cow<'_, str>)]) {
        let access = fields.iter().find(|it| it.0 == "access_log").map(|it| format!(" {}", it.1));
        let line = format!("{level:?} {message}{}", access.unwrap_or_default());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }
}

/// Who waits for replies to all messages.
#[derive(Default)]
pub(crate) struct Waiting(Mutex<Vec<Arc<Reply>>>);

const WAITED_FOR: Component = Component::processor::<WaitedForConfig>("waited_for");

/// Has somebody wait for a reply to each message.
#[derive(Config)]
struct WaitedForConfig;

impl BuildProcessor for WaitedForConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Processor>, BuildError> {
        Ok(Box::new(WaitedFor(ctx.services().get_or_default::<Waiting>())))
    }
}

struct WaitedFor(Arc<Waiting>);

impl Processor for WaitedFor {
    fn process(&self, part: &mut Part, _: &mut Step<'_>) -> usize {
        for message in part.messages_mut() {
            let reply = Arc::<Reply>::default();
            self.0.0.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&reply));
            message
                .set_context(Arc::new(wappa_message::Context { reply: Some(reply), ..Default::default() }));
        }
        part.n_batches()
    }
}

/// A stream that runs.
pub(crate) struct Running {
    pub(crate) log: Arc<Log>,
    pub(crate) stop: Stop,
    pub(crate) metrics: Metrics,
    services: Services,
    thread: Option<JoinHandle<Report>>,
}

pub(crate) fn table() -> &'static [&'static Component] {
    let all: Vec<_> = wappa_pure::components()
        .into_iter()
        .chain(wappa_http_client::components())
        .chain([&WAITED_FOR])
        .collect();
    all.leak()
}

/// What is wrong with a config.
pub(crate) fn lint(config: &str) -> String {
    let specs: Vec<&Spec> = table().iter().map(|it| &it.spec).collect();
    let source = Source::read(config.as_bytes(), |_| None).expect("the test's YAML is sound");
    let lints = source.stream(&specs, LintOptions::default()).lints;
    lints.iter().map(|it| format!("{it}\n")).collect()
}

/// Begins a stream; the error is why it cannot be built.
pub(crate) fn try_start(config: &str) -> Result<Running, String> {
    let components = table();
    let specs: Vec<&Spec> = components.iter().map(|it| &it.spec).collect();
    let source = Source::read(config.as_bytes(), |_| None).expect("the test's YAML is sound");
    let linted = source.stream(&specs, LintOptions::default());
    let errors: Vec<_> = linted.lints.iter().filter(|it| it.is_error()).collect();
    assert!(errors.is_empty(), "{errors:?}");
    let config = linted.config.expect("a config without errors can be read");
    let (log, metrics) = (Arc::new(Log::default()), Metrics::default());
    let world = World::real().expect("a thread can be started");
    let setting = Setting::new(&world).expect("a descriptor can be had");
    let services = Services::default();
    let request = BuildRequest {
        config: &config,
        components,
        registry: &specs,
        logger: Logger::new(Arc::clone(&log) as Arc<dyn LogSink>),
        metrics: metrics.clone(),
        services: services.clone(),
        setting: &setting,
    };
    let (stream, _) = wappa_engine::build(request).map_err(|err| err.to_string())?;
    let thread = thread::spawn(move || stream.run().expect("its threads can be started"));
    Ok(Running { log, stop: setting.stop().clone(), metrics, services, thread: Some(thread) })
}

impl Running {
    pub(crate) fn start(config: &str) -> Running {
        try_start(config).expect("the stream can be built")
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

    /// What was replied, a line each.
    pub(crate) fn replies(&self) -> Vec<String> {
        let waiting = self.services.get_or_default::<Waiting>();
        let slots = waiting.0.lock().unwrap_or_else(PoisonError::into_inner);
        let messages = slots.iter().flat_map(|it| it.take().concat());
        messages.map(|it| String::from_utf8_lossy(it.content()).into_owned()).collect()
    }

    /// What was counted under a name.
    pub(crate) fn count(&self, name: &str) -> u64 {
        let samples = self.metrics.samples();
        let counts = samples.iter().filter(|it| it.0.name == name).map(|it| match &it.1 {
            Sample::Counter(n) => *n,
            Sample::Timing(timing) => timing.count(),
            Sample::Gauge(_) => 0,
        });
        counts.sum()
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

/// Runs lines through the processor `http`, with these fields, to the end; gives what came out as JSON: the content, the
/// code, and the error.
pub(crate) fn process(lines: &[&str], fields: &str, more: &str) -> (String, Vec<String>) {
    process_in(&TempDir::new(), 1, lines, fields, more)
}

/// The same, with batches of so many lines and files of that directory.
pub(crate) fn process_in(
    dir: &TempDir,
    batch: usize,
    lines: &[&str],
    fields: &str,
    more: &str,
) -> (String, Vec<String>) {
    let _ = fs::remove_file(dir.at("out"));
    let input = dir.write("in", &lines.iter().map(|it| format!("{it}\n")).collect::<String>());
    let seen = "root = {\"content\": content().string(), \"code\": @http_status_code, \"error\": error()}";
    let config = format!(
        "input: {{ broker: {{ inputs: [{{ file: {{ paths: [{input:?}] }} }}], batching: {{ count: {batch} }} }} }}\n\
         pipeline: {{ threads: 1, processors: [{{ http: {{ {fields} }} }}, {{ mapping: '{seen}' }}] }}\n\
         output: {{ file: {{ path: {:?}, codec: lines }} }}\n{more}",
        dir.at("out")
    );
    let running = Running::start(&config);
    let log = Arc::clone(&running.log);
    assert_eq!(running.join().fault, None);
    (dir.read("out"), log.lines())
}
