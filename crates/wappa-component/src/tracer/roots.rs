//! Where traces begin, or enter this process: at an input.

use std::sync::{Arc, atomic::Ordering};

use wappa_message::{Context, Message, Span};

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
        let made = parcel.may_have_contexts().then(|| parcel.messages());
        let made = made.as_deref().filter(|it| it.iter().any(|it| it.context().is_some()));
        if made.is_none() && !keeps_ids && n_messages as u64 <= self.n_left_out {
            self.n_left_out -= n_messages as u64;
            return (parcel, Vec::new());
        }
        let (contexts, spans) = self.begin_each(made, n_messages, keeps_ids);
        (parcel.with_contexts(contexts), spans)
    }

    /// The contexts that messages are given, and the spans that are told of, by index and by origin.
    fn begin_each(
        &mut self,
        made: Option<&[Message]>,
        n_messages: usize,
        keeps_ids: bool,
    ) -> (Contexts, Vec<(u32, OpenSpan)>) {
        let began_ns = unix_ns();
        let (mut contexts, mut spans) = (Vec::new(), Vec::new());
        for idx in 0..n_messages {
            let message = made.and_then(|it| it.get(idx));
            let origin = message.map_or(idx as u32, Message::origin);
            let context = message.and_then(Message::context);
            let (span, link) = match context.and_then(|it| Some((it.span.as_ref()?, it.is_linked))) {
                Some((parent, false)) => (self.after(parent, began_ns), None),
                Some((other, true)) => {
                    (self.first(began_ns, keeps_ids), Some((other.trace_id, other.span_id)))
                }
                None => (self.first(began_ns, keeps_ids), None),
            };
            let began = match span {
                Begun::Nothing if link.is_none() => continue,
                Begun::Nothing => None,
                Begun::Unrecorded(span) => Some(span),
                Begun::Recorded(mut open) => {
                    if let Some(way) = context.and_then(|it| it.came_as) {
                        open.of = Arc::clone(&self.way(way).of);
                    }
                    open.link = link;
                    let span = open.span.clone();
                    spans.push((origin, open));
                    Some(span)
                }
            };
            let before = context.map(|it| Context::clone(it)).unwrap_or_default();
            contexts.push((idx, Arc::new(Context { span: began, is_linked: false, ..before })));
        }
        (contexts, spans)
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

    /// The first span of a trace.
    fn first(&mut self, began_ns: u64, keeps_ids: bool) -> Begun {
        let tracing = &self.place.tracing;
        match self.n_left_out.checked_sub(1) {
            Some(n) => {
                self.n_left_out = n;
                if keeps_ids { Begun::Unrecorded(tracing.unrecorded()) } else { Begun::Nothing }
            }
            None => {
                self.n_left_out = tracing.sampler.n_left_out(&tracing.ids);
                let (span, of) = (tracing.recorded(), Arc::clone(&self.place.of));
                Begun::Recorded(OpenSpan { span, parent_id: 0, of, began_ns, link: None, is_entry: false })
            }
        }
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

/// What messages are given, by index.
type Contexts = Vec<(usize, Arc<Context>)>;

/// What a message is given.
enum Begun {
    Nothing,
    Unrecorded(Span),
    Recorded(OpenSpan),
}
