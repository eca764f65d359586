//! That no stream starves another one: of processors, of memory, and of clients.

use std::{
    fs,
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use crate::{
    program::{AROUND, PATIENCE, Streams},
    support::Program,
};

/// Goes round and round until its time is over.
const SPINNER: &str =
    r#"(module (memory (export "memory") 1) (func (export "process") (loop $again (br $again))))"#;

/// Takes as much memory as it gets, a mebibyte at a time, and keeps it.
const HOARDER: &str = r#"(module (memory (export "memory") 1)
  (func (export "process") (loop $again (br_if $again (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))))"#;

/// Takes two mebibytes, and traps where it does not get them.
const MODEST: &str = r#"(module (memory (export "memory") 1)
  (func (export "process") (if (i32.eq (memory.grow (i32.const 32)) (i32.const -1)) (then (unreachable)))))"#;

const QUICK: &str = "input: { http_server: { path: /post } }
pipeline: { threads: 1, processors: [ { mapping: 'root = content().uppercase()' } ] }
output: { sync_response: {} }";

/// How many messages go through the quick stream while others do what they can.
const N: usize = 200;

/// What one that is at work without end counts of what it has begun.
fn received(streams: &Streams, id: &str) -> u64 {
    streams.count(id, "processor_received")
}

#[test]
fn a_quick_stream_goes_on_beside_guests_that_spin_and_mappings_that_are_busy() {
    let program = Program::new("streams-shares").file("around.yaml", AROUND).file("spin.wat", SPINNER);
    let streams = Streams::start(&program, &["--max-stream-threads", "8"]);
    let spinning = "input: { generate: { mapping: 'root = 1', interval: '' } }
pipeline: { threads: 8, processors: [ { wasm: { module_path: spin.wat, timeout: 2s } } ] }
output: { drop: {} }";
    let busy = "input: { generate: { mapping: 'root = 1', interval: '' } }
pipeline:
  threads: 8
  processors: [ { mapping: 'root = range(0, 10000).map_each(it -> it.string().hash(\"sha256\").encode(\"hex\")).length()' } ]
output: { drop: {} }";
    assert_eq!(streams.ask("POST /streams/spinning", spinning).text(), "200");
    assert_eq!(streams.ask("POST /streams/busy", busy).text(), "200");
    assert_eq!(streams.ask("POST /streams/quick", QUICK).text(), "200");
    streams.until("GET /quick/ready", |it| it.status == 200);
    // Its guests are in messages that do not end before their time is over.
    streams.until("GET /debug/stack", |it| it.body.contains("spinning: root.pipeline.processors.0"));
    for idx in 0..N {
        assert_eq!(streams.ask("POST /quick/post", &format!("m{idx}")).text(), format!("200 M{idx}"));
    }
    assert_eq!(streams.count("quick", "output_sent"), N as u64);
    assert_eq!(received(&streams, "quick"), N as u64);
    // They had not stopped for it.
    let stack = streams.ask("GET /debug/stack", "").body;
    assert!(stack.contains("spinning: root.pipeline.processors.0"), "{stack}");
    // However many threads a stream has, they weigh together what one does: the system's own number says so.
    let niceness = niceness_of_threads(streams.child.id());
    let mine = niceness.iter().filter(|it| it.0 == "network").map(|it| it.1).min().expect("there is one");
    let count = |more: i64| {
        niceness.iter().filter(|it| it.0.starts_with("pipeline-") && it.1 == (mine + more).min(19)).count()
    };
    assert_eq!((count(0), count(9)), (1, 16), "{niceness:?}");
    // And whoever is asked to stop stops, whatever it is at.
    assert_eq!(streams.ask("DELETE /streams/spinning", "").text(), "200");
    assert_eq!(streams.ask("POST /quick/post", "m").text(), "200 M");
    streams.end();
}

/// The names of a process's threads, and how nice each is.
fn niceness_of_threads(process: u32) -> Vec<(String, i64)> {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).expect("it runs");
    let of = |entry: fs::DirEntry| {
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        let (head, fields) = stat.rsplit_once(')')?;
        // The 19th field; the first behind the name is the third.
        Some((head.split_once('(')?.1.to_string(), fields.split_whitespace().nth(19 - 3)?.parse().ok()?))
    };
    tasks.flatten().filter_map(of).collect()
}

#[test]
fn a_modest_guest_finds_memory_beside_one_that_takes_all_it_gets() {
    let program = Program::new("streams-memory")
        .file("around.yaml", AROUND)
        .file("hoard.wat", HOARDER)
        .file("modest.wat", MODEST);
    let streams = Streams::start(&program, &["--guest-memory-limit", "64MiB"]);
    let with = |module: &str| {
        format!(
            "input: {{ http_server: {{ path: /post }} }}
pipeline:
  threads: 1
  processors: [ {{ wasm: {{ module_path: {module}, memory_limit: 1GiB }} }} ]
output: {{ sync_response: {{}} }}"
        )
    };
    let held = || {
        let memory = streams.ask("GET /debug/memory", "").body;
        let held = memory.lines().find_map(|it| it.strip_prefix("guests ")).expect("it is told");
        held.parse::<u64>().expect("it is a number") >> 20
    };
    for id in ["first", "second"] {
        assert_eq!(streams.ask(&format!("POST /streams/{id}"), &with("hoard.wat")).text(), "200");
        streams.until(&format!("GET /{id}/ready"), |it| it.status == 200);
        assert_eq!(streams.ask(&format!("POST /{id}/post"), "x").status, 200);
    }
    // Half of it for the first, and half of what is left for the second.
    let taken = held();
    assert!((44..=48).contains(&taken), "{taken}");
    // There is room for a third that came last.
    assert_eq!(streams.ask("POST /streams/modest", &with("modest.wat")).text(), "200");
    streams.until("GET /modest/ready", |it| it.status == 200);
    assert_eq!(streams.ask("POST /modest/post", "x").text(), "200 x");
    assert_eq!(streams.count("modest", "processor_error"), 0);
    // What goes gives back what it had.
    for id in ["first", "second", "modest"] {
        assert_eq!(streams.ask(&format!("DELETE /streams/{id}"), "").text(), "200");
    }
    streams.until("GET /debug/memory", |it| it.body.contains("guests 0\n"));
    assert_eq!(streams.end().0, Some(0));
}

/// Asks a path for something, and leaves it at that.
fn begin(streams: &Streams, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(&streams.address).expect("it listens");
    let host = &streams.address;
    let head =
        format!("POST {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: 1\r\n\r\nm");
    stream.write_all(head.as_bytes()).expect("it reads");
    stream
}

/// What is answered to that; nothing yet, where it is under way.
fn answered(stream: &mut TcpStream) -> Option<String> {
    stream.set_nonblocking(true).expect("it can be set");
    let is_waiting = stream.peek(&mut [0]).is_err_and(|err| err.kind() == ErrorKind::WouldBlock);
    stream.set_nonblocking(false).expect("it can be set");
    if is_waiting {
        return None;
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it can be read");
    Some(answer)
}

/// Waits until so many of these are answered, which is that there is no room, and returns the others.
fn refused(mut asked: Vec<TcpStream>, n_refused: usize) -> Vec<TcpStream> {
    let began = Instant::now();
    let n_asked = asked.len();
    while asked.len() + n_refused != n_asked {
        asked.retain_mut(|it| match answered(it) {
            None => true,
            Some(answer) => {
                assert!(
                    answer.starts_with("HTTP/1.1 503 ") && answer.contains("\r\nretry-after: 1\r\n"),
                    "{answer}"
                );
                false
            }
        });
        assert!(began.elapsed() < PATIENCE && n_asked <= asked.len() + n_refused, "{}", asked.len());
        thread::sleep(Duration::from_millis(5));
    }
    asked
}

#[test]
fn a_flood_of_requests_to_a_slow_stream_keeps_nobody_out_of_another_one() {
    let around = "http: { debug_endpoints: true, max_connections: 16 }\nshutdown_timeout: 1s\n";
    let program = Program::new("streams-flood").file("around.yaml", around);
    let streams = Streams::start(&program, &[]);
    // Nothing comes out of it.
    let slow = "input: { http_server: { path: /post, timeout: 1h } }
pipeline: { threads: 1, processors: [ { sleep: { duration: 1h } } ] }
output: { sync_response: {} }";
    for (id, config) in [("slow", slow), ("other", slow), ("quick", QUICK)] {
        assert_eq!(streams.ask(&format!("POST /streams/{id}"), config).text(), "200");
        streams.until(&format!("GET /{id}/ready"), |it| it.status == 200);
    }
    // Three quarters of all connections are the first one's, and of the rest as much the next one's.
    let flood = |path: &str, n: usize| (0..n).map(|_| begin(&streams, path)).collect();
    let of_slow = refused(flood("/slow/post", 60), 48);
    let of_other = refused(flood("/other/post", 10), 7);
    // Whoever asks a third, or the program itself, is answered.
    for _ in 0..10 {
        assert_eq!(streams.ask("POST /quick/post", "m").text(), "200 M");
        assert_eq!(streams.ask("GET /ping", "").text(), "200 pong");
    }
    assert_eq!((of_slow.len(), of_other.len()), (12, 3));
    assert!(of_slow.into_iter().chain(of_other).all(|mut it| answered(&mut it).is_none()));
    // What is gone gives back what it had.
    assert_eq!(streams.ask("PUT /streams/slow", QUICK).status, 200);
    streams.until("GET /slow/ready", |it| it.status == 200);
    assert_eq!(streams.ask("POST /slow/post", "m").text(), "200 M");
    let (_, log) = streams.end();
    assert!(log.contains("Requests to stream slow are refused: 12 are under way"), "{log}");
}
