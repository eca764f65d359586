//! Functions that ask for the trace of a message.

use wappa_message::{Object, Value};

use crate::registry::{Category, Function, bound::FunctionBody, example};

const fn new(name: &'static str, description: &'static str, body: FunctionBody) -> Function {
    Function::new(name, Category::Message, description, body)
}

pub(super) const FUNCTIONS: &[Function] = &[
    new(
        "tracing_id",
        "The trace that the message belongs to, as 32 digits; zeros where it belongs to none, as in a config without a tracer. \
         Messages that are not sampled have one as well in a config that asks for it.",
        FunctionBody::Machine(|machine, ctx, _| {
            let context = machine.message(ctx).and_then(|it| it.context());
            let span = context.filter(|it| !it.is_linked).and_then(|it| it.span.as_ref());
            Ok(Value::text(span.map_or_else(|| "0".repeat(32), |it| it.trace())).into())
        }),
    )
    .examples(&[example("root = tracing_id()", &[("{}", "00000000000000000000000000000000")])]),
    new(
        "tracing_span",
        "The span of the message as an object of headers to be sent on: `traceparent`, and `tracestate` where others said \
         something; empty where the message has no span.",
        FunctionBody::Machine(|machine, ctx, _| {
            let context = machine.message(ctx).and_then(|it| it.context());
            let headers = match context.filter(|it| !it.is_linked).and_then(|it| it.span.as_ref()) {
                Some(span) => {
                    let state = span.state.as_ref().map(|it| ("tracestate", Value::text(&**it)));
                    let headers = [("traceparent", Value::text(span.parent()))].into_iter().chain(state);
                    Object::from_pairs(headers).unwrap_or_default()
                }
                None => Object::default(),
            };
            Ok(Value::Object(headers).into())
        }),
    )
    .examples(&[example(r#"root = tracing_span().traceparent.or("none")"#, &[("{}", "none")])]),
    new(
        "flow_id",
        "The name under which the way of the message is followed. Nothing follows messages here, so it is empty.",
        FunctionBody::Machine(|_, _, _| Ok(Value::text("").into())),
    )
    .examples(&[example("root.flow = flow_id()", &[("{}", r#"{"flow":""}"#)])]),
];
