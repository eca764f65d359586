//! Files of the cache that are not as they were written, or that others could have written.

use std::{
    fs,
    os::unix::fs::{chown, symlink},
    process::Command,
};

use expect_test::expect;

use crate::story::{Story, is_root, set_mode};

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
