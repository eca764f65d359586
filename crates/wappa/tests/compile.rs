//! `compile`, and the cache of compiled code as users of the program meet it.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    thread,
};

use expect_test::{Expect, expect};

mod support;

use support::Program;

const MODULE: &str = "(module (memory (export \"memory\") 1) (func (export \"process\")))";

/// A stream through a guest that does nothing.
const CONFIG: &str = "
input: {stdin: {}}
pipeline:
  processors:
    - wasm: {module_path: a.wat}
    - try:
        - type: wasm
          plugin: {module_path: b.wat}
output: {stdout: {}}
logger: {level: INFO, format: logfmt}
";

fn program(name: &str) -> Program {
    Program::new(name)
        .file("a.wat", MODULE)
        .file("b.wat", format!(";; another\n{MODULE}"))
        .file("a.yaml", CONFIG)
        .stdin("hello\n")
}

/// Runs the commands one after the other, and compares all that they print but what differs each time.
fn check(program: &Program, commands: &[&str], expected: Expect) {
    expected.assert_eq(&commands.iter().map(|it| run(program, it)).collect::<String>());
}

fn run(program: &Program, command: &str) -> String {
    let arguments: Vec<&str> = command.split_whitespace().collect();
    let ended = program.run(&arguments);
    let mut text = format!("$ wappa {command}\n");
    for line in ended.stdout.lines() {
        text.push_str(&format!("{}\n", without_numbers(line)));
    }
    for line in ended.stderr.lines().filter(|it| !it.contains("level=info") || it.contains("compiled code")) {
        let line = line.replace(&program.dir().display().to_string(), "DIR");
        let line = line.split_once(" level=").map_or(line.as_str(), |(_, it)| it);
        text.push_str(&format!("stderr: {}\n", without_entry(line)));
    }
    text.push_str(&format!("exit {}\n\n", ended.code.unwrap_or(-1)));
    text
}

/// Numbers of digits, milliseconds and bytes are `N`.
fn without_numbers(line: &str) -> String {
    let words = line.split(' ').map(|word| {
        let is_number = word.bytes().all(|it| it.is_ascii_digit()) || 64 == word.len();
        if is_number { "N" } else { word }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// The name of a file of the cache is `ENTRY.code`.
fn without_entry(line: &str) -> String {
    match line.split_once(".code`") {
        Some((before, after)) => {
            let before = &before[..before.rfind('/').expect("the directory is named")];
            format!("{before}/ENTRY.code`{after}")
        }
        None => line.to_string(),
    }
}

fn entries(program: &Program) -> Vec<PathBuf> {
    let dir = program.dir().join(".cache/wappa");
    let mut entries: Vec<PathBuf> =
        fs::read_dir(dir).into_iter().flatten().map(|it| it.expect("it can be read").path()).collect();
    entries.sort();
    entries
}

#[test]
fn modules_are_compiled_once() {
    let program = program("compile");
    check(&program, &["compile a.wat", "compile a.wat b.wat a.wat"], expect![""]);
    assert_eq!(entries(&program).len(), 2);
}

#[test]
fn all_modules_of_a_config_are_compiled() {
    let program = program("compile-config");
    let commands = ["compile -c a.yaml", "-c a.yaml compile", "compile -c a.yaml b.wat"];
    check(&program, &commands, expect![""]);
}

#[test]
fn what_cannot_be_compiled_is_named() {
    let program = program("compile-bad")
        .file("bad.wat", "(module (func (export \"process\") (result i32)))")
        .file("text.wasm", "hello")
        .file("bad.yaml", "pipeline: {processors: [{wasm: {module_path: missing.wat}}]}")
        .file("none.yaml", "input: {stdin: {}}");
    let commands = [
        "compile bad.wat a.wat missing.wat text.wasm",
        "compile -c bad.yaml",
        "compile -c missing.yaml",
        "compile -c none.yaml",
        "compile",
        "compile --no-compile-cache a.wat",
        "compile --compile-time-limit 1ns b.wat",
        "compile --compile-cache /dev/null/wappa a.wat",
        "compile --compile-cache here --no-compile-cache a.wat",
    ];
    let text: String = commands.iter().map(|it| run(&program, it)).collect();
    // What is wrong with flags is said with the whole help.
    let text = text.split("A stream processor that calls").next().expect("there is a first");
    expect![""].assert_eq(text);
}

/// Whether a stream needs a compiler: this one fails as soon as it asks for one.
const CANNOT_COMPILE: &str = "--compile-time-limit 1ns";

#[test]
fn a_stream_starts_with_what_was_compiled_before() {
    let program = program("compiled-before");
    let stream = format!("-c a.yaml {CANNOT_COMPILE}");
    let elsewhere = format!("{stream} --compile-cache elsewhere");
    let without = format!("{stream} --no-compile-cache");
    let commands = [&stream, "compile -c a.yaml", &stream, &elsewhere, &without];
    check(&program, &commands, expect![""]);
}

#[test]
fn a_stream_keeps_what_it_compiles() {
    let program = program("kept");
    let again = format!("-c a.yaml {CANNOT_COMPILE}");
    check(&program, &["-c a.yaml", &again], expect![""]);
    assert_eq!(entries(&program).len(), 2);
}

#[test]
fn a_stream_without_a_cache_keeps_nothing() {
    let program = program("not-kept");
    check(&program, &["-c a.yaml --no-compile-cache"], expect![""]);
    assert_eq!(entries(&program), Vec::<PathBuf>::new());
}

#[test]
fn a_flaw_in_the_cache_is_said_and_mended() {
    let program = program("flaw");
    check(&program, &["compile a.wat b.wat"], expect![""]);
    for entry in entries(&program) {
        let mut bytes = fs::read(&entry).expect("it can be read");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(entry, bytes).expect("it can be written");
    }
    check(&program, &["-c a.yaml", "-c a.yaml"], expect![""]);
}

#[test]
fn a_cache_that_cannot_be_used_is_said_once() {
    let program = program("unusable");
    check(&program, &["-c a.yaml"], expect![""]);
    let dir = program.dir().join(".cache/wappa");
    fs::set_permissions(dir, Permissions::from_mode(0o777)).expect("the mode can be set");
    check(&program, &["-c a.yaml"], expect![""]);
    let program = program.env("XDG_CACHE_HOME", "").env("HOME", "/dev/null");
    check(&program, &["-c a.yaml"], expect![""]);
    let program = program.env("HOME", "");
    check(&program, &["-c a.yaml", "compile a.wat"], expect![""]);
}

#[test]
fn two_processes_at_once_do_not_disturb_each_other() {
    let program = program("two");
    thread::scope(|scope| {
        let both = [(); 2].map(|()| scope.spawn(|| program.run(&["-c", "a.yaml"])));
        for ended in both {
            let ended = ended.join().expect("running does not panic");
            assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "hello\n"), "{}", ended.stderr);
            assert!(!ended.stderr.contains("compiled code"), "{}", ended.stderr);
        }
    });
    let names: Vec<String> = entries(&program).iter().map(|it| it.display().to_string()).collect();
    assert!(names.len() == 2 && names.iter().all(|it| it.ends_with(".code")), "{names:?}");
}
