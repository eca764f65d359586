//! Pushing metrics to a gateway: the test is the gateway, and keeps what a real one receives.

mod support;

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::Duration,
};

use support::{lint, table, wait_until};
use wappa_component::{Build, Exporter, Level, LogSink, Logger, Metrics};
use wappa_spec::{LintOptions, Source, Spec};
use wappa_testing::Log;

/// What came: the first line of a request, its headers, and its body.
type Came = (String, Vec<String>, String);

/// Listens, and answers each request with this status.
fn gateway(status: &'static str) -> (u16, mpsc::Receiver<Came>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port can be had");
    let port = listener.local_addr().expect("it has one").port();
    let (tx, rx) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            if tx.send(take(stream, status)).is_err() {
                return;
            }
        }
    });
    (port, rx)
}

fn take(stream: TcpStream, status: &str) -> Came {
    let mut stream = BufReader::new(stream);
    let mut line = || {
        let mut line = String::new();
        stream.read_line(&mut line).expect("it can be read");
        line.trim_end().to_string()
    };
    let first = line();
    let headers: Vec<String> = std::iter::repeat_with(line).take_while(|it| !it.is_empty()).collect();
    let length =
        headers.iter().find_map(|it| it.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.expect("it is said how long it is")];
    stream.read_exact(&mut body).expect("all of it comes");
    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 7\r\nConnection: close\r\n\r\nbecause");
    stream.get_mut().write_all(answer.as_bytes()).expect("it is read");
    (first, headers, String::from_utf8(body).expect("it is a text"))
}

/// An exporter of this config, and what it logs.
fn exporter(fields: &str) -> (Box<dyn Exporter>, Arc<Log>) {
    let specs: Vec<&Spec> = table().iter().map(|it| &it.spec).collect();
    let config = format!(
        "metrics: {{prometheus: {{{fields}}}}}\ninput: {{http_server: {{}}}}\noutput: {{drop: {{}}}}"
    );
    let source = Source::read(config.as_bytes(), |_| None).expect("it is YAML");
    let config = source.stream(&specs, LintOptions::default()).config.expect("it can be read");
    let Some(Build::Exporter(build)) =
        table().iter().find(|it| it.spec.name == "prometheus").map(|it| it.build)
    else {
        panic!("it is an exporter")
    };
    let log = Arc::new(Log::new(Level::Info));
    let logger = Logger::new(Arc::clone(&log) as Arc<dyn LogSink>);
    (build(&config.metrics.body, &specs, logger).expect("nothing is wrong with it"), log)
}

const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn metrics_are_pushed_at_intervals_and_at_the_end() {
    let (port, came) = gateway("202 Accepted");
    let (mut exporter, log) = exporter(&format!(
        "push_url: 'http://127.0.0.1:{port}/gate/', push_interval: 10ms, push_job_name: my job, \
         push_basic_auth: {{username: me, password: secret}}"
    ));
    assert_eq!(exporter.interval(), Some(Duration::from_millis(10)));
    let metrics = Metrics::default();
    let counter = metrics.counter("a", &[("path", "root.input")]);
    counter.add(2);
    exporter.push(&metrics);
    let (first, headers, body) = came.recv_timeout(PATIENCE).expect("it is pushed");
    assert_eq!(first, "PUT /gate/metrics/job/my%20job HTTP/1.1");
    let has = |it: &str| headers.iter().any(|header| header.eq_ignore_ascii_case(it));
    assert!(
        has("Authorization: Basic bWU6c2VjcmV0") && has(&format!("Host: 127.0.0.1:{port}")),
        "{headers:?}"
    );
    let form = "Content-Type: text/plain; version=0.0.4; charset=utf-8; escaping=underscores";
    assert!(has(form), "{headers:?}");
    assert_eq!(body, "# HELP a Wappa Counter metric\n# TYPE a counter\na{path=\"root.input\"} 2\n");
    counter.add(3);
    exporter.finish(&metrics);
    // One that was under way may be between them.
    while !came.recv_timeout(PATIENCE).expect("it is pushed").2.ends_with("a{path=\"root.input\"} 5\n") {}
    assert_eq!(log.lines(), [""; 0]);
}

#[test]
fn without_an_interval_they_are_pushed_at_the_end() {
    let (port, came) = gateway("200 OK");
    let (mut exporter, _) = exporter(&format!("push_url: '127.0.0.1:{port}'"));
    let metrics = Metrics::default();
    exporter.push(&metrics);
    assert!(came.try_recv().is_err());
    exporter.finish(&metrics);
    assert_eq!(came.recv_timeout(PATIENCE).expect("it is pushed").0, "PUT /metrics/job/bento_push HTTP/1.1");
}

/// The stream goes on; what cannot be pushed is told, once in a while, without the password.
#[test]
fn a_gateway_that_refuses_or_is_not_there_holds_up_nobody() {
    let (port, came) = gateway("400 Bad Request");
    let metrics = Metrics::default();
    let (mut refused, log) =
        exporter(&format!("push_url: 'http://me:secret@127.0.0.1:{port}', push_interval: 1ns"));
    for _ in 0..3 {
        refused.push(&metrics);
        came.recv_timeout(PATIENCE).expect("it is pushed");
    }
    refused.finish(&metrics);
    let text = format!(
        "Error Failed to push metrics: unexpected status code 400 while pushing to \
         http://127.0.0.1:{port}/metrics/job/bento_push: because"
    );
    assert_eq!(log.lines(), [text]);
    let nobody = TcpListener::bind("127.0.0.1:0").expect("a port can be had");
    let port = nobody.local_addr().expect("it has one").port();
    drop(nobody);
    let (mut alone, log) = exporter(&format!("push_url: 'http://127.0.0.1:{port}', push_interval: 1ns"));
    alone.push(&metrics);
    let said = format!("Failed to push metrics: dial tcp 127.0.0.1:{port}: connect: connection refused");
    wait_until("it is told", || log.lines().iter().any(|it| it.ends_with(&said)));
    alone.finish(&metrics);
}

/// One that takes a connection and says nothing does not keep the program from ending.
#[test]
fn a_gateway_that_says_nothing_is_not_waited_for_without_end() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port can be had");
    let port = silent.local_addr().expect("it has one").port();
    let kept: Arc<Mutex<Vec<TcpStream>>> = Arc::default();
    let keeps = Arc::clone(&kept);
    thread::spawn(move || {
        for stream in silent.incoming().flatten() {
            keeps.lock().unwrap_or_else(PoisonError::into_inner).push(stream);
        }
    });
    let (mut exporter, _) = exporter(&format!("push_url: 'http://127.0.0.1:{port}', push_interval: 1ms"));
    let metrics = Metrics::default();
    exporter.push(&metrics);
    exporter.push(&metrics);
    exporter.push(&metrics);
    exporter.finish(&metrics);
    assert!(kept.lock().unwrap_or_else(PoisonError::into_inner).len() <= 2);
}

#[test]
fn what_is_wrong_with_an_address_is_a_lint() {
    let lint = |fields: &str| {
        lint(&format!(
            "input: {{http_server: {{}}}}\noutput: {{drop: {{}}}}\nmetrics:\n  prometheus:\n    {fields}\n"
        ))
    };
    assert_eq!(lint("push_url: http://gateway:9091"), "");
    assert_eq!(lint("push_url: ''"), "");
    assert_eq!(
        lint("push_url: ftp://me:secret@gateway"),
        "(5,1) push_url: the address begins with `http://` or `https://`\n"
    );
    assert_eq!(
        lint("{push_url: gateway, push_job_name: ''}"),
        "(5,1) push_url: the name of the job is empty\n"
    );
}
