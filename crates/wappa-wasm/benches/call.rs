//! What a message costs, in units of `c`: one call of an empty export through a cached typed function.
//!
//! `cargo bench -p wappa-wasm`. Absolute times wander with the machine, so read the ratios. The costs they are to be
//! held against are in runtime-limits, sections 2, 3, 6 and 8: 6.5 c for the identity at 100 bytes, 12 c for the
//! scalar upper-case, 660 c for a trap with its replacement.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use bytes::Bytes;
use wappa_message::Message;
use wappa_wasm::{Engine, EngineConfig, Guest, GuestConfig, Instance, Kind, Module, spawn_thread};

/// Runs of which the median counts, and how long each is.
const RUNS: usize = 9;
const RUN: Duration = Duration::from_millis(40);

/// Messages between two `enter`s.
const PART: usize = 256;

const UPPER: &str = include_str!("../tests/guests/upper.wat");

const IDENTITY: &str = r#"(module
    (import "bento_wasm" "v0_msg_as_bytes" (func $as_bytes (result i64)))
    (import "bento_wasm" "v0_msg_set_bytes" (func $set_bytes (param i32 i32)))
    (memory (export "memory") 4)
    (func (export "malloc") (param i32) (result i32) (i32.const 1024))
    (func (export "free") (param i32))
    (func (export "process") (local $m i64)
      (local.set $m (call $as_bytes))
      (call $set_bytes (i32.wrap_i64 (i64.shr_u (local.get $m) (i64.const 32))) (i32.wrap_i64 (local.get $m)))))"#;

const EMPTY: &str = r#"(module (memory (export "memory") 1) (func (export "process")))"#;

const TRAP: &str = r#"(module (memory (export "memory") 1) (func (export "process") unreachable))"#;

const LOOP: &str = r#"(module (memory (export "memory") 1) (func (export "process") (loop (br 0))))"#;

fn main() {
    // `cargo test` runs benches too; there it is enough that it is built.
    if std::env::args().any(|it| it == "--test") {
        return;
    }
    spawn_thread("bench", bench).expect("a thread").join().expect("no panic");
}

fn bench() {
    let c = empty_call();
    say("empty call (c)", c, c);
    let engine = Engine::new(EngineConfig::default()).expect("an engine");
    say("v0 empty 100 B", per_message(&engine, EMPTY, 100), c);
    for (name, wat) in [("identity", IDENTITY), ("upper", UPPER)] {
        for bytes in [16, 100, 1 << 10, 16 << 10] {
            say(&format!("v0 {name} {bytes} B"), per_message(&engine, wat, bytes), c);
        }
    }
    say("instance, made and dropped", per_instance(&engine), c);
    say("trap and replacement", per_trap(&engine), c);
    lateness(&engine);
}

#[allow(clippy::print_stdout, reason = "the numbers are what a bench is for")]
fn say(what: &str, nanos: f64, c: f64) {
    println!("{what:<28} {nanos:>10.1} ns {:>8.1} c", nanos / c);
}

/// Nanoseconds of one, the median of several runs. `body` does what it is told to that many times.
fn median(mut body: impl FnMut(usize)) -> f64 {
    let mut count = 64;
    loop {
        let began = Instant::now();
        body(count);
        if RUN <= began.elapsed() {
            break;
        }
        count *= 2;
    }
    let mut runs: Vec<f64> = (0..RUNS)
        .map(|_| {
            let began = Instant::now();
            body(count);
            began.elapsed().as_nanos() as f64 / count as f64
        })
        .collect();
    runs.sort_by(f64::total_cmp);
    runs[RUNS / 2]
}

fn empty_call() -> f64 {
    let mut config = wasmtime::Config::new();
    config.epoch_interruption(true);
    let engine = wasmtime::Engine::new(&config).expect("an engine");
    let module =
        wasmtime::Module::new(&engine, wat::parse_str(EMPTY).expect("valid text")).expect("a module");
    let mut store = wasmtime::Store::new(&engine, ());
    store.set_epoch_deadline(1);
    let instance = wasmtime::Instance::new(&mut store, &module, &[]).expect("an instance");
    let process = instance.get_typed_func::<(), ()>(&mut store, "process").expect("it is exported");
    median(|count| {
        for _ in 0..count {
            process.call(&mut store, ()).expect("it does not fail");
        }
    })
}

fn guest(engine: &Engine, wat: &str, timeout: Duration) -> Guest {
    let module = Module::new(engine, wat.as_bytes()).expect("a module");
    let mut config = GuestConfig::default();
    config.limits.timeout = timeout;
    Guest::new(engine, &module, config).expect("a guest")
}

fn instance(guest: &Guest) -> Instance {
    guest.instantiate(Instant::now() + Duration::from_secs(60)).expect("an instance")
}

fn per_message(engine: &Engine, wat: &str, bytes: usize) -> f64 {
    let mut instance = instance(&guest(engine, wat, Duration::from_secs(10)));
    let content = Bytes::from(vec![b'x'; bytes]);
    let mut messages: Vec<Message> = Vec::with_capacity(PART);
    let fill = |messages: &mut Vec<Message>| {
        messages.clear();
        messages.extend((0..PART).map(|_| Message::new(content.clone())));
    };
    // What the messages themselves cost is not what a call costs.
    let bare = median(|count| {
        for _ in 0..count.div_ceil(PART) {
            fill(&mut messages);
            black_box(&mut messages);
        }
    });
    let all = median(|count| {
        for _ in 0..count.div_ceil(PART) {
            fill(&mut messages);
            let ctx = engine.enter().expect("a large stack");
            for message in &mut messages {
                instance.call(message, &ctx).expect("it does not fail");
            }
        }
    });
    all - bare
}

fn per_instance(engine: &Engine) -> f64 {
    let guest = guest(engine, IDENTITY, Duration::from_secs(10));
    let ctx = engine.enter().expect("a large stack");
    let mut message = Message::new("x".repeat(100));
    median(|count| {
        for _ in 0..count {
            instance(&guest).call(&mut message, &ctx).expect("it does not fail");
        }
    })
}

fn per_trap(engine: &Engine) -> f64 {
    let guest = guest(engine, TRAP, Duration::from_secs(10));
    let ctx = engine.enter().expect("a large stack");
    let mut message = Message::new("x".repeat(100));
    let mut alive = Some(instance(&guest));
    median(|count| {
        for _ in 0..count {
            let mut trapping = alive.take().unwrap_or_else(|| instance(&guest));
            trapping.call(&mut message, &ctx).expect_err("it traps");
        }
    })
}

/// How late a deadline of 100 ms comes, over 20 messages.
#[allow(clippy::print_stdout, reason = "the numbers are what a bench is for")]
fn lateness(engine: &Engine) {
    let timeout = Duration::from_millis(100);
    let guest = guest(engine, LOOP, timeout);
    let mut late: Vec<f64> = (0..20)
        .map(|_| {
            let mut instance = instance(&guest);
            let ctx = engine.enter().expect("a large stack");
            let began = Instant::now();
            let err = instance.call(&mut Message::new("x"), &ctx).expect_err("it does not end");
            assert_eq!(err.kind(), Kind::Timeout);
            (began.elapsed().as_secs_f64() - timeout.as_secs_f64()) * 1e3
        })
        .collect();
    late.sort_by(f64::total_cmp);
    println!("{:<28} {:>7.1} ms median, {:.1} to {:.1} ms", "deadline late by", late[10], late[0], late[19]);
}
