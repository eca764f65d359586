//! The input `redis_streams`.
//!
//! What was read and not acknowledged is the server's list of what is pending, by consumer. So it is read from there when a
//! connection is made, but for what is still on its way here, and claimed where its consumer shows no sign of life.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, Instant},
};

use bytes::Bytes;
use redis::{Cmd, Value};
use wappa_component::{
    Batches, BuildError, BuildInput, Component, ConnectError, Context, Failure, Input, LeaseSink, Level,
    ReadError,
};
use wappa_message::{Message, Metadata};
use wappa_net::{Fed, Feeder, Quiet, Source, Stopping, fed_by};
use wappa_spec::{Node, Reader, Rule};

use crate::connection::{ANSWER_MAX, Endpoint, Failed, Link};

pub(crate) const COMPONENT: Component =
    Component::input::<StreamsConfig>("redis_streams").categories(&["Services"]);

/// The longest that the server is asked to wait, so that a stop need not wait longer for its answer.
const WAIT_MAX: Duration = Duration::from_secs(1);

/// How many entries one command names at most.
const AT_ONCE: usize = 1_000;

redis_config! {
    /// Reads streams of Redis (5.0 or newer) as a member of a group.
    ///
    /// An entry of a stream has fields: that of `body_key` is the content of the message, the others are its metadata. An entry
    /// without it stays where it is, and the log says so.
    ///
    /// # Examples
    ///
    /// ### Several processes share the work of a stream
    ///
    /// Each entry goes to one member of the group. What one that dies had read and not acknowledged goes to the others.
    ///
    /// ```yaml
    /// input:
    ///   redis_streams:
    ///     url: redis://localhost:6379
    ///     streams: [ orders ]
    ///     consumer_group: workers
    ///     client_id: ${HOSTNAME:one}
    /// output:
    ///   stdout: {}
    /// ```
    ///
    /// # Metadata
    ///
    /// - `redis_stream`: the id of the entry.
    /// - Each other field of the entry.
    ///
    /// # Delivery
    ///
    /// An entry is acknowledged once its message has arrived, after `commit_period` at the latest and at a stop. What was not is
    /// read again by the next process with the same `client_id`, or by another member of the group after `claim_after`. While a
    /// message is on its way the server is told so, so slow messages are not claimed by others.
    ///
    /// # Performance
    ///
    /// `limit` is how many entries one request gives: with more, fewer requests are made.
    #[config(lint = lint)]
    struct StreamsConfig {
        /// The field of an entry that has the content.
        #[config(default = "body")]
        body_key: String,

        /// The streams.
        streams: Vec<String>,

        /// Whether messages that fail are delivered again from memory; without it they are read again from the server.
        #[config(default = "true")]
        auto_replay_nacks: bool,

        /// How many entries of each stream one request gives at most.
        #[config(default = "10")]
        limit: u32,

        /// What this member of the group is called. Each needs a name of its own.
        #[config(default = "\"\"")]
        client_id: String,

        /// What the group is called.
        #[config(default = "\"\"")]
        consumer_group: String,

        /// Whether streams are made that are not there.
        #[config(default = "true", advanced)]
        create_streams: bool,

        /// Whether a group that is made begins with what is in the stream, and not with what comes from now on.
        #[config(default = "true", advanced)]
        start_from_oldest: bool,

        /// How often the server is told what has arrived.
        #[config(default = "1s", advanced)]
        commit_period: Duration,

        /// How long the server is asked to wait for entries. Asked again it is in any case, after a second at the latest.
        #[config(default = "1s", advanced)]
        timeout: Duration,

        /// After so long without a sign of life what other members have read and not acknowledged is claimed (Redis 6.2 or
        /// newer). A message that takes longer in a Bento of the same group is processed twice. 0: nothing is claimed.
        #[config(default = "5m", advanced, bento = false, example = "30s")]
        claim_after: Duration,
    }
}

fn lint(config: &StreamsConfig, node: &Node, reader: &mut Reader<'_>) {
    config.lint_endpoint(node, reader);
    if config.streams.is_empty() {
        reader.error(
            Rule::InvalidValue,
            node.get("streams").unwrap_or(node),
            "there is no stream".to_string(),
        );
    }
}

impl BuildInput for StreamsConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Input>, BuildError> {
        let endpoint = self.endpoint().map_err(BuildError::new)?;
        let member = Member {
            streams: self.streams,
            group: self.consumer_group,
            consumer: self.client_id,
            state: Mutex::default(),
        };
        let source = Streams {
            endpoint,
            member: Arc::new(member),
            body_key: self.body_key.into_bytes(),
            limit: self.limit.max(1),
            makes_streams: self.create_streams,
            begin: if self.start_from_oldest { "0" } else { "$" },
            commit_period: self.commit_period.max(Duration::from_millis(1)),
            wait: if self.timeout.is_zero() { WAIT_MAX } else { self.timeout.min(WAIT_MAX) },
            claim_after: self.claim_after,
            talking: tokio::sync::Mutex::new(None),
            keeper: Mutex::new(None),
            quiet: Quiet::new(ctx.logger()),
        };
        Ok(fed_by(source, self.auto_replay_nacks, ctx))
    }
}

/// A member of a group, and what it has to say to the server.
#[derive(Debug)]
struct Member {
    streams: Vec<String>,
    group: String,
    consumer: String,
    state: Mutex<State>,
}

/// An entry: the index of its stream, and its id.
type Entry = (usize, Bytes);

#[derive(Debug, Default)]
struct State {
    /// What was read and is not acknowledged.
    held: HashSet<Entry>,
    /// What has arrived, and the server has not been told of.
    arrived: Vec<Entry>,
    /// What has failed, and is to be read again.
    failed: Vec<Entry>,
}

impl Member {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those of each stream, together.
    fn by_stream(&self, entries: Vec<Entry>) -> Vec<(usize, Vec<Bytes>)> {
        let mut by_stream: HashMap<usize, Vec<Bytes>> = HashMap::new();
        for (stream, id) in entries {
            by_stream.entry(stream).or_default().push(id);
        }
        let chunks = by_stream.into_iter().flat_map(|(stream, ids)| {
            ids.chunks(AT_ONCE).map(|it| (stream, it.to_vec())).collect::<Vec<_>>()
        });
        chunks.collect()
    }

    /// Tells the server what has arrived. What it was not told is told the next time.
    async fn commit(&self, link: &mut Link) -> Result<(), Failed> {
        let arrived = std::mem::take(&mut self.lock().arrived);
        let mut chunks = self.by_stream(arrived).into_iter();
        while let Some((stream, ids)) = chunks.next() {
            let mut ack = redis::cmd("XACK");
            ack.arg(&self.streams[stream]).arg(&self.group);
            ids.iter().for_each(|it| _ = ack.arg(&it[..]));
            let answer = link.ask(&ack).await;
            let mut state = self.lock();
            match answer {
                Ok(_) => ids.into_iter().for_each(|it| _ = state.held.remove(&(stream, it))),
                Err(err) => {
                    state.arrived.extend(ids.into_iter().map(|it| (stream, it)));
                    for (stream, ids) in chunks {
                        state.arrived.extend(ids.into_iter().map(|it| (stream, it)));
                    }
                    return Err(err);
                }
            }
        }
        Ok(())
    }

    fn claim(&self, stream: usize, ids: &[Bytes]) -> Cmd {
        let mut claim = redis::cmd("XCLAIM");
        claim.arg(&self.streams[stream]).arg(&self.group).arg(&self.consumer).arg(0);
        ids.iter().for_each(|it| _ = claim.arg(&it[..]));
        claim
    }

    /// Tells the server that what is on its way is.
    async fn renew(&self, link: &mut Link) -> Result<(), Failed> {
        let held: Vec<Entry> = self.lock().held.iter().cloned().collect();
        for (stream, ids) in self.by_stream(held) {
            let mut renew = self.claim(stream, &ids);
            link.ask(renew.arg("JUSTID")).await?;
        }
        Ok(())
    }
}

/// Entries that were read together.
struct Held {
    member: Arc<Member>,
    /// By index.
    entries: Vec<Entry>,
}

impl LeaseSink for Held {
    fn answered(&self, origins: &[u32], failures: Vec<Failure>) {
        let mut failures = failures.iter().peekable();
        let mut state = self.member.lock();
        for origin in origins {
            let failure = failures.next_if(|it| it.origin == *origin);
            let entry = self.entries[*origin as usize].clone();
            match failure {
                None => state.arrived.push(entry),
                Some(_) => state.failed.push(entry),
            }
        }
    }
}

struct Streams {
    endpoint: Endpoint,
    member: Arc<Member>,
    body_key: Vec<u8>,
    limit: u32,
    makes_streams: bool,
    /// Where a group that is made begins.
    begin: &'static str,
    commit_period: Duration,
    wait: Duration,
    claim_after: Duration,
    /// The connection for everything that does not wait for entries.
    talking: tokio::sync::Mutex<Option<Link>>,
    keeper: Mutex<Option<tokio::task::AbortHandle>>,
    quiet: Quiet,
}

impl Drop for Streams {
    fn drop(&mut self) {
        if let Some(keeper) = self.keeper.get_mut().unwrap_or_else(PoisonError::into_inner) {
            keeper.abort();
        }
    }
}

impl Source for Streams {
    type Connection = (Link, Link);

    async fn connect(&self) -> Result<(Link, Link), ConnectError> {
        let connect = || async { self.endpoint.connect().await.map_err(ConnectError::BackOff) };
        let (reading, mut talking) = (connect().await?, connect().await?);
        for stream in &self.member.streams {
            let mut create = redis::cmd("XGROUP");
            create.arg("CREATE").arg(stream).arg(&self.member.group).arg(self.begin);
            if self.makes_streams {
                create.arg("MKSTREAM");
            }
            match talking.ask(&create).await {
                Err(Failed::Refused(text)) if text.starts_with("BUSYGROUP") => (),
                Err(err) => {
                    let group = &self.member.group;
                    let text = format!("failed to create group {group} for stream {stream}: {}", err.text());
                    return Err(ConnectError::BackOff(text));
                }
                Ok(_) => (),
            }
        }
        *self.talking.lock().await = Some(talking.clone());
        let keeping =
            keep(Arc::downgrade(&self.member), talking.clone(), self.commit_period, self.claim_after);
        let keeper = tokio::spawn(keeping).abort_handle();
        let before = self.keeper.lock().unwrap_or_else(PoisonError::into_inner).replace(keeper);
        if let Some(before) = before {
            before.abort();
        }
        Ok((reading, talking))
    }

    async fn read(&self, links: (Link, Link), feeder: Feeder, stop: Stopping) -> ReadError {
        let (mut reading, mut talking) = links;
        // Where the reading of each stream's pending entries stands; `None`: they are read.
        let mut pending: Vec<Option<Bytes>> =
            self.member.streams.iter().map(|_| Some(Bytes::from_static(b"0"))).collect();
        let mut claims = Claims::new(self.claim_after);
        while !stop.is_requested() {
            let read = async {
                let again = self.again(&mut talking).await?;
                let claimed = claims.take(self, &mut talking).await?;
                let next = match again.is_empty() && claimed.is_empty() {
                    true => self.next(&mut reading, &mut pending).await?,
                    false => Vec::new(),
                };
                Ok([again, claimed, next].concat())
            };
            match read.await {
                Ok(entries) => {
                    if self.feed(entries, &feeder).await.is_err() {
                        return ReadError::EndOfInput;
                    }
                }
                Err(Failed::Lost(_)) => return ReadError::NotConnected,
                Err(Failed::Refused(text)) => return ReadError::BackOff(text),
            }
        }
        ReadError::EndOfInput
    }

    fn takes_back(&self) -> bool {
        true
    }

    async fn close(&self) {
        let Some(mut talking) = self.talking.lock().await.take() else { return };
        if let Err(err) = self.member.commit(&mut talking).await {
            let text = format!("What has arrived at last will be read again: {}", err.text());
            self.quiet.log(Level::Error, &text);
        }
    }
}

/// Says in time what has arrived, and what is on its way.
async fn keep(member: Weak<Member>, mut link: Link, commit_period: Duration, claim_after: Duration) {
    let mut commits = tokio::time::interval(commit_period);
    let mut renewed = Instant::now();
    loop {
        commits.tick().await;
        let Some(member) = member.upgrade() else { return };
        let mut result = member.commit(&mut link).await;
        if result.is_ok() && !claim_after.is_zero() && claim_after / 4 < renewed.elapsed() {
            renewed = Instant::now();
            result = member.renew(&mut link).await;
        }
        if matches!(result, Err(Failed::Lost(_))) {
            return;
        }
    }
}

/// An entry as it was read; `None`: it is gone from the stream.
#[derive(Clone, Debug)]
struct Read {
    stream: usize,
    id: Bytes,
    fields: Option<Vec<(Bytes, Bytes)>>,
}

/// What other members have read and not acknowledged, claimed from time to time.
struct Claims {
    after: Duration,
    next: Option<Instant>,
    /// Where the search of each stream goes on; `None`: it is at its end.
    cursors: Vec<(usize, Bytes)>,
}

impl Claims {
    fn new(after: Duration) -> Claims {
        let next = Some(Instant::now()).filter(|_| !after.is_zero());
        Claims { after, next, cursors: Vec::new() }
    }

    async fn take(&mut self, streams: &Streams, link: &mut Link) -> Result<Vec<Read>, Failed> {
        if self.cursors.is_empty() {
            match self.next {
                Some(next) if next <= Instant::now() => {
                    self.next = Some(Instant::now() + (self.after / 4).min(Duration::from_secs(10)));
                    let all = 0..streams.member.streams.len();
                    self.cursors = all.map(|it| (it, Bytes::from_static(b"0-0"))).collect();
                }
                _ => return Ok(Vec::new()),
            }
        }
        let Some((stream, cursor)) = self.cursors.pop() else { return Ok(Vec::new()) };
        let member = &streams.member;
        let mut claim = redis::cmd("XAUTOCLAIM");
        claim.arg(&member.streams[stream]).arg(&member.group).arg(&member.consumer);
        claim.arg(self.after.as_millis() as u64).arg(&cursor[..]).arg("COUNT").arg(streams.limit);
        let answer = match link.ask(&claim).await {
            Err(Failed::Refused(text)) if text.contains("unknown command") => {
                streams.quiet.log(Level::Warn, "This server is older than 6.2: nothing is claimed");
                (self.next, self.cursors) = (None, Vec::new());
                return Ok(Vec::new());
            }
            answer => answer?,
        };
        let Value::Array(answer) = answer else { return Ok(Vec::new()) };
        let mut answer = answer.into_iter();
        match answer.next().and_then(bytes_of) {
            Some(next) if next[..] != *b"0-0" => self.cursors.push((stream, next)),
            _ => (),
        }
        Ok(answer.next().map_or(Vec::new(), |it| entries_of(stream, it)))
    }
}

impl Streams {
    /// What has failed, once more.
    async fn again(&self, link: &mut Link) -> Result<Vec<Read>, Failed> {
        let failed = {
            let mut state = self.member.lock();
            let failed = std::mem::take(&mut state.failed);
            failed.iter().for_each(|it| _ = state.held.remove(it));
            failed
        };
        let mut read = Vec::new();
        for (stream, ids) in self.member.by_stream(failed) {
            // Where this fails all of it is pending still, and read when there is a connection again.
            let answer = link.ask(&self.member.claim(stream, &ids)).await?;
            read.extend(entries_of(stream, answer));
        }
        Ok(read)
    }

    /// What is pending, and after that what is new.
    async fn next(&self, link: &mut Link, pending: &mut [Option<Bytes>]) -> Result<Vec<Read>, Failed> {
        let member = &self.member;
        let is_pending = pending.iter().any(Option::is_some);
        let mut next = redis::cmd("XREADGROUP");
        next.arg("GROUP").arg(&member.group).arg(&member.consumer).arg("COUNT").arg(self.limit);
        if !is_pending {
            next.arg("BLOCK").arg(self.wait.as_millis().max(1) as u64);
        }
        next.arg("STREAMS");
        let asked: Vec<usize> =
            (0..pending.len()).filter(|it| !is_pending || pending[*it].is_some()).collect();
        asked.iter().for_each(|it| _ = next.arg(&member.streams[*it]));
        for idx in &asked {
            next.arg(pending[*idx].as_deref().unwrap_or(b">"));
        }
        let answers = match link.ask_for(&next, self.wait + ANSWER_MAX).await? {
            Value::Array(answers) => answers,
            Value::Nil => return Ok(Vec::new()),
            // Who answers like this at once would be asked without a pause.
            _ => return Err(Failed::Refused("XREADGROUP: the answer cannot be read".to_string())),
        };
        let mut read = Vec::new();
        for answer in answers {
            let Value::Array(answer) = answer else {
                return Err(Failed::Refused("XREADGROUP: the answer cannot be read".to_string()));
            };
            let mut answer = answer.into_iter();
            let name = answer.next().and_then(bytes_of).unwrap_or_default();
            let named = |it: &&usize| member.streams[**it].as_bytes() == &name[..];
            let Some(&stream) = asked.iter().find(named) else { continue };
            let entries = answer.next().map_or(Vec::new(), |it| entries_of(stream, it));
            if is_pending {
                pending[stream] = entries.last().map(|it| it.id.clone());
            }
            read.extend(entries);
        }
        Ok(read)
    }

    /// Hands on what is not on its way already.
    async fn feed(&self, entries: Vec<Read>, feeder: &Feeder) -> Result<(), wappa_net::Closed> {
        let (mut messages, mut held) = (Vec::with_capacity(entries.len()), Vec::with_capacity(entries.len()));
        {
            let mut state = self.member.lock();
            for Read { stream, id, fields } in entries {
                if !state.held.insert((stream, id.clone())) {
                    continue;
                }
                match fields {
                    // Nothing is left of it but that it is pending.
                    None => state.arrived.push((stream, id)),
                    Some(fields) => match self.message(&id, fields) {
                        Some(message) => {
                            messages.push(message);
                            held.push((stream, id));
                        }
                        None => {
                            // It stays pending at the server, and is nothing that is worked on here.
                            state.held.remove(&(stream, id.clone()));
                            let body_key = String::from_utf8_lossy(&self.body_key);
                            let text = format!(
                                "Entry {} of stream {} has no field {body_key:?}",
                                String::from_utf8_lossy(&id),
                                self.member.streams[stream]
                            );
                            self.quiet.log(Level::Error, &text);
                        }
                    },
                }
            }
        }
        if messages.is_empty() {
            return Ok(());
        }
        let sink = Held { member: Arc::clone(&self.member), entries: held };
        feeder.put(Fed::messages(messages, Batches::Singles).telling_each(sink)).await
    }

    fn message(&self, id: &Bytes, fields: Vec<(Bytes, Bytes)>) -> Option<Message> {
        let body = fields.iter().rfind(|it| it.0[..] == self.body_key[..])?.1.clone();
        let own = [(Bytes::from_static(b"redis_stream"), wappa_message::Value::text(id.clone()))];
        let others = fields.into_iter().filter(|it| it.0[..] != self.body_key[..]);
        let others = others.map(|(key, value)| (key, wappa_message::Value::text(value)));
        let mut message = Message::new(body);
        *message.metadata_mut() = Metadata::from_pairs(own.into_iter().chain(others));
        Some(message)
    }
}

fn bytes_of(value: Value) -> Option<Bytes> {
    match value {
        Value::BulkString(it) => Some(it.into()),
        Value::SimpleString(it) => Some(it.into()),
        _ => None,
    }
}

/// Entries of an answer: each an id and its fields.
fn entries_of(stream: usize, answer: Value) -> Vec<Read> {
    let Value::Array(entries) = answer else { return Vec::new() };
    let entry = |it: Value| {
        let Value::Array(pair) = it else { return None };
        let mut pair = pair.into_iter();
        let id = pair.next().and_then(bytes_of)?;
        let fields = match pair.next() {
            Some(Value::Array(fields)) => {
                let mut fields = fields.into_iter().filter_map(bytes_of);
                Some(std::iter::from_fn(|| Some((fields.next()?, fields.next()?))).collect())
            }
            _ => None,
        };
        Some(Read { stream, id, fields })
    };
    entries.into_iter().filter_map(entry).collect()
}
