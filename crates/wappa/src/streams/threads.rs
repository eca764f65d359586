//! Threads of all streams together, counted before they are started.
//!
//! A thread has a stack with a page before it, and another one for signals: four mappings of memory, of which a process may
//! have so many. One that gets no stack for signals ends the whole process, with all that runs beside it.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// Where the system says how many mappings of memory a process may have.
const MAPS_MAX: &str = "/proc/sys/vm/max_map_count";

/// How many it has been since 2002, where it does not say.
const MAPS_MAX_USUAL: usize = 65_530;

/// So many mappings there have to be for each thread: four are its own, and the rest is for guests and all else.
const MAPS_OF_THREAD: usize = 7;

/// How many threads all streams have and may have.
#[derive(Debug)]
pub(super) struct Threads {
    n: AtomicUsize,
    max: usize,
}

/// What a stream has of them, until this is dropped.
#[derive(Debug)]
pub(super) struct ThreadsOfStream {
    of: Arc<Threads>,
    n: usize,
}

impl Threads {
    /// None yet, of as many as this machine has room for.
    pub(super) fn of_machine() -> Arc<Threads> {
        let maps = fs::read_to_string(MAPS_MAX).ok().and_then(|it| it.trim().parse().ok());
        Arc::new(Threads { n: AtomicUsize::new(0), max: maps.unwrap_or(MAPS_MAX_USUAL) / MAPS_OF_THREAD })
    }

    /// So many more; the error says that there is no room for them, and what to do.
    pub(super) fn take(self: &Arc<Threads>, n: usize) -> Result<ThreadsOfStream, String> {
        let add = |before: usize| before.checked_add(n).filter(|it| *it <= self.max);
        match self.n.fetch_update(Ordering::SeqCst, Ordering::SeqCst, add) {
            Ok(_) => Ok(ThreadsOfStream { of: Arc::clone(self), n }),
            Err(before) => Err(format!(
                "the streams would have {} threads together, and the machine has room for {}: lower `pipeline.threads`, or raise \
                 `vm.max_map_count`",
                before.saturating_add(n),
                self.max
            )),
        }
    }
}

impl Drop for ThreadsOfStream {
    fn drop(&mut self) {
        self.of.n.fetch_sub(self.n, Ordering::SeqCst);
    }
}
