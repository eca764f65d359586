//! What arrives when the world around a stream goes wrong: slow guests, a killed process, a disk that is full for a
//! while, an input that says nothing more.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs,
    io::{BufReader, Read, Write},
    os::unix::{ffi::OsStrExt, fs::symlink},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use expect_test::expect;
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};

mod support;

use support::{Ended, Program, read_until, shell, wait};

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

/// Killed again and again, beside an output that takes its time: what the input was told has arrived does arrive.
#[test]
fn a_buffer_in_a_file_outlives_killed_processes() {
    let input: String = (0..20_000).map(|n| format!("{n}\n")).collect();
    let config = |input: &str, wait: &str| {
        format!(
            "input: {{file: {{paths: [{input}]}}}}\nbuffer: {{sqlite: {{path: kept.db}}}}\n\
             pipeline: {{threads: 1, processors: [{{sleep: {{duration: {wait}}}}}]}}\n\
             output: {{file: {{path: out.txt, codec: lines}}}}\n"
        )
    };
    let program = Program::new("kept").file("in.txt", &input).file("none.txt", "");
    let program = program.file("a.yaml", config("in.txt", "1ms")).file("b.yaml", config("none.txt", "1ms"));
    let program = program.file("c.yaml", config("none.txt", "0s"));
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
    let mut n_lines = 0;
    for (idx, file) in ["a.yaml", "b.yaml", "b.yaml"].into_iter().enumerate() {
        let mut child = program.start(&["-c", file]);
        if idx == 0 {
            // All of the input is in the file by then.
            let log = Path::new("kept.db-wal");
            let n = input.len() as u64;
            while fs::metadata(program.dir().join(log)).map_or(0, |it| it.len()) < n {
                thread::sleep(Duration::from_millis(10));
            }
        }
        let output = wait_for(&program.dir().join("out.txt"), |it| n_lines + 200 < it.lines().count());
        n_lines = output.lines().count();
        child.kill().expect("it can be killed");
        child.wait().expect("it can be waited for");
    }
    assert_eq!(wait(program.start(&["-c", "c.yaml"])).code(), Some(0));
    let output = fs::read_to_string(program.dir().join("out.txt")).expect("it was written");
    assert!(lines(&output) == lines(&input), "{} of {} came", lines(&output).len(), lines(&input).len());
}

#[test]
fn a_buffer_in_a_file_waits_for_a_disk_that_is_full() {
    let input: String = (0..100_000).map(|n| format!("line {n}\n")).collect();
    let program = Program::new("full-buffer").file("in.txt", &input).file(
        "a.yaml",
        "input: {file: {paths: [in.txt]}}\nbuffer: {sqlite: {path: kept.db}}\n\
         output: {file: {path: out.txt, codec: lines}}\nlogger: {file: {path: log.txt}}\n",
    );
    let child = start_with_file_limit(&program, 400);
    wait_for(&program.dir().join("log.txt"), |it| {
        it.contains("Failed to write to the buffer's file kept.db: ")
    });
    let (current, maximum) = (None, None);
    prlimit(Some(Pid::from_child(&child)), Resource::Fsize, Rlimit { current, maximum })
        .expect("the bound can be lifted");
    assert_eq!(wait(child).code(), Some(0));
    let output = fs::read_to_string(program.dir().join("out.txt")).expect("it was written");
    assert!(output == input, "nothing is missing, and the order is kept");
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

/// Starts `wappa -c a.yaml` with what a shell makes of its descriptors.
fn start_with(program: &Program, redirections: &str) -> Child {
    let mut command = shell(&format!("exec \"$WAPPA\" -c a.yaml {redirections}"), program.dir());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("the program starts")
}

#[test]
fn standard_output_that_is_closed_takes_nothing() {
    for (name, output) in [
        ("closed", "stdout: {}"),
        ("closed-below", "fallback: [{stdout: {}}, {drop: {}}]"),
        ("closed-by-name", "file: {path: /dev/stdout}"),
    ] {
        let program = Program::new(name).file("in.txt", "a\n").file(
            "a.yaml",
            format!(
                "input: {{file: {{paths: [in.txt], delete_on_finish: true}}}}\noutput: {{{output}}}\n\
                 logger: {{file: {{path: log.txt}}}}\n"
            ),
        );
        let child = start_with(&program, ">&-");
        if name == "closed-by-name" {
            wait_for(&program.dir().join("log.txt"), |it| it.contains("open /dev/stdout: is a directory"));
            kill_process(Pid::from_child(&child), Signal::INT).expect("it runs");
            wait_for(&program.dir().join("log.txt"), |it| it.contains("Received SIGINT"));
            kill_process(Pid::from_child(&child), Signal::INT).expect("it runs");
        }
        assert_eq!(wait(child).code(), Some(1), "{name}");
        let log = fs::read_to_string(program.dir().join("log.txt")).expect("it was written");
        assert!(name == "closed-by-name" || log.contains("standard output is closed"), "{name}: {log}");
        assert!(program.dir().join("in.txt").exists(), "{name}");
    }
    let program = Program::new("closed-input").file("a.yaml", "output: {drop: {}}\n");
    assert_eq!(wait(start_with(&program, "<&-")).code(), Some(1));
    // A command that prints what it makes has made nothing.
    for command in ["blobl 'root = this'", "list", "inspect a.wat", "call a.wat"] {
        let program = Program::new("closed-command").file("a.wat", "(module (func (export \"process\")))");
        let mut child = shell(&format!("echo '{{}}' | exec \"$WAPPA\" {command} >&-"), program.dir());
        let output = child.output().expect("the program starts");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{command}: {told}");
        assert!(told.contains("standard output is closed"), "{command}: {told}");
    }
    // Whoever does not want to see it says so.
    let program = Program::new("null").file("a.yaml", "{}\n");
    assert_eq!(wait(start_with(&program, "1<>/dev/null")).code(), Some(0));
}

#[test]
fn a_named_pipe_is_written_to_once_somebody_reads_it() {
    let program = Program::new("fifo-out").file("in.txt", "a\nb\n").file(
        "a.yaml",
        "input: {file: {paths: [in.txt], delete_on_finish: true}}\noutput: {file: {path: out}}\n",
    );
    let (source, fifo) = (program.dir().join("in.txt"), program.dir().join("out"));
    let made = Command::new("mkfifo").arg(&fifo).status().expect("there is `mkfifo`");
    assert!(made.success());
    // Nobody ever reads.
    let mut child = program.start(&["-c", "a.yaml"]);
    let mut log = BufReader::new(child.stdout.take().expect("it is piped"));
    read_until(&mut log, "the named pipe `out` has no reader, and is waited for");
    for _ in 0..2 {
        kill_process(Pid::from_child(&child), Signal::INT).expect("it runs");
        read_until(&mut log, "the service is closing");
    }
    assert_eq!(wait(child).code(), Some(1));
    assert!(source.exists());
    // Somebody does, at last.
    let mut child = program.start(&["-c", "a.yaml"]);
    let mut log = BufReader::new(child.stdout.take().expect("it is piped"));
    read_until(&mut log, "the named pipe `out` has no reader, and is waited for");
    assert!(source.exists());
    assert_eq!(fs::read_to_string(&fifo).expect("it is written"), "a\nb\n");
    assert_eq!(wait(child).code(), Some(0));
    assert!(!source.exists());
}

#[test]
fn a_file_that_is_moved_away_is_made_anew() {
    let program = Program::new("rotated").file("a.yaml", "output: {file: {path: out.txt}}\n");
    let mut child = program.start(&["-c", "a.yaml"]);
    let mut stdin = child.stdin.take().expect("it is piped");
    let (out, old) = (program.dir().join("out.txt"), program.dir().join("old.txt"));
    let mut n_lines = 0;
    let mut write = || {
        writeln!(stdin, "{n_lines}").expect("it is read");
        n_lines += 1;
    };
    write();
    wait_for(&out, |it| it == "0\n");
    fs::rename(&out, &old).expect("it is there");
    while !out.exists() {
        write();
        thread::sleep(Duration::from_millis(5));
    }
    drop(stdin);
    let mut log = String::new();
    child.stdout.take().expect("it is piped").read_to_string(&mut log).expect("it is text");
    assert_eq!(wait(child).code(), Some(0));
    assert!(
        log.contains("`out.txt` was moved away or deleted while it was open, and is opened anew"),
        "{log}"
    );
    let written =
        fs::read_to_string(old).expect("it is there") + &fs::read_to_string(out).expect("it is there");
    assert_eq!(written, (0..n_lines).map(|it| format!("{it}\n")).collect::<String>());
}

#[test]
fn patterns_neither_walk_in_circles_nor_pass_over_anything_in_silence() {
    let long = "x".repeat(300);
    let program = Program::new("patterns")
        .file("logs/a/1.log", "1\n")
        .file("logs/2.log", "2\n")
        .file("a.yaml", format!("input: {{file: {{paths: ['logs/**/*.log', 'logs/*', '{long}/*']}}}}\n"));
    let logs = program.dir().join("logs");
    for (to, name) in [(".", "self"), ("..", "a/up"), ("a", "b")] {
        symlink(to, logs.join(name)).expect("a link can be made");
    }
    fs::write(logs.join(OsStr::from_bytes(b"\xff.log")), "3\n").expect("a file can be written");
    let Ended { code, stdout, stderr } = program.run(&["-c", "a.yaml"]);
    assert_eq!((code, stdout.as_str()), (Some(1), "2\n1\n3\n"), "{stderr}");
    assert!(stderr.contains(": file name too long"), "{stderr}");
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
        a.yaml(1,46) reading the module `/dev/zero`: is a device, not a file
        exit 1
        --- stderr
        level=info msg="Running main config from specified file" @service=wappa path=a.yaml wappa_version=VERSION
        level=warning msg="Config lint error" @service=wappa lint="a.yaml(1,46) reading the module `/dev/zero`: is a device, not a file"
        level=info msg="Listening for HTTP requests at: http://0.0.0.0:4195" @service=wappa
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
        a.yaml(1,46) reading the module `fifo`: is a FIFO, not a file
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
        level=error msg="Config lint error" @service=wappa hint="is it built yet? It was looked for in the working directory and beside the config" lint="a.yaml(1,46) reading the module `build/a.wasm`: no such file or directory"
        level=error msg="Shutting down due to linter errors, to prevent shutdown run Wappa with --chilled" @service=wappa
        exit 1
        --- stderr
        level=info msg="Running main config from specified file" @service=wappa path=conf/b.yaml wappa_version=VERSION
        level=error msg="Config lint error" @service=wappa hint="is it built yet? It is neither at `build/a.wasm` in the working directory nor beside the config, at `conf/build/a.wasm`" lint="conf/b.yaml(1,46) reading the module `build/a.wasm`: no such file or directory"
        level=error msg="Shutting down due to linter errors, to prevent shutdown run Wappa with --chilled" @service=wappa
        exit 1
        --- stderr
        level=info msg="Running main config from specified file" @service=wappa path=c.yaml wappa_version=VERSION
        level=error msg="Config lint error" @service=wappa hint="is it built yet?" lint="c.yaml(1,46) reading the module `/nowhere/a.wasm`: no such file or directory"
        level=error msg="Shutting down due to linter errors, to prevent shutdown run Wappa with --chilled" @service=wappa
    "#]].assert_eq(&all);
}
