//! Other ends of sockets: who sends lines to whoever connects, who connects and sends lines, and servers that answer lines.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::net::{UnixListener, UnixStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use wappa_conformance::{CacheServer, Downstream, Peer, TempDir, Upstream, wait_until};
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

/// What a server does.
pub(crate) trait Service: Default + Send + 'static {
    /// Somebody has connected: what is sent to that end.
    fn connected(&mut self) -> String {
        String::new()
    }

    /// A line has come: what is answered.
    fn answer(&mut self, line: &str) -> String;

    /// What is sent to the last who has connected.
    fn sent(&mut self) -> String {
        String::new()
    }
}

/// A thread that serves all who connect, until it is to be gone.
pub(crate) struct Server<S> {
    place: Place,
    config: String,
    shared: Arc<Mutex<State<S>>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct State<S> {
    service: S,
    n_connected: usize,
    is_held: bool,
    is_gone: bool,
}

fn lock<S>(shared: &Mutex<State<S>>) -> MutexGuard<'_, State<S>> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<S: Service> Server<S> {
    /// `config` is that of the component, in which `PLACE` or `ADDRESS` stands for where it connects to.
    pub(crate) fn new(network: &'static str, config: &str) -> Server<S> {
        let place = Place::new(network);
        let address = format!("address: {:?}", place.address);
        let config = config.replace("PLACE", &place.fields()).replace("ADDRESS", &address);
        let mut server = Server { place, config, shared: Arc::default(), thread: None };
        server.come_back();
        server
    }
}

fn serve<S: Service>(listener: &Listener, shared: &Mutex<State<S>>) {
    // Each with what is not a whole line yet.
    let mut connections: Vec<(Box<dyn Stream>, Vec<u8>)> = Vec::new();
    loop {
        thread::sleep(Duration::from_millis(1));
        let mut state = lock(shared);
        if state.is_gone {
            return;
        }
        if state.is_held {
            continue;
        }
        // Who has gone hears nothing.
        while let Some(mut connection) = listener.accept(true) {
            let _ = connection.write_all(state.service.connected().as_bytes());
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
                let answer = state.service.answer(&String::from_utf8_lossy(&line[..end]));
                let _ = connection.write_all(answer.as_bytes());
            }
            is_open
        });
        state.n_connected = connections.len();
        if let Some((connection, _)) = connections.last_mut() {
            let _ = connection.write_all(state.service.sent().as_bytes());
        }
    }
}

impl<S: Service> Peer for Server<S> {
    fn config(&self) -> String {
        self.config.clone()
    }

    fn go(&mut self) {
        lock(&self.shared).is_gone = true;
        if let Some(thread) = self.thread.take() {
            thread.join().expect("no panic");
        }
    }

    fn come_back(&mut self) {
        lock(&self.shared).is_gone = false;
        let (listener, shared) = (self.place.listen(), Arc::clone(&self.shared));
        self.thread = Some(thread::spawn(move || serve(&listener, &shared)));
    }

    fn hold(&mut self, is_held: bool) -> bool {
        lock(&self.shared).is_held = is_held;
        true
    }
}

impl<S> Drop for Server<S> {
    fn drop(&mut self) {
        lock(&self.shared).is_gone = true;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Takes lines, and answers nothing.
#[derive(Default)]
pub(crate) struct Takes(Vec<String>);

impl Service for Takes {
    fn answer(&mut self, line: &str) -> String {
        self.0.push(line.to_string());
        String::new()
    }
}

impl Downstream for Server<Takes> {
    fn received(&mut self) -> Vec<String> {
        lock(&self.shared).service.0.clone()
    }

    fn may_lose(&self) -> bool {
        true
    }
}

/// Takes lines, and says so.
#[derive(Default)]
pub(crate) struct Answers(Vec<String>);

impl Service for Answers {
    fn answer(&mut self, line: &str) -> String {
        self.0.push(line.to_string());
        "ok\n".to_string()
    }
}

impl Downstream for Server<Answers> {
    fn received(&mut self) -> Vec<String> {
        lock(&self.shared).service.0.clone()
    }
}

/// Gives lines with a number in front, again and again until it is told that they have arrived.
#[derive(Default)]
pub(crate) struct Leases {
    /// By number, whether the one who is connected has it.
    kept: BTreeMap<usize, (String, bool)>,
    next: usize,
}

impl Service for Leases {
    fn connected(&mut self) -> String {
        self.kept.values_mut().for_each(|it| it.1 = false);
        String::new()
    }

    fn answer(&mut self, line: &str) -> String {
        let (verb, number) = line.split_once(' ').expect("two words");
        let number = number.parse().expect("a number");
        match verb {
            "done" => drop(self.kept.remove(&number)),
            _ => self.kept.entry(number).and_modify(|it| it.1 = false).or_default().1 = false,
        }
        String::new()
    }

    fn sent(&mut self) -> String {
        let due = self.kept.iter_mut().filter(|(_, it)| !it.1);
        due.map(|(number, it)| {
            it.1 = true;
            format!("{number} {}\n", it.0)
        })
        .collect()
    }
}

impl Upstream for Server<Leases> {
    fn send(&mut self, messages: &[String]) -> bool {
        let mut state = lock(&self.shared);
        for message in messages {
            let number = state.service.next;
            state.service.next += 1;
            state.service.kept.insert(number, (message.clone(), false));
        }
        true
    }

    fn keeps(&self) -> bool {
        true
    }
}

/// Keeps values, each with the end of its time.
#[derive(Default)]
pub(crate) struct Values(HashMap<String, (String, Option<Instant>)>);

impl Service for Values {
    fn answer(&mut self, line: &str) -> String {
        let words: Vec<&str> = line.split(' ').collect();
        let key = words[1].to_string();
        let is_over = |it: &(String, Option<Instant>)| it.1.is_some_and(|it| it <= Instant::now());
        if self.0.get(&key).is_some_and(is_over) {
            self.0.remove(&key);
        }
        let done = match words[0] {
            "get" => {
                return self.0.get(&key).map_or("none\n".to_string(), |(value, _)| format!("={value}\n"));
            }
            "delete" => self.0.remove(&key).is_some(),
            "add" if self.0.contains_key(&key) => false,
            _ => {
                let ms: u64 = words[3].parse().expect("a number");
                let until = (0 < ms).then(|| Instant::now() + Duration::from_millis(ms));
                self.0.insert(key, (words[2].to_string(), until));
                true
            }
        };
        if done { "yes\n".to_string() } else { "no\n".to_string() }
    }
}

impl CacheServer for Server<Values> {
    fn ttl_min(&self) -> Option<Duration> {
        Some(Duration::from_millis(100))
    }
}
