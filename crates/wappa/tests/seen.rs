//! `tap` and `top`: what a stream that runs shows on a terminal.

use std::{
    fs,
    io::{BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, ChildStdin},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

mod support;

use support::{Program, read_until, wait};

/// A stream to which lines are written, and where its service is.
struct Stream {
    stdin: ChildStdin,
    url: String,
    log: thread::JoinHandle<()>,
    child: Child,
}

impl Stream {
    fn start(program: &Program, arguments: &[&str]) -> Stream {
        let mut child = program.start(arguments);
        let stdin = child.stdin.take().expect("it is piped");
        // The log is there, as no output writes to it.
        let mut log = BufReader::new(child.stdout.take().expect("it is piped"));
        let said = read_until(&mut log, "Listening for HTTP requests at: ");
        let url = said.rsplit_once("Listening for HTTP requests at: ").and_then(|it| it.1.split('"').next());
        let url = url.expect("it is a part of the line").to_string();
        read_until(&mut log, "Input type ");
        // Nobody waits for what is said behind that.
        let log = thread::spawn(move || _ = std::io::copy(&mut log, &mut std::io::sink()));
        Stream { stdin, url, log, child }
    }

    fn write(&mut self, text: &str) {
        self.stdin.write_all(text.as_bytes()).expect("it reads");
    }

    fn end(self) {
        drop(self.stdin);
        assert_eq!(wait(self.child).code(), Some(0));
        self.log.join().expect("it does not panic");
    }
}

/// Traps where a message begins with `!`.
const GUEST: &str = r#"(module
  (import "wappa" "v1_content_read" (func $read (param i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "process")
    (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1)))
    (if (i32.eq (i32.load8_u (i32.const 0)) (i32.const 33)) (then (unreachable)))))"#;

fn config(http: &str, mapping: &str) -> String {
    format!(
        "http: {{ address: '127.0.0.1:0', {http} }}
input: {{ label: lines, stdin: {{}} }}
pipeline:
  threads: 1
  processors:
    - mapping: {mapping}
    - label: guest
      wasm: {{ module_path: guest.wat }}
output:
  fallback:
    - reject_errored: {{ drop: {{}} }}
    - file: {{ path: failed, codec: lines }}
"
    )
}

const MAPPING: &str = "'root = content().uppercase()'";

#[test]
fn messages_of_a_component_are_shown_until_there_were_enough() {
    let config = format!("{}buffer: {{ memory: {{}} }}\n", config("debug_endpoints: true", MAPPING));
    let program = Program::new("tap").file("a.yaml", config).file("guest.wat", GUEST);
    let mut stream = Stream::start(&program, &["-c", "a.yaml"]);
    let url = stream.url.clone();
    let listed = program.run(&["tap", &url]);
    assert_eq!(
        listed.stdout,
        "root.buffer\nroot.input (label `lines`)\nroot.output.fallback.0.reject_errored\nroot.output.fallback.1\n\
         root.pipeline.processors.0\nroot.pipeline.processors.1 (label `guest`)\n"
    );
    let taps = [
        ["tap", &url, "guest", "--count", "4", "--format", "text"],
        ["tap", &url, "root.input", "--count", "2", "--format", "json"],
        ["tap", &url, "output.fallback.1", "--count", "1", "--format", "json"],
        ["tap", &url, "buffer", "--count", "1", "--format", "text"],
    ];
    let taps = taps.map(|it| program.start(&it));
    // Whoever looks may come late: what came by before he looked is not shown.
    let mut n = 0;
    let began = Instant::now();
    let mut taps = taps.map(Some);
    while taps.iter_mut().flatten().any(|it| it.try_wait().expect("it is ours").is_none()) {
        assert!(began.elapsed() < Duration::from_secs(120), "they see nothing");
        stream.write(&format!("a{n}\n!b{n}\n"));
        n += 1;
        thread::sleep(Duration::from_millis(10));
    }
    let [guest, input, failed, buffer] = taps.map(|it| {
        let ended = it.expect("it was started").wait_with_output().expect("it has ended");
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        String::from_utf8(ended.stdout).expect("it is a text")
    });
    let lines: Vec<&str> = guest.lines().collect();
    assert_eq!(lines.iter().filter(|it| it.starts_with('A')).count(), 2, "{guest}");
    assert_eq!(lines.iter().filter(|it| it.starts_with("!B")).count(), 2, "{guest}");
    let reason = "  failed: trap: unreachable (pipeline.processors.1)";
    assert_eq!(lines.iter().filter(|it| it.starts_with(reason)).count(), 2, "{guest}");
    let contents: Vec<String> = input
        .lines()
        .map(|it| serde_json::from_str::<serde_json::Value>(it).expect("each is an object"))
        .map(|it| it["content"].as_str().expect("it has one").to_string())
        .collect();
    assert_eq!(contents.len(), 2, "{input}");
    assert!(contents.iter().all(|it| it.starts_with(['a', '!'])), "{input}");
    assert!(buffer.starts_with(['a', '!']), "{buffer}");
    let failed: serde_json::Value = serde_json::from_str(&failed).expect("it is an object");
    assert_eq!(failed["path"], "root.output.fallback.1");
    assert!(failed["content"].as_str().is_some_and(|it| it.starts_with("!B")), "{failed}");
    stream.end();
}

#[test]
fn a_look_goes_on_with_the_stream_that_takes_over() {
    let config = |text: &str| {
        format!(
            "http: {{ address: '127.0.0.1:0', debug_endpoints: true }}
input: {{ generate: {{ interval: 5ms, mapping: 'root = \"{text}\"' }} }}
output: {{ drop: {{}} }}
"
        )
    };
    let program = Program::new("tap-watched").file("a.yaml", config("old"));
    let stream = Stream::start(&program, &["-w", "-c", "a.yaml"]);
    let mut tap = program.start(&["tap", &stream.url, "root.input", "--rate", "10000"]);
    let mut shown = BufReader::new(tap.stdout.take().expect("it is piped"));
    read_until(&mut shown, "old\n");
    fs::write(program.dir().join("a.yaml"), config("new")).expect("it is ours");
    read_until(&mut shown, "new\n");
    // The program ends though somebody looks, and who looks hears of it.
    kill_process(Pid::from_child(&stream.child), Signal::TERM).expect("it runs");
    stream.end();
    assert_eq!(wait(tap).code(), Some(0));
}

#[test]
fn components_are_shown_with_what_they_do() {
    for exporter in ["prometheus", "json_api"] {
        let config = format!("metrics: {{ {exporter}: {{}} }}\n{}", config("enabled: true", MAPPING));
        let program =
            Program::new(&format!("top-{exporter}")).file("a.yaml", config).file("guest.wat", GUEST);
        let mut stream = Stream::start(&program, &["-c", "a.yaml"]);
        let (url, began) = (stream.url.clone(), Instant::now());
        stream.write("a\n!b\n!c\n");
        // Until all of it has arrived.
        let shown = loop {
            let ended = program.run(&["top", &url, "--once", "--interval", "50ms"]);
            assert_eq!(ended.code, Some(0), "{ended}");
            if ended.stdout.contains("root.output.fallback.1") && ended.stdout.contains("trap 2") {
                break ended.stdout;
            }
            assert!(began.elapsed() < Duration::from_secs(120), "{ended}");
            thread::sleep(Duration::from_millis(50));
        };
        let cells = |of: &str| -> Vec<String> {
            let line = shown.lines().find(|it| it.split_whitespace().next() == Some(of));
            line.expect("there is a line").split_whitespace().map(str::to_string).collect()
        };
        assert!(shown.starts_with("ready\n\ncomponent "), "{shown}");
        assert_eq!(cells("root.input")[..3], ["root.input", "lines", "3"], "{shown}");
        // Its path and label, what came, in a second, what went on, and what failed.
        let guest = cells("root.pipeline.processors.1");
        assert_eq!([&guest[1], &guest[2], &guest[4], &guest[5]], ["guest", "3", "3", "2"], "{shown}");
        let module = shown.split_once("module of").expect("there is one").1;
        let sha256 = program.run(&["inspect", "--json", "guest.wat"]).stdout;
        let digest = module.lines().nth(1).and_then(|it| it.split_whitespace().nth(1)).expect("it has one");
        assert!(sha256.contains(digest) && digest.len() == 12, "{shown}\n{sha256}");
        stream.end();
    }
}

/// What is held by a process that somebody is after: descriptors, and bytes of memory.
fn held(pid: u32) -> (usize, u64) {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).expect("it runs").count();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let resident = status.lines().find_map(|it| it.strip_prefix("VmRSS:")).expect("it is there");
    let kilobytes: u64 = resident.trim().trim_end_matches(" kB").parse().expect("it is a number");
    (descriptors, kilobytes * 1024)
}

/// Taps that nobody reads, heads that never end, and requests that are none: what they take is bounded, and is given back.
#[test]
fn who_is_after_the_service_takes_little_of_it() {
    let content = "x".repeat(100_000);
    let config = format!(
        "http: {{ address: '127.0.0.1:0', debug_endpoints: true }}
input: {{ generate: {{ interval: 1ms, mapping: 'root = \"{content}\"' }} }}
output: {{ drop: {{}} }}
"
    );
    let program = Program::new("seen-hostile").file("a.yaml", config);
    let stream = Stream::start(&program, &["-c", "a.yaml"]);
    let address = stream.url.trim_start_matches("http://").to_string();
    let connect = |request: &str| {
        let mut client = TcpStream::connect(&address).expect("it listens");
        client.set_read_timeout(Some(Duration::from_secs(60))).expect("a time can be set");
        // Whoever is refused early may be cut off while he still writes.
        let _ = client.write_all(request.as_bytes());
        client
    };
    let ping = || {
        let mut answer = String::new();
        let asked = "GET /ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        connect(asked).read_to_string(&mut answer).expect("it answers");
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("pong"), "{answer}");
    };
    ping();
    let before = held(stream.child.id());
    let tap = "GET /debug/tap?path=root.input&rate=10000 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    let long = format!("GET /debug/tap?path={} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", "a".repeat(2 << 20));
    let many = format!("GET /debug/stack HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(100_000));
    let requests = [
        tap,
        "GET /debug/tap?path=root.input",
        "GET /debug/../../etc/passwd HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        "GET /debug/config/yaml HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        "POST /debug/tap?path=%zz&rate=-1 HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9999999\r\n\r\n",
        &long,
        &many,
    ];
    for _ in 0..3 {
        // None of them reads.
        let clients: Vec<TcpStream> = (0..210).map(|idx| connect(requests[idx % requests.len()])).collect();
        ping();
        let during = held(stream.child.id());
        assert!(during.1 < before.1 + (256 << 20), "{before:?} {during:?}");
        drop(clients);
        let began = Instant::now();
        while before.0 + 5 < held(stream.child.id()).0 {
            assert!(began.elapsed() < Duration::from_secs(60), "{before:?} {:?}", held(stream.child.id()));
            thread::sleep(Duration::from_millis(20));
        }
    }
    // There is room for who may look.
    let mut begin = [0; 12];
    connect(tap).read_exact(&mut begin).expect("it answers");
    assert_eq!(&begin, b"HTTP/1.1 200");
    kill_process(Pid::from_child(&stream.child), Signal::TERM).expect("it runs");
    stream.end();
}

/// Who is there and asks for nothing keeps nobody out, however many they are.
#[test]
fn whoever_asks_is_answered_beside_many_who_ask_for_nothing() {
    const PLACES: usize = 40;
    for input in [
        "generate: { interval: 1s, mapping: root = 1 }",
        "http_server: { address: 'ADDRESS', max_connections: 40 }",
    ] {
        let port =
            TcpListener::bind("127.0.0.1:0").expect("there is a port").local_addr().expect("it has one");
        let input = input.replace("ADDRESS", &port.to_string());
        let is_own = input.contains("http_server");
        let config = format!(
            "http: {{ address: '127.0.0.1:0', max_connections: {PLACES} }}\ninput: {{ {input} }}\noutput: {{ drop: {{}} }}\n"
        );
        let program = Program::new(if is_own { "many-own" } else { "many" }).file("a.yaml", config);
        let stream = Stream::start(&program, &["-c", "a.yaml"]);
        let address =
            if is_own { port.to_string() } else { stream.url.trim_start_matches("http://").to_string() };
        let (descriptors, _) = held(stream.child.id());
        // Some say nothing, and some begin and never end.
        let idle: Vec<TcpStream> = (0..120)
            .map(|number| {
                let mut client = TcpStream::connect(&address).expect("it listens");
                if number % 2 == 0 {
                    client.write_all(b"POST /post HTTP/1.1\r\nHost: x\r\n").expect("it is taken");
                }
                client
            })
            .collect();
        for _ in 0..3 {
            let mut client = TcpStream::connect(&address).expect("it listens");
            let asked = if is_own { "POST /post" } else { "GET /ping" };
            let head =
                format!("{asked} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            client.write_all(head.as_bytes()).expect("it is taken");
            let mut answer = String::new();
            client.read_to_string(&mut answer).expect("it is a text");
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        }
        assert!(held(stream.child.id()).0 <= descriptors + PLACES + 8);
        drop(idle);
        let began = Instant::now();
        while descriptors + 8 < held(stream.child.id()).0 {
            assert!(began.elapsed() < Duration::from_secs(120), "descriptors are left");
            thread::sleep(Duration::from_millis(20));
        }
        kill_process(Pid::from_child(&stream.child), Signal::TERM).expect("it runs");
        stream.end();
    }
}

/// What guests hold is a part of what the process takes.
#[test]
fn memory_is_shown_with_what_guests_hold() {
    let program = Program::new("memory-of-guests")
        .file("a.yaml", config("debug_endpoints: true", MAPPING))
        .file("guest.wat", GUEST);
    let mut stream = Stream::start(&program, &["-c", "a.yaml"]);
    stream.write("a\n");
    let (address, began) = (stream.url.trim_start_matches("http://").to_string(), Instant::now());
    loop {
        let mut client = TcpStream::connect(&address).expect("it listens");
        let asked = format!("GET /debug/memory HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        client.write_all(asked.as_bytes()).expect("it is read");
        let mut page = String::new();
        client.read_to_string(&mut page).expect("it is a text");
        let of = |name: &str| {
            let line = page.lines().find_map(|it| it.strip_prefix(name)?.strip_prefix(' '));
            line.and_then(|it| it.parse::<u64>().ok()).unwrap_or_default()
        };
        // One instance with a page of memory.
        if 65_536 <= of("guests") && of("guests") < of("guests_limit") && 0 < of("resident") {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(120), "{page}");
        thread::sleep(Duration::from_millis(20));
    }
    stream.end();
}

#[test]
fn what_cannot_be_shown_says_why() {
    let program = Program::new("seen-nothing")
        .file("a.yaml", config("enabled: true", MAPPING))
        .file("guest.wat", GUEST);
    let without = format!("metrics: {{ none: {{}} }}\n{}", config("debug_endpoints: true", MAPPING));
    let closed = config(
        "debug_endpoints: true, basic_auth: { enabled: true, username: u, password_hash: 'XohImNooBHFR0OVvjcYpJ3NgPQ1qq73WKhHvch0VQtg=', algorithm: sha256 }",
        MAPPING,
    );
    let program = program.file("b.yaml", without).file("c.yaml", closed);
    let stderr = |arguments: &[&str]| {
        let ended = program.run(arguments);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""));
        ended.stderr
    };
    let stream = Stream::start(&program, &["-c", "a.yaml"]);
    assert_eq!(
        stderr(&["tap", &stream.url, "root.input"]),
        "the service shows no messages: its config has to say `http.debug_endpoints: true`\n"
    );
    assert_eq!(
        stderr(&["top", &stream.url, "--stream", "nope"]),
        "there is no stream nope, and no other one in this process\n"
    );
    let url = stream.url.clone();
    stream.end();
    for command in ["tap", "top"] {
        assert!(stderr(&[command, &url]).contains("connection refused"), "{}", stderr(&[command, &url]));
        assert_eq!(stderr(&[command, "ftp://a"]), "unsupported protocol scheme \"ftp\"\n");
    }
    let stream = Stream::start(&program, &["-c", "c.yaml"]);
    for command in ["tap", "top", "ping"] {
        let told = stderr(&[command, &stream.url]);
        assert!(
            told.contains("a user and a password: `http://USER:PASSWORD@HOST:PORT`"),
            "{command}: {told}"
        );
    }
    stream.end();
    let stream = Stream::start(&program, &["-c", "b.yaml"]);
    assert_eq!(
        stderr(&["tap", &stream.url, "root.nowhere"]),
        "404: no component has the path or label \"root.nowhere\": without one this shows all\n"
    );
    assert_eq!(
        stderr(&["tap", &stream.url, "--stream", "nope"]),
        "there is no stream nope: without `--stream` all are listed\n"
    );
    assert_eq!(
        stderr(&["tap", &stream.url, "root.input", "--stream", "nope"]),
        "stream nope has no component root.input: without one all are listed\n"
    );
    assert_eq!(
        stderr(&["top", &stream.url]),
        "the service shows no metrics: its config has to say `metrics: {prometheus: {}}` or `metrics: {json_api: {}}`\n"
    );
    stream.end();
}

/// What the page is told at first: the picture of the stream.
fn picture(url: &str) -> serde_json::Value {
    let address = url.strip_prefix("http://").expect("it is one");
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.write_all(b"GET /-/live HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("it reads");
    let text = read_until(&mut BufReader::new(stream), "event: look");
    let data = text.split("\ndata: ").nth(1).and_then(|it| it.lines().next()).expect("it is the first event");
    serde_json::from_str(data).expect("it is JSON")
}

/// Numbers find their boxes by path, so a picture has the paths that the stream itself has, however deep.
#[test]
fn the_picture_of_a_stream_has_its_components() {
    let config = "
http: { address: '127.0.0.1:0', debug_endpoints: true }
input:
  broker:
    inputs:
      - stdin: {}
        processors: [{ mapping: root = content() }, { try: [{ mapping: root = content() }] }]
      - read_until: { check: 'false', input: { generate: { interval: 1h, mapping: 'root = {}' } } }
      - sequence: { inputs: [{ resource: more }] }
buffer: { memory: {} }
pipeline:
  processors:
    - switch:
        - check: 'false'
          processors: [{ log: {} }]
        - processors: [{ for_each: [{ mapping: root = this }] }, { catch: [{ log: {} }] }]
    - branch: { processors: [{ mapping: root = 1 }, { cached: { cache: kept, key: k, processors: [{ mapping: root = 2 }] } }] }
    - workflow: { branches: { one: { processors: [{ mapping: root = 1 }] } } }
    - parallel: { processors: [{ mapping: root = this }] }
    - while: { max_loops: 1, check: 'false', processors: [{ mapping: root = this }] }
    - group_by: [{ check: 'true', processors: [{ mapping: root = this }] }]
    - retry: { processors: [{ mapping: root = this }] }
    - resource: shared
output:
  processors: [{ mapping: root = this }]
  switch:
    cases:
      - check: 'false'
        output: { fallback: [{ drop: {} }, { reject: no, processors: [{ mapping: root = this }] }] }
      - output:
          broker:
            outputs:
              - retry: { output: { drop: {} } }
              - drop_on: { error: true, output: { drop: {} } }
              - resource: away
input_resources: [{ label: more, generate: { interval: 1h, mapping: 'root = {}' } }]
processor_resources: [{ label: shared, mapping: root = this }]
output_resources: [{ label: away, drop: {} }]
cache_resources: [{ label: kept, memory: {} }]
";
    let program = Program::new("picture").file("a.yaml", config);
    let stream = Stream::start(&program, &["-c", "a.yaml"]);
    let picture = picture(&stream.url);
    let parts = picture["parts"].as_array().expect("it has parts");
    // Those of resources are told apart by their labels.
    let paths = parts.iter().filter_map(|it| it["path"].as_str()?.split(' ').next());
    let drawn: Vec<&str> = paths.collect();
    let listed = program.run(&["tap", &stream.url]).stdout;
    let paths: Vec<&str> = listed.lines().filter_map(|it| it.split(' ').next()).collect();
    assert!(25 < paths.len(), "{listed}");
    let missing: Vec<&&str> = paths.iter().filter(|it| !drawn.contains(it)).collect();
    assert!(missing.is_empty(), "{missing:?} not in {drawn:?}");
}
