//! The processor `http` and the output `http_client`.

use std::{
    io::Write,
    sync::Arc,
    time::{Duration, Instant},
};

use flate2::{Compression, write::GzEncoder};
use tokio::sync::Barrier;

use wappa_conformance::wait_until;

use crate::{
    server::{Server, answer},
    support::{TempDir, lint, process, process_in, replies, start},
};

#[test]
fn lines_of_a_file_are_sent() {
    let dir = TempDir::new();
    let input = dir.write("in", "a\nb\nc\n");
    let server = Server::start(|_| answer(200, ""));
    let url = server.url("/lines?x=${! content() }");
    let running = start(&format!(
        "input: {{ file: {{ paths: [{input:?}] }} }}\n\
         output: {{ http_client: {{ url: {url:?}, max_in_flight: 1, headers: {{ X-Line: '${{! content() }}' }} }} }}\n"
    ));
    assert_eq!(running.join().fault, None);
    let seen = server.seen();
    let of = |idx: usize| (seen[idx].method.as_str(), seen[idx].path.as_str(), seen[idx].body.as_str());
    assert_eq!(seen.len(), 3);
    assert_eq!(of(0), ("POST", "/lines?x=a", "a"));
    assert_eq!(of(2), ("POST", "/lines?x=c", "c"));
    assert_eq!(seen[1].header("x-line"), "b");
    assert_eq!(seen[1].header("content-type"), "application/octet-stream");
    assert_eq!(seen[1].header("content-length"), "1");
    assert_eq!(seen[1].header("accept-encoding"), "gzip");
    assert_eq!(seen[1].header("user-agent"), format!("wappa/{}", env!("CARGO_PKG_VERSION")));
}

#[test]
fn an_empty_body_says_so_where_there_could_be_one() {
    for (verb, length) in [("POST", "0"), ("PUT", "0"), ("PATCH", "0"), ("GET", ""), ("DELETE", "")] {
        let server = Server::start(|_| answer(200, ""));
        process(&[""], &format!("url: {:?}, verb: {verb}", server.url("/")), "");
        assert_eq!(server.seen()[0].header("content-length"), length, "{verb}");
    }
}

#[test]
fn an_answer_takes_the_place_of_the_content() {
    let server = Server::start(|seen| answer(201, seen.body.to_uppercase()));
    let (out, _) = process(&["a", "b"], &format!("url: {:?}", server.url("/")), "");
    assert_eq!(
        out,
        "{\"code\":201,\"content\":\"A\",\"error\":null}\n{\"code\":201,\"content\":\"B\",\"error\":null}\n"
    );
}

#[test]
fn what_fails_goes_on_marked_with_its_code() {
    let server = Server::start(|_| answer(500, "out of\norder").after(Duration::from_millis(1)));
    let url = server.url("/a?key=secret");
    let (out, log) = process(&["a"], &format!("url: {url:?}, retries: 2, retry_period: 1ms"), "");
    assert_eq!(server.seen().len(), 3);
    let told = server.url("/a?key=xxxxx");
    let text = format!(
        "{told}: HTTP request returned unexpected response code (500): 500 Internal Server Error, Error: out oforder"
    );
    assert_eq!(out, format!("{{\"code\":500,\"content\":\"a\",\"error\":\"{text}\"}}\n"));
    let told = server.url("/a");
    let line = format!("Error HTTP request to '{told}' failed: {text}");
    assert!(log.contains(&line), "{log:#?}");
}

#[test]
fn what_is_wrong_is_told_before_anything_runs() {
    let text = lint("output: {http_client: {url: 'ftp://user:secret@a'}}");
    assert!(text.contains("unsupported protocol scheme \"ftp\"") && !text.contains("secret"), "{text}");
}

/// How many requests there were, and what came out, where the server answers with these codes and then with 200.
fn attempts(codes: &'static [u16], fields: &str) -> (usize, String) {
    let n_seen = std::sync::atomic::AtomicUsize::new(0);
    let server = Server::start(move |_| {
        let n = n_seen.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        answer(codes.get(n).copied().unwrap_or(200), "b")
    });
    let fields = format!("url: {:?}, retry_period: 1ms, {fields}", server.url("/"));
    let (out, _) = process(&["a"], &fields, "");
    let came = if out.contains("\"error\":null") { "answered" } else { "failed" };
    (server.seen().len(), came.to_string())
}

#[test]
fn codes_say_whether_a_request_is_made_again() {
    let case = |codes, fields: &str| {
        let (n, came) = attempts(codes, fields);
        format!("{n} {came}")
    };
    assert_eq!(case(&[500, 502, 503], ""), "4 answered");
    assert_eq!(case(&[500; 9], ""), "4 failed");
    assert_eq!(case(&[500; 9], "retries: 0"), "1 failed");
    assert_eq!(case(&[429, 429], "max_retry_backoff: 2ms"), "3 answered");
    assert_eq!(case(&[400; 9], "drop_on: [400]"), "1 failed");
    assert_eq!(case(&[500, 400, 500], "drop_on: [400]"), "2 failed");
    assert_eq!(case(&[409], "successful_on: [409]"), "1 answered");
    assert_eq!(case(&[204; 9], "drop_on: [204]"), "1 failed");
    // Nothing to follow.
    assert_eq!(case(&[301; 9], "successful_on: [301]"), "1 answered");
}

#[test]
fn a_server_says_how_long_to_wait() {
    let n_seen = std::sync::atomic::AtomicUsize::new(0);
    let server = Server::start(move |_| match n_seen.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
        0 => answer(503, "").header("Retry-After", 1),
        _ => answer(200, "b"),
    });
    let began = Instant::now();
    let (out, _) = process(&["a"], &format!("url: {:?}, retry_period: 1ms", server.url("/")), "");
    assert!(out.contains("\"b\"") && Duration::from_secs(1) <= began.elapsed(), "{out}");
}

#[test]
fn a_batch_is_one_request_or_several() {
    let server = Server::start(|seen| match seen.header("content-type").split_once("boundary=") {
        // The parts come back, as they are.
        Some((_, boundary)) => answer(200, seen.body.clone())
            .header("Content-Type", format!("multipart/mixed; boundary={boundary}")),
        None => answer(200, seen.body.to_uppercase()),
    });
    let dir = TempDir::new();
    let line = |content: &str| format!("{{\"code\":200,\"content\":{content:?},\"error\":null}}\n");
    let fields = format!("url: {:?}", server.url("/"));
    let (out, _) = process_in(&dir, 3, &["a", "b", "c"], &format!("{fields}, batch_as_multipart: true"), "");
    assert_eq!(out, ["a", "b", "c"].map(line).concat());
    assert_eq!(server.seen().len(), 1);
    assert!(server.seen()[0].header("content-type").starts_with("multipart/form-data; boundary="));
    let (out, _) = process_in(&dir, 3, &["a", "b", "c"], &fields, "");
    assert_eq!(out, ["A", "B", "C"].map(line).concat());
    assert_eq!(server.seen().len(), 4);
}

#[test]
fn requests_of_a_batch_may_be_made_at_once() {
    // Nobody is answered before all three are there.
    let barrier = Arc::new(Barrier::new(3));
    let server = Server::start(move |seen| answer(200, seen.body.to_uppercase()).together(&barrier));
    let fields = format!("url: {:?}, parallel: true, retries: 0", server.url("/"));
    let (out, _) = process_in(&TempDir::new(), 3, &["a", "b", "c"], &fields, "");
    let line = |content: &str| format!("{{\"code\":200,\"content\":{content:?},\"error\":null}}\n");
    assert_eq!(out, ["A", "B", "C"].map(line).concat());
}

#[test]
fn headers_come_and_go_as_metadata() {
    let server = Server::start(|seen| {
        let body = format!("{} {} {}", seen.header("x-own"), seen.header("up_a"), seen.header("other"));
        answer(200, body).header("X-Page", 7).header("Other", "no")
    });
    let dir = TempDir::new();
    let input = dir.write("in", "a\n");
    let running = start(&format!(
        "input: {{ file: {{ paths: [{input:?}] }} }}\n\
         pipeline: {{ processors: [{{ mapping: 'meta up_a = \"1\"' }}, {{ mapping: 'meta other = \"2\"' }}, \
           {{ http: {{ url: {:?}, headers: {{ X-Own: '${{! content() }}' }}, metadata: {{ include_prefixes: [up_] }}, \
              extract_headers: {{ include_patterns: ['^x-'] }} }} }}, \
           {{ mapping: 'root = content() + \" \" + @.keys().sort().join(\",\")' }}] }}\n\
         output: {{ file: {{ path: {:?}, codec: lines }} }}\n",
        server.url("/"),
        dir.at("out")
    ));
    assert_eq!(running.join().fault, None);
    let out = dir.read_so_far("out");
    assert!(out.starts_with("a 1  ") && out.contains("http_status_code") && out.contains(",x-page"), "{out}");
    assert!(out.matches("other").count() == 1, "{out}");
}

#[test]
fn a_redirect_to_another_server_takes_no_credentials_along() {
    let other = Server::start(|seen| answer(200, seen.method.clone()));
    let to = other.url("/b");
    let server = Server::start(move |seen| match seen.path.as_str() {
        "/307" => answer(307, "").header("Location", &to),
        "/303" => answer(303, "").header("Location", &to),
        "/own" => answer(308, "").header("Location", "/c"),
        "/loop" => answer(302, "").header("Location", "/loop"),
        "/file" => answer(302, "").header("Location", "file:///etc/passwd"),
        _ => answer(200, seen.method.clone()),
    });
    let fields = |path: &str| {
        format!(
            "url: {:?}, retries: 0, basic_auth: {{ enabled: true, username: ada, password: secret }}, \
             headers: {{ X-Api-Key: secret, Content-Type: text/plain }}",
            server.url(path)
        )
    };
    let (out, _) = process(&["a"], &fields("/307"), "");
    assert!(out.contains("\"POST\""), "{out}");
    let seen = other.seen().remove(0);
    assert_eq!((seen.header("authorization"), seen.header("x-api-key")), ("", ""));
    assert_eq!((seen.header("content-type"), seen.body.as_str()), ("text/plain", "a"));
    assert_eq!(seen.header("host"), other.address.to_string());
    assert!(server.seen()[0].header("authorization").starts_with("Basic "));

    process(&["a"], &fields("/303"), "");
    let seen = other.seen().remove(1);
    assert_eq!((seen.method.as_str(), seen.body.as_str(), seen.header("content-type")), ("GET", "", ""));

    process(&["a"], &fields("/own"), "");
    let seen = server.seen().pop().expect("it was asked");
    assert_eq!((seen.path.as_str(), seen.header("x-api-key")), ("/c", "secret"));

    let (out, _) = process(&["a"], &fields("/loop"), "");
    assert!(out.contains("stopped after 10 redirects"), "{out}");
    let (out, _) = process(&["a"], &fields("/file"), "");
    assert!(out.contains("unsupported protocol scheme"), "{out}");
}

#[test]
fn answers_are_decompressed_and_bounded() {
    let large = "x".repeat(1 << 20);
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(large.as_bytes()).expect("it is kept");
    let compressed = encoder.finish().expect("it is kept");
    let server = Server::start(move |seen| match seen.path.as_str() {
        "/gzip" => answer(200, compressed.clone()).header("Content-Encoding", "gzip"),
        _ => answer(200, large.clone()),
    });
    for path in ["/gzip", "/plain"] {
        let url = server.url(path);
        let (out, _) = process(&["a"], &format!("url: {url:?}, response_limit: 1MiB"), "");
        assert!(out.contains(&"x".repeat(1 << 20)), "{path}");
        let (out, _) = process(&["a"], &format!("url: {url:?}, response_limit: 1000KiB"), "");
        let text = "Failed to read response: the answer is larger than `response_limit`, 1000KiB";
        assert_eq!(out, format!("{{\"code\":200,\"content\":\"a\",\"error\":\"{url}: {text}\"}}\n"));
    }
    // It was made once each time: the server has done what it was asked.
    assert_eq!(server.seen().len(), 4);
}

#[test]
fn answers_go_back_to_who_waits_for_them() {
    let server = Server::start(|seen| answer(200, seen.body.to_uppercase()));
    let dir = TempDir::new();
    let input = dir.write("in", "a\nb\n");
    let running = start(&format!(
        "input: {{ file: {{ paths: [{input:?}] }} }}\npipeline: {{ processors: [{{ waited_for: {{}} }}] }}\n\
         output: {{ http_client: {{ url: {:?}, propagate_response: true, max_in_flight: 1 }} }}\n",
        server.url("/")
    ));
    let mut replied = Vec::new();
    wait_until("replies", || {
        replied.extend(replies(&running));
        replied.len() == 2
    });
    assert_eq!(replied, ["A", "B"]);
    assert_eq!(running.count("http_request_code_2xx"), 2);
    assert_eq!(running.count("http_request_latency_ns"), 2);
    running.join();
}

#[test]
fn parts_of_a_request_are_what_a_config_says() {
    let server = Server::start(|_| answer(200, ""));
    let dir = TempDir::new();
    let input = dir.write("in", "a\n");
    let running = start(&format!(
        "input: {{ file: {{ paths: [{input:?}] }} }}\n\
         output: {{ http_client: {{ url: {:?}, multipart: [\
           {{ content_type: text/plain, content_disposition: 'form-data; name=\"x\"', body: '<${{! content() }}>' }}] }} }}\n",
        server.url("/")
    ));
    assert_eq!(running.join().fault, None);
    let body = server.seen().remove(0).body;
    let expected = "Content-Disposition: form-data; name=\"x\"\r\nContent-Type: text/plain\r\n\r\n<a>\r\n--";
    assert!(body.contains(expected), "{body}");
}

#[test]
fn a_rate_limit_holds_requests_back() {
    let server = Server::start(|_| answer(200, "b"));
    let began = Instant::now();
    let fields = format!("url: {:?}, rate_limit: r", server.url("/"));
    let more = "rate_limit_resources: [{ label: r, local: { count: 2, interval: 200ms } }]\n";
    process(&["a"; 5], &fields, more);
    assert!(Duration::from_millis(400) <= began.elapsed());
    assert_eq!(server.seen().len(), 5);
}

#[test]
fn batches_are_one_request_each_or_one_for_each_message_in_turn() {
    let dir = TempDir::new();
    let input = dir.write("in", "a\nb\nc\nd\n");
    let server = Server::start(|seen| answer(if seen.body == "c" { 400 } else { 200 }, ""));
    let run = |fields: &str| {
        let running = start(&format!(
            "input: {{ file: {{ paths: [{input:?}] }} }}\n\
             output: {{ fallback: [ {{ http_client: {{ url: {:?}, retries: 0, {fields} }} }}, {{ file: {{ path: {:?}, codec: lines }} }} ] }}\n",
            server.url("/"),
            dir.at("failed")
        ));
        assert_eq!(running.join().fault, None);
    };
    let archive = "batching: { count: 4, processors: [{ archive: { format: lines } }] }";
    run(archive);
    assert_eq!(server.seen()[0].body, "a\nb\nc\nd");
    run("batching: { count: 4 }, batch_as_multipart: true");
    assert!(server.seen()[1].body.contains("\r\n\r\nd\r\n--"));
    run("batching: { count: 4 }");
    let bodies: Vec<String> = server.seen().into_iter().skip(2).map(|it| it.body).collect();
    assert_eq!(bodies, ["a", "b", "c"]);
    // Those in front of the one that failed have arrived.
    assert_eq!(dir.read_so_far("failed"), "c\nd\n");
}

#[test]
fn what_is_encrypted_goes_over_one_connection_of_the_newer_protocol_unless_that_is_switched_off() {
    let dir = TempDir::new();
    let tls = crate::faults::Authority::new(&dir, "ca.pem").acceptor("localhost", None);
    let server = Server::encrypted(tls, |seen| answer(200, format!("{:?}", seen.version)));
    for (transport, version) in [("{}", "HTTP/2.0"), ("{ force_http2: false }", "HTTP/1.1")] {
        let fields = format!(
            "url: 'https://localhost:{}/', transport: {transport}, tls: {{ enabled: true, root_cas_file: {:?} }}",
            server.address.port(),
            dir.at("ca.pem")
        );
        let (out, _) = process_in(&dir, 1, &["a", "b"], &fields, "");
        assert_eq!(out.matches(version).count(), 2, "{out}");
    }
}
