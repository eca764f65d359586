//! Websockets, against servers that speak as these do.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use futures_util::{SinkExt, StreamExt};
use sha1::{Digest, Sha1};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::Runtime,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message as Frame, protocol::Role},
};

use wappa_conformance::wait_until;

use crate::support::{TempDir, lint, start};

/// What each connection came with, and what was said on it.
type Heard = Arc<Mutex<Vec<String>>>;

struct Server {
    url: String,
    heard: Heard,
    _runtime: Runtime,
}

/// A server that says these on each connection, and closes it after so many messages that it hears.
fn server(says: &'static [&'static str], closes_after: usize) -> Server {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a thread");
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port can be had");
    let url = format!("ws://{}/ws?key=secret", listener.local_addr().expect("it has one"));
    let (heard, n_connections) = (Heard::default(), AtomicUsize::new(0));
    let all = Arc::clone(&heard);
    runtime.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let n = n_connections.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(speak(stream, n, says, closes_after, Arc::clone(&all)));
        }
    });
    Server { url, heard, _runtime: runtime }
}

/// Agrees with a client on a websocket; gives the head of its request as well. `None`: it has gone.
pub(crate) async fn accept(mut stream: TcpStream) -> Option<(WebSocketStream<TcpStream>, String)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let key = head.lines().find_map(|it| it.strip_prefix("Sec-Websocket-Key: ")).expect("a key");
    let accept =
        BASE64_STANDARD.encode(Sha1::digest(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11").as_bytes()));
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    stream.write_all(answer.as_bytes()).await.ok()?;
    Some((WebSocketStream::from_raw_socket(stream, Role::Server, None).await, head))
}

async fn speak(stream: TcpStream, n: usize, says: &[&str], closes_after: usize, heard: Heard) {
    let note = |text: String| heard.lock().unwrap_or_else(PoisonError::into_inner).push(text);
    let Some((mut socket, head)) = accept(stream).await else { return };
    note(head);
    for text in says {
        if socket.send(Frame::text(format!("{text}{n}"))).await.is_err() {
            return;
        }
    }
    let mut n_heard = 0;
    while let Some(Ok(frame)) = socket.next().await {
        match frame {
            Frame::Text(text) => note(format!("text {text}")),
            Frame::Binary(bytes) => note(format!("binary {}", String::from_utf8_lossy(&bytes))),
            Frame::Close(_) => return note("closed".to_string()),
            _ => continue,
        }
        n_heard += 1;
        if n_heard == closes_after {
            let _ = socket.close(None).await;
            return;
        }
    }
}

impl Server {
    fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[test]
fn what_a_server_says_becomes_messages_and_it_is_connected_again() {
    let server = server(&["a", "b"], 2);
    let dir = TempDir::new();
    let running = start(&format!(
        "input: {{ websocket: {{ url: {:?}, open_messages: [x, y], open_message_type: text, \
           headers: {{ X-Own: '${{! 1 + 1 }}' }}, basic_auth: {{ enabled: true, username: ada, password: sesame }} }} }}\n\
         output: {{ file: {{ path: {:?}, codec: lines }} }}\n",
        server.url,
        dir.at("out")
    ));
    wait_until("lines", || 4 <= dir.read_so_far("out").lines().count());
    assert!(dir.read_so_far("out").starts_with("a0\nb0\na1\nb1\n"), "{}", dir.read_so_far("out"));
    let heard = server.heard();
    assert!(heard[0].starts_with("GET /ws?key=secret HTTP/1.1\r\n"), "{}", heard[0]);
    assert!(heard[0].contains("X-Own: 2\r\n") && heard[0].contains("Authorization: Basic "), "{}", heard[0]);
    assert_eq!(heard[1..3], ["text x", "text y"]);
    assert_eq!(running.drain().fault, None);
}

#[test]
fn messages_are_sent_to_a_server_and_what_a_connection_did_not_take_to_the_next() {
    let server = server(&["nobody hears this"], 3);
    let dir = TempDir::new();
    let lines: String = (0..7).map(|it| format!("{it}\n")).collect();
    let input = dir.write("in", &lines);
    let running = start(&format!(
        "input: {{ file: {{ paths: [{input:?}] }} }}\npipeline: {{ threads: 1, processors: [{{ sleep: {{ duration: 300ms }} }}] }}\n\
         output: {{ websocket: {{ url: {:?} }} }}\n",
        server.url
    ));
    assert_eq!(running.join().fault, None);
    // What was sent before the client hears that the connection ends is nobody's.
    wait_until("messages", || 4 <= server.heard().iter().filter(|it| it.starts_with("binary ")).count());
    let heard = server.heard();
    let of = |text: &str| heard.iter().filter(|it| it.contains(text)).count();
    assert_eq!(heard[1..4], ["binary 0", "binary 1", "binary 2"]);
    assert!(2 <= of("GET /ws"), "{heard:#?}");
}

#[test]
fn what_is_told_of_a_server_that_speaks_otherwise() {
    let plain = crate::server::Server::start(|_| crate::server::answer(404, "no"));
    let url = format!("ws://user:pa55word@{}/ws?key=pa55word", plain.address);
    let running = start(&format!("input: {{ websocket: {{ url: {url:?} }} }}\noutput: {{ drop: {{}} }}\n"));
    let text = running.log.behind("Failed to connect to websocket: ");
    assert_eq!(
        text,
        format!("ws://xxxxx@{}/ws?key=xxxxx: websocket: bad handshake: 404 Not Found", plain.address)
    );
    running.stop.cut();
    running.join();
    let text =
        lint("input: { websocket: { url: 'http://user:pa55word@a', connection: { max_retries: 3 } } }\n");
    assert!(text.contains("unsupported protocol scheme \"http\"") && !text.contains("pa55word"), "{text}");
    assert!(text.contains("`max_retries` has no effect in Wappa"), "{text}");
}
