//! What operators do. Each looks first whether both sides are of its own types, and then whether they can be made so.

use regex::bytes::Regex;
use wappa_message::Value;

use crate::{
    error::{Error, Result},
    evaluate::Budget,
    value::{compare, go, numbers, regexp},
};

/// Before a value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Prefix {
    Minus,
    Not,
    Complement,
}

/// Between two values.
#[derive(Debug)]
pub(super) enum Infix {
    Of(Operator),
    /// Whether a pattern that is known fits, or does not.
    Fits(Box<Regex>, bool),
}

/// An operator between two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Else,
    Or,
    And,
    Equal,
    Unequal,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Fits,
    FitsNot,
    In,
    BitXor,
    BitAnd,
    BitOr,
    ShiftLeft,
    ShiftRight,
    Plus,
    Minus,
    Times,
    Over,
    Remainder,
    Power,
}

/// How each is written, and how strongly it binds.
const OPERATORS: &[(&str, Operator, u8)] = &[
    ("??", Operator::Else, 0),
    ("||", Operator::Or, 20),
    ("&&", Operator::And, 21),
    ("==", Operator::Equal, 40),
    ("!=", Operator::Unequal, 40),
    (">", Operator::Greater, 40),
    (">=", Operator::GreaterOrEqual, 40),
    ("<", Operator::Less, 40),
    ("<=", Operator::LessOrEqual, 40),
    ("=~", Operator::Fits, 40),
    ("!~", Operator::FitsNot, 40),
    ("in", Operator::In, 40),
    ("^", Operator::BitXor, 60),
    ("&", Operator::BitAnd, 60),
    ("|", Operator::BitOr, 60),
    ("<<", Operator::ShiftLeft, 90),
    (">>", Operator::ShiftRight, 90),
    ("+", Operator::Plus, 120),
    ("-", Operator::Minus, 120),
    ("*", Operator::Times, 150),
    ("/", Operator::Over, 150),
    ("%", Operator::Remainder, 150),
    ("**", Operator::Power, 200),
];

/// What asks for one of two values.
pub(super) const CONDITION: &str = "?";

/// Whether the name of an operator begins with this.
pub(super) fn is_begin(text: &str) -> bool {
    OPERATORS.iter().any(|it| it.0.starts_with(text))
}

/// Whether a character is part of the name of an operator.
pub(super) fn is_symbol(c: char) -> bool {
    c == '~' || OPERATORS.iter().any(|it| it.0.contains(c))
}

/// The operator of this name, and how strongly it binds.
pub(super) fn find(text: &str) -> Option<(Operator, u8)> {
    OPERATORS.iter().find(|it| it.0 == text).map(|it| (it.1, it.2))
}

impl Operator {
    fn name(self) -> &'static str {
        OPERATORS.iter().find(|it| it.1 == self).map_or("", |it| it.0)
    }

    /// The result, where the left side says it alone.
    pub(super) fn of_left(self, left: &Value) -> Option<Value> {
        match self {
            Operator::And if *left == Value::Bool(false) => Some(Value::Bool(false)),
            Operator::Or if *left == Value::Bool(true) => Some(Value::Bool(true)),
            Operator::Else if !is_zero(left) => Some(left.clone()),
            _ => None,
        }
    }

    /// The result for two values.
    pub(super) fn apply(self, left: &Value, right: &Value, budget: &mut Budget) -> Result<Value> {
        match self {
            Operator::Else => {
                return Ok(match is_zero(left) {
                    true => right.clone(),
                    false => left.clone(),
                });
            }
            Operator::In => {
                let Value::Array(all) = right else {
                    let actual = go::type_name(right, false);
                    let text = format!("expected type []interface{{}} for in operator but got {actual}");
                    return Err(Error::new(text));
                };
                budget.open(right)?;
                for it in all.iter() {
                    budget.step()?;
                    if is_equal(left, &it, budget)? {
                        return Ok(Value::Bool(true));
                    }
                }
                return Ok(Value::Bool(false));
            }
            Operator::Fits | Operator::FitsNot => {
                let pattern = regexp::compile(text_of(right, budget)?.as_bytes())?;
                return fits(&pattern, self == Operator::Fits, left, budget);
            }
            _ => {}
        }
        if let (Some(left), Some(right)) = (plain_number(left), plain_number(right))
            && let Some(result) = self.of_numbers(left, right)
        {
            return Ok(result);
        }
        if let (Value::Bool(left), Value::Bool(right)) = (left, right)
            && let Some(result) = self.of_truths(*left, *right)
        {
            return Ok(result);
        }
        if let (Value::Text(one), Value::Text(other)) = (left, right)
            && let Some(result) = self.of_texts(one, other, budget)?
        {
            return Ok(result);
        }
        if let (Some(left), Some(right)) = (number(left), number(right))
            && let Some(result) = self.of_numbers(left, right)
        {
            return Ok(result);
        }
        if let (Some(left), Some(right)) = (truth(left), truth(right))
            && let Some(result) = self.of_truths(left, right)
        {
            return Ok(result);
        }
        match self {
            Operator::Equal => return Ok(Value::Bool(is_equal(left, right, budget)?)),
            Operator::Unequal => return Ok(Value::Bool(!is_equal(left, right, budget)?)),
            _ => {}
        }
        if *left != Value::Null && *right != Value::Null && self.is_of_texts() {
            let (one, other) = (text_of(left, budget)?, text_of(right, budget)?);
            if let Some(result) = self.of_texts(one.as_bytes(), other.as_bytes(), budget)? {
                return Ok(result);
            }
        }
        let (left, right) = (go::type_name(left, false), go::type_name(right, false));
        Err(Error::new(format!("invalid operation ({left}) {} ({right})", self.name())))
    }

    fn of_numbers(self, left: f64, right: f64) -> Option<Value> {
        let bits = |it: f64| it as i64;
        Some(match self {
            Operator::Plus => Value::Float(left + right),
            Operator::Minus => Value::Float(left - right),
            Operator::Times => Value::Float(left * right),
            Operator::Over => Value::Float(left / right),
            Operator::Remainder => Value::Float(left % right),
            Operator::Power => Value::Float(left.powf(right)),
            Operator::BitXor => Value::Float((bits(left) ^ bits(right)) as f64),
            Operator::BitAnd => Value::Float((bits(left) & bits(right)) as f64),
            Operator::BitOr => Value::Float((bits(left) | bits(right)) as f64),
            Operator::ShiftLeft => {
                Value::Float(shifted(bits(left), right, i64::checked_shl).unwrap_or(0) as f64)
            }
            Operator::ShiftRight => {
                let is_negative = left < 0.0;
                let out = if is_negative { -1 } else { 0 };
                Value::Float(shifted(bits(left), right, i64::checked_shr).unwrap_or(out) as f64)
            }
            Operator::Equal => Value::Bool(left == right),
            Operator::Unequal => Value::Bool(left != right),
            Operator::Greater => Value::Bool(left > right),
            Operator::GreaterOrEqual => Value::Bool(left >= right),
            Operator::Less => Value::Bool(left < right),
            Operator::LessOrEqual => Value::Bool(left <= right),
            _ => return None,
        })
    }

    fn of_truths(self, left: bool, right: bool) -> Option<Value> {
        Some(Value::Bool(match self {
            Operator::And => left && right,
            Operator::Or => left || right,
            Operator::Equal => left == right,
            Operator::Unequal => left != right,
            _ => return None,
        }))
    }

    fn is_of_texts(self) -> bool {
        matches!(
            self,
            Operator::Plus
                | Operator::Greater
                | Operator::GreaterOrEqual
                | Operator::Less
                | Operator::LessOrEqual
        )
    }

    fn of_texts(self, left: &[u8], right: &[u8], budget: &mut Budget) -> Result<Option<Value>> {
        if !self.is_of_texts() {
            return Ok(None);
        }
        budget.walk(left.len().min(right.len()))?;
        Ok(Some(match self {
            Operator::Plus => {
                budget.bytes(left.len() + right.len())?;
                Value::text([left, right].concat())
            }
            Operator::Greater => Value::Bool(left > right),
            Operator::GreaterOrEqual => Value::Bool(left >= right),
            Operator::Less => Value::Bool(left < right),
            _ => Value::Bool(left <= right),
        }))
    }
}

fn shifted(number: i64, by: f64, shift: fn(i64, u32) -> Option<i64>) -> Option<i64> {
    // What is below zero is very much for Go.
    let by = u32::try_from(by as i64).ok()?;
    shift(number, by)
}

impl Prefix {
    pub(super) fn apply(self, value: &Value) -> Result<Value> {
        let actual = || go::type_name(value, false);
        match self {
            Prefix::Minus => match number(value) {
                Some(number) => Ok(Value::Float(-number)),
                None => {
                    Err(Error::new(format!("unexpected {}({}) expected number", go::shown(value), actual())))
                }
            },
            Prefix::Complement => match number(value) {
                Some(number) => Ok(Value::Float(!(number as i64) as f64)),
                None => Err(Error::new(format!("unexpected {} expected number", actual()))),
            },
            Prefix::Not => match truth(value) {
                Some(truth) => Ok(Value::Bool(!truth)),
                None => Err(Error::new(format!("unexpected {} expected bool", actual()))),
            },
        }
    }
}

/// Whether a pattern fits the text of a value, or does not.
pub(super) fn fits(pattern: &Regex, is_wanted: bool, value: &Value, budget: &mut Budget) -> Result<Value> {
    let text = text_of(value, budget)?;
    budget.steps(text.len() as u64 / 8)?;
    Ok(Value::Bool(pattern.is_match(text.as_bytes()) == is_wanted))
}

/// The text of a value, as names and patterns see it.
pub(super) fn text_of(value: &Value, budget: &mut Budget) -> Result<String> {
    budget.open(value)?;
    budget.bytes(value.text_len())?;
    let mut text = String::new();
    go::print(value, &mut text);
    Ok(text)
}

/// A value that is a number, or a text that is one.
pub(super) fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Text(text) => numbers::parse_float(text.as_str()?).ok(),
        other => plain_number(other),
    }
}

fn plain_number(value: &Value) -> Option<f64> {
    match value {
        Value::Int(_) | Value::Uint(_) | Value::Float(_) | Value::Number(_) => {
            crate::value::convert::number_of(value)
        }
        _ => None,
    }
}

/// A value that says yes or no.
pub(super) fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(it) => Some(*it),
        Value::Null => Some(false),
        Value::Text(text) if matches!(text.as_slice(), b"false" | b"FALSE") => Some(false),
        Value::Text(text) if matches!(text.as_slice(), b"true" | b"TRUE") => Some(true),
        other => number(other).map(|it| it != 0.0),
    }
}

/// Whether a value is what Go has where there is nothing.
pub(super) fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Text(text) => text.as_slice().is_empty(),
        other => plain_number(other) == Some(0.0),
    }
}

fn is_equal(left: &Value, right: &Value, budget: &mut Budget) -> Result<bool> {
    budget.walk(left.size().min(right.size()))?;
    Ok(compare::is_equal(left, right))
}
