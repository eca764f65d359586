//! Files that are read and written with long calls.

use std::{fs, time::Duration};

use wappa_message::Message;
use wappa_wasm::{Engine, EngineConfig, Guest, GuestConfig, Module, Mount, spawn_thread};

use crate::ledger::{Bounds, Ledger, alone};

const BYTES: usize = 40_000_001;

/// A file is written and read with one call each. The host has a piece of it at a time, and what the guest had in its
/// memory, at the beginning and the end of what it reads and beside it, is as it was.
#[test]
fn what_is_read_and_written_is_copied_in_pieces() {
    let _alone = alone();
    let dir = std::env::temp_dir().join(format!("wappa-transfers-{}", std::process::id()));
    fs::create_dir_all(&dir).expect("it can be made");
    let mount = Mount { host: dir.clone(), guest: "/".into(), writable: true };
    let run = move || {
        let engine = Engine::new(EngineConfig::default()).expect("an engine");
        let module = Module::new(&engine, guest().as_bytes()).expect("a module");
        let mut config = GuestConfig { mounts: vec![mount], ..GuestConfig::default() };
        config.limits.timeout = Duration::from_secs(60);
        let deadline = std::time::Instant::now() + Duration::from_secs(60);
        let guest = Guest::new(&engine, &module, config).expect("a guest");
        let mut instance = guest.instantiate(deadline).expect("an instance");
        let ctx = engine.enter().expect("a large stack");
        let ledger = Ledger::begin();
        let called = instance.call(&mut Message::new("x"), &ctx).map(|_| ()).map_err(|it| it.mark_text());
        let bounds = Bounds { cpu: Duration::from_secs(60), allocated: 0, memory: 128 << 20 };
        ledger.close(&bounds, &|| "a file of 40 MB".to_string());
        called
    };
    let called = spawn_thread("guest", run).expect("a thread").join().expect("no panic");
    let written = fs::metadata(dir.join("file")).map(|it| it.len()).ok();
    fs::remove_dir_all(&dir).expect("it is there");
    assert_eq!((called, written), (Ok(()), Some(BYTES as u64 + 1000)));
}

fn guest() -> String {
    format!(
        r#"(module
          (import "wasi_snapshot_preview1" "path_open"
            (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "fd_pwrite" (func $pwrite (param i32 i32 i32 i64 i32) (result i32)))
          (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "fd_seek" (func $seek (param i32 i64 i32 i32) (result i32)))
          (memory (export "memory") 1300)
          (data (i32.const 0) "file")
          (func $is (param $actual i32) (param $expected i32)
            (if (i32.ne (local.get $actual) (local.get $expected)) (then unreachable)))
          ;; A number at each fourth place, so that no piece is like another.
          (func $numbers (param $at i32) (param $bytes i32) (param $check i32) (local $k i32)
            (loop $next
              (if (local.get $check)
                (then (call $is (i32.load (i32.add (local.get $at) (local.get $k))) (local.get $k)))
                (else (i32.store (i32.add (local.get $at) (local.get $k)) (local.get $k))))
              (local.set $k (i32.add (local.get $k) (i32.const 4)))
              (br_if $next (i32.lt_u (local.get $k) (local.get $bytes)))))
          (func (export "process") (local $fd i32)
            (call $is (call $open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 4) (i32.const 9) (i64.const 70)
              (i64.const 0) (i32.const 0) (i32.const 8)) (i32.const 0))
            (local.set $fd (i32.load (i32.const 8)))
            (call $numbers (i32.const 100003) (i32.const {BYTES}) (i32.const 0))
            ;; An empty buffer, the long one, and one that is for the next call.
            (i32.store (i32.const 24) (i32.const 100003)) (i32.store (i32.const 28) (i32.const {BYTES}))
            (i32.store (i32.const 36) (i32.const 4))
            (call $is (call $write (local.get $fd) (i32.const 16) (i32.const 3) (i32.const 12)) (i32.const 0))
            (call $is (i32.load (i32.const 12)) (i32.const {BYTES}))
            (call $numbers (i32.const 100003) (i32.const {BYTES}) (i32.const 1))
            (call $is (call $pwrite (local.get $fd) (i32.const 16) (i32.const 3) (i64.const 1000) (i32.const 12)) (i32.const 0))
            (call $is (i32.load (i32.const 12)) (i32.const {BYTES}))
            ;; It is longer than what is asked for, and where the guest is in it counts.
            (memory.fill (i32.const 100003) (i32.const 7) (i32.const {BYTES}))
            (call $is (call $seek (local.get $fd) (i64.const 1000) (i32.const 0) (i32.const 40)) (i32.const 0))
            (i32.store (i32.const 28) (i32.const {BYTES}))
            (call $is (call $read (local.get $fd) (i32.const 16) (i32.const 3) (i32.const 12)) (i32.const 0))
            (call $is (i32.load (i32.const 12)) (i32.const {BYTES}))
            (call $numbers (i32.const 100003) (i32.const {BYTES}) (i32.const 1))
            (call $is (call $read (local.get $fd) (i32.const 16) (i32.const 3) (i32.const 12)) (i32.const 0))
            (call $is (i32.load (i32.const 12)) (i32.const 0))
            ;; From the beginning there are fewer than there is room for.
            (memory.fill (i32.const 100003) (i32.const 7) (i32.const {BYTES}))
            (i32.store8 (i32.const 40101006) (i32.const 9))
            (i32.store (i32.const 28) (i32.const 41000000))
            (call $is (call $seek (local.get $fd) (i64.const 0) (i32.const 0) (i32.const 40)) (i32.const 0))
            (call $is (call $read (local.get $fd) (i32.const 16) (i32.const 3) (i32.const 12)) (i32.const 0))
            (call $is (i32.load (i32.const 12)) (i32.const {end}))
            (call $numbers (i32.const 101003) (i32.const 40000000) (i32.const 1))
            (call $is (i32.load8_u (i32.const 40101006)) (i32.const 9))))"#,
        end = BYTES + 1000,
    )
}
