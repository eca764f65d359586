//! Methods on lists and objects.

use std::{cell::OnceCell, cmp::Ordering, collections::BTreeSet};

use wappa_message::{Array, Object, Text, Value};

use super::strings::bytes_of;
use crate::{
    error::{Error, Result},
    evaluate::{Context, Machine},
    program::Expr,
    registry::{
        Category, Constant, Method, Param,
        args::{Given, of_arg},
        bound::{MethodBody, PreparedMethod},
        example,
    },
    value::{
        Evaluated, compare, convert,
        path::{Path, without},
        sort::merge_sort,
        types::Type,
    },
};

pub(super) const fn new(name: &'static str, description: &'static str, body: MethodBody) -> Method {
    Method::new(name, Category::Objects, description, body)
}

pub(super) fn array(value: Value) -> Result<Array> {
    match value {
        Value::Array(it) => Ok(it),
        other => Err(Error::of_type(&other, &[Type::Array])),
    }
}

fn object(value: Value) -> Result<Object> {
    match value {
        Value::Object(it) => Ok(it),
        other => Err(Error::of_type(&other, &[Type::Object])),
    }
}

/// A name and its value, as queries on objects see them.
fn pair(key: Text, value: Value) -> Result<Value> {
    Ok(Value::object([("key", Value::Text(key)), ("value", value)])?)
}

/// Whether a query is true of each element; anything but true and false fails.
fn each_truth(
    machine: &mut Machine<'_>,
    ctx: Context<'_>,
    value: Value,
    query: &Expr,
    mut see: impl FnMut(usize, bool) -> bool,
    (fails, is_no_truth): (&str, &str),
) -> Result<()> {
    for (idx, it) in array(value)?.iter().enumerate() {
        let it = Evaluated::Value(it);
        let result =
            machine.evaluate(query, ctx.with(&it)).map_err(|err| err.within(format!("{fails} {idx}")))?;
        let Evaluated::Value(Value::Bool(truth)) = result else {
            let err = Error::of_evaluated(&result, &[Type::Bool]);
            return Err(err.within(format!("{is_no_truth} {idx}")));
        };
        if !see(idx, truth) {
            break;
        }
    }
    Ok(())
}

const ELEMENT: (&str, &str) = ("element", "element");
const FOUND: (&str, &str) =
    ("query returned an error for index", "query returned a non-boolean value for index");

fn all(machine: &mut Machine<'_>, ctx: Context<'_>, value: Value, args: Given<'_>) -> Result<Value> {
    // Of an empty list it is not true, as in Bento.
    let mut is_true = matches!(&value, Value::Array(it) if !it.is_empty());
    let see = |_, truth| {
        is_true &= truth;
        truth
    };
    each_truth(machine, ctx, value, args.query(0), see, ELEMENT)?;
    Ok(Value::Bool(is_true))
}

fn any(machine: &mut Machine<'_>, ctx: Context<'_>, value: Value, args: Given<'_>) -> Result<Value> {
    let mut is_true = false;
    let see = |_, truth: bool| {
        is_true |= truth;
        !truth
    };
    each_truth(machine, ctx, value, args.query(0), see, ELEMENT)?;
    Ok(Value::Bool(is_true))
}

fn find_by(machine: &mut Machine<'_>, ctx: Context<'_>, value: Value, args: Given<'_>) -> Result<Value> {
    let mut found = -1;
    let see = |idx, truth: bool| {
        if truth {
            found = idx as i64;
        }
        !truth
    };
    each_truth(machine, ctx, value, args.query(0), see, FOUND)?;
    Ok(Value::Int(found))
}

fn find_all_by(machine: &mut Machine<'_>, ctx: Context<'_>, value: Value, args: Given<'_>) -> Result<Value> {
    let mut found = Vec::new();
    let see = |idx, truth: bool| {
        if truth {
            found.push(Value::Int(idx as i64));
        }
        true
    };
    each_truth(machine, ctx, value, args.query(0), see, FOUND)?;
    machine.budget().containers(1, found.len())?;
    Ok(Value::array(found)?)
}

fn map_each(machine: &mut Machine<'_>, ctx: Context<'_>, value: Value, args: Given<'_>) -> Result<Value> {
    let query = args.query(0);
    let fail = |err: Error, what: &dyn std::fmt::Display| {
        err.of_query(|| query.annotation()).within(format!("failed to process element {what}"))
    };
    match value {
        Value::Array(array) => {
            machine.budget().values(array.len())?;
            let mut values = array.into_values();
            // What comes of an element takes its place, or that of one before it that was deleted.
            let mut n_kept = 0;
            for idx in 0..values.len() {
                let it = Evaluated::Value(std::mem::take(&mut values[idx]));
                values[n_kept] =
                    match machine.evaluate(query, ctx.with(&it)).map_err(|err| fail(err, &idx))? {
                        Evaluated::Value(value) => value,
                        Evaluated::Nothing => it.into_value(),
                        Evaluated::Deleted => continue,
                    };
                n_kept += 1;
            }
            values.truncate(n_kept);
            Ok(Value::array(values)?)
        }
        Value::Object(object) => {
            machine.budget().containers(object.len(), 3)?;
            let mut pairs = Vec::new();
            for (name, it) in object.iter() {
                let both = Evaluated::Value(pair(name.clone(), it.clone())?);
                let result = machine.evaluate(query, ctx.with(&both));
                match result.map_err(|err| fail(err, &String::from_utf8_lossy(&name)))? {
                    Evaluated::Value(value) => pairs.push((name, value)),
                    Evaluated::Nothing => pairs.push((name, it)),
                    Evaluated::Deleted => (),
                }
            }
            Ok(Value::object(pairs)?)
        }
        other => Err(Error::of_type(&other, &[Type::Array])),
    }
}

fn map_each_key(machine: &mut Machine<'_>, ctx: Context<'_>, value: Value, args: Given<'_>) -> Result<Value> {
    let object = object(value)?;
    machine.budget().values(2 * object.len())?;
    let mut pairs = Vec::new();
    for (name, it) in object.iter() {
        let key = Evaluated::Value(Value::Text(name.clone()));
        match machine.evaluate(args.query(0), ctx.with(&key))? {
            Evaluated::Value(Value::Text(new)) => pairs.push((new, it)),
            Evaluated::Nothing => pairs.push((name, it)),
            other => {
                let err = Error::of_evaluated(&other, &[Type::String]);
                return Err(err.within("unexpected result from key mapping"));
            }
        }
    }
    Ok(Value::object(pairs)?)
}

fn filter(machine: &mut Machine<'_>, ctx: Context<'_>, value: Value, args: Given<'_>) -> Result<Value> {
    let query = args.query(0);
    let is_true = |it: Evaluated| matches!(it, Evaluated::Value(Value::Bool(true)));
    match value {
        Value::Array(array) => {
            machine.budget().values(array.len())?;
            let mut values = Vec::new();
            for it in array.iter() {
                let it = Evaluated::Value(it);
                if is_true(machine.evaluate(query, ctx.with(&it))?) {
                    values.push(it.into_value());
                }
            }
            Ok(Value::array(values)?)
        }
        Value::Object(object) => {
            machine.budget().containers(object.len(), 3)?;
            let mut pairs = Vec::new();
            for (name, it) in object.iter() {
                let both = Evaluated::Value(pair(name.clone(), it.clone())?);
                if is_true(machine.evaluate(query, ctx.with(&both))?) {
                    pairs.push((name, it));
                }
            }
            Ok(Value::object(pairs)?)
        }
        other => Err(Error::of_type(&other, &[Type::Array, Type::Object])),
    }
}

fn fold(machine: &mut Machine<'_>, ctx: Context<'_>, value: Value, args: Given<'_>) -> Result<Value> {
    let mut tally = args.value(0).clone();
    // What is charged for the tally. Whatever else a query made is gone when the next one begins.
    let mut n_charged = 0;
    for it in array(value)?.iter() {
        let left = machine.budget().bytes_left();
        machine.budget().containers(1, 2)?;
        tally = match args.lends() {
            false => {
                let both = Evaluated::Value(Value::object([("tally", tally), ("value", it)])?);
                machine.evaluate(args.query(1), ctx.with(&both))?.into_value()
            }
            true => {
                let value = Evaluated::Value(Value::object([("value", it)])?);
                let others = machine.lend(Some(tally));
                let result = machine.evaluate(args.query(1), ctx.with(&value));
                machine.lend(others);
                result?.into_value()
            }
        };
        let budget = machine.budget();
        n_charged += left.saturating_sub(budget.bytes_left());
        let n_held = n_charged.min(tally.size() as u64);
        budget.give_back(n_charged - n_held);
        n_charged = n_held;
    }
    Ok(tally)
}

/// How two values are ordered, each with its place in the list for errors.
fn ordered(
    what: &str,
    (left_idx, left): (usize, &Value),
    (right_idx, right): (usize, &Value),
    from: &dyn Fn(Error) -> Error,
) -> Result<Ordering> {
    let at = |idx: usize, err: Error| from(err).within(format!("{what} element {idx}"));
    match left {
        Value::Text(_) | Value::Bytes(_) => {
            let right = convert::text(right).map_err(|err| at(right_idx, err))?;
            Ok(bytes_of(left).map_err(|err| at(left_idx, err))?.cmp(&*right))
        }
        _ => match convert::number_of(left) {
            Some(number) => {
                let right = convert::number(right).map_err(|err| at(right_idx, err))?;
                Ok(number.total_cmp(&right))
            }
            None => Err(at(left_idx, Error::of_type(left, &[Type::Number, Type::String]))),
        },
    }
}

/// Charges for the comparison of two values that are texts or numbers.
fn compared(machine: &mut Machine<'_>, left: &Value, right: &Value) -> Result<()> {
    machine.budget().step()?;
    machine.budget().walk(left.own().allocated.min(right.own().allocated))
}

fn sort(machine: &mut Machine<'_>, ctx: Context<'_>, value: Value, args: Given<'_>) -> Result<Value> {
    let array = array(value)?;
    // Two lists of the values, and the one that is given.
    machine.budget().values(array.len().saturating_mul(3))?;
    let mut list: Vec<Value> = array.iter().collect();
    match args.opt_query(0) {
        None => {
            // Each one is looked at, also where there is nothing to compare it with.
            let plain: &dyn Fn(Error) -> Error = &|err| err;
            merge_sort(&mut list, &mut |one, other| -> Result<bool> {
                compared(machine, one.1, other.1)?;
                Ok(ordered("sort", one, other, plain)? == Ordering::Less)
            })?;
        }
        Some(query) => {
            // What is no order at all still comes to an end.
            merge_sort(&mut list, &mut |(_, left), (_, right)| {
                let both = [("left", left.clone()), ("right", right.clone())];
                let both = Evaluated::Value(Value::object(both)?);
                match machine.evaluate(query, ctx.with(&both))? {
                    Evaluated::Value(Value::Bool(it)) => Ok(it),
                    other => {
                        let err = Error::of_evaluated(&other, &[Type::Bool]);
                        Err(err.of_query(|| "sort argument".to_string()))
                    }
                }
            })?;
        }
    }
    Ok(Value::array(list)?)
}

fn sort_by(machine: &mut Machine<'_>, ctx: Context<'_>, value: Value, args: Given<'_>) -> Result<Value> {
    let array = array(value)?;
    machine.budget().values(array.len().saturating_mul(6))?;
    let query = args.query(0);
    // Each with its key, which is asked for when it is first compared: of a single element never.
    let mut list: Vec<(OnceCell<Value>, Evaluated)> =
        array.iter().map(|it| (OnceCell::new(), Evaluated::Value(it))).collect();
    let from: &dyn Fn(Error) -> Error = &|err| err.of_query(|| query.annotation());
    merge_sort(&mut list, &mut |(left_idx, left), (right_idx, right)| -> Result<bool> {
        for (key, value) in [left, right] {
            if key.get().is_none() {
                let of_value = machine.evaluate(query, ctx.with(value))?.into_value();
                key.set(of_value).expect("it has none yet");
            }
        }
        let [left, right] = [left, right].map(|it| it.0.get().expect("it has one"));
        compared(machine, left, right)?;
        Ok(ordered("sort_by", (left_idx, left), (right_idx, right), from)? == Ordering::Less)
    })?;
    Ok(Value::array(list.into_iter().map(|(_, it)| it.into_value()))?)
}

/// What is allocated for a text that was seen, beside its bytes.
const SEEN_BYTES: usize = 64;

fn unique(machine: &mut Machine<'_>, ctx: Context<'_>, value: Value, args: Given<'_>) -> Result<Value> {
    let array = array(value)?;
    machine.budget().values(array.len())?;
    let (mut texts, mut numbers) = (BTreeSet::new(), BTreeSet::new());
    let mut values = Vec::new();
    for (idx, it) in array.iter().enumerate() {
        let at = |err: Error| err.within(format!("index {idx}"));
        let it = Evaluated::Value(it);
        let key = match args.opt_query(0) {
            None => it.clone(),
            Some(query) => machine.evaluate(query, ctx.with(&it)).map_err(at)?,
        };
        let key = match &key {
            Evaluated::Value(value) => value,
            other => return Err(at(Error::of_evaluated(other, &[Type::String, Type::Number]))),
        };
        let is_new = match (convert::text_of(key), convert::number_of(key)) {
            (Some(text), _) => {
                // Each one is compared with some of the others.
                machine.budget().bytes(text.len() + SEEN_BYTES)?;
                machine.budget().steps(1 + text.len() as u64 / 8)?;
                texts.insert(text.into_owned())
            }
            // Zero is zero, whatever its sign.
            (None, Some(number)) => {
                machine.budget().values(1)?;
                numbers.insert((number + 0.0).to_bits())
            }
            (None, None) => return Err(at(Error::of_type(key, &[Type::String, Type::Number]))),
        };
        if is_new {
            values.push(it.into_value());
        }
    }
    Ok(Value::array(values)?)
}

fn sum(value: Value, _: Given<'_>) -> Result<Value> {
    match &value {
        Value::Array(array) => {
            let mut total = 0.0;
            let mut failure = None;
            for (idx, it) in array.iter().enumerate() {
                match convert::number(&it) {
                    Ok(it) => total += it,
                    Err(err) => failure = Some(err.within(format!("index {idx}"))),
                }
            }
            failure.map_or(Ok(Value::Float(total)), Err)
        }
        Value::Int(_) | Value::Uint(_) | Value::Float(_) | Value::Number(_) => Ok(value),
        _ => Err(Error::of_type(&value, &[Type::Array])),
    }
}

fn index(value: Value, args: Given<'_>) -> Result<Value> {
    let len = match &value {
        Value::Array(array) => array.len(),
        Value::Bytes(bytes) => bytes.len(),
        other => return Err(Error::of_type(other, &[Type::Array])),
    };
    let place = args.int(0);
    let place = if place < 0 { place.saturating_add(len as i64) } else { place };
    let Some(idx) = usize::try_from(place).ok().filter(|it| *it < len) else {
        return Err(Error::new(format!("index '{place}' was out of bounds for array size: {len}")));
    };
    Ok(match &value {
        Value::Array(array) => array.get(idx).expect("it is there"),
        Value::Bytes(bytes) => Value::Int(bytes[idx].into()),
        _ => unreachable!("it has a length"),
    })
}

fn joined(machine: &mut Machine<'_>, value: Value, args: Given<'_>) -> Result<Value> {
    let (array, delimiter) = (array(value)?, args.bytes(0));
    machine.budget().steps(array.len() as u64)?;
    let mut out = Vec::new();
    for (idx, it) in array.iter().enumerate() {
        if 0 < idx {
            out.extend_from_slice(delimiter);
        }
        let text = bytes_of(&it).map_err(|err| err.within(format!("failed to join element {idx}")))?;
        machine.budget().bytes(text.len() + delimiter.len())?;
        out.extend_from_slice(text);
    }
    Ok(Value::Text(Text::from(out)))
}

/// What is allocated for a path, beside its bytes.
const COLLAPSED_BYTES: usize = 96;

fn collapse(machine: &mut Machine<'_>, value: Value, args: Given<'_>) -> Result<Value> {
    fn walk(
        machine: &mut Machine<'_>,
        prefix: &str,
        value: Value,
        has_empty: bool,
        out: &mut Vec<(String, Value)>,
    ) -> Result<()> {
        machine.budget().walk(value.own().total())?;
        let children: Vec<(String, Value)> = match &value {
            Value::Object(object) if !object.is_empty() => {
                object.iter().map(|(name, it)| (String::from_utf8_lossy(&name).into_owned(), it)).collect()
            }
            Value::Array(array) if !array.is_empty() => {
                array.iter().enumerate().map(|(idx, it)| (idx.to_string(), it)).collect()
            }
            Value::Object(_) | Value::Array(_) if !has_empty => return Ok(()),
            _ => {
                machine.budget().bytes(prefix.len() + COLLAPSED_BYTES)?;
                out.push((prefix.to_string(), value));
                return Ok(());
            }
        };
        for (name, it) in children {
            machine.budget().step()?;
            let path = if prefix.is_empty() { name } else { format!("{prefix}.{name}") };
            machine.budget().bytes(path.len() + COLLAPSED_BYTES)?;
            walk(machine, &path, it, has_empty, out)?;
        }
        Ok(())
    }
    if !matches!(value, Value::Array(_) | Value::Object(_)) {
        return Err(Error::new("not an object or array"));
    }
    let mut out = Vec::new();
    let is_empty = matches!(&value, Value::Array(it) if it.is_empty())
        || matches!(&value, Value::Object(it) if it.is_empty());
    if !is_empty || args.flag(0) {
        walk(machine, "", value, args.flag(0), &mut out)?;
    }
    Ok(Value::object(out)?)
}

fn explode(args: Given<'_>) -> Result<PreparedMethod> {
    let text = args.text(0).into_owned();
    let path = Path::of_dots(&text);
    Ok(Box::new(move |machine, value| {
        let object = object(value)?;
        let target = path.get(&Value::Object(object.clone()), machine.budget())?;
        let rest = without(&object, std::slice::from_ref(&path), machine.budget())?;
        let mut with = |it: Value| -> Result<Value> {
            machine.budget().step()?;
            let mut one = Value::Object(rest.clone());
            // As in Bento, what does not fit there is left out.
            match path.set(&mut one, it, machine.budget()) {
                Err(err) if machine.budget().has_refused() => Err(err),
                _ => Ok(one),
            }
        };
        match target {
            Value::Array(array) => {
                let values: Result<Vec<Value>> = array.iter().map(&mut with).collect();
                Ok(Value::array(values?)?)
            }
            Value::Object(object) => {
                let pairs: Result<Vec<(Text, Value)>> =
                    object.iter().map(|(name, it)| Ok((name, with(it)?))).collect();
                Ok(Value::object(pairs?)?)
            }
            other => {
                let kind = Type::of(&other);
                Err(Error::new(format!("expected array or object value at path '{text}', found: {kind}")))
            }
        }
    }))
}

fn paths_of(args: Given<'_>) -> Result<Vec<Path>> {
    let mut paths = Vec::with_capacity(args.len());
    for (idx, it) in args.values().enumerate() {
        let text = convert::text(it).map_err(|err| err.within(format!("argument {idx}")))?;
        paths.push(Path::of_dots(&String::from_utf8_lossy(&text)));
    }
    Ok(paths)
}

const QUERY: &[Param] = &[Param::query("query", "A query, evaluated on each element.")];
const TEST: &[Param] = &[Param::query("test", "A query, evaluated on each element.")];
const VALUE: &[Param] = &[Param::any("value", "The value.")];

pub(super) const METHODS: &[Method] = &[
    new("all", "Whether a query is true of all elements of a list. Of an empty one it is not.", MethodBody::Query(all))
        .params(TEST)
        .examples(&[example("root = this.all(it -> it > 1)", &[("[2,3]", "true"), ("[1,2]", "false"), ("[]", "false")])]),
    new("any", "Whether a query is true of one element of a list at least.", MethodBody::Query(any))
        .params(TEST)
        .examples(&[example("root = this.any(it -> it > 1)", &[("[1,2]", "true"), ("[]", "false")])]),
    new(
        "collapse",
        "An object of all values that hold nothing else, under their whole paths. Empty lists and objects are left out.",
        MethodBody::Counted(collapse),
    )
    .params(&[Param::flag("include_empty", "Whether empty lists and objects are kept.").or(Constant::Bool(false))])
    .examples(&[
        example("root = this.collapse()", &[(r#"{"a":[{"b":1},{}],"c.d":2}"#, r#"{"a.0.b":1,"c.d":2}"#)]),
        example("root = this.collapse(true)", &[(r#"{"a":[{}]}"#, r#"{"a.0":{}}"#)]),
    ]),
    new("enumerated", "The list with each element as an object of its place, `index`, and itself, `value`.", MethodBody::Counted(
        |machine, value, _| {
            let object = |(idx, it): (usize, Value)| {
                Ok(Value::object([("index", Value::Int(idx as i64)), ("value", it)])?)
            };
            let array = array(value)?;
            machine.budget().containers(array.len(), 2)?;
            let values: Result<Vec<Value>> = array.iter().enumerate().map(object).collect();
            Ok(Value::array(values?)?)
        },
    ))
    .elements()
    .examples(&[example("root = this.enumerated()", &[(r#"["a"]"#, r#"[{"index":0,"value":"a"}]"#)])]),
    new(
        "explode",
        "One document for each element of a list in it, or each value of an object in it, which takes the place of the list.",
        MethodBody::Prepared(explode),
    )
    .elements()
    .params(&[Param::text("path", "Where the list or object is.")])
    .examples(&[example(
        r#"root = this.explode("a")"#,
        &[(r#"{"a":[1,2],"b":0}"#, r#"[{"a":1,"b":0},{"a":2,"b":0}]"#), (r#"{"a":{"x":1}}"#, r#"{"x":{"a":1}}"#)],
    )]),
    new(
        "filter",
        "What of a list, or of an object, a query is true of. On objects the query sees `key` and `value`.",
        MethodBody::Query(filter),
    )
    .params(TEST)
    .examples(&[
        example("root = this.filter(it -> it > 1)", &[("[1,2,3]", "[2,3]")]),
        example(r#"root = this.filter(it -> it.key != "a")"#, &[(r#"{"a":1,"b":2}"#, r#"{"b":2}"#)]),
    ]),
    new("find", "The place of the first element that is equal to a value, or -1.", MethodBody::Value(|value, args| {
        let found = array(value)?.iter().position(|it| compare::is_equal(args.value(0), &it));
        Ok(Value::Int(found.map_or(-1, |it| it as i64)))
    }))
    .params(VALUE)
    .examples(&[example("root = this.find(2)", &[("[1,2,2]", "1"), ("[]", "-1")])]),
    new("find_all", "The places of all elements that are equal to a value.", MethodBody::Value(|value, args| {
        let array = array(value)?;
        let found = array.iter().enumerate().filter(|(_, it)| compare::is_equal(args.value(0), it));
        Ok(Value::array(found.map(|(idx, _)| Value::Int(idx as i64)))?)
    }))
    .params(VALUE)
    .examples(&[example("root = this.find_all(2)", &[("[1,2,2]", "[1,2]")])]),
    new("find_by", "The place of the first element that a query is true of, or -1.", MethodBody::Query(find_by))
        .params(QUERY)
        .examples(&[example("root = this.find_by(it -> it > 1)", &[("[1,2,3]", "1")])]),
    new("find_all_by", "The places of all elements that a query is true of.", MethodBody::Query(find_all_by))
        .params(QUERY)
        .examples(&[example("root = this.find_all_by(it -> it > 1)", &[("[1,2,3]", "[1,2]")])]),
    new("flatten", "The list with what is in lists in it in their place.", MethodBody::Counted(|machine, value, _| {
        let mut values = Vec::new();
        for it in array(value)?.iter() {
            match it {
                Value::Array(inner) => {
                    machine.budget().values(inner.len())?;
                    values.extend(inner.iter());
                }
                other => values.push(other),
            }
        }
        Ok(Value::array(values)?)
    }))
    .examples(&[example("root = this.flatten()", &[("[1,[2,[3]],[]]", "[1,2,[3]]")])]),
    new(
        "fold",
        "Goes through a list with a value that a query makes anew at each element: the query sees `tally`, what was made so \
         far, and `value`, the element.",
        MethodBody::Query(fold),
    )
    .params(&[Param::any("initial", "What `tally` is at the first element."), Param::query("query", "The query.")])
    .examples(&[example("root = this.fold(0, it -> it.tally + it.value)", &[("[1,2,3]", "6")])]),
    new("get", "What is at a path, or `null`.", MethodBody::Counted(|machine, value, args| {
        Path::of_dots(&args.text(0)).get(&value, machine.budget())
    }))
    .places()
    .params(&[Param::text("path", "A path, with points between its names.")])
    .examples(&[example(r#"root = this.get("a.b")"#, &[(r#"{"a":{"b":1}}"#, "1")])]),
    new("set", "The value with something set at a path, or deleted there.", MethodBody::Lazy(set))
        .params(&[
            Param::text("path", "A path, with points between its names."),
            Param::query("value", "What is set; `deleted()` deletes."),
        ])
        .examples(&[
            example(r#"root = this.set("a.b", 2)"#, &[(r#"{"a":1,"c":3}"#, r#"Error("failed assignment (line 1): encountered value collision whilst building path")"#), (
                r#"{"c":3}"#,
                r#"{"a":{"b":2},"c":3}"#,
            )]),
            example(r#"root = this.set("a", deleted())"#, &[(r#"{"a":1,"c":3}"#, r#"{"c":3}"#)]),
        ]),
    new("index", "The element at a place, which may count from the end: -1 is the last one.", MethodBody::Value(index))
        .places()
        .params(&[Param::int("index", "The place.")])
        .examples(&[example("root = this.index(-1)", &[("[1,2,3]", "3"), (
            "[]",
            r#"Error("failed assignment (line 1): field `this`: index '-1' was out of bounds for array size: 0")"#,
        )])]),
    new("join", "The texts of a list, one behind the other, with a delimiter between them.", MethodBody::Counted(joined))
        .params(&[Param::text("delimiter", "The delimiter.").optional()])
        .examples(&[example(r#"root = this.join("-")"#, &[(r#"["a","b"]"#, "a-b")])]),
    new("keys", "The names of an object, in order.", MethodBody::Value(|value, _| {
        Ok(Value::array(object(value)?.keys().map(Value::Text))?)
    }))
    .elements()
    .examples(&[example("root = this.keys()", &[(r#"{"b":1,"a":2}"#, r#"["a","b"]"#)])]),
    new("key_values", "The names and values of an object as a list of objects, in the order of the names.", MethodBody::Counted(
        |machine, value, _| {
            let object = object(value)?;
            machine.budget().containers(object.len(), 2)?;
            let pairs: Result<Vec<Value>> = object.iter().map(|(key, it)| pair(key, it)).collect();
            Ok(Value::array(pairs?)?)
        },
    ))
    .elements()
    .examples(&[example("root = this.key_values()", &[(r#"{"a":1}"#, r#"[{"key":"a","value":1}]"#)])]),
    new("values", "The values of an object, in the order of their names.", MethodBody::Value(|value, _| {
        Ok(Value::array(object(value)?.iter().map(|(_, it)| it))?)
    }))
    .elements()
    .examples(&[example("root = this.values()", &[(r#"{"b":1,"a":2}"#, "[2,1]")])]),
    new(
        "map_each",
        "The list, or object, with what a query makes of each element, or value. What is deleted is left out. On objects the \
         query sees `key` and `value`.",
        MethodBody::Query(map_each),
    )
    .params(QUERY)
    .examples(&[
        example("root = this.map_each(it -> it * 2)", &[("[1,2]", "[2,4]")]),
        example("root = this.map_each(it -> it.value + 1)", &[(r#"{"a":1}"#, r#"{"a":2}"#)]),
    ]),
    new("map_each_key", "The object with what a query makes of each name.", MethodBody::Query(map_each_key))
        .params(&[Param::query("query", "A query, evaluated on each name.")])
        .examples(&[example("root = this.map_each_key(it -> it.uppercase())", &[(r#"{"a":1}"#, r#"{"A":1}"#)])]),
    new("sort", "The list in order: numbers or texts, or as a query says that sees `left` and `right`.", MethodBody::Query(sort))
        .named_of_type()
        .params(&[Param::query("compare", "Whether `left` comes before `right`.").optional()])
        .examples(&[
            example("root = this.sort()", &[("[3,1,2]", "[1,2,3]"), (r#"["b","a"]"#, r#"["a","b"]"#)]),
            example("root = this.sort(it -> it.left > it.right)", &[("[3,1,2]", "[3,2,1]")]),
        ]),
    new("sort_by", "The list in the order of what a query makes of each element.", MethodBody::Query(sort_by))
        .named_of_type()
        .params(QUERY)
        .examples(&[example(
            "root = this.sort_by(it -> it.n)",
            &[(r#"[{"n":2},{"n":1}]"#, r#"[{"n":1},{"n":2}]"#)],
        )]),
    new("sum", "The sum of a list of numbers.", MethodBody::Value(sum))
        .elements()
        .named_of_type()
        .examples(&[example("root = this.sum()", &[("[1,2.5]", "3.5"), ("[]", "0")])]),
    new("unique", "The list without elements that came before: texts and numbers.", MethodBody::Query(unique))
        .params(&[Param::query("emit", "What is compared of each element.").optional()])
        .examples(&[example("root = this.unique()", &[(r#"["a","b","a",1,1.0]"#, r#"["a","b",1]"#)])]),
    new("with", "The object with nothing but these paths.", MethodBody::Prepared(|args| {
        let paths = paths_of(args)?;
        Ok(Box::new(move |machine, value| {
            let object = object(value)?;
            Ok(Value::Object(crate::value::path::with(&object, &paths, machine.budget())?))
        }))
    }))
    .places()
    .variadic()
    .unnamed()
    .examples(&[example(
        r#"root = this.with("a.b", "c")"#,
        &[(r#"{"a":{"b":1,"x":2},"c":3,"d":4}"#, r#"{"a":{"b":1},"c":3}"#)],
    )]),
    new("without", "The object without these paths.", MethodBody::Prepared(|args| {
        let paths = paths_of(args)?;
        Ok(Box::new(move |machine, value| {
            Ok(Value::Object(without(&object(value)?, &paths, machine.budget())?))
        }))
    }))
    .places()
    .variadic()
    .examples(&[example(
        r#"root = this.without("a.b", "c")"#,
        &[(r#"{"a":{"b":1,"x":2},"c":3,"d":4}"#, r#"{"a":{"x":2},"d":4}"#)],
    )]),
];

fn set(machine: &mut Machine<'_>, ctx: Context<'_>, target: &Expr, args: Given<'_>) -> Result<Evaluated> {
    let path = Path::of_dots(&args.text(0));
    // It is an argument like others, except that it may be one of the two words.
    let new = machine.evaluate(args.query(1), ctx).map_err(|err| of_arg(err, "method 'set'", "value"))?;
    let target = machine.evaluate(target, ctx)?;
    let is_value = matches!(target, Evaluated::Value(_));
    let mut value = target.into_value();
    match new {
        Evaluated::Deleted if is_value && value == Value::Null => return Err(Error::new("not an object")),
        new if !is_value && !matches!(new, Evaluated::Deleted) => {
            return Err(Error::new("encountered value collision whilst building path"));
        }
        Evaluated::Deleted => path.delete(&mut value, machine.budget())?.map_err(Error::new)?,
        new => path.set(&mut value, new.into_value(), machine.budget())?,
    }
    Ok(value.into())
}
