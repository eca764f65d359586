//! The text of a value: short ones in place, long ones shared.

use std::{fmt, ops::Deref, sync::Arc};

use bytes::Bytes;

/// Text: any bytes, as a string of Go, though nearly always UTF-8. Cloning copies what is short and shares the rest.
///
/// Up to [`Text::IN_PLACE_BYTES_MAX`] bytes need no allocation.
#[derive(Clone)]
pub struct Text(Inline<{ Text::IN_PLACE_BYTES_MAX }>);

/// A number as it was written: kept to the letter until somebody calculates with it. Cloning is cheap.
#[derive(Clone)]
pub struct Number(Inline<14>);

/// `N` is such that the whole is as small as it can be: 22 makes 24 bytes, 14 makes 16.
#[derive(Clone)]
enum Inline<const N: usize> {
    Short { len: u8, bytes: [u8; N] },
    Long(Arc<Bytes>),
}

impl<const N: usize> Inline<N> {
    const EMPTY: Inline<N> = Inline::Short { len: 0, bytes: [0; N] };

    fn short(text: &[u8]) -> Option<Inline<N>> {
        let mut bytes = [0; N];
        bytes.get_mut(..text.len())?.copy_from_slice(text);
        Some(Inline::Short { len: text.len() as u8, bytes })
    }

    fn copied(text: &[u8]) -> Inline<N> {
        Inline::short(text).unwrap_or_else(|| Inline::Long(Arc::new(Bytes::copy_from_slice(text))))
    }

    fn shared(text: Bytes) -> Inline<N> {
        Inline::short(&text).unwrap_or_else(|| Inline::Long(Arc::new(text)))
    }

    fn as_slice(&self) -> &[u8] {
        match self {
            Inline::Short { len, bytes } => &bytes[..*len as usize],
            Inline::Long(text) => text,
        }
    }

    /// What is allocated beside the value itself, in bytes.
    fn allocated(&self) -> usize {
        match self {
            Inline::Short { .. } => 0,
            Inline::Long(text) => Text::LONG_BYTES + text.len(),
        }
    }
}

impl Text {
    /// The most bytes that live in the value itself.
    pub const IN_PLACE_BYTES_MAX: usize = 22;

    /// What a long text has allocated beside its bytes: the handle, who shares it, the quotes around it in a document.
    pub(super) const LONG_BYTES: usize = 80;

    /// The empty text.
    pub const EMPTY: Text = Text(Inline::EMPTY);

    /// A copy of these bytes.
    pub fn copied(text: impl AsRef<[u8]>) -> Text {
        Text(Inline::copied(text.as_ref()))
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        self.0.as_slice()
    }

    /// The bytes as text, when they are UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        str::from_utf8(self.as_slice()).ok()
    }

    /// The bytes, shared when they are long.
    pub fn to_bytes(&self) -> Bytes {
        match &self.0 {
            Inline::Short { .. } => Bytes::copy_from_slice(self.as_slice()),
            Inline::Long(text) => Bytes::clone(text),
        }
    }

    /// What is allocated beside the value itself, in bytes.
    pub(crate) fn allocated(&self) -> usize {
        self.0.allocated()
    }
}

impl Number {
    /// A number as it is written; nothing where JSON has no such number.
    pub fn parse(text: &str) -> Option<Number> {
        crate::json::is_number(text.as_bytes()).then(|| Number::of_checked(text.as_bytes()))
    }

    /// A number that a scan has found to be one.
    pub(crate) fn of_checked(text: &[u8]) -> Number {
        Number(Inline::copied(text))
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        str::from_utf8(self.as_slice()).expect("a number is ASCII")
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        self.0.as_slice()
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
        self.0.allocated()
    }
}

impl Default for Text {
    fn default() -> Text {
        Text::EMPTY
    }
}

impl Deref for Text {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl AsRef<[u8]> for Text {
    fn as_ref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl PartialEq for Text {
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
        // Short ones are copied before the vector would be made one that can be shared.
        Text(Inline::short(&text).unwrap_or_else(|| Inline::shared(Bytes::from(text))))
    }
}

impl From<Bytes> for Text {
    fn from(text: Bytes) -> Text {
        Text(Inline::shared(text))
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
