//! Rows that go to the database one statement after the other, in the order of the stream.
//!
//! Invariant: what is put first is written first, and whatever waits while a statement runs goes with the next one.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::insert::Ready;

/// So many rows a statement has from more than one call: where the database refuses some of them, the rest is sent again.
const ROWS_MAX: usize = 256;

#[derive(Default)]
pub(super) struct Queue {
    waiting: Mutex<VecDeque<Ready>>,
    /// Whose turn it is to write.
    writing: tokio::sync::Mutex<()>,
}

impl Queue {
    /// Puts rows behind all that wait. To be called before the caller waits for anything, which is what keeps the order.
    pub(super) fn put(&self, ready: Ready) {
        self.lock().push_back(ready);
    }

    /// Waits until nobody writes.
    pub(super) async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.writing.lock().await
    }

    /// What is to be written next, for whoever has the turn. Nothing, where others have written it meanwhile.
    pub(super) fn take(&self) -> Vec<Ready> {
        let mut waiting = self.lock();
        let mut n_rows = 0;
        let fits = |it: &&Ready| {
            let is_first = n_rows == 0;
            n_rows += it.rows.len();
            is_first || n_rows <= ROWS_MAX
        };
        let n = waiting.iter().take_while(fits).count();
        waiting.drain(..n).collect()
    }

    /// Lets go of everything that waits, which has failed.
    pub(super) fn clear(&self) {
        let waiting = std::mem::take(&mut *self.lock());
        waiting.into_iter().for_each(Ready::give_up);
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Ready>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
