//! Components: text in, text out.

use expect_test::{Expect, expect};

use super::{check_problems, check_refused, check_report};

/// Everything that a processor imports, and nothing else.
const IMPORTS: &str = r#"
    (type $types (instance
        (type $value' (variant (case "text" string) (case "bytes" (list u8)) (case "json" string)))
        (export "value" (type $value (eq $value')))
        (type $metadata (list (tuple string $value)))
        (type $message' (record (field "content" (list u8)) (field "metadata" $metadata)))
        (export "message" (type $message (eq $message')))
        (type $disposition' (variant (case "keep") (case "filter") (case "content" (list u8))
            (case "send" (list $message)) (case "fail" string)))
        (export "disposition" (type $disposition (eq $disposition')))
        (export "batch" (type $batch (sub resource)))
        (export "[method]batch.len" (func (param "self" (borrow $batch)) (result u32)))
        (export "[method]batch.metadata" (func (param "self" (borrow $batch)) (param "index" u32) (result $metadata)))))
    (import "wappa:processor/types@0.1.0" (instance $types (type $types)))
    (import "wappa:processor/log@0.1.0" (instance
        (type $level' (enum "trace" "debug" "info" "warn" "error"))
        (export "level" (type $level (eq $level')))
        (export "log" (func (param "level" $level) (param "text" string)))))"#;

/// The core of a processor, which does nothing but trap.
const CORE: &str = r#"
    (core module $core
        (memory (export "memory") 2)
        (func (export "realloc") (param i32 i32 i32 i32) (result i32) unreachable)
        (func (export "configure") (param i32 i32) (result i32) unreachable)
        (func (export "process") (param i32) (result i32) unreachable)
        (@producers (language "Rust" "2024") (processed-by "rustc" "1.95.0")))
    (core instance $core (instantiate $core))
    (alias core export $core "memory" (core memory $memory))
    (alias core export $core "realloc" (core func $realloc))"#;

/// The exported interface, with these types of its two functions.
fn exports(version: &str, configure: &str, process: &str) -> String {
    format!(
        r#"
    (alias export $types "batch" (type $batch))
    (alias export $types "disposition" (type $disposition))
    (func $configure {configure}
        (canon lift (core func $core "configure") (memory $memory) (realloc $realloc)))
    (func $process {process} (canon lift (core func $core "process") (memory $memory) (realloc $realloc)))
    (instance $transform (export "configure" (func $configure)) (export "process" (func $process)))
    (export "wappa:processor/transform@{version}" (instance $transform))"#
    )
}

const CONFIGURE: &str = r#"(param "config" (list (tuple string string))) (result (result (error string)))"#;
const PROCESS: &str = r#"(param "batch" (own $batch)) (result (list $disposition))"#;

fn component(fields: &str) -> String {
    format!("(component $louder {fields})")
}

fn processor() -> String {
    component(&[IMPORTS, CORE, &exports("0.1.0", CONFIGURE, PROCESS)].concat())
}

#[test]
fn a_good_component() {
    check_report(
        processor().as_bytes(),
        expect![[r#"
        kind      WebAssembly component of 1 core module, as text
        tier      component, of `wappa:processor` 0.1.0
        size      2374 bytes (2.3KiB)
        sha256    e53f1715695acb77de08197870783f2bb7991f2f533b98ab5db4255baee248b7
        name      louder
        made by   Rust 2024, rustc 1.95.0
        code      3 functions, 12B
        memory    2 pages (128KiB), no maximum

        imports
          wappa:processor/types@0.1.0
            batch.len: func() -> u32
            batch.metadata: func(index: u32) -> list<tuple<string, value>>
          wappa:processor/log@0.1.0
            log: func(level: level, text: string)

        exports
          wappa:processor/transform@0.1.0
            configure: func(config: list<tuple<string, string>>) -> result<_, string>
            process: func(batch: batch) -> list<disposition>

        custom sections
          producers       48B
          name            7B
          component-name  135B

        no problems
    "#]],
    );
}
