//! What messages and documents take up as trees, before they are.

use prost_reflect::{Kind, MessageDescriptor};
use wappa_spec::Size;

/// What a message in a tree takes up at most beside its values, and what a value does, in bytes.
const MESSAGE_BYTES: usize = 1024;
const VALUE_BYTES: usize = 64;

/// A tree may be so many times as large as what becomes of it may be.
const FACTOR: usize = 4;

/// How many messages may stand one within another; that of the library, which does not count what is in an `Any`.
const DEPTH_MAX: usize = 100;

/// Whether a message takes up no more than it may, where so many bytes may come of it.
pub(super) fn check_message(
    descriptor: &MessageDescriptor,
    bytes: &[u8],
    limit: usize,
) -> Result<(), String> {
    let mut count = Count { left: limit.saturating_mul(FACTOR), limit };
    let mut rest = bytes;
    count.message(Some(descriptor), &mut rest, None, 0)
}

/// The same for a document in JSON.
pub(super) fn check_document(json: &[u8], limit: usize) -> Result<(), String> {
    let mut count = Count { left: limit.saturating_mul(FACTOR), limit };
    let mut is_text = false;
    let mut bytes = json.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => is_text = !is_text,
            b'\\' if is_text => _ = bytes.next(),
            b'{' | b'[' if !is_text => count.take(MESSAGE_BYTES)?,
            b',' if !is_text => count.take(VALUE_BYTES)?,
            _ => (),
        }
    }
    count.take(json.len())
}

struct Count {
    left: usize,
    limit: usize,
}

impl Count {
    fn take(&mut self, bytes: usize) -> Result<(), String> {
        let too_much = || {
            format!("it would take up more than {} in memory", Size(self.limit.saturating_mul(FACTOR) as u64))
        };
        self.left = self.left.checked_sub(bytes).ok_or_else(too_much)?;
        Ok(())
    }

    /// Counts a message, of a type that may be unknown, until its end or that of its group.
    fn message(
        &mut self,
        descriptor: Option<&MessageDescriptor>,
        bytes: &mut &[u8],
        group: Option<u64>,
        depth: usize,
    ) -> Result<(), String> {
        if depth == DEPTH_MAX {
            return Err("recursion limit reached".to_string());
        }
        self.take(MESSAGE_BYTES)?;
        let is_any = descriptor.is_some_and(|it| it.full_name() == "google.protobuf.Any");
        let (mut any_type, mut any_value): (&[u8], &[u8]) = (b"", b"");
        let malformed = || "malformed message".to_string();
        while !bytes.is_empty() {
            let tag = varint(bytes).ok_or_else(malformed)?;
            let number = tag >> 3;
            let kind = descriptor.and_then(|it| {
                let number = u32::try_from(number).ok()?;
                let field = it.get_field(number).map(|it| it.kind());
                field.or_else(|| it.get_extension(number).map(|it| it.kind()))
            });
            self.take(VALUE_BYTES)?;
            match tag & 7 {
                0 => _ = varint(bytes).ok_or_else(malformed)?,
                1 => _ = take(bytes, 8).ok_or_else(malformed)?,
                5 => _ = take(bytes, 4).ok_or_else(malformed)?,
                2 => {
                    let n = varint(bytes).and_then(|it| usize::try_from(it).ok()).ok_or_else(malformed)?;
                    let mut piece = take(bytes, n).ok_or_else(malformed)?;
                    match (is_any, number) {
                        (true, 1) => any_type = piece,
                        (true, 2) => any_value = piece,
                        _ => (),
                    }
                    match kind {
                        Some(Kind::Message(within)) => {
                            self.message(Some(&within), &mut piece, None, depth + 1)?
                        }
                        Some(Kind::String | Kind::Bytes) | None => self.take(piece.len())?,
                        // Values one behind another, each of a byte at least.
                        Some(_) => self.take(piece.len().saturating_mul(VALUE_BYTES))?,
                    }
                }
                3 => {
                    let within = match kind {
                        Some(Kind::Message(it)) => Some(it),
                        _ => None,
                    };
                    self.message(within.as_ref(), bytes, Some(number), depth + 1)?;
                }
                4 if group == Some(number) => return Ok(()),
                _ => return Err(malformed()),
            }
        }
        if group.is_some() {
            return Err(malformed());
        }
        let name =
            std::str::from_utf8(any_type).ok().and_then(|it| it.rsplit('/').next()).unwrap_or_default();
        if let Some(within) =
            descriptor.filter(|_| is_any).and_then(|it| it.parent_pool().get_message_by_name(name))
        {
            // It is read out of a copy.
            self.take(any_value.len().saturating_mul(2))?;
            self.message(Some(&within), &mut any_value, None, depth + 1)?;
        }
        Ok(())
    }
}

fn take<'a>(bytes: &mut &'a [u8], n: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(n)?;
    *bytes = rest;
    Some(taken)
}

/// A number in pieces of seven bits, the lowest ones first.
pub(super) fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for place in 0..10 {
        let byte = *bytes.get(place)?;
        value |= u64::from(byte & 0x7F) << (7 * place);
        if byte & 0x80 == 0 {
            *bytes = &bytes[place + 1..];
            return Some(value);
        }
    }
    None
}
