//! Runs streams of a config over lines, and stands in for registries that mean ill.
#![allow(dead_code, reason = "each test uses some of it")]

use std::{
    borrow::Cow,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
};

use wappa_component::{Component, Level, LogSink, Logger, Metrics, Services};
use wappa_engine::{BuildRequest, Report, Setting, Stop, World};
use wappa_servers::Dir;
use wappa_spec::{LintOptions, Source, Spec};

/// What was logged, a line each.
#[derive(Default)]
pub(crate) struct Log(Mutex<Vec<String>>);

impl Log {
    pub(crate) fn text(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).join("\n")
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
    thread: Option<JoinHandle<Report>>,
}

fn table() -> &'static [&'static Component] {
    let all = wappa_pure::components().into_iter().chain(wappa_schema_registry::components());
    all.collect::<Vec<_>>().leak()
}

/// What is wrong with a config.
pub(crate) fn lint(config: &str) -> String {
    let specs: Vec<&Spec> = table().iter().map(|it| &it.spec).collect();
    let source = Source::read(config.as_bytes(), |_| None).expect("the test's YAML is sound");
    let lints = source.stream(&specs, LintOptions::default()).lints;
    lints.iter().map(|it| format!("{it}\n")).collect()
}

impl Running {
    pub(crate) fn start(config: &str) -> Running {
        let components = table();
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
        let (stream, _) = wappa_engine::build(request).expect("the stream can be built");
        let thread = thread::spawn(move || stream.run().expect("its threads can be started"));
        Running { log, stop: setting.stop().clone(), thread: Some(thread) }
    }

    /// Waits for its end.
    pub(crate) fn join(&mut self) -> Report {
        self.thread.take().expect("it runs").join().expect("it does not panic")
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

/// What a stream is that works on each line of a file with these processors, which stand in a list of YAML.
pub(crate) fn stream(dir: &Dir, threads: usize, processors: &str) -> String {
    format!(
        "input: {{ file: {{ paths: [{:?}] }} }}\n\
         pipeline:\n  threads: {threads}\n  processors:\n{processors}\
         output: {{ file: {{ path: {:?}, codec: lines }} }}\n",
        dir.at("in"),
        dir.at("out")
    )
}

/// What processors make of lines, and what was logged. Where one fails, the line is its error behind `! `.
pub(crate) fn run(processors: &str, lines: &str) -> (String, String) {
    let dir = Dir::new();
    dir.write("in", lines);
    let told = "    - mapping: 'root = if errored() { \"! \" + error() } else { content() }'\n";
    let mut running = Running::start(&stream(&dir, 1, &format!("{processors}{told}")));
    assert_eq!(running.join().fault, None);
    (dir.read("out"), running.log.text())
}

/// A server that answers each request with what it is told to, and counts them.
pub(crate) struct Fake {
    pub(crate) url: String,
    pub(crate) n_asked: Arc<AtomicUsize>,
    pub(crate) heads: Arc<Mutex<String>>,
}

impl Fake {
    /// `answer` is given the path and the number of the request, and writes a whole answer or does not.
    pub(crate) fn start(answer: impl Fn(&str, usize, &mut TcpStream) + Send + Sync + 'static) -> Fake {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port can be had");
        let url = format!("http://{}", listener.local_addr().expect("it has one"));
        let fake = Fake { url, n_asked: Arc::default(), heads: Arc::default() };
        let (n_asked, heads) = (Arc::clone(&fake.n_asked), Arc::clone(&fake.heads));
        let answer = Arc::new(answer);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let (n_asked, heads, answer) =
                    (Arc::clone(&n_asked), Arc::clone(&heads), Arc::clone(&answer));
                thread::spawn(move || {
                    let mut head = Vec::new();
                    let mut byte = [0];
                    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|it| it == 1) {
                        head.push(byte[0]);
                    }
                    let head = String::from_utf8_lossy(&head).into_owned();
                    heads.lock().unwrap_or_else(PoisonError::into_inner).push_str(&head);
                    let path = head.split(' ').nth(1).unwrap_or_default();
                    answer(path, n_asked.fetch_add(1, Ordering::SeqCst), &mut stream);
                });
            }
        });
        fake
    }

    /// One that answers with a code and a body.
    pub(crate) fn saying(say: impl Fn(&str, usize) -> (u16, String) + Send + Sync + 'static) -> Fake {
        Fake::start(move |path, n, stream| {
            let (code, body) = say(path, n);
            // Who does not read it to the end does not want it.
            let _ = write!(
                stream,
                "HTTP/1.1 {code} Said\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
        })
    }

    pub(crate) fn n_asked(&self) -> usize {
        self.n_asked.load(Ordering::SeqCst)
    }
}

/// The answer of a registry with a schema.
pub(crate) fn schema(id: u32, format: &str, text: &str) -> String {
    format!("{{\"id\":{id},\"schemaType\":{format:?},\"schema\":{}}}", quoted(text))
}

/// A text as JSON has it.
pub(crate) fn quoted(text: &str) -> String {
    wappa_message::Value::text(text).to_json()
}
