//! Gives the host a way to a memory that its module does not export, or not under the name that is needed.
//!
//! Guest interface v0 promises the module's memory whether or not it is exported, and the engine reaches exports
//! only; its WASI functions look for an export called `memory`.
//! Such a module gets one more export before it is compiled.
//! Every other section, custom ones included, keeps its bytes and its place.

use std::borrow::Cow;

use wasm_encoder::{Encode, ExportKind, SectionId};
use wasmparser::{ExternalKind, Parser, Payload, TypeRef};

use crate::{file::format::read_u32, interface::WASI_MODULE};

/// The name that the added export gets, unless WASI needs another one.
pub const MEMORY_EXPORT: &str = "wappa:memory";

/// The name under which the engine's WASI functions look for the guest's memory.
const WASI_MEMORY_EXPORT: &str = "memory";

/// Whether a valid module has a memory of its own that it does not export as the host needs it.
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
    place.name.encode(&mut content);
    ExportKind::Memory.encode(&mut content);
    0_u32.encode(&mut content);
    content.encode(&mut out);
    out.extend_from_slice(after);
    Cow::Owned(out)
}

/// Where the new export section goes, and what stays of the old one.
struct Place<'a> {
    /// The name of the new export.
    name: &'static str,
    /// The bytes that it replaces, section header included; empty where the module has no export section.
    start: usize,
    end: usize,
    count: u32,
    entries: &'a [u8],
}

/// What a module exports, as far as its memory is concerned.
#[derive(Default)]
struct Exported {
    memory: bool,
    reserved_name: bool,
    wasi_name: bool,
}

impl Exported {
    fn add(&mut self, kind: ExternalKind, name: &str) {
        self.memory |= kind == ExternalKind::Memory;
        self.reserved_name |= name == MEMORY_EXPORT;
        self.wasi_name |= name == WASI_MEMORY_EXPORT;
    }

    /// The export that is missing. One is enough for both purposes.
    fn missing(&self, imports_wasi: bool) -> Option<&'static str> {
        if imports_wasi && !self.wasi_name {
            return Some(WASI_MEMORY_EXPORT);
        }
        (!self.memory && !self.reserved_name).then_some(MEMORY_EXPORT)
    }
}

/// None when the module needs no rewriting, or is no module.
fn find_place(wasm: &[u8]) -> Option<Place<'_>> {
    let mut has_memory = false;
    let mut imports_wasi = false;
    let mut exported = Exported::default();
    let mut old = None;
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
                for import in section.into_imports() {
                    let import = import.ok()?;
                    if matches!(import.ty, TypeRef::Memory(_)) {
                        return None;
                    }
                    imports_wasi |= import.module == WASI_MODULE;
                }
            }
            Payload::MemorySection(section) => has_memory = section.count() > 0,
            Payload::ExportSection(section) => {
                let count = section.count();
                for export in section {
                    let export = export.ok()?;
                    exported.add(export.kind, export.name);
                }
                let content = wasm.get(range.clone())?;
                let (_, count_bytes) = read_u32(content)?;
                old = Some((last_end, range.end, count, &content[count_bytes..]));
            }
            Payload::CodeSectionStart { .. } => break, // Nothing after this matters.
            _ => {}
        }
        last_end = range.end;
    }
    if !has_memory {
        return None;
    }
    let name = exported.missing(imports_wasi)?;
    let (start, end, count, entries) = old.unwrap_or((insert_at, insert_at, 0, &[]));
    Some(Place { name, start, end, count, entries })
}

#[cfg(test)]
mod tests;
