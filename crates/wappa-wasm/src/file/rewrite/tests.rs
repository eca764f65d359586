//! Modules in text, and what the rewriting makes of their sections.

use expect_test::{Expect, expect};
use wasmparser::{Parser, Payload, Validator};

use super::*;
use crate::interface::ACCEPTED_FEATURES;

/// Lists the sections of a module with their sizes, and its exports.
fn sections(wasm: &[u8]) -> String {
    let mut out = Vec::new();
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload.expect("a module that parses");
        if let Payload::CustomSection(section) = &payload {
            out.push(format!("custom:{}({})", section.name(), section.range().len()));
        } else if let Some((id, range)) = payload.as_section() {
            out.push(format!("{id}({})", range.len()));
        }
        if let Payload::ExportSection(section) = payload {
            out.extend(section.into_iter().map(|it| it.expect("an export").name.to_owned()));
        }
    }
    out.join(" ")
}

fn check(wat: &str, expected: Expect) -> Vec<u8> {
    let wasm = wat::parse_str(wat).expect("valid text");
    let rewritten = export_memory(&wasm);
    assert_eq!(needs_rewrite(&wasm), rewritten != wasm);
    assert!(!needs_rewrite(&rewritten));
    Validator::new_with_features(ACCEPTED_FEATURES).validate_all(&rewritten).expect("the result is valid");
    expected.assert_eq(&format!("{}\n{}\n", sections(&wasm), sections(&rewritten)));
    rewritten.into_owned()
}

#[test]
fn an_export_is_added_to_the_others() {
    check(
        r#"(module $m (import "a" "b" (func)) (memory 1) (func (export "process")) (data (i32.const 0) "x"))"#,
        expect![[r#"
            1(4) 2(7) 3(2) 5(3) 7(11) process 10(4) 11(7) custom:name(9)
            1(4) 2(7) 3(2) 5(3) 7(26) process wappa:memory 10(4) 11(7) custom:name(9)
        "#]],
    );
}

#[test]
fn an_export_section_is_added_where_it_belongs() {
    check(
        r#"(module $m (memory 1) (func $start) (start $start))"#,
        expect![[r#"
        1(4) 3(2) 5(3) 8(1) 10(4) custom:name(19)
        1(4) 3(2) 5(3) 7(16) wappa:memory 8(1) 10(4) custom:name(19)
    "#]],
    );
    check(
        r#"(module (memory 1) (@custom ".debug_info" "123"))"#,
        expect![[r#"
        5(3) custom:.debug_info(15)
        5(3) 7(16) wappa:memory custom:.debug_info(15)
    "#]],
    );
    check(
        r#"(module (@custom "a" (before first) "1") (@custom "b" (after memory) "2") (memory 1) (global i32 i32.const 0)
            (@custom "c" (after global) "3") (func))"#,
        expect![[r#"
            custom:a(3) 1(4) 3(2) 5(3) custom:b(3) 6(6) custom:c(3) 10(4)
            custom:a(3) 1(4) 3(2) 5(3) custom:b(3) 6(6) 7(16) wappa:memory custom:c(3) 10(4)
        "#]],
    );
}

#[test]
fn wasi_finds_the_memory_under_its_own_name() {
    let import = r#"(import "wasi_snapshot_preview1" "sched_yield" (func (result i32)))"#;
    check(
        &format!("(module {import} (memory 1))"),
        expect![[r#"
        1(5) 2(38) 5(3)
        1(5) 2(38) 5(3) 7(10) memory
    "#]],
    );
    check(
        &format!("(module {import} (memory (export \"mem\") 1))"),
        expect![[r#"
        1(5) 2(38) 5(3) 7(7) mem
        1(5) 2(38) 5(3) 7(16) mem memory
    "#]],
    );
    check(
        &format!("(module {import} (memory (export \"memory\") 1))"),
        expect![[r#"
        1(5) 2(38) 5(3) 7(10) memory
        1(5) 2(38) 5(3) 7(10) memory
    "#]],
    );
    check(
        &format!("(module {import} (memory 1) (func (export \"memory\")))"),
        expect![[r#"
        1(8) 2(38) 3(2) 5(3) 7(10) memory 10(4)
        1(8) 2(38) 3(2) 5(3) 7(25) memory wappa:memory 10(4)
    "#]],
    );
}

#[test]
fn nothing_is_done_where_nothing_is_needed() {
    check(
        r#"(module (memory (export "mem") 1) (func (export "process")))"#,
        expect![[r#"
        1(4) 3(2) 5(3) 7(17) mem process 10(4)
        1(4) 3(2) 5(3) 7(17) mem process 10(4)
    "#]],
    );
    check(
        r#"(module (import "env" "memory" (memory 1)))"#,
        expect![[r#"
        2(15)
        2(15)
    "#]],
    );
    check(
        r#"(module (func (export "process")))"#,
        expect![[r#"
        1(4) 3(2) 7(11) process 10(4)
        1(4) 3(2) 7(11) process 10(4)
    "#]],
    );
    check(
        r#"(module (memory 1) (func (export "wappa:memory")))"#,
        expect![[r#"
        1(4) 3(2) 5(3) 7(16) wappa:memory 10(4)
        1(4) 3(2) 5(3) 7(16) wappa:memory 10(4)
    "#]],
    );
    assert_eq!(export_memory(b"no module"), b"no module".as_slice());
}

#[test]
fn a_padded_section_length_is_replaced_whole() {
    let mut wasm = wat::parse_str(r#"(module (memory 1) (func (export "p")))"#).expect("valid text");
    let exports = wasm.windows(2).rposition(|it| it == [7, 5]).expect("the export section's header");
    wasm.splice(exports + 1..exports + 2, [0x85, 0x80, 0x80, 0x80, 0x00]);
    let rewritten = export_memory(&wasm);
    Validator::new().validate_all(&rewritten).expect("the result is valid");
    expect!["1(4) 3(2) 5(3) 7(20) p wappa:memory 10(4)"].assert_eq(&sections(&rewritten));
}

#[test]
fn a_count_that_grows_by_a_byte() {
    let mut wat = "(module (memory 1) (func $f)".to_owned();
    for n in 0..127 {
        wat += &format!("(export \"{n}\" (func $f))");
    }
    let wasm = wat::parse_str(wat + ")").expect("valid text");
    let rewritten = export_memory(&wasm);
    Validator::new().validate_all(&rewritten).expect("the result is valid");
    assert!(sections(&rewritten).contains("126 wappa:memory"));
}
