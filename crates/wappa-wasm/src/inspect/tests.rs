//! Text in, text out: a module, and what a person reads about it.

use expect_test::{Expect, expect};

use super::*;

fn check_report(file: &[u8], expected: Expect) {
    let text = match Inspection::of(file) {
        Ok(it) => it.report(&it.problems("process", &Limits::default())),
        Err(err) => format!("{err}\n"),
    };
    expected.assert_eq(&text);
}

fn check_refused(file: &[u8], expected: Expect) {
    expected.assert_eq(&Inspection::of(file).expect_err("a module").to_string());
}

/// Only the problems.
fn check_problems(wat: &str, expected: Expect) {
    let inspection = Inspection::of(wat.as_bytes()).expect("no module");
    let problems = inspection.problems("process", &Limits { memory_bytes: 1 << 20 });
    let mut text = String::new();
    for Problem { severity, text: what, hint } in problems {
        text += &format!("{severity:?}: {what}\n");
        if let Some(hint) = hint {
            text += &format!("  {hint}\n");
        }
    }
    expected.assert_eq(&text);
}

const GOOD: &str = r#"(module $upper
    (import "bento_wasm" "v0_msg_as_bytes" (func (result i64)))
    (import "bento_wasm" "v0_msg_set_bytes" (func $set (param i32 i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 17 32)
    (table 2 funcref)
    (func (export "process") (call $set (i32.const 0) (i32.const 0)))
    (func (export "_initialize"))
    (func (export "malloc") (param i32) (result i32) (i32.const 1024))
    (func (export "free") (param i32))
    (@custom "notes" "12345")
    (@producers (language "C" "23") (processed-by "clang" "21.1.0")))"#;

#[test]
fn a_good_module() {
    check_report(
        GOOD.as_bytes(),
        expect![[r#"
        kind      core WebAssembly module, as text
        tier      guest interface v0
        size      617 bytes
        sha256    ab4b93d589536e683c17d5fb6a99d033d5066ac938784bd137dd36b02f21d3d6
        name      upper
        made by   C 23, clang 21.1.0
        code      4 functions, 21B
        memory    17 pages (1.1MiB), at most 32 (2MiB), exported as `memory`
        table     2 elements, no maximum
        start     runs `_initialize`
        allocator `malloc`, `free`

        imports
          bento_wasm.v0_msg_as_bytes       function () -> i64
          bento_wasm.v0_msg_set_bytes      function (i32, i32)
          wasi_snapshot_preview1.fd_write  function (i32, i32, i32, i32) -> i32

        exports
          memory       memory
          process      function ()
          _initialize  function ()
          malloc       function (i32) -> i32
          free         function (i32)

        custom sections
          notes      5B
          producers  43B
          name       16B

        no problems
    "#]],
    );
}

#[test]
fn a_bare_binary() {
    let wasm = wat::parse_str(
        "(module (memory 1) (func (export \"run\") (result i32) i32.const 0) (func) (start 1))",
    );
    check_report(
        &wasm.expect("valid text"),
        expect![[r#"
        kind      core WebAssembly module
        tier      guest interface v0
        size      51 bytes
        sha256    7d4e3cff45fb9d97390d9ad8def46714671c654829afd8628944022ae8f78c39
        code      2 functions, 8B
        memory    1 page (64KiB), no maximum, not exported (the host finds it all the same)
        start     runs the start section
        allocator none

        exports
          run  function () -> i32

        problems
          error: `process` is not exported
            hint: set the field `function`; the module exports `run`
    "#]],
    );
}

#[test]
fn files_that_are_not_modules() {
    check_refused(b"", expect!["the file is empty"]);
    check_refused(
        b"\x7fELF\x02\x01\x01",
        expect![
            "invalid magic number: this is not a WebAssembly module but an ELF file (a native program, or a module already compiled by Wasmtime)"
        ],
    );
    check_refused(
        b"hello\x1b[31m\nworld",
        expect![[
            r#"invalid magic number: this is not a WebAssembly module but text that begins with `hello\u{1b}[31m`"#
        ]],
    );
    check_refused(
        b"\xff\xfe\x00\x01",
        expect![
            "invalid magic number: this is not a WebAssembly module but a file that begins with `ff fe 00 01`"
        ],
    );
    check_refused(
        b"\0as",
        expect!["the file is truncated: it ends after 3 bytes where the header needs 8 bytes"],
    );
    check_refused(
        b"\0asm\x01\0",
        expect!["the file is truncated: it ends after 6 bytes where the header needs 8 bytes"],
    );
    check_refused(b"\0asm\x02\0\0\0", expect!["wrong version 2: WebAssembly modules have version 1"]);
    check_refused(
        b"\0asm\x0c\0\x01\0",
        expect![
            "wrong version 12 of the Component Model's binary format: build with a current toolchain, for version 13"
        ],
    );
    check_refused(
        b"\x1f\x8b\x08\0",
        expect!["invalid magic number: this is not a WebAssembly module but a gzip archive: unpack it first"],
    );
    check_refused(
        b"<!DOCTYPE html>",
        expect!["invalid magic number: this is not a WebAssembly module but an HTML or XML document"],
    );
    check_refused(
        b"// Copyright\n\npackage main\n",
        expect!["invalid magic number: this is not a WebAssembly module but Go source: build it first"],
    );
    check_refused(
        b"\n\n  exports.process = 1\n",
        expect![
            "invalid magic number: this is not a WebAssembly module but text that begins with `  exports.process = 1`"
        ],
    );
    check_refused(
        b"import * as it from 'it';\nexport function process() {}\n",
        expect![
            "invalid magic number: this is not a WebAssembly module but JavaScript or TypeScript source: build it first"
        ],
    );
    check_refused(
        b"{\"a\": 1}",
        expect!["invalid magic number: this is not a WebAssembly module but a JSON document"],
    );
}

#[test]
fn broken_text() {
    check_refused(
        b"(module\n  (func (export \"process\")\n    i32.cnst 1))",
        expect!["line 3, column 5: unknown operator or unexpected token"],
    );
    check_refused(b"(module", expect!["line 1, column 8: expected `)`"]);
    check_refused(b"  ;; only a comment", expect!["line 1, column 20: expected at least one module field"]);
    check_refused(
        b"(module (func $f (call $missing)))",
        expect!["line 1, column 24: unknown func: failed to find name `$missing`"],
    );
}

#[test]
fn broken_binaries() {
    let wasm = wat::parse_str(GOOD).expect("valid text");
    check_refused(
        &wasm[..wasm.len() - 20],
        expect!["the file is truncated: it ends after 302 bytes where the custom section needs 322 bytes"],
    );
    check_refused(
        &wasm[..60],
        expect!["the file is truncated: it ends after 60 bytes where the import section needs 136 bytes"],
    );
    check_refused(
        b"\0asm\x01\0\0\0\x01",
        expect!["the file is truncated: it ends after 9 bytes where the type section needs 10 bytes"],
    );
    check_refused(
        b"\0asm\x01\0\0\0\x01\xff\xff\xff\xff\xff\xff\xff",
        expect!["invalid module, at offset 0xd: invalid var_u32: integer representation too long"],
    );
    check_refused(
        b"(module (func $one) (func $two (result i32)))",
        expect![
            "invalid module, at offset 0x1f in function 1 `two`: type mismatch: expected i32 but nothing on stack"
        ],
    );
    check_refused(
        b"(module (func (export \"a\")) (func (export \"a\")))",
        expect!["invalid module, at offset 0x1a: duplicate export name `a` already defined"],
    );
}

#[test]
fn a_function_that_cannot_be_called() {
    check_problems(
        "(module (func (export \"proces\")))",
        expect![[r#"
            Error: `process` is not exported
              did you mean `proces`? Set the field `function` to it, or rename the export
        "#]],
    );
    check_problems(
        "(module (func (export \"transform\")) (func (export \"free\")))",
        expect![[r#"
        Error: `process` is not exported
          set the field `function`; the module exports `transform`
    "#]],
    );
    check_problems(
        "(module (func (export \"_start\")))",
        expect![[r#"
            Error: `process` is not exported: the module was built as a WASI command, a program with a `main`
              build a library (a reactor) that exports `process`: in Rust `crate-type = ["cdylib"]`, in Go and TinyGo `-buildmode=c-shared`, in C and C++ `-mexec-model=reactor`, with Emscripten `--no-entry`
        "#]],
    );
    check_problems(
        "(module)",
        expect![[r#"
        Error: `process` is not exported
          the module exports no function: mark one as exported when building it
    "#]],
    );
    check_problems(
        "(module (func (export \"process\") (param i32 f64) (result v128 i64) unreachable))",
        expect![[r#"
            Error: `process` is `(i32, f64) -> (v128, i64)`, but it is called without parameters
              a message is read through the functions of `wappa` or `bento_wasm`: export a function without parameters
        "#]],
    );
    check_problems(
        "(module (memory (export \"process\") 1))",
        expect![[r#"
        Error: `process` is a memory, not a function
          the module exports no function: mark one as exported when building it
    "#]],
    );
}

#[test]
fn imports_that_nobody_provides() {
    let import = |import: &str| format!("(module {import} (memory 1) (func (export \"process\")))");
    let all = [
        r#"(import "env" "abort" (func (param i32 i32 i32 i32)))"#,
        r#"(import "env" "v0_msg_as_bytes" (func (result i64)))"#,
        r#"(import "env" "helper" (func))"#,
        r#"(import "bento_wasm" "v0_msg_set_byte" (func (param i32 i32)))"#,
        r#"(import "benthos_wasm" "v0_msg_delete" (func))"#,
        r#"(import "bento_wasm" "v0_msg_as_bytes" (func (result i32)))"#,
        r#"(import "bento_wasm" "v0_msg_set_bytes" (global i32))"#,
        r#"(import "wasi_snapshot_preview1" "fd_wrote" (func))"#,
        r#"(import "wasi_unstable" "fd_write" (func))"#,
        r#"(import "gojs" "runtime.wasmExit" (func))"#,
        r#"(import "wappa" "v1_content_size" (func (result i32)))"#,
        r#"(import "wappa" "v1_http_request" (func))"#,
        r#"(import "wappa" "v1_now" (func (result i32)))"#,
        r#"(import "what\1bever" "x\n" (func))"#,
    ];
    let mut text = String::new();
    for it in all {
        let inspection = Inspection::of(import(it).as_bytes()).expect("no module");
        let problems = inspection.problems("process", &Limits::default());
        for problem in problems.iter().filter(|it| it.severity == Severity::Error) {
            text += &format!("{}\n  {}\n", problem.text, problem.hint.as_deref().unwrap_or_default());
        }
    }
    expect![[r#"
        imports `env.abort`, which nobody provides
          the module was built by AssemblyScript: build with `--use abort=` and a failed assertion becomes a trap
        imports `env.v0_msg_as_bytes`, which nobody provides
          name the import module: `bento_wasm`, not the compiler's default `env`
        imports `env.helper`, which nobody provides
          a function was declared and never linked: link it, or build for `wasm32-wasip1`
        imports `bento_wasm.v0_msg_set_byte`, but there is no such function in `bento_wasm`
          did you mean `v0_msg_set_bytes`?
        imports `benthos_wasm.v0_msg_delete`, but there is no such function in `benthos_wasm`
          guest interface v0 has `v0_msg_as_bytes`, `v0_msg_set_bytes`, `v0_msg_get_meta`, `v0_msg_set_meta`
        imports `bento_wasm.v0_msg_as_bytes` as `() -> i32`, but it is `() -> i64`
          declare the import with that type
        imports `bento_wasm.v0_msg_set_bytes` as a global, but it is a function
          declare the import as a function
        imports `wasi_snapshot_preview1.fd_wrote`, but there is no such function in `wasi_snapshot_preview1`
          did you mean `fd_write`?
        imports `wasi_unstable.fd_write`, which nobody provides
          this is WASI as it was before preview 1: build with a current toolchain
        imports `gojs.runtime.wasmExit`, which nobody provides
          the module was built by Go for a browser: build with `GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared`
        imports `wappa.v1_content_size`, but there is no such function in `wappa`
          did you mean `v1_content_write`? If not, a newer Wappa may have it; this is 0.1.0
        imports `wappa.v1_http_request`, but there is no such function in `wappa`
          a newer Wappa may have it; this is 0.1.0
        imports `wappa.v1_now` as `() -> i32`, but it is `() -> i64`
          declare the import with that type
        imports `what\u{1b}ever.x\n`, which nobody provides
          a guest may import from `wappa`, `bento_wasm` (also called `benthos_wasm`) and `wasi_snapshot_preview1` only
    "#]].assert_eq(&text);
}

#[test]
fn many_mistakes_at_once() {
    let mut wat = "(module (import \"env\" \"memory\" (memory 1))".to_owned();
    for n in 0..9 {
        wat += &format!("(import \"./app_bg.js\" \"__wbg_log_{n}\" (func))");
    }
    wat += r#"(import "bento_wasm" "v0_msg_as_bytes" (func))
        (table 200000 funcref)
        (func (export "malloc") (param f32) (result i64) (i64.const 0))
        (func (export "free") (param i64))
        (func (export "deallocate") (param i32)))"#;
    check_problems(
        &wat,
        expect![[r#"
        Error: `process` is not exported
          export a function without parameters that handles one message
        Error: imports `bento_wasm.v0_msg_as_bytes` as `()`, but it is `() -> i64`
          declare the import with that type
        Error: imports `env.memory`: a guest must bring its own memory
          link without `--import-memory` (AssemblyScript: without `--importMemory`)
        Error: imports `./app_bg.js.__wbg_log_0`, `./app_bg.js.__wbg_log_1`, `./app_bg.js.__wbg_log_2`, `./app_bg.js.__wbg_log_3`, `./app_bg.js.__wbg_log_4` and 4 more, which nobody provides
          the module was built with wasm-bindgen for Node or a browser: build without it, for `wasm32-wasip1`, and turn off features like `js` of the crates it uses
        Error: declares tables of 200000 elements (1.5MiB), which is over the field `memory_limit` (1MiB)
          set `memory_limit` to 2MiB or more, or build with less
        Warning: exports `malloc` as `(f32) -> i64`, but the host calls it as `(i32) -> i32`: every call of it fails
          export it with that type or not at all
        Warning: exports `deallocate` as `(i32)`, but the host calls it as `(i32, i32)`: it is never called
          export it with that type or not at all
    "#]],
    );
}

#[test]
fn memories() {
    let module = |fields: &str| format!("(module {fields} (func (export \"process\")))");
    check_problems(
        &module("(memory 17)"),
        expect![[r#"
        Error: declares a memory of 1.1MiB, which is over the field `memory_limit` (1MiB)
          set `memory_limit` to 2MiB or more, or build with less
    "#]],
    );
    check_problems(&module("(memory 16)"), expect![[""]]);
    check_problems(
        &module("(memory 16) (table 13 funcref)"),
        expect![[r#"
        Error: declares a memory and tables of 1048680 bytes together, which is over the field `memory_limit` (1MiB)
          set `memory_limit` to 2MiB or more, or build with less
    "#]],
    );
    check_problems(
        &module("(memory 65536)"),
        expect![[r#"
        Error: declares a memory of 4GiB, which is over the field `memory_limit` (1MiB)
          set `memory_limit` to 4096MiB or more, or build with less
    "#]],
    );
    check_problems(
        &module("(table 4000000000 funcref)"),
        expect![[r#"
        Error: declares tables of 4000000000 elements (29.8GiB), which is over the field `memory_limit` (1MiB)
          build with less
        Error: declares a table of 4000000000 elements, and 1000000 is the limit
          build with less
    "#]],
    );
    check_problems(
        &module("(memory 1) (global (export \"wappa:memory\") i32 i32.const 0)"),
        expect![[r#"
        Error: exports something that is not its memory as `wappa:memory`, a reserved name
          give the export another name
    "#]],
    );
    let import = r#"(import "bento_wasm" "v0_msg_as_bytes" (func (result i64)))"#;
    check_problems(
        &module(import),
        expect![[r#"
        Warning: has no memory: every function of `bento_wasm` that moves bytes fails
        Warning: exports neither `allocate` nor `malloc`: every call of `v0_msg_as_bytes` fails
          export `malloc(size) -> pointer` and `free(pointer)`, or `allocate(size) -> pointer` and `deallocate(pointer, size)`
    "#]],
    );
}

#[test]
fn refused_proposals() {
    let module = |fields: &str| format!("(module {fields} (func (export \"process\")))");
    check_problems(
        &module("(memory 1 2 shared)"),
        expect![[r#"
        Error: uses the WebAssembly proposal threads, which is not accepted
          build without shared memory and atomics (no `-pthread`, no `+atomics`); a stream runs one instance a thread
    "#]],
    );
    check_problems(
        &module("(memory i64 1)"),
        expect![[r#"
        Error: uses the WebAssembly proposal memory64, which is not accepted
          build for a 32-bit target, `wasm32-…`
    "#]],
    );
    check_problems(
        &module("(memory 1) (memory 1)"),
        expect![[r#"
        Error: uses the WebAssembly proposal multi-memory, which is not accepted
          build with one memory
    "#]],
    );
    check_problems(
        &module("(func try catch_all end)"),
        expect![[r#"
        Error: uses the WebAssembly proposal exception-handling (first version), which is not accepted
          build with exceptions as they were standardized (`-mllvm -wasm-use-legacy-eh=false`), or without them (`-fno-exceptions`, `panic = "abort"`)
    "#]],
    );
    check_problems(
        &module("(func (param v128) (result v128) (i32x4.relaxed_trunc_f32x4_s (local.get 0)))"),
        expect![[r#"
        Error: uses the WebAssembly proposal relaxed-simd, which is not accepted
          build without `+relaxed-simd`: its results differ from machine to machine
    "#]],
    );
    check_problems(
        &module("(memory 1 (pagesize 1))"),
        expect![[r#"
        Error: uses the WebAssembly proposal custom-page-sizes, which is not accepted
          build with pages of 64 KiB
    "#]],
    );
    check_problems(
        &module("(memory i64 1 2 shared) (func try catch_all end)"),
        expect![[r#"
        Error: uses the WebAssembly proposal threads, which is not accepted
          build without shared memory and atomics (no `-pthread`, no `+atomics`); a stream runs one instance a thread
        Error: uses the WebAssembly proposal memory64, which is not accepted
          build for a 32-bit target, `wasm32-…`
        Error: uses the WebAssembly proposal exception-handling (first version), which is not accepted
          build with exceptions as they were standardized (`-mllvm -wasm-use-legacy-eh=false`), or without them (`-fno-exceptions`, `panic = "abort"`)
    "#]],
    );
}

#[test]
fn accepted_proposals() {
    let wat = r#"(module
        (global (mut i32) (i32.add (i32.const 1) (i32.const 2)))
        (memory 1)
        (table 1 funcref)
        (func $two (result i32 i32) i32.const 1 i32.const 2)
        (func (result i32 i32) return_call $two)
        (func (param v128) (result v128) local.get 0)
        (func (param i32) (result i32) local.get 0 i32.extend8_s)
        (type $node (struct (field (ref null $node)) (field externref)))
        (type $call (func (param (ref $node))))
        (func (param (ref $call) (ref $node)) local.get 1 local.get 0 call_ref $call)
        (tag $thrown)
        (func throw $thrown)
        (func (param f32) (result i32) local.get 0 i32.trunc_sat_f32_s)
        (func (memory.fill (i32.const 0) (i32.const 0) (i32.const 9)))
        (func (result funcref) (ref.func $two))
        (elem declare func $two)
        (func (export "process")))"#;
    check_problems(wat, expect![[""]]);
}

#[test]
fn all_that_is_provided_is_accepted() {
    let mut wat = "(module ".to_owned();
    for (module, name, signature) in provided_functions() {
        let list = |types: &[ValueType]| types.iter().map(|ty| format!("{ty} ")).collect::<String>();
        let (params, results) = (list(&signature.params), list(&signature.results));
        wat += &format!("(import \"{module}\" \"{name}\" (func (param {params}) (result {results})))");
    }
    wat += "(memory 1) (func (export \"allocate\") (param i32) (result i32) i32.const 0) (func (export \"process\")))";
    let inspection = Inspection::of(wat.as_bytes()).expect("no module");
    assert_eq!(inspection.imports.len(), 4 + 4 + 22 + 46 + 1);
    assert_eq!(inspection.problems("process", &Limits::default()), []);
}

#[test]
fn hooks_of_v1() {
    let module = |import: &str, hooks: &str| {
        format!("(module (import {import}) (memory 1) {hooks} (func (export \"process\")))")
    };
    let v1 = r#""wappa" "v1_filter" (func)"#;
    let wrong = r#"(func (export "wappa_init")) (func (export "wappa_close") (param i32))"#;
    check_problems(
        &module(v1, wrong),
        expect![[r#"
            Error: exports `wappa_init` as `()`, but the host calls it as `() -> i32`
              export it with that type or not at all
            Error: exports `wappa_close` as `(i32)`, but the host calls it as `()`
              export it with that type or not at all
        "#]],
    );
    let right = r#"(func (export "wappa_init") (result i32) i32.const 0) (func (export "wappa_close"))"#;
    check_problems(&module(v1, right), expect![[""]]);
    check_problems(
        &module(r#""bento_wasm" "v0_msg_set_bytes" (func (param i32 i32))"#, wrong),
        expect![[r#"
            Error: exports `wappa_init` as `()`, but the host calls it as `() -> i32`
              export it with that type or not at all
            Error: exports `wappa_close` as `(i32)`, but the host calls it as `()`
              export it with that type or not at all
        "#]],
    );
}

#[test]
fn bytes_are_rounded() {
    let text: Vec<String> = [0, 1023, 1024, 1536, 1 << 20, (1 << 20) - 1, 134_217_729, u64::MAX]
        .map(crate::file::text::bytes)
        .to_vec();
    expect!["0B 1023B 1KiB 1.5KiB 1MiB 1024KiB 128MiB 16384PiB"].assert_eq(&text.join(" "));
}

#[test]
fn what_is_known_to_be_valid_is_not_validated_again() {
    let valid = "(module (import \"bento_wasm\" \"v0_msg_as_bytes\" (func (result i64))) (memory 1)
        (func (export \"process\") (nop)) (func (export \"malloc\") (param i32) (result i32) (i32.const 0)))";
    let whole = Inspection::of(valid.as_bytes()).expect("it is a module");
    let known = Inspection::of_digest(valid.as_bytes(), whole.sha256, true);
    assert_eq!(known.as_ref(), Ok(&whole));

    let invalid = "(module (func (export \"process\") (result i32)))".as_bytes();
    assert!(Inspection::of_digest(invalid, [0; 32], false).is_err());
    assert!(Inspection::of_digest(invalid, [0; 32], true).is_ok(), "the body is not looked at");

    let component = b"\0asm\x0d\0\x01\0";
    let whole = Inspection::of(component).expect("it is one");
    assert_eq!(Inspection::of_digest(component, whole.sha256, true), Ok(whole));
}

mod components;
mod hints;
