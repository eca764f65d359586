//! The guests that mean harm once more, as guests of interface v1: the message after them is fine, and all bounds hold.

use std::time::{Duration, Instant};

use expect_test::{Expect, expect};
use wappa_message::Message;
use wappa_wasm::{Guest, Kind, Module, Run, spawn_thread};

use crate::harness::{V1_IMPORTS, check_run, check_start, config, engine, run_binary, soon, told};

/// Everything of v1 and some of v0. A message that begins with `b` gets the body; before it the content is emptied and
/// a key set, of which nothing may be left if it fails.
fn bad(body: &str, more: &str) -> String {
    with_allocator(
        body,
        r#"(func (export "malloc") (param i32) (result i32) (i32.const 32768)) (func (export "free") (param i32))"#,
        more,
    )
}

fn with_allocator(body: &str, allocator: &str, more: &str) -> String {
    format!(
        r#"(module
      {V1_IMPORTS}
      (import "bento_wasm" "v0_msg_as_bytes" (func $as_bytes (result i64)))
      (import "bento_wasm" "v0_msg_set_bytes" (func $set_bytes (param i32 i32)))
      (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
      (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
      (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
      (memory (export "memory") 2)
      (data (i32.const 300) "k")
      {allocator}
      (func $bad {body})
      (func $process (export "process")
        (drop (call $content_read (i32.const 0) (i32.const 1000) (i32.const 10)))
        (call $content_write (i32.const 0) (i32.const 0))
        (call $meta_set (i32.const 300) (i32.const 1) (i32.const 300) (i32.const 1))
        (if (i32.eq (i32.load8_u (i32.const 1000)) (i32.const 98)) (then (call $bad) (return)))
        (call $content_write (i32.const 1000) (i32.const 2)))
      {more})"#
    )
}

fn told_bad(wat: &str) -> String {
    told(wat, ["ok", "bad", "ok"].map(Message::new).into(), |it| {
        it.limits.timeout = Duration::from_millis(50);
        it.limits.memory = 1 << 20;
        it.limits.output = 64 << 10;
        it.limits.log_lines_per_second = 10;
    })
}

/// What is told of the message in the middle. The others must be whole.
fn verdict(told: &str) -> String {
    let lines: Vec<&str> = told.lines().filter(|it| !it.starts_with("log ")).collect();
    match lines[..] {
        ["\"ok\" k=k", bad, "\"ok\" k=k"] => bad.to_string(),
        _ => format!("the other messages are not whole: {told}"),
    }
}

/// One line for each: what it does, and what becomes of the message.
fn each(bodies: &[&str]) -> String {
    bodies.iter().map(|body| format!("{body}\n    {}\n", verdict(&told_bad(&bad(body, ""))))).collect()
}

#[test]
fn it_does_not_end() {
    let told = each(&[
        "(loop (br 0))",
        "(loop (drop (call $content_len)) (br 0))",
        "(loop (call $content_write (i32.const 0) (i32.const 60000)) (br 0))",
        "(loop (call $random (i32.const 0) (i32.const 131072)) (br 0))",
        "(loop (drop (call $meta_keys (i32.const 0) (i32.const 100000))) (br 0))",
        "(loop (call $fail (i32.const 0) (i32.const 131072)) (br 0))",
        "(loop (call $filter) (br 0))",
        "(loop (drop (call $as_bytes)) (br 0))",
        "(loop (drop (memory.grow (i32.const 0))) (br 0))",
        "(i64.store (i32.const 24) (i64.const 3600000000000)) (i32.store (i32.const 16) (i32.const 1)) (drop (call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 100)))",
        "(loop (call $count (i32.const 300) (i32.const 1) (i64.const 0x7fffffffffffffff)) (br 0))",
    ]);
    expect![[r#"
        (loop (br 0))
            "bad" [timeout: over the limit of 50ms (`timeout`)] (spent)
        (loop (drop (call $content_len)) (br 0))
            "bad" [timeout: over the limit of 50ms (`timeout`)] (spent)
        (loop (call $content_write (i32.const 0) (i32.const 60000)) (br 0))
            "bad" [timeout: over the limit of 50ms (`timeout`)] (spent)
        (loop (call $random (i32.const 0) (i32.const 131072)) (br 0))
            "bad" [timeout: over the limit of 50ms (`timeout`)] (spent)
        (loop (drop (call $meta_keys (i32.const 0) (i32.const 100000))) (br 0))
            "bad" [timeout: over the limit of 50ms (`timeout`)] (spent)
        (loop (call $fail (i32.const 0) (i32.const 131072)) (br 0))
            "bad" [timeout: over the limit of 50ms (`timeout`)] (spent)
        (loop (call $filter) (br 0))
            "bad" [timeout: over the limit of 50ms (`timeout`)] (spent)
        (loop (drop (call $as_bytes)) (br 0))
            "bad" [timeout: over the limit of 50ms (`timeout`)] (spent)
        (loop (drop (memory.grow (i32.const 0))) (br 0))
            "bad" [timeout: over the limit of 50ms (`timeout`)] (spent)
        (i64.store (i32.const 24) (i64.const 3600000000000)) (i32.store (i32.const 16) (i32.const 1)) (drop (call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 100)))
            "bad" [timeout: over the limit of 50ms (`timeout`)] (spent)
        (loop (call $count (i32.const 300) (i32.const 1) (i64.const 0x7fffffffffffffff)) (br 0))
            "bad" [timeout: over the limit of 50ms (`timeout`)] (spent)
    "#]].assert_eq(&told);
}

#[test]
fn it_traps_exits_and_recurses() {
    let told = each(&[
        "unreachable",
        "(drop (i32.load (i32.const 999999)))",
        "(call $bad)",
        "(call $proc_exit (i32.const 3))",
        "(call $proc_exit (i32.const 0))",
        "(call $emit) (call $emit) unreachable",
        "(call $filter) unreachable",
        "(call $fail (i32.const 300) (i32.const 1)) unreachable",
    ]);
    expect![[r#"
        unreachable
            "bad" [trap: unreachable] (spent)
        (drop (i32.load (i32.const 999999)))
            "bad" [trap: out of bounds memory access] (spent)
        (call $bad)
            "bad" [trap: stack overflow] (spent)
        (call $proc_exit (i32.const 3))
            "bad" [exit: the guest exited with code 3] (spent)
        (call $proc_exit (i32.const 0))
            "bad" [exit: the guest exited with code 0] (spent)
        (call $emit) (call $emit) unreachable
            "bad" [trap: unreachable] (spent)
        (call $filter) unreachable
            "bad" [trap: unreachable] (spent)
        (call $fail (i32.const 300) (i32.const 1)) unreachable
            "bad" [trap: unreachable] (spent)
    "#]]
    .assert_eq(&told);
}

/// As compilers do it, whose stack is in the memory. Its end is not the engine's to see.
#[test]
fn its_own_stack_is_used_up() {
    let push = "(global.set $sp (i32.sub (global.get $sp) (i32.const 64))) (i32.store (global.get $sp) (i32.const 1))";
    let pop = "(global.set $sp (i32.add (global.get $sp) (i32.const 64)))";
    let deep = |body: &str| {
        let more = format!(
            r#"(global $sp (mut i32) (i32.const 8192))
            (func $descend {push} (call $descend) {pop})
            (func $even {push} (call $odd) {pop})
            (func $odd {push} (call $even) {pop})
            (func $a {push} (call $b) {pop}) (func $b (call $c)) (func $c (call $d)) (func $d {push} (call $e) {pop})
            (func $e (call $f)) (func $f (call $g)) (func $g (call $a))"#
        );
        format!("{body}\n    {}\n", verdict(&told_bad(&bad(body, &more))))
    };
    let told: String = ["(call $descend)", "(call $even)", "(call $a)"].map(deep).concat();
    expect![[r#"
        (call $descend)
            "bad" [trap: out of bounds memory access deep in a recursion of `descend`, which used up the guest's stack as it seems] (spent)
        (call $even)
            "bad" [trap: out of bounds memory access deep in a recursion of `even`, which used up the guest's stack as it seems] (spent)
        (call $a)
            "bad" [trap: out of bounds memory access] (spent)
    "#]].assert_eq(&told);
}

#[test]
fn wild_pointers_and_lengths() {
    let told = each(&[
        "(drop (call $content_read (i32.const 0) (i32.const -1) (i32.const -1))) (call $content_write (i32.const -1) (i32.const -1))",
        "(drop (call $meta_get (i32.const -1) (i32.const -1) (i32.const 0) (i32.const 0)))",
        "(drop (call $meta_get (i32.const 300) (i32.const 1) (i32.const -1) (i32.const -1)))",
        "(drop (call $meta_get_json (i32.const 300) (i32.const 1) (i32.const 131070) (i32.const -1)))",
        "(call $meta_set (i32.const 300) (i32.const 1) (i32.const 131072) (i32.const 1))",
        "(call $meta_set (i32.const 0x80000000) (i32.const 0x80000000) (i32.const 0) (i32.const 0))",
        "(call $meta_set_json (i32.const 300) (i32.const 1) (i32.const -1) (i32.const -1))",
        "(drop (call $meta_delete (i32.const -1) (i32.const 1)))",
        "(drop (call $meta_keys (i32.const -1) (i32.const -1)))",
        "(drop (call $error_get (i32.const -1) (i32.const -1)))",
        "(call $fail (i32.const -1) (i32.const -1))",
        "(drop (call $config_get (i32.const -1) (i32.const -1) (i32.const -1) (i32.const -1)))",
        "(call $log (i32.const 0) (i32.const -1) (i32.const -1))",
        "(call $log (i32.const -1) (i32.const 0) (i32.const 0))",
        "(call $count (i32.const -1) (i32.const -1) (i64.const -1))",
        "(call $random (i32.const 131071) (i32.const -1))",
        "(call $set_bytes (i32.const -1) (i32.const -1))",
    ]);
    expect![[r#"
        (drop (call $content_read (i32.const 0) (i32.const -1) (i32.const -1))) (call $content_write (i32.const -1) (i32.const -1))
            "bad" [host call: `v1_content_write`: the content is outside of the guest's memory] (spent)
        (drop (call $meta_get (i32.const -1) (i32.const -1) (i32.const 0) (i32.const 0)))
            "bad" [host call: `v1_meta_get`: the key is outside of the guest's memory] (spent)
        (drop (call $meta_get (i32.const 300) (i32.const 1) (i32.const -1) (i32.const -1)))
            "bad" [host call: `v1_meta_get`: the buffer is outside of the guest's memory] (spent)
        (drop (call $meta_get_json (i32.const 300) (i32.const 1) (i32.const 131070) (i32.const -1)))
            "bad" [host call: `v1_meta_get_json`: the buffer is outside of the guest's memory] (spent)
        (call $meta_set (i32.const 300) (i32.const 1) (i32.const 131072) (i32.const 1))
            "bad" [host call: `v1_meta_set`: the value is outside of the guest's memory] (spent)
        (call $meta_set (i32.const 0x80000000) (i32.const 0x80000000) (i32.const 0) (i32.const 0))
            "bad" [host call: `v1_meta_set`: the key is outside of the guest's memory] (spent)
        (call $meta_set_json (i32.const 300) (i32.const 1) (i32.const -1) (i32.const -1))
            "bad" [host call: `v1_meta_set_json`: the value is outside of the guest's memory] (spent)
        (drop (call $meta_delete (i32.const -1) (i32.const 1)))
            "bad" [host call: `v1_meta_delete`: the key is outside of the guest's memory] (spent)
        (drop (call $meta_keys (i32.const -1) (i32.const -1)))
            "bad" [host call: `v1_meta_keys`: the buffer is outside of the guest's memory] (spent)
        (drop (call $error_get (i32.const -1) (i32.const -1)))
            "" k=k
        (call $fail (i32.const -1) (i32.const -1))
            "bad" [host call: `v1_fail`: the reason is outside of the guest's memory] (spent)
        (drop (call $config_get (i32.const -1) (i32.const -1) (i32.const -1) (i32.const -1)))
            "bad" [host call: `v1_config_get`: the key is outside of the guest's memory] (spent)
        (call $log (i32.const 0) (i32.const -1) (i32.const -1))
            "bad" [host call: `v1_log`: the text is outside of the guest's memory] (spent)
        (call $log (i32.const -1) (i32.const 0) (i32.const 0))
            "bad" [host call: `v1_log`: there is no level 4294967295: 0 is trace, 4 is error] (spent)
        (call $count (i32.const -1) (i32.const -1) (i64.const -1))
            "bad" [host call: `v1_counter_add`: the name is outside of the guest's memory] (spent)
        (call $random (i32.const 131071) (i32.const -1))
            "bad" [host call: `v1_random`: the buffer is outside of the guest's memory] (spent)
        (call $set_bytes (i32.const -1) (i32.const -1))
            "" k=k [host call: failed to read out-bound memory: prevented read]
    "#]].assert_eq(&told);
}

#[test]
fn it_wants_all_memory() {
    let grow = "(loop (br_if 0 (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))";
    let told = each(&[grow, &format!("{grow} unreachable")]);
    expect![[r#"
        (loop (br_if 0 (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
            "" k=k
        (loop (br_if 0 (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) unreachable
            "bad" [memory: unreachable after the guest was refused more memory (`memory_limit`)] (spent)
    "#]]
    .assert_eq(&told);
}

/// `[0,0,…]`, 400,001 bytes.
const ZEROES: &str = "(local $i i32)
    (drop (memory.grow (i32.const 10)))
    (memory.fill (i32.const 131072) (i32.const 48) (i32.const 400000))
    (i32.store8 (i32.const 131072) (i32.const 91))
    (i32.store8 (i32.const 531072) (i32.const 93))
    (local.set $i (i32.const 131074))
    (loop
      (i32.store8 (local.get $i) (i32.const 44))
      (local.set $i (i32.add (local.get $i) (i32.const 2)))
      (br_if 0 (i32.lt_u (local.get $i) (i32.const 531071))))
    (call $meta_set_json (i32.const 300) (i32.const 1) (i32.const 131072) (i32.const 400001))";

#[test]
fn it_wants_the_hosts_memory() {
    // A new key with each turn.
    let key = "(local.set $i (i32.add (local.get $i) (i32.const 1)))
        (i32.store (i32.const 200) (i32.or (i32.const 0x40404040) (i32.and (local.get $i) (i32.const 0x3f3f3f3f))))";
    let told = each(&[
        "(call $content_write (i32.const 0) (i32.const 70000))",
        "(loop (call $emit) (br 0))",
        "(call $content_write (i32.const 0) (i32.const 30000)) (call $emit) (call $emit) (call $emit)",
        // Emitted first, grown later.
        "(call $content_write (i32.const 0) (i32.const 30000)) (call $emit) (call $content_write (i32.const 0) (i32.const 40000))",
        &format!(
            "(local $i i32) (loop {key} (call $meta_set (i32.const 200) (i32.const 4) (i32.const 0) (i32.const 0)) (br 0))"
        ),
        &format!(
            "(local $i i32) (loop {key} (call $meta_set (i32.const 200) (i32.const 4) (i32.const 0) (i32.const 0)) (call $emit) (br 0))"
        ),
        "(call $meta_set (i32.const 300) (i32.const 1) (i32.const 0) (i32.const 70000))",
        // A list of zeroes is small as text and large as a value.
        ZEROES,
        "(memory.fill (i32.const 4096) (i32.const 91) (i32.const 60000)) (call $meta_set_json (i32.const 300) (i32.const 1) (i32.const 4096) (i32.const 10000))",
    ]);
    expect![[r#"
        (call $content_write (i32.const 0) (i32.const 70000))
            "bad" [output: the message would be 70145 bytes, over the limit of 64KiB (`output_limit`)] (spent)
        (loop (call $emit) (br 0))
            "bad" [output: the message would be 65570 bytes, over the limit of 64KiB (`output_limit`)] (spent)
        (call $content_write (i32.const 0) (i32.const 30000)) (call $emit) (call $emit) (call $emit)
            "bad" [output: the message would be 90546 bytes, over the limit of 64KiB (`output_limit`)] (spent)
        (call $content_write (i32.const 0) (i32.const 30000)) (call $emit) (call $content_write (i32.const 0) (i32.const 40000))
            "bad" [output: the message would be 70418 bytes, over the limit of 64KiB (`output_limit`)] (spent)
        (local $i i32) (loop (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (i32.store (i32.const 200) (i32.or (i32.const 0x40404040) (i32.and (local.get $i) (i32.const 0x3f3f3f3f)))) (call $meta_set (i32.const 200) (i32.const 4) (i32.const 0) (i32.const 0)) (br 0))
            "bad" [output: the message would be 65561 bytes, over the limit of 64KiB (`output_limit`)] (spent)
        (local $i i32) (loop (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (i32.store (i32.const 200) (i32.or (i32.const 0x40404040) (i32.and (local.get $i) (i32.const 0x3f3f3f3f)))) (call $meta_set (i32.const 200) (i32.const 4) (i32.const 0) (i32.const 0)) (call $emit) (br 0))
            "bad" [output: the message would be 67456 bytes, over the limit of 64KiB (`output_limit`)] (spent)
        (call $meta_set (i32.const 300) (i32.const 1) (i32.const 0) (i32.const 70000))
            "bad" [output: the message would be 70000 bytes, over the limit of 64KiB (`output_limit`)] (spent)
        (local $i i32)
            (drop (memory.grow (i32.const 10)))
            (memory.fill (i32.const 131072) (i32.const 48) (i32.const 400000))
            (i32.store8 (i32.const 131072) (i32.const 91))
            (i32.store8 (i32.const 531072) (i32.const 93))
            (local.set $i (i32.const 131074))
            (loop
              (i32.store8 (local.get $i) (i32.const 44))
              (local.set $i (i32.add (local.get $i) (i32.const 2)))
              (br_if 0 (i32.lt_u (local.get $i) (i32.const 531071))))
            (call $meta_set_json (i32.const 300) (i32.const 1) (i32.const 131072) (i32.const 400001))
            "bad" [output: a JSON value takes more memory than the limit of 64KiB allows (`output_limit`)] (spent)
        (memory.fill (i32.const 4096) (i32.const 91) (i32.const 60000)) (call $meta_set_json (i32.const 300) (i32.const 1) (i32.const 4096) (i32.const 10000))
            "bad" [host call: `v1_meta_set_json`: the value is not JSON: invalid character '[' exceeded max depth] (spent)
    "#]].assert_eq(&told);
}

#[test]
fn it_floods_the_log() {
    for body in [
        "(loop (call $log (i32.const 4) (i32.const 0) (i32.const 131072)) (br 0))",
        "(loop (call $log (i32.const 0) (i32.const 300) (i32.const 1)) (br 0))",
        "(i32.store (i32.const 4) (i32.const 131072)) (loop (drop (call $fd_write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8))) (br 0))",
    ] {
        let told = told_bad(&bad(body, ""));
        assert!(verdict(&told).starts_with("\"bad\" [timeout: over the limit of 50ms"), "{told}");
        assert!(told.lines().count() < 40 && told.contains("over the rate of its log"), "{told}");
    }
}

/// What takes the host long ends in time as well, however much of it the guest asks for at once.
#[test]
fn one_call_of_a_host_function_is_not_long() {
    for body in [
        "(call $random (i32.const 0) (i32.const 0x6000000))",
        "(call $log (i32.const 4) (i32.const 0) (i32.const 0x6000000))",
        "(call $fail (i32.const 0) (i32.const 0x6000000))",
    ] {
        let wat = bad(&format!("(drop (memory.grow (i32.const 0x600))) (loop {body} (br 0))"), "");
        let run = move || {
            let module = Module::new(engine(), wat.as_bytes()).expect("a module");
            let mut config = config();
            config.limits.timeout = Duration::from_millis(50);
            let guest = Guest::new(engine(), &module, config).expect("a guest");
            let mut instance = guest.instantiate(soon()).expect("an instance");
            let ctx = engine().enter().expect("a large stack");
            let began = Instant::now();
            let err = instance.call(&mut Message::new("bad"), &ctx).expect_err("it does not end");
            (err.kind(), began.elapsed())
        };
        let (kind, took) = spawn_thread("guest", run).expect("a thread").join().expect("no panic");
        assert_eq!(kind, Kind::Timeout);
        // Without optimization, on a busy machine.
        assert!(took < Duration::from_secs(5), "{body}: {took:?}");
    }
}

#[test]
fn it_works_at_the_wrong_time() {
    let start = |more: &str| {
        let wat = bad("", more);
        check_start(&wat, config())
    };
    let told = [
        "(func $s (drop (call $content_len))) (start $s)",
        "(func $s (call $emit)) (start $s)",
        "(func $s (drop (call $next))) (start $s)",
        "(func $s (call $fail (i32.const 0) (i32.const 1))) (start $s)",
        "(func $s (call $bad) (loop (call $log (i32.const 9) (i32.const 0) (i32.const 0)) (br 0))) (start $s)",
        r#"(func (export "_initialize") (call $filter))"#,
        r#"(func (export "wappa_init") (result i32) (drop (call $meta_keys (i32.const 0) (i32.const 0))) (i32.const 0))"#,
    ]
    .map(|more| format!("{more}\n    {}\n", start(more)))
    .concat();
    expect![[r#"
        (func $s (drop (call $content_len))) (start $s)
            instance: instantiating: host call: `v1_content_len` outside of a message
        (func $s (call $emit)) (start $s)
            instance: instantiating: host call: `v1_emit` outside of a message
        (func $s (drop (call $next))) (start $s)
            instance: instantiating: host call: `v1_next` outside of a message
        (func $s (call $fail (i32.const 0) (i32.const 1))) (start $s)
            instance: instantiating: host call: `v1_fail` outside of a message
        (func $s (call $bad) (loop (call $log (i32.const 9) (i32.const 0) (i32.const 0)) (br 0))) (start $s)
            instance: instantiating: host call: `v1_log`: there is no level 9: 0 is trace, 4 is error
        (func (export "_initialize") (call $filter))
            instance: running `_initialize`: host call: `v1_filter` outside of a message
        (func (export "wappa_init") (result i32) (drop (call $meta_keys (i32.const 0) (i32.const 0))) (i32.const 0))
            instance: running `wappa_init`: host call: `v1_meta_keys` outside of a message
    "#]].assert_eq(&told);
    // After the last message.
    let after = |body: &str| {
        let wat = bad(&format!("(if (i32.ne (call $next) (i32.const -1)) (then unreachable)) {body}"), "");
        verdict(&told_bad(&wat))
    };
    let told = [
        "(drop (call $content_len))",
        "(drop (call $next))",
        "(call $emit)",
        "(call $fail (i32.const 0) (i32.const 1))",
        "unreachable",
    ]
    .map(|body| format!("{body}\n    {}\n", after(body)))
    .concat();
    expect![[r#"
        (drop (call $content_len))
            "" k=k (spent)
        (drop (call $next))
            "" k=k (spent)
        (call $emit)
            "" k=k (spent)
        (call $fail (i32.const 0) (i32.const 1))
            "" k=k (spent)
        unreachable
            "" k=k (spent)
    "#]]
    .assert_eq(&told);
}

/// Whatever an allocator does, every message is finished once.
#[test]
fn its_allocator_works_on_messages() {
    let messages: Vec<Message> = ["b1", "b2", "b3", "b4"].map(Message::new).into();
    let batches: Vec<&[Message]> = messages.chunks(1).collect();
    let malloc = r#"(func (export "malloc") (param i32) (result i32) (i32.const 32768))"#;
    let free = r#"(func (export "free") (param i32))"#;
    let loops = r#"(loop (drop (call $as_bytes)) (br_if 0 (i32.eq (call $next) (i32.const 1))))"#;
    let allocators = [
        format!(r#"{malloc}(func (export "free") (param i32) (drop (call $next)))"#),
        format!(
            r#"{free}(func (export "malloc") (param i32) (result i32) (drop (call $next)) (i32.const 32768))"#
        ),
        format!(r#"{malloc}(func (export "deallocate") (param i32 i32) (drop (call $next)))"#),
        format!(r#"{malloc}(func (export "free") (param i32) (call $filter))"#),
        format!(r#"{malloc}(func (export "free") (param i32) (call $emit) unreachable)"#),
        format!(r#"{malloc}(func (export "free") (param i32) (call $fail (i32.const 300) (i32.const 1)))"#),
        format!(r#"{malloc}(func (export "free") (param i32) (drop (call $as_bytes)))"#),
        format!(r#"{malloc}(func (export "free") (param i32) (loop (br 0)))"#),
    ];
    let mut told = String::new();
    for allocator in &allocators {
        for body in [loops, "(drop (call $as_bytes))", "(call $set_bytes (i32.const 0) (i32.const 1))"] {
            let wat = with_allocator(body, allocator, "");
            told += &format!("{allocator} {body}\n");
            let run =
                run_binary(wat.as_bytes(), &batches, |it| it.limits.timeout = Duration::from_millis(50));
            told.extend(run.lines().map(|it| format!("    {it}\n")));
        }
    }
    expect![[r#"
        (func (export "malloc") (param i32) (result i32) (i32.const 32768))(func (export "free") (param i32) (drop (call $next))) (loop (drop (call $as_bytes)) (br_if 0 (i32.eq (call $next) (i32.const 1))))
            (a new instance after 1)
            (a new instance after 2)
            (a new instance after 3)
            (a new instance after 4)
            "b1" failed: host call: `v1_next` inside of the guest's allocator
            "b2" failed: host call: `v1_next` inside of the guest's allocator
            "b3" failed: host call: `v1_next` inside of the guest's allocator
            "b4" failed: host call: `v1_next` inside of the guest's allocator
        (func (export "malloc") (param i32) (result i32) (i32.const 32768))(func (export "free") (param i32) (drop (call $next))) (drop (call $as_bytes))
            (a new instance after 1)
            (a new instance after 2)
            (a new instance after 3)
            (a new instance after 4)
            "b1" failed: host call: `v1_next` inside of the guest's allocator
            "b2" failed: host call: `v1_next` inside of the guest's allocator
            "b3" failed: host call: `v1_next` inside of the guest's allocator
            "b4" failed: host call: `v1_next` inside of the guest's allocator
        (func (export "malloc") (param i32) (result i32) (i32.const 32768))(func (export "free") (param i32) (drop (call $next))) (call $set_bytes (i32.const 0) (i32.const 1))
            "\0" k=k
            "\0" k=k
            "\0" k=k
            "\0" k=k
        (func (export "free") (param i32))(func (export "malloc") (param i32) (result i32) (drop (call $next)) (i32.const 32768)) (loop (drop (call $as_bytes)) (br_if 0 (i32.eq (call $next) (i32.const 1))))
            (a new instance after 1)
            (a new instance after 2)
            (a new instance after 3)
            (a new instance after 4)
            "b1" failed: host call: `v1_next` inside of the guest's allocator
            "b2" failed: host call: `v1_next` inside of the guest's allocator
            "b3" failed: host call: `v1_next` inside of the guest's allocator
            "b4" failed: host call: `v1_next` inside of the guest's allocator
        (func (export "free") (param i32))(func (export "malloc") (param i32) (result i32) (drop (call $next)) (i32.const 32768)) (drop (call $as_bytes))
            (a new instance after 1)
            (a new instance after 2)
            (a new instance after 3)
            (a new instance after 4)
            "b1" failed: host call: `v1_next` inside of the guest's allocator
            "b2" failed: host call: `v1_next` inside of the guest's allocator
            "b3" failed: host call: `v1_next` inside of the guest's allocator
            "b4" failed: host call: `v1_next` inside of the guest's allocator
        (func (export "free") (param i32))(func (export "malloc") (param i32) (result i32) (drop (call $next)) (i32.const 32768)) (call $set_bytes (i32.const 0) (i32.const 1))
            "\0" k=k
            "\0" k=k
            "\0" k=k
            "\0" k=k
        (func (export "malloc") (param i32) (result i32) (i32.const 32768))(func (export "deallocate") (param i32 i32) (drop (call $next))) (loop (drop (call $as_bytes)) (br_if 0 (i32.eq (call $next) (i32.const 1))))
            "" k=k
            "b2"
            "b3"
            "b4"
        (func (export "malloc") (param i32) (result i32) (i32.const 32768))(func (export "deallocate") (param i32 i32) (drop (call $next))) (drop (call $as_bytes))
            "" k=k
            "" k=k
            "" k=k
            "" k=k
        (func (export "malloc") (param i32) (result i32) (i32.const 32768))(func (export "deallocate") (param i32 i32) (drop (call $next))) (call $set_bytes (i32.const 0) (i32.const 1))
            (a new instance after 1)
            (a new instance after 2)
            (a new instance after 3)
            (a new instance after 4)
            "b1" failed: host call: `v1_next` inside of the guest's allocator
            "b2" failed: host call: `v1_next` inside of the guest's allocator
            "b3" failed: host call: `v1_next` inside of the guest's allocator
            "b4" failed: host call: `v1_next` inside of the guest's allocator
        (func (export "malloc") (param i32) (result i32) (i32.const 32768))(func (export "free") (param i32) (call $filter)) (loop (drop (call $as_bytes)) (br_if 0 (i32.eq (call $next) (i32.const 1))))
            nothing
            nothing
            nothing
            nothing
        (func (export "malloc") (param i32) (result i32) (i32.const 32768))(func (export "free") (param i32) (call $filter)) (drop (call $as_bytes))
            nothing
            nothing
            nothing
            nothing
        (func (export "malloc") (param i32) (result i32) (i32.const 32768))(func (export "free") (param i32) (call $filter)) (call $set_bytes (i32.const 0) (i32.const 1))
            "\0" k=k
            "\0" k=k
            "\0" k=k
            "\0" k=k
        (func (export "malloc") (param i32) (result i32) (i32.const 32768))(func (export "free") (param i32) (call $emit) unreachable) (loop (drop (call $as_bytes)) (br_if 0 (i32.eq (call $next) (i32.const 1))))
            (a new instance after 1)
            (a new instance after 2)
            (a new instance after 3)
            (a new instance after 4)
            "" k=k + "" k=k failed: host call: failed to free in-bound memory: unreachable
            "" k=k + "" k=k failed: host call: failed to free in-bound memory: unreachable
            "" k=k + "" k=k failed: host call: failed to free in-bound memory: unreachable
            "" k=k + "" k=k failed: host call: failed to free in-bound memory: unreachable
        (func (export "malloc") (param i32) (result i32) (i32.const 32768))(func (export "free") (param i32) (call $emit) unreachable) (drop (call $as_bytes))
            (a new instance after 1)
            (a new instance after 2)
            (a new instance after 3)
            (a new instance after 4)
            "" k=k + "" k=k failed: host call: failed to free in-bound memory: unreachable
            "" k=k + "" k=k failed: host call: failed to free in-bound memory: unreachable
            "" k=k + "" k=k failed: host call: failed to free in-bound memory: unreachable
            "" k=k + "" k=k failed: host call: failed to free in-bound memory: unreachable
        (func (export "malloc") (param i32) (result i32) (i32.const 32768))(func (export "free") (param i32) (call $emit) unreachable) (call $set_bytes (i32.const 0) (i32.const 1))
            "\0" k=k
            "\0" k=k
            "\0" k=k
            "\0" k=k
        (func (export "malloc") (param i32) (result i32) (i32.const 32768))(func (export "free") (param i32) (call $fail (i32.const 300) (i32.const 1))) (loop (drop (call $as_bytes)) (br_if 0 (i32.eq (call $next) (i32.const 1))))
            "b1" failed: fail: k
            "b2" failed: fail: k
            "b3" failed: fail: k
            "b4" failed: fail: k
        (func (export "malloc") (param i32) (result i32) (i32.const 32768))(func (export "free") (param i32) (call $fail (i32.const 300) (i32.const 1))) (drop (call $as_bytes))
            "b1" failed: fail: k
            "b2" failed: fail: k
            "b3" failed: fail: k
            "b4" failed: fail: k
        (func (export "malloc") (param i32) (result i32) (i32.const 32768))(func (export "free") (param i32) (call $fail (i32.const 300) (i32.const 1))) (call $set_bytes (i32.const 0) (i32.const 1))
            "\0" k=k
            "\0" k=k
            "\0" k=k
            "\0" k=k
        (func (export "malloc") (param i32) (result i32) (i32.const 32768))(func (export "free") (param i32) (drop (call $as_bytes))) (loop (drop (call $as_bytes)) (br_if 0 (i32.eq (call $next) (i32.const 1))))
            (a new instance after 1)
            (a new instance after 2)
            (a new instance after 3)
            (a new instance after 4)
            "b1" failed: timeout: over the limit of 50ms (`timeout`)
            "b2" failed: timeout: over the limit of 50ms (`timeout`)
            "b3" failed: timeout: over the limit of 50ms (`timeout`)
            "b4" failed: timeout: over the limit of 50ms (`timeout`)
        (func (export "malloc") (param i32) (result i32) (i32.const 32768))(func (export "free") (param i32) (drop (call $as_bytes))) (drop (call $as_bytes))
            (a new instance after 1)
            (a new instance after 2)
            (a new instance after 3)
            (a new instance after 4)
            "b1" failed: timeout: over the limit of 50ms (`timeout`)
            "b2" failed: timeout: over the limit of 50ms (`timeout`)
            "b3" failed: timeout: over the limit of 50ms (`timeout`)
            "b4" failed: timeout: over the limit of 50ms (`timeout`)
        (func (export "malloc") (param i32) (result i32) (i32.const 32768))(func (export "free") (param i32) (drop (call $as_bytes))) (call $set_bytes (i32.const 0) (i32.const 1))
            "\0" k=k
            "\0" k=k
            "\0" k=k
            "\0" k=k
        (func (export "malloc") (param i32) (result i32) (i32.const 32768))(func (export "free") (param i32) (loop (br 0))) (loop (drop (call $as_bytes)) (br_if 0 (i32.eq (call $next) (i32.const 1))))
            (a new instance after 1)
            (a new instance after 2)
            (a new instance after 3)
            (a new instance after 4)
            "b1" failed: timeout: over the limit of 50ms (`timeout`)
            "b2" failed: timeout: over the limit of 50ms (`timeout`)
            "b3" failed: timeout: over the limit of 50ms (`timeout`)
            "b4" failed: timeout: over the limit of 50ms (`timeout`)
        (func (export "malloc") (param i32) (result i32) (i32.const 32768))(func (export "free") (param i32) (loop (br 0))) (drop (call $as_bytes))
            (a new instance after 1)
            (a new instance after 2)
            (a new instance after 3)
            (a new instance after 4)
            "b1" failed: timeout: over the limit of 50ms (`timeout`)
            "b2" failed: timeout: over the limit of 50ms (`timeout`)
            "b3" failed: timeout: over the limit of 50ms (`timeout`)
            "b4" failed: timeout: over the limit of 50ms (`timeout`)
        (func (export "malloc") (param i32) (result i32) (i32.const 32768))(func (export "free") (param i32) (loop (br 0))) (call $set_bytes (i32.const 0) (i32.const 1))
            "\0" k=k
            "\0" k=k
            "\0" k=k
            "\0" k=k
    "#]].assert_eq(&told);
}

#[test]
fn what_was_sent_before_a_mistake_goes_on() {
    let wat = bad("(call $emit) (call $set_bytes (i32.const -1) (i32.const 9))", "");
    expect![[r#"
        sent before it: "" k=k
        "" k=k [host call: failed to read out-bound memory: prevented read]
    "#]]
    .assert_eq(&told(&wat, vec![Message::new("bad")], |_| {}));
    check_run(
        &wat,
        &[&[Message::new("bad")]],
        |_| {},
        expect![[r#"
            "" k=k + "" k=k failed: host call: failed to read out-bound memory: prevented read
        "#]],
    );
}

/// The end of a guest that does not end.
#[test]
fn closing_does_not_take_longer_than_a_message() {
    let check = |close: &str, expect: Expect| {
        let wat = bad("", &format!(r#"(func (export "wappa_close") {close})"#));
        check_run(&wat, &[&[Message::new("ok")]], |it| it.limits.timeout = Duration::from_millis(50), expect);
    };
    check(
        "(loop (br 0))",
        expect![[r#"
        "ok" k=k
        log Error: `wappa_close`: timeout: over the limit of 50ms (`timeout`)
    "#]],
    );
    check(
        "(call $proc_exit (i32.const 0))",
        expect![[r#"
        "ok" k=k
        log Error: `wappa_close`: exit: the guest exited with code 0
    "#]],
    );
    check(
        "(drop (call $next))",
        expect![[r#"
        "ok" k=k
        log Error: `wappa_close`: host call: `v1_next` outside of a message
    "#]],
    );
}

#[test]
fn names_of_functions_are_not_books() {
    let name = "n".repeat(50_000);
    let wat = bad(&format!("(call ${name})"), &format!("(func ${name} unreachable)"));
    let run = move || {
        let module = Module::new(engine(), wat.as_bytes()).expect("a module");
        let guest = Guest::new(engine(), &module, config()).expect("a guest");
        let mut instance = guest.instantiate(soon()).expect("an instance");
        let ctx = engine().enter().expect("a large stack");
        let err = instance.call(&mut Message::new("bad"), &ctx).expect_err("it traps");
        (err.mark_text(), err.backtrace().map(|it| it.len()))
    };
    let told = spawn_thread("guest", run).expect("a thread").join().expect("no panic");
    assert_eq!(told, ("trap: unreachable".to_string(), Some(348)));
}

#[test]
fn a_reason_is_cut() {
    let module = format!(
        r#"(module {V1_IMPORTS} (memory (export "memory") 2)
          (func (export "process") (memory.fill (i32.const 0) (i32.const 97) (i32.const 100000))
            (call $fail (i32.const 0) (i32.const 100000))))"#
    );
    let run = move || {
        let module = Module::new(engine(), module.as_bytes()).expect("a module");
        let guest = Guest::new(engine(), &module, config()).expect("a guest");
        let mut instance = guest.instantiate(soon()).expect("it starts");
        let ctx = engine().enter().expect("a large stack");
        let err = instance.call(&mut Message::new("a"), &ctx).expect_err("it fails");
        (err.reason().len(), err.reason().chars().last())
    };
    let told = spawn_thread("guest", run).expect("a thread").join().expect("no panic");
    assert_eq!(told, (4096 + "…".len(), Some('…')));
}

/// Once messages have grown by 16 MiB a turn ends, so that they leave before more is made.
#[test]
fn what_is_finished_goes_on_before_more_is_made() {
    let module = format!(
        r#"(module {V1_IMPORTS} (memory (export "memory") 160)
          (func (export "process") (call $content_write (i32.const 0) (i32.const 10000000))))"#
    );
    let run = move || {
        let module = Module::new(engine(), module.as_bytes()).expect("a module");
        let guest = Guest::new(engine(), &module, config()).expect("a guest");
        let mut instance = guest.instantiate(soon()).expect("it starts");
        let ctx = engine().enter().expect("a large stack");
        let mut run = Run::singles(vec![Message::new("a"); 5]);
        instance.run(&mut run, &ctx).expect("nothing interrupts it");
        run.n_done()
    };
    assert_eq!(spawn_thread("guest", run).expect("a thread").join().expect("no panic"), 2);
}
