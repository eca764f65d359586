//! Documents of YAML, and the way back.

use wappa_message::{Binary, Value};

use super::strings::bytes_of;
use crate::{
    error::{Error, Result},
    evaluate::Machine,
    formats::yaml,
    registry::{Category, Method, args::Given, bound::MethodBody, example},
};

const fn new(name: &'static str, description: &'static str, body: MethodBody) -> Method {
    Method::new(name, Category::Parsing, description, body)
}

fn parse_yaml(machine: &mut Machine<'_>, value: Value, _: Given<'_>) -> Result<Value> {
    let text = bytes_of(&value)?;
    // A character may become a value.
    machine.budget().values(text.len())?;
    let parsed = match str::from_utf8(text) {
        Ok(text) => yaml::parse(text),
        Err(_) => Err("yaml: invalid UTF-8".to_string()),
    };
    parsed.map_err(|why| Error::new(format!("failed to parse value as YAML: {why}")))
}

fn format_yaml(machine: &mut Machine<'_>, value: Value, _: Given<'_>) -> Result<Value> {
    let out = yaml::write(&value, &mut |n| machine.budget().bytes(n))?;
    Ok(Value::Bytes(Binary::from(out)))
}

pub(super) const METHODS: &[Method] = &[
    new(
        "parse_yaml",
        "The document of YAML that a text holds; of several the first one. Aliases and merge keys are resolved, dates are \
         points in time, and names that are no texts become texts.",
        MethodBody::Counted(parse_yaml),
    )
    .examples(&[example("root = this.a.parse_yaml()", &[
        (
            r#"{"a":"x: &x {y: 1.50, z: on}\nv: [*x, 0x10, 2001-02-03, null]\nw: {<<: *x, y: 2}"}"#,
            r#"{"v":[{"y":1.5,"z":"on"},16,"2001-02-03T00:00:00Z",null],"w":{"y":2,"z":"on"},"x":{"y":1.5,"z":"on"}}"#,
        ),
        (
            r#"{"a":"x: 1\nx: 2"}"#,
            "Error(\"failed assignment (line 1): field `this.a`: failed to parse value as YAML: yaml: unmarshal \
             errors:\n  line 2: mapping key \"x\" already defined at line 1\")",
        ),
    ])]),
    new(
        "format_yaml",
        "The value as YAML, as bytes.",
        MethodBody::Counted(format_yaml),
    )
    .examples(&[
        example("root = this.format_yaml()", &[(
            r#"{"a":["x","on","y: z","1\n2"],"b":{"c":null,"d":1},"e":[[true],{}]}"#,
            "a:\n    - x\n    - \"on\"\n    - 'y: z'\n    - |-\n      1\n      2\nb:\n    c: null\n    d: 1\ne:\n    - - true\n    - {}\n",
        )]),
        example("root = (this.a + 1).format_yaml()", &[(r#"{"a":1}"#, "2\n")]),
    ]),
];
