//! The bound on an instance's memory: memories and tables together, and what else the host keeps for it.
//!
//! A growth past it fails inside the guest, which may cope; that it happened is remembered, so that a trap that follows
//! in the same message can be told as what it is. The same goes for what all guests of the process may hold together.

use wappa_component::{Charge, Refused};
use wasmtime::ResourceLimiter;

use crate::{
    compile::settings::TABLE_ELEMENTS, file::footprint::PARTS_MAX, host::shared::Shared,
    inspect::TABLE_ELEMENTS_MAX,
};

/// What one element of a table takes.
const TABLE_ELEMENT_BYTES: usize = 8;

/// What any instance costs the host, beside what is counted from its module: its store, its output, its place in a pool.
const INSTANCE_BYTES: usize = 64 << 10;

/// What an instance grows by is charged in such steps, where there is room for it.
const CHARGE_BYTES: usize = 1 << 20;

#[derive(Debug)]
pub(crate) struct MemoryLimiter {
    limit: usize,
    used: usize,
    last: usize,
    refused: Option<Limit>,
    grown: bool,
    /// What the instance costs from its beginning, which `used` has a part of at most.
    first: usize,
    charge: Charge,
}

/// A limit that was in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// The instance's own.
    Own,
    /// That of all guests together.
    Process,
}

impl Limit {
    /// What it is called.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Limit::Own => "`memory_limit`",
            Limit::Process => "`--guest-memory-limit`, for all guests of the process",
        }
    }
}

impl MemoryLimiter {
    /// For one more instance of a guest, where there is room for it.
    pub(crate) fn new(shared: &Shared) -> Result<MemoryLimiter, Refused> {
        let first = INSTANCE_BYTES.saturating_add(shared.footprint);
        Ok(MemoryLimiter {
            limit: shared.limits.memory,
            used: shared.footprint_charged,
            last: 0,
            refused: None,
            grown: false,
            first: first - shared.footprint_charged,
            charge: shared.account.charge(first)?,
        })
    }

    /// Forgets that a growth was refused.
    pub(crate) fn forget_refused(&mut self) {
        self.refused = None;
    }

    /// The limit that a growth was refused for in this message.
    pub(crate) fn was_refused(&self) -> Option<Limit> {
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

    fn check_own(&mut self, bytes: usize) -> bool {
        let fits = self.used.checked_add(bytes).is_some_and(|it| it <= self.limit);
        if !fits {
            self.refused = Some(Limit::Own);
        }
        fits
    }

    fn fits(&mut self, bytes: usize) -> bool {
        if !self.check_own(bytes) {
            return false;
        }
        let needed = (self.first + self.used + bytes).saturating_sub(self.charge.bytes());
        let is_charged =
            needed == 0 || self.charge.grow_by_one_of(needed.next_multiple_of(CHARGE_BYTES), needed).is_ok();
        if !is_charged {
            self.refused = Some(Limit::Process);
        }
        is_charged
    }

    fn grow(&mut self, bytes: usize) {
        self.used += bytes;
        self.last = bytes;
        self.grown |= 0 < bytes;
    }

    /// The engine could not do what was granted last.
    fn undo(&mut self) {
        self.used -= std::mem::take(&mut self.last);
        self.refused = Some(Limit::Own);
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
        if maximum.is_some_and(|it| it < desired) {
            self.check_own(bytes);
            return Ok(false);
        }
        if !self.fits(bytes) {
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
            self.refused = Some(Limit::Own);
            return Ok(false);
        }
        if maximum.is_some_and(|it| it < desired) {
            if maximum == Some(TABLE_ELEMENTS) {
                self.refused = Some(Limit::Own);
            }
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
