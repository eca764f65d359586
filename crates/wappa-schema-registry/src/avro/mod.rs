//! Avro: schemas, and the way of a document from JSON to bytes and back. Whoever writes schemas and messages may mean ill.
//!
//! The JSON is that of Bento's library: a value of a union stands in an object with the name of its type, or bare where
//! `avro_raw_json` asks for it; a logical type is the number that it is made of, and names its branch of a union; bytes are
//! a text with a character for each. Documents are read and written as texts, in one pass along the schema, so nothing is
//! spent on a message but its output, which is counted as it grows.

mod decode;
mod encode;
mod number;
mod read;
mod text;

use std::collections::HashMap;

pub(crate) use self::read::{Options, Reference};

/// How many values may stand one within another, in schemas too.
const DEPTH_MAX: usize = 200;

/// A schema, ready for messages.
#[derive(Debug)]
pub(crate) struct Schema {
    nodes: Vec<Node>,
    root: usize,
    /// Whether values of unions stand in documents without the name of their type.
    is_raw: bool,
}

/// One type; the others are named by their places in the list.
#[derive(Debug)]
struct Node {
    /// What unions call it.
    name: String,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    String,
    /// A whole number of any length in as few bytes as it takes.
    Decimal,
    Fixed {
        size: usize,
    },
    Enum {
        symbols: Vec<String>,
        places: HashMap<String, usize>,
    },
    Array {
        items: usize,
    },
    Map {
        values: usize,
    },
    Union(Union),
    Record(Record),
}

#[derive(Debug)]
struct Union {
    branches: Vec<usize>,
    places: HashMap<String, usize>,
    null: Option<usize>,
    /// The branches but `null`, by their names: the order in which bare numbers and objects are tried.
    sorted: Vec<usize>,
}

#[derive(Debug, Default)]
struct Record {
    fields: Vec<Field>,
    places: HashMap<String, usize>,
}

#[derive(Debug)]
struct Field {
    name: String,
    node: usize,
    /// What stands for it where a document has none, as bytes.
    default: Option<Vec<u8>>,
}

/// How long an error becomes, in bytes.
const ERROR_BYTES_MAX: usize = 2048;

/// Says where an error was, from the outside in, as long as anybody would read it.
fn within(place: impl FnOnce() -> String, error: String) -> String {
    if ERROR_BYTES_MAX < error.len() {
        return error;
    }
    let told = format!("{}{error}", place());
    if told.len() <= ERROR_BYTES_MAX { told } else { error }
}

/// A text of a schema or message, as far as an error tells it.
fn shortened(text: &str) -> String {
    match text.len() <= ERROR_BYTES_MAX {
        true => text.to_string(),
        false => format!("{}…", &text[..text.floor_char_boundary(ERROR_BYTES_MAX)]),
    }
}

#[cfg(test)]
mod tests;
