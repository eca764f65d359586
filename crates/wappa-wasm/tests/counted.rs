//! What is counted is what is allocated: an allocator that keeps the books holds what the host says of values against
//! what they take, and guests that mean harm against their limits.

#![allow(
    unsafe_code,
    reason = "a global allocator is unsafe by its signature; this one counts and passes on"
)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    fmt::Write,
    time::{Duration, Instant},
};

use bytes::Bytes;
use wappa_message::{Message, Metadata, Value};
use wappa_wasm::{Engine, EngineConfig, Guest, GuestConfig, Kind, Module, Outcome, Run, json, spawn_thread};

#[path = "support/random.rs"]
mod random;

use random::Random;

struct Books;

thread_local! {
    /// Bytes that this thread has allocated and not freed. What other threads free is none of it.
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn book(bytes: isize) {
    LIVE.set(LIVE.get() + bytes);
    PEAK.set(PEAK.get().max(LIVE.get()));
}

// SAFETY: everything is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Books {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        book(layout.size() as isize);
        // SAFETY: the caller's promises are those that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        book(-(layout.size() as isize));
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both are there for a moment, unless pages are moved.
        book(size as isize);
        book(-(layout.size() as isize));
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Books = Books;

/// What `make` returns, what it has allocated, and what it had at the most meanwhile.
fn allocated<R>(make: impl FnOnce() -> R) -> (R, usize, usize) {
    let before = LIVE.get();
    PEAK.set(before);
    let made = make();
    (made, (LIVE.get() - before) as usize, (PEAK.get() - before) as usize)
}

/// A random JSON text, of the kinds that cost more than they look.
fn text(random: &mut Random, depth: u32, out: &mut String) {
    let n = random.below(if depth == 0 { 200 } else { 6 });
    match random.below(if depth < 4 { 8 } else { 5 }) {
        0 => out.push_str("null"),
        1 => write!(out, "{}", random.below(1000)).expect("it is a string"),
        2 => out.push_str("18446744073709551615"),
        3 => write!(out, "{:?}", "x".repeat(n)).expect("it is a string"),
        4 => out.push_str("\"\\u0001\\n\""),
        5 => list(random, depth, n, out, ["[", "]"], |_, _| ()),
        6 => list(random, depth, n, out, ["{", "}"], |_, out| out.push_str("\"\":")),
        _ => list(random, depth, n, out, ["{", "}"], |n, out| {
            write!(out, "\"k{n}\":").expect("it is a string")
        }),
    }
}

fn list(
    random: &mut Random,
    depth: u32,
    n: usize,
    out: &mut String,
    [open, close]: [&str; 2],
    key: impl Fn(usize, &mut String),
) {
    out.push_str(open);
    for idx in 0..n {
        if 0 < idx {
            out.push(',');
        }
        key(idx, out);
        text(random, depth + 1, out);
    }
    out.push_str(close);
}

#[test]
fn a_value_is_as_large_as_it_says() {
    for seed in 0..2000 {
        let mut random = Random::new(seed);
        let mut json = String::new();
        text(&mut random, 0, &mut json);
        let (value, kept, _) = allocated(|| json::parse(json.as_bytes()).expect("it is JSON"));
        let counted = value.size();
        assert!(
            kept <= counted + 8 && counted <= 16 * kept + 128,
            "{json}: {kept} allocated, {counted} counted"
        );
        let (copy, kept, _) = allocated(|| value.clone());
        assert!(kept <= copy.size() + 8, "{json}: {kept} for a copy, {} counted", copy.size());
    }
}

#[test]
fn metadata_are_as_large_as_they_say() {
    for seed in 0..300 {
        let mut random = Random::new(seed);
        let make = |random: &mut Random| {
            let mut metadata = Metadata::default();
            for _ in 0..random.below(40) {
                let key = Bytes::from(vec![b'k'; random.below(20)]);
                match random.below(4) {
                    0 => drop(metadata.delete(key)),
                    1 => metadata.set(key, Value::Int(1)),
                    2 => metadata.set(key, Value::array(vec![Value::Null; random.below(50)]).expect("flat")),
                    _ => metadata.set(key, Value::text("x".repeat(random.below(100)))),
                }
            }
            metadata
        };
        let (metadata, kept, _) = allocated(|| make(&mut random));
        let counted = metadata.size();
        // What was taken out leaves its place in the list.
        assert!(kept <= counted + 64 + 40 * 2 * size_of::<(Bytes, Value)>(), "{kept}, {counted} counted");
        let (copy, kept, _) = allocated(|| metadata.unshared());
        // Lists and long texts are shared, and count in full with each who holds them.
        assert!(kept <= copy.size() + 64, "{kept} for a copy, {counted} counted");
    }
}

const LIMIT: usize = 1 << 20;

/// What the host allocates for one message at the most, and what became of it.
fn at_most(module: &str) -> (usize, Option<Kind>) {
    let module = module.to_string();
    let run = move || {
        let engine = Engine::new(EngineConfig::default()).expect("an engine");
        let module = Module::new(&engine, module.as_bytes()).expect("a module");
        let mut config = GuestConfig::default();
        config.limits.output = LIMIT;
        let guest = Guest::new(&engine, &module, config).expect("a guest");
        let mut instance = guest.instantiate(Instant::now() + Duration::from_secs(30)).expect("an instance");
        let ctx = engine.enter().expect("a large stack");
        let mut run = Run::singles(vec![Message::new("x")]);
        let (_, _, peak) = allocated(|| instance.run(&mut run, &ctx).expect("nothing interrupts it"));
        let failed = run.finish().find_map(|it| match it {
            Outcome::Kept(_, err) | Outcome::Sent(_, err) => err.map(|it| it.kind()),
        });
        (peak, failed)
    };
    spawn_thread("guest", run).expect("a thread").join().expect("no panic")
}

/// A guest of v1 with 16 MiB, and this as its body.
fn guest(body: &str) -> String {
    format!(
        r#"(module
             (import "wappa" "v1_content_write" (func $write (param i32 i32)))
             (import "wappa" "v1_meta_set" (func $set (param i32 i32 i32 i32)))
             (import "wappa" "v1_meta_set_json" (func $set_json (param i32 i32 i32 i32)))
             (import "wappa" "v1_meta_get_json" (func $get_json (param i32 i32 i32 i32) (result i32)))
             (import "wappa" "v1_emit" (func $emit))
             (memory (export "memory") 256)
             (data (i32.const 65536) "[")
             ;; Repeats what is at 8 behind it, so many bytes, and closes the list.
             (func $repeat (param $unit i32) (param $n i32) (local $at i32)
               (local.set $at (i32.const 65537))
               (loop $next
                 (memory.copy (local.get $at) (i32.const 8) (local.get $unit))
                 (local.set $at (i32.add (local.get $at) (local.get $unit)))
                 (local.set $n (i32.sub (local.get $n) (i32.const 1)))
                 (br_if $next (local.get $n)))
               (i32.store8 (i32.sub (local.get $at) (i32.const 1)) (i32.const 93)))
             (func (export "process") (local $i i32) {body}))"#
    )
}

/// The unit of a list, so many times, as the value of a key.
fn values(unit: &str, n: usize) -> String {
    let stores: Vec<String> = unit
        .bytes()
        .enumerate()
        .map(|(at, byte)| format!("(i32.store8 (i32.const {}) (i32.const {byte}))", 8 + at))
        .collect();
    let bytes = 1 + n * unit.len();
    guest(&format!(
        "{} (call $repeat (i32.const {}) (i32.const {n}))
         (call $set_json (i32.const 8) (i32.const 1) (i32.const 65536) (i32.const {bytes}))",
        stores.join(" "),
        unit.len()
    ))
}

#[test]
fn a_guest_makes_the_host_allocate_what_its_limit_allows() {
    // The spare of a value, twice while a list moves, and what is there anyhow.
    let bound = 3 * (LIMIT + (1 << 20)) + (1 << 20);
    for (what, module, expected) in [
        // Each stays a range of the text until somebody asks for it.
        ("small objects", values(r#"{"":0},"#, 10_000), None),
        ("numbers", values("0,", 500_000), Some(Kind::Output)),
        ("empty lists", values("[],", 330_000), Some(Kind::Output)),
        ("long numbers", values("18446744073709551615,", 40_000), Some(Kind::Output)),
        (
            "what was written before keeps a buffer",
            guest(
                "(loop
                   (call $write (i32.const 0) (i32.const 16384)) (call $write (i32.const 0) (i32.const 16383))
                   (call $write (i32.const 0) (i32.const 16384)) (call $write (i32.const 0) (i32.const 1))
                   (call $emit) (br 0))",
            ),
            Some(Kind::Output),
        ),
        (
            "metadata of its own for each",
            guest(
                "(loop
                   (local.set $i (i32.add (local.get $i) (i32.const 1)))
                   (call $set (local.get $i) (i32.const 0) (i32.const 0) (i32.const 100))
                   (call $emit) (br 0))",
            ),
            Some(Kind::Output),
        ),
        (
            "a text that is six times as long as JSON",
            guest(
                "(call $set (i32.const 0) (i32.const 1) (i32.const 131072) (i32.const 1000000))
                 (drop (call $get_json (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 100)))
                 (drop (call $get_json (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 8000000)))",
            ),
            None,
        ),
        (
            "texts that are refused anyhow",
            guest("(call $set (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 16000000))"),
            Some(Kind::Output),
        ),
    ] {
        let (peak, failed) = at_most(&module);
        assert_eq!(failed, expected, "{what}");
        assert!(peak <= bound, "{what}: {peak} bytes");
    }
}
