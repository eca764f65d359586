//! The functions of WASI preview 1: wasmtime-wasi's own, driven so that none of them outlasts the deadline.

use wasmtime::Caller;
use wasmtime_wasi::p1::{
    WasiP1Ctx,
    wasi_snapshot_preview1::{self as calls, WasiSnapshotPreview1},
};
use wiggle::GuestMemory;

use super::{
    files::{self, ERRNO_NAMETOOLONG},
    find_memory, pieces,
};
use crate::{host::Host, host::functions::Functions, host::waiting::finish, interface::WASI_MODULE};

/// The longest path: no system takes a longer one, and finding that out takes time.
pub(crate) const PATH_BYTES_MAX: usize = 4096;

/// So many buffers are read or written with one call, as in Linux (`IOV_MAX`); what is behind them is for the next call,
/// as after any short read or write. Looking through more takes time, even where all of them are empty.
pub(super) const BUFFERS_MAX: u32 = 1024;

/// Provides functions of wasmtime-wasi. Behind the parameters are, in brackets, the lengths of their paths; in braces, the
/// number of their buffers.
macro_rules! provide {
    ($functions:ident, $drive:ident: $($name:ident($($param:ident: $ty:ty),*)$([$($bytes:ident),*])?$({$n:ident})?;)*) => {$(
        $functions.add(
            WASI_MODULE,
            stringify!($name),
            |caller: Caller<'_, Host>, $($param: $ty),*| {
                $($(
                    if is_too_long($bytes) {
                        return Ok(ERRNO_NAMETOOLONG);
                    }
                )*)?
                $(let $n = $n.cast_unsigned().min(BUFFERS_MAX).cast_signed();)?
                $drive!(caller, $name, $($param),*)
            },
        )?;
    )*};
}

macro_rules! answered {
    ($caller:ident, $name:ident, $($arg:ident),*) => {
        answer($caller, |ctx, memory| calls::$name(ctx, memory, $($arg),*))
    };
}

macro_rules! driven {
    ($caller:ident, $name:ident, $($arg:ident),*) => {
        drive($caller, async |ctx, memory| calls::$name(ctx, memory, $($arg),*).await)
    };
}

/// Provides them.
pub(super) fn link(functions: &mut Functions) -> wasmtime::Result<()> {
    provide! { functions, answered:
        args_get(argv: i32, buffer: i32);
        args_sizes_get(n: i32, bytes: i32);
        clock_res_get(clock: i32, out: i32);
        clock_time_get(clock: i32, precision: i64, out: i32);
        environ_get(environ: i32, buffer: i32);
        environ_sizes_get(n: i32, bytes: i32);
        fd_allocate(fd: i32, from: i64, bytes: i64);
        fd_fdstat_set_flags(fd: i32, flags: i32);
        fd_fdstat_set_rights(fd: i32, base: i64, inheriting: i64);
        fd_prestat_dir_name(fd: i32, path: i32, capacity: i32);
        fd_prestat_get(fd: i32, out: i32);
        fd_tell(fd: i32, out: i32);
        proc_raise(signal: i32);
        sched_yield();
        sock_accept(fd: i32, flags: i32, out: i32);
        sock_recv(fd: i32, iovs: i32, n: i32, flags: i32, out: i32, flags_out: i32){n};
        sock_send(fd: i32, iovs: i32, n: i32, flags: i32, out: i32){n};
        sock_shutdown(fd: i32, how: i32);
    }
    provide! { functions, driven:
        fd_advise(fd: i32, from: i64, bytes: i64, advice: i32);
        fd_datasync(fd: i32);
        fd_fdstat_get(fd: i32, out: i32);
        fd_filestat_get(fd: i32, out: i32);
        fd_filestat_set_size(fd: i32, bytes: i64);
        fd_filestat_set_times(fd: i32, accessed: i64, modified: i64, flags: i32);
        fd_pread(fd: i32, iovs: i32, n: i32, from: i64, out: i32){n};
        fd_seek(fd: i32, by: i64, whence: i32, out: i32);
        fd_sync(fd: i32);
        path_create_directory(fd: i32, path: i32, bytes: i32)[bytes];
        path_filestat_get(fd: i32, flags: i32, path: i32, bytes: i32, out: i32)[bytes];
        path_filestat_set_times(
            fd: i32, lookup: i32, path: i32, bytes: i32, accessed: i64, modified: i64, flags: i32
        )[bytes];
        path_link(
            fd: i32, lookup: i32, old: i32, old_bytes: i32, to: i32, new: i32, new_bytes: i32
        )[old_bytes, new_bytes];
        path_readlink(fd: i32, path: i32, bytes: i32, buffer: i32, capacity: i32, out: i32)[bytes];
        path_remove_directory(fd: i32, path: i32, bytes: i32)[bytes];
        path_rename(
            fd: i32, old: i32, old_bytes: i32, to: i32, new: i32, new_bytes: i32
        )[old_bytes, new_bytes];
        path_symlink(old: i32, old_bytes: i32, fd: i32, new: i32, new_bytes: i32)[old_bytes, new_bytes];
        path_unlink_file(fd: i32, path: i32, bytes: i32)[bytes];
    }
    functions.add(WASI_MODULE, "fd_read", pieces::fd_read)?;
    functions.add(WASI_MODULE, "fd_write", pieces::fd_write)?;
    functions.add(WASI_MODULE, "fd_pwrite", pieces::fd_pwrite)?;
    functions.add(WASI_MODULE, "fd_close", files::fd_close)?;
    functions.add(WASI_MODULE, "fd_readdir", files::fd_readdir)?;
    functions.add(WASI_MODULE, "fd_renumber", files::fd_renumber)?;
    functions.add(WASI_MODULE, "path_open", files::path_open)
}

pub(super) fn is_too_long(bytes: i32) -> bool {
    PATH_BYTES_MAX < bytes.cast_unsigned() as usize
}

/// One call that never waits.
fn answer(
    mut caller: Caller<'_, Host>,
    call: impl FnOnce(&mut WasiP1Ctx, &mut GuestMemory<'_>) -> wasmtime::Result<i32>,
) -> wasmtime::Result<i32> {
    let (data, host) = memory(&mut caller)?;
    call(&mut host.wasi, &mut GuestMemory::Unshared(data))
}

/// Runs one call to its end, or to the deadline's.
pub(super) fn drive(
    mut caller: Caller<'_, Host>,
    call: impl AsyncFnOnce(&mut WasiP1Ctx, &mut GuestMemory<'_>) -> wasmtime::Result<i32>,
) -> wasmtime::Result<i32> {
    let (data, host) = memory(&mut caller)?;
    let mut memory = GuestMemory::Unshared(data);
    let done = finish(call(&mut host.wasi, &mut memory), &host.shared, &mut host.deadline)?;
    done.map(|errno| host.told(errno))
}

/// The guest's memory and the host, which may copy as much for this call as for any.
pub(super) fn memory<'a>(caller: &'a mut Caller<'_, Host>) -> wasmtime::Result<(&'a mut [u8], &'a mut Host)> {
    let Some(memory) = find_memory(caller) else {
        wasmtime::bail!("the module has no memory");
    };
    let (data, host) = memory.data_and_store_mut(caller);
    host.wasi.set_hostcall_fuel(host.shared.copy_limit());
    Ok((data, host))
}
