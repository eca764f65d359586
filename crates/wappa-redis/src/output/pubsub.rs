//! The output `redis_pubsub`.

use wappa_component::{
    BuildError, BuildOutput, Component, Context, Output,
    batching::{self, PolicyConfig},
};
use wappa_message::{Mark, Message};
use wappa_spec::{Config, Interpolated};

use super::{Form, boxed};
use crate::connection::ServerConfig;
use crate::wire::Command;

pub(crate) const COMPONENT: Component =
    Component::output::<PubSubConfig>("redis_pubsub").categories(&["Services"]);

/// Publishes messages to a channel of Redis.
///
/// # Examples
///
/// ### A channel for each kind of event
///
/// ```yaml
/// input:
///   stdin: {}
/// output:
///   redis_pubsub:
///     url: redis://localhost:6379
///     channel: events.${! json("kind").or("other") }
/// ```
///
/// # Delivery
///
/// A message has arrived once the server says so; whether anybody has heard of it nobody knows, and the server keeps nothing.
/// What was not answered when a connection broke is published again on the next one.
///
/// # Performance
///
/// Messages do not wait for the answers of those before them, up to `max_in_flight`, whether they are in batches or not.
#[derive(Config, Debug)]
struct PubSubConfig {
    #[config(flatten)]
    server: ServerConfig,

    /// The channel for each message.
    channel: Interpolated,

    /// How many batches may be on their way at once.
    #[config(default = "64")]
    max_in_flight: usize,

    /// How messages are put together to batches.
    batching: PolicyConfig,
}

impl BuildOutput for PubSubConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Output>, BuildError> {
        let endpoint = self.server.endpoint().map_err(BuildError::new)?;
        let output = boxed(endpoint, Publish(self.channel), self.max_in_flight, ctx);
        batching::batched(output, &self.batching, ctx)
    }
}

struct Publish(Interpolated);

impl Form for Publish {
    fn write(&self, batch: &mut [Message], place: usize, command: &mut Command<'_>) -> Result<(), Mark> {
        let channel = self.0.evaluate(batch, place);
        let channel = channel.map_err(|err| Mark::new(format!("channel interpolation error: {err}")))?;
        command.arg("PUBLISH").arg(channel).arg(batch[place].content());
        Ok(())
    }
}
