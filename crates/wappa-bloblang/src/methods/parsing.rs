//! Texts that hold something, and the way back.

use wappa_message::{Binary, Value};

use super::strings::bytes_of;
use crate::{
    error::{Error, Result},
    evaluate::Machine,
    registry::{Category, Constant, Method, Param, args::Given, bound::MethodBody, example},
};

const fn new(name: &'static str, description: &'static str, body: MethodBody) -> Method {
    Method::new(name, Category::Parsing, description, body)
}

fn parse_json(machine: &mut Machine<'_>, value: Value, _: Given<'_>) -> Result<Value> {
    let text = match &value {
        Value::Text(text) => text.to_bytes(),
        Value::Bytes(bytes) => bytes.to_bytes(),
        other => return Err(bytes_of(other).map(drop).expect_err("it is no text")),
    };
    machine.budget().steps(text.len() as u64 / 16)?;
    Value::from_json_first(&text).map_err(|err| Error::new(format!("failed to parse value as JSON: {err}")))
}

fn format_json(machine: &mut Machine<'_>, value: Value, args: Given<'_>) -> Result<Value> {
    let indent = if args.flag(1) { None } else { Some(args.bytes(0)) };
    let mut out = Vec::new();
    match indent {
        None => {
            machine.budget().bytes(value.json_len())?;
            value.write_json(&mut out);
        }
        Some(indent) => write_json(machine, &value, indent, 0, &mut out)?,
    }
    let is_special = |it: &&u8| matches!(it, b'<' | b'>' | b'&');
    let n_escaped = if args.flag(2) { out.iter().filter(is_special).count() } else { 0 };
    if 0 < n_escaped {
        let len = out.len().saturating_add(n_escaped.saturating_mul(5));
        machine.budget().bytes(len)?;
        let mut escaped = Vec::with_capacity(len);
        for byte in out {
            match byte {
                b'<' => escaped.extend_from_slice(b"\\u003c"),
                b'>' => escaped.extend_from_slice(b"\\u003e"),
                b'&' => escaped.extend_from_slice(b"\\u0026"),
                byte => escaped.push(byte),
            }
        }
        out = escaped;
    }
    Ok(Value::Bytes(Binary::from(out)))
}

fn write_json(
    machine: &mut Machine<'_>,
    value: &Value,
    indent: &[u8],
    depth: usize,
    out: &mut Vec<u8>,
) -> Result<()> {
    fn line(machine: &mut Machine<'_>, indent: &[u8], depth: usize, out: &mut Vec<u8>) -> Result<()> {
        machine.budget().bytes(indent.len().saturating_mul(depth) + 1)?;
        out.push(b'\n');
        (0..depth).for_each(|_| out.extend_from_slice(indent));
        Ok(())
    }
    match value {
        Value::Array(array) if !array.is_empty() => {
            out.push(b'[');
            for (idx, it) in array.iter().enumerate() {
                if 0 < idx {
                    out.push(b',');
                }
                line(machine, indent, depth + 1, out)?;
                write_json(machine, &it, indent, depth + 1, out)?;
            }
            line(machine, indent, depth, out)?;
            out.push(b']');
        }
        Value::Object(object) if !object.is_empty() => {
            out.push(b'{');
            for (idx, (name, it)) in object.iter().enumerate() {
                if 0 < idx {
                    out.push(b',');
                }
                line(machine, indent, depth + 1, out)?;
                // An escape is six bytes long.
                machine.budget().bytes(name.len().saturating_mul(6) + 4)?;
                Value::Text(name).write_json(out);
                out.extend_from_slice(b": ");
                write_json(machine, &it, indent, depth + 1, out)?;
            }
            line(machine, indent, depth, out)?;
            out.push(b'}');
        }
        other => {
            machine.budget().bytes(other.json_len())?;
            other.write_json(out);
        }
    }
    Ok(())
}

pub(super) const METHODS: &[Method] = &[
    new(
        "parse_json",
        "The document of JSON that a text holds; what follows it is not looked at. Numbers stay as they are written.",
        MethodBody::Counted(parse_json),
    )
    .params(&[Param::flag("use_number", "Has no effect: numbers always keep all their digits.").optional()])
    .examples(&[
        example("root = this.a.parse_json()", &[(r#"{"a":"{\"b\":[1,2.50]}"}"#, r#"{"b":[1,2.50]}"#), (
            r#"{"a":"{"}"#,
            r#"Error("failed assignment (line 1): field `this.a`: failed to parse value as JSON: unexpected EOF")"#,
        )]),
    ]),
    new(
        "format_json",
        "The value as JSON, as bytes, each element on a line of its own.",
        MethodBody::Counted(format_json),
    )
    .params(&[
        Param::text("indent", "What each line begins with, once for each level.").or(Constant::Text("    ")),
        Param::flag("no_indent", "Whether all stands on one line, without white space.").or(Constant::Bool(false)),
        Param::flag("escape_html", "Whether `<`, `>` and `&` are escaped.").or(Constant::Bool(true)),
    ])
    .examples(&[
        example("root = this.format_json()", &[(r#"{"a":[1,{}],"b":"<"}"#, "{\n    \"a\": [\n        1,\n        {}\n    ],\n    \"b\": \"\\u003c\"\n}")]),
        example("root = this.format_json(no_indent: true, escape_html: false)", &[(r#"{"b": "<"}"#, r#"{"b":"<"}"#)]),
    ]),
];
