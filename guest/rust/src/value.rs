//! Metadata values.

use std::borrow::Cow;

/// A metadata value: text, or bytes that are no text, or anything else as JSON.
///
/// ```
/// use wappa_guest::Value;
///
/// assert_eq!(Value::from("text"), Value::Text("text".into()));
/// assert_eq!(Value::from(3), Value::Json("3".into()));
/// assert_eq!(Value::from(true).to_text(), "true");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// Text.
    Text(Cow<'a, str>),
    /// Text that is not UTF-8. Bytes that are UTF-8 come back as text.
    Bytes(Cow<'a, [u8]>),
    /// Anything else, as JSON: a number, `true`, `null`, a list, an object. JSON that is a string comes back as text.
    ///
    /// It has to be JSON: the host stops a guest that sets something else.
    Json(Cow<'a, str>),
}

impl Value<'_> {
    /// The value as text, the way the stream prints it: a number in decimal, a list as JSON. Bytes that are not UTF-8
    /// become replacement characters.
    pub fn to_text(&self) -> Cow<'_, str> {
        match self {
            Value::Text(it) | Value::Json(it) => Cow::Borrowed(it),
            Value::Bytes(it) => String::from_utf8_lossy(it),
        }
    }

    /// The bytes of the value's text.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Value::Text(it) | Value::Json(it) => it.as_bytes(),
            Value::Bytes(it) => it,
        }
    }
}

impl Value<'static> {
    /// Text where the bytes are UTF-8, else bytes.
    #[allow(dead_code, reason = "the mock host stores the bytes it was given")]
    pub(crate) fn of_bytes(bytes: Vec<u8>) -> Value<'static> {
        match String::from_utf8(bytes) {
            Ok(text) => Value::Text(text.into()),
            Err(err) => Value::Bytes(err.into_bytes().into()),
        }
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Value<'a> {
        Value::Text(text.into())
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(text: &'a String) -> Value<'a> {
        Value::Text(text.into())
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Value::Text(text.into())
    }
}

impl<'a> From<Cow<'a, str>> for Value<'a> {
    fn from(text: Cow<'a, str>) -> Value<'a> {
        Value::Text(text)
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(bytes: &'a [u8]) -> Value<'a> {
        Value::Bytes(bytes.into())
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Value<'a> {
    fn from(bytes: &'a [u8; N]) -> Value<'a> {
        Value::Bytes(bytes.as_slice().into())
    }
}

impl From<Vec<u8>> for Value<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Value::Bytes(bytes.into())
    }
}

impl From<bool> for Value<'_> {
    fn from(it: bool) -> Self {
        Value::Json(if it { "true" } else { "false" }.into())
    }
}

macro_rules! from_integers {
    ($($integer:ty)*) => {$(
        impl From<$integer> for Value<'_> {
            fn from(it: $integer) -> Self {
                Value::Json(it.to_string().into())
            }
        }
    )*};
}

from_integers!(i8 i16 i32 i64 isize u8 u16 u32 u64 usize);

/// What JSON has no number for, infinities and what is not a number, becomes `null`.
impl From<f64> for Value<'_> {
    fn from(it: f64) -> Self {
        Value::Json(if it.is_finite() { it.to_string().into() } else { "null".into() })
    }
}

#[cfg(feature = "json")]
impl From<&serde_json::Value> for Value<'_> {
    fn from(value: &serde_json::Value) -> Self {
        Value::Json(value.to_string().into())
    }
}

#[cfg(feature = "json")]
impl From<serde_json::Value> for Value<'_> {
    fn from(value: serde_json::Value) -> Self {
        Value::from(&value)
    }
}
