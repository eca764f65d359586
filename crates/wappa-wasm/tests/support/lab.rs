//! Runs messages through guests and holds what comes out against what must always hold.
#![allow(dead_code, reason = "not every fuzzer calls everything")]

use std::{
    collections::BTreeMap,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use wappa_message::Message;
use wappa_wasm::{
    CallContext, CallError, Engine, EngineConfig, Guest, GuestConfig, GuestLog, Instance, Kind,
    LOG_LINE_BYTES_MAX, Level, Limits, Module, Mount, spawn_thread,
};

use crate::{
    ledger::{Bounds, Ledger, SEED, Spent, alone},
    random::Budget,
};

pub(crate) const MEMORY_LIMIT: usize = 2 << 20;
pub(crate) const OUTPUT_LIMIT: usize = 64 << 10;
const TIMEOUT: Duration = Duration::from_millis(30);

/// What reading JSON and lifting results may take in any case.
const SPARE: usize = 2 << 20;

/// After this long without the end of a case something hangs, however busy the machine is.
const HANG: Duration = Duration::from_secs(300);

/// What the process may grow by after its first cases.
const GROWTH_BYTES_MAX: usize = 256 << 20;

/// A guest that everything must leave alone: it upper-cases one letter and sets a key.
const GOOD: &str = r#"(module
  (import "bento_wasm" "v0_msg_as_bytes" (func $as_bytes (result i64)))
  (import "bento_wasm" "v0_msg_set_bytes" (func $set_bytes (param i32 i32)))
  (import "bento_wasm" "v0_msg_set_meta" (func $set_meta (param i32 i32 i32 i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "good")
  (func (export "malloc") (param i32) (result i32) (i32.const 1024))
  (func (export "free") (param i32))
  (func (export "process") (local $n i32)
    (local.set $n (i32.wrap_i64 (call $as_bytes)))
    (i32.store8 (i32.const 1024) (i32.sub (i32.load8_u (i32.const 1024)) (i32.const 32)))
    (call $set_meta (i32.const 0) (i32.const 4) (i32.const 0) (i32.const 1))
    (call $set_bytes (i32.const 1024) (local.get $n))))"#;

/// One engine, one good guest, and what is counted.
pub(crate) struct Lab {
    pub(crate) engine: Engine,
    pub(crate) tally: Tally,
    good: Guest,
    good_instance: Option<Instance>,
    resident_at_first: Option<usize>,
}

/// What became of the messages.
#[derive(Default, Debug)]
pub(crate) struct Tally {
    pub(crate) messages: u64,
    pub(crate) compared: u64,
    pub(crate) done: u64,
    pub(crate) mistakes: u64,
    pub(crate) failed: BTreeMap<&'static str, u64>,
    pub(crate) refused_modules: u64,
    /// The most that a turn of a guest took of what it may, and that a module took until it was loaded or refused.
    pub(crate) spent: Spent,
    pub(crate) loading: Spent,
}

/// Lines as a log needs them.
struct CheckedLog;

impl GuestLog for CheckedLog {
    fn log(&self, _: Level, text: &str) {
        assert!(!text.contains(|c: char| c.is_control() && c != '\t'), "{text:?}");
        // What is no UTF-8 may become three times as long.
        assert!(text.len() <= 3 * LOG_LINE_BYTES_MAX, "{}", text.len());
    }
}

impl Lab {
    pub(crate) fn new() -> Lab {
        let mut config = EngineConfig::default();
        config.instances = 8;
        let engine = Engine::new(config).expect("the machine suits the engine");
        let module = Module::new(&engine, GOOD.as_bytes()).expect("a module");
        let good = Guest::new(&engine, &module, GuestConfig::default()).expect("a guest");
        Lab { engine, tally: Tally::default(), good, good_instance: None, resident_at_first: None }
    }

    /// Small limits, a log, a little of the world.
    pub(crate) fn config(&self) -> GuestConfig {
        GuestConfig {
            limits: Limits {
                timeout: TIMEOUT,
                memory: MEMORY_LIMIT,
                output: OUTPUT_LIMIT,
                log_lines_per_second: 1000,
            },
            env: vec![("NAME".into(), "value".into())],
            args: vec!["guest".into(), "--flag".into()],
            mounts: vec![Mount { host: mounted(), guest: "/".into(), writable: false }],
            log: Some(Arc::new(CheckedLog)),
            ..GuestConfig::default()
        }
    }

    /// When what is waited for must be there.
    pub(crate) fn soon(&self) -> Instant {
        Instant::now() + HANG
    }

    /// Does something with a guest of [`Lab::config`] that finishes so many messages at the most, and holds what it took
    /// against the limits.
    pub(crate) fn measured<R>(
        &mut self,
        timeout: Duration,
        n_messages: usize,
        told: &dyn Fn() -> String,
        work: impl FnOnce() -> R,
    ) -> R {
        let ledger = Ledger::begin();
        let result = work();
        let n = 1 + n_messages;
        let bounds = Bounds {
            cpu: timeout.saturating_mul(n as u32),
            allocated: MEMORY_LIMIT + n * OUTPUT_LIMIT + SPARE,
            memory: MEMORY_LIMIT,
        };
        self.tally.spent.max(ledger.close(&bounds, told));
        result
    }

    /// Calls, and checks what holds for every call.
    pub(crate) fn call(
        &mut self,
        instance: &mut Instance,
        message: &mut Message,
        ctx: &CallContext<'_>,
    ) -> Result<(), CallError> {
        let before = message.clone();
        let told = || format!("{before:?}");
        let result = self.measured(TIMEOUT, 1, &told, || instance.call(message, ctx));
        self.tally.messages += 1;
        assert!(
            message.size() <= OUTPUT_LIMIT.max(before.size()),
            "the message has {} bytes",
            message.size()
        );
        let Err(err) = result else {
            self.tally.done += 1;
            return Ok(());
        };
        let text = err.mark_text();
        assert!(
            text.starts_with(err.kind().as_str()) && !text.contains(|c: char| c.is_control()),
            "{text:?}"
        );
        if err.changes_kept() {
            assert_eq!(err.kind(), Kind::HostCall);
            self.tally.mistakes += 1;
        } else {
            assert!(instance.is_spent(), "{text}");
            assert_same(message, &before);
            *self.tally.failed.entry(err.kind().as_str()).or_default() += 1;
        }
        if instance.is_spent() {
            // It refuses to work and leaves the message alone.
            let mut another = before.clone();
            let err = instance.call(&mut another, ctx).expect_err("a spent instance does nothing");
            assert_eq!(err.kind(), Kind::Instance);
            assert_same(&another, &before);
        }
        Err(err)
    }

    /// The message after a bad one is fine.
    pub(crate) fn check_good(&mut self, ctx: &CallContext<'_>) {
        let instance = self.good_instance.get_or_insert_with(|| {
            self.good.instantiate(Instant::now() + HANG).expect("a good guest starts")
        });
        let mut message = Message::new("hello");
        instance.call(&mut message, ctx).expect("a good guest does its work");
        assert_eq!(message.content(), "Hello");
        assert_eq!(message.metadata().text("good"), "g");
    }

    /// The process keeps its size.
    fn check_resident(&mut self, cases: u64) {
        if !cases.is_multiple_of(64) {
            return;
        }
        let statm = fs::read_to_string("/proc/self/statm").expect("the system tells the size of a process");
        let pages: usize = statm.split(' ').nth(1).and_then(|it| it.parse().ok()).expect("the second number");
        let bytes = pages * 4096;
        if 256 <= cases {
            let first = *self.resident_at_first.get_or_insert(bytes);
            assert!(bytes < first + GROWTH_BYTES_MAX, "resident: {first} bytes at first, now {bytes}");
        }
    }
}

/// A directory with a file, which guests may read.
fn mounted() -> PathBuf {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("fuzz-mount");
    fs::create_dir_all(&dir).expect("a directory can be made");
    let file = dir.join("a");
    if !file.exists() {
        fs::write(&file, "text\n").expect("a file can be written");
    }
    dir
}

pub(crate) fn assert_same(message: &Message, other: &Message) {
    assert!(message.content() == other.content(), "{message:?}, expected {other:?}");
    assert!(message.metadata().iter().eq(other.metadata().iter()), "{message:?}, expected {other:?}");
}

/// Runs cases, one after the other, on a thread of the right size; a failure names its seed.
pub(crate) fn run(target: &'static str, cases: u64, mut case: impl FnMut(&mut Lab, u64) + Send + 'static) {
    let worker = move || {
        let _alone = alone();
        let budget = Budget::from_env(cases);
        let beat = Arc::new(AtomicU64::new(budget.first));
        watch(target, &beat);
        let began = Instant::now();
        let mut lab = Lab::new();
        let mut seed = budget.first;
        while budget.has(seed) {
            beat.store(seed, Ordering::Relaxed);
            SEED.store(seed, Ordering::Relaxed);
            if catch_unwind(AssertUnwindSafe(|| case(&mut lab, seed))).is_err() {
                panic!("seed {seed} failed; repeat it with `{}`", command(target, seed));
            }
            seed += 1;
            lab.check_resident(seed - budget.first);
        }
        beat.store(u64::MAX, Ordering::Relaxed);
        let (tally, last) = (&lab.tally, seed.saturating_sub(1));
        eprintln!("{target}: seeds {} to {last} in {:.1?}: {tally:?}", budget.first, began.elapsed());
        let cases = seed - budget.first;
        assert!(
            cases < 20 || cases < tally.done,
            "hardly any message was processed: the generator tests nothing"
        );
    };
    spawn_thread("fuzz", worker).expect("a thread").join().expect("the fuzzer found nothing");
}

fn command(target: &str, seed: u64) -> String {
    let test = env!("CARGO_CRATE_NAME");
    format!("WAPPA_FUZZ_CASES=1 WAPPA_FUZZ_SEED={seed} cargo test -p wappa-wasm --test {test} {target}")
}

/// Ends the process when a case does not end.
fn watch(target: &'static str, beat: &Arc<AtomicU64>) {
    let beat = Arc::downgrade(beat);
    thread::spawn(move || {
        let (mut last, mut since) = (0, Instant::now());
        while let Some(beat) = beat.upgrade() {
            let now = beat.load(Ordering::Relaxed);
            if now == u64::MAX {
                return;
            }
            if now != last {
                (last, since) = (now, Instant::now());
            } else if HANG < since.elapsed() {
                eprintln!("seed {now} does not end; repeat it with `{}`", command(target, now));
                std::process::abort();
            }
            drop(beat);
            thread::sleep(Duration::from_secs(1));
        }
    });
}
