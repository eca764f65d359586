//! What a stream takes of the machine's memory at the most, whatever its guests do: looked at from outside.

use std::{io::Write, process::Child, thread, time::Duration};

use rustix::process::{Pid, Signal, kill_process};
use wait4::Wait4;

mod support;

use support::{Program, collect};

/// The program, the code of its guests, its threads and an engine, in bytes, built without optimizations.
const BASE: u64 = 256 << 20;

/// A run that takes longer is stopped: then it was not the memory that ended it.
const PATIENCE: Duration = Duration::from_secs(60);

struct Ended {
    /// The most that was resident, in bytes.
    peak: u64,
    code: Option<i32>,
    /// The log.
    log: String,
}

/// Runs a config over this input.
fn run(program: &Program, input: &str) -> Ended {
    let mut child = program.start(&["-c", "stream.yaml"]);
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(input.as_bytes()).expect("it reads");
    drop(stdin);
    let stdout = collect(child.stdout.take().expect("it is piped"));
    let stderr = collect(child.stderr.take().expect("it is piped"));
    let text = |it: thread::JoinHandle<String>| it.join().expect("reading does not panic");
    let guard = watch(&child);
    let ended = child.wait4().expect("a child can be waited for");
    drop(guard);
    Ended { peak: ended.rusage.maxrss, code: ended.status.code(), log: text(stdout) + &text(stderr) }
}

/// Ends a child that takes too long, unless the guard is dropped before.
fn watch(child: &Child) -> std::sync::mpsc::Sender<()> {
    let pid = Pid::from_child(child);
    let (tx, rx) = std::sync::mpsc::channel::<()>();
    thread::spawn(move || {
        if rx.recv_timeout(PATIENCE) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            let _ = kill_process(pid, Signal::KILL);
        }
    });
    tx
}

const WRITE: &str = r#"(import "wappa" "v1_content_write" (func $write (param i32 i32)))"#;
const EMIT: &str = r#"(import "wappa" "v1_emit" (func $emit))"#;

/// A guest of v1 that does this for each message.
fn guest(imports: &str, body: &str) -> String {
    format!(
        r#"(module {imports} (memory (export "memory") 272)
             (func (export "process") (local $i i32) {body}))"#
    )
}

/// A guest that does something so many times.
fn repeating(imports: &str, n: u32, body: &str) -> String {
    let body = format!(
        "(loop $next {body} (local.set $i (i32.add (local.get $i) (i32.const 1)))
           (br_if $next (i32.lt_u (local.get $i) (i32.const {n}))))"
    );
    guest(imports, &body)
}

#[test]
fn a_batch_of_messages_that_all_grow() {
    let program = Program::new("memory-batch")
        .file("grow.wat", guest(WRITE, "(call $write (i32.const 0) (i32.const 0x1000000))"))
        .file(
            "stream.yaml",
            "input:\n  batched:\n    child: {stdin: {}}\n    policy: {count: 60}\npipeline:\n  threads: 1\n  processors:\n    \
             - wasm: {module_path: grow.wat, part_limit: 64MiB}\n    \
             - catch: [log: {message: '${! error() }'}]\noutput: {drop: {}}\n",
        );
    let ended = run(&program, &"x\n".repeat(60));
    let failed = "output: the messages of its part would grow by more than the limit of 67108864 together (`part_limit`)";
    // Three grow by sixteen MiB less a byte, and so does a fourth.
    assert_eq!((ended.code, ended.log.matches(failed).count()), (Some(0), 56), "{}", ended.log);
    let bound = BASE + (32 << 20) + 2 * (64 << 20);
    assert!(ended.peak < bound, "{} bytes, {bound} allowed", ended.peak);
}

#[test]
fn several_processors_that_multiply() {
    let body = "(call $write (i32.const 0) (i32.const 16384)) (call $emit)";
    let both = format!("{WRITE}{EMIT}");
    let program = Program::new("memory-multiply")
        .file("many.wat", repeating(EMIT, 100, "(call $emit)"))
        .file("large.wat", repeating(&both, 400, body))
        .file(
            "stream.yaml",
            "pipeline:\n  threads: 2\n  processors:\n    - wasm: {module_path: many.wat, part_limit: 64MiB}\n    \
             - wasm: {module_path: large.wat, part_limit: 64MiB}\n    - wasm: {module_path: large.wat, part_limit: 64MiB}\n\
             output: {drop: {}}\n",
        );
    let ended = run(&program, "x\n");
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    let bound = BASE + 3 * 2 * (17 << 20) + 3 * (64 << 20);
    assert!(ended.peak < bound, "{} bytes, {bound} allowed", ended.peak);
}

/// Messages that are batches of their own go on when there is much of them: none is refused, and the memory is that of a
/// few.
#[test]
fn messages_that_grow_a_lot_pass_one_by_one() {
    let program = Program::new("memory-singles")
        .file("grow.wat", guest(WRITE, "(call $write (i32.const 0) (i32.const 0x1000000))"))
        .file(
            "stream.yaml",
            "pipeline:\n  threads: 2\n  processors:\n    - wasm: {module_path: grow.wat, part_limit: 64MiB}\n    \
             - log: {message: '${! error() }'}\noutput: {drop: {}}\n",
        );
    let ended = run(&program, &"x\n".repeat(100));
    assert!(ended.code == Some(0) && !ended.log.contains("part_limit"), "{}", ended.log);
    // The window of parts that wait for their turn, and a part for each thread.
    let bound = BASE + 2 * (17 << 20) + (64 << 20) + 2 * 2 * (33 << 20);
    assert!(ended.peak < bound, "{} bytes, {bound} allowed", ended.peak);
}
