//! What engines, modules and guests share, refuse and tell.

use std::time::{Duration, Instant};

use expect_test::expect;
use wappa_message::Message;
use wappa_wasm::{Engine, EngineConfig, Guest, Kind, Module, spawn_thread};

use crate::harness::{config, engine, guest, soon, told};

const NOTHING: &str = r#"(module (func (export "process")))"#;

#[test]
fn a_module_may_be_pinned() {
    let digest = Module::new(engine(), NOTHING.as_bytes()).expect("a module").sha256();
    Module::with_sha256(engine(), NOTHING.as_bytes(), &digest.to_uppercase()).expect("the same");
    let err = Module::with_sha256(engine(), NOTHING.as_bytes(), "00").expect_err("another one").to_string();
    assert_eq!(err, format!("the module's SHA-256 is {digest}, expected 00 (`sha256`)"));
}

#[test]
fn a_guest_runs_only_where_its_own_engine_was_entered() {
    let run = || {
        let other = Engine::new(EngineConfig::default()).expect("an engine");
        let module = Module::new(engine(), NOTHING.as_bytes()).expect("a module");
        let guest = Guest::new(engine(), &module, config()).expect("a guest");
        let mut instance = guest.instantiate(soon()).expect("an instance");
        let ctx = other.enter().expect("a large stack");
        instance.call(&mut Message::default(), &ctx).expect_err("another engine").mark_text()
    };
    let text = spawn_thread("guest", run).expect("a thread").join().expect("no panic");
    assert_eq!(text, "instance: the thread has entered another engine");
}

#[test]
fn a_small_thread_is_refused() {
    let thread = std::thread::Builder::new().stack_size(1 << 20).spawn(|| engine().enter().err());
    let err = thread.expect("a thread").join().expect("no panic").expect("it is too small").to_string();
    assert!(err.starts_with("entering the wasm engine: this thread has "), "{err}");
}

#[test]
fn instances_are_bounded_and_given_back() {
    let run = || {
        let module = Module::new(engine(), NOTHING.as_bytes()).expect("a module");
        let mut config = config();
        config.max_instances = 1;
        let guest = Guest::new(engine(), &module, config).expect("a guest");
        let one = guest.instantiate(soon()).expect("an instance");
        let err = guest.instantiate(Instant::now() + Duration::from_millis(20)).expect_err("there is one");
        assert_eq!(err.kind(), Kind::Instance);
        drop(one);
        drop(guest.instantiate(soon()).expect("an instance"));
        err.mark_text()
    };
    let text = spawn_thread("guest", run).expect("a thread").join().expect("no panic");
    assert_eq!(text, "instance: waiting for an instance: all that `max_instances` allows are in use");
}

#[test]
fn more_instances_than_the_pool_has_are_made_all_the_same() {
    let run = || {
        let mut config = EngineConfig::default();
        config.instances = 1;
        let engine = Engine::new(config).expect("an engine");
        let wat = guest(r#"(func (export "process") (call $echo (call $as_bytes)))"#);
        let module = Module::new(&engine, wat.as_bytes()).expect("a module");
        let guest = Guest::new(&engine, &module, crate::harness::config()).expect("a guest");
        let mut all: Vec<_> = (0..20).map(|_| guest.instantiate(soon()).expect("an instance")).collect();
        let ctx = engine.enter().expect("a large stack");
        for instance in &mut all {
            instance.call(&mut Message::new("x"), &ctx).expect("a call");
        }
        // One with a larger limit than a slot has, and one with more than a slot's tables.
        let mut large = crate::harness::config();
        large.limits.memory = 200 << 20;
        let wat = guest_that_grows(150 << 4);
        let module = Module::new(&engine, wat.as_bytes()).expect("a module");
        let large = Guest::new(&engine, &module, large).expect("a guest");
        let mut message = Message::new("x");
        large.instantiate(soon()).expect("an instance").call(&mut message, &ctx).expect("a call");
        assert_eq!(message.content(), "grown");
        let tables = "(table 1 funcref)".repeat(5);
        let module = format!(r#"(module {tables} (func (export "process")))"#);
        let module = Module::new(&engine, module.as_bytes()).expect("a module");
        let tables = Guest::new(&engine, &module, crate::harness::config()).expect("a guest");
        tables.instantiate(soon()).expect("an instance").call(&mut message, &ctx).expect("a call");
    };
    spawn_thread("guest", run).expect("a thread").join().expect("no panic");
}

/// Sets the content to `grown` when its memory could grow by this many pages.
fn guest_that_grows(pages: u32) -> String {
    guest(&format!(
        r#"(data (i32.const 100) "grown")
        (func (export "process")
          (if (i32.ne (memory.grow (i32.const {pages})) (i32.const -1))
            (then (call $set_bytes (i32.const 100) (i32.const 5)))))"#
    ))
}

#[test]
fn a_limit_holds_at_the_size_of_a_slot() {
    let all: String = [(127, 2030), (128, 2047), (128, 2048), (129, 2048)]
        .map(|(mebibytes, pages)| {
            told(&guest_that_grows(pages), vec![Message::new("x")], |it| it.limits.memory = mebibytes << 20)
        })
        .concat();
    expect![[r#"
        "grown"
        "grown"
        "x"
        "grown"
    "#]]
    .assert_eq(&all);
}

#[test]
fn a_backtrace_names_the_guests_functions() {
    let run = || {
        let wat = r#"(module (func $_ZN5guest5inner17h0123456789abcdefE unreachable)
            (func $outer (call $_ZN5guest5inner17h0123456789abcdefE)) (export "process" (func $outer)))"#;
        let module = Module::new(engine(), wat.as_bytes()).expect("a module");
        let guest = Guest::new(engine(), &module, config()).expect("a guest");
        let mut instance = guest.instantiate(soon()).expect("an instance");
        let ctx = engine().enter().expect("a large stack");
        let err = instance.call(&mut Message::default(), &ctx).expect_err("it traps");
        err.backtrace().unwrap_or_default()
    };
    let text = spawn_thread("guest", run).expect("a thread").join().expect("no panic");
    expect![[r#"
        0: 0x24 - guest::inner
        1: 0x29 - outer"#]]
    .assert_eq(&text);
}
