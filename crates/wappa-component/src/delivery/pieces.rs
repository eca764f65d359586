//! Deliveries that are answered message by message, since the input is told of each.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use wappa_message::Mark;

use super::{Answer, Delivery, Flight, Landing};
use crate::{Ack, Failure, Part, WriteError};

/// A delivery whose messages are answered as what became of them is known.
struct Pieces {
    delivery: Delivery,
    /// Which messages of the whole are left, by index and in order.
    left: Vec<u32>,
}

impl Pieces {
    /// Nothing of it is answered yet.
    fn new(delivery: Delivery) -> Pieces {
        let left = (0..delivery.part().n_messages() as u32).collect();
        Pieces { delivery, left }
    }

    /// A delivery of these messages, which are in order and by their indices in the whole, to be answered. `None`: it would be
    /// one of nothing.
    fn take(&mut self, indices: &[u32]) -> Option<Delivery> {
        let is_taken = |it: &u32| indices.binary_search(it).is_ok();
        if !self.left.iter().any(is_taken) {
            return None;
        }
        let taken = self.delivery.take_out(|idx| is_taken(&self.left[idx]));
        self.left.retain(|it| !is_taken(it));
        Some(taken)
    }

    /// Takes out some of the messages, of which these failed, with what is to be answered for them.
    fn settle(&mut self, indices: &[u32], failures: Vec<Failure>, is_closed: bool) -> Settled {
        let (arrived, failed) = divide(indices, &failures);
        let arrived = self.take(&arrived);
        let failures = failures.into_iter().enumerate().map(|(idx, it)| (idx, it.reason)).collect();
        let failed = self.take(&failed).map(|it| (it, Answer { failures, is_closed }));
        Settled { arrived, failed }
    }
}

/// What is to be answered when no lock is held any more.
#[must_use = "it is to be answered"]
struct Settled {
    arrived: Option<Delivery>,
    failed: Option<(Delivery, Answer)>,
}

impl Settled {
    /// Answers it.
    fn tell(self) {
        if let Some(arrived) = self.arrived {
            arrived.answer(Ok(()));
        }
        if let Some((failed, answer)) = self.failed {
            failed.conclude(answer);
        }
    }
}

/// Which of these arrived, and which failed.
fn divide(indices: &[u32], failures: &[Failure]) -> (Vec<u32>, Vec<u32>) {
    let has_failed = |idx: &u32| failures.binary_search_by_key(idx, |it| it.origin).is_ok();
    let (failed, arrived) = indices.iter().copied().partition(has_failed);
    (arrived, failed)
}

/// Notes that nobody reads any more, which is said before it is answered.
#[derive(Default)]
struct Closed(AtomicBool);

impl Closed {
    fn get(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

impl Landing for Closed {
    fn closed(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    fn landed(&self, _: u64) {}
}

/// A delivery of this part, of which `told` hears of each message as soon as it is answered; the `bool`: some of them because
/// nobody reads any more.
fn leased(mut part: Part, told: impl Fn(&[u32], Vec<Failure>, bool) + Send + Sync + 'static) -> Delivery {
    for (idx, message) in part.messages_mut().iter_mut().enumerate() {
        message.set_origin(idx as u32);
    }
    let n_messages = part.n_messages() as u32;
    let closed = Arc::new(Closed::default());
    let landing: Arc<dyn Landing> = Arc::clone(&closed) as Arc<dyn Landing>;
    let mut flight = Flight::new(Arc::downgrade(&landing));
    let ack = Ack::leased(n_messages, move |origins: &[u32], failures: Vec<Failure>| {
        told(origins, failures, closed.get());
    });
    flight.load(0, part, ack)
}

/// An attempt to deliver something, which comes back where it failed.
struct Attempt<F> {
    pieces: Pieces,
    failures: Vec<Failure>,
    n_unanswered: usize,
    then: F,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// See [`Delivery::via`].
pub(super) fn attempt(
    delivery: Delivery,
    part: Part,
    then: impl FnOnce(Delivery, Answer) + Send + 'static,
) -> Delivery {
    let n_unanswered = part.n_messages();
    let attempt = Attempt { pieces: Pieces::new(delivery), failures: Vec::new(), n_unanswered, then };
    let attempt = Mutex::new(Some(attempt));
    leased(part, move |indices, failures, is_closed| {
        let (arrived, _) = divide(indices, &failures);
        let mut slot = lock(&attempt);
        let Some(attempt) = slot.as_mut() else { return };
        let arrived = attempt.pieces.take(&arrived);
        attempt.failures.extend(failures);
        attempt.n_unanswered -= indices.len();
        let ended = if attempt.n_unanswered == 0 { slot.take() } else { None };
        drop(slot);
        // Nobody is told under the lock.
        arrived.into_iter().for_each(|it| it.answer(Ok(())));
        if let Some(Attempt { pieces, mut failures, then, .. }) = ended {
            // What is left is what failed.
            failures.sort_by_key(|it| it.origin);
            let failures: Vec<(usize, Mark)> =
                failures.into_iter().enumerate().map(|(idx, it)| (idx, it.reason)).collect();
            then(pieces.delivery, Answer { failures, is_closed });
        }
    })
}

/// A delivery of the messages of all these, one after the other.
pub(super) fn of_several(sources: Vec<Delivery>, part: Part) -> Delivery {
    let mut end = 0;
    let with_end = |delivery: Delivery| {
        end += delivery.part().n_messages() as u32;
        (Pieces::new(delivery), end)
    };
    let sources: Mutex<Vec<(Pieces, u32)>> = Mutex::new(sources.into_iter().map(with_end).collect());
    leased(part, move |indices, failures, is_closed| {
        let (mut indices, mut failures) =
            (indices.iter().copied().peekable(), failures.into_iter().peekable());
        let (mut begin, mut all) = (0, Vec::new());
        for (pieces, end) in lock(&sources).iter_mut() {
            let own: Vec<u32> =
                std::iter::from_fn(|| indices.next_if(|it| it < end)).map(|it| it - begin).collect();
            let failed = std::iter::from_fn(|| failures.next_if(|it| it.origin < *end));
            let failed = failed.map(|it| Failure { origin: it.origin - begin, ..it }).collect();
            all.push(pieces.settle(&own, failed, is_closed));
            begin = *end;
        }
        all.into_iter().for_each(Settled::tell);
    })
}

/// Answers for a delivery as an input that reads it is answered for.
pub(super) fn ack_of(delivery: Delivery) -> Ack {
    let n_messages = delivery.part().n_messages() as u32;
    if !delivery.is_leased() {
        return Ack::new(n_messages, move |failures: Vec<Failure>| {
            let failures: Vec<_> =
                failures.into_iter().map(|it| (it.origin as usize, of_writer(it.reason))).collect();
            delivery.answer(if failures.is_empty() { Ok(()) } else { Err(WriteError::Partial(failures)) });
        });
    }
    let pieces = Mutex::new(Pieces::new(delivery));
    Ack::leased(n_messages, move |origins: &[u32], failures: Vec<Failure>| {
        let failures =
            failures.into_iter().map(|it| Failure { reason: of_writer(it.reason), ..it }).collect();
        let settled = lock(&pieces).settle(origins, failures, false);
        settled.tell();
    })
}

/// What a reason for whoever was read from is for whoever wrote: that nobody wanted a message any more is a failure to
/// them, and worth another attempt.
fn of_writer(reason: Mark) -> Mark {
    if reason.is_unwanted() { Mark::new(reason.as_str()) } else { reason }
}
