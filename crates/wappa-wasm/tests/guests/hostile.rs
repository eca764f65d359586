//! Guests that mean harm, and the message after them: it is fine.

use std::{
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use expect_test::expect;
use wappa_message::Message;
use wappa_wasm::{Guest, Interrupt, Kind, Module, spawn_thread};

use crate::harness::{bare, check, check_with, config, engine, guest, soon, told};

/// Does something bad when the content begins with `b`; otherwise the content goes on as it is.
fn bad(body: &str, more: &str) -> String {
    guest(&bad_process(body, more))
}

fn bad_process(body: &str, more: &str) -> String {
    format!(
        r#"(data (i32.const 300) "k") (func $bad {body})
        (func (export "process") (local $m i64)
          (local.set $m (call $as_bytes))
          (call $set_bytes (call $ptr (local.get $m)) (i32.const 0))
          (call $set_meta (i32.const 300) (i32.const 1) (i32.const 300) (i32.const 1))
          (if (i32.eq (i32.load8_u (call $ptr (local.get $m))) (i32.const 98)) (then (call $bad)))
          (call $echo (local.get $m)))
        {more}"#
    )
}

fn check_bad(wat: &str, expect: expect_test::Expect) {
    expect.assert_eq(&told_bad(wat));
}

fn told_bad(wat: &str) -> String {
    told(wat, ["ok", "bad", "ok"].map(Message::new).into(), |it| {
        it.limits.timeout = Duration::from_millis(50);
        it.limits.memory = 1 << 20;
        it.limits.output = 64 << 10;
    })
}

const SLEEP_AN_HOUR: &str = r#"(i64.store (i32.const 24) (i64.const 3600000000000))
    (i32.store (i32.const 16) (i32.const 1))
    (drop (call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 100)))"#;

#[test]
fn it_does_not_end() {
    check_bad(
        &bad("(loop (br 0))", ""),
        expect![[r#"
            "ok" k=k
            "bad" [timeout: over the limit of 50ms (`timeout`)] (spent)
            "ok" k=k
        "#]],
    );
    check_bad(
        &bad("(loop (drop (call $as_bytes)) (br 0))", ""),
        expect![[r#"
            "ok" k=k
            "bad" [timeout: over the limit of 50ms (`timeout`)] (spent)
            "ok" k=k
        "#]],
    );
    check_bad(
        &bad("(loop (call $set_bytes (i32.const -1) (i32.const -1)) (br 0))", ""),
        expect![[r#"
            "ok" k=k
            "bad" [timeout: over the limit of 50ms (`timeout`)] (spent)
            "ok" k=k
        "#]],
    );
    check_bad(
        &bad("(loop (drop (memory.grow (i32.const 0))) (br 0))", ""),
        expect![[r#"
            "ok" k=k
            "bad" [timeout: over the limit of 50ms (`timeout`)] (spent)
            "ok" k=k
        "#]],
    );
    check_bad(
        &bad(SLEEP_AN_HOUR, ""),
        expect![[r#"
            "ok" k=k
            "bad" [timeout: over the limit of 50ms (`timeout`)] (spent)
            "ok" k=k
        "#]],
    );
    let flood = told_bad(&bad("(loop (call $print (i32.const 1) (i32.const 0) (i32.const 8)) (br 0))", ""));
    let messages: Vec<&str> = flood.lines().filter(|it| !it.starts_with("log ")).collect();
    assert_eq!(
        messages,
        ["\"ok\" k=k", "\"bad\" [timeout: over the limit of 50ms (`timeout`)] (spent)", "\"ok\" k=k"]
    );
}

#[test]
fn its_allocator_or_its_free_does_not_end() {
    let memory = r#"(memory (export "memory") 1)"#;
    let process = r#"(func (export "process") (local $m i64) (local.set $m (call $as_bytes)) (call $echo (local.get $m)))"#;
    let malloc = r#"(func (export "malloc") (param i32) (result i32) (i32.const 1000))"#;
    let mut all = String::new();
    for (name, ty) in
        [("malloc", "(param i32) (result i32)"), ("free", "(param i32)"), ("deallocate", "(param i32 i32)")]
    {
        let malloc = if name == "malloc" { "" } else { malloc };
        let result = if name == "malloc" { "(i32.const 1000)" } else { "" };
        // Ends for messages that begin with something else than `b`, once it was called.
        let wat = bare(&format!(
            r#"{memory}{malloc}{process}
            (func (export "{name}") {ty}
              (if (i32.eq (i32.load8_u (i32.const 1000)) (i32.const 98)) (then (loop (br 0)))) {result})"#
        ));
        all += &told_bad(&wat);
    }
    expect![[r#"
        "ok"
        "bad"
        "ok" [timeout: over the limit of 50ms (`timeout`)] (spent)
        "ok"
        "bad" [timeout: over the limit of 50ms (`timeout`)] (spent)
        "ok"
        "ok"
        "bad" [timeout: over the limit of 50ms (`timeout`)] (spent)
        "ok"
    "#]]
    .assert_eq(&all);
}

#[test]
fn it_recurses() {
    check_bad(
        &bad("(call $bad)", ""),
        expect![[r#"
            "ok" k=k
            "bad" [trap: stack overflow] (spent)
            "ok" k=k
        "#]],
    );
    // Through the host: the allocator asks for the content, which needs the allocator.
    let wat = bare(
        r#"(memory (export "memory") 1)
        (func (export "malloc") (param i32) (result i32) (drop (call $as_bytes)) (i32.const 1000))
        (func (export "process") (drop (call $as_bytes)))"#,
    );
    check_bad(
        &wat,
        expect![[r#"
            "ok" [host call: failed to allocate in-bound memory: the guest's allocator calls itself through host functions]
            "bad" [host call: failed to allocate in-bound memory: the guest's allocator calls itself through host functions]
            "ok" [host call: failed to allocate in-bound memory: the guest's allocator calls itself through host functions]
        "#]],
    );
    let wat = bare(
        r#"(memory (export "memory") 1)
        (func (export "deallocate") (param i32 i32) (call $set_bytes (i32.const 0) (i32.const 1)))
        (func (export "process") (call $set_bytes (i32.const 0) (i32.const 1)))"#,
    );
    check_bad(
        &wat,
        expect![[r#"
            "\0"
            "\0"
            "\0"
        "#]],
    );
}

#[test]
fn it_traps() {
    check_bad(
        &bad("unreachable", ""),
        expect![[r#"
            "ok" k=k
            "bad" [trap: unreachable] (spent)
            "ok" k=k
        "#]],
    );
    check_bad(
        &bad("(drop (i32.div_u (i32.const 1) (i32.const 0)))", ""),
        expect![[r#"
            "ok" k=k
            "bad" [trap: integer divide by zero] (spent)
            "ok" k=k
        "#]],
    );
    check_bad(
        &bad("(drop (i32.load (i32.const 999999)))", ""),
        expect![[r#"
            "ok" k=k
            "bad" [trap: out of bounds memory access] (spent)
            "ok" k=k
        "#]],
    );
    check_bad(
        &bad("(call_indirect (i32.const 0))", "(table 1 funcref)"),
        expect![[r#"
            "ok" k=k
            "bad" [trap: indirect call to a null table element] (spent)
            "ok" k=k
        "#]],
    );
    check_bad(
        &bad("(call_indirect (i32.const 7))", "(table 1 funcref)"),
        expect![[r#"
            "ok" k=k
            "bad" [trap: out of bounds table access] (spent)
            "ok" k=k
        "#]],
    );
    check_bad(
        &bad("(drop (i32.trunc_f64_s (f64.const 1e300)))", ""),
        expect![[r#"
            "ok" k=k
            "bad" [trap: integer overflow] (spent)
            "ok" k=k
        "#]],
    );
}

#[test]
fn it_exits() {
    check_bad(
        &bad("(call $proc_exit (i32.const 3))", ""),
        expect![[r#"
            "ok" k=k
            "bad" [exit: the guest exited with code 3] (spent)
            "ok" k=k
        "#]],
    );
    check_bad(
        &bad("(call $proc_exit (i32.const 0))", ""),
        expect![[r#"
            "ok" k=k
            "bad" [exit: the guest exited with code 0] (spent)
            "ok" k=k
        "#]],
    );
    check_bad(
        &bad("(call $proc_exit (i32.const -1))", ""),
        expect![[r#"
            "ok" k=k
            "bad" [exit: the guest exited with code 4294967295] (spent)
            "ok" k=k
        "#]],
    );
}

#[test]
fn it_wants_all_memory() {
    let grow = "(loop (br_if 0 (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))";
    check_bad(
        &bad(grow, ""),
        expect![[r#"
            "ok" k=k
            "bad" k=k
            "ok" k=k
        "#]],
    );
    check_bad(
        &bad(&format!("{grow} unreachable"), ""),
        expect![[r#"
            "ok" k=k
            "bad" [memory: unreachable after the guest was refused more memory (`memory_limit`)] (spent)
            "ok" k=k
        "#]],
    );
    let table = r#"(table $t 1 funcref)"#;
    let grow = "(loop (br_if 0 (i32.ne (table.grow $t (ref.null func) (i32.const 1000)) (i32.const -1)))) unreachable";
    check_bad(
        &bad(grow, table),
        expect![[r#"
            "ok" k=k
            "bad" [memory: unreachable after the guest was refused more memory (`memory_limit`)] (spent)
            "ok" k=k
        "#]],
    );
}

#[test]
fn it_makes_room_for_metadata_and_then_takes_it_back() {
    let body = r#"(func (export "process")
        (call $set_bytes (i32.const 0) (i32.const 0))
        (call $set_meta (i32.const 300) (i32.const 1) (i32.const 0) (i32.const 40000))
        (call $set_bytes (i32.const 0) (i32.const 40000)))"#;
    let message = Message::new(vec![b'x'; 40_000]);
    check_with(
        &guest(body),
        vec![message],
        |it| it.limits.output = 64 << 10,
        expect![[r#"
            "xxxxxxxxxxxxxxxxxxxx… (40000)" [output: the message would be 80225 bytes, over the limit of 64KiB (`output_limit`)] (spent)
        "#]],
    );
}

#[test]
fn it_wants_the_hosts_memory() {
    let grow = "(drop (memory.grow (i32.const 4)))";
    check_bad(
        &bad(&format!("{grow} (call $set_bytes (i32.const 0) (i32.const 65537))"), ""),
        expect![[r#"
            "ok" k=k
            "bad" [output: the message would be 65682 bytes, over the limit of 64KiB (`output_limit`)] (spent)
            "ok" k=k
        "#]],
    );
    check_bad(
        &bad(&format!("{grow} (loop (call $set_bytes (i32.const 0) (i32.const 20000)) (br 0))"), ""),
        expect![[r#"
            "ok" k=k
            "bad" [timeout: over the limit of 50ms (`timeout`)] (spent)
            "ok" k=k
        "#]],
    );
    // A new key every time, and a long value.
    let many = r#"(loop
        (i32.store (i32.const 200) (i32.add (i32.load (i32.const 200)) (i32.const 1)))
        (call $set_meta (i32.const 200) (i32.const 4) (i32.const 0) (i32.const 0)) (br 0))"#;
    check_bad(
        &bad(many, ""),
        expect![[r#"
            "ok" k=k
            "bad" [output: the message would be 65561 bytes, over the limit of 64KiB (`output_limit`)] (spent)
            "ok" k=k
        "#]],
    );
    let long = "(call $set_meta (i32.const 200) (i32.const 4) (i32.const 0) (i32.const 65536)) (loop (br 0))";
    check_bad(
        &bad(long, ""),
        expect![[r#"
            "ok" k=k
            "bad" [output: the message would be 65909 bytes, over the limit of 64KiB (`output_limit`)] (spent)
            "ok" k=k
        "#]],
    );
}

#[test]
fn a_message_that_does_not_grow_is_never_too_large() {
    let wat = guest(r#"(func (export "process") (call $echo (call $as_bytes)))"#);
    let text = "x".repeat(1000);
    check_with(
        &wat,
        vec![Message::new(text)],
        |it| it.limits.output = 10,
        expect![[r#"
            "xxxxxxxxxxxxxxxxxxxx… (1000)"
        "#]],
    );
}

#[test]
fn it_reads_what_is_not_there() {
    // fd_read of stdin: 0 bytes; fd_prestat_get(3): badf; sizes of environment and arguments: 0. Digits into the content.
    let wat = guest(
        r#"(func (export "process")
          (i32.store (i32.const 0) (i32.const 400)) (i32.store (i32.const 4) (i32.const 10))
          (i32.store8 (i32.const 600) (i32.add (i32.const 48) (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8))))
          (i32.store8 (i32.const 601) (i32.add (i32.const 48) (i32.load (i32.const 8))))
          (i32.store8 (i32.const 602) (i32.add (i32.const 48) (call $prestat (i32.const 3) (i32.const 8))))
          (drop (call $environ_sizes (i32.const 8) (i32.const 12)))
          (i32.store8 (i32.const 603) (i32.add (i32.const 48) (i32.load (i32.const 8))))
          (drop (call $args_sizes (i32.const 8) (i32.const 12)))
          (i32.store8 (i32.const 604) (i32.add (i32.const 48) (i32.load (i32.const 8))))
          (call $set_bytes (i32.const 600) (i32.const 5)))"#,
    );
    check(
        &wat,
        &["a", "b"],
        expect![[r#"
            "00800"
            "00800"
        "#]],
    );
}

#[test]
fn poll_oneoff_answers_as_wasi_wants() {
    // One event for a clock of 1 ms, with the userdata 7; then two subscriptions of which a descriptor is ready at once.
    let wat = guest(
        r#"(func $subscribe (param $at i32) (param $tag i32) (param $nanos i64)
            (i64.store (local.get $at) (i64.extend_i32_u (i32.add (local.get $tag) (i32.const 7))))
            (i32.store8 offset=8 (local.get $at) (local.get $tag))
            (i32.store offset=16 (local.get $at) (i32.const 1))
            (i64.store offset=24 (local.get $at) (local.get $nanos)))
        (func (export "process")
          (call $subscribe (i32.const 1000) (i32.const 0) (i64.const 1000000))
          (i32.store8 (i32.const 600) (i32.add (i32.const 48) (call $poll (i32.const 1000) (i32.const 2000) (i32.const 1) (i32.const 3000))))
          (i32.store8 (i32.const 601) (i32.add (i32.const 48) (i32.load (i32.const 3000))))
          (i32.store8 (i32.const 602) (i32.add (i32.const 48) (i32.load (i32.const 2000))))
          (call $subscribe (i32.const 1048) (i32.const 1) (i64.const 0))
          (call $subscribe (i32.const 1000) (i32.const 0) (i64.const 3600000000000))
          (i32.store8 (i32.const 603) (i32.add (i32.const 48) (call $poll (i32.const 1000) (i32.const 2000) (i32.const 2) (i32.const 3000))))
          (i32.store8 (i32.const 604) (i32.add (i32.const 48) (i32.load (i32.const 3000))))
          (i32.store8 (i32.const 605) (i32.add (i32.const 48) (i32.load (i32.const 2000))))
          (i32.store8 (i32.const 606) (i32.add (i32.const 48) (call $poll (i32.const 1000) (i32.const 2000) (i32.const 0) (i32.const 3000))))
          (i32.store8 (i32.const 607) (i32.add (i32.const 48) (call $poll (i32.const 65530) (i32.const 2000) (i32.const 1) (i32.const 3000))))
          (i32.store8 (i32.const 608) (i32.add (i32.const 48) (call $poll (i32.const 1000) (i32.const -1) (i32.const 2) (i32.const 3000))))
          (i32.store8 (i32.const 609) (i32.add (i32.const 48) (call $poll (i32.const 1000) (i32.const 2000) (i32.const 4097) (i32.const 3000))))
          (call $set_bytes (i32.const 600) (i32.const 10)))"#,
    );
    check(
        &wat,
        &["a"],
        expect![[r#"
            "017018LEEL"
        "#]],
    );
}

#[test]
fn time_and_randomness_are_real() {
    let wat = guest(
        r#"(func (export "process")
          (drop (call $clock (i32.const 0) (i64.const 1) (i32.const 600)))
          (drop (call $random (i32.const 608) (i32.const 8)))
          (call $set_bytes (i32.const 600) (i32.const 16)))"#,
    );
    let run = move || {
        let module = Module::new(engine(), wat.as_bytes()).expect("a module");
        let guest = Guest::new(engine(), &module, config()).expect("a guest");
        let mut message = Message::default();
        let mut instance = guest.instantiate(soon()).expect("an instance");
        instance.call(&mut message, &engine().enter().expect("a large stack")).expect("a call");
        let nanos = u64::from_le_bytes(*message.content().first_chunk().expect("8 bytes"));
        (Duration::from_nanos(nanos), message.content().slice(8..))
    };
    let run = move || (run(), run());
    let (one, two) = spawn_thread("guest", run).expect("a thread").join().expect("no panic");
    let now = std::time::UNIX_EPOCH.elapsed().expect("after 1970");
    assert!(
        now - Duration::from_secs(60) < one.0 && one.0 < two.0 && two.0 <= now,
        "{one:?} {two:?} {now:?}"
    );
    assert_ne!(one.1, two.1);
}

#[test]
fn a_shutdown_interrupts_it() {
    for body in ["(loop (br 0))", SLEEP_AN_HOUR] {
        let wat = bad(body, "");
        let interrupt = Interrupt::new();
        let raise = interrupt.clone();
        let (started, start) = mpsc::sync_channel(1);
        let run = move || {
            let module = Module::new(engine(), wat.as_bytes()).expect("a module");
            let mut config = config();
            config.interrupt = interrupt;
            let guest = Guest::new(engine(), &module, config).expect("a guest");
            let mut instance = guest.instantiate(soon()).expect("an instance");
            let mut message = Message::new("bad");
            started.send(()).expect("the test waits");
            let err = instance.call(&mut message, &engine().enter().expect("a large stack"));
            assert_eq!(message.content(), "bad");
            let after = guest.instantiate(soon()).expect_err("nothing starts after a shutdown");
            (err.expect_err("it does not end").kind(), after.kind())
        };
        let guest = spawn_thread("guest", run).expect("a thread");
        start.recv().expect("it starts");
        // So that it is in its loop, or asleep, when it is interrupted; either way the outcome is the same.
        thread::sleep(Duration::from_millis(30));
        let began = Instant::now();
        raise.raise();
        assert_eq!(guest.join().expect("no panic"), (Kind::Interrupted, Kind::Interrupted));
        assert!(began.elapsed() < Duration::from_secs(10));
    }
}

/// Each text that a guest of v0 asks for is one that the host must have it free again.
#[test]
fn it_asks_for_texts_without_end() {
    let endless = bad("(loop $again (drop (call $as_bytes)) (br $again))", "");
    let told = told(&endless, ["ok", "bad", "ok"].map(Message::new).to_vec(), |config| {
        config.limits.timeout = Duration::from_secs(300);
    });
    expect![[r#"
        "ok" k=k
        "bad" [output: the guest asked for more than 1048576 texts in one message] (spent)
        "ok" k=k
    "#]]
    .assert_eq(&told);
}
