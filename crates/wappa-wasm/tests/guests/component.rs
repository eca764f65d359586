//! Components: every method of a batch, every disposition, and what is true when a call of many fails.
//!
//! The guest of these tests does what the content of a message says, one letter after the other.

use std::time::Duration;

use expect_test::{Expect, expect};
use wappa_message::{Mark, Message, Value};
use wappa_wasm::GuestConfig;

use crate::{
    harness::{check_binary, check_run_binary, check_start_binary, config, run_binary},
    parts::Parts,
    world::{LETTERS, WIT, with_types},
};

fn letters() -> Vec<u8> {
    with_types(LETTERS, WIT)
}

fn check_with(batches: &[&[Message]], change: impl FnOnce(&mut GuestConfig), expect: Expect) {
    check_run_binary(&letters(), batches, change, expect);
}

fn singles(scripts: &[&str]) -> Vec<Message> {
    scripts.iter().map(|it| Message::new(it.to_string())).collect()
}

/// As [`check_with`], where it is told how many a call gets, which is less on a machine that is busy just then: so it is
/// tried some times.
fn check_at_pace(batches: &[&[Message]], change: impl Fn(&mut GuestConfig), expect: Expect) {
    let expected: Vec<&str> = expect.data().trim().lines().map(str::trim).collect();
    let run = || run_binary(&letters(), batches, &change);
    let is_expected = |told: &String| told.lines().map(str::trim).eq(expected.iter().copied());
    let told = (0..50).map(|_| run()).find(is_expected);
    expect.assert_eq(&told.unwrap_or_else(run));
}

/// What becomes of each. How many a call gets, and so where an instance ends, depends on how fast the machine is.
fn check_outcomes(scripts: &[&str], expect: Expect) {
    let messages: Vec<Message> = scripts.iter().map(|it| Message::new(it.to_string())).collect();
    let batches: Vec<&[Message]> = messages.chunks(1).collect();
    let told = run_binary(&letters(), &batches, |_| {});
    let is_outcome =
        |it: &&str| !it.starts_with("(a new instance after ") && !it.starts_with("log Debug: a call");
    expect.assert_eq(&told.lines().filter(is_outcome).flat_map(|it| [it, "\n"]).collect::<String>());
}

#[test]
fn every_disposition() {
    check_outcomes(
        &[
            "", "k", "x", "w", "s", "z", "f", "mx", "mw", "ms", "mf", "mjf", "m", "j", "md", "mg", "jg", "g",
            "a", "-", "J", "i",
        ],
        expect![[r#"
            ""
            "k"
            nothing
            "[w]"
            "one" + "two" key=value
            nothing
            "f" failed: fail: reason
            nothing
            "[w]" key=value
            "one" + "two" key=value
            "mf" failed: fail: reason
            "mjf" failed: fail: reason
            "m" key=value
            "j" key={"a":[1,2.5]}
            "md"
            "value" key=value
            "{\"a\":[1,2.5]}" key={"a":[1,2.5]}
            "g"
            "a"
            "-" failed: host call: `counter-add`: the name of a counter has ASCII letters, digits and underscores, 1 to 64 of them
            "J" failed: host call: a metadata value is not JSON: invalid character 'o' in literal null (expecting 'u')
            "i" failed: host call: there is no message 99 in a batch of 1
        "#]],
    );
}

#[test]
fn one_message_at_a_time() {
    let told = check_binary(&letters(), &["k", "w", "s", "x", "f", "t", "mw"], |_| {});
    expect![[r#"
        "k"
        "[w]"
        sent: "one" + "two" key=value
        ""
        sent: 
        ""
        "f" [fail: reason]
        "t" [trap: unreachable] (spent)
        "[w]" key=value
    "#]]
    .assert_eq(&told);
}

#[test]
fn positions_are_those_of_the_stream() {
    let one = |it: &str| Message::new(it.to_string());
    let (a, b, c) = ([one("p"), one("p"), one("x")], [one("p")], [one("p"), one("p")]);
    check_with(
        &[&a, &[], &b, &c],
        |_| {},
        expect![[r#"
        "0/3"
        "1/3"
        nothing
        "0/1"
        "0/2"
        "1/2"
    "#]],
    );
}

#[test]
fn marks_and_metadata_of_messages_that_come_in() {
    let mut failed = Message::new("r");
    failed.set_error(Mark::new("earlier"));
    let mut cleared = failed.clone();
    cleared.set_content("rc".into());
    let mut back = failed.clone();
    back.set_content("cf".into());
    let mut typed = Message::new("g");
    typed.metadata_mut().set("key", Value::Int(7));
    let mut odd = Message::new("g");
    odd.metadata_mut().set("key", Value::text(b"\xff"));
    let mut empty = Message::new("g");
    empty.metadata_mut().set("key", Value::text(""));
    let mut multiplied = failed.clone();
    multiplied.set_content("s".into());
    let mut mended = failed.clone();
    mended.set_content("cs".into());
    check_with(
        &[&[failed, cleared, back, typed, odd, empty, multiplied, mended]],
        |_| {},
        expect![[r#"
            "earlier" [earlier]
            "earlier"
            "cf" [earlier] failed: fail: reason
            "7" key=7
            "�" key=�
            "" key=
            "one" [earlier] + "two" key=value [earlier]
            "one" + "two" key=value
        "#]],
    );
}

/// Of a hundred messages one traps, and the ninety-nine arrive once.
#[test]
fn a_trap_costs_one_message_of_a_hundred() {
    let mut scripts = vec!["wl+"; 100];
    scripts[77] = "l+t";
    let messages: Vec<Message> = scripts.iter().map(|it| Message::new(it.to_string())).collect();
    let told = crate::harness::run_binary(&letters(), &[&messages], |config| {
        config.limits.log_lines_per_second = 1000;
    });
    let count = |line: &str| told.lines().filter(|it| *it == line).count();
    assert_eq!(count("\"[w]\""), 99, "{told}");
    assert_eq!(count("\"l+t\" failed: trap: unreachable"), 1, "{told}");
    // Logs and counts of the call that was repeated are there once.
    assert_eq!(count("log Info: value"), 100, "{told}");
    let counted: usize =
        told.lines().filter_map(|it| it.strip_prefix("count key +")?.parse::<usize>().ok()).sum();
    assert_eq!(counted, 100, "{told}");
}

#[test]
fn a_call_that_failed_is_repeated_one_by_one() {
    // The pace grows 1, 2, 4: the third call has four messages.
    check_at_pace(
        &singles(&["k", "k", "k", "wl", "wl+", "t", "wl", "ml"]).chunks(1).collect::<Vec<_>>(),
        |_| {},
        expect![[r#"
        (a new instance after 3)
        (a new instance after 6)
        "k"
        "k"
        "k"
        "[w]"
        "[w]"
        "t" failed: trap: unreachable
        "[w]"
        "ml" key=value
        log Debug: a call with 4 messages failed and is repeated one by one: trap: unreachable
        log Info: value
        log Info: value
        count key +1
        log Info: value
        log Info: value
    "#]],
    );
    check_at_pace(
        &singles(&["k", "k", "k", "w", "n", "w", "w"]).chunks(1).collect::<Vec<_>>(),
        |_| {},
        expect![[r#"
        (a new instance after 3)
        (a new instance after 5)
        "k"
        "k"
        "k"
        "[w]"
        "n" failed: trap: `process` returned 0 dispositions for 1 messages
        "[w]"
        "[w]"
        log Debug: a call with 4 messages failed and is repeated one by one: trap: `process` returned 3 dispositions for 4 messages
    "#]],
    );
    let messages = ["k", "k", "k", "w", "w", "o", "w"].map(|it| Message::new(it.to_string()));
    check_at_pace(
        &[&messages],
        |config| config.limits.timeout = Duration::from_millis(50),
        expect![[r#"
            (a new instance after 3)
            (a new instance after 6)
            "k"
            "k"
            "k"
            "[w]"
            "[w]"
            "o" failed: timeout: over the limit of 50ms (`timeout`)
            "[w]"
            log Debug: a call with 4 messages failed and is repeated one by one: timeout: over the limit of 50ms (`timeout`)
        "#]],
    );
}

#[test]
fn a_batch_is_of_no_use_after_its_call() {
    check_at_pace(
        &singles(&["qw", "w", "u", "w"]).chunks(1).collect::<Vec<_>>(),
        |_| {},
        expect![[r#"
        (a new instance after 1)
        (a new instance after 3)
        "[w]"
        "[w]"
        "u" failed: trap: unknown handle index 4294967295
        "[w]"
        log Debug: a call with 2 messages failed and is repeated one by one: host call: a batch is used after the call that it was for
    "#]],
    );
}

#[test]
fn limits_on_output() {
    check_at_pace(
        &[&["k", "b", "w"].map(|it| Message::new(it.to_string()))],
        |config| config.limits.output = 50_000,
        expect![[r#"
            (a new instance after 3)
            "k"
            "b" failed: output: the message would be 60000 bytes, over the limit of 50000B (`output_limit`)
            "[w]"
        "#]],
    );
    // Two messages and their keys are more than this.
    check_at_pace(
        &[&["s", "k"].map(|it| Message::new(it.to_string()))],
        |config| config.limits.output = 200,
        expect![[r#"
            (a new instance after 1)
            "s" failed: output: the message would be 256 bytes, over the limit of 200B (`output_limit`)
            "k"
        "#]],
    );
}

/// The world of the first release, in which `change-metadata` and the like are missing.
const WIT_0_1: &str = include_str!("../../../../guest/c/component/wit/deps/processor/processor.wit");

#[test]
fn a_guest_of_the_first_version_runs() {
    let old = with_types(&LETTERS.replace("@1.0.0", "@0.1.0"), WIT_0_1);
    let told =
        |guest: &[u8]| check_binary(guest, &["", "m", "mg", "j", "md", "w", "s", "x", "f", "a"], |_| {});
    expect![[r#"
        ""
        "m" key=value
        "value" key=value
        "j" key={"a":[1,2.5]}
        "md"
        "[w]"
        sent: "one" + "two" key=value
        ""
        sent: 
        ""
        "f" [fail: reason]
        "a"
    "#]]
    .assert_eq(&told(&old));
    assert_eq!(told(&old), told(&letters()));
}

/// The changes, the keys and the texts of them, where `DATA` puts them.
const DATA: &str = r#"
    (data (i32.const 2200) "klmnew2no JSON")
    (data (i32.const 2304) "\98\08\00\00\01\00\00\00\9a\08\00\00\01\00\00\00\99\08\00\00\01\00\00\00")
    (data (i32.const 2400)
      "\00\00\00\00\98\08\00\00\01\00\00\00\01\00\00\00\00\00\00\00\9b\08\00\00\03\00\00\00"
      "\00\00\00\00\99\08\00\00\01\00\00\00\01\00\00\00\02\00\00\00\9e\08\00\00\01\00\00\00"
      "\00\00\00\00\9a\08\00\00\01\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00"
      "\00\00\00\00\99\08\00\00\01\00\00\00\01\00\00\00\02\00\00\00\9f\08\00\00\07\00\00\00"
      "\63\00\00\00\99\08\00\00\01\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00")"#;

#[test]
fn many_metadata_at_once() {
    // Sets `k` and `l`, removes `m`, and says how many keys there are, and which of `k`, `m`, `l` have a value.
    let bad = r#"
        (call $change (local.get $b) (i32.const 2400) (i32.const 3))
        (call $keys (local.get $b) (local.get $i) (i32.const 2064))
        (call $values (local.get $b) (local.get $i) (i32.const 1) (i32.const 2304) (i32.const 3) (i32.const 2072))
        (i32.store8 (i32.const 2100) (i32.add (i32.const 48) (i32.load (i32.const 2068))))
        (i32.store8 (i32.const 2101) (i32.add (i32.const 48) (i32.load (i32.const 2076))))
        (i32.store8 (i32.const 2102) (i32.add (i32.const 48) (i32.load8_u (i32.load (i32.const 2072)))))
        (i32.store8 (i32.const 2103) (i32.add (i32.const 48) (i32.load8_u offset=16 (i32.load (i32.const 2072)))))
        (i32.store8 (i32.const 2104) (i32.add (i32.const 48) (i32.load8_u offset=36 (i32.load (i32.const 2072)))))
        (call $say (i32.const 2100) (i32.const 5))"#;
    let component = Parts { bad, more: DATA, ..Parts::default() }.component();
    let mut message = Message::new("bad");
    message.metadata_mut().set("m", Value::text("gone"));
    message.metadata_mut().set("z", Value::text("stays"));
    let told = run_binary(&component, &[&[message.clone()]], |_| {});
    expect![[r#"
        "33102" k=new l=2 z=stays
    "#]]
    .assert_eq(&told);

    // What cannot be done fails the call, and nothing of it stands.
    let refused = |bad: &str| {
        let component = Parts { bad, more: DATA, ..Parts::default() }.component();
        let told = run_binary(&component, &[&[message.clone()]], |config| config.limits.memory = 1 << 20);
        told.lines().filter(|it| !it.starts_with('(')).flat_map(|it| [it, "\n"]).collect::<String>()
    };
    let told = [
        "(call $change (local.get $b) (i32.const 2400) (i32.const 4))",
        "(call $change (local.get $b) (i32.const 2400) (i32.const 5))",
        "(call $change (local.get $b) (i32.const 2512) (i32.const 1))",
        "(call $change (local.get $b) (i32.const 2402) (i32.const 1))",
        "(call $change (local.get $b) (i32.const 2400) (i32.const -1))",
        "(call $values (local.get $b) (i32.const 1) (i32.const 1) (i32.const 2304) (i32.const 3) (i32.const 2072))",
        "(call $values (local.get $b) (i32.const -1) (i32.const -1) (i32.const 2304) (i32.const 3) (i32.const 2072))",
        "(drop (memory.grow (i32.const 8)))
         (memory.fill (i32.const 131072) (i32.const 0) (i32.const 524288))
         (call $values (local.get $b) (i32.const 0) (i32.const 1) (i32.const 131072) (i32.const 65000) (i32.const 2072))",
        "(call $keys (local.get $b) (i32.const 1) (i32.const 2072))",
    ]
    .map(refused);
    expect![[r#"
        "bad" m=gone z=stays failed: host call: a metadata value is not JSON: invalid character 'o' in literal null (expecting 'u')
        "bad" m=gone z=stays failed: host call: a metadata value is not JSON: invalid character 'o' in literal null (expecting 'u')
        "bad" m=gone z=stays failed: host call: there is no message 99 in a batch of 1
        "bad" m=gone z=stays failed: trap: list pointer is not aligned
        "bad" m=gone z=stays failed: trap: list pointer/length out of bounds of memory
        "bad" m=gone z=stays failed: host call: there are no messages 1 to 2 in a batch of 1
        "bad" m=gone z=stays failed: host call: there are no messages 4294967295 to 8589934590 in a batch of 1
        "bad" m=gone z=stays failed: host call: all of it is 2080000 bytes, more than the guest's memory may have
        "bad" m=gone z=stays failed: host call: there is no message 1 in a batch of 1
    "#]]
    .assert_eq(&told.concat());
}

/// A key, indexes, texts and their ends.
const TEXTS: &str = r#"
    (data (i32.const 2200) "k")
    (data (i32.const 2300) "\00\00\00\00\00\00\00\00\01\00\00\00")
    (data (i32.const 2400) "ab\ff")
    (data (i32.const 2500) "\01\00\00\00\02\00\00\00\03\00\00\00\04\00\00\00\02\00\00\00\00\00\00\00\00\00\00\00")"#;

#[test]
fn texts_of_one_key_at_once() {
    let call = |indexes: usize, n_indexes: usize, texts: usize, ends: usize, n_ends: usize| {
        let bad = format!(
            "(call $texts (local.get $b) (i32.const 2200) (i32.const 1) (i32.const {indexes}) (i32.const {n_indexes})
               (i32.const 2400) (i32.const {texts}) (i32.const {ends}) (i32.const {n_ends}))"
        );
        let component = Parts { bad: &bad, more: TEXTS, ..Parts::default() }.component();
        let mut message = Message::new("bad");
        message.metadata_mut().set("k", Value::Int(1));
        let told = run_binary(&component, &[&[message]], |_| {});
        told.lines().filter(|it| !it.starts_with('(')).flat_map(|it| [it, "\n"]).collect::<String>()
    };
    let told = [
        call(2300, 0, 0, 2500, 0),
        call(2300, 1, 1, 2500, 1),
        call(2300, 1, 3, 2508, 1),
        // The later one of two stays, and it may be empty.
        call(2300, 2, 3, 2500, 2),
        call(2300, 2, 3, 2520, 2),
        // What cannot be done fails the call, and nothing of it stands.
        call(2304, 2, 3, 2500, 2),
        call(2300, 2, 3, 2516, 2),
        call(2300, 1, 3, 2512, 1),
        call(2300, 2, 3, 2500, 1),
        call(2300, 1, 3, 2500, 2),
        call(2300, 1, 0, 2500, 1),
        call(2300, 1 << 30, 3, 2500, 1 << 30),
    ];
    expect![[r#"
        "bad" k=1
        "bad" k=a
        "bad" k=ab�
        "bad" k=b
        "bad" k=
        "bad" k=1 failed: host call: there is no message 1 in a batch of 1
        "bad" k=1 failed: host call: there is no text from 2 to 0 in 3 bytes of them
        "bad" k=1 failed: host call: there is no text from 0 to 4 in 3 bytes of them
        "bad" k=1 failed: host call: there are 1 texts for 2 messages
        "bad" k=1 failed: host call: there are 2 texts for 1 messages
        "bad" k=1 failed: host call: there is no text from 0 to 1 in 0 bytes of them
        "bad" k=1 failed: trap: list pointer/length out of bounds of memory
    "#]]
    .assert_eq(&told.concat());
}

#[test]
fn configure_may_refuse() {
    let start = |pairs: &[(&str, &str)]| {
        let mut config = config();
        config.config = pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        check_start_binary(&letters(), config)
    };
    let told = [start(&[("a", "this is wrong")]), start(&[("a", "1"), ("b", "2")])].join("\n");
    expect![[r#"
        instance: `configure` failed: this is wrong
        instance: running `configure`: trap: unreachable"#]]
    .assert_eq(&told);
}

#[test]
fn components_that_do_not_fit() {
    let other = with_types(
        r#"(module (memory (export "memory") 1) (func (export "run")))"#,
        "package a:b@1.0.0; world processor { export run: func(); }",
    );
    let newer = WIT.replace("wappa:processor@1.0.0", "wappa:processor@1.1.0");
    let newer = with_types(&LETTERS.replace("@1.0.0", "@1.1.0"), &newer);
    let broken = with_types(r#"(module (memory (export "memory") 1))"#, WIT);
    let told = [other, newer, broken]
        .map(|it| check_binary(&it, &["k"], |_| {}))
        .into_iter()
        .chain([check_binary(&letters(), &["k"], |config| config.function = "other".into())])
        .collect::<String>();
    expect![[r#"
        the component exports no `wappa:processor/transform@1.0.0`, so it is no processor
        the component exports no `wappa:processor/transform@1.0.0`, so it is no processor
        making a component of the module, which carries the types of one: failed to decode world from module: module was not valid: failed to find export of interface `wappa:processor/transform@1.0.0` function `configure`
        the export `other` is not there: a component is called by its `process`, expected a function without parameters (`function`)
    "#]].assert_eq(&told);
}
