//! Replays: what failed is delivered again, from the copy made when it was read (`auto_replay_nacks`).
//!
//! A replay comes before anything new, after a back-off that grows with each attempt. What waits to be
//! replayed is bounded: past the bound nothing new is read. Once the stream is given up nothing is replayed,
//! and the source is told what failed.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use wappa_component::{
    Ack, Batches, Clock, ConnectError, Counter, Failure, Input, Parcel, Pristine, ReadError, Step, Waiter,
};
use wappa_message::{Mark, Message};

use crate::{
    observe::Observed,
    quiet::Quiet,
    world::{Bell, Monitor},
};

/// Nothing new is read while this many messages wait to be replayed.
const WAITING_MESSAGES_MAX: usize = 1024;

/// The first attempts are made at once; then the wait grows from `WAIT_MIN` to `WAIT_MAX`, as in Bento.
const ATTEMPTS_AT_ONCE: u32 = 2;
const WAIT_MIN: Duration = Duration::from_millis(1);
const WAIT_MAX: Duration = Duration::from_secs(1);
const WAIT_GROWTH: f64 = 1.1;

/// An input whose failed messages are delivered again.
pub(crate) struct Replay {
    inner: Box<dyn Input>,
    shared: Arc<Shared>,
    pub(crate) waiting_messages_max: usize,
}

struct Shared {
    queue: Monitor<Queue>,
    of: Observed,
    bell: Bell,
    quiet: Quiet,
    n_replayed: Counter,
}

#[derive(Default)]
struct Queue {
    /// Ordered by the time they are due, then by when they failed.
    waiting: BTreeMap<(Duration, u64), Retry>,
    n_waiting_messages: usize,
    next_number: u64,
    /// Parcels that are not answered, those that wait to be replayed included.
    n_outstanding: usize,
    /// Nothing new will come: whoever has the input's turn waits for the last answers.
    inner_is_over: bool,
}

struct Retry {
    messages: Vec<Message>,
    batches: Batches,
    attempt: u32,
    source: Ack,
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
    pub(crate) fn new(inner: Box<dyn Input>, bell: &Bell, of: Observed) -> Replay {
        let shared = Shared {
            queue: Monitor::new(&of.world, Queue::default()),
            bell: bell.clone(),
            quiet: Quiet::new(&of.world),
            n_replayed: of.counter("input_replayed"),
            of,
        };
        Replay { inner, shared: Arc::new(shared), waiting_messages_max: WAITING_MESSAGES_MAX }
    }

    /// A replay that is due, or when the next one will be.
    fn take_due(&self) -> Result<Retry, Option<Duration>> {
        let mut queue = self.shared.queue.lock();
        match queue.waiting.first_key_value() {
            Some(((due, _), _)) if *due <= self.shared.of.world.now() => {
                let (_, retry) = queue.waiting.pop_first().expect("it was just looked at");
                queue.n_waiting_messages -= retry.messages.len();
                Ok(retry)
            }
            Some(((due, _), _)) => Err(Some(*due)),
            None => Err(None),
        }
    }

    fn outlook(&self) -> Outlook {
        let queue = self.shared.queue.lock();
        if queue.inner_is_over && (queue.n_outstanding == 0 || self.shared.of.stop.is_abandoned()) {
            Outlook::Over
        } else if queue.inner_is_over || self.waiting_messages_max <= queue.n_waiting_messages {
            Outlook::Answers
        } else {
            Outlook::New
        }
    }

    fn adopt(&self, parcel: Parcel, attempt: u32, source: Option<Ack>) -> Parcel {
        let shared = Arc::clone(&self.shared);
        parcel.exchange_ack(|pristine, ack| {
            let n_origins = ack.origins().len() as u32;
            // A replayed parcel brings a plain ack of its own; the source's is the one that was kept.
            let source = match source {
                Some(source) => {
                    ack.delivered();
                    source
                }
                None => ack,
            };
            Ack::new(n_origins, move |failures: Vec<Failure>| {
                shared.answered(pristine, attempt, source, failures)
            })
        })
    }
}

impl Shared {
    fn answered(&self, pristine: Pristine, attempt: u32, source: Ack, failures: Vec<Failure>) {
        let Some(first) = failures.first() else {
            self.end_parcel();
            return source.delivered();
        };
        if self.of.stop.is_abandoned() {
            self.end_parcel();
            return source.failed(first.reason.clone());
        }
        self.n_replayed.add(failures.len() as u64);
        self.quiet.warn(&self.of.logger, || {
            format!(
                "{} messages failed and are replayed, attempt {attempt}: {}",
                failures.len(),
                first.reason
            )
        });
        let origins: Vec<u32> = failures.iter().map(|it| it.origin).collect();
        let (messages, batches) = pristine.select(&origins);
        let due = self.of.world.now() + wait_before(attempt);
        let mut queue = self.queue.lock();
        let number = queue.next_number;
        queue.next_number += 1;
        queue.n_waiting_messages += messages.len();
        queue.waiting.insert((due, number), Retry { messages, batches, attempt: attempt + 1, source });
        drop(queue);
        self.bell.ring();
    }

    fn end_parcel(&self) {
        let mut queue = self.queue.lock();
        queue.n_outstanding -= 1;
        let is_last = queue.inner_is_over && queue.n_outstanding == 0;
        drop(queue);
        if is_last {
            self.bell.ring();
        }
    }
}

fn wait_before(attempt: u32) -> Duration {
    let Some(n_waits) = attempt.checked_sub(ATTEMPTS_AT_ONCE + 1) else { return Duration::ZERO };
    // Past this many steps the longest wait is reached; a larger exponent would overflow.
    let growth = WAIT_GROWTH.powi(n_waits.min(100) as i32);
    WAIT_MIN.mul_f64(growth).min(WAIT_MAX)
}

impl Input for Replay {
    fn connect(&mut self, waiter: &dyn Waiter) -> Result<(), ConnectError> {
        self.inner.connect(waiter)
    }

    fn read(&mut self, waiter: &dyn Waiter, step: &mut Step<'_>) -> Result<Parcel, ReadError> {
        let until = match self.take_due() {
            Ok(Retry { messages, batches, attempt, source }) => {
                let ack = Ack::new(messages.len() as u32, |_| ());
                return Ok(self.adopt(Parcel::of_messages(messages, batches, ack), attempt, Some(source)));
            }
            Err(until) => until,
        };
        match self.outlook() {
            Outlook::New => (),
            Outlook::Answers => {
                waiter.wait(None, until);
                return Err(ReadError::NotReady);
            }
            Outlook::Over => return Err(ReadError::EndOfInput),
        }
        match waiter.bounded(until, |waiter| self.inner.read(waiter, step)) {
            Ok(parcel) => {
                self.shared.queue.lock().n_outstanding += 1;
                Ok(self.adopt(parcel, 1, None))
            }
            Err(ReadError::EndOfInput) => {
                self.shared.queue.lock().inner_is_over = true;
                Err(ReadError::NotReady)
            }
            Err(err) => Err(err),
        }
    }

    fn stop(&mut self) {
        self.inner.stop();
    }
}

/// The answer of a stream that is given up.
pub(crate) fn given_up() -> Mark {
    Mark::new("the stream was stopped")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_second() {
        let waits = [1, 2, 3, 4, 30, 75, 1000].map(wait_before);
        assert_eq!(waits[..3], [Duration::ZERO, Duration::ZERO, Duration::from_millis(1)]);
        assert!(waits.is_sorted() && waits[6] == WAIT_MAX, "{waits:?}");
    }
}
