//! Helpers: lanes for threads that work on a part of what another thread has.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    thread::{self, Scope, ScopedJoinHandle},
};

/// How many threads of a process may help others at once. One that waits for the world costs little but its stack.
pub(crate) const HELPERS: usize = 64;

/// The stack of a helper: guests may use half of it, as of those of the pipeline's threads.
const STACK_BYTES: usize = 8 * 1024 * 1024;

/// The lanes that are free, by their numbers among those of helpers.
pub(crate) struct FreeHelpers(Mutex<Vec<usize>>);

impl Default for FreeHelpers {
    fn default() -> FreeHelpers {
        FreeHelpers(Mutex::new((0..HELPERS).rev().collect()))
    }
}

/// The lanes of helpers. Cloning shares.
#[derive(Clone)]
pub struct Helpers {
    pub(crate) first: usize,
    pub(crate) free: Arc<FreeHelpers>,
}

/// A lane that is nobody else's until this is dropped.
pub struct HelperLane {
    first: usize,
    idx: usize,
    free: Arc<FreeHelpers>,
}

impl Helpers {
    /// As many lanes as are free, up to `n_max`.
    pub fn take(&self, n_max: usize) -> Vec<HelperLane> {
        let mut free = self.free.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = free.len().saturating_sub(n_max);
        let lane = |idx| HelperLane { first: self.first, idx, free: Arc::clone(&self.free) };
        free.split_off(at).into_iter().map(lane).collect()
    }
}

impl HelperLane {
    /// Which of the stream's lanes it is.
    pub fn lane(&self) -> usize {
        self.first + self.idx
    }

    /// Starts the thread that works on this lane. Its mappings end when those of this thread would: a thread that is
    /// started otherwise knows nothing of the stop. `None`: the system gives no thread.
    pub fn start<'scope, T: Send + 'scope>(
        &self,
        scope: &'scope Scope<'scope, '_>,
        work: impl FnOnce() -> T + Send + 'scope,
    ) -> Option<ScopedJoinHandle<'scope, T>> {
        let watched = wappa_spec::watched();
        let work = move || {
            wappa_spec::watch(watched);
            work()
        };
        thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, work).ok()
    }
}

impl Drop for HelperLane {
    fn drop(&mut self) {
        self.free.0.lock().unwrap_or_else(PoisonError::into_inner).push(self.idx);
    }
}

impl fmt::Debug for Helpers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Helpers(from {})", self.first)
    }
}

impl fmt::Debug for HelperLane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HelperLane({})", self.lane())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    struct Never;

    impl wappa_spec::Watch for Never {
        fn now(&self) -> Duration {
            Duration::ZERO
        }

        fn is_interrupted(&self) -> bool {
            false
        }
    }

    #[test]
    fn mappings_of_a_helper_are_watched_as_those_of_whom_it_helps() {
        let helpers = Helpers { first: 0, free: Arc::default() };
        let lanes = helpers.take(1);
        let is_watched = || {
            thread::scope(|scope| {
                let helper = lanes[0].start(scope, || wappa_spec::watched().is_some());
                helper.expect("a thread can be had").join().expect("no panic")
            })
        };
        assert!(!is_watched());
        wappa_spec::watch(Some(Arc::new(Never)));
        assert!(is_watched());
        wappa_spec::watch(None);
    }

    #[test]
    fn a_lane_is_nobody_elses_until_it_is_given_back() {
        let helpers = Helpers { first: 3, free: Arc::default() };
        let one = helpers.take(2);
        assert_eq!(one.iter().map(HelperLane::lane).collect::<Vec<_>>(), [4, 3]);
        let rest = helpers.take(1000);
        assert_eq!((rest.len(), helpers.take(1).len()), (HELPERS - 2, 0));
        drop(one);
        assert_eq!(helpers.take(5).len(), 2);
    }
}
