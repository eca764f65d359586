//! What Go writes and reads: its notation of texts, and how it prints values in messages.

use std::fmt::Write;

use wappa_message::Value;

use super::Evaluated;
use crate::time::layout;

/// A text in Go's quotes.
pub(crate) fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            c if c < ' ' || c == '\u{7f}' => out.push_str(&format!("\\x{:02x}", c as u32)),
            c if c.is_control() || (c.is_whitespace() && c != ' ') => match c as u32 {
                it @ 0..0x1_0000 => out.push_str(&format!("\\u{it:04x}")),
                it => out.push_str(&format!("\\U{it:08x}")),
            },
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Any bytes in Go's quotes.
pub(crate) fn quote_bytes(text: &[u8]) -> String {
    let mut out = String::from("\"");
    for chunk in text.utf8_chunks() {
        let quoted = quote(chunk.valid());
        out.push_str(&quoted[1..quoted.len() - 1]);
        chunk.invalid().iter().for_each(|it| out.push_str(&format!("\\x{it:02x}")));
    }
    out.push('"');
    out
}

/// The longest text that an error tells in quotes, in bytes.
const TOLD_BYTES_MAX: usize = 4096;

/// A text in Go's quotes, as errors tell it: as much of it as they show.
pub(crate) fn told(text: &str) -> String {
    match text.len() <= TOLD_BYTES_MAX {
        true => quote(text),
        false => format!("{}…", quote(&text[..text.floor_char_boundary(TOLD_BYTES_MAX)])),
    }
}

/// The same in the quotes of Go's package for time, which writes what is beyond ASCII and below a blank byte by byte.
pub(crate) fn told_time(text: &str) -> String {
    let shown = &text[..text.floor_char_boundary(TOLD_BYTES_MAX)];
    let mut out = String::with_capacity(shown.len() + 2);
    out.push('"');
    for byte in shown.bytes() {
        match byte {
            b'"' | b'\\' => out.extend(['\\', char::from(byte)]),
            b' '..=b'\x7f' => out.push(char::from(byte)),
            byte => out.push_str(&format!("\\x{byte:02x}")),
        }
    }
    out.push('"');
    if shown.len() < text.len() {
        out.push('…');
    }
    out
}

/// The same of any bytes.
pub(crate) fn told_bytes(text: &[u8]) -> String {
    match text.get(..TOLD_BYTES_MAX) {
        None => quote_bytes(text),
        Some(begin) => format!("{}…", quote_bytes(begin)),
    }
}

/// A character in Go's single quotes.
pub(crate) fn quote_char(c: char) -> String {
    match c {
        '\'' => "'\\''".to_string(),
        '"' => "'\"'".to_string(),
        c => {
            let quoted = quote(&c.to_string());
            format!("'{}'", &quoted[1..quoted.len() - 1])
        }
    }
}

/// The text that stands in any quotes of Go.
pub(crate) fn unquote_any(text: &str) -> Option<Vec<u8>> {
    let inner = text.get(1..text.len().checked_sub(1)?)?;
    match text.as_bytes() {
        [b'"', .., b'"'] => unquote(inner),
        [b'`', .., b'`'] if !inner.contains('`') => Some(inner.replace('\r', "").into_bytes()),
        [b'\'', .., b'\''] => {
            let unquoted = match inner {
                "\\'" => vec![b'\''],
                "\\\"" | "'" => return None,
                "\"" => vec![b'"'],
                inner => unquote(inner)?,
            };
            str::from_utf8(&unquoted).ok().filter(|it| it.chars().count() == 1)?;
            Some(unquoted)
        }
        _ => None,
    }
}

/// What stands between Go's double quotes; nothing where that is no text of Go.
pub(crate) fn unquote(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        match first {
            b'"' | b'\n' => return None,
            b'\\' => rest = unescape(rest, &mut out)?,
            byte => out.push(*byte),
        }
    }
    Some(out)
}

/// Takes an escape, of which the backslash was taken before, and gives what is behind it.
fn unescape<'a>(rest: &'a [u8], out: &mut Vec<u8>) -> Option<&'a [u8]> {
    let (first, behind) = rest.split_first()?;
    let n_digits = match first {
        b'x' => 2,
        b'u' => 4,
        b'U' => 8,
        b'0'..=b'7' => {
            let digits = str::from_utf8(rest.get(..3)?).ok()?;
            out.push(u8::from_str_radix(digits, 8).ok()?);
            return Some(&rest[3..]);
        }
        _ => {
            out.push(match first {
                b'a' => 7,
                b'b' => 8,
                b'f' => 12,
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'v' => 11,
                b'\\' | b'"' => *first,
                _ => return None,
            });
            return Some(behind);
        }
    };
    let digits = behind.get(..n_digits)?;
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let code = u32::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?;
    match n_digits {
        2 => out.push(code as u8),
        _ => out.extend_from_slice(char::from_u32(code)?.encode_utf8(&mut [0; 4]).as_bytes()),
    }
    Some(&behind[n_digits..])
}

/// A value as Go's `%v` prints it, in an error: as much of it as errors show.
pub(crate) fn shown(value: &Value) -> String {
    let mut out = String::new();
    print_within(value, &mut out, TOLD_BYTES_MAX);
    if TOLD_BYTES_MAX < out.len() {
        out.truncate(out.floor_char_boundary(TOLD_BYTES_MAX));
        out.push('…');
    }
    out
}

/// A value as Go's `%v` prints it.
pub(crate) fn print(value: &Value, out: &mut String) {
    print_within(value, out, usize::MAX);
}

/// The same, which ends soon after there are so many bytes.
fn print_within(value: &Value, out: &mut String, max: usize) {
    let is_full = |out: &String| max < out.len();
    match value {
        Value::Null => out.push_str("<nil>"),
        Value::Array(array) => {
            out.push('[');
            for (idx, it) in array.iter().enumerate() {
                if is_full(out) {
                    return;
                }
                if 0 < idx {
                    out.push(' ');
                }
                print_within(&it, out, max);
            }
            out.push(']');
        }
        Value::Object(object) => {
            out.push_str("map[");
            for (idx, (name, it)) in object.iter().enumerate() {
                if is_full(out) {
                    return;
                }
                if 0 < idx {
                    out.push(' ');
                }
                push_within(&name, out, max);
                out.push(':');
                print_within(&it, out, max);
            }
            out.push(']');
        }
        Value::Bytes(bytes) => {
            print_bytes(&bytes[..bytes.len().min(max)], out);
        }
        Value::Time(time) => out.push_str(&layout::format(time, "2006-01-02 15:04:05.999999999 -0700 MST")),
        other => push_within(&other.to_text(), out, max),
    }
}

/// Bytes as Go's `%v` prints them: a list of numbers.
pub(crate) fn print_bytes(bytes: &[u8], out: &mut String) {
    for (idx, it) in bytes.iter().enumerate() {
        out.push(if idx == 0 { '[' } else { ' ' });
        // Writing to a text does not fail.
        let _ = write!(out, "{it}");
    }
    out.push_str(if bytes.is_empty() { "[]" } else { "]" });
}

/// Adds a text, or a little more of it than there may be.
fn push_within(text: &[u8], out: &mut String, max: usize) {
    let n = text.len().min(max.saturating_add(1));
    out.push_str(&String::from_utf8_lossy(&text[..n]));
}

/// The name of Go's type of a value. A whole number of a document is one that keeps its text.
pub(crate) fn type_name(value: &Value, is_of_document: bool) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Int(_) if is_of_document => "json.Number",
        Value::Int(_) => "int64",
        Value::Uint(_) => "uint64",
        Value::Float(_) => "float64",
        Value::Number(_) => "json.Number",
        Value::Text(_) => "string",
        Value::Bytes(_) => "[]uint8",
        Value::Time(_) => "time.Time",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// The same of what a query results in.
pub(crate) fn type_name_of(evaluated: &Evaluated, is_of_document: bool) -> &'static str {
    match evaluated {
        Evaluated::Value(value) => type_name(value, is_of_document),
        Evaluated::Deleted => "value.Delete",
        Evaluated::Nothing => "value.Nothing",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_as_go_reads_them() {
        let check =
            |text: &str, expected: Option<&[u8]>| assert_eq!(unquote(text).as_deref(), expected, "{text}");
        check("plain \u{e4}", Some("plain \u{e4}".as_bytes()));
        check(r#"\a\b\f\n\r\t\v\\\""#, Some(b"\x07\x08\x0c\n\r\t\x0b\\\""));
        check(r"\x41\101\u00e4\U0001f600", Some("AA\u{e4}\u{1f600}".as_bytes()));
        check(r"\xff", Some(b"\xff"));
        for wrong in [r"\", r"\'", r"\x4", r"\xg0", r"\400", r"\ud800", r"\U00110000", "a\nb", "\"", r"\/"] {
            check(wrong, None);
        }
    }

    #[test]
    fn texts_are_quoted_as_go_quotes_them() {
        assert_eq!(quote("a\"b\\\n\u{1}\u{7f}\u{e4}"), r#""a\"b\\\n\x01\x7fä""#);
    }
}
