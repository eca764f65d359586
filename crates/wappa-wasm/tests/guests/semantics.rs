//! What v0 means: the behavior of Bento, vector by vector where it has one (compatibility reference, section 1.19).

use expect_test::expect;
use wappa_message::{Message, Value};

use crate::harness::{bare, check, check_with, guest, told};

#[test]
fn upper_case() {
    let upper = include_str!("upper.wat");
    check(
        upper,
        &["hello", "", "Grüße 1"],
        expect![[r#"
            "HELLO"
            ""
            "GRüßE 1"
        "#]],
    );
}

#[test]
fn v1_content_and_metadata_in_and_out() {
    let wat = guest(
        r#"(data (i32.const 100) "k1missing")
        (func (export "process") (local $content i64)
          (local.set $content (call $as_bytes))
          (call $set_meta (i32.const 100) (i32.const 2) (call $ptr (local.get $content)) (call $len (local.get $content)))
          (if (call $len (call $get_meta (i32.const 102) (i32.const 7))) (then unreachable))
          (call $set_bytes (i32.const 100) (i32.const 2)))"#,
    );
    let mut message = Message::new("msg0");
    message.metadata_mut().set("m", Value::Int(5));
    check_with(
        &wat,
        vec![message],
        |_| {},
        expect![[r#"
            "k1" k1=msg0 m=5
        "#]],
    );
}

#[test]
fn v2_results_of_the_export_are_ignored() {
    let one = guest(r#"(func (export "process") (result i32) (call $echo (i64.const 0)) (i32.const 7))"#);
    check(
        &one,
        &["a", "b"],
        expect![[r#"
            ""
            ""
        "#]],
    );
    let many = guest(r#"(func (export "process") (result i32 f64) (i32.const 7) (f64.const 1))"#);
    check(
        &many,
        &["a"],
        expect![[r#"
            "a"
        "#]],
    );
}

#[test]
fn v3_empty_content() {
    check(
        &guest(r#"(func (export "process") (call $set_bytes (i32.const 10) (i32.const 0)))"#),
        &["a"],
        expect![[r#"
            ""
        "#]],
    );
}

#[test]
fn v4_empty_keys_and_values() {
    let wat = guest(
        r#"(data (i32.const 100) "emptym")
        (func (export "process")
          (call $set_meta (i32.const 100) (i32.const 5) (i32.const 0) (i32.const 0))
          (call $set_meta (i32.const 0) (i32.const 0) (i32.const 105) (i32.const 1)))"#,
    );
    check(
        &wat,
        &["a"],
        expect![[r#"
            "a" =m empty=
        "#]],
    );
}

#[test]
fn v5_typed_metadata_is_read_as_text_and_written_as_text() {
    let wat = guest(
        r#"(data (i32.const 100) "objm")
        (func (export "process") (local $m i64)
          (local.set $m (call $get_meta (i32.const 103) (i32.const 1)))
          (call $set_meta (i32.const 103) (i32.const 1) (call $ptr (local.get $m)) (call $len (local.get $m)))
          (call $echo (call $get_meta (i32.const 100) (i32.const 3))))"#,
    );
    let list =
        Value::array([Value::Int(1), Value::Float(2.5), Value::Bool(true), Value::Null]).expect("flat");
    let mut message = Message::new("x");
    message.metadata_mut().set("obj", Value::object([("a", list)]).expect("flat"));
    message.metadata_mut().set("m", Value::Int(5));
    check_with(
        &wat,
        vec![message],
        |_| {},
        expect![[r#"
            "{\"a\":[1,2.5,true,null]}" m=5 obj={"a":[1,2.5,true,null]}
        "#]],
    );
}

#[test]
fn v6_memory_by_any_name_or_none() {
    let body = r#"
        (data (i32.const 100) "line\n")
        (func (export "malloc") (param i32) (result i32) (i32.const 32768))
        (func (export "process")
          (call $print (i32.const 1) (i32.const 100) (i32.const 5))
          (call $echo (call $as_bytes)))"#;
    let all: String = [r#"(memory 1)"#, r#"(memory (export "mem") 1)"#, r#"(memory (export "memory") 1)"#]
        .map(|memory| told(&bare(&format!("{memory}{body}")), vec![Message::new("abc")], |_| {}))
        .concat();
    expect![[r#"
        "abc"
        log Info: line
        "abc"
        log Info: line
        "abc"
        log Info: line
    "#]]
    .assert_eq(&all);
}

#[test]
fn v9_a_trap_fails_one_message() {
    let wat = guest(
        r#"(func (export "process") (local $m i64)
          (local.set $m (call $as_bytes))
          (if (i32.eq (i32.load8_u (call $ptr (local.get $m))) (i32.const 98)) (then unreachable))
          (i32.store8 (call $ptr (local.get $m)) (i32.const 88))
          (call $echo (local.get $m)))"#,
    );
    check(
        &wat,
        &["msg1", "msg2", "boom", "msg4"],
        expect![[r#"
            "Xsg1"
            "Xsg2"
            "boom" [trap: unreachable] (spent)
            "Xsg4"
        "#]],
    );
}

#[test]
fn v12_globals_live_as_long_as_the_instance() {
    let wat = guest(
        r#"(global $count (mut i32) (i32.const 48))
        (func (export "process") (local $m i64)
          (local.set $m (call $as_bytes))
          (global.set $count (i32.add (global.get $count) (i32.const 1)))
          (if (i32.eq (i32.load8_u (call $ptr (local.get $m))) (i32.const 98)) (then unreachable))
          (i32.store8 (i32.const 200) (global.get $count))
          (call $set_bytes (i32.const 200) (i32.const 1)))"#,
    );
    check(
        &wat,
        &["m", "m", "boom", "m", "m"],
        expect![[r#"
            "1"
            "2"
            "boom" [trap: unreachable] (spent)
            "1"
            "2"
        "#]],
    );
}

#[test]
fn v13_v14_wild_pointers_fail_softly_and_changes_stay() {
    let wat = guest(
        r#"(data (i32.const 100) "k1")
        (func (export "process")
          (call $set_meta (i32.const 100) (i32.const 2) (i32.const 100) (i32.const 2))
          (call $set_bytes (i32.const 100) (i32.const 2))
          (call $set_bytes (i32.const 65530) (i32.const 200)))"#,
    );
    check(
        &wat,
        &["a", "b"],
        expect![[r#"
            "k1" k1=k1 [host call: failed to read out-bound memory: prevented read]
            "k1" k1=k1 [host call: failed to read out-bound memory: prevented read]
        "#]],
    );
    let wat = guest(
        r#"(func (export "process")
          (call $set_meta (i32.const -1) (i32.const 2) (i32.const 100) (i32.const 2)))"#,
    );
    check(
        &wat,
        &["a"],
        expect![[r#"
            "a" [host call: failed to read out-bound meta key memory: prevented read]
        "#]],
    );
    let wat = guest(
        r#"(func (export "process")
          (call $set_meta (i32.const 1) (i32.const 2) (i32.const 100) (i32.const -1)))"#,
    );
    check(
        &wat,
        &["a"],
        expect![[r#"
            "a" [host call: failed to read out-bound meta value memory: prevented read]
        "#]],
    );
    let wat = guest(
        r#"(func (export "process")
          (call $echo (call $get_meta (i32.const 65536) (i32.const 1))))"#,
    );
    check(
        &wat,
        &["a"],
        expect![[r#"
            "" [host call: failed to read out-bound meta key memory: prevented read]
        "#]],
    );
}

/// The first block of some lies at address 0; with all others that is no memory.
#[test]
fn v15_an_allocator_whose_first_block_is_at_zero() {
    let module = |malloc: &str| {
        bare(&format!(
            r#"(memory (export "memory") 1) (global $at (mut i32) (i32.const 0))
            (func (export "malloc") (param $n i32) (result i32) {malloc})
            (func (export "process") (local $it i64)
              (local.set $it (call $as_bytes))
              (call $set_bytes (call $ptr (local.get $it)) (call $len (local.get $it))))"#
        ))
    };
    // Its place is never given back: the first message has address 0, the next one has not.
    let from_zero = "(global.get $at) (global.set $at (i32.add (global.get $at) (i32.const 64)))";
    check(
        &module(from_zero),
        &["one", "", "two"],
        expect![[r#"
            "one"
            ""
            "two"
        "#]],
    );
    // The same place for each message, and no room for the second one at that.
    let always = "(if (result i32) (i32.lt_u (local.get $n) (i32.const 4)) (then (i32.const 0)) \
                  (else (drop (memory.grow (i32.const 9999))) (i32.const 0)))";
    check(
        &module(always),
        &["one", "three", "two"],
        expect![[r#"
            "one"
            "" [host call: failed to allocate in-bound memory: the allocator returned 0 for 5 bytes after `memory_limit` was reached]
            "two"
        "#]],
    );
    // It gave something else before, so this means that there is nothing more.
    let once = "(global.get $at) (global.set $at (i32.const 0))";
    check(
        &module(once).replace("(mut i32) (i32.const 0)", "(mut i32) (i32.const 64)"),
        &["one", "two"],
        expect![[r#"
            "one"
            "" [host call: failed to allocate in-bound memory: the allocator returned 0 for 3 bytes]
        "#]],
    );
}

#[test]
fn v15_an_allocator_that_fails() {
    let process = r#"(func (export "process")
        (i64.store (i32.const 100) (call $as_bytes))
        (call $set_bytes (i32.const 100) (i32.const 8)))"#;
    let mut all = String::new();
    for malloc in [
        "(param i32) (result i32) unreachable",
        "(param i32) (result i32) (i32.const 0)",
        "(param i32) (result i32) (i32.const -1)",
        "(param i32 i32) (result i32) (i32.const 1)",
    ] {
        let wat = bare(&format!(r#"(memory (export "memory") 1)(func (export "malloc") {malloc}){process}"#));
        all += &told(&wat, ["abc", "abc"].map(Message::new).into(), |_| {});
    }
    expect![[r#"
        "\0\0\0\0\0\0\0\0" [host call: failed to allocate in-bound memory: unreachable] (spent)
        "\0\0\0\0\0\0\0\0" [host call: failed to allocate in-bound memory: unreachable] (spent)
        "\u{3}\0\0\0\0\0\0\0"
        "\u{3}\0\0\0\0\0\0\0"
        "\0\0\0\0\0\0\0\0" [host call: failed to allocate in-bound memory: failed to write in-bound memory]
        "\0\0\0\0\0\0\0\0" [host call: failed to allocate in-bound memory: failed to write in-bound memory]
        "\0\0\0\0\0\0\0\0" [host call: failed to allocate in-bound memory: expected 2 arguments, got 1]
        "\0\0\0\0\0\0\0\0" [host call: failed to allocate in-bound memory: expected 2 arguments, got 1]
    "#]]
    .assert_eq(&all);
    // Nothing to write: any pointer will do.
    let wat = bare(&format!(
        r#"(memory (export "memory") 1)(func (export "malloc") (param i32) (result i32) (i32.const 0)){process}"#
    ));
    check(
        &wat,
        &[""],
        expect![[r#"
            "\0\0\0\0\0\0\0\0"
        "#]],
    );
}

#[test]
fn v16_v17_no_allocator_and_no_memory() {
    let wat = bare(r#"(memory (export "memory") 1) (func (export "process") (drop (call $as_bytes)))"#);
    check(
        &wat,
        &["a"],
        expect![[r#"
            "a" [host call: the module exports neither `malloc` nor `allocate`] (spent)
        "#]],
    );
    let wat = r#"(module (import "bento_wasm" "v0_msg_set_bytes" (func $set (param i32 i32)))
        (func (export "process") (call $set (i32.const 0) (i32.const 0))))"#;
    check(
        wat,
        &["a"],
        expect![[r#"
            "a" [host call: the module has no memory] (spent)
        "#]],
    );
}

#[test]
fn v18_v19_v27_modules_that_cannot_be_guests() {
    check(
        &guest(r#"(func (export "process") (param i32))"#),
        &["a"],
        expect![[r#"
        the export `process` is a function with the parameters (i32), expected a function without parameters (`function`)
    "#]],
    );
    check(
        &guest(r#"(global (export "process") i32 (i32.const 1))"#),
        &["a"],
        expect![[r#"
        the export `process` is a global, expected a function without parameters (`function`)
    "#]],
    );
    check(
        &guest(r#"(func (export "run")) (func (export "go") (param i32))"#),
        &["a"],
        expect![[r#"
        the module exports no function `process`; without parameters there are `run`
    "#]],
    );
    let import = |text: &str| format!(r#"(module (import {text}) (func (export "process")))"#);
    check(
        &import(r#""env" "abort" (func)"#),
        &["a"],
        expect![[r#"
        the module imports `env.abort`, which nobody provides
    "#]],
    );
    check(
        &import(r#""bento_wasm" "v0_msg_delete" (func)"#),
        &["a"],
        expect![[r#"
        the module imports `bento_wasm.v0_msg_delete`, which nobody provides
    "#]],
    );
    check(
        &import(r#""bento_wasm" "v0_msg_as_bytes" (func (result i32))"#),
        &["a"],
        expect![[r#"
        linking the module: incompatible import type for `bento_wasm::v0_msg_as_bytes`: types incompatible: expected type `(func (result i32))`, found type `(func (result i64))`
    "#]],
    );
    check(
        r#"(module $bento_wasm (func (export "process")))"#,
        &["a"],
        expect![[r#"
            "a"
        "#]],
    );
    check(
        r#"(module (memory 4096) (export "memory" (memory 0)) (func (export "process")))"#,
        &["a"],
        expect![[r#"
            the module starts with 256MiB of memory, more than `memory_limit` allows (128MiB)
        "#]],
    );
}

#[test]
fn files_that_are_not_modules() {
    check(
        "",
        &[],
        expect![[r#"
        the file is empty
    "#]],
    );
    check(
        "hello",
        &[],
        expect![[r#"
        invalid magic number: this is not a WebAssembly module but text that begins with `hello`
    "#]],
    );
    check(
        "(module",
        &[],
        expect![[r#"
        line 1, column 8: expected `)`
    "#]],
    );
    check(
        "\0asm",
        &[],
        expect![[r#"
        the file is truncated: it ends after 4 bytes where the header needs 8 bytes
    "#]],
    );
    check(
        "\0asm\u{2}\0\0\0",
        &[],
        expect![[r#"
        wrong version 2: WebAssembly modules have version 1
    "#]],
    );
    check(
        "(component)",
        &[],
        expect![[r#"
            the component exports no `wappa:processor/transform@1.0.0`, so it is no processor
        "#]],
    );
    check(
        "(module (func (result i32)))",
        &[],
        expect![[r#"
        the module is not valid: type mismatch: expected i32 but nothing on stack (at offset 0x18)
    "#]],
    );
    check(
        "(module (memory 1) (memory 1) (func (export \"process\")))",
        &[],
        expect![[r#"
        the module is not valid: multiple memories (at offset 0x14)
    "#]],
    );
}

#[test]
fn the_older_import_module_is_the_same() {
    let wat = guest(r#"(func (export "process") (call $echo (call $as_bytes)))"#).replace("bento", "benthos");
    check(
        &wat,
        &["a"],
        expect![[r#"
            "a"
        "#]],
    );
}

/// Writes its trace into the content: `m`alloc, `a`llocate, `d`eallocate, `f`ree. The frees show in the next message.
fn tracing(exports: &[&str]) -> String {
    let mut wat = String::from(
        r#"(memory (export "memory") 1) (global $at (mut i32) (i32.const 1000))
        (func $note (param i32) (i32.store8 (global.get $at) (local.get 0))
          (global.set $at (i32.add (global.get $at) (i32.const 1))))
        (func (export "process") (local $m i64)
          (local.set $m (call $as_bytes))
          (call $set_bytes (i32.const 1000) (i32.sub (global.get $at) (i32.const 1000))))"#,
    );
    for export in exports {
        let letter = export.as_bytes()[0];
        let ty = match *export {
            "malloc" | "allocate" => "(param i32) (result i32)",
            "free" => "(param i32)",
            _ => "(param i32 i32)",
        };
        let result = if ty.contains("result") { "(i32.const 32768)" } else { "" };
        wat += &format!(r#"(func (export "{export}") {ty} (call $note (i32.const {letter})) {result})"#);
    }
    bare(&wat)
}

#[test]
fn v24_who_frees_what_and_when() {
    check(
        &tracing(&["malloc", "free"]),
        &["x", "x"],
        expect![[r#"
            "m"
            "mfm"
        "#]],
    );
    check(
        &tracing(&["allocate", "deallocate"]),
        &["x", "x"],
        expect![[r#"
            "a"
            "ada"
        "#]],
    );
    check(
        &tracing(&["malloc", "free", "allocate", "deallocate"]),
        &["x", "x"],
        expect![[r#"
            "a"
            "ada"
        "#]],
    );
}

#[test]
fn frees_that_fail_or_have_other_types() {
    let process = r#"(func (export "process") (call $echo (call $as_bytes)))
        (func (export "malloc") (param i32) (result i32) (i32.const 100)) (memory (export "memory") 1)"#;
    let mut all = String::new();
    for export in [
        r#"(func (export "free") (param i32) unreachable)"#,
        r#"(func (export "free") (param i32) (result i32) (i32.const 1))"#,
        r#"(func (export "free") (param i32 i32))"#,
        r#"(func (export "deallocate") (param i32 i32) unreachable)"#,
        r#"(func (export "deallocate") (param i32))"#,
    ] {
        all += &told(&bare(&format!("{process}{export}")), ["a", "b"].map(Message::new).into(), |_| {});
    }
    expect![[r#"
        "a" [host call: failed to free in-bound memory: unreachable] (spent)
        "b" [host call: failed to free in-bound memory: unreachable] (spent)
        "a"
        "b"
        "a" [host call: failed to free in-bound memory: expected 2 arguments, got 1]
        "b" [host call: failed to free in-bound memory: expected 2 arguments, got 1]
        "a" (spent)
        "b" (spent)
        "a"
        "b"
    "#]]
    .assert_eq(&all);
}

#[test]
fn an_error_mark_that_was_there_stays() {
    let mut message = Message::new("a");
    message.set_error(wappa_message::Mark::new("earlier"));
    let wat = guest(r#"(func (export "process") (call $set_bytes (i32.const 0) (i32.const 0)))"#);
    check_with(
        &wat,
        vec![message],
        |_| {},
        expect![[r#"
            "" [earlier]
        "#]],
    );
}

#[test]
fn several_copies_of_a_message_do_not_see_each_other() {
    let wat = guest(
        r#"(data (i32.const 100) "k")
        (func (export "process")
          (call $set_meta (i32.const 100) (i32.const 1) (i32.const 100) (i32.const 1))
          (call $set_bytes (i32.const 100) (i32.const 1)) unreachable)"#,
    );
    let mut message = Message::new("a");
    message.metadata_mut().set("old", Value::text("1"));
    check_with(
        &wat,
        vec![message.clone(), message],
        |_| {},
        expect![[r#"
            "a" old=1 [trap: unreachable] (spent)
            "a" old=1 [trap: unreachable] (spent)
        "#]],
    );
}
