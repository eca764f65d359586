//! Files of preview 1 that wasmtime-wasi's own functions would not do: opening, and reading a directory.

use std::{fs::File, io, sync::Arc};

use rustix::{
    fs::{FileType, Mode, OFlags},
    io::Errno,
};
use wappa_component::cause;
use wasmtime::{Caller, component::Resource};
use wasmtime_wasi::{
    ResourceTableError, WasiCtxView, WasiView,
    filesystem::{Descriptor, WasiFilesystemCtxView},
    p1::wasi_snapshot_preview1 as calls,
    p2::bindings::filesystem::types::HostDescriptor,
};
use wiggle::GuestMemory;

use super::{
    ERRNO_FAULT, ERRNO_SUCCESS,
    calls::{drive, is_too_long, memory},
    find_memory,
};
use crate::{
    host::Host,
    host::descriptors::Place,
    host::files::file_of,
    host::listing::{Entry, Listing, Numbers},
    host::memory::{range, range_mut},
    host::waiting::finish,
    interface::Level,
};

const ERRNO_ILSEQ: i32 = 25;
const ERRNO_IO: i32 = 29;

/// There are more files open than one guest may have.
const ERRNO_MFILE: i32 = 33;

pub(super) const ERRNO_NAMETOOLONG: i32 = 37;

/// It is neither a file nor a directory.
const ERRNO_NOTSUP: i32 = 58;

const FILETYPE_UNKNOWN: u8 = 0;
const FILETYPE_BLOCK_DEVICE: u8 = 1;
const FILETYPE_CHARACTER_DEVICE: u8 = 2;
const FILETYPE_DIRECTORY: u8 = 3;
const FILETYPE_REGULAR_FILE: u8 = 4;
const FILETYPE_SYMBOLIC_LINK: u8 = 7;

/// The size of a `filestat`, and where its type is.
const FILESTAT_BYTES: usize = 64;
const FILESTAT_TYPE: usize = 16;

const DIRENT_BYTES: usize = 24;

impl Host {
    /// Says what the mounts are.
    pub(crate) fn know_mounts(&mut self) -> wasmtime::Result<()> {
        let Host { wasi, files, .. } = self;
        let WasiCtxView { ctx, table } = wasi.ctx();
        files.mounted(&mut WasiFilesystemCtxView { ctx: ctx.filesystem(), table })
    }

    /// wasmtime-wasi calls it an I/O error when the process is out of descriptors; the guest is told what it is, and the
    /// log which limit is in the way.
    pub(super) fn told(&mut self, errno: i32) -> i32 {
        match errno {
            ERRNO_IO if self.is_out_of_descriptors() => ERRNO_MFILE,
            errno => errno,
        }
    }

    /// Whether the process can open nothing, which is said then.
    pub(crate) fn is_out_of_descriptors(&mut self) -> bool {
        let opened = rustix::fs::open("/", OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
        match opened {
            Err(errno @ (Errno::MFILE | Errno::NFILE)) => {
                let why = cause(&errno.into());
                self.output.log(Level::Warn, &format!("a file is not opened: {why}"));
                true
            }
            _ => false,
        }
    }

    /// A place for one more file; when there is none, the guest's log says which limit is in the way.
    pub(crate) fn take_place(&mut self) -> Option<Place> {
        match self.shared.descriptors.as_ref()?.take() {
            Ok(place) => Some(place),
            Err(why) => {
                self.output.log(Level::Warn, &why);
                None
            }
        }
    }
}

#[expect(clippy::too_many_arguments, reason = "the interface has so many")]
pub(super) fn path_open(
    mut caller: Caller<'_, Host>,
    fd: i32,
    lookup: i32,
    path: i32,
    bytes: i32,
    open: i32,
    base: i64,
    inheriting: i64,
    flags: i32,
    out: i32,
) -> wasmtime::Result<i32> {
    if is_too_long(bytes) {
        return Ok(ERRNO_NAMETOOLONG);
    }
    let (data, host) = memory(&mut caller)?;
    let Some(descriptors) = host.shared.descriptors.clone() else {
        // There is no directory that it could be in.
        return drive(caller, async |ctx, memory| {
            calls::path_open(ctx, memory, fd, lookup, path, bytes, open, base, inheriting, flags, out).await
        });
    };
    let Some(_place) = host.take_place() else { return Ok(ERRNO_MFILE) };
    if let Some(path) = range(data, path.cast_unsigned(), bytes as usize)
        && is_special(host, fd, lookup, path)?
    {
        return Ok(ERRNO_NOTSUP);
    }
    let Some(guest) = find_memory(&mut caller) else { return Ok(ERRNO_FAULT) };
    let (data, host) = guest.data_and_store_mut(&mut caller);
    let Host { wasi, shared, deadline, files, .. } = host;
    let opened = finish(
        calls::path_open(
            wasi,
            &mut GuestMemory::Unshared(&mut *data),
            fd,
            lookup,
            path,
            bytes,
            open,
            base,
            inheriting,
            flags,
            out,
        ),
        shared,
        deadline,
    )?;
    match opened {
        Err(err) if matches!(err.downcast_ref(), Some(ResourceTableError::Full)) => Ok(ERRNO_MFILE),
        Ok(ERRNO_SUCCESS) => {
            let number = range(data, out.cast_unsigned(), 4).and_then(|it| it.first_chunk());
            let number = u32::from_le_bytes(*number.expect("it was written there"));
            files.opened(wasi.ctx().table, &descriptors, number);
            Ok(ERRNO_SUCCESS)
        }
        Ok(errno) => Ok(host.told(errno)),
        Err(err) => Err(err),
    }
}

/// Whether there is something that is neither a file nor a directory: opening a pipe that nobody writes to waits for
/// ever, and keeps a thread; opening a device may do anything.
fn is_special(host: &mut Host, fd: i32, lookup: i32, path: &[u8]) -> wasmtime::Result<bool> {
    let stat_at = path.len().next_multiple_of(8);
    let mut buffer = vec![0; stat_at + FILESTAT_BYTES];
    buffer[..path.len()].copy_from_slice(path);
    let Host { wasi, shared, deadline, .. } = host;
    let found = finish(
        calls::path_filestat_get(
            wasi,
            &mut GuestMemory::Unshared(&mut buffer),
            fd,
            lookup,
            0,
            path.len() as i32,
            stat_at as i32,
        ),
        shared,
        deadline,
    )?;
    let known = [FILETYPE_DIRECTORY, FILETYPE_REGULAR_FILE, FILETYPE_SYMBOLIC_LINK];
    Ok(match found {
        Ok(ERRNO_SUCCESS) => !known.contains(&buffer[stat_at + FILESTAT_TYPE]),
        // Opening it says what is wrong, or makes it.
        Ok(_) => false,
        // wasmtime-wasi has no words for a socket.
        Err(_) => true,
    })
}

pub(super) fn fd_close(mut caller: Caller<'_, Host>, fd: i32) -> wasmtime::Result<i32> {
    let (data, host) = memory(&mut caller)?;
    let Host { wasi, shared, deadline, .. } = host;
    let closed = finish(calls::fd_close(wasi, &mut GuestMemory::Unshared(data), fd), shared, deadline)?;
    if matches!(closed, Ok(ERRNO_SUCCESS)) {
        host.files.closed(fd.cast_unsigned());
    }
    closed
}

pub(super) fn fd_renumber(mut caller: Caller<'_, Host>, from: i32, to: i32) -> wasmtime::Result<i32> {
    let (data, host) = memory(&mut caller)?;
    let Host { wasi, shared, deadline, .. } = host;
    let renumbered =
        finish(calls::fd_renumber(wasi, &mut GuestMemory::Unshared(data), from, to), shared, deadline)?;
    if matches!(renumbered, Ok(ERRNO_SUCCESS)) {
        host.files.renumbered(from.cast_unsigned(), to.cast_unsigned());
    }
    renumbered
}

/// Reads on where the guest is, which wasmtime-wasi would do from the beginning each time.
pub(super) fn fd_readdir(
    mut caller: Caller<'_, Host>,
    fd: i32,
    buffer: i32,
    capacity: i32,
    cookie: i64,
    out: i32,
) -> wasmtime::Result<i32> {
    let (data, host) = memory(&mut caller)?;
    let number = fd.cast_unsigned();
    let directory = host.files.directory(host.wasi.ctx().table, number);
    let Some(directory @ Descriptor::Dir(_)) = directory else {
        // It says what is wrong.
        return drive(caller, async |ctx, memory| {
            calls::fd_readdir(ctx, memory, fd, buffer, capacity, cookie, out).await
        });
    };
    let cookie = cookie.cast_unsigned();
    let from = cookie.saturating_sub(2);
    let listing = match host.files.listings.remove(&number).filter(|it| it.at() == from) {
        Some(listing) => Ok(listing),
        None => match host.take_place() {
            Some(place) => Err((Arc::clone(file_of(&directory).0), place)),
            None => return Ok(ERRNO_MFILE),
        },
    };
    let Some(target) = range_mut(data, buffer.cast_unsigned(), capacity.cast_unsigned() as usize) else {
        return Ok(ERRNO_FAULT);
    };
    let Host { wasi, shared, deadline, .. } = host;
    let WasiCtxView { ctx, table } = wasi.ctx();
    let directory = table.push(directory)?;
    let mut files = WasiFilesystemCtxView { ctx: ctx.filesystem(), table };
    let read = finish(list(&mut files, &directory, listing, cookie, target), shared, deadline)?;
    host.wasi.ctx().table.delete(directory)?;
    let (listing, written) = match read {
        Ok(read) => read,
        Err(errno) => return Ok(errno),
    };
    host.files.listings.insert(number, listing);
    let Some(target) = range_mut(data, out.cast_unsigned(), 4) else { return Ok(ERRNO_FAULT) };
    target.copy_from_slice(&(written as u32).to_le_bytes());
    Ok(ERRNO_SUCCESS)
}

/// Writes entries from the cookie on, as many as fit; of the last one maybe only the beginning.
async fn list(
    files: &mut WasiFilesystemCtxView<'_>,
    directory: &Resource<Descriptor>,
    listing: Result<Listing, (Arc<File>, Place)>,
    cookie: u64,
    target: &mut [u8],
) -> Result<(Listing, usize), i32> {
    let borrowed = || Resource::new_borrow(directory.rep());
    let failed = |err: io::Error| match Errno::from_io_error(&err) {
        Some(Errno::MFILE | Errno::NFILE) => ERRNO_MFILE,
        _ => ERRNO_IO,
    };
    let mut listing = match listing {
        Ok(listing) => listing,
        Err((file, place)) => {
            let mut listing = Listing::open(file, place, Numbers::With).await.map_err(failed)?;
            while listing.at() < cookie.saturating_sub(2) && listing.next().await.map_err(failed)?.is_some() {
            }
            listing
        }
    };
    let mut written = 0;
    let mut next = cookie;
    while written < target.len() {
        let mut of_directory = async |name: &[u8]| {
            let number = files.metadata_hash(borrowed()).await.map_or(0, |it| it.lower);
            Entry { name: name.to_vec(), kind: FileType::Directory, number }
        };
        let entry = match next {
            0 => of_directory(b".").await,
            // Of the one above nothing is told.
            1 => of_directory(b"..").await,
            _ => match listing.next().await.map_err(failed)? {
                Some(entry) => entry,
                None => break,
            },
        };
        if str::from_utf8(&entry.name).is_err() {
            return Err(ERRNO_ILSEQ);
        }
        let mut record = Vec::with_capacity(DIRENT_BYTES + entry.name.len());
        record.extend_from_slice(&(next + 1).to_le_bytes());
        record.extend_from_slice(&entry.number.to_le_bytes());
        record.extend_from_slice(&(entry.name.len() as u32).to_le_bytes());
        record.extend_from_slice(&[filetype(entry.kind), 0, 0, 0]);
        record.extend_from_slice(&entry.name);
        let room = target.len() - written;
        let n = record.len().min(room);
        target[written..written + n].copy_from_slice(&record[..n]);
        written += n;
        if n < record.len() && 2 <= next {
            listing.put_back(entry);
        }
        next += 1;
    }
    Ok((listing, written))
}

fn filetype(kind: FileType) -> u8 {
    match kind {
        FileType::RegularFile => FILETYPE_REGULAR_FILE,
        FileType::Directory => FILETYPE_DIRECTORY,
        FileType::Symlink => FILETYPE_SYMBOLIC_LINK,
        FileType::BlockDevice => FILETYPE_BLOCK_DEVICE,
        FileType::CharacterDevice => FILETYPE_CHARACTER_DEVICE,
        FileType::Fifo | FileType::Socket | FileType::Unknown => FILETYPE_UNKNOWN,
    }
}
