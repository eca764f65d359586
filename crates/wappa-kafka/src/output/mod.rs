//! The outputs.

mod franz;
mod headers;
mod kafka;
mod partitioner;
mod producer;
mod sending;
mod topics;
mod writer;

use std::time::Duration;

use rdkafka::ClientConfig;
use wappa_component::Component;

use crate::client::ms;

pub(crate) const COMPONENTS: &[&Component] = &[&kafka::COMPONENT, &franz::COMPONENT];

/// How long a message that is alone waits for others to be sent with.
const LINGER: &str = "1";

/// What both outputs tell a producer.
fn produce(
    client: &mut ClientConfig,
    max_bytes: u64,
    timeout: Duration,
    max_in_flight: usize,
    idempotent: bool,
) {
    client
        .set("message.max.bytes", max_bytes.clamp(1000, 1_000_000_000).to_string())
        .set("request.timeout.ms", ms(timeout, 1, 900_000))
        .set("enable.idempotence", idempotent.to_string())
        .set("linger.ms", LINGER)
        // What is on its way is bounded by us.
        .set("queue.buffering.max.messages", "0")
        .set("queue.buffering.max.kbytes", "2147483647");
    if max_in_flight <= 1 && !idempotent {
        // One after the other, so that none overtakes one that is tried again.
        client.set("max.in.flight.requests.per.connection", "1");
    }
}
