//! What the harness knows of each broker: configs, in which `ADDRESS` and `TOPIC` are replaced.

use wappa_servers::{
    Server,
    kafka::{self, Kafka},
    or_skip,
};

/// A broker of some kind.
pub(crate) struct Broker {
    pub(crate) name: &'static str,
    /// Starts it. Members reach it by these addresses; `None`: it is not installed.
    pub(crate) start: fn(&[String]) -> Option<Started>,
    /// The input of a member of the group, which reads the topic `numbers`.
    pub(crate) member: &'static str,
    /// An output to `TOPIC`, whose key is `KEY`.
    pub(crate) output: &'static str,
    /// The key of a number that is written, and of a message that a member has read.
    pub(crate) key_of_number: &'static str,
    pub(crate) key_of_message: &'static str,
    /// The input of the auditor: every record of the topics `numbers`, `out` and `dead`, from the first one on.
    pub(crate) auditor: &'static str,
    /// What the auditor writes down of a record, in a mapping: its topic, what in the topic is in order, its place there, as
    /// numbers with `-` between them, and its time in milliseconds.
    pub(crate) record: &'static str,
    /// Whether messages of one key stay in order, as long as none of them fails to be written.
    pub(crate) keeps_order: bool,
}

/// A broker that runs.
pub(crate) struct Started {
    pub(crate) server: Server,
    /// Where it is for the filler and the auditor.
    pub(crate) address: String,
    /// Where the address of each member has to lead.
    pub(crate) behind: Vec<String>,
}

impl Broker {
    /// An output to a topic.
    pub(crate) fn output(&self, topic: &str, key: &str) -> String {
        self.output.replace("TOPIC", topic).replace("KEY", key)
    }
}

/// The longest that a member may say nothing is three seconds.
pub(crate) const KAFKA: Broker = Broker {
    name: "kafka",
    start: |fronts| {
        let found = or_skip(Kafka::find())?.behind(fronts).properties("group.min.session.timeout.ms=1000");
        let server = found.start();
        let behind = (0..fronts.len()).map(|it| format!("127.0.0.1:{}", server.port(kafka::BEHIND + it)));
        Some(Started { address: server.address(), behind: behind.collect(), server })
    },
    member: "kafka: {addresses: ['ADDRESS'], topics: [numbers], consumer_group: chaos, commit_period: 500ms, \
             group: {session_timeout: 3s, heartbeat_interval: 500ms, rebalance_timeout: 10s}}",
    output: "kafka_franz: {seed_brokers: ['ADDRESS'], topic: TOPIC, key: '${! KEY }'}",
    key_of_number: "content().string().slice(-2)",
    key_of_message: "@kafka_key",
    auditor: "kafka_franz: {seed_brokers: ['ADDRESS'], topics: [numbers, out, dead], consumer_group: audit, metadata_max_age: 1s}",
    record: r#""%s %s %s %s".format(@kafka_topic, @kafka_partition, @kafka_offset, @kafka_timestamp_unix_ms)"#,
    keeps_order: true,
};

/// The same with the other input, whose members keep what they have while the rest changes hands. Its sessions last forty-five
/// seconds, so it is for the long form.
pub(crate) const KAFKA_FRANZ: Broker = Broker {
    name: "kafka_franz",
    member: "kafka_franz: {seed_brokers: ['ADDRESS'], topics: [numbers], consumer_group: chaos, commit_period: 500ms}",
    ..KAFKA
};
