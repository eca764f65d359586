//! The input `redis_list`.

use std::{sync::Arc, time::Duration};

use redis::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wappa_component::{
    AckSink, Batches, BuildError, BuildInput, Component, ConnectError, Context, Failure, Input, ReadError,
};
use wappa_message::Message;
use wappa_net::{Fed, Feeder, Source, Stopping, fed_by};
use wappa_spec::Config;

use crate::connection::{ANSWER_MAX, Endpoint, Failed, Link, ServerConfig};

pub(crate) const COMPONENT: Component =
    Component::input::<ListConfig>("redis_list").categories(&["Services"]);

/// The longest that the server is asked to wait, so that a stop need not wait longer for its answer: a message that comes to
/// nobody is lost.
const WAIT_MAX: Duration = Duration::from_secs(1);

/// Takes messages out of a list of Redis.
///
/// # Examples
///
/// ### Work off a queue
///
/// ```yaml
/// input:
///   redis_list:
///     url: redis://localhost:6379
///     key: orders
/// output:
///   stdout: {}
/// ```
///
/// # Delivery
///
/// What was taken out is the server's no more: it is delivered again from memory until it arrives, and lost when the process
/// dies, or when the connection is lost while it is on its way. `max_in_flight` bounds how much. For more, there is
/// [`redis_streams`](redis_streams.md).
#[derive(Config, Debug)]
struct ListConfig {
    #[config(flatten)]
    server: ServerConfig,

    /// The list.
    key: String,

    /// Whether messages that fail are delivered again; without it they are lost.
    #[config(default = "true")]
    auto_replay_nacks: bool,

    /// How many messages may be taken out and not have arrived. 0: as many as there is room for.
    #[config(default = "0")]
    max_in_flight: usize,

    /// How long the server is asked to wait for a message. Asked again it is in any case, after a second at the latest.
    #[config(default = "5s", advanced)]
    timeout: Duration,

    /// At which end messages are taken out: `blpop` at the beginning, `brpop` at the end.
    #[config(default = "blpop", advanced, options("blpop", "brpop"))]
    command: String,
}

impl BuildInput for ListConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Input>, BuildError> {
        let endpoint = self.server.endpoint().map_err(BuildError::new)?;
        let wait = if self.timeout.is_zero() { WAIT_MAX } else { self.timeout.min(WAIT_MAX) };
        let room = match self.max_in_flight {
            0 => Semaphore::MAX_PERMITS,
            n => n.min(Semaphore::MAX_PERMITS),
        };
        let source = List {
            endpoint,
            key: self.key,
            command: if self.command == "brpop" { "BRPOP" } else { "BLPOP" },
            wait,
            room: Arc::new(Semaphore::new(room)),
        };
        Ok(fed_by(source, self.auto_replay_nacks, ctx))
    }
}

struct List {
    endpoint: Endpoint,
    key: String,
    command: &'static str,
    wait: Duration,
    /// What may be on its way.
    room: Arc<Semaphore>,
}

/// The place of a message that is on its way.
struct Place(OwnedSemaphorePermit);

impl AckSink for Place {
    fn answered(self: Box<Self>, _: Vec<Failure>) {
        drop(self.0);
    }
}

impl Source for List {
    type Connection = Link;

    async fn connect(&self) -> Result<Link, ConnectError> {
        self.endpoint.connect().await.map_err(ConnectError::BackOff)
    }

    async fn read(&self, mut link: Link, feeder: Feeder, mut stop: Stopping) -> ReadError {
        let mut pop = redis::cmd(self.command);
        // Servers before 6.0 take whole seconds only.
        pop.arg(&self.key).arg(self.wait.as_secs_f64().max(0.01).to_string());
        while !stop.is_requested() {
            let place = tokio::select! {
                place = Arc::clone(&self.room).acquire_owned() => place.expect("it is never closed"),
                () = stop.requested() => return ReadError::EndOfInput,
            };
            let popped = match link.ask_for(&pop, self.wait + ANSWER_MAX).await {
                Ok(Value::Nil) => continue,
                Ok(Value::Array(pair)) => pair.into_iter().nth(1),
                Ok(_) => None,
                Err(Failed::Lost(_)) => return ReadError::NotConnected,
                Err(Failed::Refused(text)) => return ReadError::BackOff(format!("{}: {text}", self.command)),
            };
            let Some(Value::BulkString(content)) = popped else {
                // Who answers like this at once would be asked without a pause.
                return ReadError::BackOff(format!("{}: the answer cannot be read", self.command));
            };
            let fed = Fed::messages(vec![Message::new(content)], Batches::Singles).telling(Place(place));
            if feeder.put(fed).await.is_err() {
                return ReadError::EndOfInput;
            }
        }
        ReadError::EndOfInput
    }
}
