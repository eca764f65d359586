//! The types of values, as errors and the method `type` name them.

use std::fmt;

use wappa_message::Value;

use super::Evaluated;

/// The type of a value, or of what a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// Text.
    String,
    /// Bytes that are no text.
    Bytes,
    /// Any number.
    Number,
    /// A whole number.
    Integer,
    /// A floating-point number.
    Float,
    /// True or false.
    Bool,
    /// A point in time.
    Timestamp,
    /// A list.
    Array,
    /// Names and values.
    Object,
    /// Nothing at all.
    Null,
    /// The word that deletes.
    Delete,
    /// The word that changes nothing.
    Nothing,
    /// A query that is evaluated where it is used.
    Query,
    /// Any value.
    Unknown,
}

impl Type {
    /// The name, as errors write it.
    pub fn name(self) -> &'static str {
        match self {
            Type::String => "string",
            Type::Bytes => "bytes",
            Type::Number => "number",
            Type::Integer => "integer",
            Type::Float => "float",
            Type::Bool => "bool",
            Type::Timestamp => "timestamp",
            Type::Array => "array",
            Type::Object => "object",
            Type::Null => "null",
            Type::Delete => "delete",
            Type::Nothing => "nothing",
            Type::Query => "query expression",
            Type::Unknown => "unknown",
        }
    }

    pub fn of(value: &Value) -> Type {
        match value {
            Value::Null => Type::Null,
            Value::Bool(_) => Type::Bool,
            Value::Int(_) | Value::Uint(_) | Value::Float(_) | Value::Number(_) => Type::Number,
            Value::Text(_) => Type::String,
            Value::Bytes(_) => Type::Bytes,
            Value::Time(_) => Type::Timestamp,
            Value::Array(_) => Type::Array,
            Value::Object(_) => Type::Object,
        }
    }

    pub(crate) fn of_evaluated(evaluated: &Evaluated) -> Type {
        match evaluated {
            Evaluated::Value(value) => Type::of(value),
            Evaluated::Deleted => Type::Delete,
            Evaluated::Nothing => Type::Nothing,
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
