//! Replays: what failed is delivered again, from the copy made when it was read (`auto_replay_nacks`).
//!
//! A replay comes before anything new, after a back-off that grows with each attempt. What waits to be
//! replayed is bounded: past the bound nothing new is read. What can never arrive is not replayed. Once the stream is given up nothing is replayed,
//! and the source is told what did not arrive, and only that.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use wappa_component::{
    Ack, Batches, Clock, Counter, Failure, Input, Order, Parcel, Pristine, ReadError, Step, Waits, counted,
};
use wappa_message::{Mark, Message};

use crate::{
    observe::{Observed, Tally},
    quiet::Quiet,
    series,
    world::{Bell, Monitor},
};

/// Nothing new is read while more than this waits to be replayed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bound {
    pub(crate) messages_max: usize,
    pub(crate) bytes_max: usize,
}

impl Default for Bound {
    fn default() -> Bound {
        Bound { messages_max: 1024, bytes_max: 64 * 1024 * 1024 }
    }
}

/// How long what failed waits before it comes again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// So many replays come at once.
    at_once: u32,
    first: Duration,
    longest: Duration,
    growth: f64,
}

impl Pace {
    /// The first two replays come at once, and later ones a second apart, as in Bento. In between the wait doubles, so that
    /// a short fault costs little time and an output that fails for long costs little work.
    pub(crate) const OF_INPUTS: Pace =
        Pace { at_once: 2, first: Duration::from_millis(10), longest: Duration::from_secs(1), growth: 2.0 };

    /// As Bento's strategy `retry` for messages that failed.
    pub(crate) const OF_STRATEGY: Pace = Pace {
        at_once: 0,
        first: Duration::from_millis(500),
        longest: Duration::from_secs(300),
        growth: 1.5,
    };

    fn wait_before(self, attempt: u32) -> Duration {
        let Some(n_waits) = attempt.checked_sub(self.at_once + 1) else { return Duration::ZERO };
        // Past this many steps the longest wait is reached; a larger exponent would overflow.
        let growth = self.growth.powi(n_waits.min(20) as i32);
        self.first.mul_f64(growth).min(self.longest)
    }
}

/// All that waits has failed this often, and for so long: a fault that passes soon is unlikely then.
const STUCK_ATTEMPTS: u32 = 3;
const STUCK_TIME: Duration = Duration::from_secs(1);

/// An input whose failed messages are delivered again.
pub(crate) struct Replay {
    inner: Box<dyn Input>,
    shared: Arc<Shared>,
    pub(crate) bound: Bound,
}

struct Shared {
    queue: Monitor<Queue>,
    of: Observed,
    bell: Bell,
    quiet: Quiet,
    n_replayed: Counter,
    tally: Tally,
    pace: Pace,
}

#[derive(Default)]
struct Queue {
    /// Ordered by the time they are due, then by when they failed.
    waiting: BTreeMap<(Duration, u64), Retry>,
    n_waiting_messages: usize,
    n_waiting_bytes: usize,
    next_number: u64,
    /// Messages of the source that are not answered, those that wait to be replayed included.
    n_outstanding: usize,
    /// Why something failed last.
    last_reason: Option<Mark>,
    /// It was said that the stream stands still.
    has_said_stuck: bool,
    /// Nothing new will come: whoever has the input's turn waits for the last answers.
    inner_is_over: bool,
}

struct Retry {
    messages: Vec<Message>,
    batches: Batches,
    order: Order,
    attempt: u32,
    missing: Missing,
}

impl Retry {
    fn is_stuck(&self, now: Duration) -> bool {
        let time = self.missing.failing_since.map_or(Duration::ZERO, |since| now.saturating_sub(since));
        STUCK_ATTEMPTS < self.attempt && STUCK_TIME <= time
    }
}

/// Who is told what became of messages of the source.
enum Teller {
    /// Of a whole parcel, when all of it is answered.
    Whole(Ack),
    /// Of each message by itself. What failed is tried again while others are on their way.
    Each(Arc<Mutex<Ack>>),
}

/// What of a parcel of the source has not arrived yet. When it is dropped the source is told.
struct Missing {
    source: Option<Teller>,
    /// In the source's order; `None`: everything, since nothing was tried yet.
    failures: Option<Vec<Failure>>,
    /// What will never arrive, and is not tried again.
    hopeless: Vec<Failure>,
    /// When it was first answered as failed.
    failing_since: Option<Duration>,
}

impl Missing {
    fn everything(source: Teller) -> Missing {
        Missing { source: Some(source), failures: None, hopeless: Vec::new(), failing_since: None }
    }

    /// It was tried once more, and these failed again.
    fn narrow(&mut self, mut failures: Vec<Failure>) {
        self.hopeless.extend(failures.extract_if(.., |it| it.reason.is_final()));
        self.failures = Some(failures);
    }

    /// For how many messages it answers when it is dropped.
    fn n_answered(&self) -> usize {
        match &self.source {
            Some(Teller::Whole(ack)) => ack.origins().len(),
            _ => self.hopeless.len() + self.failures.as_ref().map_or(0, Vec::len),
        }
    }
}

impl Drop for Missing {
    fn drop(&mut self) {
        let (Some(source), Some(mut failures)) = (self.source.take(), self.failures.take()) else { return };
        failures.append(&mut self.hopeless);
        match source {
            Teller::Whole(ack) => ack.answer(failures),
            Teller::Each(ack) => {
                failures.sort_by_key(|it| it.origin);
                let origins: Vec<u32> = failures.iter().map(|it| it.origin).collect();
                settle(&ack, &origins, failures);
            }
        }
    }
}

/// Tells the source what became of some of its messages.
fn settle(source: &Mutex<Ack>, origins: &[u32], failures: Vec<Failure>) {
    let news = source.lock().unwrap_or_else(PoisonError::into_inner).settle(origins, failures);
    news.tell();
}

/// Messages on their way.
struct Attempt {
    shared: Arc<Shared>,
    pristine: Pristine,
    order: Order,
    number: u32,
    /// By index: which messages of the source they are. `None`: all, in the same order.
    origins: Option<Vec<u32>>,
}

impl Attempt {
    fn origin_of(&self, idx: u32) -> u32 {
        self.origins.as_ref().map_or(idx, |it| it[idx as usize])
    }

    /// Some of what is missing was answered: these messages, by index, failed.
    fn answered(&self, mut missing: Missing, failures: Vec<Failure>) {
        let shared = &self.shared;
        let again = || failures.iter().filter(|it| !it.reason.is_final());
        let indices: Vec<u32> = again().map(|it| it.origin).collect();
        let reason = again().next().map(|it| it.reason.clone());
        let of_source = |it: Failure| Failure { origin: self.origin_of(it.origin), ..it };
        missing.narrow(failures.into_iter().map(of_source).collect());
        let Some(reason) = reason.filter(|_| !shared.of.stop.is_abandoned()) else {
            let n_answered = missing.n_answered();
            drop(missing);
            return shared.end(n_answered);
        };
        shared.n_replayed.add(indices.len() as u64);
        shared.tally.add_replayed(indices.len() as u64);
        shared.quiet.warn(&shared.of.logger, || {
            let n_messages = counted(indices.len(), "message failed and is", "messages failed and are");
            format!("{n_messages} replayed, attempt {}: {reason}", self.number)
        });
        let (messages, batches) = self.pristine.select(&indices);
        missing.failing_since.get_or_insert(shared.of.world.now());
        let retry = Retry { messages, batches, order: self.order, attempt: self.number + 1, missing };
        shared.put(retry, reason, shared.pace.wait_before(self.number));
    }

    /// These messages, by index, were answered before the others.
    fn answered_some(
        &self,
        source: &Arc<Mutex<Ack>>,
        since: Option<Duration>,
        indices: &[u32],
        failures: Vec<Failure>,
    ) {
        let mut failed = failures.iter().map(|it| it.origin).peekable();
        let has_arrived = |idx: &&u32| failed.next_if_eq(*idx).is_none();
        let arrived: Vec<u32> = indices.iter().filter(has_arrived).map(|idx| self.origin_of(*idx)).collect();
        settle(source, &arrived, Vec::new());
        self.shared.end(arrived.len());
        if !failures.is_empty() {
            let mut missing = Missing::everything(Teller::Each(Arc::clone(source)));
            missing.failing_since = since;
            self.answered(missing, failures);
        }
    }
}

/// What can still come of an input when no replay is due.
enum Outlook {
    /// Something new may be read.
    New,
    /// Only answers, and replays that they cause.
    Answers,
    /// Nothing ever again.
    Over,
}

impl Replay {
    pub(crate) fn new(inner: Box<dyn Input>, bell: &Bell, of: Observed, tally: Tally, pace: Pace) -> Replay {
        let shared = Shared {
            queue: Monitor::new(&of.world, Queue::default()),
            bell: bell.clone(),
            quiet: Quiet::new(&of.world),
            n_replayed: of.counter(series::INPUT_REPLAYED),
            tally,
            pace,
            of,
        };
        Replay { inner, shared: Arc::new(shared), bound: Bound::default() }
    }

    /// A replay that is due, or when the next one will be.
    fn take_due(&self) -> Result<Retry, Option<Duration>> {
        let mut queue = self.shared.queue.lock();
        match queue.waiting.first_key_value() {
            Some(((due, _), _)) if *due <= self.shared.of.world.now() => {
                let (_, retry) = queue.waiting.pop_first().expect("it was just looked at");
                queue.n_waiting_messages -= retry.messages.len();
                queue.n_waiting_bytes -= size_of(&retry.messages);
                Ok(retry)
            }
            Some(((due, _), _)) => Err(Some(*due)),
            None => Err(None),
        }
    }

    fn outlook(&self) -> Outlook {
        let mut queue = self.shared.queue.lock();
        let is_full = self.bound.messages_max <= queue.n_waiting_messages
            || self.bound.bytes_max <= queue.n_waiting_bytes;
        let now = self.shared.of.world.now();
        if is_full && !queue.has_said_stuck && queue.waiting.values().all(|it| it.is_stuck(now)) {
            queue.has_said_stuck = true;
            self.say_stuck(&queue);
        }
        if queue.inner_is_over && (queue.n_outstanding == 0 || self.shared.of.stop.is_abandoned()) {
            Outlook::Over
        } else if queue.inner_is_over || is_full {
            Outlook::Answers
        } else {
            Outlook::New
        }
    }

    /// Once, since nothing else would tell what a stream without new messages waits for.
    fn say_stuck(&self, queue: &Queue) {
        let n_messages = counted(queue.n_waiting_messages, "message fails", "messages fail");
        let reason = queue.last_reason.as_ref().map_or("", Mark::as_str);
        self.shared.of.logger.warn(&format!(
            "the stream stands still: {n_messages} again and again, and nothing new is read until some of them are \
             delivered; the last one: {reason}"
        ));
    }

    /// The messages of a parcel of the source on their way, for the first time.
    fn adopt(&self, parcel: Parcel) -> Parcel {
        let order = parcel.order();
        parcel.exchange_ack(|pristine, ack| {
            let attempt =
                Attempt { shared: Arc::clone(&self.shared), pristine, order, number: 1, origins: None };
            let n_messages = ack.origins().len() as u32;
            let source = match ack.is_leased() {
                true => Teller::Each(Arc::new(Mutex::new(ack))),
                false => Teller::Whole(ack),
            };
            attempt_ack(attempt, n_messages, Missing::everything(source))
        })
    }

    fn replay(&self, retry: Retry) -> Parcel {
        let Retry { messages, batches, order, attempt, missing } = retry;
        let origins = missing.failures.as_ref().map(|all| all.iter().map(|it| it.origin).collect());
        // The parcel's own ack has nobody to tell: the source's is kept with what is missing.
        let n_messages = messages.len() as u32;
        let unheard = Ack::new(n_messages, |_| ());
        let parcel = Parcel::of_messages(messages, batches, unheard).with_order(order).replayed();
        parcel.exchange_ack(|pristine, unheard| {
            unheard.delivered();
            let shared = Arc::clone(&self.shared);
            let attempt = Attempt { shared, pristine, order, number: attempt, origins };
            attempt_ack(attempt, n_messages, missing)
        })
    }
}

/// Who hears what becomes of an attempt.
fn attempt_ack(attempt: Attempt, n_messages: u32, mut missing: Missing) -> Ack {
    match missing.source.take() {
        Some(Teller::Each(source)) => {
            let since = missing.failing_since;
            Ack::leased(n_messages, move |indices: &[u32], failures: Vec<Failure>| {
                attempt.answered_some(&source, since, indices, failures);
            })
        }
        whole => {
            missing.source = whole;
            Ack::new(n_messages, move |failures: Vec<Failure>| attempt.answered(missing, failures))
        }
    }
}

impl Shared {
    /// Something is to be tried again, after a wait.
    fn put(&self, retry: Retry, reason: Mark, wait: Duration) {
        let due = self.of.world.now() + wait;
        let mut queue = self.queue.lock();
        let number = queue.next_number;
        queue.next_number += 1;
        queue.n_waiting_messages += retry.messages.len();
        queue.n_waiting_bytes += size_of(&retry.messages);
        queue.last_reason = Some(reason);
        queue.waiting.insert((due, number), retry);
        drop(queue);
        self.bell.ring();
    }

    /// The source knows what became of so many of its messages.
    fn end(&self, n_messages: usize) {
        let mut queue = self.queue.lock();
        queue.n_outstanding -= n_messages;
        let is_last = queue.inner_is_over && queue.n_outstanding == 0;
        drop(queue);
        if is_last {
            self.bell.ring();
        }
    }
}

fn size_of(messages: &[Message]) -> usize {
    messages.iter().map(Message::size).sum()
}

impl Input for Replay {
    fn read(&mut self, waits: &mut Waits, step: &mut Step<'_>) -> Result<Parcel, ReadError> {
        loop {
            match self.take_due() {
                Ok(retry) => return Ok(self.replay(retry)),
                Err(until) => until.into_iter().for_each(|it| waits.until(it)),
            }
            match self.outlook() {
                Outlook::New => (),
                // The last answer rings, and what is to be replayed.
                Outlook::Answers => return Err(ReadError::NotReady),
                Outlook::Over => return Err(ReadError::EndOfInput),
            }
            match self.inner.read(waits, step) {
                Ok(parcel) => {
                    self.shared.queue.lock().n_outstanding += parcel.n_origins();
                    return Ok(self.adopt(parcel));
                }
                Err(ReadError::EndOfInput) => self.shared.queue.lock().inner_is_over = true,
                Err(err) => return Err(err),
            }
        }
    }

    fn is_exhausted(&self) -> bool {
        self.shared.queue.lock().inner_is_over || self.inner.is_exhausted()
    }

    fn stop(&mut self) {
        self.inner.stop();
    }

    fn restart(&mut self) -> bool {
        let restarts = self.inner.restart();
        self.shared.queue.lock().inner_is_over &= !restarts;
        restarts
    }

    fn takes_back(&self) -> bool {
        self.inner.takes_back()
    }

    fn close(&mut self) -> Result<(), String> {
        self.inner.close()
    }
}

#[cfg(test)]
mod tests;
