//! When two values are equal.

use wappa_message::Value;

use super::convert;

/// A value as comparisons see it: numbers as floating-point ones, bytes and times as text.
pub(crate) enum Plain<'a> {
    Number(f64),
    Text(convert::Chars<'a>),
    Bool(bool),
    Other(&'a Value),
}

pub(crate) fn plain(value: &Value) -> Plain<'_> {
    match value {
        Value::Bool(it) => Plain::Bool(*it),
        Value::Text(_) | Value::Bytes(_) | Value::Time(_) => match convert::text_of(value) {
            Some(text) => Plain::Text(text),
            None => Plain::Other(value),
        },
        _ => match convert::number_of(value) {
            Some(number) => Plain::Number(number),
            None => Plain::Other(value),
        },
    }
}

/// Whether two values hold the same: numbers of any kind by what they say, texts and bytes by their bytes.
pub(crate) fn is_equal(left: &Value, right: &Value) -> bool {
    match plain(left) {
        Plain::Text(left) => convert::text_of(right).is_some_and(|right| *left == *right),
        Plain::Number(left) => convert::number_of(right) == Some(left),
        Plain::Bool(left) => convert::bool_of(right) == Some(left),
        Plain::Other(Value::Null) => matches!(right, Value::Null),
        Plain::Other(Value::Array(left)) => match right {
            Value::Array(right) => {
                left.len() == right.len() && left.iter().zip(right.iter()).all(|(l, r)| is_equal(&l, &r))
            }
            _ => false,
        },
        Plain::Other(Value::Object(left)) => match right {
            Value::Object(right) => {
                // As in Bento, a name that is missing on the right is `null` there.
                left.len() == right.len()
                    && left.iter().all(|(name, l)| is_equal(&l, &right.get(&name).unwrap_or_default()))
            }
            _ => false,
        },
        Plain::Other(_) => false,
    }
}
