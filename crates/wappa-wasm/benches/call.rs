//! What a message costs, in units of `c`: one call of an empty export through a cached typed function.
//!
//! `cargo bench -p wappa-wasm`; with `-- WORDS`, only the lines that begin with them. Absolute times wander with the machine, so read the ratios. The costs they are to be
//! held against are in runtime-limits, sections 2, 3, 6 and 8: 6.5 c for the identity at 100 bytes, 12 c for the
//! scalar upper-case, 660 c for a trap with its replacement.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use bytes::Bytes;
use wappa_message::Message;
use wappa_wasm::{
    Engine, EngineConfig, Guest, GuestConfig, Instance, Kind, Module, Outcome, Pace, Run, spawn_thread,
};

/// Runs of which the median counts, and how long each is.
const RUNS: usize = 9;
const RUN: Duration = Duration::from_millis(40);

/// Messages between two `enter`s.
const PART: usize = 256;

const UPPER: &str = include_str!("../tests/guests/upper.wat");

const IDENTITY: &str = include_str!("guests/identity.wat");
const UPPER_V1: &str = include_str!("guests/upper.v1.wat");
const IDENTITY_V1: &str = include_str!("guests/identity.v1.wat");
const KEEP_V1: &str = include_str!("guests/keep.v1.wat");
const FILTER_V1: &str = include_str!("guests/filter.v1.wat");
const UPPER_COMPONENT: &str = include_str!("guests/upper.component.wat");
const UPPER_EACH_COMPONENT: &str = include_str!("guests/upper-each.component.wat");
const KEEP_COMPONENT: &str = include_str!("guests/keep.component.wat");
const FILTER_COMPONENT: &str = include_str!("guests/filter.component.wat");
const FILTER_READ_COMPONENT: &str = include_str!("guests/filter-read.component.wat");

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
    say("empty call (c)", || c, c);
    let engine = Engine::new(EngineConfig::default()).expect("an engine");
    say("v0 empty 100 B, call", || per_message(&engine, EMPTY, 100), c);
    say("v0 upper 100 B, call", || per_message(&engine, UPPER, 100), c);
    let process = "process";
    for (name, wat) in [
        ("v0 identity", IDENTITY),
        ("v1 identity", IDENTITY_V1),
        ("v0 upper", UPPER),
        ("v1 upper", UPPER_V1),
        ("component upper, all", UPPER_COMPONENT),
        ("component upper, each", UPPER_EACH_COMPONENT),
    ] {
        for bytes in [16, 100, 1 << 10, 16 << 10] {
            say(&format!("{name} {bytes} B"), || in_runs(&engine, wat, process, bytes), c);
        }
    }
    for (name, wat) in [("v1 keep", KEEP_V1), ("component keep", KEEP_COMPONENT)] {
        for bytes in [100, 16 << 10, 1 << 20] {
            say(&format!("{name} {bytes} B"), || in_runs(&engine, wat, process, bytes), c);
        }
    }
    for (name, wat, function) in [
        ("v1 filter, unread", FILTER_V1, "blind"),
        ("v1 filter, read", FILTER_V1, "read"),
        ("component filter, unread", FILTER_COMPONENT, process),
        ("component filter, read", FILTER_READ_COMPONENT, process),
    ] {
        say(&format!("{name} 1 MiB"), || in_runs(&engine, wat, function, 1 << 20), c);
    }
    if is_wanted("idle instance") {
        memory_of_instances();
    }
    say("instance, made and dropped", || per_instance(&engine), c);
    say("trap and replacement", || per_trap(&engine), c);
    if is_wanted("deadline") {
        lateness(&engine);
    }
}

/// Whether the command line asks for this line, or for none.
fn is_wanted(what: &str) -> bool {
    let words: Vec<String> = std::env::args().skip(1).filter(|it| !it.starts_with('-')).collect();
    words.is_empty() || what.starts_with(&words.join(" "))
}

#[allow(clippy::print_stdout, reason = "the numbers are what a bench is for")]
fn say(what: &str, nanos: impl FnOnce() -> f64, c: f64) {
    if !is_wanted(what) {
        return;
    }
    let nanos = nanos();
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

/// The same for runs of many messages, each a batch of its own.
fn in_runs(engine: &Engine, wat: &str, function: &str, bytes: usize) -> f64 {
    let module = Module::new(engine, wat.as_bytes()).expect("a module");
    let config = GuestConfig { function: function.into(), ..GuestConfig::default() };
    let guest = Guest::new(engine, &module, config).expect("a guest");
    let mut instance = instance(&guest);
    let content = Bytes::from(vec![b'x'; bytes]);
    let mut pace = Pace::default();
    let mut run_of = |instance: Option<&mut Instance>| {
        let mut run = Run::singles((0..PART).map(|_| Message::new(content.clone())).collect());
        run.set_pace(pace);
        if let Some(instance) = instance {
            let ctx = engine.enter().expect("a large stack");
            while !run.is_done() {
                instance.run(&mut run, &ctx).expect("it does not fail");
            }
        }
        pace = run.pace();
        for outcome in run.finish() {
            assert!(!matches!(outcome, Outcome::Kept(_, Some(_))), "a message failed");
            black_box(outcome);
        }
    };
    let bare = median(|count| (0..count.div_ceil(PART)).for_each(|_| run_of(None)));
    let all = median(|count| (0..count.div_ceil(PART)).for_each(|_| run_of(Some(&mut instance))));
    all - bare
}

/// What one more instance holds that has had a message and waits for the next.
#[allow(clippy::print_stdout, reason = "the numbers are what a bench is for")]
fn memory_of_instances() {
    const INSTANCES: usize = 500;
    for (name, wat) in [("v0 upper", UPPER), ("v1 upper", UPPER_V1), ("component upper", UPPER_COMPONENT)] {
        // What one engine's pool keeps warm, the next guest would find.
        let mut config = EngineConfig::default();
        config.instances = INSTANCES as u32;
        let engine = Engine::new(config).expect("an engine");
        let guest = guest(&engine, wat, Duration::from_secs(10));
        let ctx = engine.enter().expect("a large stack");
        let used = || {
            let mut instance = instance(&guest);
            instance.call(&mut Message::new("x".repeat(100)), &ctx).expect("it does not fail");
            instance
        };
        let mut alive = vec![used()];
        let before = resident();
        alive.extend((1..INSTANCES).map(|_| used()));
        let bytes = (resident() - before) as f64 / (INSTANCES - 1) as f64;
        println!("{:<28} {:>7.1} KiB", format!("{name}, idle instance"), bytes / 1024.0);
    }
}

/// What this process holds of memory, without what it shares.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/smaps_rollup").expect("Linux tells");
    let kib = |name: &str| {
        let line = text.lines().find_map(|it| it.strip_prefix(name)).expect("it is listed");
        line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number")
    };
    (kib("Private_Clean:") + kib("Private_Dirty:")) * 1024
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
