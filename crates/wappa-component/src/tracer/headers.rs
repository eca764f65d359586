//! Spans in the headers of messages: taken from what an input reads, and put into what an output writes, as mappings of the
//! config say.

use std::{sync::Arc, time::Duration};

use wappa_message::{Context as MessageContext, Message, Object, Span, Value};
use wappa_spec::Mapping;

use super::Tracer;
use crate::{ConnectError, Context, Delivery, Input, Logger, Output, Parcel, ReadError, Step, Waits};

/// Puts around an input what the fields `extract_tracing_map` and `new_root_span_with_link` ask for: the mapping gives an
/// object of the headers that name the span to which the message belongs.
pub fn extracting(
    input: Box<dyn Input>,
    mapping: Option<Mapping>,
    new_root_span_with_link: Option<bool>,
    ctx: &Context<'_>,
) -> Box<dyn Input> {
    match mapping.filter(|it| it.program().is_some()) {
        None => input,
        Some(mapping) => {
            let is_linked = new_root_span_with_link.unwrap_or(false);
            Box::new(Extracting { input, mapping, is_linked, logger: ctx.logger() })
        }
    }
}

/// Puts around an output what the field `inject_tracing_map` asks for: the mapping puts the headers that name the span of a
/// message, which are `this`, into the message.
pub fn injecting(output: Box<dyn Output>, mapping: Option<Mapping>, ctx: &Context<'_>) -> Box<dyn Output> {
    match mapping.filter(|it| it.program().is_some()) {
        None => output,
        Some(mapping) => {
            let tracer = ctx.tracer();
            tracer.keep_ids();
            Box::new(Injecting { output, mapping, tracer, logger: ctx.logger() })
        }
    }
}

struct Extracting {
    input: Box<dyn Input>,
    mapping: Mapping,
    is_linked: bool,
    logger: Logger,
}

impl Extracting {
    /// The same parcel, in which messages have the spans that their headers name.
    fn extract(&self, parcel: Parcel) -> Parcel {
        let Some(program) = self.mapping.program() else { return parcel };
        let mut contexts = Vec::new();
        let mut failure = None;
        for (idx, message) in parcel.messages().iter().enumerate() {
            // Each by itself: messages that are read together come from many traces.
            let span = match program.value(&mut [message.clone()], 0) {
                Ok(Some(Value::Object(headers))) => span_of(&headers),
                Ok(_) => {
                    failure.get_or_insert_with(|| "expected an object".to_string());
                    None
                }
                Err(err) => {
                    failure.get_or_insert_with(|| err.to_string());
                    None
                }
            };
            if let Some(span) = span {
                let before = message.context().map(|it| MessageContext::clone(it)).unwrap_or_default();
                let context = MessageContext { span: Some(span), is_linked: self.is_linked, ..before };
                contexts.push((idx, Arc::new(context)));
            }
        }
        if let Some(failure) = failure {
            // At a stop it is no failure of what comes next.
            wappa_spec::take_interrupted();
            self.logger.failed(&format!("Mapping failed for tracing span: {failure}"));
        }
        parcel.with_contexts(contexts)
    }
}

/// The span that an object of headers names, whatever the case of their names.
fn span_of(headers: &Object) -> Option<Span> {
    let text = |name: &str| {
        let is_it = |key: &[u8]| key.eq_ignore_ascii_case(name.as_bytes());
        // Beside one that is written as it should be others are left over: metadata of a request, say.
        let any = || headers.iter().find(|(key, _)| is_it(key.as_slice())).map(|(_, value)| value);
        headers.get(name).or_else(any).map(|it| it.to_text())
    };
    Span::of_headers(&text("traceparent")?, text("tracestate").as_deref())
}

impl Input for Extracting {
    fn connect(&mut self, waits: &mut Waits) -> Result<(), ConnectError> {
        self.input.connect(waits)
    }

    fn read(&mut self, waits: &mut Waits, step: &mut Step<'_>) -> Result<Parcel, ReadError> {
        let parcel = self.input.read(waits, step)?;
        Ok(self.extract(parcel))
    }

    fn stop(&mut self) {
        self.input.stop();
    }

    fn restart(&mut self) -> bool {
        self.input.restart()
    }

    fn is_exhausted(&self) -> bool {
        self.input.is_exhausted()
    }

    fn auto_replay_nacks(&self) -> bool {
        self.input.auto_replay_nacks()
    }

    fn takes_back(&self) -> bool {
        self.input.takes_back()
    }

    fn close(&mut self) -> Result<(), String> {
        self.input.close()
    }
}

struct Injecting {
    output: Box<dyn Output>,
    mapping: Mapping,
    tracer: Tracer,
    logger: Logger,
}

impl Injecting {
    fn inject(&self, messages: &mut [Message]) {
        let Some(program) = self.mapping.program() else { return };
        for message in messages {
            let own = message.context().filter(|it| !it.is_linked).and_then(|it| it.span.clone());
            let span = own.or_else(|| self.tracer.unrecorded());
            let mut headers = Message::new("");
            headers.set_value(Value::Object(span.as_ref().map(headers_of).unwrap_or_default()));
            let mapped = program.map_onto(std::slice::from_mut(&mut headers), 0, message);
            match mapped {
                // A message that the mapping deletes goes out all the same, as in Bento.
                Ok(mapped) => _ = mapped.apply(message),
                Err(failure) => {
                    wappa_spec::take_interrupted();
                    self.logger.failed(&format!("Failed to inject span: {failure}"));
                }
            }
        }
    }
}

/// The headers that name a span.
fn headers_of(span: &Span) -> Object {
    let state = span.state.as_ref().map(|it| ("tracestate", Value::text(&**it)));
    let headers = [("traceparent", Value::text(span.parent()))].into_iter().chain(state);
    Object::from_pairs(headers).unwrap_or_default()
}

impl Output for Injecting {
    fn connect(&mut self) -> Result<(), ConnectError> {
        self.output.connect()
    }

    fn has_room(&self) -> bool {
        self.output.has_room()
    }

    fn write(&mut self, mut delivery: Delivery, step: &mut Step<'_>) {
        self.inject(delivery.part_mut().messages_mut());
        self.output.write(delivery, step);
    }

    fn resume(&mut self, step: &mut Step<'_>) {
        self.output.resume(step);
    }

    fn due(&self) -> Option<Duration> {
        self.output.due()
    }

    fn flush(&mut self, step: &mut Step<'_>) {
        self.output.flush(step);
    }

    fn close(&mut self) -> Result<(), String> {
        self.output.close()
    }
}
