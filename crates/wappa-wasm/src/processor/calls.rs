//! Spans of the calls in which a guest had a message.

use std::{ops::Range, sync::Arc};

use wappa_component::{
    Context,
    tracer::{Attribute, SpanPlace, TOGETHER_MAX, traced, unix_ns},
};
use wappa_message::{Message, Span};

/// Tells of calls, where anything is traced.
pub(super) struct CallSpans {
    place: SpanPlace,
    function: Arc<str>,
}

/// The messages of a part that are traced, by index and in order.
pub(super) type Traced = Vec<(usize, Span)>;

impl CallSpans {
    pub(super) fn new(function: &str, ctx: &Context<'_>) -> Option<CallSpans> {
        Some(CallSpans { place: ctx.span_place("guest")?, function: function.into() })
    }

    /// Those of these messages that are traced.
    pub(super) fn of(messages: &[Message]) -> Traced {
        let of = |(idx, it): (usize, &Message)| Some((idx, traced(it)?.span.clone()?));
        messages.iter().enumerate().filter_map(of).take(TOGETHER_MAX).collect()
    }

    /// The guest, of the module with this digest, had these messages since then.
    pub(super) fn tell(&self, traced: &Traced, had: Range<usize>, began_ns: u64, digest: &Arc<str>) {
        let first = traced.partition_point(|(idx, _)| *idx < had.start);
        let ended_ns = unix_ns();
        let spans = traced[first..].iter().take_while(|(idx, _)| *idx < had.end).map(|(_, span)| {
            let mut attributes = vec![
                ("function", Attribute::Text(Arc::clone(&self.function))),
                ("module", Attribute::Text(Arc::clone(digest))),
            ];
            if let Some(n) = i64::try_from(had.len()).ok().filter(|it| 1 < *it) {
                attributes.push(("messages", Attribute::Int(n)));
            }
            self.place.child_since(span, began_ns).end(ended_ns, false, attributes)
        });
        self.place.give(spans.collect());
    }
}
