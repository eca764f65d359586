//! Servers that say what no server of NATS does: none of it is the end, and none is told with a password in it.

mod support;

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use support::start;
use wappa_servers::wait_until;

/// More than is read of what has no end, however late that is noticed.
const FLOOD_MAX: usize = 4 << 30;

const INFO: &str = "INFO {\"server_id\":\"x\",\"server_name\":\"x\",\"version\":\"2.10.0\",\"go\":\"x\",\"host\":\"127.0.0.1\",\
                    \"port\":1,\"headers\":true,\"max_payload\":1048576,\"proto\":1}\r\n";

/// A server that greets, and answers lines. Says how many clients it had.
fn server(
    greeting: &'static str,
    answer: impl Fn(&str) -> String + Send + Sync + 'static,
) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("it has one").port();
    let (answer, n_clients): (_, Arc<AtomicUsize>) = (Arc::new(answer), Arc::default());
    let counted = Arc::clone(&n_clients);
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            counted.fetch_add(1, Ordering::SeqCst);
            let answer = Arc::clone(&answer);
            thread::spawn(move || {
                let _ = (&stream).write_all(greeting.as_bytes());
                for line in BufReader::new(&stream).lines().map_while(Result::ok) {
                    if (&stream).write_all(answer(&line).as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    (port, n_clients)
}

fn config(port: u16, is_input: bool) -> String {
    let nats = format!("nats: {{ urls: ['nats://ann:s3cret@127.0.0.1:{port}'], subject: s }}");
    match is_input {
        true => format!("input: {{ {nats} }}\noutput: {{ drop: {{}} }}\n"),
        false => {
            format!("input: {{ generate: {{ interval: 10ms, mapping: root = 1 }} }}\noutput: {{ {nats} }}\n")
        }
    }
}

/// The client's library cannot read an error without a text, and panics.
#[test]
fn an_error_without_a_text_is_not_the_end() {
    for is_input in [true, false] {
        // In place of a greeting, and behind one.
        let (port, n_clients) = server("-ERR\r\n", |_| String::new());
        let running = start(&config(port, is_input));
        running.log.line_with("what the server sends cannot be understood: ");
        wait_until("another attempt", || 1 < n_clients.load(Ordering::SeqCst));
        running.stop.cut();
        let (port, n_clients) = server(INFO, |line| match line.split(' ').next() {
            Some("PING") => "PONG\r\n".to_string(),
            Some("SUB" | "PUB") => "-ERR\r\n".to_string(),
            _ => String::new(),
        });
        let running = start(&config(port, is_input));
        wait_until("a connection in place of the one that was lost", || 2 < n_clients.load(Ordering::SeqCst));
        running.stop.cut();
    }
}

/// A message that is larger than any server takes would be read for ever.
#[test]
fn what_has_no_end_ends_the_connection() {
    for begin in ["MSG s 1 99999999999\r\n", "HMSG s 1 10 99999999999\r\n"] {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = listener.local_addr().expect("it has one").port();
        let n_sent: Arc<Mutex<Vec<usize>>> = Arc::default();
        let of_each = Arc::clone(&n_sent);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let _ = (&stream).write_all(INFO.as_bytes());
                let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
                if !lines.any(|it| it == "PING") {
                    continue;
                }
                let _ = (&stream).write_all(format!("PONG\r\n{begin}").as_bytes());
                let piece = [b'x'; 1 << 16];
                let n_pieces =
                    (0..FLOOD_MAX / piece.len()).take_while(|_| (&stream).write_all(&piece).is_ok());
                let n_pieces = n_pieces.count();
                of_each.lock().expect("nobody panics with it").push(n_pieces * piece.len());
            }
        });
        let running = start(&config(port, true));
        running.log.line_with("it sends more than a message can be");
        let first = || n_sent.lock().expect("nobody panics with it").first().copied();
        wait_until("the end of the connection", || first().is_some());
        running.stop.cut();
        assert!(first().is_some_and(|it| it < FLOOD_MAX), "all of it was read");
    }
}

#[test]
fn a_server_that_repeats_what_it_is_told_has_no_password_told() {
    for is_late in [false, true] {
        let told = Mutex::new(String::new());
        let (port, _) = server(INFO, move |line| match line.split(' ').next() {
            Some("CONNECT") if is_late => {
                *told.lock().expect("nobody panics with it") = line.to_string();
                String::new()
            }
            Some("CONNECT") => format!("-ERR 'what is {line}'\r\n"),
            Some("PING") => "PONG\r\n".to_string(),
            Some("SUB") => format!(
                "-ERR 'what is {} {}'\r\n",
                told.lock().expect("nobody panics with it"),
                "x".repeat(1 << 20)
            ),
            _ => String::new(),
        });
        let running = start(&config(port, true));
        let line = running.log.line_with("what is CONNECT");
        assert!(!line.contains("s3cret"), "{line}");
        assert!(line.len() < 5000, "{} bytes", line.len());
        running.stop.cut();
    }
}
