//! The inputs.

mod consumer;
mod franz;
mod kafka;
mod partition;
mod reader;
mod records;
mod topics;

use std::time::Duration;

use rdkafka::ClientConfig;
use wappa_component::{
    BuildError, Component, Context, Processor,
    batching::{Policy, PolicyConfig},
};

use crate::client::ms;

pub(crate) const COMPONENTS: &[&Component] = &[&kafka::COMPONENT, &franz::COMPONENT];

/// How messages of a partition are put together.
pub(crate) struct Batching {
    /// Each partition has its own, like this one.
    policy: Policy,
    processors: Vec<Box<dyn Processor>>,
}

/// The batching that is asked for, if any is.
fn batching(config: &PolicyConfig, ctx: &mut Context<'_>) -> Result<Option<Batching>, BuildError> {
    if config.is_empty() {
        return Ok(None);
    }
    let processors = ctx.processors("batching.processors", config.processors())?;
    let policy = Policy::new(config, ctx).map_err(BuildError::new)?;
    Ok(Some(Batching { policy, processors }))
}

/// A consumer has to name a group, also where it is in none.
const NO_GROUP: &str = "wappa-without-a-group";

/// Tells a consumer its group, and where it begins where that has no offset.
fn group(client: &mut ClientConfig, group: &str, commit_period: Duration, is_oldest: bool) {
    let has_group = !group.is_empty();
    client
        .set("group.id", if has_group { group } else { NO_GROUP })
        .set("enable.auto.commit", has_group.to_string())
        .set("auto.commit.interval.ms", ms(commit_period, 1, 86_400_000))
        // What has arrived is said by us, when it has.
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", if is_oldest { "earliest" } else { "latest" })
        // Bounds what is fetched and not read: of each partition, since each has a queue of its own.
        .set("queued.max.messages.kbytes", "4096")
        // A queue that is full is asked again soon.
        .set("fetch.queue.backoff.ms", "10");
}
