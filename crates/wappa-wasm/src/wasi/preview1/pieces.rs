//! Reading and writing files of preview 1 in pieces.
//!
//! wasmtime-wasi copies what a call reads or writes, all of it, and the thread that does it keeps the copy until the system
//! answers, also when the guest was given up long before. So a long buffer goes through in pieces, and the call is as whole
//! as ever: a language that writes once and believes it is not told of fewer bytes.

use wasmtime::Caller;
use wasmtime_wasi::p1::{
    WasiP1Ctx,
    wasi_snapshot_preview1::{self as calls, WasiSnapshotPreview1},
};
use wiggle::GuestMemory;

use super::{
    ERRNO_SUCCESS,
    calls::{BUFFERS_MAX, memory},
};
use crate::{
    host::Host,
    host::memory::{range, range_mut},
    host::threads::PIECE_BYTES,
    host::waiting::finish,
};

/// A buffer's record: where it is and how long.
const RECORD_BYTES: usize = 8;

pub(super) fn fd_read(
    caller: Caller<'_, Host>,
    fd: i32,
    iovs: i32,
    n: i32,
    out: i32,
) -> wasmtime::Result<i32> {
    transfer(caller, fd, iovs, n, out, async |ctx, memory, piece| {
        calls::fd_read(ctx, memory, fd, piece.iovs, piece.n, out).await
    })
}

pub(super) fn fd_write(
    caller: Caller<'_, Host>,
    fd: i32,
    iovs: i32,
    n: i32,
    out: i32,
) -> wasmtime::Result<i32> {
    transfer(caller, fd, iovs, n, out, async |ctx, memory, piece| {
        calls::fd_write(ctx, memory, fd, piece.iovs, piece.n, out).await
    })
}

pub(super) fn fd_pwrite(
    caller: Caller<'_, Host>,
    fd: i32,
    iovs: i32,
    n: i32,
    from: i64,
    out: i32,
) -> wasmtime::Result<i32> {
    transfer(caller, fd, iovs, n, out, async |ctx, memory, piece| {
        let from = from.wrapping_add(i64::from(piece.done));
        calls::fd_pwrite(ctx, memory, fd, piece.iovs, piece.n, from, out).await
    })
}

/// The buffers of one call of wasmtime-wasi.
#[derive(Clone, Copy)]
struct Piece {
    iovs: i32,
    n: i32,
    /// How many bytes of the same buffer went before.
    done: u32,
}

/// Reads or writes the first buffer that is not empty, as wasmtime-wasi does, and all of it, as far as the file goes.
fn transfer(
    mut caller: Caller<'_, Host>,
    fd: i32,
    iovs: i32,
    n: i32,
    out: i32,
    call: impl AsyncFn(&mut WasiP1Ctx, &mut GuestMemory<'_>, Piece) -> wasmtime::Result<i32>,
) -> wasmtime::Result<i32> {
    let n = n.cast_unsigned().min(BUFFERS_MAX).cast_signed();
    let (data, host) = memory(&mut caller)?;
    let Host { wasi, shared, deadline, .. } = host;
    let Some((address, length)) = long_buffer(data, iovs, n).filter(|_| is_file(wasi, fd)) else {
        let mut memory = GuestMemory::Unshared(data);
        let done = finish(call(wasi, &mut memory, Piece { iovs, n, done: 0 }), shared, deadline)?;
        return done.map(|errno| host.told(errno));
    };
    let mut done = 0;
    while done < length {
        let bytes = (length - done).min(PIECE_BYTES as u32);
        // The record of a piece lies within the guest's own buffer, where this piece is not, and what was there comes back.
        let free = if done == 0 { address + bytes } else { address };
        let record = free.next_multiple_of(4);
        let place = range_mut(data, record, RECORD_BYTES).expect("a long buffer has room beside a piece");
        let before: [u8; RECORD_BYTES] = (&*place).try_into().expect("it is as long");
        place[..4].copy_from_slice(&(address + done).to_le_bytes());
        place[4..].copy_from_slice(&bytes.to_le_bytes());
        let piece = Piece { iovs: record.cast_signed(), n: 1, done };
        wasi.set_hostcall_fuel(shared.copy_limit());
        let called = finish(call(wasi, &mut GuestMemory::Unshared(&mut *data), piece), shared, deadline);
        let moved = number_at(data, out);
        range_mut(data, record, RECORD_BYTES).expect("it is there still").copy_from_slice(&before);
        let errno = called??;
        if errno != ERRNO_SUCCESS {
            if done == 0 {
                return Ok(host.told(errno));
            }
            break;
        }
        let moved = moved.unwrap_or_default();
        done += moved;
        if moved < bytes {
            break;
        }
    }
    if let Some(told) = range_mut(data, out.cast_unsigned(), 4) {
        told.copy_from_slice(&done.to_le_bytes());
    }
    Ok(ERRNO_SUCCESS)
}

/// The first buffer that is not empty, if it is longer than a piece and lies in the memory.
fn long_buffer(data: &[u8], iovs: i32, n: i32) -> Option<(u32, u32)> {
    let records = range(data, iovs.cast_unsigned(), n as usize * RECORD_BYTES)?;
    let number = |record: &[u8], from: usize| {
        u32::from_le_bytes(*record[from..].first_chunk().expect("inside of the record"))
    };
    let mut buffers = records.chunks_exact(RECORD_BYTES).map(|it| (number(it, 0), number(it, 4)));
    let (address, length) = buffers.find(|(_, length)| 0 < *length)?;
    let is_long = PIECE_BYTES + 2 * RECORD_BYTES <= length as usize;
    (is_long && range(data, address, length as usize).is_some()).then_some((address, length))
}

/// Whether it is a file: standard output takes what it gets and keeps no copy.
fn is_file(wasi: &mut WasiP1Ctx, fd: i32) -> bool {
    let mut position = [0; 8];
    let told = calls::fd_tell(wasi, &mut GuestMemory::Unshared(&mut position), fd, 0);
    matches!(told, Ok(ERRNO_SUCCESS))
}

fn number_at(data: &[u8], at: i32) -> Option<u32> {
    range(data, at.cast_unsigned(), 4)?.first_chunk().copied().map(u32::from_le_bytes)
}
