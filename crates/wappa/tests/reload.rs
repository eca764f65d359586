//! A module that is replaced while the stream runs, and guests that are replaced since they leak.

use std::{
    fs,
    io::{BufReader, Write},
    os::unix::fs::symlink,
    path::Path,
    process::{Child, ChildStdin},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

mod support;

use support::{Program, read_until, wait};

/// A guest of interface v1 that answers every message with the same text.
fn answering(text: &str) -> String {
    format!(
        r#"(module
          (import "wappa" "v1_content_write" (func $write (param i32 i32)))
          (import "wappa" "v1_next" (func $next (result i32)))
          (memory (export "memory") 1)
          (data (i32.const 0) "{text}")
          (func (export "process")
            (loop $again
              (call $write (i32.const 0) (i32.const {}))
              (br_if $again (i32.eq (call $next) (i32.const 1))))))"#,
        text.len()
    )
}

const CONFIG: &str = "
pipeline:
  threads: 2
  processors:
    - wasm: { module_path: guest.wat, reload: true }
output:
  stdout: {}
";

/// A stream to which one line is written at a time.
struct Stream {
    stdin: ChildStdin,
    stdout: BufReader<std::process::ChildStdout>,
    log: JoinHandle<String>,
    child: Child,
}

impl Stream {
    fn start(program: &Program) -> Stream {
        let mut child = program.start(&["-c", "a.yaml"]);
        let stdin = child.stdin.take().expect("it is piped");
        let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let log = support::collect(child.stderr.take().expect("it is piped"));
        Stream { stdin, stdout, log, child }
    }

    /// What becomes of one line.
    fn ask(&mut self) -> String {
        self.stdin.write_all(b"x\n").expect("it reads");
        read_until(&mut self.stdout, "\n").trim_end().to_string()
    }

    /// Asks until the answer is this one. All answers before are `old`.
    fn ask_until(&mut self, old: &str, new: &str) {
        let began = Instant::now();
        loop {
            let answer = self.ask();
            if answer == new {
                return;
            }
            assert_eq!(answer, old);
            assert!(began.elapsed() < Duration::from_secs(60), "the new version does not come");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Asks for as long as a change would take, and longer; nothing changes.
    fn stays(&mut self, answer: &str) {
        for _ in 0..40 {
            assert_eq!(self.ask(), answer);
            thread::sleep(Duration::from_millis(25));
        }
    }

    fn end(self) -> String {
        drop(self.stdin);
        let log = self.log.join().expect("reading does not panic");
        wait(self.child);
        log
    }
}

/// Writes a file in two halves, with a pause.
fn write_slowly(file: &Path, text: &str) {
    let mut file = fs::File::create(file).expect("it can be written");
    let (one, two) = text.split_at(text.len() / 2);
    file.write_all(one.as_bytes()).expect("it can be written");
    thread::sleep(Duration::from_millis(700));
    file.write_all(two.as_bytes()).expect("it can be written");
}

#[test]
fn a_guest_that_wants_to_be_told_of_its_end_is_told_in_every_version() {
    let closing = |text: &str| {
        let guest = answering(text);
        let end = guest.rfind(')').expect("it is a module");
        format!("{}(func (export \"wappa_close\")))", &guest[..end])
    };
    let program = Program::new("reload-close").file("a.yaml", CONFIG).file("guest.wat", closing("one"));
    let guest = program.dir().join("guest.wat");
    let mut stream = Stream::start(&program);
    assert_eq!(stream.ask(), "one");
    fs::write(&guest, closing("two")).expect("it can be written");
    stream.ask_until("one", "two");
    let log = stream.end();
    assert!(log.contains("the new version takes over") && !log.contains("wappa_close"), "{log}");
}

#[test]
fn a_new_version_takes_over_between_messages() {
    let counted = format!("metrics: {{ logger: {{ push_interval: 100ms }} }}\n{CONFIG}");
    let program = Program::new("reload").file("a.yaml", counted).file("guest.wat", answering("one"));
    let guest = program.dir().join("guest.wat");
    let mut stream = Stream::start(&program);
    assert_eq!(stream.ask(), "one");

    // In its place, as compilers write.
    fs::write(&guest, answering("two")).expect("it can be written");
    stream.ask_until("one", "two");

    // Half of a file is not a version.
    write_slowly(&guest, &answering("three"));
    stream.ask_until("two", "three");

    // What does not load leaves the old one at work.
    fs::write(&guest, "(module (func").expect("it can be written");
    stream.stays("three");
    fs::write(&guest, r#"(module (func (export "other")))"#).expect("it can be written");
    stream.stays("three");
    fs::remove_file(&guest).expect("it was there");
    stream.stays("three");

    // Another file under the same name, as a deployment swaps links.
    fs::write(program.dir().join("v4.wat"), answering("four")).expect("it can be written");
    symlink("v4.wat", &guest).expect("a link can be made");
    stream.ask_until("three", "four");
    fs::write(program.dir().join("v5.wat"), answering("five")).expect("it can be written");
    symlink("v5.wat", program.dir().join("next")).expect("a link can be made");
    fs::rename(program.dir().join("next"), &guest).expect("it can be renamed");
    stream.ask_until("four", "five");

    // The same content once more is no new version.
    fs::write(program.dir().join("v5.wat"), answering("five")).expect("it can be written");
    stream.stays("five");

    let log = stream.end();
    let count = |text: &str| log.matches(text).count();
    assert_eq!(count("the new version takes over"), 4, "{log}");
    // The half of a file may have been looked at, if it stood still for long enough.
    assert!((2..=3).contains(&count("the new version does not load")), "{log}");
    assert!(log.contains("exports no function `process`"), "{log}");
    assert!(!log.contains("level=warn"), "{log}");
    // Each version was shown while it was at work, and no other one beside it.
    let value_of = |line: &str, name: &str| {
        let value = line.split(' ').find_map(|it| it.strip_prefix(name)?.strip_prefix('='));
        value.map(str::to_string)
    };
    let shown = |name: &str| {
        let name = format!("name={name}");
        log.lines().filter(move |it| it.split(' ').any(|it| it == name))
    };
    let mut versions: Vec<String> = shown("wasm_module").filter_map(|it| value_of(it, "sha256")).collect();
    versions.dedup();
    assert_eq!(versions.len(), 5, "{versions:?}");
    assert!(shown("wasm_module").all(|it| value_of(it, "value").as_deref() == Some("1")), "{log}");
    let last = shown("wasm_reloaded").next_back().and_then(|it| value_of(it, "value"));
    assert_eq!(last.as_deref(), Some("4"), "{log}");
}

#[test]
fn under_load_no_message_is_lost_and_each_is_of_one_version() {
    const LINES: usize = 400_000;
    let program = Program::new("reload-load")
        .file("a.yaml", CONFIG.replace("stdout: {}", "file: { path: out, codec: lines }"))
        .file("guest.wat", answering("0 0"));
    let guest = program.dir().join("guest.wat");
    let mut child = program.start(&["-c", "a.yaml", "--log.level", "off"]);
    let mut stdin = child.stdin.take().expect("it is piped");
    let writer = thread::spawn(move || {
        for _ in 0..LINES / 1000 {
            stdin.write_all(&b"x\n".repeat(1000)).expect("it reads");
            thread::sleep(Duration::from_millis(15));
        }
    });
    let mut version = 0;
    while !writer.is_finished() {
        version += 1;
        let text = answering(&format!("{version} {version}"));
        if version % 3 == 0 {
            write_slowly(&guest, &text);
        } else {
            fs::write(&guest, text).expect("it can be written");
        }
        thread::sleep(Duration::from_millis(1000));
    }
    writer.join().expect("it does not panic");
    assert_eq!(wait(child).code(), Some(0));
    let out = fs::read_to_string(program.dir().join("out")).expect("it was written");
    assert_eq!(out.lines().count(), LINES);
    let mut seen = Vec::new();
    for line in out.lines() {
        let (one, two) = line.split_once(' ').expect("two numbers");
        assert_eq!(one, two);
        seen.push(one.parse::<usize>().expect("a number"));
    }
    // With two threads one may still end its part on the version before. Not every version was ever loaded.
    let mut loaded = seen.clone();
    loaded.sort_unstable();
    loaded.dedup();
    let place = |version: &usize| loaded.binary_search(version).expect("it was seen");
    let places: Vec<usize> = seen.iter().map(place).collect();
    assert!(places.windows(2).all(|it| it[0] <= it[1] + 1), "versions only go up");
    seen.dedup();
    assert!(1 < seen.len(), "{seen:?}");
}

#[test]
fn a_guest_that_leaks_is_replaced_and_loses_nothing() {
    // A page with each message: the limit is reached after 256 of them.
    let leaking = r#"(module
      (import "wappa" "v1_content_write" (func $write (param i32 i32)))
      (memory (export "memory") 1)
      (data (i32.const 0) "ok")
      (func (export "process")
        (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable))
        (call $write (i32.const 0) (i32.const 2))))"#;
    const LINES: usize = 2_560;
    let config = |recycle: &str| {
        format!(
            "pipeline:\n  threads: 1\n  processors:\n    - wasm: {{ module_path: guest.wat, memory_limit: 16MiB, \
             recycle: {recycle} }}\noutput:\n  stdout: {{}}\n"
        )
    };
    for (recycle, expected) in
        [("{}", LINES), ("{ growth: false }", LINES - 10), ("{ messages: 100, growth: false }", LINES)]
    {
        let program = Program::new(&format!("leak-{}", recycle.len()))
            .file("a.yaml", config(recycle))
            .file("guest.wat", leaking)
            .stdin(&"x\n".repeat(LINES));
        let ended = program.run(&["-c", "a.yaml"]);
        let lines = |text: &str| ended.stdout.lines().filter(|it| *it == text).count();
        // What failed is there as it came in.
        assert_eq!((lines("ok"), lines("ok") + lines("x")), (expected, LINES), "{recycle}: {}", ended.stderr);
        assert_eq!(ended.code, Some(0));
        assert!(ended.stderr.contains("an instance was replaced, since"), "{}", ended.stderr);
    }
}

#[test]
fn guests_are_closed_when_the_stream_ends_and_not_when_it_is_given_up() {
    let closing = r#"(module
      (import "wappa" "v1_log" (func $log (param i32 i32 i32)))
      (import "wappa" "v1_content_write" (func $write (param i32 i32)))
      (memory (export "memory") 1)
      (data (i32.const 0) "closed")
      (func (export "wappa_close") (call $log (i32.const 2) (i32.const 0) (i32.const 6)))
      (func (export "process") (call $write (i32.const 0) (i32.const 6))))"#;
    let program = Program::new("close")
        .file("a.yaml", "pipeline:\n  threads: 1\n  processors:\n    - wasm: { module_path: guest.wat }\noutput:\n  stdout: {}\n")
        .file("guest.wat", closing)
        .stdin("a\nb\n");
    let ended = program.run(&["-c", "a.yaml"]);
    assert_eq!(
        (ended.stdout.as_str(), ended.stderr.matches("msg=closed").count()),
        ("closed\nclosed\n", 1),
        "{}",
        ended.stderr
    );

    let looping =
        closing.replace(r#"(call $write (i32.const 0) (i32.const 6))"#, "(loop $again (br $again))");
    let program = program.file("guest.wat", looping).file(
        "a.yaml",
        "shutdown_timeout: 300ms\npipeline:\n  threads: 1\n  processors:\n    - wasm: { module_path: guest.wat, timeout: 1h }\noutput:\n  stdout: {}\n",
    );
    let mut child = program.start(&["-c", "a.yaml"]);
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(b"x\n").expect("it reads");
    thread::sleep(Duration::from_millis(500));
    kill_process(Pid::from_child(&child), Signal::TERM).expect("it runs");
    let stderr = support::collect(child.stderr.take().expect("it is piped"));
    wait(child);
    let log = stderr.join().expect("reading does not panic");
    assert!(!log.contains("msg=closed"), "{log}");
}

/// Guests whose end has no end have the time of one together.
#[test]
fn guests_that_do_not_close_end_all_the_same() {
    let stuck = r#"(module (memory (export "memory") 1)
      (func (export "wappa_close") (loop $again (br $again)))
      (func (export "process") (local $i i32)
        (loop $again
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (br_if $again (i32.lt_u (local.get $i) (i32.const 20000000))))))"#;
    let program = Program::new("stuck")
        .file("a.yaml", "pipeline:\n  threads: 8\n  processors:\n    - wasm: { module_path: guest.wat, timeout: 2s }\noutput:\n  stdout: {}\n")
        .file("guest.wat", stuck)
        .stdin(&"x\n".repeat(64));
    let began = Instant::now();
    let ended = program.run(&["-c", "a.yaml"]);
    assert_eq!((ended.code, ended.stdout.lines().count()), (Some(0), 64), "{}", ended.stderr);
    let closed = ended.stderr.matches("`wappa_close`: timeout: over the limit of 2s").count();
    assert!(3 < closed, "{}", ended.stderr);
    // One after the other they would take twice as many seconds.
    assert!(began.elapsed() < Duration::from_secs(2 * closed as u64), "{:?}", began.elapsed());
}
