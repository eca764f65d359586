//! Arguments: how those of a call become those that a function or a method sees, and what is wrong with them.

use std::borrow::Cow;

use wappa_message::{Time, Value};

use super::{Param, Params};
use crate::{
    error::{Error, Result},
    evaluate::{Context, Machine},
    lending::lend,
    program::Expr,
    value::{Evaluated, convert, types::Type},
};

/// The arguments of a call, one for each parameter.
#[derive(Debug, Default)]
pub(crate) struct Args {
    list: Vec<Arg>,
    /// Whether one of them has to be evaluated first.
    is_dynamic: bool,
    /// Whether a query finds its tally with the machine.
    lends: bool,
}

#[derive(Debug)]
enum Arg {
    /// It was left out.
    None,
    Value(Value),
    /// A parameter that takes a query.
    Query(Expr),
    /// A value that is evaluated at each call.
    Dynamic(Expr),
}

impl Args {
    /// Gives the arguments of a call their parameters, and checks what is known of them.
    pub(crate) fn bind(
        params: Params,
        given: Vec<(Option<&str>, Expr)>,
    ) -> std::result::Result<Args, String> {
        let n_named = given.iter().filter(|(name, _)| name.is_some()).count();
        for (idx, (name, _)) in given.iter().enumerate() {
            if let Some(name) = name
                && given[..idx].iter().any(|(it, _)| *it == Some(name))
            {
                return Err(format!("duplicate named arg: {name}"));
            }
        }
        if 0 < n_named && n_named < given.len() {
            return Err("cannot mix named and nameless arguments".to_string());
        }
        let list = match params {
            Params::Variadic if 0 < n_named => {
                return Err("named arguments are not supported".to_string());
            }
            Params::Variadic => given.into_iter().map(|(_, query)| of_any(query)).collect(),
            Params::Named(params) if 0 < n_named => of_names(params, given)?,
            Params::Named(params) => in_order(params, given)?,
        };
        if let Params::Named(params) = params {
            for (param, arg) in params.iter().zip(&list) {
                if param.is_fixed && matches!(arg, Arg::Dynamic(_)) {
                    return Err(format!("param {} must not be dynamic", param.name));
                }
            }
        }
        let is_dynamic = list.iter().any(|it| matches!(it, Arg::Dynamic(_)));
        Ok(Args { list, is_dynamic, lends: false })
    }

    /// The queries that are evaluated before the call.
    pub(crate) fn dynamic(&self) -> impl Iterator<Item = &Expr> {
        self.list.iter().filter_map(|it| match it {
            Arg::Dynamic(query) => Some(query),
            _ => None,
        })
    }

    /// The queries that the call itself evaluates.
    pub(crate) fn queries(&self) -> impl Iterator<Item = &Expr> {
        self.list.iter().filter_map(|it| match it {
            Arg::Query(query) => Some(query),
            _ => None,
        })
    }

    /// The same as [`Args::dynamic`], to be changed.
    pub(crate) fn dynamic_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut Expr> {
        self.list.iter_mut().filter_map(|it| match it {
            Arg::Dynamic(query) => Some(query),
            _ => None,
        })
    }

    /// The same as [`Args::queries`], to be changed.
    pub(crate) fn queries_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut Expr> {
        self.list.iter_mut().filter_map(|it| match it {
            Arg::Query(query) => Some(query),
            _ => None,
        })
    }

    /// Lends the query at this place its tally, if that can be.
    pub(crate) fn lend(&mut self, idx: usize) {
        if let Some(Arg::Query(query)) = self.list.get_mut(idx) {
            self.lends = lend(query);
        }
    }

    pub(crate) fn is_dynamic(&self) -> bool {
        self.is_dynamic
    }

    /// The same arguments, those that have to be evaluated evaluated; `call` is what is called.
    pub(crate) fn evaluate(
        &self,
        params: Params,
        machine: &mut Machine<'_>,
        ctx: Context<'_>,
        call: impl Fn() -> String,
    ) -> Result<Evaluations<'_>> {
        let mut n_dynamic = 0;
        let mut list = Vec::with_capacity(self.list.len());
        for (idx, arg) in self.list.iter().enumerate() {
            let Arg::Dynamic(query) = arg else {
                list.push(None);
                continue;
            };
            let param = match params {
                Params::Named(params) => Some(&params[idx]),
                Params::Variadic => None,
            };
            // One that has no name has the number of those that are evaluated.
            let number = n_dynamic;
            n_dynamic += 1;
            let value = machine.evaluate(query, ctx).and_then(|it| match param {
                Some(param) => checked(param.kind, it),
                None => Ok(it.into_value()),
            });
            list.push(Some(value.map_err(|err| match param {
                Some(param) => of_arg(err, call(), param.name),
                None => of_arg(err, call(), &number.to_string()),
            })?));
        }
        Ok(Evaluations { args: self, list })
    }

    /// All values, as they were given.
    pub(crate) fn fixed_text(&self, idx: usize) -> Option<Cow<'_, str>> {
        match self.list.get(idx)? {
            Arg::Value(Value::Text(text)) => Some(String::from_utf8_lossy(text)),
            _ => None,
        }
    }

    pub(crate) fn fixed_int(&self, idx: usize) -> Option<i64> {
        match self.list.get(idx)? {
            Arg::Value(Value::Int(it)) => Some(*it),
            _ => None,
        }
    }

    pub(crate) fn as_fixed(&self) -> Given<'_> {
        Given { args: self, evaluated: &[] }
    }
}

/// Arguments of which some were evaluated.
pub(crate) struct Evaluations<'a> {
    args: &'a Args,
    list: Vec<Option<Value>>,
}

impl Evaluations<'_> {
    pub(crate) fn given(&self) -> Given<'_> {
        Given { args: self.args, evaluated: &self.list }
    }
}

/// The arguments as a function or a method sees them. Each is asked for by its place, and is of the parameter's type.
#[derive(Clone, Copy)]
pub(crate) struct Given<'a> {
    args: &'a Args,
    evaluated: &'a [Option<Value>],
}

impl<'a> Given<'a> {
    /// How many there are.
    pub(crate) fn len(self) -> usize {
        self.args.list.len()
    }

    /// A value, if it was given.
    pub(crate) fn get(self, idx: usize) -> Option<&'a Value> {
        if let Some(Some(value)) = self.evaluated.get(idx) {
            return Some(value);
        }
        match self.args.list.get(idx)? {
            Arg::Value(value) => Some(value),
            _ => None,
        }
    }

    /// All values that were given.
    pub(crate) fn given(self) -> impl Iterator<Item = &'a Value> {
        (0..self.len()).filter_map(move |idx| self.get(idx))
    }

    /// All values.
    pub(crate) fn values(self) -> impl Iterator<Item = &'a Value> {
        (0..self.len()).map(move |idx| self.value(idx))
    }

    pub(crate) fn value(self, idx: usize) -> &'a Value {
        self.get(idx).unwrap_or(&Value::Null)
    }

    /// A text: any bytes.
    pub(crate) fn bytes(self, idx: usize) -> &'a [u8] {
        self.opt_bytes(idx).unwrap_or_default()
    }

    pub(crate) fn opt_bytes(self, idx: usize) -> Option<&'a [u8]> {
        match self.get(idx)? {
            Value::Text(text) => Some(text),
            Value::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// A text as characters.
    pub(crate) fn text(self, idx: usize) -> Cow<'a, str> {
        String::from_utf8_lossy(self.bytes(idx))
    }

    pub(crate) fn opt_text(self, idx: usize) -> Option<Cow<'a, str>> {
        self.opt_bytes(idx).map(String::from_utf8_lossy)
    }

    pub(crate) fn int(self, idx: usize) -> i64 {
        self.opt_int(idx).unwrap_or_default()
    }

    pub(crate) fn opt_int(self, idx: usize) -> Option<i64> {
        match self.get(idx)? {
            Value::Int(it) => Some(*it),
            _ => None,
        }
    }

    pub(crate) fn float(self, idx: usize) -> f64 {
        self.opt_float(idx).unwrap_or_default()
    }

    pub(crate) fn opt_float(self, idx: usize) -> Option<f64> {
        convert::number_of(self.get(idx)?)
    }

    pub(crate) fn flag(self, idx: usize) -> bool {
        self.opt_flag(idx).unwrap_or_default()
    }

    pub(crate) fn opt_flag(self, idx: usize) -> Option<bool> {
        match self.get(idx)? {
            Value::Bool(it) => Some(*it),
            _ => None,
        }
    }

    pub(crate) fn time(self, idx: usize) -> Option<&'a Time> {
        match self.get(idx)? {
            Value::Time(it) => Some(it),
            _ => None,
        }
    }

    /// Whether a query finds its tally with the machine.
    pub(crate) fn lends(self) -> bool {
        self.args.lends
    }

    /// A query.
    pub(crate) fn query(self, idx: usize) -> &'a Expr {
        match self.args.list.get(idx) {
            Some(Arg::Query(query)) => query,
            _ => unreachable!("the parameter takes a query and is needed"),
        }
    }

    pub(crate) fn opt_query(self, idx: usize) -> Option<&'a Expr> {
        match self.args.list.get(idx)? {
            Arg::Query(query) => Some(query),
            _ => None,
        }
    }
}

/// The error of an argument that is evaluated at the call.
#[cold]
pub(crate) fn of_arg(err: Error, call: impl Into<Cow<'static, str>>, name: &str) -> Error {
    err.within(format!("failed to extract input arg '{name}'")).within(call.into())
}

/// What a parameter of this kind makes of a value.
fn checked(kind: Type, given: Evaluated) -> Result<Value> {
    let value = match given {
        Evaluated::Value(value) => value,
        other if kind == Type::Unknown => return Ok(other.into_value()),
        other => {
            return Err(match kind {
                Type::Integer | Type::Float | Type::Number => Error::of_evaluated(&other, &[Type::Number]),
                Type::Bool => Error::of_evaluated(&other, &[Type::Bool]),
                Type::Timestamp => Error::of_evaluated(&other, &[Type::Number, Type::String]),
                kind => wrong(kind, Type::of_evaluated(&other)),
            });
        }
    };
    match kind {
        Type::Integer => convert::int(&value).map(Value::Int),
        Type::Float | Type::Number => convert::number(&value).map(Value::Float),
        Type::Bool => convert::truth(&value).map(Value::Bool),
        Type::Timestamp => convert::timestamp(&value).map(Value::Time),
        Type::String => match value {
            Value::Text(_) => Ok(value),
            Value::Bytes(bytes) => Ok(Value::Text(bytes.to_bytes().into())),
            other => Err(wrong(kind, Type::of(&other))),
        },
        Type::Array | Type::Object if Type::of(&value) != kind => Err(wrong(kind, Type::of(&value))),
        _ => Ok(value),
    }
}

#[cold]
fn wrong(kind: Type, actual: Type) -> Error {
    Error::new(format!("wrong argument type, expected {kind}, got {actual}"))
}

fn of_any(query: Expr) -> Arg {
    match query.as_literal() {
        Some(value) => Arg::Value(value.clone().into_value()),
        None => Arg::Dynamic(query),
    }
}

fn bind(param: &Param, query: Expr) -> std::result::Result<Arg, String> {
    if param.kind == Type::Query {
        return Ok(Arg::Query(query));
    }
    match query.as_literal() {
        Some(value) => match checked(param.kind, value.clone()) {
            Ok(value) => Ok(Arg::Value(value)),
            Err(err) => Err(format!("field {}: {err}", param.name)),
        },
        None => Ok(Arg::Dynamic(query)),
    }
}

fn left_out(param: &Param) -> Option<Arg> {
    match (param.default, param.is_optional) {
        (Some(default), _) if param.kind == Type::Query => {
            Some(Arg::Query(Expr::literal(default.to_value())))
        }
        (Some(default), _) => Some(Arg::Value(default.to_value())),
        (None, true) => Some(Arg::None),
        (None, false) => None,
    }
}

fn missing(names: &[&str]) -> std::result::Result<(), String> {
    match names {
        [] => Ok(()),
        [name] => Err(format!("missing parameter: {name}")),
        names => Err(format!("missing parameters: {}", names.join(", "))),
    }
}

fn in_order(
    params: &'static [Param],
    given: Vec<(Option<&str>, Expr)>,
) -> std::result::Result<Vec<Arg>, String> {
    if params.len() < given.len() {
        return Err(format!("wrong number of arguments, expected {}, got {}", params.len(), given.len()));
    }
    let mut given = given.into_iter();
    let mut list = Vec::with_capacity(params.len());
    let mut names = Vec::new();
    for param in params {
        match given.next() {
            Some((_, query)) => list.push(bind(param, query)?),
            None => match left_out(param) {
                Some(arg) => list.push(arg),
                None => names.push(param.name),
            },
        }
    }
    missing(&names)?;
    Ok(list)
}

fn of_names(
    params: &'static [Param],
    mut given: Vec<(Option<&str>, Expr)>,
) -> std::result::Result<Vec<Arg>, String> {
    let mut list = Vec::with_capacity(params.len());
    let mut names = Vec::new();
    for param in params {
        match given.iter().position(|(name, _)| *name == Some(param.name)) {
            Some(idx) => list.push(bind(param, given.remove(idx).1)?),
            None => match left_out(param) {
                Some(arg) => list.push(arg),
                None => names.push(param.name),
            },
        }
    }
    let mut unknown: Vec<&str> = given.iter().filter_map(|(name, _)| *name).collect();
    unknown.sort_unstable();
    if !unknown.is_empty() {
        let hint = match names.as_slice() {
            [] => String::new(),
            [name] => format!(", did you mean {name}?"),
            names => format!(", expected {}", names.join(", ")),
        };
        let word = if unknown.len() == 1 { "parameter" } else { "parameters" };
        return Err(format!("unknown {word} {}{hint}", unknown.join(", ")));
    }
    missing(&names)?;
    Ok(list)
}
