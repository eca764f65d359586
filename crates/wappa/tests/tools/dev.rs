//! `dev`: a build and its fixtures, once, and again after a change.

use std::{
    fs,
    io::{BufReader, Read},
};

use expect_test::expect;

use crate::{
    check,
    support::{Program, read_until, wait},
};

/// Upper-cases nothing: the content becomes the config `text`, or the message is filtered.
const GUEST: &str = r#"(module
  (import "wappa" "v1_config_get" (func $config (param i32 i32 i32 i32) (result i32)))
  (import "wappa" "v1_content_write" (func $write (param i32 i32)))
  (import "wappa" "v1_filter" (func $filter))
  (memory (export "memory") 1)
  (data (i32.const 0) "text")
  (func (export "process") (local $n i32)
    (local.set $n (call $config (i32.const 0) (i32.const 4) (i32.const 64) (i32.const 64)))
    (if (i32.lt_s (local.get $n) (i32.const 0))
      (then (call $filter))
      (else (call $write (i32.const 64) (local.get $n))))))"#;

const WITHOUT_MAKE: &str = "there is no `make`: nothing is built";

/// A project whose build copies a file: WebAssembly text is a module, too. None where there is no `make`.
fn project(name: &str) -> Option<Program> {
    Program::new(name)
        .file("Makefile", "guest.wasm: guest.wat\n\t@cp $< $@\n")
        .file("guest.wat", GUEST)
        .file("fixtures/filtered.in", "a\n\n")
        .file("fixtures/filtered.out", "#1 filtered\n#2 filtered\n")
        .file("fixtures/said.in", "a\n")
        .file("fixtures/said.args", "# what it says\n--config text=two words\n--meta k=v\n")
        .file("fixtures/said.out", "#1 kept\n  content  two words\n  meta     k: \"v\"\n")
        .tools(&["make", "cp"])
}

#[test]
fn fixtures_pass_or_differ() {
    let Some(program) = project("dev-once") else { return eprintln!("{WITHOUT_MAKE}") };
    check(
        &program,
        &["dev --once"],
        expect![[r#"
            $ wappa dev --once
            exit 0
            --- stdout
            $ make -s
            guest.wasm: 539 B, built in TIME
            passed  filtered
            passed  said
            2 fixtures passed

        "#]],
    );
    fs::write(program.dir().join("fixtures/said.args"), "--config text=other\n").expect("it can be written");
    fs::write(program.dir().join("fixtures/bad.in"), "a\n").expect("it can be written");
    fs::write(program.dir().join("fixtures/bad.args"), "--colour red\n").expect("it can be written");
    check(
        &program,
        &["dev --once", "dev . --once --update", "dev --once"],
        expect![[r#"
            $ wappa dev --once
            exit 1
            --- stdout
            $ make -s
            guest.wasm: 539 B, built in TIME
            failed  bad: ./fixtures/bad.args: unexpected argument '--colour' found
            passed  filtered
            differs said
                #1 kept
              -   content  two words
              -   meta     k: "v"
              +   content  other
            1 fixture passed, 2 failed
            `--update` takes what came out as what is expected

            $ wappa dev . --once --update
            exit 1
            --- stdout
            $ make -s
            guest.wasm: 539 B, built in TIME
            failed  bad: ./fixtures/bad.args: unexpected argument '--colour' found
            passed  filtered
            written said
            1 fixture passed, 1 written, 1 failed

            $ wappa dev --once
            exit 1
            --- stdout
            $ make -s
            guest.wasm: 539 B, built in TIME
            failed  bad: ./fixtures/bad.args: unexpected argument '--colour' found
            passed  filtered
            passed  said
            2 fixtures passed, 1 failed
            `--update` takes what came out as what is expected

        "#]],
    );
}

#[test]
fn what_is_not_there_is_told() {
    let program = Program::new("dev-refused")
        .file("empty/a.txt", "")
        .file("none/Makefile", "all:\n")
        .file("broken/Makefile", "all:\n\t@echo the compiler says no; exit 3\n")
        .file("several/Makefile", "all:\n\t@touch a.wasm b.wasm\n")
        .file("bare/Makefile", "all:\n\t@true\n")
        .file("bare/bare.wasm", GUEST);
    // A machine without a C compiler for WebAssembly.
    let Some(program) = program.tools(&["make", "cc", "sh", "touch", "true"]) else {
        return eprintln!("{WITHOUT_MAKE}");
    };
    let commands = [
        "dev nowhere --once",
        "dev empty --once",
        "dev none --once",
        "dev broken --once",
        "dev several --once",
        "dev bare --once",
        "dev bare --once --build true --module other.wasm",
    ];
    check(
        &program,
        &commands,
        expect![[r#"
            $ wappa dev nowhere --once
            exit 1
            --- stderr
            nowhere: there is no such directory

            $ wappa dev empty --once
            exit 1
            --- stderr
            empty: this is no project: there is no Cargo.toml, go.mod, package.json, pyproject.toml, build.zig, pom.xml or Makefile
            hint: `--build COMMAND` says how to build it, and `wappa new` begins a project

            $ wappa dev none --once
            exit 1
            --- stdout
            $ make -s
            --- stderr
            the build made no `.wasm` file below the project
            hint: `--module PATH` says where the module is

            $ wappa dev broken --once
            exit 1
            --- stdout
            $ make -s
            --- stderr
            the compiler says no
            make: *** [Makefile:2: all] Error 3
            the build failed (exit status: 2)
            hint: a C compiler for WebAssembly is missing: `apt-get install clang lld wasi-libc libclang-rt-dev-wasm32`, or a WASI SDK (set WASI_SDK_PATH), or zig (`pip install ziglang` will do)

            $ wappa dev several --once
            exit 1
            --- stdout
            $ make -s
            --- stderr
            there are several modules; `--module PATH` says which one it is:
              several/a.wasm
              several/b.wasm

            $ wappa dev bare --once
            exit 1
            --- stdout
            $ make -s
            bare.wasm: 539 B, built in TIME
            --- stderr
            there are no fixtures: write a message into `fixtures/first.in`, then `--update`

            $ wappa dev bare --once --build true --module other.wasm
            exit 1
            --- stdout
            $ true
            --- stderr
            the module bare/other.wasm: no such file or directory

        "#]],
    );
}

#[test]
fn a_change_is_built_and_run() {
    let Some(program) = project("dev-watch") else { return eprintln!("{WITHOUT_MAKE}") };
    let mut child = program.start(&["dev"]);
    let mut out = BufReader::new(child.stdout.take().expect("it is piped"));
    read_until(&mut out, "waiting for a change");
    fs::write(program.dir().join("fixtures/said.out"), "#1 kept\n  content  something else\n")
        .expect("written");
    let shown = read_until(&mut out, "waiting for a change");
    assert!(
        shown.contains("differs said\n") && shown.contains("\n  -   content  something else\n"),
        "{shown}"
    );
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it runs");
    drop(child.stdin.take());
    let mut stderr = child.stderr.take().expect("it is piped");
    let mut said = String::new();
    stderr.read_to_string(&mut said).expect("it is text");
    assert_eq!((wait(child).code(), said.as_str()), (Some(0), ""));
}
