//! Where a guest's lines and counters go in a stream, and what tells it the time.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use wappa_component::{Counter, Logger, Metrics, Pulse};

use super::series;
use crate::{
    host::error::Kind, host::log::GuestLog, host::metrics::GuestMetrics, host::metrics::Ticks,
    interface::Level,
};

/// The log of the processor.
pub(super) struct LogOfGuest(pub(super) Logger);

impl GuestLog for LogOfGuest {
    fn is_enabled(&self, level: Level) -> bool {
        self.0.enabled(of_stream(level))
    }

    fn log(&self, level: Level, text: &str) {
        self.0.log(of_stream(level), text);
    }
}

fn of_stream(level: Level) -> wappa_component::Level {
    match level {
        Level::Trace => wappa_component::Level::Trace,
        Level::Debug => wappa_component::Level::Debug,
        Level::Info => wappa_component::Level::Info,
        Level::Warn => wappa_component::Level::Warn,
        Level::Error => wappa_component::Level::Error,
    }
}

/// How many counters the guests of a processor may have together. A series lives as long as the process.
const COUNTERS_MAX: usize = 100;

/// The counters of a processor's guests.
pub(super) struct MetricsOfGuest {
    metrics: Metrics,
    label: String,
    path: String,
    logger: Logger,
    counters: RwLock<Counters>,
}

#[derive(Default)]
struct Counters {
    by_name: HashMap<String, Counter>,
    has_told: bool,
}

impl MetricsOfGuest {
    pub(super) fn new(metrics: Metrics, label: &str, path: &str, logger: Logger) -> MetricsOfGuest {
        let (label, path) = (label.to_string(), path.to_string());
        MetricsOfGuest { metrics, label, path, logger, counters: RwLock::default() }
    }

    fn add_new(&self, name: &str, delta: u64) {
        let mut counters = self.counters.write().unwrap_or_else(PoisonError::into_inner);
        if COUNTERS_MAX <= counters.by_name.len() && !counters.by_name.contains_key(name) {
            if !std::mem::replace(&mut counters.has_told, true) {
                let text =
                    format!("the guest has more than {COUNTERS_MAX} counters: `{name}` is not counted");
                self.logger.warn(&text);
            }
            return;
        }
        let labels = [("label", self.label.as_str()), ("path", self.path.as_str())];
        let counter = counters
            .by_name
            .entry(name.to_string())
            .or_insert_with(|| self.metrics.counter(&series::of_guest(name), &labels));
        counter.add(delta);
    }
}

impl GuestMetrics for MetricsOfGuest {
    fn count(&self, name: &str, delta: u64) {
        let counters = self.counters.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(counter) = counters.by_name.get(name) {
            return counter.add(delta);
        }
        drop(counters);
        self.add_new(name, delta);
    }
}

/// The failures of a processor's guests, by kind. All are there from the beginning: what comes with its first failure could not
/// be seen to have grown.
pub(super) struct Failures(HashMap<Kind, Counter>);

impl Failures {
    pub(super) fn new(metrics: &Metrics, label: &str, path: &str) -> Failures {
        let counter = |kind: Kind| {
            let word = kind.as_str().replace(' ', "_");
            (
                kind,
                metrics
                    .counter(series::WASM_FAILED.name, &[("label", label), ("path", path), ("kind", &word)]),
            )
        };
        Failures(Kind::OF_MESSAGES.into_iter().map(counter).collect())
    }

    /// Counts one message that failed.
    #[cold]
    pub(super) fn count(&self, kind: Kind) {
        // Who is interrupted has not failed.
        if let Some(counter) = self.0.get(&kind) {
            counter.add(1);
        }
    }
}

/// The pulse of the stream.
pub(super) struct TicksOfStream(pub(super) Arc<dyn Pulse>);

impl Ticks for TicksOfStream {
    fn ticks(&self) -> u64 {
        self.0.ticks()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_bounded() {
        let metrics = Metrics::default();
        let of_guest = MetricsOfGuest::new(metrics.clone(), "", "root", Logger::silent());
        for round in 0..2 {
            (0..COUNTERS_MAX + 10).for_each(|it| of_guest.count(&format!("n{it}"), 1 + round));
        }
        let samples = metrics.samples();
        assert_eq!(samples.len(), COUNTERS_MAX);
        assert!(metrics.counter("wasm_guest_n0", &[("label", ""), ("path", "root")]).get() == 3);
    }
}
