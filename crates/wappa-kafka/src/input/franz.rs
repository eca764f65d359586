//! The input `kafka_franz`.

use std::time::Duration;

use rdkafka::Offset;
use wappa_component::{
    BuildError, BuildInput, Component, Context, Input, batching::PolicyConfig, tracer::extracting,
};
use wappa_net::TlsConfig;
use wappa_spec::{Config, Mapping, Node, Reader, Rule, Size};

use super::{consumer::Options, reader::input, records::Style, topics};
use crate::{
    client::{addresses, basics, lint_brokers, ms},
    sasl::{MechanismConfig, Sasl, lint_several, lint_tls},
};

pub(crate) const COMPONENT: Component =
    Component::input::<FranzConfig>("kafka_franz").categories(&["Services"]);

/// Reads topics of Kafka, by name or by pattern, as a member of a group, which divides the partitions among its members; or
/// all of them, or partitions by number and from an offset on.
///
/// It is the input [`kafka`](kafka.md) with other fields and defaults: members of a group keep what they have while
/// partitions are given to others (`cooperative_sticky`), and topics may be meant by patterns.
///
/// # Metadata
///
/// | key | value |
/// | --- | --- |
/// | `kafka_key` | the key; not there where there is none |
/// | `kafka_topic` | the topic |
/// | `kafka_partition` | the number of the partition |
/// | `kafka_offset` | the place in the partition |
/// | `kafka_timestamp_unix`, `kafka_timestamp_unix_ms` | the message's time, in seconds and in milliseconds |
/// | `kafka_tombstone_message` | whether there is no content at all, not even an empty one |
///
/// Each header is there under its own name, and counts for more than one of the names above.
///
/// # Examples
///
/// ### All topics that begin with a word
///
/// ```yaml
/// input:
///   kafka_franz:
///     seed_brokers: [ localhost:9092 ]
///     topics: [ '^things_.*' ]
///     regexp_topics: true
///     consumer_group: wappa
/// output:
///   stdout: {}
/// ```
///
/// # Delivery
///
/// As of [`kafka`](kafka.md#delivery). Without a group nothing is committed, and reading begins anew with each process.
///
/// # Pitfalls
///
/// Fields that Bento's client alone can honour are named by `lint`.
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

    /// What is read: topics, or partitions of topics, as `foo:0` or `foo:0-5`, and from an offset on, as `foo:0:10`. One text
    /// may name several, with commas between them. Partitions that are named belong to no group.
    #[config(
        example = "[foo, bar]",
        example = "['things.*']",
        example = "['foo,bar']",
        example = "['foo:0', 'bar:1', 'bar:3']",
        example = "['foo:0,bar:1,bar:3']",
        example = "['foo:0-5']"
    )]
    topics: Vec<String>,

    /// Whether topics are patterns: each topic is read whose name has a piece that one of them matches, those that are made
    /// later as well.
    #[config(default = "false")]
    regexp_topics: bool,

    /// The group that keeps offsets, and divides the partitions among its members.
    consumer_group: Option<String>,

    /// What the client calls itself.
    #[config(default = "bento", advanced)]
    client_id: String,

    /// Where the client is, so that it is served by a broker nearby.
    #[config(default = "\"\"", advanced)]
    rack_id: String,

    /// How many messages of a partition may be on their way.
    #[config(default = "1024", advanced)]
    checkpoint_limit: usize,

    /// Whether messages that fail are delivered again; without it they are lost.
    #[config(default = "true")]
    auto_replay_nacks: bool,

    /// How often offsets are committed. At a stop they always are.
    #[config(default = "5s", advanced)]
    commit_period: Duration,

    /// Where reading begins where the group has no offset, or one that is there no more: at the oldest message or behind the
    /// newest.
    #[config(default = "true", advanced)]
    start_from_oldest: bool,

    /// Whether a topic that is not there has the client connect anew, with a back-off.
    #[config(default = "false", advanced)]
    reconnect_on_unknown_topic_or_partition: bool,

    /// The same as `start_from_oldest`, and counts for more: `none` reads nothing of a partition without an offset, and
    /// says so.
    #[config(options("earliest", "latest", "none"), advanced)]
    auto_offset_reset: Option<String>,

    /// How the group divides partitions, the first that all members know: `cooperative_sticky`; or `range` and
    /// `round_robin`, which take all partitions from all members each time.
    #[config(default = "[cooperative_sticky]", advanced)]
    group_balancers: Vec<String>,

    /// How often new topics and partitions are looked for.
    #[config(default = "5m", advanced)]
    metadata_max_age: Duration,

    /// How much a broker sends at once.
    #[config(default = "50MiB", advanced)]
    fetch_max_bytes: Size,

    /// How much of one partition a broker sends at once; a message that is larger comes anyway.
    #[config(default = "1MiB", advanced)]
    fetch_max_partition_bytes: Size,

    /// How long a broker waits for something to send.
    #[config(default = "5s", advanced)]
    fetch_max_wait: Duration,

    /// Has no effect: partitions take turns, however far behind they are.
    #[config(advanced)]
    #[expect(dead_code, reason = "a lint says that it has no effect")]
    preferring_lag: Option<i64>,

    /// Whether messages of transactions that are open, or were aborted, are read: with `read_uncommitted` they are.
    #[config(default = "read_uncommitted", options("read_committed", "read_uncommitted"), advanced)]
    transaction_isolation_level: String,

    /// How connections are encrypted.
    #[config(advanced)]
    tls: TlsConfig,

    /// Who the client is, in one way: of several the first counts.
    #[config(advanced)]
    sasl: Vec<MechanismConfig>,

    /// Whether headers are lists, with all values of a name.
    #[config(default = "false", advanced)]
    multi_header: bool,

    /// What of a partition is put together to batches.
    #[config(advanced)]
    batching: PolicyConfig,

    /// The label of a rate limit that says when a message, or a batch, is read.
    #[config(default = "\"\"", label_of = "rate_limit", advanced)]
    rate_limit: String,

    /// A mapping that makes of a message an object of the headers that name the span to which it belongs, as `traceparent`:
    /// `root = @` where the other end puts them into headers.
    #[config(advanced, example = "root = @", example = "root = this.meta.span")]
    extract_tracing_map: Option<Mapping>,

    /// Whether a message begins a trace of its own, which is linked to that span.
    #[config(advanced)]
    new_root_span_with_link: Option<bool>,
}

fn lint(config: &FranzConfig, node: &Node, reader: &mut Reader<'_>) {
    lint_tls(&config.tls, node, reader);
    lint_several(&config.sasl, node, reader);
    lint_brokers(&config.seed_brokers, node, reader);
    if let Err(text) = config.what() {
        reader.error(Rule::InvalidValue, node.get("topics").unwrap_or(node), text);
    }
    if let Err(text) = config.balancers() {
        reader.error(Rule::InvalidValue, node.get("group_balancers").unwrap_or(node), text);
    }
    if let Some(at) = node.get("preferring_lag") {
        reader.warn(Rule::NotInWappa, at, "`preferring_lag` has no effect in Wappa");
    }
}

impl FranzConfig {
    /// What is read.
    fn what(&self) -> Result<(Vec<String>, topics::Named), String> {
        let (whole, named) = topics::parse(&self.topics, true)?;
        let has_group = self.consumer_group.as_ref().is_some_and(|it| !it.is_empty());
        match (whole.is_empty(), named.is_empty()) {
            (true, true) => Err("there is no topic".to_string()),
            (_, false) if has_group => {
                Err("this input does not support both a consumer group and explicit topic partitions"
                    .to_string())
            }
            (_, false) if self.regexp_topics => Err(
                "this input does not support both regular expression topics and explicit topic partitions"
                    .to_string(),
            ),
            _ if self.regexp_topics => topics::patterns(&whole).map(|_| (whole, named)),
            _ => Ok((whole, named)),
        }
    }

    /// The names that the client has for the ways to divide partitions.
    fn balancers(&self) -> Result<String, String> {
        let mut names: Vec<&str> = Vec::new();
        for name in &self.group_balancers {
            let name = match name.as_str() {
                "cooperative_sticky" => "cooperative-sticky",
                "range" => "range",
                "round_robin" => "roundrobin",
                "sticky" => {
                    return Err(
                        "Wappa does not have the balancer `sticky`: take `cooperative_sticky`".to_string()
                    );
                }
                other => return Err(format!("undefined group_balancer option: [{other}]")),
            };
            if !names.contains(&name) {
                names.push(name);
            }
        }
        match names.as_slice() {
            [] => Ok("cooperative-sticky".to_string()),
            [_, _, ..] if names.contains(&"cooperative-sticky") => Err(
                "`cooperative_sticky` stands alone in Wappa: a client that knows it and another one uses neither".to_string(),
            ),
            names => Ok(names.join(",")),
        }
    }
}

impl BuildInput for FranzConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Input>, BuildError> {
        let (topics, named) = self.what().map_err(BuildError::new)?;
        let (topics, patterns) = match self.regexp_topics {
            true => (Vec::new(), topics::patterns(&topics).map_err(BuildError::new)?),
            false => (topics, Vec::new()),
        };
        let mut client = basics(&addresses(&self.seed_brokers), &self.client_id, &self.rack_id);
        let balancers = self.balancers().map_err(BuildError::new)?;
        let group = self.consumer_group.unwrap_or_default();
        let reset = self.auto_offset_reset.map(|it| it.to_lowercase());
        let is_oldest = reset.as_ref().map_or(self.start_from_oldest, |it| it == "earliest");
        super::group(&mut client, &group, self.commit_period, is_oldest);
        if reset.as_deref() == Some("none") {
            client.set("auto.offset.reset", "error");
        }
        let sasl = Sasl::of_franz(self.sasl);
        sasl.apply(&self.tls, &mut client).map_err(BuildError::new)?;
        let fetch = self.fetch_max_bytes.bytes().clamp(1_000_000, 2_147_000_000);
        let age = self.metadata_max_age.max(Duration::from_millis(1));
        client
            .set("partition.assignment.strategy", balancers)
            .set("isolation.level", &self.transaction_isolation_level)
            .set("topic.metadata.refresh.interval.ms", ms(age, 1, 3_600_000))
            .set("metadata.max.age.ms", ms(age * 3, 1, 86_400_000))
            .set("fetch.max.bytes", fetch.to_string())
            .set("receive.message.max.bytes", (fetch + 100_000).to_string())
            .set(
                "max.partition.fetch.bytes",
                self.fetch_max_partition_bytes.bytes().clamp(1, 1_000_000_000).to_string(),
            )
            .set("fetch.wait.max.ms", ms(self.fetch_max_wait, 0, 300_000))
            // Enough for a moment in which the broker is slow, and not much to keep.
            .set("queued.min.messages", "10000");
        let rate_limit = match self.rate_limit.as_str() {
            "" => None,
            label => Some(ctx.rate_limit(label)?),
        };
        let style =
            Style { empty_key: false, lag: false, headers_win: true, multi_header: self.multi_header };
        let options = Options {
            client,
            token: sasl.token,
            topics,
            patterns,
            named,
            has_group: !group.is_empty(),
            start: if is_oldest { Offset::Beginning } else { Offset::End },
            style,
            checkpoint_limit: self.checkpoint_limit.max(1),
            auto_replay_nacks: self.auto_replay_nacks,
            refresh: age.max(Duration::from_secs(1)),
            leaves_unknown: self.reconnect_on_unknown_topic_or_partition,
            batching: super::batching(&self.batching, ctx)?,
            rate_limit,
        };
        Ok(extracting(input(options, ctx), self.extract_tracing_map, self.new_root_span_with_link, ctx))
    }
}
