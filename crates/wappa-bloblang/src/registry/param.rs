//! What functions and methods take.

use wappa_message::Value;

use crate::value::types::Type;

/// The parameters of a function or a method.
#[derive(Clone, Copy, Debug)]
pub enum Params {
    /// These, in this order or by their names.
    Named(&'static [Param]),
    /// Any number of values.
    Variadic,
}

/// One parameter.
#[derive(Clone, Copy, Debug)]
pub struct Param {
    /// The name.
    pub name: &'static str,
    /// What it takes.
    pub kind: Type,
    /// What it is for, in one sentence.
    pub description: &'static str,
    /// What it is when it is left out.
    pub default: Option<Constant>,
    /// Whether it may be left out.
    pub is_optional: bool,
    /// Whether it is known when the mapping is read.
    pub is_fixed: bool,
}

/// A value that is left out.
#[derive(Clone, Copy, Debug)]
pub enum Constant {
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A text.
    Text(&'static str),
}

impl Constant {
    pub(crate) fn to_value(self) -> Value {
        match self {
            Constant::Bool(it) => Value::Bool(it),
            Constant::Int(it) => Value::Int(it),
            Constant::Text(it) => Value::text(it),
        }
    }
}

impl Param {
    pub(crate) const fn new(name: &'static str, kind: Type, description: &'static str) -> Param {
        Param { name, kind, description, default: None, is_optional: false, is_fixed: false }
    }

    pub(crate) const fn text(name: &'static str, description: &'static str) -> Param {
        Param::new(name, Type::String, description)
    }

    pub(crate) const fn int(name: &'static str, description: &'static str) -> Param {
        Param::new(name, Type::Integer, description)
    }

    pub(crate) const fn float(name: &'static str, description: &'static str) -> Param {
        Param::new(name, Type::Float, description)
    }

    pub(crate) const fn flag(name: &'static str, description: &'static str) -> Param {
        Param::new(name, Type::Bool, description)
    }

    pub(crate) const fn any(name: &'static str, description: &'static str) -> Param {
        Param::new(name, Type::Unknown, description)
    }

    pub(crate) const fn array(name: &'static str, description: &'static str) -> Param {
        Param::new(name, Type::Array, description)
    }

    /// A query that is evaluated where the method says so.
    pub(crate) const fn query(name: &'static str, description: &'static str) -> Param {
        Param::new(name, Type::Query, description)
    }

    pub(crate) const fn optional(mut self) -> Param {
        self.is_optional = true;
        self
    }

    pub(crate) const fn or(mut self, default: Constant) -> Param {
        self.default = Some(default);
        self.is_optional = true;
        self
    }

    pub(crate) const fn fixed(mut self) -> Param {
        self.is_fixed = true;
        self
    }
}
