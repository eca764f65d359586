//! Methods with regular expressions.

use regex::bytes::{Captures, Regex};
use wappa_message::{Binary, Text, Value};

use super::strings::bytes_of;
use crate::{
    error::Result,
    evaluate::{Machine, Meter},
    registry::{
        Category, Method, Param, Status,
        args::Given,
        bound::{MethodBody, PreparedMethod},
        example,
    },
    value::regexp,
};

const PATTERN: Param = Param::text("pattern", "The regular expression.");

const fn new(
    name: &'static str,
    description: &'static str,
    body: fn(Given<'_>) -> Result<PreparedMethod>,
) -> Method {
    Method::new(name, Category::Regexp, description, MethodBody::Prepared(body)).params(&[PATTERN]).compiles()
}

/// A method that does something with a pattern and the bytes of a text.
fn on_text(
    args: Given<'_>,
    body: impl Fn(&Regex, &[u8], &mut Machine<'_>, &Value) -> Result<Value> + Send + Sync + 'static,
) -> Result<PreparedMethod> {
    let regex = regexp::compile(args.bytes(0))?;
    Ok(Box::new(move |machine, value| {
        let bytes = bytes_of(&value)?;
        machine.budget().steps(bytes.len() as u64 / 8)?;
        body(&regex, bytes, machine, &value)
    }))
}

/// What a match has allocated beside its bytes.
const MATCH_BYTES: usize = 96;

/// Charges for what the groups of a match hold, in a list or an object.
fn charge_groups(captures: &Captures<'_>, machine: &mut Machine<'_>) -> Result<()> {
    let at_most = captures.get_match().len().saturating_mul(captures.len());
    // Where it is little, it is not worth to look at each group.
    let n_bytes = match at_most <= Searches::SHORT_BYTES_MAX {
        true => at_most,
        false => captures.iter().flatten().map(|it| it.len()).sum(),
    };
    machine.budget().containers(1, captures.len())?;
    machine.budget().bytes(n_bytes.saturating_add(captures.len().saturating_mul(MATCH_BYTES)))
}

/// One search after the other in the same text: each may look at all that is left of it, though it finds little, so that
/// nobody can tell beforehand how long they take. In a short text they are charged as if each did; in a long one for the
/// time that they take.
struct Searches {
    n: usize,
    text_bytes: usize,
    meter: Meter,
}

impl Searches {
    /// How many searches are done between two looks at the time.
    const UNSEEN: usize = 16;

    /// To ask the system for the time takes longer than to search a text of this length a few times.
    const SHORT_BYTES_MAX: usize = 1024;

    fn new(text: &[u8]) -> Searches {
        Searches { n: 0, text_bytes: text.len(), meter: Meter::new() }
    }

    /// Charges for one search.
    fn charge(&mut self, machine: &mut Machine<'_>) -> Result<()> {
        if self.text_bytes <= Searches::SHORT_BYTES_MAX {
            return machine.budget().walk(self.text_bytes);
        }
        self.n += 1;
        match self.n.is_multiple_of(Searches::UNSEEN) {
            true => self.meter.look(machine.budget()),
            false => Ok(()),
        }
    }
}

/// The names of the groups, or their numbers where they have none, in order; and which group each is.
fn names(regex: &Regex) -> Vec<(Text, usize)> {
    let name = |(idx, name): (usize, Option<&str>)| match name {
        Some(name) => (Text::from(name), idx),
        None => (Text::from(idx.to_string()), idx),
    };
    let mut names: Vec<(Text, usize)> = regex.capture_names().enumerate().map(name).collect();
    names.sort();
    names
}

/// What a group of a match holds; one that took no part holds nothing.
fn group(captures: &Captures<'_>, idx: usize, is_bytes: bool) -> Value {
    let bytes = captures.get(idx).map_or(&b""[..], |it| it.as_bytes());
    match is_bytes {
        true => Value::Bytes(Binary::from(bytes.to_vec())),
        false => Value::text(bytes),
    }
}

fn groups(captures: &Captures<'_>) -> Vec<Value> {
    (0..captures.len()).map(|it| group(captures, it, false)).collect()
}

fn object(names: &[(Text, usize)], captures: &Captures<'_>, value: &Value) -> Result<Value> {
    let is_bytes = matches!(value, Value::Bytes(_));
    Ok(Value::object(names.iter().map(|(name, idx)| (name.clone(), group(captures, *idx, is_bytes))))?)
}

fn replace(args: Given<'_>) -> Result<PreparedMethod> {
    let with = args.bytes(1).to_vec();
    let is_plain = !with.contains(&b'$');
    on_text(args, move |regex, text, machine, _| {
        let mut out: Vec<u8> = Vec::new();
        let mut end = 0;
        let mut searches = Searches::new(text);
        if is_plain {
            for it in regex.find_iter(text) {
                searches.charge(machine)?;
                out.extend_from_slice(&text[end..it.start()]);
                out.extend_from_slice(&with);
                machine.budget().bytes(it.start() - end + with.len())?;
                end = it.end();
            }
        } else {
            for captures in regex.captures_iter(text) {
                searches.charge(machine)?;
                let Some(it) = captures.get(0) else { continue };
                let before = out.len();
                out.extend_from_slice(&text[end..it.start()]);
                captures.expand(&with, &mut out);
                machine.budget().bytes(out.len() - before)?;
                end = it.end();
            }
        }
        out.extend_from_slice(&text[end..]);
        Ok(Value::Text(Text::from(out)))
    })
}

const REPLACED: &[Param] = &[
    PATTERN,
    Param::text("value", "What takes the place of each match; `$1` and `${name}` stand for groups of it."),
];

pub(super) const METHODS: &[Method] = &[
    new("re_match", "Whether a regular expression matches any part of the text.", |args| {
        on_text(args, |regex, text, _, _| Ok(Value::Bool(regex.is_match(text))))
    })
    .examples(&[example(r#"root = this.a.re_match("[0-9]+")"#, &[(r#"{"a":"x12"}"#, "true"), (r#"{"a":"x"}"#, "false")])]),
    new("re_find_all", "All matches of a regular expression, as texts.", |args| {
        on_text(args, |regex, text, machine, _| {
            let mut values = Vec::new();
            let mut searches = Searches::new(text);
            for it in regex.find_iter(text) {
                searches.charge(machine)?;
                machine.budget().bytes(it.len() + MATCH_BYTES)?;
                values.push(Value::text(it.as_bytes()));
            }
            Ok(Value::array(values)?)
        })
    })
    .examples(&[example(r#"root = this.a.re_find_all("[0-9]+")"#, &[(r#"{"a":"1 and 23"}"#, r#"["1","23"]"#)])]),
    new(
        "re_find_all_submatch",
        "All matches of a regular expression, each as a list of the whole match and its groups.",
        |args| {
            on_text(args, |regex, text, machine, _| {
                let mut values = Vec::new();
                let mut searches = Searches::new(text);
                for captures in regex.captures_iter(text) {
                    searches.charge(machine)?;
                    charge_groups(&captures, machine)?;
                    values.push(Value::array(groups(&captures))?);
                }
                Ok(Value::array(values)?)
            })
        },
    )
    .examples(&[example(
        r#"root = this.a.re_find_all_submatch("([a-z])=([0-9])")"#,
        &[(r#"{"a":"x=1 y=2"}"#, r#"[["x=1","x","1"],["y=2","y","2"]]"#)],
    )]),
    new(
        "re_find_object",
        "The first match of a regular expression, as an object of its groups: by their names, or their numbers, where 0 is the \
         whole match.",
        |args| {
            let names = names(&regexp::compile(args.bytes(0))?);
            on_text(args, move |regex, text, machine, value| {
                match regex.captures(text) {
                    Some(captures) => {
                        charge_groups(&captures, machine)?;
                        object(&names, &captures, value)
                    }
                    None => Ok(Value::Object(Default::default())),
                }
            })
        },
    )
    .examples(&[example(
        r#"root = this.a.re_find_object("(?P<key>[a-z]+)=([0-9]+)")"#,
        &[(r#"{"a":"x=12"}"#, r#"{"0":"x=12","2":"12","key":"x"}"#), (r#"{"a":"-"}"#, "{}")],
    )]),
    new(
        "re_find_all_object",
        "All matches of a regular expression, each as an object of its groups: by their names, or their numbers, where 0 is the \
         whole match.",
        |args| {
            let names = names(&regexp::compile(args.bytes(0))?);
            on_text(args, move |regex, text, machine, value| {
                let mut values = Vec::new();
                let mut searches = Searches::new(text);
                for captures in regex.captures_iter(text) {
                    searches.charge(machine)?;
                    charge_groups(&captures, machine)?;
                    values.push(object(&names, &captures, value)?);
                }
                Ok(Value::array(values)?)
            })
        },
    )
    .examples(&[example(
        r#"root = this.a.re_find_all_object("(?P<key>[a-z])[0-9]")"#,
        &[(r#"{"a":"x1 y2"}"#, r#"[{"0":"x1","key":"x"},{"0":"y2","key":"y"}]"#)],
    )]),
    new("re_replace_all", "Replaces all matches of a regular expression.", replace)
        .params(REPLACED)
        .examples(&[example(
            r#"root = this.a.re_replace_all("([a-z])=", "$1:")"#,
            &[(r#"{"a":"x=1 y=2"}"#, "x:1 y:2")],
        )]),
    new("re_replace", "As `re_replace_all`.", replace)
        .params(REPLACED)
        .status(Status::Hidden)
        .examples(&[example(r#"root = this.a.re_replace("x", "y")"#, &[(r#"{"a":"xx"}"#, "yy")])]),
];
