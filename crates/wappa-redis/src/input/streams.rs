//! The input `redis_streams`.
//!
//! What was read and not acknowledged is the server's list of what is pending, by consumer. So it is read from there when a
//! connection is made, but for what is still on its way here, and claimed where its consumer shows no sign of life.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, Instant},
};

use bytes::Bytes;
use wappa_component::{
    Batches, BuildError, BuildInput, Component, ConnectError, Context, Failure, Input, LeaseSink, Level,
    ReadError,
};
use wappa_message::{Message, Metadata};
use wappa_net::{Fed, Feeder, Quiet, Source, Stopping, fed_by};
use wappa_spec::{Config, Node, Reader, Rule};

use crate::{
    connection::{ANSWER_MAX, Endpoint, Failed, ServerConfig},
    wire::{Command, Commands, Value, Values, Wire, number, push_number},
};

pub(crate) const COMPONENT: Component =
    Component::input::<StreamsConfig>("redis_streams").categories(&["Services"]);

/// The longest that the server is asked to wait, so that a stop need not wait longer for its answer.
const WAIT_MAX: Duration = Duration::from_secs(1);

/// How many entries one command names at most.
const AT_ONCE: usize = 1_000;

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
#[derive(Config, Debug)]
#[config(lint = lint)]
struct StreamsConfig {
    #[config(flatten)]
    server: ServerConfig,

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

fn lint(config: &StreamsConfig, node: &Node, reader: &mut Reader<'_>) {
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
        let endpoint = self.server.endpoint().map_err(BuildError::new)?;
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
            talking: Mutex::new(None),
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

/// The id of an entry: a time in milliseconds, and a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Id(u64, u64);

impl Id {
    fn read(text: &[u8]) -> Option<Id> {
        let dash = text.iter().position(|it| *it == b'-')?;
        Some(Id(number(&text[..dash])?, number(&text[dash + 1..])?))
    }

    fn write(self, text: &mut Vec<u8>) {
        text.clear();
        push_number(text, self.0);
        text.push(b'-');
        push_number(text, self.1);
    }
}

/// An entry: the index of its stream, and its id.
type Entry = (usize, Id);

#[derive(Debug, Default)]
struct State {
    /// What was read and is not acknowledged.
    held: HashSet<Entry>,
    /// What has arrived, and the server has not been told of.
    arrived: Vec<Entry>,
    /// What has failed, and is to be read again.
    failed: Vec<Entry>,
}

/// Those of each stream, together, no more than one command names.
fn by_stream(entries: &mut [Entry]) -> Vec<&[Entry]> {
    entries.sort_unstable();
    entries.chunk_by(|one, other| one.0 == other.0).flat_map(|it| it.chunks(AT_ONCE)).collect()
}

fn add_ids(command: &mut Command<'_>, entries: &[Entry]) {
    let mut text = Vec::with_capacity(41);
    for (_, id) in entries {
        id.write(&mut text);
        command.arg(&text);
    }
}

impl Member {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the server what has arrived. What it was not told is told the next time.
    async fn commit(&self, wire: &mut Wire) -> Result<(), Failed> {
        let mut arrived = Told { member: self, entries: std::mem::take(&mut self.lock().arrived) };
        if arrived.entries.is_empty() {
            return Ok(());
        }
        let chunks = by_stream(&mut arrived.entries);
        let mut acks = Commands::default();
        for chunk in &chunks {
            let mut ack = acks.begin();
            ack.arg("XACK").arg(&self.streams[chunk[0].0]).arg(&self.group);
            add_ids(&mut ack, chunk);
            ack.end();
        }
        let answers = wire.ask_all(&acks, ANSWER_MAX).await?;
        let (mut untold, mut result) = (Vec::new(), Ok(()));
        let mut state = self.lock();
        for (chunk, answer) in chunks.into_iter().zip(answers) {
            match answer {
                Ok(_) => chunk.iter().for_each(|it| _ = state.held.remove(it)),
                Err(err) => {
                    untold.extend_from_slice(chunk);
                    result = Err(err);
                }
            }
        }
        drop(state);
        arrived.entries = untold;
        result
    }

    fn claim(&self, entries: &[Entry], is_only_said: bool) -> Commands {
        let mut all = Commands::default();
        let mut claim = all.begin();
        claim.arg("XCLAIM").arg(&self.streams[entries[0].0]).arg(&self.group).arg(&self.consumer).number(0);
        add_ids(&mut claim, entries);
        if is_only_said {
            claim.arg("JUSTID");
        }
        claim.end();
        all
    }

    /// Tells the server that what is on its way is.
    async fn renew(&self, wire: &mut Wire) -> Result<(), Failed> {
        let mut held: Vec<Entry> = self.lock().held.iter().copied().collect();
        for entries in by_stream(&mut held) {
            wire.ask(&self.claim(entries, true), ANSWER_MAX).await?;
        }
        Ok(())
    }
}

/// What the server is being told of. What is left of it goes back.
struct Told<'a> {
    member: &'a Member,
    entries: Vec<Entry>,
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        if !self.entries.is_empty() {
            self.member.lock().arrived.append(&mut self.entries);
        }
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
            let entry = self.entries[*origin as usize];
            match failure {
                None => state.arrived.push(entry),
                Some(_) => state.failed.push(entry),
            }
        }
    }
}

/// A connection that several talk through, one after the other.
type Talking = Arc<tokio::sync::Mutex<Wire>>;

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
    talking: Mutex<Option<Talking>>,
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
    type Connection = (Wire, Talking);

    async fn connect(&self) -> Result<(Wire, Talking), ConnectError> {
        let connect = || async { self.endpoint.connect_wire().await.map_err(ConnectError::BackOff) };
        let (reading, mut talking) = (connect().await?, connect().await?);
        let group = &self.member.group;
        for stream in &self.member.streams {
            let words = ["XGROUP", "CREATE", stream, group, self.begin, "MKSTREAM"].map(str::as_bytes);
            let n_words = if self.makes_streams { words.len() } else { words.len() - 1 };
            match talking.ask(&Commands::one(&words[..n_words]), ANSWER_MAX).await {
                Err(Failed::Refused(text)) if text.starts_with("BUSYGROUP") => (),
                Err(err) => {
                    let text = format!("failed to create group {group} for stream {stream}: {}", err.text());
                    return Err(ConnectError::BackOff(text));
                }
                Ok(_) => (),
            }
        }
        let talking = Arc::new(tokio::sync::Mutex::new(talking));
        *self.talking.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&talking));
        let member = Arc::downgrade(&self.member);
        let keeping = keep(member, Arc::clone(&talking), self.commit_period, self.claim_after);
        let keeper = tokio::spawn(keeping).abort_handle();
        let before = self.keeper.lock().unwrap_or_else(PoisonError::into_inner).replace(keeper);
        if let Some(before) = before {
            before.abort();
        }
        Ok((reading, talking))
    }

    async fn read(
        &self,
        (mut reading, talking): (Wire, Talking),
        feeder: Feeder,
        stop: Stopping,
    ) -> ReadError {
        // Where the reading of each stream's pending entries stands; `None`: they are read.
        let mut pending: Vec<Option<Bytes>> =
            self.member.streams.iter().map(|_| Some(Bytes::from_static(b"0"))).collect();
        let mut claims = Claims::new(self.claim_after);
        while !stop.is_requested() {
            let read = async {
                let mut read = self.again(&talking).await?;
                read.append(&mut claims.take(self, &talking).await?);
                if read.is_empty() {
                    read = self.next(&mut reading, &mut pending).await?;
                }
                Ok(read)
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

    /// What was read stays this member's, whoever else is there, until another one claims it: it is worked off at a stop.
    fn takes_back(&self) -> bool {
        false
    }

    async fn close(&self) {
        let talking = self.talking.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(talking) = talking else { return };
        if let Err(err) = self.member.commit(&mut *talking.lock().await).await {
            let text = format!("What has arrived at last will be read again: {}", err.text());
            self.quiet.log(Level::Error, &text);
        }
    }
}

/// Says in time what has arrived, and what is on its way.
async fn keep(member: Weak<Member>, talking: Talking, commit_period: Duration, claim_after: Duration) {
    let mut commits = tokio::time::interval(commit_period);
    let mut renewed = Instant::now();
    loop {
        commits.tick().await;
        let Some(member) = member.upgrade() else { return };
        let mut wire = talking.lock().await;
        let mut result = member.commit(&mut wire).await;
        if result.is_ok() && !claim_after.is_zero() && claim_after / 4 < renewed.elapsed() {
            renewed = Instant::now();
            result = member.renew(&mut wire).await;
        }
        if matches!(result, Err(Failed::Lost(_))) {
            return;
        }
    }
}

/// An entry as it was read.
#[derive(Debug)]
struct Read {
    stream: usize,
    id: Id,
    id_text: Bytes,
    /// `None`: it is gone from the stream.
    fields: Option<Fields>,
}

/// Names and values, one after the other.
#[derive(Debug)]
struct Fields {
    n_values: usize,
    values: Values,
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

    async fn take(&mut self, streams: &Streams, talking: &Talking) -> Result<Vec<Read>, Failed> {
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
        let mut commands = Commands::default();
        let mut claim = commands.begin();
        claim.arg("XAUTOCLAIM").arg(&member.streams[stream]).arg(&member.group).arg(&member.consumer);
        claim.number(self.after.as_millis() as u64).arg(&cursor).arg("COUNT").number(streams.limit.into());
        claim.end();
        let answer = match talking.lock().await.ask(&commands, ANSWER_MAX).await {
            Err(Failed::Refused(text)) if text.contains("unknown command") => {
                streams.quiet.log(Level::Warn, "This server is older than 6.2: nothing is claimed");
                (self.next, self.cursors) = (None, Vec::new());
                return Ok(Vec::new());
            }
            answer => answer?,
        };
        let claimed = claimed(answer, stream);
        let (next, read) = claimed.ok_or_else(|| unreadable("XAUTOCLAIM"))?;
        if next[..] != *b"0-0" {
            self.cursors.push((stream, next));
        }
        Ok(read)
    }
}

/// Where the search goes on, and what was claimed.
fn claimed(mut answer: Values, stream: usize) -> Option<(Bytes, Vec<Read>)> {
    answer.list()?;
    let (next, mut read) = (answer.text()?, Vec::new());
    entries(&mut answer, stream, &mut read)?;
    Some((next, read))
}

impl Streams {
    /// What has failed, once more.
    async fn again(&self, talking: &Talking) -> Result<Vec<Read>, Failed> {
        let mut failed = {
            let mut state = self.member.lock();
            let failed = std::mem::take(&mut state.failed);
            failed.iter().for_each(|it| _ = state.held.remove(it));
            failed
        };
        let mut read = Vec::new();
        for chunk in by_stream(&mut failed) {
            // Where this fails all of it is pending still, and read when there is a connection again.
            let claim = self.member.claim(chunk, false);
            let mut answer = talking.lock().await.ask(&claim, ANSWER_MAX).await?;
            entries(&mut answer, chunk[0].0, &mut read).ok_or_else(|| unreadable("XCLAIM"))?;
        }
        Ok(read)
    }

    /// What is pending, and after that what is new.
    async fn next(&self, wire: &mut Wire, pending: &mut [Option<Bytes>]) -> Result<Vec<Read>, Failed> {
        let member = &self.member;
        let is_pending = pending.iter().any(Option::is_some);
        let mut commands = Commands::default();
        let mut next = commands.begin();
        next.arg("XREADGROUP").arg("GROUP").arg(&member.group).arg(&member.consumer);
        next.arg("COUNT").number(self.limit.into());
        if !is_pending {
            next.arg("BLOCK").number(self.wait.as_millis().max(1) as u64);
        }
        next.arg("STREAMS");
        let asked: Vec<usize> =
            (0..pending.len()).filter(|it| !is_pending || pending[*it].is_some()).collect();
        asked.iter().for_each(|it| _ = next.arg(&member.streams[*it]));
        for idx in &asked {
            next.arg(pending[*idx].as_deref().unwrap_or(b">"));
        }
        next.end();
        let answer = wire.ask(&commands, self.wait + ANSWER_MAX).await?;
        // Who answers what cannot be read, and at once, would be asked without a pause.
        self.read_of(answer, &asked, pending, is_pending).ok_or_else(|| unreadable("XREADGROUP"))
    }

    fn read_of(
        &self,
        mut answer: Values,
        asked: &[usize],
        pending: &mut [Option<Bytes>],
        is_pending: bool,
    ) -> Option<Vec<Read>> {
        let mut read = Vec::new();
        let n_streams = match answer.next()? {
            Value::List(n_streams) => n_streams,
            Value::Nothing => return Some(read),
            _ => return None,
        };
        for _ in 0..n_streams {
            answer.list()?;
            let name = answer.text()?;
            let Some(&stream) = asked.iter().find(|it| self.member.streams[**it].as_bytes() == &name[..])
            else {
                answer.skip()?;
                continue;
            };
            let n_before = read.len();
            entries(&mut answer, stream, &mut read)?;
            if is_pending {
                pending[stream] = read[n_before..].last().map(|it| it.id_text.clone());
            }
        }
        Some(read)
    }

    /// Hands on what is not on its way already.
    async fn feed(&self, entries: Vec<Read>, feeder: &Feeder) -> Result<(), wappa_net::Closed> {
        let (mut messages, mut held) = (Vec::with_capacity(entries.len()), Vec::with_capacity(entries.len()));
        {
            let mut state = self.member.lock();
            for Read { stream, id, id_text, fields } in entries {
                let entry = (stream, id);
                if !state.held.insert(entry) {
                    continue;
                }
                match fields {
                    // Nothing is left of it but that it is pending.
                    None => state.arrived.push(entry),
                    Some(fields) => match self.message(&id_text, fields) {
                        Some(message) => {
                            messages.push(message);
                            held.push(entry);
                        }
                        None => {
                            // It stays pending at the server, and is nothing that is worked on here.
                            state.held.remove(&entry);
                            let body_key = String::from_utf8_lossy(&self.body_key);
                            let text = format!(
                                "Entry {} of stream {} has no field {body_key:?}",
                                String::from_utf8_lossy(&id_text),
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

    fn message(&self, id: &Bytes, mut fields: Fields) -> Option<Message> {
        let (mut body, mut pairs) = (None, Vec::with_capacity(fields.n_values / 2));
        pairs.push((Bytes::from_static(b"redis_stream"), wappa_message::Value::text(id)));
        for _ in 0..fields.n_values / 2 {
            let (Some(key), Some(value)) = (fields.values.text(), fields.values.text()) else { break };
            match key[..] == self.body_key[..] {
                true => body = Some(value),
                false => pairs.push((key, wappa_message::Value::text(value))),
            }
        }
        let mut message = Message::new(body?);
        *message.metadata_mut() = Metadata::from_pairs(pairs);
        Some(message)
    }
}

fn unreadable(command: &str) -> Failed {
    Failed::Refused(format!("{command}: the answer cannot be read"))
}

/// Reads a list of entries, each an id and its fields.
fn entries(answer: &mut Values, stream: usize, read: &mut Vec<Read>) -> Option<()> {
    let n_entries = match answer.next()? {
        Value::List(n_entries) => n_entries,
        Value::Nothing => 0,
        _ => return None,
    };
    for _ in 0..n_entries {
        match answer.next()? {
            Value::List(2) => (),
            // One that is gone, as servers before 7.0 say.
            Value::Nothing => continue,
            _ => return None,
        }
        let id_text = answer.text()?;
        let id = Id::read(&id_text)?;
        let fields = match answer.next()? {
            Value::List(n_values) => {
                let fields = Fields { n_values, values: answer.clone() };
                (0..n_values).try_for_each(|_| answer.skip())?;
                Some(fields)
            }
            Value::Nothing => None,
            _ => return None,
        };
        read.push(Read { stream, id, id_text, fields });
    }
    Some(())
}
