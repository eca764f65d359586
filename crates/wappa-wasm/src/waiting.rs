//! The WASI calls that may wait for the world: a pipe or a slow disk below a mount.
//!
//! wasmtime-wasi would block the thread until the world answers. Here its own functions are driven step by step, so
//! that the wait ends at the deadline or when the host shuts down; what the system was asked for goes on without us.
//! Standard output never waits, so that a line costs no detour at all.

use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::Duration,
};

use wasmtime::{Caller, Linker};
use wasmtime_wasi::p1::{
    WasiP1Ctx,
    wasi_snapshot_preview1::{self as calls, WasiSnapshotPreview1},
};
use wiggle::GuestMemory;

use crate::{error::Stop, host::Host, inspect::WASI_MODULE, wasi::find_memory};

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
            drive(caller, async |ctx, memory| {
                calls::path_open(ctx, memory, fd, lookup, path, bytes, open, base, inheriting, flags, out)
                    .await
            })
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
    // The common case is ready at once and needs no clock and no waker.
    let deadline = &mut host.deadline;
    let shared = &host.shared;
    let mut future = pin!(call(&mut host.wasi, &mut memory));
    if let Poll::Ready(result) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        return result;
    }
    let deadline = shared.clock.instant(shared.deadline(deadline));
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        if let Poll::Ready(result) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return result;
        }
        if shared.interrupt.is_raised() {
            return Err(Stop::Interrupted.into());
        }
        let left = deadline.saturating_duration_since(std::time::Instant::now());
        if left.is_zero() {
            return Err(Stop::Timeout.into());
        }
        thread::park_timeout(left.min(SLICE));
    }
}
