//! JSON of a guest as a typed value.

use std::collections::BTreeMap;

use serde_json::{Number, Value as Json};
use wappa_message::Value;

/// Reads one JSON value; the error is one line.
pub(crate) fn parse(text: &[u8]) -> Result<Value, String> {
    serde_json::from_slice(text).map(value).map_err(|err| err.to_string())
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
