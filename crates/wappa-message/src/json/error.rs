//! Why a text is no JSON, in the words of Go, which people match.

use std::{error::Error, fmt};

/// Why a text is no JSON document. The text is Bento's: that of Go's decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JsonError {
    pub(super) what: What,
    pub(super) at: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// There is nothing but white space.
    Nothing,
    /// The document is not complete.
    End,
    /// A byte that cannot stand where it stands.
    Byte(u8, Where),
    /// Another document follows.
    Second,
    TooLarge,
}

/// Where a byte stands; completes the sentence that begins with the byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Where {
    Value,
    Key,
    AfterKey,
    AfterPair,
    AfterElement,
    /// Behind a whole document that is no list and no object.
    AfterDocument,
    Text,
    Escape,
    Hexadecimal,
    Number,
    Fraction,
    Exponent,
    /// In this word, in place of the byte at this index.
    Word(&'static [u8], u8),
    TooDeep,
}

impl JsonError {
    pub(super) fn new(what: What, at: usize) -> JsonError {
        JsonError { what, at }
    }

    /// How many bytes stand before the place in question.
    pub fn offset(&self) -> usize {
        self.at
    }

    /// Whether the document goes deeper than [`DEPTH_MAX`](crate::DEPTH_MAX).
    pub fn is_too_deep(&self) -> bool {
        matches!(self.what, What::Byte(_, Where::TooDeep))
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (byte, place) = match self.what {
            What::Nothing => return f.write_str("EOF"),
            What::End => return f.write_str("unexpected EOF"),
            What::Second => return f.write_str("message contains multiple valid documents"),
            What::TooLarge => return write!(f, "the document is larger than {} bytes", super::BYTES_MAX),
            What::Byte(byte, place) => (byte, place),
        };
        f.write_str("invalid character ")?;
        match byte {
            b'\'' => f.write_str("'\\''")?,
            b'"' => f.write_str("'\"'")?,
            7 => f.write_str("'\\a'")?,
            8 => f.write_str("'\\b'")?,
            11 => f.write_str("'\\v'")?,
            12 => f.write_str("'\\f'")?,
            b'\n' => f.write_str("'\\n'")?,
            b'\r' => f.write_str("'\\r'")?,
            b'\t' => f.write_str("'\\t'")?,
            b'\\' => f.write_str("'\\\\'")?,
            0..0x20 | 0x7f => write!(f, "'\\x{byte:02x}'")?,
            0x80..0xa1 | 0xad => write!(f, "'\\u{byte:04x}'")?,
            // Go takes the byte for a character.
            _ => write!(f, "'{}'", char::from(byte))?,
        }
        match place {
            Where::Value => f.write_str(" looking for beginning of value"),
            Where::Key => f.write_str(" looking for beginning of object key string"),
            Where::AfterKey => f.write_str(" after object key"),
            Where::AfterPair => f.write_str(" after object key:value pair"),
            Where::AfterElement => f.write_str(" after array element"),
            Where::AfterDocument => f.write_str(" after top-level value"),
            Where::Text => f.write_str(" in string literal"),
            Where::Escape => f.write_str(" in string escape code"),
            Where::Hexadecimal => f.write_str(" in \\u hexadecimal character escape"),
            Where::Number => f.write_str(" in numeric literal"),
            Where::Fraction => f.write_str(" after decimal point in numeric literal"),
            Where::Exponent => f.write_str(" in exponent of numeric literal"),
            Where::TooDeep => f.write_str(" exceeded max depth"),
            Where::Word(word, idx) => {
                let (word, expected) = (word.escape_ascii(), char::from(word[idx as usize]));
                write!(f, " in literal {word} (expecting '{expected}')")
            }
        }
    }
}

impl Error for JsonError {}
