//! The guests that hold up time itself: rows of calls without a loop, and calls that have much to do. A message that is
//! far over its time fails for that, soon after.

use std::{
    thread,
    time::{Duration, Instant},
};

use wappa_message::Message;
use wappa_wasm::{Guest, Kind, Module, spawn_thread};

use crate::{
    harness::{V1_IMPORTS, config, engine, soon},
    parts::Parts,
    world::{SEND, SIX_DIGITS},
};

const TIMEOUT: Duration = Duration::from_millis(100);

/// Far more than a busy machine needs to notice, and far less than each of these guests would take.
const NOTICED: Duration = Duration::from_secs(8);

/// The kind of the failure of one message, and how long it took.
fn failure(module: Vec<u8>) -> (Option<Kind>, Duration) {
    let run = move || {
        let module = Module::new(engine(), &module).expect("a module");
        let mut config = config();
        config.limits.timeout = TIMEOUT;
        config.limits.memory = 4 << 30;
        let guest = Guest::new(engine(), &module, config).expect("a guest");
        let mut instance = guest.instantiate(soon()).expect("it starts");
        let ctx = engine().enter().expect("a large stack");
        let began = Instant::now();
        let ended = instance.call(&mut Message::new("b"), &ctx);
        (ended.err().map(|it| it.kind()), began.elapsed())
    };
    spawn_thread("guest", run).expect("a thread").join().expect("no panic")
}

fn check(what: &str, module: Vec<u8>) {
    let (kind, took) = failure(module);
    assert_eq!(kind, Some(Kind::Timeout), "{what}, after {took:?}");
    assert!(took < NOTICED, "{what} took {took:?}");
}

/// A guest of v1 with 64 MiB of memory whose function `$row` does the same so many times in a row.
fn row(export: &str, call: &str, times: usize, more: &str) -> Vec<u8> {
    let calls = call.repeat(times);
    format!(
        r#"(module {V1_IMPORTS}
          (import "bento_wasm" "v0_msg_set_bytes" (func $v0_set (param i32 i32)))
          (import "bento_wasm" "v0_msg_set_meta" (func $v0_set_meta (param i32 i32 i32 i32)))
          (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
          (memory (export "memory") 1024)
          (data (i32.const 8) "\00\00\10\00\00\00\40\00") ;; 4 MiB from 1 MiB on
          (func $row {calls})
          (func (export "{export}") {more} (call $row) {end})
          {process})"#,
        end = if export == "process" { "" } else { "(i32.const 0)" },
        process = if export == "process" { "" } else { r#"(func (export "process"))"# },
    )
    .into_bytes()
}

#[test]
fn a_row_of_calls_without_a_loop_ends_at_the_deadline() {
    for (call, times) in [
        ("(call $content_write (i32.const 64) (i32.const 60000000))", 2000),
        ("(call $v0_set (i32.const 64) (i32.const 60000000))", 2000),
        ("(call $meta_set (i32.const 0) (i32.const 1) (i32.const 64) (i32.const 30000000))", 4000),
        ("(call $v0_set_meta (i32.const 0) (i32.const 1) (i32.const 64) (i32.const 30000000))", 4000),
        ("(call $random (i32.const 64) (i32.const 60000000))", 500),
        ("(drop (call $random_get (i32.const 64) (i32.const 60000000)))", 500),
        ("(drop (call $fd_write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 0)))", 2000),
        (
            "(call $fail (i32.const 64) (i32.const 60000000)) (call $log (i32.const 2) (i32.const 64) (i32.const 60000000))",
            10_000,
        ),
    ] {
        check(call, row("process", call, times, ""));
    }
}

#[test]
fn keys_that_are_nowhere_cost_little() {
    for call in [
        "(drop (call $config_get (i32.const 64) (i32.const 60000000) (i32.const 0) (i32.const 0)))",
        "(drop (call $meta_get (i32.const 64) (i32.const 60000000) (i32.const 0) (i32.const 0)))",
        "(drop (call $meta_delete (i32.const 64) (i32.const 60000000)))",
    ] {
        let (_, took) = failure(row("process", call, 5000, ""));
        assert!(took < NOTICED, "{call} took {took:?}");
    }
}

#[test]
fn one_long_call_ends_at_the_deadline() {
    // Empty lines, each of which has to be found.
    let fill = "(memory.fill (i32.const 64) (i32.const 10) (i32.const 67000000))
        (i32.store (i32.const 8) (i32.const 64)) (i32.store (i32.const 12) (i32.const 67000000))";
    let write = "(drop (call $fd_write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 0)))";
    check("lines", row("process", write, 8, fill));
    let grow = "(drop (memory.grow (i32.const 50000)))";
    check("random bytes", row("process", "(call $random (i32.const 64) (i32.const 3000000000))", 1, grow));
}

/// One instruction copies a whole table without looking at the time, so a table has a size that this is quick for.
#[test]
fn a_table_is_no_larger_than_can_be_copied_in_time() {
    // Too large for a pooled slot, which has a bound of its own.
    let guest = |body: &str| {
        format!(
            r#"(module (memory (export "memory") 1) (table $t 100001 funcref)
              (func $is (param $actual i32) (param $expected i32)
                (if (i32.ne (local.get $actual) (local.get $expected)) (then unreachable)))
              (func (export "process")
                (call $is (table.grow $t (ref.null func) (i32.const 899999)) (i32.const 100001)) {body}))"#
        )
        .into_bytes()
    };
    let (kind, _) = failure(guest("(call $is (table.grow $t (ref.null func) (i32.const 1)) (i32.const -1))"));
    assert_eq!(kind, None, "it grows to a million, and no further");
    let copy = "(table.copy (i32.const 0) (i32.const 1) (i32.const 999999))";
    check("a row of copies of a table", guest(&copy.repeat(2000)));

    let declared =
        r#"(module (memory (export "memory") 1) (table 1000001 funcref) (func (export "process")))"#;
    let module = Module::new(engine(), declared.as_bytes()).expect("a module");
    let guest = Guest::new(engine(), &module, config()).expect("a guest");
    let error = guest.instantiate(soon()).expect_err("it does not start");
    assert_eq!(error.kind(), Kind::Instance, "{error}");
}

#[test]
fn a_row_of_calls_at_the_start_ends_when_the_host_shuts_down() {
    let write = "(drop (call $fd_write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 0)))";
    let random = "(drop (call $random_get (i32.const 64) (i32.const 60000000)))";
    for call in [write, random] {
        let module = row("wappa_init", call, 2000, "(result i32)");
        let run = move || {
            let module = Module::new(engine(), &module).expect("a module");
            let config = config();
            let interrupt = config.interrupt.clone();
            let guest = Guest::new(engine(), &module, config).expect("a guest");
            let raising = thread::spawn(move || {
                thread::sleep(TIMEOUT);
                interrupt.raise();
            });
            let began = Instant::now();
            let started = guest.instantiate(soon());
            raising.join().expect("no panic");
            (started.err().map(|it| it.kind()), began.elapsed())
        };
        let (kind, took) = spawn_thread("guest", run).expect("a thread").join().expect("no panic");
        assert_eq!(kind, Some(Kind::Interrupted), "{call}");
        assert!(took < NOTICED, "{call} took {took:?}");
    }
}

/// The same for a component, whose memory has a few pages more for what it hands over.
fn component(bad: &str) -> Vec<u8> {
    Parts { bad, ..Parts::default() }.component()
}

#[test]
fn a_row_of_calls_of_a_component_ends_at_the_deadline() {
    let grow = "(drop (memory.grow (i32.const 900)))";
    for (call, times) in [
        ("(call $log (i32.const 2) (i32.const 131072) (i32.const 50000000))", 2000),
        (
            "(call $set (local.get $b) (local.get $i) (i32.const 2048) (i32.const 1) (i32.const 1) (i32.const 131072)
               (i32.const 3000000))",
            2000,
        ),
    ] {
        check(call, component(&format!("{grow} {}", call.repeat(times))));
    }
}

/// Toolchains put a small function before most of what a component imports, and where a function begins the time is looked
/// at. By hand it is done without.
#[test]
fn a_row_of_calls_that_a_component_makes_directly_ends_at_the_deadline() {
    let calls = "(call $log (i32.const 2) (i32.const 2048) (i32.const 60000000))".repeat(300);
    check("calls of the log", wat::parse_str(DIRECT.replace("(; calls ;)", &calls)).expect("it is text"));
}

const DIRECT: &str = r#"(component
  (import "wappa:processor/types@1.0.0" (instance $types
    (export "batch" (type (sub resource)))
    (type $v (variant (case "text" string) (case "bytes" (list u8)) (case "json" string)))
    (export "value" (type $value (eq $v)))
    (type $m (record (field "content" (list u8)) (field "metadata" (list (tuple string $value)))))
    (export "message" (type $message (eq $m)))
    (type $d (variant (case "keep") (case "filter") (case "content" (list u8)) (case "send" (list $message))
      (case "fail" string)))
    (export "disposition" (type (eq $d)))))
  (import "wappa:processor/log@1.0.0" (instance $log
    (type $l (enum "trace" "debug" "info" "warn" "error"))
    (export "level" (type $level (eq $l)))
    (export "log" (func (param "level" $level) (param "text" string)))))
  (alias export $types "batch" (type $batch))
  (alias export $types "disposition" (type $disposition))
  (core module $store
    (memory (export "memory") 1024)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024)))
  (core instance $store (instantiate $store))
  (core func $log (canon lower (func $log "log") (memory $store "memory")))
  (core module $main
    (import "store" "memory" (memory 1024))
    (import "host" "log" (func $log (param i32 i32 i32)))
    (func (export "configure") (param i32 i32) (result i32) (i32.const 512))
    (func (export "process") (param i32) (result i32)
      (; calls ;)
      ;; One that is kept.
      (i32.store (i32.const 512) (i32.const 1024)) (i32.store (i32.const 516) (i32.const 1)) (i32.const 512)))
  (core instance $main (instantiate $main
    (with "store" (instance $store))
    (with "host" (instance (export "log" (func $log))))))
  (func $configure (param "config" (list (tuple string string))) (result (result (error string)))
    (canon lift (core func $main "configure") (memory $store "memory") (realloc (func $store "realloc"))))
  (func $process (param "batch" (own $batch)) (result (list $disposition))
    (canon lift (core func $main "process") (memory $store "memory") (realloc (func $store "realloc"))))
  (instance $transform (export "configure" (func $configure)) (export "process" (func $process)))
  (export "wappa:processor/transform@1.0.0" (instance $transform)))"#;

/// Sends one message with so many keys, each of which belongs in front of those before it.
#[test]
fn keys_in_descending_order_cost_no_more_than_others() {
    const KEYS: usize = 300_000;
    let bad = format!(
        "(drop (memory.grow (i32.const 400)))
         (call $sending (i32.const 262144) (i32.const 1) (i32.const {KEYS}) (i32.const 1) (i32.const 0) (i32.const 0)
           (i32.const 0))"
    );
    let more = SIX_DIGITS.to_owned() + SEND;
    let module = Parts { bad: &bad, more: &more, ..Parts::default() }.component();
    let run = move || {
        let module = Module::new(engine(), &module).expect("a module");
        let guest = Guest::new(engine(), &module, config()).expect("a guest");
        let mut instance = guest.instantiate(soon()).expect("it starts");
        let ctx = engine().enter().expect("a large stack");
        let began = Instant::now();
        let called = instance.call(&mut Message::new("b"), &ctx);
        (called, began.elapsed())
    };
    let (called, took) = spawn_thread("guest", run).expect("a thread").join().expect("no panic");
    match called.expect("within the limits") {
        wappa_wasm::Called::Sent(sent) => assert_eq!(sent[0].metadata().len(), KEYS),
        other => panic!("{other:?}"),
    }
    assert!(took < 2 * NOTICED, "{took:?}");
}

/// As many as fit into the memory, all of them empty, again and again: whoever looks through all of them has no time for
/// anything else.
#[test]
fn buffers_of_one_call_are_few() {
    let calls = "(drop (call $fd_write (i32.const 1) (i32.const 65536) (i32.const 16000000) (i32.const 0)))
                 (drop (call $fd_read (i32.const 0) (i32.const 65536) (i32.const 16000000) (i32.const 0)))"
        .repeat(50);
    let module = format!(
        r#"(module
          (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
          (memory (export "memory") 2000)
          (func (export "process") {calls}))"#
    );
    let run = move || {
        let module = Module::new(engine(), module.as_bytes()).expect("a module");
        let guest = Guest::new(engine(), &module, config()).expect("a guest");
        let mut instance = guest.instantiate(soon()).expect("it starts");
        let ctx = engine().enter().expect("a large stack");
        instance.call(&mut Message::new("b"), &ctx).map(|_| ()).map_err(|it| it.mark_text())
    };
    assert_eq!(spawn_thread("guest", run).expect("a thread").join().expect("no panic"), Ok(()));
}
