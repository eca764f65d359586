//! The output `nats`, and what outputs of NATS share.

use async_nats::{HeaderMap, Subject};
use bytes::Bytes;
use tokio::sync::Mutex;
use wappa_component::{
    BuildError, BuildOutput, Component, ConnectError, Context, Level, Output, Part, WriteError, fault,
    tracer::injecting,
};
use wappa_message::Mark;
use wappa_net::{Client, Limit, MetadataFilterConfig, Quiet, Sending, TlsConfig, in_flight};
use wappa_spec::{Config, Interpolated, Map, Mapping, Node, Reader};

use crate::{
    auth::AuthConfig,
    connection::{Endpoint, Link, Refusal, lint_urls},
    headers::Headers,
};

pub(crate) const COMPONENT: Component = Component::output::<NatsConfig>("nats").categories(&["Services"]);

/// Publishes messages to a subject.
///
/// # Examples
///
/// ### A subject for each kind of event
///
/// ```yaml
/// input:
///   stdin: {}
/// output:
///   nats:
///     urls: [nats://localhost:4222]
///     subject: events.${! json("kind").or("other") }
///     headers:
///       Content-Type: application/json
/// ```
///
/// # Delivery
///
/// A message has arrived once the system has taken it for the connection: the server keeps nothing, and says nothing of
/// messages that nobody reads. What the system had taken when a connection broke may be lost; what it had not comes again,
/// in order, on the next one. For more, there is [`nats_jetstream`](nats_jetstream.md).
///
/// One that is larger than the server allows, or whose subject is none, fails for good. Where the server does not allow a
/// subject it says so late: the first messages are lost, and the log has its words; those that follow fail.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct NatsConfig {
    /// Where the servers are; one of them is connected to. An item may hold several with commas between them, and a user
    /// and a password, or a token.
    #[config(example = "[nats://127.0.0.1:4222]", example = "[\"nats://username:password@127.0.0.1:4222\"]")]
    urls: Vec<String>,

    /// What to publish to.
    #[config(example = "foo.bar.baz", example = "foo.${! json(\"meta.type\") }")]
    subject: Interpolated,

    /// Headers that messages go with. What cannot be the name of one is left out, and the end of a line is a blank.
    #[config(example = "Content-Type: application/json\nTimestamp: ${! metadata(\"Timestamp\").string() }")]
    headers: Map<Interpolated>,

    /// Which metadata are headers too.
    metadata: MetadataFilterConfig,

    /// How many messages are on their way at most.
    #[config(default = "64")]
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

fn lint(config: &NatsConfig, node: &Node, reader: &mut Reader<'_>) {
    lint_urls(&config.urls, node, reader);
}

impl BuildOutput for NatsConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Output>, BuildError> {
        let endpoint = Endpoint::new(&self.urls, self.tls, self.auth, ctx).map_err(BuildError::new)?;
        let headers = Headers::new(self.headers, self.metadata.filter().map_err(BuildError::new)?);
        let client = Nats {
            endpoint,
            form: Form { subject: self.subject, headers },
            link: Mutex::new(None),
            quiet: Quiet::new(ctx.logger()),
        };
        Ok(injecting(in_flight(client, limit(self.max_in_flight), ctx), self.inject_tracing_map, ctx))
    }
}

/// So many messages, of which one half may be sent while the other is waited for.
pub(crate) fn limit(max_in_flight: usize) -> Limit {
    Limit::of(max_in_flight).at_once(max_in_flight.div_ceil(2))
}

/// What messages become when they are published.
#[derive(Debug)]
pub(crate) struct Form {
    pub(crate) subject: Interpolated,
    pub(crate) headers: Headers,
}

/// A message as it is published.
#[derive(Debug)]
pub(crate) struct Publication {
    pub(crate) subject: Subject,
    /// `None`: there are none.
    pub(crate) headers: Option<HeaderMap>,
    pub(crate) payload: Bytes,
}

impl Form {
    /// All messages of a part, in their order; some cannot be published.
    pub(crate) fn all_of(&self, part: &mut Part) -> Vec<Result<Publication, Mark>> {
        let mut all = Vec::with_capacity(part.n_messages());
        for idx in 0..part.n_batches() {
            let range = part.batch(idx);
            let batch = &mut part.messages_mut()[range];
            all.extend((0..batch.len()).map(|place| self.one_of(batch, place)));
        }
        all
    }

    pub(crate) fn one_of(
        &self,
        batch: &mut [wappa_message::Message],
        place: usize,
    ) -> Result<Publication, Mark> {
        let subject = self.subject.evaluate(batch, place);
        let subject = subject.map_err(|err| Mark::new(format!("subject interpolation error: {err}")))?;
        let subject = as_subject(subject)?;
        let headers = self.headers.of(batch, place).map_err(Mark::new)?;
        let headers = Some(headers).filter(|it| !it.is_empty());
        Ok(Publication { subject, headers, payload: batch[place].content().clone() })
    }
}

/// What a message can be published to: it has no wildcards, blanks or empty tokens. Another one never will be.
fn as_subject(text: Bytes) -> Result<Subject, Mark> {
    let refused = || Mark::of_hopeless(format!("{:?} is no subject to publish to", fault::told(&text)));
    let subject = Subject::from_utf8(text.clone()).map_err(|_| refused())?;
    let has_wildcard = subject.split('.').any(|it| matches!(it, "*" | ">"));
    if !subject.is_valid() || has_wildcard { Err(refused()) } else { Ok(subject) }
}

/// Why the client did not take a message. Only one that is too large never will be.
pub(crate) fn not_taken(err: &async_nats::PublishError, link: &Link) -> Mark {
    match err.kind() {
        async_nats::client::PublishErrorKind::MaxPayloadExceeded => Mark::of_hopeless(format!(
            "the message is larger than the {} bytes that the server takes (`max_payload`)",
            link.client.max_payload()
        )),
        _ => Mark::new(err.to_string()),
    }
}

struct Nats {
    endpoint: Endpoint,
    form: Form,
    link: Mutex<Option<Link>>,
    quiet: Quiet,
}

impl Client for Nats {
    async fn connect(&self) -> Result<(), ConnectError> {
        *self.link.lock().await = Some(self.endpoint.connect(1).await.map_err(ConnectError::BackOff)?);
        Ok(())
    }

    async fn send(&self, mut sending: Sending) {
        let publications = self.form.all_of(sending.part_mut());
        let mut failures = Vec::new();
        let link = {
            // The lock is given to those who wait for it in their order.
            let mut place = self.link.lock().await;
            let Some(link) = place.as_ref().filter(|it| !it.is_lost()) else {
                *place = None;
                return sending.answer(Err(WriteError::NotConnected));
            };
            let refusal = link.refusal();
            for (idx, publication) in publications.into_iter().enumerate() {
                if let Err(mark) = self.publish(publication, link, &refusal).await {
                    failures.push((idx, mark));
                }
            }
            link.clone()
        };
        sending.answer(match link.flush().await {
            false => Err(WriteError::NotConnected),
            true if failures.is_empty() => Ok(()),
            true => Err(WriteError::Partial(failures)),
        });
    }

    async fn close(&self) -> Result<(), String> {
        if let Some(link) = self.link.lock().await.take() {
            // What a process that ends has not read can have the system throw away what it has sent.
            link.echo().await;
        }
        Ok(())
    }
}

impl Nats {
    async fn publish(
        &self,
        publication: Result<Publication, Mark>,
        link: &Link,
        refusal: &Refusal,
    ) -> Result<(), Mark> {
        let Publication { subject, headers, payload } = publication?;
        if let Some(refusal) = refusal.as_deref().filter(|it| it.1 == subject.as_str()) {
            self.quiet.log(Level::Error, &refusal.0);
            return Err(Mark::new(refusal.0.clone()));
        }
        let published = match headers {
            Some(headers) => link.client.publish_with_headers(subject, headers, payload).await,
            None => link.client.publish(subject, payload).await,
        };
        published.map_err(|err| not_taken(&err, link))
    }
}
