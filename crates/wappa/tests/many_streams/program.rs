//! The program in streams mode, and who asks it over HTTP.

use std::{
    io::{BufReader, Read, Write},
    net::TcpStream,
    process::Child,
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Program, collect, read_until, wait};

/// How long something may take that happens at once on a machine that has nothing else to do.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// What is around all streams of the tests.
pub(crate) const AROUND: &str = "http: { debug_endpoints: true }\nshutdown_timeout: 60s\n";

/// A config of a stream that has nothing to do but to be there.
pub(crate) const IDLE: &str =
    "input: { generate: { mapping: 'root = 1', interval: 1h } }\noutput: { drop: {} }";

/// A program in streams mode.
pub(crate) struct Streams {
    pub(crate) child: Child,
    pub(crate) address: String,
    log: thread::JoinHandle<String>,
    _stdout: thread::JoinHandle<String>,
}

/// What was answered.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Answer {
    /// The status and the body, without what is another one each time.
    pub(crate) fn text(&self) -> String {
        let body = without_uptime(self.body.trim_end());
        if body.is_empty() { self.status.to_string() } else { format!("{} {body}", self.status) }
    }
}

/// Numbers behind `"uptime":`, `"uptime_str":` and `"uptime_ns":` as `T`.
fn without_uptime(text: &str) -> String {
    let mut text = text.to_string();
    for name in ["\"uptime\":", "\"uptime_str\":", "\"uptime_ns\":"] {
        let mut pieces = text.split(name);
        let mut out = pieces.next().unwrap_or_default().to_string();
        for piece in pieces {
            let end = piece.find([',', '}']).unwrap_or(piece.len());
            out += &format!("{name}T{}", &piece[end..]);
        }
        text = out;
    }
    text
}

impl Streams {
    /// Starts it with a main config and what stands behind the command.
    pub(crate) fn start(program: &Program, arguments: &[&str]) -> Streams {
        let mut all = vec!["-c", "around.yaml", "streams"];
        all.extend(arguments);
        let mut child = program.start(&all);
        drop(child.stdin.take());
        let mut log = BufReader::new(child.stderr.take().expect("it is piped"));
        let stdout = collect(child.stdout.take().expect("it is piped"));
        let said = read_until(&mut log, "Listening for HTTP requests at: http://");
        let address = said.rsplit_once("http://").and_then(|it| it.1.split('"').next());
        let address = address.expect("it is a part of the line").to_string();
        let launched = read_until(&mut log, "in streams mode");
        let log = thread::spawn(move || {
            let mut rest = String::new();
            let _ = log.read_to_string(&mut rest);
            said + &launched + &rest
        });
        let streams = Streams { child, address, log, _stdout: stdout };
        // The streams of files begin after that line.
        streams.until("GET /ready", |it| !it.body.starts_with("input not connected"));
        streams
    }

    /// Asks `METHOD /path`, as a program on this machine does.
    pub(crate) fn ask(&self, request: &str, body: &str) -> Answer {
        self.ask_with(request, "", body)
    }

    /// The same with more headers, each with its end of line.
    pub(crate) fn ask_with(&self, request: &str, headers: &str, body: &str) -> Answer {
        self.try_ask(request, headers, body).expect("it answers")
    }

    /// The same, unless the connection breaks.
    pub(crate) fn try_ask(&self, request: &str, headers: &str, body: &str) -> std::io::Result<Answer> {
        ask_at(&self.address, request, headers, body)
    }

    /// Asks again and again until it is so.
    pub(crate) fn until(&self, request: &str, is_so: impl Fn(&Answer) -> bool) -> Answer {
        let began = Instant::now();
        loop {
            let answer = self.ask(request, "");
            if is_so(&answer) {
                return answer;
            }
            assert!(began.elapsed() < PATIENCE, "{request}: {answer:?}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// What a stream counts under this name, over all of its series.
    pub(crate) fn count(&self, stream: &str, name: &str) -> u64 {
        let stats = self.ask(&format!("GET /streams/{stream}/stats"), "").body;
        let stats: serde_json::Value = serde_json::from_str(&stats).expect("it is JSON");
        let of = |(key, value): (&String, &serde_json::Value)| match key.starts_with(&format!("{name}{{")) {
            true => value.as_u64().unwrap_or_default(),
            false => 0,
        };
        stats.as_object().expect("it is an object").iter().map(of).sum()
    }

    /// Stops it; the exit code and the log.
    pub(crate) fn end(self) -> (Option<i32>, String) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("it runs");
        let code = wait(self.child).code();
        (code, self.log.join().expect("reading does not panic"))
    }
}

/// Asks who listens at this address.
pub(crate) fn ask_at(address: &str, request: &str, headers: &str, body: &str) -> std::io::Result<Answer> {
    let (method, path) = request.split_once(' ').expect("it is a method and a path");
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let host = if headers.to_ascii_lowercase().contains("host:") {
        String::new()
    } else {
        format!("Host: {address}\r\n")
    };
    let head = format!(
        "{method} {path} HTTP/1.1\r\n{host}{headers}Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    // Who refuses a body need not read it.
    let _ = stream.write_all(body.as_bytes());
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|it| it.parse().ok()).unwrap_or_default();
    let body = if head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        unchunked(body)
    } else {
        body.to_string()
    };
    Ok(Answer { status, body })
}

fn unchunked(mut rest: &str) -> String {
    let mut body = String::new();
    while let Some((size, behind)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or_default();
        if size == 0 {
            break;
        }
        body += &behind[..size.min(behind.len())];
        rest = behind.get(size + 2..).unwrap_or_default();
    }
    body
}
