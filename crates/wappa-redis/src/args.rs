//! Arguments of commands, as mappings give them, and what the server answers.

use std::ops::ControlFlow;

use redis::Cmd;
use wappa_message::{Message, Text, Value};
use wappa_spec::Mapping;

use crate::wire::Command;

/// The list that a mapping gives for a message; the error is Bento's text.
pub(crate) fn list(mapping: &Mapping, batch: &mut [Message], place: usize) -> Result<Vec<Value>, String> {
    let value = match mapping.program() {
        Some(program) => program.value(batch, place).map_err(|err| err.to_string())?,
        // Nothing is mapped: it is what the message holds.
        None => Some(batch[place].value().map_err(|err| err.to_string())?.clone()),
    };
    match value {
        Some(Value::Array(args)) => Ok(args.iter().collect()),
        Some(other) => Err(format!("mapping returned non-array result: {}", kind_of(&other))),
        None => Err("mapping returned non-array result: deleted".to_string()),
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Int(_) | Value::Uint(_) | Value::Float(_) | Value::Number(_) => "number",
        Value::Text(_) => "string",
        Value::Bytes(_) => "bytes",
        Value::Time(_) => "timestamp",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Adds an argument: a text as it is, a truth as 1 or 0, as other clients do, and what is put together as JSON.
pub(crate) fn add(command: &mut Cmd, value: &Value) {
    match value {
        Value::Null => command.arg(&b""[..]),
        Value::Bool(it) => command.arg(i64::from(*it)),
        other => command.arg(&other.to_text()[..]),
    };
}

/// The same, for what an output writes.
pub(crate) fn write(command: &mut Command<'_>, value: &Value) {
    match value {
        Value::Null => command.arg(b""),
        Value::Bool(it) => command.arg(if *it { b"1" } else { b"0" }),
        Value::Text(text) => command.arg(text.as_slice()),
        other => command.arg(other.to_text()),
    };
}

/// An answer as a value; `None`: there is none (`nil`).
pub(crate) fn answer(value: redis::Value) -> Result<Option<Value>, String> {
    match convert(value) {
        ControlFlow::Continue(Value::Null) => Ok(None),
        ControlFlow::Continue(value) => Ok(Some(value)),
        ControlFlow::Break(text) => Err(text),
    }
}

fn convert(value: redis::Value) -> ControlFlow<String, Value> {
    use redis::Value as Answer;
    ControlFlow::Continue(match value {
        Answer::Nil => Value::Null,
        Answer::Int(it) => Value::Int(it),
        Answer::BulkString(it) => Value::text(it),
        Answer::SimpleString(it) => Value::text(it),
        Answer::VerbatimString { text, .. } => Value::text(text),
        Answer::BigNumber(it) => Value::text(it),
        Answer::Okay => Value::text("OK"),
        Answer::Double(it) => Value::Float(it),
        Answer::Boolean(it) => Value::Bool(it),
        Answer::Attribute { data, .. } => return convert(*data),
        Answer::Array(all) | Answer::Set(all) => list_of(all)?,
        Answer::Map(pairs) => object_of(pairs)?,
        Answer::Push { data, .. } => list_of(data)?,
        Answer::ServerError(err) => return ControlFlow::Break(err.to_string()),
        _ => return ControlFlow::Break("the answer cannot be read".to_string()),
    })
}

/// An object where all keys are texts; else a list of keys and values, so that nothing is lost.
fn object_of(pairs: Vec<(redis::Value, redis::Value)>) -> ControlFlow<String, Value> {
    let is_text =
        |it: &redis::Value| matches!(it, redis::Value::BulkString(_) | redis::Value::SimpleString(_));
    if !pairs.iter().all(|(key, _)| is_text(key)) {
        return list_of(pairs.into_iter().flat_map(|(key, value)| [key, value]).collect());
    }
    let mut object = Vec::with_capacity(pairs.len());
    for (key, value) in pairs {
        let key = match key {
            redis::Value::BulkString(it) => Text::copied(it),
            redis::Value::SimpleString(it) => Text::copied(it),
            _ => continue,
        };
        object.push((key, convert(value)?));
    }
    match Value::object(object) {
        Ok(object) => ControlFlow::Continue(object),
        Err(_) => ControlFlow::Break("the answer is too deep".to_string()),
    }
}

fn list_of(all: Vec<redis::Value>) -> ControlFlow<String, Value> {
    let mut values = Vec::with_capacity(all.len());
    for it in all {
        values.push(convert(it)?);
    }
    match Value::array(values) {
        Ok(list) => ControlFlow::Continue(list),
        Err(_) => ControlFlow::Break("the answer is too deep".to_string()),
    }
}
