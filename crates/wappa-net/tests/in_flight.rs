//! A client that waits for answers: how much is in flight, in which order, and what becomes of it when something breaks.

mod support;

use std::{
    fs,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use support::{
    TempDir, asking,
    server::{ANSWERS_LATE, Habits, Server, config, write_lines},
    streams, wait_until,
};
use wappa_component::{BuildError, BuildOutput, Component, ConnectError, Context, Output, WriteError};
use wappa_net::{Client, Limit, Sending, in_flight};
use wappa_spec::Config;

#[test]
fn as_many_are_in_flight_as_may_be_and_in_their_order() {
    for (max_in_flight, processors) in [(64, ""), (64, "split: {}"), (1, "")] {
        let habits = Habits { waits_for: max_in_flight, ..ANSWERS_LATE };
        let (dir, server) = (TempDir::new(), Server::start(habits));
        let lines = write_lines(&dir, if max_in_flight == 1 { 100 } else { 3000 });
        let running = streams(&[&asking::COMPONENT]).start(&config(&dir, &server, max_in_flight, processors));
        assert_eq!(running.join().fault, None);
        assert!(server.lines() == lines, "each once, in order");
        assert_eq!(server.outstanding_max.load(Ordering::Relaxed), max_in_flight);
    }
}

#[test]
fn a_stop_in_the_middle_loses_nothing() {
    let (dir, server) = (TempDir::new(), Server::start(ANSWERS_LATE));
    let lines = write_lines(&dir, 100_000);
    let running = streams(&[&asking::COMPONENT]).start(&config(&dir, &server, 64, ""));
    wait_until("some have arrived", || 2000 < server.lines().len());
    let tally = running.tally.clone();
    assert_eq!(running.drain().fault, None);
    assert_eq!(tally.undelivered(), 0);
    let arrived = server.lines();
    assert!(
        arrived.len() < lines.len() && lines.starts_with(&arrived),
        "what was read has arrived, in order"
    );
}

#[test]
fn what_was_in_flight_when_a_connection_broke_comes_again_in_its_order() {
    let habits = Habits { breaks_after: Some(500), ..ANSWERS_LATE };
    let (dir, server) = (TempDir::new(), Server::start(habits));
    let lines = write_lines(&dir, 2000);
    let running = streams(&[&asking::COMPONENT]).start(&config(&dir, &server, 64, ""));
    assert_eq!(running.join().fault, None);
    // Of each connection the order is that of the input, and each goes on at or before where the last one came to.
    let mut next = 0;
    for line in server.lines() {
        let n: usize = line.strip_prefix("line ").and_then(|it| it.parse().ok()).expect("a line");
        assert!(n <= next && next <= n + 64 + 1, "line {n} after line {}", next - 1);
        next = n + 1;
    }
    assert_eq!(next, lines.len());
}

#[test]
fn what_is_refused_comes_again() {
    let habits = Habits { refuses_one_in: Some(7), delay: Duration::from_millis(1), ..ANSWERS_LATE };
    let (dir, server) = (TempDir::new(), Server::start(habits));
    let mut lines = write_lines(&dir, 1000);
    let running = streams(&[&asking::COMPONENT]).start(&config(&dir, &server, 16, ""));
    assert_eq!(running.join().fault, None);
    let mut taken: Vec<String> = server.lines().into_iter().filter(|it| !it.starts_with("refused")).collect();
    taken.sort();
    lines.sort();
    assert!(taken == lines, "each has arrived once");
}

/// A client that makes the next batch ready while the one before is on its way. One of them is lost with its connection.
#[derive(Config)]
struct AheadConfig;

static READY: AtomicUsize = AtomicUsize::new(0);
static ON_THEIR_WAY: AtomicUsize = AtomicUsize::new(0);
static ARRIVED: Mutex<Vec<String>> = Mutex::new(Vec::new());
const N_AHEAD: usize = 50;

impl BuildOutput for AheadConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Output>, BuildError> {
        Ok(in_flight(Ahead { is_lost: AtomicBool::new(false) }, Limit::of(1).ahead(1), ctx))
    }
}

struct Ahead {
    is_lost: AtomicBool,
}

impl Client for Ahead {
    async fn connect(&self) -> Result<(), ConnectError> {
        Ok(())
    }

    async fn send(&self, mut sending: Sending) {
        let line = String::from_utf8_lossy(sending.messages()[0].content()).into_owned();
        let n_ready = READY.fetch_add(1, Ordering::SeqCst) + 1;
        if !sending.turn().await {
            return sending.answer(Err(WriteError::NotConnected));
        }
        assert_eq!(ON_THEIR_WAY.fetch_add(1, Ordering::SeqCst), 0, "one at a time");
        if line != format!("line {}", N_AHEAD - 1) {
            // It comes while this one has no answer.
            while READY.load(Ordering::SeqCst) <= n_ready {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        ON_THEIR_WAY.fetch_sub(1, Ordering::SeqCst);
        if line == "line 7" && !self.is_lost.swap(true, Ordering::SeqCst) {
            return sending.answer(Err(WriteError::NotConnected));
        }
        ARRIVED.lock().expect("nobody panics with it").push(line);
        sending.answer(Ok(()));
    }
}

#[test]
fn the_next_batch_is_made_ready_while_one_is_on_its_way_and_keeps_its_place() {
    const AHEAD: Component = Component::output::<AheadConfig>("ahead");
    let dir = TempDir::new();
    let lines = write_lines(&dir, N_AHEAD);
    let config = format!("input: {{ file: {{ paths: [{:?}] }} }}\noutput: {{ ahead: {{}} }}\n", dir.at("in"));
    assert_eq!(streams(&[&AHEAD]).start(&config).join().fault, None);
    assert!(*ARRIVED.lock().expect("nobody panics with it") == lines, "each once, in order");
}

/// A client with a bug.
#[derive(Config)]
struct FaultyConfig;

impl BuildOutput for FaultyConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Output>, BuildError> {
        Ok(in_flight(Faulty, Limit::of(4), ctx))
    }
}

struct Faulty;

impl Client for Faulty {
    async fn connect(&self) -> Result<(), ConnectError> {
        Ok(())
    }

    async fn send(&self, sending: Sending) {
        assert!(sending.messages()[0].content() != "panic", "on purpose");
        sending.answer(Ok(()));
    }
}

#[test]
fn a_client_that_panics_ends_the_stream_with_its_path() {
    const FAULTY: Component = Component::output::<FaultyConfig>("faulty");
    let dir = TempDir::new();
    fs::write(dir.at("in"), "a\npanic\nb\n").expect("it can be written");
    let config =
        format!("input: {{ file: {{ paths: [{:?}] }} }}\noutput: {{ faulty: {{}} }}\n", dir.at("in"));
    let running = streams(&[&FAULTY]).start(&config);
    let fault = running.join().fault.expect("it cannot go on");
    assert!(fault.starts_with("`root.output` panicked") && fault.ends_with(": on purpose"), "{fault}");
}
