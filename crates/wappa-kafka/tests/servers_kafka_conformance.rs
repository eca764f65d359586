//! Every input and output of this crate does what such a one has to, against a real broker.

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};

use support::{make_topic, name, produce, read_topic, record, streams};
use wappa_conformance::{Downstream, Peer, Upstream, check_input_from, check_output_to};
use wappa_servers::{
    Proxy, Server,
    kafka::{BEHIND, Kafka},
    or_skip,
};

/// A broker behind a network that can be cut. `None`: it is not installed.
struct Broker {
    proxy: Proxy,
    _server: Server,
}

impl Broker {
    fn start() -> Option<Broker> {
        let kafka = or_skip(Kafka::find())?;
        let proxy = Proxy::new();
        let server = kafka.behind(&[proxy.address()]).start();
        proxy.lead_to(&format!("127.0.0.1:{}", server.port(BEHIND)));
        Some(Broker { proxy, _server: server })
    }
}

/// A topic of one partition.
struct Topic<'a> {
    broker: &'a Broker,
    topic: String,
    config: String,
}

impl Topic<'_> {
    /// A new one, for what the config says with `ADDRESS` and `TOPIC` in it.
    fn new<'a>(broker: &'a Broker, config: &str) -> Topic<'a> {
        static N_TOPICS: AtomicUsize = AtomicUsize::new(0);
        let topic = name(&format!("topic-{}", N_TOPICS.fetch_add(1, Ordering::Relaxed)));
        // What was before may have ended while there was none.
        broker.proxy.heal();
        let address = broker.proxy.address();
        make_topic(&address, &topic, 1);
        let config = config.replace("ADDRESS", &address).replace("TOPIC", &topic);
        Topic { broker, topic, config }
    }
}

impl Peer for Topic<'_> {
    fn config(&self) -> String {
        self.config.clone()
    }

    fn go(&mut self) {
        self.broker.proxy.cut();
    }

    fn come_back(&mut self) {
        self.broker.proxy.heal();
    }

    fn hold(&mut self, is_held: bool) -> bool {
        match is_held {
            true => self.broker.proxy.stall(),
            false => self.broker.proxy.heal(),
        }
        true
    }
}

impl Upstream for Topic<'_> {
    fn send(&mut self, messages: &[String]) -> bool {
        let records: Vec<_> = messages.iter().map(|it| record(it.as_bytes())).collect();
        produce(&self.broker.proxy.address(), &self.topic, &records);
        true
    }

    fn keeps(&self) -> bool {
        true
    }
}

impl Downstream for Topic<'_> {
    fn received(&mut self) -> Vec<String> {
        let read = read_topic(&self.broker.proxy.address(), &self.topic, 0);
        read.into_iter().map(|it| it.payload).collect()
    }
}

#[test]
fn every_input() {
    let Some(broker) = Broker::start() else { return };
    for config in [
        "kafka: {addresses: [ADDRESS], topics: [TOPIC], consumer_group: TOPIC, commit_period: 50ms}",
        "kafka_franz: {seed_brokers: [ADDRESS], topics: [TOPIC], consumer_group: TOPIC, commit_period: 50ms}",
    ] {
        check_input_from(streams().components(), || Topic::new(&broker, config));
    }
}

#[test]
fn every_output() {
    let Some(broker) = Broker::start() else { return };
    for config in [
        "kafka: {addresses: [ADDRESS], topic: TOPIC, max_in_flight: 1}",
        "kafka_franz: {seed_brokers: [ADDRESS], topic: TOPIC, max_in_flight: 1}",
    ] {
        check_output_to(streams().components(), || Topic::new(&broker, config));
    }
}
