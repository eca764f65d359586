//! Debug sections and names that cost whoever reads them dearly.

use std::time::Duration;

use wappa_message::Message;
use wasm_encoder::{CustomSection, Encode, Section};

use crate::{Case, random::Random};

const COMPILE_UNIT: u32 = 0x11;
const SUBPROGRAM: u32 = 0x2e;
const INLINED_SUBROUTINE: u32 = 0x1d;
const RANGE: [(u32, u32); 2] = [(0x11, 0x01), (0x12, 0x06)];

/// A module that traps at once.
pub(crate) fn case(random: &mut Random) -> Case {
    let name = name(random);
    let text = format!("(module (func (@name \"{name}\") (export \"process\") unreachable))");
    let mut module = wat::parse_str(&text).expect("the text is right");
    let (info, table) = sections(random);
    let line = match random.below(3) {
        0 => random.bytes(1 << 12),
        // Rows of a line program: one special opcode after the other.
        1 => vec![0x20; 1 << 20],
        _ => Vec::new(),
    };
    for (name, data) in [(".debug_abbrev", table), (".debug_info", info), (".debug_line", line)] {
        CustomSection { name: name.into(), data: data.into() }.append_to(&mut module);
    }
    let told = format!("a function {name:?} with debug sections");
    let batches = vec![vec![Message::new("bad"), Message::new("bad")]];
    Case { module, batches, timeout: Duration::from_millis(100), told }
}

fn name(random: &mut Random) -> String {
    match random.below(5) {
        0 => {
            let mut name = "_Z1f1AIiiE".to_owned();
            for level in 0..1 + random.below(20) {
                name += &format!("S_I{}E", format!("S{level}_").repeat(2 + random.below(21)));
            }
            name
        }
        1 => format!("_Z{}1a{}", "N".repeat(random.below(100_000)), "E".repeat(random.below(100))),
        2 => format!("_RNv{}C1a1b", "I".repeat(random.below(100_000))),
        3 => "\\u{1b}[31m\\u{9b}\\u{202e}\\n\\u{7f}\\u{2066}".repeat(1 + random.below(2000)),
        _ => format!("f{}", "o".repeat(random.below(100_000))),
    }
}

fn abbreviation(code: u32, tag: u32, has_children: bool, attributes: &[(u32, u32)]) -> Vec<u8> {
    let mut out = Vec::new();
    code.encode(&mut out);
    tag.encode(&mut out);
    out.push(u8::from(has_children));
    for (attribute, form) in attributes {
        attribute.encode(&mut out);
        form.encode(&mut out);
        // The value of `DW_FORM_implicit_const`.
        if *form == 0x21 {
            out.push(0);
        }
    }
    out.extend([0, 0]);
    out
}

/// `.debug_info` and `.debug_abbrev`.
fn sections(random: &mut Random) -> (Vec<u8>, Vec<u8>) {
    let many = |random: &mut Random| [0, 10, 1000, 20_000, 100_000][random.below(5)];
    let has_children = random.one_in(2);
    let attributes = vec![(0x2000, 0x21); many(random).min(20_000)];
    let table = [
        abbreviation(1, COMPILE_UNIT, true, &RANGE),
        abbreviation(2, SUBPROGRAM, true, &RANGE),
        abbreviation(3, [SUBPROGRAM, INLINED_SUBROUTINE][random.below(2)], has_children, &attributes),
        vec![0],
    ]
    .concat();
    let mut entries = Vec::new();
    for code in [1, 2] {
        entries.push(code);
        entries.extend(0_u32.to_le_bytes());
        entries.extend(0x100_0000_u32.to_le_bytes());
    }
    let n_entries = many(random);
    entries.extend(vec![3; n_entries]);
    entries.extend(vec![0; if has_children { n_entries + 2 } else { 2 }]);
    for _ in 0..random.below(4) {
        let at = random.below(entries.len());
        entries[at] = random.next() as u8;
    }
    let mut unit = if random.one_in(2) { vec![4, 0, 0, 0, 0, 0, 4] } else { vec![5, 0, 1, 4, 0, 0, 0, 0] };
    unit.extend(entries);
    let mut info = (unit.len() as u32).to_le_bytes().to_vec();
    info.extend(unit);
    (info, table)
}
