//! Methods that put lists and objects together.

use wappa_message::{Array, Object, Value};

use super::objects::{array, new};
use crate::{
    error::{Error, Result},
    evaluate::{Budget, Machine},
    registry::{
        Method, Param,
        args::Given,
        bound::{MethodBody, PreparedMethod},
        example,
    },
    value::types::Type,
};

/// What becomes of two values with the same name where objects are merged.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Collided {
    /// The other one takes the place of this one.
    Replaced,
    /// Both are kept in a list.
    Listed,
}

/// Charges for a list or an object that is about to be changed.
fn changed(value: &Value, budget: &mut Budget) -> Result<()> {
    let own = value.own();
    if value.is_shared() || value.unopened().is_some() {
        budget.walk(own.source)?;
        budget.bytes(own.allocated)?;
    }
    Ok(())
}

/// Puts what is in one object into another one. Only what both have is looked at.
fn merged(into: &mut Object, from: &Object, collided: Collided, budget: &mut Budget) -> Result<()> {
    budget.walk(Value::Object(from.clone()).own().source)?;
    for (name, value) in from.iter() {
        budget.step()?;
        let mut value = Some(value);
        let done = into.update(&name, |inner| -> Result<()> {
            let value = value.take().expect("it is taken once");
            changed(inner, budget)?;
            match (&mut *inner, value) {
                (Value::Object(inner), Value::Object(other)) => merged(inner, &other, collided, budget),
                (inner, value) if collided == Collided::Replaced => {
                    *inner = value;
                    Ok(())
                }
                (Value::Array(list), value) => added(list, value, budget),
                (inner, value) => {
                    budget.containers(1, 1)?;
                    let mut list = Array::new([std::mem::take(inner)])?;
                    added(&mut list, value, budget)?;
                    *inner = Value::Array(list);
                    Ok(())
                }
            }
        })?;
        match (done, value) {
            (Some(done), _) => done?,
            (None, Some(value)) => {
                // To make room in the middle, what is behind it moves.
                budget.steps(into.len() as u64 / 16)?;
                into.insert(name, value)?;
            }
            (None, None) => unreachable!("it was not taken"),
        }
    }
    Ok(())
}

/// Adds a value to a list, or all that are in it where it is a list itself.
fn added(list: &mut Array, value: Value, budget: &mut Budget) -> Result<()> {
    match value {
        Value::Array(more) => {
            budget.values(more.len())?;
            more.iter().try_for_each(|it| list.push(it))?;
        }
        other => {
            budget.values(1)?;
            list.push(other)?;
        }
    }
    Ok(())
}

/// A list to whose end so many values are about to be added: one that others hold is copied first, and one that nobody else
/// holds grows in its place.
fn growing(value: Value, n_more: usize, budget: &mut Budget) -> Result<Array> {
    changed(&value, budget)?;
    budget.values(n_more)?;
    array(value)
}

fn merge(value: Value, from: &Value, collided: Collided, budget: &mut Budget) -> Result<Value> {
    changed(&value, budget)?;
    budget.open(from)?;
    match value {
        Value::Array(mut array) => {
            added(&mut array, from.clone(), budget)?;
            Ok(Value::Array(array))
        }
        Value::Object(mut object) => {
            // What is no object has no names.
            if let Value::Object(from) = from {
                merged(&mut object, from, collided, budget)?;
            }
            Ok(Value::Object(object))
        }
        other => Err(Error::of_type(&other, &[Type::Object, Type::Array])),
    }
}

fn squash(machine: &mut Machine<'_>, value: Value, _: Given<'_>) -> Result<Value> {
    let mut out = Value::Object(Object::default());
    for it in array(value)?.iter() {
        out = merge(out, &it, Collided::Listed, machine.budget())?;
    }
    Ok(out)
}

fn zip(args: Given<'_>) -> Result<PreparedMethod> {
    let others: Vec<Array> = args.values().map(|it| array(it.clone())).collect::<Result<_>>()?;
    Ok(Box::new(move |machine, value| {
        let first = array(value)?;
        if others.is_empty() {
            return Err(Error::new("zip requires at least one argument"));
        }
        let n = first.len();
        if others.iter().any(|it| it.len() != n) {
            return Err(Error::new("can't zip different length array values"));
        }
        machine.budget().containers(n, 1 + others.len())?;
        let lists = || std::iter::once(&first).chain(&others);
        let row = |idx: usize| Ok(Value::array(lists().filter_map(|it| it.get(idx)))?);
        let rows: Result<Vec<Value>> = (0..n).map(row).collect();
        Ok(Value::array(rows?)?)
    }))
}

fn concat(args: Given<'_>) -> Result<PreparedMethod> {
    let others: Vec<Value> = args.values().cloned().collect();
    if let Some(other) = others.iter().find(|it| !matches!(it, Value::Array(_))) {
        return Err(Error::of_type(other, &[Type::Array]));
    }
    Ok(Box::new(move |machine, value| {
        let mut array = growing(value, 0, machine.budget())?;
        for it in &others {
            let Value::Array(more) = it else { continue };
            machine.budget().open(it)?;
            machine.budget().values(more.len())?;
            for it in more.iter() {
                array.push(it)?;
            }
        }
        Ok(Value::Array(array))
    }))
}

const WITH: &[Param] = &[Param::any("with", "The other value.")];

pub(super) const METHODS: &[Method] = &[
    new("append", "The list with more elements at its end.", MethodBody::Counted(|machine, value, args| {
        let mut array = growing(value, args.len(), machine.budget())?;
        for it in args.values() {
            array.push(it.clone())?;
        }
        Ok(Value::Array(array))
    }))
    .places()
    .variadic()
    .examples(&[example(r#"root = this.append("x", [1])"#, &[("[0]", r#"[0,"x",[1]]"#)])]),
    new(
        "assign",
        "Puts the names and values of another object into this one; where both have a name, the other one's value counts. \
         Lists are put together.",
        MethodBody::Counted(|machine, value, args| {
            merge(value, args.value(0), Collided::Replaced, machine.budget())
        }),
    )
    .places()
    .params(WITH)
    .named_of_type()
    .examples(&[example(
        r#"root = this.a.assign(this.b)"#,
        &[(r#"{"a":{"x":1,"y":{"z":1}},"b":{"x":2,"y":{"w":2}}}"#, r#"{"x":2,"y":{"w":2,"z":1}}"#)],
    )]),
    new(
        "merge",
        "Puts the names and values of another object into this one; where both have a name, both values are kept in a list. \
         Lists are put together.",
        MethodBody::Counted(|machine, value, args| {
            merge(value, args.value(0), Collided::Listed, machine.budget())
        }),
    )
    .places()
    .params(WITH)
    .named_of_type()
    .examples(&[example(
        "root = this.a.merge(this.b)",
        &[(r#"{"a":{"x":1,"y":2},"b":{"x":3}}"#, r#"{"x":[1,3],"y":2}"#)],
    )]),
    new("concat", "The list with the elements of other lists at its end.", MethodBody::Prepared(concat))
    .places()
    .variadic()
    .unnamed()
    .examples(&[example("root = this.concat([2], [3, 4])", &[("[1]", "[1,2,3,4]")])]),
    new("squash", "One object of all objects of a list, merged one after the other.", MethodBody::Counted(squash)).unnamed()
        .examples(&[example("root = this.squash()", &[(r#"[{"a":1},{"a":2,"b":3}]"#, r#"{"a":[1,2],"b":3}"#)])]),
    new("zip", "A list of lists: the first elements of this list and others, the second ones, and so on.", MethodBody::Prepared(zip))
        .elements()
        .variadic()
        .unnamed()
        .examples(&[example(r#"root = this.a.zip(this.b)"#, &[(r#"{"a":[1,2],"b":["x","y"]}"#, r#"[[1,"x"],[2,"y"]]"#)])]),
];
