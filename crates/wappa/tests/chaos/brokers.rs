//! What the harness knows of each broker: configs, in which `ADDRESS` and `TOPIC` are replaced.

use wappa_servers::{
    Server,
    kafka::{self, Kafka},
    nats::Nats,
    or_skip,
    redis::Redis,
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

/// The members pull from one consumer, which gives each message to any of them.
pub(crate) const JETSTREAM: Broker = Broker {
    name: "jetstream",
    start: |fronts| {
        let server = or_skip(Nats::find())?.start();
        Nats::make_stream(&server, "chaos", &["numbers", "out", "dead"]);
        Some(Started { address: server.address(), behind: vec![server.address(); fronts.len()], server })
    },
    member: "nats_jetstream: {urls: ['nats://ADDRESS'], stream: chaos, subject: numbers, durable: chaos, pull: true, ack_wait: 3s}",
    output: "nats_jetstream: {urls: ['nats://ADDRESS'], subject: TOPIC}",
    key_of_number: "",
    key_of_message: "",
    auditor: "nats_jetstream: {urls: ['nats://ADDRESS'], stream: chaos, subject: '*', durable: audit, pull: true}",
    record: r#""%s all %s %s".format(@nats_subject, @nats_sequence_stream, @nats_timestamp_unix_nano.slice(0, -6))"#,
    keeps_order: false,
};

/// The members claim from each other what nobody has worked on for three seconds. The topic of a record is no metadata of it.
pub(crate) const REDIS_STREAMS: Broker = Broker {
    name: "redis_streams",
    start: |fronts| {
        // What was said to be written is in the file.
        let server = or_skip(Redis::find())?.args(&["--appendfsync", "always"]).start();
        Some(Started { address: server.address(), behind: vec![server.address(); fronts.len()], server })
    },
    member: "redis_streams: {url: 'redis://ADDRESS', streams: [numbers], consumer_group: chaos, client_id: 'ADDRESS', \
             limit: 100, commit_period: 500ms, claim_after: 3s}",
    // A field with the name of what the input adds would stand for it when it is read again.
    output: "redis_streams: {url: 'redis://ADDRESS', stream: TOPIC, metadata: {exclude_prefixes: [redis_stream]}}",
    key_of_number: "",
    key_of_message: "",
    auditor: "broker:\n    inputs:\n      \
              - {redis_streams: {url: 'redis://ADDRESS', streams: [numbers], consumer_group: audit, client_id: audit, limit: 100}, processors: [{mapping: 'meta topic = \"numbers\"'}]}\n      \
              - {redis_streams: {url: 'redis://ADDRESS', streams: [out], consumer_group: audit, client_id: audit, limit: 100}, processors: [{mapping: 'meta topic = \"out\"'}]}\n      \
              - {redis_streams: {url: 'redis://ADDRESS', streams: [dead], consumer_group: audit, client_id: audit, limit: 100}, processors: [{mapping: 'meta topic = \"dead\"'}]}",
    record: r#""%s all %s %s".format(@topic, @redis_stream, @redis_stream.split("-").index(0))"#,
    keeps_order: false,
};
