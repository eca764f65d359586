//! The processor `http`.

use std::sync::Arc;

use tokio::task::JoinSet;
use wappa_component::{BuildError, BuildProcessor, Component, Context, Level, Logger, Part, Processor, Step};
use wappa_message::{Mark, Message, Value, pair_bytes};
use wappa_net::Runtime;
use wappa_spec::{Config, Interpolated};

use crate::{
    address::told_as_written,
    client::{Client, Failure},
    fields::HttpConfig,
    request::Content,
    room::Room,
};

pub(crate) const COMPONENT: Component =
    Component::processor::<HttpProcessorConfig>("http").categories(&["Integration"]);

/// Makes a request of each batch, and takes the body of its answer for the content.
///
/// The body of the request is the content of the message, or what `payload` says. Each message of a batch has its own
/// request unless `batch_as_multipart` is set; those are made one after the other, or all at once with `parallel`.
///
/// An answer of several parts becomes as many messages, which have the metadata of the ones they answer.
///
/// # Examples
///
/// ### A field that a server knows
///
/// ```yaml
/// input:
///   stdin: {}
/// pipeline:
///   processors:
///     - branch:
///         request_map: root = this.user
///         processors:
///           - http:
///               url: http://localhost:8080/users
///               verb: POST
///         result_map: root.name = this.name
/// output:
///   stdout: {}
/// ```
///
/// # Metadata
///
/// - `http_status_code`: the code of the answer, also of one that says that the request failed
/// - the headers that `extract_headers` takes, with names in lower case
///
/// # Errors
///
/// A message whose request failed goes on as it was, marked. A request is made again, `retries` times, when there was no
/// answer, and when its code is neither a success nor in `drop_on`: `retry_period` later, or, with a code in `backoff_on`,
/// after waits that double. Where the server says how long to wait (`Retry-After`) that is waited for, up to
/// `max_retry_backoff`. An answer that broke off, or came too slowly, after a code of success is a failure at once.
///
/// # Redirects
///
/// Up to ten redirects are followed. To another server, which another scheme or port makes too, only what describes the
/// body goes along: no credentials, and none of the config's other headers.
///
/// # Limits
///
/// A body is read up to `response_limit`, after it was decompressed, and the messages worked on together grow by 512MiB at
/// most. Of the batch of a `parallel`, 256 requests are under way at once.
///
/// # Pitfalls
///
/// Where the address holds what messages say, whoever writes messages chooses to whom requests go, also to servers that
/// only this machine can reach. Write the host into the config, and escape the rest
/// (`${! this.id.string().escape_url_path() }`).
#[derive(Config, Debug)]
struct HttpProcessorConfig {
    #[config(flatten)]
    http: HttpConfig,

    /// What the body of the request is, in place of the content.
    #[config(advanced)]
    payload: Option<Interpolated>,

    /// Whether a batch is one request, of which each message is a part.
    #[config(default = "false", advanced)]
    batch_as_multipart: bool,

    /// Whether the requests of a batch are made at once, and not one after the other.
    #[config(default = "false")]
    parallel: bool,
}

impl BuildProcessor for HttpProcessorConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Processor>, BuildError> {
        let content = match &self.payload {
            Some(payload) if payload.as_literal() != Some("") => Content::Payload(payload.clone()),
            _ => Content::Messages,
        };
        let client = Client::of_messages(&self.http, content, ctx)?;
        let how = match (self.batch_as_multipart, self.parallel) {
            (true, _) => How::AsOne,
            (false, true) => How::AtOnce,
            (false, false) => How::EachInTurn,
        };
        Ok(Box::new(Http {
            client: Arc::new(client),
            how,
            told: told_as_written(self.http.url.source()),
            runtime: Runtime::of(ctx),
            logger: ctx.logger(),
        }))
    }
}

/// So many requests of a batch are under way at once.
const AT_ONCE_MAX: usize = 256;

/// How much the messages that are worked on together may grow by: what all processors of content allow.
const PART_LIMIT: usize = 512 << 20;

/// What becomes of the messages of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    AsOne,
    EachInTurn,
    AtOnce,
}

struct Http {
    client: Arc<Client>,
    how: How,
    /// The address as the config writes it, without credentials.
    told: String,
    runtime: Runtime,
    logger: Logger,
}

/// What came of a request.
type Came = Result<Vec<Message>, Failure>;

impl Http {
    /// What comes of the requests of a batch, each with how many messages it was made of. `None`: the stream gives up.
    fn ask(&self, batch: Vec<Message>, step: &Step<'_>) -> Option<Result<Vec<Came>, String>> {
        let client = Arc::clone(&self.client);
        let (how, is_single) = (self.how, batch.len() == 1);
        let room = Room::new(step.growth().left(PART_LIMIT));
        let asking = async move {
            match how {
                _ if is_single => vec![fetch(&client, batch, &room).await],
                How::AsOne => vec![fetch(&client, batch, &room).await],
                How::EachInTurn => {
                    let mut came = Vec::with_capacity(batch.len());
                    for message in batch {
                        came.push(fetch(&client, vec![message], &room).await);
                    }
                    came
                }
                How::AtOnce => at_once(client, batch, room).await,
            }
        };
        self.runtime.finish_within(step, asking)
    }

    /// What a batch becomes.
    fn answer(&self, batch: Vec<Message>, came: Vec<Came>, step: &mut Step<'_>) -> Vec<Message> {
        if let [one] = came.as_slice()
            && (self.how == How::AsOne || batch.len() == 1)
        {
            return match one {
                Err(failure) => self.failed(batch, failure, step),
                Ok(answers) => self.answered(&batch, answers, step),
            };
        }
        let mut out = Vec::with_capacity(batch.len());
        for (message, came) in batch.into_iter().zip(came) {
            match came {
                Ok(answers) if self.how == How::AtOnce && answers.len() != 1 => {
                    let text = format!("unexpected response size: {}", answers.len());
                    out.extend(self.marked(vec![message], &Mark::new(text), step));
                }
                Ok(answers) => out.extend(self.answered(&[message], &answers, step)),
                Err(failure) => out.extend(self.failed(vec![message], &failure, step)),
            }
        }
        out
    }

    /// Answers take the places of the messages that were asked for; what is more has the metadata of the first one.
    fn answered(&self, batch: &[Message], answers: &[Message], step: &mut Step<'_>) -> Vec<Message> {
        if answers.is_empty() {
            let text = format!("HTTP response from '{}' was empty", self.told);
            return self.marked(batch.to_vec(), &Mark::new(text), step);
        }
        let grown: usize = answers.iter().map(Message::size).sum();
        let was: usize = batch.iter().map(Message::content_size).sum();
        let grown = grown.saturating_sub(was);
        if step.growth().left(PART_LIMIT) < grown {
            let text = "the messages worked on together would grow by more than 512MiB";
            return self.marked(batch.to_vec(), &Mark::new(text), step);
        }
        step.grow(grown);
        let answer = |(idx, answer): (usize, &Message)| {
            let mut message = batch.get(idx).unwrap_or(&batch[0]).clone();
            message.set_content(answer.content().clone());
            for (key, value) in answer.metadata().iter() {
                message.metadata_mut().set(key.clone(), value.clone());
            }
            message
        };
        answers.iter().enumerate().map(answer).collect()
    }

    fn failed(&self, mut batch: Vec<Message>, failure: &Failure, step: &mut Step<'_>) -> Vec<Message> {
        if let Some(code) = failure.code {
            let value = Value::Int(i64::from(code));
            for message in &mut batch {
                step.grow(pair_bytes("http_status_code".len(), &value));
                message.metadata_mut().set("http_status_code", value.clone());
            }
        }
        self.marked(batch, &failure.mark(), step)
    }

    fn marked(&self, mut batch: Vec<Message>, mark: &Mark, step: &mut Step<'_>) -> Vec<Message> {
        let parallel = if self.how == How::AtOnce && 1 < batch.len() { "parallel " } else { "" };
        self.logger.seldom(
            Level::Error,
            &format!("HTTP {parallel}request to '{}' failed: {}", self.told, mark.as_str()),
        );
        batch.iter_mut().for_each(|it| step.mark(it, mark.clone()));
        batch
    }
}

async fn fetch(client: &Client, mut batch: Vec<Message>, room: &Room) -> Came {
    client.fetch(&mut batch, room).await
}

async fn at_once(client: Arc<Client>, batch: Vec<Message>, room: Room) -> Vec<Came> {
    let mut came: Vec<Option<Came>> = batch.iter().map(|_| None).collect();
    let mut under_way = JoinSet::new();
    let mut put = |done: Result<(usize, Came), tokio::task::JoinError>| match done {
        Ok((idx, answer)) => came[idx] = Some(answer),
        Err(err) if err.is_panic() => std::panic::resume_unwind(err.into_panic()),
        Err(_) => (),
    };
    for (idx, message) in batch.into_iter().enumerate() {
        if AT_ONCE_MAX <= under_way.len()
            && let Some(done) = under_way.join_next().await
        {
            put(done);
        }
        let (client, room) = (Arc::clone(&client), room.clone());
        under_way.spawn(async move { (idx, fetch(&client, vec![message], &room).await) });
    }
    while let Some(done) = under_way.join_next().await {
        put(done);
    }
    came.into_iter().map(|it| it.expect("each request ends")).collect()
}

impl Processor for Http {
    fn process(&self, part: &mut Part, step: &mut Step<'_>) -> usize {
        let n_batches = part.n_batches();
        let mut finished = 0;
        let mut answered: Vec<Vec<Message>> = Vec::new();
        while finished < n_batches {
            let batch = part.messages()[part.batch(finished)].to_vec();
            if batch.is_empty() {
                finished += 1;
                continue;
            }
            let after = match self.ask(batch.clone(), step) {
                None => break,
                Some(Ok(came)) => self.answer(batch, came, step),
                Some(Err(text)) => self.marked(batch, &Mark::new(text), step),
            };
            answered.push(after);
            finished += 1;
            if step.is_due() {
                break;
            }
        }
        let mut answered = answered.into_iter();
        part.replace_batches(|batch| answered.next().unwrap_or(batch));
        finished
    }
}
