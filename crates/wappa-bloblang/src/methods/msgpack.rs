//! Documents of MessagePack, and the way back.

use wappa_message::{Binary, Value};

use crate::{
    error::{Error, Result},
    evaluate::Machine,
    formats::msgpack,
    registry::{Category, Method, args::Given, bound::MethodBody, example},
    value::convert,
};

const fn new(name: &'static str, description: &'static str, body: MethodBody) -> Method {
    Method::new(name, Category::Parsing, description, body).unnamed()
}

fn parse_msgpack(machine: &mut Machine<'_>, value: Value, _: Given<'_>) -> Result<Value> {
    let bytes = match &value {
        Value::Text(text) => text.to_bytes(),
        Value::Bytes(bytes) => bytes.to_bytes(),
        other => convert::bytes(other)?.into_owned().into(),
    };
    let budget = machine.budget();
    msgpack::parse(&bytes, &mut |n_containers, n_values| {
        budget.containers(n_containers, 0)?;
        budget.values(n_values)
    })?
    .map_err(Error::new)
}

fn format_msgpack(machine: &mut Machine<'_>, value: Value, _: Given<'_>) -> Result<Value> {
    // A number that takes one byte as JSON may take nine.
    machine.budget().bytes(value.json_len().saturating_mul(9))?;
    let mut out = Vec::new();
    msgpack::write(&value, &mut out);
    Ok(Value::Bytes(Binary::from(out)))
}

pub(super) const METHODS: &[Method] = &[
    new(
        "parse_msgpack",
        "The document of MessagePack that bytes hold; what follows it is not looked at.",
        MethodBody::Counted(parse_msgpack),
    )
    .examples(&[example(
        r#"root = this.a.decode("hex").parse_msgpack()"#,
        &[
            (r#"{"a":"82a16101a16292c0cb3ff8000000000000"}"#, r#"{"a":1,"b":[null,1.5]}"#),
            (r#"{"a":"81"}"#, r#"Error("failed assignment (line 1): unexpected EOF")"#),
        ],
    )]),
    new("format_msgpack", "The value as MessagePack, as bytes.", MethodBody::Counted(format_msgpack))
        .examples(&[example(
            r#"root = this.format_msgpack().encode("hex")"#,
            &[(r#"{"a":1,"b":[null,1.5]}"#, "82a16101a16292c0cb3ff8000000000000")],
        )]),
];
