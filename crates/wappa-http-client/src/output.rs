//! The output `http_client`.

use wappa_component::{
    BuildError, BuildOutput, Component, ConnectError, Context, Level, Logger, Output, WriteError,
    batching::{PolicyConfig, batched},
    reply,
};
use wappa_message::Message;
use wappa_net::{Limit, Sending, in_flight};
use wappa_spec::{Config, Interpolated};

use crate::{client::Client, fields::HttpConfig, multipart::PartFields, request::Content, room::Room};

pub(crate) const COMPONENT: Component =
    Component::output::<HttpOutputConfig>("http_client").categories(&["Network"]);

/// Sends each batch to a server, as a request.
///
/// The body of a request is the content of a message, or what `payload` or `multipart` say. Each message of a batch has its
/// own request, one after the other, unless `batch_as_multipart` is set.
///
/// # Examples
///
/// ### Documents to a server, a hundred at a time
///
/// ```yaml
/// input:
///   stdin: {}
/// output:
///   http_client:
///     url: http://localhost:8080/documents
///     verb: POST
///     headers:
///       Content-Type: application/json
///     batching:
///       count: 100
///       period: 1s
///       processors:
///         - archive:
///             format: json_array
/// ```
///
/// # Delivery
///
/// A message has arrived once an answer with a code of success is there, all of it. A request is made again, `retries`
/// times, when there was no answer, and when its code is neither a success nor in `drop_on`: `retry_period` later, or, with
/// a code in `backoff_on`, after waits that double. Where the server says how long to wait (`Retry-After`) that is waited
/// for, up to `max_retry_backoff`. Then the message has failed: it is delivered again, or goes where `fallback` or
/// another output above this one sends it. Of a batch with a request for each message, those that had arrived before one
/// failed have arrived, and those behind it are not tried before they come again. What a server has taken and not
/// answered comes a second time.
///
/// A message of which no request can be made, since a query fails or what it gives is no address, fails for good.
///
/// # Performance
///
/// Up to `max_in_flight` batches are under way at once, over connections that are kept. What was sent first need not arrive
/// first: set it to 1 where order counts.
///
/// # Redirects
///
/// Up to ten redirects are followed. To another server, which another scheme or port makes too, only what describes the
/// body goes along: no credentials, and none of the config's other headers.
///
/// # Pitfalls
///
/// Where the address holds what messages say, whoever writes messages chooses to whom requests go, also to servers that
/// only this machine can reach. Write the host into the config, and escape the rest
/// (`${! this.id.string().escape_url_path() }`).
#[derive(Config, Debug)]
struct HttpOutputConfig {
    #[config(flatten)]
    http: HttpConfig,

    /// What the body of the request is, in place of the content.
    #[config(advanced)]
    payload: Option<Interpolated>,

    /// Whether a batch is one request, of which each message is a part.
    #[config(default = "false", advanced)]
    batch_as_multipart: bool,

    /// Whether answers go back to whoever waits for what becomes of the messages, as with the output `sync_response`.
    #[config(default = "false", advanced)]
    propagate_response: bool,

    /// How many batches may be under way at once.
    #[config(default = "64")]
    max_in_flight: usize,

    /// When messages are put together to batches.
    batching: PolicyConfig,

    /// Parts that a request is made of, for the first message of its batch; in place of the content.
    #[config(default = "[]", advanced)]
    multipart: Vec<PartFields>,
}

impl BuildOutput for HttpOutputConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Output>, BuildError> {
        let content = match &self.payload {
            Some(payload) if payload.as_literal() != Some("") => Content::Payload(payload.clone()),
            _ if !self.multipart.is_empty() => Content::Parts(self.multipart.clone()),
            _ => Content::Messages,
        };
        let sender = Sender {
            client: Client::of_messages(&self.http, content, ctx)?,
            batch_as_multipart: self.batch_as_multipart,
            propagate_response: self.propagate_response,
            logger: ctx.logger(),
        };
        let output = in_flight(sender, Limit::of(self.max_in_flight), ctx);
        batched(output, &self.batching, ctx)
    }
}

struct Sender {
    client: Client,
    batch_as_multipart: bool,
    propagate_response: bool,
    logger: Logger,
}

impl Sender {
    async fn send_one(&self, mut batch: Vec<Message>) -> Result<(), wappa_message::Mark> {
        let answers = self.client.fetch(&mut batch, &Room::endless()).await.map_err(|it| it.mark())?;
        if self.propagate_response {
            let answer = |(idx, answer): (usize, &Message)| {
                let mut message = batch.get(idx).unwrap_or(&batch[0]).clone();
                message.set_content(answer.content().clone());
                for (key, value) in answer.metadata().iter() {
                    message.metadata_mut().set(key.clone(), value.clone());
                }
                message
            };
            let answers: Vec<Message> = answers.iter().enumerate().map(answer).collect();
            if !reply::put(&answers) {
                self.logger
                    .seldom(Level::Warn, "Unable to propagate response to input: nobody waits for one");
            }
        }
        Ok(())
    }
}

impl wappa_net::Client for Sender {
    async fn connect(&self) -> Result<(), ConnectError> {
        // Connections are made as requests want them.
        Ok(())
    }

    async fn send(&self, sending: Sending) {
        let messages = sending.messages().to_vec();
        if messages.len() == 1 || self.batch_as_multipart {
            let sent = self.send_one(messages).await;
            return sending.answer(sent.map_err(WriteError::Failed));
        }
        let n_messages = messages.len();
        for (idx, message) in messages.into_iter().enumerate() {
            if let Err(mark) = self.send_one(vec![message]).await {
                let failures = (idx..n_messages).map(|it| (it, mark.clone())).collect();
                return sending.answer(Err(WriteError::Partial(failures)));
            }
        }
        sending.answer(Ok(()));
    }
}
