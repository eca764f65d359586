//! What mappings do with values: their types, what they are turned into, how they are compared, and paths into them.

pub(crate) mod base;
pub(crate) mod compare;
pub(crate) mod convert;
pub(crate) mod go;
pub(crate) mod numbers;
pub(crate) mod path;
pub(crate) mod regexp;
pub(crate) mod sort;
pub(crate) mod sprintf;
pub(crate) mod types;

use wappa_message::Value;

/// What a query results in: a value, or one of the two words that say what becomes of the target.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Evaluated {
    Value(Value),
    /// The target is deleted.
    Deleted,
    /// The target stays as it is.
    Nothing,
}

impl Evaluated {
    /// The value; both words are `null` where a value is needed.
    pub(crate) fn into_value(self) -> Value {
        match self {
            Evaluated::Value(value) => value,
            Evaluated::Deleted | Evaluated::Nothing => Value::Null,
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        !matches!(self, Evaluated::Value(value) if !matches!(value, Value::Null))
    }
}

impl From<Value> for Evaluated {
    fn from(value: Value) -> Evaluated {
        Evaluated::Value(value)
    }
}
