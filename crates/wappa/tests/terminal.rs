//! What a person sees: the program with a terminal as its standard error, which here is a pseudo-terminal.

#![allow(
    unsafe_code,
    reason = "a pseudo-terminal takes three calls to the kernel that no safe function of ours makes"
)]

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Write},
    process::Stdio,
    thread,
};

use expect_test::expect;
use rustix::ioctl::{Getter, Setter, ioctl};

mod support;

use support::{Program, wait};

/// Opens a pseudo-terminal of 100 columns: our side and the program's. None where the machine has none.
fn terminal() -> Option<(File, File)> {
    const TIOCGPTN: u32 = 0x8004_5430;
    const TIOCSPTLCK: u32 = 0x4004_5431;
    const TIOCSWINSZ: u32 = 0x5414;
    let open = |path: &str| -> io::Result<File> { OpenOptions::new().read(true).write(true).open(path) };
    let ours = open("/dev/ptmx").ok()?;
    // SAFETY: each of these reads or writes exactly the type that its code stands for.
    let number = unsafe {
        ioctl(&ours, Setter::<TIOCSPTLCK, i32>::new(0)).ok()?;
        ioctl(&ours, Setter::<TIOCSWINSZ, [u16; 4]>::new([24, 100, 0, 0])).ok()?;
        ioctl(&ours, Getter::<TIOCGPTN, u32>::new()).ok()?
    };
    let theirs = open(&format!("/dev/pts/{number}")).ok()?;
    Some((ours, theirs))
}

/// What the program writes to a terminal, with `ESC` for each escape, and what it writes to the pipe beside it.
fn seen(program: &Program, arguments: &[&str], has_stdout: bool) -> Option<(String, String)> {
    seen_with(program, arguments, has_stdout, None)
}

/// The same, where somebody has typed something.
fn seen_with(
    program: &Program,
    arguments: &[&str],
    has_stdout: bool,
    typed: Option<&str>,
) -> Option<(String, String)> {
    let Some((mut ours, theirs)) = terminal() else {
        eprintln!("skipped: this machine has no pseudo-terminals");
        return None;
    };
    let mut command = program.command(arguments);
    command.env("TERM", "xterm").env("TZ", "UTC");
    let copy = || Stdio::from(theirs.try_clone().expect("a descriptor can be had"));
    match typed {
        None => command.stdin(Stdio::null()),
        Some(text) => {
            ours.write_all(text.as_bytes()).expect("a terminal takes what is typed");
            command.stdin(copy())
        }
    };
    command.stderr(copy()).stdout(if has_stdout { copy() } else { Stdio::piped() });
    let mut child = command.spawn().expect("the program starts");
    drop(command);
    drop(theirs);
    let stdout = child.stdout.take().map(support::collect);
    let reader = thread::spawn(move || {
        let mut all = Vec::new();
        let mut buffer = [0; 4096];
        // When the last of the other side is closed, Linux gives an error.
        while let Ok(n) = ours.read(&mut buffer) {
            if n == 0 {
                break;
            }
            all.extend_from_slice(&buffer[..n]);
        }
        String::from_utf8_lossy(&all).into_owned()
    });
    wait(child);
    let text = reader.join().expect("reading does not panic");
    let stdout = stdout.map_or_else(String::new, |it| it.join().expect("reading does not panic"));
    Some((text.replace('\x1b', "ESC").replace("\r\n", "\n"), stdout))
}

const STREAM: &str = "input: {file: {paths: [in.txt]}}\noutput: {stdout: {}}\n";

#[test]
fn the_log_is_for_a_person_unless_it_is_told_otherwise() {
    let program = Program::new("terminal-log").file("in.txt", "a\nb\n").file("a.yaml", STREAM);
    let Some((log, out)) = seen(&program, &["-c", "a.yaml"], false) else { return };
    assert_eq!(out, "a\nb\n");
    let first = log.lines().next().unwrap_or_default();
    let time = first.get(6..14).unwrap_or_default();
    assert!(time.bytes().filter(|it| *it == b':').count() == 2, "{log}");
    assert!(
        first.contains(
            "ESC[32mINFO ESC[0m Running main config from specified file  ESC[2mpath=a.yaml wappa_version="
        ),
        "{log}"
    );
    assert!(!log.contains("level=") && !log.contains("@service"), "{log}");
    assert!(
        log.contains("Messages of this run  ESC[2min=2 out=2 filtered=0 failed=0 replayed=0 duration="),
        "{log}"
    );

    let (log, _) =
        seen(&program, &["-c", "a.yaml", "-s", "logger.format=logfmt"], false).expect("there was one");
    assert!(log.starts_with("level=info msg=\"Running main") && !log.contains("ESC[2m"), "{log}");

    let program = Program::new("terminal-no-color").file("in.txt", "a\n").file("a.yaml", STREAM);
    let program = program.env("NO_COLOR", "1");
    let (log, _) = seen(&program, &["-c", "a.yaml"], false).expect("there was one");
    assert!(
        log.contains(" INFO  Running main config from specified file  path=a.yaml") && !log.contains("ESC[3"),
        "{log}"
    );
}

/// Slow enough to be seen, with its rate: forty lines, each of which takes a while.
const SLOW: &str = "input: {file: {paths: [in.txt]}}
pipeline: {threads: 1, processors: [{sleep: {duration: 50ms}}]}
output: {file: {path: out.txt, codec: lines}}
";

#[test]
fn a_run_over_files_shows_how_far_it_is() {
    let program = Program::new("terminal-bar").file("in.txt", "0123456789\n".repeat(40)).file("a.yaml", SLOW);
    let Some((text, log)) = seen(&program, &["-c", "a.yaml"], false) else { return };
    assert!(text.contains(" of 440 B, ") && text.contains(" left"), "{text}");
    // The log goes elsewhere, and the bar leaves nothing behind.
    assert!(log.contains("msg=\"Messages of this run\""), "{log}");
    let last = text.rsplit("ESC[2K").next().unwrap_or_default();
    assert!(!last.contains("440"), "{text}");

    let slow_to_terminal = SLOW.replace("file: {path: out.txt, codec: lines}", "stdout: {}");
    let program = Program::new("terminal-no-bar")
        .file("in.txt", "0123456789\n".repeat(20))
        .file("a.yaml", slow_to_terminal);
    let (text, _) = seen(&program, &["-c", "a.yaml"], true).expect("there was one");
    assert!(text.contains("0123456789\n") && !text.contains(" left"), "{text}");
}

#[test]
fn lint_says_that_all_is_well() {
    let program = Program::new("terminal-lint").file("a.yaml", "{}").file("b.yaml", "{}");
    let Some((text, _)) = seen(&program, &["lint", "a.yaml", "b.yaml"], true) else { return };
    assert_eq!(text, "2 files, no problems\n");
    let program = program.file("c.yaml", "pipeline:\n  threds: 1\n").env("NO_COLOR", "1");
    let (text, _) = seen(&program, &["lint", "c.yaml"], true).expect("there was one");
    let expected = "c.yaml(2,3) field threds not recognised
  |
2 |   threds: 1
  |   ^^^^^^
hint: did you mean `threads`?

";
    assert_eq!(text, expected);
}

/// The same ten as in the suite of lints, whose columns are those of Bento.
#[test]
fn lint_shows_where_mappings_are_wrong() {
    let program = Program::new("terminal-lint-mappings").file("a.yaml", MISTAKES).env("NO_COLOR", "1");
    let Some((text, _)) = seen(&program, &["lint", "a.yaml"], true) else { return };
    expect![[r#"
        a.yaml(3,57) expected query, but reached end of input
          |
        3 |     mapping: 'root = {"id": counter(), "n": random_int()'
          |                                                         ^

        a.yaml(7,41) unrecognised method 'upercase'
          |
        7 |         root.name = this.name.upercase()
          |                                         ^
        hint: did you mean `uppercase`?

        a.yaml(9,39) required: expected comma or closing bracket, but reached end of input
          |
        9 |     - mapping: root.a = this.a.slice(1
          |                                       ^

        a.yaml(13,15) required: expected =>, got: = 2
           |
        13 |           "b" = 2
           |               ^

        a.yaml(15,45) unrecognised function 'sum'
           |
        15 |     - mutation: root.total = sum(this.items)
           |                                             ^
        hint: `sum` is a method, behind a value: `this.sum(…)`

        a.yaml(16,40) wrong number of arguments, expected 0, got 1
           |
        16 |     - mapping: root.n = this.n.round(2)
           |                                        ^

        a.yaml(17,26) cannot add types string (from string literal) and number (from number literal): "x" +
           |
        17 |     - bloblang: root.b = "x" + 5
           |                          ^

        a.yaml(18,47) unrecognised method 'strng':  }
           |
        18 |     - log: { message: 'got ${! this.id.strng() }' }
           |                                               ^
        hint: did you mean `string`?

        a.yaml(20,35) expected line break, got: [0
           |
        20 |         request_map: root = this.l[0
           |                                   ^

        a.yaml(24,33) required: expected function argument, got: }.jso
           |
        24 |     path: out/${! meta("k").or( }.jsonl
           |                                 ^

    "#]]
    .assert_eq(&text);
}

const MISTAKES: &str = r#"input:
  generate:
    mapping: 'root = {"id": counter(), "n": random_int()'
pipeline:
  processors:
    - mapping: |
        root.name = this.name.upercase()
        root.at = now()
    - mapping: root.a = this.a.slice(1
    - mapping: |
        root.kind = match this.type {
          "a" => 1
          "b" = 2
        }
    - mutation: root.total = sum(this.items)
    - mapping: root.n = this.n.round(2)
    - bloblang: root.b = "x" + 5
    - log: { message: 'got ${! this.id.strng() }' }
    - branch:
        request_map: root = this.l[0
        processors: []
output:
  file:
    path: out/${! meta("k").or( }.jsonl
"#;

#[test]
fn a_mapping_answers_what_is_typed() {
    let program = Program::new("terminal-blobl");
    let mapping = "root.x = this.a.uppercase()";
    // A document may go on in the next line; the last character ends the input.
    let typed = "{\"a\":\n\"b\"}\n\n{\"a\":1}\n{\"a\":\"\\u001b[31m\"}\n\x04";
    let Some((seen, _)) = seen_with(&program, &["blobl", mapping], true, Some(typed)) else { return };
    let (_, answers) = seen.split_once("Ctrl-D ends.\n").expect("it says what to do");
    let failed = "failed assignment (line 1): expected string value, got number from field `this.a` (1)";
    let expected = format!(
        "> … {{\n  \"x\": \"B\"\n}}\n> > failed to execute map: {failed}\n> {{\n  \"x\": \"\\u001b[31M\"\n}}\n> \n"
    );
    assert_eq!(answers, expected);
}
