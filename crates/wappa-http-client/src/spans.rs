//! Spans of requests, and the headers that tell a server of them.

use http::{HeaderMap, HeaderValue};
use wappa_component::{
    Context, Tracer,
    tracer::{OpenSpan, SpanPlace, traced, unix_ns},
};
use wappa_message::{Message, Span};

/// What the requests of a component tell of themselves.
pub(crate) struct Requests {
    tracer: Tracer,
    place: Option<SpanPlace>,
}

/// A request that is under way, again and again if need be.
pub(crate) struct UnderWay<'a> {
    place: &'a SpanPlace,
    spans: Vec<OpenSpan>,
    /// What the server is told.
    span: Option<Span>,
}

impl Requests {
    /// Of what makes requests of messages.
    pub(crate) fn new(ctx: &Context<'_>) -> Requests {
        Requests { tracer: ctx.tracer(), place: ctx.span_place("http_request") }
    }

    /// The request of these messages begins; `None`: nothing is traced.
    pub(crate) fn begin(&self, batch: &[Message]) -> Option<UnderWay<'_>> {
        let place = self.place.as_ref()?;
        let of = |it: &Message| Some(place.child(traced(it)?.span.as_ref()?));
        let spans: Vec<OpenSpan> = batch.iter().filter_map(of).collect();
        let own = || batch.first()?.context().filter(|it| !it.is_linked)?.span.clone();
        let span = spans.first().map(|it| it.span.clone()).or_else(own).or_else(|| self.tracer.unrecorded());
        Some(UnderWay { place, spans, span })
    }
}

impl UnderWay<'_> {
    /// Tells the server, unless the config tells it something itself.
    pub(crate) fn tell(&self, headers: &mut HeaderMap) {
        let Some(span) = self.span.as_ref().filter(|_| !headers.contains_key("traceparent")) else { return };
        if let Ok(value) = HeaderValue::try_from(span.parent()) {
            headers.insert("traceparent", value);
        }
        let state = span.state.as_deref().and_then(|it| HeaderValue::try_from(it).ok());
        state.into_iter().for_each(|it| _ = headers.insert("tracestate", it));
    }

    /// An answer has begun, or none will come.
    pub(crate) fn end(self, is_failed: bool) {
        if !self.spans.is_empty() {
            let ended_ns = unix_ns();
            self.place.give(self.spans.into_iter().map(|it| it.end(ended_ns, is_failed, 1)).collect());
        }
    }
}
