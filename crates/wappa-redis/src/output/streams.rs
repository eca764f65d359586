//! The output `redis_streams`.

use wappa_component::{
    BuildError, BuildOutput, Component, Context, Output,
    batching::{self, PolicyConfig},
};
use wappa_message::{Mark, Message};
use wappa_spec::{Config, Interpolated};

use super::{Form, boxed};
use crate::connection::ServerConfig;
use crate::{args, wire::Command};

pub(crate) const COMPONENT: Component =
    Component::output::<StreamsConfig>("redis_streams").categories(&["Services"]);

/// Adds messages to a stream of Redis (5.0 or newer), which is made where there is none.
///
/// An entry of a stream has fields: one with the content, `body_key`, and one for each metadata of the message. A metadata
/// that is called like the content's field is left out.
///
/// # Examples
///
/// ### A stream that is kept short
///
/// ```yaml
/// input:
///   stdin: {}
/// output:
///   redis_streams:
///     url: redis://localhost:6379
///     stream: lines
///     max_length: 100000
/// ```
///
/// # Delivery
///
/// A message has arrived once the server says so. What was not answered when a connection broke comes again, in order, on the
/// next one, so a stream may have it twice.
///
/// # Performance
///
/// Messages do not wait for the answers of those before them, up to `max_in_flight`, whether they are in batches or not.
#[derive(Config, Debug)]
struct StreamsConfig {
    #[config(flatten)]
    server: ServerConfig,

    /// The stream for each message.
    stream: Interpolated,

    /// The field of an entry that has the content.
    #[config(default = "body")]
    body_key: String,

    /// About how many entries a stream may have: older ones go when there are more. 0: any number.
    #[config(default = "0")]
    max_length: i64,

    /// How many batches may be on their way at once.
    #[config(default = "64")]
    max_in_flight: usize,

    /// Which metadata are fields of an entry.
    metadata: ExcludeConfig,

    /// How messages are put together to batches.
    batching: PolicyConfig,
}

/// All metadata but some.
#[derive(Config, Debug)]
struct ExcludeConfig {
    /// How the keys of those begin that are left out.
    #[config(default = "[]")]
    exclude_prefixes: Vec<String>,
}

impl BuildOutput for StreamsConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Output>, BuildError> {
        let endpoint = self.server.endpoint().map_err(BuildError::new)?;
        let form = Add {
            stream: self.stream,
            body_key: self.body_key,
            max_length: self.max_length,
            excluded: self.metadata.exclude_prefixes,
        };
        let output = boxed(endpoint, form, self.max_in_flight, ctx);
        batching::batched(output, &self.batching, ctx)
    }
}

struct Add {
    stream: Interpolated,
    body_key: String,
    max_length: i64,
    excluded: Vec<String>,
}

impl Form for Add {
    fn write(&self, batch: &mut [Message], place: usize, command: &mut Command<'_>) -> Result<(), Mark> {
        let stream = self.stream.evaluate(batch, place);
        let stream = stream.map_err(|err| Mark::new(format!("stream interpolation error: {err}")))?;
        command.arg("XADD").arg(stream);
        if 0 < self.max_length {
            command.arg("MAXLEN").arg("~").number(self.max_length.unsigned_abs());
        }
        command.arg("*");
        let message = &batch[place];
        for (key, value) in message.metadata().iter() {
            let is_excluded = self.excluded.iter().any(|it| key.starts_with(it.as_bytes()));
            if !is_excluded && key[..] != *self.body_key.as_bytes() {
                command.arg(key);
                args::write(command, value);
            }
        }
        command.arg(&self.body_key).arg(message.content());
        Ok(())
    }
}
