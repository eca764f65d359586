//! Parts of lists and texts: `value[from:to:step]`.

use wappa_message::{Binary, Text, Value};

use crate::{
    error::{Error, Result},
    value::types::Type,
};

/// The places that a slice has in a list of this length, in order.
struct Places {
    start: i64,
    end: i64,
    step: i64,
}

impl Iterator for Places {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let is_within = if 0 < self.step { self.start < self.end } else { self.end < self.start };
        if !is_within {
            return None;
        }
        let at = self.start;
        self.start = self.start.saturating_add(self.step);
        usize::try_from(at).ok()
    }
}

fn places(len: usize, start: Option<i64>, end: Option<i64>, step: Option<i64>) -> Places {
    let len = len as i64;
    let step = step.unwrap_or(1);
    let from_end = |it: i64, lowest: i64| if it < 0 { len.saturating_add(it).max(lowest) } else { it };
    let start = match start {
        None => {
            if 0 < step {
                0
            } else {
                len - 1
            }
        }
        Some(it) if 0 < step => from_end(it, 0).min(len),
        // One that begins behind the end begins at the end.
        Some(it) => from_end(it, 0).min(len - 1),
    };
    let end = match end {
        None => {
            if 0 < step {
                len
            } else {
                -1
            }
        }
        Some(it) if 0 < step => from_end(it, -1).min(len),
        Some(it) => from_end(it, -1),
    };
    Places { start, end, step }
}

/// A part of a list, a text (by characters) or bytes.
pub(super) fn slice(value: &Value, start: Option<i64>, end: Option<i64>, step: Option<i64>) -> Result<Value> {
    if let (Some(start), Some(end), None) = (start, end, step)
        && end < start
    {
        return Err(Error::new(format!("lower slice bound ({start}) must be lower than upper ({end})")));
    }
    match value {
        Value::Text(text) => {
            let chars: Vec<char> = String::from_utf8_lossy(text).chars().collect();
            let part: String = places(chars.len(), start, end, step).map(|idx| chars[idx]).collect();
            Ok(Value::Text(Text::from(part)))
        }
        Value::Bytes(bytes) => {
            let part: Vec<u8> = places(bytes.len(), start, end, step).map(|idx| bytes[idx]).collect();
            Ok(Value::Bytes(Binary::from(part)))
        }
        Value::Array(array) => {
            let part = places(array.len(), start, end, step).filter_map(|idx| array.get(idx));
            Ok(Value::array(part)?)
        }
        other => Err(Error::of_type(other, &[Type::Array, Type::String])),
    }
}

/// One element of a list, or one byte of a text.
pub(super) fn element(value: &Value, index: i64) -> Result<Value> {
    let len = match value {
        Value::Text(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        Value::Array(array) => array.len(),
        other => return Err(Error::of_type(other, &[Type::Array, Type::String])),
    };
    let place = if index < 0 { index.saturating_add(len as i64) } else { index };
    let Some(idx) = usize::try_from(place).ok().filter(|it| *it < len) else {
        return Err(Error::new(format!("index {place} out of bounds for length {len}")));
    };
    Ok(match value {
        // As Go turns a byte into a character.
        Value::Text(text) => Value::text(char::from(text[idx]).to_string()),
        Value::Bytes(bytes) => Value::Int(bytes[idx].into()),
        Value::Array(array) => array.get(idx).expect("it is there"),
        _ => unreachable!("it has a length"),
    })
}
