//! From one topic of Kafka through a guest into another, of one partition each, beside a plain program with the same client,
//! which does the same without a guest, and beside a Bento where one is given.
//!
//! `cargo build --release`, then `cargo bench -p wappa-kafka --bench kafka -- [--quick]`. Needs Kafka.
//! [`wappa_servers::contest`] says what is measured.
#![allow(clippy::print_stdout, reason = "the table is what it is for")]

use std::time::Duration;

use rdkafka::{
    ClientConfig, Message as _,
    consumer::{BaseConsumer, CommitMode, Consumer as _},
    producer::{BaseProducer, BaseRecord, Producer as _},
};
use wappa_servers::{
    contest::{self, Course, Options},
    kafka::Kafka,
};

struct Topics {
    address: String,
    outside: BaseConsumer,
    /// How many bytes the messages of the last topic have, and how many there are.
    filled: (usize, usize),
    /// Each run writes to a topic of its own.
    n_runs: usize,
}

fn client(address: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", address);
    config
}

/// Looks at topics from outside.
fn looker(address: &str) -> BaseConsumer {
    client(address).set("group.id", "looks").create().expect("a client")
}

fn main() {
    if let Some(args) = contest::plain() {
        let [address, from, to] = args.as_slice() else {
            return println!("an address and two topics are needed");
        };
        return plain(address, from, to);
    }
    let Some(options) = Options::read() else { return };
    let kafka = match Kafka::find() {
        Ok(kafka) => kafka,
        Err(missing) => return println!("{missing}"),
    };
    contest::pin(0);
    let server = kafka.properties("num.partitions=1").start();
    let address = server.address();
    let outside = looker(&address);
    contest::run(&mut Topics { address, outside, filled: (0, 0), n_runs: 0 }, &options);
}

impl Topics {
    fn from(&self) -> String {
        format!("from-{}", self.filled.0)
    }

    fn to(&self) -> String {
        format!("to-{}", self.n_runs)
    }
}

impl Course for Topics {
    fn name(&self) -> &'static str {
        "Kafka"
    }

    fn prepare(&mut self, n_messages: usize, n_bytes: usize) {
        self.n_runs += 1;
        if self.filled == (n_bytes, n_messages) {
            return;
        }
        self.filled = (n_bytes, n_messages);
        let producer: BaseProducer =
            client(&self.address).set("queue.buffering.max.messages", "0").create().expect("a client");
        let (topic, content) = (self.from(), vec![b'a'; n_bytes]);
        for idx in 0..n_messages {
            let record = BaseRecord::<(), [u8]>::to(&topic).partition(0).payload(&content);
            producer.send(record).map_err(|it| it.0).expect("there is room");
            if idx % 1_000 == 0 {
                producer.poll(Duration::ZERO);
            }
        }
        producer.flush(Duration::from_secs(120)).expect("the broker takes them");
    }

    fn n_there(&mut self) -> usize {
        match self.outside.fetch_watermarks(&self.to(), 0, Duration::from_secs(5)) {
            Ok((_, high)) => high as usize,
            Err(_) => {
                // One that has asked for a topic before it was there may never see it.
                self.outside = looker(&self.address);
                0
            }
        }
    }

    fn config(&self, batch: usize) -> String {
        let (address, from, to) = (&self.address, self.from(), self.to());
        let batching = match batch {
            1 => String::new(),
            _ => format!(", batching: {{ count: {batch}, period: 10ms }}"),
        };
        format!(
            "input: {{ kafka_franz: {{ seed_brokers: ['{address}'], topics: [{from}], consumer_group: {to}{batching} }} }}\n\
             output: {{ kafka_franz: {{ seed_brokers: ['{address}'], topic: {to}, max_in_flight: 64 }} }}\n"
        )
    }

    fn n_messages(&self, n_bytes: usize) -> usize {
        if n_bytes < 1_000 { 1_500_000 } else { 400_000 }
    }

    fn starts_slowly(&self) -> bool {
        true
    }

    fn plain(&self) -> Vec<String> {
        vec![self.address.clone(), self.from(), self.to()]
    }
}

/// The plain program: reads, turns into upper case, writes, commits; until it is killed.
fn plain(address: &str, from: &str, to: &str) {
    let consumer: BaseConsumer =
        client(address).set("group.id", to).set("auto.offset.reset", "earliest").create().expect("a client");
    let producer: BaseProducer = client(address)
        .set("enable.idempotence", "true")
        .set("compression.type", "snappy")
        .create()
        .expect("a client");
    consumer.subscribe(&[from]).expect("a topic");
    let mut n_messages = 0_u64;
    loop {
        if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) {
            let content = message.payload().unwrap_or_default().to_ascii_uppercase();
            while producer.send(BaseRecord::<(), [u8]>::to(to).partition(0).payload(&content)).is_err() {
                producer.poll(Duration::from_millis(1));
            }
            n_messages += 1;
        }
        if n_messages.is_multiple_of(1000) {
            producer.poll(Duration::ZERO);
            let _ = consumer.commit_consumer_state(CommitMode::Async);
        }
    }
}
