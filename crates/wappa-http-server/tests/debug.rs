//! `/debug/…`: who is shown what, and that a look at messages holds up nobody.

mod support;

use support::{Client, Running, ask, wait_until};

const ADDRESS: &str = "address: '127.0.0.1:0'";

const STREAM: &str = "
input: {label: in, http_server: {}}
pipeline: {processors: [{label: up, mapping: 'root = content().uppercase()'}]}
output: {sync_response: {}}
";

/// Everything that shows payloads, the config, or what the process is at.
const PATHS: [&str; 6] = [
    "/debug/config/json",
    "/debug/config/yaml",
    "/debug/stack",
    "/debug/memory",
    "/debug/tap",
    "/debug/tap?path=root.input",
];

fn start(http: &str) -> Running {
    let running = Running::start(&format!("http: {{{ADDRESS}, {http}}}\n{STREAM}"));
    let port = running.service_port;
    wait_until("all is connected", || ask(port, "GET", "/ready", "", "").status == 200);
    running
}

/// A request to the machine itself.
fn send(client: &mut Client, path: &str, host: &str) {
    client.write(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
}

fn get(running: &Running, path: &str, host: &str) -> support::Answer {
    let mut client = Client::new(running.service_port);
    send(&mut client, path, host);
    client.answer().expect("there is an answer")
}

/// A tap that is open, behind the head of its answer.
fn tap(running: &Running, query: &str) -> Client {
    let mut client = Client::new(running.service_port);
    send(&mut client, &format!("/debug/tap?{query}"), "127.0.0.1");
    assert_eq!(client.head().map(|it| it.status), Some(200));
    client
}

fn post(running: &Running, body: &str) -> String {
    ask(running.service_port, "POST", "/post", "", body).brief()
}

fn chunk(client: &mut Client) -> String {
    String::from_utf8(client.chunk().expect("there is one")).expect("it is a text")
}

#[test]
fn without_debug_endpoints_there_are_none() {
    let running = start("");
    for path in PATHS {
        assert_eq!(get(&running, path, "127.0.0.1").brief(), "404 404 page not found", "{path}");
    }
}

/// Probes and metrics are for everybody.
#[test]
fn a_foreign_host_is_shown_nothing_of_the_stream() {
    let running = start("debug_endpoints: true");
    for host in ["evil.example", "evil.example:4195", "127.0.0.1.evil.example", ""] {
        for path in PATHS {
            assert_eq!(get(&running, path, host).status, 403, "{path} {host}");
        }
        for path in ["/ping", "/ready", "/metrics", "/stats", "/version"] {
            assert_eq!(get(&running, path, host).status, 200, "{path} {host}");
        }
    }
    for path in &PATHS[..5] {
        assert_eq!(get(&running, path, "localhost:4195").status, 200, "{path}");
        // However it is spelt.
        for spelt in [format!("/x/..{path}"), format!("/bento{path}"), path.replace("debug", "d%65bug")] {
            assert_ne!(get(&running, &spelt, "evil.example").status, 200, "{spelt}");
        }
    }
}

#[test]
fn a_password_is_as_good_as_being_there() {
    let running = Running::start(&format!(
        "http: {{{ADDRESS}, debug_endpoints: true, basic_auth: {{enabled: true, username: me, \
         password_hash: 'K7gNU3sdo+OL0wNhqoVWhr3g6s1xYv72ol/pe/Unols='}}}}\n{STREAM}"
    ));
    let status = |headers: &str| ask(running.service_port, "GET", "/debug/tap", headers, "").status;
    // `me:secret`, and `me:wrong`.
    assert_eq!(status("Authorization: Basic bWU6c2VjcmV0\r\n"), 200);
    assert_eq!([status(""), status("Authorization: Basic bWU6d3Jvbmc=\r\n")], [401, 401]);
}

#[test]
fn messages_are_shown_where_they_come_by() {
    let running = start("debug_endpoints: true");
    assert_eq!(
        get(&running, "/debug/tap", "127.0.0.1").text(),
        "root.input (label `in`)\nroot.output\nroot.pipeline.processors.0 (label `up`)\n"
    );
    assert_eq!(
        get(&running, "/debug/tap?path=root.nowhere", "127.0.0.1").brief(),
        "404 no component has the path or label \"root.nowhere\": without one this shows all"
    );
    let mut at =
        ["path=in", "path=pipeline.processors.0&every=2", "path=root.output"].map(|it| tap(&running, it));
    assert_eq!([post(&running, "a"), post(&running, "b"), post(&running, "c")], ["200 A", "200 B", "200 C"]);
    let mut seen = |idx: usize, n: usize| {
        let mut text = String::new();
        while text.matches('\n').count() < n {
            text += &chunk(&mut at[idx]);
        }
        text
    };
    let input = seen(0, 3);
    let contents: Vec<&str> =
        input.lines().filter_map(|it| it.split_once("\"content\":")?.1.split(',').next()).collect();
    assert_eq!(contents, ["\"a\"", "\"b\"", "\"c\""], "{input}");
    assert!(input.contains("{\"path\":\"root.input\",\"label\":\"in\""), "{input}");
    let processor = seen(1, 2);
    assert!(
        processor.contains("\"content\":\"A\"") && processor.contains("\"content\":\"C\""),
        "{processor}"
    );
    assert!(!processor.contains("\"content\":\"B\""), "{processor}");
    let output = seen(2, 3);
    assert!(
        output.contains("\"content\":\"A\"") && output.contains("\"http_server_user_agent\":"),
        "{output}"
    );
}

/// Whoever does not read is told how much he missed; the stream has gone on.
#[test]
fn a_tap_that_nobody_reads_holds_up_nobody() {
    let running = start("debug_endpoints: true");
    let mut slow = tap(&running, "path=in&rate=10000");
    let body = "x".repeat(60_000);
    let mut poster = Client::new(running.service_port);
    for _ in 0..600 {
        assert_eq!(poster.ask("POST", "/post", "", &body).status, 200);
    }
    let mut text = String::new();
    while !text.contains("{\"dropped\":") {
        // What was kept is read; the next message tells of the rest.
        assert_eq!(post(&running, "y"), "200 Y");
        text = chunk(&mut slow);
    }
}

/// Whoever goes away looks no more: there is room for others, and nothing is copied.
#[test]
fn taps_are_bounded_and_end_with_their_clients() {
    let running = start("debug_endpoints: true");
    let mut taps: Vec<Client> = (0..16).map(|_| tap(&running, "path=in")).collect();
    let status = || get(&running, "/debug/tap?path=in", "127.0.0.1").status;
    assert_eq!(status(), 503);
    taps.clear();
    wait_until("there is room again", || {
        let mut client = Client::new(running.service_port);
        send(&mut client, "/debug/tap?path=in", "127.0.0.1");
        client.head().is_some_and(|it| it.status == 200)
    });
    for wrong in ["every=0", "rate=-1", "rate=99999", "path=in&a=b"] {
        assert_eq!(get(&running, &format!("/debug/tap?{wrong}"), "127.0.0.1").status, 400, "{wrong}");
    }
}

#[test]
fn what_the_process_is_at_is_told() {
    let running = start("debug_endpoints: true");
    let stack = get(&running, "/debug/stack", "127.0.0.1").text();
    assert!(stack.starts_with("components at work:\n") && stack.contains(" network: "), "{stack}");
    let memory = get(&running, "/debug/memory", "[::1]").text();
    assert!(memory.lines().any(|it| it.starts_with("resident ")), "{memory}");
}
