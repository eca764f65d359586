//! Runs whole streams of a config against a broker, and looks at the broker from outside.
#![allow(dead_code, reason = "each test uses some of it")]

use std::{
    sync::OnceLock,
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig, Message as _, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer as _},
    message::{Header, Headers as _, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, Producer as _},
};
use wappa_servers::{Server, kafka::Kafka, or_skip, wait_until};
pub(crate) use wappa_testing::{Running, Streams};

pub(crate) fn streams() -> Streams {
    Streams::of(wappa_pure::components().into_iter().chain(wappa_kafka::components()))
}

/// What is wrong with a config.
pub(crate) fn lint(config: &str) -> String {
    streams().lint(config)
}

/// Begins a stream.
pub(crate) fn start(config: &str) -> Running {
    streams().start(config)
}

/// The address of the broker that all tests of a file share. `None`: they are skipped.
pub(crate) fn broker() -> Option<&'static str> {
    static BROKER: OnceLock<Option<(Server, String)>> = OnceLock::new();
    let started = BROKER.get_or_init(|| {
        let server = or_skip(Kafka::find())?.start();
        let address = server.address();
        Some((server, address))
    });
    started.as_ref().map(|it| it.1.as_str())
}

/// A name that no other test has.
pub(crate) fn name(of: &str) -> String {
    format!("{of}-{}", std::process::id())
}

/// Makes a topic with so many partitions.
pub(crate) fn make_topic(address: &str, topic: &str, n_partitions: i32) {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", address).create().expect("a client");
    let new = NewTopic::new(topic, n_partitions, TopicReplication::Fixed(1));
    let runtime = wappa_net::Runtime::default().start().expect("threads");
    wait_until("a topic", || {
        let made = runtime.block_on(admin.create_topics([&new], &AdminOptions::new()));
        matches!(made.as_deref(), Ok([Ok(_)]))
            || matches!(made.as_deref(), Ok([Err((_, code))]) if format!("{code:?}").contains("AlreadyExists"))
    });
}

/// A record to be sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record {
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) payload: Option<Vec<u8>>,
    pub(crate) partition: Option<i32>,
    pub(crate) timestamp: Option<i64>,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
}

pub(crate) fn record(payload: impl Into<Vec<u8>>) -> Record {
    Record { payload: Some(payload.into()), ..Record::default() }
}

/// Sends records, and waits until the broker has them.
pub(crate) fn produce(address: &str, topic: &str, records: &[Record]) {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", address)
        .set("linger.ms", "1")
        .create()
        .expect("a client");
    for record in records {
        let mut headers = OwnedHeaders::new();
        for (key, value) in &record.headers {
            headers = headers.insert(Header { key, value: Some(value) });
        }
        let mut base = BaseRecord::<[u8], [u8]>::to(topic).headers(headers);
        base.key = record.key.as_deref();
        base.payload = record.payload.as_deref();
        base.partition = record.partition;
        base.timestamp = record.timestamp;
        producer.send(base).map_err(|it| it.0).expect("it is taken");
    }
    producer.flush(Duration::from_secs(30)).expect("the broker takes them");
}

/// Sends the numbers of a range, a record each, to one partition or to all in turn.
pub(crate) fn produce_numbers(address: &str, topic: &str, numbers: std::ops::Range<u32>, n_partitions: i32) {
    let records: Vec<Record> = numbers
        .map(|it| Record { partition: Some(it as i32 % n_partitions), ..record(it.to_string()) })
        .collect();
    produce(address, topic, &records);
}

/// What is read back of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Read {
    pub(crate) partition: i32,
    pub(crate) key: Option<String>,
    pub(crate) payload: String,
    pub(crate) headers: Vec<(String, String)>,
}

/// How many partitions a topic has, once it is there.
fn partitions_of(consumer: &BaseConsumer, topic: &str) -> usize {
    let mut n_partitions = 0;
    wait_until("a topic", || {
        let metadata = consumer.fetch_metadata(Some(topic), Duration::from_secs(5));
        n_partitions = metadata.map_or(0, |it| it.topics()[0].partitions().len());
        0 < n_partitions
    });
    n_partitions
}

/// The same.
pub(crate) fn n_partitions(address: &str, topic: &str) -> usize {
    let consumer = ClientConfig::new().set("bootstrap.servers", address).create().expect("a client");
    partitions_of(&consumer, topic)
}

/// Reads a topic from its beginning until so many records are there, and a moment longer.
pub(crate) fn read_topic(address: &str, topic: &str, count: usize) -> Vec<Read> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", address)
        .set("group.id", "a-test-that-looks")
        .set("enable.auto.commit", "false")
        .set("isolation.level", "read_uncommitted")
        .create()
        .expect("a client");
    let n_partitions = partitions_of(&consumer, topic);
    let mut list = TopicPartitionList::new();
    for partition in 0..n_partitions {
        list.add_partition_offset(topic, partition as i32, Offset::Beginning).expect("an offset");
    }
    consumer.assign(&list).expect("it can be read");
    let mut all = Vec::new();
    let began = Instant::now();
    let mut quiet = Instant::now();
    while all.len() < count || quiet.elapsed() < Duration::from_millis(300) {
        assert!(began.elapsed() < Duration::from_secs(60), "{} of {count} are there", all.len());
        let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) else { continue };
        quiet = Instant::now();
        let text = |it: &[u8]| String::from_utf8_lossy(it).into_owned();
        let headers = message.headers().map_or(Vec::new(), |headers| {
            headers.iter().map(|it| (it.key.to_string(), text(it.value.unwrap_or_default()))).collect()
        });
        all.push(Read {
            partition: message.partition(),
            key: message.key().map(text),
            payload: message.payload().map_or("(none)".to_string(), text),
            headers,
        });
    }
    all
}

/// The offset that a group has committed of a partition.
pub(crate) fn committed(address: &str, group: &str, topic: &str, partition: i32) -> Option<i64> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", address)
        .set("group.id", group)
        .create()
        .expect("a client");
    let mut list = TopicPartitionList::new();
    list.add_partition(topic, partition);
    let mut offsets = TopicPartitionList::new();
    // One that has just come back may say that it is not the one to ask.
    wait_until("an answer of the broker", || {
        let answer = consumer.committed_offsets(list.clone(), Duration::from_secs(10));
        answer.map(|it| offsets = it).is_ok()
    });
    offsets.find_partition(topic, partition).and_then(|it| match it.offset() {
        Offset::Offset(offset) => Some(offset),
        _ => None,
    })
}
