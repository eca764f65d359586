//! Acks: the duty to tell an input what became of its messages.
//!
//! Invariant: every ack is answered exactly once; one that is dropped answers that it failed.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use wappa_message::Mark;

/// One origin that failed, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Index of the input message within its parcel.
    pub origin: u32,
    /// Why it failed.
    pub reason: Mark,
}

/// Who is told when all messages of a parcel are answered.
pub trait AckSink: Send {
    /// Called once. `failures` is ordered by origin and names each origin once; an empty list means that
    /// everything was delivered. Runs on whichever thread answered last: it must not wait.
    fn answered(self: Box<Self>, failures: Vec<Failure>);
}

impl<F: FnOnce(Vec<Failure>) + Send> AckSink for F {
    fn answered(self: Box<Self>, failures: Vec<Failure>) {
        self(failures);
    }
}

/// The right, and the duty, to answer for a range of a parcel's input messages.
///
/// It can be divided; the input is told once, after the last piece was answered. Dropping an ack reports its
/// whole range as failed, so that a code path that forgets messages makes the input redeliver them.
#[must_use = "unanswered messages are redelivered"]
pub struct Ack {
    state: Option<Arc<State>>,
    lo: u32,
    hi: u32,
}

struct State {
    pieces: AtomicU32,
    failures: Mutex<Vec<Failure>>,
    sink: Mutex<Option<Box<dyn AckSink>>>,
}

impl Ack {
    /// An ack for `origins` input messages.
    pub fn new(origins: u32, sink: impl AckSink + 'static) -> Ack {
        let sink: Box<dyn AckSink> = Box::new(sink);
        let state = State {
            pieces: AtomicU32::new(1),
            failures: Mutex::new(Vec::new()),
            sink: Mutex::new(Some(sink)),
        };
        Ack { state: Some(Arc::new(state)), lo: 0, hi: origins }
    }

    /// The input messages this ack answers for, as indices within the parcel.
    pub fn origins(&self) -> std::ops::Range<u32> {
        self.lo..self.hi
    }

    /// Divides the range: `self` keeps what is below `origin`, the result answers for the rest.
    pub fn split_off(&mut self, origin: u32) -> Ack {
        assert!(self.lo <= origin && origin <= self.hi, "{origin} is not within {}..{}", self.lo, self.hi);
        let tail = self.piece(origin, self.hi);
        self.hi = origin;
        tail
    }

    /// As [`Ack::split_off`], but both pieces answer for `origin`: its descendants went two ways.
    pub fn split_within(&mut self, origin: u32) -> Ack {
        assert!(self.lo <= origin && origin < self.hi, "{origin} is not within {}..{}", self.lo, self.hi);
        let tail = self.piece(origin, self.hi);
        self.hi = origin + 1;
        tail
    }

    /// One more piece that answers for the same range: what descends from it goes several ways, in no order.
    pub fn share(&self) -> Ack {
        self.piece(self.lo, self.hi)
    }

    /// Everything of this ack's range arrived.
    pub fn delivered(self) {
        self.answer(Vec::new());
    }

    /// Nothing of this ack's range arrived.
    pub fn failed(mut self, reason: Mark) {
        self.fail_range(reason);
    }

    /// The origins named in `failures` failed, all others of the range arrived.
    ///
    /// A failure of [`ORIGIN_NONE`](wappa_message::ORIGIN_NONE), or of a message that this ack does not answer for, stands for the whole
    /// range: nobody knows what it took with it.
    pub fn answer(mut self, failures: Vec<Failure>) {
        let range = self.origins();
        if let Some(whole) = failures.iter().find(|it| !range.contains(&it.origin)) {
            let reason = whole.reason.clone();
            return self.fail_range(reason);
        }
        if let Some(state) = self.state.take() {
            state.answer(failures);
        }
    }

    fn piece(&self, lo: u32, hi: u32) -> Ack {
        let state = self.state.as_ref().expect("an ack has its state until it is answered");
        state.pieces.fetch_add(1, Ordering::Relaxed);
        Ack { state: Some(Arc::clone(state)), lo, hi }
    }

    fn fail_range(&mut self, reason: Mark) {
        if let Some(state) = self.state.take() {
            let failures = (self.lo..self.hi).map(|origin| Failure { origin, reason: reason.clone() });
            state.answer(failures.collect());
        }
    }
}

impl State {
    fn answer(&self, failures: Vec<Failure>) {
        if !failures.is_empty() {
            self.failures.lock().unwrap_or_else(PoisonError::into_inner).extend(failures);
        }
        // Release what this piece recorded, acquire what all others did.
        if self.pieces.fetch_sub(1, Ordering::AcqRel) != 1 {
            return;
        }
        let mut failures = std::mem::take(&mut *self.failures.lock().unwrap_or_else(PoisonError::into_inner));
        // What one of its descendants may still achieve counts more than what another never will.
        failures.sort_by_key(|it| (it.origin, it.reason.is_final()));
        failures.dedup_by_key(|it| it.origin);
        let sink = self.sink.lock().unwrap_or_else(PoisonError::into_inner).take();
        sink.expect("the last piece is answered once").answered(failures);
    }
}

impl Drop for Ack {
    fn drop(&mut self) {
        if self.state.is_some() {
            self.fail_range(Mark::new("dropped before delivery"));
        }
    }
}

impl fmt::Debug for Ack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ack({}..{})", self.lo, self.hi)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use wappa_message::ORIGIN_NONE;

    use super::*;

    fn ack(origins: u32) -> (Ack, mpsc::Receiver<Vec<(u32, String)>>) {
        let (tx, rx) = mpsc::sync_channel(2);
        let sink = move |failures: Vec<Failure>| {
            let plain = failures.iter().map(|it| (it.origin, it.reason.to_string())).collect();
            tx.send(plain).expect("the test listens");
        };
        (Ack::new(origins, sink), rx)
    }

    #[test]
    fn is_answered_once_after_the_last_piece() {
        let (mut one, rx) = ack(10);
        let mut two = one.split_off(4);
        let three = two.split_within(6);
        assert_eq!((one.origins(), two.origins(), three.origins()), (0..4, 4..7, 6..10));
        three.answer(vec![
            Failure { origin: 9, reason: Mark::new("x") },
            Failure { origin: 6, reason: Mark::new("y") },
        ]);
        one.delivered();
        assert!(rx.try_recv().is_err());
        two.answer(vec![Failure { origin: 6, reason: Mark::new("z") }]);
        assert_eq!(rx.try_recv().expect("all answered"), [(6, "y".to_string()), (9, "x".to_string())]);
        assert!(rx.try_recv().is_err());
    }

    #[test]
    fn shared_pieces_answer_for_the_same_range() {
        let (one, rx) = ack(3);
        let two = one.share();
        one.answer(vec![Failure { origin: 2, reason: Mark::new("x") }]);
        assert!(rx.try_recv().is_err());
        two.answer(vec![Failure { origin: 0, reason: Mark::new("y") }]);
        assert_eq!(rx.try_recv().expect("all answered"), [(0, "y".to_string()), (2, "x".to_string())]);
    }

    #[test]
    fn a_dropped_ack_is_a_failure() {
        let (mut one, rx) = ack(3);
        drop(one.split_off(2));
        one.delivered();
        assert_eq!(rx.try_recv().expect("all answered"), [(2, "dropped before delivery".to_string())]);
    }

    #[test]
    fn a_failure_without_an_origin_fails_the_range() {
        let (one, rx) = ack(2);
        one.answer(vec![Failure { origin: ORIGIN_NONE, reason: Mark::new("all") }]);
        assert_eq!(rx.try_recv().expect("all answered"), [(0, "all".to_string()), (1, "all".to_string())]);
    }

    #[test]
    fn a_failure_of_a_stranger_fails_the_range() {
        let (mut one, rx) = ack(4);
        let two = one.split_off(2);
        one.delivered();
        two.answer(vec![Failure { origin: 0, reason: Mark::new("all") }]);
        assert_eq!(rx.try_recv().expect("all answered"), [(2, "all".to_string()), (3, "all".to_string())]);
    }
}
