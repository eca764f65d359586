//! Start functions: which one runs, how it may end, and what it may not do.

use expect_test::expect;

use crate::harness::{check, check_with, guest};

/// A guest whose content becomes the byte at 500.
fn marking(body: &str) -> String {
    guest(&format!(
        r#"(data (i32.const 500) "-")
        (func (export "process") (call $set_bytes (i32.const 500) (i32.const 1))) {body}"#
    ))
}

#[test]
fn v7_start_wins_over_initialize() {
    let start = r#"(func (export "_start") (i32.store8 (i32.const 500) (i32.const 83)))"#;
    let initialize = r#"(func (export "_initialize") (i32.store8 (i32.const 500) (i32.const 73)))"#;
    check(
        &marking(&format!("{start}{initialize}")),
        &["a"],
        expect![[r#"
            "S"
        "#]],
    );
    check(
        &marking(initialize),
        &["a"],
        expect![[r#"
            "I"
        "#]],
    );
    check(
        &marking(""),
        &["a"],
        expect![[r#"
            "-"
        "#]],
    );
}

#[test]
fn v8_host_functions_in_a_start_section_do_nothing() {
    let wat = marking(
        r#"(func $start (call $set_bytes (i32.const 500) (i32.const 1))
            (if (i64.ne (call $as_bytes) (i64.const 0)) (then unreachable))
            (call $set_meta (i32.const 500) (i32.const 1) (i32.const 500) (i32.const 1))
            (drop (call $get_meta (i32.const 500) (i32.const 1))))
        (start $start)"#,
    );
    check(
        &wat,
        &["a"],
        expect![[r#"
            "-"
            log Error: the guest called `v0_msg_set_bytes` outside of a message: ignored
            log Error: the guest called `v0_msg_as_bytes` outside of a message: ignored
            log Error: the guest called `v0_msg_set_meta` outside of a message: ignored
            log Error: the guest called `v0_msg_get_meta` outside of a message: ignored
        "#]],
    );
}

#[test]
fn v20_v21_start_functions_that_exit_or_trap() {
    let start = |body: &str| marking(&format!(r#"(func (export "_start") {body})"#));
    check(
        &start("(i32.store8 (i32.const 500) (i32.const 83)) (call $proc_exit (i32.const 0))"),
        &["a", "b"],
        expect![[r#"
            "S"
            "S"
        "#]],
    );
    check(
        &start("(call $proc_exit (i32.const 3))"),
        &["a"],
        expect![[r#"
        instance: running `_start`: exit: the guest exited with code 3
    "#]],
    );
    check(
        &start("unreachable"),
        &["a"],
        expect![[r#"
        instance: running `_start`: trap: unreachable
    "#]],
    );
    check(
        &marking("(func $f unreachable) (start $f)"),
        &["a"],
        expect![[r#"
        instance: instantiating: trap: unreachable
    "#]],
    );
    check(
        &marking("(func $f (call $proc_exit (i32.const 0))) (start $f)"),
        &["a"],
        expect![[r#"
        instance: instantiating: exit: the guest exited with code 0
    "#]],
    );
}

#[test]
fn start_functions_that_do_not_end() {
    for body in [
        r#"(func (export "_start") (loop (br 0)))"#,
        "(func $f (loop (br 0))) (start $f)",
        r#"(func (export "_initialize") (i64.store (i32.const 24) (i64.const 3600000000000))
            (drop (call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 100))))"#,
    ] {
        let wat = marking(body);
        let text = crate::harness::start_within(&wat, std::time::Duration::from_millis(50));
        assert!(text.starts_with("instance: ") && text.contains("timeout: over the limit"), "{text}");
    }
}

#[test]
fn memory_is_bounded_from_the_start() {
    let wat = marking(
        r#"(func (export "_start")
            (if (i32.ne (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable)))"#,
    );
    check_with(
        &wat,
        vec![wappa_message::Message::new("a")],
        |it| it.limits.memory = 64 << 10,
        expect![[r#"
            "-"
        "#]],
    );
    check_with(
        &wat,
        vec![wappa_message::Message::new("a")],
        |it| it.limits.memory = 1000,
        expect![[r#"
        the module starts with 64KiB of memory, more than `memory_limit` allows (1000B)
    "#]],
    );
    let table = marking("(table 100000 funcref)");
    check_with(
        &table,
        vec![wappa_message::Message::new("a")],
        |it| it.limits.memory = 100 << 10,
        expect![[r#"
            instance: instantiating: it needs more memory to start with than 100KiB (`memory_limit`)
        "#]],
    );
}
