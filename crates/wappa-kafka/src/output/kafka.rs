//! The output `kafka`.

use std::time::Duration;

use wappa_component::{
    BuildError, BuildOutput, Component, Context, Output,
    batching::{self, PolicyConfig},
    duration,
    tracer::injecting,
};
use wappa_net::{Runtime, TlsConfig};
use wappa_spec::{Config, Interpolated, Map, Mapping, Node, Reader, Rule};

use super::{
    headers::{Choice, Headers},
    partitioner::Way,
    produce,
    producer::Limit,
    topics::NewTopics,
    writer::{Key, Options, Partition, output},
};
use crate::{
    client::{addresses, basics, lint_schemes, ms},
    sasl::{Sasl, SaslConfig, lint_tls},
    version::{Version, lint_version},
};

pub(crate) const COMPONENT: Component = Component::output::<KafkaConfig>("kafka").categories(&["Services"]);

/// Writes messages to topics of Kafka, and takes them for arrived when the brokers say so.
///
/// Metadata go with a message as headers, unless `metadata` says otherwise.
///
/// # Examples
///
/// ### Into topics that the messages name
///
/// ```yaml
/// input:
///   stdin: {}
/// pipeline:
///   processors:
///     - mapping: |
///         meta topic = if this.amount > 1000 { "large" } else { "small" }
/// output:
///   kafka:
///     addresses: [ localhost:9092 ]
///     topic: ${! @topic }
///     key: ${! this.customer }
/// ```
///
/// # Delivery
///
/// At least once: what was sent and not answered when a connection broke is sent again. With `idempotent_write` the broker
/// leaves out what it has already, as long as the process lives.
///
/// While no broker can be reached messages wait, for `backoff.max_elapsed_time`. Then they fail, and are delivered again by
/// the input, or go another way where the config has one.
///
/// Messages of a partition are written in the order of the stream. Where one has to be sent again others may overtake it,
/// unless `max_in_flight` is 1 or `idempotent_write` is on.
///
/// # Performance
///
/// All that is ready is sent together, also where each message is a batch of its own: `max_in_flight` counts what is
/// written at once, which is a batch, or up to 256 single messages. A message waits no longer than a millisecond for others
/// to be sent with.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct KafkaConfig {
    /// Brokers to begin with; the others of the cluster are found. One text may name several, with commas between them.
    #[config(example = "[localhost:9092]", example = "['localhost:9041,localhost:9042']")]
    addresses: Vec<String>,

    /// How connections are encrypted.
    #[config(advanced)]
    tls: TlsConfig,

    /// Who the client is.
    #[config(advanced)]
    sasl: SaslConfig,

    /// The topic.
    topic: Interpolated,

    /// What the client calls itself.
    #[config(default = "bento", advanced)]
    client_id: String,

    /// The version of Kafka that the brokers have at least. The client asks them anyway; only versions before 0.11, which
    /// had no headers, make a difference.
    #[config(example = "2.1.0", example = "3.1.0")]
    target_version: Option<String>,

    /// Where the client is.
    #[config(default = "\"\"", advanced)]
    rack_id: String,

    /// The key. Messages of one key go to one partition; an empty one is none.
    #[config(default = "\"\"")]
    key: Interpolated,

    /// How a partition is chosen: by the key, with the hash of Bento's client (`fnv1a_hash`) or of Kafka's own
    /// (`murmur2_hash`), any (`random`), one after the other (`round_robin`), or as `partition` says (`manual`).
    #[config(
        default = "fnv1a_hash",
        options("fnv1a_hash", "murmur2_hash", "random", "round_robin", "manual")
    )]
    partitioner: String,

    /// The number of the partition, with `manual`.
    #[config(default = "\"\"", advanced)]
    partition: Interpolated,

    /// Topics that are not there.
    #[config(advanced)]
    custom_topic_creation: CreationConfig,

    /// How messages are compressed.
    #[config(default = "none", options("none", "snappy", "lz4", "gzip", "zstd"))]
    compression: String,

    /// Headers that go with every message.
    #[config(example = "{first-static-header: value-1, second-static-header: value-2}")]
    static_headers: Map<String>,

    /// Which metadata go with a message as headers.
    metadata: ExcludeConfig,

    /// A mapping that puts the headers that name the span of a message, which are `this`, into the message.
    #[config(advanced, example = "meta = @.assign(this)", example = "root.meta.span = this")]
    inject_tracing_map: Option<Mapping>,

    /// How much may be written and not answered.
    #[config(default = "64")]
    max_in_flight: usize,

    /// Whether the broker leaves out what it has already. It waits for all replicas then.
    #[config(default = "false", advanced)]
    idempotent_write: bool,

    /// Whether a message has arrived when all replicas have it, and not only the leader.
    #[config(default = "false", advanced)]
    ack_replicas: bool,

    /// The largest message, in bytes. The broker and the topic have a limit too.
    #[config(default = "1000000", advanced)]
    max_msg_bytes: u64,

    /// How long the brokers may take to answer.
    #[config(default = "5s", advanced)]
    timeout: Duration,

    /// Whether a batch of which a message failed fails as a whole, so that it keeps its order when it is delivered again.
    #[config(default = "false", advanced)]
    retry_as_batch: bool,

    /// What is put together, and sent as one batch.
    batching: PolicyConfig,

    /// How often a message is sent again; 0: as long as `backoff` says.
    #[config(default = "0", advanced)]
    max_retries: u64,

    /// How long is waited before a message is sent again.
    #[config(advanced)]
    backoff: BackOffConfig,
}

/// Topics that are made.
#[derive(Config, Debug)]
struct CreationConfig {
    /// Whether a topic that is not there is made like this, and not as the broker makes one, or not at all.
    #[config(default = "false", advanced)]
    enabled: bool,

    /// How many partitions it has, 2 or more; -1: as the broker says.
    #[config(default = "-1", advanced)]
    partitions: i64,

    /// How many brokers have it, an odd number; -1: as the broker says.
    #[config(default = "-1", advanced)]
    replication_factor: i64,
}

/// Metadata that are left out.
#[derive(Config, Debug)]
struct ExcludeConfig {
    /// How the keys of those begin that do not go with the message.
    #[config(default = "[]", advanced)]
    exclude_prefixes: Vec<String>,
}

/// How the wait between two attempts grows.
#[derive(Config, Debug)]
struct BackOffConfig {
    /// The first wait.
    #[config(default = "3s", advanced)]
    initial_interval: String,

    /// The longest wait.
    #[config(default = "10s", advanced)]
    max_interval: String,

    /// How long a message is tried to be sent; zero or empty for without end.
    #[config(default = "30s", advanced)]
    max_elapsed_time: String,
}

impl BackOffConfig {
    fn times(&self) -> Result<[Duration; 3], (&'static str, String)> {
        let read = |name: &'static str, text: &str| match text {
            "" => Ok(Duration::ZERO),
            text => {
                duration::parse(text).map_err(|err| (name, format!("failed to parse duration string: {err}")))
            }
        };
        Ok([
            read("initial_interval", &self.initial_interval)?,
            read("max_interval", &self.max_interval)?,
            read("max_elapsed_time", &self.max_elapsed_time)?,
        ])
    }
}

fn lint(config: &KafkaConfig, node: &Node, reader: &mut Reader<'_>) {
    lint_tls(&config.tls, node, reader);
    lint_version(config.target_version.as_deref(), node, reader);
    let at = node.get("addresses").unwrap_or(node);
    if addresses(&config.addresses).is_empty() {
        reader.error(Rule::InvalidValue, at, "there is no address");
    }
    lint_schemes(&config.addresses, at, reader);
    if let Err(text) = config.way() {
        reader.error(Rule::Custom, node.get("partition").unwrap_or(node), text);
    }
    if let Err((name, text)) = config.backoff.times() {
        let at = node.get("backoff").and_then(|it| it.get(name)).unwrap_or(node);
        duration::lint(text, at, reader);
    }
    let creation = &config.custom_topic_creation;
    let at = node.get("custom_topic_creation").unwrap_or(node);
    if let Err(text) = creation.check() {
        reader.error(Rule::Custom, at, text);
    }
}

impl CreationConfig {
    /// The errors are Bento's texts.
    fn check(&self) -> Result<(), String> {
        let CreationConfig { enabled, partitions, replication_factor } = self;
        if *enabled && *partitions != -1 && *partitions < 2 {
            return Err(format!("topic_partitions must be greater than one, got {partitions}"));
        }
        if *enabled && *replication_factor != -1 && (replication_factor % 2 == 0 || *replication_factor < 1) {
            return Err(format!("topic_replication_factor must be an odd number, got {replication_factor}"));
        }
        Ok(())
    }
}

impl KafkaConfig {
    /// The library's name for how a partition is chosen, or our way; the errors are Bento's texts.
    fn way(&self) -> Result<(&'static str, Option<Way>), String> {
        let partitioner = self.partitioner.to_lowercase();
        match (partitioner.as_str(), self.partition.as_literal() == Some("")) {
            ("manual", true) => Err("partition field required for 'manual' partitioner".to_string()),
            ("manual", false) => Ok(("random", None)),
            (_, false) => Err("partition field can only be specified for 'manual' partitioner".to_string()),
            ("murmur2_hash", true) => Ok(("murmur2_random", None)),
            ("random", true) => Ok(("random", None)),
            ("round_robin", true) => Ok(("random", Some(Way::RoundRobin))),
            (_, true) => Ok(("fnv1a_random", None)),
        }
    }
}

impl BuildOutput for KafkaConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Output>, BuildError> {
        let (partitioner, way) = self.way().map_err(BuildError::new)?;
        let [initial, longest, elapsed] = self.backoff.times().map_err(|(_, text)| BuildError::new(text))?;
        self.custom_topic_creation.check().map_err(BuildError::new)?;
        let version = Version::of(self.target_version.as_deref()).map_err(BuildError::new)?;
        let mut client = basics(&addresses(&self.addresses), &self.client_id, &self.rack_id);
        let sasl = Sasl::of_kafka(self.sasl);
        sasl.apply(&self.tls, &mut client).map_err(BuildError::new)?;
        version.apply(&mut client);
        produce(&mut client, self.max_msg_bytes, self.timeout, self.max_in_flight, self.idempotent_write);
        client
            .set("partitioner", partitioner)
            .set("compression.type", self.compression.to_lowercase())
            .set("acks", if self.ack_replicas || self.idempotent_write { "all" } else { "1" })
            .set("retry.backoff.ms", ms(initial.min(longest), 1, 300_000))
            .set("retry.backoff.max.ms", ms(longest, 1, 300_000))
            // 0 is without end, as here.
            .set("message.timeout.ms", ms(elapsed, 0, 2_000_000_000));
        if 0 < self.max_retries {
            client.set("message.send.max.retries", self.max_retries.min(2_000_000_000).to_string());
        }
        if way.is_some() || self.partitioner.eq_ignore_ascii_case("random") {
            // Each message by itself.
            client.set("sticky.partitioning.linger.ms", "0");
        }
        let is_manual = self.partitioner.eq_ignore_ascii_case("manual");
        let headers = match version.has_headers() {
            true => Headers {
                of_metadata: Choice::But(self.metadata.exclude_prefixes),
                fixed: self.static_headers.0,
            },
            false => Headers::default(),
        };
        let creation = self.custom_topic_creation;
        let number = |it: i64| i32::try_from(it).unwrap_or(i32::MAX);
        let new_topics = creation.enabled.then(|| NewTopics {
            partitions: number(creation.partitions),
            replication_factor: number(creation.replication_factor),
            runtime: Runtime::of(ctx),
        });
        let options = Options {
            client,
            token: sasl.token,
            topic: self.topic,
            key: (self.key.as_literal() != Some("")).then_some(Key { text: self.key, none: "" }),
            partition: is_manual.then_some(Partition(self.partition)),
            way,
            headers,
            limit: Limit { writes: self.max_in_flight.max(1), messages: usize::MAX },
            max_bytes: (self.max_msg_bytes as usize, "max_msg_bytes"),
            as_batches: self.retry_as_batch,
            new_topics,
        };
        let written = injecting(output(options, ctx), self.inject_tracing_map, ctx);
        batching::batched(written, &self.batching, ctx)
    }
}
