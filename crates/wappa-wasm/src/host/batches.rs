//! The batches that a component was given, by number. Each has a number that no other batch of the instance ever had, so that
//! a guest which keeps one, or whose collector drops it late, can do no harm.

use std::cell::Cell;

use wasmtime::component::Resource;

use super::error::Stop;

/// The batches of an instance that its guest has not dropped may be so many; one with more is retired.
const LIVE_MAX: u32 = 1000;

/// The batches that were handed to an instance.
#[derive(Debug, Default)]
pub(crate) struct Batches {
    last: u32,
    /// Not dropped by the guest yet.
    live: u32,
    /// The first message of the open batch, and how many there are; none between two calls.
    open: Option<(usize, usize)>,
    /// Whether the guest has asked for a content of the last batch.
    was_read: Cell<bool>,
}

impl Batches {
    /// Opens a batch. The number is new.
    pub(crate) fn open(&mut self, first: usize, n_messages: usize) -> Resource<BatchTag> {
        self.last = self.last.checked_add(1).expect("a guest that ran out of numbers is not called");
        self.live = self.live.saturating_add(1);
        self.open = Some((first, n_messages));
        self.was_read.set(false);
        Resource::new_own(self.last)
    }

    /// The guest has dropped one.
    pub(crate) fn dropped(&mut self) {
        self.live = self.live.saturating_sub(1);
    }

    /// The guest has asked for a content.
    pub(crate) fn read(&self) {
        self.was_read.set(true);
    }

    /// Nobody may use it any more.
    pub(crate) fn close(&mut self) {
        self.open = None;
    }

    /// Whether the guest has asked for a content of the last batch.
    pub(crate) fn was_read(&self) -> bool {
        self.was_read.get()
    }

    /// Whether the guest keeps more batches than anybody needs, or numbers run out.
    pub(crate) fn is_worn(&self) -> bool {
        LIVE_MAX < self.live || self.is_at_end()
    }

    /// Whether there is no number left.
    pub(crate) fn is_at_end(&self) -> bool {
        self.last == u32::MAX
    }

    /// The index in the run of a message of the open batch.
    pub(crate) fn find(&self, batch: &Resource<BatchTag>, index: u32) -> wasmtime::Result<usize> {
        let (first, n) = self.find_all(batch)?;
        if n <= index as usize {
            return Err(mistake(format!("there is no message {index} in a batch of {n}")));
        }
        Ok(first + index as usize)
    }

    pub(crate) fn find_all(&self, batch: &Resource<BatchTag>) -> wasmtime::Result<(usize, usize)> {
        match self.open {
            Some(open) if batch.rep() == self.last => Ok(open),
            _ => Err(mistake("a batch is used after the call that it was for".into())),
        }
    }
}

/// Stands for a batch in the types of functions.
#[derive(Debug)]
pub(crate) struct BatchTag;

#[cold]
pub(crate) fn mistake(text: String) -> wasmtime::Error {
    Stop::HostCall(text.into()).into()
}
