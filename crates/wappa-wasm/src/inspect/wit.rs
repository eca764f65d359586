//! Types of components in words of WIT.

use std::collections::HashMap;

use wasmparser::component_types::{
    AliasableResourceId, ComponentAnyTypeId, ComponentDefinedType, ComponentDefinedTypeId,
    ComponentEntityType, ComponentFuncTypeId, ComponentValType, ResourceId,
};
use wasmparser::types::TypesRef;

use super::component::Function;

/// How long the text of one function's type may become; a hostile type can unfold to any size.
const TEXT_BYTES_MAX: usize = 300;

/// The same for a type that is unfolded on purpose, to be compared: the longest of ours has some 250.
const SHAPE_BYTES_MAX: usize = 2_000;

/// How deep a type is looked into.
const DEPTH_MAX: usize = 40;

/// Knows the names of the types that a component imports and exports.
pub(super) struct Printer<'a> {
    pub(super) types: &'a TypesRef<'a>,
    names: HashMap<ComponentDefinedTypeId, &'a str>,
    resources: HashMap<ResourceId, &'a str>,
}

impl<'a> Printer<'a> {
    pub(super) fn new<'n>(
        types: &'a TypesRef<'a>,
        externs: impl Iterator<Item = &'n (String, ComponentEntityType)>,
    ) -> Printer<'a> {
        let mut printer = Printer { types, names: HashMap::new(), resources: HashMap::new() };
        for (_, ty) in externs {
            let ComponentEntityType::Instance(id) = *ty else { continue };
            for (name, item) in &types[id].exports {
                let ComponentEntityType::Type { referenced, created } = item.ty else { continue };
                for id in [referenced, created] {
                    match id {
                        ComponentAnyTypeId::Resource(id) => {
                            printer.resources.entry(id.resource()).or_insert(name);
                        }
                        ComponentAnyTypeId::Defined(id) => {
                            printer.names.entry(id).or_insert(name);
                        }
                        _ => {}
                    }
                }
            }
        }
        printer
    }

    /// A function as people read it.
    pub(super) fn function(&self, raw_name: &str, id: ComponentFuncTypeId) -> Function {
        let name = raw_name.split_once(']').map_or(raw_name, |(_, name)| name);
        let mut out = Text::new(TEXT_BYTES_MAX, Named::Yes);
        let is_method = raw_name.starts_with("[method]");
        let ty = &self.types[id];
        out.push(if ty.async_ { "async func(" } else { "func(" });
        for (n, (name, ty)) in ty.params.iter().skip(usize::from(is_method)).enumerate() {
            out.push(if n > 0 { ", " } else { "" });
            out.push(name.as_str());
            out.push(": ");
            self.value(*ty, 0, &mut out);
        }
        out.push(")");
        if let Some(ty) = ty.result.filter(|_| !raw_name.starts_with("[constructor]")) {
            out.push(" -> ");
            self.value(ty, 0, &mut out);
        }
        Function { name: name.to_owned(), text: out.text, raw_name: raw_name.to_owned(), shape: None }
    }

    /// A function's type without any name but those of fields, cases and resources: two functions with equal shapes
    /// can be linked.
    pub(super) fn shape(&self, id: ComponentFuncTypeId) -> String {
        let mut out = Text::new(SHAPE_BYTES_MAX, Named::No);
        let ty = &self.types[id];
        out.push(if ty.async_ { "async func(" } else { "func(" });
        self.list(ty.params.iter().map(|(_, ty)| *ty), 0, &mut out);
        out.push(")");
        if let Some(ty) = ty.result {
            out.push(" -> ");
            self.value(ty, 0, &mut out);
        }
        out.text
    }

    fn list(&self, types: impl Iterator<Item = ComponentValType>, depth: usize, out: &mut Text) {
        for (n, ty) in types.enumerate() {
            if out.is_full {
                return;
            }
            out.push(if n > 0 { ", " } else { "" });
            self.value(ty, depth, out);
        }
    }

    fn value(&self, ty: ComponentValType, depth: usize, out: &mut Text) {
        match ty {
            ComponentValType::Primitive(ty) => out.push(&ty.to_string()),
            ComponentValType::Type(id) => self.defined(id, depth, out),
        }
    }

    fn defined(&self, id: ComponentDefinedTypeId, depth: usize, out: &mut Text) {
        if out.named == Named::Yes
            && let Some(name) = self.name_of(id)
        {
            return out.push(name);
        }
        if out.is_full || DEPTH_MAX <= depth {
            return out.push("…");
        }
        let depth = depth + 1;
        let mut generic = |name: &str, types: &[ComponentValType]| {
            out.push(name);
            out.push("<");
            self.list(types.iter().copied(), depth, out);
            out.push(">");
        };
        match &self.types[id] {
            ComponentDefinedType::Primitive(ty) => out.push(&ty.to_string()),
            ComponentDefinedType::List { element, .. } => generic("list", &[*element]),
            ComponentDefinedType::Map { key, value, .. } => generic("map", &[*key, *value]),
            ComponentDefinedType::Option { ty, .. } => generic("option", &[*ty]),
            ComponentDefinedType::Tuple(tuple) => generic("tuple", &tuple.types),
            ComponentDefinedType::Future { ty: Some(ty), .. } => generic("future", &[*ty]),
            ComponentDefinedType::Future { ty: None, .. } => out.push("future"),
            ComponentDefinedType::Stream { ty: Some(ty), .. } => generic("stream", &[*ty]),
            ComponentDefinedType::Stream { ty: None, .. } => out.push("stream"),
            ComponentDefinedType::Result { ok: Some(ok), err: Some(err), .. } => {
                generic("result", &[*ok, *err])
            }
            ComponentDefinedType::Result { ok: Some(ok), err: None, .. } => generic("result", &[*ok]),
            ComponentDefinedType::Result { ok: None, err: None, .. } => out.push("result"),
            ComponentDefinedType::Result { ok: None, err: Some(err), .. } => {
                out.push("result<_, ");
                self.value(*err, depth, out);
                out.push(">");
            }
            ComponentDefinedType::FixedLengthList { element, length, .. } => {
                out.push("list<");
                self.value(*element, depth, out);
                out.push(&format!(", {length}>"));
            }
            // The handle of a method's own resource, and every other one that is lent.
            ComponentDefinedType::Borrow(id) => self.handle("borrow", *id, out),
            ComponentDefinedType::Own(id) if out.named == Named::Yes => out.push(self.resource(*id)),
            ComponentDefinedType::Own(id) => self.handle("own", *id, out),
            ComponentDefinedType::Record(record) => {
                let fields = record.fields.iter().map(|(name, ty)| (name.as_str(), Some(*ty)));
                self.block("record", fields, depth, out, (": ", ""));
            }
            ComponentDefinedType::Variant(variant) => {
                let cases = variant.cases.iter().map(|(name, case)| (name.as_str(), case.ty));
                self.block("variant", cases, depth, out, ("(", ")"));
            }
            ComponentDefinedType::Enum(cases) => {
                self.block("enum", cases.iter().map(|name| (name.as_str(), None)), depth, out, ("", ""));
            }
            ComponentDefinedType::Flags(flags) => {
                self.block("flags", flags.iter().map(|name| (name.as_str(), None)), depth, out, ("", ""));
            }
        }
    }

    fn block<'n>(
        &self,
        keyword: &str,
        members: impl Iterator<Item = (&'n str, Option<ComponentValType>)>,
        depth: usize,
        out: &mut Text,
        (before, after): (&str, &str),
    ) {
        out.push(keyword);
        out.push(" { ");
        for (n, (name, ty)) in members.enumerate() {
            if out.is_full {
                return;
            }
            out.push(if n > 0 { ", " } else { "" });
            out.push(name);
            if let Some(ty) = ty {
                out.push(before);
                self.value(ty, depth, out);
                out.push(after);
            }
        }
        out.push(" }");
    }

    fn handle(&self, kind: &str, id: AliasableResourceId, out: &mut Text) {
        out.push(kind);
        out.push("<");
        out.push(self.resource(id));
        out.push(">");
    }

    fn resource(&self, id: AliasableResourceId) -> &'a str {
        self.resources.get(&id.resource()).copied().unwrap_or("resource")
    }

    /// The name of a type, or of one that it is another name for.
    fn name_of(&self, id: ComponentDefinedTypeId) -> Option<&'a str> {
        let mut id = id;
        for _ in 0..DEPTH_MAX {
            if let Some(name) = self.names.get(&id) {
                return Some(name);
            }
            id = self.types.peel_alias(id)?;
        }
        None
    }
}

/// Whether types are written by their name, or unfolded.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Named {
    Yes,
    No,
}

/// A text that stops growing.
struct Text {
    text: String,
    bytes_max: usize,
    is_full: bool,
    named: Named,
}

impl Text {
    fn new(bytes_max: usize, named: Named) -> Text {
        Text { text: String::new(), bytes_max, is_full: false, named }
    }

    fn push(&mut self, text: &str) {
        if self.is_full {
            return;
        }
        if self.bytes_max < self.text.len() + text.len() {
            self.is_full = true;
            return self.text.push('…');
        }
        self.text.push_str(text);
    }
}
