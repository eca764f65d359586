//! Debug sections and names that cost whoever reads them dearly: a trap does not, and the message after it is fine.

use expect_test::expect;
use wappa_message::Message;
use wappa_wasm::{Guest, Module, spawn_thread};

use crate::{
    debug::{
        COMPILE_UNIT, INLINED_SUBROUTINE, RANGE, SUBPROGRAM, abbreviation, doubling_name, entry_with_range,
        with_debug_sections, without_bytes,
    },
    harness::{check_binary, config, engine, soon},
};

/// Traps on a content of three bytes.
const TRAPS_ON_THREE: &str = r#"(module
  (import "wappa" "v1_content_len" (func $len (result i32)))
  (func (export "process") (if (i32.eq (call $len) (i32.const 3)) (then unreachable))))"#;

fn trapping() -> Vec<u8> {
    wat::parse_str(TRAPS_ON_THREE).expect("the text is right")
}

/// Whoever reads them level by level on the stack has none left.
fn nested_inlines(depth: usize) -> Vec<u8> {
    let abbreviations = [
        abbreviation(1, COMPILE_UNIT, true, &RANGE),
        abbreviation(2, SUBPROGRAM, true, &RANGE),
        abbreviation(3, INLINED_SUBROUTINE, true, &[]),
    ];
    let mut entries = [entry_with_range(1), entry_with_range(2)].concat();
    entries.extend(vec![3; depth]);
    entries.extend(vec![0; depth + 2]);
    with_debug_sections(trapping(), 4, &abbreviations, &entries)
}

/// Reading takes as long as both numbers multiplied, and the module has as many bytes as both added.
fn attributes_without_bytes(n_attributes: usize, n_entries: usize) -> Vec<u8> {
    let abbreviations = [
        abbreviation(1, COMPILE_UNIT, true, &RANGE),
        abbreviation(2, SUBPROGRAM, false, &without_bytes(n_attributes)),
    ];
    let mut entries = entry_with_range(1);
    entries.extend(vec![2; n_entries]);
    entries.push(0);
    with_debug_sections(trapping(), 5, &abbreviations, &entries)
}

#[test]
fn debug_sections_are_not_read_at_a_trap() {
    for module in [nested_inlines(100_000), attributes_without_bytes(20_000, 100_000)] {
        let told = check_binary(&module, &["bad", "good"], |config| {
            config.limits.timeout = std::time::Duration::from_secs(5);
        });
        expect![[r#"
            "bad" [trap: unreachable] (spent)
            "good"
        "#]]
        .assert_eq(&told);
    }
}

/// The name stands for a text of 22 to the sixth parts.
#[test]
fn a_name_is_not_made_to_be_cut() {
    let name = doubling_name(6, 22);
    let wat = format!(r#"(module (func ${name} (export "process") unreachable))"#);
    let run = move || {
        let module = Module::new(engine(), wat.as_bytes()).expect("a module");
        let guest = Guest::new(engine(), &module, config()).expect("a guest");
        let mut instance = guest.instantiate(soon()).expect("an instance");
        let ctx = engine().enter().expect("a large stack");
        let err = instance.call(&mut Message::new("bad"), &ctx).expect_err("it traps");
        err.backtrace().expect("there is a frame")
    };
    let told = spawn_thread("guest", run).expect("a thread").join().expect("no panic");
    assert!(told.starts_with("0: 0x") && told.ends_with('…') && told.len() < 400, "{told}");
}
