//! Methods that make texts fit where they are put, and take them out again: queries of the web, HTML, paths.

use wappa_message::{Binary, Text, Value};

use super::strings::bytes_of;
use crate::{
    error::{Error, Result},
    evaluate::Machine,
    formats::{html, url},
    registry::{
        Category, Method, Param,
        args::Given,
        bound::{MethodBody, PreparedMethod},
        example,
    },
    value::{convert, types::Type},
};

const fn new(name: &'static str, description: &'static str, body: MethodBody) -> Method {
    Method::new(name, Category::Strings, description, body)
}

/// The text of what counts as text, as a text.
fn to_text(value: &Value, turn: impl FnOnce(&[u8]) -> Result<Vec<u8>>) -> Result<Value> {
    Ok(Value::Text(Text::from(turn(&convert::text(value)?)?)))
}

fn escape_url_query(machine: &mut Machine<'_>, value: Value, _: Given<'_>) -> Result<Value> {
    machine.budget().bytes(convert::text(&value)?.len().saturating_mul(3))?;
    to_text(&value, |text| Ok(url::escape_query(text)))
}

fn unescape_url_query(value: Value, _: Given<'_>) -> Result<Value> {
    to_text(&value, |text| url::unescape_query(text).map_err(Error::new))
}

fn escape_html(machine: &mut Machine<'_>, value: Value, _: Given<'_>) -> Result<Value> {
    machine.budget().bytes(convert::text(&value)?.len().saturating_mul(5))?;
    to_text(&value, |text| {
        let mut out = Vec::with_capacity(text.len());
        for byte in text {
            match byte {
                b'<' => out.extend_from_slice(b"&lt;"),
                b'>' => out.extend_from_slice(b"&gt;"),
                b'&' => out.extend_from_slice(b"&amp;"),
                b'\'' => out.extend_from_slice(b"&#39;"),
                b'"' => out.extend_from_slice(b"&#34;"),
                byte => out.push(*byte),
            }
        }
        Ok(out)
    })
}

fn unescape_html(machine: &mut Machine<'_>, value: Value, _: Given<'_>) -> Result<Value> {
    // The shortest name of two characters is shorter than they are.
    machine.budget().bytes(convert::text(&value)?.len().saturating_mul(2))?;
    to_text(&value, |text| Ok(html::unescape(text)))
}

fn strip_html(args: Given<'_>) -> Result<PreparedMethod> {
    let mut kept = Vec::new();
    if let Some(Value::Array(names)) = args.get(0) {
        for (idx, name) in names.iter().enumerate() {
            let Value::Text(name) = &name else {
                let err = Error::of_type(&name, &[Type::String]);
                return Err(err.within(format!("invalid arg at index {idx}")));
            };
            kept.push(name.to_ascii_lowercase());
        }
    }
    Ok(Box::new(move |machine, value| {
        let text = bytes_of(&value)?;
        machine.budget().bytes(text.len().saturating_mul(5))?;
        let stripped = html::strip(text, &kept);
        Ok(match value {
            Value::Bytes(_) => Value::Bytes(Binary::from(stripped)),
            _ => Value::Text(Text::from(stripped)),
        })
    }))
}

/// A path without detours. Source: Go's `path.Clean`.
fn cleaned(path: &[u8]) -> Vec<u8> {
    let is_absolute = path.starts_with(b"/");
    let mut steps: Vec<&[u8]> = Vec::new();
    for step in path.split(|it| *it == b'/') {
        match step {
            b"" | b"." => (),
            b".." => match steps.last() {
                Some(last) if *last != b".." => _ = steps.pop(),
                _ if is_absolute => (),
                _ => steps.push(step),
            },
            step => steps.push(step),
        }
    }
    match (is_absolute, steps.is_empty()) {
        (true, _) => [b"/", steps.join(&b'/').as_slice()].concat(),
        (false, true) => b".".to_vec(),
        (false, false) => steps.join(&b'/'),
    }
}

fn filepath_join(machine: &mut Machine<'_>, value: Value, _: Given<'_>) -> Result<Value> {
    let Value::Array(array) = &value else { return Err(Error::of_type(&value, &[Type::Array])) };
    let mut path = Vec::new();
    for (idx, it) in array.iter().enumerate() {
        let step = convert::text(&it).map_err(|err| err.within(format!("path element {idx}")))?;
        machine.budget().bytes(step.len() + 1)?;
        if !path.is_empty() && !step.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(&step);
    }
    Ok(Value::Text(Text::from(if path.is_empty() { path } else { cleaned(&path) })))
}

fn filepath_split(value: Value, _: Given<'_>) -> Result<Value> {
    let path = convert::text(&value)?;
    let at = path.iter().rposition(|it| *it == b'/').map_or(0, |it| it + 1);
    Ok(Value::array([Value::text(&path[..at]), Value::text(&path[at..])])?)
}

pub(super) const METHODS: &[Method] = &[
    new("escape_url_query", "The text as it stands in a query of the web.", MethodBody::Counted(escape_url_query))
        .examples(&[example("root = this.a.escape_url_query()", &[(r#"{"a":"x & y=ä"}"#, "x+%26+y%3D%C3%A4")])]),
    new("unescape_url_query", "The text that stands in a query of the web.", MethodBody::Value(unescape_url_query))
        .examples(&[example("root = this.a.unescape_url_query()", &[
            (r#"{"a":"x+%26+y%3D%C3%A4"}"#, "x & y=ä"),
            (
                r#"{"a":"100%"}"#,
                r#"Error("failed assignment (line 1): field `this.a`: invalid URL escape "%"")"#,
            ),
        ])]),
    new(
        "escape_html",
        "The text with `<`, `>`, `&`, `'` and `\"` escaped, so that it can stand in HTML.",
        MethodBody::Counted(escape_html),
    )
    .examples(&[example("root = this.a.escape_html()", &[(
        r#"{"a":"<a> & 'b' \"c\""}"#,
        "&lt;a&gt; &amp; &#39;b&#39; &#34;c&#34;",
    )])]),
    new(
        "unescape_html",
        "The text with all that stands for characters in HTML replaced by them: names, such as `&lt;`, and numbers.",
        MethodBody::Counted(unescape_html),
    )
    .examples(&[example("root = this.a.unescape_html()", &[(
        r#"{"a":"&lt;a&gt; &amp; &aacute;&#225;&#xE1; &nope;"}"#,
        "<a> & ááá &nope;",
    )])]),
    new(
        "strip_html",
        "The text without the tags of HTML, escaped as it would stand in HTML. Scripts and the like go with their tags.",
        MethodBody::Prepared(strip_html),
    )
    .params(&[Param::array("preserve", "The elements whose tags stay; their attributes do not.").optional()])
    .examples(&[
        example("root = this.a.strip_html()", &[(r#"{"a":"<p>x <b>&amp; y</b></p>"}"#, "x &amp; y")]),
        example(r#"root = this.a.strip_html(["b"])"#, &[(r#"{"a":"<p>x <b class=\"c\">y</b></p>"}"#, "x <b>y</b>")]),
    ]),
    new(
        "filepath_join",
        "The path that the steps of a list make, without detours. Steps are separated by `/` on every machine.",
        MethodBody::Counted(filepath_join),
    )
    .examples(&[example("root = this.a.filepath_join()", &[
        (r#"{"a":["/x/","../y","./z.txt"]}"#, "/y/z.txt"),
        (
            r#"{"a":["x",1]}"#,
            r#"Error("failed assignment (line 1): field `this.a`: path element 1: expected string value, got number (1)")"#,
        ),
    ])]),
    new(
        "filepath_split",
        "The directory and the name of a path, as a list of two texts. The directory ends with the `/` behind it.",
        MethodBody::Value(filepath_split),
    )
    .examples(&[example("root = this.a.filepath_split()", &[
        (r#"{"a":"/x/y.txt"}"#, r#"["/x/","y.txt"]"#),
        (r#"{"a":"y.txt"}"#, r#"["","y.txt"]"#),
    ])]),
];
