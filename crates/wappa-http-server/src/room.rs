//! Room for one more: where all places of a server are taken, whoever has asked for nothing for the longest time gives up
//! his.
//!
//! So strangers who connect and say nothing, or begin to and never end, keep nobody out for long: neither clients nor who
//! asks whether the service is well.

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

use crate::answer::{Answer, Content, Pieces};

/// Whoever has just come, or was just answered, is given so long to ask for something.
const PATIENCE: Duration = Duration::from_secs(1);

/// The connections of a server. Cloning shares.
#[derive(Clone)]
pub(crate) struct Room(Arc<Shared>);

struct Shared {
    began: Instant,
    all: Mutex<All>,
}

#[derive(Default)]
struct All {
    next: u64,
    connections: BTreeMap<u64, Arc<State>>,
}

struct State {
    began: Instant,
    n_under_way: AtomicUsize,
    n_begun: AtomicU64,
    /// When the last request was answered, or else when it came, in milliseconds since the server began.
    idle_since: AtomicU64,
    is_asked: AtomicBool,
    leave: Notify,
}

/// A connection among the others, until this is dropped.
pub(crate) struct Seat {
    number: u64,
    room: Room,
    uses: Uses,
}

/// The requests of a connection. Cloning shares.
#[derive(Clone)]
pub(crate) struct Uses(Arc<State>);

/// A request that is under way, until this is dropped.
pub(crate) struct Using(Arc<State>);

fn millis_since(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)
}

impl Room {
    pub(crate) fn new() -> Room {
        Room(Arc::new(Shared { began: Instant::now(), all: Mutex::default() }))
    }

    fn lock(&self) -> MutexGuard<'_, All> {
        self.0.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more is there.
    pub(crate) fn enter(&self) -> Seat {
        let state = Arc::new(State {
            began: self.0.began,
            n_under_way: AtomicUsize::new(0),
            n_begun: AtomicU64::new(0),
            idle_since: AtomicU64::new(millis_since(self.0.began)),
            is_asked: AtomicBool::new(false),
            leave: Notify::new(),
        });
        let mut all = self.lock();
        let number = all.next;
        all.next += 1;
        all.connections.insert(number, Arc::clone(&state));
        Seat { number, room: self.clone(), uses: Uses(state) }
    }

    /// Asks the one to leave that has asked for nothing for the longest time, if there is one that has not for a while.
    pub(crate) fn make(&self) {
        let Some(before) = millis_since(self.0.began).checked_sub(PATIENCE.as_millis() as u64) else {
            return;
        };
        let all = self.lock();
        let idle = all
            .connections
            .values()
            .filter(|it| it.n_under_way.load(Ordering::Relaxed) == 0 && !it.is_asked.load(Ordering::Relaxed));
        let longest = idle.min_by_key(|it| it.idle_since.load(Ordering::Relaxed));
        if let Some(state) = longest.filter(|it| it.idle_since.load(Ordering::Relaxed) <= before) {
            state.is_asked.store(true, Ordering::Relaxed);
            state.leave.notify_one();
        }
    }
}

impl Seat {
    pub(crate) fn uses(&self) -> &Uses {
        &self.uses
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.room.lock().connections.remove(&self.number);
    }
}

impl Uses {
    /// A request begins.
    pub(crate) fn begin(&self) -> Using {
        self.0.n_under_way.fetch_add(1, Ordering::Relaxed);
        self.0.n_begun.fetch_add(1, Ordering::Relaxed);
        Using(Arc::clone(&self.0))
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
            self.0.is_asked.store(false, Ordering::Relaxed);
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
