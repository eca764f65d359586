//! The guests that mean harm once more, as components: the message after them is fine, and all bounds hold.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use expect_test::expect;
use wappa_message::{Message, Value};
use wappa_wasm::{Guest, GuestLog, Level, Module, Outcome, Run, spawn_thread};

use crate::{
    harness::{check_start_binary, config, engine, run_binary, soon},
    parts::{PREVIEW1, Parts, small, verdict},
    world::{WASI, with_instances},
};

fn told(parts: &Parts<'_>) -> String {
    verdict(&parts.told_with(|config| config.limits.log_lines_per_second = 10))
}

/// One line for each: what it does, and what becomes of the message.
fn each(bodies: &[&str]) -> String {
    bodies.iter().map(|bad| format!("{bad}\n    {}\n", told(&Parts { bad, ..Parts::default() }))).collect()
}

#[test]
fn it_does_not_end() {
    let told = each(&[
        "(loop (br 0))",
        "(loop (drop (call $len (local.get $b))) (br 0))",
        "(loop (global.set $heap (i32.const 65536)) (call $content (local.get $b) (local.get $i) (i32.const 2048)) (br 0))",
        "(loop (global.set $heap (i32.const 65536)) (call $metadata (local.get $b) (local.get $i) (i32.const 2048)) (br 0))",
        "(loop (drop (memory.grow (i32.const 0))) (br 0))",
        "(loop (call $count (i32.const 2048) (i32.const 1) (i64.const -1)) (br 0))",
        "(i32.store8 (i32.const 2048) (i32.const 107)) (loop (call $count (i32.const 2048) (i32.const 1) (i64.const -1)) (br 0))",
        "(loop (call $log (i32.const 4) (i32.const 2048) (i32.const 60000)) (br 0))",
        "(loop (call $log (i32.const 0) (i32.const 0) (i32.const 1)) (br 0))",
    ]);
    expect![[r#"
        (loop (br 0))
            "bad" [timeout: over the limit of 100ms (`timeout`)] (spent)
        (loop (drop (call $len (local.get $b))) (br 0))
            "bad" [timeout: over the limit of 100ms (`timeout`)] (spent)
        (loop (global.set $heap (i32.const 65536)) (call $content (local.get $b) (local.get $i) (i32.const 2048)) (br 0))
            "bad" [timeout: over the limit of 100ms (`timeout`)] (spent)
        (loop (global.set $heap (i32.const 65536)) (call $metadata (local.get $b) (local.get $i) (i32.const 2048)) (br 0))
            "bad" [timeout: over the limit of 100ms (`timeout`)] (spent)
        (loop (drop (memory.grow (i32.const 0))) (br 0))
            "bad" [timeout: over the limit of 100ms (`timeout`)] (spent)
        (loop (call $count (i32.const 2048) (i32.const 1) (i64.const -1)) (br 0))
            "bad" [host call: `counter-add`: the name of a counter has ASCII letters, digits and underscores, 1 to 64 of them] (spent)
        (i32.store8 (i32.const 2048) (i32.const 107)) (loop (call $count (i32.const 2048) (i32.const 1) (i64.const -1)) (br 0))
            "bad" [timeout: over the limit of 100ms (`timeout`)] (spent)
        (loop (call $log (i32.const 4) (i32.const 2048) (i32.const 60000)) (br 0))
            "bad" [timeout: over the limit of 100ms (`timeout`)] (spent)
        (loop (call $log (i32.const 0) (i32.const 0) (i32.const 1)) (br 0))
            "bad" [timeout: over the limit of 100ms (`timeout`)] (spent)
    "#]].assert_eq(&told);
}

#[test]
fn it_traps_recurses_and_is_wild() {
    let told = each(&[
        "unreachable",
        "(drop (i32.load (i32.const 99999999)))",
        "(call $bad (local.get $b) (local.get $i))",
        "(call $content (local.get $b) (i32.const -1) (i32.const 2048))",
        "(call $content (i32.const -1) (local.get $i) (i32.const 2048))",
        "(call $content (local.get $b) (local.get $i) (i32.const -4))",
        "(call $content (local.get $b) (local.get $i) (i32.const 2049))",
        "(call $log (i32.const 9) (i32.const 0) (i32.const 1))",
        "(call $log (i32.const 0) (i32.const -1) (i32.const -1))",
        "(i32.store8 (i32.const 2048) (i32.const 255)) (call $log (i32.const 0) (i32.const 2048) (i32.const 1))",
        "(call $count (i32.const -1) (i32.const 5) (i64.const 0))",
        "(call $set (local.get $b) (local.get $i) (i32.const -1) (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0))",
        "(call $set (local.get $b) (local.get $i) (i32.const 0) (i32.const 1) (i32.const 7) (i32.const 0) (i32.const 0))",
        "(call $set (local.get $b) (local.get $i) (i32.const 0) (i32.const 1) (i32.const 1) (i32.const 4) (i32.const -1))",
        "(call $dispose (i32.const 5) (i32.const 0) (i32.const 0))",
        "(call $dispose (i32.const 2) (i32.const -1) (i32.const 1))",
        "(call $dispose (i32.const 2) (i32.const 0) (i32.const -1))",
        "(call $dispose (i32.const 3) (i32.const 0) (i32.const -1))",
        "(call $dispose (i32.const 3) (i32.const 3) (i32.const 1))",
        "(call $dispose (i32.const 4) (i32.const -1) (i32.const 9))",
        "(call $drop_batch (local.get $b))",
        "(call $drop_batch (i32.const 12345))",
    ]);
    expect![[r#"
        unreachable
            "bad" [trap: unreachable] (spent)
        (drop (i32.load (i32.const 99999999)))
            "bad" [trap: out of bounds memory access] (spent)
        (call $bad (local.get $b) (local.get $i))
            "bad" [trap: stack overflow] (spent)
        (call $content (local.get $b) (i32.const -1) (i32.const 2048))
            "bad" [host call: there is no message 4294967295 in a batch of 1] (spent)
        (call $content (i32.const -1) (local.get $i) (i32.const 2048))
            "bad" [trap: unknown handle index 4294967295] (spent)
        (call $content (local.get $b) (local.get $i) (i32.const -4))
            "bad" [trap: pointer out of bounds] (spent)
        (call $content (local.get $b) (local.get $i) (i32.const 2049))
            "bad" [trap: pointer not aligned] (spent)
        (call $log (i32.const 9) (i32.const 0) (i32.const 1))
            "bad" [trap: unexpected discriminant: 9] (spent)
        (call $log (i32.const 0) (i32.const -1) (i32.const -1))
            "bad" [trap: string pointer/length out of bounds of memory] (spent)
        (i32.store8 (i32.const 2048) (i32.const 255)) (call $log (i32.const 0) (i32.const 2048) (i32.const 1))
            "bad" [trap: invalid utf-8 sequence of 1 bytes from index 0] (spent)
        (call $count (i32.const -1) (i32.const 5) (i64.const 0))
            "bad" [trap: string pointer/length out of bounds of memory] (spent)
        (call $set (local.get $b) (local.get $i) (i32.const -1) (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0))
            "bad" [trap: string pointer/length out of bounds of memory] (spent)
        (call $set (local.get $b) (local.get $i) (i32.const 0) (i32.const 1) (i32.const 7) (i32.const 0) (i32.const 0))
            "bad" [trap: unexpected discriminant: 7] (spent)
        (call $set (local.get $b) (local.get $i) (i32.const 0) (i32.const 1) (i32.const 1) (i32.const 4) (i32.const -1))
            "bad" [trap: list pointer/length out of bounds of memory] (spent)
        (call $dispose (i32.const 5) (i32.const 0) (i32.const 0))
            "bad" [trap: unexpected discriminant: 5] (spent)
        (call $dispose (i32.const 2) (i32.const -1) (i32.const 1))
            "bad" [trap: list pointer/length out of bounds of memory] (spent)
        (call $dispose (i32.const 2) (i32.const 0) (i32.const -1))
            "bad" [trap: list pointer/length out of bounds of memory] (spent)
        (call $dispose (i32.const 3) (i32.const 0) (i32.const -1))
            "bad" [trap: list pointer/length out of bounds of memory] (spent)
        (call $dispose (i32.const 3) (i32.const 3) (i32.const 1))
            "bad" [trap: list pointer is not aligned] (spent)
        (call $dispose (i32.const 4) (i32.const -1) (i32.const 9))
            "bad" [trap: string pointer/length out of bounds of memory] (spent)
        (call $drop_batch (local.get $b))
            "bad" [trap: unknown handle index 1] (spent)
        (call $drop_batch (i32.const 12345))
            "bad" [trap: unknown handle index 12345] (spent)
    "#]].assert_eq(&told);
}

#[test]
fn it_wants_all_memory() {
    let grow = "(loop (br_if 0 (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))";
    let told = each(&[grow, &format!("{grow} unreachable")]);
    expect![[r#"
        (loop (br_if 0 (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
            "bad"
        (loop (br_if 0 (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) unreachable
            "bad" [memory: unreachable after the guest was refused more memory (`memory_limit`)] (spent)
    "#]]
    .assert_eq(&told);
}

/// A key of four letters, another one with each turn.
const KEY: &str = "(global.set $heap (i32.add (global.get $heap) (i32.const 1)))
    (i32.store (i32.const 2048) (i32.or (i32.const 0x40404040) (i32.and (global.get $heap) (i32.const 0x3f3f3f3f))))";

/// Sixteen thousand records of one list's place and length, at 131072.
const RECORDS: &str = "(local $at i32) (local.set $at (i32.const 131072))
    (drop (memory.grow (i32.const 5)))
    (loop
      (i32.store (local.get $at) (i32.const 65536)) (i32.store offset=4 (local.get $at) (i32.const 60000))
      (local.set $at (i32.add (local.get $at) (i32.const 16)))
      (br_if 0 (i32.lt_u (local.get $at) (i32.const 400000))))";

#[test]
fn it_wants_the_hosts_memory() {
    let told = each(&[
        "(call $say (i32.const 0) (i32.const 70000))",
        "(call $set (local.get $b) (local.get $i) (i32.const 0) (i32.const 1) (i32.const 1) (i32.const 0) (i32.const 70000))",
        &format!(
            "(loop {KEY} (call $set (local.get $b) (local.get $i) (i32.const 2048) (i32.const 4) (i32.const 1) (i32.const 0) (i32.const 5000)) (br 0))"
        ),
        // A set and a content that are too much together, and messages that are.
        "(call $set (local.get $b) (local.get $i) (i32.const 0) (i32.const 1) (i32.const 1) (i32.const 0) (i32.const 40000)) (call $say (i32.const 0) (i32.const 40000))",
        &format!("{RECORDS} (call $dispose (i32.const 3) (i32.const 131072) (i32.const 2))"),
        // Thousands of lists that are one and the same: the host would copy each.
        &format!("{RECORDS} (call $dispose (i32.const 3) (i32.const 131072) (i32.const 16000))"),
        "(drop (memory.grow (i32.const 10))) (call $dispose (i32.const 3) (i32.const 131072) (i32.const 20000))",
        "(drop (memory.grow (i32.const 10))) (memory.fill (i32.const 131072) (i32.const 97) (i32.const 600000)) (call $dispose (i32.const 4) (i32.const 131072) (i32.const 600000))",
    ]);
    expect![[r#"
        (call $say (i32.const 0) (i32.const 70000))
            "bad" [output: the message would be 70000 bytes, over the limit of 64KiB (`output_limit`)] (spent)
        (call $set (local.get $b) (local.get $i) (i32.const 0) (i32.const 1) (i32.const 1) (i32.const 0) (i32.const 70000))
            "bad" [output: the message would be 70228 bytes, over the limit of 64KiB (`output_limit`)] (spent)
        (loop (global.set $heap (i32.add (global.get $heap) (i32.const 1)))
            (i32.store (i32.const 2048) (i32.or (i32.const 0x40404040) (i32.and (global.get $heap) (i32.const 0x3f3f3f3f)))) (call $set (local.get $b) (local.get $i) (i32.const 2048) (i32.const 4) (i32.const 1) (i32.const 0) (i32.const 5000)) (br 0))
            "bad" [output: the message would be 67967 bytes, over the limit of 64KiB (`output_limit`)] (spent)
        (call $set (local.get $b) (local.get $i) (i32.const 0) (i32.const 1) (i32.const 1) (i32.const 0) (i32.const 40000)) (call $say (i32.const 0) (i32.const 40000))
            "bad" [output: the message would be 80225 bytes, over the limit of 64KiB (`output_limit`)] (spent)
        (local $at i32) (local.set $at (i32.const 131072))
            (drop (memory.grow (i32.const 5)))
            (loop
              (i32.store (local.get $at) (i32.const 65536)) (i32.store offset=4 (local.get $at) (i32.const 60000))
              (local.set $at (i32.add (local.get $at) (i32.const 16)))
              (br_if 0 (i32.lt_u (local.get $at) (i32.const 400000)))) (call $dispose (i32.const 3) (i32.const 131072) (i32.const 2))
            "bad" [output: the message would be 120256 bytes, over the limit of 64KiB (`output_limit`)] (spent)
        (local $at i32) (local.set $at (i32.const 131072))
            (drop (memory.grow (i32.const 5)))
            (loop
              (i32.store (local.get $at) (i32.const 65536)) (i32.store offset=4 (local.get $at) (i32.const 60000))
              (local.set $at (i32.add (local.get $at) (i32.const 16)))
              (br_if 0 (i32.lt_u (local.get $at) (i32.const 400000)))) (call $dispose (i32.const 3) (i32.const 131072) (i32.const 16000))
            "bad" [trap: too much data is being copied between the host and the guest: fuel allocated for hostcalls has been exhausted] (spent)
        (drop (memory.grow (i32.const 10))) (call $dispose (i32.const 3) (i32.const 131072) (i32.const 20000))
            "bad" [output: the message would be 2560000 bytes, over the limit of 64KiB (`output_limit`)] (spent)
        (drop (memory.grow (i32.const 10))) (memory.fill (i32.const 131072) (i32.const 97) (i32.const 600000)) (call $dispose (i32.const 4) (i32.const 131072) (i32.const 600000))
            "bad" [fail: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa…]
    "#]].assert_eq(&told);
}

/// Instead of the function that is called for messages.
fn process(body: &str) -> String {
    format!(
        r#"(func (export "wappa:processor/transform@1.0.0#process") (param $b i32) (result i32)
             (call $drop_batch (local.get $b)) {body})"#
    )
}

/// What becomes of one message.
fn alone(parts: &Parts<'_>) -> String {
    crate::harness::check_binary(&parts.component(), &["a"], small)
}

#[test]
fn it_returns_what_it_should_not() {
    let bodies = [
        "(i32.const -1)",
        "(i32.const 3)",
        "(call $result (i32.const -4) (i32.const 1))",
        "(call $result (i32.const 8192) (i32.const 0))",
        "(call $result (i32.const 8192) (i32.const 2))",
        "(call $result (i32.const 8192) (i32.const 10000))",
        "(call $result (i32.const 8192) (i32.const -1))",
        "(call $result (i32.const 8193) (i32.const 1))",
        "(drop (memory.grow (i32.const 12))) (call $result (i32.const 0) (i32.const 80000))",
        "unreachable",
        "(loop (br 0)) unreachable",
    ];
    let told = bodies.map(|body| {
        let process = process(body);
        format!("{body}\n    {}", alone(&Parts { process: Some(&process), ..Parts::default() }))
    });
    expect![[r#"
        (i32.const -1)
            "a" [trap: return pointer not aligned] (spent)
        (i32.const 3)
            "a" [trap: return pointer not aligned] (spent)
        (call $result (i32.const -4) (i32.const 1))
            "a" [trap: list pointer/length out of bounds of memory] (spent)
        (call $result (i32.const 8192) (i32.const 0))
            "a" [trap: `process` returned 0 dispositions for 1 messages] (spent)
        (call $result (i32.const 8192) (i32.const 2))
            "a" [trap: `process` returned 2 dispositions for 1 messages] (spent)
        (call $result (i32.const 8192) (i32.const 10000))
            "a" [trap: `process` returned 10000 dispositions for 1 messages] (spent)
        (call $result (i32.const 8192) (i32.const -1))
            "a" [trap: list pointer/length out of bounds of memory] (spent)
        (call $result (i32.const 8193) (i32.const 1))
            "a" [trap: list pointer is not aligned] (spent)
        (drop (memory.grow (i32.const 12))) (call $result (i32.const 0) (i32.const 80000))
            "a" [trap: too much data is being copied between the host and the guest: fuel allocated for hostcalls has been exhausted] (spent)
        unreachable
            "a" [trap: unreachable] (spent)
        (loop (br 0)) unreachable
            "a" [timeout: over the limit of 100ms (`timeout`)] (spent)
    "#]].assert_eq(&told.concat());
}

#[test]
fn its_allocator_means_harm() {
    let bodies = [
        "(i32.const -1)",
        "(i32.const 3)",
        "(i32.const 0)",
        "(i32.const 99999999)",
        "unreachable",
        "(loop (br 0)) unreachable",
        "(call $log (i32.const 0) (i32.const 0) (i32.const 1)) (i32.const 2048)",
        "(drop (call $len (i32.const 1))) (i32.const 2048)",
        "(call $drop_batch (i32.const 1)) (i32.const 2048)",
        "(call $recurse)",
    ];
    let told = bodies.map(|body| {
        let realloc = format!(
            r#"(func $recurse (export "cabi_realloc_post") (result i32) (call $recurse))
               (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                 ;; Nothing is asked for while it is configured.
                 (if (i32.eqz (local.get 3)) (then (return (i32.const 8))))
                 {body})"#
        );
        let process = r#"(func (export "wappa:processor/transform@1.0.0#process") (param $b i32) (result i32)
            (call $content (local.get $b) (i32.const 0) (i32.const 2048))
            (call $drop_batch (local.get $b))
            (i32.store (i32.const 8192) (i32.const 0))
            (call $result (i32.const 8192) (i32.const 1)))"#;
        format!(
            "{body}\n    {}",
            alone(&Parts { realloc: Some(&realloc), process: Some(process), ..Parts::default() })
        )
    });
    expect![[r#"
        (i32.const -1)
            "a" [trap: realloc return: beyond end of memory] (spent)
        (i32.const 3)
            "a"
        (i32.const 0)
            "a"
        (i32.const 99999999)
            "a" [trap: realloc return: beyond end of memory] (spent)
        unreachable
            "a" [trap: unreachable] (spent)
        (loop (br 0)) unreachable
            "a" [timeout: over the limit of 100ms (`timeout`)] (spent)
        (call $log (i32.const 0) (i32.const 0) (i32.const 1)) (i32.const 2048)
            "a" [trap: wasm trap: cannot leave component instance] (spent)
        (drop (call $len (i32.const 1))) (i32.const 2048)
            "a" [trap: wasm trap: cannot leave component instance] (spent)
        (call $drop_batch (i32.const 1)) (i32.const 2048)
            "a" [trap: wasm trap: cannot leave component instance] (spent)
        (call $recurse)
            "a" [trap: stack overflow] (spent)
    "#]]
    .assert_eq(&told.concat());
}

/// What runs after the host has read the results.
#[test]
fn its_post_return_means_harm() {
    let bodies = [
        "unreachable",
        "(loop (br 0))",
        "(call $log (i32.const 0) (i32.const 0) (i32.const 1))",
        "(drop (memory.grow (i32.const 1)))",
    ];
    let told = bodies.map(|body| {
        let more = format!(
            r#"(func (export "cabi_post_wappa:processor/transform@1.0.0#process") (param i32) {body})"#
        );
        format!("{body}\n    {}", alone(&Parts { more: &more, ..Parts::default() }))
    });
    expect![[r#"
        unreachable
            "a" [trap: unreachable] (spent)
        (loop (br 0))
            "a" [timeout: over the limit of 100ms (`timeout`)] (spent)
        (call $log (i32.const 0) (i32.const 0) (i32.const 1))
            "a" [trap: wasm trap: cannot leave component instance] (spent)
        (drop (memory.grow (i32.const 1)))
            "a"
    "#]]
    .assert_eq(&told.concat());
}

#[test]
fn it_works_at_the_wrong_time() {
    let starts = [
        "unreachable",
        "(loop (br 0))",
        "(drop (call $len (i32.const 1)))",
        "(call $content (i32.const 1) (i32.const 0) (i32.const 2048))",
        "(loop (call $log (i32.const 9) (i32.const 0) (i32.const 1)) (br 0))",
        "(loop (br_if 0 (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) unreachable",
    ];
    let told = starts.map(|body| {
        let more = format!("(func $s {body}) (start $s)");
        let component = Parts { more: &more, ..Parts::default() }.component();
        let mut config = config();
        small(&mut config);
        format!("{body}\n    {}\n", check_start_with(&component, config))
    });
    expect![[r#"
        unreachable
            instance: instantiating: trap: unreachable
        (loop (br 0))
            instance: instantiating: timeout: over the limit of 100ms (`timeout`)
        (drop (call $len (i32.const 1)))
            instance: instantiating: trap: unknown handle index 1
        (call $content (i32.const 1) (i32.const 0) (i32.const 2048))
            instance: instantiating: trap: indirect call to a null table element
        (loop (call $log (i32.const 9) (i32.const 0) (i32.const 1)) (br 0))
            instance: instantiating: trap: indirect call to a null table element
        (loop (br_if 0 (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) unreachable
            instance: instantiating: memory: unreachable after the guest was refused more memory (`memory_limit`)
    "#]].assert_eq(&told.concat());
}

/// An instance must be there within a second.
fn check_start_with(component: &[u8], config: wappa_wasm::GuestConfig) -> String {
    let component = component.to_vec();
    let run = move || {
        let module = Module::new(engine(), &component).expect("a component");
        let guest = Guest::new(engine(), &module, config).expect("a guest");
        let deadline = Instant::now() + Duration::from_secs(1);
        guest.instantiate(deadline).expect_err("it does not start").to_string()
    };
    spawn_thread("guest", run).expect("a thread").join().expect("no panic")
}

#[test]
fn a_reason_not_to_start_is_not_a_book() {
    let process = process("unreachable");
    let configure = r#"(func (export "wappa:processor/transform@1.0.0#configure") (param i32 i32) (result i32)
        (memory.fill (i32.const 2048) (i32.const 97) (i32.const 100000))
        (i32.store (i32.const 1024) (i32.const 1)) (i32.store (i32.const 1028) (i32.const 2048))
        (i32.store (i32.const 1032) (i32.const 100000)) (i32.const 1024))"#;
    let parts = Parts { process: Some(&process), configure: Some(configure), ..Parts::default() };
    let told = check_start_binary(&parts.component(), config());
    assert!(told.starts_with("instance: `configure` failed: aaa") && told.len() < 5000, "{}", told.len());
}

/// What it hands over when it is configured is bounded by its memory as the host would hold it, as with messages: here a
/// list of handles, each of which takes more of the host than of the guest.
#[test]
fn what_is_taken_over_while_it_is_configured_is_bounded() {
    let imports = r#"
      (import "wasi:io/poll@0.2.0" "poll" (func $poll (param i32 i32 i32)))
      (import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $after (param i64) (result i32)))"#;
    let told = |n: u32| {
        let configure = format!(
            r#"(func (export "wappa:processor/transform@1.0.0#configure") (param i32 i32) (result i32)
                (local $soon i32) (local $k i32)
                (drop (memory.grow (i32.const 20)))
                (local.set $soon (call $after (i64.const 1)))
                (loop $next
                  (i32.store (i32.add (i32.const 131072) (i32.mul (local.get $k) (i32.const 4))) (local.get $soon))
                  (local.set $k (i32.add (local.get $k) (i32.const 1)))
                  (br_if $next (i32.lt_u (local.get $k) (i32.const {n}))))
                (call $poll (i32.const 131072) (i32.const {n}) (i32.const 2060))
                unreachable)"#
        );
        let parts = Parts { imports, configure: Some(&configure), world: WASI, ..Parts::default() };
        let mut config = config();
        config.limits.memory = 2 << 20;
        check_start_binary(&parts.component(), config)
    };
    expect!["instance: running `configure`: host call: `poll` with 5000 pollables, more than 4096"]
        .assert_eq(&told(5000));
    expect![[r#"
        instance: running `configure`: trap: too much data is being copied between the host and the guest: fuel allocated for hostcalls has been exhausted"#]].assert_eq(&told(300_000));
}

/// One that never gives batches back is replaced, one that does is not.
#[test]
fn batches_are_given_back() {
    let keeps = r#"(func (export "wappa:processor/transform@1.0.0#process") (param $b i32) (result i32)
        (global.set $heap (i32.const 65536))
        (memory.fill (i32.const 8192) (i32.const 0) (i32.const 3072))
        (call $result (i32.const 8192) (call $len (local.get $b))))"#;
    let worn_after = |process: Option<&str>| {
        let component = Parts { process, ..Parts::default() }.component();
        let run = move || {
            let module = Module::new(engine(), &component).expect("a component");
            let guest = Guest::new(engine(), &module, config()).expect("a guest");
            let mut instance = guest.instantiate(soon()).expect("an instance");
            let ctx = engine().enter().expect("a large stack");
            let mut n = 0;
            while !instance.is_worn() && n < 3000 {
                instance.call(&mut Message::new("ok"), &ctx).expect("it does nothing");
                n += 1;
            }
            n
        };
        spawn_thread("guest", run).expect("a thread").join().expect("no panic")
    };
    assert_eq!(worn_after(Some(keeps)), 1001);
    assert_eq!(worn_after(None), 3000);
}

/// Large batches whose contents the guest has no room for, or whose allocator is wild: each message fails by itself.
#[test]
fn all_contents_of_a_big_batch() {
    let process = r#"(func (export "wappa:processor/transform@1.0.0#process") (param $b i32) (result i32)
        (global.set $heap (i32.const 65536))
        (call $contents (local.get $b) (i32.const 2048))
        (call $drop_batch (local.get $b))
        (memory.fill (i32.const 8192) (i32.const 0) (i32.const 3072))
        (call $result (i32.const 8192) (i32.load (i32.const 2060))))"#;
    let wild = r#"(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
        (if (result i32) (i32.gt_u (local.get 3) (i32.const 60000)) (then (i32.const -8)) (else (i32.const 65536))))"#;
    let messages: Vec<Message> = vec![Message::new("x".repeat(20_000)); 40];
    for realloc in [None, Some(wild)] {
        let component = Parts { process: Some(process), realloc, ..Parts::default() }.component();
        let told = run_binary(&component, &[&messages], |config| config.limits.memory = 1 << 20);
        let kept = told.lines().filter(|it| it.starts_with("\"xxxxxxxxxxxxxxxxxxxx… (20000)\"")).count();
        assert_eq!(kept, 40, "{told}");
        // How many calls had too many depends on how fast the machine is; that one had does not.
        assert!(
            told.contains("failed and is repeated one by one") || told.contains("log Debug: a call with"),
            "{told}"
        );
    }
}

/// What is copied for it at once is as much as its memory may have: the host does not copy first and find no room then.
#[test]
fn what_is_copied_for_it_is_no_more_than_it_has_memory_for() {
    let more = r#"(data (i32.const 2056) "k")"#;
    let mut message = Message::new("bad");
    message.metadata_mut().set("k", Value::text("v".repeat(2_000_000)));
    for bad in [
        "(call $get (local.get $b) (local.get $i) (i32.const 2056) (i32.const 1) (i32.const 2064))",
        "(call $metadata (local.get $b) (local.get $i) (i32.const 2064))",
    ] {
        let component = Parts { bad, more, ..Parts::default() }.component();
        let messages = [&[message.clone()][..]];
        let told = run_binary(&component, &messages, |config| config.limits.memory = 1 << 20);
        let refused = "host call: all of it is 200000";
        assert!(told.contains(refused) && told.contains("more than the guest's memory may have"), "{told}");
    }
    // All contents, as soon as a call has two of them.
    let process = r#"(func (export "wappa:processor/transform@1.0.0#process") (param $b i32) (result i32)
        (local $n i32)
        (local.set $n (call $len (local.get $b)))
        (if (i32.gt_u (local.get $n) (i32.const 1)) (then (call $contents (local.get $b) (i32.const 2048))))
        (call $drop_batch (local.get $b))
        (memory.fill (i32.const 8192) (i32.const 0) (i32.const 3072))
        (call $result (i32.const 8192) (local.get $n)))"#;
    let component = Parts { process: Some(process), ..Parts::default() }.component();
    let log = Arc::new(Whole::default());
    let mut config = config();
    config.log = Some(Arc::clone(&log) as Arc<dyn GuestLog>);
    config.limits.memory = 1 << 20;
    let run = move || {
        let module = Module::new(engine(), &component).expect("a component");
        let guest = Guest::new(engine(), &module, config).expect("a guest");
        let ctx = engine().enter().expect("a large stack");
        let mut run = Run::singles(vec![Message::new("x".repeat(600_000)); 40]);
        while !run.is_done() {
            let mut instance = guest.instantiate(soon()).expect("an instance");
            instance.run(&mut run, &ctx).expect("nothing interrupts it");
        }
        run.finish().all(|it| matches!(it, Outcome::Kept(_, None)))
    };
    assert!(spawn_thread("guest", run).expect("a thread").join().expect("no panic"));
    let told = log.0.lock().expect("no panic").clone();
    assert!(told.contains("bytes, more than the guest's memory may have"), "{told}");
}

/// A log that keeps whole lines.
#[derive(Default)]
struct Whole(Mutex<String>);

impl GuestLog for Whole {
    fn log(&self, _: Level, text: &str) {
        let mut told = self.0.lock().expect("no panic");
        told.push_str(text);
        told.push('\n');
    }
}

/// One that does not read is given more at once; when it then does it cannot make the host copy all of that.
#[test]
fn it_reads_all_of_a_sudden() {
    let process = r#"(func (export "wappa:processor/transform@1.0.0#process") (param $b i32) (result i32)
        (local $n i32)
        (local.set $n (call $len (local.get $b)))
        (if (i32.gt_u (local.get $n) (i32.const 10)) (then (call $contents (local.get $b) (i32.const 2048))))
        (call $drop_batch (local.get $b))
        (memory.fill (i32.const 8192) (i32.const 0) (i32.const 3072))
        (call $result (i32.const 8192) (local.get $n)))"#;
    let component = Parts { process: Some(process), ..Parts::default() }.component();
    let messages: Vec<Message> = vec![Message::new("x".repeat(100_000)); 300];
    let told = run_binary(&component, &[&messages], |config| config.limits.memory = 1 << 20);
    assert_eq!(told.lines().filter(|it| *it == "\"xxxxxxxxxxxxxxxxxxxx… (100000)\"").count(), 300, "{told}");
    let others: Vec<&str> = told.lines().filter(|it| !it.starts_with("\"x")).collect();
    assert!(others.len() <= 2, "{others:?}");
}

/// Calls of many messages that fail again and again make nothing that stays.
#[test]
fn memory_stays_where_it_is() {
    let process = process(
        "(drop (memory.grow (i32.const 4))) (call $log (i32.const 0) (i32.const 8192) (i32.const 30000))
         (call $result (i32.const 8192) (i32.const 0))",
    );
    let component = Parts { process: Some(&process), ..Parts::default() }.component();
    let run = move || {
        let module = Module::new(engine(), &component).expect("a component");
        let mut config = config();
        small(&mut config);
        let guest = Guest::new(engine(), &module, config).expect("a guest");
        let ctx = engine().enter().expect("a large stack");
        let mut resident = Vec::new();
        for _ in 0..4 {
            for _ in 0..50 {
                let mut run = Run::singles(vec![Message::new("x".repeat(1000)); 20]);
                while !run.is_done() {
                    let mut instance = guest.instantiate(soon()).expect("an instance");
                    instance.run(&mut run, &ctx).expect("nothing interrupts it");
                }
            }
            resident.push(resident_bytes());
        }
        resident
    };
    let resident = spawn_thread("guest", run).expect("a thread").join().expect("no panic");
    // Other tests run beside this one.
    assert!(resident[3] < resident[0] + (256 << 20), "{resident:?}");
}

fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("the system tells the size of a process");
    statm.split(' ').nth(1).and_then(|it| it.parse::<usize>().ok()).expect("the second number") * 4096
}

/// What a call printed that is run again is not there twice, half a line neither.
#[test]
fn half_a_line_is_told_once() {
    let bad = "(i32.store (i32.const 2048) (i32.const 131072)) (i32.store (i32.const 2052) (i32.const 3))
        (drop (call $fd_write (i32.const 1) (i32.const 2048) (i32.const 1) (i32.const 2056)))
        (if (i32.eq (i32.load8_u offset=1 (i32.load (i32.const 1040))) (i32.const 116)) (then unreachable))";
    let more = r#"(data (i32.const 131072) "hel")"#;
    let component = Parts { imports: PREVIEW1, bad, more, ..Parts::default() }.component();
    let messages = ["k", "k", "k", "bx", "bx", "bt", "bx"].map(Message::new);
    let told = run_binary(&component, &[&messages], |_| {});
    let printed: Vec<&str> = told.lines().filter(|it| it.starts_with("log Info")).collect();
    // The last is of the instance that came after the trap.
    assert_eq!(printed, ["log Info: helhelhel", "log Info: hel"], "{told}");
}

#[test]
fn core_instances_are_bounded() {
    let module = Parts::default().component();
    let mut encoder = wit_component::ComponentEncoder::default().module(&module).expect("it has types");
    let component = encoder.encode().expect("it becomes a component");
    let empty = wat::parse_str("(module)").expect("the text is right");
    let few = with_instances(&component, &empty, 100);
    assert_eq!(verdict(&crate::harness::check_binary(&few, &["ok", "bad", "ok"], small)), "\"bad\"");
    let mut many = component;
    for _ in 0..3 {
        many = with_instances(&many, &empty, 100);
    }
    expect![[r#"
        the module makes more than 200 core instances
    "#]]
    .assert_eq(&crate::harness::check_binary(&many, &["ok"], small));
}

/// What an instance needs beside its memories counts before anything is compiled.
#[test]
fn what_the_host_keeps_for_an_instance_is_bounded() {
    let globals = "(global (mut i32) (i32.const 0))".repeat(200_000);
    let refused = |wat: &str| {
        let module = Module::new(engine(), wat.as_bytes()).map_err(|err| err.to_string())?;
        let mut config = config();
        config.limits.memory = 1 << 20;
        Guest::new(engine(), &module, config).map(drop).map_err(|err| err.to_string())
    };
    let few = "(module (global (mut i32) (i32.const 0)) (memory (export \"memory\") 16) (func (export \"process\")))";
    assert_eq!(refused(few), Ok(()));
    let many = format!("(module {globals} (func (export \"process\")))");
    let told = refused(&many).expect_err("it needs more than a mebibyte and the one that is free");
    assert!(told.contains("more than `memory_limit` allows (1MiB)"), "{told}");
    let mut inner = "(component $c0 (core module $m) (core instance (instantiate $m)))".to_string();
    for level in 1..7 {
        let below = format!("(instance (instantiate $c{}))", level - 1).repeat(10);
        inner = format!("(component $c{level} {inner} {below})");
    }
    let told = refused(&format!("(component {inner} (instance (instantiate $c6)))"));
    assert_eq!(told, Err("the module makes more than 200 core instances".into()));
}
