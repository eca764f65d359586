//! Runs whole streams of a config, over sockets of this machine, and says what came of them.
#![allow(dead_code, reason = "each test uses some of it")]

#[path = "../../src/pages/asking.rs"]
pub(crate) mod asking;
#[path = "../../src/pages/far.rs"]
pub(crate) mod far;
#[path = "../../src/pages/leased.rs"]
pub(crate) mod leased;
pub(crate) mod peers;
pub(crate) mod server;

use wappa_component::Component;
pub(crate) use wappa_conformance::{TempDir, wait_until};
pub(crate) use wappa_testing::{Running, Streams};

/// Streams in which there are more components.
pub(crate) fn streams(more: &[&'static Component]) -> Streams {
    let all = wappa_pure::components().into_iter().chain(wappa_net::components());
    Streams::of(all.chain(more.iter().copied()))
}

/// What is wrong with a config.
pub(crate) fn lint(config: &str) -> String {
    streams(&[]).lint(config)
}

/// Begins a stream.
pub(crate) fn start(config: &str) -> Running {
    streams(&[]).start(config)
}

/// A stream from a server to a file, and the server's address.
pub(crate) fn server(dir: &TempDir, fields: &str) -> (Running, String) {
    let config = format!(
        "input: {{ socket_server: {{ {fields} }} }}\npipeline: {{ threads: 1 }}\noutput: {{ file: {{ path: {:?}, codec: lines }} }}\n",
        dir.at("out")
    );
    let running = start(&config);
    let address = running.log.behind("socket messages from address: ");
    (running, address)
}

pub(crate) fn wait_for_lines(dir: &TempDir, count: usize) -> String {
    wait_until("lines", || dir.read_so_far("out").lines().count() == count);
    dir.read_so_far("out")
}
