//! JSON Schema: documents that say what other documents look like. Drafts 4, 6 and 7, with the words of Bento's library
//! for what does not fit.
//!
//! References lead to other places of the same document, or of those that stand beside it; nothing is fetched.

mod decimal;
mod format;
mod read;
mod validate;

use regex::bytes::Regex;
use wappa_message::{Text, Value};

use decimal::Decimal;

/// A schema, ready to be compared with values.
#[derive(Debug)]
pub struct Schema {
    nodes: Vec<Node>,
    root: usize,
    /// How much its patterns take up at most, if it is not trusted.
    pattern_bytes: usize,
}

/// The types of JSON, and whole numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Array,
    Boolean,
    Integer,
    Number,
    Null,
    Object,
    String,
}

impl Type {
    const ALL: [Type; 7] =
        [Type::Array, Type::Boolean, Type::Integer, Type::Number, Type::Null, Type::Object, Type::String];

    fn name(self) -> &'static str {
        match self {
            Type::Array => "array",
            Type::Boolean => "boolean",
            Type::Integer => "integer",
            Type::Number => "number",
            Type::Null => "null",
            Type::Object => "object",
            Type::String => "string",
        }
    }
}

/// One schema of those that a document consists of; the others are named by their places in the list.
#[derive(Debug, Default)]
struct Node {
    /// Of a schema that is only true or false.
    passes: Option<bool>,
    /// The schema that stands in its place.
    reference: Option<usize>,
    types: Vec<Type>,
    properties: Vec<(Text, usize)>,
    additional_properties: Others,
    pattern_properties: Vec<(Regex, usize)>,
    property_names: Option<usize>,
    dependencies: Vec<(Text, Dependency)>,
    required: Vec<Text>,
    n_properties: Range,
    /// The schema of all elements.
    items: Option<usize>,
    /// The schemas of the first elements.
    first_items: Vec<usize>,
    additional_items: Others,
    contains: Option<usize>,
    is_unique: bool,
    n_items: Range,
    n_chars: Range,
    /// The pattern as it was written, and as it is used.
    pattern: Option<(String, Regex)>,
    format: Option<String>,
    multiple_of: Option<Decimal>,
    minimum: Option<Decimal>,
    exclusive_minimum: Option<Decimal>,
    maximum: Option<Decimal>,
    exclusive_maximum: Option<Decimal>,
    /// The value as JSON.
    constant: Option<String>,
    /// The values as JSON.
    values: Vec<String>,
    any_of: Vec<usize>,
    one_of: Vec<usize>,
    all_of: Vec<usize>,
    not: Option<usize>,
    condition: Option<usize>,
    then: Option<usize>,
    otherwise: Option<usize>,
}

/// How many there may be.
#[derive(Debug, Default)]
struct Range {
    min: Option<u64>,
    max: Option<u64>,
}

/// What is said of those that nothing else is said of.
#[derive(Debug, Default)]
enum Others {
    #[default]
    Allowed,
    Refused,
    Schema(usize),
}

/// What has to be there or to fit where a property is there.
#[derive(Debug)]
enum Dependency {
    Properties(Vec<Text>),
    Schema(usize),
}

/// The value as JSON, in which equal numbers are written equally.
fn canonical(value: &Value) -> String {
    let json = value.to_json();
    let mut out = String::with_capacity(json.len());
    let mut rest = json.as_str();
    while let Some(first) = rest.chars().next() {
        let n = match first {
            '"' => text_len(rest),
            '-' | '0'..='9' => {
                let may_stand = |it: char| it.is_ascii_digit() || matches!(it, '.' | 'e' | 'E' | '+' | '-');
                rest.find(|it| !may_stand(it)).unwrap_or(rest.len())
            }
            first => first.len_utf8(),
        };
        let (token, behind) = rest.split_at(n);
        match token.parse::<f64>() {
            Ok(number) if token.contains(['.', 'e', 'E']) => {
                match number.fract() == 0.0 && number.abs() < 9e15 {
                    true => out.push_str(&(number as i64).to_string()),
                    false => out.push_str(&Value::Float(number).to_json()),
                }
            }
            _ => out.push_str(token),
        }
        rest = behind;
    }
    out
}

/// How long the text in quotes is that JSON begins with.
fn text_len(json: &str) -> usize {
    let mut is_escaped = false;
    for (idx, byte) in json.bytes().enumerate().skip(1) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return idx + 1,
            _ => (),
        }
    }
    json.len()
}

#[cfg(test)]
mod tests;
