//! The output: gives each message to the client library, which sends together what it has.

use std::{
    any::Any,
    collections::{HashSet, VecDeque},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use bytes::Bytes;
use rdkafka::{ClientConfig, producer::Producer as _};
use wappa_component::{
    ConnectError, Context, Delivery, Output, OutputBell, Step, WriteError, cause_of_start,
};
use wappa_message::{Mark, Message};
use wappa_spec::Interpolated;

use super::{
    headers::Headers,
    partitioner::{Chooser, Way},
    producer::{Client, Limit, Listener},
    sending::Sender,
    topics::NewTopics,
};
use crate::{client::Voice, native::Reports, sasl::Token};

/// What is written, and how.
pub(crate) struct Options {
    pub(crate) client: ClientConfig,
    pub(crate) token: Option<Token>,
    pub(crate) topic: Interpolated,
    pub(crate) key: Option<Key>,
    pub(crate) partition: Option<Partition>,
    /// How a partition is chosen where the library cannot.
    pub(crate) way: Option<Way>,
    pub(crate) headers: Headers,
    pub(crate) limit: Limit,
    /// The largest message, and the field that says so.
    pub(crate) max_bytes: (usize, &'static str),
    /// Whether a batch of which a message failed fails as a whole.
    pub(crate) as_batches: bool,
    /// Topics that are not there are made so.
    pub(crate) new_topics: Option<NewTopics>,
}

/// The key of a message, and what stands for none.
pub(crate) struct Key {
    pub(crate) text: Interpolated,
    pub(crate) none: &'static str,
}

/// Which partition a message goes to.
pub(crate) struct Partition(pub(crate) Interpolated);

/// The thread looks around that often where nobody calls it.
const TICK: Duration = Duration::from_millis(100);

/// So many reports are taken before it is looked around.
const REPORTS_AT_ONCE: usize = 64;

/// How long one question for brokers may take.
const ASK_MAX: Duration = Duration::from_secs(1);

/// So many questions in a row without an answer are a failed attempt to connect.
const QUESTIONS_MAX: usize = 10;

/// How long closing may take: what is behind it waits.
const CLOSE_MAX: Duration = Duration::from_secs(2);

/// Where the output and the thread of its producer meet.
struct Shared {
    bell: OutputBell,
    /// The thread has ended.
    ended: Condvar,
    state: Mutex<State>,
    /// The thread has something to do.
    called: Condvar,
    is_called: Mutex<bool>,
}

#[derive(Default)]
struct State {
    phase: Phase,
    is_closing: bool,
    is_gone: bool,
    panic: Option<Box<dyn Any + Send>>,
    /// Topics that are to be looked for, and those that were found or made, or could not be, with the reason.
    wanted: Vec<String>,
    settled: Vec<(String, Result<(), String>)>,
}

#[derive(Default)]
enum Phase {
    /// There is no producer.
    #[default]
    Down,
    Connecting,
    Failed(String),
    Hopeless(String),
    Up(Arc<Client>),
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, phase: Phase) {
        self.lock().phase = phase;
        self.bell.ring();
    }

    /// There is something to do.
    fn call(&self) {
        *self.is_called.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.called.notify_one();
    }

    /// Waits until there is something to do, but not longer than a moment.
    fn wait(&self) {
        let is_called = self.is_called.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.called.wait_timeout_while(is_called, TICK, |it| !*it);
        *waited.unwrap_or_else(PoisonError::into_inner).0 = false;
    }
}

/// An output that gives everything to a producer.
pub(crate) fn output(options: Options, ctx: &Context<'_>) -> Box<dyn Output> {
    let bell = ctx.output_bell();
    let shared = Shared {
        bell: bell.clone(),
        ended: Condvar::new(),
        state: Mutex::default(),
        called: Condvar::new(),
        is_called: Mutex::default(),
    };
    Box::new(Writer {
        options: Arc::new(options),
        shared: Arc::new(shared),
        voice: Arc::new(Voice::new(ctx.logger())),
        sender: None,
        thread: None,
        known: HashSet::new(),
        waiting: VecDeque::new(),
    })
}

struct Writer {
    options: Arc<Options>,
    shared: Arc<Shared>,
    voice: Arc<Voice>,
    sender: Option<Sender>,
    thread: Option<JoinHandle<()>>,
    /// Topics that are there.
    known: HashSet<String>,
    /// What waits for its topics to be made.
    waiting: VecDeque<Delivery>,
}

/// What a message is sent with.
#[derive(Default)]
pub(crate) struct Address {
    /// Empty where all messages go to the same.
    pub(crate) topic: String,
    pub(crate) key: Option<Bytes>,
    pub(crate) partition: Option<i32>,
}

impl Options {
    fn address(&self, batch: &mut [Message], place: usize) -> Result<Address, Mark> {
        let failed = |what: &str, err: &dyn std::fmt::Display| {
            Mark::of_hopeless(format!("{what} interpolation error: {err}"))
        };
        // One that is the same for all is not copied for each.
        let topic = match self.topic.as_literal() {
            Some(_) => String::new(),
            None => self.topic.evaluate_text(batch, place).map_err(|err| failed("topic", &err))?,
        };
        let key = match &self.key {
            Some(Key { text, none }) => {
                let key = text.evaluate(batch, place).map_err(|err| failed("key", &err))?;
                Some(key).filter(|it| it != none.as_bytes())
            }
            None => None,
        };
        let partition = match &self.partition {
            Some(Partition(text)) => {
                let text = text.evaluate_text(batch, place).map_err(|err| failed("partition", &err))?;
                Some(partition_of(&text).map_err(Mark::of_hopeless)?)
            }
            None => None,
        };
        Ok(Address { topic, key, partition })
    }

    /// Whether every message goes the same way.
    fn is_plain(&self) -> bool {
        self.topic.as_literal().is_some() && self.key.is_none() && self.partition.is_none()
    }
}

/// The errors are Bento's texts.
fn partition_of(text: &str) -> Result<i32, String> {
    if text.is_empty() {
        return Err("partition expression failed to produce a value".to_string());
    }
    let number: i32 = text.parse().map_err(|_| {
        format!("failed to parse valid integer from partition expression: {text:?} is no number of 32 bits")
    })?;
    match number < 0 {
        true => Err(format!("invalid partition parsed from expression, must be >= 0, got {number}")),
        false => Ok(number),
    }
}

impl Writer {
    fn start(&mut self) -> Result<(), ConnectError> {
        let (options, shared, voice) =
            (Arc::clone(&self.options), Arc::clone(&self.shared), Arc::clone(&self.voice));
        {
            let mut state = shared.lock();
            (state.phase, state.is_gone) = (Phase::Connecting, false);
        }
        let run = move || {
            let result = catch_unwind(AssertUnwindSafe(|| run(&options, &shared, &voice)));
            let mut state = shared.lock();
            (state.is_gone, state.panic) = (true, result.err());
            drop(state);
            shared.ended.notify_all();
            shared.bell.ring();
        };
        let started = thread::Builder::new().name("kafka output".to_string()).spawn(run);
        let thread = started
            .map_err(|err| ConnectError::BackOff(format!("starting a thread: {}", cause_of_start(&err))))?;
        self.thread = Some(thread);
        Ok(())
    }

    /// The thread ends, and with it the client.
    fn end(&mut self) {
        self.sender = None;
        let Some(thread) = self.thread.take() else { return };
        let began = Instant::now();
        let mut state = self.shared.lock();
        state.is_closing = true;
        // The client goes with the thread.
        state.phase = Phase::Down;
        self.shared.call();
        while !state.is_gone {
            let Some(left) = CLOSE_MAX.checked_sub(began.elapsed()) else { return };
            (state, _) = self.shared.ended.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner);
        }
        state.is_closing = false;
        drop(state);
        let _ = thread.join();
    }

    /// Where the messages go; those that can go nowhere are named.
    fn addresses(&self, delivery: &mut Delivery) -> (Vec<Address>, Vec<(usize, Mark)>) {
        let (mut addresses, mut failures) = (Vec::with_capacity(delivery.messages().len()), Vec::new());
        if !self.options.is_plain() {
            delivery.part_mut().see_each(|batch, place| {
                let address = self.options.address(batch, place);
                addresses.push(address.unwrap_or_else(|mark| {
                    failures.push((addresses.len(), mark));
                    Address::default()
                }));
            });
        }
        (addresses, failures)
    }

    /// Whether all topics of these are there; if not, they are looked for.
    fn are_there(&mut self, addresses: &[Address]) -> bool {
        if self.options.new_topics.is_none() {
            return true;
        }
        let literal = self.options.topic.as_literal();
        let topics = addresses.iter().map(|it| literal.unwrap_or(&it.topic)).chain(literal);
        let mut missing: Vec<String> =
            topics.filter(|it| !it.is_empty() && !self.known.contains(*it)).map(str::to_string).collect();
        missing.sort();
        missing.dedup();
        if missing.is_empty() {
            return true;
        }
        self.shared.lock().wanted.extend(missing);
        self.shared.call();
        false
    }

    fn send(&mut self, mut delivery: Delivery) {
        if delivery.messages().is_empty() {
            return delivery.answer(Ok(()));
        }
        let client = self.sender.as_ref().map(|it| Arc::clone(&it.client));
        let Some(client) = client.filter(|it| !it.context().is_broken()) else {
            return delivery.answer(Err(WriteError::NotConnected));
        };
        let (addresses, failures) = self.addresses(&mut delivery);
        if !self.are_there(&addresses) {
            return self.waiting.push_front(delivery);
        }
        let Some(sender) = &mut self.sender else { return };
        let listener = client.context();
        if let Some(chooser) = &listener.chooser {
            chooser.begin();
        }
        let slot = listener.board(delivery.messages().len());
        let faults = sender.send(&self.options, delivery.messages(), &addresses, failures, slot);
        listener.take_off(slot, delivery, faults);
    }

    /// Goes on with what waited for topics.
    fn go_on(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let settled = std::mem::take(&mut self.shared.lock().settled);
        if settled.is_empty() {
            return;
        }
        let mut reason = None;
        for (topic, result) in settled {
            match result {
                Ok(()) => _ = self.known.insert(topic),
                Err(text) => reason = Some(Mark::new(text)),
            }
        }
        if let (Some(reason), Some(first)) = (reason, self.waiting.pop_front()) {
            first.answer(Err(WriteError::Failed(reason)));
        }
        while let Some(delivery) = self.waiting.pop_front() {
            let n_before = self.waiting.len();
            self.send(delivery);
            if n_before < self.waiting.len() {
                return;
            }
        }
    }
}

impl Output for Writer {
    fn connect(&mut self) -> Result<(), ConnectError> {
        if self.sender.as_ref().is_some_and(|it| it.client.context().is_broken()) {
            self.end();
        }
        let mut state = self.shared.lock();
        if let Some(panic) = state.panic.take() {
            drop(state);
            resume_unwind(panic);
        }
        match std::mem::take(&mut state.phase) {
            Phase::Up(client) => {
                state.phase = Phase::Up(Arc::clone(&client));
                drop(state);
                self.sender = Some(Sender::new(client));
                Ok(())
            }
            Phase::Down => {
                drop(state);
                self.start()?;
                Err(ConnectError::NotReady)
            }
            Phase::Connecting => {
                state.phase = Phase::Connecting;
                Err(ConnectError::NotReady)
            }
            Phase::Failed(text) => {
                state.phase = Phase::Connecting;
                Err(ConnectError::BackOff(text))
            }
            Phase::Hopeless(text) => Err(ConnectError::Fatal(text)),
        }
    }

    fn has_room(&self) -> bool {
        self.waiting.is_empty() && self.sender.as_ref().is_none_or(|it| it.client.context().has_room())
    }

    fn write(&mut self, delivery: Delivery, _: &mut Step<'_>) {
        match self.waiting.is_empty() {
            true => self.send(delivery),
            // In the order of the stream.
            false => self.waiting.push_back(delivery),
        }
    }

    fn resume(&mut self, _: &mut Step<'_>) {
        let panic = self.shared.lock().panic.take();
        if let Some(panic) = panic {
            // The engine says whose it is, and ends the stream.
            resume_unwind(panic);
        }
        self.go_on();
    }

    fn close(&mut self) -> Result<(), String> {
        self.waiting.clear();
        self.end();
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.sender = None;
        self.shared.lock().is_closing = true;
        self.shared.call();
    }
}

/// Runs a producer until it is closed.
fn run(options: &Options, shared: &Arc<Shared>, voice: &Arc<Voice>) {
    let chooser = options.way.map(Chooser::new);
    let listener = Listener::new(
        Arc::clone(voice),
        shared.bell.clone(),
        options.limit,
        chooser,
        options.token.clone(),
        options.as_batches,
    );
    let client: Client = match options.client.create_with_context(listener) {
        Ok(client) => client,
        Err(err) => return shared.enter(Phase::Hopeless(err.to_string())),
    };
    let client = Arc::new(client);
    let mut n_questions = 0;
    while !ask(&client, options) {
        client.poll(Duration::ZERO);
        if shared.lock().is_closing {
            return;
        }
        n_questions += 1;
        let reason = voice.last();
        if reason.is_some() || QUESTIONS_MAX <= n_questions {
            n_questions = 0;
            shared.enter(Phase::Failed(reason.unwrap_or_else(|| voice.why_silent())));
        }
    }
    voice.is_well();
    let caller = Arc::clone(shared);
    let Some(reports) = Reports::of(&client, Box::new(move || caller.call())) else { return };
    shared.enter(Phase::Up(Arc::clone(&client)));
    let mut is_down = false;
    loop {
        if !reports.are_there() {
            shared.wait();
        }
        for _ in 0..REPORTS_AT_ONCE {
            if !reports.are_there() {
                break;
            }
            client.poll(Duration::ZERO);
        }
        let listener = client.context();
        if voice.take_down() && !is_down {
            is_down = true;
            let reason = voice.last().unwrap_or_default();
            voice.logger().error(&format!("No broker can be reached, and messages wait: {reason}"));
        }
        if listener.take_arrived() && is_down {
            is_down = false;
            voice.is_well();
            voice.logger().info("A broker can be reached again");
        }
        let wanted = {
            let mut state = shared.lock();
            if state.is_closing {
                return;
            }
            std::mem::take(&mut state.wanted)
        };
        if let (Some(new_topics), false) = (&options.new_topics, wanted.is_empty()) {
            let settled = new_topics.settle(&options.client, &client, wanted);
            shared.lock().settled.extend(settled);
            shared.bell.ring();
        }
    }
}

/// Asks a broker. Whether it has answered.
fn ask(client: &Client, options: &Options) -> bool {
    match options.topic.as_literal().filter(|_| options.new_topics.is_none()) {
        // That has brokers make it which make topics.
        Some(topic) => client.client().fetch_metadata(Some(topic), ASK_MAX).is_ok(),
        None => client.client().fetch_cluster_id(ASK_MAX).is_some(),
    }
}
