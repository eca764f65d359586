//! What values are turned into: strictly, where a value of a type is needed, and by reading texts, where a method does
//! that.

use std::borrow::Cow;

use wappa_message::{Time, Value};

use super::{numbers, types::Type};
use crate::{
    error::{Error, Result},
    time,
};

/// Text of a value: any bytes.
pub(crate) type Chars<'a> = Cow<'a, [u8]>;

/// The text of what counts as text: texts, bytes and times.
pub(crate) fn text_of(value: &Value) -> Option<Chars<'_>> {
    match value {
        Value::Text(it) => Some(Cow::Borrowed(it.as_slice())),
        Value::Bytes(it) => Some(Cow::Borrowed(it)),
        Value::Time(it) => Some(Cow::Owned(it.to_string().into_bytes())),
        _ => None,
    }
}

/// The number that a value is.
pub(crate) fn number_of(value: &Value) -> Option<f64> {
    match value {
        Value::Int(it) => Some(*it as f64),
        Value::Uint(it) => Some(*it as f64),
        Value::Float(it) => Some(*it),
        Value::Number(it) => Some(it.to_f64()),
        _ => None,
    }
}

/// The truth that a value is; numbers are true where they are not zero.
pub(crate) fn bool_of(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(it) => Some(*it),
        Value::Int(it) => Some(*it != 0),
        Value::Uint(it) => Some(*it != 0),
        Value::Float(it) => Some(*it != 0.0),
        // As in Bento, which looks at the text.
        Value::Number(it) => Some(it.as_str() != "0"),
        _ => None,
    }
}

/// The text of a value that has to be one.
pub(crate) fn text(value: &Value) -> Result<Chars<'_>> {
    text_of(value).ok_or_else(|| Error::of_type(value, &[Type::String]))
}

/// The same where bytes are needed.
pub(crate) fn bytes(value: &Value) -> Result<Chars<'_>> {
    text_of(value).ok_or_else(|| Error::of_type(value, &[Type::Bytes]))
}

/// The number of a value that has to be one.
pub(crate) fn number(value: &Value) -> Result<f64> {
    number_of(value).ok_or_else(|| Error::of_type(value, &[Type::Number]))
}

/// The truth of a value that has to have one.
pub(crate) fn truth(value: &Value) -> Result<bool> {
    bool_of(value).ok_or_else(|| Error::of_type(value, &[Type::Bool]))
}

/// The whole number of a value that has to be a number; what stands behind the point is cut off.
pub(crate) fn int(value: &Value) -> Result<i64> {
    Ok(match value {
        Value::Int(it) => *it,
        Value::Uint(it) => *it as i64,
        Value::Float(it) => truncated(*it),
        Value::Number(it) => it.to_i64().unwrap_or_else(|| truncated(it.to_f64())),
        _ => return Err(Error::of_type(value, &[Type::Number])),
    })
}

/// As Go's processors convert: what does not fit is the smallest number.
fn truncated(it: f64) -> i64 {
    match (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&it) {
        true => it as i64,
        false => i64::MIN,
    }
}

/// The point in time of a value: a number of seconds since 1970, or a text by RFC 3339.
pub(crate) fn timestamp(value: &Value) -> Result<Time> {
    match value {
        Value::Time(it) => Ok(it.clone()),
        Value::Int(it) => Ok(time::of_seconds(*it, 0)),
        Value::Uint(it) => Ok(time::of_seconds(*it as i64, 0)),
        Value::Float(it) => Ok(of_float(*it)),
        Value::Number(it) => Ok(of_float(it.to_f64())),
        Value::Text(_) | Value::Bytes(_) => time::parse_rfc3339(&String::from_utf8_lossy(&text(value)?)),
        _ => Err(Error::of_type(value, &[Type::Number, Type::String])),
    }
}

fn of_float(seconds: f64) -> Time {
    let whole = seconds.trunc();
    time::of_seconds(truncated(whole), ((seconds - whole) * 1e9) as i64)
}

/// The whole number of a value, which a text may hold.
pub(crate) fn to_int(value: &Value) -> Result<i64> {
    const DECIMALS: &str = "float value contains decimals and therefore cannot be cast as a signed integer, if you \
                            intend to round the value then call `.round()` explicitly before this cast";
    match value {
        Value::Int(it) => Ok(*it),
        Value::Uint(it) => i64::try_from(*it)
            .map_err(|_| Error::new("unsigned integer value is too large to be cast as a signed integer")),
        Value::Float(it) if it.is_infinite() => Err(Error::new("cannot convert +/-INF to an integer")),
        Value::Float(it) if it.is_nan() => Err(Error::new("cannot convert NAN to an integer")),
        Value::Float(it) if 9_223_372_036_854_775_807.0 < *it => {
            Err(Error::new("float value is too large to be cast as a signed integer"))
        }
        Value::Float(it) if *it < -9_223_372_036_854_775_808.0 => {
            Err(Error::new("float value is too small to be cast as a signed integer"))
        }
        Value::Float(it) if it.fract() != 0.0 => Err(Error::new(DECIMALS)),
        Value::Float(it) => Ok(truncated(*it)),
        Value::Number(it) => decimal(it.as_str()),
        Value::Text(_) | Value::Bytes(_) => numbers::parse_int(&String::from_utf8_lossy(&text(value)?)),
        _ => Err(Error::of_type(value, &[Type::Number])),
    }
}

/// A number of a document as a whole number in decimal.
fn decimal(text: &str) -> Result<i64> {
    match text.parse() {
        Ok(it) => Ok(it),
        Err(_) => {
            let is_whole = text.strip_prefix('-').unwrap_or(text).bytes().all(|it| it.is_ascii_digit());
            let why = if is_whole { "value out of range" } else { "invalid syntax" };
            Err(Error::new(format!("strconv.ParseInt: parsing {}: {why}", super::go::told(text))))
        }
    }
}

/// The whole number without a sign of a value, which a text may hold.
pub(crate) fn to_uint(value: &Value) -> Result<u64> {
    const NEGATIVE: &str = "signed integer value is negative and cannot be cast as an unsigned integer";
    const DECIMALS: &str = "float value contains decimals and therefore cannot be cast as an unsigned integer, if \
                            you intend to round the value then call `.round()` explicitly before this cast";
    match value {
        Value::Uint(it) => Ok(*it),
        Value::Int(it) => u64::try_from(*it).map_err(|_| Error::new(NEGATIVE)),
        Value::Float(it) if *it < 0.0 => {
            Err(Error::new("float value is negative and cannot be cast as an unsigned integer"))
        }
        Value::Float(it) if it.is_infinite() => {
            Err(Error::new("cannot convert +/-INF to an unsigned integer"))
        }
        Value::Float(it) if it.is_nan() => Err(Error::new("cannot convert NAN to an unsigned integer")),
        Value::Float(it) if 18_446_744_073_709_551_615.0 < *it => {
            Err(Error::new("float value is too large to be cast as an unsigned integer"))
        }
        Value::Float(it) if it.fract() != 0.0 => Err(Error::new(DECIMALS)),
        Value::Float(it) => Ok(*it as u64),
        Value::Number(it) => u64::try_from(decimal(it.as_str())?).map_err(|_| Error::new(NEGATIVE)),
        Value::Text(_) | Value::Bytes(_) => numbers::parse_uint(&String::from_utf8_lossy(&text(value)?)),
        _ => Err(Error::of_type(value, &[Type::Number])),
    }
}

/// The number of a value, which a text may hold.
pub(crate) fn to_number(value: &Value) -> Result<f64> {
    match value {
        Value::Text(_) | Value::Bytes(_) => numbers::parse_float(&String::from_utf8_lossy(&text(value)?)),
        _ => number(value),
    }
}

/// The truth of a value, which a text may name.
pub(crate) fn to_bool(value: &Value) -> Result<bool> {
    let text = match value {
        Value::Text(_) | Value::Bytes(_) => text(value)?,
        _ => return truth(value),
    };
    match &*text {
        b"1" | b"t" | b"T" | b"TRUE" | b"true" | b"True" => Ok(true),
        b"0" | b"f" | b"F" | b"FALSE" | b"false" | b"False" => Ok(false),
        _ => Err(Error::of_type(value, &[Type::Bool])),
    }
}
