//! `compile`, and the cache of compiled code as users of the program meet it.

use std::{
    fs::{self, Permissions},
    io::Read,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    thread,
    time::Duration,
};

use expect_test::{Expect, expect};
use rustix::process::{Pid, Signal, kill_process};

mod support;

use support::{Program, shell, wait};

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
    check(
        &program,
        &["compile a.wat", "compile a.wat b.wat a.wat"],
        expect![[r#"
        $ wappa compile a.wat
        a.wat: compiled in N ms, N bytes of code, SHA-256 N
        exit 0

        $ wappa compile a.wat b.wat a.wat
        a.wat: already there, N bytes of code, SHA-256 N
        b.wat: compiled in N ms, N bytes of code, SHA-256 N
        exit 0

    "#]],
    );
    assert_eq!(entries(&program).len(), 2);
}

#[test]
fn all_modules_of_a_config_are_compiled() {
    let program = program("compile-config");
    let commands = ["compile -c a.yaml", "-c a.yaml compile", "compile -c a.yaml b.wat"];
    check(
        &program,
        &commands,
        expect![[r#"
        $ wappa compile -c a.yaml
        a.wat: compiled in N ms, N bytes of code, SHA-256 N
        b.wat: compiled in N ms, N bytes of code, SHA-256 N
        exit 0

        $ wappa -c a.yaml compile
        a.wat: already there, N bytes of code, SHA-256 N
        b.wat: already there, N bytes of code, SHA-256 N
        exit 0

        $ wappa compile -c a.yaml b.wat
        b.wat: already there, N bytes of code, SHA-256 N
        a.wat: already there, N bytes of code, SHA-256 N
        exit 0

    "#]],
    );
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
    ];
    check(
        &program,
        &commands,
        expect![[r#"
            $ wappa compile bad.wat a.wat missing.wat text.wasm
            a.wat: compiled in N ms, N bytes of code, SHA-256 N
            stderr: bad.wat: the module is not valid: type mismatch: expected i32 but nothing on stack (at offset 0x25)
            stderr: missing.wat: reading the module: no such file or directory
            stderr: text.wasm: invalid magic number: this is not a WebAssembly module but text that begins with `hello`
            exit 1

            $ wappa compile -c bad.yaml
            stderr: bad.yaml(1,46) reading the module `missing.wat`: no such file or directory
            stderr:   hint: is it built yet? It was looked for in the working directory and beside the config
            exit 1

            $ wappa compile -c missing.yaml
            stderr: missing.yaml(1,1) open missing.yaml: no such file or directory
            exit 1

            $ wappa compile -c none.yaml
            stderr: nothing to compile: the config has no `wasm` processor
            exit 0

            $ wappa compile
            stderr: nothing to compile: name modules, or a config with `-c`
            exit 1

            $ wappa compile --no-compile-cache a.wat
            stderr: `--no-compile-cache` leaves `compile` without anything to do
            exit 1

            $ wappa compile --compile-time-limit 1ns b.wat
            stderr: b.wat: compiling the module: compiling took more than 1ns (limit `--compile-time-limit`)
            exit 1

            $ wappa compile --compile-cache /dev/null/wappa a.wat
            stderr: compiled code is not cached: `/dev/null/wappa`: not a directory
            stderr: a.wat: compiled, but the code could not be kept
            exit 1

        "#]],
    );
    let ended = program.run(&["compile", "--compile-cache", "here", "--no-compile-cache", "a.wat"]);
    let expected = "Usage error: the argument '--compile-cache <DIR>' cannot be used with '--no-compile-cache'\n\
         hint: `wappa compile --help` shows the flags\n";
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(1), expected));
}

/// A compiler that panics or overflows its stack dies like this one, and nobody can say more than of which module.
#[test]
fn the_module_of_which_a_compiler_died_is_named() {
    let mut module = "(module (func (export \"process\") (local i32)".to_string();
    module.push_str(
        &"(if (local.get 0) (then (local.set 0 (i32.add (local.get 0) (i32.const 7)))))".repeat(60_000),
    );
    module.push_str("))");
    let program = program("compile-dies")
        .file("slow.wat", module)
        .file("slow.yaml", CONFIG.replace("a.wat", "slow.wat"));
    for (arguments, expected) in [
        (
            &["compile", "slow.wat"][..],
            "slow.wat: compiling the module: the compiler process ended with signal 9",
        ),
        (&["-c", "slow.yaml"], "`slow.wat`: the process that read it ended with signal 9"),
    ] {
        let mut child = program.start(arguments);
        let log = support::collect(child.stderr.take().expect("it is piped"));
        let mut out = child.stdout.take().expect("it is piped");
        // Each one that it starts, be it to read the module or to compile it.
        while child.try_wait().expect("it is ours").is_none() {
            children_of(child.id()).for_each(|it| _ = kill_process(it, Signal::KILL));
            thread::sleep(Duration::from_millis(1));
        }
        let code = wait(child).code();
        out.read_to_string(&mut String::new()).expect("it is text");
        let log = log.join().expect("the log can be read");
        assert!(code == Some(1) && log.contains(expected), "{code:?}: {log}");
    }
}

/// The processes that one has started.
fn children_of(parent: u32) -> impl Iterator<Item = Pid> {
    let all = fs::read_dir("/proc").expect("the system tells").flatten();
    all.filter_map(move |it| {
        let pid = it.file_name().to_str()?.parse().ok()?;
        let status = fs::read_to_string(it.path().join("status")).ok()?;
        status.lines().any(|it| it == format!("PPid:\t{parent}")).then(|| Pid::from_raw(pid))?
    })
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
    check(
        &program,
        &commands,
        expect![[r#"
        $ wappa -c a.yaml --compile-time-limit 1ns
        stderr: level=error msg="Config lint error" @service=wappa lint="a.yaml(5,1) `a.wat`: reading it took more than 1ns (limit `--compile-time-limit`)"
        stderr: level=error msg="Config lint error" @service=wappa lint="a.yaml(8,1) `b.wat`: reading it took more than 1ns (limit `--compile-time-limit`)"
        stderr: level=error msg="Shutting down due to linter errors, to prevent shutdown run Wappa with --chilled" @service=wappa
        exit 1

        $ wappa compile -c a.yaml
        a.wat: compiled in N ms, N bytes of code, SHA-256 N
        b.wat: compiled in N ms, N bytes of code, SHA-256 N
        exit 0

        $ wappa -c a.yaml --compile-time-limit 1ns
        hello
        exit 0

        $ wappa -c a.yaml --compile-time-limit 1ns --compile-cache elsewhere
        stderr: level=error msg="Config lint error" @service=wappa lint="a.yaml(5,1) `a.wat`: reading it took more than 1ns (limit `--compile-time-limit`)"
        stderr: level=error msg="Config lint error" @service=wappa lint="a.yaml(8,1) `b.wat`: reading it took more than 1ns (limit `--compile-time-limit`)"
        stderr: level=error msg="Shutting down due to linter errors, to prevent shutdown run Wappa with --chilled" @service=wappa
        exit 1

        $ wappa -c a.yaml --compile-time-limit 1ns --no-compile-cache
        stderr: level=error msg="Config lint error" @service=wappa lint="a.yaml(5,1) `a.wat`: reading it took more than 1ns (limit `--compile-time-limit`)"
        stderr: level=error msg="Config lint error" @service=wappa lint="a.yaml(8,1) `b.wat`: reading it took more than 1ns (limit `--compile-time-limit`)"
        stderr: level=error msg="Shutting down due to linter errors, to prevent shutdown run Wappa with --chilled" @service=wappa
        exit 1

    "#]],
    );
}

#[test]
fn a_stream_keeps_what_it_compiles() {
    let program = program("kept");
    let again = format!("-c a.yaml {CANNOT_COMPILE}");
    check(
        &program,
        &["-c a.yaml", &again],
        expect![[r#"
        $ wappa -c a.yaml
        hello
        exit 0

        $ wappa -c a.yaml --compile-time-limit 1ns
        hello
        exit 0

    "#]],
    );
    assert_eq!(entries(&program).len(), 2);
}

#[test]
fn a_stream_without_a_cache_keeps_nothing() {
    let program = program("not-kept");
    check(
        &program,
        &["-c a.yaml --no-compile-cache"],
        expect![[r#"
        $ wappa -c a.yaml --no-compile-cache
        hello
        exit 0

    "#]],
    );
    assert_eq!(entries(&program), Vec::<PathBuf>::new());
}

#[test]
fn a_flaw_in_the_cache_is_said_and_mended() {
    let program = program("flaw");
    check(
        &program,
        &["compile a.wat b.wat"],
        expect![[r#"
        $ wappa compile a.wat b.wat
        a.wat: compiled in N ms, N bytes of code, SHA-256 N
        b.wat: compiled in N ms, N bytes of code, SHA-256 N
        exit 0

    "#]],
    );
    for entry in entries(&program) {
        let mut bytes = fs::read(&entry).expect("it can be read");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(entry, bytes).expect("it can be written");
    }
    check(
        &program,
        &["-c a.yaml", "-c a.yaml"],
        expect![[r#"
        $ wappa -c a.yaml
        hello
        stderr: level=warning msg="compiling again: the compiled code `DIR/.cache/wappa/ENTRY.code` is not used: it changed since it was written (its checksum is another one)" @service=wappa
        stderr: level=warning msg="compiling again: the compiled code `DIR/.cache/wappa/ENTRY.code` is not used: it changed since it was written (its checksum is another one)" @service=wappa
        exit 0

        $ wappa -c a.yaml
        hello
        exit 0

    "#]],
    );
}

#[test]
fn a_cache_that_cannot_be_used_is_said_once() {
    let program = program("unusable");
    check(
        &program,
        &["-c a.yaml"],
        expect![[r#"
        $ wappa -c a.yaml
        hello
        exit 0

    "#]],
    );
    let dir = program.dir().join(".cache/wappa");
    fs::set_permissions(dir, Permissions::from_mode(0o777)).expect("the mode can be set");
    check(
        &program,
        &["-c a.yaml"],
        expect![[r#"
        $ wappa -c a.yaml
        hello
        stderr: level=warning msg="compiled code is not cached: `DIR/.cache/wappa`: other users may write to it (mode 0777)" @service=wappa
        exit 0

    "#]],
    );
    let program = program.env("XDG_CACHE_HOME", "").env("HOME", "/dev/null");
    check(
        &program,
        &["-c a.yaml"],
        expect![[r#"
        $ wappa -c a.yaml
        hello
        stderr: level=info msg="compiled code is not cached: `/dev/null/.cache/wappa`: not a directory" @service=wappa
        exit 0

    "#]],
    );
    let program = program.env("HOME", "");
    check(
        &program,
        &["-c a.yaml", "compile a.wat"],
        expect![[r#"
        $ wappa -c a.yaml
        hello
        stderr: level=info msg="compiled code is not cached: neither XDG_CACHE_HOME nor HOME is set, and there is no `--compile-cache`" @service=wappa
        exit 0

        $ wappa compile a.wat
        stderr: compiled code is not cached: neither XDG_CACHE_HOME nor HOME is set, and there is no `--compile-cache`
        exit 1

    "#]],
    );
}

#[test]
fn a_full_disk_is_no_error_of_the_stream() {
    let program = program("full-disk");
    // Files may have one block of 512 bytes. A write past that is an error, instead of a signal that ends the process.
    let script = "trap '' XFSZ; ulimit -S -f 1; echo hello | \"$WAPPA\" -c a.yaml";
    let output = shell(script, program.dir()).output().expect("the program starts");
    let log = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), b"hello\n".as_slice()), "{log}");
    let said: Vec<&str> = log.lines().filter(|it| it.contains("compiled code is not kept in")).collect();
    assert!(said.len() == 1 && said[0].contains(": file too large"), "{log}");
    let left = fs::read_dir(program.dir().join(".cache/wappa")).expect("the directory is there").count();
    assert_eq!(left, 0);
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
