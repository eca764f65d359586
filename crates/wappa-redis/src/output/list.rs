//! The output `redis_list`.

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
    Component::output::<ListConfig>("redis_list").categories(&["Services"]);

/// Pushes messages to a list of Redis, which is made where there is none.
///
/// # Examples
///
/// ### A queue for each country
///
/// ```yaml
/// input:
///   stdin: {}
/// output:
///   redis_list:
///     url: redis://localhost:6379
///     key: orders:${! json("country") }
/// ```
///
/// # Delivery
///
/// A message has arrived once the server says so. What was not answered when a connection broke comes again, in order, on the
/// next one, so a list may have it twice.
///
/// # Performance
///
/// Messages do not wait for the answers of those before them, up to `max_in_flight`, whether they are in batches or not.
#[derive(Config, Debug)]
struct ListConfig {
    #[config(flatten)]
    server: ServerConfig,

    /// The list for each message.
    #[config(example = "some_list", example = "${! @.kafka_key }", example = "${! this.doc.id }")]
    key: Interpolated,

    /// How many batches may be on their way at once.
    #[config(default = "64")]
    max_in_flight: usize,

    /// How messages are put together to batches.
    batching: PolicyConfig,

    /// At which end they are pushed: `rpush` at the end, `lpush` at the beginning.
    #[config(default = "rpush", advanced, options("rpush", "lpush"))]
    command: String,
}

impl BuildOutput for ListConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Output>, BuildError> {
        let endpoint = self.server.endpoint().map_err(BuildError::new)?;
        let command = if self.command == "lpush" { "LPUSH" } else { "RPUSH" };
        let output = boxed(endpoint, Push { key: self.key, command }, self.max_in_flight, ctx);
        batching::batched(output, &self.batching, ctx)
    }
}

struct Push {
    key: Interpolated,
    command: &'static str,
}

impl Form for Push {
    fn write(&self, batch: &mut [Message], place: usize, command: &mut Command<'_>) -> Result<(), Mark> {
        let key = self.key.evaluate(batch, place);
        let key = key.map_err(|err| Mark::new(format!("key interpolation error: {err}")))?;
        command.arg(self.command).arg(key).arg(batch[place].content());
        Ok(())
    }
}
