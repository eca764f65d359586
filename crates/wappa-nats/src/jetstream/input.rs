//! The input `nats_jetstream`.

use std::{
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_nats::{Subscriber, jetstream::consumer::DeliverPolicy};
use bytes::Bytes;
use tokio::time::{interval, timeout};
use wappa_component::{
    Batches, BuildError, BuildInput, Component, ConnectError, Context, Input, ReadError, duration,
    tracer::extracting,
};
use wappa_message::{Message, Metadata, Value};
use wappa_net::{Fed, Feeder, Source, Stopping, TlsConfig, fed_by};
use wappa_spec::{Config, Mapping, Node, Reader, Rule};

use super::{
    consumer::{API_MAX, Consumer, Known, Wanted, found},
    leases::Leases,
    pull::{Pull, Said, answer_flow_control},
};
use crate::{
    auth::AuthConfig,
    connection::{Endpoint, Link, lint_urls},
    headers,
    pump::{Backlog, OVERHEAD_BYTES, content, next_ready},
};

pub(crate) const COMPONENT: Component =
    Component::input::<JetStreamConfig>("nats_jetstream").categories(&["Services"]);

/// How often it is looked whether the consumer is still there, if nothing comes from it.
const LOOK_INTERVAL: Duration = Duration::from_secs(20);

/// How often it is looked whether requests stand.
const ASK_INTERVAL: Duration = Duration::from_secs(1);

/// How many bytes of messages wait at most. How many come is up to the consumer; what is too much for it would be the end.
const WAITING_BYTES_MAX: usize = 1 << 30;

/// What a server waits for an answer where nobody says how long.
const ACK_WAIT: Duration = Duration::from_secs(30);

/// Reads streams of JetStream.
///
/// The consumer that reads is found by its name, `durable`, and made where there is none; without a name it is one that
/// goes when nobody reads with it. Which kind it is, one that the server pushes with or one that is pulled from, is its own
/// to say; a new one is of the first kind, as in Bento, unless `pull` is set.
///
/// # Examples
///
/// ### Several processes share the work of a stream
///
/// Each message goes to one of those who run this. What a process that dies had read and not answered goes to the others
/// after `ack_wait`.
///
/// ```yaml
/// input:
///   nats_jetstream:
///     urls: [nats://localhost:4222]
///     subject: orders.>
///     durable: workers
///     pull: true
/// output:
///   stdout: {}
/// ```
///
/// # Metadata
///
/// All are texts.
///
/// - `nats_subject`
/// - `nats_sequence_stream`
/// - `nats_sequence_consumer`
/// - `nats_num_delivered`: 1 the first time.
/// - `nats_num_pending`: how many messages the consumer has behind this one.
/// - `nats_domain`: where there is one.
/// - `nats_timestamp_unix_nano`: when the stream got it.
/// - Each header that is not empty, with its first value.
///
/// # Delivery
///
/// A message is acknowledged once it has arrived, each by itself. Until then the server is told in time, every quarter of
/// `ack_wait`, that it is worked on, so that slow messages and outputs cause no second delivery. One that fails is given
/// back (`-NAK`), and comes again at once or after `nak_delay`; what a stop leaves is given back too. When the process dies
/// the server delivers what was not acknowledged after `ack_wait`.
///
/// # Performance
///
/// Up to `max_ack_pending` messages are held: that bounds what is in memory, and what is delivered twice after a crash.
///
/// # Pitfalls
///
/// - Fields of a consumer that is there already are not changed: `ack_wait`, `deliver` and `max_ack_pending` are for one that
///   is made. One for another `subject` is not read with.
/// - A consumer that pushes has one reader, or the members of one group (`queue`). One that is pulled from has any number.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct JetStreamConfig {
    /// Where the servers are; one of them is connected to. An item may hold several with commas between them, and a user
    /// and a password, or a token.
    #[config(example = "[nats://127.0.0.1:4222]", example = "[\"nats://username:password@127.0.0.1:4222\"]")]
    urls: Vec<String>,

    /// The group whose members share the messages that the server pushes. Without `durable` it names the consumer too.
    #[config(optional)]
    queue: Option<String>,

    /// What to read: `*` stands for one token, `>` for all that follow. It also finds the stream, if `stream` does not say
    /// which it is.
    #[config(
        optional,
        example = "foo.bar.baz",
        example = "foo.*.baz",
        example = "foo.bar.*",
        example = "foo.>"
    )]
    subject: Option<String>,

    /// The name of the consumer, which stays when nobody reads with it.
    #[config(optional)]
    durable: Option<String>,

    /// The stream. For one that mirrors a stream of another domain it has to be named.
    #[config(optional)]
    stream: Option<String>,

    /// Whether the consumer has to be there already; `stream` and `durable` name it.
    #[config(optional)]
    bind: Option<bool>,

    /// Where a consumer that is made begins: with all messages of the stream, with the last, with the last of each subject,
    /// or with what comes from now on.
    #[config(default = "all", options("all", "last", "last_per_subject", "new"))]
    deliver: String,

    /// Whether a consumer that is made is pulled from.
    #[config(default = "false", bento = false)]
    pull: bool,

    /// How long the server waits for a sign of life of a message that it has delivered, for a consumer that is made.
    #[config(default = "30s", advanced, example = "100ms", example = "5m")]
    ack_wait: String,

    /// How many messages may be delivered and not answered, of all who read with a consumer that is made; and how many are
    /// held here.
    #[config(default = "1024", advanced)]
    max_ack_pending: i64,

    /// After how long a message that failed comes again.
    #[config(optional, advanced, bento = false, example = "5s")]
    nak_delay: Option<Duration>,

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

fn lint(config: &JetStreamConfig, node: &Node, reader: &mut Reader<'_>) {
    lint_urls(&config.urls, node, reader);
    if let Err(text) = config.check() {
        reader.error(Rule::Custom, node, text);
    }
    if !config.ack_wait.is_empty()
        && let Err(err) = duration::parse(&config.ack_wait)
    {
        duration::lint(
            format!("failed to parse ack wait duration: {err}"),
            node.get("ack_wait").unwrap_or(node),
            reader,
        );
    }
    if config.pull && config.queue.is_some() {
        let at = node.get("queue").unwrap_or(node);
        let text =
            "`queue` is for consumers that the server pushes with: all who pull from one share it anyhow";
        reader.error(Rule::Custom, at, text.to_string());
    }
}

fn set(text: &Option<String>) -> Option<&String> {
    text.as_ref().filter(|it| !it.is_empty())
}

impl JetStreamConfig {
    /// Whether it is said what to read; the errors are Bento's texts.
    fn check(&self) -> Result<(), String> {
        let is_bound = self.bind.unwrap_or_default();
        match is_bound {
            true if set(&self.stream).is_none() && set(&self.durable).is_none() => {
                Err("stream or durable is required, when bind is true".to_string())
            }
            true if set(&self.stream).is_none() && set(&self.subject).is_none() => {
                Err("stream or subject is required, when bind is true".to_string())
            }
            false if set(&self.subject).is_none() => Err("subject is empty".to_string()),
            _ => Ok(()),
        }
    }
}

impl BuildInput for JetStreamConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Input>, BuildError> {
        self.check().map_err(BuildError::new)?;
        let ack_wait = match self.ack_wait.as_str() {
            "" => None,
            text => Some(duration::parse(text).map_err(BuildError::new)?),
        };
        let wanted = Wanted {
            stream: set(&self.stream).cloned(),
            subject: set(&self.subject).cloned(),
            durable: set(&self.durable).cloned(),
            queue: set(&self.queue).cloned(),
            bind: self.bind.unwrap_or_default(),
            pull: self.pull,
            deliver: match self.deliver.as_str() {
                "all" => DeliverPolicy::All,
                "last" => DeliverPolicy::Last,
                "last_per_subject" => DeliverPolicy::LastPerSubject,
                _ => DeliverPolicy::New,
            },
            ack_wait: ack_wait.filter(|it| !it.is_zero()),
            max_ack_pending: self.max_ack_pending,
        };
        let endpoint = Endpoint::new(&self.urls, self.tls, self.auth, ctx).map_err(BuildError::new)?;
        let most = usize::try_from(self.max_ack_pending).ok().filter(|it| 0 < *it).unwrap_or(HELD_MAX);
        let source = JetStream {
            endpoint,
            wanted,
            most,
            leases: Arc::new(Leases::new(self.nak_delay)),
            consumer: Mutex::default(),
            last: AtomicU64::new(0),
            subscriber: tokio::sync::Mutex::new(None),
        };
        let input = fed_by(source, false, ctx);
        Ok(extracting(input, self.extract_tracing_map, self.new_root_span_with_link, ctx))
    }
}

/// How many messages are held where nobody says how many.
const HELD_MAX: usize = 65_536;

struct JetStream {
    endpoint: Endpoint,
    wanted: Wanted,
    /// How many messages may be held.
    most: usize,
    leases: Arc<Leases>,
    /// The name of the consumer that was read with last.
    consumer: Mutex<Option<String>>,
    /// The highest place in the stream that was read.
    last: AtomicU64,
    /// What is read from, for as long as it is; what comes from it after that is given back.
    subscriber: tokio::sync::Mutex<Option<(Link, Subscriber)>>,
}

impl Source for JetStream {
    type Connection = (Link, Consumer);

    async fn connect(&self) -> Result<(Link, Consumer), ConnectError> {
        // What a consumer that is there already may push is up to itself.
        let capacity = self.most.max(HELD_MAX);
        let link = self.endpoint.connect(capacity).await.map_err(ConnectError::BackOff)?;
        let opened = tokio::select! {
            opened = timeout(API_MAX * 3, self.wanted.open(&link, self.known())) => opened,
            () = link.lost() => return Err(ConnectError::BackOff("the connection was lost at once".to_string())),
        };
        let opened = opened.unwrap_or_else(|_| Err("JetStream does not answer".to_string()));
        let consumer = opened.map_err(ConnectError::BackOff)?;
        *self.consumer.lock().unwrap_or_else(PoisonError::into_inner) = Some(consumer.name.clone());
        self.leases.answers.connected(&link);
        Ok((link, consumer))
    }

    async fn read(
        &self,
        (link, consumer): (Link, Consumer),
        feeder: Feeder,
        mut stop: Stopping,
    ) -> ReadError {
        let Consumer { stream, name, config, subscriber, inbox } = consumer;
        // Where this is dropped in the middle it is let go of last.
        let mut place = self.subscriber.lock().await;
        let subscriber = &mut place.insert((link.clone(), subscriber)).1;
        let mut pull = config
            .deliver_subject
            .is_none()
            .then(|| Pull::new(&stream.cached_info().config.name, &name, &inbox, self.most));
        let ack_wait = if config.ack_wait.is_zero() { ACK_WAIT } else { config.ack_wait };
        let renewal = (ack_wait / 4).max(Duration::from_millis(1));
        let (mut renewals, mut asks, mut looks) =
            (interval(renewal), interval(ASK_INTERVAL), interval(LOOK_INTERVAL));
        let mut lost = pin!(link.lost());
        let mut backlog = Backlog::new(feeder);
        let mut was_heard = true;
        loop {
            if let Some(pull) = &mut pull {
                pull.ask(self.leases.n_held(), &link).await;
            }
            tokio::select! {
                messages = next_ready(subscriber) => {
                    let Some(messages) = messages else { break };
                    was_heard = true;
                    let (messages, said): (Vec<_>, Vec<_>) = messages.into_iter().partition(|it| it.status.is_none());
                    for message in &said {
                        match &mut pull {
                            None => answer_flow_control(message, &link).await,
                            Some(pull) => if let Said::Gone(text) = pull.hear_status(message) {
                                return self.end(backlog, ReadError::BackOff(format!("consumer {name}: {text}"))).await;
                            },
                        }
                    }
                    if let Some(pull) = &mut pull {
                        pull.hear(messages.len());
                    }
                    self.take(messages, &mut backlog);
                    if WAITING_BYTES_MAX < backlog.held().1 {
                        let text = format!("consumer {name}: more than 1 GiB of what the server sends waits; its max_ack_pending is too large");
                        return self.end(backlog, ReadError::BackOff(text)).await;
                    }
                }
                advanced = backlog.advance() => if advanced.is_err() {
                    return ReadError::EndOfInput;
                },
                _ = renewals.tick() => self.leases.renew(renewal / 2),
                () = self.leases.freed.notified(), if pull.is_some() => (),
                _ = asks.tick(), if pull.is_some() => (),
                _ = looks.tick() => if !std::mem::take(&mut was_heard)
                    && let Ok(None) = found(&stream, &name).await
                {
                    return self.end(backlog, ReadError::BackOff(format!("consumer {name} is gone"))).await;
                },
                () = stop.requested() => {
                    self.give_back(&link, subscriber).await;
                    *place = None;
                    // Messages that are worked on after this are told of by who is left.
                    tokio::spawn(renew(Arc::clone(&self.leases), renewal));
                    return self.end(backlog, ReadError::EndOfInput).await;
                }
                () = &mut lost => break,
            }
        }
        self.end(backlog, ReadError::NotConnected).await
    }

    fn takes_back(&self) -> bool {
        true
    }

    async fn close(&self) {
        if let Some((link, mut subscriber)) = self.subscriber.lock().await.take() {
            self.give_back(&link, &mut subscriber).await;
        }
        self.leases.answers.flush().await;
    }
}

/// Tells the server of what is worked on, until all of it is answered.
async fn renew(leases: Arc<Leases>, renewal: Duration) {
    let mut renewals = interval(renewal);
    while 0 < leases.n_held() {
        renewals.tick().await;
        leases.renew(renewal / 2);
    }
}

impl JetStream {
    /// The consumer that was read with, and where one in its place begins: with the first message that is not answered.
    fn known(&self) -> Option<Known> {
        let name = self.consumer.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        let open = self.leases.open();
        let first = open.iter().filter_map(|it| place_in_stream(it.as_str())).min();
        Some(Known { name, next: first.unwrap_or(self.last.load(Ordering::SeqCst) + 1) })
    }

    /// Reads nothing more, and gives back what is on its way already.
    async fn give_back(&self, link: &Link, subscriber: &mut Subscriber) {
        let give_back = |messages: Vec<async_nats::Message>| {
            let messages = messages.into_iter().filter(|it| it.status.is_none());
            self.leases.give_back(messages.filter_map(|it| it.reply));
        };
        link.end(subscriber, give_back).await;
    }

    /// What was read is handed on in any case.
    async fn end(&self, mut backlog: Backlog, end: ReadError) -> ReadError {
        match backlog.finish().await {
            Ok(()) => end,
            Err(_) => ReadError::EndOfInput,
        }
    }

    fn take(&self, messages: Vec<async_nats::Message>, backlog: &mut Backlog) {
        let (mut read, mut replies) =
            (Vec::with_capacity(messages.len()), Vec::with_capacity(messages.len()));
        let mut n_bytes = 0;
        for message in messages {
            // All that a consumer delivers has one.
            let Some(reply) = message.reply.clone() else { continue };
            n_bytes += message.length + OVERHEAD_BYTES;
            if let Some(place) = place_in_stream(reply.as_str()) {
                self.last.fetch_max(place, Ordering::SeqCst);
            }
            read.push(read_one(message, reply.as_str()));
            replies.push(reply);
        }
        if read.is_empty() {
            return;
        }
        let n_messages = read.len();
        let held = self.leases.hold(replies);
        let fed = Fed::messages(read, Batches::Singles).telling_each(held);
        backlog.push(fed, n_messages, n_bytes);
    }
}

fn read_one(message: async_nats::Message, reply: &str) -> Message {
    let async_nats::Message { subject, payload, headers, .. } = message;
    let own = [(Bytes::from_static(b"nats_subject"), Value::text(subject.as_str()))];
    // A domain that has no name is none.
    let of_reply = described(reply).into_iter().flatten().filter(|it| !it.1.is_empty());
    let of_reply = of_reply.map(|(key, text)| (Bytes::from_static(key.as_bytes()), Value::text(text)));
    let headers = headers::pairs(headers.as_ref()).filter(|(_, value)| 0 < value.text_len());
    let mut read = Message::new(content(payload));
    *read.metadata_mut() = Metadata::from_pairs(own.into_iter().chain(of_reply).chain(headers));
    read
}

/// What the subject for the answer says of a message, by the names of its metadata.
///
/// `$JS.ACK.STREAM.CONSUMER.delivered.stream.consumer.timestamp.pending`, or, since there are accounts,
/// `$JS.ACK.DOMAIN.ACCOUNT.STREAM.CONSUMER.delivered.stream.consumer.timestamp.pending`, and what is added behind.
fn described(reply: &str) -> Option<[(&'static str, &str); 6]> {
    let tokens: Vec<&str> = reply.strip_prefix("$JS.ACK.")?.split('.').collect();
    let (domain, counts) = match tokens.len() {
        7 => ("", &tokens[2..]),
        9.. => (tokens[0], &tokens[4..]),
        _ => return None,
    };
    Some([
        ("nats_num_delivered", counts[0]),
        ("nats_sequence_stream", counts[1]),
        ("nats_sequence_consumer", counts[2]),
        ("nats_timestamp_unix_nano", counts[3]),
        ("nats_num_pending", counts[4]),
        ("nats_domain", if domain == "_" { "" } else { domain }),
    ])
}

/// Where a message stands in its stream.
fn place_in_stream(reply: &str) -> Option<u64> {
    described(reply)?[1].1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_subject_for_the_answer_says_where_a_message_stands() {
        let text = |reply: &str| {
            let pairs = described(reply).into_iter().flatten();
            pairs
                .map(|(key, value)| format!("{}={value}", key.strip_prefix("nats_").unwrap_or(key)))
                .collect::<Vec<_>>()
                .join(" ")
        };
        let expected = "num_delivered=1 sequence_stream=20 sequence_consumer=30 timestamp_unix_nano=40 num_pending=50 domain=";
        assert_eq!(text("$JS.ACK.S.C.1.20.30.40.50"), expected);
        assert_eq!(text("$JS.ACK._.hash.S.C.1.20.30.40.50.token"), expected);
        assert_eq!(text("$JS.ACK.hub.hash.S.C.1.20.30.40.50"), format!("{expected}hub"));
        assert_eq!(text("_INBOX.a"), "");
    }
}
