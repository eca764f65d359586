//! The cache of compiled code: what is found, what is not used and why, and what is kept.
//!
//! Each test tells a story in lines: what was done to the directory, whether a load compiled, what the cache said.

use std::{
    fmt::Write as _,
    fs::{self, File, Permissions},
    os::unix::fs::{PermissionsExt, chown, symlink},
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, SystemTime},
};

use expect_test::{Expect, expect};
use wappa_wasm::{
    CACHE_BYTES_MAX, CodeCache, Compile, CompileError, Engine, EngineConfig, Module, precompile,
};

/// Counts what is compiled.
#[derive(Debug, Default)]
struct Counting(AtomicU64);

impl Compile for Counting {
    fn compile(&self, wasm: &[u8]) -> Result<Vec<u8>, CompileError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        precompile(wasm)
    }
}

/// A directory for one test, and what happened so far. Gone when the test is.
struct Story {
    dir: PathBuf,
    bytes_max: u64,
    lines: String,
}

impl Story {
    fn new(name: &str) -> Story {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("cache-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).expect("a directory can be made");
        Story {
            dir: dir.canonicalize().expect("it is there"),
            bytes_max: CACHE_BYTES_MAX,
            lines: String::new(),
        }
    }

    fn cache_dir(&self) -> PathBuf {
        self.dir.join("wappa")
    }

    /// Loads the module with this name in a new engine, as a new process would.
    fn load(&mut self, name: &str) -> &mut Story {
        self.load_in(&self.cache_dir(), name)
    }

    fn load_in(&mut self, dir: &Path, name: &str) -> &mut Story {
        let counting = Arc::new(Counting::default());
        let notes = Arc::new(Mutex::new(Vec::new()));
        let cache = CodeCache::new(dir, self.bytes_max);
        let of_log = Arc::clone(&notes);
        cache.log_to(move |level, text| {
            of_log.lock().expect("nobody panics").push(format!("{level:?}: {text}"));
        });
        let engine = engine(Some(cache), Arc::clone(&counting) as Arc<dyn Compile>);
        let module = Module::new(&engine, &module(name)).expect("it is a module");
        let n = counting.0.load(Ordering::Relaxed);
        let what = match (n, module.is_from_cache()) {
            (1, false) => "compiled",
            (0, true) => "from the cache",
            _ => "neither",
        };
        self.say(&format!("load {name}: {what}"));
        for note in notes.lock().expect("nobody panics").iter() {
            self.say(&format!("  {}", self.without_names(note)));
        }
        self
    }

    fn say(&mut self, line: &str) {
        writeln!(self.lines, "{line}").expect("writing to a string cannot fail");
    }

    /// Digests and directories differ from machine to machine.
    fn without_names(&self, text: &str) -> String {
        let text = text.replace(&self.dir.display().to_string(), "DIR");
        match text.split_once(".code`") {
            Some((before, after)) => {
                let before = &before[..before.rfind('/').expect("the directory is named")];
                format!("{before}/ENTRY.code`{after}")
            }
            None => text,
        }
    }

    /// The files, oldest name first.
    fn entries(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.cache_dir()).expect("the directory is there");
        let mut entries: Vec<PathBuf> = entries.map(|it| it.expect("it can be read").path()).collect();
        entries.sort();
        entries
    }

    /// The only file.
    fn entry(&self) -> PathBuf {
        let entries = self.entries();
        assert_eq!(entries.len(), 1, "{entries:?}");
        entries[0].clone()
    }

    /// Does something to the only file.
    fn change(&mut self, what: &str, change: impl FnOnce(&Path)) -> &mut Story {
        change(&self.entry());
        self.say(what);
        self
    }

    fn change_bytes(&mut self, what: &str, change: impl FnOnce(&mut Vec<u8>)) -> &mut Story {
        self.change(what, |path| {
            let mut bytes = fs::read(path).expect("it can be read");
            change(&mut bytes);
            fs::write(path, bytes).expect("it can be written");
        })
    }

    fn check(&self, expected: Expect) {
        expected.assert_eq(&self.lines);
    }
}

impl Drop for Story {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn engine(cache: Option<CodeCache>, compiler: Arc<dyn Compile>) -> Engine {
    let mut config = EngineConfig::default();
    config.instances = 1;
    config.compiler = compiler;
    config.cache = cache.map(Arc::new);
    Engine::new(config).expect("an engine can be made")
}

/// A component that is empty: nothing but the header.
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

/// A module that differs from others by its name; or the component of that name.
fn module(name: &str) -> Vec<u8> {
    match name {
        "component" => COMPONENT.to_vec(),
        _ => {
            format!("(module (memory 1) (func (export \"process\")) (func (export \"{name}\")))").into_bytes()
        }
    }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("the mode can be set");
}

fn mode(path: &Path) -> String {
    format!("{:o}", fs::metadata(path).expect("it is there").permissions().mode() & 0o7777)
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[test]
fn the_second_start_compiles_nothing() {
    let mut story = Story::new("second");
    story.load("a").load("a").load("b").load("b").load("a").check(expect![[r#"
        load a: compiled
        load a: from the cache
        load b: compiled
        load b: from the cache
        load a: from the cache
    "#]]);
    assert_eq!(mode(&story.cache_dir()), "700");
    assert!(story.entries().iter().all(|it| mode(it) == "600"), "{:?}", story.entries());
}

#[test]
fn components_are_kept_as_well() {
    let mut story = Story::new("component");
    story.load("component").load("component");
    story.change_bytes("flip a bit of the first byte", |it| it[0] ^= 1).load("component").load("component");
    story.check(expect![[r#"
        load component: compiled
        load component: from the cache
        flip a bit of the first byte
        load component: compiled
          Warn: compiling again: the compiled code `DIR/wappa/ENTRY.code` is not used: it changed since it was written (its checksum is another one)
        load component: from the cache
    "#]]);
}

#[test]
fn without_a_cache_nothing_is_kept() {
    let counting = Arc::new(Counting::default());
    for n in 1..=2 {
        let engine = engine(None, Arc::clone(&counting) as Arc<dyn Compile>);
        let module = Module::new(&engine, &module("a")).expect("it is a module");
        assert!(!module.is_from_cache());
        assert_eq!(counting.0.load(Ordering::Relaxed), n);
    }
}

#[test]
fn what_is_no_module_is_not_kept() {
    let story = Story::new("invalid");
    let engine =
        engine(Some(CodeCache::new(story.cache_dir(), CACHE_BYTES_MAX)), Arc::new(Counting::default()));
    let invalid = "(module (func (export \"process\") (result i32)))";
    for _ in 0..2 {
        let err = Module::new(&engine, invalid.as_bytes()).expect_err("it gives no number");
        assert!(err.to_string().starts_with("the module is not valid"), "{err}");
    }
    assert_eq!(story.entries(), Vec::<PathBuf>::new());
}

#[test]
fn a_changed_file_is_not_used_and_replaced() {
    let mut story = Story::new("changed");
    story.load("a");
    let size = fs::metadata(story.entry()).expect("it is there").len() as usize;
    for (what, at) in [("first", 0), ("middle", size / 2), ("last of the code", size - 93)] {
        story.change_bytes(&format!("flip a bit of the {what} byte"), |it| it[at] ^= 1).load("a").load("a");
    }
    story.check(expect![[r#"
        load a: compiled
        flip a bit of the first byte
        load a: compiled
          Warn: compiling again: the compiled code `DIR/wappa/ENTRY.code` is not used: it changed since it was written (its checksum is another one)
        load a: from the cache
        flip a bit of the middle byte
        load a: compiled
          Warn: compiling again: the compiled code `DIR/wappa/ENTRY.code` is not used: it changed since it was written (its checksum is another one)
        load a: from the cache
        flip a bit of the last of the code byte
        load a: compiled
          Warn: compiling again: the compiled code `DIR/wappa/ENTRY.code` is not used: it changed since it was written (its checksum is another one)
        load a: from the cache
    "#]]);
}

#[test]
fn a_changed_end_is_not_used_and_replaced() {
    let mut story = Story::new("end");
    story.load("a");
    story.change_bytes("cut the last byte", |it| it.truncate(it.len() - 1)).load("a");
    story.change_bytes("cut half", |it| it.truncate(it.len() / 2)).load("a");
    story.change_bytes("empty it", Vec::clear).load("a");
    story
        .change_bytes("take a page out of the middle", |it| {
            it.drain(4096..8192);
        })
        .load("a");
    story.change_bytes("append a byte", |it| it.push(0)).load("a");
    story
        .change_bytes("write the next version", |it| {
            let at = it.len() - 12;
            it[at] += 1;
        })
        .load("a");
    story.load("a").check(expect![[r#"
        load a: compiled
        cut the last byte
        load a: compiled
          Warn: compiling again: the compiled code `DIR/wappa/ENTRY.code` is not used: it does not end as a file of the cache does
        cut half
        load a: compiled
          Warn: compiling again: the compiled code `DIR/wappa/ENTRY.code` is not used: it does not end as a file of the cache does
        empty it
        load a: compiled
          Warn: compiling again: the compiled code `DIR/wappa/ENTRY.code` is not used: it is cut short
        take a page out of the middle
        load a: compiled
          Warn: compiling again: the compiled code `DIR/wappa/ENTRY.code` is not used: it is cut short
        append a byte
        load a: compiled
          Warn: compiling again: the compiled code `DIR/wappa/ENTRY.code` is not used: it does not end as a file of the cache does
        write the next version
        load a: compiled
          Warn: compiling again: the compiled code `DIR/wappa/ENTRY.code` is not used: another version of Wappa wrote it
        load a: from the cache
    "#]]);
}

#[test]
fn a_file_under_another_name_is_not_used() {
    let mut story = Story::new("renamed");
    story.load("a");
    let of_a = story.entry();
    fs::rename(&of_a, story.dir.join("a")).expect("it can be renamed");
    story.load("b");
    let of_b = story.entry();
    fs::copy(story.dir.join("a"), &of_b).expect("it can be copied");
    story.say("put the code of a under the name of b");
    story.load("b").load("b").check(expect![[r#"
        load a: compiled
        load b: compiled
        put the code of a under the name of b
        load b: compiled
          Warn: compiling again: the compiled code `DIR/wappa/ENTRY.code` is not used: it is of another module
        load b: from the cache
    "#]]);
}

#[test]
fn files_that_others_could_have_written_are_not_used() {
    let mut story = Story::new("foreign");
    story.load("a");
    story.change("let the group write", |it| set_mode(it, 0o620)).load("a").load("a");
    story.change("let others write", |it| set_mode(it, 0o602)).load("a").load("a");
    let aside = story.dir.join("aside");
    story
        .change("put a link to it in its place", |it| {
            fs::rename(it, &aside).expect("it can be renamed");
            symlink(&aside, it).expect("a link can be made");
        })
        .load("a")
        .load("a");
    story
        .change("put a pipe in its place", |it| {
            fs::remove_file(it).expect("it can be removed");
            let made = Command::new("mkfifo").arg(it).status().expect("there is `mkfifo`");
            assert!(made.success());
        })
        .load("a")
        .load("a");
    story.check(expect![[r#"
        load a: compiled
        let the group write
        load a: compiled
          Warn: compiling again: the compiled code `DIR/wappa/ENTRY.code` is not used: other users may write to it (mode 0620)
        load a: from the cache
        let others write
        load a: compiled
          Warn: compiling again: the compiled code `DIR/wappa/ENTRY.code` is not used: other users may write to it (mode 0602)
        load a: from the cache
        put a link to it in its place
        load a: compiled
          Warn: compiling again: the compiled code `DIR/wappa/ENTRY.code` is not used: it is a symbolic link
        load a: from the cache
        put a pipe in its place
        load a: compiled
          Warn: compiling again: the compiled code `DIR/wappa/ENTRY.code` is not used: it is not a regular file
        load a: from the cache
    "#]]);
}

#[test]
fn files_of_other_users_are_not_used() {
    if !is_root() {
        eprintln!("skipped: only root can give files away");
        return;
    }
    let mut story = Story::new("owner");
    story.load("a");
    story
        .change("give it to user 12345", |it| chown(it, Some(12345), None).expect("root may"))
        .load("a")
        .load("a");
    chown(story.cache_dir(), Some(12345), None).expect("root may");
    story.say("give the directory to user 12345");
    story.load("a").check(expect![[r#"
        load a: compiled
        give it to user 12345
        load a: compiled
          Warn: compiling again: the compiled code `DIR/wappa/ENTRY.code` is not used: it belongs to another user (id 12345)
        load a: from the cache
        give the directory to user 12345
        load a: compiled
          Warn: compiled code is not cached: `DIR/wappa`: it belongs to another user (id 12345)
    "#]]);
}

#[test]
fn a_directory_that_others_may_write_to_is_no_cache() {
    let mut story = Story::new("directory");
    story.load("a");
    for mode in [0o770, 0o702, 0o1777] {
        set_mode(&story.cache_dir(), mode);
        story.say(&format!("mode {mode:o}"));
        story.load("a");
    }
    set_mode(&story.cache_dir(), 0o755);
    story.say("mode 755");
    story.load("a").load("b");
    let readable = story.entries().iter().filter(|it| mode(it) == "644").count();
    story.say(&format!("files that others may read, as they may the directory: {readable}"));
    let link = story.dir.join("link");
    symlink(story.cache_dir(), &link).expect("a link can be made");
    story.say("through a link");
    story.load_in(&link, "a").check(expect![[r#"
        load a: compiled
        mode 770
        load a: compiled
          Warn: compiled code is not cached: `DIR/wappa`: other users may write to it (mode 0770)
        mode 702
        load a: compiled
          Warn: compiled code is not cached: `DIR/wappa`: other users may write to it (mode 0702)
        mode 1777
        load a: compiled
          Warn: compiled code is not cached: `DIR/wappa`: other users may write to it (mode 1777)
        mode 755
        load a: from the cache
        load b: compiled
        files that others may read, as they may the directory: 1
        through a link
        load a: compiled
          Warn: compiled code is not cached: `DIR/link`: it is a symbolic link
    "#]]);
}

#[test]
fn a_directory_that_cannot_be_is_no_cache() {
    let mut story = Story::new("nowhere");
    story.load_in(Path::new("/dev/null/wappa"), "a");
    let file = story.dir.join("file");
    fs::write(&file, "").expect("it can be written");
    story.load_in(&file, "a").check(expect![[r#"
        load a: compiled
          Info: compiled code is not cached: `/dev/null/wappa`: not a directory
        load a: compiled
          Info: compiled code is not cached: `DIR/file`: not a directory
    "#]]);
}

/// A directory in which even root cannot make a file.
#[test]
fn a_directory_that_cannot_be_written_is_no_error() {
    let mut story = Story::new("read-only");
    let dir = if is_root() { PathBuf::from("/sys/kernel") } else { story.cache_dir() };
    if !is_root() {
        fs::create_dir(&dir).expect("it can be made");
        set_mode(&dir, 0o500);
    } else if !dir.is_dir() {
        eprintln!("skipped: root may write everywhere here");
        return;
    }
    let name = dir.display().to_string();
    story.load_in(&dir, "a");
    let lines = story.lines.replace(&name, "READ-ONLY").replace("DIR/wappa", "READ-ONLY");
    let (first, reason) = lines.trim_end().rsplit_once(": ").expect("there is a reason");
    expect![[r#"
        load a: compiled
          Info: compiled code is not kept in `READ-ONLY`"#]]
    .assert_eq(first);
    assert!(
        ["permission denied", "operation not permitted", "read-only file system"].contains(&reason),
        "{reason}"
    );
}

#[test]
fn code_is_read_from_a_directory_that_cannot_be_written() {
    let mut story = Story::new("prepared");
    story.load("a");
    set_mode(&story.entry(), 0o400);
    set_mode(&story.cache_dir(), 0o500);
    story.say("nobody may write any more");
    story.load("a");
    set_mode(&story.cache_dir(), 0o700);
    story.check(expect![[r#"
        load a: compiled
        nobody may write any more
        load a: from the cache
    "#]]);
}

/// `/dev/shm` often is a file system from which no program may be run, so that code in it cannot be mapped.
#[test]
fn code_is_kept_where_programs_cannot_be_run() {
    let shared = Path::new("/dev/shm");
    if !shared.is_dir() {
        eprintln!("skipped: there is no `/dev/shm`");
        return;
    }
    let mut story = Story::new("noexec");
    let dir = shared.join(format!("wappa-cache-test-{}", std::process::id()));
    story.load_in(&dir, "a").load_in(&dir, "a");
    fs::remove_dir_all(&dir).expect("it is there");
    story.check(expect![[r#"
        load a: compiled
        load a: from the cache
    "#]]);
}

#[test]
fn what_was_not_used_for_longest_goes_first() {
    let mut story = Story::new("bound");
    story.load("a");
    let size = fs::metadata(story.entry()).expect("it is there").len();
    // Room for two and a half.
    story.bytes_max = size * 5 / 2;
    age(&story.entry(), 300);
    story.load("b");
    for entry in story.entries() {
        let seconds = if entry == of(&story, "b") { 200 } else { 300 };
        age(&entry, seconds);
    }
    story.say("a is older than b");
    story.load("a");
    story.say("a was used since");
    story.load("c");
    assert_eq!(story.entries().len(), 2);
    story.load("a").load("c").load("b").check(expect![[r#"
        load a: compiled
        load b: compiled
        a is older than b
        load a: from the cache
        a was used since
        load c: compiled
        load a: from the cache
        load c: from the cache
        load b: compiled
    "#]]);
    let bytes: u64 = story.entries().iter().map(|it| fs::metadata(it).expect("it is there").len()).sum();
    assert!(bytes <= story.bytes_max);
}

/// Makes a file look as if it was last used so many seconds ago.
fn age(path: &Path, seconds: u64) {
    let time = SystemTime::now() - Duration::from_secs(seconds);
    File::options().write(true).open(path).and_then(|it| it.set_modified(time)).expect("the time can be set");
}

/// The file of a module, which only its digest tells.
fn of(story: &Story, name: &str) -> PathBuf {
    let module = Module::new(&engine(None, Arc::new(Counting::default())), &module(name));
    let digest = module.expect("it is a module").sha256();
    let found = story.entries().into_iter().find(|it| it.to_string_lossy().contains(&digest));
    found.expect("it is kept")
}

#[test]
fn code_that_is_larger_than_the_bound_is_not_kept() {
    let mut story = Story::new("large");
    story.bytes_max = 100;
    story.load("a");
    let (before, after) = story.lines.split_once("wappa`: ").expect("the directory is named");
    let number = after.split(' ').next().unwrap_or_default();
    assert!(number.parse::<u64>().is_ok_and(|it| it > 100), "{after}");
    let lines = format!("{before}wappa`: {}", after.replacen(number, "MANY", 1));
    expect![[r#"
        load a: compiled
          Info: compiled code is not kept in `DIR/wappa`: MANY bytes are more than it may have (100 bytes)
    "#]]
    .assert_eq(&lines);
    assert_eq!(story.entries(), Vec::<PathBuf>::new());
}

#[test]
fn what_killed_writers_left_behind_goes() {
    let mut story = Story::new("temporary");
    story.load("a");
    let (old, new, other) = (".new-1-1-1", ".new-1-1-2", "notes.txt");
    for name in [old, new, other] {
        fs::write(story.cache_dir().join(name), "half").expect("it can be written");
    }
    age(&story.cache_dir().join(old), 2 * 3600);
    age(&story.cache_dir().join(other), 2 * 3600);
    story.load("b");
    let names = story.entries().into_iter().map(|it| it.file_name().expect("it has one").to_owned());
    let mut names: Vec<String> = names.map(|it| it.to_string_lossy().into_owned()).collect();
    names.retain(|it| !it.ends_with(".code"));
    assert_eq!(names, [new, other]);
}

#[test]
fn many_at_once_get_whole_code() {
    let story = Story::new("race");
    let dir = story.cache_dir();
    // Each with an engine and a cache of its own, as processes have, and one file that all of them write and read.
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..5 {
                    let cache = CodeCache::new(&dir, CACHE_BYTES_MAX);
                    cache.log_to(|level, text| panic!("{level:?}: {text}"));
                    let engine = engine(Some(cache), Arc::new(Counting::default()));
                    let module = Module::new(&engine, &module("a")).expect("it is a module");
                    if module.is_from_cache() {
                        fs::remove_file(story.entry_if_any()).ok();
                    }
                }
            });
        }
    });
    assert!(
        story.entries().iter().all(|it| !it.to_string_lossy().contains(".new-")),
        "{:?}",
        story.entries()
    );
}

impl Story {
    /// Some file of the cache, which another thread may remove.
    fn entry_if_any(&self) -> PathBuf {
        let files = fs::read_dir(self.cache_dir()).into_iter().flatten().flatten().map(|it| it.path());
        files.filter(|it| it.extension().is_some_and(|it| it == "code")).last().unwrap_or_default()
    }
}
