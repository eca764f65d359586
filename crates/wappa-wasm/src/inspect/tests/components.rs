//! Components: text in, text out.

use expect_test::expect;
use wit_component::{StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use super::{check_problems, check_refused, check_report};
use crate::inspect::{Inspection, Limits, component::Item, world::FUNCTIONS};

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
    (import "wappa:processor/types@1.0.0" (instance $types (type $types)))
    (import "wappa:processor/log@1.0.0" (instance
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
    component(&[IMPORTS, CORE, &exports("1.0.0", CONFIGURE, PROCESS)].concat())
}

/// A component that exports an interface with one function that returns nothing.
fn exporting(interface: &str, function: &str) -> String {
    component(&format!(
        r#"(core module $m (func (export "f")))
        (core instance $i (instantiate $m))
        (func $f (canon lift (core func $i "f")))
        (instance $exported (export "{function}" (func $f)))
        (export "{interface}" (instance $exported))"#
    ))
}

#[test]
fn a_good_component() {
    check_report(
        processor().as_bytes(),
        expect![[r#"
            kind      WebAssembly component of 1 core module, as text
            tier      component, of `wappa:processor` 1.0.0
            size      2374 bytes (2.3KiB)
            sha256    02699a514ebcfe2be2bf0cc5d99171fda3ceb390ebe42e0b34c66bc3668014a5
            name      louder
            made by   Rust 2024, rustc 1.95.0
            code      3 functions, 12B
            memory    2 pages (128KiB), no maximum

            imports
              wappa:processor/types@1.0.0
                batch.len: func() -> u32
                batch.metadata: func(index: u32) -> list<tuple<string, value>>
              wappa:processor/log@1.0.0
                log: func(level: level, text: string)

            exports
              wappa:processor/transform@1.0.0
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

#[test]
fn components_of_another_world() {
    check_problems(
        &exporting("wasi:cli/run@0.2.6", "run"),
        expect![[r#"
        Error: exports no `wappa:processor/transform`: it is a WASI command, a program with a `main` (`wasi:cli/run@0.2.6`)
          build a library instead of a program, and implement the world `processor` of the WIT package `wappa:processor@1.0.0`
    "#]],
    );
    check_problems(
        &exporting("wasi:http/incoming-handler@0.2.0", "handle"),
        expect![[r#"
        Error: exports no `wappa:processor/transform`: it is an HTTP server's handler (`wasi:http/incoming-handler@0.2.0`)
          implement the world `processor` of the WIT package `wappa:processor@1.0.0`; messages come from an input, not over HTTP
    "#]],
    );
    check_problems(
        &exporting("acme:tools/grep", "grep"),
        expect![[r#"
        Error: exports no `wappa:processor/transform`; it exports `acme:tools/grep`
          implement the world `processor` of the WIT package `wappa:processor@1.0.0`
    "#]],
    );
    check_problems(
        &exporting("transform", "process"),
        expect![[r#"
        Error: exports no `wappa:processor/transform`, but `transform` by itself, an interface
          the functions belong into the interface `transform`: implement the world `processor` of the WIT package `wappa:processor@1.0.0`
    "#]],
    );
    check_problems(
        &component(""),
        expect![[r#"
        Error: exports no `wappa:processor/transform`, and nothing else
          implement the world `processor` of the WIT package `wappa:processor@1.0.0`
    "#]],
    );
    let bare = r#"(core module $m (func (export "f"))) (core instance $i (instantiate $m))
        (func (export "process") (canon lift (core func $i "f")))"#;
    check_problems(
        &component(bare),
        expect![[r#"
        Error: exports no `wappa:processor/transform`, but `process` by itself, a function
          the functions belong into the interface `transform`: implement the world `processor` of the WIT package `wappa:processor@1.0.0`
    "#]],
    );
}

#[test]
fn versions_of_the_world() {
    for version in ["@1.0.7", "@1.0.0+build", "@0.1.0", "@0.1.7"] {
        let exports = exports(&version[1..], CONFIGURE, PROCESS);
        check_problems(&component(&[IMPORTS, CORE, &exports].concat()), expect![[""]]);
    }
    let transform = |version: &str| exporting(&format!("wappa:processor/transform{version}"), "process");
    check_problems(
        &transform("@0.2.0"),
        expect![[r#"
            Error: made for wappa:processor 0.2.0, this Wappa has 1.0.0 and 0.1.0
              build the guest against `wappa:processor@1.0.0`
        "#]],
    );
    check_problems(
        &transform("@2.0.0"),
        expect![[r#"
            Error: made for wappa:processor 2.0.0, this Wappa has 1.0.0 and 0.1.0
              use a newer Wappa, or build the guest against `wappa:processor@1.0.0`
        "#]],
    );
    check_problems(
        &transform("@0.0.3"),
        expect![[r#"
            Error: made for wappa:processor 0.0.3, this Wappa has 1.0.0 and 0.1.0
              build the guest against `wappa:processor@1.0.0`
        "#]],
    );
    check_problems(
        &transform("@0.1.0-rc.1"),
        expect![[r#"
            Error: made for wappa:processor 0.1.0-rc.1, this Wappa has 1.0.0 and 0.1.0
              build the guest against `wappa:processor@1.0.0`
        "#]],
    );
    check_problems(
        &transform(""),
        expect![[r#"
            Error: made for wappa:processor without a version, this Wappa has 1.0.0 and 0.1.0
              build the guest against `wappa:processor@1.0.0`
        "#]],
    );
    // A newer interface is imported beside the ones that are there.
    let newer = r#"(import "wappa:processor/state@1.1.0" (instance (export "get" (func))))
        (import "wappa:processor/log@1.1.0" (instance))"#;
    check_problems(
        &processor().replacen("(core module", &format!("{newer} (core module"), 1),
        expect![[r#"
            Error: made for wappa:processor 1.1.0, this Wappa has 1.0.0 and 0.1.0
              use a newer Wappa, or build the guest against `wappa:processor@1.0.0`
        "#]],
    );
}

#[test]
fn exports_of_the_wrong_type() {
    let exports = exports("1.0.0", "", r#"(param "batch" (own $batch)) (result string)"#);
    let wat = component(&[IMPORTS, CORE, &exports].concat())
        .replace(
            r#"(export "configure") (param i32 i32) (result i32) unreachable"#,
            r#"(export "configure")"#,
        )
        .replace(
            r#"(canon lift (core func $core "configure") (memory $memory) (realloc $realloc))"#,
            r#"(canon lift (core func $core "configure"))"#,
        );
    check_problems(
        &wat,
        expect![[r#"
            Error: exports `configure` of `wappa:processor/transform@1.0.0` as `func()`, but it is `func(config: list<tuple<string, string>>) -> result<_, string>`
              generate the bindings from the WIT package `wappa:processor@1.0.0`
            Error: exports `process` of `wappa:processor/transform@1.0.0` as `func(batch: batch) -> string`, but it is `func(batch: batch) -> list<disposition>`
              generate the bindings from the WIT package `wappa:processor@1.0.0`
        "#]],
    );
    check_problems(
        &exporting("wappa:processor/transform@1.0.0", "transform"),
        expect![[r#"
            Error: `wappa:processor/transform@1.0.0` has no function `configure`
              the host calls it as `func(config: list<tuple<string, string>>) -> result<_, string>`
            Error: `wappa:processor/transform@1.0.0` has no function `process`
              the host calls it as `func(batch: batch) -> list<disposition>`
        "#]],
    );
}

#[test]
fn imports_of_components() {
    let with = |imports: &str| {
        let wat = processor().replacen("(core module", &format!("{imports} (core module"), 1);
        wat.replace("(memory (export \"memory\") 2)", "(memory (export \"memory\") 17)")
    };
    check_problems(
        &with(
            r#"(import "wasi:http/types@0.2.6" (instance))
            (import "wasi:http/outgoing-handler@0.2.6" (instance))
            (import "wasi:cli/stdout@0.3.0" (instance))
            (import "wasi:cli/stderr@0.2.3" (instance))
            (import "wasi:sockets/tcp@0.2.0" (instance))
            (import "wasi:cli/stdot@0.2.0" (instance))
            (import "wasi:clocks/timezone@0.2.0" (instance))
            (import "wasi:keyvalue/store@0.2.0-draft" (instance))
            (import "acme:tools/grep" (instance))
            (import "hello" (func))
            (import "wappa:processor/logs@1.0.0" (instance))
            (import "wappa:processor/metrics@1.0.0" (instance
                (export "gauge-set" (func)) (export "counter-add" (func (param "name" string)))))"#,
        ),
        expect![[r#"
            Error: imports `wasi:cli/stdot@0.2.0`, which is not provided
              did you mean `wasi:cli/stdout`?
            Error: imports `wasi:clocks/timezone@0.2.0`, which is not provided
              of `wasi:clocks` there are monotonic-clock, wall-clock
            Error: imports `wappa:processor/logs@1.0.0`, but there is no such interface to import
              did you mean `wappa:processor/log`?
            Error: imports `gauge-set` of `wappa:processor/metrics@1.0.0`, but there is no such function in it
              a newer Wappa may have it; this one has `wappa:processor` 1.0.0 and 0.1.0
            Error: imports `counter-add` of `wappa:processor/metrics@1.0.0` as `func(name: string)`, but it is `func(name: string, delta: u64)`
              generate the bindings from the WIT package `wappa:processor@1.0.0`
            Error: imports `wasi:cli/stdout@0.3.0`, which nobody provides
              WASI 0.2 is provided: build for it, `wasm32-wasip2`, with a current toolchain
            Error: imports `wasi:keyvalue/store@0.2.0-draft`, which nobody provides
              of WASI 0.2 there are `wasi:cli`, `wasi:clocks`, `wasi:filesystem`, `wasi:io`, `wasi:random` and `wasi:sockets`
            Error: imports `acme:tools/grep`, which nobody provides
              a component may import from `wappa:processor` and WASI 0.2 only: compose it with what it needs (`wasm-tools compose`, `wac`), or build without it
            Error: imports `hello`, which nobody provides
              a component may import from `wappa:processor` and WASI 0.2 only: compose it with what it needs (`wasm-tools compose`, `wac`), or build without it
            Error: declares a memory of 1.1MiB, which is over the field `memory_limit` (1MiB)
              set `memory_limit` to 2MiB or more, or build with less
        "#]],
    );
}

/// A component can import as much as its author likes, and what is said of it reaches logs.
#[test]
fn imports_without_end() {
    let told = |imports: String| {
        let inspection = Inspection::of(component(&imports).as_bytes()).expect("it is a component");
        let problems = inspection.problems("process", &Limits::default());
        let [first, .., last] = problems.as_slice() else { panic!("{problems:?}") };
        format!("{} problems\n{}\n{}\n", problems.len(), first.text, last.text)
    };
    let names: String = (0..3_000).map(|it| format!("(import \"a{it}\" (func))")).collect();
    let packages: String = (0..900).map(|it| format!("(import \"a{it}:b/c\" (instance))")).collect();
    let inner: String = (0..3_000).map(|it| format!("(export \"f{it}\" (func))")).collect();
    let functions = format!("(import \"wappa:processor/metrics@1.0.0\" (instance {inner}))");
    expect![[r#"
        2 problems
        exports no `wappa:processor/transform`, and nothing else
        imports `a0`, `a1`, `a2`, `a3`, `a4` and 2995 more, which nobody provides
        22 problems
        exports no `wappa:processor/transform`, and nothing else
        imports 880 more of other packages, which nobody provides
        51 problems
        exports no `wappa:processor/transform`, and nothing else
        has 2951 problems more
    "#]]
    .assert_eq(&[names, packages, functions].map(told).concat());
}

#[test]
fn asynchronous_components() {
    let wat = component(
        r#"(core module $m (func (export "f") (result i32) unreachable) (func (export "cb") (param i32 i32 i32) (result i32) unreachable))
        (core instance $i (instantiate $m))
        (func $f async (canon lift (core func $i "f") async (callback (func $i "cb"))))
        (instance $transform (export "process" (func $f)))
        (export "wappa:processor/transform@1.0.0" (instance $transform))"#,
    );
    check_problems(
        &wat,
        expect![[r#"
            Error: `wappa:processor/transform@1.0.0` has no function `configure`
              the host calls it as `func(config: list<tuple<string, string>>) -> result<_, string>`
            Error: uses the WebAssembly proposal component-model async, which is not accepted
              build without asynchronous functions, streams and futures (componentize-qjs: with `--sync`)
        "#]],
    );
}

#[test]
fn the_function_of_a_component_is_process() {
    let inspection = Inspection::of(processor().as_bytes()).expect("a component");
    let problems = inspection.problems("transform", &Limits::default());
    let texts: Vec<_> =
        problems.into_iter().map(|it| format!("{}: {}", it.text, it.hint.unwrap_or_default())).collect();
    expect![
        "the field `function` is `transform`, but a component is called by `process`: leave the field out"
    ]
    .assert_eq(&texts.join("\n"));
}

#[test]
fn broken_components() {
    let wasm = wat::parse_str(processor()).expect("valid text");
    check_refused(
        &wasm[..wasm.len() - 5],
        expect!["the file is truncated: it ends after 952 bytes where the custom section needs 957 bytes"],
    );
    check_refused(
        &wasm[..200],
        expect!["the file is truncated: it ends after 200 bytes where the type section needs 265 bytes"],
    );
    check_refused(
        b"(component (import \"not a name\" (func)))",
        expect![
            "invalid module, at offset 0x12: import name `not a name` is not a valid extern name: `not a name` is not in kebab case"
        ],
    );
    let broken = "(component (core module (func) (func $two (result i32))))";
    check_refused(
        broken.as_bytes(),
        expect![
            "invalid module, at offset 0x29 in function 1 `two`: type mismatch: expected i32 but nothing on stack"
        ],
    );
}

/// A core module that uses the whole world, as wit-bindgen makes them.
const WHOLE: &str = r#"(module
  (import "wappa:processor/types@1.0.0" "[method]batch.len" (func (param i32) (result i32)))
  (import "wappa:processor/types@1.0.0" "[method]batch.content" (func (param i32 i32 i32)))
  (import "wappa:processor/types@1.0.0" "[method]batch.contents" (func (param i32 i32)))
  (import "wappa:processor/types@1.0.0" "[method]batch.get-metadata" (func (param i32 i32 i32 i32 i32)))
  (import "wappa:processor/types@1.0.0" "[method]batch.metadata" (func (param i32 i32 i32)))
  (import "wappa:processor/types@1.0.0" "[method]batch.set-metadata" (func (param i32 i32 i32 i32 i32 i32 i32)))
  (import "wappa:processor/types@1.0.0" "[method]batch.delete-metadata" (func (param i32 i32 i32 i32) (result i32)))
  (import "wappa:processor/types@1.0.0" "[method]batch.error" (func (param i32 i32 i32)))
  (import "wappa:processor/types@1.0.0" "[method]batch.clear-error" (func (param i32 i32)))
  (import "wappa:processor/types@1.0.0" "[method]batch.position" (func (param i32 i32 i32)))
  (import "wappa:processor/types@1.0.0" "[method]batch.metadata-keys" (func (param i32 i32 i32)))
  (import "wappa:processor/types@1.0.0" "[method]batch.metadata-values" (func (param i32 i32 i32 i32 i32 i32)))
  (import "wappa:processor/types@1.0.0" "[method]batch.change-metadata" (func (param i32 i32 i32)))
  (import "wappa:processor/types@1.0.0" "[method]batch.set-metadata-texts"
    (func (param i32 i32 i32 i32 i32 i32 i32 i32 i32)))
  (import "wappa:processor/log@1.0.0" "log" (func (param i32 i32 i32)))
  (import "wappa:processor/metrics@1.0.0" "counter-add" (func (param i32 i32 i64)))
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
  (func (export "wappa:processor/transform@1.0.0#configure") (param i32 i32) (result i32) unreachable)
  (func (export "wappa:processor/transform@1.0.0#process") (param i32) (result i32) unreachable))"#;

const WIT: &str = include_str!("../../../../../guest/wit/processor.wit");

fn with_types(wat: &str) -> Vec<u8> {
    let mut wasm = wat::parse_str(wat).expect("the text is right");
    let mut resolve = Resolve::default();
    let package = resolve.push_str("processor.wit", WIT).expect("the WIT is right");
    let world = resolve.select_world(&[package], Some("processor")).expect("there is one");
    embed_component_metadata(&mut wasm, &resolve, world, StringEncoding::UTF8).expect("they fit");
    wasm
}

#[test]
fn a_module_that_becomes_a_component() {
    check_report(
        &with_types(WHOLE),
        expect![[r#"
            kind      core WebAssembly module with the types of a component, which it becomes when it is loaded
            tier      component, of `wappa:processor` 1.0.0
            size      2538 bytes (2.5KiB)
            sha256    e58c06d92faad25541efd5ee55760474684af2b0b38e89c6e4ec319c27473bc0
            made by   wit-component 0.254.2
            code      17 functions, 238B
            memory    1 page (64KiB), no maximum
            table     14 elements, at most 14

            imports
              wappa:processor/log@1.0.0
                log: func(level: level, text: string)
              wappa:processor/metrics@1.0.0
                counter-add: func(name: string, delta: u64)
              wappa:processor/types@1.0.0
                batch.len: func() -> u32
                batch.content: func(index: u32) -> list<u8>
                batch.contents: func() -> tuple<list<u8>, list<u32>>
                batch.get-metadata: func(index: u32, key: string) -> option<value>
                batch.metadata: func(index: u32) -> list<tuple<string, value>>
                batch.metadata-keys: func(index: u32) -> list<string>
                batch.metadata-values: func(first: u32, count: u32, keys: list<string>) -> list<option<value>>
                batch.set-metadata: func(index: u32, key: string, value: value)
                batch.change-metadata: func(changes: list<tuple<u32, string, option<value>>>)
                batch.set-metadata-texts: func(key: string, indexes: list<u32>, texts: list<u8>, ends: list<u32>)
                batch.delete-metadata: func(index: u32, key: string) -> bool
                batch.error: func(index: u32) -> option<string>
                batch.clear-error: func(index: u32)
                batch.position: func(index: u32) -> tuple<u32, u32>

            exports
              wappa:processor/transform@1.0.0
                configure: func(config: list<tuple<string, string>>) -> result<_, string>
                process: func(batch: batch) -> list<disposition>

            custom sections
              producers       148B
              component-name  3.0KiB

            no problems
        "#]],
    );
}

#[test]
fn a_module_that_cannot_become_a_component() {
    let wat = WHOLE.replace("#process", "#proces");
    check_report(
        &with_types(&wat),
        expect![[r#"
            kind      core WebAssembly module
            tier      component
            size      2537 bytes (2.5KiB)
            sha256    5ff5048a65163920e54f487efc14a005d7d896d71f560817a219f9d1baccf246
            code      3 functions, 12B
            memory    1 page (64KiB), no maximum, exported as `memory`
            start     nothing
            allocator none

            imports
              wappa:processor/types@1.0.0.[method]batch.len                 function (i32) -> i32
              wappa:processor/types@1.0.0.[method]batch.content             function (i32, i32, i32)
              wappa:processor/types@1.0.0.[method]batch.contents            function (i32, i32)
              wappa:processor/types@1.0.0.[method]batch.get-metadata        function (i32, i32, i32, i32, i32)
              wappa:processor/types@1.0.0.[method]batch.metadata            function (i32, i32, i32)
              wappa:processor/types@1.0.0.[method]batch.set-metadata        function (i32, i32, i32, i32, i32, i32, i32)
              wappa:processor/types@1.0.0.[method]batch.delete-metadata     function (i32, i32, i32, i32) -> i32
              wappa:processor/types@1.0.0.[method]batch.error               function (i32, i32, i32)
              wappa:processor/types@1.0.0.[method]batch.clear-error         function (i32, i32)
              wappa:processor/types@1.0.0.[method]batch.position            function (i32, i32, i32)
              wappa:processor/types@1.0.0.[method]batch.metadata-keys       function (i32, i32, i32)
              wappa:processor/types@1.0.0.[method]batch.metadata-values     function (i32, i32, i32, i32, i32, i32)
              wappa:processor/types@1.0.0.[method]batch.change-metadata     function (i32, i32, i32)
              wappa:processor/types@1.0.0.[method]batch.set-metadata-texts  function (i32, i32, i32, i32, i32, i32, i32, i32, i32)
              wappa:processor/log@1.0.0.log                                 function (i32, i32, i32)
              wappa:processor/metrics@1.0.0.counter-add                     function (i32, i32, i64)

            exports
              memory                                     memory
              cabi_realloc                               function (i32, i32, i32, i32) -> i32
              wappa:processor/transform@1.0.0#configure  function (i32, i32) -> i32
              wappa:processor/transform@1.0.0#proces     function (i32) -> i32

            custom sections
              component-type  1.4KiB

            problems
              error: carries the types of a component, but cannot be made one: failed to decode world from module: module was not valid: failed to find export of interface `wappa:processor/transform@1.0.0` function `process`
                hint: build it against the WIT package `wappa:processor` as it is, with a current wit-bindgen
        "#]],
    );
    check_problems(
        WHOLE,
        expect![[r#"
            Error: is the core of a component of `wappa:processor`, but carries no types of one
              make it a component with `wasm-tools component new`, or link what wit-bindgen generated for it (in C: `…_component_type.o`)
        "#]],
    );
}

/// The library that wraps modules follows such packages until the stack ends, and the process with it.
#[test]
fn packages_in_a_circle() {
    let wasm = with_types(WHOLE);
    let name = b"wappa:processor/";
    let places = (0..wasm.len()).filter(|&at| wasm[at..].starts_with(name));
    let mut reasons = Vec::new();
    for at in places {
        // One interface of the package is said to be of another one.
        let mut wasm = wasm.clone();
        wasm[at] = b'z';
        if let Ok(Inspection { not_wrapped: Some(reason), .. }) = Inspection::of(&wasm) {
            reasons.push(reason);
        }
    }
    let circle = "the packages of its types depend on each other in a circle";
    assert!(reasons.iter().any(|it| it == circle), "{reasons:#?}");
}

/// The table of functions is the package's.
#[test]
fn every_function_of_the_package_is_known() {
    let inspection = Inspection::of(&with_types(WHOLE)).expect("a module");
    let component = inspection.component.as_ref().expect("it becomes a component");
    let externs = component.imports.iter().chain(&component.exports);
    let mut found = Vec::new();
    for it in externs {
        let Item::Interface(functions) = &it.item else { continue };
        let interface = it.name.trim_start_matches("wappa:processor/").trim_end_matches("@1.0.0");
        found.extend(functions.iter().map(|it| {
            let shape = it.shape.clone().expect("every function is in the table");
            (interface, it.raw_name.as_str(), it.text.as_str(), shape)
        }));
    }
    let mut known: Vec<_> = FUNCTIONS.iter().map(|it| (it.interface, it.name, it.text, it.shape())).collect();
    found.sort();
    known.sort();
    assert_eq!(found, known);
    // And the package has no other: functions are the only lines with this word.
    assert_eq!(
        WIT.lines().filter(|it| !it.trim().starts_with("///") && it.contains(": func(")).count(),
        known.len()
    );
}

/// Types of types of types: every text about them stays short.
#[test]
fn hostile_types_are_cut() {
    let mut wat = "(component (type $t0 (tuple string string))".to_owned();
    for n in 0..12 {
        wat += &format!("(type $t{} (tuple $t{n} $t{n}))", n + 1);
    }
    wat += r#"(import "wappa:processor/log@1.0.0" (instance
        (alias outer 1 $t12 (type $t)) (export "log" (func (param "x" $t))))))"#;
    let inspection = Inspection::of(wat.as_bytes()).expect("a component");
    let report = inspection.report(&inspection.problems("process", &Limits::default()));
    assert!(report.lines().all(|it| it.chars().count() < 1_000), "{report}");
    assert!(report.contains('…'), "{report}");
}
