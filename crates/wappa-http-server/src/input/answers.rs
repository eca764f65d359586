//! What became of requests, on its way from the pipeline to those who wait for it.
//!
//! A thread of the pipeline that wakes each of them by itself is interrupted by each. So it leaves what it knows of all
//! requests of a parcel, and calls once; who waits is woken on the threads that clients are served on.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{Notify, oneshot};
use wappa_message::Mark;
use wappa_net::AtLast;

/// Hears why a message of a request failed, if one did.
pub(super) type Waiter = oneshot::Sender<Option<Mark>>;

/// The answers of an input. Dropping closes them: what comes then goes to who waits without a stop on the way.
pub(super) struct Answers {
    shared: Arc<Shared>,
    call: AtLast,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    called: Notify,
}

#[derive(Default)]
struct State {
    ready: Vec<(Waiter, Option<Mark>)>,
    /// Somebody hands out what is ready.
    is_open: bool,
}

/// Where one answer goes.
#[derive(Clone)]
pub(super) struct Post(Arc<Shared>);

impl Answers {
    pub(super) fn new() -> Answers {
        let shared = Arc::new(Shared::default());
        let of_call = Arc::clone(&shared);
        Answers { shared, call: Arc::new(move || of_call.called.notify_one()) }
    }

    /// Hands them out from now on, unless somebody does already. On the runtime.
    pub(super) fn open(&self) {
        if !std::mem::replace(&mut self.shared.lock().is_open, true) {
            tokio::spawn(hand_out(Arc::clone(&self.shared)));
        }
    }

    pub(super) fn post(&self) -> Post {
        Post(Arc::clone(&self.shared))
    }

    /// To be called behind what was posted.
    pub(super) fn call(&self) -> AtLast {
        Arc::clone(&self.call)
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        let ready = self.shared.close();
        ready.into_iter().for_each(send);
        self.shared.called.notify_one();
    }
}

impl Post {
    /// Leaves an answer.
    pub(super) fn put(&self, waiter: Waiter, failure: Option<Mark>) {
        let mut state = self.0.lock();
        if state.is_open {
            return state.ready.push((waiter, failure));
        }
        drop(state);
        send((waiter, failure));
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) -> Vec<(Waiter, Option<Mark>)> {
        let mut state = self.lock();
        state.is_open = false;
        std::mem::take(&mut state.ready)
    }
}

fn send((waiter, failure): (Waiter, Option<Mark>)) {
    // Who is gone does not want to know.
    let _ = waiter.send(failure);
}

/// Whatever ends this leaves nobody waiting.
struct Closing(Arc<Shared>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.close().into_iter().for_each(send);
    }
}

async fn hand_out(shared: Arc<Shared>) {
    let closing = Closing(shared);
    let shared = &closing.0;
    loop {
        let (ready, is_open) = {
            let mut state = shared.lock();
            (std::mem::take(&mut state.ready), state.is_open)
        };
        ready.into_iter().for_each(send);
        if !is_open {
            return;
        }
        shared.called.notified().await;
    }
}

impl fmt::Debug for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answers").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use tokio::{runtime::Builder, task::yield_now};

    use super::*;

    #[test]
    fn answers_are_handed_out_when_there_is_a_call_and_at_the_end() {
        let runtime = Builder::new_current_thread().build().expect("it can be made");
        runtime.block_on(async {
            let answers = Answers::new();
            let posted = || {
                let (tx, rx) = oneshot::channel();
                answers.post().put(tx, Some(Mark::new("why")));
                rx
            };
            // Nobody hands them out yet: it has to be told at once.
            assert!(posted().try_recv().is_ok());
            answers.open();
            let (mut one, two) = (posted(), posted());
            yield_now().await;
            yield_now().await;
            let early = one.try_recv();
            answers.call()();
            let told = two.await.expect("it is handed out").expect("it has failed");
            assert_eq!((told.as_str(), early.is_ok() || one.try_recv().is_ok()), ("why", true));
            let last = posted();
            drop(answers);
            assert!(last.await.is_ok());
        });
    }
}
