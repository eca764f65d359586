//! JSON in and out, by Bento's rules: names ordered, numbers as they were written, no escapes for HTML.

mod base64;
mod error;
mod number;
mod print;
pub(crate) mod scan;
pub(crate) mod string;

pub use error::JsonError;
pub(crate) use number::write_text as write_float_text;
pub(crate) use print::write;

use error::What;
use scan::{Failed, Scan};

/// What JSON is written to.
pub(crate) trait Write {
    fn write(&mut self, bytes: &[u8]);

    /// Writes a text that stands for itself between quotes.
    fn write_quoted(&mut self, text: &[u8]) {
        self.write(b"\"");
        self.write(text);
        self.write(b"\"");
    }
}

impl Write for Vec<u8> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    #[inline]
    fn write_quoted(&mut self, text: &[u8]) {
        self.reserve(text.len() + 2);
        self.push(b'"');
        self.extend_from_slice(text);
        self.push(b'"');
    }
}

/// Writes JSON with Go's escapes for HTML: these bytes stand in texts only.
pub(crate) struct Escaped<'a, W>(pub(crate) &'a mut W);

impl<W: Write> Write for Escaped<'_, W> {
    fn write(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some(at) = rest.iter().position(|it| matches!(it, b'<' | b'>' | b'&')) {
            self.0.write(&rest[..at]);
            self.0.write(match rest[at] {
                b'<' => b"\\u003c",
                b'>' => b"\\u003e",
                _ => b"\\u0026",
            });
            rest = &rest[at + 1..];
        }
        self.0.write(rest);
    }
}

/// The largest document that is read, in bytes: places in it are numbers of 32 bits.
pub(crate) const BYTES_MAX: usize = u32::MAX as usize;

/// Reads the one value of a document: passes over all of it, and shows `open` the bytes behind the white space at the
/// beginning, from which it takes the value.
pub(crate) fn document<'a, T>(
    text: &'a [u8],
    open: impl FnOnce(&mut Scan<'a>) -> Result<T, Failed>,
) -> Result<T, JsonError> {
    if BYTES_MAX < text.len() {
        return Err(JsonError::new(What::TooLarge, BYTES_MAX));
    }
    let mut scan = Scan::new(text);
    scan.blanks();
    if scan.at() == text.len() {
        return Err(JsonError::new(What::Nothing, scan.at()));
    }
    let value = open(&mut scan).map_err(|_| scan.why())?;
    scan.blanks();
    let at = scan.at();
    if at == text.len() {
        return Ok(value);
    }
    // Bento looks at two values more before it says which of the two mistakes it is.
    for _ in 0..2 {
        scan.blanks();
        if scan.at() < text.len() {
            scan.value(0).map_err(|_| scan.why())?;
        }
    }
    Err(JsonError::new(What::Second, at))
}

/// Reads the first value of a text, whatever follows it, as a decoder of Go does: what is no list and no object ends where
/// white space or the text does.
pub(crate) fn first<'a, T>(
    text: &'a [u8],
    open: impl FnOnce(&mut Scan<'a>) -> Result<T, Failed>,
) -> Result<T, JsonError> {
    if BYTES_MAX < text.len() {
        return Err(JsonError::new(What::TooLarge, BYTES_MAX));
    }
    let mut scan = Scan::new(text);
    scan.blanks();
    let begin = scan.at();
    let Some(first) = text.get(begin) else { return Err(JsonError::new(What::Nothing, begin)) };
    let value = open(&mut scan).map_err(|_| scan.why())?;
    let end = scan.at();
    match text.get(end) {
        Some(byte) if !matches!(first, b'{' | b'[') && !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') => {
            Err(JsonError::new(What::Byte(*byte, error::Where::AfterDocument), end))
        }
        _ => Ok(value),
    }
}

/// Where the document ends with which a text begins, white space before it included, whatever follows it; none where the
/// text ends first. Of what has no brackets or quotes around it only what follows shows that it is all.
pub fn end_of_document(text: &[u8]) -> Result<Option<usize>, JsonError> {
    let mut scan = Scan::new(&text[..text.len().min(BYTES_MAX)]);
    scan.blanks();
    match scan.value(0) {
        Ok(_) => Ok(Some(scan.at())),
        Err(_) if scan.why().what == What::End => match text.len() <= BYTES_MAX {
            true => Ok(None),
            false => Err(JsonError::new(What::TooLarge, BYTES_MAX)),
        },
        Err(_) => Err(scan.why()),
    }
}

/// Whether a text is a number of JSON, all of it.
pub(crate) fn is_number(text: &[u8]) -> bool {
    let mut scan = Scan::new(text);
    scan.number().is_ok() && scan.at() == text.len()
}
