//! JSON as a typed value, for metadata.

use std::collections::BTreeMap;

use serde_json::{Number, Value as Json};
use wappa_message::Value;

/// Reads one JSON value; the error is one line.
pub fn parse(text: &[u8]) -> Result<Value, String> {
    serde_json::from_slice(text).map(value).map_err(|err| err.to_string())
}

/// What one value costs at most while it is read, beside its text.
const VALUE_BYTES: usize = 64;

/// What reading a text may cost, in bytes, before it is read: a list of zeroes becomes thirty times its length.
pub(crate) fn cost(text: &[u8]) -> usize {
    let (mut values, mut in_string, mut escaped) = (1, false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_string,
            b'"' => in_string = !in_string,
            b',' | b':' | b'[' | b'{' if !in_string => values += 1,
            _ => (),
        }
    }
    text.len() + values * VALUE_BYTES
}

fn value(json: Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(it) => Value::Bool(it),
        Json::Number(it) => number(&it),
        Json::String(it) => Value::Text(it.into()),
        Json::Array(items) => Value::Array(items.into_iter().map(value).collect()),
        Json::Object(pairs) => {
            Value::Object(pairs.into_iter().map(|(key, it)| (key, value(it))).collect::<BTreeMap<_, _>>())
        }
    }
}

fn number(number: &Number) -> Value {
    if let Some(it) = number.as_i64() {
        return Value::Int(it);
    }
    match number.as_f64() {
        Some(it) if number.is_f64() => Value::Float(it),
        _ => Value::Number(number.to_string().into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_outside_of_strings() {
        let values = |text: &str| (cost(text.as_bytes()) - text.len()) / VALUE_BYTES;
        assert_eq!(values("1"), 1);
        assert_eq!(values("[0,0,0]"), 4);
        assert_eq!(values(r#"{"a,[{": "\\",  "\",[": 1}"#), 5);
        assert_eq!(values(r#"",,,,"#), 1);
    }

    #[test]
    fn values_keep_their_types() {
        for (text, expected) in [
            ("null", "null"),
            (" true ", "true"),
            ("-7", "-7"),
            ("18446744073709551615", "18446744073709551615"),
            ("2.50", "2.5"),
            ("\"\\u00e9\\n\"", "\"é\\n\""),
            (r#"{"b":[1,{}],"a":""}"#, r#"{"a":"","b":[1,{}]}"#),
        ] {
            assert_eq!(parse(text.as_bytes()).map(|it| it.to_json()).as_deref(), Ok(expected));
        }
        for text in ["", "tru", "1 2", "{\"a\":}", "\"\u{1}\"", &"[".repeat(100_000)] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(parse(b"\"\xff\"").is_err());
    }
}
