//! Texts between quotes: what stands for itself, what an escape means, and how Go writes a text.

use super::Write;

/// How many bytes at the beginning of `text` stand for themselves in a JSON text: ASCII, without quotes, backslashes
/// and control characters.
#[inline]
pub(super) fn plain_len(text: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let mut at = 0;
    // Eight at a time. Taking one from a byte borrows if it is zero, so from `it ^ x` if it is `x`. What is found too
    // much are bytes from 0x80 on, which are looked for as well, and what lies behind what is found.
    while let Some(chunk) = text[at..].first_chunk() {
        let it = u64::from_le_bytes(*chunk);
        let quote = (it ^ (ONES * b'"' as u64)).wrapping_sub(ONES);
        let backslash = (it ^ (ONES * b'\\' as u64)).wrapping_sub(ONES);
        let control = it.wrapping_sub(ONES * 0x20);
        let found = (quote | backslash | control | it) & (ONES * 0x80);
        if found != 0 {
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    let is_plain = |it: &u8| matches!(it, 0x20..0x80) && *it != b'"' && *it != b'\\';
    at + text[at..].iter().position(|it| !is_plain(it)).unwrap_or(text.len() - at)
}

/// The length of the text with which `text` begins, both quotes included, after a scan has passed over it.
pub(super) fn quoted_len(text: &[u8]) -> usize {
    let mut at = 1;
    loop {
        at += plain_len(&text[at..]);
        match text[at] {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// Whether there is a U+2028 or U+2029, which Go escapes.
pub(super) fn has_separators(text: &str) -> bool {
    text.contains(['\u{2028}', '\u{2029}'])
}

/// What the text between two quotes means, after a scan has passed over it.
///
/// As in Go: half a surrogate pair, and each byte that is not UTF-8, becomes U+FFFD.
pub(crate) fn decode(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.iter().position(|it| *it == b'\\') {
        push_utf8(&rest[..at], &mut out);
        let escaped = rest[at + 1];
        rest = &rest[at + 2..];
        out.push(match escaped {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'b' => 8,
            b'f' => 12,
            b'u' => {
                let mut c = hexadecimal(&rest[..4]);
                rest = &rest[4..];
                if (0xd800..0xdc00).contains(&c)
                    && rest.starts_with(b"\\u")
                    && let low @ 0xdc00..0xe000 = hexadecimal(&rest[2..6])
                {
                    c = 0x1_0000 + ((c - 0xd800) << 10) + (low - 0xdc00);
                    rest = &rest[6..];
                }
                let c = char::from_u32(c).unwrap_or(char::REPLACEMENT_CHARACTER);
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                continue;
            }
            itself => itself,
        });
    }
    push_utf8(rest, &mut out);
    // An escape is six times as long as what it stands for.
    out.shrink_to_fit();
    out
}

fn hexadecimal(digits: &[u8]) -> u32 {
    digits
        .iter()
        .fold(0, |sum, it| sum * 16 + char::from(*it).to_digit(16).expect("the scan has seen digits"))
}

fn push_utf8(text: &[u8], out: &mut Vec<u8>) {
    // As nearly all is.
    if str::from_utf8(text).is_ok() {
        return out.extend_from_slice(text);
    }
    for chunk in text.utf8_chunks() {
        out.extend_from_slice(chunk.valid().as_bytes());
        for _ in chunk.invalid() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
}

/// Writes a text with its quotes, as Go does without its escapes for HTML. A byte that is not UTF-8 becomes `\ufffd`.
pub(super) fn write(text: &[u8], out: &mut impl Write) {
    let n_plain = plain_len(text);
    // As nearly all are.
    if n_plain == text.len() {
        return out.write_quoted(text);
    }
    out.write(b"\"");
    out.write(&text[..n_plain]);
    let mut rest = &text[n_plain..];
    loop {
        let (plain, special) = rest.split_at(plain_len(rest));
        out.write(plain);
        let Some((first, behind)) = special.split_first() else { break };
        rest = behind;
        match *first {
            b'"' => out.write(b"\\\""),
            b'\\' => out.write(b"\\\\"),
            b'\n' => out.write(b"\\n"),
            b'\r' => out.write(b"\\r"),
            b'\t' => out.write(b"\\t"),
            8 => out.write(b"\\b"),
            12 => out.write(b"\\f"),
            it @ 0..0x20 => {
                const DIGITS: &[u8; 16] = b"0123456789abcdef";
                out.write(b"\\u00");
                out.write(&[DIGITS[it as usize >> 4], DIGITS[it as usize & 15]]);
            }
            _ => {
                let n_high = special.iter().position(u8::is_ascii).unwrap_or(special.len());
                write_high(&special[..n_high], out);
                rest = &special[n_high..];
            }
        }
    }
    out.write(b"\"");
}

fn write_high(text: &[u8], out: &mut impl Write) {
    for chunk in text.utf8_chunks() {
        let mut plain = chunk.valid();
        while let Some(at) = plain.find(['\u{2028}', '\u{2029}']) {
            let (before, rest) = plain.split_at(at);
            out.write(before.as_bytes());
            let escape: &[u8] = if rest.starts_with('\u{2028}') { b"\\u2028" } else { b"\\u2029" };
            out.write(escape);
            plain = &rest["\u{2028}".len()..];
        }
        out.write(plain.as_bytes());
        for _ in chunk.invalid() {
            out.write(b"\\ufffd");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_is_found_whatever_stands_where() {
        for special in (0..=255).filter(|it| !matches!(it, 0x20..0x80) || matches!(it, b'"' | b'\\')) {
            for len in 0..40 {
                for at in 0..len {
                    let mut text = vec![b'a'; len];
                    text[at] = special;
                    assert_eq!(plain_len(&text), at, "{special} at {at} of {len}");
                    // What comes later must not be found first.
                    text[len - 1] = b'"';
                    assert_eq!(plain_len(&text), at, "{special} at {at} of {len}");
                }
            }
        }
        for plain in (0x20..0x80).filter(|it| *it != b'"' && *it != b'\\') {
            assert_eq!(plain_len(&[plain; 19]), 19, "{plain}");
        }
    }
}
