//! Modules whose objects the engine collects, and exceptions: what languages of virtual machines compile to. The limits
//! are those of all guests.

use std::time::Duration;

use expect_test::expect;
use wappa_message::Message;

use crate::harness::{check, check_with, guest, told};

/// Objects, and a list of them.
const TYPES: &str = r#"
  (type $node (struct (field $next (ref null $node)) (field $number i64)))
  (type $bytes (array (mut i8)))
  (tag $thrown (param i32))
  (global $kept (mut (ref null $node)) (ref.null $node))
  (func $letter (result i32)
    (local $it i64)
    (local.set $it (call $as_bytes))
    (i32.load8_u (call $ptr (local.get $it))))
"#;

#[test]
fn objects_are_collected() {
    // Each message makes sixteen megabytes of lists of a hundred, one after the other, and sums up the last one.
    let wat = guest(&format!(
        r#"{TYPES}
        (func $list (result (ref null $node)) (local $list (ref null $node)) (local $i i64)
          (loop $next
            (local.set $list (struct.new $node (local.get $list) (local.get $i)))
            (local.set $i (i64.add (local.get $i) (i64.const 1)))
            (br_if $next (i64.lt_u (local.get $i) (i64.const 100))))
          (local.get $list))
        (func (export "process") (local $n i32) (local $it (ref null $node)) (local $sum i64)
          (drop (call $letter))
          (loop $again
            (local.set $it (call $list))
            (local.set $n (i32.add (local.get $n) (i32.const 1)))
            (br_if $again (i32.lt_u (local.get $n) (i32.const 5000))))
          (loop $next
            (local.set $sum (i64.add (local.get $sum) (struct.get $node $number (local.get $it))))
            (local.set $it (struct.get $node $next (local.get $it)))
            (br_if $next (i32.eqz (ref.is_null (local.get $it)))))
          ;; 4950
          (i32.store8 (i32.const 100) (i32.add (i32.const 48) (i32.wrap_i64 (i64.div_u (local.get $sum) (i64.const 1000)))))
          (call $set_bytes (i32.const 100) (i32.const 1)))"#
    ));
    check_with(
        &wat,
        ["a", "b", "c"].map(Message::new).into(),
        |config| config.limits.memory = 4 << 20,
        expect![[r#"
            "4"
            "4"
            "4"
        "#]],
    );
}

/// What it does when the message is `b`, in a guest that keeps all other messages.
fn bad(body: &str) -> String {
    guest(&format!(
        r#"{TYPES}
        (func (export "process") (local $list (ref null $node)) (local $bytes (ref null $bytes))
          (if (i32.eq (call $letter) (i32.const 98)) (then {body})))"#
    ))
}

#[test]
fn what_they_keep_counts_as_memory() {
    let bodies = [
        "(loop $next (global.set $kept (struct.new $node (global.get $kept) (i64.const 1))) (br $next))",
        "(local.set $bytes (array.new_default $bytes (i32.const 500000000)))",
    ];
    let mut all = String::new();
    for body in bodies {
        all += &told(&bad(body), ["ok", "b", "ok"].map(Message::new).into(), |config| {
            config.limits.memory = 8 << 20;
        });
    }
    expect![[r#"
        "ok"
        "b" [memory: GC heap out of memory: no capacity for allocation of 64 bytes after the guest was refused more memory (`memory_limit`)] (spent)
        "ok"
        "ok"
        "b" [memory: GC heap out of memory: no capacity for allocation of 1000000040 bytes after the guest was refused more memory (`memory_limit`)] (spent)
        "ok"
    "#]]
    .assert_eq(&all);
}

#[test]
fn loops_that_make_garbage_end_at_the_deadline() {
    let endless =
        "(loop $next (local.set $list (struct.new $node (ref.null $node) (i64.const 1))) (br $next))";
    check_with(
        &bad(endless),
        ["ok", "b", "ok"].map(Message::new).into(),
        |config| config.limits.timeout = Duration::from_millis(200),
        expect![[r#"
            "ok"
            "b" [timeout: over the limit of 200ms (`timeout`)] (spent)
            "ok"
        "#]],
    );
}

#[test]
fn exceptions() {
    // One that is caught is nobody's business.
    let caught = "(block $handler (result i32) (try_table (catch $thrown $handler) (throw $thrown (i32.const 7))) \
                  (i32.const 0)) (if (i32.ne (i32.const 7)) (then unreachable))";
    check(
        &bad(caught),
        &["ok", "b", "ok"],
        expect![[r#"
            "ok"
            "b"
            "ok"
        "#]],
    );
    check(
        &bad("(throw $thrown (i32.const 7))"),
        &["ok", "b", "ok"],
        expect![[r#"
            "ok"
            "b" [trap: an exception that the guest did not catch] (spent)
            "ok"
        "#]],
    );
    check(
        &bad("(throw_ref (ref.null exn))"),
        &["b"],
        expect![[r#"
            "b" [trap: null reference] (spent)
        "#]],
    );
}

/// What the allocator throws reaches no frame of the guest that called the host.
#[test]
fn exceptions_of_an_allocator() {
    let wat = crate::harness::bare(
        r#"(memory (export "memory") 1)
        (tag $thrown)
        (func (export "malloc") (param i32) (result i32) (throw $thrown))
        (func (export "process")
          (block $handler (try_table (catch_all $handler) (drop (call $as_bytes)) (return)))
          unreachable)"#,
    );
    check(
        &wat,
        &["a", "b"],
        expect![[r#"
            "a" [host call: failed to allocate in-bound memory: an exception that the guest did not catch] (spent)
            "b" [host call: failed to allocate in-bound memory: an exception that the guest did not catch] (spent)
        "#]],
    );
}

/// References to objects of the host are references to nothing: there are none.
#[test]
fn references_to_nothing() {
    check(
        &guest(
            r#"(table $objects 10 externref)
            (func (export "process")
              (if (i32.eqz (ref.is_null (table.get $objects (i32.const 3)))) (then unreachable)))"#,
        ),
        &["a"],
        expect![[r#"
            "a"
        "#]],
    );
    check(
        &guest(
            r#"(table $objects 10 externref)
            (func (export "process") (drop (ref.as_non_null (table.get $objects (i32.const 3)))))"#,
        ),
        &["a"],
        expect![[r#"
            "a" [trap: null reference] (spent)
        "#]],
    );
}
