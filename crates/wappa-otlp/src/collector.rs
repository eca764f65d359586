//! The tracer `open_telemetry_collector`.

use std::{sync::Arc, time::Duration};

use wappa_component::{BuildError, BuildTracer, Component, Logger, Metrics, Tracer, tracer::Sampling};
use wappa_spec::{Config, Map, Node, Reader, Rule, Status};

use crate::{
    encode::Encoder,
    endpoint::{self, Endpoint, Protocol},
    sender::Senders,
    tags::Tags,
};

pub(crate) const COMPONENT: Component =
    Component::tracer::<CollectorConfig>("open_telemetry_collector").status(Status::Experimental);

/// How long a span waits for others to be sent with; that of OpenTelemetry's own programs, and of Bento.
pub(crate) const INTERVAL: Duration = Duration::from_secs(5);

/// Sends traces to [collectors of OpenTelemetry](https://opentelemetry.io/docs/collector/), over HTTP or gRPC.
///
/// What is told of a message, and how to look at it, is in [traces](../../traces.md).
///
/// # Examples
///
/// ### A collector beside the program
///
/// ```yaml
/// input:
///   stdin: {}
/// output:
///   stdout: {}
/// tracer:
///   open_telemetry_collector:
///     http:
///       - address: localhost:4318
///     grpc: []
///     sampling:
///       enabled: true
///       ratio: 0.01
/// ```
///
/// # Delivery
///
/// A trace is no message: nothing waits for it, and none is replayed. Spans wait in a queue for each collector, of 16,384 at
/// most, and are sent 512 at once, or what there is after five seconds. A request that fails is made again for a minute; what is
/// not taken by then, and what there is no room for, is dropped, which the metric `tracer_span_dropped` counts and the log says
/// now and then. When the program ends it waits for two seconds at most until the rest was sent.
///
/// # Performance
///
/// A message that is not sampled costs nothing but a look whether it is. One that is has a span made for each component, which is
/// encoded and sent on a thread of its own. `cargo bench -p wappa --bench traced` says what that comes to.
///
/// # Pitfalls
///
/// With `sampling` enabled and no `ratio` nothing is sampled, as in Bento. Proxies that the environment names are not used.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct CollectorConfig {
    /// Collectors that are sent to over HTTP. Each has all spans.
    #[config(default = "[]")]
    http: Vec<HttpCollector>,

    /// Collectors that are sent to over gRPC. Each has all spans.
    #[config(default = "[]")]
    grpc: Vec<GrpcCollector>,

    /// What is said of the program in all traces. Without a tag `service.name` that is `wappa`.
    #[config(advanced)]
    tags: Map<String>,

    /// Which messages are traced. Without it all are, but those of traces that whoever sent the message does not record.
    sampling: SamplingConfig,
}

/// A collector.
#[derive(Config, Debug)]
struct HttpCollector {
    /// Where it is, as `host:port`.
    #[config(example = "localhost:4318")]
    address: Option<String>,

    /// The same.
    #[config(default = "localhost:4318", deprecated)]
    url: String,

    /// Whether connections are encrypted.
    #[config(default = "false")]
    secure: bool,
}

/// A collector.
#[derive(Config, Debug)]
struct GrpcCollector {
    /// Where it is, as `host:port`.
    #[config(example = "localhost:4317")]
    address: Option<String>,

    /// The same.
    #[config(default = "localhost:4317", deprecated)]
    url: String,

    /// Whether connections are encrypted.
    #[config(default = "false")]
    secure: bool,
}

/// Which messages are traced.
#[derive(Config, Debug)]
struct SamplingConfig {
    /// Whether the ratio counts.
    #[config(default = "false")]
    enabled: bool,

    /// Of so many traces, from 0 to 1, whoever has begun them: the name of a trace says whether it is one of them.
    #[config(example = "0.01")]
    ratio: Option<f64>,
}

impl CollectorConfig {
    /// The collectors, by protocol, with the fields that they stand in.
    fn all(&self) -> impl Iterator<Item = (&'static str, usize, &str, bool, Protocol)> {
        let http = self.http.iter().enumerate().map(|(idx, it)| {
            ("http", idx, chosen(it.address.as_deref(), &it.url), it.secure, Protocol::Http)
        });
        let grpc = self.grpc.iter().enumerate().map(|(idx, it)| {
            ("grpc", idx, chosen(it.address.as_deref(), &it.url), it.secure, Protocol::Grpc)
        });
        http.chain(grpc)
    }
}

fn chosen<'a>(address: Option<&'a str>, url: &'a str) -> &'a str {
    address.filter(|it| !it.is_empty()).unwrap_or(url)
}

fn lint(config: &CollectorConfig, node: &Node, reader: &mut Reader<'_>) {
    for (field, idx, address, ..) in config.all() {
        let item = node.get(field).and_then(|it| it.as_seq()?.get(idx));
        let at = item.and_then(|it| it.get("address").or_else(|| it.get("url"))).or(item).unwrap_or(node);
        endpoint::lint(address, at, reader);
    }
    if config.all().next().is_none() {
        reader.warn(Rule::Custom, node, "there is no collector: name one in `http` or `grpc`");
    }
    lint_ratio(config.sampling.ratio, node.get("sampling").and_then(|it| it.get("ratio")), reader);
    if config.sampling.enabled && config.sampling.ratio.is_none() {
        let at = node.get("sampling").unwrap_or(node);
        reader.warn(Rule::Custom, at, "without a `ratio` nothing is sampled");
    }
}

/// Reports a ratio that is none.
fn lint_ratio(ratio: Option<f64>, at: Option<&Node>, reader: &mut Reader<'_>) {
    if let (Some(ratio), Some(at)) = (ratio, at)
        && !(0.0..=1.0).contains(&ratio)
    {
        reader.warn(Rule::InvalidValue, at, "a ratio is from 0 to 1: less is taken as 0, and more as 1");
    }
}

impl BuildTracer for CollectorConfig {
    fn build(self, logger: Logger, metrics: &Metrics) -> Result<Tracer, BuildError> {
        let endpoints = self.all().map(|(_, _, address, is_secure, protocol)| {
            Endpoint::new(address, is_secure, protocol).map_err(BuildError::new)
        });
        let endpoints = endpoints.collect::<Result<Vec<_>, _>>()?;
        if endpoints.is_empty() {
            return Ok(Tracer::default());
        }
        let sampling = match self.sampling.enabled {
            true => Sampling::Ratio(self.sampling.ratio.unwrap_or(0.0)),
            false => Sampling::AsParent,
        };
        let encoder = Encoder::new(&Tags::new(&self.tags));
        let senders = Senders::start(endpoints, &encoder, INTERVAL, &logger, metrics)?;
        Ok(Tracer::new(sampling, Arc::new(senders)))
    }
}
