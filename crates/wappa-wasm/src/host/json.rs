//! JSON as a typed value, for metadata: measured before it is made, so that a short text does not become a large value.

use bytes::Bytes;
use wappa_message::Value;

/// Reads one JSON value; the error is one line.
pub fn parse(text: &[u8]) -> Result<Value, String> {
    match parse_within(text, usize::MAX) {
        Ok(value) => Ok(value),
        Err(Refused::NotJson(why)) => Err(why),
        Err(Refused::TooLarge) => unreachable!("there is no limit"),
    }
}

/// Why a text is not read.
#[derive(Debug)]
pub(crate) enum Refused {
    NotJson(String),
    TooLarge,
}

/// Reads one JSON value that allocates no more than so many bytes, now and when somebody asks for what is in it.
pub(crate) fn parse_within(text: &[u8], limit: usize) -> Result<Value, Refused> {
    if limit < text.len() {
        return Err(Refused::TooLarge);
    }
    // The value keeps the document, of which the white space around it would not count.
    let is_blank = |it: &u8| matches!(it, b' ' | b'\n' | b'\r' | b'\t');
    let start = text.iter().position(|it| !is_blank(it)).unwrap_or(text.len());
    let end = text.iter().rposition(|it| !is_blank(it)).map_or(start, |it| it + 1);
    let document = Bytes::copy_from_slice(&text[start..end]);
    let value = Value::from_json_unread(&document).map_err(|err| Refused::NotJson(err.to_string()))?;
    if limit < value.size() { Err(Refused::TooLarge) } else { Ok(value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_before_they_are_made() {
        for text in [
            "1",
            "[0,0,0]",
            r#"[{"":0},{"":0},{"":0},{"":0},{"":0},{"":0},{"":0}]"#,
            r#"{"a,[{": "\\",  "\",[": [1, 18446744073709551615, "", []]}"#,
            r#"",,,,""#,
            r#"{"a":1,"a":2}"#,
        ] {
            let value = parse(text.as_bytes()).expect("it is JSON");
            let needed =
                (0..).find(|limit| parse_within(text.as_bytes(), *limit).is_ok()).expect("some will do");
            assert!(value.size() <= needed && needed <= text.len().max(value.size()), "{text}: {needed}");
        }
    }

    #[test]
    fn values_keep_their_types() {
        for (text, expected) in [
            ("null", "null"),
            (" true ", "true"),
            ("-7", "-7"),
            ("18446744073709551615", "18446744073709551615"),
            ("2.50", "2.50"),
            ("\"\\u00e9\\n\"", "\"é\\n\""),
            (r#"{"b":[1,{}],"a":""}"#, r#"{"a":"","b":[1,{}]}"#),
        ] {
            assert_eq!(parse(text.as_bytes()).map(|it| it.to_json()).as_deref(), Ok(expected));
        }
        for text in ["", "tru", "1 2", "{\"a\":}", "\"\u{1}\"", &"[".repeat(100_000)] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
        assert_eq!(parse(b"\"\xff\"").map(|it| it.to_json()), Ok("\"\u{fffd}\"".into()));
    }
}
