//! Messages of Protocol Buffers, written field by field behind each other: spans are many, and what would be made of each to
//! have a library write it costs more than the rest of it.

/// Field numbers that are used have one digit of base 128 together with their type, but those above 15, which have two.
type Field = u32;

const VARINT: u32 = 0;
const FIXED64: u32 = 1;
const BYTES: u32 = 2;
const FIXED32: u32 = 5;

fn key(out: &mut Vec<u8>, field: Field, kind: u32) {
    number(out, u64::from((field << 3) | kind));
}

fn number(out: &mut Vec<u8>, mut number: u64) {
    while 0x80 <= number {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// A number, or a choice.
pub(crate) fn varint(out: &mut Vec<u8>, field: Field, value: u64) {
    key(out, field, VARINT);
    number(out, value);
}

/// `fixed64`.
pub(crate) fn fixed64(out: &mut Vec<u8>, field: Field, value: u64) {
    key(out, field, FIXED64);
    out.extend_from_slice(&value.to_le_bytes());
}

/// `fixed32`.
pub(crate) fn fixed32(out: &mut Vec<u8>, field: Field, value: u32) {
    key(out, field, FIXED32);
    out.extend_from_slice(&value.to_le_bytes());
}

/// A text, bytes, or a message that is written already.
pub(crate) fn bytes(out: &mut Vec<u8>, field: Field, value: &[u8]) {
    begin(out, field, value.len());
    out.extend_from_slice(value);
}

/// What is so long follows: a message.
pub(crate) fn begin(out: &mut Vec<u8>, field: Field, n_bytes: usize) {
    key(out, field, BYTES);
    number(out, n_bytes as u64);
}

/// A message, which `write` writes behind what is there: nothing is allocated for it, and only what is behind the length of a
/// long one is moved.
pub(crate) fn message(out: &mut Vec<u8>, field: Field, write: impl FnOnce(&mut Vec<u8>)) {
    key(out, field, BYTES);
    let at = out.len();
    out.push(0);
    write(out);
    let n_bytes = out.len() - at - 1;
    if n_bytes < 0x80 {
        out[at] = n_bytes as u8;
        return;
    }
    let mut length = Vec::new();
    number(&mut length, n_bytes as u64);
    out.splice(at..=at, length);
}
