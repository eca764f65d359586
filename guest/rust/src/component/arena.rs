//! The memory of one call: what the host hands in, and what goes back to it.
//!
//! All of it lives until the call is over, so nothing is freed piece by piece, and the room is used again.

use std::{
    alloc::{alloc, dealloc, handle_alloc_error, Layout},
    cell::{Cell, UnsafeCell},
    ptr::NonNull,
};

use super::imports::Slice;

/// Every piece begins at a multiple of it: nothing in the interface needs more.
const ALIGN: usize = 8;

/// Half of what an idle instance of a small guest may take.
const CHUNK_BYTES_MIN: usize = 16 * 1024;

/// What is kept for the next call. The host hands over about 1 MiB at once, which may come back changed.
const KEPT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Bytes from here on are not copied when they are a `Vec` already.
const LARGE_BYTES: usize = 4096;

/// The one arena of the instance.
pub(super) static ARENA: Arena = Arena {
    chunks: UnsafeCell::new(Vec::new()),
    large: UnsafeCell::new(Vec::new()),
    is_receiving: Cell::new(false),
};

/// Chunks that are filled one after the other. A pointer into one stays valid until [`Arena::reset`], or until
/// [`Arena::release`] of an older mark.
pub(super) struct Arena {
    chunks: UnsafeCell<Vec<Chunk>>,
    large: UnsafeCell<Vec<Vec<u8>>>,
    /// Whether what the host allocates now is for the arena.
    is_receiving: Cell<bool>,
}

// SAFETY: an instance is entered by one thread at a time, and its module has no threads of its own.
unsafe impl Sync for Arena {}

/// How far the arena was filled.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    chunks: usize,
    used: usize,
}

impl Arena {
    pub(super) fn alloc(&self, bytes: usize) -> *mut u8 {
        if bytes == 0 {
            return ALIGN as *mut u8;
        }
        // SAFETY: no reference into the list leaves this function, and nothing in it comes back to the arena.
        let chunks = unsafe { &mut *self.chunks.get() };
        if let Some(start) = chunks.last_mut().and_then(|it| it.alloc(bytes)) {
            return start;
        }
        let last = chunks.last().map_or(0, |it| it.bytes);
        let mut chunk = Chunk::new(bytes.max(last.saturating_mul(2)).max(CHUNK_BYTES_MIN));
        let Some(start) = chunk.alloc(bytes) else { unreachable!("the chunk was made for it") };
        chunks.push(chunk);
        start
    }

    pub(super) fn copy(&self, bytes: &[u8]) -> Slice {
        let start = self.alloc(bytes.len());
        // SAFETY: there is room for as many bytes at `start`, where nobody has a reference to.
        unsafe { start.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        Slice { start, len: bytes.len() }
    }

    /// Copies a list of what the canonical ABI has in memory.
    pub(super) fn copy_list<T: Copy>(&self, items: &[T]) -> Slice {
        const { assert!(align_of::<T>() <= ALIGN) };
        // SAFETY: these are the bytes of the list; padding is copied and never looked at.
        unsafe {
            let start = self.alloc(size_of_val(items)).cast::<T>();
            start.copy_from_nonoverlapping(items.as_ptr(), items.len());
            Slice { start: start.cast(), len: items.len() }
        }
    }

    /// Takes over the content of a buffer, which is empty then: by a copy, or, where it is large, as it is.
    pub(super) fn take(&self, buffer: &mut Vec<u8>) -> Slice {
        if buffer.len() < LARGE_BYTES {
            let slice = self.copy(buffer);
            buffer.clear();
            return slice;
        }
        let buffer = std::mem::take(buffer);
        let slice = Slice { start: buffer.as_ptr(), len: buffer.len() };
        // SAFETY: no reference into the list leaves this function. Moving a `Vec` does not move its bytes.
        unsafe { &mut *self.large.get() }.push(buffer);
        slice
    }

    /// Calls a function of the host that allocates what it returns, and has it allocate here.
    pub(super) fn receive<T>(&self, call: impl FnOnce() -> T) -> T {
        self.is_receiving.set(true);
        let result = call();
        self.is_receiving.set(false);
        result
    }

    pub(super) fn mark(&self) -> Mark {
        // SAFETY: no reference into the list leaves this function.
        let chunks = unsafe { &*self.chunks.get() };
        Mark { chunks: chunks.len(), used: chunks.last().map_or(0, |it| it.used) }
    }

    /// Gives back what was allocated since.
    ///
    /// # Safety
    ///
    /// Nobody uses it any more.
    pub(super) unsafe fn release(&self, mark: Mark) {
        // SAFETY: no reference into the list leaves this function.
        let chunks = unsafe { &mut *self.chunks.get() };
        // The chunk that was made for the first piece of all stays: the next piece needs it again.
        chunks.truncate(mark.chunks.max(1));
        if let Some(last) = chunks.last_mut() {
            last.used = mark.used;
        }
    }

    /// Begins anew.
    ///
    /// # Safety
    ///
    /// Nobody uses anything of it any more.
    pub(super) unsafe fn reset(&self) {
        // SAFETY: no reference into the lists leaves this function.
        let (chunks, large) = unsafe { (&mut *self.chunks.get(), &mut *self.large.get()) };
        large.clear();
        let bytes: usize = chunks.iter().map(|it| it.bytes).sum();
        if 1 < chunks.len() || KEPT_BYTES_MAX < bytes {
            // One chunk of what all of them had, so that the next call of this size finds room in the first.
            chunks.clear();
            if bytes <= KEPT_BYTES_MAX {
                chunks.push(Chunk::new(bytes));
            }
        }
        if let Some(chunk) = chunks.last_mut() {
            chunk.used = 0;
        }
    }
}

struct Chunk {
    start: NonNull<u8>,
    bytes: usize,
    used: usize,
}

impl Chunk {
    fn new(bytes: usize) -> Chunk {
        let layout = layout(bytes, ALIGN);
        Chunk { start: allocate(layout), bytes: layout.size(), used: 0 }
    }

    fn alloc(&mut self, bytes: usize) -> Option<*mut u8> {
        let from = self.used.next_multiple_of(ALIGN);
        let to = from.checked_add(bytes)?;
        if self.bytes < to {
            return None;
        }
        self.used = to;
        // SAFETY: `from` is inside of the chunk.
        Some(unsafe { self.start.as_ptr().add(from) })
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        // SAFETY: it was allocated with this layout.
        unsafe { dealloc(self.start.as_ptr(), layout(self.bytes, ALIGN)) }
    }
}

fn layout(bytes: usize, align: usize) -> Layout {
    Layout::from_size_align(bytes, align).expect("sizes fit the memory")
}

fn allocate(layout: Layout) -> NonNull<u8> {
    assert!(0 < layout.size());
    // SAFETY: the size is not 0.
    NonNull::new(unsafe { alloc(layout) }).unwrap_or_else(|| handle_alloc_error(layout))
}

/// What the module exports as `cabi_realloc`: the host allocates with it in the guest's memory.
///
/// What is not received by one of our own calls comes from the allocator of the program: the arguments of `configure`,
/// which it frees, and what WASI libraries and adapters ask for, some of which they keep for ever.
///
/// # Safety
///
/// As the canonical ABI says: `old` is null, or was returned from here for `old_bytes` and `align`.
pub unsafe fn realloc(old: *mut u8, old_bytes: usize, align: usize, bytes: usize) -> *mut u8 {
    if bytes == 0 {
        return align as *mut u8;
    }
    let new = if ARENA.is_receiving.get() && align <= ALIGN {
        ARENA.alloc(bytes)
    } else if old_bytes == 0 {
        allocate(layout(bytes, align)).as_ptr()
    } else {
        // SAFETY: as this function demands.
        let new = unsafe { std::alloc::realloc(old, layout(old_bytes, align), bytes) };
        if new.is_null() {
            handle_alloc_error(layout(bytes, align));
        }
        return new;
    };
    if old_bytes != 0 {
        // SAFETY: both have room for the shorter of the two lengths, and the new one belongs to nobody yet.
        unsafe { new.copy_from_nonoverlapping(old, old_bytes.min(bytes)) };
    }
    new
}
