//! Gives the host a way to a memory that its module does not export.
//!
//! Guest interface v0 promises the module's memory whether or not it is exported, and the engine reaches exports
//! only: such a module gets one more export before it is compiled.
//! Every other section, custom ones included, keeps its bytes and its place.

use std::borrow::Cow;

use wasm_encoder::{Encode, ExportKind, SectionId};
use wasmparser::{ExternalKind, Parser, Payload, TypeRef};

use crate::inspect::read_u32;

/// The name that the added export gets.
pub const MEMORY_EXPORT: &str = "wappa:memory";

/// Whether a valid module has a memory of its own that it does not export.
///
/// A module that uses the reserved name for something else is left alone; inspection reports it.
pub fn needs_rewrite(wasm: &[u8]) -> bool {
    find_place(wasm).is_some()
}

/// The same module with its memory exported; borrowed when there is nothing to do.
pub fn export_memory(wasm: &[u8]) -> Cow<'_, [u8]> {
    let Some(place) = find_place(wasm) else { return Cow::Borrowed(wasm) };
    let (before, after) = (&wasm[..place.start], &wasm[place.end..]);
    let mut out = Vec::with_capacity(wasm.len() + 32);
    out.extend_from_slice(before);
    out.push(SectionId::Export.into());
    let mut content = Vec::new();
    (place.count + 1).encode(&mut content);
    content.extend_from_slice(place.entries);
    MEMORY_EXPORT.encode(&mut content);
    ExportKind::Memory.encode(&mut content);
    0_u32.encode(&mut content);
    content.encode(&mut out);
    out.extend_from_slice(after);
    Cow::Owned(out)
}

/// Where the new export section goes, and what stays of the old one.
struct Place<'a> {
    /// The bytes that it replaces, section header included; empty where the module has no export section.
    start: usize,
    end: usize,
    count: u32,
    entries: &'a [u8],
}

/// None when the module needs no rewriting, or is no module.
fn find_place(wasm: &[u8]) -> Option<Place<'_>> {
    let mut has_memory = false;
    let mut place = None;
    // After the header, or after the last section that must come before the exports.
    let mut insert_at = 8;
    let mut last_end = 8;
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload.ok()?;
        let Some((id, range)) = payload.as_section() else { continue };
        if !matches!(id, 0 | 7..=12) {
            insert_at = range.end;
        }
        match payload {
            Payload::ImportSection(section) => {
                let mut imports = section.into_imports();
                if imports.any(|it| it.is_ok_and(|it| matches!(it.ty, TypeRef::Memory(_)))) {
                    return None;
                }
            }
            Payload::MemorySection(section) => has_memory = section.count() > 0,
            Payload::ExportSection(section) => {
                let count = section.count();
                for export in section {
                    let export = export.ok()?;
                    if export.kind == ExternalKind::Memory || export.name == MEMORY_EXPORT {
                        return None;
                    }
                }
                let content = wasm.get(range.clone())?;
                let (_, count_bytes) = read_u32(content)?;
                place =
                    Some(Place { start: last_end, end: range.end, count, entries: &content[count_bytes..] });
            }
            Payload::CodeSectionStart { .. } => break, // Nothing after this matters.
            _ => {}
        }
        last_end = range.end;
    }
    has_memory.then(|| place.unwrap_or(Place { start: insert_at, end: insert_at, count: 0, entries: &[] }))
}

#[cfg(test)]
mod tests;
