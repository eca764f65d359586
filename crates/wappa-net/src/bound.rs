//! What the connections of a server, or its requests, may hold together.
//!
//! Each has its share of one half whatever the others do; the other half belongs to whoever comes first.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// The bytes that connections may hold.
#[derive(Debug)]
pub struct Bound {
    total: usize,
    share: usize,
    /// What is left of the half that is for all.
    free: AtomicUsize,
}

/// What one connection holds; given back when it is dropped.
#[derive(Debug)]
pub struct Held {
    bound: Arc<Bound>,
    /// How much of the half that is for all.
    of_all: usize,
}

impl Bound {
    /// So many bytes, for so many connections.
    pub fn new(total: usize, n_connections: usize) -> Arc<Bound> {
        let half = total / 2;
        Arc::new(Bound { total, share: half / n_connections.max(1), free: AtomicUsize::new(total - half) })
    }

    /// For a connection that holds nothing yet.
    pub fn hold(self: &Arc<Bound>) -> Held {
        Held { bound: Arc::clone(self), of_all: 0 }
    }
}

impl Held {
    /// Whether the connection may hold so many bytes; if not, it holds what it did.
    pub fn admit(&mut self, n_bytes: usize) -> Result<(), String> {
        let of_all = n_bytes.saturating_sub(self.bound.share);
        if of_all <= self.of_all {
            self.bound.free.fetch_add(self.of_all - of_all, Ordering::Relaxed);
        } else {
            let more = of_all - self.of_all;
            let take = |free: usize| free.checked_sub(more);
            if self.bound.free.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_err() {
                return Err(format!(
                    "no room for {n_bytes} bytes of a message: all connections together may hold {} (`max_bytes`)",
                    self.bound.total
                ));
            }
        }
        self.of_all = of_all;
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.bound.free.fetch_add(self.of_all, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_share_and_the_rest_is_for_whoever_comes_first() {
        let bound = Bound::new(80, 4);
        let (mut one, mut two) = (bound.hold(), bound.hold());
        assert_eq!(one.admit(50), Ok(()));
        assert_eq!(two.admit(10), Ok(()));
        let error = "no room for 11 bytes of a message: all connections together may hold 80 (`max_bytes`)";
        assert_eq!(two.admit(11), Err(error.to_string()));
        assert_eq!(one.admit(49), Ok(()));
        assert_eq!(two.admit(11), Ok(()));
        drop(one);
        assert_eq!(two.admit(50), Ok(()));
        assert!(two.admit(51).is_err());
    }
}
