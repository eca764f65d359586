//! Methods on whatever a query results in, failures included.

use wappa_message::Value;

use crate::{
    error::{Error, Result},
    evaluate::{Context, Machine},
    program::Expr,
    registry::{Category, Method, Param, Status, args::Given, bound::MethodBody, example},
    value::{Evaluated, path::Path},
};

const fn new(
    name: &'static str,
    description: &'static str,
    body: fn(&mut Machine<'_>, Context<'_>, &Expr, Given<'_>) -> Result<Evaluated>,
) -> Method {
    Method::new(name, Category::General, description, MethodBody::Lazy(body))
}

pub(super) const APPLY: Method =
    new("apply", "Calls a map on the value, and gives what it makes.", |machine, ctx, target, args| {
        let value = machine.evaluate(target, ctx)?;
        machine.call_map(&args.text(0), &value, ctx)
    })
    .params(&[Param::text("mapping", "The name of the map.")])
    .examples(&[example(
        "map person {\n  root.name = this.n\n}\nroot.user = this.u.apply(\"person\")",
        &[(r#"{"u":{"n":"Ada"}}"#, r#"{"user":{"name":"Ada"}}"#)],
    )]);

pub(super) const METHODS: &[Method] = &[
    APPLY,
    new(
        "catch",
        "Where the query before it fails, gives this instead. In a query `this` is the text of the failure.",
        |machine, ctx, target, args| match machine.evaluate(target, ctx) {
            Ok(value) => Ok(value),
            Err(err) => {
                let text = Evaluated::Value(Value::text(err.to_string()));
                machine.evaluate(args.query(0), ctx.with(&text))
            }
        },
    )
    .params(&[Param::query("fallback", "A value, or a query.")])
    .examples(&[
        example(
            r#"root.n = this.n.number().catch(0)"#,
            &[(r#"{"n":"x"}"#, r#"{"n":0}"#), (r#"{"n":"5"}"#, r#"{"n":5}"#)],
        ),
        example("root = this.catch(deleted())", &[(r#"{"a":1}"#, r#"{"a":1}"#), ("no JSON", "<deleted>")]),
        example(
            "root.why = this.n.uppercase().catch(err -> err)",
            &[(r#"{"n":1}"#, r#"{"why":"expected string value, got number from field `this.n` (1)"}"#)],
        ),
    ]),
    new(
        "or",
        "Where the query before it fails or is `null`, gives this instead.",
        |machine, ctx, target, args| match machine.evaluate(target, ctx) {
            Ok(value) if !value.is_null() => Ok(value),
            _ => machine.evaluate(args.query(0), ctx),
        },
    )
    .params(&[Param::query("fallback", "A value, or a query.")])
    .examples(&[example(
        r#"root.name = this.name.or("nobody")"#,
        &[("{}", r#"{"name":"nobody"}"#), (r#"{"name":"Ada"}"#, r#"{"name":"Ada"}"#)],
    )]),
    new(
        "from",
        "Evaluates the query before it for another message of the batch.",
        |machine, ctx, target, args| machine.evaluate(target, ctx.at(args.int(0))),
    )
    .params(&[Param::int("index", "The place of the message in its batch, counted from 0.")])
    .examples(&[example(r#"root.first = json("id").from(0)"#, &[(r#"{"id":7}"#, r#"{"first":7}"#)])]),
    new(
        "from_all",
        "Evaluates the query before it for each message of the batch, and gives a list.",
        |machine, ctx, target, _| {
            let n = machine.n_messages();
            machine.budget().containers(1, n)?;
            let mut values = Vec::with_capacity(n);
            for idx in 0..n {
                values.push(machine.evaluate(target, ctx.at(idx as i64))?.into_value());
            }
            Ok(Value::array(values)?.into())
        },
    )
    .examples(&[example(r#"root.ids = json("id").from_all()"#, &[(r#"{"id":7}"#, r#"{"ids":[7]}"#)])]),
    new("map", "Evaluates a query on the value.", |machine, ctx, target, args| {
        let value = machine.evaluate(target, ctx)?;
        machine.evaluate(args.query(0), ctx.with(&value))
    })
    .params(&[Param::query("query", "The query.")])
    .status(Status::Hidden)
    .examples(&[example("root = this.a.map(this.b)", &[(r#"{"a":{"b":1}}"#, "1")])]),
    new("not", "Whether the value is not true.", |machine, ctx, target, _| {
        match machine.evaluate(target, ctx)? {
            Evaluated::Value(Value::Bool(it)) => Ok(Value::Bool(!it).into()),
            _ => Err(Error::new("expected bool value")),
        }
    })
    .status(Status::Hidden)
    .examples(&[example("root = this.a.not()", &[(r#"{"a":true}"#, "false")])]),
    Method::new(
        "exists",
        Category::General,
        "Whether there is something at a path, be it `null`.",
        MethodBody::Prepared(|args| {
            let path = Path::of_dots(&args.text(0));
            Ok(Box::new(move |machine, value| {
                Ok(Value::Bool(path.find(&value, machine.budget())?.is_some()))
            }))
        }),
    )
    .places()
    .params(&[Param::text("path", "A path, with points between its names.")])
    .examples(&[example(
        r#"root = this.exists("a.b")"#,
        &[(r#"{"a":{"b":null}}"#, "true"), (r#"{"a":1}"#, "false")],
    )]),
];
