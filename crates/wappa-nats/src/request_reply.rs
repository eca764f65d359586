//! The processor `nats_request_reply`.

use std::{future::Future, time::Duration};

use async_nats::{Request, client::RequestErrorKind};
use futures_util::future::join_all;
use wappa_component::{BuildError, BuildProcessor, Component, Context, Part, Processor, Step, duration};
use wappa_message::{Mark, Message};
use wappa_net::{MetadataFilterConfig, TlsConfig};
use wappa_spec::{Config, Interpolated, Map, Node, Reader};

use crate::{
    auth::AuthConfig,
    connection::{Endpoint, lint_urls},
    headers::{self, Headers},
    output::{Form, Publication},
    shared::Shared,
};

pub(crate) const COMPONENT: Component =
    Component::processor::<RequestConfig>("nats_request_reply").categories(&["Services"]);

/// Asks whoever reads a subject, and waits for the answer.
///
/// The answer is the content of the message, and each of its headers, with the first value, a metadata of it.
///
/// # Examples
///
/// ### Ask a service
///
/// ```yaml
/// input:
///   stdin: {}
/// pipeline:
///   processors:
///     - nats_request_reply:
///         urls: [nats://localhost:4222]
///         subject: shout.${! json("language").or("en") }
/// output:
///   stdout: {}
/// ```
///
/// # Delivery
///
/// A message that nobody answers in time is marked and goes on as it was. It may have been read all the same, and is asked
/// again where it is delivered again.
///
/// # Performance
///
/// All messages of a batch are asked at once.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct RequestConfig {
    /// Where the servers are; one of them is connected to. An item may hold several with commas between them, and a user
    /// and a password, or a token.
    #[config(example = "[nats://127.0.0.1:4222]", example = "[\"nats://username:password@127.0.0.1:4222\"]")]
    urls: Vec<String>,

    /// What to publish to.
    #[config(
        example = "foo.bar.baz",
        example = "${! metadata(\"kafka_topic\") }",
        example = "foo.${! json(\"meta.type\") }"
    )]
    subject: Interpolated,

    /// What the subjects begin with that answers come to, where the server allows only some.
    #[config(optional, advanced, example = "_INBOX_joe")]
    inbox_prefix: Option<String>,

    /// Headers that messages go with. What cannot be the name of one is left out, and the end of a line is a blank.
    #[config(example = "Content-Type: application/json\nTimestamp: ${! metadata(\"Timestamp\").string() }")]
    headers: Map<Interpolated>,

    /// Which metadata are headers too.
    metadata: MetadataFilterConfig,

    /// How long an answer may take.
    #[config(default = "3s")]
    timeout: String,

    /// How the connection is encrypted.
    #[config(advanced)]
    tls: TlsConfig,

    /// Who we are to the server.
    #[config(advanced)]
    auth: AuthConfig,
}

fn lint(config: &RequestConfig, node: &Node, reader: &mut Reader<'_>) {
    lint_urls(&config.urls, node, reader);
    if let Err(err) = duration::parse(&config.timeout) {
        duration::lint(err, node.get("timeout").unwrap_or(node), reader);
    }
}

impl BuildProcessor for RequestConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Processor>, BuildError> {
        let endpoint = Endpoint::new(&self.urls, self.tls, self.auth, ctx).map_err(BuildError::new)?;
        let headers = Headers::new(self.headers, self.metadata.filter().map_err(BuildError::new)?);
        Ok(Box::new(RequestReply {
            connection: Shared::new(endpoint.with_inbox_prefix(self.inbox_prefix), ctx),
            form: Form { subject: self.subject, headers },
            timeout: duration::parse(&self.timeout).map_err(BuildError::new)?,
        }))
    }
}

struct RequestReply {
    connection: Shared,
    form: Form,
    timeout: Duration,
}

/// An answer, or why there is none.
type Answered = Result<async_nats::Message, Mark>;

impl RequestReply {
    fn ask(&self, publication: Result<Publication, Mark>) -> impl Future<Output = Answered> + use<> {
        let (connection, timeout) = (self.connection.clone(), self.timeout);
        async move {
            let Publication { subject, headers, payload } = publication?;
            let text = subject.to_string();
            let link = connection.link().await.map_err(Mark::new)?;
            let request =
                Request { payload: Some(payload), headers, timeout: Some(Some(timeout)), inbox: None };
            let mut refusals = link.refusals();
            let refused = async {
                loop {
                    let refusal = refusals.wait_for(|it| it.as_ref().is_some_and(|it| it.1 == text)).await;
                    match refusal.map(|it| it.clone()) {
                        Ok(Some(refusal)) => break refusal.0.clone(),
                        _ => std::future::pending().await,
                    }
                }
            };
            tokio::select! {
                answer = link.client.send_request(subject.clone(), request) => answer.map_err(|err| match err.kind() {
                    RequestErrorKind::TimedOut => Mark::new(format!("nobody has answered at {subject} in time")),
                    RequestErrorKind::NoResponders => Mark::new(format!("nobody reads {subject} (no responders)")),
                    _ => Mark::new(err.to_string()),
                }),
                () = link.lost() => Err(Mark::new("the connection was lost before there was an answer")),
                text = refused => Err(Mark::new(text)),
            }
        }
    }
}

impl Processor for RequestReply {
    fn process(&self, part: &mut Part, step: &mut Step<'_>) -> usize {
        let n_batches = part.n_batches();
        for idx in 0..n_batches {
            let range = part.batch(idx);
            let batch = &mut part.messages_mut()[range];
            let asked: Vec<_> =
                (0..batch.len()).map(|place| self.ask(self.form.one_of(batch, place))).collect();
            let answers = match self.connection.finish_within(step, join_all(asked)) {
                None => return idx,
                Some(Ok(answers)) => answers,
                Some(Err(text)) => batch.iter().map(|_| Err(Mark::new(text.clone()))).collect(),
            };
            for (message, answer) in batch.iter_mut().zip(answers) {
                match answer {
                    Ok(answer) => put(message, answer, step),
                    Err(mark) => step.mark(message, mark),
                }
            }
            if step.is_due() {
                return idx + 1;
            }
        }
        n_batches
    }
}

fn put(message: &mut Message, answer: async_nats::Message, step: &mut Step<'_>) {
    step.grow(answer.length.saturating_sub(message.content_size()));
    for (key, value) in headers::pairs(answer.headers.as_ref()) {
        message.metadata_mut().set(key, value);
    }
    message.set_content(answer.payload);
}
