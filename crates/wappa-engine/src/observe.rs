//! Observation: the same counters, timings and log lines for every component, around it and not in it.
//! An output's are with its [connection](crate::line).
//!
//! Names and labels are Bento's (compatibility reference, section 7.1); everything is counted per part.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use wappa_component::{
    Ack, Clock, ConnectError, Counter, Failure, Input, Level, Logger, Metrics, Parcel, Part, Processor,
    ReadError, Step, Timing, Waiter, counted,
};

use crate::{
    activity::{Call, Calls},
    panics::Witness,
    quiet::Quiet,
    stop::Stop,
    stream::Setting,
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
        }
    }

    pub(crate) fn counter(&self, name: &str) -> Counter {
        self.metrics.counter(name, &[("label", &self.label), ("path", &self.path)])
    }

    /// The component is called, until the guard is dropped.
    pub(crate) fn enter(&self) -> (Call<'_>, Witness<'_>) {
        (self.calls.begin(), Witness(&self.path))
    }

    pub(crate) fn timing(&self, name: &str) -> Timing {
        self.metrics.timing(name, &[("label", &self.label), ("path", &self.path)])
    }
}

/// What was read and what of it is not answered yet. Cloning shares.
#[derive(Clone, Debug, Default)]
pub struct Tally(Arc<TallyState>);

#[derive(Debug, Default)]
struct TallyState {
    unanswered: AtomicU64,
    lost: AtomicU64,
}

impl Tally {
    /// Messages that were read and not answered, or answered as failed when it was too late to replay them.
    pub fn undelivered(&self) -> u64 {
        self.0.unanswered.load(Ordering::Relaxed) + self.0.lost.load(Ordering::Relaxed)
    }
}

/// An input, observed.
pub(crate) struct ObservedInput {
    inner: Box<dyn Input>,
    of: Observed,
    tally: Tally,
    received: Counter,
    connection_up: Counter,
    connection_failed: Counter,
    connection_lost: Counter,
    latency: Timing,
    quiet: Arc<Quiet>,
}

impl ObservedInput {
    pub(crate) fn new(inner: Box<dyn Input>, of: Observed, tally: Tally) -> ObservedInput {
        ObservedInput {
            received: of.counter("input_received"),
            connection_up: of.counter("input_connection_up"),
            connection_failed: of.counter("input_connection_failed"),
            connection_lost: of.counter("input_connection_lost"),
            latency: of.timing("input_latency_ns"),
            quiet: Arc::new(Quiet::new(&of.world)),
            inner,
            of,
            tally,
        }
    }

    fn watch(&self, parcel: Parcel) -> Parcel {
        let n_origins = parcel.n_origins() as u64;
        self.received.add(n_origins);
        self.tally.0.unanswered.fetch_add(n_origins, Ordering::Relaxed);
        let (world, latency, tally) = (self.of.world.clone(), self.latency.clone(), self.tally.clone());
        let (quiet, logger, stop) = (Arc::clone(&self.quiet), self.of.logger.clone(), self.of.stop.clone());
        let began = world.now();
        parcel.wrap_ack(move |inner: Ack| {
            Ack::new(n_origins as u32, move |failures: Vec<Failure>| {
                latency.record(world.now().saturating_sub(began));
                tally.0.unanswered.fetch_sub(n_origins, Ordering::Relaxed);
                if let Some(first) = failures.first() {
                    tally.0.lost.fetch_add(failures.len() as u64, Ordering::Relaxed);
                    // At a stop they are counted once, at the end.
                    let level = if stop.is_abandoned() { Level::Debug } else { Level::Warn };
                    quiet.log(&logger, level, || {
                        let n_messages = counted(failures.len(), "message was", "messages were");
                        format!("{n_messages} not delivered: {}", first.reason)
                    });
                }
                inner.answer(failures);
            })
        })
    }
}

impl Input for ObservedInput {
    fn connect(&mut self, waiter: &dyn Waiter) -> Result<(), ConnectError> {
        let _entered = self.of.enter();
        let result = self.inner.connect(waiter);
        match &result {
            Ok(()) => {
                self.connection_up.add(1);
                self.of.logger.info(&format!("Input type {} is now active", self.of.name));
            }
            Err(ConnectError::BackOff(text) | ConnectError::Fatal(text)) => {
                self.connection_failed.add(1);
                self.quiet.log(&self.of.logger, Level::Error, || {
                    format!("Failed to connect to {}: {text}", self.of.name)
                });
            }
            Err(ConnectError::Interrupted) => (),
        }
        result
    }

    fn read(&mut self, waiter: &dyn Waiter, step: &mut Step<'_>) -> Result<Parcel, ReadError> {
        let _entered = self.of.enter();
        match self.inner.read(waiter, step) {
            Ok(parcel) => Ok(self.watch(parcel)),
            Err(err) => {
                match &err {
                    ReadError::NotConnected => self.connection_lost.add(1),
                    ReadError::SourceFailed(text) => {
                        self.of.logger.error(&format!("Failed to read message: {text}"))
                    }
                    ReadError::BackOff(text) => {
                        self.quiet
                            .log(&self.of.logger, Level::Error, || format!("Failed to read message: {text}"));
                    }
                    ReadError::NotReady | ReadError::EndOfInput => (),
                }
                Err(err)
            }
        }
    }

    fn stop(&mut self) {
        let _entered = self.of.enter();
        self.inner.stop();
    }

    fn is_exhausted(&self) -> bool {
        self.inner.is_exhausted()
    }

    fn takes_back(&self) -> bool {
        self.inner.takes_back()
    }

    fn auto_replay_nacks(&self) -> bool {
        self.inner.auto_replay_nacks()
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
}

impl ObservedProcessor {
    pub(crate) fn new(inner: Box<dyn Processor>, of: Observed) -> ObservedProcessor {
        ObservedProcessor {
            received: of.counter("processor_received"),
            batch_received: of.counter("processor_batch_received"),
            sent: of.counter("processor_sent"),
            batch_sent: of.counter("processor_batch_sent"),
            error: of.counter("processor_error"),
            latency: of.timing("processor_latency_ns"),
            inner,
            of,
        }
    }
}

impl Processor for ObservedProcessor {
    fn process(&self, part: &mut Part, step: &mut Step<'_>) -> usize {
        let _entered = self.of.enter();
        let began = self.of.world.now();
        let marks_of_parent = step.take_marks();
        let before = part.outline();
        let done = self.inner.process(part, step);
        let marks = step.take_marks();
        step.put_marks(marks_of_parent);
        if 0 < done {
            self.latency.record(share(self.of.world.now().saturating_sub(began), done));
        }
        self.received.add(before.messages_of(done) as u64);
        self.batch_received.add(done as u64);
        self.sent.add(part.messages_of(done) as u64);
        self.batch_sent.add(part.n_batches_with_messages(done) as u64);
        self.error.add(marks.len() as u64);
        if self.of.logger.enabled(Level::Debug) {
            marks.iter().for_each(|mark| self.of.logger.debug(&format!("Processor failed: {mark}")));
        }
        done
    }
}

/// Bento measures each batch; we look at the clock once per part.
pub(crate) fn share(elapsed: Duration, n_batches: usize) -> Duration {
    elapsed / u32::try_from(n_batches).unwrap_or(u32::MAX)
}
