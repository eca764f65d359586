//! Where traces begin, or enter this process: at an input.

use std::{
    ops::Range,
    sync::{Arc, atomic::Ordering},
};

use wappa_message::{Context, Span};

use super::{OpenSpan, SpanPlace, unix_ns};
use crate::Parcel;

/// Gives the messages of an input their spans.
#[derive(Debug)]
pub struct Roots {
    place: SpanPlace,
    /// The same for those that came in another way.
    ways: Vec<(&'static str, SpanPlace)>,
    /// So many messages are left out before the next one that is traced.
    n_left_out: u64,
}

impl Roots {
    /// For the input at this place.
    pub fn new(place: SpanPlace) -> Roots {
        let n_left_out = place.tracing.sampler.n_left_out(&place.tracing.ids);
        Roots { place, ways: Vec::new(), n_left_out }
    }

    /// The same parcel, in which those messages have a span that are traced, and these spans, by origin.
    pub fn begin(&mut self, parcel: Parcel) -> (Parcel, Vec<(u32, OpenSpan)>) {
        let n_messages = parcel.n_messages();
        let keeps_ids = self.place.tracing.keeps_ids.load(Ordering::Relaxed);
        let given = parcel.contexts();
        if given.is_empty() && !keeps_ids && n_messages as u64 <= self.n_left_out {
            self.n_left_out -= n_messages as u64;
            return (parcel, Vec::new());
        }
        let mut begun = BegunSpans { at_ns: unix_ns(), contexts: Vec::new(), spans: Vec::new() };
        let mut from = 0;
        for (idx, origin, context) in given {
            self.begin_between(&parcel, from..idx, keeps_ids, &mut begun);
            self.begin_within(&context, keeps_ids, (idx, origin), &mut begun);
            from = idx + 1;
        }
        self.begin_between(&parcel, from..n_messages, keeps_ids, &mut begun);
        (parcel.with_contexts(begun.contexts), begun.spans)
    }

    /// Of messages without a context only those are looked at that begin a trace.
    fn begin_between(
        &mut self,
        parcel: &Parcel,
        mut left: Range<usize>,
        keeps_ids: bool,
        begun: &mut BegunSpans,
    ) {
        loop {
            let n_left_out = usize::try_from(self.n_left_out).unwrap_or(usize::MAX).min(left.len());
            let idx = left.start + n_left_out;
            if keeps_ids {
                let unrecorded = |idx| (idx, context_of(self.place.tracing.unrecorded()));
                begun.contexts.extend((left.start..idx).map(unrecorded));
            }
            self.n_left_out -= n_left_out as u64;
            if idx == left.end {
                return;
            }
            let open = self.first(begun.at_ns);
            begun.contexts.push((idx, context_of(open.span.clone())));
            begun.spans.push((parcel.origin(idx), open));
            left.start = idx + 1;
        }
    }

    /// The span of a message that has a context.
    fn begin_within(
        &mut self,
        context: &Arc<Context>,
        keeps_ids: bool,
        (idx, origin): (usize, u32),
        begun: &mut BegunSpans,
    ) {
        let mut link = None;
        let mut span = match &context.span {
            Some(parent) if !context.is_linked => self.after(parent, begun.at_ns),
            other => {
                link = other.as_ref().map(|it| Box::new((it.trace_id, it.span_id)));
                self.next(begun.at_ns, keeps_ids)
            }
        };
        let own = match &mut span {
            Begun::Nothing if link.is_none() => return,
            Begun::Nothing => None,
            Begun::Unrecorded(span) => Some(span.clone()),
            Begun::Recorded(open) => {
                if let Some(way) = context.came_as {
                    open.of = self.way(way).of.clone();
                }
                open.link = link;
                Some(open.span.clone())
            }
        };
        if let Begun::Recorded(open) = span {
            begun.spans.push((origin, open));
        }
        let context = Context { span: own, is_linked: false, ..Context::clone(context) };
        begun.contexts.push((idx, Arc::new(context)));
    }

    /// A span in the trace that somebody else has begun.
    fn after(&self, parent: &Span, began_ns: u64) -> Begun {
        if self.place.tracing.sampler.records(parent) {
            let mut open = self.place.child_since(parent, began_ns);
            open.span.is_sampled = true;
            open.is_entry = true;
            return Begun::Recorded(open);
        }
        let mut span = self.place.tracing.below(parent);
        span.is_sampled = false;
        Begun::Unrecorded(span)
    }

    /// The first span of a trace, unless it is none that is traced.
    fn next(&mut self, began_ns: u64, keeps_ids: bool) -> Begun {
        match self.n_left_out.checked_sub(1) {
            Some(n) => {
                self.n_left_out = n;
                if keeps_ids { Begun::Unrecorded(self.place.tracing.unrecorded()) } else { Begun::Nothing }
            }
            None => Begun::Recorded(self.first(began_ns)),
        }
    }

    fn first(&mut self, began_ns: u64) -> OpenSpan {
        let tracing = &self.place.tracing;
        self.n_left_out = tracing.sampler.n_left_out(&tracing.ids);
        let (span, of) = (tracing.recorded(), self.place.of.clone());
        OpenSpan { span, parent_id: 0, of, began_ns, link: None, is_entry: false }
    }

    fn way(&mut self, came_as: &'static str) -> &SpanPlace {
        let idx = self.ways.iter().position(|(name, _)| *name == came_as).unwrap_or_else(|| {
            let name = format!("{}_{came_as}", self.place.of.name);
            self.ways.push((came_as, self.place.named(&name)));
            self.ways.len() - 1
        });
        &self.ways[idx].1
    }

    /// Where its spans are told of.
    pub fn place(&self) -> &SpanPlace {
        &self.place
    }
}

/// What the messages of a parcel are given.
struct BegunSpans {
    at_ns: u64,
    /// By index.
    contexts: Vec<(usize, Arc<Context>)>,
    /// What is told of, by origin.
    spans: Vec<(u32, OpenSpan)>,
}

fn context_of(span: Span) -> Arc<Context> {
    Arc::new(Context { span: Some(span), ..Context::default() })
}

/// What a message is given.
enum Begun {
    Nothing,
    Unrecorded(Span),
    Recorded(OpenSpan),
}
