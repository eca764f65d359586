//! The program's HTTP service, with a stream beside it.

mod support;

use expect_test::expect;
use support::{Client, Running, ask, lint, wait_until};

const ADDRESS: &str = "address: '127.0.0.1:0'";

fn start(http: &str, rest: &str) -> Running {
    Running::start(&format!("http: {{{ADDRESS}, {http}}}\n{rest}"))
}

const SERVED: &str = "input: {http_server: {}}\noutput: {sync_response: {}}";

fn when_ready(port: u16) {
    wait_until("all is connected", || ask(port, "GET", "/ready", "", "").status == 200);
}

#[test]
fn its_paths_are_bentos() {
    let running = start("", SERVED);
    let port = running.service_port;
    when_ready(port);
    let mut client = Client::new(port);
    let ping = client.ask("GET", "/ping", "", "");
    assert_eq!(
        (ping.brief().as_str(), ping.header("content-type")),
        ("200 pong", Some("text/plain; charset=utf-8"))
    );
    assert_eq!(client.ask("GET", "/bento/ping", "", "").brief(), "200 pong");
    assert_eq!(client.ask("GET", "/version", "", "").brief(), r#"200 {"version":"1.2.3", "built":""}"#);
    assert_eq!(client.ask("GET", "/ready", "", "").brief(), "200 OK");
    assert_eq!(
        client.ask("GET", "/endpoints", "", "").brief(),
        "200 {\"/\":\"Shows the stream to a person.\",\"/-/live\":\"Streams what the page shows, as server-sent events.\",\
         \"/endpoints\":\"Returns this map of endpoints.\",\"/metrics\":\"Exposes service-wide metrics in the format \
         configured.\",\"/ping\":\"Ping me.\",\"/post\":\"Post a message into Wappa.\",\"/post/ws\":\"Post messages via \
         websocket into Wappa.\",\"/ready\":\"Returns 200 OK if all inputs and outputs are connected, otherwise a 503 is \
         returned.\",\"/stats\":\"Exposes service-wide metrics in the format configured.\",\"/version\":\"Returns the \
         service version.\"}"
    );
    assert_eq!(client.ask("POST", "/bento/post", "", "a").brief(), "200 a");
    let metrics = client.ask("GET", "/metrics", "", "");
    assert_eq!(
        metrics.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8; escaping=underscores")
    );
    let text = metrics.text();
    assert!(text.contains("\ninput_received{label=\"\",path=\"root.input\"} 1\n"), "{text}");
    assert!(text.contains("\noutput_latency_ns_count{label=\"\",path=\"root.output\"} 1\n"), "{text}");
    assert_eq!(client.ask("GET", "/nowhere", "", "").brief(), "404 404 page not found");
}

#[test]
fn it_is_ready_when_both_ends_are_connected() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port can be had");
    let port = taken.local_addr().expect("it has one").port();
    let rest = format!("input: {{http_server: {{address: '127.0.0.1:{port}'}}}}\noutput: {{drop: {{}}}}");
    let running = start("", &rest);
    wait_until("the output is connected", || {
        ask(running.service_port, "GET", "/ready", "", "").brief() == "503 input not connected"
    });
    drop(taken);
    when_ready(running.service_port);
}

#[test]
fn a_component_cannot_have_the_path_of_another_one() {
    let input = "input: {broker: {inputs: [{http_server: {ws_path: ''}}, {http_server: {ws_path: /other}}]}}";
    let running = start("", &format!("{input}\noutput: {{sync_response: {{}}}}"));
    running.log.behind("path /post is another component's: give one of them a path of its own");
    wait_until("the other one has it", || {
        ask(running.service_port, "POST", "/post", "", "a").brief() == "200 a"
    });
}

#[test]
fn a_password_is_asked_for() {
    use base64::{Engine, engine::general_purpose::STANDARD};
    // Of `secret`: SHA-256; scrypt with the salt `salt`; bcrypt with a cost of 4.
    let hashes = [
        ("sha256", "K7gNU3sdo+OL0wNhqoVWhr3g6s1xYv72ol/pe/Unols=".to_string(), ""),
        ("md5", "Xr4ilOzQ4PCOq3aQ0qbuaQ==".to_string(), ""),
        (
            "bcrypt",
            STANDARD.encode(bcrypt::hash_with_result("secret", 4).expect("it can be hashed").to_string()),
            "",
        ),
    ];
    for (algorithm, hash, salt) in hashes {
        let auth = format!(
            "basic_auth: {{enabled: true, username: me, password_hash: '{hash}', algorithm: {algorithm}, salt: '{salt}'}}"
        );
        let running = start(&auth, SERVED);
        let port = running.service_port;
        wait_until("the input is there", || ask(port, "POST", "/post", "", "a").status != 404);
        let refused = ask(port, "GET", "/ping", "", "");
        assert_eq!(refused.brief(), "401 Unauthorized", "{algorithm}");
        let challenge = refused.header("www-authenticate");
        assert_eq!(challenge, Some("Basic realm=\"restricted\", charset=\"UTF-8\""));
        let given = |credentials: &str| {
            let header = format!("Authorization: Basic {}\r\n", STANDARD.encode(credentials));
            ask(port, "GET", "/ping", &header, "").status
        };
        let statuses = ["me:secret", "me:secret", "me:wrong", "you:secret", "me:secret"].map(given);
        assert_eq!(statuses, [200, 200, 401, 401, 200], "{algorithm}");
        assert_eq!(ask(port, "POST", "/post", "", "a").status, 401);
    }
}

/// As in Go, but for HTTP 1.0, which has no hosts.
#[test]
fn a_request_says_whom_it_is_for() {
    let running = start("", SERVED);
    when_ready(running.service_port);
    let asked = |version: &str, hosts: &str| {
        let mut client = Client::new(running.service_port);
        client.write(format!("GET /ping HTTP/{version}\r\n{hosts}Connection: close\r\n\r\n"));
        client.answer().expect("there is an answer").brief()
    };
    assert_eq!(asked("1.1", ""), "400 400 Bad Request: missing required Host header");
    assert_eq!(asked("1.1", "Host: a\r\nHost: b\r\n"), "400 400 Bad Request: too many Host headers");
    assert_eq!(asked("1.1", "Host: a/b\r\n"), "400 400 Bad Request: malformed Host header");
    for (version, hosts) in
        [("1.0", ""), ("1.1", "Host:\r\n"), ("1.1", "Host: [::1]:80\r\n"), ("1.1", "Host: a_b.c\r\n")]
    {
        assert_eq!(asked(version, hosts), "200 pong", "{version} {hosts}");
    }
}

/// What is compressed on the way would be taken for what was meant.
#[test]
fn what_is_sent_in_a_way_that_nobody_takes_back_is_refused() {
    let running = start("", SERVED);
    when_ready(running.service_port);
    let asked = |coding: &str| {
        let mut client = Client::new(running.service_port);
        client.write(format!(
            "POST /post HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: {coding}\r\nConnection: close\r\n\r\n1\r\na\r\n0\r\n\r\n"
        ));
        client.answer().expect("there is an answer").brief()
    };
    assert_eq!(asked("gzip, chunked"), "501 Unsupported transfer encoding");
    assert!(asked("Chunked").starts_with("200"), "{}", asked("Chunked"));
}

#[test]
fn what_is_for_the_machine_itself_is_not_for_a_page_under_another_name() {
    let running = start("debug_endpoints: true", SERVED);
    when_ready(running.service_port);
    let status = |host: &str| {
        let mut client = Client::new(running.service_port);
        client.write(format!("GET /debug/config/yaml HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        client.answer().expect("there is an answer").status
    };
    assert_eq!(["127.0.0.1", "localhost:80", "LocalHost", "[::1]:4195"].map(status), [200; 4]);
    let others =
        ["evil.example", "evil.example:4195", "localhost.evil.example", "127.0.0.1.evil.example", ""];
    assert_eq!(others.map(status), [403; 5]);
}

/// Who asks for pages and does not read them holds no more than `max_bytes`.
#[test]
fn pages_that_nobody_reads_are_bounded() {
    let running = start("max_bytes: 300KB, max_connections: 100", SERVED);
    let port = running.service_port;
    when_ready(port);
    let room = |n: usize| {
        // More than sockets keep, once what they keep is full.
        let names: Vec<String> =
            (0..n).map(|it| format!("a_counter_with_a_rather_long_name_{it:06}")).collect();
        names.iter().for_each(|it| drop(running.metrics.counter(it, &[])));
        ask(port, "GET", "/metrics", "", "").status
    };
    assert_eq!((room(1), room(10_000), ask(port, "GET", "/ping", "", "").status), (200, 503, 200));
}

#[test]
fn a_port_that_is_taken_keeps_no_stream_from_running() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port can be had");
    let port = taken.local_addr().expect("it has one").port();
    let running = Running::start(&format!(
        "http: {{address: '127.0.0.1:{port}'}}\ninput: {{http_server: {{}}}}\noutput: {{sync_response: {{}}}}"
    ));
    running.log.behind(&format!(
        "Error HTTP Server error: listen tcp 127.0.0.1:{port}: bind: address already in use. It is tried again every second"
    ));
    running.log.behind("Failed to connect to http_server: the HTTP service of the program does not listen: ");
    drop(taken);
    running.log.behind("Listening for HTTP requests at: ");
    when_ready(port);
    assert_eq!(ask(port, "POST", "/post", "", "a").brief(), "200 a");
}

#[test]
fn without_a_service_a_component_needs_an_address() {
    let running = Running::start(&format!("http: {{enabled: false}}\n{SERVED}"));
    running.log.behind("this program has no HTTP service: give the component an `address`");
}

#[test]
fn what_is_wrong_with_a_config() {
    let lint = |http: &str| lint(&format!("http:\n{http}input: {{stdin: {{}}}}\noutput: {{drop: {{}}}}\n"));
    expect![[r#"
        (2,1) both cert_file and key_file must be specified, or neither
        (4,1) expected int value of 1 or more, got `0`
        (3,1) a path that does not begin with `/` is no prefix of any: nothing is served under it
    "#]]
    .assert_eq(&lint("  cert_file: a\n  root_path: x\n  max_connections: 0\n"));
    expect![[r#"
        (2,1) bad CORS configuration: must specify at least one allowed origin
        (3,1) both username and password_hash are required
        (3,1) salt is required for scrypt
    "#]]
    .assert_eq(&lint("  cors: {enabled: true}\n  basic_auth: {enabled: true, algorithm: scrypt}\n"));
}
