//! The input `nats`.

use std::{pin::pin, sync::Arc, time::Duration};

use async_nats::{Subject, Subscriber};
use bytes::Bytes;
use wappa_component::{
    Batches, BuildError, BuildInput, Component, ConnectError, Context, Failure, Input, LeaseSink, Level,
    ReadError, counted, tracer::extracting,
};
use wappa_message::{Message, Metadata, Reply, Value};
use wappa_net::{Fed, Feeder, Quiet, Source, Stopping, TlsConfig, fed_by};
use wappa_spec::{Config, Mapping, Node, Reader, Rule};

use crate::{
    answers::{ACK, Answer, Answers, nak},
    auth::AuthConfig,
    connection::{Endpoint, Link, lint_urls},
    headers,
    pump::{Backlog, OVERHEAD_BYTES, content, next_ready},
};

pub(crate) const COMPONENT: Component = Component::input::<NatsConfig>("nats").categories(&["Services"]);

/// How many messages the client holds for us; they are taken from it whenever there are some.
const CAPACITY_MAX: usize = 16_384;

/// How many bytes of messages wait here at most. As much again is under way in the stream, so that it is what other clients
/// have wait.
const WAITING_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Reads what is published to a subject.
///
/// # Examples
///
/// ### Answer requests
///
/// ```yaml
/// input:
///   nats:
///     urls: [nats://localhost:4222]
///     subject: shout.>
///     queue: shouters
/// pipeline:
///   processors:
///     - mapping: root = content().uppercase()
/// output:
///   sync_response: {}
/// ```
///
/// # Metadata
///
/// - `nats_subject`
/// - `nats_reply_subject`: empty where nobody waits for an answer.
/// - Each header, with its first value.
///
/// # Requests
///
/// A message with a subject for replies is answered once it has arrived: with what `sync_response` was given for it, whose
/// metadata are the headers; else, with `send_ack`, with `+ACK`. One that fails for good is answered with `-NAK`.
///
/// # Delivery
///
/// The input is active once the server knows of the subscription. The server keeps nothing: what is published while there
/// is no connection, or comes faster than it is worked off, is lost. Up to `prefetch_count` messages and 32 MiB wait beside
/// those under way, and each message counts three quarters of a KiB more than its bytes; what comes then is dropped, and
/// the log says how many were.
/// What was read is delivered again from memory until it arrives; a stop works it off first. For more, there is
/// [`nats_jetstream`](nats_jetstream.md).
#[derive(Config, Debug)]
#[config(lint = lint)]
struct NatsConfig {
    /// Where the servers are; one of them is connected to. An item may hold several with commas between them, and a user
    /// and a password, or a token.
    #[config(example = "[nats://127.0.0.1:4222]", example = "[\"nats://username:password@127.0.0.1:4222\"]")]
    urls: Vec<String>,

    /// What to read: `*` stands for one token, `>` for all that follow.
    #[config(example = "foo.bar.baz", example = "foo.*.baz", example = "foo.bar.*", example = "foo.>")]
    subject: String,

    /// The group whose members share the messages: each goes to one of them.
    #[config(optional)]
    queue: Option<String>,

    /// Whether messages that fail are delivered again; without it they are answered with `-NAK`.
    #[config(default = "true")]
    auto_replay_nacks: bool,

    /// How long whoever sent a message is to wait before it is sent again, as `-NAK` says.
    #[config(optional, advanced, example = "1m")]
    nak_delay: Option<Duration>,

    /// How many messages may wait here.
    #[config(default = "500000", advanced)]
    prefetch_count: i64,

    /// Whether a message that has arrived is answered with `+ACK` where somebody waits for an answer and there is no other.
    #[config(default = "true", advanced)]
    send_ack: bool,

    /// How the connection is encrypted.
    #[config(advanced)]
    tls: TlsConfig,

    /// Who we are to the server.
    #[config(advanced)]
    auth: AuthConfig,

    /// A mapping that makes of a message an object of the headers that name the span to which it belongs, as `traceparent`:
    /// `root = @` where the other end puts them into headers.
    #[config(advanced, example = "root = @", example = "root = this.meta.span")]
    extract_tracing_map: Option<Mapping>,

    /// Whether a message begins a trace of its own, which is linked to that span.
    #[config(advanced)]
    new_root_span_with_link: Option<bool>,
}

fn lint(config: &NatsConfig, node: &Node, reader: &mut Reader<'_>) {
    lint_urls(&config.urls, node, reader);
    if config.prefetch_count < 0 {
        let at = node.get("prefetch_count").unwrap_or(node);
        reader.error(
            Rule::InvalidValue,
            at,
            "prefetch count must be greater than or equal to zero".to_string(),
        );
    }
}

impl BuildInput for NatsConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Input>, BuildError> {
        let endpoint = Endpoint::new(&self.urls, self.tls, self.auth, ctx).map_err(BuildError::new)?;
        let source = Nats {
            endpoint,
            subject: self.subject,
            queue: self.queue.filter(|it| !it.is_empty()),
            prefetch_count: usize::try_from(self.prefetch_count).unwrap_or_default().max(1),
            replies: Replies { nak: nak(self.nak_delay), send_ack: self.send_ack },
            answers: Arc::new(Answers::new()),
            quiet: Quiet::new(ctx.logger()),
        };
        let input = fed_by(source, self.auto_replay_nacks, ctx);
        Ok(extracting(input, self.extract_tracing_map, self.new_root_span_with_link, ctx))
    }
}

struct Nats {
    endpoint: Endpoint,
    subject: String,
    queue: Option<String>,
    prefetch_count: usize,
    replies: Replies,
    answers: Arc<Answers>,
    quiet: Quiet,
}

/// How requests are answered.
#[derive(Clone, Debug)]
struct Replies {
    nak: Bytes,
    send_ack: bool,
}

impl Source for Nats {
    type Connection = (Link, Subscriber);

    async fn connect(&self) -> Result<(Link, Subscriber), ConnectError> {
        let capacity = self.prefetch_count.min(CAPACITY_MAX);
        let link = self.endpoint.connect(capacity).await.map_err(ConnectError::BackOff)?;
        let subscriber = match &self.queue {
            Some(queue) => link.client.queue_subscribe(self.subject.clone(), queue.clone()).await,
            None => link.client.subscribe(self.subject.clone()).await,
        };
        let failed = |err| ConnectError::BackOff(format!("subscribing to {}: {err}", self.subject));
        let subscriber = subscriber.map_err(failed)?;
        // What is published from now on is ours.
        if !link.echo().await {
            return Err(ConnectError::BackOff("the connection was lost at once".to_string()));
        }
        self.answers.connected(&link);
        Ok((link, subscriber))
    }

    async fn read(
        &self,
        (link, mut subscriber): (Link, Subscriber),
        feeder: Feeder,
        mut stop: Stopping,
    ) -> ReadError {
        let mut refusals = link.refusals();
        let mut lost = pin!(link.lost());
        let mut backlog = Backlog::new(feeder);
        loop {
            tokio::select! {
                messages = next_ready(&mut subscriber) => match messages {
                    Some(messages) => self.take(messages, &mut backlog, &link),
                    None => return self.end(backlog, ReadError::NotConnected).await,
                },
                advanced = backlog.advance() => if advanced.is_err() {
                    return ReadError::EndOfInput;
                },
                () = stop.requested() => {
                    link.end(&mut subscriber, |messages| self.take(messages, &mut backlog, &link)).await;
                    return self.end(backlog, ReadError::EndOfInput).await;
                }
                () = &mut lost => return self.end(backlog, ReadError::NotConnected).await,
                _ = refusals.changed() => if let Some(refusal) = link.refusal().filter(|it| it.1 == self.subject) {
                    let text = format!("the server does not let us read {}: {}", self.subject, refusal.0);
                    return self.end(backlog, ReadError::BackOff(text)).await;
                },
            }
        }
    }

    fn takes_back(&self) -> bool {
        false
    }

    async fn close(&self) {
        self.answers.flush().await;
    }
}

impl Nats {
    /// What was read is handed on in any case.
    async fn end(&self, mut backlog: Backlog, end: ReadError) -> ReadError {
        match backlog.finish().await {
            Ok(()) => end,
            Err(_) => ReadError::EndOfInput,
        }
    }

    fn take(&self, mut messages: Vec<async_nats::Message>, backlog: &mut Backlog, link: &Link) {
        let (n_waiting, n_waiting_bytes) = backlog.held();
        let n_free = self.prefetch_count.saturating_sub(n_waiting);
        let mut n_bytes = 0;
        let within = messages.iter().take(n_free).take_while(|it| {
            n_bytes += it.length + OVERHEAD_BYTES;
            n_waiting_bytes + n_bytes <= WAITING_BYTES_MAX
        });
        let n_taken = within.count();
        let n_dropped = (messages.len() - n_taken) as u64 + link.take_dropped();
        if 0 < n_dropped {
            let n_messages = counted(n_dropped as usize, "message was", "messages were");
            let text = format!("{n_messages} dropped: they come faster than they are worked off");
            self.quiet.log(Level::Error, &text);
        }
        messages.truncate(n_taken);
        if messages.is_empty() {
            return;
        }
        let n_bytes = messages.iter().map(|it| it.length + OVERHEAD_BYTES).sum();
        let mut replies = Vec::new();
        let read = messages.into_iter().enumerate().map(|(idx, it)| {
            let (message, reply) = read(it);
            replies.extend(reply.map(|(subject, reply)| (idx as u32, subject, reply)));
            message
        });
        let read: Vec<Message> = read.collect();
        let fed = Fed::messages(read, Batches::Singles);
        let fed = match replies.is_empty() {
            true => fed,
            false => {
                let requests =
                    Requests { replies, rules: self.replies.clone(), answers: Arc::clone(&self.answers) };
                fed.telling_each(requests)
            }
        };
        backlog.push(fed, n_taken, n_bytes);
    }
}

/// The message, and where an answer to it goes, if anywhere.
fn read(message: async_nats::Message) -> (Message, Option<(Subject, Arc<Reply>)>) {
    let async_nats::Message { subject, reply, payload, headers, .. } = message;
    let own = [
        (Bytes::from_static(b"nats_subject"), Value::text(subject.as_str())),
        (Bytes::from_static(b"nats_reply_subject"), Value::text(reply.as_ref().map_or("", |it| it.as_str()))),
    ];
    let mut read = Message::new(content(payload));
    *read.metadata_mut() = Metadata::from_pairs(own.into_iter().chain(headers::pairs(headers.as_ref())));
    let reply = reply.map(|to| {
        let slot = Arc::new(Reply::default());
        let context = wappa_message::Context { reply: Some(Arc::clone(&slot)), ..Default::default() };
        read.set_context(Arc::new(context));
        (to, slot)
    });
    (read, reply)
}

/// Answers those of a parcel who wait.
struct Requests {
    /// By index.
    replies: Vec<(u32, Subject, Arc<Reply>)>,
    rules: Replies,
    answers: Arc<Answers>,
}

impl LeaseSink for Requests {
    fn answered(&self, origins: &[u32], failures: Vec<Failure>) {
        let answer = |origin: &u32| {
            let idx = self.replies.binary_search_by_key(origin, |it| it.0).ok()?;
            let (_, to, slot) = &self.replies[idx];
            if failures.iter().any(|it| it.origin == *origin) {
                return Some(Answer::new(to.clone(), self.rules.nak.clone()));
            }
            if let Some(message) = slot.take().into_iter().flatten().next() {
                let headers = headers::of_metadata(&message);
                let headers = Some(headers).filter(|it| !it.is_empty());
                return Some(Answer { to: to.clone(), headers, payload: message.content().clone() });
            }
            self.rules.send_ack.then(|| Answer::new(to.clone(), ACK))
        };
        self.answers.put(origins.iter().filter_map(answer).collect());
    }
}
