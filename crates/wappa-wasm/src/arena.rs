//! Where new contents are put: one after the other into one buffer per part, of which each message gets its slice.
//!
//! So a message in the steady state allocates nothing. Every part begins a buffer of its own, because slices of one
//! buffer that are dropped on two cores cost several times as much.

use bytes::{Bytes, BytesMut};

/// Contents larger than this get an allocation of their own: a slice must not keep much of other messages alive.
const OWN_ALLOCATION_BYTES: usize = 16 << 10;
const CHUNK_BYTES_MIN: usize = 1 << 10;
const CHUNK_BYTES_MAX: usize = 64 << 10;

#[derive(Debug, Default)]
pub(crate) struct Arena {
    buffer: BytesMut,
    part: u64,
    /// What the running part wrote so far; the next part's first chunk is as large.
    written: usize,
    /// How large the next chunk will be.
    chunk: usize,
    /// How large the buffer was when it was allocated.
    size: usize,
}

impl Arena {
    /// Says which part the next contents belong to.
    #[inline]
    pub(crate) fn begin(&mut self, part: u64) {
        if self.part != part {
            self.part = part;
            self.chunk = self.written.clamp(CHUNK_BYTES_MIN, CHUNK_BYTES_MAX);
            self.written = 0;
            // The whole buffer comes back only when nobody holds a slice of it any more.
            if self.size < self.chunk || !self.buffer.try_reclaim(self.size) {
                self.buffer = BytesMut::new();
                self.size = 0;
            }
        }
    }

    /// Copies a content.
    #[inline(always)]
    pub(crate) fn copy(&mut self, content: &[u8]) -> Bytes {
        self.written += content.len();
        if OWN_ALLOCATION_BYTES < content.len() {
            return Bytes::copy_from_slice(content);
        }
        if content.is_empty() {
            return Bytes::new();
        }
        if self.buffer.capacity() < content.len() {
            self.buffer = BytesMut::with_capacity(self.chunk.max(content.len()));
            self.size = self.buffer.capacity();
            self.chunk = (self.chunk * 2).clamp(CHUNK_BYTES_MIN, CHUNK_BYTES_MAX);
        }
        self.buffer.extend_from_slice(content);
        self.buffer.split().freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_of_one_part_share_a_buffer_and_those_of_two_do_not() {
        let mut arena = Arena::default();
        arena.begin(1);
        let (one, two) = (arena.copy(b"one"), arena.copy(b"two"));
        assert_eq!(one.as_ptr().wrapping_add(3), two.as_ptr());
        arena.begin(2);
        let three = arena.copy(b"three");
        assert_ne!(two.as_ptr().wrapping_add(3), three.as_ptr());
        let first = one.as_ptr();
        drop((one, two, three));
        assert!(!first.is_null());
        let large = arena.copy(&vec![b'x'; OWN_ALLOCATION_BYTES + 1]);
        assert_eq!(large.len(), OWN_ALLOCATION_BYTES + 1);
        assert!(arena.copy(b"").is_empty());
    }

    #[test]
    fn a_buffer_that_nobody_holds_is_used_again() {
        let mut arena = Arena::default();
        arena.begin(1);
        let first = arena.copy(b"one").as_ptr();
        arena.begin(2);
        assert_eq!(arena.copy(b"two").as_ptr(), first);
    }
}
