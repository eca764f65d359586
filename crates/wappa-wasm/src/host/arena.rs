//! Where new contents are put: one after the other into one buffer per part, of which each message gets its slice.
//!
//! So a message in the steady state allocates nothing. Every part begins a buffer of its own, because slices of one
//! buffer that are dropped on two cores cost several times as much.
//!
//! A content stays in the buffer, to be written over, until the message takes it: however often a guest writes, and
//! whatever it throws away, what messages hold of a buffer is at least half of it.

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
            self.buffer.clear();
            // The whole buffer comes back only when nobody holds a slice of it any more.
            if self.size < self.chunk || !self.buffer.try_reclaim(self.size) {
                self.buffer = BytesMut::new();
                self.size = 0;
            }
        }
    }

    /// Copies a content into the buffer, where it stands until it is taken or another one is written over it.
    /// `false`: it wants an allocation of its own.
    #[inline(always)]
    pub(crate) fn write(&mut self, content: &[u8]) -> bool {
        if OWN_ALLOCATION_BYTES < content.len() || content.is_empty() {
            return false;
        }
        self.buffer.clear();
        if self.buffer.capacity() < content.len() {
            self.buffer = BytesMut::with_capacity(self.chunk.max(content.len()));
            self.size = self.buffer.capacity();
            self.chunk = (self.chunk * 2).clamp(CHUNK_BYTES_MIN, CHUNK_BYTES_MAX);
        }
        self.buffer.extend_from_slice(content);
        true
    }

    /// The content that was written last and not taken.
    #[inline]
    pub(crate) fn written(&self) -> &[u8] {
        &self.buffer
    }

    /// Takes the content that was written last.
    #[inline]
    pub(crate) fn take(&mut self) -> Bytes {
        self.written += self.buffer.len();
        self.buffer.split().freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copy(arena: &mut Arena, content: &[u8]) -> Bytes {
        assert!(arena.write(content));
        assert_eq!(arena.written(), content);
        arena.take()
    }

    #[test]
    fn contents_of_one_part_share_a_buffer_and_those_of_two_do_not() {
        let mut arena = Arena::default();
        arena.begin(1);
        let (one, two) = (copy(&mut arena, b"one"), copy(&mut arena, b"two"));
        assert_eq!(one.as_ptr().wrapping_add(3), two.as_ptr());
        arena.begin(2);
        let three = copy(&mut arena, b"three");
        assert_ne!(two.as_ptr().wrapping_add(3), three.as_ptr());
        assert!(!arena.write(&vec![b'x'; OWN_ALLOCATION_BYTES + 1]) && !arena.write(b""));
    }

    #[test]
    fn a_buffer_that_nobody_holds_is_used_again() {
        let mut arena = Arena::default();
        arena.begin(1);
        let first = copy(&mut arena, b"one").as_ptr();
        arena.begin(2);
        assert_eq!(copy(&mut arena, b"two").as_ptr(), first);
    }

    #[test]
    fn what_is_thrown_away_takes_no_room() {
        let mut arena = Arena::default();
        arena.begin(1);
        let kept: Vec<Bytes> = (0..10_000)
            .map(|_| {
                (0..8).for_each(|_| assert!(arena.write(&[b'x'; OWN_ALLOCATION_BYTES])));
                copy(&mut arena, b"y")
            })
            .collect();
        // Each buffer has its place somewhere else.
        let mut pages: Vec<usize> = kept.iter().map(|it| it.as_ptr().addr() / CHUNK_BYTES_MAX).collect();
        pages.dedup();
        assert!(pages.len() < 20, "{} buffers for 10,000 bytes", pages.len());
    }
}
