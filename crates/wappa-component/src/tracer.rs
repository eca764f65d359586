//! Spans: what is told of the way of a message, for those messages that are traced.
//!
//! A [`Tracer`] is given to components with what they share. It decides which messages are traced, at their input; from there
//! on a message that is traced has its span in its context, and whoever works on one tells of a span below that, which goes to
//! the [`SpanSink`] when it has ended. A message that is not traced has none, so all that it costs is to see that.

mod buffered;
mod headers;
mod ids;
mod of;
mod roots;
mod sampling;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use wappa_message::{Context, Message, Span};

pub use self::{
    headers::{extracting, injecting},
    of::{SharedSpanOf, SpanOf},
    roots::Roots,
    sampling::Sampling,
};
use self::{ids::Ids, sampling::Sampler};
use crate::{Part, Services};

/// Labels and paths in spans are no longer than so many bytes.
const TEXT_BYTES_MAX: usize = 1024;

/// Of so many messages that are worked on together spans are told: what is more would fit into no queue. A guest may make any
/// number of one.
pub const TOGETHER_MAX: usize = 4096;

/// Takes spans that have ended: a client of a collector.
pub trait SpanSink: Send + Sync {
    /// Takes spans. Called by threads that work on messages, so it does not wait: what there is no room for is dropped, and
    /// counted.
    fn take(&self, spans: Vec<SpanData>);

    /// Sends what there is, and returns after so long at the latest, sent or not. Called once, when the program ends.
    fn finish(&self, within: Duration);
}

/// A span that has ended.
#[derive(Clone, Debug)]
pub struct SpanData {
    /// Trace, span, and what is handed on of the trace.
    pub span: Span,
    /// The span that this one is below; 0: none.
    pub parent_id: u64,
    /// What it is a span of.
    pub of: SharedSpanOf,
    /// When it began and ended, in nanoseconds of Unix time.
    pub began_ns: u64,
    /// See `began_ns`.
    pub ended_ns: u64,
    /// Whether the message failed in it.
    pub is_failed: bool,
    /// The span that this one is below is of another process.
    pub is_entry: bool,
    /// The trace and the span that it is linked to; seldom, so apart.
    pub link: Option<Box<(u128, u64)>>,
    /// How many messages were worked on together, this one among them.
    pub n_together: usize,
}

/// Decides which messages are traced, and takes their spans. By default none is. Cloning shares.
#[derive(Clone, Default)]
pub struct Tracer(Option<Arc<Tracing>>);

struct Tracing {
    sampler: Sampler,
    sink: Arc<dyn SpanSink>,
    ids: Ids,
    /// Somebody asks for the traces of messages that nobody records.
    keeps_ids: AtomicBool,
}

/// Where spans come from: a place in a stream with a tracer.
#[derive(Clone)]
pub struct SpanPlace {
    tracing: Arc<Tracing>,
    of: SharedSpanOf,
}

/// A span that has not ended.
#[derive(Clone, Debug)]
pub struct OpenSpan {
    /// What is below it has it as its parent.
    pub span: Span,
    parent_id: u64,
    of: SharedSpanOf,
    began_ns: u64,
    link: Option<Box<(u128, u64)>>,
    is_entry: bool,
}

/// A message that is within a span of its own, and what it had before.
#[derive(Debug)]
pub struct Entered {
    idx: usize,
    open: OpenSpan,
    context: Arc<Context>,
}

/// The span of a message that is traced, which has this context.
#[inline]
pub fn span_of(context: &Context) -> Option<&Span> {
    context.span.as_ref().filter(|span| span.is_sampled && !context.is_linked)
}

/// The context of a message, if it is traced.
#[inline]
pub fn traced(message: &Message) -> Option<&Arc<Context>> {
    message.context().filter(|it| span_of(it).is_some())
}

/// Those messages of a part that are traced, by index and in order, with their contexts and spans: of so many spans are told.
pub fn traced_of(part: &Part) -> Vec<(usize, &Arc<Context>, &Span)> {
    let mut traced = Vec::new();
    part.each_context(|idx, context| {
        if let Some(span) = span_of(context)
            && traced.len() < TOGETHER_MAX
        {
            traced.push((idx, context, span));
        }
    });
    traced
}

/// Now, in nanoseconds of Unix time.
pub fn unix_ns() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}

impl Tracer {
    /// One that traces so many messages.
    pub fn new(sampling: Sampling, sink: Arc<dyn SpanSink>) -> Tracer {
        let keeps_ids = AtomicBool::new(false);
        Tracer(Some(Arc::new(Tracing {
            sampler: Sampler::new(sampling),
            sink,
            ids: Ids::random(),
            keeps_ids,
        })))
    }

    /// The one that the components of a stream share.
    pub fn of(services: &Services) -> Tracer {
        Tracer::clone(&services.get_or_default::<Tracer>())
    }

    /// From here on messages that nobody records have a trace as well: somebody asks which, or tells others.
    pub fn keep_ids(&self) {
        if let Some(tracing) = &self.0 {
            tracing.keeps_ids.store(true, Ordering::Relaxed);
        }
    }

    /// A component whose spans have this name; `None`: nothing is traced.
    pub fn place(&self, name: &str, label: &str, path: &str) -> Option<SpanPlace> {
        let tracing = Arc::clone(self.0.as_ref()?);
        let mut attributes = Vec::new();
        if !label.is_empty() {
            attributes.push(("label", within(label).into()));
        }
        attributes.push(("path", within(path).into()));
        Some(SpanPlace { tracing, of: SpanOf { name: within(name).into(), attributes }.into() })
    }

    /// What others are told of a message that is handed to them and has no span: that it belongs to a trace that nobody
    /// records, so that they do not begin one. `None`: nothing is traced.
    pub fn unrecorded(&self) -> Option<Span> {
        self.0.as_ref().map(|it| it.unrecorded())
    }

    /// Sends what there is, and returns after so long at the latest.
    pub fn finish(&self, within: Duration) {
        if let Some(tracing) = &self.0 {
            tracing.sink.finish(within);
        }
    }
}

fn within(text: &str) -> &str {
    &text[..text.floor_char_boundary(TEXT_BYTES_MAX)]
}

impl Tracing {
    fn recorded(&self) -> Span {
        let trace_id = self.sampler.trace_id(&self.ids, true);
        Span { trace_id, span_id: self.ids.span_id(), is_sampled: true, state: None }
    }

    fn unrecorded(&self) -> Span {
        let trace_id = self.sampler.trace_id(&self.ids, false);
        Span { trace_id, span_id: self.ids.span_id(), is_sampled: false, state: None }
    }

    /// A span of the same trace.
    fn below(&self, parent: &Span) -> Span {
        Span { span_id: self.ids.span_id(), ..parent.clone() }
    }
}

impl SpanPlace {
    /// A span below that of a message, which begins now.
    pub fn child(&self, parent: &Span) -> OpenSpan {
        self.child_since(parent, unix_ns())
    }

    /// The same, which began then.
    pub fn child_since(&self, parent: &Span, began_ns: u64) -> OpenSpan {
        let (span, of) = (self.tracing.below(parent), self.of.clone());
        OpenSpan { span, parent_id: parent.span_id, of, began_ns, link: None, is_entry: false }
    }

    /// The same, of whose spans this is to say as well.
    pub fn saying(&self, attributes: impl IntoIterator<Item = (&'static str, Box<str>)>) -> SpanPlace {
        let mut of = SpanOf::clone(&self.of);
        of.attributes.extend(attributes);
        SpanPlace { tracing: Arc::clone(&self.tracing), of: of.into() }
    }

    /// The same component, doing something with another name.
    pub fn named(&self, name: &str) -> SpanPlace {
        let of = SpanOf { name: within(name).into(), attributes: self.of.attributes.clone() };
        SpanPlace { tracing: Arc::clone(&self.tracing), of: of.into() }
    }

    /// Has the spans of what these messages go through be below ones of this place, until they [leave](SpanPlace::leave).
    pub fn enter(&self, messages: &mut [Message]) -> Vec<Entered> {
        let mut entered = Vec::new();
        for (idx, message) in messages.iter_mut().enumerate() {
            if entered.len() == TOGETHER_MAX {
                break;
            }
            let Some((context, open)) =
                traced(message).and_then(|it| Some((it, self.child(it.span.as_ref()?))))
            else {
                continue;
            };
            let within = Context { span: Some(open.span.clone()), ..Context::clone(context) };
            let context = Arc::clone(context);
            message.set_context(Arc::new(within));
            entered.push(Entered { idx, open, context });
        }
        entered
    }

    /// The messages, which are the same, are as before again.
    pub fn leave(&self, entered: Vec<Entered>, messages: &mut [Message], is_failed: impl Fn(usize) -> bool) {
        if entered.is_empty() {
            return;
        }
        let ended_ns = unix_ns();
        let end = |Entered { idx, open, context }: Entered| {
            if let Some(message) = messages.get_mut(idx) {
                message.set_context(context);
            }
            open.end(ended_ns, is_failed(idx), 1)
        };
        self.give(entered.into_iter().map(end).collect());
    }

    /// Tells of spans that have ended.
    pub fn give(&self, spans: Vec<SpanData>) {
        if !spans.is_empty() {
            self.tracing.sink.take(spans);
        }
    }
}

impl OpenSpan {
    /// It ended then, and so many messages were worked on together.
    pub fn end(self, ended_ns: u64, is_failed: bool, n_together: usize) -> SpanData {
        let OpenSpan { span, parent_id, of, began_ns, link, is_entry } = self;
        let ended_ns = ended_ns.max(began_ns);
        SpanData { span, parent_id, of, began_ns, ended_ns, is_failed, is_entry, link, n_together }
    }
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tracer({})", if self.0.is_some() { "on" } else { "off" })
    }
}

impl fmt::Debug for SpanPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SpanPlace").field(&self.of).finish()
    }
}
