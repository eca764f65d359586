//! What waits for clients.
//!
//! Invariant: each batch is taken by one client, in the order in which they came.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;
use wappa_component::{WriteError, stopped};
use wappa_net::Sending;

/// What a client takes at once, about, in bytes.
const BYTES_AT_ONCE: usize = 64 * 1024;

#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Sending>,
    is_closed: bool,
}

/// There will be nothing more.
#[derive(Debug)]
pub(super) struct Closed;

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn put(&self, sending: Sending) {
        let mut state = self.lock();
        if state.is_closed {
            drop(state);
            return sending.answer(Err(WriteError::Failed(stopped())));
        }
        state.waiting.push_back(sending);
        drop(state);
        self.changed.notify_one();
    }

    /// Gives nothing any more; what waits has failed.
    pub(super) fn close(&self) {
        let waiting = {
            let mut state = self.lock();
            state.is_closed = true;
            std::mem::take(&mut state.waiting)
        };
        for sending in waiting {
            sending.answer(Err(WriteError::Failed(stopped())));
        }
        self.changed.notify_waiters();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    /// The next batch.
    pub(super) async fn one(&self) -> Result<Sending, Closed> {
        self.next(|waiting| {
            let mut sending = waiting.pop_front()?;
            if 1 < sending.part().n_batches() {
                waiting.push_front(sending.split_off(1));
            }
            Some(sending)
        })
        .await
    }

    /// Everything that is there, within a bound. Nothing is lost where it is dropped while it waits.
    pub(super) async fn all(&self) -> Result<Vec<Sending>, Closed> {
        self.next(|waiting| {
            let (mut taken, mut n_bytes) = (Vec::new(), 0);
            while n_bytes < BYTES_AT_ONCE
                && let Some(sending) = waiting.pop_front()
            {
                n_bytes += sending.part().size();
                taken.push(sending);
            }
            (!taken.is_empty()).then_some(taken)
        })
        .await
    }

    async fn next<T>(&self, mut take: impl FnMut(&mut VecDeque<Sending>) -> Option<T>) -> Result<T, Closed> {
        loop {
            // Made before the look, so that what comes in between wakes it.
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            {
                let mut state = self.lock();
                let taken = take(&mut state.waiting);
                let has_more = !state.waiting.is_empty();
                let is_closed = state.is_closed;
                drop(state);
                if let Some(taken) = taken {
                    if has_more {
                        self.changed.notify_one();
                    }
                    return Ok(taken);
                }
                if is_closed {
                    return Err(Closed);
                }
            }
            changed.await;
        }
    }
}
