//! A component in parts: tests say what it does with a message that begins with `b`; all others are kept.

use std::time::Duration;

use wappa_wasm::GuestConfig;

use crate::{
    harness::check_binary,
    world::{WIT, with_types},
};

const WORLD: &str = r#"
  (import "wappa:processor/types@1.0.0" "[method]batch.len" (func $len (param i32) (result i32)))
  (import "wappa:processor/types@1.0.0" "[method]batch.content" (func $content (param i32 i32 i32)))
  (import "wappa:processor/types@1.0.0" "[method]batch.contents" (func $contents (param i32 i32)))
  (import "wappa:processor/types@1.0.0" "[method]batch.metadata" (func $metadata (param i32 i32 i32)))
  (import "wappa:processor/types@1.0.0" "[method]batch.get-metadata" (func $get (param i32 i32 i32 i32 i32)))
  (import "wappa:processor/types@1.0.0" "[method]batch.set-metadata" (func $set (param i32 i32 i32 i32 i32 i32 i32)))
  (import "wappa:processor/types@1.0.0" "[method]batch.metadata-keys" (func $keys (param i32 i32 i32)))
  (import "wappa:processor/types@1.0.0" "[method]batch.metadata-values" (func $values (param i32 i32 i32 i32 i32 i32)))
  (import "wappa:processor/types@1.0.0" "[method]batch.change-metadata" (func $change (param i32 i32 i32)))
  (import "wappa:processor/types@1.0.0" "[method]batch.set-metadata-texts"
    (func $texts (param i32 i32 i32 i32 i32 i32 i32 i32 i32)))
  (import "wappa:processor/types@1.0.0" "[resource-drop]batch" (func $drop_batch (param i32)))
  (import "wappa:processor/log@1.0.0" "log" (func $log (param i32 i32 i32)))
  (import "wappa:processor/metrics@1.0.0" "counter-add" (func $count (param i32 i32 i64)))
"#;

/// Small requests come from a heap that begins anew with each call, large ones are pages.
const REALLOC: &str = r#"
  (func (export "cabi_realloc") (param $old i32) (param $size i32) (param $align i32) (param $new i32) (result i32)
    (local $at i32)
    (if (i32.ge_u (local.get $new) (i32.const 32768)) (then
      (local.set $at (memory.grow (i32.shr_u (i32.add (local.get $new) (i32.const 65535)) (i32.const 16))))
      (if (i32.eq (local.get $at) (i32.const -1)) (then unreachable))
      (return (i32.mul (local.get $at) (i32.const 65536)))))
    (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
    (global.set $heap (i32.add (local.get $at) (local.get $new)))
    (if (i32.gt_u (global.get $heap) (i32.const 131072)) (then unreachable))
    (local.get $at))
"#;

/// The list is at 8192; `$say` makes the content of the message that is looked at something else. The free memory for
/// tests is from 2048 to 8191 and from 131072 to 196607.
const PROCESS: &str = r#"
  (memory (export "memory") 3)
  (global $heap (mut i32) (i32.const 65536))
  (global $at (mut i32) (i32.const 0))
  (; configure ;)
  (func $dispose (param $what i32) (param $ptr i32) (param $len i32)
    (i32.store (global.get $at) (local.get $what))
    (i32.store offset=4 (global.get $at) (local.get $ptr))
    (i32.store offset=8 (global.get $at) (local.get $len)))
  (func $say (param $ptr i32) (param $len i32) (call $dispose (i32.const 2) (local.get $ptr) (local.get $len)))
  (func $result (param $ptr i32) (param $len i32) (result i32)
    (i32.store (i32.const 1024) (local.get $ptr))
    (i32.store (i32.const 1028) (local.get $len))
    (i32.const 1024))
  (func (export "wappa:processor/transform@1.0.0#process") (param $b i32) (result i32)
    (local $n i32) (local $i i32)
    (global.set $heap (i32.const 65536))
    (local.set $n (call $len (local.get $b)))
    (global.set $at (i32.const 8192))
    (loop $next
      (call $content (local.get $b) (local.get $i) (i32.const 1040))
      (call $dispose (i32.const 0) (i32.const 0) (i32.const 0))
      (if (i32.and (i32.ne (i32.load (i32.const 1044)) (i32.const 0))
            (i32.eq (i32.load8_u (i32.load (i32.const 1040))) (i32.const 98)))
        (then (call $bad (local.get $b) (local.get $i))))
      (global.set $at (i32.add (global.get $at) (i32.const 12)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $i) (local.get $n))))
    (call $drop_batch (local.get $b))
    (call $result (i32.const 8192) (local.get $n)))
"#;

const CONFIGURE: &str = r#"
  (func (export "wappa:processor/transform@1.0.0#configure") (param i32 i32) (result i32)
    (i32.store (i32.const 1024) (i32.const 0)) (i32.const 1024))
"#;

/// Imports of preview 1, which the host wraps into WASI 0.2.
pub(crate) const PREVIEW1: &str = r#"
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open"
    (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_get" (func $environ_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ_sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_get" (func $args_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes (param i32 i32) (result i32)))
"#;

/// A component in parts.
#[derive(Default)]
pub(crate) struct Parts<'a> {
    pub(crate) imports: &'a str,
    /// Takes the batch `$b` and the index `$i`.
    pub(crate) bad: &'a str,
    pub(crate) more: &'a str,
    /// Instead of what there would be.
    pub(crate) realloc: Option<&'a str>,
    pub(crate) process: Option<&'a str>,
    pub(crate) configure: Option<&'a str>,
    /// Interfaces that the world imports too, and the packages that they are of.
    pub(crate) world: (&'a str, &'a str),
}

impl Parts<'_> {
    pub(crate) fn component(&self) -> Vec<u8> {
        let Parts { imports, bad, more, realloc, process, configure, world } = self;
        let wat = format!(
            "(module {WORLD} {imports} {PROCESS_PARTS} {realloc} (func $bad (param $b i32) (param $i i32) {bad}) {more})",
            PROCESS_PARTS = process.map_or(PROCESS.to_string(), with_own_process),
            realloc = realloc.unwrap_or(REALLOC),
        )
        .replace("(; configure ;)", configure.unwrap_or(CONFIGURE));
        let wit = WIT.replace("world processor {", &format!("world processor {{ {}", world.0)) + world.1;
        with_types(&wat, &wit)
    }

    /// Runs `ok`, `bad`, `ok` through it, one by one, under small limits.
    pub(crate) fn told(&self) -> String {
        self.told_with(|_| {})
    }

    pub(crate) fn told_with(&self, change: impl FnOnce(&mut GuestConfig)) -> String {
        check_binary(&self.component(), &["ok", "bad", "ok"], |config| {
            small(config);
            change(config);
        })
    }
}

/// Small limits.
pub(crate) fn small(config: &mut GuestConfig) {
    config.limits.timeout = Duration::from_millis(100);
    config.limits.memory = 1 << 20;
    config.limits.output = 64 << 10;
}

fn with_own_process(own: &str) -> String {
    let at = PROCESS.find("(func (export \"wappa:processor/transform@1.0.0#process\")").expect("it is there");
    format!("{}{own}", &PROCESS[..at])
}

/// What is told of a message that went wrong, between two that did not.
pub(crate) fn verdict(told: &str) -> String {
    let lines: Vec<&str> = told.lines().filter(|it| !it.starts_with("log ")).collect();
    match lines[..] {
        ["\"ok\"", bad, "\"ok\""] => bad.to_string(),
        _ => format!("the other messages are not whole: {told}"),
    }
}
