//! Reading a core module: its imports and exports with their types, its memories and tables, and what made it.

use wasmparser::{
    BinaryReaderError, ComponentName, CustomSectionReader, ExternalKind, KnownCustom, MemoryType, Name,
    Payload, TableType, TypeRef, types::TypesRef,
};

use super::{Export, Import, Inspection, Item, Memory, Producer, Table, features};

impl Inspection {
    pub(super) fn read_core(&mut self, wasm: &[u8], types: TypesRef<'_>) -> Result<(), BinaryReaderError> {
        for payload in features::parser().parse_all(wasm) {
            match payload? {
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let import = import?;
                        match import.ty {
                            TypeRef::Memory(ty) => self.memories.push(memory(&ty, true)),
                            TypeRef::Table(ty) => self.tables.push(table(&ty, true)),
                            _ => {}
                        }
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
                            // Every memory has been read: they come before the exports.
                            let memory = self.memories.get_mut(export.index as usize);
                            memory.into_iter().for_each(|it| it.exported_as.push(export.name.to_owned()));
                        }
                        let item = exported_item(export.kind, export.index, types);
                        self.exports.push(Export { name: export.name.to_owned(), item });
                    }
                }
                other => self.read_inside(other)?,
            }
        }
        Ok(())
    }

    /// What counts alike in a module by itself and in one inside of a component.
    pub(super) fn read_inside(&mut self, payload: Payload<'_>) -> Result<(), BinaryReaderError> {
        match payload {
            Payload::MemorySection(section) => {
                for ty in section {
                    self.memories.push(memory(&ty?, false));
                }
            }
            Payload::TableSection(section) => {
                for defined in section {
                    self.tables.push(table(&defined?.ty, false));
                }
            }
            Payload::StartSection { .. } => self.has_start_section = true,
            Payload::CodeSectionStart { count, size, .. } => {
                self.functions = self.functions.saturating_add(count);
                self.code_bytes += u64::from(size);
            }
            Payload::CustomSection(section) => self.read_custom(&section),
            _ => {}
        }
        Ok(())
    }

    /// Custom sections are comments: what is broken in one is passed over.
    fn read_custom(&mut self, section: &CustomSectionReader<'_>) {
        let size = section.data().len() as u64;
        match self.custom_sections.iter_mut().find(|(name, _)| name == section.name()) {
            Some((_, sum)) => *sum += size,
            None => self.custom_sections.push((section.name().to_owned(), size)),
        }
        match section.as_known() {
            KnownCustom::Name(names) => {
                for name in names.into_iter().map_while(Result::ok) {
                    if let Name::Module { name, .. } = name {
                        self.name.get_or_insert_with(|| name.to_owned());
                    }
                }
            }
            KnownCustom::ComponentName(names) => {
                for name in names.into_iter().map_while(Result::ok) {
                    if let ComponentName::Component { name, .. } = name {
                        // It stands for the whole, whatever the modules inside of it are called.
                        self.name = Some(name.to_owned());
                    }
                }
            }
            KnownCustom::Producers(fields) => {
                for field in fields.into_iter().map_while(Result::ok) {
                    for value in field.values.into_iter().map_while(Result::ok) {
                        let producer = Producer {
                            field: field.name.to_owned(),
                            name: value.name.to_owned(),
                            version: value.version.to_owned(),
                        };
                        // The tools that make a component sign each of its modules. What is hostile may sign often.
                        if self.producers.len() < PRODUCERS_MAX && !self.producers.contains(&producer) {
                            self.producers.push(producer);
                        }
                    }
                }
            }
            _ => {}
        }
    }
}

/// No guest was made by more tools than that.
const PRODUCERS_MAX: usize = 100;

fn memory(ty: &MemoryType, is_imported: bool) -> Memory {
    Memory {
        pages_min: ty.initial,
        pages_max: ty.maximum,
        page_bytes: 1 << ty.page_size_log2.unwrap_or(16).min(63),
        is_imported,
        is_shared: ty.shared,
        is_64_bit: ty.memory64,
        exported_as: Vec::new(),
    }
}

fn table(ty: &TableType, is_imported: bool) -> Table {
    Table { elements_min: ty.initial, elements_max: ty.maximum, is_imported }
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
