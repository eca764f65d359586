//! How much the answers to several requests may be together.
//!
//! Each is bounded by itself, and many are asked for before anybody looks at the first: what all of them hold is asked for
//! as it comes.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// So many bytes, for whoever comes first. Cloning shares.
#[derive(Clone, Debug)]
pub(crate) struct Room(Arc<AtomicUsize>);

/// What one answer has of it. Given back when it is dropped, unless it is kept.
#[derive(Debug)]
pub(crate) struct Taken {
    room: Room,
    bytes: usize,
}

impl Room {
    pub(crate) fn new(bytes: usize) -> Room {
        Room(Arc::new(AtomicUsize::new(bytes)))
    }

    /// For what is bounded by itself only.
    pub(crate) fn endless() -> Room {
        Room::new(usize::MAX)
    }

    /// For an answer of which nothing is there yet.
    pub(crate) fn enter(&self) -> Taken {
        Taken { room: self.clone(), bytes: 0 }
    }
}

impl Taken {
    /// Takes so many bytes more; whether there is room for them.
    pub(crate) fn take(&mut self, bytes: usize) -> bool {
        let take = |left: usize| left.checked_sub(bytes);
        let is_taken = self.room.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok();
        self.bytes += if is_taken { bytes } else { 0 };
        is_taken
    }

    /// Keeps so many of the bytes, for as long as there is the room.
    pub(crate) fn keep(mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.room.0.fetch_add(self.bytes, Ordering::Relaxed);
    }
}
