//! Every input and output of this crate does what such a one has to.

use std::{
    collections::VecDeque,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::{SinkExt, StreamExt};
use tokio::{
    net::{TcpListener as AsyncListener, TcpStream as AsyncStream},
    runtime::Runtime,
    sync::mpsc,
};
use tokio_tungstenite::{WebSocketStream, tungstenite::Message as Frame};
use wappa_conformance::{Downstream, Peer, Upstream, check_input_from, check_output_to, wait_until};

use crate::{
    server::{Answer, Server, answer},
    support::streams,
    websockets,
};

fn lock<T>(it: &Mutex<T>) -> MutexGuard<'_, T> {
    it.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A server that each request takes a message from.
struct Queue {
    address: String,
    server: Option<Server>,
    waiting: Arc<Mutex<VecDeque<String>>>,
}

impl Queue {
    fn new() -> Queue {
        let mut queue = Queue { address: "127.0.0.1:0".to_string(), server: None, waiting: Arc::default() };
        queue.come_back();
        queue.address = queue.server.as_ref().expect("it is there").address.to_string();
        queue
    }
}

impl Peer for Queue {
    fn config(&self) -> String {
        format!("http_client: {{url: 'http://{}/', retries: 0}}", self.address)
    }

    fn go(&mut self) {
        self.server = None;
    }

    fn come_back(&mut self) {
        let waiting = Arc::clone(&self.waiting);
        let next = move || match lock(&waiting).pop_front() {
            Some(message) => answer(200, message),
            None => answer(204, "").after(Duration::from_millis(5)),
        };
        self.server = Some(Server::at(&self.address, None, move |_| next()));
    }
}

impl Upstream for Queue {
    fn send(&mut self, messages: &[String]) -> bool {
        lock(&self.waiting).extend(messages.iter().cloned());
        self.server.is_some()
    }

    fn keeps(&self) -> bool {
        false
    }
}

/// A server that takes what is posted.
struct Taker {
    address: String,
    server: Option<Server>,
    received: Arc<Mutex<Vec<String>>>,
    is_held: Arc<AtomicBool>,
}

impl Taker {
    fn new() -> Taker {
        let mut taker = Taker {
            address: "127.0.0.1:0".to_string(),
            server: None,
            received: Arc::default(),
            is_held: Arc::default(),
        };
        taker.come_back();
        taker.address = taker.server.as_ref().expect("it is there").address.to_string();
        taker
    }
}

impl Peer for Taker {
    fn config(&self) -> String {
        format!("http_client: {{url: 'http://{}/', retries: 0, max_in_flight: 1}}", self.address)
    }

    fn go(&mut self) {
        self.server = None;
    }

    fn come_back(&mut self) {
        let (received, is_held) = (Arc::clone(&self.received), Arc::clone(&self.is_held));
        let take = move |body: &str| -> Answer {
            lock(&received).push(body.to_string());
            answer(200, "").while_held(&is_held)
        };
        self.server = Some(Server::at(&self.address, None, move |seen| take(&seen.body)));
    }

    fn hold(&mut self, is_held: bool) -> bool {
        self.is_held.store(is_held, Ordering::SeqCst);
        true
    }
}

impl Downstream for Taker {
    fn received(&mut self) -> Vec<String> {
        lock(&self.received).clone()
    }
}

/// A server whose one answer has no end: each message is a line of it.
struct Endless {
    address: String,
    listener: Option<TcpListener>,
    connection: Option<TcpStream>,
}

impl Endless {
    fn new() -> Endless {
        let mut endless = Endless { address: "127.0.0.1:0".to_string(), listener: None, connection: None };
        endless.come_back();
        let listener = endless.listener.as_ref().expect("it is there");
        endless.address = listener.local_addr().expect("it has one").to_string();
        endless
    }

    /// Begins to answer whoever has asked.
    fn accept(&mut self) {
        while let Some(Ok((mut stream, _))) = self.listener.as_ref().map(TcpListener::accept) {
            stream.set_nonblocking(false).expect("it can be set");
            let mut reader = BufReader::new(stream.try_clone().expect("it can be shared"));
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|it| 2 < it) {
                line.clear();
            }
            let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
            self.connection = stream.write_all(head).is_ok().then_some(stream);
        }
    }
}

impl Peer for Endless {
    fn config(&self) -> String {
        format!("http_client: {{url: 'http://{}/', retries: 0, stream: {{enabled: true}}}}", self.address)
    }

    fn go(&mut self) {
        (self.listener, self.connection) = (None, None);
    }

    fn come_back(&mut self) {
        // Somebody may have the port for a moment.
        wait_until("a port", || {
            self.listener = TcpListener::bind(&self.address).ok();
            self.listener.is_some()
        });
        let listener = self.listener.as_ref().expect("it was waited for");
        listener.set_nonblocking(true).expect("it can be set");
    }
}

impl Upstream for Endless {
    fn send(&mut self, messages: &[String]) -> bool {
        self.accept();
        let Some(connection) = &mut self.connection else { return false };
        let lines: String = messages.iter().map(|it| format!("{it}\n")).collect();
        connection.write_all(format!("{:x}\r\n{lines}\r\n", lines.len()).as_bytes()).is_ok()
    }

    fn keeps(&self) -> bool {
        false
    }
}

/// The server of a websocket: says what it is told to, and keeps what it hears.
struct Websocket {
    address: String,
    runtime: Option<Runtime>,
    says: Arc<Mutex<Option<mpsc::UnboundedSender<String>>>>,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Websocket {
    fn new() -> Websocket {
        let mut websocket = Websocket {
            address: "127.0.0.1:0".to_string(),
            runtime: None,
            says: Arc::default(),
            heard: Arc::default(),
        };
        websocket.come_back();
        websocket
    }
}

impl Peer for Websocket {
    fn config(&self) -> String {
        format!("websocket: {{url: 'ws://{}/'}}", self.address)
    }

    fn go(&mut self) {
        *lock(&self.says) = None;
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_millis(100));
        }
    }

    fn come_back(&mut self) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a thread can be started");
        let mut listener = None;
        wait_until("a port", || {
            listener = runtime.block_on(AsyncListener::bind(&self.address)).ok();
            listener.is_some()
        });
        let listener = listener.expect("it was waited for");
        self.address = listener.local_addr().expect("it has one").to_string();
        let (says, heard) = (Arc::clone(&self.says), Arc::clone(&self.heard));
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (tx, rx) = mpsc::unbounded_channel();
                let (says, heard) = (Arc::clone(&says), Arc::clone(&heard));
                tokio::spawn(async move {
                    let Some((socket, _)) = websockets::accept(stream).await else { return };
                    *lock(&says) = Some(tx);
                    speak(socket, rx, &heard).await;
                });
            }
        });
        self.runtime = Some(runtime);
    }
}

async fn speak(
    mut socket: WebSocketStream<AsyncStream>,
    mut says: mpsc::UnboundedReceiver<String>,
    heard: &Mutex<Vec<String>>,
) {
    loop {
        tokio::select! {
            text = says.recv() => match text {
                Some(text) => if socket.send(Frame::text(text)).await.is_err() { return },
                None => return,
            },
            frame = socket.next() => match frame {
                Some(Ok(Frame::Binary(bytes))) => lock(heard).push(String::from_utf8_lossy(&bytes).into_owned()),
                Some(Ok(_)) => (),
                Some(Err(_)) | None => return,
            },
        }
    }
}

impl Upstream for Websocket {
    fn send(&mut self, messages: &[String]) -> bool {
        let says = lock(&self.says);
        let Some(says) = says.as_ref() else { return false };
        messages.iter().all(|it| says.send(it.clone()).is_ok())
    }

    fn keeps(&self) -> bool {
        false
    }
}

impl Downstream for Websocket {
    fn received(&mut self) -> Vec<String> {
        lock(&self.heard).clone()
    }

    fn may_lose(&self) -> bool {
        true
    }
}

#[test]
fn every_input() {
    check_input_from(streams().components(), Queue::new);
    check_input_from(streams().components(), Endless::new);
    check_input_from(streams().components(), Websocket::new);
}

#[test]
fn every_output() {
    check_output_to(streams().components(), Taker::new);
    check_output_to(streams().components(), Websocket::new);
}
