//! Methods on texts.

use wappa_message::{Array, Binary, Text, Value};

use crate::{
    error::{Error, Result},
    evaluate::{Context, Machine},
    registry::{
        Category, Method, Param, Status,
        args::Given,
        bound::{MethodBody, PreparedMethod},
        example,
    },
    value::{Evaluated, compare, convert, go, sprintf, types::Type},
};

const fn new(name: &'static str, description: &'static str, body: MethodBody) -> Method {
    Method::new(name, Category::Strings, description, body)
}

/// A method on texts that makes a text of one; of bytes it makes bytes.
macro_rules! text_to_text {
    ($turn:expr) => {
        MethodBody::Value(|value, args| {
            let turn: fn(&[u8], Given<'_>) -> Result<Vec<u8>> = $turn;
            same_kind(value, |text| turn(text, args))
        })
    };
}

/// Makes a text of a text, and bytes of bytes.
pub(super) fn same_kind(value: Value, turn: impl FnOnce(&[u8]) -> Result<Vec<u8>>) -> Result<Value> {
    match &value {
        Value::Text(text) => Ok(Value::Text(Text::from(turn(text)?))),
        Value::Bytes(bytes) => Ok(Value::Bytes(Binary::from(turn(bytes)?))),
        _ => Err(Error::of_type(&value, &[Type::String])),
    }
}

/// The same where only a part of it stays.
fn part(value: Value, range: impl FnOnce(&[u8]) -> std::ops::Range<usize>) -> Result<Value> {
    match &value {
        Value::Text(text) => {
            let range = range(text);
            match range.len() {
                n if n == text.len() => Ok(value),
                n if n <= Text::IN_PLACE_BYTES_MAX => Ok(Value::text(&text[range])),
                _ => Ok(Value::Text(Text::from(text.to_bytes().slice(range)))),
            }
        }
        Value::Bytes(bytes) => {
            let range = range(bytes);
            Ok(Value::Bytes(Binary::from(bytes.to_bytes().slice(range))))
        }
        _ => Err(Error::of_type(&value, &[Type::String])),
    }
}

/// The bytes of a text or of bytes.
pub(super) fn bytes_of(value: &Value) -> Result<&[u8]> {
    match value {
        Value::Text(text) => Ok(text),
        Value::Bytes(bytes) => Ok(bytes),
        _ => Err(Error::of_type(value, &[Type::String])),
    }
}

/// Each character of a text turned into one character, as Go does it: what would become several stays as it is.
fn each_char(text: &[u8], turn: impl Fn(char) -> char) -> Vec<u8> {
    let mut out = String::with_capacity(text.len());
    String::from_utf8_lossy(text).chars().for_each(|it| out.push(turn(it)));
    out.into_bytes()
}

fn upper(c: char) -> char {
    let mut upper = c.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(it), None) => it,
        _ => c,
    }
}

fn lower(c: char) -> char {
    // The only one that becomes two.
    if c == '\u{130}' { 'i' } else { c.to_lowercase().next().unwrap_or(c) }
}

/// Where a part of a text begins.
pub(super) fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    memchr::memmem::find(text, part)
}

/// Replaces all of one text in another one. As in Go, an empty text stands before each character and at the end.
pub(super) fn replace_all(text: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    if old.is_empty() {
        for chunk in text.utf8_chunks() {
            for c in chunk.valid().chars() {
                out.extend_from_slice(new);
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            }
            for byte in chunk.invalid() {
                out.extend_from_slice(new);
                out.push(*byte);
            }
        }
        out.extend_from_slice(new);
        return out;
    }
    let mut rest = text;
    while let Some(at) = find(rest, old) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(new);
        rest = &rest[at + old.len()..];
    }
    out.extend_from_slice(rest);
    out
}

/// How long a text is in which all of one text was replaced.
fn replaced_len(text: &[u8], old: &[u8], new: &[u8]) -> usize {
    // At most: each place where the old one may stand.
    let n = text.len() / old.len().max(1) + 1;
    text.len().saturating_add(n.saturating_mul(new.len()))
}

fn replace(machine: &mut Machine<'_>, value: Value, args: Given<'_>) -> Result<Value> {
    let (old, new) = (args.bytes(0), args.bytes(1));
    if old.len() < new.len() {
        machine.budget().bytes(replaced_len(bytes_of(&value)?, old, new))?;
    }
    same_kind(value, |text| Ok(replace_all(text, old, new)))
}

const REPLACED: &[Param] =
    &[Param::text("old", "What is replaced."), Param::text("new", "What takes its place.")];

fn replace_many(args: Given<'_>) -> Result<PreparedMethod> {
    let Value::Array(pairs) = args.value(0) else {
        return Err(Error::of_type(args.value(0), &[Type::Array]));
    };
    if pairs.len() % 2 != 0 {
        let shown = go::shown(args.value(0));
        let why = "invalid arg, replacements should be in pairs and must therefore be even";
        return Err(Error::new(format!("{why}: {shown}")));
    }
    let mut texts = Vec::with_capacity(pairs.len());
    for (idx, it) in pairs.iter().enumerate() {
        let text = convert::text(&it).map(|it| it.into_owned());
        texts.push(text.map_err(|err| err.within(format!("invalid replacement value at index {idx}")))?);
    }
    Ok(Box::new(move |machine, value| {
        let budget = machine.budget();
        budget.steps(texts.len() as u64)?;
        same_kind(value, |text| {
            let mut text = text.to_vec();
            for pair in texts.chunks(2) {
                budget.bytes(replaced_len(&text, &pair[0], &pair[1]))?;
                text = replace_all(&text, &pair[0], &pair[1]);
            }
            Ok(text)
        })
    }))
}

const PAIRS: &[Param] = &[Param::array("values", "What is replaced and what takes its place, in turn.")];

fn is_space(c: char) -> bool {
    c.is_whitespace()
}

/// The part of a text without some characters at both ends.
fn trimmed(text: &[u8], is_cut: impl Fn(char) -> bool) -> std::ops::Range<usize> {
    let Ok(text) = str::from_utf8(text) else {
        // Whatever is no character is not cut off.
        let begin =
            text.iter().position(|it| !it.is_ascii() || !is_cut(char::from(*it))).unwrap_or(text.len());
        let end =
            text.iter().rposition(|it| !it.is_ascii() || !is_cut(char::from(*it))).map_or(begin, |it| it + 1);
        return begin..end;
    };
    let begin = text.len() - text.trim_start_matches(&is_cut).len();
    let end = begin + text[begin..].trim_end_matches(&is_cut).len();
    begin..end
}

fn contains(machine: &mut Machine<'_>, value: Value, args: Given<'_>) -> Result<Value> {
    let wanted = args.value(0);
    let found = match &value {
        Value::Text(_) | Value::Bytes(_) => {
            if let Value::Array(_) | Value::Object(_) = wanted {
                machine.budget().bytes(wanted.text_len())?;
            }
            let wanted = wanted.to_text();
            find(bytes_of(&value)?, &wanted).is_some()
        }
        Value::Array(array) => array.iter().any(|it| compare::is_equal(wanted, &it)),
        Value::Object(object) => object.iter().any(|(_, it)| compare::is_equal(wanted, &it)),
        _ => return Err(Error::of_type(&value, &[Type::String, Type::Array, Type::Object])),
    };
    Ok(Value::Bool(found))
}

fn split(machine: &mut Machine<'_>, value: Value, args: Given<'_>) -> Result<Value> {
    let delimiter = args.value(0);
    let mut of_text = |text: &[u8]| -> Result<Vec<std::ops::Range<usize>>> {
        let budget = machine.budget();
        let Value::Text(delimiter) = delimiter else {
            let (one, other) = (go::type_name(delimiter, false), go::type_name(&value, true));
            return Err(Error::new(format!(
                "delimiter type: {one} must match type of list elements: {other}"
            )));
        };
        let mut parts = Vec::new();
        if delimiter.is_empty() {
            // Into characters.
            budget.values(text.len().saturating_mul(2))?;
            let mut at = 0;
            for chunk in text.utf8_chunks() {
                for c in chunk.valid().chars() {
                    parts.push(at..at + c.len_utf8());
                    at += c.len_utf8();
                }
                for _ in chunk.invalid() {
                    parts.push(at..at + 1);
                    at += 1;
                }
            }
            return Ok(parts);
        }
        let mut begin = 0;
        while let Some(at) = find(&text[begin..], delimiter) {
            budget.values(2)?;
            parts.push(begin..begin + at);
            begin += at + delimiter.len();
        }
        parts.push(begin..text.len());
        Ok(parts)
    };
    match &value {
        Value::Text(text) => {
            let parts = of_text(text)?;
            let bytes = text.to_bytes();
            let part = |it: std::ops::Range<usize>| match it.len() <= Text::IN_PLACE_BYTES_MAX {
                true => Value::text(&bytes[it]),
                false => Value::Text(Text::from(bytes.slice(it))),
            };
            Ok(Value::array(parts.into_iter().map(part))?)
        }
        Value::Bytes(bytes) => {
            let parts = of_text(bytes)?;
            // Each of them has a handle of its own.
            machine.budget().values(parts.len().saturating_mul(2))?;
            let bytes = bytes.to_bytes();
            Ok(Value::array(parts.into_iter().map(|it| Value::Bytes(Binary::from(bytes.slice(it)))))?)
        }
        Value::Array(array) => {
            machine.budget().values(array.len())?;
            let mut segments = Vec::new();
            let mut segment = Vec::new();
            for it in array.iter() {
                match compare::is_equal(delimiter, &it) {
                    true => {
                        machine.budget().containers(1, 0)?;
                        segments.push(Value::array(std::mem::take(&mut segment))?)
                    }
                    false => segment.push(it),
                }
            }
            segments.push(Value::array(segment)?);
            Ok(Value::array(segments)?)
        }
        _ => Err(Error::of_type(&value, &[Type::String, Type::Array, Type::Bytes])),
    }
}

/// What an element takes in a list that grows, or a character in a text that does.
const PIECE_BYTES: usize = 32;

fn split_by(machine: &mut Machine<'_>, ctx: Context<'_>, value: Value, args: Given<'_>) -> Result<Value> {
    let query = args.query(0);
    let mut is_cut = |it: Value, what: &str, idx: usize| -> Result<bool> {
        let it = Evaluated::Value(it);
        let result = machine.evaluate(query, ctx.with(&it));
        let result =
            result.map_err(|err| err.within(format!("predicate returned an error for {what} {idx}")))?;
        match matches!(result, Evaluated::Value(Value::Bool(true))) {
            // Another segment begins.
            true => machine.budget().containers(1, 1).map(|()| true),
            false => machine.budget().bytes(PIECE_BYTES).map(|()| false),
        }
    };
    match &value {
        Value::Text(text) => {
            let mut segments = vec![String::new()];
            for (idx, c) in String::from_utf8_lossy(text).chars().enumerate() {
                match is_cut(Value::text(c.encode_utf8(&mut [0; 4])), "character at position", idx)? {
                    true => segments.push(String::new()),
                    false => segments.last_mut().expect("there is one").push(c),
                }
            }
            Ok(Value::array(segments.into_iter().map(Value::text))?)
        }
        Value::Bytes(bytes) => {
            let mut segments = vec![Vec::new()];
            for (idx, byte) in bytes.iter().enumerate() {
                match is_cut(Value::Int((*byte).into()), "byte at position", idx)? {
                    true => segments.push(Vec::new()),
                    false => segments.last_mut().expect("there is one").push(*byte),
                }
            }
            Ok(Value::array(segments.into_iter().map(|it| Value::Bytes(Binary::from(it))))?)
        }
        Value::Array(array) => {
            let mut segments = vec![Array::default()];
            for (idx, it) in array.iter().enumerate() {
                match is_cut(it.clone(), "index", idx)? {
                    true => segments.push(Array::default()),
                    false => segments.last_mut().expect("there is one").push(it)?,
                }
            }
            Ok(Value::array(segments.into_iter().map(Value::Array))?)
        }
        _ => Err(Error::of_type(&value, &[Type::String, Type::Array, Type::Bytes])),
    }
}

fn slice(args: Given<'_>) -> Result<PreparedMethod> {
    let (low, high) = (args.int(0), args.opt_int(1));
    if let Some(high) = high
        && 0 < high
        && high <= low
    {
        return Err(Error::new(format!("lower slice bound {low} must be lower than upper ({high})")));
    }
    Ok(Box::new(move |machine, value| sliced(machine, value, low, high)))
}

/// What a part of a text has allocated beside the text.
const SHARED_BYTES: usize = 64;

/// The part between two bounds, of which those below zero count from the end.
fn sliced(machine: &mut Machine<'_>, value: Value, low: i64, high: Option<i64>) -> Result<Value> {
    let len = match &value {
        Value::Text(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        Value::Array(array) => array.len(),
        _ => return Err(Error::of_type(&value, &[Type::Array, Type::String])),
    };
    let n = len as i64;
    let end = match high {
        None => n,
        Some(high) if high < 0 => n.saturating_add(high).max(0),
        Some(high) => high.min(n),
    };
    let begin = if low < 0 { n.saturating_add(low).max(0) } else { low };
    if end < begin {
        return Err(Error::new(format!(
            "lower slice bound {begin} must be lower than or equal to upper bound ({end}) and target length ({n})"
        )));
    }
    let range = begin as usize..end as usize;
    match value {
        Value::Array(array) => {
            machine.budget().containers(1, range.len())?;
            machine.budget().steps(range.len() as u64)?;
            // Texts that are escaped are read anew.
            let n_source = Value::Array(array.clone()).own().source;
            machine.budget().walk(if range.is_empty() { 0 } else { n_source })?;
            Ok(Value::array(range.filter_map(|idx| array.get(idx)))?)
        }
        other => {
            machine.budget().bytes(SHARED_BYTES)?;
            part(other, |_| range)
        }
    }
}

pub(super) const METHODS: &[Method] = &[
    new("uppercase", "Makes all letters upper case.", text_to_text!(|text, _| Ok(match text.is_ascii() {
        true => text.to_ascii_uppercase(),
        false => each_char(text, upper),
    })))
    .examples(&[example("root = this.a.uppercase()", &[(r#"{"a":"x ä ß"}"#, "X Ä ß")])]),
    new("lowercase", "Makes all letters lower case.", text_to_text!(|text, _| Ok(match text.is_ascii() {
        true => text.to_ascii_lowercase(),
        false => each_char(text, lower),
    })))
    .examples(&[example("root = this.a.lowercase()", &[(r#"{"a":"X Ä"}"#, "x ä")])]),
    new("capitalize", "Makes the first letter of each word upper case, and the others lower case.", text_to_text!(|text, _| {
        Ok(capitalized(text))
    }))
    .examples(&[example("root = this.a.capitalize()", &[(r#"{"a":"the gOOd one"}"#, "The Good One")])]),
    new(
        "trim",
        "Takes blanks off both ends, or the characters of `cutset`.",
        MethodBody::Value(|value, args| match args.opt_text(0) {
            None => part(value, |text| trimmed(text, is_space)),
            Some(cutset) => part(value, |text| trimmed(text, |it| cutset.contains(it))),
        }),
    )
    .params(&[Param::text("cutset", "The characters that are taken off.").optional()])
    .examples(&[
        example("root = this.a.trim()", &[(r#"{"a":" x y\n"}"#, "x y")]),
        example(r#"root = this.a.trim("!?")"#, &[(r#"{"a":"!x!?"}"#, "x")]),
    ]),
    new("trim_prefix", "Takes a text off the beginning, if it is there.", MethodBody::Value(|value, args| {
        part(value, |text| match text.starts_with(args.bytes(0)) {
            true => args.bytes(0).len()..text.len(),
            false => 0..text.len(),
        })
    }))
    .params(&[Param::text("prefix", "The text.")])
    .examples(&[example(r#"root = this.a.trim_prefix("v")"#, &[(r#"{"a":"v1"}"#, "1"), (r#"{"a":"1"}"#, "1")])]),
    new("trim_suffix", "Takes a text off the end, if it is there.", MethodBody::Value(|value, args| {
        part(value, |text| match text.ends_with(args.bytes(0)) {
            true => 0..text.len() - args.bytes(0).len(),
            false => 0..text.len(),
        })
    }))
    .params(&[Param::text("suffix", "The text.")])
    .examples(&[example(r#"root = this.a.trim_suffix(".gz")"#, &[(r#"{"a":"x.gz"}"#, "x")])]),
    new("has_prefix", "Whether the text begins with another one.", MethodBody::Value(|value, args| {
        Ok(Value::Bool(bytes_of(&value)?.starts_with(args.bytes(0))))
    }))
    .places()
    .params(&[Param::text("value", "The other text.")])
    .examples(&[example(r#"root = this.a.has_prefix("ab")"#, &[(r#"{"a":"abc"}"#, "true"), (r#"{"a":"b"}"#, "false")])]),
    new("has_suffix", "Whether the text ends with another one.", MethodBody::Value(|value, args| {
        Ok(Value::Bool(bytes_of(&value)?.ends_with(args.bytes(0))))
    }))
    .places()
    .params(&[Param::text("value", "The other text.")])
    .examples(&[example(r#"root = this.a.has_suffix("bc")"#, &[(r#"{"a":"abc"}"#, "true")])]),
    new("index_of", "Where another text begins in this one, in bytes, or -1.", MethodBody::Value(|value, args| {
        Ok(Value::Int(find(bytes_of(&value)?, args.bytes(0)).map_or(-1, |it| it as i64)))
    }))
    .params(&[Param::text("value", "The other text.")])
    .examples(&[example(r#"root = this.a.index_of("c")"#, &[(r#"{"a":"abc"}"#, "2"), (r#"{"a":"x"}"#, "-1")])]),
    new(
        "contains",
        "Whether a text contains another one, or a list or an object a value. Numbers are equal whatever their type.",
        MethodBody::Counted(contains),
    )
    .params(&[Param::any("value", "The text, or the value.")])
    .examples(&[
        example(r#"root = this.a.contains("b")"#, &[(r#"{"a":"abc"}"#, "true"), (r#"{"a":["a","b"]}"#, "true"), (
            r#"{"a":{"x":"b"}}"#,
            "true",
        )]),
        example("root = this.a.contains(2)", &[(r#"{"a":[1,2.0]}"#, "true")]),
    ]),
    new("replace_all", "Replaces a text wherever it stands.", MethodBody::Counted(replace))
        .params(REPLACED)
        .examples(&[example(r#"root = this.a.replace_all("o", "0")"#, &[(r#"{"a":"foo"}"#, "f00")])]),
    new("replace", "As `replace_all`.", MethodBody::Counted(replace))
        .params(REPLACED)
        .status(Status::Hidden)
        .examples(&[example(r#"root = this.a.replace("o", "0")"#, &[(r#"{"a":"foo"}"#, "f00")])]),
    new("replace_all_many", "Replaces several texts, one after the other.", MethodBody::Prepared(replace_many))
        .params(PAIRS)
        .examples(&[example(
            r#"root = this.a.replace_all_many(["<", "&lt;", ">", "&gt;"])"#,
            &[(r#"{"a":"<b>"}"#, "&lt;b&gt;")],
        )]),
    new("replace_many", "As `replace_all_many`.", MethodBody::Prepared(replace_many))
        .params(PAIRS)
        .status(Status::Hidden)
        .examples(&[example(r#"root = this.a.replace_many(["a", "b"])"#, &[(r#"{"a":"a"}"#, "b")])]),
    new("repeat", "The text so many times.", MethodBody::Counted(|machine, value, args| {
        let n = usize::try_from(args.int(0)).unwrap_or(0);
        machine.budget().bytes(bytes_of(&value)?.len().saturating_mul(n))?;
        same_kind(value, |text| Ok(text.repeat(n)))
    }))
    .params(&[Param::int("count", "How many times.")])
    .examples(&[example("root = this.a.repeat(3)", &[(r#"{"a":"ab"}"#, "ababab")])]),
    new("reverse", "The text from its end to its beginning.", MethodBody::Value(|value, _| match &value {
        Value::Text(text) => {
            let text: String = String::from_utf8_lossy(text).chars().rev().collect();
            Ok(Value::text(text))
        }
        Value::Bytes(bytes) => {
            let bytes: Vec<u8> = bytes.iter().rev().copied().collect();
            Ok(Value::Bytes(Binary::from(bytes)))
        }
        _ => Err(Error::of_type(&value, &[Type::String])),
    }))
    .examples(&[example("root = this.a.reverse()", &[(r#"{"a":"abc"}"#, "cba")])]),
    new("quote", "The text in quotes, with escapes for what cannot be printed.", MethodBody::Value(|value, _| {
        let text = convert::text(&value)?;
        Ok(Value::text(go::quote_bytes(&text)))
    }))
    .examples(&[example("root.a = this.a.quote()", &[(r#"{"a":"x\ty"}"#, r#"{"a":"\"x\\ty\""}"#)])]),
    new("unquote", "The text that stands in quotes, with its escapes.", MethodBody::Value(|value, _| {
        let text = convert::text(&value)?;
        let text = String::from_utf8_lossy(&text);
        let inner = go::unquote_any(&text).ok_or_else(|| Error::new("invalid syntax"))?;
        Ok(Value::Text(Text::from(inner)))
    }))
    .examples(&[example("root.a = this.a.unquote()", &[(r#"{"a":"\"x\\ty\""}"#, r#"{"a":"x\ty"}"#)])]),
    new(
        "split",
        "The parts of a text between a delimiter, or of a list between elements that are equal to it.",
        MethodBody::Counted(split),
    )
    .params(&[Param::any("delimiter", "The delimiter.")])
    .examples(&[
        example(r#"root = this.a.split(",")"#, &[(r#"{"a":"x,y,"}"#, r#"["x","y",""]"#)]),
        example("root = this.split(0)", &[("[1,0,2,3]", "[[1],[2,3]]")]),
    ]),
    new(
        "split_by",
        "The parts of a text between characters of which a query is true, or of a list between such elements.",
        MethodBody::Query(split_by),
    )
    .params(&[Param::query("predicate", "The query.")])
    .examples(&[example("root = this.split_by(it -> it > 9)", &[("[1,10,2]", "[[1],[2]]")])]),
    new(
        "slice",
        "The part of a text, in bytes, or of a list from `low` up to `high`, which is not in it. Bounds below zero count from \
         the end. Brackets do the same with characters: `this.a[1:3]`.",
        MethodBody::Prepared(slice),
    )
    .places()
    .params(&[
        Param::int("low", "Where the part begins."),
        Param::int("high", "Where it ends; the end when left out.").optional(),
    ])
    .examples(&[
        example("root = this.a.slice(1, 3)", &[(r#"{"a":"abcd"}"#, "bc"), (r#"{"a":[1,2,3,4]}"#, "[2,3]")]),
        example("root = this.a.slice(-2)", &[(r#"{"a":"abcd"}"#, "cd")]),
    ]),
    new("length", "How long a text is, in bytes; how many elements or names there are.", MethodBody::Value(|value, _| {
        let len = match &value {
            Value::Text(text) => text.len(),
            Value::Bytes(bytes) => bytes.len(),
            Value::Array(array) => array.len(),
            Value::Object(object) => object.len(),
            _ => return Err(Error::of_type(&value, &[Type::String, Type::Array, Type::Object])),
        };
        Ok(Value::Int(len as i64))
    }))
    .places()
    .examples(&[example(
        "root = this.a.length()",
        &[(r#"{"a":"ä"}"#, "2"), (r#"{"a":[1,2]}"#, "2"), (r#"{"a":{"b":1}}"#, "1")],
    )]),
    new(
        "format",
        "A text in which each verb is replaced by a value, as by Go's `fmt`: `%v` by any value, `%s` by a text, `%d` by a \
         whole number, `%f` by a number with a point, `%q` by a text in quotes.",
        MethodBody::Counted(|machine, value, args| {
            let text = convert::text(&value)?;
            let values: Vec<&Value> = args.values().collect();
            sprintf::format(&String::from_utf8_lossy(&text), &values, machine.budget()).map(Value::text)
        }),
    )
    .variadic()
    .examples(&[
        example(r#"root = "%s is %v".format(this.name, this.age)"#, &[(r#"{"name":"Ada","age":36}"#, "Ada is 36")]),
        example(r#"root = "%05.1f|%-4s|%x".format(2.25, "ab", 255)"#, &[("{}", "002.2|ab  |ff")]),
    ]),
];

/// The first letter of each word in upper case, the others in lower case. A word is a run of letters, digits, marks and
/// underscores, with an apostrophe, a point or a colon between them that is not next to another one.
fn capitalized(text: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(text);
    let mut out = String::with_capacity(text.len());
    let (mut has_cased, mut was_joint) = (false, false);
    for c in text.chars() {
        let is_joint = is_joint(c);
        if !is_joint && !c.is_alphanumeric() && c != '_' && !is_mark(c) || is_joint && was_joint {
            has_cased = false;
        }
        was_joint = is_joint;
        match (c.is_uppercase() || c.is_lowercase(), has_cased) {
            (true, false) => {
                out.push(upper(c));
                has_cased = true;
            }
            (true, true) => out.push(lower(c)),
            _ => out.push(c),
        }
    }
    out.into_bytes()
}

/// What joins letters and digits to words. Source: Unicode's rules for the borders of words.
fn is_joint(c: char) -> bool {
    matches!(
        c,
        '\'' | '.'
            | ':'
            | '\u{b7}'
            | '\u{387}'
            | '\u{55f}'
            | '\u{5f4}'
            | '\u{2018}'
            | '\u{2019}'
            | '\u{2024}'
            | '\u{2027}'
            | '\u{fe13}'
            | '\u{fe52}'
            | '\u{fe55}'
            | '\u{ff07}'
            | '\u{ff0e}'
            | '\u{ff1a}'
    )
}

/// Marks that stand over the letter before them.
fn is_mark(c: char) -> bool {
    matches!(c as u32, 0x300..=0x36f | 0x483..=0x489 | 0x591..=0x5bd | 0x610..=0x61a | 0x64b..=0x65f | 0x200d | 0xfe00..=0xfe0f)
}
