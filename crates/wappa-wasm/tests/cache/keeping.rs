//! What is kept, what is found again, and what goes when there is too much.

use std::{
    fs,
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    thread,
};

use expect_test::expect;
use wappa_wasm::{CACHE_BYTES_MAX, CodeCache, Compile, Module};

use crate::story::{Counting, Story, age, engine, mode, module};

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
          Info: compiled code is not kept in `DIR/wappa`: MANY bytes are more than it may have (100B)
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
