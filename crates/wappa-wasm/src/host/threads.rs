//! The threads on which the files of one guest are waited for.
//!
//! A call that is given up leaves its thread behind until the system answers. What may never answer, a pipe that nobody
//! writes to, say, is not opened; a disk may take its time. Each guest has its own few, so that it can only use up those,
//! and the files of all other guests are read as before.

use std::{fmt, io, sync::OnceLock, thread, time::Duration};

use tokio::runtime::{Builder, EnterGuard, Runtime};
use wappa_component::{Account, Charge};

/// How many files may be waited for at once.
const THREADS_MAX: usize = 32;

/// What one of them takes of the memory: of its stack it uses little.
const THREAD_BYTES: usize = 32 << 10;

/// They come into being when they are needed, and live as long as the guest.
pub(crate) struct Threads {
    runtime: Option<Runtime>,
    has_first: OnceLock<()>,
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
        Ok(Threads { runtime: Some(runtime), has_first: OnceLock::new(), _charge: charge })
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
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Nobody waits for those that wait for ever.
            runtime.shutdown_background();
        }
    }
}
