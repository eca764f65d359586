//! Asks Bento's playground, one process for all mappings, what is wrong with them: what a `blobl` for each would say.

use serde_json::{Value as Json, json};
use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// How long Bento may take to start.
const START_MAX: Duration = Duration::from_secs(60);

/// Bento panicked.
#[derive(Debug)]
pub(crate) struct Panicked;

pub(crate) struct Playground {
    bento: String,
    process: Child,
    address: SocketAddr,
}

impl Playground {
    pub(crate) fn start(bento: &str) -> Playground {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        drop(listener);
        let port = address.port().to_string();
        let mut command = Command::new(bento);
        command.args(["blobl", "server", "--no-open", "--host", "127.0.0.1", "--port", &port]);
        let process = command.env("TZ", "UTC").stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let process = process.unwrap_or_else(|err| panic!("{bento} starts: {err}"));
        let playground = Playground { bento: bento.to_string(), process, address };
        let started = Instant::now();
        while let Err(err) = TcpStream::connect(address) {
            assert!(started.elapsed() < START_MAX, "Bento's playground does not listen: {err}");
            std::thread::sleep(Duration::from_millis(20));
        }
        playground
    }

    /// Why this mapping cannot be read, if it cannot: line, character and what is wrong. Some mappings make Bento panic.
    pub(crate) fn refusal(&mut self, mapping: &str) -> Result<Option<String>, Panicked> {
        let answered = self.ask(mapping);
        if answered.is_err() {
            // Some end the whole process, and not only what serves the connection.
            *self = Playground::start(&self.bento);
        }
        answered
    }

    fn ask(&self, mapping: &str) -> Result<Option<String>, Panicked> {
        // It wants a document, and evaluates the mapping with it.
        let body = json!({"mapping": mapping, "input": "null"}).to_string();
        let request = format!("POST /execute HTTP/1.0\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let mut connection = TcpStream::connect(self.address).expect("Bento listens");
        connection.write_all(request.as_bytes()).expect("Bento listens");
        let mut answer = String::new();
        // The connection is closed or reset then.
        connection.read_to_string(&mut answer).map_err(|_| Panicked)?;
        let (_, body) = answer.split_once("\r\n\r\n").ok_or(Panicked)?;
        let answer: Json = serde_json::from_str(body).unwrap_or_else(|err| panic!("{err} in {answer:?}"));
        Ok(answer["parse_error"].as_str().map(|why| {
            let why = why.trim_start_matches("failed to parse mapping: ");
            why.lines().next().unwrap_or_default().trim_end().to_string()
        }))
    }
}

impl Drop for Playground {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}
