//! Functions that ask for the trace of a message. Wappa traces nothing, so they give what Bento gives without a tracer.

use wappa_message::{Object, Value};

use crate::registry::{Category, Function, bound::FunctionBody, example};

const fn new(name: &'static str, description: &'static str, body: FunctionBody) -> Function {
    Function::new(name, Category::Message, description, body)
}

pub(super) const FUNCTIONS: &[Function] = &[
    new(
        "tracing_id",
        "The trace that the message belongs to. Wappa has no tracers, so it is the one of nothing: 32 zeros.",
        FunctionBody::Machine(|_, _, _| Ok(Value::text("0".repeat(32)).into())),
    )
    .examples(&[example("root = tracing_id()", &[("{}", "00000000000000000000000000000000")])]),
    new(
        "tracing_span",
        "The span of the message, as an object to be sent on. Wappa has no tracers, so it is empty.",
        FunctionBody::Machine(|_, _, _| Ok(Value::Object(Object::default()).into())),
    )
    .examples(&[example(r#"root = tracing_span().traceparent.or("none")"#, &[("{}", "none")])]),
    new(
        "flow_id",
        "The name under which the way of the message is followed. Nothing follows messages here, so it is empty.",
        FunctionBody::Machine(|_, _, _| Ok(Value::text("").into())),
    )
    .examples(&[example("root.flow = flow_id()", &[("{}", r#"{"flow":""}"#)])]),
];
