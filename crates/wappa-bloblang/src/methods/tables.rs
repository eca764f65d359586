//! Texts with names and values in them: rows of CSV, forms, addresses of the web.

use wappa_message::{Text, Value};

use super::strings::bytes_of;
use crate::{
    error::{Error, Result},
    evaluate::Machine,
    formats::{csv, url},
    registry::{Category, Constant, Method, Param, args::Given, bound::MethodBody, example},
    value::convert,
};

const fn new(name: &'static str, description: &'static str, body: MethodBody) -> Method {
    Method::new(name, Category::Parsing, description, body)
}

fn parse_csv(machine: &mut Machine<'_>, value: Value, args: Given<'_>) -> Result<Value> {
    let (has_header, delimiter, is_lazy) = (args.flag(0), args.text(1), args.flag(2));
    let mut chars = delimiter.chars();
    let (Some(comma), None) = (chars.next(), chars.next()) else {
        return Err(Error::new("delimiter value must be exactly one character"));
    };
    let text = bytes_of(&value)?;
    machine.budget().bytes(text.len())?;
    let mut header = None;
    let mut records = Vec::new();
    for record in csv::Reader::new(text, comma, is_lazy).map_err(Error::new)? {
        let record = record.map_err(Error::new)?;
        machine.budget().containers(1, record.len())?;
        machine.budget().values(2 * record.len() + 1)?;
        let Some(names) = &header else {
            if has_header {
                header = Some(record.into_iter().map(Text::from).collect::<Vec<_>>());
            } else {
                records.push(Value::array(record.into_iter().map(|it| Value::Text(Text::from(it))))?);
            }
            continue;
        };
        let fields = record.into_iter().map(|it| Value::Text(Text::from(it)));
        records.push(Value::object(names.iter().cloned().zip(fields))?);
    }
    if header.is_none() && records.is_empty() {
        return Err(Error::new("zero records were parsed"));
    }
    Ok(Value::array(records)?)
}

fn parse_form(machine: &mut Machine<'_>, value: Value, _: Given<'_>) -> Result<Value> {
    let text = convert::text(&value)?;
    let fail = |why| Error::new(why).within("failed to parse value as url-encoded data");
    machine.budget().bytes(text.len())?;
    let mut pairs = url::parse_query(&text).map_err(fail)?;
    machine.budget().values(2 * pairs.len())?;
    // What has the same name stays in its order.
    pairs.sort_by(|one, other| one.0.cmp(&other.0));
    let fields = pairs.chunk_by(|one, other| one.0 == other.0).map(|same| {
        let mut values = same.iter().map(|it| Value::text(&it.1));
        let value = match same {
            [_] => values.next().unwrap_or(Value::Null),
            _ => Value::array(values)?,
        };
        Ok((Text::copied(&same[0].0), value))
    });
    Ok(Value::object(fields.collect::<Result<Vec<_>>>()?)?)
}

fn parse_url(value: Value, _: Given<'_>) -> Result<Value> {
    let url = url::parse(&convert::text(&value)?).map_err(Error::new)?;
    let text = |it: Vec<u8>| Value::Text(Text::from(it));
    let mut fields = vec![
        ("scheme", text(url.scheme)),
        ("opaque", text(url.opaque)),
        ("host", text(url.host)),
        ("path", text(url.path)),
        ("raw_path", text(url.raw_path)),
        ("raw_query", text(url.raw_query)),
        ("fragment", text(url.fragment)),
        ("raw_fragment", text(url.raw_fragment)),
    ];
    if let Some((name, password)) = url.user {
        let name = ("name", text(name));
        let user = Value::object(std::iter::once(name).chain(password.map(|it| ("password", text(it)))))?;
        fields.push(("user", user));
    }
    Ok(Value::object(fields)?)
}

pub(super) const METHODS: &[Method] = &[
    new(
        "parse_csv",
        "The records of a text of CSV by RFC 4180: objects with the names of the first record, or lists.",
        MethodBody::Counted(parse_csv),
    )
    .params(&[
        Param::flag("parse_header_row", "Whether the first record holds the names of the others' fields.")
            .or(Constant::Bool(true)),
        Param::text("delimiter", "The one character between two fields.").or(Constant::Text(",")),
        Param::flag("lazy_quotes", "Whether quotes may stand within a field as they are.").or(Constant::Bool(false)),
    ])
    .examples(&[
        example("root = this.a.parse_csv()", &[
            (r#"{"a":"x,y\n1,2\n3,\"4\n5\""}"#, r#"[{"x":"1","y":"2"},{"x":"3","y":"4\n5"}]"#),
            (
                r#"{"a":"x,y\n1"}"#,
                r#"Error("failed assignment (line 1): field `this.a`: record on line 2: wrong number of fields")"#,
            ),
        ]),
        example(r#"root = this.a.parse_csv(parse_header_row: false, delimiter: ";")"#, &[(
            r#"{"a":"1;2\n3;4"}"#,
            r#"[["1","2"],["3","4"]]"#,
        )]),
    ]),
    new(
        "parse_form_url_encoded",
        "The names and values of a form as it is sent over the web; a name that is there several times has a list.",
        MethodBody::Counted(parse_form),
    )
    .unnamed()
    .examples(&[example("root = this.a.parse_form_url_encoded()", &[(
        r#"{"a":"x=1&y=b+c&x=%32"}"#,
        r#"{"x":["1","2"],"y":"b c"}"#,
    )])]),
    new(
        "parse_url",
        "The parts of an address of the web. `raw_path` and `raw_fragment` are empty unless the part was written in an \
         unusual way; `user` is only there if the address has one.",
        MethodBody::Value(parse_url),
    )
    .examples(&[
        example("root = this.a.parse_url()", &[(
            r#"{"a":"https://me:pw@example.com:8080/x?y=z#end"}"#,
            r#"{"fragment":"end","host":"example.com:8080","opaque":"","path":"/x","raw_fragment":"","raw_path":"","raw_query":"y=z","scheme":"https","user":{"name":"me","password":"pw"}}"#,
        )]),
        example(r#"root = this.a.parse_url().user.name | "nobody""#, &[(r#"{"a":"redis://localhost"}"#, "nobody")]),
    ]),
];
