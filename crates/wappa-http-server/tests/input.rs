//! The input `http_server`, with clients of this machine.

mod support;

use std::{
    thread,
    time::{Duration, Instant},
};

use expect_test::expect;
use support::{Answer, Client, Running, ask, lint, wait_until};

/// A stream whose input listens on a free port with these fields, and the port.
fn start(fields: &str, rest: &str) -> (Running, u16) {
    let running = Running::start(&format!(
        "http: {{enabled: false}}\ninput: {{http_server: {{address: '127.0.0.1:0', {fields}}}}}\n\
         pipeline: {{threads: 2}}\n{rest}\n"
    ));
    let port = running.port("Receiving HTTP messages at: ");
    (running, port)
}

const CAPITALS: &str = "pipeline: {threads: 2, processors: [{mapping: 'root = content().uppercase()'}]}\n\
                        output: {sync_response: {}}";

fn start_with(fields: &str, rest: &str) -> (Running, u16) {
    let running = Running::start(&format!(
        "http: {{enabled: false}}\ninput: {{http_server: {{address: '127.0.0.1:0', {fields}}}}}\n{rest}\n"
    ));
    let port = running.port("Receiving HTTP messages at: ");
    (running, port)
}

#[test]
fn a_request_is_answered_with_what_became_of_it() {
    let (running, port) = start_with("path: /p", CAPITALS);
    let mut client = Client::new(port);
    let answer = client.ask("POST", "/p", "", "hello");
    assert_eq!(answer.brief(), "200 HELLO");
    assert_eq!(answer.header("content-type"), Some("application/octet-stream"));
    // On the same connection, and with a body that comes in pieces.
    client.write("POST /p HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    client.write("4\r\ndefg\r\n0\r\n\r\n");
    assert_eq!(client.answer().expect("there is one").brief(), "200 ABCDEFG");
    assert_eq!(client.ask("GET", "/p", "", "").brief(), "405 Incorrect method");
    assert_eq!(client.ask("POST", "/q", "", "").brief(), "404 404 page not found");
    running.drain();
}

#[test]
fn without_a_reply_the_answer_is_empty() {
    let (_running, port) = start("path: /p", "output: {drop: {}}");
    assert_eq!(ask(port, "POST", "/p", "", "hello").brief(), "200 ");
}

#[test]
fn what_does_not_arrive_is_told_with_its_reason() {
    let (running, port) = start("path: /p", "output: {reject: 'no room for ${! content() }'}");
    let answer = ask(port, "POST", "/p", "", "me");
    assert_eq!(answer.brief(), "502 no room for me");
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(running.tally.totals().replayed, 0);
}

#[test]
fn metadata_are_those_of_bento() {
    let rest = "pipeline: {threads: 1, processors: [{mapping: 'root = @'}]}\noutput: {sync_response: {}}";
    let (_running, port) = start_with("path: '/a/{name}/{n:[0-9]+}', allowed_verbs: [PUT]", rest);
    let headers = "User-Agent: me\r\nX-Odd-name: 1\r\nX-Odd-name: 2\r\nCookie: a=b; c=\"d\"; =x; broken\r\n";
    let answer = ask(port, "PUT", "/a/b%20c/12?q=1&q=2&name=from+query&q2=%zz", headers, "");
    assert_eq!(
        answer.text(),
        r#"{"Content-Length":"0","Cookie":"a=b; c=\"d\"; =x; broken","User-Agent":"me","X-Odd-Name":"1","a":"b","broken":"","c":"d","http_server_remote_ip":"127.0.0.1","http_server_request_path":"/a/b c/12","http_server_user_agent":"me","http_server_verb":"PUT","n":"12","name":"b c","q":"1"}"#
    );
    assert_eq!(ask(port, "PUT", "/a/b/x", "", "").status, 404);
}

#[test]
fn a_reply_has_a_status_headers_and_metadata() {
    let fields = "path: /p, sync_response: {status: '${! @status }', headers: {Content-Type: 'text/x-${! content() }', \
                  X-Bad: \"a\\nb\", Content-Length: '3'}, metadata_headers: {include_prefixes: [out_]}}";
    let rest = "pipeline: {threads: 1, processors: [{mapping: \"root = this.content\\nmeta status = this.status\\n\
                meta out_x = 1\\nmeta other = 2\"}]}\noutput: {sync_response: {}}";
    let (running, port) = start_with(fields, rest);
    let mut client = Client::new(port);
    let mut status = |status: &str| {
        let body = format!(r#"{{"content":"abcde","status":{status}}}"#);
        client.ask("POST", "/p", "", body)
    };
    let answer = status("201");
    assert_eq!(answer.brief(), "201 abcde");
    assert_eq!(answer.header("content-type"), Some("text/x-abcde"));
    assert_eq!(answer.header("x-bad"), Some("a b"));
    assert_eq!((answer.header("out_x"), answer.header("other")), (Some("1"), None));
    for bad in ["\"x\"", "99", "101", "1000"] {
        assert_eq!(status(bad).brief(), "502 ", "{bad}");
    }
    running
        .log
        .behind("Failed to parse sync response status code expression: `x` is no status from 200 to 999");
}

#[test]
fn the_parts_of_a_body_are_a_batch_and_so_is_their_reply() {
    let rest = "pipeline: {threads: 1, processors: [{mapping: 'root = content().uppercase() + batch_size().string()'}]}\n\
                output: {sync_response: {}}";
    let (_running, port) = start_with("path: /p", rest);
    let body = "preamble\r\n--X\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\none\r\n--X\r\n\r\n\r\n--X--\r\n";
    let answer = ask(port, "POST", "/p", "Content-Type: multipart/mixed; boundary=\"X\"\r\n", body);
    assert_eq!(answer.status, 200);
    let content_type = answer.header("content-type").expect("there is one").to_string();
    let boundary = content_type.strip_prefix("multipart/form-data; boundary=").expect("it is of parts");
    let text = answer.text().replace(boundary, "B");
    let expected = "--B\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nONE2\r\n\
                    --B\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n2\r\n--B--\r\n";
    assert_eq!(text, expected);
    for (content_type, body) in [
        ("multipart/mixed", "--X--"),
        ("multipart/mixed; boundary=X", "--X\r\n\r\nunfinished"),
        ("; boundary=X", "--X--"),
    ] {
        let answer = ask(port, "POST", "/p", &format!("Content-Type: {content_type}\r\n"), body);
        assert_eq!(answer.brief(), "400 Bad request", "{content_type}");
    }
}

/// Requests of many clients are in no order, and each is answered as soon as its own message has arrived.
#[test]
fn one_slow_request_holds_up_no_other() {
    let rest = "pipeline: {threads: 2, processors: [{switch: [{check: 'content() == \"slow\"', processors: [{log: \
                {message: begun}}, {sleep: {duration: 2s}}]}]}]}\noutput: {sync_response: {}}";
    let (running, port) = start_with("path: /p", rest);
    let slow = thread::spawn(move || ask(port, "POST", "/p", "", "slow"));
    // What is read at the same instant may be one thread's work.
    running.log.behind("begun");
    let mut client = Client::new(port);
    let mut n_before = 0;
    while !slow.is_finished() {
        assert_eq!(client.ask("POST", "/p", "", "fast").brief(), "200 fast");
        n_before += 1;
    }
    assert_eq!(slow.join().expect("it does not panic").brief(), "200 slow");
    assert!(2 < n_before, "{n_before}");
}

#[test]
fn what_takes_too_long_is_given_up_by_the_client_only() {
    let rest = "pipeline: {threads: 1, processors: [{sleep: {duration: 300ms}}]}\noutput: {drop: {}}";
    let (running, port) = start_with("path: /p, timeout: 50ms", rest);
    assert_eq!(ask(port, "POST", "/p", "", "a").brief(), "408 Request timed out");
    let tally = running.tally.clone();
    wait_until("the message arrives", || tally.totals().written == 1);
}

#[test]
fn a_rate_limit_is_kept() {
    let rest =
        "output: {sync_response: {}}\nrate_limit_resources: [{label: l, local: {count: 1, interval: 1h}}]";
    let (_running, port) = start("path: /p, rate_limit: l", rest);
    assert_eq!(ask(port, "POST", "/p", "", "a").brief(), "200 a");
    let answer = ask(port, "POST", "/p", "", "a");
    assert_eq!(answer.brief(), "429 Too Many Requests");
    let seconds: u64 = answer.header("retry-after").and_then(|it| it.parse().ok()).expect("a time is named");
    assert!((3_000..=3_600).contains(&seconds), "{seconds}");
}

#[test]
fn large_answers_are_compressed_for_whoever_takes_that() {
    let (_running, port) = start("path: /p", "output: {sync_response: {}}");
    let body = "a".repeat(5_000);
    let answer = ask(port, "POST", "/p", "Accept-Encoding: br, gzip\r\n", &body);
    assert_eq!(answer.header("content-encoding"), Some("gzip"));
    let mut text = String::new();
    let mut decoder = flate2::read::GzDecoder::new(answer.body.as_slice());
    std::io::Read::read_to_string(&mut decoder, &mut text).expect("it is compressed");
    assert_eq!(text, body);
    for refused in ["", "Accept-Encoding: gzip;q=0\r\n"] {
        assert_eq!(ask(port, "POST", "/p", refused, &body).text(), body);
    }
}

#[test]
fn a_body_has_its_size_its_room_and_its_time() {
    let (_running, port) = start(
        "path: /p, max_body_bytes: 1000B, max_bytes: 1200B, max_connections: 2",
        "output: {sync_response: {}}",
    );
    let too_large = "413 Request body too large: at most 1000 bytes are taken (`max_body_bytes`)";
    assert_eq!(ask(port, "POST", "/p", "", "a".repeat(1_001)).brief(), too_large);
    // One that does not say so before.
    let mut client = Client::new(port);
    client.write("POST /p HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\n");
    client.write("a".repeat(2_000));
    assert_eq!(client.answer().expect("there is one").brief(), too_large);
    drop(client);
    // The half that is for all is 600 bytes, and a connection's share of the other half 300.
    let answer = ask(port, "POST", "/p", "", "a".repeat(950));
    assert_eq!(answer.brief(), "503 Too many requests at once");
    assert_eq!(ask(port, "POST", "/p", "", "a".repeat(850)).status, 200);
}

#[test]
fn whoever_is_too_many_waits_and_whoever_is_idle_goes() {
    let (running, port) =
        start("path: /p, max_connections: 1, idle_timeout: 200ms", "output: {sync_response: {}}");
    let mut first = Client::new(port);
    assert_eq!(first.ask("POST", "/p", "", "a").status, 200);
    // It has to wait until the first one was idle for too long.
    assert_eq!(ask(port, "POST", "/p", "", "b").brief(), "200 b");
    assert!(first.line().is_none());
    running.log.behind("There are 1 connections, as many as there may be");
    // A head that never ends, and one that is too long.
    let mut slow = Client::new(port);
    slow.write("POST /p HTTP/1.1\r\nHo");
    assert!(slow.answer().is_none_or(|it| it.status == 408));
    let answer = ask(port, "POST", &format!("/p?{}", "a".repeat(80 * 1024)), "", "");
    assert!([414, 431].contains(&answer.status), "{answer:?}");
}

#[test]
fn a_path_that_is_not_simple_is_elsewhere() {
    let (_running, port) = start("path: /p", "output: {sync_response: {}}");
    for (path, place) in [
        ("//p", "/p"),
        ("/./p?x=%20", "/p?x=%20"),
        ("/a/../p", "/p"),
        ("//evil.example/%2e%2e//a b", "/a%20b"),
        ("/p//%0d%0aX:1", "/p/%0D%0AX:1"),
    ] {
        let answer = ask(port, "POST", &path.replace(' ', "%20"), "", "a");
        assert_eq!((answer.status, answer.header("location")), (301, Some(place)), "{path}");
    }
    assert_eq!(ask(port, "POST", "/p/", "", "a").status, 404);
}

#[test]
fn a_connection_on_which_a_large_head_came_is_not_kept() {
    let (_running, port) = start("path: /p", "output: {sync_response: {}}");
    let mut client = Client::new(port);
    let with_head = |n| format!("X-A: {}\r\n", "a".repeat(n));
    let small = client.ask("POST", "/p", &with_head(10_000), "a");
    assert_eq!((small.status, small.header("connection")), (200, None));
    let large = client.ask("POST", "/p", &with_head(20_000), "a");
    assert_eq!((large.status, large.header("connection")), (200, Some("close")));
    wait_until("the end of the connection", || client.is_closed());
}

#[test]
fn heads_that_are_not_whole_have_a_bound_in_common() {
    check_heads("");
}

#[test]
fn heads_behind_a_body_that_are_not_whole_have_a_bound_in_common() {
    let body = "x".repeat(9_000);
    check_heads(&format!("POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 9000\r\n\r\n{body}"));
    let size = body.len();
    check_heads(&format!(
        "POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{size:x}\r\n{body}\r\n0\r\n\r\n"
    ));
}

/// Strangers send this, and then a head that never ends.
fn check_heads(before: &str) {
    let (running, port) = start("path: /p, idle_timeout: 1h", "output: {sync_response: {}}");
    let head = format!("{before}POST /p HTTP/1.1\r\nX-A: {}", "a".repeat(60 * 1024));
    // Some 8 KiB of what follows a body count for nothing.
    let n_strangers = if before.is_empty() { 310 } else { 420 };
    let strangers: Vec<Client> = (0..n_strangers)
        .map(|_| {
            let mut stranger = Client::new(port);
            stranger.write(&head);
            stranger
        })
        .collect();
    running.log.behind(
        "Heads of requests that are not whole take more than 16MiB: the slowest connections are closed",
    );
    // Whose head becomes whole is answered, as large as it is.
    let large = format!("X-A: {}\r\n", "a".repeat(60 * 1024));
    for _ in 0..3 {
        assert_eq!(ask(port, "POST", "/p", &large, "a").brief(), "200 a");
    }
    if before.is_empty() {
        let n_closed = strangers.iter().filter(|it| it.is_closed()).count();
        assert!((1..200).contains(&n_closed), "{n_closed}");
    }
}

#[test]
fn what_waits_for_its_answer_gets_it_at_a_stop() {
    let rest = "pipeline: {threads: 2, processors: [{switch: [{check: 'content() == \"a\"', processors: [{sleep: \
                {duration: 1s}}]}]}]}\noutput: {sync_response: {}}";
    let (running, port) = start_with("path: /p", rest);
    let mut second = Client::new(port);
    let waiting = thread::spawn(move || ask(port, "POST", "/p", "", "a"));
    let tally = running.tally.clone();
    wait_until("it is read", || tally.totals().read == 1);
    running.stop.drain();
    // It takes a moment until the stop has come to the input.
    wait_until("the stop is told", || second.ask("POST", "/p", "", "b").brief() == "503 Server closing");
    running.join();
    assert_eq!(waiting.join().expect("it does not panic").brief(), "200 a");
}

#[test]
fn what_is_given_up_is_told_so() {
    let rest = "pipeline: {threads: 1, processors: [{sleep: {duration: 1h}}]}\noutput: {sync_response: {}}";
    let (running, port) = start_with("path: /p, timeout: 1h", rest);
    let waiting = thread::spawn(move || Client::new(port).ask("POST", "/p", "", "a"));
    let tally = running.tally.clone();
    wait_until("it is read", || tally.totals().read == 1);
    running.stop.drain();
    running.stop.abandon();
    running.join();
    let answer: Answer = waiting.join().expect("it does not panic");
    assert_eq!(answer.brief(), "503 Server closing");
}

#[test]
fn a_port_that_is_taken_is_told_and_tried_again() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port can be had");
    let port = taken.local_addr().expect("it has one").port();
    let config = format!(
        "http: {{enabled: false}}\ninput: {{http_server: {{address: '127.0.0.1:{port}'}}}}\noutput: {{sync_response: {{}}}}"
    );
    let running = Running::start(&config);
    let text = format!(
        "Failed to connect to http_server: listen tcp 127.0.0.1:{port}: bind: address already in use"
    );
    running.log.behind(&text);
    drop(taken);
    running.log.behind("Receiving HTTP messages at: ");
    assert_eq!(ask(port, "POST", "/post", "", "a").brief(), "200 a");
}

#[test]
fn messages_of_a_websocket_are_answered() {
    let rest = "pipeline: {threads: 1, processors: [{mapping: 'root = content().uppercase() + @q'}]}\noutput: {sync_response: {}}";
    let (running, port) = start_with("path: '', ws_path: /ws, ws_welcome_message: welcome", rest);
    let mut client = Client::new(port);
    let answer = client.upgrade("/ws?q=1", "");
    assert_eq!(answer.status, 101);
    assert_eq!(answer.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert_eq!(client.frame(), Some((2, b"welcome".to_vec())));
    client.send_frame(1, b"hello");
    assert_eq!(client.frame(), Some((1, b"HELLO1".to_vec())));
    client.send_frame(9, b"ping");
    client.send_frame(2, b"again");
    assert_eq!(client.frame(), Some((10, b"ping".to_vec())));
    assert_eq!(client.frame(), Some((1, b"AGAIN1".to_vec())));
    running.stop.drain();
    assert_eq!(client.frame().map(|it| it.0), Some(8));
    running.join();
}

#[test]
fn a_message_of_a_websocket_is_delivered_until_it_arrives() {
    let rest = "pipeline: {threads: 1, processors: [{mapping: 'root = count(\"tries\")'}]}\n\
                output: {switch: {cases: [{check: 'content() == \"1\"', output: {reject: no}}, {output: {sync_response: {}}}]}}";
    let (running, port) = start_with("ws_path: /ws", rest);
    let mut client = Client::new(port);
    assert_eq!(client.upgrade("/ws", "").status, 101);
    client.send_frame(1, b"a");
    assert_eq!(client.frame(), Some((1, b"2".to_vec())));
    assert_eq!(running.tally.totals().read, 2);
}

#[test]
fn websockets_of_other_origins_are_refused() {
    let (_running, port) =
        start("cors: {enabled: true, allowed_origins: ['http://friend']}", "output: {drop: {}}");
    let upgrade = |headers: &str| Client::new(port).upgrade("/post/ws", headers).status;
    assert_eq!(upgrade("Origin: http://foe\r\n"), 403);
    assert_eq!(upgrade("Origin: http://here\r\n"), 101);
    assert_eq!(upgrade("Origin: http://friend\r\n"), 101);
    assert_eq!(ask(port, "GET", "/post/ws", "", "").status, 400);
}

#[test]
fn a_websocket_hears_of_the_rate_limit_and_waits() {
    let rest =
        "output: {sync_response: {}}\nrate_limit_resources: [{label: l, local: {count: 1, interval: 300ms}}]";
    let (_running, port) = start("ws_rate_limit_message: slowly, rate_limit: l", rest);
    let mut client = Client::new(port);
    assert_eq!(client.upgrade("/post/ws", "").status, 101);
    client.send_frame(1, b"a");
    client.send_frame(1, b"b");
    assert_eq!(client.frame(), Some((1, b"a".to_vec())));
    assert_eq!(client.frame(), Some((2, b"slowly".to_vec())));
    assert_eq!(client.frame(), Some((1, b"b".to_vec())));
}

#[test]
fn pages_of_other_origins_are_answered_as_cors_says() {
    let fields = "cors: {enabled: true, allowed_origins: ['http://friend'], allowed_headers: [X-Mine], allowed_methods: [POST, PUT]}";
    let (_running, port) = start(fields, "output: {sync_response: {}}");
    let preflight =
        |origin: &str, more: &str| ask(port, "OPTIONS", "/post", &format!("Origin: {origin}\r\n{more}"), "");
    let allowed = |answer: &Answer| answer.header("access-control-allow-origin").map(String::from);
    let asks = "Access-Control-Request-Method: PUT\r\nAccess-Control-Request-Headers: x-mine\r\n";
    let answer = preflight("http://friend", asks);
    assert_eq!((answer.status, allowed(&answer).as_deref()), (200, Some("http://friend")));
    assert_eq!(answer.header("access-control-allow-methods"), Some("PUT"));
    assert_eq!(answer.header("access-control-allow-headers"), Some("X-Mine"));
    assert_eq!(allowed(&preflight("http://foe", asks)), None);
    assert_eq!(preflight("http://friend", "").status, 400);
    assert_eq!(preflight("http://friend", "Access-Control-Request-Method: DELETE\r\n").status, 405);
    let other = "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: x-other\r\n";
    assert_eq!(preflight("http://friend", other).status, 403);
    let answer = ask(port, "POST", "/post", "Origin: http://friend\r\n", "a");
    assert_eq!((answer.brief().as_str(), allowed(&answer).as_deref()), ("200 a", Some("http://friend")));
    assert_eq!(allowed(&ask(port, "POST", "/post", "Origin: http://foe\r\n", "a")), None);
}

#[test]
fn what_is_wrong_with_a_config() {
    let lint = |fields: &str| lint(&format!("input:\n  http_server:\n{fields}output: {{drop: {{}}}}\n"));
    expect![[r#"
        (3,1) address a: missing port in address
        (4,1) must specify at least one allowed verb
    "#]]
    .assert_eq(&lint("    address: 'a'\n    allowed_verbs: []\n"));
    expect![[r#"
        (3,1) path a cannot be served: it does not begin with `/`
        (4,1) path /{b cannot be served: a brace is not closed
        (5,1) both cert_file and key_file must be specified, or neither
        (5,1) field cert_file has no effect without an address: it is that of the root's `http`
    "#]]
    .assert_eq(&lint("    path: a\n    ws_path: '/{b'\n    cert_file: x.pem\n"));
    expect![[r#"
        (5,1) bad CORS configuration: must specify at least one allowed origin
        (3,1) there is neither a path nor a ws_path: nobody can send anything
        (5,1) field cors has no effect without an address: it is that of the root's `http`
    "#]]
    .assert_eq(&lint("    path: ''\n    ws_path: ''\n    cors: {enabled: true}\n"));
    expect![[r#"
        (4,1) failed to compile regexp "(": error parsing regexp: missing closing ): `(`
        (3,1) field max_connections has no effect without an address: it is that of the root's `http`
    "#]]
    .assert_eq(&lint(
        "    max_connections: 5\n    sync_response: {metadata_headers: {include_patterns: ['(']}}\n",
    ));
}

#[test]
fn many_connections_are_served() {
    let (_running, port) = start("", "output: {sync_response: {}}");
    let mut clients: Vec<Client> = (0..200).map(|_| Client::new(port)).collect();
    clients.iter_mut().for_each(|it| it.send("POST", "/post", "", "a"));
    assert!(clients.iter_mut().all(|it| it.answer().is_some_and(|it| it.brief() == "200 a")));
}

/// As many keys as there is room for in a head: each is known or new at once, not after a look at all those before it.
#[test]
fn a_query_of_many_keys_is_read_in_one_pass() {
    let (_running, port) = start(
        "path: /p",
        "pipeline: {processors: [{mapping: 'root = metadata().length()'}]}\noutput: {sync_response: {}}",
    );
    let keys: Vec<String> = (0..12_000).map(|it| format!("{it:x}")).collect();
    let path = format!("/p?{}", keys.join("&"));
    let ask = |_| {
        let began = Instant::now();
        let answer = ask(port, "POST", &path, "", "a");
        assert_eq!(answer.status, 200, "{}", answer.brief());
        assert!(12_000 < answer.text().trim().parse().expect("a number"), "{}", answer.brief());
        began.elapsed()
    };
    // Two seconds each, if it were not so; how busy the machine is at other times does not matter.
    let least = (0..20).map(ask).min().expect("there are some");
    assert!(least < Duration::from_secs(1), "{least:?}");
}
