//! The bound on an instance's memory: memories and tables together, and what else the host keeps for it.
//!
//! A growth past it fails inside the guest, which may cope; that it happened is remembered, so that a trap that follows
//! in the same message can be told as what it is.

use wasmtime::ResourceLimiter;

use crate::{footprint::PARTS_MAX, inspect::TABLE_ELEMENTS_MAX, settings::TABLE_ELEMENTS};

/// What one element of a table takes.
const TABLE_ELEMENT_BYTES: usize = 8;

#[derive(Debug)]
pub(crate) struct MemoryLimiter {
    limit: usize,
    used: usize,
    last: usize,
    refused: bool,
    grown: bool,
}

impl MemoryLimiter {
    /// A limit of so many bytes, of which the host needs some for the instance itself.
    pub(crate) fn new(limit: usize, used: usize) -> MemoryLimiter {
        MemoryLimiter { limit, used, last: 0, refused: false, grown: false }
    }

    /// Whether a growth was refused since this was last asked.
    pub(crate) fn take_refused(&mut self) -> bool {
        std::mem::take(&mut self.refused)
    }

    /// Whether a growth was refused in this message.
    pub(crate) fn was_refused(&self) -> bool {
        self.refused
    }

    /// Memories, tables and what else the host keeps, in bytes.
    pub(crate) fn used(&self) -> usize {
        self.used
    }

    /// Whether something grew since this was last forgotten.
    #[inline]
    pub(crate) fn has_grown(&self) -> bool {
        self.grown
    }

    /// Forgets that something grew.
    #[inline]
    pub(crate) fn forget_growth(&mut self) {
        self.grown = false;
    }

    fn fits(&mut self, bytes: usize) -> bool {
        let fits = self.used.checked_add(bytes).is_some_and(|it| it <= self.limit);
        self.refused |= !fits;
        fits
    }

    fn grow(&mut self, bytes: usize) {
        self.used += bytes;
        self.last = bytes;
        self.grown |= 0 < bytes;
    }

    /// The engine could not do what was granted last.
    fn undo(&mut self) {
        self.used -= std::mem::take(&mut self.last);
        self.refused = true;
    }
}

impl ResourceLimiter for MemoryLimiter {
    fn instances(&self) -> usize {
        PARTS_MAX
    }

    fn memories(&self) -> usize {
        PARTS_MAX
    }

    fn tables(&self) -> usize {
        PARTS_MAX
    }

    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let bytes = desired.saturating_sub(current);
        // Past the module's own maximum the guest is told, and it is nobody's limit that it met.
        if !self.fits(bytes) || maximum.is_some_and(|it| it < desired) {
            return Ok(false);
        }
        self.grow(bytes);
        Ok(true)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let bytes = desired.saturating_sub(current).saturating_mul(TABLE_ELEMENT_BYTES);
        if TABLE_ELEMENTS_MAX < desired as u64 {
            self.refused = true;
            return Ok(false);
        }
        if maximum.is_some_and(|it| it < desired) {
            self.refused |= maximum == Some(TABLE_ELEMENTS);
            return Ok(false);
        }
        if !self.fits(bytes) {
            return Ok(false);
        }
        self.grow(bytes);
        Ok(true)
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.undo();
        Ok(())
    }

    fn table_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.undo();
        Ok(())
    }
}
