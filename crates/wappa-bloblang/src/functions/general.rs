//! Functions that make something of nothing but their arguments.

use wappa_message::Value;

use crate::{
    environment::Environment,
    error::{Error, Result},
    evaluate::{Context, Machine},
    registry::{
        Category, Constant, Function, Param, Status,
        args::Given,
        bound::{FunctionBody, PreparedFunction, State},
        example,
    },
    value::{Evaluated, convert},
};

const fn new(name: &'static str, description: &'static str, body: FunctionBody) -> Function {
    Function::new(name, Category::General, description, body)
}

pub(super) const FUNCTIONS: &[Function] = &[
    new(
        "count",
        "Counts from 1 on, one more at each call; what has the same name counts together, in all mappings.",
        FunctionBody::Prepared(count),
    )
    .params(&[Param::text("name", "What is counted.")])
    .status(Status::Deprecated)
    .impure()
    .examples(&[example(r#"root.id = count("example of count")"#, &[("{}", r#"{"id":1}"#)])]),
    new(
        "counter",
        "Counts from `min` up to `max` and begins again, one more at each call. Each place in a mapping counts by itself; the \
         messages of all threads count together.",
        FunctionBody::Stateful(|_| Ok(()), counter),
    )
    .params(&[
        Param::query("min", "The first number.").or(Constant::Int(1)),
        Param::query("max", "The last number.").or(Constant::Int(i64::MAX)),
        Param::query(
            "set",
            "A query that may set the counter: a number is what it is then, `null` leaves it as it is and does not count, and \
             `deleted()` begins again.",
        )
        .optional(),
    ])
    .examples(&[
        example("root.id = counter()", &[("{}", r#"{"id":1}"#), ("{}", r#"{"id":2}"#)]),
        example("root.id = counter(min: 5, max: 6)", &[
            ("{}", r#"{"id":5}"#),
            ("{}", r#"{"id":6}"#),
            ("{}", r#"{"id":5}"#),
        ]),
    ]),
    new(
        "deleted",
        "Says that the target is deleted: a field, an element, or the message, which is then filtered.",
        FunctionBody::Deleted,
    )
    .examples(&[
        example("root = this\nroot.a = deleted()", &[(r#"{"a":1,"b":2}"#, r#"{"b":2}"#)]),
        example("root = this.map_each(it -> if it < 2 { deleted() } else { it })", &[("[1,2,3]", "[2,3]")]),
    ]),
    new("nothing", "Says that the target stays as it is.", FunctionBody::Nothing)
        .status(Status::Hidden)
        .examples(&[example("root.a = 1\nroot.a = nothing()", &[("{}", r#"{"a":1}"#)])]),
    new("pi", "The number pi.", FunctionBody::Machine(|_, _, _| Ok(Value::Float(std::f64::consts::PI).into())))
        .examples(&[example("root.pi = pi()", &[("{}", r#"{"pi":3.141592653589793}"#)])]),
    new(
        "range",
        "A list of whole numbers from `start` up to `stop`, which is not in it.",
        FunctionBody::Prepared(range),
    )
    .params(&[
        Param::int("start", "The first number."),
        Param::int("stop", "The number before which the list ends."),
        Param::int("step", "How far one number is from the next; below zero the list goes down.")
            .or(Constant::Int(1)),
    ])
    .examples(&[
        example("root = range(0, 4)", &[("{}", "[0,1,2,3]")]),
        example("root = range(start: 5, stop: 0, step: -2)", &[("{}", "[5,3]")]),
    ]),
    new("throw", "Fails with this text.", FunctionBody::Machine(|_, _, args| {
        Err(Error::new(args.text(0).into_owned()))
    }))
    .params(&[Param::text("why", "Why.")])
    .examples(&[example(
        r#"root = if this.a == null { throw("there is no a") } else { this.a }"#,
        &[(r#"{"a":1}"#, "1"), ("{}", r#"Error("failed assignment (line 1): there is no a")"#)],
    )]),
    new("var", "The value of a variable.", FunctionBody::Machine(|_, _, args| {
        Err(Error::new(format!("variable '{}' undefined", args.text(0))))
    }))
    .params(&[Param::text("name", "The name of the variable.").fixed()])
    .status(Status::Hidden)
    .examples(&[example("let a = 5\nroot.a = var(\"a\")", &[("{}", r#"{"a":5}"#)])]),
];

fn count(args: Given<'_>, environment: &Environment) -> Result<PreparedFunction> {
    let (name, environment) = (args.bytes(0).to_vec(), environment.clone());
    Ok(Box::new(move |_, _| Ok(Value::Int(environment.count(&name).map_err(Error::new)?).into())))
}

/// How many numbers a range has whose list is kept.
const KEPT_LEN_MAX: u64 = 1024;

fn range(args: Given<'_>, _: &Environment) -> Result<PreparedFunction> {
    let (start, stop, step) = (args.int(0), args.int(1), args.int(2));
    if step == 0 {
        return Err(Error::new("step must be greater than or less than 0"));
    }
    if step < 0 && start < stop {
        return Err(Error::new(format!("with negative step arg stop ({stop}) must be <= start ({start})")));
    }
    if 0 < step && stop <= start {
        return Err(Error::new(format!("with positive step arg start ({start}) must be < stop ({stop})")));
    }
    // As in Bento, whose list is as long as the step goes into the distance, what is left over not counted.
    let n = stop.abs_diff(start) / step.unsigned_abs();
    let numbers =
        move || (0..n as i64).map(move |idx| Value::Int(start.wrapping_add(step.wrapping_mul(idx))));
    if n <= KEPT_LEN_MAX {
        let list = Value::array(numbers())?;
        return Ok(Box::new(move |machine, _| {
            machine.budget().values(n as usize)?;
            Ok(list.clone().into())
        }));
    }
    Ok(Box::new(move |machine, _| {
        machine.budget().values(usize::try_from(n).unwrap_or(usize::MAX))?;
        Ok(Value::array(numbers())?.into())
    }))
}

fn counter(machine: &mut Machine<'_>, ctx: Context<'_>, args: Given<'_>, state: &State) -> Result<Evaluated> {
    let lock = || state.lock().unwrap_or_else(|err| err.into_inner());
    // Queries may come by here again, so nothing is locked while one is evaluated.
    if lock().is_none() {
        let mut bound = |idx: usize, name: &str| {
            let value = machine.evaluate(args.query(idx), ctx)?.into_value();
            convert::int(&value).map_err(|err| err.within(format!("failed to resolve {name} argument")))
        };
        let (min, max) = (bound(0, "min")?, bound(1, "max")?);
        if min < 0 {
            return Err(Error::new(format!("min argument must be >0, got {min}")));
        }
        if max <= min {
            return Err(Error::new(format!("max argument must be >0 and >min, got {max}")));
        }
        lock().get_or_insert([min, max, min - 1]);
    }
    let set = args.opt_query(2).map(|set| machine.evaluate(set, ctx)).transpose();
    let set = set.map_err(|err| err.within("failed to resolve set argument"))?;
    let mut state = lock();
    let [min, max, at] = state.as_mut().expect("it was begun");
    match set {
        Some(Evaluated::Value(Value::Null)) => return Ok(Value::Int(*at).into()),
        Some(Evaluated::Value(value)) => {
            *at = convert::int(&value).map_err(|err| err.within("failed to resolve set argument"))?;
            return Ok(Value::Int(*at).into());
        }
        Some(Evaluated::Deleted) => *at = *min - 1,
        Some(Evaluated::Nothing) | None => (),
    }
    let count = at.wrapping_add(1);
    *at = if count < *max { count } else { *min - 1 };
    Ok(Value::Int(count).into())
}
