//! Acks: the duty to tell an input what became of its messages.
//!
//! Invariant: every ack is answered exactly once; one that is dropped answers that it failed. An input is told when its
//! whole parcel is answered, or, where each message has a lease of its own, of each message as soon as it is. Nobody is
//! told under a lock.

use std::{
    fmt,
    ops::Range,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use wappa_message::Mark;

use crate::leases::Leases;

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

/// Who is told of each message of a parcel as soon as nothing that descends from it is left unanswered: an input that
/// keeps a lease on each of them.
pub trait LeaseSink: Send + Sync {
    /// Names each origin once over all calls. `origins` are in order, and so are `failures`, which are of some of them: the
    /// others arrived. Runs on whichever thread answered last, on several at once: it must not wait.
    fn answered(&self, origins: &[u32], failures: Vec<Failure>);
}

impl<F: Fn(&[u32], Vec<Failure>) + Send + Sync> LeaseSink for F {
    fn answered(&self, origins: &[u32], failures: Vec<Failure>) {
        self(origins, failures);
    }
}

impl<F: FnOnce(Vec<Failure>) + Send> AckSink for F {
    fn answered(self: Box<Self>, failures: Vec<Failure>) {
        self(failures);
    }
}

/// The right, and the duty, to answer for a range of a parcel's input messages.
///
/// It can be divided; the input is told once, after the last piece was answered, or of each message after the last piece
/// that answers for it. Dropping an ack reports its whole range as failed, so that a code path that forgets messages
/// makes the input redeliver them.
#[must_use = "unanswered messages are redelivered"]
pub struct Ack {
    state: Option<Arc<State>>,
    lo: u32,
    hi: u32,
    /// By index in the range: whether this piece answers for it no more. Empty: it answers for all.
    settled: Vec<bool>,
}

struct State {
    pieces: AtomicU32,
    listener: Listener,
}

/// Who is told, and what is known by now.
enum Listener {
    Whole { failures: Mutex<Vec<Failure>>, sink: Mutex<Option<Box<dyn AckSink>>> },
    Each { leases: Mutex<Leases>, sink: Box<dyn LeaseSink> },
}

/// What an input is to be told as soon as no lock is held.
#[must_use = "the input does not know yet"]
pub struct News(Option<Told>);

struct Told {
    state: Arc<State>,
    origins: Vec<u32>,
    failures: Vec<Failure>,
}

impl News {
    /// Tells it.
    pub fn tell(self) {
        if let Some(Told { state, origins, failures }) = self.0
            && let Listener::Each { sink, .. } = &state.listener
            && !origins.is_empty()
        {
            sink.answered(&origins, failures);
        }
    }
}

impl Ack {
    /// An ack for `origins` input messages, whose sink is told when all of them are answered.
    pub fn new(origins: u32, sink: impl AckSink + 'static) -> Ack {
        let sink: Box<dyn AckSink> = Box::new(sink);
        Ack::of(origins, Listener::Whole { failures: Mutex::new(Vec::new()), sink: Mutex::new(Some(sink)) })
    }

    /// An ack for `origins` input messages, whose sink is told of each of them as soon as it is answered.
    pub fn leased(origins: u32, sink: impl LeaseSink + 'static) -> Ack {
        Ack::of(origins, Listener::Each { leases: Mutex::new(Leases::new(0..origins)), sink: Box::new(sink) })
    }

    fn of(origins: u32, listener: Listener) -> Ack {
        let state = State { pieces: AtomicU32::new(1), listener };
        Ack { state: Some(Arc::new(state)), lo: 0, hi: origins, settled: Vec::new() }
    }

    /// Whether the input is told of each message as soon as it is answered, and not of all at once.
    pub fn is_leased(&self) -> bool {
        matches!(self.state().listener, Listener::Each { .. })
    }

    /// The input messages this ack answers for, as indices within the parcel.
    pub fn origins(&self) -> Range<u32> {
        self.lo..self.hi
    }

    /// Divides the range: `self` keeps what is below `origin`, the result answers for the rest.
    pub fn split_off(&mut self, origin: u32) -> Ack {
        assert!(self.lo <= origin && origin <= self.hi, "{origin} is not within {}..{}", self.lo, self.hi);
        let settled = match self.settled.is_empty() {
            true => Vec::new(),
            false => self.settled.split_off((origin - self.lo) as usize),
        };
        let tail = self.piece(origin, self.hi, settled);
        self.hi = origin;
        tail
    }

    /// One more piece, for those who will answer for these origins only, which are in order: what descends from the range goes
    /// several ways. Where the input is told of all at once the piece answers for the whole range, and nobody has to know
    /// which they are.
    pub fn share_of(&self, origins: &[u32]) -> Ack {
        let Listener::Each { leases, .. } = &self.state().listener else {
            return self.piece(self.lo, self.hi, self.settled.clone());
        };
        let mut settled = vec![true; self.origins().len()];
        let own = self.unsettled().filter(|it| origins.binary_search(it).is_ok());
        lock(leases).add(own.inspect(|it| settled[(it - self.lo) as usize] = false));
        self.piece(self.lo, self.hi, settled)
    }

    /// Everything of this ack's range arrived.
    pub fn delivered(self) {
        self.answer(Vec::new());
    }

    /// Nothing of this ack's range arrived.
    pub fn failed(mut self, reason: Mark) {
        self.fail_range(&reason);
    }

    /// The origins named in `failures` failed, all others of the range arrived.
    ///
    /// A failure of [`ORIGIN_NONE`](wappa_message::ORIGIN_NONE), or of a message that this ack does not answer for, stands for the whole
    /// range: nobody knows what it took with it.
    pub fn answer(mut self, failures: Vec<Failure>) {
        let range = self.origins();
        match failures.iter().find(|it| !range.contains(&it.origin)) {
            Some(whole) => self.fail_range(&whole.reason),
            None => self.finish(failures),
        }
    }

    /// Answers for these origins now, which are in order, and for the others later: those of them that are named in
    /// `failures` failed. Whoever holds a lock lets go of it before the input is told.
    pub fn settle(&mut self, origins: &[u32], failures: Vec<Failure>) -> News {
        let state = Arc::clone(self.state());
        let is_new = |it: &u32| !self.settled.get((it - self.lo) as usize).copied().unwrap_or(false);
        let origins: Vec<u32> = origins.iter().copied().filter(is_new).collect();
        self.settled.resize(self.origins().len(), false);
        origins.iter().for_each(|it| self.settled[(it - self.lo) as usize] = true);
        let failures = among(failures, &origins);
        match &state.listener {
            Listener::Whole { failures: all, .. } => {
                lock(all).extend(failures);
                News(None)
            }
            Listener::Each { leases, .. } => {
                let (origins, failures) = answered(&mut lock(leases), origins, failures);
                News(Some(Told { state, origins, failures }))
            }
        }
    }

    fn state(&self) -> &Arc<State> {
        self.state.as_ref().expect("an ack has its state until it is answered")
    }

    /// The origins that it still answers for.
    fn unsettled(&self) -> impl Iterator<Item = u32> {
        self.origins().filter(|it| !self.settled.get((it - self.lo) as usize).copied().unwrap_or(false))
    }

    fn piece(&self, lo: u32, hi: u32, settled: Vec<bool>) -> Ack {
        let state = Arc::clone(self.state());
        state.pieces.fetch_add(1, Ordering::Relaxed);
        Ack { state: Some(state), lo, hi, settled }
    }

    fn fail_range(&mut self, reason: &Mark) {
        let failures = self.unsettled().map(|origin| Failure { origin, reason: reason.clone() });
        self.finish(failures.collect());
    }

    fn finish(&mut self, mut failures: Vec<Failure>) {
        let Some(state) = self.state.take() else { return };
        if !self.settled.is_empty() {
            failures.retain(|it| !self.settled[(it.origin - self.lo) as usize]);
        }
        if let Listener::Each { leases, .. } = &state.listener {
            let (origins, failures) = answered(&mut lock(leases), self.unsettled().collect(), failures);
            return News(Some(Told { state, origins, failures })).tell();
        }
        state.answer(failures);
    }
}

/// The failures of these origins.
fn among(mut failures: Vec<Failure>, origins: &[u32]) -> Vec<Failure> {
    failures.retain(|it| origins.binary_search(&it.origin).is_ok());
    failures
}

fn answered(leases: &mut Leases, origins: Vec<u32>, failures: Vec<Failure>) -> (Vec<u32>, Vec<Failure>) {
    failures.into_iter().for_each(|it| leases.fail(it));
    leases.settle(origins)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    /// A piece of a parcel that is told as a whole was answered.
    fn answer(&self, failures: Vec<Failure>) {
        let Listener::Whole { failures: all, sink } = &self.listener else { return };
        if !failures.is_empty() {
            lock(all).extend(failures);
        }
        // Release what this piece recorded, acquire what all others did.
        if self.pieces.fetch_sub(1, Ordering::AcqRel) != 1 {
            return;
        }
        let mut failures = std::mem::take(&mut *lock(all));
        // What one of its descendants may still achieve counts more than what another never will.
        failures.sort_by_key(|it| (it.origin, it.reason.is_final()));
        failures.dedup_by_key(|it| it.origin);
        let sink = lock(sink).take();
        sink.expect("the last piece is answered once").answered(failures);
    }
}

impl Drop for Ack {
    fn drop(&mut self) {
        if self.state.is_some() {
            self.fail_range(&Mark::new("dropped before delivery"));
        }
    }
}

impl fmt::Debug for Ack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ack({}..{})", self.lo, self.hi)
    }
}

impl fmt::Debug for News {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "News({:?})", self.0.as_ref().map(|it| &it.origins))
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
        let two = one.split_off(4);
        let three = two.share_of(&[]);
        assert_eq!((one.origins(), two.origins(), three.origins()), (0..4, 4..10, 4..10));
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
        let two = one.share_of(&[]);
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

    fn leased(origins: u32) -> (Ack, mpsc::Receiver<String>) {
        let (tx, rx) = mpsc::sync_channel(8);
        let sink = move |origins: &[u32], failures: Vec<Failure>| {
            let failed: Vec<u32> = failures.iter().map(|it| it.origin).collect();
            tx.send(format!("{origins:?} {failed:?}")).expect("the test listens");
        };
        (Ack::leased(origins, sink), rx)
    }

    fn failure(origin: u32) -> Failure {
        Failure { origin, reason: Mark::new("x") }
    }

    #[test]
    fn each_lease_is_answered_when_its_last_piece_is() {
        let (mut one, rx) = leased(8);
        let mut two = one.split_off(4);
        two.settle(&[5, 6], vec![failure(6)]).tell();
        assert_eq!(rx.try_recv().expect("two are answered"), "[5, 6] [6]");
        // Five is told already, whatever is said of it.
        let three = two.share_of(&[5, 7]);
        two.answer(vec![failure(5)]);
        assert_eq!(rx.try_recv().expect("one is answered"), "[4] []");
        three.answer(vec![failure(7)]);
        assert_eq!(rx.try_recv().expect("one is answered"), "[7] [7]");
        drop(one.split_off(2));
        assert_eq!(rx.try_recv().expect("what is dropped has failed"), "[2, 3] [2, 3]");
        one.answer(vec![failure(ORIGIN_NONE)]);
        assert_eq!(rx.try_recv().expect("a stranger fails the range"), "[0, 1] [0, 1]");
        assert!(rx.try_recv().is_err());
    }

    #[test]
    fn a_parcel_that_is_told_as_a_whole_keeps_what_is_settled() {
        let (mut one, rx) = ack(4);
        one.settle(&[1, 2], vec![failure(2)]).tell();
        assert!(rx.try_recv().is_err());
        drop(one);
        let reason = || "dropped before delivery".to_string();
        assert_eq!(rx.try_recv().expect("answered"), [(0, reason()), (2, "x".to_string()), (3, reason())]);
    }
}
