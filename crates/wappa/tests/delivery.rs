//! What arrives when the world around a stream goes wrong: slow guests, a killed process, a disk that is full for a
//! while, an input that says nothing more.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufReader, Read, Write},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use expect_test::expect;
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};

mod support;

use support::{Program, read_until, shell, wait};

const GUESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/guests");

/// Ends a stream whose input is still open, and gives its exit code.
fn stop(child: Child) -> Option<i32> {
    kill_process(Pid::from_child(&child), Signal::TERM).expect("it runs");
    wait(child).code()
}

/// A config whose guest sleeps as many milliseconds as a message says.
fn slow_guest(pipeline: &str) -> String {
    format!(
        "pipeline:\n  {pipeline}\n  processors:\n    \
         - wasm: {{module_path: {GUESTS}/sleep-by-number.wat, timeout: 2h}}\nshutdown_timeout: 300ms\n"
    )
}

/// Reads a file, again and again, until `is_enough`.
fn wait_for(file: &Path, is_enough: impl Fn(&str) -> bool) -> String {
    for _ in 0..5_000 {
        match fs::read_to_string(file) {
            Ok(text) if is_enough(&text) => return text,
            _ => thread::sleep(Duration::from_millis(2)),
        }
    }
    panic!("what should be in {} does not come", file.display());
}

#[test]
fn what_is_done_leaves_while_a_guest_takes_its_time() {
    // One write, so one parcel: all of it is there before the first message is worked on.
    let cases = [
        ("threads: 1", "0 a\n3600000\n0 b\n", "0 a\n", ""),
        // What another thread has finished waits for its turn, which comes when the one before it is given up.
        ("threads: 8", "0 a\n3600000\n0 b\n", "0 a\n", "0 b\n"),
        // Seven threads sleep, and the eighth does all the rest.
        ("threads: 8\n  ordered: false", &("3600000\n".repeat(7) + "0 a\n0 b\n"), "0 a\n0 b\n", ""),
    ];
    for (n, (pipeline, input, output, at_the_end)) in cases.into_iter().enumerate() {
        let program = Program::new(&format!("slow{n}")).file("a.yaml", slow_guest(pipeline));
        let mut child = program.start(&["-c", "a.yaml", "--log.level", "off"]);
        let mut stdin = child.stdin.take().expect("it is piped");
        stdin.write_all(input.as_bytes()).expect("it is read");
        let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        assert_eq!(read_until(&mut stdout, output), output, "{pipeline}");
        // What still sleeps ends with the stream, and does not arrive.
        assert_eq!(stop(child), Some(1), "{pipeline}");
        let mut rest = String::new();
        stdout.read_to_string(&mut rest).expect("it is text");
        assert!(rest.is_empty() || rest == at_the_end, "{pipeline}: {rest}");
        drop(stdin);
    }
}

#[test]
fn a_killed_stream_leaves_the_beginning_of_its_output() {
    let input: String = (0..300_000).map(|n| format!("line {n}\n")).collect();
    let program = Program::new("killed").file("in.txt", &input).file(
        "a.yaml",
        "input: {file: {paths: [in.txt]}}\npipeline: {threads: 2}\n\
         output: {file: {path: out.txt, codec: lines}}\n",
    );
    let mut child = program.start(&["-c", "a.yaml"]);
    wait_for(&program.dir().join("out.txt"), |it| !it.is_empty());
    child.kill().expect("it can be killed");
    child.wait().expect("it can be waited for");
    let output = fs::read_to_string(program.dir().join("out.txt")).expect("it was written");
    assert!(input.starts_with(&output), "{} bytes, not the first of the input", output.len());
}

/// Starts a stream with a bound on the size of the files that it writes, in blocks of 512 bytes.
fn start_with_file_limit(program: &Program, blocks: u32) -> Child {
    let script = format!("ulimit -S -f {blocks}; exec \"$WAPPA\" -c a.yaml");
    let mut command = shell(&script, program.dir());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command.spawn().expect("the program starts")
}

#[test]
fn a_full_disk_is_waited_for() {
    let input: String = (0..20_000).map(|n| format!("line {n}\n")).collect();
    for threads in [1, 2] {
        let name = format!("full{threads}");
        let program = Program::new(&name).file("in.txt", &input).file(
            "a.yaml",
            format!(
                "input: {{file: {{paths: [in.txt]}}}}\npipeline: {{threads: {threads}}}\n\
                 output: {{file: {{path: out.txt, codec: lines}}}}\nlogger: {{file: {{path: log.txt}}}}\n"
            ),
        );
        let child = start_with_file_limit(&program, 101);
        let log = wait_for(&program.dir().join("log.txt"), |it| it.contains("are replayed"));
        assert!(log.contains("Failed to send message to file: write out.txt: file too large"), "{log}");
        // An attempt that is under way may have a half line there for a moment, before it takes it back.
        let output = wait_for(&program.dir().join("out.txt"), |it| it.ends_with('\n'));
        assert!(output.len() <= 101 * 512 && input.starts_with(&output), "{name}");
        let (current, maximum) = (None, None);
        prlimit(Some(Pid::from_child(&child)), Resource::Fsize, Rlimit { current, maximum })
            .expect("the bound can be lifted");
        assert_eq!(wait(child).code(), Some(0));
        let output = fs::read_to_string(program.dir().join("out.txt")).expect("it was written");
        // What failed was delivered again, behind what came meanwhile.
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
        assert!(lines(&output) == lines(&input), "{name}");
    }
}

#[test]
fn a_silent_input_keeps_nothing_back() {
    let program = Program::new("silence").file("in_the_way", "").file(
        "a.yaml",
        "input: {batched: {child: {stdin: {}}, policy: {count: 100, period: 1ms}}}\npipeline: {threads: 1}\n\
         output: {file: {path: in_the_way/out.txt, codec: lines}}\n",
    );
    let mut child = program.start(&["-c", "a.yaml"]);
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(b"a\n").expect("it is read");
    // The batch's period flushes one line of a hundred, and it fails.
    let mut log = BufReader::new(child.stdout.take().expect("it is piped"));
    read_until(&mut log, "mkdir in_the_way: not a directory");
    fs::remove_file(program.dir().join("in_the_way")).expect("it is there");
    let output = wait_for(&program.dir().join("in_the_way/out.txt"), |it| !it.is_empty());
    assert_eq!(output, "a\n");
    assert_eq!(stop(child), Some(0));
    drop(stdin);
}

#[test]
fn a_fifo_is_read_as_it_is_written() {
    let program =
        Program::new("fifo").file("a.yaml", "input: {file: {paths: [in]}}\npipeline: {threads: 1}\n");
    let fifo = program.dir().join("in");
    let made = Command::new("mkfifo").arg(&fifo).status().expect("there is `mkfifo`");
    assert!(made.success());
    // Nobody writes.
    let mut child = program.start(&["-c", "a.yaml"]);
    let mut log = BufReader::new(child.stderr.take().expect("it is piped"));
    read_until(&mut log, "Input type file is now active");
    assert_eq!(stop(child), Some(0));
    // Somebody writes, and falls silent.
    let mut child = program.start(&["-c", "a.yaml"]);
    let mut writer = fs::OpenOptions::new().write(true).open(&fifo).expect("somebody reads");
    writer.write_all(b"a\n").expect("it is read");
    let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
    assert_eq!(read_until(&mut stdout, "\n"), "a\n");
    assert_eq!(stop(child), Some(0));
    drop(writer);
}

#[test]
fn a_file_without_an_end_is_no_module() {
    let program = Program::new("endless")
        .file("a.yaml", "pipeline: {processors: [{wasm: {module_path: /dev/zero}}]}\n");
    let all: String = ["lint a.yaml", "-c a.yaml --chilled", "inspect /dev/zero"]
        .map(|it| program.run(&it.split(' ').collect::<Vec<_>>()).to_string())
        .concat();
    expect![[r#"
        exit 1
        --- stderr
        a.yaml(1,1) reading the module `/dev/zero`: is a device, not a file
        exit 1
        --- stderr
        level=info msg="Running main config from specified file" @service=wappa path=a.yaml wappa_version=VERSION
        level=warning msg="Config lint error" @service=wappa lint="a.yaml(1,1) reading the module `/dev/zero`: is a device, not a file"
        level=error msg="Service closing due to: failed to init processor <no label> path root.pipeline.processors.0: reading the module `/dev/zero`: is a device, not a file" @service=wappa
        exit 1
        --- stderr
        /dev/zero: is a device, not a file
    "#]].assert_eq(&all);
}

/// Nobody will ever write to it, and opening it would wait for somebody who does.
#[test]
fn a_fifo_is_no_module_and_no_config() {
    let program = Program::new("fifo-module")
        .file("a.yaml", "pipeline: {processors: [{wasm: {module_path: fifo}}]}\n")
        .file("b.yaml", "output: {drop: {}}\n");
    let made = Command::new("mkfifo").arg(program.dir().join("fifo")).status().expect("there is `mkfifo`");
    assert!(made.success());
    let all: String = [
        "lint a.yaml",
        "inspect fifo",
        "call fifo",
        "compile fifo",
        "-c fifo",
        "lint -r fifo b.yaml",
        "-e fifo -c b.yaml",
    ]
    .map(|it| program.run(&it.split(' ').collect::<Vec<_>>()).to_string())
    .concat();
    expect![[r#"
        exit 1
        --- stderr
        a.yaml(1,1) reading the module `fifo`: is a FIFO, not a file
        exit 1
        --- stderr
        fifo: is a FIFO, not a file
        exit 1
        --- stderr
        fifo: is a FIFO, not a file
        exit 1
        --- stderr
        fifo: reading the module: is a FIFO, not a file
        exit 1
        --- stderr
        Configuration file read error: fifo: read fifo: is a FIFO, not a file
        exit 1
        --- stderr
        fifo(1,1) read fifo: is a FIFO, not a file
        exit 1
        --- stderr
        Failed to read dotenv file: read fifo: is a FIFO, not a file
    "#]]
    .assert_eq(&all);
}

#[test]
fn a_module_that_is_not_there_is_told_with_where_it_was_looked_for() {
    let config = |path: &str| format!("pipeline: {{processors: [{{wasm: {{module_path: {path}}}}}]}}\n");
    let program = Program::new("missing-module")
        .file("a.yaml", config("build/a.wasm"))
        .file("conf/b.yaml", config("build/a.wasm"))
        .file("c.yaml", config("/nowhere/a.wasm"));
    let all: String = ["-c a.yaml", "-c conf/b.yaml", "-c c.yaml"]
        .map(|it| program.run(&it.split(' ').collect::<Vec<_>>()).to_string())
        .concat();
    expect![[r#"
        exit 1
        --- stderr
        level=info msg="Running main config from specified file" @service=wappa path=a.yaml wappa_version=VERSION
        level=error msg="Config lint error" @service=wappa hint="is it built yet? It was looked for in the working directory and beside the config" lint="a.yaml(1,1) reading the module `build/a.wasm`: no such file or directory"
        level=error msg="Shutting down due to linter errors, to prevent shutdown run Wappa with --chilled" @service=wappa
        exit 1
        --- stderr
        level=info msg="Running main config from specified file" @service=wappa path=conf/b.yaml wappa_version=VERSION
        level=error msg="Config lint error" @service=wappa hint="is it built yet? It is neither at `build/a.wasm` in the working directory nor beside the config, at `conf/build/a.wasm`" lint="conf/b.yaml(1,1) reading the module `build/a.wasm`: no such file or directory"
        level=error msg="Shutting down due to linter errors, to prevent shutdown run Wappa with --chilled" @service=wappa
        exit 1
        --- stderr
        level=info msg="Running main config from specified file" @service=wappa path=c.yaml wappa_version=VERSION
        level=error msg="Config lint error" @service=wappa hint="is it built yet?" lint="c.yaml(1,1) reading the module `/nowhere/a.wasm`: no such file or directory"
        level=error msg="Shutting down due to linter errors, to prevent shutdown run Wappa with --chilled" @service=wappa
    "#]].assert_eq(&all);
}
