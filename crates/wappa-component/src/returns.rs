//! Returns: what comes back to an output from the outputs below it, on any thread, until it has its turn.

use std::{
    fmt, mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::OutputBell;

/// A place for what is answered to an output that tries elsewhere or again. Cloning shares.
///
/// Whoever puts something there rings for the output's turn, unless the output has it and looks anyway.
pub struct Returns<T>(Arc<Shared<T>>);

struct Shared<T> {
    bell: OutputBell,
    state: Mutex<State<T>>,
}

struct State<T> {
    items: Vec<T>,
    is_attended: bool,
}

impl<T> Returns<T> {
    /// An empty place.
    pub fn new(bell: OutputBell) -> Returns<T> {
        let state = Mutex::new(State { items: Vec::new(), is_attended: false });
        Returns(Arc::new(Shared { bell, state }))
    }

    /// The output has its turn, and calls [`Returns::take`] until nothing is there.
    pub fn attend(&self) {
        self.lock().is_attended = true;
    }

    /// Puts something there. From any thread.
    pub fn put(&self, item: T) {
        let mut state = self.lock();
        state.items.push(item);
        let is_attended = state.is_attended;
        drop(state);
        if !is_attended {
            self.0.bell.ring();
        }
    }

    /// What is there, in the order it came. `None`: nothing, and from now on the bell is rung.
    pub fn take(&self) -> Option<Vec<T>> {
        let mut state = self.lock();
        state.is_attended = !state.items.is_empty();
        Some(mem::take(&mut state.items)).filter(|it| !it.is_empty())
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Clone for Returns<T> {
    fn clone(&self) -> Returns<T> {
        Returns(Arc::clone(&self.0))
    }
}

impl<T> fmt::Debug for Returns<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Returns({})", self.lock().items.len())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn the_bell_is_rung_only_where_nobody_looks() {
        let rings = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&rings);
        let n_rings = move || rings.load(Ordering::Relaxed);
        let returns = Returns::new(OutputBell::new(move || _ = counter.fetch_add(1, Ordering::Relaxed)));
        returns.put(1);
        assert_eq!(n_rings(), 1);
        returns.attend();
        returns.put(2);
        assert_eq!((returns.take(), n_rings()), (Some(vec![1, 2]), 1));
        returns.put(3);
        assert_eq!((returns.take(), returns.take(), n_rings()), (Some(vec![3]), None, 1));
        returns.put(4);
        assert_eq!(n_rings(), 2);
    }
}
