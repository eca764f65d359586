//! Servers that say what no server of Redis does: none of it is the end, is told with a password in it, or is asked for again
//! without a pause.

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

/// A server that answers commands, which it is given as words.
fn server(answer: impl Fn(&[String]) -> String + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("it has one").port();
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let answer = Arc::clone(&answer);
            thread::spawn(move || {
                let mut reader = BufReader::new(&stream);
                while let Some(command) = command(&mut reader) {
                    if (&stream).write_all(answer(&command).as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    port
}

/// The words of a command; `None`: the client is gone.
fn command(reader: &mut impl BufRead) -> Option<Vec<String>> {
    let number = |reader: &mut dyn BufRead| {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        line.get(1..)?.trim().parse::<usize>().ok()
    };
    let n_words = number(reader)?;
    let mut words = Vec::with_capacity(n_words);
    for _ in 0..n_words {
        let mut word = vec![0; number(reader)? + 2];
        reader.read_exact(&mut word).ok()?;
        word.truncate(word.len() - 2);
        words.push(String::from_utf8(word).ok()?);
    }
    Some(words)
}

#[test]
fn a_server_that_repeats_what_it_is_asked_has_no_password_told() {
    let port = server(|command| {
        let words: Vec<String> = command.iter().skip(1).map(|it| format!("`{it}`, ")).collect();
        format!("-ERR unknown word {}, with args beginning with: {}\r\n", command[0], words.concat())
    });
    for input in [
        "redis_list: { key: k,",
        "redis_pubsub: { channels: [c],",
        "redis_streams: { streams: [s], consumer_group: g,",
    ] {
        let running = start(&format!(
            "input: {{ {input} url: 'redis://ann:s3cret@127.0.0.1:{port}' }} }}\noutput: {{ drop: {{}} }}\n"
        ));
        running.log.line_with("Failed to connect to redis");
        running.stop.cut();
        assert!(!running.log.text().contains("s3cret"), "{}", running.log.text());
    }
    let running = start(&format!(
        "input: {{ generate: {{ interval: 10ms, mapping: root = 1 }} }}\n\
         pipeline: {{ threads: 1, processors: [ {{ redis: {{ url: 'redis://ann:s3cret@127.0.0.1:{port}', command: get, args_mapping: 'root = [1]', retries: 0 }} }} ] }}\n\
         output: {{ drop: {{}} }}\n"
    ));
    let line = running.log.line_with("get command failed: dial 127.0.0.1");
    assert!(line.contains("with args beginning with: ") && !line.contains("s3cret"), "{line}");
}

#[test]
fn an_answer_that_is_none_is_told_and_costs_the_connection() {
    for (input, name) in [
        ("redis_list: { key: k,", "BLPOP"),
        ("redis_streams: { streams: [s], consumer_group: g, claim_after: 0s,", "XREADGROUP"),
    ] {
        let n_connected = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&n_connected);
        let port = server(move |command| match command[0].as_str() {
            "PING" => {
                counted.fetch_add(1, Ordering::SeqCst);
                "+PONG\r\n".to_string()
            }
            "BLPOP" | "XREADGROUP" => ":1\r\n".to_string(),
            _ => "+OK\r\n".to_string(),
        });
        let running = start(&format!(
            "input: {{ {input} url: 'redis://127.0.0.1:{port}' }} }}\noutput: {{ drop: {{}} }}\n"
        ));
        running.log.line_with(&format!("{name}: the answer cannot be read"));
        // Each connection asks once, after a pause.
        wait_until("another attempt", || 4 < n_connected.load(Ordering::SeqCst));
        running.stop.cut();
    }
}

#[test]
fn an_endless_error_is_told_in_part() {
    let port = server(|command| match command[0].as_str() {
        "PING" => "+PONG\r\n".to_string(),
        _ => format!("-ERR {}\r\n", "x".repeat(1 << 20)),
    });
    let running = start(&format!(
        "input: {{ redis_list: {{ key: k, url: 'redis://127.0.0.1:{port}' }} }}\noutput: {{ drop: {{}} }}\n"
    ));
    let line = running.log.line_with("ERR xxx");
    assert!(line.len() < 5000, "{} bytes", line.len());
    assert!(line.contains(" bytes)"), "it says that there is more");
}

#[test]
fn answers_to_what_nobody_asked_cost_the_connection_and_no_message() {
    let n_connected = Arc::new(AtomicUsize::new(0));
    let added = Arc::new(Mutex::new(Vec::new()));
    let (counted, seen) = (Arc::clone(&n_connected), Arc::clone(&added));
    let port = server(move |command| match command[0].as_str() {
        "PING" => {
            counted.fetch_add(1, Ordering::SeqCst);
            "+PONG\r\n".to_string()
        }
        _ => {
            seen.lock().expect("nobody panicked").push(command.last().cloned().unwrap_or_default());
            "$3\r\n1-1\r\n-ERR and more\r\n*1\r\n".to_string()
        }
    });
    let running = start(&format!(
        "input: {{ generate: {{ interval: 1ms, count: 5, mapping: 'root = count(\"five\").string()' }} }}\n\
         output: {{ redis_streams: {{ url: 'redis://127.0.0.1:{port}', stream: s, max_in_flight: 1 }} }}\n"
    ));
    assert_eq!(running.join().fault, None);
    let added = added.lock().expect("nobody panicked");
    assert_eq!(added[..], ["1", "2", "3", "4", "5"]);
    assert!(1 < n_connected.load(Ordering::SeqCst), "the connection was lost");
}
