//! Other ends of sockets: who sends lines to whoever connects, who connects and sends lines, and who takes lines.

use std::{
    fs,
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::net::{UnixListener, UnixStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use wappa_conformance::{Downstream, Peer, TempDir, Upstream, wait_until};
use wappa_spec::ComponentKind;

/// What carries the bytes, and where.
pub(crate) struct Place {
    pub(crate) network: &'static str,
    pub(crate) address: String,
    /// Where sockets of the file system are.
    pub(crate) dir: TempDir,
}

pub(crate) trait Stream: Read + Write + Send {}

impl<T: Read + Write + Send> Stream for T {}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Place {
    /// One where nobody listens yet.
    pub(crate) fn new(network: &'static str) -> Place {
        let dir = TempDir::new();
        let address = match network {
            "tcp" => {
                let listener = TcpListener::bind("127.0.0.1:0").expect("a port can be had");
                listener.local_addr().expect("it has one").to_string()
            }
            _ => dir.at("socket"),
        };
        Place { network, address, dir }
    }

    fn listen(&self) -> Listener {
        let mut listener = None;
        // Somebody may have the port for a moment.
        wait_until("a place to listen", || {
            listener = match self.network {
                "tcp" => TcpListener::bind(&self.address).map(Listener::Tcp).ok(),
                _ => {
                    // What an earlier one left.
                    let _ = fs::remove_file(&self.address);
                    UnixListener::bind(&self.address).map(Listener::Unix).ok()
                }
            };
            listener.is_some()
        });
        let listener = listener.expect("it was waited for");
        let set = match &listener {
            Listener::Tcp(it) => it.set_nonblocking(true),
            Listener::Unix(it) => it.set_nonblocking(true),
        };
        set.expect("it can be set");
        listener
    }

    fn connect(&self) -> io::Result<Box<dyn Stream>> {
        Ok(match self.network {
            "tcp" => Box::new(TcpStream::connect(&self.address)?),
            _ => Box::new(UnixStream::connect(&self.address)?),
        })
    }

    fn fields(&self) -> String {
        format!("network: {}, address: {:?}", self.network, self.address)
    }
}

impl Listener {
    /// The next who has connected, which is read without waiting where that is asked for.
    fn accept(&self, is_nonblocking: bool) -> Option<Box<dyn Stream>> {
        match self {
            Listener::Tcp(it) => {
                let (stream, _) = it.accept().ok()?;
                stream.set_nonblocking(is_nonblocking).expect("it can be set");
                Some(Box::new(stream))
            }
            Listener::Unix(it) => {
                let (stream, _) = it.accept().ok()?;
                stream.set_nonblocking(is_nonblocking).expect("it can be set");
                Some(Box::new(stream))
            }
        }
    }
}

fn lines(messages: &[String]) -> String {
    messages.iter().map(|it| format!("{it}\n")).collect()
}

/// Listens, and sends lines to the last who connected.
pub(crate) struct Sender {
    place: Place,
    listener: Option<Listener>,
    connection: Option<Box<dyn Stream>>,
}

impl Sender {
    pub(crate) fn new(network: &'static str) -> Sender {
        let place = Place::new(network);
        Sender { listener: Some(place.listen()), place, connection: None }
    }
}

impl Peer for Sender {
    fn config(&self) -> String {
        format!("socket: {{{}}}", self.place.fields())
    }

    fn go(&mut self) {
        (self.listener, self.connection) = (None, None);
    }

    fn come_back(&mut self) {
        self.listener = Some(self.place.listen());
    }
}

impl Upstream for Sender {
    fn send(&mut self, messages: &[String]) -> bool {
        while let Some(connection) = self.listener.as_ref().and_then(|it| it.accept(false)) {
            self.connection = Some(connection);
        }
        let Some(connection) = &mut self.connection else { return false };
        connection.write_all(lines(messages).as_bytes()).is_ok()
    }

    fn keeps(&self) -> bool {
        false
    }
}

/// Connects to a server, and sends lines.
pub(crate) struct Visitor {
    place: Place,
    connection: Option<Box<dyn Stream>>,
    is_there: bool,
    has_gone: bool,
}

impl Visitor {
    pub(crate) fn new(network: &'static str) -> Visitor {
        let place = Place::new(network);
        Visitor { place, connection: None, is_there: true, has_gone: false }
    }
}

impl Peer for Visitor {
    fn config(&self) -> String {
        format!("socket_server: {{{}, address_cache: addresses}}", self.place.fields())
    }

    fn resources(&self) -> Vec<(ComponentKind, String)> {
        let cache = format!("{{label: addresses, file: {{directory: {:?}}}}}", self.place.dir.at(""));
        vec![(ComponentKind::Cache, cache)]
    }

    fn go(&mut self) {
        self.connection = None;
        (self.is_there, self.has_gone) = (false, true);
    }

    fn come_back(&mut self) {
        self.is_there = true;
    }
}

impl Upstream for Visitor {
    fn send(&mut self, messages: &[String]) -> bool {
        if self.connection.is_none() && self.is_there {
            self.connection = self.place.connect().ok();
        }
        let Some(connection) = &mut self.connection else { return false };
        connection.write_all(lines(messages).as_bytes()).is_ok()
    }

    fn keeps(&self) -> bool {
        false
    }

    fn is_ordered(&self) -> bool {
        // Several connections are read at the same time.
        !self.has_gone
    }
}

/// A thread that takes lines from all who connect, and may answer them.
pub(crate) struct Taker {
    place: Place,
    config: String,
    answers: bool,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    received: Vec<String>,
    is_held: bool,
    is_gone: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taker {
    /// `config` is that of the output, in which `PLACE` stands for where it connects to.
    pub(crate) fn new(network: &'static str, config: &str, answers: bool) -> Taker {
        let place = Place::new(network);
        let address = format!("address: {:?}", place.address);
        let config = config.replace("PLACE", &place.fields()).replace("ADDRESS", &address);
        let mut taker = Taker { place, config, answers, shared: Arc::default(), thread: None };
        taker.come_back();
        taker
    }
}

/// Takes lines until it is to be gone.
fn take(listener: &Listener, shared: &Shared, answers: bool) {
    // Each with what is not a whole line yet.
    let mut connections: Vec<(Box<dyn Stream>, Vec<u8>)> = Vec::new();
    loop {
        thread::sleep(Duration::from_millis(1));
        let mut state = shared.lock();
        if state.is_gone {
            return;
        }
        if state.is_held {
            continue;
        }
        while let Some(connection) = listener.accept(true) {
            connections.push((connection, Vec::new()));
        }
        connections.retain_mut(|(connection, rest)| {
            let mut buffer = [0; 1000];
            let is_open = match connection.read(&mut buffer) {
                Ok(0) => false,
                Ok(n_bytes) => {
                    rest.extend_from_slice(&buffer[..n_bytes]);
                    true
                }
                Err(err) => err.kind() == io::ErrorKind::WouldBlock,
            };
            while let Some(end) = rest.iter().position(|it| *it == b'\n') {
                let line: Vec<u8> = rest.drain(..=end).collect();
                state.received.push(String::from_utf8_lossy(&line[..end]).into_owned());
                if answers {
                    // Who has gone hears nothing.
                    let _ = connection.write_all(b"ok\n");
                }
            }
            is_open
        });
    }
}

impl Peer for Taker {
    fn config(&self) -> String {
        self.config.clone()
    }

    fn go(&mut self) {
        self.shared.lock().is_gone = true;
        if let Some(thread) = self.thread.take() {
            thread.join().expect("no panic");
        }
    }

    fn come_back(&mut self) {
        self.shared.lock().is_gone = false;
        let (listener, shared, answers) = (self.place.listen(), Arc::clone(&self.shared), self.answers);
        self.thread = Some(thread::spawn(move || take(&listener, &shared, answers)));
    }

    fn hold(&mut self, is_held: bool) -> bool {
        self.shared.lock().is_held = is_held;
        true
    }
}

impl Downstream for Taker {
    fn received(&mut self) -> Vec<String> {
        self.shared.lock().received.clone()
    }

    fn may_lose(&self) -> bool {
        !self.answers
    }
}

impl Drop for Taker {
    fn drop(&mut self) {
        self.go();
    }
}
