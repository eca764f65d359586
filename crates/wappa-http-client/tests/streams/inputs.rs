//! The input `http_client`.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use wappa_conformance::wait_until;

use crate::{
    server::{Server, answer},
    support::{Running, TempDir, start},
};

/// A stream from a server to a file.
fn reading(dir: &TempDir, fields: &str) -> Running {
    start(&format!(
        "input: {{ http_client: {{ retry_period: 1ms, {fields} }} }}\npipeline: {{ threads: 1 }}\n\
         output: {{ file: {{ path: {:?}, codec: lines }} }}\n",
        dir.at("out")
    ))
}

fn wait_for(dir: &TempDir, n_lines: usize) -> Vec<String> {
    wait_until("lines", || n_lines <= dir.read_so_far("out").lines().count());
    dir.read_so_far("out").lines().take(n_lines).map(String::from).collect()
}

#[test]
fn a_server_is_asked_again_and_again_and_each_answer_says_what_comes_next() {
    let dir = TempDir::new();
    let server = Server::start(|seen| {
        let last: u64 = seen.path.split_once("after=").and_then(|it| it.1.parse().ok()).unwrap_or(0);
        answer(200, format!("{{\"next\":{}}}", last + 1))
    });
    let url = format!("{}${{! (\"?after=\" + this.next.string()) | \"\" }}", server.url("/pages"));
    let running = reading(&dir, &format!("url: '{url}'"));
    assert_eq!(wait_for(&dir, 3), ["{\"next\":1}", "{\"next\":2}", "{\"next\":3}"]);
    let report = running.drain();
    assert_eq!((report.fault, report.n_failed_sources), (None, 0));
    let seen = server.seen();
    assert_eq!(
        (seen[0].method.as_str(), seen[0].path.as_str(), seen[0].body.as_str()),
        ("GET", "/pages", "")
    );
    assert_eq!(seen[2].path, "/pages?after=2");
    // Everything that was asked for has arrived, but for what was on its way.
    let n_lines = dir.read_so_far("out").lines().count();
    assert!(n_lines <= seen.len() && seen.len() <= n_lines + 1, "{n_lines} {}", seen.len());
}

#[test]
fn what_fails_is_told_and_asked_for_again() {
    let dir = TempDir::new();
    let n_seen = AtomicUsize::new(0);
    let server = Server::start(move |_| match n_seen.fetch_add(1, Ordering::SeqCst) {
        0 | 1 => answer(500, "no"),
        2 => answer(200, ""),
        3 => answer(200, "late").after(Duration::from_secs(1)),
        n => answer(200, n.to_string()),
    });
    let running = reading(&dir, &format!("url: {:?}, retries: 0, timeout: 500ms", server.url("/")));
    // A machine may be too busy for some more.
    let first: usize = wait_for(&dir, 1)[0].parse().expect("a number");
    assert!(4 <= first, "{first}");
    let failed = running.log.behind("Error Failed to read message: ");
    assert!(failed.contains("unexpected response code (500)"), "{failed}");
    assert!(running.log.has("Warn No answer came within `timeout`, 500ms"), "{:#?}", running.log.lines());
    // What passes is no connection that was lost.
    assert_eq!((running.count("input_connection_up"), running.count("input_connection_lost")), (1, 0));
    running.drain();
}

#[test]
fn an_answer_without_end_is_cut_into_messages_as_it_comes() {
    let dir = TempDir::new();
    let n_seen = AtomicUsize::new(0);
    let server = Server::start(move |_| {
        let n = n_seen.fetch_add(1, Ordering::SeqCst);
        let first = format!("a{n}\n\nb");
        answer(200, "").header("X-Cursor", n).in_pieces(&[&first, "c\n", "end"], Duration::from_millis(20))
    });
    let url = server.url("/");
    let fields = format!("url: {url:?}, headers: {{ X-After: '${{! meta(\"x-cursor\") }}' }}");
    let running = reading(&dir, &format!("{fields}, stream: {{ enabled: true }}"));
    assert_eq!(wait_for(&dir, 6), ["a0", "bc", "end", "a1", "bc", "end"]);
    assert!(running.count("input_connection_up") >= 2);
    running.drain();
    let dir = TempDir::new();
    // What queries refer to is the last message, which has no metadata, or the head of the answer before.
    let once = "stream: { enabled: true, reconnect: false, codec: 'delim:n' }, drop_empty_bodies: false";
    let once = reading(&dir, &format!("url: {url:?}, {once}, dump_request_log_level: INFO"));
    once.log.behind("Info http request log {\"elapsed_ns\":");
    assert_eq!(once.join().fault, None);
    assert!(dir.read_so_far("out").ends_with("\n\nbc\ne\nd\n"), "{}", dir.read_so_far("out"));
}

#[test]
fn a_server_that_is_silent_holds_up_no_stop() {
    let dir = TempDir::new();
    let server = Server::start(|_| answer(200, "").in_pieces(&["a\n", "b\n"], Duration::from_secs(3600)));
    let running = reading(&dir, &format!("url: {:?}, stream: {{ enabled: true }}", server.url("/")));
    assert_eq!(wait_for(&dir, 1), ["a"]);
    assert_eq!(running.drain().fault, None);
    let silent = Server::start(|_| answer(200, "a").after(Duration::from_secs(3600)));
    let running = reading(&dir, &format!("url: {:?}, timeout: 1h", silent.url("/")));
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(running.drain().fault, None);
}
