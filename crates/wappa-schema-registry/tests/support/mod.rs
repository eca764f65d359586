//! Runs streams of a config over lines, and stands in for registries that mean ill.
#![allow(dead_code, reason = "each test uses some of it")]

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use wappa_servers::Dir;
pub(crate) use wappa_testing::{Running, Streams};

fn streams() -> Streams {
    Streams::of(wappa_pure::components().into_iter().chain(wappa_schema_registry::components()))
}

/// What is wrong with a config.
pub(crate) fn lint(config: &str) -> String {
    streams().lint(config)
}

/// Begins a stream.
pub(crate) fn start(config: &str) -> Running {
    streams().start(config)
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
    let (report, log) = start(&stream(&dir, 1, &format!("{processors}{told}"))).join_with_log();
    assert_eq!(report.fault, None);
    (dir.read("out"), log.text())
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
