//! How far sources of a known size have been read: for whoever shows it to a person.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// How far the sources of a stream have been read, as far as their size is known. A service of the program; cloning
/// shares.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<State>);

#[derive(Debug, Default)]
struct State {
    total_bytes: AtomicU64,
    read_bytes: AtomicU64,
}

impl Progress {
    /// A source of this size is going to be read.
    pub fn expect(&self, n_bytes: u64) {
        self.0.total_bytes.fetch_add(n_bytes, Ordering::Relaxed);
    }

    /// So much more was read, or will never be.
    pub fn add(&self, n_bytes: u64) {
        self.0.read_bytes.fetch_add(n_bytes, Ordering::Relaxed);
    }

    /// The size of all sources together; 0: none is known.
    pub fn total_bytes(&self) -> u64 {
        self.0.total_bytes.load(Ordering::Relaxed)
    }

    /// How much of it was read.
    pub fn read_bytes(&self) -> u64 {
        self.0.read_bytes.load(Ordering::Relaxed).min(self.total_bytes())
    }
}

/// One source of a known size. What of it was not read when this is dropped never will be.
#[derive(Debug)]
pub struct SourceProgress {
    of: Option<Arc<Progress>>,
    n_bytes: u64,
    read_bytes: u64,
}

impl SourceProgress {
    /// A source of this size, which was expected; `of`: where it counts, if anywhere.
    pub fn new(of: Option<Arc<Progress>>, n_bytes: u64) -> SourceProgress {
        SourceProgress { of, n_bytes, read_bytes: 0 }
    }

    /// It was read up to here, in bytes from its beginning.
    pub fn reached(&mut self, read_bytes: u64) {
        let reached = read_bytes.min(self.n_bytes);
        if let Some(of) = &self.of
            && self.read_bytes < reached
        {
            of.add(reached - self.read_bytes);
            self.read_bytes = reached;
        }
    }
}

impl Drop for SourceProgress {
    fn drop(&mut self) {
        self.reached(self.n_bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_read_counts_as_done() {
        let progress = Progress::default();
        [10, 5, 7].into_iter().for_each(|it| progress.expect(it));
        let of = |n_bytes| SourceProgress::new(Some(Arc::new(progress.clone())), n_bytes);
        let (mut one, mut two) = (of(10), of(5));
        one.reached(4);
        one.reached(4);
        // It grew while it was read.
        two.reached(100);
        assert_eq!((progress.read_bytes(), progress.total_bytes()), (9, 22));
        drop((one, two));
        assert_eq!(progress.read_bytes(), 15);
    }
}
