//! What is counted of the guests of a processor, beside their failures. Nothing is, message by message.

use std::time::Duration;

use wappa_component::{Context, Counter, Gauge, Metrics, Present, SeriesSpec, Timing};

use super::series;
use crate::guest::instance::Instance;

/// The series of a processor.
pub(super) struct Counted {
    metrics: Metrics,
    label: String,
    path: String,
    instances: Gauge,
    instances_made: Counter,
    calls: Counter,
    latency: Timing,
    memory_bytes_max: Gauge,
    recycled: [Counter; 3],
    state_lost: Counter,
    compile_latency: Timing,
    load_latency: Timing,
    /// Where versions may come.
    reloads: Option<Reloads>,
}

struct Reloads {
    good: Counter,
    failed: Counter,
}

/// Why an instance in good health is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Recycled {
    /// It has had as many messages as it may have.
    Messages,
    /// Its memory grows.
    Growth,
    /// It keeps what it was to give back.
    Worn,
}

/// An instance that is counted until this is dropped.
pub(super) struct CountedInstance(Gauge);

impl Counted {
    pub(super) fn new(ctx: &Context<'_>, reloads: bool) -> Counted {
        let (metrics, labels) = (ctx.metrics(), [("label", ctx.label()), ("path", ctx.path())]);
        let counter = |of: SeriesSpec| metrics.counter(of.name, &labels);
        let timing = |of: SeriesSpec| metrics.timing(of.name, &labels);
        let gauge = |of: SeriesSpec| metrics.gauge(of.name, &labels);
        let recycled = |reason| {
            let [label, path] = labels;
            metrics.counter(series::WASM_RECYCLED.name, &[label, path, ("reason", reason)])
        };
        Counted {
            instances: gauge(series::WASM_INSTANCES),
            instances_made: counter(series::WASM_INSTANCES_MADE),
            calls: counter(series::WASM_CALLS),
            latency: timing(series::WASM_LATENCY_NS),
            memory_bytes_max: gauge(series::WASM_MEMORY_BYTES_MAX),
            recycled: ["messages", "growth", "worn"].map(recycled),
            state_lost: counter(series::WASM_STATE_LOST),
            compile_latency: timing(series::WASM_COMPILE_LATENCY_NS),
            load_latency: timing(series::WASM_LOAD_LATENCY_NS),
            reloads: reloads.then(|| Reloads {
                good: counter(series::WASM_RELOADED),
                failed: counter(series::WASM_RELOAD_FAILED),
            }),
            metrics: metrics.clone(),
            label: ctx.label().to_string(),
            path: ctx.path().to_string(),
        }
    }

    /// A version is at work until what is returned is dropped.
    pub(super) fn version(&self, sha256: &str) -> Present {
        let labels = [("label", self.label.as_str()), ("path", self.path.as_str()), ("sha256", sha256)];
        self.metrics.present(series::WASM_MODULE.name, &labels)
    }

    /// An instance comes to work.
    pub(super) fn instance(&self, instance: &Instance) -> CountedInstance {
        self.instances_made.add(1);
        self.instances.add(1);
        self.memory(instance);
        CountedInstance(self.instances.clone())
    }

    /// An instance has grown.
    pub(super) fn memory(&self, instance: &Instance) {
        self.memory_bytes_max.raise_to(i64::try_from(instance.memory_bytes()).unwrap_or(i64::MAX));
    }

    /// A guest was given messages at once, of which it has finished so many.
    pub(super) fn took(&self, time: Duration, n_messages: u64, n_calls: u64) {
        self.latency.record_shares(time, n_messages.max(1));
        self.calls.add(n_calls);
    }

    pub(super) fn recycled(&self, why: Recycled) {
        self.recycled[why as usize].add(1);
    }

    pub(super) fn state_lost(&self) {
        self.state_lost.add(1);
    }

    pub(super) fn compiled(&self, time: Duration) {
        self.compile_latency.record(time);
    }

    pub(super) fn loaded(&self, time: Duration) {
        self.load_latency.record(time);
    }

    /// A new version came, and does its work or does not load.
    pub(super) fn reloaded(&self, is_good: bool) {
        if let Some(reloads) = &self.reloads {
            (if is_good { &reloads.good } else { &reloads.failed }).add(1);
        }
    }
}

impl Drop for CountedInstance {
    fn drop(&mut self) {
        self.0.add(-1);
    }
}
