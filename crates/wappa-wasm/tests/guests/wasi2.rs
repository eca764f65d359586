//! Components and the world: they see what they were given, and no wait outlasts a message.

use std::{
    fs,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use expect_test::{Expect, expect};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use wappa_message::Message;
use wappa_wasm::{Guest, GuestConfig, Interrupt, Kind, Module, Mount, spawn_thread};

use crate::{
    files::Dir,
    harness::{check_binary, config, engine, soon},
    parts::{PREVIEW1, Parts, small, verdict},
    world::WASI,
};

/// Sleeps for so many nanoseconds.
fn sleep(nanos: u64) -> String {
    format!(
        "(memory.fill (i32.const 2048) (i32.const 0) (i32.const 48))
         (i64.store (i32.const 2072) (i64.const {nanos})) (i32.store (i32.const 2064) (i32.const 1))
         (if (call $poll (i32.const 2048) (i32.const 2112) (i32.const 1) (i32.const 2200)) (then unreachable))"
    )
}

fn wrapped(bad: &str) -> Parts<'_> {
    Parts { imports: PREVIEW1, bad, ..Parts::default() }
}

fn check(bad: &str, expect: Expect) {
    expect.assert_eq(&verdict(&wrapped(bad).told()));
}

#[test]
fn a_sleep_ends_when_it_is_over_or_at_the_deadline() {
    check(
        &sleep(3_600_000_000_000),
        expect!["\"bad\" [timeout: over the limit of 100ms (`timeout`)] (spent)"],
    );
    let began = Instant::now();
    check(&format!("{} (call $say (i32.const 0) (i32.const 0))", sleep(30_000_000)), expect![[r#""""#]]);
    assert!(Duration::from_millis(30) <= began.elapsed(), "it slept {:?}", began.elapsed());
}

#[test]
fn an_exit_ends_the_call() {
    check("(call $proc_exit (i32.const 0))", expect!["\"bad\" [exit: the guest exited with code 0] (spent)"]);
    check("(call $proc_exit (i32.const 7))", expect!["\"bad\" [exit: the guest exited with code 1] (spent)"]);
}

/// Writes so many bytes at 131072 to a descriptor.
fn write(fd: u32, bytes: u32) -> String {
    format!(
        "(i32.store (i32.const 2048) (i32.const 131072)) (i32.store (i32.const 2052) (i32.const {bytes}))
         (drop (call $fd_write (i32.const {fd}) (i32.const 2048) (i32.const 1) (i32.const 2056)))"
    )
}

#[test]
fn what_it_prints_is_lines_of_the_log() {
    let writes = write(1, 6) + &write(2, 3);
    let parts = Parts { more: r#"(data (i32.const 131072) "hello\n")"#, ..wrapped(&writes) };
    expect![[r#"
        "ok"
        "bad"
        "ok"
        log Info: hello
        log Warn: hel
    "#]]
    .assert_eq(&parts.told());
    // Without an end, and without a newline: the rate bounds what is logged, the deadline how long it takes.
    let told = wrapped(&format!("(loop {} (br 0))", write(1, 40_000))).told_with(|config| {
        config.limits.log_lines_per_second = 20;
    });
    assert_eq!(verdict(&told), "\"bad\" [timeout: over the limit of 100ms (`timeout`)] (spent)");
    assert!(told.lines().count() < 50, "{told}");
}

#[test]
fn why_it_panicked_is_told_by_its_standard_error() {
    let panics = write(2, 20) + "unreachable";
    let parts = Parts { more: r#"(data (i32.const 131072) "panicked at no luck\n")"#, ..wrapped(&panics) };
    expect!["\"bad\" [trap: unreachable: panicked at no luck] (spent)"].assert_eq(&verdict(&parts.told()));
}

/// Says how many variables and arguments there are, and their bytes.
const SIZES: &str = r#"
  (drop (call $environ_sizes (i32.const 2048) (i32.const 2052)))
  (drop (call $args_sizes (i32.const 2056) (i32.const 2060)))
  (i32.store8 (i32.const 2100) (i32.add (i32.const 48) (i32.load (i32.const 2048))))
  (i32.store8 (i32.const 2101) (i32.add (i32.const 48) (i32.load (i32.const 2052))))
  (i32.store8 (i32.const 2102) (i32.add (i32.const 48) (i32.load (i32.const 2056))))
  (i32.store8 (i32.const 2103) (i32.add (i32.const 48) (i32.load (i32.const 2060))))
  (call $say (i32.const 2100) (i32.const 4))"#;

#[test]
fn it_sees_the_variables_and_arguments_that_it_was_given() {
    let given = |config: &mut GuestConfig| {
        config.env = vec![("A".into(), "b".into())];
        config.args = vec!["x".into(), "yz".into()];
    };
    check(SIZES, expect![[r#""0000""#]]);
    expect![[r#""1425""#]].assert_eq(&verdict(&wrapped(SIZES).told_with(given)));
    let text = "(drop (call $environ_get (i32.const 2048) (i32.const 2100)))
        (drop (call $args_get (i32.const 2056) (i32.const 2104)))
        (call $say (i32.const 2100) (i32.const 9))";
    expect![[r#""A=b\0x\0yz\0""#]].assert_eq(&verdict(&wrapped(text).told_with(given)));
}

/// Opens the file that the content names behind its first letter, and says what is in it, or the number of the error.
fn reading(open_flags: u32, rights: u64) -> String {
    format!(
        "(local $errno i32)
         (local.set $errno (call $open (i32.const 3) (i32.const 0)
           (i32.add (i32.load (i32.const 1040)) (i32.const 1)) (i32.sub (i32.load (i32.const 1044)) (i32.const 1))
           (i32.const {open_flags}) (i64.const {rights}) (i64.const 0) (i32.const 0) (i32.const 2048)))
         (if (local.get $errno) (then
           (i32.store8 (i32.const 2100) (i32.add (i32.const 48) (i32.div_u (local.get $errno) (i32.const 10))))
           (i32.store8 (i32.const 2101) (i32.add (i32.const 48) (i32.rem_u (local.get $errno) (i32.const 10))))
           (call $say (i32.const 2100) (i32.const 2))
           (return)))
         (i32.store (i32.const 2052) (i32.const 131072)) (i32.store (i32.const 2056) (i32.const 100))
         (drop (call $fd_read (i32.load (i32.const 2048)) (i32.const 2052) (i32.const 1) (i32.const 2060)))
         (call $say (i32.const 131072) (i32.load (i32.const 2060)))"
    )
}

fn run(dir: &Dir, bad: &str, names: &[&str], writable: bool) -> String {
    check_binary(&wrapped(bad).component(), names, |config| {
        config.mounts = vec![Mount { host: dir.0.clone(), guest: "/data".into(), writable }];
    })
}

#[test]
fn files_below_a_mount_can_be_read_and_nothing_else() {
    let dir = Dir::new("component-read");
    fs::write(dir.0.join("a.txt"), "from the file").expect("it can be written");
    let names = ["ba.txt", "bnone.txt", "b../etc/passwd", "b/etc/passwd"];
    expect![[r#"
        "from the file"
        "44"
        "63"
        "63"
    "#]]
    .assert_eq(&run(&dir, &reading(0, 2), &names, false));
    let create = reading(1, 64);
    expect![[r#"
        "63"
    "#]]
    .assert_eq(&run(&dir, &create, &["bnew.txt"], false));
    assert!(!dir.0.join("new.txt").exists());
    run(&dir, &create, &["bnew.txt"], true);
    assert!(dir.0.join("new.txt").exists());
    // Without a mount there is not even a directory to begin with.
    expect![[r#"
        "08"
    "#]]
    .assert_eq(&check_binary(&wrapped(&reading(0, 2)).component(), &["ba.txt"], small));
}

#[test]
fn a_pipe_is_not_opened() {
    let dir = Dir::new("component-pipe");
    mknodat(CWD, dir.0.join("pipe"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a pipe");
    fs::write(dir.0.join("a.txt"), "from the file").expect("it can be written");
    expect![[r#"
        "58"
        "from the file"
    "#]]
    .assert_eq(&run(&dir, &reading(0, 2), &["bpipe", "ba.txt"], false));
}

const FUNCTIONS: &str = r#"
  (import "wasi:io/poll@0.2.0" "poll" (func $poll (param i32 i32 i32)))
  (import "wasi:io/poll@0.2.0" "[method]pollable.block" (func $block (param i32)))
  (import "wasi:io/poll@0.2.0" "[method]pollable.ready" (func $ready (param i32) (result i32)))
  (import "wasi:io/poll@0.2.0" "[resource-drop]pollable" (func $drop_pollable (param i32)))
  (import "wasi:io/streams@0.2.0" "[method]input-stream.blocking-read" (func $read (param i32 i64 i32)))
  (import "wasi:io/streams@0.2.0" "[method]input-stream.blocking-skip" (func $skip (param i32 i64 i32)))
  (import "wasi:io/streams@0.2.0" "[method]output-stream.write" (func $write (param i32 i32 i32 i32)))
  (import "wasi:io/streams@0.2.0" "[method]output-stream.blocking-write-and-flush" (func $write_flush (param i32 i32 i32 i32)))
  (import "wasi:io/streams@0.2.0" "[method]output-stream.blocking-flush" (func $flush (param i32 i32)))
  (import "wasi:io/streams@0.2.0" "[method]output-stream.write-zeroes" (func $zeroes (param i32 i64 i32)))
  (import "wasi:io/streams@0.2.0" "[method]output-stream.blocking-write-zeroes-and-flush" (func $zeroes_flush (param i32 i64 i32)))
  (import "wasi:io/streams@0.2.0" "[method]output-stream.blocking-splice" (func $splice (param i32 i32 i64 i32)))
  (import "wasi:clocks/monotonic-clock@0.2.0" "now" (func $now (result i64)))
  (import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $after (param i64) (result i32)))
  (import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-instant" (func $at_instant (param i64) (result i32)))
  (import "wasi:cli/stdin@0.2.0" "get-stdin" (func $stdin (result i32)))
  (import "wasi:cli/stdout@0.2.0" "get-stdout" (func $stdout (result i32)))
  (import "wasi:random/random@0.2.0" "get-random-bytes" (func $random (param i64 i32)))
  (import "wasi:sockets/tcp-create-socket@0.2.0" "create-tcp-socket" (func $tcp (param i32 i32)))
  (import "wasi:sockets/udp-create-socket@0.2.0" "create-udp-socket" (func $udp (param i32 i32)))
  (import "wasi:filesystem/preopens@0.2.0" "get-directories" (func $directories (param i32)))
  (import "wasi:filesystem/types@0.2.0" "[method]descriptor.open-at"
    (func $open (param i32 i32 i32 i32 i32 i32 i32)))
  (import "wasi:filesystem/types@0.2.0" "[method]descriptor.read" (func $read_file (param i32 i64 i64 i32)))
  (import "wasi:filesystem/types@0.2.0" "[method]descriptor.sync" (func $sync (param i32 i32)))
  (import "wasi:filesystem/types@0.2.0" "[resource-drop]descriptor" (func $drop_descriptor (param i32)))
  (import "wasi:filesystem/types@0.2.0" "[method]descriptor.read-via-stream"
    (func $via_stream (param i32 i64 i32)))
  (import "wasi:filesystem/types@0.2.0" "[method]descriptor.read-directory" (func $read_directory (param i32 i32)))
  (import "wasi:filesystem/types@0.2.0" "[method]directory-entry-stream.read-directory-entry"
    (func $read_entry (param i32 i32)))
  ;; The first directory that was granted.
  (func $directory (result i32) (call $directories (i32.const 2300)) (i32.load (i32.load (i32.const 2300))))
  ;; Two bytes of a result, as digits.
  (func $tell (param $one i32) (param $two i32)
    (i32.store8 (i32.const 2100) (i32.add (i32.const 48) (local.get $one)))
    (i32.store8 (i32.const 2101) (i32.add (i32.const 48) (local.get $two)))
    (call $say (i32.const 2100) (i32.const 2)))
"#;

fn direct(bad: &str) -> Parts<'_> {
    Parts { imports: FUNCTIONS, bad, world: WASI, ..Parts::default() }
}

/// What becomes of a message for each of these.
fn each(bodies: &[&str]) -> String {
    bodies.iter().map(|bad| format!("{bad}\n    {}\n", verdict(&direct(bad).told()))).collect()
}

const HOUR: &str = "(i64.const 3600000000000)";

#[test]
fn every_wait_ends_at_the_deadline() {
    let hour = format!("(call $after {HOUR})");
    let told = each(&[
        &format!("(call $block {hour})"),
        "(call $block (call $after (i64.const -1)))",
        "(call $block (call $at_instant (i64.const -1)))",
        &format!(
            "(i32.store (i32.const 2048) {hour}) (call $poll (i32.const 2048) (i32.const 1) (i32.const 2060))"
        ),
        &format!("(local $p i32) (local.set $p {hour}) (loop (drop (call $ready (local.get $p))) (br 0))"),
    ]);
    expect![[r#"
        (call $block (call $after (i64.const 3600000000000)))
            "bad" [timeout: over the limit of 100ms (`timeout`)] (spent)
        (call $block (call $after (i64.const -1)))
            "bad" [timeout: over the limit of 100ms (`timeout`)] (spent)
        (call $block (call $at_instant (i64.const -1)))
            "bad" [timeout: over the limit of 100ms (`timeout`)] (spent)
        (i32.store (i32.const 2048) (call $after (i64.const 3600000000000))) (call $poll (i32.const 2048) (i32.const 1) (i32.const 2060))
            "bad" [timeout: over the limit of 100ms (`timeout`)] (spent)
        (local $p i32) (local.set $p (call $after (i64.const 3600000000000))) (loop (drop (call $ready (local.get $p))) (br 0))
            "bad" [timeout: over the limit of 100ms (`timeout`)] (spent)
    "#]]
    .assert_eq(&told);
}

#[test]
fn its_resources_are_many_but_not_endless() {
    let bad = format!("(loop (drop (call $ready (call $after {HOUR}))) (br 0))");
    let told = direct(&bad).told_with(|config| config.limits.timeout = Duration::from_secs(30));
    assert_eq!(verdict(&told), "\"bad\" [trap: resource table has no free keys] (spent)");
}

#[test]
fn what_one_call_waits_for_is_bounded() {
    // The same pollable so many times.
    let told = |n: u32| {
        let bad = format!(
            "(local $soon i32) (local $k i32) (local.set $soon (call $after (i64.const 1)))
             (loop $next
               (i32.store (i32.add (i32.const 131072) (i32.mul (local.get $k) (i32.const 4))) (local.get $soon))
               (local.set $k (i32.add (local.get $k) (i32.const 1)))
               (br_if $next (i32.lt_u (local.get $k) (i32.const {n}))))
             (call $poll (i32.const 131072) (i32.const {n}) (i32.const 2060))
             (call $say (i32.const 0) (i32.const 0))"
        );
        verdict(&direct(&bad).told_with(|config| config.limits.timeout = Duration::from_secs(30)))
    };
    assert_eq!(told(4096), "\"\"");
    assert_eq!(told(4097), "\"bad\" [host call: `poll` with 4097 pollables, more than 4096] (spent)");
}

#[test]
fn what_is_ready_does_not_wait() {
    // Of an hour, now, and ten milliseconds: first the second is ready, then the third.
    let three = format!(
        "(i32.store (i32.const 2048) (call $after {HOUR}))
         (i32.store (i32.const 2052) (call $at_instant (i64.const 0)))
         (call $poll (i32.const 2048) (i32.const 2) (i32.const 2060))
         (i32.store (i32.const 2052) (call $after (i64.const 10000000)))
         (local.set $now (call $now))
         (i32.store (i32.const 2072) (i32.load (i32.load (i32.const 2060))))
         (call $poll (i32.const 2048) (i32.const 2) (i32.const 2060))
         (if (i64.lt_u (i64.sub (call $now) (local.get $now)) (i64.const 10000000)) (then unreachable))
         (call $tell (i32.load (i32.const 2072)) (i32.load (i32.load (i32.const 2060))))"
    );
    expect![[r#""11""#]].assert_eq(&verdict(&direct(&format!("(local $now i64) {three}")).told()));
}

#[test]
fn streams_and_sockets() {
    let told = each(&[
        // Standard input is empty: closed.
        "(call $read (call $stdin) (i64.const 10) (i32.const 2048)) (call $tell (i32.load8_u (i32.const 2048)) (i32.load8_u (i32.const 2052)))",
        "(call $skip (call $stdin) (i64.const -1) (i32.const 2048)) (call $tell (i32.load8_u (i32.const 2048)) (i32.load8_u (i32.const 2056)))",
        "(call $splice (call $stdout) (call $stdin) (i64.const -1) (i32.const 2048)) (call $tell (i32.load8_u (i32.const 2048)) (i32.load8_u (i32.const 2056)))",
        "(call $flush (call $stdout) (i32.const 2048)) (call $tell (i32.load8_u (i32.const 2048)) (i32.const 0))",
        "(call $write_flush (call $stdout) (i32.const 131072) (i32.const 4096) (i32.const 2048))",
        "(call $write_flush (call $stdout) (i32.const 131072) (i32.const 4097) (i32.const 2048))",
        "(call $write (call $stdout) (i32.const 4096) (i32.const 65537) (i32.const 2048))",
        "(call $write (call $stdout) (i32.const 4096) (i32.const -1) (i32.const 2048))",
        "(call $zeroes (call $stdout) (i64.const 0x7fffffffffffffff) (i32.const 2048))",
        "(call $zeroes_flush (call $stdout) (i64.const -1) (i32.const 2048))",
        "(call $random (i64.const 0x7fffffffffffffff) (i32.const 2048))",
        "(call $block (i32.const 77))",
        "(call $poll (i32.const 0) (i32.const 0) (i32.const 2048))",
        "(call $poll (i32.const 131072) (i32.const 5000) (i32.const 2048))",
        "(local $p i32) (local.set $p (call $after (i64.const 1))) (call $drop_pollable (local.get $p)) (call $drop_pollable (local.get $p))",
        "(loop (drop (call $stdout)) (br 0))",
        // Access is denied.
        "(call $tcp (i32.const 0) (i32.const 2048)) (call $tell (i32.load8_u (i32.const 2048)) (i32.load8_u (i32.const 2052)))",
        "(call $udp (i32.const 1) (i32.const 2048)) (call $tell (i32.load8_u (i32.const 2048)) (i32.load8_u (i32.const 2052)))",
    ]);
    expect![[r#"
        (call $read (call $stdin) (i64.const 10) (i32.const 2048)) (call $tell (i32.load8_u (i32.const 2048)) (i32.load8_u (i32.const 2052)))
            "11"
        (call $skip (call $stdin) (i64.const -1) (i32.const 2048)) (call $tell (i32.load8_u (i32.const 2048)) (i32.load8_u (i32.const 2056)))
            "11"
        (call $splice (call $stdout) (call $stdin) (i64.const -1) (i32.const 2048)) (call $tell (i32.load8_u (i32.const 2048)) (i32.load8_u (i32.const 2056)))
            "11"
        (call $flush (call $stdout) (i32.const 2048)) (call $tell (i32.load8_u (i32.const 2048)) (i32.const 0))
            "00"
        (call $write_flush (call $stdout) (i32.const 131072) (i32.const 4096) (i32.const 2048))
            "bad"
        (call $write_flush (call $stdout) (i32.const 131072) (i32.const 4097) (i32.const 2048))
            "bad" [host call: `blocking-write-and-flush` with 4097 bytes, more than 4096] (spent)
        (call $write (call $stdout) (i32.const 4096) (i32.const 65537) (i32.const 2048))
            "bad" [host call: `write` with 65537 bytes, more than `check-write` allows] (spent)
        (call $write (call $stdout) (i32.const 4096) (i32.const -1) (i32.const 2048))
            "bad" [trap: list pointer/length out of bounds of memory] (spent)
        (call $zeroes (call $stdout) (i64.const 0x7fffffffffffffff) (i32.const 2048))
            "bad" [trap: cannot write more zeroes than `check_write` allows] (spent)
        (call $zeroes_flush (call $stdout) (i64.const -1) (i32.const 2048))
            "bad" [host call: `blocking-write-zeroes-and-flush` with 18446744073709551615 bytes, more than 4096] (spent)
        (call $random (i64.const 0x7fffffffffffffff) (i32.const 2048))
            "bad" [host call: 9223372036854775807 random bytes are more than the guest's memory may have] (spent)
        (call $block (i32.const 77))
            "bad" [trap: unknown handle index 77] (spent)
        (call $poll (i32.const 0) (i32.const 0) (i32.const 2048))
            "bad" [trap: empty poll list] (spent)
        (call $poll (i32.const 131072) (i32.const 5000) (i32.const 2048))
            "bad" [trap: unknown handle index 0] (spent)
        (local $p i32) (local.set $p (call $after (i64.const 1))) (call $drop_pollable (local.get $p)) (call $drop_pollable (local.get $p))
            "bad" [trap: unknown handle index 2] (spent)
        (loop (drop (call $stdout)) (br 0))
            "bad" [trap: resource table has no free keys] (spent)
        (call $tcp (i32.const 0) (i32.const 2048)) (call $tell (i32.load8_u (i32.const 2048)) (i32.load8_u (i32.const 2052)))
            "11"
        (call $udp (i32.const 1) (i32.const 2048)) (call $tell (i32.load8_u (i32.const 2048)) (i32.load8_u (i32.const 2052)))
            "11"
    "#]].assert_eq(&told);
}

/// Opens the file that the content names behind its first letter, the result at 2048.
const OPEN: &str =
    "(call $open (local.get $dir) (i32.const 0) (i32.add (i32.load (i32.const 1040)) (i32.const 1))
  (i32.sub (i32.load (i32.const 1044)) (i32.const 1)) (i32.const 0) (i32.const 1) (i32.const 2048))";

fn run_direct(dir: &Dir, bad: &str, names: &[&str]) -> String {
    check_binary(&direct(bad).component(), names, |config| {
        config.mounts = vec![Mount { host: dir.0.clone(), guest: "/data".into(), writable: false }];
    })
}

#[test]
fn files_that_are_never_closed_are_few() {
    let dir = Dir::new("component-many");
    fs::write(dir.0.join("a.txt"), "from the file").expect("it can be written");
    // Opens until it is refused. Dropping what was granted makes no room for more. Says how often it was not refused,
    // in sixteens, and why then: `quota` is the seventh error.
    let many = format!(
        "(local $n i32) (local $dir i32) (local.set $dir (call $directory))
        (block $end (loop $again
          (call $drop_descriptor (call $directory))
          (global.set $heap (i32.const 66000))
          {OPEN}
          (br_if $end (i32.load8_u (i32.const 2048)))
          (local.set $n (i32.add (local.get $n) (i32.const 1)))
          (br $again)))
        (call $tell (i32.shr_u (local.get $n) (i32.const 4)) (i32.load8_u (i32.const 2052)))"
    );
    let told = check_binary(&direct(&many).component(), &["ba.txt", "ok"], |config| {
        config.mounts = vec![Mount { host: dir.0.clone(), guest: "/data".into(), writable: false }];
    });
    expect![[r#"
        "@6"
        "ok"
        log Warn: the guest has 256 files open, as many as it may: no other one is opened
    "#]]
    .assert_eq(&told);
}

/// Streams hold their files when those are dropped, and directories that are read have a descriptor each.
#[test]
fn streams_and_listings_count_as_files() {
    let dir = Dir::new("component-streams");
    fs::write(dir.0.join("a.txt"), "from the file").expect("it can be written");
    let until_refused = |call: &str, result: u32| {
        let bad = format!(
            "(local $n i32) (local $dir i32) (local.set $dir (call $directory))
            (block $end (loop $again
              (global.set $heap (i32.const 66000))
              {call}
              (br_if $end (i32.load8_u (i32.const {result})))
              (local.set $n (i32.add (local.get $n) (i32.const 1)))
              (br_if $again (i32.lt_u (local.get $n) (i32.const 4000)))))
            (call $tell (i32.shr_u (local.get $n) (i32.const 4)) (i32.load8_u (i32.add (i32.const 4) (i32.const {result}))))"
        );
        check_binary(&direct(&bad).component(), &["ba.txt", "ok"], |config| {
            config.mounts = vec![Mount { host: dir.0.clone(), guest: "/data".into(), writable: false }];
        })
    };
    let stream = format!(
        "{OPEN} (br_if $end (i32.load8_u (i32.const 2048)))
         (call $via_stream (i32.load (i32.const 2052)) (i64.const 0) (i32.const 2064))
         (call $drop_descriptor (i32.load (i32.const 2052)))"
    );
    // Each has a file and a stream.
    expect![[r#"
        "86"
        "ok"
        log Warn: the guest has 256 files open, as many as it may: no other one is opened
    "#]]
    .assert_eq(&until_refused(&stream, 2048));
    let listing = "(call $read_directory (local.get $dir) (i32.const 2064))";
    expect![[r#"
        "@6"
        "ok"
        log Warn: the guest has 256 files open, as many as it may: no other one is opened
    "#]]
    .assert_eq(&until_refused(listing, 2064));
}

#[test]
fn a_directory_is_read_entry_by_entry() {
    let dir = Dir::new("component-listing");
    for n in 0..200 {
        fs::write(dir.0.join(format!("file-{n}")), "").expect("it can be written");
    }
    fs::create_dir(dir.0.join("below")).expect("it can be made");
    // The number of directories, and of files in tens.
    let count = "(local $files i32) (local $directories i32)
        (call $read_directory (call $directory) (i32.const 2048))
        (loop $again
          (global.set $heap (i32.const 66000))
          (call $read_entry (i32.load (i32.const 2052)) (i32.const 2064))
          (if (i32.load8_u (i32.const 2064))
            (then (call $tell (i32.add (i32.const 20) (local.get $files)) (i32.load8_u (i32.const 2068))) (return)))
          (if (i32.load8_u (i32.const 2068)) (then
            (if (i32.eq (i32.load8_u (i32.const 2072)) (i32.const 3))
              (then (local.set $directories (i32.add (local.get $directories) (i32.const 1)))))
            (if (i32.eq (i32.load8_u (i32.const 2072)) (i32.const 6))
              (then (local.set $files (i32.add (local.get $files) (i32.const 1)))))
            (br $again))))
        (call $tell (local.get $directories) (i32.div_u (local.get $files) (i32.const 10)))";
    let told = check_binary(&direct(count).component(), &["b"], |config| {
        config.mounts = vec![Mount { host: dir.0.clone(), guest: "/data".into(), writable: false }];
    });
    expect![[r#"
        "1D"
    "#]]
    .assert_eq(&told);
}

#[test]
fn files_are_read_and_pipes_are_not_opened() {
    let dir = Dir::new("component-direct");
    mknodat(CWD, dir.0.join("pipe"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a pipe");
    fs::write(dir.0.join("a.txt"), "from the file").expect("it can be written");
    let read = format!(
        "(local $dir i32) (local.set $dir (call $directory)) {OPEN}
         (if (i32.load8_u (i32.const 2048)) (then (call $tell (i32.const 0) (i32.load8_u (i32.const 2052))) (return)))
         (call $sync (i32.load (i32.const 2052)) (i32.const 2060))
         (call $read_file (i32.load (i32.const 2052)) (i64.const -1) (i64.const 5) (i32.const 2064))
         (call $say (i32.load (i32.const 2068)) (i32.load (i32.const 2072)))"
    );
    // The 27th error is `unsupported`.
    expect![[r#"
        "the file"
        "0K"
        "the file"
    "#]]
    .assert_eq(&run_direct(&dir, &read, &["ba.txt", "bpipe", "ba.txt"]));
}

/// Before anything else is looked at: below a file, where there is no other path, it is this one that is refused.
#[test]
fn a_path_that_no_system_takes_is_refused() {
    let dir = Dir::new("component-path");
    fs::write(dir.0.join("a.txt"), "from the file").expect("it can be written");
    let below = |bytes: u32| {
        format!(
            "(local $dir i32) (local.set $dir (call $directory)) {OPEN}
             (memory.fill (i32.const 131072) (i32.const 46) (i32.const 6000))
             (call $open (i32.load (i32.const 2052)) (i32.const 0) (i32.const 131072) (i32.const {bytes}) (i32.const 0)
               (i32.const 1) (i32.const 2080))
             (call $tell (i32.load8_u (i32.const 2080)) (i32.load8_u (i32.const 2084)))"
        )
    };
    // The 19th error is `name-too-long`, the 25th `not-directory`.
    assert_eq!(run_direct(&dir, &below(6000), &["ba.txt"]), "\"1B\"\n");
    assert_eq!(run_direct(&dir, &below(1), &["ba.txt"]), "\"1H\"\n");
}

#[test]
fn a_shutdown_interrupts_it() {
    let component = wrapped(&sleep(3_600_000_000_000)).component();
    let interrupt = Interrupt::new();
    let raise = interrupt.clone();
    let (started, start) = mpsc::sync_channel(1);
    let run = move || {
        let module = Module::new(engine(), &component).expect("a component");
        let mut config = config();
        config.interrupt = interrupt;
        let guest = Guest::new(engine(), &module, config).expect("a guest");
        let mut instance = guest.instantiate(soon()).expect("an instance");
        let mut message = Message::new("bad");
        started.send(()).expect("the test waits");
        let err = instance.call(&mut message, &engine().enter().expect("a large stack"));
        assert_eq!(message.content(), "bad");
        err.expect_err("it does not end").kind()
    };
    let guest = spawn_thread("guest", run).expect("a thread");
    start.recv().expect("it starts");
    // So that it is asleep when it is interrupted; otherwise the outcome is the same.
    thread::sleep(Duration::from_millis(30));
    let began = Instant::now();
    raise.raise();
    assert_eq!(guest.join().expect("no panic"), Kind::Interrupted);
    assert!(began.elapsed() < Duration::from_secs(10));
}

/// As much of HTTP as it takes to ask for something: the component has it whether or not it is granted.
const HTTP: (&str, &str) = (
    "import wasi:http/types@0.2.3; import wasi:http/outgoing-handler@0.2.3;",
    r#"
    package wasi:http@0.2.3 {
      interface types {
        use wasi:io/poll@0.2.0.{pollable};
        use wasi:io/streams@0.2.0.{input-stream};
        resource fields { constructor(); }
        resource outgoing-request { constructor(headers: fields); }
        resource future-incoming-response { subscribe: func() -> pollable; body: func() -> input-stream; }
      }
      interface outgoing-handler {
        use types.{outgoing-request, future-incoming-response};
        handle: func(request: outgoing-request) -> future-incoming-response;
      }
    }"#,
);

/// What every toolchain imports keeps no guest from starting; what is called of it says what there is instead.
#[test]
fn http_is_refused_when_it_is_called() {
    let imports = r#"
      (import "wasi:http/types@0.2.3" "[constructor]fields" (func $fields (result i32)))
      (import "wasi:http/types@0.2.3" "[method]future-incoming-response.subscribe" (func (param i32) (result i32)))
      (import "wasi:http/types@0.2.3" "[resource-drop]fields" (func (param i32)))
      (import "wasi:http/outgoing-handler@0.2.3" "handle" (func $handle (param i32) (result i32)))"#;
    let packages = format!("{}{}", WASI.1, HTTP.1);
    let told =
        |bad: &str| verdict(&Parts { imports, bad, world: (HTTP.0, &packages), ..Parts::default() }.told());
    assert_eq!(told("(call $say (i32.const 0) (i32.const 0))"), "\"\"");
    expect![[
        "\"bad\" [host call: `fields` of `wasi:http/types@0.2.3` was called: a guest has no network, and no field of the \
         processor grants it one; make requests with the processor `http`, or with inputs and outputs] (spent)"
    ]]
    .assert_eq(&told("(drop (call $fields))"));
}
