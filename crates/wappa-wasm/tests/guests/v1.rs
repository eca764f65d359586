//! Tier v1: every function, and what they mean together.
//!
//! The guest of these tests does what the content of a message says, one letter after the other.

use expect_test::expect;
use wappa_message::{Mark, Message, Value};

use crate::harness::{V1_IMPORTS, check_run, check_start, config};

/// `w` and `v` write a content, `m` and `d` set and delete a key, `c` clears the mark, `e` emits, `x` filters, `f` and
/// `g` fail, `n` goes to the next message, `s` makes a mistake in interface v0, `a` asks for the content through it,
/// `t` traps, `p` says where the message is in its batch, `l` logs, `+` counts, `q` calls a function of v1 after the end.
const LETTERS: &str = r#"(module
  (import "wappa" "v1_content_read" (func $read (param i32 i32 i32) (result i32)))
  (import "wappa" "v1_content_write" (func $write (param i32 i32)))
  (import "wappa" "v1_meta_set" (func $meta_set (param i32 i32 i32 i32)))
  (import "wappa" "v1_meta_delete" (func $meta_delete (param i32 i32) (result i32)))
  (import "wappa" "v1_error_clear" (func $error_clear))
  (import "wappa" "v1_emit" (func $emit))
  (import "wappa" "v1_filter" (func $filter))
  (import "wappa" "v1_fail" (func $fail (param i32 i32)))
  (import "wappa" "v1_next" (func $next (result i32)))
  (import "wappa" "v1_batch_index" (func $index (result i32)))
  (import "wappa" "v1_batch_len" (func $len (result i32)))
  (import "wappa" "v1_log" (func $log (param i32 i32 i32)))
  (import "wappa" "v1_counter_add" (func $count (param i32 i32 i64)))
  (import "bento_wasm" "v0_msg_set_bytes" (func $v0_set (param i32 i32)))
  (import "bento_wasm" "v0_msg_as_bytes" (func $v0_get (result i64)))
  (memory (export "memory") 1)
  (func (export "malloc") (param i32) (result i32) (i32.const 32768))
  (func (export "free") (param i32) (call $log (i32.const 1) (i32.const 40) (i32.const 5)))
  (data (i32.const 0) "[w][v]keyvaluereason onereason two0/0logfreed")
  (func $is (param $c i32) (param $letter i32) (result i32) (i32.eq (local.get $c) (local.get $letter)))
  (func (export "process") (local $i i32) (local $n i32) (local $c i32)
    (local.set $n (call $read (i32.const 0) (i32.const 1024) (i32.const 1000)))
    (loop $again
      (if (i32.ge_u (local.get $i) (local.get $n)) (then (return)))
      (local.set $c (i32.load8_u offset=1024 (local.get $i)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (if (call $is (local.get $c) (i32.const 119)) (then (call $write (i32.const 0) (i32.const 3))))
      (if (call $is (local.get $c) (i32.const 118)) (then (call $write (i32.const 3) (i32.const 3))))
      (if (call $is (local.get $c) (i32.const 109)) (then (call $meta_set (i32.const 6) (i32.const 3) (i32.const 9) (i32.const 5))))
      (if (call $is (local.get $c) (i32.const 100)) (then (drop (call $meta_delete (i32.const 6) (i32.const 3)))))
      (if (call $is (local.get $c) (i32.const 99)) (then (call $error_clear)))
      (if (call $is (local.get $c) (i32.const 101)) (then (call $emit)))
      (if (call $is (local.get $c) (i32.const 120)) (then (call $filter)))
      (if (call $is (local.get $c) (i32.const 102)) (then (call $fail (i32.const 14) (i32.const 10))))
      (if (call $is (local.get $c) (i32.const 103)) (then (call $fail (i32.const 24) (i32.const 10))))
      (if (call $is (local.get $c) (i32.const 115)) (then (call $v0_set (i32.const -1) (i32.const 9))))
      (if (call $is (local.get $c) (i32.const 97)) (then (drop (call $v0_get))))
      (if (call $is (local.get $c) (i32.const 116)) (then unreachable))
      (if (call $is (local.get $c) (i32.const 108)) (then (call $log (i32.const 2) (i32.const 37) (i32.const 3))))
      (if (call $is (local.get $c) (i32.const 43)) (then (call $count (i32.const 6) (i32.const 3) (i64.const 2))))
      (if (call $is (local.get $c) (i32.const 112)) (then
        (i32.store8 (i32.const 34) (i32.add (i32.const 48) (call $index)))
        (i32.store8 (i32.const 36) (i32.add (i32.const 48) (call $len)))
        (call $write (i32.const 34) (i32.const 3))))
      (if (call $is (local.get $c) (i32.const 110)) (then
        (if (i32.eq (call $next) (i32.const -1)) (then
          ;; The letter behind an `n` that found no message.
          (if (i32.eq (i32.load8_u offset=1024 (local.get $i)) (i32.const 113)) (then (call $filter)))
          (if (i32.eq (i32.load8_u offset=1024 (local.get $i)) (i32.const 116)) (then unreachable))
          (return)))
        (local.set $n (call $read (i32.const 0) (i32.const 1024) (i32.const 1000)))
        (local.set $i (i32.const 0))))
      (br $again))))"#;

/// Runs scripts, each a batch of its own.
fn check(scripts: &[&str], expect: expect_test::Expect) {
    let messages: Vec<Message> = scripts.iter().map(|it| Message::new(it.to_string())).collect();
    let batches: Vec<&[Message]> = messages.chunks(1).collect();
    check_run(LETTERS, &batches, |_| {}, expect);
}

#[test]
fn what_verbs_mean_together() {
    check(
        &[
            "", "w", "wv", "x", "e", "ee", "we", "ew", "wex", "ex", "mex", "med", "f", "fg", "wf", "mf",
            "ef", "xf", "fx", "efx", "s", "ws", "es", "xs", "sf", "exs",
        ],
        expect![[r#"
            ""
            "[w]"
            "[v]"
            nothing
            "e" + "e"
            "ee" + "ee" + "ee"
            "[w]" + "[w]"
            "ew" + "[w]"
            "[w]"
            "ex"
            "mex" key=value
            "med" key=value + "med"
            "f" failed: fail: reason one
            "fg" failed: fail: reason two
            "wf" failed: fail: reason one
            "mf" failed: fail: reason one
            "ef" failed: fail: reason one
            "xf" failed: fail: reason one
            "fx" failed: fail: reason one
            "efx" failed: fail: reason one
            "s" failed: host call: failed to read out-bound memory: prevented read
            "[w]" failed: host call: failed to read out-bound memory: prevented read
            "es" + "es" failed: host call: failed to read out-bound memory: prevented read
            "xs" failed: host call: failed to read out-bound memory: prevented read
            "sf" failed: fail: reason one
            "exs" + "exs" failed: host call: failed to read out-bound memory: prevented read
        "#]],
    );
}

#[test]
fn one_call_serves_many_messages() {
    check(
        &["wn", "n", "xn", "een", "fn", "mn", "sn", "n", "w", "wn"],
        expect![[r#"
        "[w]"
        "n"
        nothing
        "een" + "een" + "een"
        "fn" failed: fail: reason one
        "mn" key=value
        "sn" failed: host call: failed to read out-bound memory: prevented read
        "n"
        "[w]"
        "[w]"
    "#]],
    );
}

#[test]
fn a_trap_costs_the_message_at_work() {
    check(
        &["wn", "en", "wet", "wn", "n", "mt", "n"],
        expect![[r#"
        (a new instance after 3)
        (a new instance after 6)
        "[w]"
        "en" + "en"
        "wet" failed: trap: unreachable
        "[w]"
        "n"
        "mt" failed: trap: unreachable
        "n"
    "#]],
    );
}

#[test]
fn after_the_end_there_is_no_message() {
    check(
        &["wn", "xnq"],
        expect![[r#"
        of no message: host call: `v1_filter` after `v1_next` has said that there is no other message
        (a new instance after 2)
        "[w]"
        nothing
    "#]],
    );
    check(
        &["wn", "nt"],
        expect![[r#"
        of no message: trap: unreachable
        (a new instance after 2)
        "[w]"
        "nt"
    "#]],
    );
}

#[test]
fn batches_are_told_across_their_boundaries() {
    let one = |it: &str| Message::new(it.to_string());
    let a = [one("pn"), one("pn"), one("pxn")];
    let b = [one("pn")];
    let c = [one("pn"), one("p")];
    check_run(
        LETTERS,
        &[&a, &[], &b, &c],
        |_| {},
        expect![[r#"
        "0/3"
        "1/3"
        nothing
        "0/1"
        "0/2"
        "1/2"
    "#]],
    );
}

#[test]
fn marks_are_cleared_and_come_back_with_a_failure() {
    let failed = |it: &str| {
        let mut message = Message::new(it.to_string());
        message.set_error(Mark::new("earlier"));
        message
    };
    let all = ["n", "cn", "cf", "cwen", "ec", "ct"].map(failed);
    check_run(
        LETTERS,
        &[&all],
        |_| {},
        expect![[r#"
        (a new instance after 6)
        "n" [earlier]
        "cn"
        "cf" [earlier] failed: fail: reason one
        "[w]" + "[w]"
        "ec" [earlier] + "ec"
        "ct" [earlier] failed: trap: unreachable
    "#]],
    );
}

#[test]
fn what_v0_allocated_is_freed_with_its_message() {
    check(
        &["an", "aan", "n", "a"],
        expect![[r#"
        "an"
        "aan"
        "n"
        "a"
        log Debug: freed
        log Debug: freed
        log Debug: freed
        log Debug: freed
    "#]],
    );
}

#[test]
fn logs_and_counts_stay_when_the_message_fails() {
    check(
        &["l+n", "l+f", "l+t"],
        expect![[r#"
        (a new instance after 3)
        "l+n"
        "l+f" failed: fail: reason one
        "l+t" failed: trap: unreachable
        log Info: log
        count key +2
        log Info: log
        count key +2
        log Info: log
        count key +2
    "#]],
    );
}

/// Imports of everything, and a buffer at 4096.
fn guest(body: &str) -> String {
    format!(
        r#"(module
      {V1_IMPORTS}
      (memory (export "memory") 2)
      (func $put (param $n i32) (call $content_write (i32.const 4096) (local.get $n)))
      {body})"#
    )
}

fn with_metadata(content: &str) -> Message {
    let mut message = Message::new(content.to_string());
    let metadata = message.metadata_mut();
    metadata.set("text", Value::text("é"));
    metadata.set("number", Value::Int(7));
    metadata.set("odd", Value::text(b"\xff\xfe"));
    metadata.set("empty", Value::text(""));
    message
}

/// One call for each of these bodies of `process`, all on a message with metadata.
fn each(bodies: &[&str]) -> String {
    let mut out = String::new();
    for body in bodies {
        let told = crate::harness::told(
            &guest(&format!(
                r#"(data (i32.const 0) "textnumberoddemptymissinggreeting") (func (export "process") {body})"#
            )),
            vec![with_metadata("hello")],
            |config| config.config = vec![("greeting".into(), "hi".into()), ("none".into(), String::new())],
        );
        out.push_str(&format!("{body}\n    {told}"));
    }
    out
}

#[test]
fn contents_are_read_in_pieces() {
    let told = each(&[
        "(call $put (call $content_read (i32.const 0) (i32.const 4096) (i32.const 100)))",
        "(call $put (call $content_read (i32.const 1) (i32.const 4096) (i32.const 3)))",
        "(call $put (call $content_read (i32.const 5) (i32.const 4096) (i32.const 3)))",
        "(call $put (call $content_read (i32.const -1) (i32.const 4096) (i32.const 3)))",
        // What is not to be copied needs no place.
        "(call $put (call $content_read (i32.const 0) (i32.const -1) (i32.const 0)))",
        "(call $content_write (i32.const -1) (i32.const 0))",
        "(i32.store8 (i32.const 4096) (i32.add (i32.const 48) (call $content_len))) (call $put (i32.const 1))",
        // What was written is what is read.
        "(call $content_write (i32.const 0) (i32.const 4)) (call $put (call $content_read (i32.const 1) (i32.const 4096) (i32.const 100)))",
        "(drop (call $content_read (i32.const 0) (i32.const 131070) (i32.const 5)))",
        "(drop (call $content_read (i32.const 0) (i32.const 131067) (i32.const 100)))",
        "(call $content_write (i32.const 131070) (i32.const 5))",
        "(call $content_write (i32.const 1) (i32.const -1))",
    ]);
    expect![[r#"
        (call $put (call $content_read (i32.const 0) (i32.const 4096) (i32.const 100)))
            "hello" empty= number=7 odd=�� text=é
        (call $put (call $content_read (i32.const 1) (i32.const 4096) (i32.const 3)))
            "ell" empty= number=7 odd=�� text=é
        (call $put (call $content_read (i32.const 5) (i32.const 4096) (i32.const 3)))
            "" empty= number=7 odd=�� text=é
        (call $put (call $content_read (i32.const -1) (i32.const 4096) (i32.const 3)))
            "" empty= number=7 odd=�� text=é
        (call $put (call $content_read (i32.const 0) (i32.const -1) (i32.const 0)))
            "" empty= number=7 odd=�� text=é
        (call $content_write (i32.const -1) (i32.const 0))
            "" empty= number=7 odd=�� text=é
        (i32.store8 (i32.const 4096) (i32.add (i32.const 48) (call $content_len))) (call $put (i32.const 1))
            "5" empty= number=7 odd=�� text=é
        (call $content_write (i32.const 0) (i32.const 4)) (call $put (call $content_read (i32.const 1) (i32.const 4096) (i32.const 100)))
            "ext" empty= number=7 odd=�� text=é
        (drop (call $content_read (i32.const 0) (i32.const 131070) (i32.const 5)))
            "hello" empty= number=7 odd=�� text=é [host call: `v1_content_read`: the buffer is outside of the guest's memory] (spent)
        (drop (call $content_read (i32.const 0) (i32.const 131067) (i32.const 100)))
            "hello" empty= number=7 odd=�� text=é
        (call $content_write (i32.const 131070) (i32.const 5))
            "hello" empty= number=7 odd=�� text=é [host call: `v1_content_write`: the content is outside of the guest's memory] (spent)
        (call $content_write (i32.const 1) (i32.const -1))
            "hello" empty= number=7 odd=�� text=é [host call: `v1_content_write`: the content is outside of the guest's memory] (spent)
    "#]].assert_eq(&told);
}

#[test]
fn metadata_have_types() {
    let told = each(&[
        "(call $put (call $meta_get (i32.const 0) (i32.const 4) (i32.const 4096) (i32.const 100)))",
        "(call $put (call $meta_get (i32.const 4) (i32.const 6) (i32.const 4096) (i32.const 100)))",
        "(call $put (call $meta_get (i32.const 10) (i32.const 3) (i32.const 4096) (i32.const 100)))",
        "(call $put (call $meta_get_json (i32.const 0) (i32.const 4) (i32.const 4096) (i32.const 100)))",
        "(call $put (call $meta_get_json (i32.const 4) (i32.const 6) (i32.const 4096) (i32.const 100)))",
        // An empty value is not a missing one.
        "(if (i32.eq (call $meta_get (i32.const 13) (i32.const 5) (i32.const -1) (i32.const 0)) (i32.const 0)) (then (call $content_write (i32.const 13) (i32.const 5))))",
        "(if (i32.eq (call $meta_get (i32.const 18) (i32.const 7) (i32.const -1) (i32.const 9)) (i32.const -1)) (then (call $content_write (i32.const 18) (i32.const 7))))",
        // Too small a buffer: the length, and nothing written.
        "(call $put (call $meta_get (i32.const 0) (i32.const 4) (i32.const 4096) (i32.const 1)))",
        "(call $put (call $meta_keys (i32.const 4096) (i32.const 100)))",
        "(call $put (call $meta_keys (i32.const 4096) (i32.const 10)))",
        "(call $meta_set (i32.const 18) (i32.const 7) (i32.const 0) (i32.const 4))",
        "(call $meta_set (i32.const 0) (i32.const 4) (i32.const -1) (i32.const 0))",
        "(call $meta_set (i32.const -1) (i32.const 0) (i32.const 0) (i32.const 4))",
        r#"(i64.store (i32.const 4096) (i64.const 0x7d5d315b3a226122)) (i32.store8 (i32.const 4095) (i32.const 123)) (call $meta_set_json (i32.const 0) (i32.const 4) (i32.const 4095) (i32.const 9))"#,
        "(call $meta_set_json (i32.const 0) (i32.const 4) (i32.const 0) (i32.const 4))",
        "(drop (call $meta_delete (i32.const 0) (i32.const 4))) (drop (call $meta_delete (i32.const 18) (i32.const 7)))",
        "(i32.store8 (i32.const 0) (i32.const 255)) (drop (call $meta_delete (i32.const 0) (i32.const 4)))",
        "(drop (call $meta_get (i32.const 131070) (i32.const 5) (i32.const 0) (i32.const 0)))",
        "(drop (call $meta_get (i32.const 0) (i32.const 4) (i32.const 131071) (i32.const 100)))",
    ]);
    expect![[r#"
        (call $put (call $meta_get (i32.const 0) (i32.const 4) (i32.const 4096) (i32.const 100)))
            "é" empty= number=7 odd=�� text=é
        (call $put (call $meta_get (i32.const 4) (i32.const 6) (i32.const 4096) (i32.const 100)))
            "7" empty= number=7 odd=�� text=é
        (call $put (call $meta_get (i32.const 10) (i32.const 3) (i32.const 4096) (i32.const 100)))
            "��" empty= number=7 odd=�� text=é
        (call $put (call $meta_get_json (i32.const 0) (i32.const 4) (i32.const 4096) (i32.const 100)))
            "\"é\"" empty= number=7 odd=�� text=é
        (call $put (call $meta_get_json (i32.const 4) (i32.const 6) (i32.const 4096) (i32.const 100)))
            "7" empty= number=7 odd=�� text=é
        (if (i32.eq (call $meta_get (i32.const 13) (i32.const 5) (i32.const -1) (i32.const 0)) (i32.const 0)) (then (call $content_write (i32.const 13) (i32.const 5))))
            "empty" empty= number=7 odd=�� text=é
        (if (i32.eq (call $meta_get (i32.const 18) (i32.const 7) (i32.const -1) (i32.const 9)) (i32.const -1)) (then (call $content_write (i32.const 18) (i32.const 7))))
            "missing" empty= number=7 odd=�� text=é
        (call $put (call $meta_get (i32.const 0) (i32.const 4) (i32.const 4096) (i32.const 1)))
            "\0\0" empty= number=7 odd=�� text=é
        (call $put (call $meta_keys (i32.const 4096) (i32.const 100)))
            "\u{5}\0\0\0empty\u{6}\0\0\0number\u{3}\0\0\0odd\u{4}\0\0\0text" empty= number=7 odd=�� text=é
        (call $put (call $meta_keys (i32.const 4096) (i32.const 10)))
            "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" empty= number=7 odd=�� text=é
        (call $meta_set (i32.const 18) (i32.const 7) (i32.const 0) (i32.const 4))
            "hello" empty= missing=text number=7 odd=�� text=é
        (call $meta_set (i32.const 0) (i32.const 4) (i32.const -1) (i32.const 0))
            "hello" empty= number=7 odd=�� text=
        (call $meta_set (i32.const -1) (i32.const 0) (i32.const 0) (i32.const 4))
            "hello" =text empty= number=7 odd=�� text=é
        (i64.store (i32.const 4096) (i64.const 0x7d5d315b3a226122)) (i32.store8 (i32.const 4095) (i32.const 123)) (call $meta_set_json (i32.const 0) (i32.const 4) (i32.const 4095) (i32.const 9))
            "hello" empty= number=7 odd=�� text={"a":[1]}
        (call $meta_set_json (i32.const 0) (i32.const 4) (i32.const 0) (i32.const 4))
            "hello" empty= number=7 odd=�� text=é [host call: `v1_meta_set_json`: the value is not JSON: invalid character 'e' in literal true (expecting 'r')] (spent)
        (drop (call $meta_delete (i32.const 0) (i32.const 4))) (drop (call $meta_delete (i32.const 18) (i32.const 7)))
            "hello" empty= number=7 odd=��
        (i32.store8 (i32.const 0) (i32.const 255)) (drop (call $meta_delete (i32.const 0) (i32.const 4)))
            "hello" empty= number=7 odd=�� text=é [host call: `v1_meta_delete`: the key is not UTF-8] (spent)
        (drop (call $meta_get (i32.const 131070) (i32.const 5) (i32.const 0) (i32.const 0)))
            "hello" empty= number=7 odd=�� text=é [host call: `v1_meta_get`: the key is outside of the guest's memory] (spent)
        (drop (call $meta_get (i32.const 0) (i32.const 4) (i32.const 131071) (i32.const 100)))
            "hello" empty= number=7 odd=�� text=é [host call: `v1_meta_get`: the buffer is outside of the guest's memory] (spent)
    "#]].assert_eq(&told);
}

#[test]
fn the_rest_of_the_functions() {
    let told = each(&[
        "(call $put (call $config_get (i32.const 25) (i32.const 8) (i32.const 4096) (i32.const 100)))",
        "(if (i32.eq (call $config_get (i32.const 0) (i32.const 4) (i32.const 4096) (i32.const 100)) (i32.const -1)) (then (call $content_write (i32.const 18) (i32.const 7))))",
        "(if (i32.eq (call $error_get (i32.const 4096) (i32.const 100)) (i32.const -1)) (then (call $content_write (i32.const 18) (i32.const 7))))",
        "(call $log (i32.const 4) (i32.const 0) (i32.const 10))",
        "(call $log (i32.const 5) (i32.const 0) (i32.const 10))",
        "(call $log (i32.const 0) (i32.const -1) (i32.const 10))",
        "(call $count (i32.const 0) (i32.const 4) (i64.const -1))",
        "(call $count (i32.const 0) (i32.const 0) (i64.const 1))",
        "(i32.store8 (i32.const 0) (i32.const 45)) (call $count (i32.const 0) (i32.const 4) (i64.const 1))",
        // 2020 is over.
        "(if (i64.gt_s (call $now) (i64.const 1600000000000000000)) (then (call $content_write (i32.const 18) (i32.const 7))))",
        "(call $random (i32.const 4096) (i32.const 16)) (if (i64.ne (i64.load (i32.const 4096)) (i64.load (i32.const 4104))) (then (call $content_write (i32.const 18) (i32.const 7))))",
        "(call $random (i32.const 131070) (i32.const 5))",
        "(call $fail (i32.const -1) (i32.const 0))",
        "(call $fail (i32.const 131070) (i32.const 5))",
    ]);
    expect![[r#"
        (call $put (call $config_get (i32.const 25) (i32.const 8) (i32.const 4096) (i32.const 100)))
            "hi" empty= number=7 odd=�� text=é
        (if (i32.eq (call $config_get (i32.const 0) (i32.const 4) (i32.const 4096) (i32.const 100)) (i32.const -1)) (then (call $content_write (i32.const 18) (i32.const 7))))
            "missing" empty= number=7 odd=�� text=é
        (if (i32.eq (call $error_get (i32.const 4096) (i32.const 100)) (i32.const -1)) (then (call $content_write (i32.const 18) (i32.const 7))))
            "missing" empty= number=7 odd=�� text=é
        (call $log (i32.const 4) (i32.const 0) (i32.const 10))
            "hello" empty= number=7 odd=�� text=é
        log Error: textnumber
        (call $log (i32.const 5) (i32.const 0) (i32.const 10))
            "hello" empty= number=7 odd=�� text=é [host call: `v1_log`: there is no level 5: 0 is trace, 4 is error] (spent)
        (call $log (i32.const 0) (i32.const -1) (i32.const 10))
            "hello" empty= number=7 odd=�� text=é [host call: `v1_log`: the text is outside of the guest's memory] (spent)
        (call $count (i32.const 0) (i32.const 4) (i64.const -1))
            "hello" empty= number=7 odd=�� text=é [host call: `v1_counter_add`: a counter only goes up, not by -1] (spent)
        (call $count (i32.const 0) (i32.const 0) (i64.const 1))
            "hello" empty= number=7 odd=�� text=é [host call: `v1_counter_add`: the name of a counter has ASCII letters, digits and underscores, 1 to 64 of them] (spent)
        (i32.store8 (i32.const 0) (i32.const 45)) (call $count (i32.const 0) (i32.const 4) (i64.const 1))
            "hello" empty= number=7 odd=�� text=é [host call: `v1_counter_add`: the name of a counter has ASCII letters, digits and underscores, 1 to 64 of them] (spent)
        (if (i64.gt_s (call $now) (i64.const 1600000000000000000)) (then (call $content_write (i32.const 18) (i32.const 7))))
            "missing" empty= number=7 odd=�� text=é
        (call $random (i32.const 4096) (i32.const 16)) (if (i64.ne (i64.load (i32.const 4096)) (i64.load (i32.const 4104))) (then (call $content_write (i32.const 18) (i32.const 7))))
            "missing" empty= number=7 odd=�� text=é
        (call $random (i32.const 131070) (i32.const 5))
            "hello" empty= number=7 odd=�� text=é [host call: `v1_random`: the buffer is outside of the guest's memory] (spent)
        (call $fail (i32.const -1) (i32.const 0))
            "hello" empty= number=7 odd=�� text=é [fail: the guest gave no reason]
        (call $fail (i32.const 131070) (i32.const 5))
            "hello" empty= number=7 odd=�� text=é [host call: `v1_fail`: the reason is outside of the guest's memory] (spent)
    "#]].assert_eq(&told);
}

#[test]
fn init_and_close() {
    let with = |exports: &str| {
        guest(&format!(
            r#"(data (i32.const 0) "initfirstcloseno config") (func (export "process")
                 (call $log (i32.const 2) (i32.const 4) (i32.const 5))) {exports}"#
        ))
    };
    let messages = [Message::new("a"), Message::new("b")];
    let run = |exports: &str, expect| check_run(&with(exports), &[&messages], |_| {}, expect);
    run(
        r#"(func (export "wappa_init") (result i32) (call $log (i32.const 1) (i32.const 0) (i32.const 4)) (i32.const 0))
           (func (export "wappa_close") (call $log (i32.const 1) (i32.const 9) (i32.const 5)))"#,
        expect![[r#"
            "a"
            "b"
            log Debug: init
            log Info: first
            log Info: first
            log Debug: close
        "#]],
    );
    run(
        r#"(func (export "wappa_close") unreachable)"#,
        expect![[r#"
        "a"
        "b"
        log Info: first
        log Info: first
        log Error: `wappa_close`: trap: unreachable
    "#]],
    );
    run(
        r#"(func (export "wappa_close") (drop (call $content_len)))"#,
        expect![[r#"
        "a"
        "b"
        log Info: first
        log Info: first
        log Error: `wappa_close`: host call: `v1_content_len` outside of a message
    "#]],
    );
    let start = |exports: &str| check_start(&with(exports), config());
    let told = [
        r#"(func (export "wappa_init") (result i32) (i32.const 3))"#,
        r#"(func (export "wappa_init") (result i32) (call $log (i32.const 4) (i32.const 14) (i32.const 9)) (i32.const 1))"#,
        r#"(func (export "wappa_init") (result i32) unreachable)"#,
        r#"(func (export "wappa_init") (result i32) (call $content_len))"#,
        r#"(func (export "wappa_init") (result i32) (call $emit) (i32.const 0))"#,
        r#"(func (export "wappa_init") (result i32) (drop (call $next)) (i32.const 0))"#,
    ]
    .map(start)
    .join("\n");
    expect![[r#"
        instance: `wappa_init` returned 3
        instance: `wappa_init` returned 1: no config
        instance: running `wappa_init`: trap: unreachable
        instance: running `wappa_init`: host call: `v1_content_len` outside of a message
        instance: running `wappa_init`: host call: `v1_emit` outside of a message
        instance: running `wappa_init`: host call: `v1_next` outside of a message"#]]
    .assert_eq(&told);
}

#[test]
fn the_limit_on_output_counts_what_is_emitted() {
    let many = guest(r#"(func (export "process") (loop $again (call $emit) (br $again)))"#);
    let few = guest(r#"(func (export "process") (call $emit) (call $emit))"#);
    let large = guest(r#"(func (export "process") (call $content_write (i32.const 0) (i32.const 100000)))"#);
    let keys = guest(
        r#"(func (export "process") (local $i i32) (loop $again
             (i32.store (i32.const 0) (i32.or (i32.const 0x40404040) (i32.and (local.get $i) (i32.const 0x3f3f3f3f))))
             (call $meta_set (i32.const 0) (i32.const 4) (i32.const 0) (i32.const 0))
             (local.set $i (i32.add (local.get $i) (i32.const 1))) (br $again)))"#,
    );
    let messages = [Message::new("hello")];
    for (module, expect) in [
        (
            &many,
            expect![[r#"
            (a new instance after 1)
            "hello" failed: output: the message would be 50013 bytes, over the limit of 50000B (`output_limit`)
        "#]],
        ),
        (
            &few,
            expect![[r#"
            "hello" + "hello" + "hello"
        "#]],
        ),
        (
            &large,
            expect![[r#"
            (a new instance after 1)
            "hello" failed: output: the message would be 100000 bytes, over the limit of 50000B (`output_limit`)
        "#]],
        ),
        (
            &keys,
            expect![[r#"
                (a new instance after 1)
                "hello" failed: output: the message would be 50029 bytes, over the limit of 50000B (`output_limit`)
            "#]],
        ),
    ] {
        check_run(module, &[&messages], |config| config.limits.output = 50_000, expect);
    }
}
