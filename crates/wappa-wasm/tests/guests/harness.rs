//! Runs messages through a guest and tells in text what became of them.

use std::{
    fmt::Write,
    sync::{Arc, Mutex, OnceLock},
    time::{Duration, Instant},
};

use expect_test::Expect;
use wappa_message::{Mark, Message};
use wappa_wasm::{
    CallError, Called, Engine, EngineConfig, Guest, GuestConfig, GuestLog, GuestMetrics, Kind, Level, Module,
    Outcome, Run, spawn_thread,
};

/// The imports of v0, a memory of one page, and an allocator that always hands out the same place.
///
/// `$echo` sets the content to a packed pointer and length.
const PRELUDE: &str = r#"
  (import "bento_wasm" "v0_msg_as_bytes" (func $as_bytes (result i64)))
  (import "bento_wasm" "v0_msg_set_bytes" (func $set_bytes (param i32 i32)))
  (import "bento_wasm" "v0_msg_get_meta" (func $get_meta (param i32 i32) (result i64)))
  (import "bento_wasm" "v0_msg_set_meta" (func $set_meta (param i32 i32 i32 i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open"
    (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_prestat_get" (func $prestat (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ_sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes (param i32 i32) (result i32)))
  (func $echo (param $packed i64)
    (call $set_bytes
      (i32.wrap_i64 (i64.shr_u (local.get $packed) (i64.const 32)))
      (i32.wrap_i64 (local.get $packed))))
  (func $ptr (param $packed i64) (result i32) (i32.wrap_i64 (i64.shr_u (local.get $packed) (i64.const 32))))
  (func $len (param $packed i64) (result i32) (i32.wrap_i64 (local.get $packed)))
  ;; Writes a string of the guest to a descriptor.
  (func $print (param $fd i32) (param $ptr i32) (param $len i32)
    (i32.store (i32.const 0) (local.get $ptr))
    (i32.store (i32.const 4) (local.get $len))
    (drop (call $fd_write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8))))
"#;

/// Functions of interface v1, each under its name without the version.
pub(crate) const V1_IMPORTS: &str = r#"
  (import "wappa" "v1_content_len" (func $content_len (result i32)))
  (import "wappa" "v1_content_read" (func $content_read (param i32 i32 i32) (result i32)))
  (import "wappa" "v1_content_write" (func $content_write (param i32 i32)))
  (import "wappa" "v1_meta_get" (func $meta_get (param i32 i32 i32 i32) (result i32)))
  (import "wappa" "v1_meta_get_json" (func $meta_get_json (param i32 i32 i32 i32) (result i32)))
  (import "wappa" "v1_meta_set" (func $meta_set (param i32 i32 i32 i32)))
  (import "wappa" "v1_meta_set_json" (func $meta_set_json (param i32 i32 i32 i32)))
  (import "wappa" "v1_meta_delete" (func $meta_delete (param i32 i32) (result i32)))
  (import "wappa" "v1_meta_keys" (func $meta_keys (param i32 i32) (result i32)))
  (import "wappa" "v1_error_get" (func $error_get (param i32 i32) (result i32)))
  (import "wappa" "v1_emit" (func $emit))
  (import "wappa" "v1_filter" (func $filter))
  (import "wappa" "v1_fail" (func $fail (param i32 i32)))
  (import "wappa" "v1_next" (func $next (result i32)))
  (import "wappa" "v1_config_get" (func $config_get (param i32 i32 i32 i32) (result i32)))
  (import "wappa" "v1_log" (func $log (param i32 i32 i32)))
  (import "wappa" "v1_counter_add" (func $count (param i32 i32 i64)))
  (import "wappa" "v1_now" (func $now (result i64)))
  (import "wappa" "v1_random" (func $random (param i32 i32)))
"#;

const MEMORY: &str = r#"(memory (export "memory") 1)"#;

const MALLOC: &str = r#"
  (func (export "malloc") (param i32) (result i32) (i32.const 32768))
  (func (export "free") (param i32))
"#;

/// A module with the prelude, one page of memory, the allocator, and this.
pub(crate) fn guest(body: &str) -> String {
    format!("(module {PRELUDE}{MEMORY}{MALLOC}{body})")
}

/// A module with the prelude and this.
pub(crate) fn bare(body: &str) -> String {
    format!("(module {PRELUDE}{body})")
}

/// One engine for all tests of the process.
pub(crate) fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| {
        // Tests that open many files run beside each other.
        let files = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        let most = rustix::process::Rlimit { current: files.maximum, ..files };
        rustix::process::setrlimit(rustix::process::Resource::Nofile, most).expect("up to the hard limit");
        Engine::new(EngineConfig::default()).expect("the default config suits every machine")
    })
}

#[derive(Default)]
pub(crate) struct Lines(pub(crate) Mutex<String>);

impl GuestLog for Lines {
    fn log(&self, level: Level, text: &str) {
        let mut lines = self.0.lock().expect("no panic");
        writeln!(lines, "log {level:?}: {}", shorten(text)).expect("writing to a string cannot fail");
    }
}

impl GuestMetrics for Lines {
    fn count(&self, name: &str, delta: u64) {
        let mut lines = self.0.lock().expect("no panic");
        writeln!(lines, "count {name} +{delta}").expect("writing to a string cannot fail");
    }
}

/// Runs the messages one by one, with a new instance after a spent one, and tells what became of them.
pub(crate) fn check(wat: &str, messages: &[&str], expect: Expect) {
    check_with(wat, messages.iter().map(|it| Message::new(it.to_string())).collect(), |_| {}, expect);
}

pub(crate) fn check_with(
    wat: &str,
    messages: Vec<Message>,
    change: impl FnOnce(&mut GuestConfig),
    expect: Expect,
) {
    expect.assert_eq(&told(wat, messages, change));
}

/// What [`check_with`] compares.
pub(crate) fn told(wat: &str, messages: Vec<Message>, change: impl FnOnce(&mut GuestConfig)) -> String {
    told_binary(wat.as_bytes(), messages, change)
}

/// Runs the messages one by one through a module in binary form, and tells what became of them.
pub(crate) fn check_binary(
    module: &[u8],
    messages: &[&str],
    change: impl FnOnce(&mut GuestConfig),
) -> String {
    told_binary(module, messages.iter().map(|it| Message::new(it.to_string())).collect(), change)
}

fn told_binary(module: &[u8], messages: Vec<Message>, change: impl FnOnce(&mut GuestConfig)) -> String {
    let mut config = config();
    change(&mut config);
    let module = module.to_vec();
    let text = spawn_thread("guest", move || run(&module, messages, config)).expect("a thread").join();
    text.expect("no panic")
}

pub(crate) fn config() -> GuestConfig {
    let mut config = GuestConfig::default();
    config.limits.timeout = Duration::from_secs(30);
    config
}

pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

fn run(module: &[u8], messages: Vec<Message>, mut config: GuestConfig) -> String {
    let lines = Arc::new(Lines::default());
    config.log = Some(Arc::clone(&lines) as Arc<dyn GuestLog>);
    let mut out = String::new();
    if let Err(err) = process(module, messages, config, &mut out) {
        writeln!(out, "{err}").expect("writing to a string cannot fail");
    }
    out + &lines.0.lock().expect("no panic")
}

fn process(
    module: &[u8],
    messages: Vec<Message>,
    config: GuestConfig,
    out: &mut String,
) -> Result<(), Box<dyn std::error::Error>> {
    let module = Module::new(engine(), module)?;
    let guest = Guest::new(engine(), &module, config)?;
    let mut instance = None;
    let ctx = engine().enter()?;
    for mut message in messages {
        let before = (message.content().clone(), message.metadata().clone());
        let mut alive = match instance.take() {
            Some(alive) => alive,
            None => guest.instantiate(soon())?,
        };
        let mut result = alive.call(&mut message, &ctx);
        match &mut result {
            Ok(Called::Kept) => (),
            Ok(Called::Sent(messages)) => {
                writeln!(out, "sent: {}", messages.iter().map(show).collect::<Vec<_>>().join(" + "))?;
                message = Message::default();
            }
            Err(err) => {
                check_error(err, &message, &before);
                for sent in err.take_sent() {
                    writeln!(out, "sent before it: {}", show(&sent))?;
                }
                message.set_error(Mark::new(err.mark_text()));
            }
        }
        writeln!(out, "{}{}", show(&message), if alive.is_spent() { " (spent)" } else { "" })?;
        if !alive.is_spent() {
            instance = Some(alive);
        }
    }
    Ok(())
}

/// Runs batches of messages and tells what became of each, a line for each message that went in.
pub(crate) fn check_run(
    module: &str,
    batches: &[&[Message]],
    change: impl FnOnce(&mut GuestConfig),
    expect: Expect,
) {
    expect.assert_eq(&run_binary(module.as_bytes(), batches, change));
}

/// The same with a module in binary form.
pub(crate) fn check_run_binary(
    module: &[u8],
    batches: &[&[Message]],
    change: impl FnOnce(&mut GuestConfig),
    expect: Expect,
) {
    expect.assert_eq(&run_binary(module, batches, change));
}

/// What [`check_run`] compares.
pub(crate) fn run_binary(
    module: &[u8],
    batches: &[&[Message]],
    change: impl FnOnce(&mut GuestConfig),
) -> String {
    let mut config = config();
    change(&mut config);
    let lines = Arc::new(Lines::default());
    config.log = Some(Arc::clone(&lines) as Arc<dyn GuestLog>);
    config.metrics = Some(Arc::clone(&lines) as Arc<dyn GuestMetrics>);
    let module = module.to_vec();
    let messages = batches.concat();
    let mut end = 0;
    let ends = batches.iter().map(|it| {
        end += it.len() as u32;
        end
    });
    let run = Run::batches(messages, ends.collect());
    let text = spawn_thread("guest", move || run_told(&module, run, config)).expect("a thread").join();
    let text = text.expect("no panic").unwrap_or_else(|err| format!("{err}\n"));
    text + &lines.0.lock().expect("no panic")
}

fn run_told(
    module: &[u8],
    mut run: Run,
    config: GuestConfig,
) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
    let mut out = String::new();
    let module = Module::new(engine(), module)?;
    let guest = Guest::new(engine(), &module, config)?;
    let ctx = engine().enter()?;
    let mut instance = guest.instantiate(soon())?;
    while !run.is_done() {
        if let Err(err) = instance.run(&mut run, &ctx) {
            writeln!(out, "of no message: {err}")?;
        }
        if instance.is_spent() {
            writeln!(out, "(a new instance after {})", run.n_done())?;
            instance = guest.instantiate(soon())?;
        }
    }
    instance.close();
    for outcome in run.finish() {
        let (messages, failed) = match outcome {
            Outcome::Kept(message, failed) => (vec![message], failed),
            Outcome::Sent(messages, failed) => (messages, failed),
        };
        let shown: Vec<String> = messages.iter().map(show).collect();
        let failed = failed.map(|err| format!(" failed: {err}")).unwrap_or_default();
        let shown = if shown.is_empty() { "nothing".to_string() } else { shown.join(" + ") };
        writeln!(out, "{shown}{failed}")?;
    }
    Ok(out)
}

/// What holds for every error.
fn check_error(err: &CallError, message: &Message, before: &(bytes::Bytes, wappa_message::Metadata)) {
    assert!(!err.mark_text().contains(|c: char| c.is_control()), "{err:?}");
    if err.changes_kept() {
        assert_eq!(err.kind(), Kind::HostCall);
    } else {
        let pairs =
            |it: &wappa_message::Metadata| it.iter().map(|(k, v)| (k.clone(), v.clone())).collect::<Vec<_>>();
        assert_eq!(message.content(), &before.0);
        assert_eq!(pairs(message.metadata()), pairs(&before.1));
    }
}

/// The error of an instance that must be there within this time.
pub(crate) fn start_within(wat: &str, time: Duration) -> String {
    let wat = wat.to_string();
    let run = move || {
        let module = Module::new(engine(), wat.as_bytes()).expect("a module");
        let guest = Guest::new(engine(), &module, config()).expect("a guest");
        guest.instantiate(Instant::now() + time).expect_err("it does not start").to_string()
    };
    spawn_thread("guest", run).expect("a thread").join().expect("no panic")
}

/// Why an instance does not start.
pub(crate) fn check_start(wat: &str, config: GuestConfig) -> String {
    check_start_binary(wat.as_bytes(), config)
}

/// The same with a module in binary form.
pub(crate) fn check_start_binary(module: &[u8], config: GuestConfig) -> String {
    let module = module.to_vec();
    let run = move || {
        let module = Module::new(engine(), &module).expect("a module");
        let guest = Guest::new(engine(), &module, config).expect("a guest");
        guest.instantiate(soon()).expect_err("it does not start").to_string()
    };
    spawn_thread("guest", run).expect("a thread").join().expect("no panic")
}

pub(crate) fn show(message: &Message) -> String {
    let mut out = format!("{:?}", shorten(&String::from_utf8_lossy(message.content())));
    for (key, value) in message.metadata().iter() {
        let value = String::from_utf8_lossy(&value.to_text()).into_owned();
        write!(out, " {}={}", String::from_utf8_lossy(key), shorten(&value))
            .expect("writing to a string cannot fail");
    }
    if let Some(mark) = message.error() {
        write!(out, " [{mark}]").expect("writing to a string cannot fail");
    }
    out
}

fn shorten(text: &str) -> String {
    let count = text.chars().count();
    if count <= 120 {
        return text.to_string();
    }
    format!("{}… ({count})", text.chars().take(20).collect::<String>())
}
