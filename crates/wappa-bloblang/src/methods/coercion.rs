//! From one type to another.

use wappa_message::{Binary, Text, Value};

use crate::{
    error::{Error, Result},
    evaluate::{Context, Machine},
    program::Expr,
    registry::{Category, Method, Param, args::Given, bound::MethodBody, example},
    value::{Evaluated, convert, types::Type},
};

const fn new(name: &'static str, description: &'static str, body: MethodBody) -> Method {
    Method::new(name, Category::Coercion, description, body)
}

/// How much a value's text makes that is more than the value has itself.
fn text_len(value: &Value) -> usize {
    match value {
        Value::Array(_) | Value::Object(_) => value.text_len(),
        _ => 0,
    }
}

/// A method that may have a value for what cannot be turned.
fn or_default(
    machine: &mut Machine<'_>,
    ctx: Context<'_>,
    target: &Expr,
    args: Given<'_>,
    turn: fn(&Value) -> Result<Value>,
    expected: &'static [Type],
) -> Result<Evaluated> {
    let result = machine.evaluate(target, ctx).and_then(|it| match it {
        Evaluated::Value(value) => turn(&value).map_err(|err| err.of_query(|| target.annotation())),
        other => Err(Error::of_evaluated(&other, expected).of_query(|| target.annotation())),
    });
    match (result, args.get(0)) {
        (Ok(value), _) => Ok(value.into()),
        (Err(_), Some(default)) => Ok(default.clone().into()),
        (Err(err), None) => Err(err),
    }
}

pub(super) const METHODS: &[Method] = &[
    new("array", "The value if it is a list, else a list of it alone.", MethodBody::Value(|value, _| match value {
        Value::Array(_) => Ok(value),
        other => Ok(Value::array([other])?),
    }))
    .elements()
    .examples(&[example("root = this.a.array()", &[(r#"{"a":1}"#, "[1]"), (r#"{"a":[1]}"#, "[1]")])]),
    new(
        "bool",
        "True or false of a value: numbers are true where they are not zero, texts where they are `1`, `t`, `T`, `true`, \
         `True` or `TRUE`, and false where they are `0`, `f`, `F`, `false`, `False` or `FALSE`.",
        MethodBody::Lazy(|machine, ctx, target, args| {
            or_default(machine, ctx, target, args, |it| convert::to_bool(it).map(Value::Bool), &[Type::Bool])
        }),
    )
    .params(&[Param::flag("default", "What is given for everything else.").optional()])
    .examples(&[
        example("root = this.a.bool()", &[(r#"{"a":"true"}"#, "true"), (r#"{"a":0}"#, "false"), (
            r#"{"a":"yes"}"#,
            r#"Error("failed assignment (line 1): expected bool value, got string from field `this.a` ("yes")")"#,
        )]),
        example("root = this.a.bool(true)", &[(r#"{"a":"yes"}"#, "true")]),
    ]),
    new("bytes", "The value as bytes.", MethodBody::Counted(|machine, value, _| match value {
        Value::Bytes(_) => Ok(value),
        other => {
            machine.budget().bytes(text_len(&other))?;
            Ok(Value::Bytes(Binary::from(other.to_text())))
        }
    }))
    .examples(&[example("root.a = this.a.bytes().length()", &[(r#"{"a":"ä"}"#, r#"{"a":2}"#)])]),
    new(
        "number",
        "The number of a value, as a floating-point one; a text is read.",
        MethodBody::Lazy(|machine, ctx, target, args| {
            or_default(machine, ctx, target, args, |it| convert::to_number(it).map(Value::Float), &[Type::Number])
        }),
    )
    .params(&[Param::float("default", "What is given for what is no number.").optional()])
    .examples(&[
        example("root = this.a.number() + 1", &[(r#"{"a":"1.5"}"#, "2.5"), (r#"{"a":2}"#, "3")]),
        example("root = this.a.number(5)", &[(r#"{"a":"x"}"#, "5")]),
    ]),
    new("string", "The value as a text; what is no text becomes JSON.", MethodBody::Counted(|machine, value, _| {
        match value {
            Value::Text(_) => Ok(value),
            other => {
                machine.budget().bytes(text_len(&other))?;
                Ok(Value::Text(Text::from(other.to_text())))
            }
        }
    }))
    .examples(&[
        example("root.a = this.a.string()", &[(r#"{"a":{"b":1}}"#, r#"{"a":"{\"b\":1}"}"#), (
            r#"{"a":1.50}"#,
            r#"{"a":"1.50"}"#,
        )]),
    ]),
    new(
        "type",
        "The name of the value's type: `string`, `bytes`, `number`, `bool`, `timestamp`, `array`, `object` or `null`.",
        MethodBody::Lazy(|machine, ctx, target, _| {
            let value = machine.evaluate(target, ctx)?;
            Ok(Value::text(Type::of_evaluated(&value).name()).into())
        }),
    )
    .examples(&[example(
        "root = this.type()",
        &[("1", "number"), (r#""a""#, "string"), ("[]", "array"), ("{}", "object"), ("null", "null"), ("true", "bool")],
    )]),
    new("not_null", "The value, unless it is `null`: then it fails.", MethodBody::Lazy(|machine, ctx, target, _| match machine.evaluate(target, ctx)? {
            Evaluated::Value(Value::Null) => {
                Err(Error::new("value is null").of_query(|| target.annotation()))
            }
            other => Ok(other),
        }))
    .examples(&[example(
        "root = this.a.not_null()",
        &[(r#"{"a":1}"#, "1"), ("{}", r#"Error("failed assignment (line 1): field `this.a`: value is null")"#)],
    )]),
    new(
        "not_empty",
        "The value, unless it is an empty text, list or object: then it fails.",
        MethodBody::Value(|value, _| {
            let (is_empty, what) = match &value {
                Value::Text(text) => (text.is_empty(), "string value is empty"),
                Value::Array(array) => (array.is_empty(), "array value is empty"),
                Value::Object(object) => (object.is_empty(), "object value is empty"),
                _ => return Err(Error::of_type(&value, &[Type::String, Type::Array, Type::Object])),
            };
            if is_empty { Err(Error::new(what)) } else { Ok(value) }
        }),
    )
    .places()
    .examples(&[example(
        "root = this.a.not_empty()",
        &[
            (r#"{"a":[0]}"#, "[0]"),
            (r#"{"a":""}"#, r#"Error("failed assignment (line 1): field `this.a`: string value is empty")"#),
        ],
    )]),
];
