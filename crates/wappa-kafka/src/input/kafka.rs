//! The input `kafka`.

use std::time::Duration;

use rdkafka::Offset;
use wappa_component::{
    BuildError, BuildInput, Component, Context, Input, batching::PolicyConfig, tracer::extracting,
};
use wappa_net::TlsConfig;
use wappa_spec::{Config, Mapping, Node, Reader, Rule};

use super::{consumer::Options, reader::input, records::Style, topics};
use crate::{
    client::{addresses, basics, lint_schemes, ms},
    sasl::{Sasl, SaslConfig, lint_tls},
    version::{Version, lint_version},
};

pub(crate) const COMPONENT: Component = Component::input::<KafkaConfig>("kafka").categories(&["Services"]);

/// Reads topics of Kafka, as a member of a group, which divides the partitions among its members, or partitions by number.
///
/// The offsets up to which everything has arrived are committed to the group. Without a group reading begins where
/// `start_from_oldest` says, each time.
///
/// # Metadata
///
/// | key | value |
/// | --- | --- |
/// | `kafka_key` | the key; empty where there is none |
/// | `kafka_topic` | the topic |
/// | `kafka_partition` | the number of the partition |
/// | `kafka_offset` | the place in the partition |
/// | `kafka_lag` | how many messages of the partition were behind this one when it was read |
/// | `kafka_timestamp_unix`, `kafka_timestamp_unix_ms` | the message's time, in seconds and in milliseconds |
/// | `kafka_tombstone_message` | whether there is no content at all, not even an empty one |
///
/// Each header is there under its own name; one of the names above is not overwritten.
///
/// # Examples
///
/// ### Members of a group share the work
///
/// ```yaml
/// input:
///   kafka:
///     addresses: [ localhost:9092 ]
///     topics: [ orders ]
///     consumer_group: wappa
/// output:
///   stdout: {}
/// ```
///
/// # Delivery
///
/// At least once. A message is committed when it and all before it in its partition have arrived; what was on its way when a
/// process was killed, or when a partition was given to another member, comes again there. A message that fails is
/// delivered again from memory, before anything new, until it arrives; it holds up what is committed of its partition, and
/// nothing else. One that no repetition can mend is logged and passed over.
///
/// Messages of a partition reach the output in their order, with any number of threads; those of two partitions do not
/// wait for each other.
///
/// # Performance
///
/// What is there is read at once, in parcels of one partition. A batch per `batching` is of one partition too.
///
/// # Pitfalls
///
/// Fields that Bento's client alone can honour are named by `lint`.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct KafkaConfig {
    /// Brokers to begin with; the others of the cluster are found. One text may name several, with commas between them.
    #[config(example = "[localhost:9092]", example = "['localhost:9041,localhost:9042']")]
    addresses: Vec<String>,

    /// What is read: topics, or partitions of topics, as `foo:0` or `foo:0-5`, but not both. One text may name several,
    /// with commas between them.
    #[config(
        example = "[foo, bar]",
        example = "['foo,bar']",
        example = "['foo:0', 'bar:1', 'bar:3']",
        example = "['foo:0-5']"
    )]
    topics: Vec<String>,

    /// The version of Kafka that the brokers have at least. The client asks them anyway; only versions before 0.11, which
    /// had no headers, make a difference.
    #[config(example = "2.1.0", example = "3.1.0")]
    target_version: Option<String>,

    /// How connections are encrypted.
    #[config(advanced)]
    tls: TlsConfig,

    /// Who the client is.
    #[config(advanced)]
    sasl: SaslConfig,

    /// The group that keeps offsets, and divides the partitions of topics among its members. Where `topics` names
    /// partitions there may be none.
    #[config(default = "\"\"")]
    consumer_group: String,

    /// What the client calls itself.
    #[config(default = "bento", advanced)]
    client_id: String,

    /// Where the client is, so that it is served by a broker nearby.
    #[config(default = "\"\"", advanced)]
    rack_id: String,

    /// Where reading begins where the group has no offset, or one that is there no more: at the oldest message or behind the
    /// newest.
    #[config(default = "true", advanced)]
    start_from_oldest: bool,

    /// How many messages of a partition may be on their way. With 1 each waits for the one before it to arrive.
    #[config(default = "1024")]
    checkpoint_limit: usize,

    /// Whether messages that fail are delivered again; without it they are lost.
    #[config(default = "true")]
    auto_replay_nacks: bool,

    /// How often offsets are committed. At a stop they always are.
    #[config(default = "1s", advanced)]
    commit_period: Duration,

    /// Whether messages of transactions that are open, or were aborted, are read: with `read_uncommitted` they are.
    #[config(default = "read_uncommitted", options("read_committed", "read_uncommitted"), advanced)]
    transaction_isolation_level: String,

    /// Has no effect: how long a message takes does not matter to the group.
    #[config(default = "100ms", advanced)]
    #[expect(dead_code, reason = "a lint says that it has no effect")]
    max_processing_period: Duration,

    /// A mapping that makes of a message an object of the headers that name the span to which it belongs, as `traceparent`:
    /// `root = @` where the other end puts them into headers.
    #[config(advanced, example = "root = @", example = "root = this.meta.span")]
    extract_tracing_map: Option<Mapping>,

    /// Whether a message begins a trace of its own, which is linked to that span.
    #[config(advanced)]
    new_root_span_with_link: Option<bool>,

    /// How the group notices who is gone.
    #[config(advanced)]
    group: GroupConfig,

    /// How many messages of each partition are fetched ahead: the client asks for more when fewer wait.
    #[config(default = "256", advanced)]
    fetch_buffer_cap: usize,

    /// Whether headers are lists, with all values of a name.
    #[config(default = "false", advanced)]
    multi_header: bool,

    /// Whether the client library logs what it does, at the level DEBUG.
    #[config(default = "false", advanced)]
    debug: bool,

    /// What of a partition is put together to batches.
    #[config(advanced)]
    batching: PolicyConfig,
}

/// How a group notices who is gone.
#[derive(Config, Debug)]
struct GroupConfig {
    /// Who is not heard of for so long is no member any more.
    #[config(default = "10s", advanced)]
    session_timeout: Duration,

    /// How often a member is heard of.
    #[config(default = "3s", advanced)]
    heartbeat_interval: Duration,

    /// How long members have to give up partitions and to join again.
    #[config(default = "60s", advanced)]
    rebalance_timeout: Duration,
}

const MIXED: &str =
    "it is not currently possible to include balanced and explicit partition topics in the same kafka input";

fn lint(config: &KafkaConfig, node: &Node, reader: &mut Reader<'_>) {
    lint_tls(&config.tls, node, reader);
    lint_version(config.target_version.as_deref(), node, reader);
    if let Err(text) = config.what() {
        reader.error(Rule::InvalidValue, node.get("topics").unwrap_or(node), text);
    }
    let at = node.get("addresses").unwrap_or(node);
    if addresses(&config.addresses).is_empty() {
        reader.error(Rule::InvalidValue, at, "there is no address");
    }
    lint_schemes(&config.addresses, at, reader);
    if let Some(at) = node.get("max_processing_period") {
        reader.warn(Rule::NotInWappa, at, "`max_processing_period` has no effect in Wappa");
    }
}

impl KafkaConfig {
    /// What is read.
    fn what(&self) -> Result<(Vec<String>, topics::Named), String> {
        let (whole, named) = topics::parse(&self.topics, false)?;
        match (whole.is_empty(), named.is_empty()) {
            (true, true) => Err("must specify at least one topic in the topics field".to_string()),
            (false, false) => Err(MIXED.to_string()),
            (false, true) if self.consumer_group.is_empty() => {
                Err("a consumer group must be specified when consuming balanced topics".to_string())
            }
            _ => Ok((whole, named)),
        }
    }
}

impl BuildInput for KafkaConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Input>, BuildError> {
        let (topics, named) = self.what().map_err(BuildError::new)?;
        let mut client = basics(&addresses(&self.addresses), &self.client_id, &self.rack_id);
        let sasl = Sasl::of_kafka(self.sasl);
        sasl.apply(&self.tls, &mut client).map_err(BuildError::new)?;
        Version::of(self.target_version.as_deref()).map_err(BuildError::new)?.apply(&mut client);
        let has_group = !self.consumer_group.is_empty();
        super::group(&mut client, &self.consumer_group, self.commit_period, self.start_from_oldest);
        client
            // As Bento's client, which asks for topics so that brokers make them where they may.
            .set("allow.auto.create.topics", "true")
            .set("partition.assignment.strategy", "range")
            .set("isolation.level", &self.transaction_isolation_level)
            .set("session.timeout.ms", ms(self.group.session_timeout, 1, 3_600_000))
            .set("heartbeat.interval.ms", ms(self.group.heartbeat_interval, 1, 3_600_000))
            .set(
                "max.poll.interval.ms",
                ms(self.group.rebalance_timeout.max(self.group.session_timeout), 1, 86_400_000),
            )
            .set("queued.min.messages", self.fetch_buffer_cap.clamp(1, 10_000_000).to_string());
        if self.debug {
            client.set("debug", "broker,topic,metadata,cgrp,fetch,security");
        }
        let style = Style { empty_key: true, lag: true, headers_win: false, multi_header: self.multi_header };
        let options = Options {
            client,
            token: sasl.token,
            topics,
            patterns: Vec::new(),
            named,
            has_group,
            start: if self.start_from_oldest { Offset::Beginning } else { Offset::End },
            style,
            checkpoint_limit: self.checkpoint_limit.max(1),
            auto_replay_nacks: self.auto_replay_nacks,
            refresh: Duration::from_secs(600),
            leaves_unknown: false,
            batching: super::batching(&self.batching, ctx)?,
            rate_limit: None,
        };
        Ok(extracting(input(options, ctx), self.extract_tracing_map, self.new_root_span_with_link, ctx))
    }
}
