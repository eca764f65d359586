//! Every input and output of this crate does what such a one has to.

mod support;

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use support::table;
use wappa_conformance::{Downstream, Peer, Upstream, check_input_from, check_output_to};

fn lock<T>(it: &Mutex<T>) -> MutexGuard<'_, T> {
    it.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An address where nobody listens yet.
fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port can be had");
    listener.local_addr().expect("it has one").to_string()
}

const UPGRADE: &str = "GET /ws HTTP/1.1\r\nHost: here\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// Asks, and reads the head of the answer; none where nobody listens or the answer is another one.
fn ask(address: &str, request: &str, status: &str) -> Option<BufReader<TcpStream>> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).expect("it can be set");
    stream.write_all(request.as_bytes()).ok()?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let is_it = line.split(' ').nth(1) == Some(status);
    while 2 < line.len() {
        line.clear();
        reader.read_line(&mut line).ok()?;
    }
    is_it.then_some(reader)
}

/// Sends each message in a request, over a connection of its own.
struct Poster {
    address: String,
    connections: Vec<TcpStream>,
    is_there: bool,
}

impl Poster {
    fn new() -> Poster {
        Poster { address: free_address(), connections: Vec::new(), is_there: true }
    }
}

impl Peer for Poster {
    fn config(&self) -> String {
        format!("http_server: {{address: '{}', path: /post, timeout: 30s}}", self.address)
    }

    fn go(&mut self) {
        self.connections.clear();
        self.is_there = false;
    }

    fn come_back(&mut self) {
        self.is_there = true;
    }
}

impl Upstream for Poster {
    fn send(&mut self, messages: &[String]) -> bool {
        if !self.is_there {
            return false;
        }
        let Ok(connections) = messages.iter().map(|_| TcpStream::connect(&self.address)).collect() else {
            return false;
        };
        let mut connections: Vec<TcpStream> = connections;
        for (connection, message) in connections.iter_mut().zip(messages) {
            let length = message.len();
            let request =
                format!("POST /post HTTP/1.1\r\nHost: here\r\nContent-Length: {length}\r\n\r\n{message}");
            connection.write_all(request.as_bytes()).expect("it was accepted");
        }
        self.connections.extend(connections);
        true
    }

    fn keeps(&self) -> bool {
        false
    }

    fn is_ordered(&self) -> bool {
        false
    }
}

/// Sends messages over a websocket.
struct Speaker {
    address: String,
    connection: Option<BufReader<TcpStream>>,
    is_there: bool,
    has_gone: bool,
}

impl Speaker {
    fn new() -> Speaker {
        Speaker { address: free_address(), connection: None, is_there: true, has_gone: false }
    }
}

impl Peer for Speaker {
    fn config(&self) -> String {
        format!("http_server: {{address: '{}', ws_path: /ws}}", self.address)
    }

    fn go(&mut self) {
        self.connection = None;
        (self.is_there, self.has_gone) = (false, true);
    }

    fn come_back(&mut self) {
        self.is_there = true;
    }
}

impl Upstream for Speaker {
    fn send(&mut self, messages: &[String]) -> bool {
        if self.connection.is_none() && self.is_there {
            self.connection = ask(&self.address, UPGRADE, "101");
        }
        let Some(connection) = &mut self.connection else { return false };
        // A mask of nothing but zeros.
        let frame = |it: &String| [&[0x81, 0x80 | it.len() as u8, 0, 0, 0, 0][..], it.as_bytes()].concat();
        let frames: Vec<u8> = messages.iter().flat_map(frame).collect();
        connection.get_mut().write_all(&frames).is_ok()
    }

    fn sends_again(&self) -> bool {
        // The server delivers it until it arrives.
        true
    }

    fn keeps(&self) -> bool {
        false
    }

    fn is_ordered(&self) -> bool {
        // Several connections are read at the same time.
        !self.has_gone
    }
}

/// Asks for what the output has, and keeps what comes.
struct Listener {
    way: Way,
    address: String,
    received: Arc<Mutex<Vec<String>>>,
    connection: Arc<Mutex<State>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Clone, Copy)]
enum Way {
    /// An answer without end, of which each line is a message.
    Stream,
    Websocket,
}

#[derive(Default)]
struct State {
    is_gone: bool,
    stream: Option<TcpStream>,
}

impl Listener {
    fn new(way: Way) -> Listener {
        let mut listener = Listener {
            way,
            address: free_address(),
            received: Arc::default(),
            connection: Arc::default(),
            thread: None,
        };
        listener.come_back();
        listener
    }
}

impl Peer for Listener {
    fn config(&self) -> String {
        format!(
            "http_server: {{address: '{}', path: /get, stream_path: /stream, ws_path: /ws}}",
            self.address
        )
    }

    fn go(&mut self) {
        let mut state = lock(&self.connection);
        state.is_gone = true;
        if let Some(stream) = state.stream.take() {
            let _ = stream.shutdown(Shutdown::Both);
        }
        drop(state);
        self.thread.take().into_iter().for_each(|it| it.join().expect("it does not panic"));
        // What is written until the server has noticed is lost, also if somebody else is there by then.
        thread::sleep(Duration::from_millis(50));
    }

    fn come_back(&mut self) {
        lock(&self.connection).is_gone = false;
        let (address, way) = (self.address.clone(), self.way);
        let (received, connection) = (Arc::clone(&self.received), Arc::clone(&self.connection));
        self.thread = Some(thread::spawn(move || {
            loop {
                let reader = match way {
                    Way::Stream => ask(&address, "GET /stream HTTP/1.1\r\nHost: here\r\n\r\n", "200"),
                    Way::Websocket => ask(&address, UPGRADE, "101"),
                };
                {
                    let mut state = lock(&connection);
                    if state.is_gone {
                        return;
                    }
                    let stream =
                        reader.as_ref().map(|it| it.get_ref().try_clone().expect("it can be shared"));
                    state.stream = stream;
                }
                match reader {
                    Some(reader) => {
                        reader.get_ref().set_read_timeout(None).expect("it can be set");
                        let _ = match way {
                            Way::Stream => hear_lines(reader, &received),
                            Way::Websocket => hear_frames(reader, &received),
                        };
                    }
                    None => thread::sleep(Duration::from_millis(2)),
                }
            }
        }));
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.go();
    }
}

/// The lines of a body in pieces, until the connection ends.
fn hear_lines(mut reader: BufReader<TcpStream>, received: &Mutex<Vec<String>>) -> Option<()> {
    let mut held = Vec::new();
    loop {
        let mut size = String::new();
        reader.read_line(&mut size).ok()?;
        let mut chunk = vec![0; usize::from_str_radix(size.trim_end(), 16).ok()? + 2];
        reader.read_exact(&mut chunk).ok()?;
        held.extend_from_slice(&chunk[..chunk.len() - 2]);
        while let Some(end) = held.iter().position(|it| *it == b'\n') {
            let line: Vec<u8> = held.drain(..=end).collect();
            // A batch ends with an empty line.
            if 1 < line.len() {
                lock(received).push(String::from_utf8_lossy(&line[..end]).into_owned());
            }
        }
    }
}

/// The short frames of a websocket, until the connection ends.
fn hear_frames(mut reader: BufReader<TcpStream>, received: &Mutex<Vec<String>>) -> Option<()> {
    loop {
        let mut head = [0; 2];
        reader.read_exact(&mut head).ok()?;
        let mut content = vec![0; usize::from(head[1])];
        reader.read_exact(&mut content).ok()?;
        match head[0] & 0x0f {
            1 | 2 => lock(received).push(String::from_utf8_lossy(&content).into_owned()),
            8 => return None,
            _ => (),
        }
    }
}

impl Downstream for Listener {
    fn received(&mut self) -> Vec<String> {
        lock(&self.received).clone()
    }

    fn may_lose(&self) -> bool {
        // It has arrived once the system has taken it.
        true
    }
}

#[test]
fn every_input() {
    check_input_from(table(), Poster::new);
    check_input_from(table(), Speaker::new);
}

#[test]
fn every_output() {
    check_output_to(table(), || Listener::new(Way::Stream));
    check_output_to(table(), || Listener::new(Way::Websocket));
}
