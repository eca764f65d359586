//! The output `http_server`, with clients of this machine.

mod support;

use expect_test::expect;
use support::{Client, Running, ask, lint, wait_until};

/// A stream from a list of messages to clients of a free port, and the port.
fn start(input: &str, fields: &str) -> (Running, u16) {
    let running = Running::start(&format!(
        "http: {{enabled: false}}\ninput: {input}\npipeline: {{threads: 1}}\n\
         output: {{http_server: {{address: '127.0.0.1:0', {fields}}}}}\n"
    ));
    let port = running.port("Serving messages through HTTP GET request at: ");
    (running, port)
}

/// Counters are those of the process, so each test has its own.
fn numbers(counter: &str, count: usize) -> String {
    format!("{{generate: {{mapping: 'root = count(\"{counter}\").string()', interval: '', count: {count}}}}}")
}

#[test]
fn each_request_has_the_next_batch() {
    let (running, port) = start(&numbers("requests", 3), "");
    let mut client = Client::new(port);
    assert_eq!(client.ask("POST", "/get", "", "").brief(), "405 Incorrect method");
    let first = client.ask("GET", "/get", "", "");
    assert_eq!(
        (first.brief().as_str(), first.header("content-type")),
        ("200 1", Some("application/octet-stream"))
    );
    assert_eq!(ask(port, "GET", "/get", "", "").brief(), "200 2");
    assert_eq!(client.ask("GET", "/get", "", "").brief(), "200 3");
    running.join();
}

#[test]
fn what_is_not_taken_before_a_stop_is_told_so() {
    let input = "{generate: {mapping: 'root = \"0123456789\".repeat(3200000)', interval: '', count: 1}}";
    let (running, port) = start(input, "");
    let mut client = Client::new(port);
    client.send("GET", "/get", "", "");
    client.head().expect("it begins");
    running.stop.drain();
    running.stop.cut();
    running.log.behind("Failed to send message to http_server: the stream was stopped");
    running.join();
}

#[test]
fn nothing_comes_in_time() {
    let config = "http: {enabled: false}\ninput: {generate: {mapping: root = 1, interval: 1h, count: 2}}\n\
                  output: {http_server: {address: '127.0.0.1:0', timeout: 1s}}";
    let running = Running::start(config);
    let port = running.port("Serving messages through HTTP GET request at: ");
    assert_eq!(ask(port, "GET", "/get", "", "").brief(), "200 1");
    assert_eq!(ask(port, "GET", "/get", "", "").brief(), "408 Timed out waiting for message");
}

#[test]
fn a_batch_of_several_is_a_body_of_parts() {
    let input =
        "{generate: {mapping: 'root = count(\"p\").string()', interval: '', count: 2, batch_size: 2}}";
    let (running, port) = start(input, "");
    let answer = ask(port, "GET", "/get", "", "");
    let content_type = answer.header("content-type").expect("there is one");
    let boundary = content_type.strip_prefix("multipart/form-data; boundary=").expect("it is of parts");
    let expected = "--B\r\nContent-Type: application/octet-stream\r\n\r\n1\r\n\
                    --B\r\nContent-Type: application/octet-stream\r\n\r\n2\r\n--B--\r\n";
    assert_eq!(answer.text().replace(boundary, "B"), expected);
    running.join();
}

/// Reads a body in pieces until it holds this.
fn read_until(client: &mut Client, text: &str) -> String {
    let mut all = String::new();
    while !all.contains(text) {
        let chunk = client.chunk().unwrap_or_else(|| panic!("it ended: {all}"));
        all += &String::from_utf8_lossy(&chunk);
    }
    all
}

#[test]
fn a_stream_has_everything_in_order() {
    let (running, port) = start(&numbers("stream", 1_000), "");
    let mut client = Client::new(port);
    client.send("GET", "/get/stream", "", "");
    assert_eq!(client.head().expect("there is an answer").status, 200);
    let expected: String = (1..=1_000).map(|it| format!("{it}\n")).collect();
    assert_eq!(read_until(&mut client, "\n1000\n"), expected);
    running.join();
}

#[test]
fn events_are_those_that_browsers_read() {
    let input = "{generate: {mapping: 'root = \"a\\nb\"', interval: 1h, count: 2}}";
    let fields = "stream_format: event_source, heartbeat: 20ms, cors: {enabled: true, allowed_origins: ['http://friend']}";
    let (_running, port) = start(input, fields);
    let mut client = Client::new(port);
    client.send("GET", "/get/stream", "Origin: http://friend\r\n", "");
    let head = client.head().expect("there is an answer");
    assert_eq!(head.header("content-type"), Some("text/event-stream"));
    assert_eq!(head.header("access-control-allow-origin"), Some("http://friend"));
    let text = read_until(&mut client, ": heartbeat\n\n");
    assert!(text.starts_with("data: a\ndata: b\n\n"), "{text}");
}

#[test]
fn websockets_share_what_there_is() {
    let (running, port) = start(&numbers("sockets", 4), "ws_message_type: text, ping_period: 20ms");
    let mut client = Client::new(port);
    assert_eq!(client.upgrade("/get/ws", "").status, 101);
    let mut texts = Vec::new();
    let mut was_pinged = false;
    while texts.len() < 4 {
        match client.frame().expect("more comes") {
            (1, text) => texts.push(String::from_utf8(text).expect("it is a text")),
            (9, _) => was_pinged = true,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(texts, ["1", "2", "3", "4"]);
    while !was_pinged {
        // The stream is at its end, and says goodbye.
        match client.frame() {
            Some((9, _)) => was_pinged = true,
            Some((8, _)) | None => break,
            Some(_) => (),
        }
    }
    running.join();
}

/// What a client broke off goes to the next one, since the input delivers it again.
#[test]
fn what_is_broken_off_is_delivered_again() {
    let input = "{generate: {mapping: 'root = \"0123456789\".repeat(3200000)', interval: '', count: 1}}";
    let (running, port) = start(input, "");
    let mut client = Client::new(port);
    client.send("GET", "/get", "", "");
    assert_eq!(client.head().expect("it begins").header("content-length"), Some("32000000"));
    // More than sockets keep, and the rest is never taken.
    drop(client);
    running.log.behind(
        "Failed to send message to http_server: the connection ended before the client had taken all of it",
    );
    let answer = ask(port, "GET", "/get", "", "");
    assert_eq!((answer.status, answer.body.len()), (200, 32_000_000));
    assert_eq!(running.tally.totals().replayed, 1);
    running.join();
}

#[test]
fn clients_that_wait_hear_of_the_end() {
    let config = "http: {enabled: false}\ninput: {generate: {mapping: root = 1, interval: 1h, count: 2}}\n\
                  output: {http_server: {address: '127.0.0.1:0', timeout: 1h}}";
    let running = Running::start(config);
    let port = running.port("Serving messages through HTTP GET request at: ");
    assert_eq!(ask(port, "GET", "/get", "", "").brief(), "200 1");
    let (mut waiting, mut stream) = (Client::new(port), Client::new(port));
    waiting.send("GET", "/get", "", "");
    waiting.wait_until_read();
    stream.send("GET", "/get/stream", "", "");
    stream.head().expect("it begins");
    running.drain();
    assert_eq!(waiting.answer().expect("there is an answer").brief(), "503 Server closed");
    wait_until("the stream is over", || stream.chunk().is_none_or(|it| it.is_empty()));
}

#[test]
fn what_is_wrong_with_a_config() {
    let lint = |fields: &str| lint(&format!("input: {{stdin: {{}}}}\noutput:\n  http_server:\n{fields}"));
    expect![[r#"
        (5,1) path /a is given twice
        (6,1) ping_period must be less than pong_wait
    "#]]
    .assert_eq(&lint("    path: /a\n    stream_path: /a\n    ping_period: 60s\n"));
    expect![[r#"
        (4,1) there is neither a path nor a stream_path nor a ws_path: nobody can fetch anything
        (7,1) must specify at least one allowed verb
    "#]]
    .assert_eq(&lint("    path: ''\n    stream_path: ''\n    ws_path: ''\n    allowed_verbs: []\n"));
    expect![[r#"
        (4,1) value x is not a valid option for this field
        (5,1) field max_connections has no effect without an address: it is that of the root's `http`
    "#]]
    .assert_eq(&lint("    stream_format: x\n    max_connections: 1\n"));
}
