//! Bytes in a document of text: base64 with padding, as Go writes them.

use super::Write;

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Writes bytes as a text with its quotes.
pub(super) fn write(bytes: &[u8], out: &mut impl Write) {
    out.write(b"\"");
    for three in bytes.chunks(3) {
        let byte = |idx: usize| u32::from(three.get(idx).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        let digit = |idx: u32| DIGITS[(bits >> (18 - 6 * idx)) as usize & 63];
        let mut four = [digit(0), digit(1), digit(2), digit(3)];
        four[three.len() + 1..].fill(b'=');
        out.write(&four);
    }
    out.write(b"\"");
}
