//! A process that is out of descriptors: a guest that opens a file is told, and lives. A process of its own, for its limit.

use std::{
    fmt::Write,
    fs::{self, File},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use expect_test::expect;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use wappa_message::Message;
use wappa_wasm::{Engine, EngineConfig, Guest, GuestConfig, GuestLog, Level, Module, Mount, spawn_thread};

/// Writes the number that `path_open` of a file ended with, as a letter from `A` on.
const OPENS: &str = r#"
    (module
      (import "bento_wasm" "v0_msg_set_bytes" (func $set (param i32 i32)))
      (import "wasi_snapshot_preview1" "path_open"
        (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
      (memory (export "memory") 1)
      (data (i32.const 0) "file")
      (func (export "process")
        (i32.store8 (i32.const 8) (i32.add (i32.const 65)
          (call $open
            (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 4) (i32.const 0)
            (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 16))))
        (call $set (i32.const 8) (i32.const 1))))
"#;

#[derive(Default)]
struct Lines(Mutex<String>);

impl GuestLog for Lines {
    fn log(&self, level: Level, text: &str) {
        let mut lines = self.0.lock().expect("no panic");
        writeln!(lines, "{level:?}: {text}").expect("writing to a string cannot fail");
    }
}

#[test]
fn a_guest_that_opens_a_file_is_told() {
    let dir = std::env::temp_dir().join(format!("wappa-descriptors-{}", std::process::id()));
    fs::create_dir_all(&dir).expect("a directory can be made");
    fs::write(dir.join("file"), "text").expect("a file can be written");
    let files = getrlimit(Resource::Nofile);
    let lines = Arc::new(Lines::default());
    let (of_guest, mount) = (Arc::clone(&lines), dir.clone());
    let run = move || {
        let engine = Engine::new(EngineConfig::default()).expect("an engine");
        let module = Module::new(&engine, OPENS.as_bytes()).expect("a module");
        let mounts = vec![Mount { host: mount, guest: "/d".to_owned(), writable: false }];
        let config = GuestConfig { mounts, log: Some(of_guest), ..GuestConfig::default() };
        let guest = Guest::new(&engine, &module, config).expect("a guest");
        let soon = Instant::now() + Duration::from_secs(30);
        let mut instance = guest.instantiate(soon).expect("an instance");
        let mut call = || {
            let mut message = Message::new("");
            instance.call(&mut message, &engine.enter().expect("a large stack")).expect("a call");
            String::from_utf8_lossy(message.content()).into_owned()
        };
        let with = call();
        // All that are left are taken, so that not one is free for the guest.
        let limit = Rlimit { current: Some(64), ..files };
        setrlimit(Resource::Nofile, limit).expect("a limit may be lowered");
        let taken: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
        let without = call();
        drop(taken);
        setrlimit(Resource::Nofile, files).expect("up to the hard limit");
        [with, without, call()].concat()
    };
    let told = spawn_thread("guest", run).expect("a thread").join().expect("no panic");
    // 0 is success, and 33 is EMFILE.
    assert_eq!(told, "AbA");
    expect![[r#"
        Warn: a file is not opened: too many open files: the process has as many as it may (`ulimit -n`)
    "#]]
    .assert_eq(&lines.0.lock().expect("no panic"));
    fs::remove_dir_all(&dir).expect("it is ours");
}
