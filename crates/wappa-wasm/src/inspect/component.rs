//! Reading a component: the interfaces it imports and exports, and the core modules inside of it.

use wasmparser::{
    BinaryReaderError, Encoding, Payload, component_types::ComponentEntityType, types::TypesRef,
};

use super::{Inspection, features, wit::Printer, world};

/// What a component says of itself, beside what its core modules do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// Whether the file is a core module, which is wrapped as a component when it is loaded.
    pub is_wrapped: bool,
    pub imports: Vec<Extern>,
    pub exports: Vec<Extern>,
    /// How many core modules it holds, in components inside of it too.
    pub core_modules: u32,
}

/// Something that a component imports or exports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extern {
    /// As in `wasi:cli/run@0.2.0`, or a plain name.
    pub name: String,
    pub item: Item,
}

/// What it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// The functions of an interface; its types are left out.
    Interface(Vec<Function>),
    /// A function that belongs to no interface.
    Function(Function),
    Type,
    Module,
    Component,
    Value,
}

/// A function, in words of WIT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// A method is `resource.method`.
    pub name: String,
    /// As in `func(index: u32) -> list<u8>`.
    pub text: String,
    /// The name in the binary, as in `[method]resource.method`.
    pub(super) raw_name: String,
    /// The type with every name of a type or parameter replaced by what it stands for; only of functions that the
    /// world knows, since it may be long.
    pub(super) shape: Option<String>,
}

impl Item {
    /// With its article, as sentences need it.
    pub(super) fn noun(&self) -> &'static str {
        match self {
            Item::Interface(_) => "an interface",
            Item::Function(_) => "a function",
            Item::Type => "a type",
            Item::Module => "a core module",
            Item::Component => "a component",
            Item::Value => "a value",
        }
    }
}

impl Inspection {
    pub(super) fn read_component(
        &mut self,
        wasm: &[u8],
        types: TypesRef<'_>,
        is_wrapped: bool,
    ) -> Result<(), BinaryReaderError> {
        let mut component =
            Component { is_wrapped, imports: Vec::new(), exports: Vec::new(), core_modules: 0 };
        let (mut imports, mut exports) = (Vec::new(), Vec::new());
        let mut depth = 0;
        for payload in features::parser().parse_all(wasm) {
            match payload? {
                Payload::Version { encoding, .. } => {
                    depth += 1;
                    component.core_modules += u32::from(encoding == Encoding::Module);
                }
                Payload::End(_) => depth -= 1,
                // What is deeper concerns the component around it, not the host.
                Payload::ComponentImportSection(section) if depth == 1 => {
                    for import in section {
                        imports.push(import?.name.name);
                    }
                }
                Payload::ComponentExportSection(section) if depth == 1 => {
                    for export in section {
                        exports.push(export?.name.name);
                    }
                }
                other => self.read_inside(other)?,
            }
        }
        let found = |name: &str, ty: Option<ComponentEntityType>| ty.map(|ty| (name.to_owned(), ty));
        let imports: Vec<_> = imports
            .into_iter()
            .filter_map(|it| found(it, types.component_item_for_import(it).map(|it| it.ty)))
            .collect();
        let exports: Vec<_> = exports
            .into_iter()
            .filter_map(|it| found(it, types.component_item_for_export(it).map(|it| it.ty)))
            .collect();
        let printer = Printer::new(&types, imports.iter().chain(&exports));
        component.imports = imports.into_iter().map(|it| read_extern(it, &printer)).collect();
        component.exports = exports.into_iter().map(|it| read_extern(it, &printer)).collect();
        self.component = Some(component);
        Ok(())
    }
}

fn read_extern((name, ty): (String, ComponentEntityType), printer: &Printer<'_>) -> Extern {
    let item = match ty {
        ComponentEntityType::Instance(id) => {
            let mut functions = Vec::new();
            for (raw_name, item) in &printer.types[id].exports {
                if let ComponentEntityType::Func(id) = item.ty {
                    let shape = world::function(&name, raw_name).map(|_| printer.shape(id));
                    functions.push(Function { shape, ..printer.function(raw_name, id) });
                }
            }
            Item::Interface(functions)
        }
        ComponentEntityType::Func(id) => Item::Function(printer.function(&name, id)),
        ComponentEntityType::Type { .. } => Item::Type,
        ComponentEntityType::Module(_) => Item::Module,
        ComponentEntityType::Component(_) => Item::Component,
        ComponentEntityType::Value(_) => Item::Value,
    };
    Extern { name, item }
}
