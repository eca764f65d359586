//! The exporter `json_api`.

use std::sync::Arc;

use wappa_component::{BuildError, BuildExporter, Component, Exporter, Logger, Metrics, Page, Sample};
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

fn render(metrics: &Metrics) -> String {
    let member = |(series, sample): (wappa_component::Series, Sample)| {
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
    let members: Vec<String> = metrics.samples().into_iter().map(member).collect();
    format!("{{{}}}", members.join(","))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
