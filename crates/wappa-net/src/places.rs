//! How many connections a server may have at once, and all servers of the process together.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use rustix::process::{Resource, getrlimit};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// What connections of strangers leave of the process's descriptors, for files, guests and clients: one in so many.
const LEFT_SHARE: usize = 4;

/// What a server may take of them however many the others have: one in so many.
const OWN_SHARE: usize = 64;

/// The connections of all servers of the process.
static ALL: All = All { n_open: AtomicUsize::new(0), freed: Notify::const_new() };

struct All {
    n_open: AtomicUsize,
    freed: Notify,
}

/// The places of a server's connections. Cloning shares.
#[derive(Clone, Debug)]
pub struct Places {
    free: Arc<Semaphore>,
    limit: usize,
    /// What limits them.
    reason: &'static str,
    /// As many as all servers may have together, and as many as this one may have whatever the others do.
    together: usize,
    own: usize,
}

/// The place of a connection, until it is dropped.
#[derive(Debug)]
pub struct Place {
    _one: OwnedSemaphorePermit,
}

const SHARED: &str = "three quarters of what the process may open, `ulimit -n`";

impl Places {
    /// As many as the config says, and no more than three quarters of what the process may have open for all servers
    /// together, of which each has its share.
    pub fn new(max_connections: usize) -> Places {
        let descriptors = getrlimit(Resource::Nofile).current.and_then(|it| usize::try_from(it).ok());
        let share = |part: usize| descriptors.map_or(usize::MAX, |it| (it / part).max(1));
        let together = descriptors.map_or(usize::MAX, |it| (it - it / LEFT_SHARE).max(1));
        // Nobody takes more than this one at once.
        let most = together.min(u32::MAX as usize).min(Semaphore::MAX_PERMITS);
        let (limit, reason) = match max_connections <= most {
            true => (max_connections, "`max_connections`"),
            false => (most, SHARED),
        };
        Places { free: Arc::new(Semaphore::new(limit)), limit, reason, together, own: share(OWN_SHARE) }
    }

    /// How many there are.
    pub fn limit(&self) -> usize {
        self.limit
    }

    fn n_taken(&self) -> usize {
        self.limit - self.free.available_permits()
    }

    /// Waits for a place; it is free again when it is dropped.
    pub async fn take(&self) -> Place {
        let one = Arc::clone(&self.free).acquire_owned().await.expect("it is never closed");
        loop {
            let mut freed = pin!(ALL.freed.notified());
            // What is freed from here on is heard of.
            freed.as_mut().enable();
            let may = |n_open: usize| n_open < self.together || self.n_taken() <= self.own;
            let taken = |n_open| may(n_open).then_some(n_open + 1);
            if ALL.n_open.fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken).is_ok() {
                return Place { _one: one };
            }
            freed.await;
        }
    }

    /// What is to be said where there is none left.
    pub fn all_taken(&self) -> Option<String> {
        if self.free.available_permits() == 0 {
            let (limit, reason) = (self.limit, self.reason);
            return Some(format!("There are {limit} connections, as many as there may be ({reason})"));
        }
        let n_open = ALL.n_open.load(Ordering::Relaxed);
        (self.together <= n_open && self.own <= self.n_taken()).then(|| {
            format!("All servers together have {n_open} connections, as many as there may be ({SHARED})")
        })
    }

    /// Waits until all are free.
    pub async fn all_free(&self) {
        let all = u32::try_from(self.limit).expect("there are no more");
        let _ = self.free.acquire_many(all).await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        ALL.n_open.fetch_sub(1, Ordering::Relaxed);
        ALL.freed.notify_waiters();
    }
}
