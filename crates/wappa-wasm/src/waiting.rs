//! The WASI calls that may wait for the world: a pipe or a slow disk below a mount.
//!
//! wasmtime-wasi would block the thread until the world answers. Here its own functions are driven step by step, so
//! that the wait ends at the deadline or when the host shuts down; what the system was asked for goes on without us.
//! Standard output never waits, so that a line costs no detour at all. WASI 0.2 waits in the same way.

use std::{
    cell::Cell,
    future::{pending, poll_fn},
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::{Duration, Instant},
};

use wasmtime::{Caller, Linker};
use wasmtime_wasi::ResourceTableError;
use wasmtime_wasi::p1::{
    WasiP1Ctx,
    wasi_snapshot_preview1::{self as calls, WasiSnapshotPreview1},
};
use wiggle::GuestMemory;

use crate::{
    error::Stop, guest::Shared, host::Host, inspect::WASI_MODULE, threads::Threads, wasi::find_memory,
};

/// There are more files open than one guest may have.
const ERRNO_MFILE: i32 = 33;

/// How soon an interrupt is seen during such a wait.
const SLICE: Duration = Duration::from_millis(5);

/// Provides the calls, in the place of wasmtime-wasi's.
pub(crate) fn link(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    linker.func_wrap(
        WASI_MODULE,
        "fd_read",
        |caller: Caller<'_, Host>, fd: i32, iovs: i32, n: i32, out: i32| {
            drive(caller, async |ctx, memory| calls::fd_read(ctx, memory, fd, iovs, n, out).await)
        },
    )?;
    linker.func_wrap(
        WASI_MODULE,
        "fd_write",
        |caller: Caller<'_, Host>, fd: i32, iovs: i32, n: i32, out: i32| {
            drive(caller, async |ctx, memory| calls::fd_write(ctx, memory, fd, iovs, n, out).await)
        },
    )?;
    linker.func_wrap(
        WASI_MODULE,
        "fd_pread",
        |caller: Caller<'_, Host>, fd: i32, iovs: i32, n: i32, from: i64, out: i32| {
            drive(caller, async |ctx, memory| calls::fd_pread(ctx, memory, fd, iovs, n, from, out).await)
        },
    )?;
    linker.func_wrap(
        WASI_MODULE,
        "fd_pwrite",
        |caller: Caller<'_, Host>, fd: i32, iovs: i32, n: i32, from: i64, out: i32| {
            drive(caller, async |ctx, memory| calls::fd_pwrite(ctx, memory, fd, iovs, n, from, out).await)
        },
    )?;
    linker.func_wrap(
        WASI_MODULE,
        "path_open",
        |caller: Caller<'_, Host>,
         fd: i32,
         lookup: i32,
         path: i32,
         bytes: i32,
         open: i32,
         base: i64,
         inheriting: i64,
         flags: i32,
         out: i32| {
            let opened = drive(caller, async |ctx, memory| {
                calls::path_open(ctx, memory, fd, lookup, path, bytes, open, base, inheriting, flags, out)
                    .await
            });
            match opened {
                Err(err) if matches!(err.downcast_ref(), Some(ResourceTableError::Full)) => Ok(ERRNO_MFILE),
                opened => opened,
            }
        },
    )?;
    Ok(())
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Unpark>) {
        self.0.unpark();
    }
}

/// Runs one call to its end, or to the deadline's.
fn drive(
    mut caller: Caller<'_, Host>,
    call: impl AsyncFnOnce(&mut WasiP1Ctx, &mut GuestMemory<'_>) -> wasmtime::Result<i32>,
) -> wasmtime::Result<i32> {
    let Some(memory) = find_memory(&mut caller) else {
        wasmtime::bail!("the module has no memory");
    };
    let (data, host) = memory.data_and_store_mut(&mut caller);
    host.wasi.set_hostcall_fuel(host.shared.copy_limit());
    let mut memory = GuestMemory::Unshared(data);
    finish(call(&mut host.wasi, &mut memory), &host.shared, &mut host.deadline)?
}

/// Drives a call of wasmtime-wasi to its end, or to the deadline's.
pub(crate) fn finish<T>(
    call: impl Future<Output = T>,
    shared: &Shared,
    deadline: &mut Option<u64>,
) -> Result<T, Stop> {
    let _on_own_threads = shared.threads.as_ref().and_then(Threads::enter);
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
        if shared.interrupt.is_raised() {
            return Err(Stop::Interrupted);
        }
        let now = Instant::now();
        if deadline <= now {
            return Err(Stop::Timeout);
        }
        let until = ALARM.get().map_or(deadline, |it| it.min(deadline));
        thread::park_timeout(until.saturating_duration_since(now).min(SLICE));
    }
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
