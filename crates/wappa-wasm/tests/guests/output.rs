//! What guests write to their standard streams.

use expect_test::expect;
use wappa_message::Message;

use crate::harness::{check, check_with, guest};

#[test]
fn lines_go_to_the_log() {
    let wat = guest(
        r#"(data (i32.const 100) "one\ntwo\r\nthr")
        (data (i32.const 200) "ee\n\n\1b[31mred\00\n\ff")
        (func (export "process")
          (call $print (i32.const 1) (i32.const 100) (i32.const 12))
          (call $print (i32.const 2) (i32.const 200) (i32.const 3))
          (call $print (i32.const 1) (i32.const 200) (i32.const 15)))"#,
    );
    check(
        &wat,
        &["a"],
        expect![[r#"
            "a"
            log Info: one
            log Info: two
            log Warn: ee
            log Info: three
            log Info: �[31mred�
            log Info: �
        "#]],
    );
}

#[test]
fn the_last_line_on_stderr_explains_a_trap() {
    let wat = guest(
        r#"(data (i32.const 100) "panic: boom\n\ngoroutine 1")
        (func (export "process")
          (if (i32.eq (i32.load8_u (call $ptr (call $as_bytes))) (i32.const 112))
            (then (call $print (i32.const 2) (i32.const 100) (i32.const 12)) unreachable))
          (if (i32.eq (i32.load8_u (call $ptr (call $as_bytes))) (i32.const 103))
            (then (call $print (i32.const 2) (i32.const 100) (i32.const 24)) unreachable))
          (if (i32.eq (i32.load8_u (call $ptr (call $as_bytes))) (i32.const 119))
            (then (call $print (i32.const 2) (i32.const 100) (i32.const 12))))
          (if (i32.eq (i32.load8_u (call $ptr (call $as_bytes))) (i32.const 116)) (then unreachable)))"#,
    );
    check(
        &wat,
        &["panics", "goes on", "writes", "traps"],
        expect![[r#"
            "panics" [trap: unreachable: panic: boom] (spent)
            "goes on" [trap: unreachable: panic: boom] (spent)
            "writes"
            "traps" [trap: unreachable] (spent)
            log Warn: panic: boom
            log Warn: panic: boom
            log Warn: goroutine 1
            log Warn: panic: boom
        "#]],
    );
}

#[test]
fn floods_are_bounded() {
    let wat = guest(
        r#"(data (i32.const 100) "x\n")
        (func (export "process") (local $n i32)
          (loop
            (call $print (i32.const 1) (i32.const 100) (i32.const 2))
            (br_if 0 (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 5)))))"#,
    );
    let messages = || vec![Message::new("a"), Message::new("b")];
    check_with(
        &wat,
        messages(),
        |it| it.limits.log_lines_per_second = 3,
        expect![[r#"
            "a"
            "b"
            log Info: x
            log Info: x
            log Info: x
            log Warn: 7 lines of the guest dropped: over the rate of its log
        "#]],
    );
    check_with(
        &wat,
        messages(),
        |it| it.limits.log_lines_per_second = 0,
        expect![[r#"
            "a"
            "b"
            log Warn: 10 lines of the guest dropped: over the rate of its log
        "#]],
    );
    // No newline: lines of the bound, and the rest when the instance ends.
    let wat = guest(
        r#"(func (export "process")
          (memory.fill (i32.const 100) (i32.const 120) (i32.const 10000))
          (call $print (i32.const 1) (i32.const 100) (i32.const 10000)))"#,
    );
    check(
        &wat,
        &["a"],
        expect![[r#"
            "a"
            log Info: xxxxxxxxxxxxxxxxxxxx… (4096)
            log Info: xxxxxxxxxxxxxxxxxxxx… (4096)
            log Info: xxxxxxxxxxxxxxxxxxxx… (1808)
        "#]],
    );
}
