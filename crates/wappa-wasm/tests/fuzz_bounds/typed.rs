//! Values of metadata in many shapes.

use std::time::Duration;

use wappa_message::Message;

use crate::{Case, harness::V1_IMPORTS, parts::Parts, random::Random};

const TIMEOUT: Duration = Duration::from_millis(500);

/// Sets the content as JSON under keys of one to a few bytes, and reads it again.
pub(crate) fn case(random: &mut Random) -> Case {
    let times = 1 + random.below(6);
    let calls: String = (0..times)
        .map(|key| {
            format!(
                "(call $meta_set_json (i32.const {key}) (i32.const 1) (i32.const 65536) (local.get $n))
                 (drop (call $meta_get_json (i32.const {key}) (i32.const 1) (i32.const 8388608) (i32.const 4000000)))"
            )
        })
        .collect();
    let module = format!(
        r#"(module {V1_IMPORTS} (memory (export "memory") 256) (data (i32.const 0) "zyxwvu")
          (func (export "process") (local $n i32)
            (local.set $n (call $content_read (i32.const 0) (i32.const 65536) (i32.const 8000000)))
            {calls}))"#
    );
    let bytes = [1000, 100_000, 4 << 20, 7 << 20][random.below(4)];
    let text = json(random, bytes);
    let told = format!("{times} times {} bytes: {}", text.len(), text.chars().take(100).collect::<String>());
    let batches = vec![vec![Message::new(text)]];
    Case { module: module.into_bytes(), batches, timeout: TIMEOUT, told }
}

/// A text of about so many bytes, of one repeated shape or several.
fn json(random: &mut Random, bytes: usize) -> String {
    const ITEMS: [&str; 12] = [
        "{\"\":0}",
        "[]",
        "{}",
        "0",
        "null",
        "\"\"",
        "[[]]",
        "{\"\":{}}",
        "1.5",
        "\"\\u001b\"",
        "[{\"\":[]}]",
        "true",
    ];
    match random.below(7) {
        0 => {
            // Keys in descending order.
            let mut out = String::from("{");
            for n in (0..bytes / 10).rev() {
                out += &format!("\"{n:06}\":0,");
            }
            out + "\"\":0}"
        }
        1 => {
            let depth = (bytes / 2).min([100, 127, 128, 100_000][random.below(4)]);
            "[".repeat(depth) + &"]".repeat(depth)
        }
        2 => {
            let mut out = String::from("[");
            while out.len() < bytes {
                out += *random.pick(&ITEMS);
                out.push(',');
            }
            out + "0]"
        }
        3 => format!("\"{}\"", "\\u00e9".repeat(bytes / 6)),
        _ => {
            // The one that takes the most for its text comes most often.
            let item = format!("{},", if random.one_in(2) { ITEMS[0] } else { *random.pick(&ITEMS) });
            format!("[{}0]", item.repeat(bytes / item.len()))
        }
    }
}

/// A component that sends one message with many keys, ascending or descending, as text or as JSON.
pub(crate) fn sent(random: &mut Random) -> Case {
    let keys = [100, 10_000, 100_000, 300_000][random.below(4)];
    let kind = random.below(3);
    // A value that all entries share: its text lies at 3072.
    let length = [0, 2, 1000][random.below(3)];
    let digits =
        if random.one_in(2) { "(local.get $n)" } else { "(i32.sub (i32.const 999999) (local.get $n))" };
    let bad = format!(
        r#"(local $entry i32) (local $key i32) (local $n i32)
        (drop (memory.grow (i32.const 400)))
        (memory.fill (i32.const 3072) (i32.const 32) (i32.const 1000))
        (i32.store16 (i32.const 3072) (i32.const 0x7d7b))
        (local.set $entry (i32.const 262144))
        (local.set $key (i32.const {keys_at}))
        (local.set $n (i32.const {keys}))
        (loop $next
          (local.set $n (i32.sub (local.get $n) (i32.const 1)))
          (call $digits (local.get $key) {digits})
          (i32.store (local.get $entry) (local.get $key))
          (i32.store offset=4 (local.get $entry) (i32.const 6))
          (i32.store offset=8 (local.get $entry) (i32.const {kind}))
          (i32.store offset=12 (local.get $entry) (i32.const 3072))
          (i32.store offset=16 (local.get $entry) (i32.const {length}))
          (local.set $entry (i32.add (local.get $entry) (i32.const 20)))
          (local.set $key (i32.add (local.get $key) (i32.const 6)))
          (br_if $next (local.get $n)))
        (i32.store (i32.const 4096) (i32.const 0))
        (i32.store (i32.const 4100) (i32.const 0))
        (i32.store (i32.const 4104) (i32.const 262144))
        (i32.store (i32.const 4108) (i32.const {keys}))
        (call $dispose (i32.const 3) (i32.const 4096) (i32.const 1))"#,
        keys_at = 262_144 + 20 * keys,
    );
    let more = r#"(func $digits (param $at i32) (param $n i32) (local $i i32)
        (local.set $i (i32.const 6))
        (loop $next
          (local.set $i (i32.sub (local.get $i) (i32.const 1)))
          (i32.store8 (i32.add (local.get $at) (local.get $i))
            (i32.add (i32.const 48) (i32.rem_u (local.get $n) (i32.const 10))))
          (local.set $n (i32.div_u (local.get $n) (i32.const 10)))
          (br_if $next (local.get $i))))"#;
    let module = Parts { bad: &bad, more, ..Parts::default() }.component();
    let told = format!("a message with {keys} keys, values of case {kind} with {length} bytes, {digits}");
    Case { module, batches: crate::rows::messages(random), timeout: TIMEOUT, told }
}
