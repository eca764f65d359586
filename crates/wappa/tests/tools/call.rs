//! `call`: guests of all interfaces, and everything that can come of a message.

use expect_test::{Expect, expect};
use wit_component::{StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::{check, support::Program};

/// A guest of v1 that does what the first letter of a message says: `k` keeps it, `x` filters it, `s` sends two, `f`
/// fails it, `t` traps, `c` replaces it by the config `key`, `m` sets typed metadata, `b` makes it bytes that are no
/// text, `l` logs and counts, `e` clears its mark, `o` loops.
const LETTERS: &str = r#"(module
  (import "wappa" "v1_content_read" (func $read (param i32 i32 i32) (result i32)))
  (import "wappa" "v1_content_write" (func $write (param i32 i32)))
  (import "wappa" "v1_meta_set_json" (func $set_json (param i32 i32 i32 i32)))
  (import "wappa" "v1_config_get" (func $config (param i32 i32 i32 i32) (result i32)))
  (import "wappa" "v1_error_clear" (func $error_clear))
  (import "wappa" "v1_emit" (func $emit))
  (import "wappa" "v1_filter" (func $filter))
  (import "wappa" "v1_fail" (func $fail (param i32 i32)))
  (import "wappa" "v1_log" (func $log (param i32 i32 i32)))
  (import "wappa" "v1_counter_add" (func $count (param i32 i32 i64)))
  (memory (export "memory") 1)
  (data (i32.const 0) "key[1,{}]one\fftwo\00the reason")
  (func $is (param $letter i32) (result i32) (i32.eq (i32.load8_u (i32.const 512)) (local.get $letter)))
  (func $innermost unreachable)
  (func (export "wappa_init") (result i32)
    (call $log (i32.const 2) (i32.const 19) (i32.const 10))
    (i32.const 0))
  (func (export "wappa_close") (call $log (i32.const 3) (i32.const 9) (i32.const 3)))
  (func (export "process") (local $n i32)
    (i32.store8 (i32.const 512) (i32.const 0))
    (drop (call $read (i32.const 0) (i32.const 512) (i32.const 1)))
    (if (call $is (i32.const 0x78)) (then (call $filter)))
    (if (call $is (i32.const 0x73)) (then
      (call $write (i32.const 9) (i32.const 3))
      (call $emit)
      (call $write (i32.const 13) (i32.const 3))))
    (if (call $is (i32.const 0x66)) (then (call $fail (i32.const 17) (i32.const 10))))
    (if (call $is (i32.const 0x74)) (then (call $innermost)))
    (if (call $is (i32.const 0x63)) (then
      (local.set $n (call $config (i32.const 0) (i32.const 3) (i32.const 600) (i32.const 100)))
      (if (i32.ge_s (local.get $n) (i32.const 0)) (then (call $write (i32.const 600) (local.get $n))))))
    (if (call $is (i32.const 0x6d)) (then (call $set_json (i32.const 0) (i32.const 3) (i32.const 3) (i32.const 6))))
    (if (call $is (i32.const 0x62)) (then (call $write (i32.const 9) (i32.const 8))))
    (if (call $is (i32.const 0x6c)) (then
      (call $log (i32.const 4) (i32.const 9) (i32.const 3))
      (call $count (i32.const 9) (i32.const 3) (i64.const 2))))
    (if (call $is (i32.const 0x65)) (then (call $error_clear)))
    (if (call $is (i32.const 0x6f)) (then (loop $again (br $again))))))"#;

/// A component that replaces each content, and logs how it was called.
const COMPONENT: &str = r#"(module
  (import "wappa:processor/types@0.1.0" "[method]batch.len" (func $len (param i32) (result i32)))
  (import "wappa:processor/log@0.1.0" "log" (func $log (param i32 i32 i32)))
  (memory (export "memory") 2)
  (data (i32.const 64) "by a component")
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 65536))
  (func (export "wappa:processor/transform@0.1.0#configure") (param i32 i32) (result i32) (i32.const 0))
  (func (export "wappa:processor/transform@0.1.0#process") (param $batch i32) (result i32)
    (local $n i32) (local $at i32) (local $end i32)
    (local.set $n (call $len (local.get $batch)))
    (local.set $at (i32.const 2048))
    (local.set $end (i32.add (local.get $at) (i32.mul (local.get $n) (i32.const 12))))
    (loop $next
      (if (i32.lt_u (local.get $at) (local.get $end)) (then
        (i32.store8 (local.get $at) (i32.const 2))
        (i32.store offset=4 (local.get $at) (i32.const 64))
        (i32.store offset=8 (local.get $at) (i32.const 14))
        (local.set $at (i32.add (local.get $at) (i32.const 12)))
        (br $next))))
    (call $log (i32.const 2) (i32.const 67) (i32.const 11))
    (i32.store (i32.const 1024) (i32.const 2048))
    (i32.store (i32.const 1028) (local.get $n))
    (i32.const 1024)))"#;

fn component() -> Vec<u8> {
    let mut wasm = wat::parse_str(COMPONENT).expect("the text is right");
    let wit = include_str!("../../../../guest/wit/processor.wit");
    let mut resolve = Resolve::default();
    let package = resolve.push_str("processor.wit", wit).expect("the WIT is right");
    let world = resolve.select_world(&[package], Some("processor")).expect("there is one");
    embed_component_metadata(&mut wasm, &resolve, world, StringEncoding::UTF8).expect("they fit");
    wasm
}

fn letters(name: &str, stdin: &str) -> Program {
    Program::new(name).file("letters.wat", LETTERS).stdin(stdin)
}

fn check_letters(name: &str, stdin: &str, commands: &[&str], expected: Expect) {
    check(&letters(name, stdin), commands, expected);
}

#[test]
fn all_that_can_come_of_a_message() {
    let commands = ["call letters.wat --config key=value"];
    check_letters("call-all", "k\nx\ns\nf\nt\nc\nm\nb\nl\n\n", &commands, expect![[]]);
}

#[test]
fn as_json() {
    check_letters("call-json", "k\nx\ns\nf\nm\nb\nl\n", &["call letters.wat --json"], expect![[]]);
}

#[test]
fn metadata_and_marks() {
    let commands = [
        "call letters.wat --brief --meta a=b=c --meta n:=3 -m list:=[1,\"x\"] --error before",
        "call letters.wat --brief --meta a",
        "call letters.wat --brief --meta n:=three",
    ];
    check_letters("call-meta", "k\ne\nt\n", &commands, expect![[]]);
}

#[test]
fn batches() {
    check_letters(
        "call-batch",
        "k\nt\nl\n",
        &["call letters.wat --batch", "call letters.wat --batch --json"],
        expect![[]],
    );
}

#[test]
fn files_are_messages() {
    let program =
        letters("call-files", "m from stdin\n").file("one", "k\nsecond line\n").file("two", "k\r\nx\r\n");
    let commands = [
        "call letters.wat --brief one two",
        "call letters.wat --brief --lines two",
        "call letters.wat --brief - one",
        "call letters.wat --brief --whole",
        "call letters.wat --brief missing",
    ];
    check(&program, &commands, expect![[]]);
}

#[test]
fn the_other_interfaces() {
    let guests = "../../crates/wappa/tests/guests";
    let v0 = std::fs::read(format!("{}/../{guests}/upper.wat", env!("CARGO_MANIFEST_DIR")));
    let program = Program::new("call-tiers")
        .file("upper.wat", v0.expect("the guest is there"))
        .file("component.wasm", component())
        .stdin("a\nb\nc\n");
    check(
        &program,
        &["call upper.wat", "call component.wasm", "call component.wasm --batch --brief"],
        expect![[]],
    );
}

#[test]
fn limits_are_those_of_the_processor() {
    let commands = ["call letters.wat --timeout 50ms --brief", "call letters.wat --memory-limit 1KiB"];
    check_letters("call-limits", "o\nk\n", &commands, expect![[]]);
}

#[test]
fn what_is_no_guest_is_refused() {
    let program = Program::new("call-refused")
        .file("text.txt", "hello")
        .file("start.wat", r#"(module (start $f) (func $f unreachable) (func (export "process")))"#)
        .file("misspelt.wat", r#"(module (func (export "Process")))"#)
        .file(
            "init.wat",
            r#"(module
              (import "wappa" "v1_log" (func $log (param i32 i32 i32)))
              (memory (export "memory") 1)
              (data (i32.const 0) "no key")
              (func (export "wappa_init") (result i32)
                (call $log (i32.const 4) (i32.const 0) (i32.const 6)) (i32.const 1))
              (func (export "process")))"#,
        );
    let commands = [
        "call missing.wasm",
        "call text.txt",
        "call misspelt.wat",
        "call misspelt.wat --function Process --mount here",
        "call misspelt.wat --function Process --mount missing:/data",
        "call start.wat",
        "call init.wat",
    ];
    check(&program, &commands, expect![[]]);
}
