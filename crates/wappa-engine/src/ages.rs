//! How long messages wait for their answers: what the oldest one of an input is, for whoever looks.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// Messages that are read in the same second share a place, and those so many seconds later take it again.
const PLACES: usize = 256;

/// When the unanswered messages of an input were read, to a second. Costs an addition at either end. Cloning shares.
#[derive(Clone, Debug)]
pub(crate) struct Ages(Arc<[Place; PLACES]>);

#[derive(Debug, Default)]
struct Place {
    /// How many have no answer.
    n: AtomicU64,
    /// When the first of them was read.
    second: AtomicU64,
}

impl Default for Ages {
    fn default() -> Ages {
        Ages(Arc::new(std::array::from_fn(|_| Place::default())))
    }
}

impl Ages {
    /// So many messages are read.
    pub(crate) fn begin(&self, at: Duration, n: u64) {
        let place = self.place(at);
        if place.n.fetch_add(n, Ordering::Relaxed) == 0 {
            place.second.store(at.as_secs(), Ordering::Relaxed);
        }
    }

    /// So many of those that were read then are answered.
    pub(crate) fn end(&self, began: Duration, n: u64) {
        self.place(began).n.fetch_sub(n, Ordering::Relaxed);
    }

    /// How long the oldest one waits; too long where a place was never empty since it was taken first.
    pub(crate) fn oldest(&self, now: Duration) -> Option<Duration> {
        let seconds = self.0.iter().filter(|it| 0 < it.n.load(Ordering::Relaxed));
        let oldest = seconds.map(|it| it.second.load(Ordering::Relaxed)).min()?;
        Some(now.saturating_sub(Duration::from_secs(oldest)))
    }

    fn place(&self, at: Duration) -> &Place {
        &self.0[at.as_secs() as usize % PLACES]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_one_counts() {
        let ages = Ages::default();
        let at = Duration::from_secs;
        assert_eq!(ages.oldest(at(9)), None);
        ages.begin(at(3), 2);
        ages.begin(at(5), 1);
        assert_eq!(ages.oldest(at(9)), Some(at(6)));
        ages.end(at(3), 1);
        assert_eq!(ages.oldest(at(9)), Some(at(6)));
        ages.end(at(3), 1);
        assert_eq!(ages.oldest(at(9)), Some(at(4)));
        // It has the place of the one that still waits.
        let later = 5 + PLACES as u64;
        ages.begin(at(later), 1);
        assert_eq!(ages.oldest(at(later)), Some(at(PLACES as u64)));
        ages.end(at(5), 1);
        ages.end(at(later), 1);
        assert_eq!(ages.oldest(at(later)), None);
    }
}
