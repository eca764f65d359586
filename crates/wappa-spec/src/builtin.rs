//! The components that are nothing but a choice in the config and need no code of their own.

use std::time::Duration;

use wappa_spec_macros::Config;

use crate::spec::{ComponentKind, Spec};

/// Hands messages from the input to the pipeline as they come.
#[derive(Config, Clone, Copy, Debug)]
pub struct NoBuffer;

/// Sends no traces.
#[derive(Config, Clone, Copy, Debug)]
pub struct NoTracer;

/// Sends no metrics.
#[derive(Config, Clone, Copy, Debug)]
pub struct NoMetrics;

/// Prints metrics as log lines, at the end of the stream and, if wanted, at intervals.
#[derive(Config, Clone, Copy, Debug)]
pub struct LoggerMetrics {
    /// How often the metrics are printed while the stream runs; when empty only at its end.
    #[config(example = "30s")]
    pub push_interval: Option<Duration>,

    /// Whether counters and timings start at zero again each time they were printed.
    #[config(default = "false")]
    pub flush_metrics: bool,
}

const SPECS: &[&Spec] = &[
    &Spec::new::<NoBuffer>(ComponentKind::Buffer, "none"),
    &Spec::new::<LoggerMetrics>(ComponentKind::Metrics, "logger"),
    &Spec::new::<NoMetrics>(ComponentKind::Metrics, "none"),
    &Spec::new::<NoTracer>(ComponentKind::Tracer, "none"),
];

pub(crate) fn spec(kind: ComponentKind, name: &str) -> Option<&'static Spec> {
    SPECS.iter().copied().find(|it| it.kind == kind && it.name == name)
}

pub(crate) fn names(kind: ComponentKind) -> impl Iterator<Item = &'static str> {
    SPECS.iter().filter(move |it| it.kind == kind).map(|it| it.name)
}
