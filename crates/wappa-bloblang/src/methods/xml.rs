//! Documents of XML, and the way back.

use wappa_message::{Binary, Value};

use crate::{
    error::{Error, Result},
    evaluate::Machine,
    formats::xml,
    registry::{Category, Constant, Method, Param, args::Given, bound::MethodBody, example},
    value::{convert, types::Type},
};

const fn new(name: &'static str, description: &'static str, body: MethodBody) -> Method {
    Method::new(name, Category::Parsing, description, body).unnamed()
}

fn parse_xml(machine: &mut Machine<'_>, value: Value, args: Given<'_>) -> Result<Value> {
    let text = convert::text(&value)?;
    machine.budget().bytes(text.len())?;
    machine.budget().steps(text.len() as u64 / 4)?;
    // An element is open before it is one of an object: names and values are there twice.
    let parsed = xml::parse(&text, args.flag(0), &mut |n| machine.budget().containers(n, 4));
    parsed.map_err(|err| err.within("failed to parse value as XML"))
}

fn format_xml(machine: &mut Machine<'_>, value: Value, args: Given<'_>) -> Result<Value> {
    let Value::Object(object) = &value else { return Err(Error::of_type(&value, &[Type::Object])) };
    let indent = (!args.flag(1)).then_some(args.bytes(0));
    let out = xml::write(object, indent, &mut |n| {
        machine.budget().step()?;
        machine.budget().bytes(n)
    })?;
    Ok(Value::Bytes(Binary::from(out)))
}

pub(super) const METHODS: &[Method] = &[
    new(
        "parse_xml",
        "The document of XML that a text holds, as an object: elements are names, attributes are names with `-` before them, \
         text beside either is `#text`, and what comes several times is a list. Comments and instructions are left out, and \
         so are prefixes of names.",
        MethodBody::Counted(parse_xml),
    )
    .params(&[Param::flag("cast", "Whether what looks like a number or a boolean is one.").or(Constant::Bool(false))])
    .examples(&[
        example("root = this.a.parse_xml()", &[
            (r#"{"a":"<x y=\"1\">t<z/><z>2</z></x>"}"#, r##"{"x":{"#text":"t","-y":"1","z":["","2"]}}"##),
            (
                r#"{"a":"<x>"}"#,
                r#"Error("failed assignment (line 1): failed to parse value as XML: xml.Decoder.Token() - XML syntax error on line 1: unexpected EOF")"#,
            ),
        ]),
        example("root = this.a.parse_xml(cast: true)", &[(
            r#"{"a":"<x y=\"1.50\">True</x>"}"#,
            r##"{"x":{"#text":true,"-y":1.5}}"##,
        )]),
    ]),
    new(
        "format_xml",
        "The object as XML, as bytes, by the rules of `parse_xml`; several names are put into an element `doc`. Texts stand \
         as they are: `escape_html` those that may have `<` or `&` in them.",
        MethodBody::Counted(format_xml),
    )
    .params(&[
        Param::text("indent", "What each line begins with, once for each level.").or(Constant::Text("    ")),
        Param::flag("no_indent", "Whether all stands on one line.").or(Constant::Bool(false)),
    ])
    .examples(&[
        example("root = this.format_xml()", &[(
            r#"{"a":{"-x":1,"b":["c",{"d":null}]}}"#,
            "<a x=\"1\">\n    <b>c</b>\n    <b>\n        <d/>\n    </b>\n</a>",
        )]),
        example("root = this.format_xml(no_indent: true)", &[(r#"{"a":1,"b":true}"#, "<doc><a>1</a><b>true</b></doc>")]),
    ]),
];
