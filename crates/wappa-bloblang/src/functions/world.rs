//! Functions that look at the world: the time, files, the machine.

use std::path::Path;

use bytes::Bytes;
use wappa_message::{Binary, Value};

use crate::{
    environment::Environment,
    error::{Error, Result},
    registry::{
        Category, Constant, Function, Param,
        args::Given,
        bound::{FunctionBody, PreparedFunction},
        example,
    },
    time,
};

const fn new(name: &'static str, description: &'static str, body: FunctionBody) -> Function {
    Function::new(name, Category::Environment, description, body)
}

const NO_CACHE: Param =
    Param::flag("no_cache", "Whether it is looked up again for each message.").or(Constant::Bool(false));
const PATH: Param = Param::text("path", "The path of the file.");

pub(super) const FUNCTIONS: &[Function] = &[
    new(
        "env",
        "The value of an environment variable, or `null`. It is looked up once, unless `no_cache` says otherwise.",
        FunctionBody::Prepared(variable),
    )
    .params(&[Param::text("name", "The name of the variable."), NO_CACHE])
    .impure()
    .examples(&[example(
        r#"root.x = env("WAPPA_NO_SUCH_VARIABLE").or("default")"#,
        &[("{}", r#"{"x":"default"}"#)],
    )]),
    new(
        "file",
        "The content of a file, as bytes. It is read once, when the mapping is, unless `no_cache` says otherwise.",
        FunctionBody::Prepared(file),
    )
    .params(&[PATH, NO_CACHE])
    .impure()
    .examples(&[example(r#"root.doc = file("./schema.json").parse_json()"#, &[])]),
    new(
        "file_rel",
        "As `file`; a path that is not absolute begins where those of imports do.",
        FunctionBody::Prepared(file),
    )
    .params(&[PATH, NO_CACHE])
    .impure()
    .examples(&[example(r#"root.doc = file_rel("schema.json").parse_json()"#, &[])]),
    new(
        "file_rel_json",
        "The document of JSON that a file holds, read once; a path that is not absolute begins where those of imports do.",
        FunctionBody::Prepared(file_json),
    )
    .params(&[PATH])
    .impure()
    .examples(&[example(r#"root.doc = file_rel_json("schema.json")"#, &[])]),
    new("hostname", "The name of the machine.", FunctionBody::Prepared(hostname))
        .impure()
        .examples(&[example("root.has_one = hostname().length() > 0", &[("{}", r#"{"has_one":true}"#)])]),
    new(
        "now",
        "The time, as a text by RFC 3339 in the time zone of the machine. `ts_format` gives it another form.",
        FunctionBody::Machine(|_, _, _| Ok(Value::Text(time::now_text()).into())),
    )
    .examples(&[
        example("root.at = now()", &[]),
        example(r#"root.is_text = now().type() == "string""#, &[("{}", r#"{"is_text":true}"#)]),
    ]),
    new("timestamp_unix", "The time, in seconds since 1970.", since_1970(1))
        .examples(&[example("root.later = timestamp_unix() > 1700000000", LATER)]),
    new("timestamp_unix_milli", "The time, in milliseconds since 1970.", since_1970_milli())
        .examples(&[example("root.later = timestamp_unix_milli() > 1700000000000", LATER)]),
    new("timestamp_unix_micro", "The time, in microseconds since 1970.", since_1970_micro())
        .examples(&[example("root.later = timestamp_unix_micro() > 1700000000000000", LATER)]),
    new("timestamp_unix_nano", "The time, in nanoseconds since 1970.", since_1970_nano())
        .examples(&[example("root.later = timestamp_unix_nano() > 1700000000000000000", LATER)]),
];

const LATER: &[(&str, &str)] = &[("{}", r#"{"later":true}"#)];

const fn since_1970(_: i64) -> FunctionBody {
    FunctionBody::Machine(|_, _, _| Ok(Value::Int(time::unix(&time::now(), 1)).into()))
}

const fn since_1970_milli() -> FunctionBody {
    FunctionBody::Machine(|_, _, _| Ok(Value::Int(time::unix(&time::now(), 1_000)).into()))
}

const fn since_1970_micro() -> FunctionBody {
    FunctionBody::Machine(|_, _, _| Ok(Value::Int(time::unix(&time::now(), 1_000_000)).into()))
}

const fn since_1970_nano() -> FunctionBody {
    FunctionBody::Machine(|_, _, _| Ok(Value::Int(time::unix(&time::now(), 1_000_000_000)).into()))
}

/// A function that gives the same value, or looks it up again and again.
fn looked_up(
    is_cached: bool,
    look: impl Fn() -> Result<Value> + Send + Sync + 'static,
) -> Result<PreparedFunction> {
    if !is_cached {
        return Ok(Box::new(move |machine, _| {
            let value = look()?;
            machine.budget().bytes(value.own().allocated)?;
            Ok(value.into())
        }));
    }
    let value = look()?;
    Ok(Box::new(move |_, _| Ok(value.clone().into())))
}

fn variable(args: Given<'_>, environment: &Environment) -> Result<PreparedFunction> {
    environment.refuses("reading an environment variable").map_err(Error::new)?;
    let (name, environment) = (args.text(0).into_owned(), environment.clone());
    looked_up(!args.flag(1), move || match environment.variable(&name) {
        Ok(value) => Ok(value.map_or(Value::Null, Value::text)),
        Err(why) => Err(Error::new(why)),
    })
}

fn file(args: Given<'_>, environment: &Environment) -> Result<PreparedFunction> {
    environment.refuses("reading a file").map_err(Error::new)?;
    let (path, environment) = (args.text(0).into_owned(), environment.clone());
    looked_up(!args.flag(1), move || {
        let content = environment.read(Path::new(&path)).map_err(Error::new)?;
        Ok(Value::Bytes(Binary::from(content)))
    })
}

fn file_json(args: Given<'_>, environment: &Environment) -> Result<PreparedFunction> {
    environment.refuses("reading a file").map_err(Error::new)?;
    let (path, environment) = (args.text(0).into_owned(), environment.clone());
    looked_up(true, move || {
        let content = environment.read(Path::new(&path)).map_err(Error::new)?;
        Value::from_json(&Bytes::from(content))
            .map_err(|err| Error::new(format!("failed to parse JSON from {path}: {err}")))
    })
}

fn hostname(_: Given<'_>, environment: &Environment) -> Result<PreparedFunction> {
    environment.refuses("the name of the machine").map_err(Error::new)?;
    looked_up(true, || Ok(Value::text(rustix::system::uname().nodename().to_bytes())))
}
