//! What a file is, when it is not a module that can be looked into; and text turned into a binary.

use std::borrow::Cow;

use super::text::{bytes_exact, quoted, safe};
use crate::file::wrap::is_component;

/// Why a file is not a guest. Every text stands alone on one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAModule {
    #[error("the file is empty")]
    Empty,
    /// What it is instead, as far as its first bytes tell.
    #[error("invalid magic number: this is not a WebAssembly module but {0}")]
    Magic(String),
    #[error("the file is truncated: it ends after {} where {what} needs {}", bytes_exact(*.size), bytes_exact(*.needed))]
    Truncated { size: u64, needed: u64, what: String },
    #[error("wrong version {0}: WebAssembly modules have version 1")]
    Version(u32),
    #[error(
        "wrong version {0} of the Component Model's binary format: build with a current toolchain, for version 13"
    )]
    ComponentVersion(u16),
    #[error("line {line}, column {column}: {reason}")]
    Text { line: usize, column: usize, reason: String },
    #[error("invalid module, at offset {offset:#x}{}: {reason}", .function.as_ref().map(|it| format!(" in {it}")).unwrap_or_default())]
    Invalid {
        offset: u64,
        /// In which function, when it is in one.
        function: Option<String>,
        reason: String,
    },
}

/// How a guest is built, for those who built something else.
const BUILD: &str = "build for WebAssembly: `cargo build --target wasm32-unknown-unknown`, `GOOS=wasip1 GOARCH=wasm go \
                     build -buildmode=c-shared`, or `clang --target=wasm32-wasi`";

impl NotAModule {
    /// What to do about it, where the text does not say so.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            NotAModule::Magic(name) if NATIVE.contains(&name.as_str()) => Some(BUILD),
            _ => None,
        }
    }
}

/// What a toolchain makes for this machine.
const NATIVE: [&str; 5] = [ELF, WINDOWS, MACOS, STATIC_LIBRARY, BITCODE];
const ELF: &str = "an ELF file (a native program, or a module already compiled by Wasmtime)";
const WINDOWS: &str = "a Windows program";
const MACOS: &str = "a macOS program";
const STATIC_LIBRARY: &str = "a static library: link it into a module first";
const BITCODE: &str = "LLVM bitcode: link it into a module first";

const MAGIC: &[u8] = b"\0asm";

/// The binary of a core module or a component, from a binary or a text file. Checks the header and that no section is longer
/// than the file; does not validate.
pub fn to_binary(file: &[u8]) -> Result<Cow<'_, [u8]>, NotAModule> {
    if file.is_empty() {
        return Err(NotAModule::Empty);
    }
    let binary = match as_text(file) {
        Some(text) => Cow::Owned(wat::parse_str(text).map_err(|err| text_error(&err.to_string()))?),
        None => Cow::Borrowed(file),
    };
    check_header(&binary)?;
    check_sections(&binary)?;
    Ok(binary)
}

/// Whether a file is a module in text form.
pub(crate) fn is_text(file: &[u8]) -> bool {
    as_text(file).is_some()
}

/// The text of a `.wat` file: the first thing in one, after blanks and comments, is a parenthesis.
fn as_text(file: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(file).ok()?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let first = text.trim_start();
    (first.starts_with('(') || first.starts_with(";;")).then_some(text)
}

fn check_header(wasm: &[u8]) -> Result<(), NotAModule> {
    if !wasm.starts_with(MAGIC) && !MAGIC.starts_with(wasm) {
        return Err(NotAModule::Magic(name_of_format(wasm)));
    }
    let Some(version) = wasm.get(4..).and_then(|rest| rest.first_chunk::<4>()) else {
        return Err(truncated(wasm, 8, "the header".to_owned()));
    };
    match *version {
        [1, 0, 0, 0] => Ok(()),
        [13, 0, 1, 0] => Ok(()),
        [a, b, 1, 0] => Err(NotAModule::ComponentVersion(u16::from_le_bytes([a, b]))),
        [a, b, c, d] => Err(NotAModule::Version(u32::from_le_bytes([a, b, c, d]))),
    }
}

/// Finds a section that goes past the end. The validator would say so too, in words that do not tell a cut file
/// from a broken one.
fn check_sections(wasm: &[u8]) -> Result<(), NotAModule> {
    let names: &[&str] = if is_component(wasm) { &COMPONENT_SECTIONS } else { &SECTIONS };
    let mut pos = 8;
    while pos < wasm.len() {
        let name = names.get(usize::from(wasm[pos])).copied().unwrap_or("section");
        let Some((len, len_bytes)) = read_u32(&wasm[pos + 1..]) else {
            if wasm.len() - pos > 5 {
                return Ok(()); // A length that is not a number: the validator's words are right for it.
            }
            return Err(truncated(wasm, wasm.len() as u64 + 1, format!("the {name}")));
        };
        let end = (pos + 1 + len_bytes) as u64 + u64::from(len);
        if end > wasm.len() as u64 {
            return Err(truncated(wasm, end, format!("the {name}")));
        }
        pos = end as usize;
    }
    Ok(())
}

fn truncated(wasm: &[u8], needed: u64, what: String) -> NotAModule {
    NotAModule::Truncated { size: wasm.len() as u64, needed, what }
}

/// A LEB128 number and how many bytes it has; none when the bytes end first or go on too long.
pub(crate) fn read_u32(bytes: &[u8]) -> Option<(u32, usize)> {
    let mut value = 0_u64;
    for (n, byte) in bytes.iter().take(5).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * n);
        if byte & 0x80 == 0 {
            return Some((u32::try_from(value).ok()?, n + 1));
        }
    }
    None
}

/// The sections of a core module by their numbers.
const SECTIONS: [&str; 14] = [
    "custom section",
    "type section",
    "import section",
    "function section",
    "table section",
    "memory section",
    "global section",
    "export section",
    "start section",
    "element section",
    "code section",
    "data section",
    "data count section",
    "tag section",
];

/// The sections of a component by their numbers.
const COMPONENT_SECTIONS: [&str; 13] = [
    "custom section",
    "core module",
    "core instance section",
    "core type section",
    "component inside",
    "instance section",
    "alias section",
    "type section",
    "canon section",
    "start section",
    "import section",
    "export section",
    "value section",
];

/// What begins with these bytes, for people who gave the wrong file.
fn name_of_format(file: &[u8]) -> String {
    const KNOWN: [(&[u8], &str); 17] = [
        (b"\x7fELF", ELF),
        (b"MZ", WINDOWS),
        (b"\xcf\xfa\xed\xfe", MACOS),
        (b"\x1f\x8b", "a gzip archive: unpack it first"),
        (b"\x28\xb5\x2f\xfd", "a Zstandard archive: unpack it first"),
        (b"\xfd7zXZ", "an xz archive: unpack it first"),
        (b"BZh", "a bzip2 archive: unpack it first"),
        (b"PK\x03\x04", "a zip archive: unpack it first"),
        (b"!<arch>", STATIC_LIBRARY),
        (b"BC\xc0\xde", BITCODE),
        (b"%PDF", "a PDF document"),
        (b"\x89PNG", "an image"),
        (b"#!", "a script"),
        (b"<!", "an HTML or XML document"),
        (b"<", "an HTML or XML document"),
        (b"version https://git-lfs", "a Git LFS pointer: fetch the file itself first"),
        (b"{", "a JSON document"),
    ];
    if let Some((_, name)) = KNOWN.iter().find(|(magic, _)| file.starts_with(magic)) {
        return (*name).to_owned();
    }
    let Ok(text) = std::str::from_utf8(file) else {
        return format!("a file that begins with `{}`", hex(&file[..file.len().min(8)]));
    };
    if let Some(language) = language_of(text) {
        return format!("{language}: build it first");
    }
    let first = text.lines().find(|it| !it.trim().is_empty()).unwrap_or_default();
    format!("text that begins with {}", quoted(first))
}

/// The programming language of a source file, told by the words that its lines begin with.
fn language_of(text: &str) -> Option<&'static str> {
    const TELLING: [(&str, &str); 15] = [
        ("package main", "Go source"),
        ("#include", "C source"),
        ("#![no_", "Rust source"),
        ("#[no_mangle]", "Rust source"),
        ("#[unsafe(no_mangle)]", "Rust source"),
        ("fn main()", "Rust source"),
        ("pub extern \"C\" fn", "Rust source"),
        ("use std::", "Rust source"),
        ("const std = @import", "Zig source"),
        ("export fn ", "Zig source"),
        ("export function ", "JavaScript or TypeScript source"),
        ("import wasmExports", "JavaScript source"),
        ("const fs = require(", "JavaScript source"),
        ("\"use strict\"", "JavaScript source"),
        ("def process(", "Python source"),
    ];
    // Comments and licences come first; the telling line is not far behind.
    let lines = text.lines().take(200);
    lines
        .into_iter()
        .find_map(|line| TELLING.iter().find(|(word, _)| line.starts_with(word)).map(|(_, name)| *name))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

/// Takes the place and the reason out of the text parser's error, which is made for a terminal:
/// reason, `--> file:line:column`, the line, and an arrow.
fn text_error(rendered: &str) -> NotAModule {
    let mut lines = rendered.lines();
    let reason = lines.next().unwrap_or_default();
    let reason = quoted_whole(reason.trim());
    let mut place = lines.filter_map(|line| {
        let mut parts = line.trim().strip_prefix("--> ")?.rsplitn(3, ':');
        let column = parts.next()?.parse().ok()?;
        let line = parts.next()?.parse().ok()?;
        Some((line, column))
    });
    let (line, column) = place.next().unwrap_or((1, 1));
    NotAModule::Text { line, column, reason }
}

/// A text that may quote the file, made safe for a log.
pub(crate) fn quoted_whole(text: &str) -> String {
    safe(&text.replace('\n', ": "), 300)
}
