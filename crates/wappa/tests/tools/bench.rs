//! `bench`: the shape of what it says; no time is looked at.

use serde_json::Value as Json;

use crate::support::Program;

const KEEP: &str = r#"(module (func (export "process")))"#;

/// Grows by a page every tenth message.
const LEAK: &str = r#"(module
  (memory (export "memory") 1)
  (global $n (mut i32) (i32.const 0))
  (func (export "process")
    (global.set $n (i32.add (global.get $n) (i32.const 1)))
    (if (i32.eqz (i32.rem_u (global.get $n) (i32.const 10)))
      (then (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable))))))"#;

fn program(name: &str) -> Program {
    Program::new(name)
        .file("keep.wat", KEEP)
        .file("leak.wat", LEAK)
        .file("trap.wat", r#"(module (func (export "process") unreachable))"#)
        .file("sample", "one\ntwo\n")
}

fn documents(program: &Program, command: &str, code: i32) -> Vec<Json> {
    let arguments: Vec<&str> = command.split_whitespace().collect();
    let ended = program.run(&arguments);
    assert_eq!(ended.code, Some(code), "{ended}");
    ended.stdout.lines().map(|it| serde_json::from_str(it).expect("each line is JSON")).collect()
}

#[test]
fn one_row_a_size() {
    let ended = program("bench-rows").run(&[
        "bench",
        "keep.wat",
        "--seconds",
        "0.05",
        "--size",
        "0",
        "--size",
        "2KiB",
    ]);
    assert_eq!(ended.code, Some(0), "{ended}");
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert!(lines[0].starts_with("keep.wat: 34 B, loaded in "), "{ended}");
    assert_eq!(lines[1], "one thread, each message a batch of its own, 0.05 s a size");
    let heads: Vec<&str> = lines[3].split_whitespace().collect();
    assert_eq!(heads, ["size", "messages/s", "ns/message", "MiB/s", "memory", "leak"]);
    assert!(
        lines[4].trim_start().starts_with("0 B ") && lines[5].trim_start().starts_with("2 KiB "),
        "{ended}"
    );
    let note = "this `wappa` was built without optimizations";
    assert_eq!(ended.stdout.contains(note), cfg!(debug_assertions), "{ended}");
}

#[test]
fn as_json() {
    let found = documents(&program("bench-json"), "bench keep.wat --seconds 0.05 --batch 10 --json", 0);
    let sizes: Vec<&str> = found.iter().filter_map(|it| it["size"].as_str()).collect();
    assert_eq!(sizes, ["100 B", "1 KiB", "16 KiB"]);
    for document in &found {
        let messages = document["messages"].as_u64().expect("a number");
        assert!(0 < messages && messages.is_multiple_of(10), "{document}");
        assert!(document["leak_bytes_per_message"].is_null() && document["failed"] == 0, "{document}");
    }
}

#[test]
fn a_leak_is_told() {
    let program = program("bench-leak");
    // Some 2,500 messages fill an instance, which any machine gets through in this time.
    let found = documents(&program, "bench leak.wat --seconds 1 --size 10 --memory-limit 16MiB --json", 1);
    let leak = found[0]["leak_bytes_per_message"].as_u64().expect("it leaks");
    assert!((5000..8000).contains(&leak), "{}", found[0]);
    assert!(0 < found[0]["instances_replaced"].as_u64().expect("a number"), "{}", found[0]);
    let text =
        program.run(&["bench", "leak.wat", "--seconds", "1", "--size", "10", "--memory-limit", "16MiB"]);
    assert!(text.stdout.contains("10 B: memory keeps growing"), "{text}");
}

#[test]
fn failures_are_told() {
    let program = program("bench-trap");
    let ended = program.run(&["bench", "trap.wat", "--seconds", "0.05", "--lines", "sample"]);
    assert_eq!(ended.code, Some(1), "{ended}");
    assert!(
        ended.stdout.contains("\nfiles: ") && ended.stdout.contains("the first with: trap: unreachable\n"),
        "{ended}"
    );
    let ended = program.run(&["bench", "keep.wat", "--size", "1GiB"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(1), "`--size` is at most 64 MiB\n"));
    let ended = program.run(&["bench", "keep.wat", "--seconds", "0"]);
    assert!(ended.stderr.contains("a number of seconds from 0.01 to 3600"), "{ended}");
}
