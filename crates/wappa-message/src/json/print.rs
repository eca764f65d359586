//! Values as JSON: names in order, no white space, `<`, `>` and `&` as they are.

use bytes::Bytes;

use super::{Write, base64, number, scan::Notes, string};
use crate::value::{Key, Object, Slot, Value};

/// Writes a value.
pub(crate) fn write(value: &Value, out: &mut impl Write) {
    match value {
        Value::Null => out.write(b"null"),
        Value::Bool(true) => out.write(b"true"),
        Value::Bool(false) => out.write(b"false"),
        Value::Int(it) => number::write_int(*it, out),
        Value::Uint(it) => number::write_uint(*it, out),
        Value::Float(it) => number::write(*it, out),
        Value::Number(it) => out.write(it.as_slice()),
        Value::Text(it) => string::write(it, out),
        Value::Bytes(it) => base64::write(it, out),
        Value::Time(it) => string::write(it.to_string().as_bytes(), out),
        Value::Array(array) => match array.unread() {
            Some((text, notes)) if write_unread(text, notes, out) => (),
            _ => {
                out.write(b"[");
                for (idx, slot) in array.slots().iter().enumerate() {
                    separate(idx, out);
                    write_slot(slot, array.source(), out);
                }
                out.write(b"]");
            }
        },
        Value::Object(object) => match object.unread() {
            Some((text, notes)) if write_unread(text, notes, out) => (),
            _ => write_object(object, out),
        },
    }
}

fn write_object(object: &Object, out: &mut impl Write) {
    out.write(b"{");
    let source = object.source();
    // A range of pairs that stand in the source as they are printed, one behind the other.
    let mut run = 0..0;
    for (idx, entry) in object.entries().enumerate() {
        if let Some((start, end)) = entry.as_printed() {
            if start == run.end + 1 && idx != 0 && run.end != 0 && source[run.end] == b',' {
                run.end = end;
                continue;
            }
            out.write(&source[run]);
            separate(idx, out);
            run = start..end;
            continue;
        }
        out.write(&source[std::mem::take(&mut run)]);
        separate(idx, out);
        match &entry.key {
            Key::Text(text) => string::write(text, out),
            // With the quotes that stand around it.
            Key::Unread { start, end } => {
                out.write(&source[*start as usize - 1..*end as usize + 1]);
            }
        }
        out.write(b":");
        write_slot(&entry.slot, source, out);
    }
    out.write(&source[run]);
    out.write(b"}");
}

fn separate(idx: usize, out: &mut impl Write) {
    if 0 < idx {
        out.write(b",");
    }
}

fn write_slot(slot: &Slot, source: &Bytes, out: &mut impl Write) {
    match slot {
        Slot::Value(value) => write(value, out),
        Slot::Unread(range) => {
            let text = &source[range.start as usize..range.end as usize];
            if !write_unread(text, range.notes, out) {
                match text[0] {
                    b'"' => string::write(&string::decode(&text[1..text.len() - 1]), out),
                    _ => write(&slot.open(source), out),
                }
            }
        }
    }
}

/// Copies a text that a scan has passed over, where it is what printing gives but for white space; else says no.
fn write_unread(text: &[u8], notes: Notes, out: &mut impl Write) -> bool {
    if notes.has(Notes::REWRITTEN) {
        return false;
    }
    if !notes.has(Notes::SPACED) {
        out.write(text);
        return true;
    }
    let is_blank = |it: &u8| matches!(it, b' ' | b'\n' | b'\r' | b'\t');
    let mut rest = text;
    while let Some(at) = rest.iter().position(|it| is_blank(it) || *it == b'"') {
        out.write(&rest[..at]);
        rest = &rest[at..];
        let n = match rest[0] {
            b'"' => {
                let n = string::quoted_len(rest);
                out.write(&rest[..n]);
                n
            }
            _ => rest.iter().position(|it| !is_blank(it)).unwrap_or(rest.len()),
        };
        rest = &rest[n..];
    }
    out.write(rest);
    true
}
