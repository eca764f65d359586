//! What functions and methods do, and what they prepare of arguments that are known when a mapping is read.

use std::{fmt, sync::Mutex};

use wappa_message::Value;

use super::args::Given;
use crate::{
    environment::Environment,
    error::Result,
    evaluate::{Context, Machine},
    program::Expr,
    value::Evaluated,
};

/// What a method prepared of its arguments.
pub(crate) type PreparedMethod =
    Box<dyn for<'a, 'b> Fn(&'a mut Machine<'b>, Value) -> Result<Value> + Send + Sync>;

/// What a function prepared of its arguments.
pub(crate) type PreparedFunction =
    Box<dyn for<'a, 'b, 'c> Fn(&'a mut Machine<'b>, Context<'c>) -> Result<Evaluated> + Send + Sync>;

/// What a method does. What fails is said to come from the target, but for [`MethodBody::Lazy`].
#[derive(Clone, Copy)]
pub(crate) enum MethodBody {
    /// Makes a value of a value, in no more memory than a few times both.
    Value(fn(Value, Given<'_>) -> Result<Value>),
    /// The same, where it may make more and charges that before.
    Counted(fn(&mut Machine<'_>, Value, Given<'_>) -> Result<Value>),
    /// Evaluates queries on what is in the value.
    Query(fn(&mut Machine<'_>, Context<'_>, Value, Given<'_>) -> Result<Value>),
    /// Prepares something of the arguments first: once, where they are known.
    Prepared(fn(Given<'_>) -> Result<PreparedMethod>),
    /// The same, once, of something outside, such as a file; its arguments are known when the mapping is read.
    World(fn(Given<'_>, &Environment) -> Result<PreparedMethod>),
    /// Evaluates the target itself, or not at all.
    Lazy(fn(&mut Machine<'_>, Context<'_>, &Expr, Given<'_>) -> Result<Evaluated>),
}

/// What a function does.
#[derive(Clone, Copy)]
pub(crate) enum FunctionBody {
    /// Gives a value for arguments and the message.
    Machine(fn(&mut Machine<'_>, Context<'_>, Given<'_>) -> Result<Evaluated>),
    /// Prepares something of the arguments first: once, where they are known.
    Prepared(fn(Given<'_>, &Environment) -> Result<PreparedFunction>),
    /// Keeps something from one call to the next, for this place in a mapping. It is checked when the mapping is read.
    Stateful(
        fn(Given<'_>) -> Result<()>,
        fn(&mut Machine<'_>, Context<'_>, Given<'_>, &State) -> Result<Evaluated>,
    ),
    /// The word that deletes.
    Deleted,
    /// The word that changes nothing.
    Nothing,
}

/// What a function keeps from one call to the next: some numbers, once the first call has found them.
pub(crate) type State = Mutex<Option<[i64; 3]>>;

/// What was prepared for one call in a mapping.
pub(crate) enum BoundMethod {
    Prepared(PreparedMethod),
    /// At each call, or nothing.
    AtCall,
}

/// What was prepared for one call in a mapping.
pub(crate) enum BoundFunction {
    Prepared(PreparedFunction),
    Stateful(State),
    /// At each call, in this environment; or nothing.
    AtCall(Option<Environment>),
}

macro_rules! opaque {
    ($($name:ident),*) => {
        $(impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($name))
            }
        })*
    };
}

opaque!(MethodBody, FunctionBody, BoundMethod, BoundFunction);
