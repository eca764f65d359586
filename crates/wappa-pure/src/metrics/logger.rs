//! Metrics as lines of the log.

use std::{borrow::Cow, collections::BTreeMap, time::Duration};

use wappa_component::{
    BuildError, BuildExporter, Component, Exporter, Level, Logger, Metrics, Sample, Series,
};
use wappa_spec::Config;

pub(super) const COMPONENT: Component = Component::metrics::<LoggerMetrics>("logger");

/// Prints metrics as log lines, at the end of the stream and, if wanted, at intervals.
#[derive(Config, Clone, Copy, Debug)]
struct LoggerMetrics {
    /// How often the metrics are printed while the stream runs; when empty only at its end.
    #[config(example = "30s")]
    push_interval: Option<Duration>,

    /// Whether counters and timings start at zero again each time they were printed.
    #[config(default = "false")]
    flush_metrics: bool,
}

impl BuildExporter for LoggerMetrics {
    fn build(self, logger: Logger) -> Result<Box<dyn Exporter>, BuildError> {
        Ok(Box::new(ToLog { config: self, logger, printed: BTreeMap::new() }))
    }
}

struct ToLog {
    config: LoggerMetrics,
    logger: Logger,
    /// With `flush_metrics`, what was printed last: from there the next lines count.
    printed: BTreeMap<Series, Sample>,
}

impl Exporter for ToLog {
    fn interval(&self) -> Option<Duration> {
        self.config.push_interval
    }

    fn push(&mut self, metrics: &Metrics) {
        let mut samples = metrics.samples();
        if self.config.flush_metrics {
            for (series, sample) in &mut samples {
                let earlier = self.printed.insert(series.clone(), sample.clone());
                if let Some(earlier) = earlier {
                    *sample = sample.clone().since(&earlier);
                }
            }
        }
        // As Bento prints them: counters, gauges, timings.
        let rank = |sample: &Sample| match sample {
            Sample::Counter(_) => 0,
            Sample::Gauge(_) => 1,
            Sample::Timing(_) => 2,
        };
        samples.sort_by_key(|(_, sample)| rank(sample));
        samples.iter().for_each(|(series, sample)| self.print(series, sample));
    }
}

impl ToLog {
    fn print(&self, series: &Series, sample: &Sample) {
        let mut fields: Vec<(&str, Cow<'_, str>)> = vec![("name", Cow::Borrowed(&series.name))];
        fields.extend(series.labels.iter().map(|(name, value)| (name.as_str(), value.as_str().into())));
        let message = match sample {
            Sample::Counter(value) => {
                fields.push(("value", value.to_string().into()));
                "Counter metric"
            }
            Sample::Gauge(value) => {
                fields.push(("value", value.to_string().into()));
                "Gauge metric"
            }
            Sample::Timing(it) => {
                let quantiles = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99)];
                fields.extend(quantiles.map(|(name, of)| (name, it.quantile_ns(of).to_string().into())));
                "Timing metric"
            }
        };
        self.logger.log_with(Level::Info, message, &fields);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use expect_test::{Expect, expect};
    use wappa_component::LogSink;

    use super::*;

    /// Keeps the lines.
    #[derive(Default)]
    struct Lines(Mutex<String>);

    impl LogSink for Lines {
        fn enabled(&self, _: Level) -> bool {
            true
        }

        fn write(&self, _: Level, message: &str, fields: &[(&str, Cow<'_, str>)]) {
            let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
            *self.0.lock().expect("no panic") += &format!("{message}: {}\n", fields.join(" "));
        }
    }

    /// What is printed in two pushes, and between them more is counted.
    fn check(flush_metrics: bool, expected: Expect) {
        let (lines, metrics) = (Arc::new(Lines::default()), Metrics::default());
        let config = LoggerMetrics { push_interval: None, flush_metrics };
        let mut exporter = config.build(Logger::new(lines.clone())).expect("nothing can go wrong");
        let timing = metrics.timing("a_latency_ns", &[]);
        let (counter, gauge) = (metrics.counter("c", &[("path", "p"), ("label", "l")]), metrics.gauge("b", &[]));
        counter.add(2);
        gauge.set(5);
        timing.record(Duration::from_nanos(7));
        exporter.push(&metrics);
        counter.add(1);
        gauge.add(-1);
        timing.record(Duration::from_nanos(3));
        *lines.0.lock().expect("no panic") += "--\n";
        exporter.push(&metrics);
        expected.assert_eq(&lines.0.lock().expect("no panic"));
        // Others who read see all of it.
        assert_eq!((counter.get(), timing.histogram().count()), (3, 2));
    }

    #[test]
    fn everything_is_counted_from_the_beginning() {
        check(false, expect![[r#"
            Counter metric: name=c label=l path=p value=2
            Gauge metric: name=b value=5
            Timing metric: name=a_latency_ns p50=7 p90=7 p99=7
            --
            Counter metric: name=c label=l path=p value=3
            Gauge metric: name=b value=4
            Timing metric: name=a_latency_ns p50=3 p90=7 p99=7
        "#]]);
    }

    #[test]
    fn everything_is_counted_from_the_last_time() {
        check(true, expect![[r#"
            Counter metric: name=c label=l path=p value=2
            Gauge metric: name=b value=5
            Timing metric: name=a_latency_ns p50=7 p90=7 p99=7
            --
            Counter metric: name=c label=l path=p value=1
            Gauge metric: name=b value=4
            Timing metric: name=a_latency_ns p50=3 p90=3 p99=3
        "#]]);
    }
}
