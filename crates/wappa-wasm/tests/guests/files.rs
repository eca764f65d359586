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
    reading_at(0, open_flags, rights)
}

fn reading_at(lookup_flags: u32, open_flags: u32, rights: u64) -> String {
    guest(&format!(
        r#"(func (export "process") (local $m i64) (local $errno i32)
          (local.set $m (call $as_bytes))
          (local.set $errno (call $open (i32.const 3) (i32.const {lookup_flags}) (call $ptr (local.get $m)) (call $len (local.get $m))
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
    run_within(Duration::from_secs(30), dir, wat, names, writable)
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
fn what_is_neither_a_file_nor_a_directory_is_not_opened() {
    let dir = Dir::new("pipe");
    mknodat(CWD, dir.0.join("pipe"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a pipe");
    std::os::unix::fs::symlink("pipe", dir.0.join("link")).expect("a link");
    let _socket = std::os::unix::net::UnixListener::bind(dir.0.join("socket")).expect("a socket");
    fs::write(dir.0.join("a.txt"), "from the file").expect("it can be written");
    let read = reading_at(1, 0, 2);
    expect![[r#"
        "58"
        "58"
        "58"
        "from the file"
    "#]]
    .assert_eq(&run(&dir, &read, &["pipe", "link", "socket", "a.txt"], false));
}

#[test]
fn a_path_that_no_system_takes_is_refused() {
    let dir = Dir::new("path");
    let long = "./".repeat(3000);
    let told = run(&dir, &reading(0, 2), &[&long], false);
    assert_eq!(told, "\"37\"\n");
    // Before anything else is looked at: on a descriptor that there is not it is the path that is refused.
    let nowhere = reading(0, 2).replace("(call $open (i32.const 3)", "(call $open (i32.const 99)");
    assert_eq!(run(&dir, &nowhere, &["a", &long], false), "\"08\"\n\"37\"\n");
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
        log Warn: the guest has 256 files open, as many as it may: no other one is opened
        log Warn: the guest has 256 files open, as many as it may: no other one is opened
    "#]]
    .assert_eq(&run(&dir, &many, &["a.txt", "none"], false));
}

/// A path that cannot be opened costs nothing that another one would need.
#[test]
fn forty_pipes_do_not_end_the_access_to_files() {
    let dir = Dir::new("vain");
    mknodat(CWD, dir.0.join("pipe"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a pipe");
    fs::write(dir.0.join("a.txt"), "from the file").expect("it can be written");
    let names: Vec<&str> = [&["pipe"; 40][..], &["a.txt"]].concat();
    let told = run(&dir, &reading(0, 2), &names, false);
    assert_eq!(told, "\"58\"\n".repeat(40) + "\"from the file\"\n");
}

/// Reads the first directory with a small buffer and says how many entries there are in it.
const COUNTING: &str = r#"
  (import "wasi_snapshot_preview1" "fd_readdir" (func $readdir (param i32 i32 i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open"
    (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "bento_wasm" "v0_msg_set_bytes" (func $set_bytes (param i32 i32)))
  (memory (export "memory") 32)
  (data (i32.const 900) ".")
  (func $digits (param $n i32) (local $at i32)
    (local.set $at (i32.const 704))
    (loop $next
      (local.set $at (i32.sub (local.get $at) (i32.const 1)))
      (i32.store8 (local.get $at) (i32.add (i32.const 48) (i32.rem_u (local.get $n) (i32.const 10))))
      (local.set $n (i32.div_u (local.get $n) (i32.const 10)))
      (br_if $next (local.get $n)))
    (call $set_bytes (local.get $at) (i32.sub (i32.const 704) (local.get $at))))
  (func (export "process") (local $at i32) (local $cookie i64) (local $n i32) (local $size i32) (local $fd i32)
    ;; The directory once more, under a number of its own.
    (if (call $open (i32.const 3) (i32.const 0) (i32.const 900) (i32.const 1) (i32.const 2) (i64.const 0) (i64.const 0)
      (i32.const 0) (i32.const 904)) (then (call $digits (i32.const -1)) (return)))
    (local.set $fd (i32.load (i32.const 904)))
    (loop $more
      (if (call $readdir (local.get $fd) (i32.const 4096) (i32.const 1000) (local.get $cookie) (i32.const 908))
        (then unreachable))
      (local.set $at (i32.const 4096))
      (block $end (loop $next
        (br_if $end (i32.gt_u (i32.add (local.get $at) (i32.const 24)) (i32.add (i32.const 4096) (i32.load (i32.const 908)))))
        (local.set $size (i32.add (i32.const 24) (i32.load offset=16 (local.get $at))))
        (br_if $end (i32.gt_u (i32.add (local.get $at) (local.get $size)) (i32.add (i32.const 4096) (i32.load (i32.const 908)))))
        (local.set $cookie (i64.load (local.get $at)))
        (local.set $at (i32.add (local.get $at) (local.get $size)))
        (local.set $n (i32.add (local.get $n) (i32.const 1)))
        (br $next)))
      (br_if $more (i32.eq (i32.load (i32.const 908)) (i32.const 1000))))
    (call $digits (local.get $n)))
"#;

#[test]
fn a_directory_of_many_files_is_read_piece_by_piece() {
    let dir = Dir::new("listing");
    for n in 0..2000 {
        fs::write(dir.0.join(format!("file-{n}")), "").expect("it can be written");
    }
    let told = run(&dir, &format!("(module {COUNTING})"), &["", ""], false);
    expect![[r#"
        "2002"
        "2002"
    "#]]
    .assert_eq(&told);
    // From the beginning again and again, without a loop.
    let again = "(drop (call $readdir (i32.const 3) (i32.const 4096) (i32.const 1000000) (i64.const 0) (i32.const 908)))";
    let row = COUNTING.replace("(func (export \"process\")", "(func $count");
    let row = format!("(module {row} (func (export \"process\") {}))", again.repeat(1000));
    let began = std::time::Instant::now();
    expect![[r#"
        "" [timeout: over the limit of 100ms (`timeout`)] (spent)
    "#]]
    .assert_eq(&run_within(Duration::from_millis(100), &dir, &row, &[""], false));
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

/// What holds files open, and that another guest has its own.
#[test]
fn a_guest_that_has_all_its_files_open_leaves_the_others_theirs() {
    let dir = Dir::new("greedy");
    fs::write(dir.0.join("a.txt"), "from the file").expect("it can be written");
    let module = |wat: String| Module::new(engine(), wat.as_bytes()).expect("a module");
    let (greedy, modest) = (module(OPENING.into()), module(reading(0, 2)));
    let guest_of = |module: &Module| {
        let mut config = config();
        config.mounts = vec![Mount { host: dir.0.clone(), guest: "/data".into(), writable: false }];
        Guest::new(engine(), module, config).expect("a guest")
    };
    let (greedy, modest) = (guest_of(&greedy), guest_of(&modest));
    let run = move || {
        let ctx = engine().enter().expect("a large stack");
        let read = |guest: &Guest| {
            let mut instance = guest.instantiate(crate::harness::soon()).expect("it starts");
            let mut message = Message::new("a.txt");
            instance.call(&mut message, &ctx).expect("it does not fail");
            (instance, String::from_utf8_lossy(message.content()).into_owned())
        };
        // Two instances of one guest have one share together.
        let (first, opened) = read(&greedy);
        assert_eq!(opened, "\u{0}\u{1}\u{0}\u{0}");
        let (second, opened) = read(&greedy);
        assert_eq!(opened, "\u{0}\u{0}\u{0}\u{0}");
        assert_eq!(read(&modest).1, "from the file");
        drop((first, second));
        assert_eq!(read(&greedy).1, "\u{0}\u{1}\u{0}\u{0}");
    };
    wappa_wasm::spawn_thread("guest", run).expect("a thread").join().expect("no panic");
}

/// Opens a file until that is refused, and says how often it was not.
const OPENING: &str = r#"(module
  (import "wasi_snapshot_preview1" "path_open"
    (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "bento_wasm" "v0_msg_set_bytes" (func $set_bytes (param i32 i32)))
  (memory (export "memory") 1)
  (data (i32.const 100) "a.txt")
  (func (export "process")
    (i32.store (i32.const 200) (i32.const 0))
    (block $end (loop $again
      (br_if $end (call $open (i32.const 3) (i32.const 0) (i32.const 100) (i32.const 5) (i32.const 0) (i64.const 2)
        (i64.const 0) (i32.const 0) (i32.const 208)))
      (i32.store (i32.const 200) (i32.add (i32.load (i32.const 200)) (i32.const 1)))
      (br $again)))
    (call $set_bytes (i32.const 200) (i32.const 4))))"#;

/// What a directory says of a file is what the file says of itself: first the bytes that both numbers have, then whether
/// they are the same.
#[test]
fn a_file_has_one_number() {
    let dir = Dir::new("numbers");
    fs::write(dir.0.join("only.txt"), "").expect("it can be written");
    let wat = r#"(module
      (import "wasi_snapshot_preview1" "fd_readdir" (func $readdir (param i32 i32 i32 i64 i32) (result i32)))
      (import "wasi_snapshot_preview1" "path_filestat_get" (func $stat (param i32 i32 i32 i32 i32) (result i32)))
      (import "bento_wasm" "v0_msg_set_bytes" (func $set_bytes (param i32 i32)))
      (memory (export "memory") 1)
      (data (i32.const 0) "only.txt")
      (func (export "process") (local $number i64)
        ;; The third entry, behind `.` and `..`: its number is behind its cookie.
        (drop (call $readdir (i32.const 3) (i32.const 256) (i32.const 4096) (i64.const 2) (i32.const 16)))
        (local.set $number (i64.load (i32.const 264)))
        (drop (call $stat (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 8) (i32.const 64)))
        (if (i64.ne (local.get $number) (i64.const 0))
          (then
            (if (i64.eq (local.get $number) (i64.load (i32.const 72)))
              (then (call $set_bytes (i32.const 0) (i32.const 4))))))))"#;
    expect![[r#"
        "only"
    "#]]
    .assert_eq(&run(&dir, wat, &[""], false));
}
