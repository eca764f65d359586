//! From values to text, in the block style and with the quotes of Go's `yaml.v3`.

use std::cmp::Ordering;

use wappa_message::{Text, Value};

use super::scalar;
use crate::value::{base::Scheme, sort::merge_sort};

/// How many spaces a level has.
const INDENT: usize = 4;

/// The longest name, in bytes, that stands before its colon on one line.
const NAME_BYTES_MAX: usize = 128;

/// Writes a value as a document.
///
/// The error is the one of `charge`, which is told how many bytes were written since it was last asked.
pub(crate) fn write<E>(value: &Value, charge: &mut dyn FnMut(usize) -> Result<(), E>) -> Result<Vec<u8>, E> {
    let mut writer = Writer { out: Vec::new(), n_charged: 0, charge };
    writer.node(value, 0, Place::Root)?;
    Ok(writer.out)
}

/// Where a value stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Root,
    /// Behind a dash, in the same line.
    Element,
    /// Behind the colon of a name.
    Field,
}

/// What sorting costs for each name, as bytes that are written.
const SORTED_BYTES: usize = 64;

struct Writer<'a, E> {
    out: Vec<u8>,
    n_charged: usize,
    charge: &'a mut dyn FnMut(usize) -> Result<(), E>,
}

impl<E> Writer<'_, E> {
    fn line(&mut self) -> Result<(), E> {
        self.out.push(b'\n');
        self.reserve(0)
    }

    /// Says what was written, and how many bytes will be.
    fn reserve(&mut self, n: usize) -> Result<(), E> {
        let end = self.out.len().saturating_add(n);
        let n = end.saturating_sub(self.n_charged);
        self.n_charged = self.n_charged.max(end);
        (self.charge)(n)
    }

    fn indent(&mut self, indent: usize) {
        self.out.resize(self.out.len() + indent, b' ');
    }

    /// Writes a value whose container stands at this column, to the end of its last line.
    fn node(&mut self, value: &Value, indent: usize, place: Place) -> Result<(), E> {
        match value {
            Value::Array(array) if !array.is_empty() => {
                let indent = self.open(indent, place)?;
                for (idx, it) in array.iter().enumerate() {
                    if 0 < idx || place != Place::Element {
                        self.indent(indent);
                    }
                    self.out.extend_from_slice(b"- ");
                    self.node(&it, indent, Place::Element)?;
                }
                Ok(())
            }
            // Bytes are a list of numbers, as in Go.
            Value::Bytes(bytes) if !bytes.is_empty() => {
                let indent = self.open(indent, place)?;
                // The longest one, with its dash.
                self.reserve(bytes.len().saturating_mul(indent + 6))?;
                for (idx, it) in bytes.iter().enumerate() {
                    if 0 < idx || place != Place::Element {
                        self.indent(indent);
                    }
                    self.out.extend_from_slice(format!("- {it}").as_bytes());
                    self.line()?;
                }
                Ok(())
            }
            Value::Object(object) if !object.is_empty() => {
                let indent = self.open(indent, place)?;
                let mut pairs: Vec<(Text, Value)> = object.iter().collect();
                (self.charge)(pairs.len().saturating_mul(SORTED_BYTES))?;
                // Of some names it is no order: one comes before another, that before a third, and that before the first.
                merge_sort(&mut pairs, &mut |(_, one), (_, other)| {
                    Ok(by_name(&one.0, &other.0) == Ordering::Less)
                })?;
                for (idx, (name, it)) in pairs.iter().enumerate() {
                    if 0 < idx || place != Place::Element {
                        self.indent(indent);
                    }
                    if name.len() <= NAME_BYTES_MAX && !name.contains(&b'\n') {
                        self.text(name, None)?;
                    } else {
                        self.out.extend_from_slice(b"? ");
                        self.text(name, Some((indent, Place::Field)))?;
                        self.line()?;
                        self.indent(indent);
                    }
                    self.out.push(b':');
                    self.node(it, indent, Place::Field)?;
                }
                Ok(())
            }
            other => {
                if place == Place::Field {
                    self.out.push(b' ');
                }
                self.scalar(other, indent, place)?;
                self.line()
            }
        }
    }

    /// Where what is in a container stands.
    fn open(&mut self, indent: usize, place: Place) -> Result<usize, E> {
        Ok(match place {
            Place::Root => 0,
            // What stands behind a dash is a level of its own, as wide as the dash and the space.
            Place::Element => indent + 2,
            Place::Field => {
                self.line()?;
                within(indent)
            }
        })
    }

    fn scalar(&mut self, value: &Value, indent: usize, place: Place) -> Result<(), E> {
        let text = match value {
            Value::Null => "null".to_string(),
            Value::Array(_) | Value::Bytes(_) => "[]".to_string(),
            Value::Object(_) => "{}".to_string(),
            Value::Text(text) => return self.text(text, Some((indent, place))),
            Value::Float(it) if it.is_nan() => ".nan".to_string(),
            Value::Float(it) if it.is_infinite() => if *it < 0.0 { "-.inf" } else { ".inf" }.to_string(),
            other => String::from_utf8_lossy(&other.to_text()).into_owned(),
        };
        self.out.extend_from_slice(text.as_bytes());
        Ok(())
    }

    /// Writes a text; a block of lines only where that may stand.
    fn text(&mut self, text: &[u8], block: Option<(usize, Place)>) -> Result<(), E> {
        self.reserve(text.len().saturating_mul(2))?;
        let Ok(text) = str::from_utf8(text) else {
            self.out.extend_from_slice(b"!!binary ");
            let encoded = Scheme::find("base64").and_then(|it| it.encode(text).ok()).unwrap_or_default();
            self.out.extend_from_slice(&encoded);
            return Ok(());
        };
        let look = Look::of(text);
        if text.contains('\n') {
            return match block {
                Some((indent, place)) if look.may_be_block => self.block(text, indent, place),
                _ => {
                    self.quoted(text);
                    Ok(())
                }
            };
        }
        if scalar::needs_quotes(text) {
            self.quoted(text);
        } else if look.may_be_plain {
            self.out.extend_from_slice(text.as_bytes());
        } else if look.may_be_single {
            self.out.push(b'\'');
            self.out.extend_from_slice(text.replace('\'', "''").as_bytes());
            self.out.push(b'\'');
        } else {
            self.quoted(text);
        }
        Ok(())
    }

    /// Writes a text as lines behind a bar, without the end of the last line.
    fn block(&mut self, text: &str, indent: usize, place: Place) -> Result<(), E> {
        let inner = match place {
            Place::Root => INDENT,
            Place::Element => indent + 2,
            Place::Field => within(indent),
        };
        let n_lines = memchr::memchr_iter(b'\n', text.as_bytes()).count() + 1;
        self.reserve(text.len().saturating_add(n_lines.saturating_mul(inner)))?;
        self.out.push(b'|');
        if text.starts_with([' ', '\n']) {
            let n = if place == Place::Root { inner } else { inner - indent };
            self.out.extend_from_slice(n.to_string().as_bytes());
        }
        let lines = match text.strip_suffix('\n') {
            None => {
                self.out.push(b'-');
                text
            }
            Some(lines) => {
                if lines.is_empty() || lines.ends_with('\n') {
                    self.out.push(b'+');
                }
                lines
            }
        };
        for line in lines.split('\n') {
            self.out.push(b'\n');
            if !line.is_empty() {
                self.indent(inner);
                self.out.extend_from_slice(line.as_bytes());
            }
        }
        Ok(())
    }

    fn quoted(&mut self, text: &str) {
        self.out.push(b'"');
        for c in text.chars() {
            let escape = match c {
                '\0' => '0',
                '\u{7}' => 'a',
                '\u{8}' => 'b',
                '\t' => 't',
                '\n' => 'n',
                '\u{b}' => 'v',
                '\u{c}' => 'f',
                '\r' => 'r',
                '\u{1b}' => 'e',
                '"' | '\\' => c,
                '\u{85}' => 'N',
                '\u{a0}' if !is_printable(c) => '_',
                '\u{2028}' => 'L',
                '\u{2029}' => 'P',
                c if is_printable(c) => {
                    self.out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                    continue;
                }
                c => {
                    let escaped = match c as u32 {
                        it @ 0..=0xff => format!("\\x{it:02X}"),
                        it @ 0x100..=0xffff => format!("\\u{it:04X}"),
                        it => format!("\\U{it:08X}"),
                    };
                    self.out.extend_from_slice(escaped.as_bytes());
                    continue;
                }
            };
            self.out.extend_from_slice(&[b'\\', escape as u8]);
        }
        self.out.push(b'"');
    }
}

/// The column of what is in a container that belongs to a name at this column.
fn within(indent: usize) -> usize {
    INDENT * (indent / INDENT + 1)
}

/// What Go's library writes as it is.
fn is_printable(c: char) -> bool {
    matches!(c, '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}') && c != '\u{feff}'
}

fn is_break(c: char) -> bool {
    matches!(c, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// In which notations a text may stand.
struct Look {
    may_be_plain: bool,
    may_be_single: bool,
    may_be_block: bool,
}

impl Look {
    fn of(text: &str) -> Look {
        let mut look = Look { may_be_plain: true, may_be_single: true, may_be_block: true };
        if text.starts_with("---") || text.starts_with("...") {
            look.may_be_plain = false;
        }
        let mut before = None;
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            let next = chars.peek().copied();
            let is_blank = |it: Option<char>| it.is_none_or(|it| it == ' ' || it == '\t' || is_break(it));
            let is_indicator = match (c, before) {
                (
                    '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@'
                    | '`',
                    None,
                ) => true,
                ('?' | '-', None) | (':', _) => next.is_none_or(|it| is_blank(Some(it))),
                ('#', before) => is_blank(before),
                _ => false,
            };
            if is_indicator {
                look.may_be_plain = false;
            }
            let (is_first, is_last) = (before.is_none(), next.is_none());
            if c == ' ' && (is_first || is_last) || is_break(c) {
                look.may_be_plain = false;
            }
            let is_special = c != '\t' && !is_printable(c) || is_break(c) && c != '\n';
            if c == '\t' || is_special {
                (look.may_be_plain, look.may_be_single) = (false, false);
            }
            if is_special || c == ' ' && (is_last || next.is_some_and(is_break)) {
                look.may_be_block = false;
            }
            before = Some(c);
        }
        look
    }
}

/// The order of names, in which numbers in them count as numbers. Source: `yaml.v3`.
fn by_name(one: &[u8], other: &[u8]) -> Ordering {
    let (one, other) = (String::from_utf8_lossy(one), String::from_utf8_lossy(other));
    let n_same: usize = one
        .chars()
        .zip(other.chars())
        .take_while(|(one, other)| one == other)
        .map(|(it, _)| it.len_utf8())
        .sum();
    let (same, one, other) = (&one[..n_same], &one[n_same..], &other[n_same..]);
    let (Some(a), Some(b)) = (one.chars().next(), other.chars().next()) else {
        return one.len().cmp(&other.len());
    };
    match (a.is_alphabetic(), b.is_alphabetic()) {
        (true, true) => return a.cmp(&b),
        (false, false) => (),
        // A letter comes behind what is none, but before it where a number ends.
        (is_letter, _) => {
            let is_number = same.ends_with(|it: char| it.is_ascii_digit());
            return if is_letter == is_number { Ordering::Less } else { Ordering::Greater };
        }
    }
    // Zeros within a number are part of it, those at its beginning are not.
    let begins = same.bytes().rev().take_while(u8::is_ascii_digit).any(|it| it != b'0');
    let number = |text: &str| {
        let mut number = i64::from((a == '0' || b == '0') && begins);
        let mut n = 0;
        for digit in text.bytes().take_while(u8::is_ascii_digit) {
            number = number.wrapping_mul(10).wrapping_add(i64::from(digit - b'0'));
            n += 1;
        }
        (number, n)
    };
    number(one).cmp(&number(other)).then(a.cmp(&b))
}
