//! Interrupting guests from outside: at shutdown, every running guest ends with an error of its own kind.
//!
//! The flag is read by guests' epoch callbacks and by everything here that waits; raising it also wakes the waiters.

use std::{
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

/// A handle that interrupts guests. Clones are one and the same; once raised it stays raised.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<State>);

#[derive(Debug, Default)]
struct State {
    raised: AtomicBool,
    lock: Mutex<()>,
    wake: Condvar,
}

impl Interrupt {
    /// A handle that was not raised yet.
    pub fn new() -> Interrupt {
        Interrupt::default()
    }

    /// Ends the guests that run under this handle, within one tick, and every wait for an instance.
    pub fn raise(&self) {
        self.0.raised.store(true, Ordering::Release);
        // Taken so that a waiter between its check and its wait cannot miss the wake-up.
        drop(self.0.lock.lock().unwrap_or_else(PoisonError::into_inner));
        self.0.wake.notify_all();
    }

    /// Whether the handle was raised.
    #[inline]
    pub fn is_raised(&self) -> bool {
        self.0.raised.load(Ordering::Acquire)
    }

    /// Sleeps until then, or until the handle is raised.
    pub(crate) fn sleep_until(&self, until: Instant) {
        let mut guard = self.0.lock.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || self.is_raised() {
                return;
            }
            guard = self.0.wake.wait_timeout(guard, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
