//! Directories that cannot be used, and those that can only be read.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use expect_test::expect;

use crate::story::{Story, is_root, mode, set_mode};

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
