//! Debug sections and names that cost whoever reads them dearly: a trap does not, and the message after it is fine.

use expect_test::expect;
use wappa_message::Message;
use wappa_wasm::{Guest, Module, spawn_thread};
use wasm_encoder::Encode;

use crate::harness::{check_binary, config, engine, soon};

/// Traps on a content of three bytes.
const TRAPS_ON_THREE: &str = r#"(module
  (import "wappa" "v1_content_len" (func $len (result i32)))
  (func (export "process") (if (i32.eq (call $len) (i32.const 3)) (then unreachable))))"#;

const COMPILE_UNIT: u32 = 0x11;
const SUBPROGRAM: u32 = 0x2e;
const INLINED_SUBROUTINE: u32 = 0x1d;

/// `DW_AT_low_pc` as an address, and `DW_AT_high_pc` as a length: the entry covers every address.
const RANGE: [(u32, u32); 2] = [(0x11, 0x01), (0x12, 0x06)];

/// One entry of the table of abbreviations: its code, a tag, whether there are children, attributes and their forms.
fn abbreviation(code: u32, tag: u32, has_children: bool, attributes: &[(u32, u32)]) -> Vec<u8> {
    let mut out = Vec::new();
    code.encode(&mut out);
    tag.encode(&mut out);
    out.push(u8::from(has_children));
    for (attribute, form) in attributes {
        attribute.encode(&mut out);
        form.encode(&mut out);
        // `DW_FORM_implicit_const`: the value is here, and takes no byte of an entry.
        if *form == 0x21 {
            out.push(0);
        }
    }
    out.extend([0, 0]);
    out
}

/// An entry with [`RANGE`].
fn entry_with_range(code: u8) -> Vec<u8> {
    let mut out = vec![code];
    out.extend(0_u32.to_le_bytes());
    out.extend(0x100_0000_u32.to_le_bytes());
    out
}

/// The module, with debug sections of one compile unit.
fn with_debug_sections(version: u16, abbreviations: &[Vec<u8>], entries: &[u8]) -> Vec<u8> {
    let mut unit = version.to_le_bytes().to_vec();
    match version {
        // The table's place, the size of an address.
        4 => unit.extend([0, 0, 0, 0, 4]),
        _ => unit.extend([1, 4, 0, 0, 0, 0]),
    }
    unit.extend(entries);
    let mut info = (unit.len() as u32).to_le_bytes().to_vec();
    info.extend(unit);
    let mut table = abbreviations.concat();
    table.push(0);
    let mut module = wat::parse_str(TRAPS_ON_THREE).expect("the text is right");
    for (name, data) in [(".debug_abbrev", table), (".debug_info", info)] {
        let section = wasm_encoder::CustomSection { name: name.into(), data: data.into() };
        wasm_encoder::Section::append_to(&section, &mut module);
    }
    module
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
    with_debug_sections(4, &abbreviations, &entries)
}

/// Reading takes as long as both numbers multiplied, and the module has as many bytes as both added.
fn attributes_without_bytes(n_attributes: usize, n_entries: usize) -> Vec<u8> {
    let abbreviations = [
        abbreviation(1, COMPILE_UNIT, true, &RANGE),
        abbreviation(2, SUBPROGRAM, false, &vec![(0x2000, 0x21); n_attributes]),
    ];
    let mut entries = entry_with_range(1);
    entries.extend(vec![2; n_entries]);
    entries.push(0);
    with_debug_sections(5, &abbreviations, &entries)
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
    let mut name = "_Z1f1AIiiE".to_owned();
    for level in 0..6 {
        name += &format!("S_I{}E", format!("S{level}_").repeat(22));
    }
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
