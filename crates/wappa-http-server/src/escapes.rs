//! What is written with `%` in addresses.

use std::borrow::Cow;

/// A path as it is meant; what is no escape stays as it is.
pub(crate) fn path(text: &str) -> Cow<'_, [u8]> {
    percent_encoding::percent_decode_str(text).into()
}

/// The path without `//`, `/./` and `/../`, with escapes, as Go writes it; none where it has none of these.
pub(crate) fn clean(path: &[u8]) -> Option<String> {
    let is_odd = |it: &[u8]| matches!(it, b"" | b"." | b"..");
    let (first, rest) = path.split_first()?;
    let pieces: Vec<&[u8]> = rest.split(|it| *it == b'/').collect();
    // What is behind the last `/` may be nothing.
    let (last, inner) = pieces.split_last()?;
    if *first != b'/' || !inner.iter().any(|it| is_odd(it)) && !matches!(*last, b"." | b"..") {
        return None;
    }
    let mut kept: Vec<&[u8]> = Vec::new();
    for piece in &pieces {
        match *piece {
            b".." => _ = kept.pop(),
            piece if is_odd(piece) => (),
            piece => kept.push(piece),
        }
    }
    let mut clean = String::new();
    for piece in &kept {
        clean.push('/');
        clean.extend(percent_encoding::percent_encode(piece, ESCAPED));
    }
    if kept.is_empty() || last.is_empty() {
        clean.push('/');
    }
    Some(clean)
}

/// What Go escapes in a path.
const ESCAPED: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b',')
    .remove(b':')
    .remove(b';')
    .remove(b'=')
    .remove(b'@');

/// The parameters of a query, in the order in which they were given; those with an escape that cannot be read, or with a
/// `;`, are left out, as in Go.
pub(crate) fn query(text: &str) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
    text.split('&').filter(|it| !it.is_empty() && !it.contains(';')).filter_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        Some((component(key)?, component(value)?))
    })
}

/// A piece of a query, where `+` is a space. None where an escape cannot be read.
fn component(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                (digit()? << 4 | digit()?) as u8
            }
            byte => byte,
        });
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_read_as_go_reads_them() {
        let read = |text: &str| {
            let pairs = query(text).map(|(key, value)| {
                format!("{}={}", String::from_utf8_lossy(&key), String::from_utf8_lossy(&value))
            });
            pairs.collect::<Vec<_>>().join("|")
        };
        assert_eq!(read("a=1&b&c=x+y%20z&&d=%zz&e;f=1&%41=%c3%a4&g=1=2"), "a=1|b=|c=x y z|A=ä|g=1=2");
        assert_eq!(read("a=%4"), "");
    }

    #[test]
    fn a_path_is_cleaned_as_go_cleans_it() {
        for (path, expected) in [
            ("/a/b", None),
            ("/", None),
            ("/a/", None),
            ("*", None),
            ("/.well/..a", None),
            ("//", Some("/")),
            ("/a//b/", Some("/a/b/")),
            ("/./a", Some("/a")),
            ("/a/.", Some("/a")),
            ("/a/../b", Some("/b")),
            ("/../..", Some("/")),
            ("//evil.example/%", Some("/evil.example/%25")),
            ("/a b//\r\n?", Some("/a%20b/%0D%0A%3F")),
        ] {
            assert_eq!(clean(path.as_bytes()).as_deref(), expected, "{path:?}");
        }
    }

    #[test]
    fn a_path_is_as_it_is_meant() {
        assert_eq!(path("/a%20b/%zz/+").as_ref(), b"/a b/%zz/+");
    }
}
