//! Room for one more: where all places of a server are taken, whoever has asked for nothing for the longest time gives up
//! his.
//!
//! So strangers who connect and say nothing, or begin to and never end, keep nobody out for long: neither clients nor who
//! asks whether the service is well.
//!
//! The same holds for memory: heads that are not whole have a bound in common, and where it is passed, whoever has taken
//! longest for his gives up his place.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    sync::Notify,
    time::{Instant, sleep},
};

use wappa_component::{Level, Logger};
use wappa_net::Quiet;

use crate::answer::{Answer, Content, Pieces};

/// Whoever has just come, or was just answered, is given so long to ask for something.
const PATIENCE: Duration = Duration::from_secs(1);

/// What may wait in heads that are not whole, beside what each connection has. Twice as much is never passed.
const HEADS_BYTES_MAX: usize = 16 * 1024 * 1024;

/// So much of a head is every connection's.
const HEAD_BYTES_FREE: usize = 4 * 1024;

/// Bodies that are no longer look to who reads like the begin of the next request.
const BODY_BYTES_MIN: u64 = 8 * 1024;

/// Nobody knows how long the body is.
const UNKNOWN: u64 = u64::MAX;

/// What comes next on a connection on which requests follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// A head, or a body that is no longer than one, or one behind it.
    Head,
    /// So much of a body, or a little less.
    Body(u64),
    /// Pieces of a body, and what follows it.
    Pieces,
    /// What is none of this server's.
    Foreign,
}

/// The connections of a server. Cloning shares.
#[derive(Clone)]
pub(crate) struct Room(Arc<Shared>);

struct Shared {
    began: Instant,
    all: Mutex<All>,
    quiet: Quiet,
}

#[derive(Default)]
struct All {
    next: u64,
    connections: BTreeMap<u64, Arc<State>>,
    /// The bytes that are charged for heads, and those of them of who is asked to leave.
    n_charged: usize,
    n_leaving: usize,
}

struct State {
    began: Instant,
    n_under_way: AtomicUsize,
    n_begun: AtomicU64,
    /// When the last request was answered, or else when it came, in milliseconds since the server began.
    idle_since: AtomicU64,
    is_asked: AtomicBool,
    leave: Notify,
    /// What is to come of the body of the request that began last; [`UNKNOWN`]: nobody knows how much.
    n_body_left: AtomicU64,
    /// Requests may follow each other before they are answered, one by one.
    is_pipelined: bool,
    /// Nobody is here any more, and what is read is somebody else's.
    is_over: AtomicBool,
    /// How much has come of a head, and since when, in milliseconds since the server began.
    n_head_bytes: AtomicUsize,
    head_since: AtomicU64,
    /// What is charged for it, and what of that is said to leave; told apart under the room's lock.
    n_charged: AtomicUsize,
    n_leaving: AtomicUsize,
}

/// A connection among the others, until this is dropped.
pub(crate) struct Seat {
    number: u64,
    uses: Uses,
}

/// The requests of a connection. Cloning shares.
#[derive(Clone)]
pub(crate) struct Uses(Arc<State>, Room);

/// A request that is under way, until this is dropped.
pub(crate) struct Using(Arc<State>);

fn millis_since(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)
}

impl Room {
    pub(crate) fn new(logger: Logger) -> Room {
        Room(Arc::new(Shared { began: Instant::now(), all: Mutex::default(), quiet: Quiet::new(logger) }))
    }

    fn lock(&self) -> MutexGuard<'_, All> {
        self.0.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more is there, on whose connection requests may follow each other one by one, or come all at once.
    pub(crate) fn enter(&self, is_pipelined: bool) -> Seat {
        let state = Arc::new(State {
            began: self.0.began,
            n_under_way: AtomicUsize::new(0),
            n_begun: AtomicU64::new(0),
            idle_since: AtomicU64::new(millis_since(self.0.began)),
            is_asked: AtomicBool::new(false),
            leave: Notify::new(),
            n_body_left: AtomicU64::new(0),
            is_pipelined,
            is_over: AtomicBool::new(false),
            n_head_bytes: AtomicUsize::new(0),
            head_since: AtomicU64::new(0),
            n_charged: AtomicUsize::new(0),
            n_leaving: AtomicUsize::new(0),
        });
        let mut all = self.lock();
        let number = all.next;
        all.next += 1;
        all.connections.insert(number, Arc::clone(&state));
        Seat { number, uses: Uses(state, self.clone()) }
    }

    /// Asks the one to leave that has asked for nothing for the longest time, if there is one that has not for a while.
    pub(crate) fn make(&self) {
        let Some(before) = millis_since(self.0.began).checked_sub(PATIENCE.as_millis() as u64) else {
            return;
        };
        let mut all = self.lock();
        let idle = all
            .connections
            .values()
            .filter(|it| it.n_under_way.load(Ordering::Relaxed) == 0 && !it.is_asked.load(Ordering::Relaxed));
        let longest = idle.min_by_key(|it| it.idle_since.load(Ordering::Relaxed));
        if let Some(state) = longest.filter(|it| it.idle_since.load(Ordering::Relaxed) <= before).cloned() {
            all.ask_to_leave(&state);
        }
    }
}

impl All {
    fn ask_to_leave(&mut self, state: &State) {
        state.is_asked.store(true, Ordering::Relaxed);
        self.charge(state, 0);
        state.leave.notify_one();
    }

    /// So much more is charged for somebody's head.
    fn charge(&mut self, state: &State, n_more: usize) {
        let n_charged = state.n_charged.load(Ordering::Relaxed) + n_more;
        state.n_charged.store(n_charged, Ordering::Relaxed);
        self.n_charged += n_more;
        let n_leaving = if state.is_asked.load(Ordering::Relaxed) { n_charged } else { 0 };
        self.n_leaving = self.n_leaving - state.n_leaving.swap(n_leaving, Ordering::Relaxed) + n_leaving;
    }

    /// Nothing is charged any more.
    fn release(&mut self, state: &State) {
        self.n_charged -= state.n_charged.swap(0, Ordering::Relaxed);
        self.n_leaving -= state.n_leaving.swap(0, Ordering::Relaxed);
    }

    /// Asks those to leave who have taken longest for their heads, until there is room for those of all others. Whether any
    /// were.
    fn make_for_heads(&mut self) -> bool {
        let n_over = (self.n_charged - self.n_leaving).saturating_sub(HEADS_BYTES_MAX);
        if n_over == 0 {
            return false;
        }
        let stays = |it: &&Arc<State>| {
            0 < it.n_charged.load(Ordering::Relaxed) && !it.is_asked.load(Ordering::Relaxed)
        };
        let mut holders: Vec<Arc<State>> = self.connections.values().filter(stays).cloned().collect();
        holders.sort_by_key(|it| it.head_since.load(Ordering::Relaxed));
        // A little more than has to be, so that it is not looked for each piece.
        let mut n_wanted = n_over + HEADS_BYTES_MAX / 8;
        for state in holders {
            if n_wanted == 0 {
                break;
            }
            n_wanted = n_wanted.saturating_sub(state.n_charged.load(Ordering::Relaxed));
            self.ask_to_leave(&state);
        }
        true
    }
}

impl Seat {
    pub(crate) fn uses(&self) -> &Uses {
        &self.uses
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let Uses(state, room) = &self.uses;
        let mut all = room.lock();
        state.is_over.store(true, Ordering::Relaxed);
        all.release(state);
        all.connections.remove(&self.number);
    }
}

impl Uses {
    /// A request begins, with a body of so many bytes; `None`: nobody knows how many.
    pub(crate) fn begin(&self, n_body_bytes: Option<u64>) -> Using {
        if self.0.is_pipelined {
            // Its head was all that was there. Where there are several at once, whoever reads them knows better.
            self.release();
        }
        let n_left = n_body_bytes.map_or(UNKNOWN, |it| if BODY_BYTES_MIN < it { it } else { 0 });
        self.0.n_body_left.store(n_left, Ordering::Relaxed);
        self.0.n_under_way.fetch_add(1, Ordering::Relaxed);
        self.0.n_begun.fetch_add(1, Ordering::Relaxed);
        Using(Arc::clone(&self.0))
    }

    /// What comes next.
    pub(crate) fn expected(&self) -> Expected {
        let state = &self.0;
        if state.is_over.load(Ordering::Relaxed) {
            return Expected::Foreign;
        }
        if state.n_under_way.load(Ordering::Relaxed) == 0 {
            return Expected::Head;
        }
        match state.n_body_left.load(Ordering::Relaxed) {
            0 => Expected::Head,
            UNKNOWN => Expected::Pieces,
            n_left => Expected::Body(n_left),
        }
    }

    /// So much of the body has come.
    pub(crate) fn came(&self, n_bytes: u64) {
        let less = |it: u64| Some(it.saturating_sub(n_bytes));
        _ = self.0.n_body_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    /// So much is there of heads that are not whole. `false`: there is no room for it.
    pub(crate) fn hold_all(&self, n_bytes: usize) -> bool {
        let n_before = self.0.n_head_bytes.load(Ordering::Relaxed);
        if n_bytes < n_before {
            self.release();
        }
        self.hold(n_bytes.saturating_sub(self.0.n_head_bytes.load(Ordering::Relaxed)))
    }

    /// So much has come of a head. `false`: there is no room for it.
    pub(crate) fn hold(&self, n_bytes: usize) -> bool {
        let Uses(state, room) = self;
        let n_before = state.n_head_bytes.fetch_add(n_bytes, Ordering::Relaxed);
        if n_before + n_bytes <= HEAD_BYTES_FREE {
            return true;
        }
        if n_before <= HEAD_BYTES_FREE {
            state.head_since.store(millis_since(state.began), Ordering::Relaxed);
        }
        let mut all = room.lock();
        if state.is_over.load(Ordering::Relaxed) {
            return true;
        }
        all.charge(state, n_before + n_bytes - n_before.max(HEAD_BYTES_FREE));
        let is_within = all.n_charged <= 2 * HEADS_BYTES_MAX;
        let were_asked = all.make_for_heads();
        drop(all);
        if were_asked {
            let limit = HEADS_BYTES_MAX >> 20;
            let text = format!(
                "Heads of requests that are not whole take more than {limit}MiB: the slowest connections are closed"
            );
            room.0.quiet.log(Level::Warn, &text);
        }
        is_within
    }

    /// The head is whole, or nobody reads it any more.
    fn release(&self) {
        let Uses(state, room) = self;
        if HEAD_BYTES_FREE < state.n_head_bytes.swap(0, Ordering::Relaxed) {
            room.lock().release(state);
        }
    }

    /// Waits until no request was under way for so long.
    pub(crate) async fn idle(&self, time: Duration) {
        let mut seen = u64::MAX;
        loop {
            sleep(time).await;
            let n_begun = self.0.n_begun.load(Ordering::Relaxed);
            if self.0.n_under_way.load(Ordering::Relaxed) == 0 && n_begun == seen {
                return;
            }
            seen = n_begun;
        }
    }

    /// Waits until somebody else needs the place, and no request is under way.
    pub(crate) async fn given_up(&self) {
        loop {
            self.0.leave.notified().await;
            if self.0.n_under_way.load(Ordering::Relaxed) == 0 {
                return;
            }
            // It has asked for something meanwhile.
            let mut all = self.1.lock();
            self.0.is_asked.store(false, Ordering::Relaxed);
            all.charge(&self.0, 0);
        }
    }
}

impl Using {
    /// The request is under way until its answer is made, and as long as pieces of that are to come.
    pub(crate) fn until_made(self, answer: Answer) -> Answer {
        answer.map(|content| match content {
            Content::Pieces(inner) => Content::Pieces(Box::new(Making { inner, _using: self })),
            whole => whole,
        })
    }
}

impl Drop for Using {
    fn drop(&mut self) {
        self.0.idle_since.store(millis_since(self.0.began), Ordering::Relaxed);
        self.0.n_under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

struct Making {
    inner: Box<dyn Pieces>,
    _using: Using,
}

impl Pieces for Making {
    fn poll_next(&mut self, ctx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.inner.poll_next(ctx)
    }

    fn size(&self) -> Option<u64> {
        self.inner.size()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_asked(seat: &Seat) -> bool {
        seat.uses().0.is_asked.load(Ordering::Relaxed)
    }

    fn charged(room: &Room) -> (usize, usize) {
        let all = room.lock();
        (all.n_charged, all.n_leaving)
    }

    #[test]
    fn whoever_has_taken_longest_for_a_head_leaves_first() {
        let room = Room::new(Logger::silent());
        let seats: Vec<Seat> = (0..16).map(|_| room.enter(true)).collect();
        let all_but_free = |n: usize| n * (1 << 20) - HEAD_BYTES_FREE;
        for seat in &seats {
            assert!(seat.uses().hold(1 << 20));
        }
        assert_eq!(charged(&room), (16 * all_but_free(1), 0));
        seats[0].uses().0.head_since.store(0, Ordering::Relaxed);
        assert!(seats[1].uses().hold(2 << 20));
        assert!(is_asked(&seats[0]));
        let n_asked = seats.iter().filter(|it| is_asked(it)).count();
        assert!((2..6).contains(&n_asked), "{n_asked}");
        // One whose head is whole holds nothing, and neither does one that is gone.
        let using = seats[0].uses().begin(Some(0));
        drop(using);
        drop(seats);
        assert_eq!(charged(&room), (0, 0));
    }

    #[test]
    fn nobody_passes_twice_the_bound() {
        let room = Room::new(Logger::silent());
        let seat = room.enter(true);
        assert!(seat.uses().hold(2 * HEADS_BYTES_MAX));
        assert!(!seat.uses().hold(2 * HEAD_BYTES_FREE));
        // A body is bounded elsewhere, and what is read once the connection has become something else is none of ours.
        assert_eq!(seat.uses().expected(), Expected::Head);
        let uses = seat.uses().clone();
        let using = uses.begin(None);
        assert_eq!(uses.expected(), Expected::Pieces);
        drop(using);
        assert_eq!(uses.expected(), Expected::Head);
        drop(seat);
        assert!(uses.expected() == Expected::Foreign && uses.hold(3 * HEADS_BYTES_MAX));
        assert_eq!(charged(&room), (0, 0));
    }

    #[test]
    fn what_follows_a_body_is_a_head() {
        let room = Room::new(Logger::silent());
        let seat = room.enter(true);
        let uses = seat.uses();
        let using = uses.begin(Some(10_000));
        assert_eq!(uses.expected(), Expected::Body(10_000));
        uses.came(9_000);
        assert_eq!(uses.expected(), Expected::Body(1_000));
        uses.came(1_000);
        assert_eq!(uses.expected(), Expected::Head);
        drop(using);
        let using = uses.begin(Some(100));
        assert_eq!(uses.expected(), Expected::Head);
        drop(using);
    }

    #[test]
    fn what_is_there_of_blocks_is_counted_beside_requests_that_are_under_way() {
        let room = Room::new(Logger::silent());
        let seat = room.enter(false);
        let uses = seat.uses();
        assert!(uses.hold_all(10_000));
        let using = uses.begin(None);
        assert_eq!(charged(&room), (10_000 - HEAD_BYTES_FREE, 0));
        assert!(uses.hold_all(20_000));
        assert_eq!(charged(&room), (20_000 - HEAD_BYTES_FREE, 0));
        assert!(uses.hold_all(5_000));
        assert_eq!(charged(&room), (5_000 - HEAD_BYTES_FREE, 0));
        assert!(uses.hold_all(0) && !uses.hold_all(3 * HEADS_BYTES_MAX));
        drop(using);
        drop(seat);
        assert_eq!(charged(&room), (0, 0));
    }

    #[test]
    fn heads_that_become_whole_in_time_disturb_nobody() {
        let room = Room::new(Logger::silent());
        let seats: Vec<Seat> = (0..100).map(|_| room.enter(true)).collect();
        for _ in 0..100 {
            for seat in &seats {
                assert!(seat.uses().hold(60 << 10));
                drop(seat.uses().begin(Some(9)));
            }
        }
        assert!(!seats.iter().any(is_asked));
        assert_eq!(charged(&room), (0, 0));
    }
}
