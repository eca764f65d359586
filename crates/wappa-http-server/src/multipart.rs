//! Bodies of several parts: those of requests, and those of answers with several messages.

use std::{
    ops::Range,
    sync::atomic::{AtomicU64, Ordering},
};

use bytes::{Bytes, BytesMut};
use memchr::{memchr, memmem::Finder};

/// How many parts a body may have: each becomes a message.
const PARTS_MAX: usize = 16_384;

/// What the type of a body says of its parts.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// It is one.
    Whole,
    /// It has parts, with this between them.
    Parts { boundary: String },
}

/// Reads a `Content-Type`; the error is one line.
pub(crate) fn form_of(content_type: &[u8]) -> Result<Form, String> {
    let text = std::str::from_utf8(content_type).map_err(|_| "the content type is no text".to_string())?;
    let media_type = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if media_type.is_empty() {
        return Err("mime: no media type".to_string());
    }
    if !media_type.starts_with("multipart/") {
        return Ok(Form::Whole);
    }
    match boundary(text) {
        Some(boundary) if !boundary.is_empty() && boundary.len() <= 70 => Ok(Form::Parts { boundary }),
        _ => Err("multipart: boundary is empty".to_string()),
    }
}

/// The parameter `boundary`, in quotes or not.
fn boundary(content_type: &str) -> Option<String> {
    let mut rest = content_type.split_once(';')?.1;
    loop {
        let (name, behind) = rest.split_once('=')?;
        let (value, next) = match behind.trim_start().strip_prefix('"') {
            Some(quoted) => {
                let mut value = String::new();
                let mut chars = quoted.char_indices();
                let end = loop {
                    match chars.next()? {
                        (at, '"') => break at,
                        (_, '\\') => value.push(chars.next()?.1),
                        (_, other) => value.push(other),
                    }
                };
                (value, quoted[end + 1..].split_once(';').map(|it| it.1))
            }
            None => {
                let (value, next) = behind.split_once(';').map_or((behind, None), |it| (it.0, Some(it.1)));
                (value.trim().to_string(), next)
            }
        };
        if name.trim().eq_ignore_ascii_case("boundary") {
            return Some(value);
        }
        rest = next?;
    }
}

/// The contents of the parts of a body; the error is one line, in Go's words where Go has some. Each holds itself and not
/// the body: what is between parts, or in others, is gone when they are.
pub(crate) fn parts(body: &Bytes, boundary: &str) -> Result<Vec<Bytes>, String> {
    let delimiter = format!("--{boundary}");
    let (mut at, line_end) = first_part(body, delimiter.as_bytes())?;
    let mut contents = Vec::new();
    let between = [line_end, delimiter.as_bytes()].concat();
    let finder = Finder::new(&between);
    while let Some(headers) = at {
        if contents.len() == PARTS_MAX {
            return Err(format!("there are more than {PARTS_MAX} parts"));
        }
        let begin = behind_headers(body, headers)?;
        let (end, behind) = match is_delimited(&body[begin..], delimiter.as_bytes()) {
            true => (begin, begin + delimiter.len()),
            false => {
                let ends = finder.find_iter(&body[begin..]).map(|it| begin + it);
                let end = ends
                    .into_iter()
                    .find(|it| is_delimited(&body[it + line_end.len()..], delimiter.as_bytes()));
                let end = end.ok_or("unexpected EOF")?;
                (end, end + between.len())
            }
        };
        contents.push(own(body, begin..end));
        at = next_part(body, behind)?;
    }
    Ok(contents)
}

/// A range of a body as a message has it: one that is most of it shares it, others are copied.
fn own(body: &Bytes, range: Range<usize>) -> Bytes {
    if body.len() < 2 * range.len() { body.slice(range) } else { Bytes::copy_from_slice(&body[range]) }
}

/// Where the headers of the first part begin, and how lines end: what is before them belongs to nobody.
fn first_part(body: &[u8], delimiter: &[u8]) -> Result<(Option<usize>, &'static [u8]), String> {
    let mut at = 0;
    loop {
        let line_end = memchr(b'\n', &body[at..]).map(|it| at + it);
        if is_delimited(&body[at..], delimiter) {
            let is_short = line_end.is_some_and(|it| !body[..it].ends_with(b"\r"));
            let ends: &[u8] = if is_short { b"\n" } else { b"\r\n" };
            return Ok((next_part(body, at + delimiter.len())?, ends));
        }
        at = line_end.ok_or("multipart: NextPart: EOF")? + 1;
    }
}

/// Whether there is a delimiter, and not something that only begins like it.
fn is_delimited(rest: &[u8], delimiter: &[u8]) -> bool {
    let Some(behind) = rest.strip_prefix(delimiter) else { return false };
    behind.starts_with(b"--") || behind.first().is_some_and(|it| b" \t\r\n".contains(it))
}

/// Where the headers of a part begin whose delimiter ends here; none behind the last one.
fn next_part(body: &[u8], at: usize) -> Result<Option<usize>, String> {
    let rest = &body[at..];
    if rest.starts_with(b"--") {
        return Ok(None);
    }
    let end = memchr(b'\n', rest).ok_or("unexpected EOF")?;
    match rest[..end].trim_ascii().is_empty() {
        true => Ok(Some(at + end + 1)),
        false => Err("multipart: expecting a new Part".to_string()),
    }
}

/// Where the content begins of a part whose headers begin here. They say nothing that matters.
fn behind_headers(body: &[u8], mut at: usize) -> Result<usize, String> {
    loop {
        let end = at + memchr(b'\n', &body[at..]).ok_or("unexpected EOF")?;
        let line = body[at..end].strip_suffix(b"\r").unwrap_or(&body[at..end]);
        at = end + 1;
        if line.is_empty() {
            return Ok(at);
        }
        if !line.contains(&b':') && !line.starts_with(b" ") && !line.starts_with(b"\t") {
            let line = String::from_utf8_lossy(&line[..line.len().min(100)]).into_owned();
            return Err(format!("malformed MIME header: missing colon: {line:?}"));
        }
    }
}

/// Bodies as they are sent.
#[derive(Debug)]
pub(crate) struct Writer {
    boundary: String,
    out: BytesMut,
}

impl Writer {
    pub(crate) fn new() -> Writer {
        Writer { boundary: new_boundary(), out: BytesMut::new() }
    }

    pub(crate) fn part(&mut self, content_type: &[u8], content: &[u8]) {
        let between = if self.out.is_empty() { "--" } else { "\r\n--" };
        for piece in [
            between.as_bytes(),
            self.boundary.as_bytes(),
            b"\r\nContent-Type: ",
            content_type,
            b"\r\n\r\n",
            content,
        ] {
            self.out.extend_from_slice(piece);
        }
    }

    /// The body and its type.
    pub(crate) fn finish(mut self) -> (Bytes, String) {
        self.out.extend_from_slice(format!("\r\n--{}--\r\n", self.boundary).as_bytes());
        (self.out.freeze(), format!("multipart/form-data; boundary={}", self.boundary))
    }
}

/// What is in no part, but by a chance that nobody has. Nobody can know it beforehand: the numbers come from the seed that
/// the maps of this process have.
fn new_boundary() -> String {
    use std::hash::{BuildHasher, RandomState};
    static N: AtomicU64 = AtomicU64::new(0);
    let n = N.fetch_add(1, Ordering::Relaxed);
    (0..3).map(|it| format!("{:016x}", RandomState::new().hash_one((n, it)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts_of(body: impl Into<Bytes>) -> Result<Vec<Bytes>, String> {
        parts(&body.into(), "X")
    }

    fn texts(body: &'static str) -> String {
        match parts_of(body) {
            Ok(parts) => parts.iter().map(|it| format!("[{}]", it.escape_ascii())).collect(),
            Err(err) => err,
        }
    }

    #[test]
    fn parts_are_found_as_go_finds_them() {
        assert_eq!(texts("--X\r\na: b\r\n\r\none\r\n--X  \r\n\r\n\r\n--X--"), "[one][]");
        assert_eq!(
            texts("before\r\n--XY\r\n--X\r\n\r\n--X\r\n\r\na\r\n--Xb\r\n--X--\r\nbehind"),
            "[][a\\r\\n--Xb]"
        );
        assert_eq!(texts("--X\n\na\n--X\nc:d\n e\n\nb\r\n--X--"), "[a][b\\r]");
        assert_eq!(texts("--X--"), "");
        assert_eq!(texts("--X\r\n\r\na"), "unexpected EOF");
        assert_eq!(texts("--X\r\na"), "unexpected EOF");
        assert_eq!(texts("--X\r\na\r\n\r\n"), "malformed MIME header: missing colon: \"a\"");
        assert_eq!(texts("--X\r\n\r\na\r\n--X b\r\n"), "multipart: expecting a new Part");
        assert_eq!(texts(""), "multipart: NextPart: EOF");
    }

    #[test]
    fn parts_are_bounded() {
        let body = |n: usize| "--X\r\n\r\na\r\n".repeat(n) + "--X--\r\n";
        assert_eq!(parts_of(body(PARTS_MAX)).map(|it| it.len()), Ok(PARTS_MAX));
        assert_eq!(parts_of(body(PARTS_MAX + 1)), Err("there are more than 16384 parts".to_string()));
    }

    /// What is between parts is nobody's message, and nobody counts it.
    #[test]
    fn a_small_part_does_not_hold_a_large_body() {
        let body = Bytes::from("x".repeat(1000) + "\r\n--X\r\n\r\na\r\n--X--");
        let range = body.as_ptr() as usize..body.as_ptr() as usize + body.len();
        let parts = parts(&body, "X").expect("there is one");
        assert!(parts.len() == 1 && !range.contains(&(parts[0].as_ptr() as usize)), "{range:?}");
    }

    #[test]
    fn what_is_written_is_read() {
        let mut writer = Writer::new();
        writer.part(b"text/plain", b"a\r\n--b");
        writer.part(b"text/plain", b"");
        let (body, content_type) = writer.finish();
        let Ok(Form::Parts { boundary }) = form_of(content_type.as_bytes()) else { panic!("{content_type}") };
        let text = String::from_utf8(body.to_vec()).expect("it is a text").replace(&boundary, "X");
        assert_eq!(parts_of(text), Ok(vec![Bytes::from_static(b"a\r\n--b"), Bytes::new()]));
    }

    #[test]
    fn boundaries_are_found() {
        let boundary = |text: &str| match form_of(text.as_bytes()) {
            Ok(Form::Parts { boundary }) => boundary,
            Ok(Form::Whole) => "whole".to_string(),
            Err(err) => err,
        };
        assert_eq!(boundary("multipart/mixed; charset=x; Boundary=\"a;\\\"b\"; c=d"), "a;\"b");
        assert_eq!(boundary("Multipart/form-data;boundary=ab ; c=d"), "ab");
        assert_eq!(boundary("multipart/mixed; boundary=\"a"), "multipart: boundary is empty");
        assert_eq!(boundary("application/json; boundary=a"), "whole");
        assert_eq!(boundary(" ; boundary=a"), "mime: no media type");
    }
}
