//! The output `nats_jetstream`.

use std::{pin::pin, sync::Arc, time::Duration};

use async_nats::Subscriber;
use tokio::{sync::Mutex, task::AbortHandle, time::interval};
use wappa_component::{
    BuildError, BuildOutput, Component, ConnectError, Context, Logger, Output, WriteError, tracer::injecting,
};
use wappa_net::{Client, MetadataFilterConfig, Sending, TlsConfig, in_flight};
use wappa_spec::{Config, Interpolated, Map, Mapping, Node, Reader};

use super::desk::Desk;
use crate::{
    auth::AuthConfig,
    connection::{Endpoint, Link, lint_urls},
    headers::Headers,
    output::{Form, Publication, limit, not_taken},
    pump::next_ready,
};

pub(crate) const COMPONENT: Component =
    Component::output::<JetStreamConfig>("nats_jetstream").categories(&["Services"]);

/// How often it is looked whether something is not acknowledged in time.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Publishes messages to streams of JetStream.
///
/// # Examples
///
/// ### Orders, each stored once
///
/// ```yaml
/// input:
///   stdin: {}
/// output:
///   nats_jetstream:
///     urls: [nats://localhost:4222]
///     subject: orders.${! json("country") }
///     headers:
///       Nats-Msg-Id: ${! json("id") }
/// ```
///
/// # Delivery
///
/// A message has arrived once its stream has acknowledged it. What was not acknowledged when a connection broke comes
/// again, in order, on the next one, so a stream may have it twice, unless it has a header `Nats-Msg-Id`: of messages with
/// the same one a stream keeps the first, within its `duplicate_window`.
///
/// A message fails where no stream takes its subject, where a stream refuses it, or does not acknowledge it within five
/// seconds while others are acknowledged. One that is larger than the server allows, or whose subject is none, fails for
/// good.
///
/// # Performance
///
/// Messages do not wait for the acknowledgements of those before them, up to `max_in_flight`.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct JetStreamConfig {
    /// Where the servers are; one of them is connected to. An item may hold several with commas between them, and a user
    /// and a password, or a token.
    #[config(example = "[nats://127.0.0.1:4222]", example = "[\"nats://username:password@127.0.0.1:4222\"]")]
    urls: Vec<String>,

    /// What to publish to: a subject of a stream.
    #[config(
        example = "foo.bar.baz",
        example = "${! metadata(\"kafka_topic\") }",
        example = "foo.${! json(\"meta.type\") }"
    )]
    subject: Interpolated,

    /// Headers that messages go with. What cannot be the name of one is left out, and the end of a line is a blank.
    #[config(example = "Content-Type: application/json\nTimestamp: ${! metadata(\"Timestamp\").string() }")]
    headers: Map<Interpolated>,

    /// Which metadata are headers too.
    metadata: MetadataFilterConfig,

    /// How many messages are on their way and not acknowledged at most.
    #[config(default = "1024")]
    max_in_flight: usize,

    /// How the connection is encrypted.
    #[config(advanced)]
    tls: TlsConfig,

    /// Who we are to the server.
    #[config(advanced)]
    auth: AuthConfig,

    /// A mapping that puts the headers that name the span of a message, which are `this`, into the message. Of what it puts into
    /// the metadata those are headers that `metadata` names.
    #[config(advanced, example = "meta = @.assign(this)", example = "root.meta.span = this")]
    inject_tracing_map: Option<Mapping>,
}

fn lint(config: &JetStreamConfig, node: &Node, reader: &mut Reader<'_>) {
    lint_urls(&config.urls, node, reader);
}

impl BuildOutput for JetStreamConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Output>, BuildError> {
        let endpoint = Endpoint::new(&self.urls, self.tls, self.auth, ctx).map_err(BuildError::new)?;
        let headers = Headers::new(self.headers, self.metadata.filter().map_err(BuildError::new)?);
        let client = JetStream {
            endpoint,
            form: Form { subject: self.subject, headers },
            max_in_flight: self.max_in_flight.max(1),
            connection: Mutex::new(None),
            logger: ctx.logger(),
        };
        Ok(injecting(in_flight(client, limit(self.max_in_flight), ctx), self.inject_tracing_map, ctx))
    }
}

struct JetStream {
    endpoint: Endpoint,
    form: Form,
    max_in_flight: usize,
    connection: Mutex<Option<Connection>>,
    logger: Logger,
}

struct Connection {
    link: Link,
    /// What the subjects of acknowledgements begin with.
    inbox: String,
    desk: Arc<Desk>,
    hearing: AbortHandle,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.hearing.abort();
        self.desk.lose();
    }
}

impl Client for JetStream {
    async fn connect(&self) -> Result<(), ConnectError> {
        let link = self.endpoint.connect(self.max_in_flight).await.map_err(ConnectError::BackOff)?;
        let inbox = link.client.new_inbox();
        let failed = |err| ConnectError::BackOff(format!("subscribing to {inbox}.*: {err}"));
        let subscriber = link.client.subscribe(format!("{inbox}.*")).await.map_err(failed)?;
        let desk = Arc::new(Desk::new());
        let hearing = hear(subscriber, Arc::clone(&desk), link.clone(), self.logger.clone());
        let hearing = tokio::spawn(hearing).abort_handle();
        *self.connection.lock().await = Some(Connection { link, inbox, desk, hearing });
        Ok(())
    }

    async fn send(&self, mut sending: Sending) {
        let publications = self.form.all_of(sending.part_mut());
        // The lock is given to those who wait for it in their order.
        let mut place = self.connection.lock().await;
        let Some(Connection { link, inbox, desk, .. }) = place.as_ref().filter(|it| !it.desk.is_over())
        else {
            *place = None;
            return sending.answer(Err(WriteError::NotConnected));
        };
        let (mut subjects, mut failures) = (Vec::with_capacity(publications.len()), Vec::new());
        for (idx, publication) in publications.iter().enumerate() {
            subjects.push(publication.as_ref().ok().map(|it| it.subject.clone()));
            failures.extend(publication.as_ref().err().map(|it| (idx, it.clone())));
        }
        let Some(first) = desk.open(sending, subjects, failures) else { return };
        let publish = async {
            for (number, publication) in (first..).zip(publications) {
                let Ok(Publication { subject, headers, payload }) = publication else { continue };
                let reply = format!("{inbox}.{number}");
                let client = &link.client;
                let published = match headers {
                    Some(headers) => {
                        client.publish_with_reply_and_headers(subject, reply, headers, payload).await
                    }
                    None => client.publish_with_reply(subject, reply, payload).await,
                };
                if let Err(err) = published {
                    desk.fail(number, not_taken(&err, link));
                }
            }
        };
        tokio::select! {
            () = publish => (),
            () = link.lost() => desk.lose(),
        }
    }

    async fn close(&self) -> Result<(), String> {
        if let Some(connection) = self.connection.lock().await.take() {
            connection.link.flush().await;
        }
        Ok(())
    }
}

/// Takes acknowledgements until the connection is lost or given up.
async fn hear(mut subscriber: Subscriber, desk: Arc<Desk>, link: Link, logger: Logger) {
    let mut lost = pin!(link.lost());
    let mut refusals = link.refusals();
    let mut looks = interval(LOOK_INTERVAL);
    loop {
        tokio::select! {
            messages = next_ready(&mut subscriber) => match messages {
                Some(messages) => desk.hear(&messages),
                None => break,
            },
            _ = looks.tick() => if !desk.look() {
                logger.error("Nothing is acknowledged within 5s: connecting again");
                break;
            },
            _ = refusals.changed() => if let Some(refusal) = link.refusal() {
                desk.refuse(&refusal.1, &refusal.0);
            },
            () = &mut lost => break,
        }
    }
    desk.lose();
}
