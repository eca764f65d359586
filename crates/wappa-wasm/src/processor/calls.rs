//! Spans of the calls in which a guest had a message.

use std::{
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
};

use wappa_component::{
    Context, Part,
    tracer::{SpanPlace, traced_of, unix_ns},
};
use wappa_message::Span;

/// Tells of calls, where anything is traced.
pub(super) struct CallSpans {
    place: SpanPlace,
    /// The version of the module that was called last, and where its spans are told of.
    version: Mutex<Option<(u64, SpanPlace)>>,
}

/// The messages of a part that are traced, by index and in order.
pub(super) type Traced = Vec<(usize, Span)>;

impl CallSpans {
    pub(super) fn new(function: &str, ctx: &Context<'_>) -> Option<CallSpans> {
        let place = ctx.span_place("guest")?.saying([("function", function.into())]);
        Some(CallSpans { place, version: Mutex::new(None) })
    }

    /// Those messages of a part that are traced.
    pub(super) fn of(part: &Part) -> Traced {
        traced_of(part).into_iter().map(|(idx, _, span)| (idx, span.clone())).collect()
    }

    /// The guest, of this version of the module, had these messages since then.
    pub(super) fn tell(
        &self,
        traced: &Traced,
        had: Range<usize>,
        began_ns: u64,
        version: (u64, impl FnOnce() -> Arc<str>),
    ) {
        let first = traced.partition_point(|(idx, _)| *idx < had.start);
        let n_traced = traced[first..].partition_point(|(idx, _)| *idx < had.end);
        if n_traced == 0 {
            return;
        }
        let ended_ns = unix_ns();
        let place = self.place_of(version);
        let tell =
            |(_, span): &(usize, Span)| place.child_since(span, began_ns).end(ended_ns, false, had.len());
        place.give(traced[first..first + n_traced].iter().map(tell).collect());
    }

    /// Where spans of a version are told of, which has this digest.
    fn place_of(&self, (version, digest): (u64, impl FnOnce() -> Arc<str>)) -> SpanPlace {
        let mut last = self.version.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, place)) = last.as_ref().filter(|(it, _)| *it == version) {
            return place.clone();
        }
        let place = self.place.saying([("module", Box::from(&*digest()))]);
        *last = Some((version, place.clone()));
        place
    }
}
