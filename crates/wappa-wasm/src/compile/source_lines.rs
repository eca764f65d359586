//! The lines of the source that a guest's frames stand for, as its debug sections say.
//!
//! Debug sections are hostile like the rest of a module, and reading them is bounded by nothing: this is done in a
//! process that is limited, and only where somebody looks at single messages.

use std::ops::Range;

use addr2line::{Context, gimli};
use gimli::{Dwarf, EndianSlice, LittleEndian};
use wasmparser::{Parser, Payload};

use crate::{compile::frames::demangled, file::prepare::prepare, file::text::one_line};

/// How many functions that were inlined into each other are told for one frame.
const INLINED_MAX: usize = 20;

type Slice<'a> = EndianSlice<'a, LittleEndian>;

/// One core module in what was compiled.
#[derive(Default)]
struct Sections<'a> {
    code: Range<usize>,
    debug: Vec<(&'a str, &'a [u8])>,
}

/// For each offset into what is compiled of a file, the places in the source that it stands for, the innermost first.
/// None: the module has no debug sections. An error is one line.
pub(crate) fn source_lines(file: &[u8], offsets: &[u64]) -> Result<Option<Vec<Vec<String>>>, String> {
    let wasm = prepare(file)?;
    let modules = modules(&wasm).map_err(|err| one_line(&err.to_string()))?;
    if modules.iter().all(|it| it.debug.is_empty()) {
        return Ok(None);
    }
    let contexts: Vec<_> = modules.iter().filter_map(|it| Some((it.code.clone(), context(it)?))).collect();
    let lines = |offset: &u64| {
        let offset = usize::try_from(*offset).ok()?;
        let (code, context) = contexts.iter().find(|(code, _)| code.contains(&offset))?;
        // Addresses count from the beginning of the code section.
        Some(places(context, (offset - code.start) as u64))
    };
    Ok(Some(offsets.iter().map(|it| lines(it).unwrap_or_default()).collect()))
}

fn modules(wasm: &[u8]) -> Result<Vec<Sections<'_>>, wasmparser::BinaryReaderError> {
    let mut done = Vec::new();
    // Modules and components are nested; sections belong to the innermost.
    let mut open: Vec<Sections<'_>> = Vec::new();
    for payload in Parser::new(0).parse_all(wasm) {
        match payload? {
            Payload::Version { .. } => open.push(Sections::default()),
            Payload::CodeSectionStart { range, .. } => {
                open.last_mut().into_iter().for_each(|it| it.code = range.clone());
            }
            Payload::CustomSection(section) if section.name().starts_with(".debug_") => {
                open.last_mut().into_iter().for_each(|it| it.debug.push((section.name(), section.data())));
            }
            Payload::End(_) => done.extend(open.pop()),
            _ => {}
        }
    }
    Ok(done)
}

fn context<'a>(module: &Sections<'a>) -> Option<Context<Slice<'a>>> {
    let section = |id: gimli::SectionId| {
        let found = module.debug.iter().find(|(name, _)| *name == id.name());
        Ok::<_, gimli::Error>(EndianSlice::new(found.map_or(&[], |(_, data)| data), LittleEndian))
    };
    Context::from_dwarf(Dwarf::load(section).ok()?).ok()
}

/// As in `src/lib.rs:7:3`, or `src/lib.rs:7:3 in guest::inner` for all but the outermost, which is the frame itself.
fn places(context: &Context<Slice<'_>>, address: u64) -> Vec<String> {
    let mut places = Vec::new();
    let Ok(mut frames) = context.find_frames(address).skip_all_loads() else { return places };
    let mut inlined = None;
    while let Ok(Some(frame)) = frames.next() {
        if INLINED_MAX == places.len() {
            break;
        }
        // Only now is it known that the one before was inlined into this one.
        if let (Some(name), Some(place)) = (inlined.take(), places.last_mut()) {
            *place = format!("{place} in {name}");
        }
        let Some(location) = frame.location else { continue };
        let Some(file) = location.file else { continue };
        let mut place = demangled(file);
        // Zero stands for one that is not known.
        for number in [location.line, location.column].into_iter().flatten().filter(|it| *it != 0) {
            place.push_str(&format!(":{number}"));
        }
        places.push(place);
        let name = frame.function.as_ref().and_then(|it| it.raw_name().ok());
        inlined = name.map(|it| demangled(&it));
    }
    places
}
