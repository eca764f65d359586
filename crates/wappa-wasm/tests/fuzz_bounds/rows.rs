//! Long rows of host calls, without a loop in which an epoch would end them.

use std::{fmt::Write, time::Duration};

use wappa_message::Message;

use crate::{Case, harness::V1_IMPORTS, parts::Parts, random::Random};

/// `P` is a place, `L` a length, `K` the place of a key of one to four bytes.
const CORE_CALLS: [&str; 19] = [
    "(call $content_write P L)",
    "(call $content_write P L) (call $emit)",
    "(call $v0_set P L)",
    "(call $meta_set K (i32.const 3) P L)",
    "(call $meta_set P L K (i32.const 3))",
    "(call $v0_set_meta K (i32.const 2) P L)",
    "(call $meta_set_json K (i32.const 2) (i32.const 200) (i32.const 5))",
    "(drop (call $meta_get K (i32.const 3) P L))",
    "(drop (call $meta_get_json K (i32.const 2) P L))",
    "(drop (call $meta_delete P L))",
    "(drop (call $meta_keys P L))",
    "(drop (call $content_read (i32.const 0) P L))",
    "(drop (call $config_get P L P L))",
    "(call $fail P L)",
    "(call $log (i32.const 2) P L)",
    "(call $random P L)",
    "(drop (call $random_get P L))",
    "(i32.store (i32.const 8) P) (i32.store (i32.const 12) L)
       (drop (call $fd_write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 0)))",
    "(drop (call $next))",
];

const COMPONENT_CALLS: [&str; 4] = [
    "(call $log (i32.const 2) (i32.const 131072) L)",
    "(call $set (local.get $b) (local.get $i) K (i32.const 2) (i32.const 0) (i32.const 131072) L)",
    "(call $set (local.get $b) (local.get $i) K (i32.const 2) (i32.const 1) (i32.const 131072) L)",
    "(call $count K (i32.const 2) (i64.const 1))",
];

/// The calls of a row, several hundred times.
fn row(random: &mut Random, calls: &[&str], lengths: &[u32]) -> String {
    let chosen: Vec<String> = (0..1 + random.below(3))
        .map(|_| {
            let length = *random.pick(lengths);
            random.pick(calls).replace('L', &format!("(i32.const {length})"))
        })
        .collect();
    let mut out = String::new();
    for _ in 0..300 + random.below(1500) {
        let key = format!("(i32.const {})", 100 + random.below(60));
        let place = format!("(i32.const {})", 64 + random.below(1000));
        for call in &chosen {
            writeln!(out, "{}", call.replace('K', &key).replace('P', &place)).expect("a string takes it");
        }
    }
    out
}

fn timeout(random: &mut Random) -> Duration {
    Duration::from_millis([20, 50, 100, 300][random.below(4)])
}

pub(crate) fn core(random: &mut Random) -> Case {
    let row = row(random, &CORE_CALLS, &[0, 100, 70_000, 1_000_000, 15_000_000, 30_000_000, 60_000_000]);
    let text = format!(
        r#"(module {V1_IMPORTS}
          (import "bento_wasm" "v0_msg_set_bytes" (func $v0_set (param i32 i32)))
          (import "bento_wasm" "v0_msg_set_meta" (func $v0_set_meta (param i32 i32 i32 i32)))
          (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
          (memory (export "memory") 1024)
          (data (i32.const 100) "abcdefghijklmnopqrstuvwxyzabcdefhgijklmnopqrstuvwxzyabdcefghij")
          (data (i32.const 200) "[{{}}]")
          (func (export "process") {row}))"#
    );
    let told = text[text.find("\"process\"").expect("it is there")..].chars().take(500).collect();
    let batches = messages(random);
    Case { module: text.into_bytes(), batches, timeout: timeout(random), told }
}

pub(crate) fn component(random: &mut Random) -> Case {
    let row = row(random, &COMPONENT_CALLS, &[0, 100, 70_000, 3_000_000, 15_000_000, 50_000_000]);
    let bad = format!("(drop (memory.grow (i32.const 900))) {row}");
    let module = Parts { bad: &bad, ..Parts::default() }.component();
    let told = bad.chars().take(500).collect();
    Case { module, batches: messages(random), timeout: timeout(random), told }
}

/// Some batches with some messages, of which the components change those with a `b`.
pub(crate) fn messages(random: &mut Random) -> Vec<Vec<Message>> {
    let one = |random: &mut Random| Message::new(if random.one_in(3) { "ok" } else { "bad" });
    (0..1 + random.below(2)).map(|_| (0..1 + random.below(3)).map(|_| one(random)).collect()).collect()
}
