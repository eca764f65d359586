//! Where a broken guest is broken, with the name of the function where it has one.

use wasmparser::{BinaryReaderError, KnownCustom, Name, Parser, Payload, TypeRef};

use crate::file::{
    format::{self, NotAModule},
    text,
};

pub(super) fn invalid(wasm: &[u8], err: &BinaryReaderError) -> NotAModule {
    let offset = err.offset() as u64;
    NotAModule::Invalid {
        offset,
        function: function_at(wasm, err.offset()),
        reason: format::quoted_whole(err.message()),
    }
}

/// The function whose body holds an offset, in whichever module.
fn function_at(wasm: &[u8], offset: usize) -> Option<String> {
    let mut imported = 0;
    let mut defined = 0;
    let mut found = None;
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.ok()? {
            // The next module of a component: the names of the last one did not tell.
            Payload::Version { .. } if found.is_some() => break,
            Payload::Version { .. } => (imported, defined) = (0, 0),
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
