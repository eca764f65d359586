//! Waiting: one wait over data, a time that is due, and a wake-up from another thread.

use std::{fmt, os::fd::BorrowedFd, time::Duration};

/// Where the time comes from. In a simulation it is virtual.
pub trait Clock: Send + Sync {
    /// Time since the stream was made. Never goes back.
    fn now(&self) -> Duration;
}

/// Why a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// The descriptor has data, or its other end is closed.
    Ready,
    /// The given time has come.
    Due,
    /// Somebody has something else to do: give control back.
    Called,
}

/// How an input waits. No input blocks in any other way, so that it can always be woken.
pub trait Waiter {
    /// Time since the stream was made.
    fn now(&self) -> Duration;

    /// Waits until `descriptor` is readable, until `until`, or until somebody calls.
    ///
    /// A call that came before the wait ends it at once.
    fn wait(&self, descriptor: Option<BorrowedFd<'_>>, until: Option<Duration>) -> Woken;
}

/// A waiter whose waits end at `until` at the latest.
pub(crate) struct Bounded<'a> {
    inner: &'a dyn Waiter,
    until: Duration,
}

impl dyn Waiter + '_ {
    /// This waiter, with waits that end at `until` at the latest. `None` is no bound.
    pub fn bounded<R>(&self, until: Option<Duration>, f: impl FnOnce(&dyn Waiter) -> R) -> R {
        match until {
            Some(until) => f(&Bounded { inner: self, until }),
            None => f(self),
        }
    }
}

impl Waiter for Bounded<'_> {
    fn now(&self) -> Duration {
        self.inner.now()
    }

    fn wait(&self, descriptor: Option<BorrowedFd<'_>>, until: Option<Duration>) -> Woken {
        let until = until.map_or(self.until, |it| it.min(self.until));
        self.inner.wait(descriptor, Some(until))
    }
}

impl fmt::Debug for Bounded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bounded({:?})", self.until)
    }
}
