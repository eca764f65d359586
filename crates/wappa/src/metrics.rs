//! The exporters of metrics: `logger`, which writes them to the log, and `none`.

use std::{
    borrow::Cow,
    time::{Duration, Instant},
};

use wappa_component::{Level, Logger, Metrics, Sample, Series};
use wappa_spec::{ComponentNode, Config, Registry, builtin::LoggerMetrics};

/// Sends metrics where the config says.
#[derive(Debug)]
pub(crate) struct Exporter {
    metrics: Metrics,
    to_log: Option<LoggerMetrics>,
    next_push: Option<Instant>,
}

impl Exporter {
    /// The exporter that a config names.
    pub(crate) fn new(
        node: &ComponentNode,
        registry: &dyn Registry,
        metrics: Metrics,
    ) -> Result<Exporter, String> {
        let to_log = match node.name.as_str() {
            "logger" => Some(LoggerMetrics::from_body(&node.body, registry).map_err(|lints| {
                lints.iter().map(|it| it.message.as_str()).collect::<Vec<_>>().join("; ")
            })?),
            _ => None,
        };
        let mut exporter = Exporter { metrics, to_log, next_push: None };
        exporter.plan_push();
        Ok(exporter)
    }

    /// How long until metrics are to be sent; nothing where only the end counts.
    pub(crate) fn until_push(&self) -> Option<Duration> {
        self.next_push.map(|it| it.saturating_duration_since(Instant::now()))
    }

    /// Sends what there is.
    pub(crate) fn push(&mut self, logger: &Logger) {
        let Some(config) = self.to_log else { return };
        let samples = match config.flush_metrics {
            true => self.metrics.take_samples(),
            false => self.metrics.samples(),
        };
        let (counters, timings): (Vec<_>, Vec<_>) =
            samples.iter().partition(|(_, sample)| matches!(sample, Sample::Counter(_)));
        for (series, sample) in counters.into_iter().chain(timings) {
            log(series, *sample, logger);
        }
        self.plan_push();
    }

    fn plan_push(&mut self) {
        let interval = self.to_log.and_then(|it| it.push_interval).filter(|it| !it.is_zero());
        self.next_push = interval.and_then(|it| Instant::now().checked_add(it));
    }
}

fn log(series: &Series, sample: Sample, logger: &Logger) {
    let mut fields: Vec<(&str, Cow<'_, str>)> = vec![("name", Cow::Borrowed(&series.name))];
    fields.extend(series.labels.iter().map(|(name, value)| (name.as_str(), Cow::Borrowed(value.as_str()))));
    let number = |name, value: u64| (name, Cow::Owned(value.to_string()));
    match sample {
        Sample::Counter(value) => {
            fields.push(number("value", value));
            logger.log_with(Level::Info, "Counter metric", &fields);
        }
        Sample::Timing(it) => {
            fields.extend([number("p50", it.p50_ns), number("p90", it.p90_ns), number("p99", it.p99_ns)]);
            logger.log_with(Level::Info, "Timing metric", &fields);
        }
    }
}
