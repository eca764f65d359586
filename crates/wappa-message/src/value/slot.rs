//! The places in a container: a value, or the range of the source where one stands that nobody has asked for.

use bytes::Bytes;

use super::{Array, Number, Object, Text, Value};
use crate::json::{
    scan::{Name, Notes, Range},
    string,
};

/// The place of one value in a container.
#[derive(Clone, Debug)]
pub(crate) enum Slot {
    Value(Value),
    /// A range of the container's source.
    Unread(Range),
}

/// The name of a value in an object.
#[derive(Clone, Debug)]
pub(crate) enum Key {
    Text(Text),
    /// A range of the object's source, between two quotes, that is what printing the name gives.
    Unread {
        start: u32,
        end: u32,
    },
}

impl Slot {
    /// The value. What is still unread afterwards shares the source.
    pub(crate) fn open(&self, source: &Bytes) -> Value {
        match self {
            Slot::Value(value) => value.clone(),
            Slot::Unread(range) => open(source, *range),
        }
    }

    /// How many bytes are copied or decoded to give the value.
    pub(super) fn bytes_to_open(&self, source: &[u8]) -> usize {
        match self {
            Slot::Unread(range) if range.notes.has(Notes::CODED) && source[range.start as usize] == b'"' => {
                (range.end - range.start) as usize
            }
            _ => 0,
        }
    }

    /// The value, which stays in its place.
    pub(super) fn open_in_place(&mut self, source: &Bytes) -> &mut Value {
        if let Slot::Unread(range) = self {
            *self = Slot::Value(open(source, *range));
        }
        match self {
            Slot::Value(value) => value,
            Slot::Unread(_) => unreachable!("it was opened"),
        }
    }

    pub(super) fn height(&self) -> u16 {
        match self {
            Slot::Value(value) => value.height(),
            Slot::Unread(range) => range.height,
        }
    }

    /// What the slot holds beside its own place and the source, in bytes.
    pub(super) fn allocated(&self, source: &Bytes) -> usize {
        match self {
            Slot::Value(value) => value.allocated(source),
            Slot::Unread(_) => 0,
        }
    }
}

impl Key {
    pub(super) fn of_name(name: Name, source: &Bytes) -> Key {
        if name.notes == Notes::default() {
            return Key::Unread { start: name.start, end: name.end };
        }
        Key::Text(text(source, name.start as usize..name.end as usize, name.notes))
    }

    pub(super) fn as_slice<'a>(&'a self, source: &'a [u8]) -> &'a [u8] {
        match self {
            Key::Text(text) => text,
            Key::Unread { start, end } => &source[*start as usize..*end as usize],
        }
    }

    pub(super) fn to_text(&self, source: &Bytes) -> Text {
        match self {
            Key::Text(text) => text.clone(),
            Key::Unread { start, end } => Text::from(source.slice(*start as usize..*end as usize)),
        }
    }

    pub(super) fn allocated(&self) -> usize {
        match self {
            Key::Text(text) => text.allocated(),
            Key::Unread { .. } => 0,
        }
    }
}

/// The value at a range that a scan has passed over.
pub(super) fn open(source: &Bytes, range: Range) -> Value {
    let (start, end) = (range.start as usize, range.end as usize);
    let written = &source[start..end];
    match written[0] {
        b'"' => Value::Text(text(source, start + 1..end - 1, range.notes)),
        b'{' => Value::Object(Object::unread_of(source.slice(start..end), range)),
        b'[' => Value::Array(Array::unread_of(source.slice(start..end), range)),
        b't' => Value::Bool(true),
        b'f' => Value::Bool(false),
        b'n' => Value::Null,
        _ => number(written),
    }
}

/// The text between two quotes at this range of the source.
fn text(source: &Bytes, range: std::ops::Range<usize>, notes: Notes) -> Text {
    if notes.has(Notes::CODED) {
        return Text::from(string::decode(&source[range]));
    }
    match range.len() <= Text::IN_PLACE_BYTES_MAX {
        true => Text::copied(&source[range]),
        false => Text::from(source.slice(range)),
    }
}

/// A number is a machine number where that prints as it was written.
fn number(written: &[u8]) -> Value {
    let text = str::from_utf8(written).expect("a number is ASCII");
    match text.parse() {
        Ok(it) if text != "-0" => Value::Int(it),
        _ => Value::Number(Number::of_checked(written)),
    }
}
