//! Spans of components, around them: an input's from the read to the answer, a processor's, an output's.
//!
//! In a stream without a tracer there are none of these. In one with a tracer, a part is looked through once for messages that
//! are traced, which of ranges of a buffer is a look at a short list, and what is more is done for these alone.

use std::{
    collections::HashSet,
    ptr,
    sync::{Arc, Mutex, PoisonError},
};

use wappa_component::{
    Outline, Part, WriteError,
    tracer::{OpenSpan, SpanPlace, traced, traced_of, unix_ns},
};
use wappa_message::{Context, Mark, Source, Span};

/// Spans of messages that were read, until they are answered.
pub(crate) struct Unanswered {
    place: SpanPlace,
    /// By origin, in order; none where it has ended.
    spans: Mutex<Vec<(u32, Option<OpenSpan>)>>,
}

impl Unanswered {
    pub(crate) fn new(place: &SpanPlace, spans: Vec<(u32, OpenSpan)>) -> Unanswered {
        let spans = spans.into_iter().map(|(origin, open)| (origin, Some(open))).collect();
        Unanswered { place: place.clone(), spans: Mutex::new(spans) }
    }

    /// All were answered, and these did not arrive.
    pub(crate) fn end_all(&self, failed: impl Iterator<Item = u32>) {
        let mut spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        let spans = std::mem::take(&mut *spans);
        let answered = spans.into_iter().filter_map(|(origin, open)| Some((origin, open?)));
        self.tell(answered, failed);
    }

    /// These were answered, and these of them did not arrive.
    pub(crate) fn end(&self, origins: &[u32], failed: impl Iterator<Item = u32>) {
        let mut spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        let answered = origins.iter().filter_map(|origin| {
            let at = spans.binary_search_by_key(origin, |(it, _)| *it).ok()?;
            Some((*origin, spans[at].1.take()?))
        });
        let answered: Vec<(u32, OpenSpan)> = answered.collect();
        drop(spans);
        self.tell(answered.into_iter(), failed);
    }

    fn tell(&self, answered: impl Iterator<Item = (u32, OpenSpan)>, failed: impl Iterator<Item = u32>) {
        let ended_ns = unix_ns();
        let failed: HashSet<u32> = failed.collect();
        let end = |(origin, open): (u32, OpenSpan)| open.end(ended_ns, failed.contains(&origin), 1);
        self.place.give(answered.map(end).collect());
    }
}

/// A processor's.
pub(crate) struct ProcessorSpans {
    place: SpanPlace,
    /// Whether spans of what it has messages go through are below its own.
    is_parent: bool,
}

/// The span of one message that a processor is given.
pub(crate) struct Begun {
    idx: usize,
    open: OpenSpan,
    context: Arc<Context>,
    /// What the message has instead, for those below.
    within: Option<Arc<Context>>,
}

impl ProcessorSpans {
    pub(crate) fn new(place: SpanPlace, is_parent: bool) -> ProcessorSpans {
        ProcessorSpans { place, is_parent }
    }

    /// A processor is about to work on the part.
    pub(crate) fn begin(&self, part: &mut Part) -> Vec<Begun> {
        let mut began_ns = 0;
        let begin = |(idx, context, span): (usize, &Arc<Context>, _)| {
            if began_ns == 0 {
                began_ns = unix_ns();
            }
            let open = self.place.child_since(span, began_ns);
            let within = self
                .is_parent
                .then(|| Arc::new(Context { span: Some(open.span.clone()), ..Context::clone(context) }));
            Begun { idx, open, context: Arc::clone(context), within }
        };
        let begun: Vec<Begun> = traced_of(part).into_iter().map(begin).collect();
        if self.is_parent && !begun.is_empty() {
            let messages = part.messages_mut();
            for Begun { idx, within, .. } in &begun {
                within.iter().for_each(|it| messages[*idx].set_context(Arc::clone(it)));
            }
        }
        begun
    }

    /// It has finished so many batches, and has marked messages, or none.
    #[cold]
    pub(crate) fn end(
        &self,
        begun: Vec<Begun>,
        part: &mut Part,
        before: &Outline,
        done: usize,
        (source, has_marked): (&Arc<Source>, bool),
    ) {
        let ended_ns = unix_ns();
        if self.is_parent {
            let address = |it: &Begun| it.within.as_ref().map(|it| Arc::as_ptr(it) as usize);
            let mut within: Vec<_> = begun.iter().map(|it| (address(it), &it.context)).collect();
            within.sort_by_key(|(address, _)| *address);
            for message in part.messages_mut() {
                let Some(context) = message.context() else { continue };
                let address = Some(Arc::as_ptr(context) as usize);
                if let Ok(at) = within.binary_search_by_key(&address, |(it, _)| *it) {
                    message.set_context(Arc::clone(within[at].1));
                }
            }
        }
        let mut failed: Vec<usize> = Vec::new();
        if has_marked {
            let is_own = |mark: &Mark| mark.source().is_some_and(|it| ptr::eq(it, Arc::as_ptr(source)));
            let marked =
                part.messages().iter().filter(|it| traced(it).is_some() && it.error().is_some_and(is_own));
            failed.extend(marked.filter_map(|it| it.context().map(|it| Arc::as_ptr(it) as usize)));
            failed.sort_unstable();
        }
        let n_messages = before.messages_of(done);
        let spans = begun.into_iter().take_while(|it| it.idx < n_messages).map(|it| {
            let is_failed = failed.binary_search(&(Arc::as_ptr(&it.context) as usize)).is_ok();
            it.open.end(ended_ns, is_failed, n_messages)
        });
        self.place.give(spans.collect());
    }
}

/// An output's spans, of messages that were answered, of which so much time came to this.
pub(crate) fn written(place: &SpanPlace, part: &Part, took_ns: u64, result: &Result<(), WriteError>) {
    let traced = traced_of(part);
    if !traced.is_empty() {
        tell_written(place, &traced, part.n_messages(), took_ns, result);
    }
}

#[cold]
fn tell_written(
    place: &SpanPlace,
    traced: &[(usize, &Arc<Context>, &Span)],
    n_together: usize,
    took_ns: u64,
    result: &Result<(), WriteError>,
) {
    let ended_ns = unix_ns();
    let is_failed = |idx: usize| match result {
        Ok(()) => false,
        Err(WriteError::Partial(failures) | WriteError::Rejected(failures)) => {
            failures.binary_search_by_key(&idx, |(it, _)| *it).is_ok()
        }
        Err(_) => true,
    };
    let spans = traced.iter().map(|(idx, _, span)| {
        let open = place.child_since(span, ended_ns.saturating_sub(took_ns));
        open.end(ended_ns, is_failed(*idx), n_together)
    });
    place.give(spans.collect());
}
