//! The threads on which the files of one guest are waited for.
//!
//! A call that is given up leaves its thread behind until the system answers. What may never answer, a pipe that nobody
//! writes to, say, is not opened; a disk may take its time. Each guest has its own few, so that it can only use up those,
//! and the files of all other guests are read as before. What was begun and given up waits for a thread as well, each with
//! what it copied of the guest's memory: when there are many of those, no more is begun until some of them are done.

use std::{
    fmt, io,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use tokio::runtime::{Builder, EnterGuard, Runtime};
use wappa_component::{Account, Charge};

/// What is copied of a guest's memory for one call at once, in bytes.
pub(crate) const PIECE_BYTES: usize = 256 << 10;

/// How many files may be waited for at once.
const THREADS_MAX: usize = 32;

/// What one of them takes of the memory: of its stack it uses little.
const THREAD_BYTES: usize = 32 << 10;

/// So many calls may be given up and not done.
const BEHIND_MAX: usize = 64;

/// They come into being when they are needed, and live as long as the guest.
pub(crate) struct Threads {
    runtime: Option<Runtime>,
    has_first: OnceLock<()>,
    /// How many calls were given up and may not be done.
    behind: Arc<AtomicUsize>,
    account: Account,
    _charge: Charge,
}

impl fmt::Debug for Threads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Threads").finish_non_exhaustive()
    }
}

impl Threads {
    /// Starts none yet.
    pub(crate) fn new(account: &Account) -> io::Result<Threads> {
        let charge =
            account.charge(THREADS_MAX * THREAD_BYTES).map_err(|it| io::Error::other(it.to_string()))?;
        let runtime = Builder::new_current_thread()
            .max_blocking_threads(THREADS_MAX)
            .thread_name("wasm-files")
            .thread_keep_alive(Duration::MAX)
            .build()?;
        Ok(Threads {
            runtime: Some(runtime),
            has_first: OnceLock::new(),
            behind: Arc::default(),
            account: account.clone(),
            _charge: charge,
        })
    }

    /// While the guard lives, what wasmtime-wasi hands to a thread goes to one of these. An error when there can be none.
    pub(crate) fn enter(&self) -> io::Result<Option<EnterGuard<'_>>> {
        let Some(runtime) = &self.runtime else { return Ok(None) };
        if self.has_first.get().is_none() {
            // Where the system gives no thread, tokio panics, unless there is one that can do the work.
            thread::Builder::new().spawn(|| ())?;
            self.has_first.get_or_init(|| drop(runtime.spawn_blocking(|| ())));
        }
        Ok(Some(runtime.enter()))
    }

    /// So many calls are given up: the system may still be at work on them, or not have begun.
    pub(crate) fn give_up(&self, n: usize) {
        let (Some(runtime), true) = (&self.runtime, 0 < n && self.has_first.get().is_some()) else { return };
        self.behind.fetch_add(n, Ordering::Relaxed);
        let behind = Arc::clone(&self.behind);
        let charge = self.account.charge(n * PIECE_BYTES);
        // Threads take what waits for them in its order: once one is at this, all that was given up has begun.
        drop(runtime.spawn_blocking(move || {
            drop(charge);
            behind.fetch_sub(n, Ordering::Relaxed);
        }));
    }

    /// Whether there are so many of those that nothing more should be begun.
    pub(crate) fn is_behind(&self) -> bool {
        BEHIND_MAX <= self.behind.load(Ordering::Relaxed)
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Nobody waits for those that wait for ever.
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, time::Instant};

    use wappa_component::Ledger;

    use super::*;

    /// What is given up has its copies until a thread has come to it.
    #[test]
    fn what_was_given_up_is_few_and_counted_until_it_is_done() {
        let ledger = Ledger::new(1 << 30);
        let threads = Threads::new(&ledger.account()).expect("there is room");
        let before = ledger.held();
        let (ending, ended) = mpsc::channel::<()>();
        let ended = Arc::new(std::sync::Mutex::new(ended));
        let entered = threads.enter().expect("a thread");
        for _ in 0..THREADS_MAX {
            let ended = Arc::clone(&ended);
            drop(tokio::task::spawn_blocking(move || drop(ended.lock().map(|it| it.recv()))));
        }
        drop(entered);
        for _ in 1..BEHIND_MAX {
            threads.give_up(1);
        }
        assert!(!threads.is_behind());
        threads.give_up(1);
        assert!(threads.is_behind());
        assert_eq!(ledger.held() - before, BEHIND_MAX * PIECE_BYTES);
        drop(ending);
        let deadline = Instant::now() + Duration::from_secs(60);
        while threads.is_behind() || before < ledger.held() {
            assert!(Instant::now() < deadline, "nothing of it was done");
            thread::sleep(Duration::from_millis(1));
        }
    }
}
