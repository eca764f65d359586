//! What is said about files that were built another way than a guest is.

use super::*;

#[test]
fn a_forgotten_export_in_each_language() {
    let made_by = [
        r#"(language "Rust" "") (processed-by "rustc" "1.95.0")"#,
        r#"(language "C11" "") (processed-by "clang" "22.1.0")"#,
        r#"(language "Go" "go1.26")"#,
    ];
    let exports = [
        "",
        r#"(func (export "malloc") (param i32) (result i32) i32.const 0)"#,
        r#"(func (export "_start"))"#,
    ];
    let mut text = String::new();
    for (exports, producers) in exports.iter().flat_map(|it| made_by.map(|made_by| (it, made_by))) {
        let wat = format!("(module {exports} (@producers {producers}))");
        let inspection = Inspection::of(wat.as_bytes()).expect("no module");
        for problem in inspection.problems("process", &Limits::default()) {
            text += &format!("{}\n", problem.hint.unwrap_or_default());
        }
    }
    expect![[r#"
        the module exports no function: mark one as exported when building it, with `#[unsafe(no_mangle)] extern "C" fn process()`; with Wappa's library: `wappa_guest::export!(Type);`
        the module exports no function: mark one as exported when building it, with `__attribute__((export_name("process")))`; with Wappa's library: `WAPPA_PROCESSOR(function)`
        the module exports no function: mark one as exported when building it, with `//go:wasmexport process`; with Wappa's library: import `wappa.dev/guest` and call `wappa.Handle` in `init`
        export a function without parameters that handles one message, with `#[unsafe(no_mangle)] extern "C" fn process()`; with Wappa's library: `wappa_guest::export!(Type);`
        export a function without parameters that handles one message, with `__attribute__((export_name("process")))`; with Wappa's library: `WAPPA_PROCESSOR(function)`
        export a function without parameters that handles one message, with `//go:wasmexport process`; with Wappa's library: import `wappa.dev/guest` and call `wappa.Handle` in `init`
        build a library instead: `crate-type = ["cdylib"]` in Cargo.toml, and in it `#[unsafe(no_mangle)] extern "C" fn process()`; with Wappa's library: `wappa_guest::export!(Type);`
        build with `-mexec-model=reactor`, and give the function `__attribute__((export_name("process")))`; with Wappa's library: `WAPPA_PROCESSOR(function)`
        build with `GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared`, and put `//go:wasmexport process` above the function; with Wappa's library: import `wappa.dev/guest` and call `wappa.Handle` in `init`
    "#]].assert_eq(&text);
}

#[test]
fn a_program_of_go_can_be_called() {
    let wat = r#"(module (func (export "_start")) (func (export "process")) (@producers (language "Go" "go1.26")))"#;
    check_problems(wat, expect![[""]]);
}

#[test]
fn object_files() {
    check_report(
        br#"(module
            (import "env" "__linear_memory" (memory 0))
            (import "bento_wasm" "v0_msg_set_bytes" (func (param i32 i32)))
            (func (param i32))
            (@custom "linking" "\02")
            (@producers (language "C11" "") (processed-by "clang" "22.1.0")))"#,
        expect![[r#"
            kind      core WebAssembly module, as text
            tier      none: it is an object file
            size      286 bytes
            sha256    8481485d6e3d596452cd1b8b8082485b35e58b184cfea6f6b06ae679f24fadb9
            made by   C11, clang 22.1.0
            code      1 function, 3B
            memory    0 pages (0B), no maximum, imported
            start     nothing
            allocator none

            imports
              env.__linear_memory          memory
              bento_wasm.v0_msg_set_bytes  function (i32, i32)

            custom sections
              linking    1B
              producers  43B

            problems
              error: is an object file, which is not linked yet
                hint: leave out `-c`, or link it with `wasm-ld`
        "#]],
    );
    check_problems(
        r#"(module (func) (@custom "linking" "\02") (@producers (language "Rust" "")))"#,
        expect![[r#"
            Error: is an object file, which is not linked yet
              build with `--crate-type cdylib`, without `--emit obj`
        "#]],
    );
    // `--emit-relocs` keeps what is for the linker.
    check_problems(r#"(module (func (export "process")) (@custom "linking" "\02"))"#, expect![[""]]);
}

#[test]
fn words_for_flags() {
    let wat = r#"(module (memory 32) (func (export "proces")) (func (export "other")))"#;
    let inspection = Inspection::of(wat.as_bytes()).expect("no module");
    let limits = Limits { memory_bytes: 1 << 20 };
    let problems = ["process", "transform"].map(|it| inspection.problems(it, &limits)).concat();
    let said = |it: Problem| {
        let it = it.in_flags();
        format!("{}\n  {}\n", it.text, it.hint.unwrap_or_default())
    };
    let text: String = problems.into_iter().map(said).collect();
    expect![[r#"
        `process` is not exported
          did you mean `proces`? Give it with `--function`, or rename the export
        declares a memory of 2MiB, which is over `--memory-limit` (1MiB)
          set `--memory-limit` to 2MiB or more, or build with less
        `transform` is not exported
          set `--function`; the module exports `proces`, `other`
        declares a memory of 2MiB, which is over `--memory-limit` (1MiB)
          set `--memory-limit` to 2MiB or more, or build with less
    "#]]
    .assert_eq(&text);
}

#[test]
fn what_was_built_for_this_machine() {
    let err = Inspection::of(b"\x7fELF\x02\x01\x01").expect_err("a module");
    expect!["build for WebAssembly: `cargo build --target wasm32-unknown-unknown`, `GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared`, or `clang --target=wasm32-wasi`"].assert_eq(err.hint().expect("there is a way out"));
    assert_eq!(Inspection::of(b"hello").expect_err("a module").hint(), None);
}
