//! Typed values: what metadata hold, and what content is as a structure.

mod array;
mod binary;
mod measured;
mod object;
mod own;
mod slot;
mod text;
mod time;

use std::{error::Error, fmt};

use bytes::Bytes;

pub use array::Array;
pub use binary::Binary;
pub use measured::Measured;
pub use object::Object;
pub use own::Own;
pub(crate) use slot::{Key, Slot};
pub use text::{Number, Text};
pub use time::Time;

use crate::json::{self, JsonError, Write};

/// How many containers may lie one within another.
///
/// Whoever goes through a value may call itself that often. Bento's reader stops at ten times as many.
pub const DEPTH_MAX: u16 = 1000;

/// A typed value. Cloning shares what is large; writing copies what it changes and nothing beside.
///
/// Equal are values of the same types that hold the same; of a list or an object it makes no difference whether it was
/// read or made.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// Nothing.
    #[default]
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number without a sign.
    Uint(u64),
    /// A floating-point number.
    Float(f64),
    /// A number as it was written, where that is more than a machine number says.
    Number(Number),
    /// Text; in metadata it may be any bytes.
    Text(Text),
    /// Bytes that are no text.
    Bytes(Binary),
    /// A point in time.
    Time(Time),
    /// A list.
    Array(Array),
    /// Names and values.
    Object(Object),
}

/// What was put together would go deeper than [`DEPTH_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooDeep;

impl fmt::Display for TooDeep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "more than {DEPTH_MAX} lists and objects one within another")
    }
}

impl Error for TooDeep {}

impl Value {
    /// Text, copied.
    pub fn text(text: impl AsRef<[u8]>) -> Value {
        Value::Text(Text::copied(text))
    }

    /// A list of these values.
    pub fn array(values: impl IntoIterator<Item = Value>) -> Result<Value, TooDeep> {
        Array::new(values).map(Value::Array)
    }

    /// An object of these pairs; where a name comes twice the last one stays.
    pub fn object<K: Into<Text>>(pairs: impl IntoIterator<Item = (K, Value)>) -> Result<Value, TooDeep> {
        Object::from_pairs(pairs).map(Value::Object)
    }

    /// Reads a document: exactly one value of JSON, with white space around it.
    ///
    /// All of it is checked, and what nobody asks for stays a range of the document. So the value keeps the buffer of
    /// `document` alive.
    ///
    /// As Bento reads it: numbers stay as they were written, of names that come twice the last one counts, bytes that
    /// are no UTF-8 and halves of surrogate pairs become U+FFFD.
    pub fn from_json(document: &Bytes) -> Result<Value, JsonError> {
        json::document(document, |scan| match document[scan.at()] {
            b'{' => Object::read(document, scan).map(Value::Object),
            _ => scan.value(0).map(|range| slot::open(document, range)),
        })
    }

    /// Reads the first document of a text, whatever follows it; else as [`Value::from_json`].
    pub fn from_json_first(text: &Bytes) -> Result<Value, JsonError> {
        json::first(text, |scan| scan.value(0).map(|range| slot::open(text, range)))
    }

    /// The same, and where in the text the document ends.
    pub fn from_json_next(text: &Bytes) -> Result<(Value, usize), JsonError> {
        json::first(text, |scan| {
            let range = scan.value(0)?;
            Ok((slot::open(text, range), scan.at()))
        })
    }

    /// As [`Value::from_json`], for a value that may well never be asked for what is in it: that is found when it is.
    ///
    /// Nothing is allocated that grows with the document, so [`Value::size`] can be looked at before anything is.
    pub fn from_json_unread(document: &Bytes) -> Result<Value, JsonError> {
        json::document(document, |scan| scan.value(0).map(|range| slot::open(document, range)))
    }

    /// The value as Bento turns it into text: text and bytes as they are, `null`, numbers in decimal, times by RFC 3339,
    /// the rest as JSON, in which `<`, `>` and `&` are escaped.
    ///
    /// A floating-point number has an exponent below 1e-4 and from 1e6 on, unlike in JSON.
    /// Source: Bento's `IToString`; compatibility reference, section 1.3.
    pub fn to_text(&self) -> Bytes {
        let mut out = Vec::new();
        match self {
            Value::Text(text) => return text.to_bytes(),
            Value::Bytes(bytes) => return bytes.to_bytes(),
            other => other.write_text(&mut out),
        }
        Bytes::from(out)
    }

    fn write_text(&self, out: &mut impl Write) {
        match self {
            Value::Text(text) => out.write(text),
            Value::Bytes(bytes) => out.write(bytes),
            Value::Time(time) => out.write(time.to_string().as_bytes()),
            Value::Float(it) => json::write_float_text(*it, out),
            Value::Array(_) | Value::Object(_) => json::write(self, &mut json::Escaped(out)),
            other => json::write(other, out),
        }
    }

    /// The value as JSON: names ordered, no white space, `<`, `>` and `&` as they are.
    pub fn to_json(&self) -> String {
        String::from_utf8(self.to_json_bytes().into()).expect("JSON is UTF-8, whatever is in the value")
    }

    /// The same as bytes. What is as it was read, and was written as this would write it, is not copied.
    pub fn to_json_bytes(&self) -> Bytes {
        if let Some(text) = self.as_printed() {
            return text.clone();
        }
        // What was read and changed a little is about as long as it was.
        let mut out = Vec::with_capacity(match self {
            Value::Object(it) => it.printed_len() + 32,
            _ => 32,
        });
        self.write_json(&mut out);
        Bytes::from(out)
    }

    /// Writes the value as JSON behind what is in `out`.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        json::write(self, out);
    }

    /// Writes the value as JSON to a place that is as long as [`Value::json_len`] says.
    ///
    /// # Panics
    ///
    /// Where the place is shorter.
    pub fn write_json_into(&self, place: &mut [u8]) {
        json::write(self, &mut Place(place));
    }

    /// How long the value is as text, in bytes: see [`Value::to_text`].
    pub fn text_len(&self) -> usize {
        let mut n = Counted(0);
        self.write_text(&mut n);
        n.0
    }

    /// Writes the value as text to a place that is as long as [`Value::text_len`] says.
    ///
    /// # Panics
    ///
    /// Where the place is shorter.
    pub fn write_text_into(&self, place: &mut [u8]) {
        self.write_text(&mut Place(place));
    }

    /// How long the value is as JSON, in bytes. Escapes can make it six times as long as what is in it, so whoever
    /// bounds what a text may be asks before it is made.
    pub fn json_len(&self) -> usize {
        let mut n = Counted(0);
        json::write(self, &mut n);
        n.0
    }

    /// What the value has allocated, in bytes. The value itself stands where its holder put it and does not count.
    ///
    /// What it shares with others counts in full, and so does the part of a document that it was read from. What is
    /// found only when somebody asks for it counts from the beginning: as long as nobody changes the value, its size
    /// stays the same.
    ///
    /// Lists and objects know theirs, so asking takes no time. It stands for what the value may cost to go through as
    /// well: a list that holds the same list twice, and that one the same, forty times over, takes little memory and is
    /// counted as what it would be as text. Nothing counts more than 16 TiB, so that sizes can be added up.
    #[inline]
    pub fn size(&self) -> usize {
        match self {
            Value::Array(it) => it.allocated(&Bytes::new()),
            Value::Object(it) => it.allocated(&Bytes::new()),
            other => other.allocated_flat(),
        }
    }

    /// How many of these bytes are not part of the document that the value was read from.
    pub(crate) fn bytes_beside(&self, bytes: &Bytes) -> usize {
        let source = match self {
            Value::Array(it) => it.source(),
            Value::Object(it) => it.source(),
            _ => return bytes.len(),
        };
        let is_held = bytes.as_ptr_range().contains(&source.as_ptr());
        if is_held { bytes.len() - source.len().min(bytes.len()) } else { bytes.len() }
    }

    fn as_printed(&self) -> Option<&Bytes> {
        match self {
            Value::Array(it) => it.unread().filter(|it| it.1.is_printed()).map(|_| it.source()),
            Value::Object(it) => it.unread().filter(|it| it.1.is_printed()).map(|_| it.source()),
            _ => None,
        }
    }

    /// How many containers there are one within another.
    pub(crate) fn height(&self) -> u16 {
        match self {
            Value::Array(it) => it.height(),
            Value::Object(it) => it.height(),
            _ => 0,
        }
    }

    /// What is allocated beside the value's own place; `held` is a source that was counted already.
    fn allocated(&self, held: &Bytes) -> usize {
        match self {
            Value::Array(it) => it.allocated(held),
            Value::Object(it) => it.allocated(held),
            other => other.allocated_flat(),
        }
    }

    /// The same of what is no list and no object.
    #[inline]
    fn allocated_flat(&self) -> usize {
        match self {
            Value::Number(it) => it.allocated(),
            Value::Text(it) => it.allocated(),
            Value::Bytes(it) => it.allocated(),
            Value::Time(it) => it.allocated(),
            _ => 0,
        }
    }
}

/// What a list or an object has allocated beside what is in it: who shares it, and who shares its source.
const SHARED_BYTES: usize = 48;

/// What is more counts as this.
const BYTES_COUNTED_MAX: usize = 1 << 44;

/// The sum of what two values have allocated.
fn sum(one: usize, other: usize) -> usize {
    (one + other).min(BYTES_COUNTED_MAX)
}

/// Counts what is written.
struct Counted(usize);

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) {
        self.0 += bytes.len();
    }
}

/// What is left of a place.
struct Place<'a>(&'a mut [u8]);

impl Write for Place<'_> {
    fn write(&mut self, bytes: &[u8]) {
        let (target, rest) = std::mem::take(&mut self.0).split_at_mut(bytes.len());
        target.copy_from_slice(bytes);
        self.0 = rest;
    }
}

/// How many bytes of `source` are not part of `held`.
fn beside(source: &Bytes, held: &Bytes) -> usize {
    let is_within = held.as_ptr_range().contains(&source.as_ptr());
    if is_within { 0 } else { source.len() }
}

/// Up to this height a value is dropped the usual way, by calls one within another.
const DROPPED_HEIGHT_MAX: u16 = 32;

/// Drops values without a call for each container that lies in another one.
fn drop_deep(slots: impl Iterator<Item = Slot>) {
    let mut waiting: Vec<Value> = Vec::new();
    let keep = |waiting: &mut Vec<Value>, slot: Slot| {
        if let Slot::Value(value @ (Value::Array(_) | Value::Object(_))) = slot {
            waiting.push(value);
        }
    };
    slots.for_each(|it| keep(&mut waiting, it));
    while let Some(value) = waiting.pop() {
        match value {
            Value::Array(it) => it.into_slots().for_each(|it| keep(&mut waiting, it)),
            Value::Object(it) => it.into_slots().for_each(|it| keep(&mut waiting, it)),
            _ => (),
        }
    }
}

impl From<bool> for Value {
    fn from(it: bool) -> Value {
        Value::Bool(it)
    }
}

impl From<i64> for Value {
    fn from(it: i64) -> Value {
        Value::Int(it)
    }
}

impl From<f64> for Value {
    fn from(it: f64) -> Value {
        Value::Float(it)
    }
}

impl From<&str> for Value {
    fn from(it: &str) -> Value {
        Value::Text(it.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Value {
        Value::from_json(&Bytes::copy_from_slice(text.as_bytes())).expect("it is JSON")
    }

    /// What is known of the size of a value is what counting it anew gives.
    fn check(value: &Value) {
        match value {
            Value::Array(it) => {
                assert!(it.is_counted_right(), "{it:?}");
                it.iter().for_each(|it| check(&it));
            }
            Value::Object(it) => {
                assert!(it.is_counted_right(), "{it:?}");
                it.iter().for_each(|(_, it)| check(&it));
            }
            _ => (),
        }
    }

    #[test]
    fn sizes_stay_true_when_values_change() {
        let long = "x".repeat(100);
        for text in [
            r#"{"a":{"b":[1,{"c":"a text that is long enough to be shared"}]},"list":[[],{},"short"],"z":1.5}"#,
            r#"{ "z" : [ 1 , [ "a text that is long enough to be shared" ] ], "a\n name with an escape, a long one" : {} }"#,
            r#"{"twice":[1,2,3],"once":"x","twice":{"a":"another text that is long enough to be shared"}}"#,
        ] {
            let mut value = read(text);
            let size = value.size();
            check(&value);
            assert_eq!(value.size(), size, "it was only read");
            let Value::Object(object) = &mut value else { panic!("an object") };
            for name in object.keys().collect::<Vec<_>>() {
                let changed = object.update(&name, |it| match it {
                    Value::Object(it) => {
                        it.insert(long.as_str(), Value::text(&long)).expect("flat");
                        it.insert("b", Value::Null).expect("flat");
                        it.remove("a");
                    }
                    Value::Array(it) => {
                        it.push(Value::text(&long)).expect("flat");
                        assert_eq!(it.update(0, |it| *it = read(text)), Ok(Some(())));
                    }
                    it => *it = Value::text(&long),
                });
                assert_eq!(changed, Ok(Some(())));
                object.insert(format!("a copy of {}", name.escape_ascii()), read(text)).expect("not deep");
            }
            check(&value);
            assert!(size + long.len() < value.size() && value.size() < 100_000, "{}", value.size());
            let Value::Object(object) = &mut value else { panic!("an object") };
            for name in object.keys().collect::<Vec<_>>() {
                assert!(object.remove(&name));
            }
            check(&value);
        }
    }

    #[test]
    fn what_holds_itself_many_times_over_is_counted_in_no_time() {
        let mut value = Value::array([Value::Null]).expect("flat");
        for _ in 0..100 {
            value = Value::array([value.clone(), value]).expect("not too deep");
        }
        assert_eq!(value.size(), BYTES_COUNTED_MAX);
        let twice = Value::object([("a", value.clone()), ("b", value.clone())]).expect("not too deep");
        let (Value::Array(mut array), Value::Object(mut object)) = (value, twice) else { panic!("as made") };
        assert_eq!(array.update(0, |it| *it = Value::Null), Ok(Some(())));
        assert_eq!(Value::Array(array.clone()).size(), BYTES_COUNTED_MAX, "the other half is still there");
        assert_eq!(array.update(1, |it| *it = Value::Null), Ok(Some(())));
        assert!(Value::Array(array).size() < 1000);
        assert!(object.remove("a"));
        assert_eq!(Value::Object(object.clone()).size(), BYTES_COUNTED_MAX);
        object.insert("b", Value::Null).expect("flat");
        assert!(Value::Object(object).size() < 1000);
    }

    #[test]
    fn names_with_escapes_count_before_they_are_made() {
        let name = "\\n".repeat(30);
        let text =
            format!("{{{}}}", (0..100).map(|n| format!("\"{n:03}{name}\":0")).collect::<Vec<_>>().join(","));
        let value = Value::from_json_unread(&Bytes::from(text.clone())).expect("it is JSON");
        let size = value.size();
        let Value::Object(mut object) = value else { panic!("an object") };
        object.insert("", Value::Null).expect("flat");
        assert!(2 * text.len() < size && Value::Object(object).size() < size + 20_000, "{size}");
    }
}
