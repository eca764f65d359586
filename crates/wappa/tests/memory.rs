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
    run_with(program, &["-c", "stream.yaml"], input)
}

fn run_with(program: &Program, arguments: &[&str], input: &str) -> Ended {
    let mut child = program.start(arguments);
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
    let failed =
        "output: the messages of its part would grow by more than the limit of 64MiB together (`part_limit`)";
    // Three grow by sixteen MiB less a byte, and so does a fourth.
    assert_eq!((ended.code, ended.log.matches(failed).count()), (Some(0), 56), "{}", ended.log);
    let bound = BASE + (32 << 20) + 2 * (64 << 20);
    assert!(ended.peak < bound, "{} bytes, {bound} allowed", ended.peak);
}

/// What a part may grow by is of all that work on it, however deep below others they are.
#[test]
fn a_batch_within_composites() {
    let grow = guest(WRITE, "(call $write (i32.const 0) (i32.const 0x1000000))");
    let wasm = "wasm: {module_path: grow.wat, part_limit: 64MiB}";
    for composite in [format!("for_each: [{wasm}]"), format!("try: [for_each: [{wasm}]]")] {
        let config = format!(
            "input:\n  batched:\n    child: {{stdin: {{}}}}\n    policy: {{count: 60}}\npipeline:\n  threads: 1\n  processors:\n    \
             - {composite}\n    - catch: [log: {{message: '${{! error() }}'}}]\noutput: {{drop: {{}}}}\n",
        );
        let program =
            Program::new("memory-composites").file("grow.wat", grow.as_str()).file("stream.yaml", &config);
        let ended = run(&program, &"x\n".repeat(60));
        let failed = "would grow by more than the limit of 64MiB together (`part_limit`)";
        assert_eq!(
            (ended.code, ended.log.matches(failed).count()),
            (Some(0), 56),
            "{composite}: {}",
            ended.log
        );
        let bound = BASE + (32 << 20) + 2 * (64 << 20);
        assert!(ended.peak < bound, "{composite}: {} bytes, {bound} allowed", ended.peak);
    }
}

/// Why messages fail is kept with them, and counts: 30,000 that were made of one, each with a reason of 4 KiB.
#[test]
fn reasons_of_many_messages() {
    const FAIL: &str = r#"(import "wappa" "v1_fail" (func $fail (param i32 i32)))"#;
    let program = Program::new("memory-reasons")
        .file("many.wat", repeating(EMIT, 30_000, "(call $emit)"))
        .file("fail.wat", guest(FAIL, "(call $fail (i32.const 0) (i32.const 4096))"))
        .file(
            "stream.yaml",
            "pipeline:\n  threads: 1\n  processors:\n    - wasm: {module_path: many.wat, part_limit: 16MiB}\n    \
             - wasm: {module_path: fail.wat, part_limit: 16MiB}\noutput: {drop: {}}\n",
        );
    let ended = run(&program, "x\n");
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    let bound = BASE + 2 * (17 << 20) + 2 * (16 << 20);
    assert!(ended.peak < bound, "{} bytes, {bound} allowed", ended.peak);
}

/// Twenty lines that a mapping makes 100 MB of each, in one batch.
#[test]
fn mappings_that_make_much_of_a_batch() {
    let program = Program::new("memory-mapping").file(
        "stream.yaml",
        "input:\n  batched:\n    child: {stdin: {}}\n    policy: {count: 20}\npipeline:\n  threads: 1\n  processors:\n    \
         - mapping: root = this.a.repeat(this.n)\noutput: {drop: {}}\n",
    );
    let ended = run(&program, &"{\"a\":\"xxxxxxxxxx\",\"n\":10000000}\n".repeat(20));
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    let refused = "the messages worked on together would grow by more than 512MiB";
    assert_eq!(ended.log.matches(refused).count(), 15, "{}", ended.log);
    let bound = BASE + (512 << 20) + 2 * (100 << 20);
    assert!(ended.peak < bound, "{} bytes, {bound} allowed", ended.peak);
}

/// Honest guests do not meet the limits as they are: messages of 16 MiB, also some in a batch, and batches of 1,000.
#[test]
fn large_messages_and_large_batches_pass_as_they_are() {
    for (count, size) in [(1, 16 << 20), (8, 16 << 20), (1000, 256 << 10)] {
        let config = format!(
            "input:\n  batched:\n    child: {{stdin: {{}}}}\n    policy: {{count: {count}}}\npipeline:\n  processors:\n    \
             - wasm: {{module_path: grow.wat}}\n    - wasm: {{module_path: grow.wat}}\n    \
             - log: {{message: 'error: ${{! error() }}'}}\noutput: {{drop: {{}}}}\n",
        );
        let program = Program::new("memory-honest")
            .file("grow.wat", guest(WRITE, &format!("(call $write (i32.const 0) (i32.const {size}))")))
            .file("stream.yaml", &config);
        let ended = run(&program, &"x\n".repeat(count));
        assert_eq!(ended.code, Some(0), "{count}: {}", ended.log);
        assert!(!ended.log.contains("_limit"), "{count} of {size}: {}", ended.log);
        assert_eq!(ended.log.matches("error: ").count(), count, "{}", ended.log);
    }
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

/// A guest that takes 100 MiB with its first message, writes to all of it and keeps it.
fn greedy() -> String {
    let body = "(if (i32.eq (memory.size) (i32.const 1)) (then
        (if (i32.eq (memory.grow (i32.const 1600)) (i32.const -1)) (then unreachable))
        (memory.fill (i32.const 0) (i32.const 1) (i32.const 100000000))))";
    guest("", body).replace(" 272)", " 1)")
}

#[test]
fn all_guests_together_stay_below_the_limit_of_the_process() {
    let greedy_ones =
        "    - wasm: {module_path: greedy.wat}\n    - catch: [log: {message: '${! error() }'}]\n".repeat(10);
    let honest = guest(WRITE, "(call $write (i32.const 0) (i32.const 6))")
        .replace(" 272)", " 1) (data (i32.const 0) \"honest\")");
    let program = Program::new("memory-process").file("greedy.wat", greedy()).file("honest.wat", honest).file(
        "stream.yaml",
        format!(
            "pipeline:\n  threads: 2\n  processors:\n{greedy_ones}    - wasm: {{module_path: honest.wat}}\n    \
             - log: {{message: '${{! content() }} ${{! error() }}'}}\noutput: {{drop: {{}}}}\n"
        ),
    );
    let ended =
        run_with(&program, &["-c", "stream.yaml", "--guest-memory-limit", "640MiB"], &"x\n".repeat(100));
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    // Who was there first has what it wanted; the others are told what they ran into.
    let refused = "memory: unreachable after the guest was refused more memory (`--guest-memory-limit`, for all guests \
                   of the process)";
    assert!(ended.log.contains(refused), "{}", ended.log);
    // And who is content with its share never hears of it.
    assert_eq!(ended.log.matches("msg=\"honest null\"").count(), 100, "{}", ended.log);
    let bound = BASE + (640 << 20);
    assert!(ended.peak < bound, "{} bytes, {bound} allowed", ended.peak);
}

/// With room for two instances of 6 MiB and four threads, whose own they would be or which share three.
#[test]
fn threads_without_an_instance_take_their_turn_on_those_there_are() {
    for max_instances in [0, 3] {
        let body = "(loop $next (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $next (i32.lt_u (local.get $i) (i32.const 100000))))";
        let program = Program::new(&format!("memory-turns-{max_instances}"))
            .file("modest.wat", guest("", body).replace("272", "96"))
            .file(
                "stream.yaml",
                format!(
                    "input: {{stdin: {{}}}}\npipeline:\n  threads: 4\n  processors:\n    - wasm: {{module_path: modest.wat, \
                     max_instances: {max_instances}}}\noutput:\n  reject_errored:\n    stdout: {{}}\n"
                ),
            );
        let input: String = (0..2000).map(|it| format!("{it}\n")).collect();
        let ended = run_with(&program, &["-c", "stream.yaml", "--guest-memory-limit", "16MiB"], &input);
        assert_eq!(ended.code, Some(0), "{}", ended.log);
        assert!(ended.log.starts_with(&input), "{}", ended.log);
        assert!(!ended.log.contains("could be made"), "{}", ended.log);
    }
}

/// Parts that grow by less than a mebibyte each are not charged where they are few; those that are collected are many.
#[test]
fn small_parts_that_are_collected_count_for_the_process() {
    let grow = guest(WRITE, "(call $write (i32.const 0) (i32.const 1000000))");
    let program = Program::new("memory-collected").file("grow.wat", grow).file(
        "stream.yaml",
        "input:\n  batched:\n    child:\n      generate: {mapping: 'root = \"x\"', count: 400, interval: 1ms}\n      \
         processors:\n        - wasm: {module_path: grow.wat}\n        - catch: [log: {message: '${! error() }'}]\n    \
         policy: {count: 400}\noutput: {drop: {}}\n",
    );
    let ended = run_with(&program, &["-c", "stream.yaml", "--guest-memory-limit", "160MiB"], "");
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    let n_refused = ended.log.matches("(`--guest-memory-limit`)").count();
    assert!((200..300).contains(&n_refused), "{n_refused}: {}", ended.log);
    let bound = BASE + (160 << 20) + (64 << 20);
    assert!(ended.peak < bound, "{} bytes, {bound} allowed", ended.peak);
}

/// What messages grow by counts until they have arrived, is given back then, and ends at the limit of the process
/// wherever below others it is made.
#[test]
fn what_parts_grow_by_counts_for_the_process_until_it_has_arrived() {
    let wasm = "wasm: {module_path: grow.wat}";
    let grow = guest(WRITE, "(call $write (i32.const 0) (i32.const 0x1000000))");
    let marked = format!("{{{wasm}}}, {{catch: [{{log: {{message: '${{! error() }}'}}}}]}}");
    let batched = |under: &str| {
        format!("input: {{batched: {{child: {{stdin: {{}}{under}}}, policy: {{count: 20}}}}}}\n")
    };
    let pipeline = |processors: &str| format!("pipeline: {{threads: 1, processors: [{processors}]}}\n");
    let nested = format!(
        "{{try: [{{for_each: [{{{wasm}}}]}}]}}, {{catch: [{{log: {{message: '${{! error() }}'}}}}]}}"
    );
    let drop = "output: {drop: {}}\n";
    let under_output = format!("output: {{drop: {{}}, processors: [{marked}]}}\n");
    let of_batching = format!(
        "output: {{broker: {{outputs: [{{drop: {{}}}}], batching: {{count: 20, processors: [{marked}]}}}}}}\n"
    );
    let under_child = format!(", processors: [{marked}]");
    // With how many messages each gets along when it has room: what is under an output is held until all that is written at
    // once has arrived. And how many of forty are too large where there is little: processors under an input go on while what
    // they have finished arrives, so that is not certain.
    for (config, n_roomy, n_refused) in [
        (batched("") + &pipeline(&marked) + drop, 100, 24..=24),
        (batched("") + &pipeline(&nested) + drop, 100, 24..=24),
        (batched("") + &pipeline("") + &under_output, 20, 32..=32),
        (pipeline("") + &of_batching, 100, 24..=24),
        (batched(&under_child) + &pipeline("") + drop, 20, 24..=32),
    ] {
        let program =
            Program::new("memory-parts").file("grow.wat", grow.as_str()).file("stream.yaml", &config);
        let run = |limit: &str, n_messages: usize| {
            run_with(
                &program,
                &["-c", "stream.yaml", "--guest-memory-limit", limit],
                &"x\n".repeat(n_messages),
            )
        };
        let roomy = run("448MiB", n_roomy);
        let n_failed = |it: &Ended| it.log.matches("(`--guest-memory-limit`)").count();
        assert_eq!((roomy.code, n_failed(&roomy)), (Some(0), 0), "{config}: {}", roomy.log);
        let tight = run("160MiB", 40);
        // Eight have room beside the guest.
        assert_eq!(tight.code, Some(0), "{config}: {}", tight.log);
        assert!(n_refused.contains(&n_failed(&tight)), "{config}: {} {}", n_failed(&tight), tight.log);
        let bound = BASE + (160 << 20) + (64 << 20);
        assert!(tight.peak < bound, "{config}: {} bytes, {bound} allowed", tight.peak);
    }
}
