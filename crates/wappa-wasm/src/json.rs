//! JSON as a typed value, for metadata: counted while it is read, so that a short text does not become a large value.

use std::{cell::Cell, fmt};

use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use wappa_message::{Value, object_bytes, text_bytes};

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

/// Reads one JSON value that allocates no more than so many bytes, while it is read and afterwards.
pub(crate) fn parse_within(text: &[u8], limit: usize) -> Result<Value, Refused> {
    // What is escaped is put together in a buffer that may become as long as the text.
    if limit < text.len() {
        return Err(Refused::TooLarge);
    }
    let room = Room { left: Cell::new(limit), is_over: Cell::new(false) };
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value = Typed(&room).deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    value
        .map_err(|err| if room.is_over.get() { Refused::TooLarge } else { Refused::NotJson(err.to_string()) })
}

/// What may still be allocated.
struct Room {
    left: Cell<usize>,
    is_over: Cell<bool>,
}

impl Room {
    fn take<E: Error>(&self, bytes: usize) -> Result<(), E> {
        match self.left.get().checked_sub(bytes) {
            Some(left) => self.left.set(left),
            None => {
                self.is_over.set(true);
                return Err(E::custom("too large"));
            }
        }
        Ok(())
    }

    fn give_back(&self, bytes: usize) {
        self.left.set(self.left.get() + bytes);
    }

    /// Pushes onto a list, whose room is counted before it is made.
    fn push<T, E: Error>(&self, list: &mut Vec<T>, item: T) -> Result<(), E> {
        if list.len() == list.capacity() {
            let more = list.capacity().max(LIST_MIN);
            self.take((list.capacity() + more) * size_of::<T>())?;
            let before = list.capacity();
            list.reserve_exact(more);
            self.give_back(before * size_of::<T>());
        }
        list.push(item);
        Ok(())
    }

    /// A text that is counted before it is copied.
    fn text<E: Error>(&self, text: &str) -> Result<Value, E> {
        self.take(text_bytes(text.len()))?;
        Ok(Value::text(text))
    }
}

/// A list begins with room for so many items.
const LIST_MIN: usize = 4;

#[derive(Clone, Copy)]
struct Typed<'a>(&'a Room);

impl<'de> DeserializeSeed<'de> for Typed<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Typed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, it: bool) -> Result<Value, E> {
        Ok(Value::Bool(it))
    }

    fn visit_i64<E: Error>(self, it: i64) -> Result<Value, E> {
        Ok(Value::Int(it))
    }

    fn visit_u64<E: Error>(self, it: u64) -> Result<Value, E> {
        if let Ok(it) = i64::try_from(it) {
            return Ok(Value::Int(it));
        }
        let value = Value::Number(it.to_string().into());
        self.0.take(value.size())?;
        Ok(value)
    }

    fn visit_f64<E: Error>(self, it: f64) -> Result<Value, E> {
        Ok(Value::Float(it))
    }

    fn visit_str<E: Error>(self, it: &str) -> Result<Value, E> {
        self.0.text(it)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            self.0.push(&mut list, item)?;
        }
        let spare = list.capacity() - list.len();
        list.shrink_to_fit();
        self.0.give_back(spare * size_of::<Value>());
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<Value, A::Error> {
        let mut list: Vec<(String, Value)> = Vec::new();
        while let Some(key) = pairs.next_key_seed(Key(self.0))? {
            let value = pairs.next_value_seed(self)?;
            self.0.push(&mut list, (key, value))?;
        }
        self.0.take(object_bytes(list.len()))?;
        let room_of_list = list.capacity() * size_of::<(String, Value)>();
        // Of a key that comes twice the last value stays.
        let object = Value::Object(list.into_iter().collect());
        self.0.give_back(room_of_list);
        Ok(object)
    }
}

/// A name in an object.
struct Key<'a>(&'a Room);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = String;

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<String, D::Error> {
        reader.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, it: &str) -> Result<String, E> {
        self.0.take(it.len())?;
        Ok(it.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_while_they_are_read() {
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
            assert!(value.size() <= needed && needed <= text.len() + 4 * value.size(), "{text}: {needed}");
        }
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
