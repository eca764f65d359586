//! The threads on which the files of one guest are waited for.
//!
//! A call that is given up leaves its thread behind until the system answers. What may never answer, a pipe that nobody
//! writes to, say, is not opened; a disk may take its time. Each guest has its own few, so that it can only use up those,
//! and the files of all other guests are read as before.

use std::{fmt, io};

use tokio::runtime::{Builder, EnterGuard, Runtime};
use wappa_component::{Account, Charge};

/// How many files may be waited for at once.
const THREADS_MAX: usize = 32;

/// What one of them takes of the memory: of its stack it uses little.
const THREAD_BYTES: usize = 32 << 10;

/// They come into being when they are needed, and end when they have been idle for some seconds.
pub(crate) struct Threads {
    runtime: Option<Runtime>,
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
            .build()?;
        Ok(Threads { runtime: Some(runtime), _charge: charge })
    }

    /// While the guard lives, what wasmtime-wasi hands to a thread goes to one of these.
    pub(crate) fn enter(&self) -> Option<EnterGuard<'_>> {
        self.runtime.as_ref().map(Runtime::enter)
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
