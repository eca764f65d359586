//! A guest's call stack, as far as the host tells of it.
//!
//! Names of functions are the guest's, and hostile. What is kept of a frame when a guest traps is small, text is made
//! only when somebody wants it, and every name goes into a writer that stops at its bound: a mangled name may stand for
//! a text of any length. Debug sections are not looked at here: see [`crate::source_lines`].

use std::fmt::{self, Write as _};

use wappa_spec::is_printable;
use wasmtime::WasmBacktrace;

/// How much of a name is shown, in bytes.
const NAME_BYTES_MAX: usize = 300;

/// Longer names are shown as they are. The demanglers take time that grows with the name they read, whatever they are
/// let write, and compilers keep to less but for the wildest templates.
const MANGLED_BYTES_MAX: usize = 1000;

/// One frame of a guest's call stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    function: u32,
    /// As the module has it; cut where it is too long to be a mangled one.
    name: Option<Box<str>>,
    offset: Option<u64>,
}

impl Frame {
    /// What it takes in memory.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Frame>() + self.name.as_ref().map_or(0, |it| it.len())
    }

    /// Where in the module the guest was: an offset into what was compiled, which is not the file where the module was
    /// text, or was wrapped or rewritten.
    pub fn offset(&self) -> Option<u64> {
        self.offset
    }
}

/// As in `0x24 - guest::inner`, on one line.
impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(offset) = self.offset {
            write!(f, "{offset:#x} - ")?;
        }
        match &self.name {
            Some(name) => f.write_str(&demangled(name)),
            None => write!(f, "function {}", self.function),
        }
    }
}

/// The guest's frames of an error.
pub(crate) fn of(error: &wasmtime::Error) -> Vec<Frame> {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else { return Vec::new() };
    let frame = |it: &wasmtime::FrameInfo| Frame {
        function: it.func_index(),
        name: it.func_name().map(|name| name[..name.floor_char_boundary(MANGLED_BYTES_MAX + 1)].into()),
        offset: it.module_offset().map(|it| it as u64),
    };
    backtrace.frames().iter().map(frame).collect()
}

/// How many frames the engine tells of, the innermost ones.
const FRAMES: usize = 20;

/// In the innermost of them may be anything: what the last call was in the middle of.
const INNERMOST: usize = 8;

/// The calls of one turn of a recursion are no more than these, or it is not seen.
const TURN_MAX: usize = 6;

/// Of a guest that calls itself over and over from the same places: in which of its functions, where it has names.
pub(crate) fn recursion(frames: &[Frame]) -> Option<Option<String>> {
    if frames.len() < FRAMES {
        return None;
    }
    let turns = |n: usize| (INNERMOST..frames.len() - n).all(|at| frames[at] == frames[at + n]);
    let turn = (1..=TURN_MAX).find(|n| turns(*n))?;
    let names = frames[INNERMOST..INNERMOST + turn].iter().find_map(|it| it.name.as_deref());
    Some(names.map(demangled))
}

/// A line for each frame.
pub(crate) fn text(frames: &[Frame]) -> Option<String> {
    if frames.is_empty() {
        return None;
    }
    let lines = frames.iter().enumerate().map(|(idx, frame)| format!("{idx}: {frame}"));
    Some(lines.collect::<Vec<_>>().join("\n"))
}

/// A name as its language writes it, where it was mangled; printable, on one line, and bounded.
pub(crate) fn demangled(name: &str) -> String {
    let mut out = Bounded { text: String::new(), is_full: false };
    // An error of a demangler that is not the bound's: the name only looked like a mangled one.
    let is_told = MANGLED_BYTES_MAX >= name.len() && demangle(name, &mut out);
    if !is_told && !out.is_full {
        out.text.clear();
        let _ = out.write_str(name);
    }
    if out.is_full {
        out.text.push('…');
    }
    out.text
}

/// Whether the name was a mangled one.
fn demangle(name: &str, out: &mut Bounded) -> bool {
    // The demanglers take more for a mangled name: `$s` or `i` are types to them. Some systems put one more underscore
    // in front of all names.
    if !["_Z", "__Z", "_R", "__R"].iter().any(|it| name.starts_with(it)) {
        return false;
    }
    if let Ok(symbol) = rustc_demangle::try_demangle(name) {
        return write!(out, "{symbol:#}").is_ok();
    }
    match cpp_demangle::Symbol::new(name) {
        Ok(symbol) => symbol.structured_demangle(out, &cpp_demangle::DemangleOptions::new()).is_ok(),
        Err(_) => false,
    }
}

/// Takes so much text, and then no more.
struct Bounded {
    text: String,
    is_full: bool,
}

impl fmt::Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for it in text.chars() {
            let seen = if is_printable(it) { it } else { '\u{fffd}' };
            if NAME_BYTES_MAX < self.text.len() + seen.len_utf8() {
                self.is_full = true;
                return Err(fmt::Error);
            }
            self.text.push(seen);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A mangled name in which every level says the one before it so often.
    fn doubling(levels: usize, width: usize) -> String {
        let substitution = |n: usize| if n == 0 { "S_".to_owned() } else { format!("S{}_", n - 1) };
        let mut name = "_Z1f1AIiiE".to_owned();
        for level in 0..levels {
            name += &format!("S_I{}E", substitution(level + 1).repeat(width));
        }
        name
    }

    #[test]
    fn names_are_as_their_language_writes_them() {
        for (name, expected) in [
            ("_ZN5guest5inner17h0123456789abcdefE", "guest::inner"),
            ("_RNvC5guest5inner", "guest::inner"),
            ("_ZN5guest5innerEi", "guest::inner(int)"),
            ("main.process", "main.process"),
            ("$s", "$s"),
            ("s", "s"),
            ("i", "i"),
            ("St", "St"),
            ("RNvC5guest5inner", "RNvC5guest5inner"),
            ("ZN5guest5inner17h0123456789abcdefE", "ZN5guest5inner17h0123456789abcdefE"),
            ("__ZN5guest5innerEi", "guest::inner(int)"),
            ("_Znonsense", "_Znonsense"),
            ("\u{1b}[31mred\n", "\u{fffd}[31mred\u{fffd}"),
        ] {
            assert_eq!(demangled(name), expected);
        }
    }

    /// The text of the second one would have 22 to the sixth parts.
    #[test]
    fn a_name_is_cut_before_it_is_made() {
        for name in [doubling(2, 22), doubling(6, 22), doubling(9, 4), "n".repeat(50_000)] {
            let told = demangled(&name);
            assert!(told.ends_with('…') && told.len() <= NAME_BYTES_MAX + '…'.len_utf8(), "{told}");
        }
    }

    #[test]
    fn a_long_name_is_not_read_by_a_demangler() {
        let name = |levels: usize| format!("_ZN{}E", "1a".repeat(levels));
        assert!(demangled(&name(400)).starts_with("a::a::"));
        assert!(demangled(&name(600)).starts_with("_ZN1a1a"));
    }
}
