//! The output `kafka_franz`.

use std::time::Duration;

use regex::Regex;
use wappa_component::{
    BuildError, BuildOutput, Component, Context, Output,
    batching::{self, PolicyConfig},
    tracer::injecting,
};
use wappa_net::TlsConfig;
use wappa_spec::{Config, Interpolated, Mapping, Node, Reader, Rule, Size};

use super::{
    headers::{Choice, Headers},
    partitioner::Way,
    produce,
    producer::Limit,
    writer::{Key, Options, Partition, output},
};
use crate::{
    client::{addresses, basics, lint_brokers, ms},
    sasl::{MechanismConfig, Sasl, lint_several, lint_tls},
};

pub(crate) const COMPONENT: Component =
    Component::output::<FranzConfig>("kafka_franz").categories(&["Services"]);

/// Writes messages to topics of Kafka, and takes them for arrived when the brokers say so.
///
/// It is the output [`kafka`](kafka.md) with other fields and defaults: the partition of a key is that of Kafka's own
/// clients, the broker leaves out what it has already, all replicas have a message before it has arrived, and no metadata
/// go with it unless `metadata` says so.
///
/// # Examples
///
/// ### Into the topic and with the key that they came with
///
/// ```yaml
/// input:
///   kafka_franz:
///     seed_brokers: [ localhost:9092 ]
///     topics: [ orders ]
///     consumer_group: wappa
/// output:
///   kafka_franz:
///     seed_brokers: [ other:9092 ]
///     topic: ${! @kafka_topic }
///     key: ${! @kafka_key }
/// ```
///
/// # Delivery
///
/// At least once, as of [`kafka`](kafka.md#delivery). While no broker can be reached messages wait without end.
///
/// # Performance
///
/// As of [`kafka`](kafka.md#performance).
#[derive(Config, Debug)]
#[config(lint = lint)]
struct FranzConfig {
    /// Brokers to begin with; the others of the cluster are found. One text may name several, with commas between them.
    #[config(
        example = "[localhost:9092]",
        example = "['foo:9092', 'bar:9092']",
        example = "['foo:9092,bar:9092']"
    )]
    seed_brokers: Vec<String>,

    /// The topic.
    topic: Interpolated,

    /// The key. Messages of one key go to one partition; one that comes to `null` is none.
    key: Option<Interpolated>,

    /// How a partition is chosen: by the key with the hash of Kafka's own clients (`murmur2_hash`, which is the default), one
    /// after the other (`round_robin`), for all that is written at once the one with the fewest messages on their way
    /// (`least_backup`), the same for so many bytes (`uniform_bytes`), or as `partition` says (`manual`).
    #[config(options("murmur2_hash", "round_robin", "least_backup", "uniform_bytes", "manual"), advanced)]
    partitioner: Option<String>,

    /// For `uniform_bytes`.
    #[config(advanced)]
    uniform_bytes_options: UniformConfig,

    /// The number of the partition, with `manual`.
    #[config(example = "${! @partition }")]
    partition: Option<Interpolated>,

    /// What the client calls itself.
    #[config(default = "bento", advanced)]
    client_id: String,

    /// Where the client is.
    #[config(default = "\"\"", advanced)]
    rack_id: String,

    /// Whether the broker leaves out what it has already. Where the user may not, this has to be off.
    #[config(default = "true", advanced)]
    idempotent_write: bool,

    /// Which metadata go with a message as headers.
    metadata: IncludeConfig,

    /// A mapping that puts the headers that name the span of a message, which are `this`, into the message. Metadata become
    /// headers only where `metadata` says so.
    #[config(advanced, bento = false, example = "meta = @.assign(this)")]
    inject_tracing_map: Option<Mapping>,

    /// How much may be written and not answered.
    #[config(default = "10")]
    max_in_flight: usize,

    /// How long the brokers may take to answer.
    #[config(default = "10s", advanced)]
    timeout: Duration,

    /// What is put together, and sent as one batch.
    batching: PolicyConfig,

    /// The largest message. The broker and the topic have a limit too.
    #[config(default = "1MB", advanced, example = "100MB", example = "50mib")]
    max_message_bytes: Size,

    /// How many messages may be written and not answered.
    #[config(default = "10000", advanced)]
    max_buffered_records: usize,

    /// How often new partitions are looked for.
    #[config(default = "5m", advanced)]
    metadata_max_age: Duration,

    /// How messages are compressed; by default with `snappy`.
    #[config(options("lz4", "snappy", "gzip", "none", "zstd"), advanced)]
    compression: Option<String>,

    /// How connections are encrypted.
    #[config(advanced)]
    tls: TlsConfig,

    /// Who the client is, in one way: of several the first counts.
    #[config(advanced)]
    sasl: Vec<MechanismConfig>,
}

/// How `uniform_bytes` chooses.
#[derive(Config, Debug)]
struct UniformConfig {
    /// For how many bytes the partition stays the same.
    #[config(default = "1MB", advanced)]
    bytes: Size,

    /// Whether the next one is that with the fewest messages on their way, and not any.
    #[config(default = "false", advanced)]
    adaptive: bool,

    /// Whether a message with a key goes where the key says.
    #[config(default = "false", advanced)]
    keys: bool,
}

/// Metadata that go with a message.
#[derive(Config, Debug)]
struct IncludeConfig {
    /// How the keys of some of them begin.
    #[config(default = "[]", advanced, example = "[foo_, bar_]", example = "[kafka_]")]
    include_prefixes: Vec<String>,

    /// Patterns that the keys of some of them have somewhere.
    #[config(default = "[]", advanced, example = "['.*']", example = "['_timestamp_unix$']")]
    include_patterns: Vec<String>,
}

impl IncludeConfig {
    fn choice(self) -> Result<Choice, String> {
        if self.include_prefixes.is_empty() && self.include_patterns.is_empty() {
            return Ok(Choice::None);
        }
        Ok(Choice::These { patterns: patterns(&self.include_patterns)?, prefixes: self.include_prefixes })
    }
}

fn patterns(texts: &[String]) -> Result<Vec<Regex>, String> {
    let read = |it: &String| Regex::new(it).map_err(|err| format!("'{it}' is no pattern: {err}"));
    texts.iter().map(read).collect()
}

fn lint(config: &FranzConfig, node: &Node, reader: &mut Reader<'_>) {
    lint_tls(&config.tls, node, reader);
    lint_several(&config.sasl, node, reader);
    lint_brokers(&config.seed_brokers, node, reader);
    if let Err(text) = config.way() {
        reader.error(Rule::Custom, node.get("partition").unwrap_or(node), text);
    }
    if let Err(text) = patterns(&config.metadata.include_patterns) {
        let at = node.get("metadata").unwrap_or(node);
        reader.error(Rule::InvalidValue, at.get("include_patterns").unwrap_or(at), text);
    }
    if (i32::MAX as u64) < config.max_message_bytes.bytes() {
        let text = format!("invalid max_message_bytes, must not exceed {}", i32::MAX);
        reader.error(Rule::InvalidValue, node.get("max_message_bytes").unwrap_or(node), text);
    }
}

impl FranzConfig {
    /// The library's name for how a partition is chosen, or our way; the errors are Bento's texts.
    fn way(&self) -> Result<(&'static str, Option<Way>), String> {
        let partitioner = self.partitioner.as_deref().unwrap_or("murmur2_hash").to_lowercase();
        let has_partition = self.partition.as_ref().is_some_and(|it| it.as_literal() != Some(""));
        match (partitioner.as_str(), has_partition) {
            ("manual", true) => Ok(("random", None)),
            ("manual", false) => {
                Err("a partition must be specified when the partitioner is set to manual".to_string())
            }
            (_, true) => {
                Err("a partition cannot be specified unless the partitioner is set to manual".to_string())
            }
            ("round_robin", false) => Ok(("random", Some(Way::RoundRobin))),
            ("least_backup", false) => Ok(("random", Some(Way::LeastBackup))),
            ("uniform_bytes", false) => {
                let UniformConfig { bytes, adaptive, keys } = &self.uniform_bytes_options;
                let bytes = usize::try_from(bytes.bytes()).unwrap_or(usize::MAX);
                let way = Way::UniformBytes { bytes, is_adaptive: *adaptive, by_key: *keys };
                Ok(("random", Some(way)))
            }
            _ => Ok(("murmur2_random", None)),
        }
    }
}

impl BuildOutput for FranzConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Output>, BuildError> {
        let (partitioner, way) = self.way().map_err(BuildError::new)?;
        let max_bytes = self.max_message_bytes.bytes();
        let mut client = basics(&addresses(&self.seed_brokers), &self.client_id, &self.rack_id);
        let sasl = Sasl::of_franz(self.sasl);
        sasl.apply(&self.tls, &mut client).map_err(BuildError::new)?;
        produce(&mut client, max_bytes, self.timeout, self.max_in_flight, self.idempotent_write);
        let compression = self.compression.map_or("snappy".to_string(), |it| it.to_lowercase());
        let age = self.metadata_max_age.max(Duration::from_millis(1));
        client
            .set("partitioner", partitioner)
            .set("compression.type", compression)
            .set("acks", "all")
            // Without end, as in Bento.
            .set("message.timeout.ms", "0")
            .set("topic.metadata.refresh.interval.ms", ms(age, 1, 3_600_000))
            .set("metadata.max.age.ms", ms(age.saturating_mul(3), 1, 86_400_000));
        if way.is_some() {
            // Each message is asked for.
            client.set("sticky.partitioning.linger.ms", "0");
        }
        let is_manual = self.partitioner.as_ref().is_some_and(|it| it.eq_ignore_ascii_case("manual"));
        let headers =
            Headers { of_metadata: self.metadata.choice().map_err(BuildError::new)?, fixed: Vec::new() };
        let options = Options {
            client,
            token: sasl.token,
            topic: self.topic,
            key: self.key.map(|text| Key { text, none: "null" }),
            partition: self.partition.filter(|_| is_manual).map(Partition),
            way,
            headers,
            limit: Limit { writes: self.max_in_flight.max(1), messages: self.max_buffered_records.max(1) },
            max_bytes: (max_bytes as usize, "max_message_bytes"),
            as_batches: false,
            new_topics: None,
        };
        let written = injecting(output(options, ctx), self.inject_tracing_map, ctx);
        batching::batched(written, &self.batching, ctx)
    }
}
