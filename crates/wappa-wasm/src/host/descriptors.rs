//! The descriptors that guests hold: how many a guest may, and how many all of them together.
//!
//! A place of a guest is taken for as long as somebody holds the `Arc` that stands for it: the file itself, a stream on
//! it that outlives it, a wait that was given up. So nobody can forget to give a place back.
//!
//! Descriptors are the process's. All guests together get a quarter of them, each of them its share of that whatever the
//! others do, and more while the others leave it. A share that is asked for late may go over the quarter, so that half
//! of them is never touched: it is for inputs, outputs and mounts.

use std::{
    any::Any,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use rustix::process::{Resource, getrlimit};

/// How many files and directories all instances of a guest may have open together, with the streams on them.
pub(crate) const FILES_MAX: usize = 256;

/// The places of one guest.
#[derive(Default)]
pub(crate) struct Descriptors {
    taken: Mutex<Vec<Held>>,
}

/// Whoever holds a descriptor.
type Held = Weak<dyn Any + Send + Sync>;

/// A place that is taken, until it is dropped.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    _taken: Arc<()>,
}

/// All guests of the process that may open something.
static GUESTS: Mutex<Vec<Weak<Descriptors>>> = Mutex::new(Vec::new());

impl fmt::Debug for Descriptors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Descriptors").field("taken", &self.n_taken()).finish()
    }
}

impl Descriptors {
    /// Those of one more guest.
    pub(crate) fn new() -> Arc<Descriptors> {
        let descriptors = Arc::new(Descriptors::default());
        lock(&GUESTS).push(Arc::downgrade(&descriptors));
        descriptors
    }

    /// Takes a place; or says which limit is in the way.
    pub(crate) fn take(&self) -> Result<Place, String> {
        self.take_within(process_limit() / 4)
    }

    fn take_within(&self, together: usize) -> Result<Place, String> {
        let guests: Vec<Arc<Descriptors>> = {
            let mut guests = lock(&GUESTS);
            guests.retain(|it| 0 < it.strong_count());
            guests.iter().filter_map(Weak::upgrade).collect()
        };
        let share = together / guests.len().max(1);
        let own = self.n_taken();
        if FILES_MAX <= own {
            return Err(format!("the guest has {own} files open, as many as it may: no other one is opened"));
        }
        if share <= own && together <= guests.iter().map(|it| it.n_taken()).sum() {
            return Err(format!(
                "all guests together have {together} files open, a quarter of what the process may have (`ulimit -n`), \
                 and this one has its share of {share}: no other one is opened"
            ));
        }
        let taken = Arc::new(());
        self.count(&taken);
        Ok(Place { _taken: taken })
    }

    /// Counts somebody who holds a descriptor, for as long as it lives.
    pub(crate) fn count<T: Any + Send + Sync>(&self, holder: &Arc<T>) {
        let held: Weak<T> = Arc::downgrade(holder);
        lock(&self.taken).push(held);
    }

    fn n_taken(&self) -> usize {
        let mut taken = lock(&self.taken);
        taken.retain(|it| 0 < it.strong_count());
        taken.len()
    }
}

/// How many descriptors the process may have.
fn process_limit() -> usize {
    let limit = getrlimit(Resource::Nofile).current;
    limit.and_then(|it| usize::try_from(it).ok()).unwrap_or(usize::MAX)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_that_takes_all_leaves_the_others_their_share() {
        let (greedy, modest) = (Descriptors::new(), Descriptors::new());
        let mut places: Vec<Place> = std::iter::from_fn(|| greedy.take_within(20).ok()).collect();
        assert_eq!(places.len(), 20);
        let refused = greedy.take_within(20).expect_err("all are taken");
        assert!(refused.contains("a quarter of what the process may have (`ulimit -n`)"), "{refused}");
        let share = 20 / lock(&GUESTS).iter().filter(|it| 0 < it.strong_count()).count();
        let modest_places: Vec<Place> = std::iter::from_fn(|| modest.take_within(20).ok()).collect();
        assert_eq!(modest_places.len(), share);
        // What is given back is there for whoever asks.
        places.truncate(5);
        assert_eq!(modest.take_within(20).map(|_| ()), Ok(()));
        let refused = std::iter::repeat_with(|| greedy.take_within(usize::MAX).map(|it| places.push(it)))
            .find_map(Result::err);
        assert_eq!(
            refused.as_deref(),
            Some("the guest has 256 files open, as many as it may: no other one is opened")
        );
    }
}
