//! How fast a client is whose server answers after five milliseconds, with 64 deliveries in flight, and what memory it takes.
//!
//! `cargo bench -p wappa-net --bench in_flight` prints the round trip, how many messages arrive in a second, which part that
//! is of 64 in each round trip, and the resident memory on the way; the server, which keeps every line, is in it.
#![allow(clippy::print_stdout, reason = "a benchmark prints what it measured")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    time::Instant,
};

use support::{
    TempDir, asking,
    server::{ANSWERS_LATE, Server, config, write_lines},
    streams, wait_until,
};

fn main() {
    // `cargo test --all-targets` starts benchmarks as well, to see that they do.
    if !std::env::args().any(|it| it == "--bench") {
        return;
    }
    let memory = || {
        let status = fs::read_to_string("/proc/self/status").expect("the system says so");
        let line = status.lines().find_map(|it| it.strip_prefix("VmRSS:")).expect("it is there");
        line.trim().to_string()
    };
    let (dir, server) = (TempDir::new(), Server::start(ANSWERS_LATE));
    write_lines(&dir, 100_000);
    // What one round trip takes, the wait of the system's clock included.
    let mut stream = TcpStream::connect(&server.address).expect("it listens");
    let mut answers = BufReader::new(stream.try_clone().expect("a descriptor can be had"));
    let began = Instant::now();
    for _ in 0..200 {
        stream.write_all(b"x\n").expect("it reads");
        answers.read_line(&mut String::new()).expect("it answers");
    }
    let round_trip = began.elapsed() / 200;
    drop((stream, answers));
    let running = streams(&[&asking::COMPONENT]).start(&config(&dir, &server, 64, ""));
    let mut samples = Vec::new();
    for n in [10_000, 50_000, 90_000] {
        wait_until("so many", || n + 200 <= server.n_lines());
        samples.push((Instant::now(), memory()));
    }
    running.drain();
    let rate = 80_000.0 / (samples[2].0 - samples[0].0).as_secs_f64();
    let best = 64.0 / round_trip.as_secs_f64();
    let memory: Vec<_> = samples.iter().map(|it| it.1.as_str()).collect();
    println!(
        "round trip {round_trip:?}, {rate:.0} a second, {:.3} of {best:.0}, memory {memory:?}",
        rate / best
    );
}
