//! The tracer `jaeger`.

use std::{sync::Arc, time::Duration};

use url::Url;
use wappa_component::{BuildError, BuildTracer, Component, Logger, Metrics, Tracer, tracer::Sampling};
use wappa_net::Address;
use wappa_spec::{Config, Map, Node, Reader, Rule};

use crate::{
    collector::INTERVAL,
    encode::Encoder,
    endpoint::{Endpoint, PATH, Protocol},
    sender::Senders,
    tags::Tags,
};

pub(crate) const COMPONENT: Component = Component::tracer::<JaegerConfig>("jaeger");

/// Where Jaeger takes OTLP over HTTP.
const PORT: u16 = 4318;

/// Where Bento's configs have its collectors listen for a format of its own.
const OWN_PATH: &str = "/api/traces";

/// Sends traces to [Jaeger](https://www.jaegertracing.io/), over OTLP, which it takes since version 1.35.
///
/// Bento speaks formats of Jaeger's own, which Jaeger has given up. So where a config names the address of an agent, or the
/// path `/api/traces` of a collector, traces are sent to port 4318 of the same host; a `collector_url` with another path is
/// taken as it is.
///
/// What is told of a message, and how to look at it, is in [traces](../../traces.md).
///
/// # Examples
///
/// ### Jaeger on another machine
///
/// ```yaml
/// input:
///   stdin: {}
/// output:
///   stdout: {}
/// tracer:
///   jaeger:
///     collector_url: http://jaeger:4318/v1/traces
///     sampler_param: 0.01
/// ```
///
/// # Delivery
///
/// As with [`open_telemetry_collector`](open_telemetry_collector.md).
#[derive(Config, Debug)]
#[config(lint = lint)]
struct JaegerConfig {
    /// The host of an agent, or `host:port`. Traces are sent to port 4318 of the host.
    #[config(default = "\"\"", example = "jaeger-agent:6831")]
    agent_address: String,

    /// The URL of a collector; it counts more than `agent_address`.
    #[config(default = "\"\"", example = "http://jaeger:4318/v1/traces")]
    collector_url: String,

    /// How it is decided which messages are traced: `sampler_param` says of how many traces, whoever has begun them.
    #[config(default = "const", options("const"))]
    #[expect(dead_code, reason = "there is one way")]
    sampler_type: String,

    /// Of so many traces, from 0 to 1.
    #[config(default = "1", advanced)]
    sampler_param: f64,

    /// What is said of the program in all traces. Without a tag `service.name` that is `wappa`.
    #[config(advanced)]
    tags: Map<String>,

    /// How long a span waits for others to be sent with; five seconds where it says nothing.
    flush_interval: Option<Duration>,
}

impl JaegerConfig {
    /// Where traces are sent, and whether that is not what the config names.
    fn endpoint(&self) -> Result<(Endpoint, bool), String> {
        if self.collector_url.is_empty() {
            let host = match Address::parse(&self.agent_address) {
                Ok(address) => address.host().to_string(),
                Err(_) if self.agent_address.is_empty() => "localhost".to_string(),
                Err(_) => self.agent_address.clone(),
            };
            let address = Address::new(&host, PORT).to_string();
            return Ok((Endpoint::new(&address, false, Protocol::Http)?, true));
        }
        let url = Url::parse(&self.collector_url).map_err(|err| format!("it is no URL: {err}"))?;
        let is_secure = match url.scheme() {
            "http" => false,
            "https" => true,
            scheme => return Err(format!("its scheme is `{scheme}`: take `http` or `https`")),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err("a user and a password in it would be sent to nobody: take them out".to_string());
        }
        let host = url.host_str().ok_or("there is no host in it")?.trim_matches(['[', ']']);
        let is_own = url.path() == OWN_PATH;
        let port = if is_own { PORT } else { url.port_or_known_default().unwrap_or(80) };
        let address = Address::new(host, port);
        let path = if is_own || url.path() == "/" {
            PATH.to_string()
        } else {
            url[url::Position::BeforePath..url::Position::AfterQuery].to_string()
        };
        let authority = address.to_string();
        Ok((Endpoint::at(address, &authority, is_secure, Protocol::Http, &path)?, is_own))
    }
}

fn lint(config: &JaegerConfig, node: &Node, reader: &mut Reader<'_>) {
    let named = if config.collector_url.is_empty() { "agent_address" } else { "collector_url" };
    let at = node.get(named).unwrap_or(node);
    match config.endpoint() {
        Ok((endpoint, true)) => {
            let uri = &endpoint.uri;
            reader.warn(
                Rule::NotInWappa,
                at,
                format!("Wappa speaks OTLP with Jaeger: traces are sent to {uri}"),
            );
        }
        Ok(_) => (),
        Err(why) => reader.error(Rule::InvalidValue, at, why),
    }
    if let Some(at) = node.get("sampler_param").filter(|_| !(0.0..=1.0).contains(&config.sampler_param)) {
        reader.warn(Rule::InvalidValue, at, "it is from 0 to 1: less is taken as 0, and more as 1");
    }
}

impl BuildTracer for JaegerConfig {
    fn build(self, logger: Logger, metrics: &Metrics) -> Result<Tracer, BuildError> {
        let (endpoint, _) = self.endpoint().map_err(BuildError::new)?;
        let encoder = Encoder::new(&Tags::new(&self.tags));
        let interval = self.flush_interval.unwrap_or(INTERVAL);
        let senders = Senders::start(vec![endpoint], &encoder, interval, &logger, metrics)?;
        Ok(Tracer::new(Sampling::Ratio(self.sampler_param), Arc::new(senders)))
    }
}
