//! Looking into a module without compiling it: what it is, what it needs, what it offers, and what is wrong.
//!
//! `wappa lint`, `wappa inspect` and the engine all ask here, so that a mistake is told once, in one voice, and
//! before anything is compiled.
//! Everything is checked against the parser alone, never against the engine: what a person reads must not depend
//! on how instances happen to be allocated.

mod features;
mod format;
mod host;
mod problems;
mod report;
mod text;
mod types;

pub use features::{ACCEPTED_FEATURES, COMPONENT_FEATURES, Proposal};
pub(crate) use format::read_u32;
pub use format::{NotAModule, to_binary};
pub use host::{V0_MODULES, V1_MODULE, WASI_MODULE, provided_functions};
pub use problems::{Limits, Problem, Severity};
pub use types::{Export, Import, Item, Memory, Producer, Signature, Table, ValueType};

use sha2::{Digest, Sha256};
use wasmparser::types::TypesRef;
use wasmparser::{
    BinaryReaderError, ExternalKind, KnownCustom, Name, Parser, Payload, TypeRef, Validator, WasmFeatures,
};

/// What a module is, as far as one can tell without running it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// Whether the file is WebAssembly text.
    pub is_text: bool,
    /// Size of the file.
    pub size: u64,
    /// SHA-256 of the file.
    pub sha256: [u8; 32],
    /// The name that the module gives itself in its name section.
    pub name: Option<String>,
    pub imports: Vec<Import>,
    pub exports: Vec<Export>,
    pub memories: Vec<Memory>,
    pub tables: Vec<Table>,
    /// Functions that the module defines, and the size of their code.
    pub functions: u32,
    pub code_bytes: u64,
    /// Whether a function runs as the module is instantiated, before any export can be called.
    pub has_start_section: bool,
    /// Name and size of every custom section, in the file's order.
    pub custom_sections: Vec<(String, u64)>,
    pub producers: Vec<Producer>,
    /// Proposals that the module needs and the engine refuses.
    pub refused: Vec<Proposal>,
}

/// Which guest interface a module is written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    /// Guest interface v0: imports from `bento_wasm` or `benthos_wasm`, or nothing but WASI.
    V0,
    /// Guest interface v1: imports from `wappa`.
    V1,
}

impl Inspection {
    /// Looks into the content of a file, binary or text.
    ///
    /// A module that is valid but for proposals which the engine refuses is inspected too: the proposals are
    /// problems of the module, told together with its other ones.
    pub fn of(file: &[u8]) -> Result<Inspection, NotAModule> {
        let wasm = to_binary(file)?;
        let mut inspection = Inspection {
            is_text: format::is_text(file),
            size: file.len() as u64,
            sha256: Sha256::digest(file).into(),
            name: None,
            imports: Vec::new(),
            exports: Vec::new(),
            memories: Vec::new(),
            tables: Vec::new(),
            functions: 0,
            code_bytes: 0,
            has_start_section: false,
            custom_sections: Vec::new(),
            producers: Vec::new(),
            refused: Vec::new(),
        };
        let types = match Validator::new_with_features(ACCEPTED_FEATURES).validate_all(&wasm) {
            Ok(types) => types,
            Err(err) => {
                inspection.refused = features::needed(&wasm);
                match Validator::new_with_features(WasmFeatures::all()).validate_all(&wasm) {
                    Ok(types) if !inspection.refused.is_empty() => types,
                    _ => return Err(invalid(&wasm, &err)),
                }
            }
        };
        inspection.read_all(&wasm, types.as_ref()).map_err(|err| invalid(&wasm, &err))?;
        Ok(inspection)
    }

    /// Which guest interface the module is written for.
    pub fn tier(&self) -> Tier {
        let imports_v1 = self.imports.iter().any(|it| it.module == V1_MODULE);
        if imports_v1 { Tier::V1 } else { Tier::V0 }
    }

    /// The type of an exported function; none when there is no such export, or it is something else.
    pub fn exported_function(&self, name: &str) -> Option<&Signature> {
        self.export(name)?.item.as_function()
    }

    fn export(&self, name: &str) -> Option<&Export> {
        self.exports.iter().find(|it| it.name == name)
    }

    fn read_all(&mut self, wasm: &[u8], types: TypesRef<'_>) -> Result<(), BinaryReaderError> {
        // Imports come first in every index space, so how many there are tells which ones they are.
        let mut exported = Vec::new();
        for payload in features::parser().parse_all(wasm) {
            match payload? {
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let import = import?;
                        self.imports.push(Import {
                            module: import.module.to_owned(),
                            name: import.name.to_owned(),
                            item: imported_item(import.ty, types),
                        });
                    }
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export?;
                        if export.kind == ExternalKind::Memory {
                            exported.push((export.index, export.name.to_owned()));
                        }
                        let item = exported_item(export.kind, export.index, types);
                        self.exports.push(Export { name: export.name.to_owned(), item });
                    }
                }
                Payload::StartSection { .. } => self.has_start_section = true,
                Payload::CodeSectionStart { count, size, .. } => {
                    self.functions = count;
                    self.code_bytes = u64::from(size);
                }
                Payload::CustomSection(section) => {
                    let size = section.data().len() as u64;
                    self.custom_sections.push((section.name().to_owned(), size));
                    self.read_custom(section.as_known());
                }
                _ => {}
            }
        }
        self.read_memories(types, &exported);
        Ok(())
    }

    /// Custom sections are comments: what is broken in one is passed over.
    fn read_custom(&mut self, section: KnownCustom<'_>) {
        match section {
            KnownCustom::Name(names) => {
                for name in names.into_iter().map_while(Result::ok) {
                    if let Name::Module { name, .. } = name {
                        self.name = Some(name.to_owned());
                    }
                }
            }
            KnownCustom::Producers(fields) => {
                for field in fields.into_iter().map_while(Result::ok) {
                    for value in field.values.into_iter().map_while(Result::ok) {
                        self.producers.push(Producer {
                            field: field.name.to_owned(),
                            name: value.name.to_owned(),
                            version: value.version.to_owned(),
                        });
                    }
                }
            }
            _ => {}
        }
    }

    fn read_memories(&mut self, types: TypesRef<'_>, exported: &[(u32, String)]) {
        let imported = |wanted: &Item| self.imports.iter().filter(|it| it.item == *wanted).count();
        let (memories_imported, tables_imported) = (imported(&Item::Memory), imported(&Item::Table));
        for index in 0..types.memory_count() {
            let ty = types.memory_at(index);
            let names = exported.iter().filter(|(it, _)| *it == index);
            self.memories.push(Memory {
                pages_min: ty.initial,
                pages_max: ty.maximum,
                page_bytes: 1 << ty.page_size_log2.unwrap_or(16).min(63),
                is_imported: (index as usize) < memories_imported,
                is_shared: ty.shared,
                is_64_bit: ty.memory64,
                exported_as: names.map(|(_, name)| name.clone()).collect(),
            });
        }
        for index in 0..types.table_count() {
            let ty = types.table_at(index);
            self.tables.push(Table {
                elements_min: ty.initial,
                elements_max: ty.maximum,
                is_imported: (index as usize) < tables_imported,
            });
        }
    }
}

fn imported_item(ty: TypeRef, types: TypesRef<'_>) -> Item {
    match ty {
        TypeRef::Func(index) | TypeRef::FuncExact(index) => {
            function_item(types[types.core_type_at_in_module(index)].unwrap_func())
        }
        TypeRef::Table(_) => Item::Table,
        TypeRef::Memory(_) => Item::Memory,
        TypeRef::Global(_) => Item::Global,
        TypeRef::Tag(_) => Item::Tag,
    }
}

fn exported_item(kind: ExternalKind, index: u32, types: TypesRef<'_>) -> Item {
    match kind {
        ExternalKind::Func | ExternalKind::FuncExact => {
            function_item(types[types.core_function_at(index)].unwrap_func())
        }
        ExternalKind::Table => Item::Table,
        ExternalKind::Memory => Item::Memory,
        ExternalKind::Global => Item::Global,
        ExternalKind::Tag => Item::Tag,
    }
}

fn function_item(ty: &wasmparser::FuncType) -> Item {
    Item::Function(ty.into())
}

/// Says where a broken module is broken, with the function's name when it has one.
fn invalid(wasm: &[u8], err: &BinaryReaderError) -> NotAModule {
    let offset = err.offset() as u64;
    NotAModule::Invalid {
        offset,
        function: function_at(wasm, err.offset()),
        reason: format::quoted_whole(err.message()),
    }
}

/// The function whose body holds an offset.
fn function_at(wasm: &[u8], offset: usize) -> Option<String> {
    let mut imported = 0;
    let mut defined = 0;
    let mut found = None;
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.ok()? {
            Payload::ImportSection(section) => {
                let imports = section.into_imports().map_while(Result::ok);
                imported = imports.filter(|it| matches!(it.ty, TypeRef::Func(_))).count() as u32;
            }
            Payload::CodeSectionEntry(body) => {
                let range = body.range();
                // An end that is missing is reported at the end of the body.
                if range.start <= offset && offset <= range.end && found.is_none() {
                    found = Some(imported + defined);
                }
                defined += 1;
            }
            Payload::CustomSection(section) => {
                if let (Some(index), KnownCustom::Name(names)) = (found, section.as_known()) {
                    let name = name_of_function(names, index)?;
                    return Some(format!("function {index} {}", text::quoted(&name)));
                }
            }
            _ => {}
        }
    }
    found.map(|index| format!("function {index}"))
}

fn name_of_function(names: wasmparser::NameSectionReader<'_>, index: u32) -> Option<String> {
    for name in names.into_iter().map_while(Result::ok) {
        if let Name::Function(map) = name {
            let mut entries = map.into_iter().map_while(Result::ok);
            return entries.find(|it| it.index == index).map(|it| it.name.to_owned());
        }
    }
    None
}

#[cfg(test)]
mod tests;
