//! Functions that ask the caches of the stream.

use wappa_message::{Binary, Value};

use crate::{
    error::{Error, Result},
    evaluate::{Context, Machine},
    registry::{Category, Function, Param, args::Given, bound::FunctionBody, example},
    value::Evaluated,
    watch::{self, CacheCall},
};

const RESOURCE: Param = Param::text("resource", "The label of the cache.");
const KEY: Param = Param::text("key", "The key.");
const VALUE: Param = Param::text("value", "The value.");

const fn new(
    name: &'static str,
    description: &'static str,
    body: fn(&mut Machine<'_>, Context<'_>, Given<'_>) -> Result<Evaluated>,
) -> Function {
    Function::new(name, Category::Environment, description, FunctionBody::Machine(body)).impure()
}

/// Asks the cache of this thread's stream.
fn ask(machine: &mut Machine<'_>, args: Given<'_>, call: CacheCall<'_>) -> Result<Evaluated> {
    let label = args.text(0);
    machine.budget().steps(STEPS)?;
    let found = match watch::watched() {
        Some(watch) => watch.cache(&label, args.bytes(1), call).map_err(Error::new)?,
        None => return Err(Error::new(format!("unable to locate resource: {label}"))),
    };
    let Some(value) = found else { return Ok(Value::Null.into()) };
    machine.budget().bytes(value.len())?;
    Ok(Value::Bytes(Binary::from(value)).into())
}

/// How many steps a call of a cache is: a lock, a search, some copies.
const STEPS: u64 = 20;

pub(super) const FUNCTIONS: &[Function] = &[
    new(
        "cache_get",
        "The value that a cache resource has for a key, as bytes. It fails where there is none: `catch` says what is then.",
        |machine, _, args| ask(machine, args, CacheCall::Get),
    )
    .params(&[RESOURCE, KEY])
    .examples(&[example(r#"root.seen = cache_get("places", this.id).string().catch(null)"#, &[])]),
    new(
        "cache_set",
        "Sets the value of a key in a cache resource, whether it has one or not, and gives `null`.",
        |machine, _, args| ask(machine, args, CacheCall::Set(args.bytes(2))),
    )
    .params(&[RESOURCE, KEY, VALUE])
    .examples(&[example(r#"let _ = cache_set("places", this.id, this.place)"#, &[])]),
    new(
        "cache_add",
        "Sets the value of a key in a cache resource, and gives `null`. It fails where the key has one already.",
        |machine, _, args| ask(machine, args, CacheCall::Add(args.bytes(2))),
    )
    .params(&[RESOURCE, KEY, VALUE])
    .examples(&[example(r#"root = if cache_add("ids", this.id, "x").catch("seen") == "seen" { deleted() }"#, &[])]),
    new(
        "cache_delete",
        "Removes the value of a key from a cache resource, if it has one, and gives `null`.",
        |machine, _, args| ask(machine, args, CacheCall::Delete),
    )
    .params(&[RESOURCE, KEY])
    .examples(&[example(r#"let _ = cache_delete("places", this.id)"#, &[])]),
];
