//! What the connections of a server, or its requests, may hold together.
//!
//! Each has its share of one half whatever the others do; the other half belongs to whoever comes first. Where they belong to
//! owners, one of those has no more of the other half than three times what is left of it.

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

/// Whoever has connections among others who have some.
#[derive(Debug, Default)]
pub struct Owner {
    /// How much all of them have of the half that is for all.
    of_all: AtomicUsize,
}

/// An owner has no more than so many times what is left.
const OF_LEFT: usize = 3;

/// What one connection holds; given back when it is dropped.
#[derive(Debug)]
pub struct Held {
    bound: Arc<Bound>,
    share: usize,
    owner: Option<Arc<Owner>>,
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
        Held { bound: Arc::clone(self), share: self.share, owner: None, of_all: 0 }
    }

    /// The same for one of this owner's.
    pub fn hold_of(self: &Arc<Bound>, owner: &Arc<Owner>) -> Held {
        let mut held = self.hold();
        held.owner = Some(Arc::clone(owner));
        held
    }
}

impl Held {
    /// One of so many that a connection may have at once, which have its share together.
    pub fn one_of(mut self, n: usize) -> Held {
        self.share /= n.max(1);
        self
    }

    /// Whether the connection may hold so many bytes; if not, it holds what it did.
    pub fn admit(&mut self, n_bytes: usize) -> Result<(), String> {
        let of_all = n_bytes.saturating_sub(self.share);
        if of_all <= self.of_all {
            self.give_back(self.of_all - of_all);
        } else {
            let more = of_all - self.of_all;
            let own = self.owner.as_ref().map_or(0, |it| it.of_all.fetch_add(more, Ordering::Relaxed) + more);
            let take =
                |free: usize| free.checked_sub(more).filter(|left| own <= left.saturating_mul(OF_LEFT));
            if self.bound.free.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_err() {
                self.owner.iter().for_each(|it| _ = it.of_all.fetch_sub(more, Ordering::Relaxed));
                return Err(format!(
                    "no room for {n_bytes} bytes of a message: all connections together may hold {} (`max_bytes`)",
                    self.bound.total
                ));
            }
        }
        self.of_all = of_all;
        Ok(())
    }

    fn give_back(&self, n_bytes: usize) {
        self.bound.free.fetch_add(n_bytes, Ordering::Relaxed);
        self.owner.iter().for_each(|it| _ = it.of_all.fetch_sub(n_bytes, Ordering::Relaxed));
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.give_back(self.of_all);
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

    #[test]
    fn several_of_a_connection_have_its_share_together() {
        let bound = Bound::new(80, 1);
        let mut all: Vec<Held> = (0..4).map(|_| bound.hold().one_of(4)).collect();
        assert!(all.iter_mut().all(|it| it.admit(20) == Ok(())));
        assert!(all.iter_mut().all(|it| it.admit(21).is_err()));
    }

    #[test]
    fn an_owner_leaves_something_to_others() {
        let bound = Bound::new(80, 4);
        let [one, other] = [(); 2].map(|()| Arc::default());
        let mut of_one = [bound.hold_of(&one), bound.hold_of(&one)];
        assert_eq!(of_one.each_mut().map(|it| it.admit(25)), [Ok(()), Ok(())]);
        assert!(of_one[0].admit(27).is_err());
        let mut of_other = bound.hold_of(&other);
        assert_eq!((of_other.admit(17), of_other.admit(18).is_err()), (Ok(()), true));
        // What is refused counts for nothing, and what is given back for others.
        assert_eq!(of_one[1].admit(10), Ok(()));
        assert_eq!((of_other.admit(28), of_one[0].admit(10)), (Ok(()), Ok(())));
        drop(of_other);
        assert_eq!(of_one[0].admit(40), Ok(()));
    }
}
