//! The text of a value: short ones in place, long ones shared.

use std::{fmt, ops::Deref, sync::Arc};

use bytes::Bytes;

/// Text: any bytes, as a string of Go, though nearly always UTF-8. Cloning copies what is short and shares the rest.
///
/// Up to [`Text::IN_PLACE_BYTES_MAX`] bytes need no allocation.
#[derive(Clone)]
pub struct Text(Inner);

/// A number as it was written: kept to the letter until somebody calculates with it. Cloning is cheap.
#[derive(Clone)]
pub struct Number(Written);

/// 22 bytes in place make 24 of the whole, which is as small as it can be.
#[derive(Clone)]
enum Inner {
    Short {
        len: u8,
        bytes: [u8; Text::IN_PLACE_BYTES_MAX],
    },
    /// A copy, made by one allocation.
    Copied(Arc<[u8]>),
    /// What stands in a buffer that others share.
    Shared(Arc<Bytes>),
}

/// 14 bytes in place make 16 of the whole.
#[derive(Clone)]
enum Written {
    Short { len: u8, bytes: [u8; 14] },
    Long(Arc<Bytes>),
}

/// Up to this length a text is copied rather than shared with the buffer it was made in.
const COPIED_BYTES_MAX: usize = 512;

/// The bytes in a place that has room for `N`, if that is enough.
#[inline]
fn in_place<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    bytes.get_mut(..text.len())?.copy_from_slice(text);
    Some(bytes)
}

impl Text {
    /// The most bytes that live in the value itself.
    pub const IN_PLACE_BYTES_MAX: usize = 22;

    /// What a long text has allocated beside its bytes: the handle, who shares it, the quotes around it in a document.
    pub(super) const LONG_BYTES: usize = 80;

    /// The empty text.
    pub const EMPTY: Text = Text(Inner::Short { len: 0, bytes: [0; Text::IN_PLACE_BYTES_MAX] });

    #[inline]
    fn short(text: &[u8]) -> Option<Text> {
        in_place(text).map(|bytes| Text(Inner::Short { len: text.len() as u8, bytes }))
    }

    /// A copy of these bytes.
    #[inline]
    pub fn copied(text: impl AsRef<[u8]>) -> Text {
        let text = text.as_ref();
        Text::short(text).unwrap_or_else(|| Text(Inner::Copied(Arc::from(text))))
    }

    /// The bytes.
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        match &self.0 {
            Inner::Short { len, bytes } => &bytes[..usize::from(*len)],
            Inner::Copied(text) => text,
            Inner::Shared(text) => text,
        }
    }

    /// The bytes as text, when they are UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        str::from_utf8(self.as_slice()).ok()
    }

    /// The bytes, shared when they are long.
    pub fn to_bytes(&self) -> Bytes {
        match &self.0 {
            Inner::Short { .. } => Bytes::copy_from_slice(self.as_slice()),
            Inner::Copied(text) => Bytes::from_owner(Arc::clone(text)),
            Inner::Shared(text) => Bytes::clone(text),
        }
    }

    /// What is allocated beside the value itself, in bytes.
    #[inline]
    pub(crate) fn allocated(&self) -> usize {
        match &self.0 {
            Inner::Short { .. } => 0,
            _ => Text::LONG_BYTES + self.as_slice().len(),
        }
    }

    /// The same of a text of so many bytes.
    #[inline]
    pub fn allocated_for(n_bytes: usize) -> usize {
        if n_bytes <= Text::IN_PLACE_BYTES_MAX { 0 } else { Text::LONG_BYTES + n_bytes }
    }
}

impl Number {
    /// A number as it is written; nothing where JSON has no such number.
    pub fn parse(text: &str) -> Option<Number> {
        crate::json::is_number(text.as_bytes()).then(|| Number::of_checked(text.as_bytes()))
    }

    /// A number that a scan has found to be one.
    pub(crate) fn of_checked(text: &[u8]) -> Number {
        Number(match in_place(text) {
            Some(bytes) => Written::Short { len: text.len() as u8, bytes },
            None => Written::Long(Arc::new(Bytes::copy_from_slice(text))),
        })
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        str::from_utf8(self.as_slice()).expect("a number is ASCII")
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        match &self.0 {
            Written::Short { len, bytes } => &bytes[..usize::from(*len)],
            Written::Long(text) => text,
        }
    }

    /// The nearest floating-point number; one that is too large is infinite.
    pub fn to_f64(&self) -> f64 {
        self.as_str().parse().expect("a number of JSON is one of Rust")
    }

    /// The whole number, where it is written as one and fits.
    pub fn to_i64(&self) -> Option<i64> {
        self.as_str().parse().ok()
    }

    /// What is allocated beside the value itself, in bytes.
    pub(crate) fn allocated(&self) -> usize {
        match &self.0 {
            Written::Short { .. } => 0,
            Written::Long(text) => Text::LONG_BYTES + text.len(),
        }
    }
}

impl Default for Text {
    fn default() -> Text {
        Text::EMPTY
    }
}

impl Deref for Text {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl AsRef<[u8]> for Text {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl PartialEq for Text {
    #[inline]
    fn eq(&self, other: &Text) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for Text {}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Text) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text {
    fn cmp(&self, other: &Text) -> std::cmp::Ordering {
        self.as_slice().cmp(other.as_slice())
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Text {
        Text::copied(text)
    }
}

impl From<String> for Text {
    fn from(text: String) -> Text {
        Text::from(text.into_bytes())
    }
}

impl From<Vec<u8>> for Text {
    fn from(text: Vec<u8>) -> Text {
        // To share a vector takes an allocation or two, which copying a short one does without.
        match text.len() <= COPIED_BYTES_MAX {
            true => Text::copied(text),
            false => Text(Inner::Shared(Arc::new(Bytes::from(text)))),
        }
    }
}

impl From<Bytes> for Text {
    fn from(text: Bytes) -> Text {
        Text::short(&text).unwrap_or_else(|| Text(Inner::Shared(Arc::new(text))))
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.as_slice().escape_ascii())
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Number) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for Number {}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_texts_live_in_place_and_long_ones_are_shared() {
        assert_eq!((size_of::<Text>(), size_of::<Number>()), (24, 16));
        for n in [0, 1, 21, 22, 23, 100] {
            let bytes = Bytes::from("x".repeat(n));
            let all = [
                Text::copied(&bytes),
                Text::from(bytes.clone()),
                Text::from(bytes.to_vec()),
                Text::from(str::from_utf8(&bytes).expect("ASCII")),
            ];
            for text in all {
                assert_eq!((text.as_slice(), &text.to_bytes()), (bytes.as_ref(), &bytes));
                assert_eq!(text.allocated() == 0, n <= Text::IN_PLACE_BYTES_MAX);
            }
        }
        let long = Bytes::from("y".repeat(50));
        assert_eq!(Text::from(long.clone()).clone().to_bytes().as_ptr(), long.as_ptr());
    }

    #[test]
    fn numbers_are_what_json_has() {
        for text in ["0", "-0", "1.50", "1e3", "1E+3", "-12.5e-7", "123456789012345678901234567890"] {
            assert_eq!(Number::parse(text).as_ref().map(Number::as_str), Some(text));
        }
        for text in ["", "+1", "01", "1.", ".5", "1e", "0x1", "NaN", "1 ", " 1", "--1"] {
            assert_eq!(Number::parse(text), None, "{text}");
        }
        assert_eq!(Number::parse("1e999").map(|it| it.to_f64()), Some(f64::INFINITY));
        assert_eq!(Number::parse("12").and_then(|it| it.to_i64()), Some(12));
        assert_eq!(Number::parse("12.0").and_then(|it| it.to_i64()), None);
    }
}
