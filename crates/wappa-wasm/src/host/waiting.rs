//! Waiting for the world: a slow disk below a mount, or a point in time.
//!
//! wasmtime-wasi would block the thread until the world answers. Here its own functions are driven step by step, so
//! that the wait ends at the deadline or when the host shuts down; what the system was asked for goes on without us.
//! Standard output never waits, so that a line costs no detour at all. Both versions of WASI wait in this way.

use std::{
    cell::Cell,
    future::{pending, poll_fn},
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::{Duration, Instant},
};

use tokio::task::JoinHandle;
use wappa_component::cause_of_start;

use crate::{host::error::Stop, host::shared::Shared, host::threads::Threads};

/// How soon an interrupt is seen during such a wait.
const SLICE: Duration = Duration::from_millis(5);

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Unpark>) {
        self.0.unpark();
    }
}

/// Drives a call of wasmtime-wasi to its end, or to the deadline's.
pub(crate) fn finish<T>(
    call: impl Future<Output = T>,
    shared: &Shared,
    deadline: &mut Option<u64>,
) -> Result<T, Stop> {
    let _on_own_threads = match shared.threads.as_ref().map(Threads::enter).transpose() {
        Ok(guard) => guard,
        Err(err) => {
            let text = format!("starting a thread to wait for files: {}", cause_of_start(&err));
            return Err(Stop::HostCall(text.into()));
        }
    };
    if shared.threads.as_ref().is_some_and(Threads::is_behind) {
        catch_up(shared, deadline)?;
    }
    let mut call = pin!(call);
    // The common case is ready at once and needs no clock and no waker.
    if let Poll::Ready(result) = call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        return Ok(result);
    }
    let deadline = shared.clock.instant(shared.deadline(deadline));
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        ALARM.set(None);
        if let Poll::Ready(result) = call.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Ok(result);
        }
        let now = Instant::now();
        if let Some(stop) = stop_of(shared, deadline, now) {
            if let Some(threads) = &shared.threads {
                threads.give_up(1);
            }
            return Err(stop);
        }
        let until = ALARM.get().map_or(deadline, |it| it.min(deadline));
        thread::park_timeout(until.saturating_duration_since(now).min(SLICE));
    }
}

/// Waits until threads have done some of what was given up.
#[cold]
fn catch_up(shared: &Shared, deadline: &mut Option<u64>) -> Result<(), Stop> {
    let deadline = shared.clock.instant(shared.deadline(deadline));
    while shared.threads.as_ref().is_some_and(Threads::is_behind) {
        let now = Instant::now();
        if let Some(stop) = stop_of(shared, deadline, now) {
            return Err(stop);
        }
        thread::park_timeout(deadline.saturating_duration_since(now).min(SLICE));
    }
    Ok(())
}

/// What ends a wait.
fn stop_of(shared: &Shared, deadline: Instant, now: Instant) -> Option<Stop> {
    if shared.interrupt.is_raised() {
        return Some(Stop::Interrupted);
    }
    (deadline <= now).then_some(Stop::Timeout)
}

thread_local! {
    /// When what is driven on this thread wants to be looked at again, at the latest.
    static ALARM: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Waits for a point in time, in what [`finish`] drives. `None` never comes.
pub(crate) async fn until(at: Option<Instant>) {
    let Some(at) = at else { return pending().await };
    poll_fn(|_| {
        if at <= Instant::now() {
            return Poll::Ready(());
        }
        ALARM.set(Some(ALARM.get().map_or(at, |it| it.min(at))));
        Poll::Pending
    })
    .await;
}

/// Lets [`finish`] look at the time in the middle of work that never waits.
pub(crate) async fn look() {
    let mut has_looked = false;
    poll_fn(|ctx| {
        if has_looked {
            return Poll::Ready(());
        }
        has_looked = true;
        ctx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Does what may wait on a thread of the guest's, in what [`finish`] drives. When that is given up it is not begun any
/// more, or goes on without us.
pub(crate) async fn on_a_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    struct Aborting<T>(JoinHandle<T>);
    impl<T> Drop for Aborting<T> {
        fn drop(&mut self) {
            self.0.abort();
        }
    }
    let mut working = Aborting(tokio::task::spawn_blocking(work));
    (&mut working.0).await.expect("it does not panic and nobody else aborts it")
}
