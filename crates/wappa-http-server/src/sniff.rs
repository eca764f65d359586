//! What bytes look like: the type of a body whose type nobody names, by the WHATWG's MIME Sniffing, as far as Go has it
//! (`http.DetectContentType`).

/// How many bytes are looked at.
const LOOKED_AT: usize = 512;

const TAGS: [&str; 17] = [
    "<!DOCTYPE HTML",
    "<HTML",
    "<HEAD",
    "<SCRIPT",
    "<IFRAME",
    "<H1",
    "<DIV",
    "<FONT",
    "<TABLE",
    "<A",
    "<STYLE",
    "<TITLE",
    "<B",
    "<BODY",
    "<BR",
    "<P",
    "<!--",
];

/// Bytes at the beginning, and what they say.
const EXACT: [(&[u8], &str); 22] = [
    (b"%PDF-", "application/pdf"),
    (b"%!PS-Adobe-", "application/postscript"),
    (b"\xef\xbb\xbf", "text/plain; charset=utf-8"),
    (b"\xfe\xff", "text/plain; charset=utf-16be"),
    (b"\xff\xfe", "text/plain; charset=utf-16le"),
    (b"\x00\x00\x01\x00", "image/x-icon"),
    (b"\x00\x00\x02\x00", "image/x-icon"),
    (b"BM", "image/bmp"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"\x89PNG\x0d\x0a\x1a\x0a", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"OggS\x00", "application/ogg"),
    (b"MThd\x00\x00\x00\x06", "audio/midi"),
    (b"ID3", "audio/mpeg"),
    (b"\x1a\x45\xdf\xa3", "video/webm"),
    (b"\x00\x01\x00\x00", "font/ttf"),
    (b"OTTO", "font/otf"),
    (b"ttcf", "font/collection"),
    (b"wOFF", "font/woff"),
    (b"wOF2", "font/woff2"),
    (b"\x00asm", "application/wasm"),
];

const ARCHIVES: [(&[u8], &str); 4] = [
    (b"\x1f\x8b\x08", "application/x-gzip"),
    (b"PK\x03\x04", "application/zip"),
    (b"Rar!\x1a\x07\x00", "application/x-rar-compressed"),
    (b"Rar!\x1a\x07\x01\x00", "application/x-rar-compressed"),
];

/// Four bytes, any four, and four more.
const BOXES: [(&[u8; 4], &[u8], &str); 4] = [
    (b"RIFF", b"WEBPVP", "image/webp"),
    (b"FORM", b"AIFF", "audio/aiff"),
    (b"RIFF", b"AVI ", "video/avi"),
    (b"RIFF", b"WAVE", "audio/wave"),
];

/// The type of these bytes.
pub(crate) fn content_type(content: &[u8]) -> &'static str {
    let content = &content[..content.len().min(LOOKED_AT)];
    let first = content.iter().position(|it| !b"\t\n\x0c\r ".contains(it)).unwrap_or(content.len());
    let trimmed = &content[first..];
    if TAGS.iter().any(|it| is_tag(trimmed, it.as_bytes())) {
        return "text/html; charset=utf-8";
    }
    if trimmed.starts_with(b"<?xml") {
        return "text/xml; charset=utf-8";
    }
    if let Some((_, name)) = EXACT.iter().chain(&ARCHIVES).find(|(begin, _)| content.starts_with(begin)) {
        return name;
    }
    let is_box = |(begin, kind, _): &&(&[u8; 4], &[u8], &str)| {
        content.starts_with(*begin) && content.get(8..).is_some_and(|it| it.starts_with(kind))
    };
    if let Some((_, _, name)) = BOXES.iter().find(is_box) {
        return name;
    }
    if is_mp4(content) {
        return "video/mp4";
    }
    if content.get(34..36) == Some(b"LP") {
        return "application/vnd.ms-fontobject";
    }
    let is_binary = |it: &u8| matches!(it, 0..=8 | 0x0b | 0x0e..=0x1a | 0x1c..=0x1f);
    match trimmed.iter().any(is_binary) {
        true => "application/octet-stream",
        false => "text/plain; charset=utf-8",
    }
}

/// Whether it begins with a tag, and that ends there.
fn is_tag(content: &[u8], tag: &[u8]) -> bool {
    let Some((begin, rest)) = content.split_at_checked(tag.len()) else { return false };
    begin.eq_ignore_ascii_case(tag) && rest.first().is_some_and(|it| matches!(it, b' ' | b'>'))
}

fn is_mp4(content: &[u8]) -> bool {
    let Some(size) = content.first_chunk().map(|it| u32::from_be_bytes(*it) as usize) else { return false };
    if content.len() < 12 || content.len() < size || size % 4 != 0 || &content[4..8] != b"ftyp" {
        return false;
    }
    // The version in between is no brand.
    (8..size).step_by(4).filter(|it| *it != 12).any(|at| content[at..].starts_with(b"mp4"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Go's own tests have it.
    #[test]
    fn types() {
        for (content, expected) in [
            (&b""[..], "text/plain; charset=utf-8"),
            (b"\x01\x02\x03", "application/octet-stream"),
            (b"<HtMl><bOdY>blah blah blah</body></html>", "text/html; charset=utf-8"),
            (b"<HTML/>", "text/plain; charset=utf-8"),
            (b"   <!DOCTYPE HTML>...", "text/html; charset=utf-8"),
            (b"\n<?xml!", "text/xml; charset=utf-8"),
            (b"{\"a\":1}", "text/plain; charset=utf-8"),
            (b"\xff\xd8\xff", "image/jpeg"),
            (b"RIFFb\xb8\x00\x00WAVEfmt \x12", "audio/wave"),
            (b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom<\x06t\xbfmdat", "video/mp4"),
            (b"\x1f\x8b\x08\x00", "application/x-gzip"),
            (b"\x00asm\x01\x00", "application/wasm"),
            (b"\xfe\xff\x00a", "text/plain; charset=utf-16be"),
        ] {
            assert_eq!(content_type(content), expected, "{}", content.escape_ascii());
        }
    }
}
