//! Bodies of several parts (RFC 2046): written, and read where an answer is one.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, header::CONTENT_TYPE};
use wappa_message::Message;
use wappa_spec::{Config, Interpolated};

use crate::filter::Filter;

/// A part of a request.
#[derive(Config, Clone, Debug)]
pub(crate) struct PartFields {
    /// Its type.
    #[config(default = "\"\"", example = "application/bin")]
    content_type: Interpolated,

    /// What it is for.
    #[config(default = "\"\"", example = "form-data; name=\"bin\"; filename='${! @AttachmentName }")]
    content_disposition: Interpolated,

    /// Its body.
    #[config(default = "\"\"", example = "${! this.data.part1 }")]
    body: Interpolated,
}

/// A body that is being written.
struct Writer {
    boundary: String,
    out: BytesMut,
}

impl Writer {
    fn new() -> Writer {
        let boundary = rand::random::<[u8; 30]>().iter().map(|it| format!("{it:02x}")).collect();
        Writer { boundary, out: BytesMut::new() }
    }

    fn part(&mut self, headers: &[(Bytes, Bytes)], body: &[u8]) {
        let start = if self.out.is_empty() { "--" } else { "\r\n--" };
        self.out.extend_from_slice(start.as_bytes());
        self.out.extend_from_slice(self.boundary.as_bytes());
        self.out.extend_from_slice(b"\r\n");
        for (name, value) in headers {
            self.line(name);
            self.out.extend_from_slice(b": ");
            self.line(value);
            self.out.extend_from_slice(b"\r\n");
        }
        self.out.extend_from_slice(b"\r\n");
        self.out.extend_from_slice(body);
    }

    /// What a message says cannot begin another line.
    fn line(&mut self, text: &[u8]) {
        self.out.extend(text.iter().map(|it| if it.is_ascii_control() { b' ' } else { *it }));
    }

    fn finish(mut self) -> Result<(Bytes, Option<HeaderValue>), String> {
        let start = if self.out.is_empty() { "--" } else { "\r\n--" };
        self.out.extend_from_slice(format!("{start}{}--\r\n", self.boundary).as_bytes());
        let kind = format!("multipart/form-data; boundary={}", self.boundary);
        let kind = HeaderValue::from_str(&kind).map_err(|err| err.to_string())?;
        Ok((self.out.freeze(), Some(kind)))
    }
}

/// A body of parts that a config describes, for the first message of a batch, and its type.
pub(crate) fn of_fields(
    parts: &[PartFields],
    batch: &mut [Message],
) -> Result<(Bytes, Option<HeaderValue>), String> {
    let mut writer = Writer::new();
    for part in parts {
        let mut piece = |field: &Interpolated, name: &str| {
            field.evaluate(batch, 0).map_err(|err| format!("{name} interpolation error: {err}"))
        };
        let kind = piece(&part.content_type, "content-type")?;
        let purpose = piece(&part.content_disposition, "content-disposition")?;
        let body = piece(&part.body, "part body")?;
        let headers = [("Content-Disposition", purpose), ("Content-Type", kind)];
        writer.part(&headers.map(|(name, value)| (Bytes::from_static(name.as_bytes()), value)), &body);
    }
    writer.finish()
}

/// A body in which each message is a part, with metadata as headers, and its type.
pub(crate) fn of_messages(
    batch: &mut [Message],
    kind: Option<&Interpolated>,
    metadata: &Filter,
) -> Result<(Bytes, Option<HeaderValue>), String> {
    let mut writer = Writer::new();
    for idx in 0..batch.len() {
        let kind = match kind {
            None => Bytes::from_static(b"application/octet-stream"),
            Some(kind) => {
                kind.evaluate(batch, idx).map_err(|err| format!("content-type interpolation error: {err}"))?
            }
        };
        let mut headers = vec![(Bytes::from_static(b"Content-Type"), kind)];
        let taken = batch[idx].metadata().iter().filter(|(key, _)| metadata.takes(key));
        headers.extend(taken.map(|(key, value)| (key.clone(), value.to_text())));
        headers.sort_by(|one, other| one.0.cmp(&other.0));
        writer.part(&headers, batch[idx].content());
    }
    writer.finish()
}

/// What divides the parts of a body of this type, if it is of parts; the error is why that cannot be told.
pub(crate) fn boundary_of(kind: &HeaderValue) -> Result<Option<String>, String> {
    let failed = |why: &str| format!("Failed to parse media type from {CONTENT_TYPE} header: {why}");
    let kind = kind.to_str().map_err(|_| failed("it is no text"))?;
    let (media, mut rest) = kind.split_once(';').unwrap_or((kind, ""));
    if !media.trim().to_ascii_lowercase().starts_with("multipart/") {
        return Ok(None);
    }
    while let Some((name, behind)) = rest.split_once('=') {
        let (value, behind) = match behind.trim_start().strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').ok_or_else(|| failed("a quote without an end"))?,
            None => behind.split_at(behind.find(';').unwrap_or(behind.len())),
        };
        if name.trim_start_matches(';').trim().eq_ignore_ascii_case("boundary") {
            return Ok(Some(value.trim().to_string()).filter(|it| !it.is_empty()));
        }
        rest = behind;
    }
    Err(failed("there is no boundary"))
}

/// How many parts an answer may have: each becomes a message.
const PARTS_MAX: usize = 16_384;

/// The bodies of all parts. What is before the first one, and behind the last, is left out. Each holds itself and not the
/// body: what is between parts, or in others, is gone when they are.
pub(crate) fn parts(body: &Bytes, boundary: &str) -> Result<Vec<Bytes>, String> {
    let eof = || "multipart: NextPart: EOF".to_string();
    let delimiter = format!("--{boundary}");
    let mut parts = Vec::new();
    let mut at = next_delimiter(body, delimiter.as_bytes(), 0).ok_or_else(eof)?.1;
    loop {
        if body[at..].starts_with(b"--") {
            return Ok(parts);
        }
        let line = find(body, b"\n", at).ok_or_else(eof)? + 1;
        // A part without headers begins with its empty line.
        let head_end = match body[line..].starts_with(b"\r\n") || body[line..].starts_with(b"\n") {
            true => find(body, b"\n", line).map(|it| it + 1),
            false => head_end(body, line),
        };
        let start = head_end.ok_or_else(eof)?;
        let (end, behind) =
            next_delimiter(body, delimiter.as_bytes(), start.saturating_sub(2)).ok_or_else(eof)?;
        if parts.len() == PARTS_MAX {
            return Err(format!("there are more than {PARTS_MAX} parts"));
        }
        parts.push(own(body, start..end.max(start)));
        at = behind;
    }
}

/// A range of a body as a message has it: one that is most of it shares it, others are copied.
fn own(body: &Bytes, range: Range<usize>) -> Bytes {
    if body.len() < 2 * range.len() { body.slice(range) } else { Bytes::copy_from_slice(&body[range]) }
}

/// Where the empty line behind headers ends.
fn head_end(body: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        let line_end = find(body, b"\n", at)?;
        if body[at..line_end].trim_ascii().is_empty() {
            return Some(line_end + 1);
        }
        at = line_end + 1;
    }
}

/// The end of what is before the next delimiter at the beginning of a line, and where it ends.
fn next_delimiter(body: &[u8], delimiter: &[u8], from: usize) -> Option<(usize, usize)> {
    let mut at = from;
    loop {
        let found = find(body, delimiter, at)?;
        let before = &body[..found];
        if found == 0 || before.ends_with(b"\n") {
            let end = before.strip_suffix(b"\r\n").or(before.strip_suffix(b"\n")).map_or(0, <[u8]>::len);
            return Some((end, found + delimiter.len()));
        }
        at = found + 1;
    }
}

fn find(body: &[u8], what: &[u8], from: usize) -> Option<usize> {
    memchr::memmem::find(body.get(from..)?, what).map(|it| from + it)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &[u8], boundary: &str) -> String {
        match parts(&Bytes::copy_from_slice(body), boundary) {
            Ok(parts) => {
                parts.iter().map(|it| String::from_utf8_lossy(it).into_owned()).collect::<Vec<_>>().join("|")
            }
            Err(err) => err,
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let mut batch = ["a", "", "b\r\n--c\r\n\r\n", "d\n"].map(Message::new);
        let (body, kind) = of_messages(&mut batch, None, &Filter::default()).expect("it can be written");
        let boundary = boundary_of(&kind.expect("a type")).expect("it can be read").expect("parts");
        assert_eq!(boundary.len(), 60);
        assert_eq!(read(&body, &boundary), "a||b\r\n--c\r\n\r\n|d\n");
    }

    #[test]
    fn bodies_of_others() {
        for (body, expected) in [
            ("--x\r\n\r\na\r\n--x--\r\n", "a"),
            ("before\r\n--x\nA: b\nC: d\n\na\n--x\n\nb\n--x--behind", "a|b"),
            ("--x--", ""),
            ("--x\r\n\r\n\r\n--x--", ""),
            ("--x\r\nA: b\r\n\r\na", "multipart: NextPart: EOF"),
            ("nothing", "multipart: NextPart: EOF"),
            ("", "multipart: NextPart: EOF"),
            ("--x", "multipart: NextPart: EOF"),
        ] {
            assert_eq!(read(body.as_bytes(), "x"), expected, "{body:?}");
        }
    }

    #[test]
    fn parts_are_bounded_and_hold_themselves() {
        let parts_of = |n: usize| parts(&Bytes::from("--x\n\na\n".repeat(n) + "--x--"), "x");
        assert_eq!(parts_of(PARTS_MAX).map(|it| it.len()), Ok(PARTS_MAX));
        assert_eq!(parts_of(PARTS_MAX + 1), Err("there are more than 16384 parts".to_string()));
        let body = Bytes::from("y".repeat(1000) + "\n--x\n\na\n--x--");
        let range = body.as_ptr() as usize..body.as_ptr() as usize + body.len();
        let parts = parts(&body, "x").expect("there is one");
        assert!(parts.len() == 1 && !range.contains(&(parts[0].as_ptr() as usize)), "{range:?}");
    }

    #[test]
    fn types_of_bodies() {
        let of = |kind: &str| boundary_of(&HeaderValue::from_str(kind).expect("a header"));
        assert_eq!(of("application/json; boundary=x"), Ok(None));
        assert_eq!(of("Multipart/Mixed; charset=a; Boundary=\"a b\""), Ok(Some("a b".to_string())));
        assert_eq!(of("multipart/mixed;boundary=x; a=b"), Ok(Some("x".to_string())));
        let error = "Failed to parse media type from content-type header: there is no boundary";
        assert_eq!(of("multipart/mixed"), Err(error.to_string()));
    }

    #[test]
    fn no_message_begins_a_line() {
        let mut writer = Writer::new();
        writer.part(&[(Bytes::from_static(b"A"), Bytes::from_static(b"b\r\nC: d"))], b"e");
        assert!(String::from_utf8_lossy(&writer.out).contains("\r\nA: b  C: d\r\n\r\ne"));
    }
}
