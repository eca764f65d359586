//! The input `redis_pubsub`.

use std::sync::Arc;

use futures_util::{FutureExt, StreamExt};
use redis::aio::PubSubStream;
use wappa_component::{
    Batches, BuildError, BuildInput, Component, ConnectError, Context, Input, PARCEL_MESSAGES_MAX, ReadError,
};
use wappa_message::Message;
use wappa_net::{Fed, Feeder, Source, Stopping, fed_by};
use wappa_spec::{Config, Node, Reader, Rule};

use crate::{
    connection::{Endpoint, ServerConfig},
    meter::Meter,
};

pub(crate) const COMPONENT: Component =
    Component::input::<PubSubConfig>("redis_pubsub").categories(&["Services"]);

/// Reads what is published to channels of Redis.
///
/// # Examples
///
/// ### Everything of some channels
///
/// ```yaml
/// input:
///   redis_pubsub:
///     url: redis://localhost:6379
///     channels: [ events.* ]
///     use_patterns: true
/// output:
///   stdout: {}
/// ```
///
/// # Delivery
///
/// The server keeps nothing: what is published while there is no connection is lost, and so is what waits when the process
/// dies. What was read is delivered again from memory until it arrives.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct PubSubConfig {
    #[config(flatten)]
    server: ServerConfig,

    /// The channels.
    channels: Vec<String>,

    /// Whether the names of channels are patterns: `h?llo`, `h*llo`, `h[ae]llo`, with `\` before what is meant as it is.
    #[config(default = "false")]
    use_patterns: bool,

    /// Whether messages that fail are delivered again; without it they are lost.
    #[config(default = "true")]
    auto_replay_nacks: bool,
}

fn lint(config: &PubSubConfig, node: &Node, reader: &mut Reader<'_>) {
    if config.channels.is_empty() {
        reader.error(
            Rule::InvalidValue,
            node.get("channels").unwrap_or(node),
            "there is no channel".to_string(),
        );
    }
}

impl BuildInput for PubSubConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Input>, BuildError> {
        let endpoint = self.server.endpoint().map_err(BuildError::new)?;
        let source = PubSub { endpoint, channels: self.channels.into(), are_patterns: self.use_patterns };
        Ok(fed_by(source, self.auto_replay_nacks, ctx))
    }
}

struct PubSub {
    endpoint: Endpoint,
    channels: Arc<[String]>,
    are_patterns: bool,
}

impl Source for PubSub {
    type Connection = (PubSubStream, Arc<Meter>);

    async fn connect(&self) -> Result<(PubSubStream, Arc<Meter>), ConnectError> {
        let made = self.endpoint.subscribe(&self.channels, self.are_patterns).await;
        let (made, meter) = made.map_err(ConnectError::BackOff)?;
        Ok((made.into_on_message(), meter))
    }

    async fn read(
        &self,
        (mut published, meter): (PubSubStream, Arc<Meter>),
        feeder: Feeder,
        mut stop: Stopping,
    ) -> ReadError {
        loop {
            let first = tokio::select! {
                biased;
                () = stop.requested() => return ReadError::EndOfInput,
                first = published.next() => first,
                // Nothing is ready, and what has come is a part of something.
                () = meter.is_full() => {
                    meter.is_taken();
                    continue;
                }
            };
            let Some(first) = first else { return ReadError::NotConnected };
            let mut messages = vec![Message::new(first.get_payload_bytes().to_vec())];
            while messages.len() < PARCEL_MESSAGES_MAX {
                match published.next().now_or_never() {
                    Some(Some(more)) => messages.push(Message::new(more.get_payload_bytes().to_vec())),
                    Some(None) => break,
                    None => {
                        meter.is_taken();
                        break;
                    }
                }
            }
            meter.has_come();
            if feeder.put(Fed::messages(messages, Batches::Singles)).await.is_err() {
                return ReadError::EndOfInput;
            }
        }
    }
}
