//! The exporter `json_api`.

use std::{sync::Arc, time::Duration};

use wappa_component::{
    BuildError, BuildExporter, Component, Exporter, Logger, Metrics, Page, Sample, Series,
};
use wappa_message::Value;
use wappa_spec::Config;

pub(crate) const COMPONENT: Component = Component::metrics::<JsonApiConfig>("json_api");

/// Shows metrics as one object of JSON, at the paths `/metrics` and `/stats` of the program's
/// [HTTP service](../config.md).
///
/// A name is that of the series with its labels in braces. A counter or gauge is a number; a timing is an object of its
/// quantiles `p50`, `p90` and `p99`, in nanoseconds, since the program began.
///
/// # Examples
///
/// ### For a script
///
/// ```yaml
/// input:
///   stdin: {}
/// output:
///   stdout: {}
/// metrics:
///   json_api: {}
/// ```
#[derive(Config, Clone, Copy, Debug)]
struct JsonApiConfig;

impl BuildExporter for JsonApiConfig {
    fn build(self, _: Logger) -> Result<Box<dyn Exporter>, BuildError> {
        Ok(Box::new(JsonApi))
    }
}

struct JsonApi;

impl Exporter for JsonApi {
    fn push(&mut self, _: &Metrics) {}

    fn page(&self) -> Option<Page> {
        Some(Page {
            content_type: "application/json",
            render: Arc::new(|metrics| render(metrics).into_bytes()),
        })
    }
}

/// What a stream among several counts, as an object, with the time for which it has run.
pub fn stats_of_stream(metrics: &Metrics, stream: &str, uptime: Duration) -> String {
    let is_of = |series: &Series| {
        series.labels.iter().any(|(name, value)| name == Metrics::STREAM && value == stream)
    };
    let samples = metrics.samples().into_iter().filter(|it| is_of(&it.0));
    let members = members(samples).chain([format!("\"uptime_ns\":{}", uptime.as_nanos())]);
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}

fn render(metrics: &Metrics) -> String {
    format!("{{{}}}", members(metrics.samples().into_iter()).collect::<Vec<_>>().join(","))
}

fn members(samples: impl Iterator<Item = (Series, Sample)>) -> impl Iterator<Item = String> {
    let member = |(series, sample): (Series, Sample)| {
        let quoted = |it: &str| Value::text(it).to_json();
        let labels = series.labels.iter().map(|(name, value)| format!("{name}={}", quoted(value)));
        let labels: Vec<String> = labels.collect();
        let name = match labels.is_empty() {
            true => series.name,
            false => format!("{}{{{}}}", series.name, labels.join(",")),
        };
        let value = match sample {
            Sample::Counter(it) => it.to_string(),
            Sample::Gauge(it) => it.to_string(),
            Sample::Timing(it) => {
                let [p50, p90, p99] = [0.5, 0.9, 0.99].map(|of| it.quantile_ns(of));
                format!("{{\"p50\":{p50},\"p90\":{p90},\"p99\":{p99}}}")
            }
        };
        format!("{}:{value}", quoted(&name))
    };
    samples.map(member)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object() {
        let metrics = Metrics::default();
        assert_eq!(render(&metrics), "{}");
        metrics.counter("c", &[("path", "root.input"), ("label", "a\"b")]).add(3);
        metrics.gauge("g", &[]).set(-2);
        metrics.timing("t", &[("path", "p")]).record(Duration::from_nanos(7));
        assert_eq!(
            render(&metrics),
            r#"{"c{label=\"a\\\"b\",path=\"root.input\"}":3,"g":-2,"t{path=\"p\"}":{"p50":7,"p90":7,"p99":7}}"#
        );
    }
}
