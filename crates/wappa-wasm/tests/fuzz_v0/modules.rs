//! Random modules: functions of random statements, exported under the names that the host looks for.

use std::time::{Duration, Instant};

use wappa_message::Message;
use wappa_wasm::{Guest, Kind, Module};

use crate::{
    lab::{Lab, assert_same, run},
    program,
    random::Random,
};

const CASES: u64 = 30;

const IMPORTS: &str = r#"
  (import "V0" "v0_msg_as_bytes" (func $as_bytes (result i64)))
  (import "V0" "v0_msg_set_bytes" (func $set_bytes (param i32 i32)))
  (import "V0" "v0_msg_get_meta" (func $get_meta (param i32 i32) (result i64)))
  (import "V0" "v0_msg_set_meta" (func $set_meta (param i32 i32 i32 i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (import "wasi_snapshot_preview1" "path_open"
    (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
"#;

/// Ways to have a memory, or not.
const MEMORIES: [&str; 8] = [
    r#"(memory (export "memory") 1)"#,
    r#"(memory (export "memory") 1 3)"#,
    "(memory 2)",
    r#"(memory (export "other") 1)"#,
    r#"(memory (export "memory") 1) (data (i32.const 16) "k\00value")"#,
    r#"(memory (export "memory") 0)"#,
    r#"(memory (export "memory") 33)"#,
    "",
];

/// Exports that the host looks for: the usual type comes first.
const SPECIAL: [(&str, &[&str]); 6] = [
    ("malloc", &["(param i32) (result i32)", "(param i64) (result i64)", "(param i32)", "(result i32)", ""]),
    ("free", &["(param i32)", "(param i32 i32)", "(param i32) (result i32)", "(param f64)"]),
    (
        "allocate",
        &["(param i32) (result i32)", "(param i32 i32) (result i32)", "(param i32) (result i64 i32)"],
    ),
    ("deallocate", &["(param i32 i32)", "(param i32)", "(param i32 i32) (result f32)"]),
    ("_start", &["", "(result i32)", "(param i32)"]),
    ("_initialize", &["", "(param i32)"]),
];

const NUMBERS: [u32; 16] = [
    0,
    1,
    2,
    7,
    8,
    100,
    1024,
    65_530,
    65_536,
    131_072,
    1 << 20,
    1 << 21,
    1 << 30,
    1 << 31,
    u32::MAX - 7,
    u32::MAX,
];

struct Writer<'r> {
    random: &'r mut Random,
    out: String,
    /// Functions of the module itself, without parameters.
    functions: usize,
    memory: bool,
    depth: usize,
}

fn module(random: &mut Random) -> String {
    let functions = 1 + random.below(3);
    let memory = if random.one_in(3) { *random.pick(&MEMORIES) } else { MEMORIES[0] };
    let is_memory = !memory.is_empty();
    let mut writer = Writer { random, out: String::new(), functions, memory: is_memory, depth: 0 };
    let v0 = if writer.random.one_in(2) { "bento_wasm" } else { "benthos_wasm" };
    writer.add("(module");
    writer.add(&IMPORTS.replace("V0", v0));
    writer.add(memory);
    writer.add("(table $t 4 funcref) (elem (i32.const 1) $f0) (global $g (mut i32) (i32.const 3))");
    for number in 0..functions {
        let head = format!("(func $f{number} (local $l i32) (local $m i64)");
        writer.function(&head, "", 3);
    }
    for (name, types) in SPECIAL {
        let wanted = match name {
            "malloc" | "free" => writer.random.below(4) != 0,
            "allocate" | "deallocate" => writer.random.one_in(4),
            _ => writer.random.one_in(10),
        };
        if wanted {
            let ty = if writer.random.one_in(6) { *writer.random.pick(types) } else { types[0] };
            let result = ty.split_once("(result ").map_or("", |it| it.1.trim_end_matches(')'));
            let head = format!("(func (export \"{name}\") {ty} (local $l i32) (local $m i64)");
            writer.function(&head, result, 2);
        }
    }
    let result = if writer.random.one_in(10) { "i32 f64" } else { "" };
    let head = format!("(func (export \"process\") (result {result}) (local $l i32) (local $m i64)");
    writer.function(&head, result, 8);
    if writer.random.one_in(20) {
        writer.add("(start $f0)");
    }
    writer.add(")");
    writer.out
}

impl Writer<'_> {
    fn add(&mut self, text: &str) {
        self.out.push_str(text);
        self.out.push('\n');
    }

    fn function(&mut self, head: &str, results: &str, statements: usize) {
        self.add(head);
        for _ in 0..self.random.below(statements + 1) {
            self.statement();
        }
        for result in results.split_whitespace() {
            match result {
                "i32" if self.random.one_in(2) => self.add("(i32.const 4096)"),
                "i32" => {
                    let value = self.value(2);
                    self.add(&value);
                }
                other => self.add(&format!("({other}.const 1)")),
            }
        }
        self.add(")");
    }

    fn value(&mut self, depth: usize) -> String {
        let choice = if depth == 0 { self.random.below(4) } else { self.random.below(13) };
        let mut inner = || self.value(depth - 1);
        match choice {
            0 => return format!("(i32.const {})", *self.random.pick(&NUMBERS)),
            1 => return format!("(i32.const {})", self.random.below(2000)),
            2 => return "(local.get $l)".into(),
            3 => return "(global.get $g)".into(),
            4 => return format!("(i32.add {} {})", inner(), inner()),
            5 => return format!("(select {} {} {})", inner(), inner(), inner()),
            6 => return "(i32.wrap_i64 (local.get $m))".into(),
            7 => return "(i32.wrap_i64 (i64.shr_u (local.get $m) (i64.const 32)))".into(),
            8 => {
                let name = ["fd_write", "fd_read", "poll"][self.random.below(3)];
                let parameters: Vec<String> = (0..4).map(|_| self.value(0)).collect();
                return format!("(call ${name} {})", parameters.join(" "));
            }
            _ => {}
        }
        if !self.memory {
            return "(i32.const 5)".into();
        }
        let mut inner = || self.value(depth - 1);
        match choice {
            9 => format!("(i32.load {})", inner()),
            10 => format!("(memory.grow {})", inner()),
            11 => format!("(call $random {} {})", inner(), inner()),
            _ => "(memory.size)".into(),
        }
    }

    fn statement(&mut self) {
        let (a, b, c, d) = (self.value(1), self.value(1), self.value(1), self.value(1));
        let choice = self.random.below(26);
        let text = match choice {
            0..=3 => "(local.set $m (call $as_bytes))".into(),
            4 | 5 => "(call $set_bytes (i32.wrap_i64 (i64.shr_u (local.get $m) (i64.const 32))) (i32.wrap_i64 (local.get $m)))".into(),
            6 | 7 => format!("(call $set_bytes {a} {b})"),
            8 | 9 => format!("(local.set $m (call $get_meta {a} {b}))"),
            10 | 11 => format!("(call $set_meta {a} {b} {c} {d})"),
            12 => format!("(local.set $l {a})"),
            13 => format!("(global.set $g {a})"),
            14 | 15 if self.memory => format!("(i32.store8 {a} {b})"),
            16 if self.memory && self.random.one_in(2) => format!("(memory.fill {a} {b} {c})"),
            17 if self.memory && self.random.one_in(2) => format!("(memory.copy {a} {b} {c})"),
            18 => format!("(call $f{})", self.random.below(self.functions)),
            19 if self.depth < 3 => {
                self.depth += 1;
                let turns = if self.random.one_in(60) { "(i32.const -1)" } else { "(i32.const 5)" };
                self.add(&format!("(local.set $l {turns}) (loop"));
                self.statement();
                self.add("(local.set $l (i32.sub (local.get $l) (i32.const 1))) (br_if 0 (i32.gt_u (local.get $l) (i32.const 0)))");
                self.depth -= 1;
                ")".into()
            }
            20 if self.depth < 3 => {
                self.depth += 1;
                self.add(&format!("(if {a} (then"));
                self.statement();
                self.depth -= 1;
                "))".into()
            }
            21 if self.random.one_in(3) => (*self.random.pick(&["unreachable", "unreachable", "(loop (br 0))"])).into(),
            22 if self.random.one_in(3) => format!("(call $proc_exit {a})"),
            23 => format!("(call_indirect $t {a})"),
            24 => format!("(drop (table.grow $t (ref.null func) {a}))"),
            25 => format!("(drop (call $open (i32.const 3) {a} {b} {c} {d} (i64.const -1) (i64.const -1) {a} {b}))"),
            _ => format!("(drop {a})"),
        };
        self.add(&text);
    }
}

#[test]
fn fuzz_modules() {
    run("fuzz_modules", CASES, case);
}

/// A few messages through one random module.
fn case(lab: &mut Lab, seed: u64) {
    let mut random = Random::new(seed);
    let text = module(&mut random);
    let wasm = wat::parse_str(&text).unwrap_or_else(|err| panic!("{err}\n{text}"));
    let engine = lab.engine.clone();
    let guest = Module::new(&engine, &wasm)
        .map_err(|err| err.to_string())
        .and_then(|module| Guest::new(&engine, &module, lab.config()).map_err(|err| err.to_string()));
    let guest = match guest {
        Ok(guest) => guest,
        Err(text) => {
            assert!(!text.is_empty() && !text.contains(|c: char| c.is_control()), "{text:?}");
            lab.tally.refused_modules += 1;
            return;
        }
    };
    let ctx = engine.enter().expect("the thread is large enough");
    let mut alive = None;
    for _ in 0..6 {
        let mut message = message(&mut random);
        let mut instance = match alive.take() {
            Some(instance) => instance,
            None => match guest.instantiate(Instant::now() + Duration::from_millis(100)) {
                Ok(instance) => instance,
                Err(err) => {
                    assert_eq!(err.kind(), Kind::Instance);
                    lab.tally.refused_modules += 1;
                    break;
                }
            },
        };
        let before = message.clone();
        if let Err(err) = lab.call(&mut instance, &mut message, &ctx)
            && !err.changes_kept()
        {
            assert_same(&message, &before);
        }
        if !instance.is_spent() {
            alive = Some(instance);
        }
    }
    lab.check_good(&ctx);
}

fn message(random: &mut Random) -> Message {
    let length = match random.below(40) {
        0 => 1 << 20,
        1 => 65_536,
        2..=6 => 0,
        _ => random.below(300),
    };
    Message::of_input(random.bytes(length).into(), program::metadata(random), 0)
}
