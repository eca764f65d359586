//! Functions that look at the message and its batch.

use bytes::Bytes;
use wappa_message::{Binary, Metadata, Object, Source, Value};

use crate::{
    error::{Error, Result},
    evaluate::{Context, Machine},
    registry::{Category, Constant, Function, Param, Status, args::Given, bound::FunctionBody, example},
    value::{Evaluated, path::Path},
};

const NO_KEY: Constant = Constant::Text("");
const KEY: &[Param] =
    &[Param::text("key", "The key of one value; without it, all of them are given as an object.").or(NO_KEY)];

const fn new(
    name: &'static str,
    description: &'static str,
    body: fn(&mut Machine<'_>, Context<'_>, Given<'_>) -> Result<Evaluated>,
) -> Function {
    Function::new(name, Category::Message, description, FunctionBody::Machine(body))
}

pub(super) const FUNCTIONS: &[Function] = &[
    new("batch_index", "The place of the message in its batch, counted from 0.", |_, ctx, _| {
        Ok(Value::Int(ctx.index).into())
    })
    .examples(&[example("root.first = batch_index() == 0", &[("{}", r#"{"first":true}"#)])]),
    new("batch_size", "How many messages the batch has.", |machine, _, _| {
        Ok(Value::Int(machine.n_messages() as i64).into())
    })
    .examples(&[example("root.size = batch_size()", &[("{}", r#"{"size":1}"#)])]),
    new(
        "content",
        "The raw content of the message, as bytes. In a structure bytes become base64: turn them into a text with `string`, \
         or into another alphabet with `encode`.",
        |machine, ctx, _| {
            let content = machine.message(ctx).map(|it| it.content().clone()).unwrap_or_default();
            Ok(Value::Bytes(Binary::from(content)).into())
        },
    )
    .examples(&[
        example("root.text = content().string()", &[("no JSON", r#"{"text":"no JSON"}"#)]),
        example("root = content().uppercase()", &[("abc", "ABC")]),
    ]),
    new("error", "Why a processor failed on the message, as a text, or `null` where none did.", |machine, ctx, _| {
        let mark = machine.message(ctx).and_then(|it| it.error().map(|mark| Value::text(mark.as_str())));
        let mark = mark.unwrap_or_default();
        machine.budget().bytes(mark.own().allocated)?;
        Ok(mark.into())
    })
    .examples(&[example("root.why = error()", &[("{}", r#"{"why":null}"#)])]),
    new("errored", "Whether a processor failed on the message.", |machine, ctx, _| {
        Ok(Value::Bool(machine.message(ctx).is_some_and(|it| it.error().is_some())).into())
    })
    .examples(&[example(
        r#"root.status = if errored() { "failed" } else { "fine" }"#,
        &[("{}", r#"{"status":"fine"}"#)],
    )]),
    new(
        "error_source_label",
        "The label of the component that failed on the message, empty where it has none; `null` where none failed.",
        |machine, ctx, _| source(machine, ctx, |it| &it.label),
    )
    .examples(&[example("root.label = error_source_label()", &[("{}", r#"{"label":null}"#)])]),
    new(
        "error_source_path",
        "The place in the config of the component that failed on the message, such as `pipeline.processors.0`; `null` where \
         none failed.",
        |machine, ctx, _| source(machine, ctx, |it| &it.path),
    )
    .examples(&[example("root.path = error_source_path()", &[("{}", r#"{"path":null}"#)])]),
    new(
        "error_source_type",
        "The name of the component that failed on the message, such as `mapping`; `null` where none failed.",
        |machine, ctx, _| source(machine, ctx, |it| &it.name),
    )
    .examples(&[example("root.name = error_source_type()", &[("{}", r#"{"name":null}"#)])]),
    new(
        "json",
        "A field of the message's document, by a path with points. Whatever the query is about, it is the document of the \
         message that is looked at; with `from`, that of another message of the batch.",
        json,
    )
    .params(&[Param::text("path", "The path; without it, the whole document is given.").or(NO_KEY)])
    .examples(&[
        example(r#"root.id = json("user.id")"#, &[(r#"{"user":{"id":7}}"#, r#"{"id":7}"#)]),
        example("root.all = json()", &[(r#"{"a":1}"#, r#"{"all":{"a":1}}"#)]),
    ]),
    new(
        "metadata",
        "A value of the message's metadata as they came, or `null`. What the mapping itself changes is seen with `@`.",
        |machine, ctx, args| match args.bytes(0) {
            b"" => all(machine, ctx, Value::clone),
            key => {
                let value = machine.message(ctx).and_then(|it| it.metadata().get(key).cloned());
                Ok(value.unwrap_or_default().into())
            }
        },
    )
    .params(KEY)
    .examples(&[example(r#"root.topic = metadata("topic")"#, &[("{}", r#"{"topic":null}"#)])]),
    new(
        "meta",
        "As `metadata`, but as a text; an empty text counts as none.",
        |machine, ctx, args| match args.bytes(0) {
            b"" => all(machine, ctx, text),
            key => {
                let value = machine.message(ctx).and_then(|it| it.metadata().get(key).cloned());
                let text = text_of(machine, value.as_ref())?;
                Ok(if text.is_empty() { Value::Null } else { Value::Text(text.into()) }.into())
            }
        },
    )
    .params(KEY)
    .status(Status::Deprecated)
    .examples(&[example(r#"root.topic = meta("topic") | "none""#, &[("{}", r#"{"topic":"none"}"#)])]),
    new(
        "root_meta",
        "A value of the metadata that the mapping makes, as a text; an empty text counts as none.",
        |machine, _, args| match args.bytes(0) {
            b"" => {
                let metadata = machine.metadata().clone();
                object(machine, &metadata, text)
            }
            key => {
                let value = machine.metadata().get(key).cloned();
                let text = text_of(machine, value.as_ref())?;
                Ok(if text.is_empty() { Value::Null } else { Value::Text(text.into()) }.into())
            }
        },
    )
    .params(KEY)
    .status(Status::Deprecated)
    .examples(&[example(
        "meta a = 5\nroot.a = root_meta(\"a\")",
        &[("{}", r#"{"a":"5"}"#)],
    )]),
];

/// Something of the component that failed on the message.
fn source(machine: &mut Machine<'_>, ctx: Context<'_>, of: fn(&Source) -> &str) -> Result<Evaluated> {
    let found = machine.message(ctx).and_then(|it| it.error()?.source().map(|it| Value::text(of(it))));
    let found = found.unwrap_or_default();
    machine.budget().bytes(found.own().allocated)?;
    Ok(found.into())
}

fn json(machine: &mut Machine<'_>, ctx: Context<'_>, args: Given<'_>) -> Result<Evaluated> {
    let document = machine.json(ctx)?;
    let value = match args.bytes(0) {
        b"" => document,
        path => Path::of_dots(&String::from_utf8_lossy(path)).get(&document, machine.budget())?,
    };
    // As in Bento, a number by itself is one of the machine.
    Ok(match value {
        Value::Number(it) => it.to_i64().map_or_else(|| Value::Float(it.to_f64()), Value::Int),
        other => other,
    }
    .into())
}

fn text(value: &Value) -> Value {
    Value::Text(value.to_text().into())
}

fn all(machine: &mut Machine<'_>, ctx: Context<'_>, value: fn(&Value) -> Value) -> Result<Evaluated> {
    let metadata = machine.message(ctx).map(|it| it.metadata().clone()).unwrap_or_default();
    object(machine, &metadata, value)
}

/// The text of a value of metadata, which is empty where there is none.
fn text_of(machine: &mut Machine<'_>, value: Option<&Value>) -> Result<Bytes> {
    let Some(value) = value else { return Ok(Bytes::new()) };
    // What is in it many times over is gone through as often.
    machine.budget().walk(value.size())?;
    machine.budget().bytes(value.text_len())?;
    Ok(value.to_text())
}

fn object(machine: &mut Machine<'_>, metadata: &Metadata, value: fn(&Value) -> Value) -> Result<Evaluated> {
    machine.budget().containers(1, metadata.len())?;
    let mut object = Object::default();
    for (key, it) in metadata.iter() {
        machine.budget().step()?;
        machine.budget().bytes(key.len())?;
        if !matches!(it, Value::Text(_)) {
            text_of(machine, Some(it))?;
        }
        // What is as deep as a value may be has no room here and stands here as its text.
        if object.insert(key.clone(), value(it)).is_err() {
            object.insert(key.clone(), text(it)).map_err(Error::from)?;
        }
    }
    Ok(Value::Object(object).into())
}
