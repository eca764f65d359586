//! Rows for PostgreSQL that go as arguments of a prepared statement, in the binary form of their columns' types.
//!
//! A statement of literals is read by the server anew for each batch, which costs it more than writing the rows. Rows that
//! mean the same in either form go as arguments: where each value is of a kind of which that is known, and the batch is as
//! large as others before it. Everything else stays literals, which are the measure of what a row means.

use std::{collections::HashMap, sync::Arc};

use sqlx::{
    Arguments, Postgres, Type, TypeInfo,
    encode::{Encode, IsNull},
    error::BoxDynError,
    postgres::{PgArgumentBuffer, PgArguments, PgTypeInfo},
};
use wappa_message::Value;

use crate::statement::Insert;

/// As many arguments as a statement may have.
const ARGUMENTS_MAX: usize = 32_767;

/// How many sizes of batches have a statement that is prepared.
const STATEMENTS_MAX: usize = 8;

/// How many sizes of batches are counted.
const COUNTED_MAX: usize = 64;

/// So many batches of a size have to come before one is prepared for.
const COMMON: u32 = 3;

/// What is known of one statement that writes rows, on one connection.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// It is of no use here, such as where connections change behind a proxy.
    is_off: bool,
    /// By columns, once the server was asked; `None` in it: values have to be literals.
    columns: Option<Option<Vec<Column>>>,
    /// How many batches there were, by size.
    counts: HashMap<usize, u32>,
    /// What is prepared, by size.
    statements: HashMap<usize, Arc<str>>,
}

#[derive(Clone, Debug)]
pub(super) struct Column {
    form: Form,
    info: PgTypeInfo,
}

/// The binary form of a type.
/// Source: the functions `*recv` of PostgreSQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Bool,
    Int2,
    Int4,
    Int8,
    Float8,
    /// Text, and JSON that the server keeps as text.
    Text,
    /// The version of the form, and the text.
    Jsonb,
    Bytes,
}

impl Form {
    fn of(info: &PgTypeInfo) -> Option<Form> {
        Some(match info.name() {
            "BOOL" => Form::Bool,
            "INT2" => Form::Int2,
            "INT4" => Form::Int4,
            "INT8" => Form::Int8,
            "FLOAT8" => Form::Float8,
            "TEXT" | "VARCHAR" | "JSON" => Form::Text,
            "JSONB" => Form::Jsonb,
            "BYTEA" => Form::Bytes,
            _ => return None,
        })
    }
}

/// What the columns of a statement are; `None`: its values have to be literals.
pub(super) fn columns_of(types: &[PgTypeInfo]) -> Option<Vec<Column>> {
    types.iter().map(|it| Some(Column { form: Form::of(it)?, info: it.clone() })).collect()
}

impl Plan {
    /// Whether so many rows are worth a statement of their own.
    pub(super) fn wants(&mut self, n_rows: usize, n_values: usize) -> bool {
        if self.is_off
            || matches!(self.columns, Some(None))
            || ARGUMENTS_MAX < n_rows.saturating_mul(n_values)
            || n_values == 0
        {
            return false;
        }
        if self.statements.contains_key(&n_rows) {
            return true;
        }
        if STATEMENTS_MAX <= self.statements.len() {
            return false;
        }
        if COUNTED_MAX <= self.counts.len() {
            self.counts.clear();
        }
        let count = self.counts.entry(n_rows).or_default();
        *count += 1;
        COMMON <= *count
    }

    /// Whether nobody has asked yet what the columns are.
    pub(super) fn is_new(&self) -> bool {
        self.columns.is_none()
    }

    /// What the server says of the columns.
    pub(super) fn learn(&mut self, columns: Option<Vec<Column>>) {
        self.columns = Some(columns);
    }

    /// Literals from now on.
    pub(super) fn give_up(&mut self) {
        *self = Plan { is_off: true, ..Plan::default() };
    }

    /// The statement for so many rows, and its arguments. `None`: a value has to be a literal.
    pub(super) fn call(&mut self, insert: &Insert, rows: &[&[Value]]) -> Option<(Arc<str>, PgArguments)> {
        let columns = self.columns.as_ref()?.as_ref()?;
        let n_values = rows[0].len();
        let mut args = PgArguments::default();
        args.reserve(rows.len() * n_values, rows.len() * n_values * 12);
        for row in rows {
            for (value, column) in row.iter().zip(columns) {
                args.add(Typed { given: given(value, column.form)?, info: &column.info }).ok()?;
            }
        }
        let make = || insert.with_placeholders(rows.len(), n_values).into();
        let sql = self.statements.entry(rows.len()).or_insert_with(make);
        Some((Arc::clone(sql), args))
    }
}

/// A value in the form of its column.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Given<'a> {
    Null,
    Bool(bool),
    Int2(i16),
    Int4(i32),
    Int8(i64),
    Float8(f64),
    Jsonb(&'a [u8]),
    Bytes(&'a [u8]),
}

/// What a value is in this form. `None`: the server has to find out, or to refuse it.
fn given(value: &Value, form: Form) -> Option<Given<'_>> {
    let int = || match value {
        Value::Int(it) => Some(*it),
        Value::Uint(it) => i64::try_from(*it).ok(),
        Value::Number(it) => it.as_str().parse().ok(),
        _ => None,
    };
    Some(match (form, value) {
        (_, Value::Null) => Given::Null,
        (Form::Bool, Value::Bool(it)) => Given::Bool(*it),
        (Form::Int2, _) => Given::Int2(int()?.try_into().ok()?),
        (Form::Int4, _) => Given::Int4(int()?.try_into().ok()?),
        (Form::Int8, _) => Given::Int8(int()?),
        (Form::Float8, Value::Int(it)) => Given::Float8(*it as f64),
        (Form::Float8, Value::Float(it)) => Given::Float8(whole(*it, || *it == 0.0)?),
        (Form::Float8, Value::Number(it)) => {
            let digits = it.as_str().split(['e', 'E']).next().unwrap_or_default();
            let is_zero = || !digits.bytes().any(|it| matches!(it, b'1'..=b'9'));
            Given::Float8(whole(it.as_str().parse().ok()?, is_zero)?)
        }
        (Form::Text, Value::Text(it)) => Given::Bytes(text(it.as_slice())?),
        (Form::Jsonb, Value::Text(it)) => Given::Jsonb(text(it.as_slice())?),
        (Form::Bytes, Value::Text(it)) => Given::Bytes(it.as_slice()),
        _ => return None,
    })
}

/// A number that the server would read without a complaint: it refuses what is too large, or too small.
fn whole(number: f64, is_zero: impl FnOnce() -> bool) -> Option<f64> {
    (number.is_normal() || (number == 0.0 && is_zero())).then_some(number)
}

/// A text that may be one of the server's.
fn text(bytes: &[u8]) -> Option<&[u8]> {
    (!bytes.contains(&0) && std::str::from_utf8(bytes).is_ok()).then_some(bytes)
}

struct Typed<'a> {
    given: Given<'a>,
    info: &'a PgTypeInfo,
}

impl Type<Postgres> for Typed<'_> {
    fn type_info() -> PgTypeInfo {
        <str as Type<Postgres>>::type_info()
    }
}

impl<'q> Encode<'q, Postgres> for Typed<'_> {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        match self.given {
            Given::Null => return Ok(IsNull::Yes),
            Given::Bool(it) => buffer.push(u8::from(it)),
            Given::Int2(it) => buffer.extend_from_slice(&it.to_be_bytes()),
            Given::Int4(it) => buffer.extend_from_slice(&it.to_be_bytes()),
            Given::Int8(it) => buffer.extend_from_slice(&it.to_be_bytes()),
            Given::Float8(it) => buffer.extend_from_slice(&it.to_be_bytes()),
            Given::Jsonb(it) => {
                buffer.push(1);
                buffer.extend_from_slice(it);
            }
            Given::Bytes(it) => buffer.extend_from_slice(it),
        }
        Ok(IsNull::No)
    }

    fn produces(&self) -> Option<PgTypeInfo> {
        Some(self.info.clone())
    }
}

#[cfg(test)]
mod tests {
    use wappa_message::Number;

    use super::*;

    #[test]
    fn values_are_given_where_a_literal_means_the_same() {
        let number = |text| Value::Number(Number::parse(text).expect("it is one"));
        for (form, value, expected) in [
            (Form::Int2, Value::Int(-5), Some(Given::Int2(-5))),
            (Form::Int2, Value::Int(40_000), None),
            (Form::Int4, Value::Uint(7), Some(Given::Int4(7))),
            (Form::Int8, number("12"), Some(Given::Int8(12))),
            (Form::Int8, number("1e3"), None),
            (Form::Int8, number("9223372036854775808"), None),
            (Form::Int8, Value::Float(1.0), None),
            (Form::Int8, Value::text("12"), None),
            (Form::Float8, Value::Int(3), Some(Given::Float8(3.0))),
            (Form::Float8, number("1.5e3"), Some(Given::Float8(1500.0))),
            (Form::Float8, number("0.0e9"), Some(Given::Float8(0.0))),
            (Form::Float8, number("1e999"), None),
            (Form::Float8, number("1e-999"), None),
            (Form::Float8, number("1e-320"), None),
            (Form::Float8, Value::Float(f64::NAN), None),
            (Form::Text, Value::text("it's"), Some(Given::Bytes(b"it's"))),
            (Form::Text, Value::text("a\0"), None),
            (Form::Text, Value::text(b"\xff"), None),
            (Form::Text, Value::Int(1), None),
            (Form::Jsonb, Value::text("{}"), Some(Given::Jsonb(b"{}"))),
            (Form::Bytes, Value::text(b"\xff\0"), Some(Given::Bytes(b"\xff\0"))),
            (Form::Bool, Value::Bool(true), Some(Given::Bool(true))),
            (Form::Bool, Value::Int(1), None),
            (Form::Bytes, Value::Null, Some(Given::Null)),
        ] {
            assert_eq!(given(&value, form), expected, "{value:?} as {form:?}");
        }
    }

    #[test]
    fn only_sizes_that_come_again_are_prepared_for() {
        let mut plan = Plan::default();
        let wants: Vec<bool> = (0..4).map(|_| plan.wants(100, 3)).collect();
        assert_eq!(wants, [false, false, true, true]);
        assert!((1..10_000).all(|it| !plan.wants(it + 100, 3)));
        assert!(plan.counts.len() <= COUNTED_MAX);
        assert!((0..10).all(|_| !plan.wants(20_000, 3)));
        plan.give_up();
        assert!((0..10).all(|_| !plan.wants(100, 3)));
    }
}
