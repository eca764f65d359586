//! The thread of a consumer: takes what the client library has, and keeps its group going, however busy the pipeline is.
//!
//! Each partition has a queue of its own, so one that has to wait for answers is not read, and no other waits for it. The
//! thread is woken where a queue begins to have something, and takes all that is there.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    error::Error,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig, ClientContext, Offset, TopicPartitionList,
    client::OAuthToken,
    config::RDKafkaLogLevel,
    consumer::{
        BaseConsumer, Consumer as _, ConsumerContext, RebalanceProtocol, base_consumer::PartitionQueue,
    },
    error::{KafkaError, KafkaResult, RDKafkaErrorCode},
    message::{BorrowedMessage, Message as _},
    types::RDKafkaRespErr,
};
use regex::Regex;
use wappa_component::{
    Group, PARCEL_BYTES_MAX, PARCEL_MESSAGES_MAX, RateLimit, Slices,
    batching::{Collected, Mechanism, Policy},
    counted,
};
use wappa_message::Text;

use super::{
    Batching,
    partition::Partition,
    reader::{Ready, Shared},
    records::{Builder, Records, Style},
    topics::{self, Named},
};
use crate::{
    client::Voice,
    native::{self, Fetched, Record, Taken},
    sasl::Token,
};

/// What a consumer reads, and how.
pub(crate) struct Options {
    pub(crate) client: ClientConfig,
    pub(crate) token: Option<Token>,
    /// Topics that are read whole.
    pub(crate) topics: Vec<String>,
    /// Topics of these names are read whole.
    pub(crate) patterns: Vec<Regex>,
    pub(crate) named: Named,
    /// Whether there is a group, which keeps offsets.
    pub(crate) has_group: bool,
    /// Where reading begins where nothing says otherwise.
    pub(crate) start: Offset,
    pub(crate) style: Style,
    /// How many messages of a partition are read and not answered at most.
    pub(crate) checkpoint_limit: usize,
    pub(crate) auto_replay_nacks: bool,
    /// How often new topics and partitions are looked for.
    pub(crate) refresh: Duration,
    /// Whether a topic that is not there ends the connection.
    pub(crate) leaves_unknown: bool,
    pub(crate) batching: Option<Batching>,
    pub(crate) rate_limit: Option<Arc<dyn RateLimit>>,
}

impl Options {
    /// Whether the group divides the partitions among its members.
    fn is_member(&self) -> bool {
        self.has_group && self.named.is_empty()
    }
}

/// The thread looks around that often where nobody calls it: offsets are handed to the library, and its events are taken.
const TICK: Duration = Duration::from_millis(100);

/// How long one question for topics and brokers may take.
const ASK_MAX: Duration = Duration::from_secs(1);

/// So many questions in a row without an answer are a failed attempt to connect.
const QUESTIONS_MAX: usize = 10;

/// The library's events that are taken at once. What is one for itself looks like none, so it is not asked for the end.
const EVENTS_AT_ONCE: usize = 8;

/// How many messages are taken at once of a partition of which nothing is known yet: one may be more than a parcel.
const AT_ONCE_FIRST: usize = 1;

/// The most bytes that a batch has.
const BATCH_BYTES_MAX: usize = 1 << 30;

/// What the library calls.
pub(crate) struct Listener {
    voice: Arc<Voice>,
    token: Option<Token>,
    rebalances: Mutex<Vec<Rebalance>>,
    is_closing: AtomicBool,
    /// A topic was missed.
    has_missed: AtomicBool,
}

enum Rebalance {
    Assign(TopicPartitionList),
    Revoke(TopicPartitionList),
}

impl ClientContext for Listener {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn log(&self, _: RDKafkaLogLevel, facility: &str, text: &str) {
        self.voice.said(facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::UnknownTopicOrPartition) {
            self.has_missed.store(true, Ordering::SeqCst);
        }
        self.voice.failed(&error, reason);
    }

    fn generate_oauth_token(&self, _: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        Token::given(self.token.as_ref())
    }
}

impl ConsumerContext for Listener {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Listener>,
        what: RDKafkaRespErr,
        list: &mut TopicPartitionList,
    ) {
        if self.is_closing.load(Ordering::SeqCst) {
            // Everything is given back, and was told to the library before.
            let _ = consumer.unassign();
            return;
        }
        let list = list.clone();
        let rebalance = match what {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => Rebalance::Assign(list),
            _ => Rebalance::Revoke(list),
        };
        // It is done where the thread can reach all it has.
        self.rebalances.lock().unwrap_or_else(PoisonError::into_inner).push(rebalance);
    }

    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        match result {
            Ok(()) => (),
            Err(KafkaError::ConsumerCommit(RDKafkaErrorCode::NoOffset)) => (),
            Err(err) => {
                let reason = err.rdkafka_error_code().map_or_else(|| err.to_string(), |it| it.to_string());
                self.voice.logger().error(&format!("Failed to commit offsets: {reason}"));
            }
        }
    }
}

type Client = BaseConsumer<Listener>;

/// Runs a consumer until it is closed, or nothing more can come of it.
pub(crate) fn run(options: &Arc<Options>, shared: &Arc<Shared>, voice: &Arc<Voice>) {
    let listener = Listener {
        voice: Arc::clone(voice),
        token: options.token.clone(),
        rebalances: Mutex::default(),
        is_closing: AtomicBool::new(false),
        has_missed: AtomicBool::new(false),
    };
    let mut client: Client = match options.client.create_with_context(listener) {
        Ok(client) => client,
        Err(err) => return shared.is_hopeless(err.to_string()),
    };
    let caller = Arc::clone(shared);
    client.set_nonempty_callback(move || caller.call());
    let mut consumer = Consumer {
        options: Arc::clone(options),
        shared: Arc::clone(shared),
        voice: Arc::clone(voice),
        client: Arc::new(client),
        active: HashMap::new(),
        by_name: HashMap::new(),
        groups: HashMap::new(),
        next_id: 0,
        pending: VecDeque::new(),
        is_up: false,
        n_questions: 0,
        has_begun: false,
        chosen: Vec::new(),
        refreshed: Instant::now(),
        stored: Instant::now(),
    };
    consumer.work();
    consumer.close();
}

/// A partition that is read.
struct Active {
    partition: Arc<Partition>,
    name: Text,
    /// Kept for its callback: it rings where there is something again.
    _queue: PartitionQueue<Listener>,
    fetched: Fetched<Listener>,
    /// How many messages are taken at once: about a parcel, as large as they were lately.
    at_once: usize,
    /// Whether it waits for its turn to be read.
    is_pending: bool,
    open: Option<Open>,
}

/// A batch that is not complete.
struct Open {
    policy: Policy,
    builder: Builder,
    n_content_bytes: usize,
    /// When the period is over.
    due: Option<Instant>,
}

struct Consumer {
    options: Arc<Options>,
    shared: Arc<Shared>,
    voice: Arc<Voice>,
    client: Arc<Client>,
    active: HashMap<u64, Active>,
    by_name: HashMap<(String, i32), u64>,
    /// What was read of a partition keeps its order, also where it was away meanwhile.
    groups: HashMap<(String, i32), Group>,
    next_id: u64,
    /// Partitions that may have something to read.
    pending: VecDeque<u64>,
    is_up: bool,
    n_questions: usize,
    /// It is said what is to be read.
    has_begun: bool,
    /// The topics that are read whole, as they are there now.
    chosen: Vec<String>,
    refreshed: Instant,
    stored: Instant,
}

/// What became of an attempt to read a partition.
enum Filled {
    /// Nothing is left at the moment.
    Empty,
    /// There is more.
    More,
    /// It waits for answers.
    Blocked,
}

impl Consumer {
    fn work(&mut self) {
        loop {
            if !self.is_up && !self.connect() {
                let call = self.shared.wait(TICK);
                call.woken.into_iter().for_each(|it| self.pend(it));
                if call.is_closing {
                    return;
                }
                continue;
            }
            let call = self.shared.wait(self.time_to_wait());
            if call.is_closing {
                return;
            }
            call.woken.into_iter().for_each(|it| self.pend(it));
            self.take_events();
            if self.options.leaves_unknown && self.client.context().has_missed.swap(false, Ordering::SeqCst) {
                return;
            }
            if self.voice.take_down() {
                self.is_up = false;
                self.shared.is_lost();
            }
            self.fill();
            self.complete_in_time();
            if TICK <= self.stored.elapsed() {
                self.stored = Instant::now();
                self.store(|_| true);
                if let Some((_, reason)) = self.client.client().fatal_error() {
                    self.voice.logger().error(&format!("The client can go on no more: {reason}"));
                    return;
                }
            }
            if self.options.refresh <= self.refreshed.elapsed() {
                self.refreshed = Instant::now();
                self.choose();
            }
        }
    }

    /// Asks a broker, and says what is to be read where that is not done yet. Whether there is a connection.
    fn connect(&mut self) -> bool {
        let named = self.options.named.keys().map(|it| &it.0);
        // Nobody is asked for all topics where one is known that matters.
        let topic = self.options.topics.iter().chain(named).next();
        let result = self.client.fetch_metadata(topic.map(String::as_str), ASK_MAX);
        self.take_events();
        self.n_questions += 1;
        match result {
            Ok(_) => {
                self.voice.is_well();
                self.n_questions = 0;
                if !self.has_begun && !self.begin() {
                    return false;
                }
                self.is_up = true;
                self.shared.is_up();
                true
            }
            Err(err) => {
                let reason = self.voice.last();
                if reason.is_some() || QUESTIONS_MAX <= self.n_questions {
                    self.n_questions = 0;
                    self.shared.has_failed(reason.unwrap_or_else(|| match err.rdkafka_error_code() {
                        Some(
                            RDKafkaErrorCode::OperationTimedOut | RDKafkaErrorCode::BrokerTransportFailure,
                        ) => self.voice.why_silent(),
                        Some(code) => code.to_string(),
                        None => err.to_string(),
                    }));
                }
                self.fill();
                false
            }
        }
    }

    /// Says what is to be read, for the first time.
    fn begin(&mut self) -> bool {
        if !self.choose() {
            return false;
        }
        if !self.options.named.is_empty() {
            let mut list = TopicPartitionList::new();
            for ((topic, partition), offset) in &self.options.named {
                let start = if self.options.has_group { Offset::Stored } else { self.options.start };
                let offset = offset.map_or(start, Offset::Offset);
                // A slip of the pen in the config; the library says so as soon as it is read.
                let _ = list.add_partition_offset(topic, *partition, offset);
            }
            self.assign(&list);
        }
        self.has_begun = true;
        self.refreshed = Instant::now();
        true
    }

    /// Looks which topics and partitions there are, and reads those that are wanted. `false`: no broker has answered.
    fn choose(&mut self) -> bool {
        let options = Arc::clone(&self.options);
        if options.patterns.is_empty() && options.is_member() {
            // The library finds new partitions by itself.
            if self.chosen.is_empty() {
                self.chosen.clone_from(&options.topics);
                return self.subscribe();
            }
            return true;
        }
        if options.patterns.is_empty() && options.topics.is_empty() {
            return true;
        }
        let mut found: Vec<(String, i32)> = Vec::new();
        let questions: Vec<Option<&str>> = match options.patterns.is_empty() {
            true => options.topics.iter().map(|it| Some(it.as_str())).collect(),
            false => vec![None],
        };
        for question in questions {
            let Ok(metadata) = self.client.fetch_metadata(question, ASK_MAX) else { return false };
            let is_meant = |name: &str| question.is_some() || topics::is_meant(name, &options.patterns);
            for topic in metadata.topics().iter().filter(|it| it.error().is_none() && is_meant(it.name())) {
                found.push((topic.name().to_string(), topic.partitions().len() as i32));
            }
        }
        found.sort();
        if options.is_member() {
            let names: Vec<String> = found.into_iter().map(|it| it.0).collect();
            if names != self.chosen {
                self.chosen = names;
                return self.subscribe();
            }
            return true;
        }
        let mut list = TopicPartitionList::new();
        for (topic, n_partitions) in found {
            for partition in 0..n_partitions {
                let is_new = !self.by_name.contains_key(&(topic.clone(), partition));
                if is_new && !options.named.contains_key(&(topic.clone(), partition)) {
                    let _ = list.add_partition_offset(&topic, partition, options.start);
                }
            }
        }
        self.assign(&list);
        true
    }

    fn subscribe(&mut self) -> bool {
        if self.chosen.is_empty() {
            self.client.unsubscribe();
            return true;
        }
        let names: Vec<&str> = self.chosen.iter().map(String::as_str).collect();
        if let Err(err) = self.client.subscribe(&names) {
            self.voice.logger().error(&format!("Failed to subscribe: {err}"));
        }
        true
    }

    /// Takes what the library has to say.
    fn take_events(&mut self) {
        let client = Arc::clone(&self.client);
        for _ in 0..EVENTS_AT_ONCE {
            // What went wrong was told to the listener.
            if let Some(Ok(message)) = client.poll(Duration::ZERO) {
                self.take_stray(&message);
            }
            let rebalances = std::mem::take(
                &mut *client.context().rebalances.lock().unwrap_or_else(PoisonError::into_inner),
            );
            for rebalance in rebalances {
                match rebalance {
                    Rebalance::Assign(list) => self.assign(&list),
                    Rebalance::Revoke(list) => self.revoke(&list),
                }
            }
        }
    }

    /// Partitions are ours from now on.
    fn assign(&mut self, list: &TopicPartitionList) {
        if list.count() == 0 && !self.options.is_member() {
            return;
        }
        for element in list.elements() {
            let name = (element.topic().to_string(), element.partition());
            let id = self.next_id;
            self.next_id += 1;
            // Before it is assigned, so that none of its messages goes another way.
            let Some(mut queue) = self.client.split_partition_queue(&name.0, name.1) else { continue };
            let caller = Arc::clone(&self.shared);
            queue.set_nonempty_callback(move || caller.wake(id));
            let group = *self.groups.entry(name.clone()).or_insert_with(Group::new);
            let partition = Arc::new(Partition::new(&name.0, name.1, id, group));
            let open = self.options.batching.as_ref().map(|it| Open {
                policy: it.policy.another(),
                builder: Builder::default(),
                n_content_bytes: 0,
                due: None,
            });
            let Some(fetched) = Fetched::of(&self.client, &name.0, name.1) else { continue };
            let active = Active {
                partition,
                name: Text::from(name.0.as_str()),
                _queue: queue,
                fetched,
                at_once: AT_ONCE_FIRST,
                is_pending: false,
                open,
            };
            if let Some(old) = self.by_name.insert(name, id) {
                self.active.remove(&old);
            }
            self.active.insert(id, active);
            self.pend(id);
        }
        let result = match self.client.rebalance_protocol() {
            RebalanceProtocol::Eager => self.client.assign(list),
            RebalanceProtocol::Cooperative | RebalanceProtocol::None => self.client.incremental_assign(list),
        };
        if let Err(err) = result {
            self.voice.logger().error(&format!("Failed to take partitions: {err}"));
        }
    }

    /// Partitions are somebody else's from now on: what may be committed of them is, and nothing afterwards.
    fn revoke(&mut self, list: &TopicPartitionList) {
        let names: HashSet<(String, i32)> =
            list.elements().iter().map(|it| (it.topic().to_string(), it.partition())).collect();
        let ids: HashSet<u64> = names.iter().filter_map(|it| self.by_name.remove(it)).collect();
        self.shared.forget(|it| ids.contains(&it));
        if !self.client.assignment_lost() {
            self.store(|it| ids.contains(&it));
        }
        let mut n_unanswered = 0;
        for id in &ids {
            if let Some(active) = self.active.remove(id) {
                n_unanswered += active.partition.revoke();
            }
        }
        let result = match self.client.rebalance_protocol() {
            RebalanceProtocol::Cooperative => self.client.incremental_unassign(list),
            RebalanceProtocol::Eager | RebalanceProtocol::None => self.client.unassign(),
        };
        if let Err(err) = result {
            self.voice.logger().error(&format!("Failed to give partitions back: {err}"));
        }
        if 0 < n_unanswered {
            let text = counted(n_unanswered, "message was on its way", "messages were on their way");
            self.voice.logger().info(&format!(
                "{} given to others of the group while {text}: they come again there",
                counted(ids.len(), "partition was", "partitions were")
            ));
        }
    }

    /// The partition may have something to read.
    fn pend(&mut self, id: u64) {
        if let Some(active) = self.active.get_mut(&id)
            && !std::mem::replace(&mut active.is_pending, true)
        {
            self.pending.push_back(id);
        }
    }

    /// How long there is nothing to do, unless somebody calls.
    fn time_to_wait(&self) -> Duration {
        if !self.pending.is_empty() && self.shared.has_room() {
            return Duration::ZERO;
        }
        let due = self.active.values().filter_map(|it| it.open.as_ref()?.due);
        match due.min().filter(|_| self.options.batching.is_some()) {
            Some(due) => TICK.min(due.saturating_duration_since(Instant::now())),
            None => TICK,
        }
    }

    /// Hands over batches whose period is over.
    fn complete_in_time(&mut self) {
        if self.options.batching.is_none() {
            return;
        }
        let now = Instant::now();
        let is_due = |it: &Active| it.open.as_ref().and_then(|it| it.due).is_some_and(|due| due <= now);
        let ids: Vec<u64> = self.active.iter().filter(|(_, it)| is_due(it)).map(|(id, _)| *id).collect();
        for id in ids {
            self.lend(id, |consumer, active, open| consumer.complete(active, open, Mechanism::Period));
        }
    }

    /// Works on the open batch of a partition, which nobody looks for meanwhile.
    fn lend(&mut self, id: u64, work: impl FnOnce(&Consumer, &Active, &mut Open)) {
        let Some(mut open) = self.active.get_mut(&id).and_then(|it| it.open.take()) else { return };
        work(self, &self.active[&id], &mut open);
        if let Some(active) = self.active.get_mut(&id) {
            active.open = Some(open);
        }
    }

    /// The batch of a partition is complete.
    fn complete(&self, active: &Active, open: &mut Open, mechanism: Mechanism) {
        open.policy.count(mechanism);
        (open.n_content_bytes, open.due) = (0, None);
        self.hand_over(active, std::mem::take(&mut open.builder));
    }

    /// Reads what is there, as long as there is room.
    fn fill(&mut self) {
        // No longer than once around, so that events are taken in between.
        for _ in 0..self.pending.len() {
            if !self.shared.has_room() {
                return;
            }
            let Some(id) = self.pending.pop_front() else { return };
            let Some(active) = self.active.get_mut(&id) else { continue };
            active.is_pending = false;
            if let Filled::More = self.fill_from(id) {
                self.pend(id);
            }
        }
    }

    fn fill_from(&mut self, id: u64) -> Filled {
        let Some(active) = self.active.get(&id) else { return Filled::Empty };
        let limit = self.options.checkpoint_limit;
        let room = limit.saturating_sub(active.partition.n_unanswered());
        if room == 0 {
            return if active.partition.block(limit) { Filled::Blocked } else { Filled::More };
        }
        if active.open.is_some() {
            return self.collect_from(id);
        }
        let (taken, mut n_bytes, filled) = self.take_from(id, room);
        let Some(active) = self.active.get(&id) else { return filled };
        let mut builder = Builder::for_bytes(n_bytes);
        for taken in taken {
            let Some(record) = self.record_of(&taken) else { continue };
            n_bytes -= record.n_bytes();
            builder.push(record);
            if builder.is_full() {
                self.hand_over(active, std::mem::replace(&mut builder, Builder::for_bytes(n_bytes)));
            }
        }
        self.hand_over(active, builder);
        filled
    }

    /// Takes what is there of a partition, up to so many messages and about a parcel; with how many bytes it is.
    fn take_from(&mut self, id: u64, room: usize) -> (Vec<Taken>, usize, Filled) {
        let Some(active) = self.active.get_mut(&id) else { return (Vec::new(), 0, Filled::Empty) };
        let n_max = active.at_once.min(room).max(1);
        let mut taken = Vec::with_capacity(n_max);
        active.fetched.take(n_max, &mut taken);
        let n_bytes: usize = taken.iter().map(|it| it.record().map_or(0, Record::n_bytes)).sum();
        if !taken.is_empty() {
            let each = (n_bytes / taken.len()).max(1);
            active.at_once = (PARCEL_BYTES_MAX / each).clamp(1, PARCEL_MESSAGES_MAX);
        }
        let filled = if taken.len() < n_max { Filled::Empty } else { Filled::More };
        (taken, n_bytes, filled)
    }

    /// What was taken; what the library says beside messages is told to the listener.
    fn record_of<'t>(&self, taken: &'t Taken) -> Option<Record<'t>> {
        match taken.record() {
            Ok(record) => Some(record),
            Err((code, reason)) => {
                self.client.context().error(KafkaError::MessageConsumption(code), &reason);
                None
            }
        }
    }

    /// Reads for batches, about a parcel. There is room for one: what is over the limit by then is less than that.
    fn collect_from(&mut self, id: u64) -> Filled {
        let (taken, _, filled) = self.take_from(id, PARCEL_MESSAGES_MAX);
        self.lend(id, |consumer, active, open| {
            for taken in taken {
                if let Some(record) = consumer.record_of(&taken) {
                    consumer.collect(active, open, record);
                }
            }
        });
        filled
    }

    /// Puts a record into the open batch of its partition.
    fn collect(&self, active: &Active, open: &mut Open, record: Record<'_>) {
        if open.builder.len() == 0 {
            // One that never ends has no time.
            open.due = open.policy.begin().and_then(|it| Instant::now().checked_add(it));
        }
        open.builder.push(record);
        open.n_content_bytes += record.payload().map_or(0, <[u8]>::len);
        let collected = Collected { n_messages: open.builder.len(), n_bytes: open.n_content_bytes };
        let added = || {
            let mut alone = Builder::default();
            alone.push(record);
            self.finish(active, alone).0.message(0)
        };
        let mechanism = match open.policy.limit(collected, added) {
            Some(mechanism) => mechanism,
            // Whatever the policy says: a buffer has an end.
            None if BATCH_BYTES_MAX <= open.builder.n_bytes() => Mechanism::Size,
            None => return,
        };
        self.complete(active, open, mechanism);
    }

    /// The messages of a partition, and what they are.
    fn finish(&self, active: &Active, builder: Builder) -> (Slices, Arc<Records>) {
        let partition = &active.partition;
        let end = match self.options.style.lag {
            true => native::end_of(&self.client, &partition.topic, partition.number),
            false => None,
        };
        builder.finish(self.options.style, active.name.clone(), partition.number, end)
    }

    fn hand_over(&self, active: &Active, builder: Builder) {
        if builder.len() == 0 {
            return;
        }
        let (slices, records) = self.finish(active, builder);
        let partition = Arc::clone(&active.partition);
        let span = partition.add(records);
        self.shared.put(Ready {
            partition,
            span,
            first: 0,
            slices,
            is_batch: self.options.batching.is_some(),
        });
    }

    /// A message that came before its partition had a queue.
    fn take_stray(&mut self, message: &BorrowedMessage<'_>) {
        let name = (message.topic().to_string(), message.partition());
        let Some(active) = self.by_name.get(&name).and_then(|it| self.active.get(it)) else { return };
        let mut builder = Builder::default();
        builder.push(Record::of(message));
        self.hand_over(active, builder);
    }

    /// Hands the library the offsets up to which these partitions may be committed. It commits them when it is time, and
    /// when they are given back.
    fn store(&mut self, is_meant: impl Fn(u64) -> bool) {
        let mut list = TopicPartitionList::new();
        for (id, active) in self.active.iter().filter(|(id, _)| is_meant(**id)) {
            debug_assert_eq!(*id, active.partition.id);
            if let Some(floor) = active.partition.take_floor() {
                let partition = &active.partition;
                let _ = list.add_partition_offset(&partition.topic, partition.number, Offset::Offset(floor));
            }
        }
        if self.options.has_group
            && 0 < list.count()
            && let Err(err) = self.client.store_offsets(&list)
        {
            self.voice.logger().error(&format!("Failed to commit offsets: {err}"));
        }
    }

    /// Commits what may be, and leaves the group.
    fn close(mut self) {
        self.store(|_| true);
        self.client.context().is_closing.store(true, Ordering::SeqCst);
        for active in self.active.values() {
            active.partition.revoke();
        }
        self.shared.forget(|_| true);
        if self.options.is_member() && self.active.is_empty() {
            // Closed without a partition, the library tells nobody, and the group waits for it until its session is over.
            self.client.unsubscribe();
        }
        self.active.clear();
        // The last one who has it closes it, and waits for the broker.
        drop(self.client);
    }
}
