//! Observation: the same counters, timings and log lines for every component, around it and not in it.
//! An input's and an output's are with their connections ([intake](crate::intake), [line](crate::line)).
//!
//! Names and labels are Bento's (compatibility reference, section 7.1); everything is counted per part.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use wappa_component::{
    Census, Clock, Counter, FailureNotes, Gauge, Level, Logger, Metrics, Part, Processor, SeriesSpec, Step,
    TapPoint, Timing, Tracer, tracer::SpanPlace,
};
use wappa_message::Source;

use crate::{
    activity::{Call, Calls},
    panics::Witness,
    series,
    spans::ProcessorSpans,
    stop::Stop,
    stream::Setting,
    strict::FailureLog,
    world::World,
};

/// The component that is observed: its name in the config, label and path.
#[derive(Clone, Debug)]
pub(crate) struct Observed {
    pub(crate) name: String,
    pub(crate) label: String,
    pub(crate) path: String,
    pub(crate) logger: Logger,
    pub(crate) metrics: Metrics,
    pub(crate) world: World,
    pub(crate) stop: Stop,
    pub(crate) calls: Calls,
    pub(crate) tracer: Tracer,
}

impl Observed {
    /// Of a component that nobody asked to be counted.
    pub(crate) fn silent(setting: &Setting, name: &str, path: &str) -> Observed {
        Observed {
            name: name.to_string(),
            label: String::new(),
            path: path.to_string(),
            logger: Logger::silent(),
            metrics: Metrics::default(),
            world: setting.world.clone(),
            stop: setting.stop.clone(),
            calls: setting.activity.component("", path),
            tracer: Tracer::default(),
        }
    }

    pub(crate) fn counter(&self, of: SeriesSpec) -> Counter {
        self.metrics.counter(of.name, &[("label", &self.label), ("path", &self.path)])
    }

    pub(crate) fn gauge(&self, of: SeriesSpec) -> Gauge {
        self.metrics.gauge(of.name, &[("label", &self.label), ("path", &self.path)])
    }

    /// Where its spans come from, with what stands before its name; `None`: nothing is traced.
    pub(crate) fn spans(&self, prefix: &str) -> Option<SpanPlace> {
        self.tracer.place(&format!("{prefix}{}", self.name), &self.label, &self.path)
    }

    /// The component is called, until the guard is dropped.
    pub(crate) fn enter(&self) -> (Call<'_>, Witness<'_>) {
        (self.calls.begin(), Witness(&self.path))
    }

    pub(crate) fn timing(&self, of: SeriesSpec) -> Timing {
        self.metrics.timing(of.name, &[("label", &self.label), ("path", &self.path)])
    }
}

/// What was read and what of it is not answered yet. Cloning shares.
#[derive(Clone, Debug, Default)]
pub struct Tally(Arc<TallyState>);

#[derive(Debug, Default)]
struct TallyState {
    unanswered: AtomicU64,
    lost: AtomicU64,
    read: AtomicU64,
    /// How many messages fewer than were read came into the buffer; wraps where they were more.
    not_put: AtomicU64,
    filtered: AtomicU64,
    /// Messages that were handed to the output, and how many messages of the input they were.
    handed: AtomicU64,
    handed_origins: AtomicU64,
    failed: AtomicU64,
    replayed: AtomicU64,
}

/// What became of the messages of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Messages that were read, without replays.
    pub read: u64,
    /// Messages that the output took; more than were read where processors multiply.
    pub written: u64,
    /// Messages that were read and of which nothing was left for the output.
    pub filtered: u64,
    /// Messages that came to the output though they had failed in a processor and nothing had caught that, with replays.
    pub failed: u64,
    /// Messages that were delivered again, each time counted.
    pub replayed: u64,
}

impl Tally {
    /// Messages that were read and not answered, or answered as failed when it was too late to replay them.
    pub fn undelivered(&self) -> u64 {
        self.0.unanswered.load(Ordering::Relaxed) + self.0.lost.load(Ordering::Relaxed)
    }

    /// What became of all messages; final once the stream has ended.
    pub fn totals(&self) -> Totals {
        let of = |it: &AtomicU64| it.load(Ordering::Relaxed);
        let read = of(&self.0.read);
        let came_in = read.wrapping_sub(of(&self.0.not_put));
        let delivered = came_in.saturating_sub(self.undelivered());
        // What was handed over and failed there, to be replayed or for good; some of what is lost never got so far.
        let refused = of(&self.0.handed_origins).saturating_sub(delivered);
        Totals {
            read,
            written: of(&self.0.handed).saturating_sub(refused),
            filtered: of(&self.0.filtered),
            failed: of(&self.0.failed),
            replayed: of(&self.0.replayed),
        }
    }

    /// Counts what is handed to the output of what so many messages of the input became.
    pub(crate) fn hand_over(&self, n_messages: usize, census: Census, n_origins: usize) {
        self.0.handed.fetch_add(n_messages as u64, Ordering::Relaxed);
        self.0.handed_origins.fetch_add(n_origins as u64, Ordering::Relaxed);
        let n_filtered = n_origins.saturating_sub(census.n_origins);
        if 0 < n_filtered {
            self.0.filtered.fetch_add(n_filtered as u64, Ordering::Relaxed);
        }
        if 0 < census.n_marked {
            self.0.failed.fetch_add(census.n_marked as u64, Ordering::Relaxed);
        }
    }

    /// Counts what was read.
    pub(crate) fn add_read(&self, n_messages: u64) {
        self.0.read.fetch_add(n_messages, Ordering::Relaxed);
        self.0.unanswered.fetch_add(n_messages, Ordering::Relaxed);
    }

    /// Counts what a buffer keeps of so many messages that were read and are answered with that.
    pub(crate) fn put(&self, n_read: u64, n_messages: u64) {
        self.0.not_put.fetch_add(n_read.wrapping_sub(n_messages), Ordering::Relaxed);
        self.0.unanswered.fetch_add(n_messages, Ordering::Relaxed);
        self.0.filtered.fetch_add(n_read.saturating_sub(n_messages), Ordering::Relaxed);
    }

    /// Counts what a buffer had no room for.
    pub(crate) fn drop_from_buffer(&self, n_messages: u64) {
        self.0.not_put.fetch_add(n_messages, Ordering::Relaxed);
        self.0.unanswered.fetch_sub(n_messages, Ordering::Relaxed);
    }

    /// Counts what goes into a buffer that outlives the process: that is another's to deliver.
    pub(crate) fn put_away(&self, n_read: u64, n_messages: u64) {
        self.0.not_put.fetch_add(n_read, Ordering::Relaxed);
        self.0.filtered.fetch_add(n_read.saturating_sub(n_messages), Ordering::Relaxed);
    }

    /// Counts what comes out of one.
    pub(crate) fn take_out(&self, n_messages: u64) {
        self.0.not_put.fetch_sub(n_messages, Ordering::Relaxed);
        self.0.unanswered.fetch_add(n_messages, Ordering::Relaxed);
    }

    /// Counts what was answered of that; what did not arrive is in the buffer again.
    pub(crate) fn answer_kept(&self, n_messages: u64, n_failed: u64) {
        self.0.unanswered.fetch_sub(n_messages, Ordering::Relaxed);
        self.0.not_put.fetch_add(n_failed, Ordering::Relaxed);
    }

    /// Counts what was answered of that; some of it did not arrive.
    pub(crate) fn answer(&self, n_messages: u64, n_failed: u64) {
        self.0.unanswered.fetch_sub(n_messages, Ordering::Relaxed);
        if 0 < n_failed {
            self.0.lost.fetch_add(n_failed, Ordering::Relaxed);
        }
    }

    /// Nobody wanted so many of the messages that were read, and answered.
    pub(crate) fn take_back(&self, n_messages: u64) {
        if 0 < n_messages {
            self.0.read.fetch_sub(n_messages, Ordering::Relaxed);
        }
    }

    pub(crate) fn add_replayed(&self, n_messages: u64) {
        self.0.replayed.fetch_add(n_messages, Ordering::Relaxed);
    }
}

/// A processor, observed.
pub(crate) struct ObservedProcessor {
    inner: Box<dyn Processor>,
    of: Observed,
    received: Counter,
    batch_received: Counter,
    sent: Counter,
    batch_sent: Counter,
    error: Counter,
    latency: Timing,
    failures: Option<FailureLog>,
    source: Arc<Source>,
    notes: FailureNotes,
    tap: TapPoint,
    spans: Option<ProcessorSpans>,
}

impl ObservedProcessor {
    /// A processor whose failures are logged there as well, and that can be looked at.
    pub(crate) fn new(
        inner: Box<dyn Processor>,
        of: Observed,
        tap: TapPoint,
        failures: Option<FailureLog>,
    ) -> ObservedProcessor {
        let path = of.path.strip_prefix("root.").unwrap_or(&of.path);
        let source =
            Source { label: of.label.as_str().into(), name: of.name.as_str().into(), path: path.into() };
        ObservedProcessor {
            source: Arc::new(source),
            received: of.counter(series::PROCESSOR_RECEIVED),
            batch_received: of.counter(series::PROCESSOR_BATCH_RECEIVED),
            sent: of.counter(series::PROCESSOR_SENT),
            batch_sent: of.counter(series::PROCESSOR_BATCH_SENT),
            error: of.counter(series::PROCESSOR_ERROR),
            latency: of.timing(series::PROCESSOR_LATENCY_NS),
            notes: tap.failures(),
            spans: of.spans("").map(|it| ProcessorSpans::new(it, inner.is_parent())),
            failures,
            inner,
            of,
            tap,
        }
    }
}

impl Processor for ObservedProcessor {
    fn process(&self, part: &mut Part, step: &mut Step<'_>) -> usize {
        let _entered = self.of.enter();
        let began = self.of.world.now();
        let marks_of_parent = step.take_marks();
        let parent = step.enter(Some(Arc::clone(&self.source)));
        let before = part.outline();
        let begun = self.spans.as_ref().map_or_else(Vec::new, |it| it.begin(part));
        let done = self.inner.process(part, step);
        let marks = step.take_marks();
        step.put_marks(marks_of_parent);
        step.enter(parent);
        if let Some(spans) = self.spans.as_ref().filter(|_| !begun.is_empty()) {
            spans.end(begun, part, &before, done, (&self.source, !marks.is_empty()));
        }
        if 0 < done {
            self.latency.record_shares(self.of.world.now().saturating_sub(began), done as u64);
        }
        self.received.add(before.messages_of(done) as u64);
        self.batch_received.add(done as u64);
        let n_batches = part.batches_of(done);
        let n_messages = part.messages_of(n_batches);
        if self.tap.is_tapped() {
            self.tap.show(&part.messages()[..n_messages]);
        }
        self.sent.add(n_messages as u64);
        self.batch_sent.add(part.n_batches_with_messages(n_batches) as u64);
        self.error.add(marks.len() as u64);
        if let Some(last) = marks.last() {
            self.notes.messages(marks.len(), last);
        }
        if let Some(failures) = &self.failures {
            failures.see(part, &marks);
        }
        if self.of.logger.enabled(Level::Debug) {
            marks.iter().for_each(|mark| self.of.logger.debug(&format!("Processor failed: {mark}")));
        }
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_came_to_the_output_is_not_subtracted_from_what_it_wrote() {
        let census = |n_origins| Census { n_origins, ..Census::default() };
        let tally = Tally::default();
        tally.0.read.store(10, Ordering::Relaxed);
        // Four are handed over; one of them fails, and is written when it comes again.
        tally.hand_over(4, census(4), 4);
        tally.add_replayed(1);
        tally.hand_over(1, census(1), 1);
        // The stream is given up: two are told to be lost, nobody answers for four.
        tally.0.lost.store(2, Ordering::Relaxed);
        tally.0.unanswered.store(4, Ordering::Relaxed);
        let totals = tally.totals();
        assert_eq!((totals.read, totals.written, totals.replayed), (10, 4, 1));
    }
}
