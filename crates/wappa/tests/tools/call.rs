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
    (call $log (i32.const 2) (i32.const 17) (i32.const 10))
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
  (import "wappa:processor/types@1.0.0" "[method]batch.len" (func $len (param i32) (result i32)))
  (import "wappa:processor/log@1.0.0" "log" (func $log (param i32 i32 i32)))
  (memory (export "memory") 2)
  (data (i32.const 64) "by a component")
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 65536))
  (func (export "wappa:processor/transform@1.0.0#configure") (param i32 i32) (result i32) (i32.const 0))
  (func (export "wappa:processor/transform@1.0.0#process") (param $batch i32) (result i32)
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
    check_letters(
        "call-all",
        "k\nx\ns\nf\nt\nc\nm\nb\nl\n\n",
        &commands,
        expect![[r#"
            $ wappa call letters.wat --config key=value
            exit 1
            --- stdout
            letters.wat: 2.31 KiB, loaded in TIME, started in TIME
            #1 kept · TIME, memory 64 KiB
              content  k
              log      info  the reason
            #2 filtered · TIME, memory 64 KiB
            #3 sent 2 · TIME, memory 64 KiB
             1/2
              content  one
             2/2
              content  two
            #4 failed · TIME, memory 64 KiB
              reason   fail: the reason
              content  f
            #5 failed · TIME, memory 64 KiB
              reason   trap: unreachable
              content  t
              stack    0: 0x160 - innermost
                     | 1: 0x1c7 - function 14
            #6 kept · TIME, memory 64 KiB
              content  value
              log      info  the reason
            #7 kept · TIME, memory 64 KiB
              content  m
              meta     key: [1,{}]
            #8 kept · TIME, memory 64 KiB
              bytes    000000  6f 6e 65 ff 74 77 6f 00                           one.two.
            #9 kept · TIME, memory 64 KiB
              content  l
              log      error one
              counter  one +2
            #10 kept · TIME, memory 64 KiB
              empty
            end
              log      warn  one
            10 messages: 6 kept, 1 sent, 1 filtered, 2 failed

        "#]],
    );
}

#[test]
fn as_json() {
    check_letters(
        "call-json",
        "k\nx\ns\nf\nm\nb\nl\n",
        &["call letters.wat --json"],
        expect![[r#"
            $ wappa call letters.wat --json
            exit 1
            --- stdout
            {"message":1,"outcome":"kept","sent":[{"content":"k","metadata":{}}],"time_ns":N,"memory_bytes":65536,"log":[{"level":"info","text":"the reason"}],"counters":{}}
            {"message":2,"outcome":"filtered","sent":[],"time_ns":N,"memory_bytes":65536,"log":[],"counters":{}}
            {"message":3,"outcome":"sent","sent":[{"content":"one","metadata":{}},{"content":"two","metadata":{}}],"time_ns":N,"memory_bytes":65536,"log":[],"counters":{}}
            {"message":4,"outcome":"failed","sent":[{"content":"f","metadata":{},"error":"fail: the reason"}],"failed":{"kind":"fail","reason":"the reason","backtrace":[]},"time_ns":N,"memory_bytes":65536,"log":[],"counters":{}}
            {"message":5,"outcome":"kept","sent":[{"content":"m","metadata":{"key":[1,{}]}}],"time_ns":N,"memory_bytes":65536,"log":[],"counters":{}}
            {"message":6,"outcome":"kept","sent":[{"content_hex":"6f6e65ff74776f00","metadata":{}}],"time_ns":N,"memory_bytes":65536,"log":[],"counters":{}}
            {"message":7,"outcome":"kept","sent":[{"content":"l","metadata":{}}],"time_ns":N,"memory_bytes":65536,"log":[{"level":"error","text":"one"}],"counters":{"one":2}}
            {"end":true,"log":[{"level":"warn","text":"one"}],"counters":{}}

        "#]],
    );
}

#[test]
fn metadata_and_marks() {
    let commands = [
        "call letters.wat --brief --meta a=b=c --meta n:=3 -m list:=[1,\"x\"] --error before",
        "call letters.wat --brief --meta a",
        "call letters.wat --brief --meta n:=three",
    ];
    check_letters(
        "call-meta",
        "k\ne\nt\n",
        &commands,
        expect![[r#"
            $ wappa call letters.wat --brief --meta a=b=c --meta n:=3 -m list:=[1,"x"] --error before
            exit 1
            --- stdout
            #1 kept
              content  k
              meta     a: "b=c"
              meta     list: [1,"x"]
              meta     n: 3
              error    before
            #2 kept
              content  e
              meta     a: "b=c"
              meta     list: [1,"x"]
              meta     n: 3
            #3 failed
              reason   trap: unreachable
              content  t
              meta     a: "b=c"
              meta     list: [1,"x"]
              meta     n: 3

            $ wappa call letters.wat --brief --meta a
            exit 1
            --- stderr
            Usage error: invalid value 'a' for '--meta <KEY=TEXT>': write it as KEY=TEXT or as KEY:=JSON
            hint: `wappa call --help` shows the flags

            $ wappa call letters.wat --brief --meta n:=three
            exit 1
            --- stderr
            Usage error: invalid value 'n:=three' for '--meta <KEY=TEXT>': `three` is no JSON: invalid character 'h' in literal true (expecting 'r'); a text is written with `=` alone
            hint: `wappa call --help` shows the flags

        "#]],
    );
}

#[test]
fn batches() {
    check_letters(
        "call-batch",
        "k\nt\nl\n",
        &["call letters.wat --batch", "call letters.wat --batch --json"],
        expect![[r#"
            $ wappa call letters.wat --batch
            exit 1
            --- stdout
            letters.wat: 2.31 KiB, loaded in TIME, started in TIME
            #1 kept
              content  k
            #2 failed
              reason   trap: unreachable
              content  t
              stack    0: 0x160 - innermost
                     | 1: 0x1c7 - function 14
            #3 kept
              content  l
            batch of 3 · TIME, memory 64 KiB
              log      info  the reason
              log      info  the reason
              log      error one
              counter  one +2
            end
              log      warn  one
            3 messages: 2 kept, 1 failed

            $ wappa call letters.wat --batch --json
            exit 1
            --- stdout
            {"message":1,"outcome":"kept","sent":[{"content":"k","metadata":{}}]}
            {"message":2,"outcome":"failed","sent":[{"content":"t","metadata":{},"error":"trap: unreachable"}],"failed":{"kind":"trap","reason":"unreachable","backtrace":["0: 0x160 - innermost","1: 0x1c7 - function 14"]}}
            {"message":3,"outcome":"kept","sent":[{"content":"l","metadata":{}}]}
            {"batch":3,"time_ns":N,"memory_bytes":65536,"log":[{"level":"info","text":"the reason"},{"level":"info","text":"the reason"},{"level":"error","text":"one"}],"counters":{"one":2}}
            {"end":true,"log":[{"level":"warn","text":"one"}],"counters":{}}

        "#]],
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
    check(
        &program,
        &commands,
        expect![[r#"
            $ wappa call letters.wat --brief one two
            exit 0
            --- stdout
            #1 kept
              content  k
                     | second line
                     |
            #2 kept
              bytes    000000  6b 0d 0a 78 0d 0a                                 k..x..

            $ wappa call letters.wat --brief --lines two
            exit 0
            --- stdout
            #1 kept
              content  k
            #2 filtered

            $ wappa call letters.wat --brief - one
            exit 0
            --- stdout
            #1 kept
              content  m from stdin
              meta     key: [1,{}]
            #2 kept
              content  k
                     | second line
                     |

            $ wappa call letters.wat --brief --whole
            exit 0
            --- stdout
            #1 kept
              content  m from stdin
                     |
              meta     key: [1,{}]

            $ wappa call letters.wat --brief missing
            exit 1
            --- stderr
            reading missing: no such file or directory
            hint: for a text: echo missing | wappa call letters.wat

        "#]],
    );
}

#[test]
fn the_other_interfaces() {
    let v0 = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/guests/upper.wat"));
    let program = Program::new("call-tiers")
        .file("upper.wat", v0.expect("the guest is there"))
        .file("component.wasm", component())
        .stdin("a\nb\nc\n");
    check(
        &program,
        &["call upper.wat", "call component.wasm", "call component.wasm --batch --brief"],
        expect![[r#"
            $ wappa call upper.wat
            exit 0
            --- stdout
            upper.wat: 1.36 KiB, loaded in TIME, started in TIME
            #1 kept · TIME, memory 192 KiB
              content  A
            #2 kept · TIME, memory 192 KiB
              content  B
            #3 kept · TIME, memory 192 KiB
              content  C
            3 messages: 3 kept

            $ wappa call component.wasm
            exit 0
            --- stdout
            component.wasm: 1.84 KiB, loaded in TIME, started in TIME
            #1 kept · TIME, memory 128 KiB
              content  by a component
              log      info  a component
            #2 kept · TIME, memory 128 KiB
              content  by a component
              log      info  a component
            #3 kept · TIME, memory 128 KiB
              content  by a component
              log      info  a component
            3 messages: 3 kept

            $ wappa call component.wasm --batch --brief
            exit 0
            --- stdout
            #1 kept
              content  by a component
            #2 kept
              content  by a component
            #3 kept
              content  by a component

        "#]],
    );
}

#[test]
fn limits_are_those_of_the_processor() {
    let commands = ["call letters.wat --timeout 50ms --brief", "call letters.wat --memory-limit 1KiB"];
    check_letters(
        "call-limits",
        "o\nk\n",
        &commands,
        expect![[r#"
            $ wappa call letters.wat --timeout 50ms --brief
            exit 1
            --- stdout
            #1 failed
              reason   timeout: over the limit of 50ms (`timeout`)
              content  o
            #2 kept
              content  k

            $ wappa call letters.wat --memory-limit 1KiB
            exit 1
            --- stderr
            letters.wat: declares a memory of 64KiB, which is over `--memory-limit` (1KiB)
            hint: set `--memory-limit` to 1MiB or more, or build with less
            hint: `wappa inspect letters.wat` says what the module is

        "#]],
    );
}

#[test]
fn what_is_no_guest_is_refused() {
    let program = Program::new("call-refused")
        .file("text.txt", "hello")
        .file("native.so", "\x7fELF\x02\x01\x01")
        .file("start.wat", r#"(module (start $f) (func $f unreachable) (func (export "process")))"#)
        .file("misspelt.wat", r#"(module (func (export "Process")))"#)
        .file("idle.wat", r#"(module (func (export "process")))"#)
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
        "call native.so",
        "call misspelt.wat",
        "call misspelt.wat --function Process --mount here",
        "call misspelt.wat --function Process --mount missing:/data",
        "call start.wat",
        "call init.wat",
        "call idle.wat hello",
        "call idle.wat it's",
    ];
    check(
        &program,
        &commands,
        expect![[r#"
            $ wappa call missing.wasm
            exit 1
            --- stderr
            missing.wasm: no such file or directory

            $ wappa call text.txt
            exit 1
            --- stderr
            text.txt: invalid magic number: this is not a WebAssembly module but text that begins with `hello`

            $ wappa call native.so
            exit 1
            --- stderr
            native.so: invalid magic number: this is not a WebAssembly module but an ELF file (a native program, or a module already compiled by Wasmtime)
            hint: build for WebAssembly: `cargo build --target wasm32-unknown-unknown`, `GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared`, or `clang --target=wasm32-wasi`

            $ wappa call misspelt.wat
            exit 1
            --- stderr
            misspelt.wat: `process` is not exported
            hint: did you mean `Process`? Give it with `--function`, or rename the export
            hint: `wappa inspect misspelt.wat` says what the module is

            $ wappa call misspelt.wat --function Process --mount here
            exit 1
            --- stderr
            Usage error: invalid value 'here' for '--mount <HOST:GUEST[:rw]>': write it as HOST:GUEST, or as HOST:GUEST:rw where the guest may change files
            hint: `wappa call --help` shows the flags

            $ wappa call misspelt.wat --function Process --mount missing:/data
            exit 1
            --- stderr
            misspelt.wat: opening the mount `missing`: No such file or directory (os error 2)

            $ wappa call start.wat
            exit 1
            --- stderr
            start.wat: starting the guest: instance: instantiating: trap: unreachable
              stack: 0: 0x27 - f

            $ wappa call init.wat
            exit 1
            --- stderr
            init.wat: starting the guest: instance: `wappa_init` returned 1: no key
              log: error: no key

            $ wappa call idle.wat hello
            exit 1
            --- stdout
            idle.wat: 34 B, loaded in TIME, started in TIME
            --- stderr
            reading hello: no such file or directory
            hint: for a text: echo hello | wappa call idle.wat

            $ wappa call idle.wat it's
            exit 1
            --- stdout
            idle.wat: 34 B, loaded in TIME, started in TIME
            --- stderr
            reading it's: no such file or directory
            hint: for a text: echo 'it'\''s' | wappa call idle.wat

        "#]],
    );
}
