//! Connections take no more than their part of what the process may have open. A process of its own, since its limit is.

mod support;

use std::{fs::File, net::TcpStream};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use support::{Running, ask, wait_until};

fn limit(files: u64) {
    let files = Rlimit { current: Some(files), ..getrlimit(Resource::Nofile) };
    setrlimit(Resource::Nofile, files).expect("no more than there are");
}

#[test]
fn strangers_leave_descriptors_for_others() {
    limit(160);
    let start = || {
        let running = Running::start(
            "http: {enabled: false}\ninput: {http_server: {address: '127.0.0.1:0', path: /p, idle_timeout: 1h}}\n\
             output: {sync_response: {}}\n",
        );
        let port = running.port("Receiving HTTP messages at: ");
        (running, port)
    };
    let ((running, port), (other, other_port)) = (start(), start());
    // Their own ends are of this process too.
    limit(160 + 200);
    let strangers: Vec<TcpStream> =
        (0..130).map(|_| TcpStream::connect(("127.0.0.1", port)).expect("the system takes it")).collect();
    running.log.behind(
        "There are 120 connections, as many as there may be (three quarters of what the process may open",
    );
    // Whatever one server has, the other has its share.
    assert_eq!(ask(other_port, "POST", "/p", "", "a").brief(), "200 a");
    let mut kept = Vec::new();
    wait_until("the other server has no more than that", || {
        kept.push(TcpStream::connect(("127.0.0.1", other_port)).expect("the system takes it"));
        other.log.lines().iter().any(|it| it.contains("All servers together have 12"))
    });
    let others: Vec<File> = (0..10).map(|_| File::open("/").expect("there are some left")).collect();
    for log in [&running.log, &other.log] {
        assert!(!log.lines().iter().any(|it| it.contains("Failed to accept")), "{:?}", log.lines());
    }
    drop((strangers, kept, others));
    wait_until("a place is free", || ask(port, "POST", "/p", "", "a").brief() == "200 a");
}
