//! Debug sections that cost whoever reads them dearly.

use wasm_encoder::{CustomSection, Encode, Section};

pub(crate) const COMPILE_UNIT: u32 = 0x11;
pub(crate) const SUBPROGRAM: u32 = 0x2e;
pub(crate) const INLINED_SUBROUTINE: u32 = 0x1d;

/// `DW_AT_low_pc` as an address, and `DW_AT_high_pc` as a length: the entry covers every address.
pub(crate) const RANGE: [(u32, u32); 2] = [(0x11, 0x01), (0x12, 0x06)];

/// Attributes that take no byte of an entry.
pub(crate) fn without_bytes(n_attributes: usize) -> Vec<(u32, u32)> {
    vec![(0x2000, 0x21); n_attributes]
}

/// One entry of the table of abbreviations: its code, a tag, whether there are children, attributes and their forms.
pub(crate) fn abbreviation(code: u32, tag: u32, has_children: bool, attributes: &[(u32, u32)]) -> Vec<u8> {
    let mut out = Vec::new();
    code.encode(&mut out);
    tag.encode(&mut out);
    out.push(u8::from(has_children));
    for (attribute, form) in attributes {
        attribute.encode(&mut out);
        form.encode(&mut out);
        // `DW_FORM_implicit_const`: the value is here.
        if *form == 0x21 {
            out.push(0);
        }
    }
    out.extend([0, 0]);
    out
}

/// An entry with [`RANGE`].
pub(crate) fn entry_with_range(code: u8) -> Vec<u8> {
    let mut out = vec![code];
    out.extend(0_u32.to_le_bytes());
    out.extend(0x100_0000_u32.to_le_bytes());
    out
}

/// The module, with debug sections of one compile unit, of version 4 or 5.
pub(crate) fn with_debug_sections(
    mut module: Vec<u8>,
    version: u16,
    abbreviations: &[Vec<u8>],
    entries: &[u8],
) -> Vec<u8> {
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
    with_section(&mut module, ".debug_abbrev", &table);
    with_section(&mut module, ".debug_info", &info);
    module
}

/// Adds a section without meaning for the guest.
pub(crate) fn with_section(module: &mut Vec<u8>, name: &str, data: &[u8]) {
    CustomSection { name: name.into(), data: data.into() }.append_to(module);
}

/// A mangled name that stands for a text of `width` to the power of `levels` parts.
pub(crate) fn doubling_name(levels: usize, width: usize) -> String {
    let mut name = "_Z1f1AIiiE".to_owned();
    for level in 0..levels {
        name += &format!("S_I{}E", format!("S{level}_").repeat(width));
    }
    name
}
