//! Directories that a guest was given, and what it cannot do with them.

use std::{fs, path::PathBuf, time::Duration};

use expect_test::expect;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use wappa_message::Message;
use wappa_wasm::{Guest, Module, Mount};

use crate::harness::{config, engine, guest, told};

/// A directory for one test, removed with it.
pub(crate) struct Dir(pub(crate) PathBuf);

impl Dir {
    pub(crate) fn new(name: &str) -> Dir {
        let path = std::env::temp_dir().join(format!("wappa-wasm-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("the directory for temporary files can be written to");
        Dir(path)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        // What stays behind is in the directory for temporary files.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Opens the file that the content names, with these flags, and replaces the content by what is in it; or by the
/// number of the error.
fn reading(open_flags: u32, rights: u64) -> String {
    guest(&format!(
        r#"(func (export "process") (local $m i64) (local $errno i32)
          (local.set $m (call $as_bytes))
          (local.set $errno (call $open (i32.const 3) (i32.const 0) (call $ptr (local.get $m)) (call $len (local.get $m))
            (i32.const {open_flags}) (i64.const {rights}) (i64.const 0) (i32.const 0) (i32.const 8)))
          (if (local.get $errno)
            (then
              (i32.store8 (i32.const 600) (i32.add (i32.const 48) (i32.div_u (local.get $errno) (i32.const 10))))
              (i32.store8 (i32.const 601) (i32.add (i32.const 48) (i32.rem_u (local.get $errno) (i32.const 10))))
              (call $set_bytes (i32.const 600) (i32.const 2))
              (return)))
          (i32.store (i32.const 0) (i32.const 1000)) (i32.store (i32.const 4) (i32.const 100))
          (drop (call $fd_read (i32.load (i32.const 8)) (i32.const 0) (i32.const 1) (i32.const 16)))
          (call $set_bytes (i32.const 1000) (i32.load (i32.const 16))))"#
    ))
}

fn run(dir: &Dir, wat: &str, names: &[&str], writable: bool) -> String {
    run_within(Duration::from_millis(100), dir, wat, names, writable)
}

fn run_within(timeout: Duration, dir: &Dir, wat: &str, names: &[&str], writable: bool) -> String {
    let messages = names.iter().map(|it| Message::new(it.to_string())).collect();
    told(wat, messages, |it| {
        it.limits.timeout = timeout;
        it.mounts = vec![Mount { host: dir.0.clone(), guest: "/data".into(), writable }];
    })
}

#[test]
fn files_below_a_mount_can_be_read_and_nothing_else() {
    let dir = Dir::new("read");
    fs::write(dir.0.join("a.txt"), "from the file").expect("it can be written");
    let read = reading(0, 2);
    let names = ["a.txt", "none.txt", "../etc/passwd", "/etc/passwd"];
    expect![[r#"
        "from the file"
        "44"
        "63"
        "63"
    "#]]
    .assert_eq(&run(&dir, &read, &names, false));
    // Creating one: not permitted without `writable`.
    let create = reading(1, 64);
    expect![[r#"
        "63"
    "#]]
    .assert_eq(&run(&dir, &create, &["new.txt"], false));
    assert!(!dir.0.join("new.txt").exists());
    run(&dir, &create, &["new.txt"], true);
    assert!(dir.0.join("new.txt").exists());
}

#[test]
fn a_pipe_that_nobody_writes_to_ends_at_the_deadline() {
    let dir = Dir::new("pipe");
    mknodat(CWD, dir.0.join("pipe"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a pipe");
    fs::write(dir.0.join("a.txt"), "from the file").expect("it can be written");
    expect![[r#"
        "pipe" [timeout: over the limit of 100ms (`timeout`)] (spent)
        "from the file"
    "#]]
    .assert_eq(&run(&dir, &reading(0, 2), &["pipe", "a.txt"], false));
}

#[test]
fn a_mount_that_is_not_there_is_said_at_once() {
    let module = Module::new(engine(), guest(r#"(func (export "process"))"#).as_bytes()).expect("a module");
    let mut config = config();
    config.mounts = vec![Mount { host: "/no/such/directory".into(), guest: "/".into(), writable: false }];
    let err = Guest::new(engine(), &module, config).expect_err("it is not there").to_string();
    expect!["opening the mount `/no/such/directory`: No such file or directory (os error 2)"].assert_eq(&err);
}

#[test]
fn files_that_are_never_closed_are_few() {
    let dir = Dir::new("many");
    fs::write(dir.0.join("a.txt"), "from the file").expect("it can be written");
    let many = guest(
        r#"(func (export "process") (local $m i64)
          (local.set $m (call $as_bytes))
          (block $end (loop $again
            (br_if $end (call $open (i32.const 3) (i32.const 0) (call $ptr (local.get $m)) (call $len (local.get $m))
              (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 8)))
            (br $again)))
          (call $set_bytes (i32.const 0) (i32.const 0)))"#,
    );
    expect![[r#"
        ""
        ""
    "#]]
    .assert_eq(&run_within(Duration::from_secs(30), &dir, &many, &["a.txt", "none"], false));
}

/// Files that are waited for in vain use up what one guest has for that, and nothing of another's.
#[test]
fn waiting_in_vain_hurts_nobody_else() {
    let dir = Dir::new("vain");
    mknodat(CWD, dir.0.join("pipe"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a pipe");
    fs::write(dir.0.join("a.txt"), "from the file").expect("it can be written");
    let read = reading(0, 2);
    // Some more than there are threads: on a busy machine a wait may be over before it has got its thread.
    let names: Vec<&str> = [&["pipe"; 40][..], &["a.txt"]].concat();
    let told = run(&dir, &read, &names, false);
    let last = told.lines().last().unwrap_or_default();
    assert_eq!(last, "\"a.txt\" [timeout: over the limit of 100ms (`timeout`)] (spent)", "{told}");
    expect![[r#"
        "from the file"
    "#]]
    .assert_eq(&run(&dir, &read, &["a.txt"], false));
}
