//! The input `http_client`.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::sleep;
use wappa_component::{
    Batches, BuildError, BuildInput, Component, ConnectError, Context, Input, Level, Logger, ReadError,
    Slices, cutter::Cutter,
};
use wappa_message::{Message, Metadata, Value};
use wappa_net::{Ended, Fed, Feeder, Scanners, Source, Stopping, fed_by, pump_seen};
use wappa_spec::{ComponentNode, Config, Interpolated, Node, Reader, Rule};

use crate::{
    body::Reading,
    client::{Answered, Client, Failure},
    codec,
    fields::HttpConfig,
    request::Content,
    room::Room,
};

pub(crate) const COMPONENT: Component =
    Component::input::<HttpInputConfig>("http_client").categories(&["Network"]);

/// Asks a server again and again, and makes a message of each answer; or reads one answer without end.
///
/// The body of each request is what `payload` says, or empty. What queries in the address, the headers and the payload refer
/// to is the message of the answer before, if there was one, so that a page can say where the next one is.
///
/// # Examples
///
/// ### A page after the other, one a second
///
/// ```yaml
/// input:
///   http_client:
///     url: http://localhost:8080/pages${! ("?after=" + this.next.not_null()) | "" }
///     verb: GET
///     rate_limit: slowly
/// output:
///   stdout: {}
/// rate_limit_resources:
///   - label: slowly
///     local:
///       count: 1
///       interval: 1s
/// ```
///
/// # Metadata
///
/// - `http_status_code`: the code of the answer
/// - the headers that `extract_headers` takes, with names in lower case
///
/// Messages of a stream have none. The first request behind a stream that ended can refer to the headers of its answer.
///
/// # Delivery
///
/// A message that fails is delivered again from memory, before anything new, until it arrives. The server is told nothing:
/// what it had sent when the process ended is lost.
///
/// The next request is made once the pipeline has taken the last answer. A request that failed is made again, `retries` times
/// (see the processor `http`); then the log says so, and requests go on after a wait from 100 milliseconds to a second, which
/// an answer without content makes too.
///
/// # Streams
///
/// With `stream.enabled` there is no time-out: a server may be silent for as long as it likes, and one that is gone without a
/// word is noticed as `transport.dial_context.keep_alive` says. `response_limit` does not count: messages are as large as the
/// scanner lets them be.
///
/// # Pitfalls
///
/// Without a rate limit a server is asked as fast as it answers.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct HttpInputConfig {
    #[config(flatten, defaults(verb = "GET"))]
    http: HttpConfig,

    /// The body of each request.
    payload: Option<Interpolated>,

    /// Whether an answer without content makes no message.
    #[config(default = "true", advanced)]
    drop_empty_bodies: bool,

    /// One answer without end.
    stream: StreamConfig,

    /// Whether messages that fail are delivered again; without it they are lost.
    #[config(default = "true")]
    auto_replay_nacks: bool,
}

/// One answer without end.
#[derive(Config, Debug)]
struct StreamConfig {
    /// Whether the body of an answer is cut into messages as it comes.
    #[config(default = "false")]
    enabled: bool,

    /// Whether the request is made again at the end of its answer; else that is the end of the input.
    #[config(default = "true")]
    reconnect: bool,

    /// How the body is cut into messages, in place of `scanner`.
    #[config(
        deprecated,
        example = "lines",
        example = "\"delim:\\t\"",
        example = "delim:foobar",
        example = "gzip/csv"
    )]
    codec: Option<String>,

    /// How long a line may be, with `codec`.
    #[config(deprecated)]
    max_buffer: Option<i64>,

    /// How the body is cut into messages.
    #[config(child = "scanner", default = "lines: {}")]
    scanner: ComponentNode,
}

fn lint(config: &HttpInputConfig, node: &Node, reader: &mut Reader<'_>) {
    if let Some(Err(text)) = config.stream.codec.as_deref().map(|it| codec::scanner_of(it, 1)) {
        let at = node.get("stream").and_then(|it| it.get("codec")).unwrap_or(node);
        reader.error(Rule::InvalidValue, at, text);
    }
}

impl BuildInput for HttpInputConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Input>, BuildError> {
        let mut http = self.http;
        let content = Content::Payload(self.payload.unwrap_or_default());
        let last = Mutex::new(Message::default());
        if !self.stream.enabled {
            let client = Client::new(&http, content, ctx)?;
            let timeout = http.timeout;
            let poll =
                Poll { client, drop_empty: self.drop_empty_bodies, timeout, last, logger: ctx.logger() };
            return Ok(fed_by(poll, self.auto_replay_nacks, ctx));
        }
        http.timeout = Duration::ZERO;
        let StreamConfig { codec, max_buffer, scanner, .. } = &self.stream;
        let scanner = codec::scanner(codec.as_deref(), *max_buffer, scanner, ctx)?;
        let stream = Streamed {
            client: Client::new(&http, content, ctx)?,
            scanners: Scanners::new(scanner),
            reconnect: self.stream.reconnect,
            drop_empty: self.drop_empty_bodies,
            last,
            logger: ctx.logger(),
        };
        Ok(fed_by(stream, self.auto_replay_nacks, ctx))
    }
}

/// The message that queries refer to.
fn get(last: &Mutex<Message>) -> Vec<Message> {
    vec![last.lock().unwrap_or_else(PoisonError::into_inner).clone()]
}

fn set(last: &Mutex<Message>, message: Message) {
    *last.lock().unwrap_or_else(PoisonError::into_inner) = message;
}

struct Poll {
    client: Client,
    drop_empty: bool,
    timeout: Duration,
    last: Mutex<Message>,
    logger: Logger,
}

/// The shortest and longest wait behind an answer that has nothing; as Bento.
const NOTHING_WAIT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));

impl Poll {
    /// What an answer holds; nothing where the server has nothing to say.
    fn messages(&self, fetched: Result<Vec<Message>, Failure>) -> Result<Vec<Message>, Failure> {
        match fetched {
            Ok(messages) => match messages.as_slice() {
                [one] if self.drop_empty && one.content().is_empty() => Ok(Vec::new()),
                _ => Ok(messages),
            },
            // As in Bento, who waits for something new to happen waits like that.
            Err(failure) if failure.is_timeout => {
                let text = format!("No answer came within `timeout`, {:?}: {failure}", self.timeout);
                self.logger.seldom(Level::Warn, &text);
                Ok(Vec::new())
            }
            Err(failure) => Err(failure),
        }
    }
}

impl Source for Poll {
    type Connection = ();

    async fn connect(&self) -> Result<(), ConnectError> {
        Ok(())
    }

    async fn read(&self, (): (), feeder: Feeder, mut stop: Stopping) -> ReadError {
        let mut wait = Duration::ZERO;
        loop {
            let mut batch = get(&self.last);
            let room = Room::endless();
            let fetched = tokio::select! {
                biased;
                () = stop.requested() => return ReadError::EndOfInput,
                fetched = self.client.fetch(&mut batch, &room) => fetched,
            };
            let messages = match self.messages(fetched) {
                Ok(messages) => messages,
                Err(failure) => return ReadError::BackOff(failure.to_string()),
            };
            let Some(first) = messages.first().cloned() else {
                wait = (wait * 2).clamp(NOTHING_WAIT.0, NOTHING_WAIT.1);
                tokio::select! {
                    () = stop.requested() => return ReadError::EndOfInput,
                    () = sleep(wait) => continue,
                }
            };
            wait = Duration::ZERO;
            set(&self.last, first);
            let end = messages.len() as u32;
            let fed = Fed::messages(messages, Batches::Ends(vec![end]));
            if feeder.put(fed).await.is_err() {
                return ReadError::EndOfInput;
            }
            // Nothing is asked for before it is wanted.
            tokio::select! {
                () = stop.requested() => return ReadError::EndOfInput,
                taken = feeder.taken() => if taken.is_err() { return ReadError::EndOfInput },
            }
        }
    }
}

struct Streamed {
    client: Client,
    scanners: Scanners,
    reconnect: bool,
    drop_empty: bool,
    last: Mutex<Message>,
    logger: Logger,
}

impl Source for Streamed {
    type Connection = Reading;

    async fn connect(&self) -> Result<Reading, ConnectError> {
        let mut batch = get(&self.last);
        let answered: Answered =
            self.client.open(&mut batch).await.map_err(|err| ConnectError::BackOff(err.to_string()))?;
        let pair = |name: &http::HeaderName| {
            let value = Value::text(answered.headers[name].as_bytes());
            (bytes::Bytes::copy_from_slice(name.as_str().as_bytes()), value)
        };
        let mut message = Message::default();
        *message.metadata_mut() = Metadata::from_pairs(answered.headers.keys().map(pair));
        set(&self.last, message);
        Ok(self.client.begin(answered))
    }

    async fn read(&self, mut reading: Reading, feeder: Feeder, stop: Stopping) -> ReadError {
        let failed = |text: &str| self.logger.error(&format!("Failed to read message: {text}"));
        let mut cutter = match self.scanners.open() {
            Ok(opened) => Cutter::new(opened),
            Err(text) => {
                failed(&text);
                return ReadError::NotConnected;
            }
        };
        let mut last = None;
        let see = |slices: &mut Slices| {
            if self.drop_empty {
                slices.ranges.retain(|(start, end)| start < end);
            }
            if !slices.ranges.is_empty() {
                last = Some(slices.clone());
            }
        };
        let ended = pump_seen(&mut reading, &mut cutter, &feeder, stop, None, see).await;
        if let Some(message) = last.and_then(|it| it.messages().pop()) {
            set(&self.last, message);
        }
        match ended {
            Ended::Over if self.reconnect => ReadError::NotConnected,
            Ended::Over | Ended::Stopped(_) => ReadError::EndOfInput,
            Ended::Failed(text) => {
                failed(&text);
                ReadError::NotConnected
            }
        }
    }
}
