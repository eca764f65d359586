//! Connections take no more than their part of what the process may have open. A process of its own, since its limit is.

mod support;

use std::{fs::File, net::TcpStream};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use support::{Running, ask, wait_until};

#[test]
fn strangers_leave_descriptors_for_others() {
    let files = Rlimit { current: Some(160), ..getrlimit(Resource::Nofile) };
    setrlimit(Resource::Nofile, files).expect("fewer than there are");
    let running = Running::start(
        "http: {enabled: false}\ninput: {http_server: {address: '127.0.0.1:0', path: /p, idle_timeout: 1h}}\n\
         output: {sync_response: {}}\n",
    );
    let port = running.port("Receiving HTTP messages at: ");
    // Their own ends are of this process too.
    let strangers: Vec<TcpStream> =
        (0..70).map(|_| TcpStream::connect(("127.0.0.1", port)).expect("the system takes it")).collect();
    running
        .log
        .behind("There are 40 connections, as many as there may be (a quarter of what the process may open");
    let others: Vec<File> = (0..20).map(|_| File::open("/").expect("there are some left")).collect();
    assert!(
        !running.log.lines().iter().any(|it| it.contains("Failed to accept")),
        "{:?}",
        running.log.lines()
    );
    drop((strangers, others));
    wait_until("a place is free", || ask(port, "POST", "/p", "", "a").brief() == "200 a");
}
