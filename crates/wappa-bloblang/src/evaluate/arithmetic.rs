//! Operators on values.

use std::cmp::Ordering;

use wappa_message::{Text, Value};

use crate::{
    error::{Error, Result},
    program::{Expr, Operator},
    value::{
        Evaluated,
        compare::{self, Plain},
        convert,
        types::Type,
    },
};

/// A number as arithmetic sees it.
#[derive(Clone, Copy)]
enum Number {
    Int(i64),
    Uint(u64),
    Float(f64),
}

fn number_of(value: &Value) -> Option<Number> {
    match value {
        Value::Int(it) => Some(Number::Int(*it)),
        Value::Uint(it) => Some(Number::Uint(*it)),
        Value::Float(it) => Some(Number::Float(*it)),
        Value::Number(it) => Some(match it.to_i64() {
            Some(it) => Number::Int(it),
            None => Number::Float(it.to_f64()),
        }),
        _ => None,
    }
}

impl Number {
    fn to_f64(self) -> f64 {
        match self {
            Number::Int(it) => it as f64,
            Number::Uint(it) => it as f64,
            Number::Float(it) => it,
        }
    }

    /// What two numbers have in common.
    fn pair(self, other: Number) -> Pair {
        match (self, other) {
            (Number::Float(_), _) | (_, Number::Float(_)) => Pair::Floats(self.to_f64(), other.to_f64()),
            (Number::Uint(left), Number::Uint(right)) => Pair::Uints(left, right),
            _ => Pair::Ints(self.to_i64(), other.to_i64()),
        }
    }

    fn to_i64(self) -> i64 {
        match self {
            Number::Int(it) => it,
            Number::Uint(it) => it as i64,
            Number::Float(it) => it as i64,
        }
    }
}

enum Pair {
    Ints(i64, i64),
    Uints(u64, u64),
    Floats(f64, f64),
}

/// The result of an operator that needs both sides; the queries are for errors.
pub(crate) fn operate(
    operator: Operator,
    (left_query, left): (&Expr, &Evaluated),
    (right_query, right): (&Expr, &Evaluated),
) -> Result<Value> {
    let mismatch = || mismatch(operator, (left_query, left), (right_query, right));
    let (left, right) = match (left, right) {
        (Evaluated::Value(left), Evaluated::Value(right)) => (left, right),
        _ => match operator {
            // Both words are as null as null.
            Operator::Equal | Operator::NotEqual => {
                return Ok(Value::Bool((operator == Operator::NotEqual) != words_are_equal(left, right)));
            }
            _ => return Err(mismatch()),
        },
    };
    match operator {
        Operator::Add => match left {
            Value::Text(_) | Value::Bytes(_) => {
                let (Some(left), Some(right)) = (convert::text_of(left), convert::text_of(right)) else {
                    return Err(mismatch());
                };
                Ok(Value::Text(Text::from([left, right].concat())))
            }
            _ => {
                let (Some(left), Some(right)) = (number_of(left), number_of(right)) else {
                    return Err(mismatch());
                };
                Ok(match left.pair(right) {
                    Pair::Ints(left, right) => Value::Int(left.wrapping_add(right)),
                    Pair::Uints(left, right) => Value::Uint(left.wrapping_add(right)),
                    Pair::Floats(left, right) => Value::Float(left + right),
                })
            }
        },
        Operator::Subtract | Operator::Multiply => {
            let (Some(left), Some(right)) = (number_of(left), number_of(right)) else {
                return Err(mismatch());
            };
            let is_product = operator == Operator::Multiply;
            Ok(match left.pair(right) {
                Pair::Ints(left, right) if is_product => Value::Int(left.wrapping_mul(right)),
                Pair::Ints(left, right) => Value::Int(left.wrapping_sub(right)),
                Pair::Uints(left, right) if is_product => Value::Uint(left.wrapping_mul(right)),
                Pair::Uints(left, right) => Value::Uint(left.wrapping_sub(right)),
                Pair::Floats(left, right) if is_product => Value::Float(left * right),
                Pair::Floats(left, right) => Value::Float(left - right),
            })
        }
        Operator::Divide => {
            let (Some(left), Some(right)) = (number_of(left), number_of(right)) else {
                return Err(mismatch());
            };
            match right.to_f64() {
                0.0 => Err(divided_by_zero(right_query)),
                right => Ok(Value::Float(left.to_f64() / right)),
            }
        }
        Operator::Modulo => {
            let (Ok(left), Ok(right)) = (convert::int(left), convert::int(right)) else {
                return Err(mismatch());
            };
            match right {
                0 => Err(divided_by_zero(right_query)),
                right => Ok(Value::Int(left.wrapping_rem(right))),
            }
        }
        _ => compare(operator, left, right).map(Value::Bool).ok_or_else(mismatch),
    }
}

/// Compares two values; nothing where they do not compare.
fn compare(operator: Operator, left: &Value, right: &Value) -> Option<bool> {
    let holds = |ordering: Option<Ordering>| match operator {
        Operator::Equal => ordering == Some(Ordering::Equal),
        Operator::NotEqual => ordering != Some(Ordering::Equal),
        Operator::Greater => ordering == Some(Ordering::Greater),
        Operator::GreaterOrEqual => matches!(ordering, Some(Ordering::Greater | Ordering::Equal)),
        Operator::Less => ordering == Some(Ordering::Less),
        _ => matches!(ordering, Some(Ordering::Less | Ordering::Equal)),
    };
    let is_equality = matches!(operator, Operator::Equal | Operator::NotEqual);
    let by_kind = || is_equality.then(|| (operator == Operator::NotEqual) != compare::is_equal(left, right));
    match compare::plain(left) {
        Plain::Text(text) => match convert::text_of(right) {
            Some(right) => Some(holds(Some(text.cmp(&right)))),
            None => by_kind(),
        },
        Plain::Number(_) => match (number_of(left), number_of(right)) {
            (Some(left), Some(right)) => Some(holds(match left.pair(right) {
                Pair::Ints(left, right) => Some(left.cmp(&right)),
                Pair::Uints(left, right) => Some(left.cmp(&right)),
                Pair::Floats(left, right) => left.partial_cmp(&right),
            })),
            _ => by_kind(),
        },
        Plain::Bool(_) if !is_equality => None,
        _ => by_kind(),
    }
}

fn words_are_equal(left: &Evaluated, right: &Evaluated) -> bool {
    matches!((left, right), (Evaluated::Value(Value::Null), Evaluated::Value(Value::Null)))
}

#[cold]
fn mismatch(
    operator: Operator,
    (left_query, left): (&Expr, &Evaluated),
    (right_query, right): (&Expr, &Evaluated),
) -> Error {
    // Where Bento has tried to make a number of a time, it has become a text.
    let is_number = matches!(left, Evaluated::Value(it) if number_of(it).is_some());
    let is_text = |evaluated: &Evaluated, is_right: bool| {
        matches!(evaluated, Evaluated::Value(Value::Time(_)))
            && match operator {
                Operator::Subtract | Operator::Multiply => true,
                Operator::Divide | Operator::Modulo => false,
                _ => is_right && is_number,
            }
    };
    let kind =
        |it: &Evaluated, is_right| if is_text(it, is_right) { Type::String } else { Type::of_evaluated(it) };
    let (left, right) = (kind(left, false), kind(right, true));
    let (left_query, right_query) = (left_query.annotation(), right_query.annotation());
    let name = operator.name();
    Error::mismatch(format!(
        "cannot {name} types {left} (from {left_query}) and {right} (from {right_query})"
    ))
}

#[cold]
fn divided_by_zero(right: &Expr) -> Error {
    Error::new("attempted to divide by zero").of_query(|| right.annotation())
}
