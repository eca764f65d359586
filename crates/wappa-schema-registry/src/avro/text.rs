//! Texts in JSON, as Bento's library writes them: in ASCII alone.

/// Writes a text. What is no UTF-8 becomes the sign for that.
pub(super) fn write(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for chunk in text.utf8_chunks() {
        for it in chunk.valid().chars() {
            match u8::try_from(it).ok().filter(u8::is_ascii) {
                Some(byte) => write_byte(byte, out),
                None => it.encode_utf16(&mut [0; 2]).iter().for_each(|unit| write_unit(*unit, out)),
            }
        }
        // Go counts each byte that is none.
        chunk.invalid().iter().for_each(|_| write_unit(0xFFFD, out));
    }
    out.push(b'"');
}

/// Writes bytes, each as a character.
pub(super) fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    bytes.iter().for_each(|it| write_byte(*it, out));
    out.push(b'"');
}

fn write_byte(byte: u8, out: &mut Vec<u8>) {
    let escaped = match byte {
        b'"' | b'\\' | b'/' => byte,
        0x08 => b'b',
        0x0C => b'f',
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        b' '..=b'~' => return out.push(byte),
        _ => return write_unit(u16::from(byte), out),
    };
    out.extend_from_slice(&[b'\\', escaped]);
}

fn write_unit(unit: u16, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("\\u{unit:04X}").as_bytes());
}

/// What a text in JSON stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// Characters.
    Text,
    /// Bytes: an escape is one of them.
    Bytes,
}

/// Reads the text that JSON begins with, and tells how long it is there.
pub(super) fn read(json: &[u8], what: Read, into: &mut Vec<u8>) -> Result<usize, String> {
    let name = if what == Read::Text { "string" } else { "bytes" };
    let failed = |why: &str| format!("cannot decode textual {name}: {why}");
    let short = || failed("short buffer");
    match json {
        [] | [_] => return Err(short()),
        [b'"', ..] => (),
        [first, ..] => {
            return Err(failed(&format!(
                "expected initial \"; found: U+{first:04X} {:?}",
                char::from(*first)
            )));
        }
    }
    into.clear();
    let mut at = 1;
    while let Some(byte) = json.get(at).copied() {
        at += 1;
        match byte {
            b'"' => return Ok(at),
            b'\\' => (),
            _ => {
                into.push(byte);
                continue;
            }
        }
        let escape = json.get(at).copied().ok_or_else(short)?;
        at += 1;
        match escape {
            b'b' => into.push(0x08),
            b'f' => into.push(0x0C),
            b'n' => into.push(b'\n'),
            b'r' => into.push(b'\r'),
            b't' => into.push(b'\t'),
            b'u' => {
                let unit = |at: usize| {
                    unit(json, at).ok_or_else(|| failed("four hexadecimal digits ought to stand behind \\u"))
                };
                let first = unit(at)?;
                at += 4;
                if what == Read::Bytes {
                    // The first two digits say nothing, as in Bento's library.
                    into.push(first.to_le_bytes()[0]);
                    continue;
                }
                let character = match first {
                    0xD800..=0xDFFF => {
                        if json.get(at..at + 2) != Some(br"\u") {
                            return Err(failed("missing second half of surrogate pair"));
                        }
                        let second = unit(at + 2)?;
                        at += 6;
                        char::decode_utf16([first, second]).next().and_then(Result::ok)
                    }
                    it => char::from_u32(u32::from(it)),
                };
                let character = character.unwrap_or(char::REPLACEMENT_CHARACTER);
                into.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
            other => into.push(other),
        }
    }
    Err(failed("expected final \""))
}

/// Four hexadecimal digits.
fn unit(json: &[u8], at: usize) -> Option<u16> {
    let digits = json.get(at..at + 4).filter(|it| it.iter().all(u8::is_ascii_hexdigit))?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// How much white space a document begins with, as Go sees it.
pub(super) fn space(json: &[u8]) -> usize {
    json.iter().take_while(|it| matches!(it, b'\t'..=b'\r' | b' ' | 0x85 | 0xA0)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_written_in_ascii() {
        for (text, expected) in [
            ("", r#""""#),
            ("a\"/\\\n\u{7f}\u{0}", r#""a\"\/\\\n\u007F\u0000""#),
            ("é\u{1F600}", r#""\u00E9\uD83D\uDE00""#),
        ] {
            let mut out = Vec::new();
            write(text.as_bytes(), &mut out);
            assert_eq!(String::from_utf8_lossy(&out), expected);
            let mut back = Vec::new();
            assert_eq!(read(&out, Read::Text, &mut back), Ok(out.len()));
            assert_eq!(String::from_utf8_lossy(&back), text);
        }
        let mut out = Vec::new();
        write(b"a\xFF\xFE", &mut out);
        assert_eq!(String::from_utf8_lossy(&out), r#""a\uFFFD\uFFFD""#);
    }

    #[test]
    fn bytes_are_characters() {
        let mut out = Vec::new();
        write_bytes(&[0, b'a', 0xFF], &mut out);
        assert_eq!(String::from_utf8_lossy(&out), r#""\u0000a\u00FF""#);
        let mut back = Vec::new();
        assert_eq!(read(&out, Read::Bytes, &mut back), Ok(out.len()));
        assert_eq!(back, [0, b'a', 0xFF]);
    }

    #[test]
    fn what_is_no_text() {
        let read = |json: &str| read(json.as_bytes(), Read::Text, &mut Vec::new()).expect_err("it is none");
        assert_eq!(read("\""), "cannot decode textual string: short buffer");
        assert_eq!(read("12"), "cannot decode textual string: expected initial \"; found: U+0031 '1'");
        assert_eq!(read("\"a"), "cannot decode textual string: expected final \"");
        assert_eq!(
            read(r#""\ud800""#),
            "cannot decode textual string: missing second half of surrogate pair"
        );
        assert_eq!(
            read(r#""\uD8"#),
            "cannot decode textual string: four hexadecimal digits ought to stand behind \\u"
        );
    }
}
