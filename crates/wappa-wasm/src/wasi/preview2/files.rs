//! Files of WASI 0.2: any of these calls may meet a pipe or a slow disk, so all of them are driven.

use std::sync::Arc;

use rustix::fs::FileType;
use wasmtime::component::Resource;
use wasmtime_wasi::{
    WasiView,
    filesystem::WasiFilesystemCtxView,
    p2::{
        FsError, FsResult,
        bindings::{
            filesystem::types::{
                DescriptorType as Kind, ErrorCode as FailedWith, Host as Errors, HostDescriptor as Calls,
            },
            sync::{
                filesystem::types::{
                    self, Advice, Descriptor, DescriptorFlags, DescriptorStat, DescriptorType,
                    DirectoryEntry, DirectoryEntryStream, ErrorCode, Filesize, MetadataHashValue,
                    NewTimestamp, OpenFlags, PathFlags,
                },
                io::streams::{Error, InputStream, OutputStream},
            },
        },
    },
};

use super::View;
use crate::{
    host::descriptors::Place,
    host::listing::{Listing, Numbers},
    host::threads::PIECE_BYTES,
    wasi::preview1::PATH_BYTES_MAX,
};

impl View<'_> {
    fn files<T>(
        &mut self,
        call: impl AsyncFnOnce(&mut WasiFilesystemCtxView<'_>) -> FsResult<T>,
    ) -> FsResult<T> {
        let done = self.on_files(async |mut files| call(&mut files).await).map_err(FsError::trap)?;
        match &done {
            Err(err)
                if matches!(err.downcast_ref(), Some(FailedWith::Io))
                    && self.host().map_err(FsError::trap)?.is_out_of_descriptors() =>
            {
                Err(FailedWith::Quota.into())
            }
            _ => done,
        }
    }

    /// A place for one more file.
    fn place(&mut self) -> FsResult<Place> {
        self.host().map_err(FsError::trap)?.take_place().ok_or_else(|| FailedWith::Quota.into())
    }

    /// A stream on a file keeps it open, and has a buffer.
    fn stream<T: 'static>(
        &mut self,
        make: impl FnOnce(&mut WasiFilesystemCtxView<'_>) -> FsResult<Resource<T>>,
    ) -> FsResult<Resource<T>> {
        let place = self.place()?;
        let stream = self.files(async |it| make(it))?;
        self.0.files.streams.insert(stream.rep(), place);
        Ok(stream)
    }

    /// A call with a path, which is no longer than any system takes.
    fn on_path<T>(
        &mut self,
        path: String,
        call: impl AsyncFnOnce(&mut WasiFilesystemCtxView<'_>, String) -> FsResult<T>,
    ) -> FsResult<T> {
        if PATH_BYTES_MAX < path.len() {
            return Err(FailedWith::NameTooLong.into());
        }
        self.files(async |it| call(it, path).await)
    }

    /// The same with two.
    fn on_paths<T>(
        &mut self,
        path: String,
        other: String,
        call: impl AsyncFnOnce(&mut WasiFilesystemCtxView<'_>, String, String) -> FsResult<T>,
    ) -> FsResult<T> {
        if PATH_BYTES_MAX < other.len() {
            return Err(FailedWith::NameTooLong.into());
        }
        self.on_path(path, async |it, path| call(it, path, other).await)
    }
}

impl types::Host for View<'_> {
    fn convert_error_code(&mut self, err: FsError) -> wasmtime::Result<ErrorCode> {
        self.on_files(async |mut files| Errors::convert_error_code(&mut files, err))?.map(ErrorCode::from)
    }

    fn filesystem_error_code(&mut self, err: Resource<Error>) -> wasmtime::Result<Option<ErrorCode>> {
        let code = self.on_files(async |mut files| Errors::filesystem_error_code(&mut files, err))??;
        Ok(code.map(ErrorCode::from))
    }
}

type Fd = Resource<Descriptor>;

impl types::HostDescriptor for View<'_> {
    fn read_via_stream(&mut self, fd: Fd, offset: Filesize) -> FsResult<Resource<InputStream>> {
        self.stream(|it| Calls::read_via_stream(it, fd, offset))
    }

    fn write_via_stream(&mut self, fd: Fd, offset: Filesize) -> FsResult<Resource<OutputStream>> {
        self.stream(|it| Calls::write_via_stream(it, fd, offset))
    }

    fn append_via_stream(&mut self, fd: Fd) -> FsResult<Resource<OutputStream>> {
        self.stream(|it| Calls::append_via_stream(it, fd))
    }

    fn advise(&mut self, fd: Fd, offset: Filesize, length: Filesize, advice: Advice) -> FsResult<()> {
        self.files(async |it| Calls::advise(it, fd, offset, length, advice.into()).await)
    }

    fn sync_data(&mut self, fd: Fd) -> FsResult<()> {
        self.files(async |it| Calls::sync_data(it, fd).await)
    }

    fn get_flags(&mut self, fd: Fd) -> FsResult<DescriptorFlags> {
        self.files(async |it| Ok(Calls::get_flags(it, fd).await?.into()))
    }

    fn get_type(&mut self, fd: Fd) -> FsResult<DescriptorType> {
        self.files(async |it| Ok(Calls::get_type(it, fd).await?.into()))
    }

    fn set_size(&mut self, fd: Fd, size: Filesize) -> FsResult<()> {
        self.files(async |it| Calls::set_size(it, fd, size).await)
    }

    fn set_times(&mut self, fd: Fd, access: NewTimestamp, modification: NewTimestamp) -> FsResult<()> {
        self.files(async |it| Calls::set_times(it, fd, access.into(), modification.into()).await)
    }

    fn read(&mut self, fd: Fd, length: Filesize, offset: Filesize) -> FsResult<(Vec<u8>, bool)> {
        self.files(async |it| Calls::read(it, fd, length, offset).await)
    }

    fn write(&mut self, fd: Fd, bytes: Vec<u8>, offset: Filesize) -> FsResult<Filesize> {
        // In pieces, as those of preview 1: a thread that is given up keeps no more than one.
        self.files(async |it| {
            let mut written = 0;
            let mut rest = bytes.as_slice();
            loop {
                let (piece, behind) = rest.split_at(rest.len().min(PIECE_BYTES));
                let fd = Resource::new_borrow(fd.rep());
                let called = Calls::write(it, fd, piece.to_vec(), offset.saturating_add(written)).await;
                match called {
                    Ok(n) => written += n,
                    // What was written before stands, and the next call says what is wrong.
                    Err(_) if 0 < written => return Ok(written),
                    Err(err) => return Err(err),
                }
                if behind.is_empty() || written < (bytes.len() - behind.len()) as u64 {
                    return Ok(written);
                }
                rest = behind;
            }
        })
    }

    fn read_directory(&mut self, fd: Fd) -> FsResult<Resource<DirectoryEntryStream>> {
        let place = self.place()?;
        let directory = match self.table().map_err(FsError::trap)?.get(&fd)? {
            Descriptor::Dir(directory) => Arc::clone(&directory.dir),
            Descriptor::File(_) => return Err(FailedWith::NotDirectory.into()),
        };
        let listing = self.files(async |it| {
            let listing = Listing::open(directory, place, Numbers::Without).await?;
            Ok(it.table.push(listing)?)
        })?;
        Ok(Resource::new_own(listing.rep()))
    }

    fn sync(&mut self, fd: Fd) -> FsResult<()> {
        self.files(async |it| Calls::sync(it, fd).await)
    }

    fn create_directory_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        self.on_path(path, async |it, path| Calls::create_directory_at(it, fd, path).await)
    }

    fn stat(&mut self, fd: Fd) -> FsResult<DescriptorStat> {
        self.files(async |it| Ok(Calls::stat(it, fd).await?.into()))
    }

    fn stat_at(&mut self, fd: Fd, flags: PathFlags, path: String) -> FsResult<DescriptorStat> {
        self.on_path(path, async |it, path| Ok(Calls::stat_at(it, fd, flags.into(), path).await?.into()))
    }

    fn set_times_at(
        &mut self,
        fd: Fd,
        flags: PathFlags,
        path: String,
        access: NewTimestamp,
        modification: NewTimestamp,
    ) -> FsResult<()> {
        self.on_path(path, async |it, path| {
            Calls::set_times_at(it, fd, flags.into(), path, access.into(), modification.into()).await
        })
    }

    fn link_at(&mut self, fd: Fd, flags: PathFlags, path: String, new_fd: Fd, new: String) -> FsResult<()> {
        self.on_paths(path, new, async |it, path, new| {
            Calls::link_at(it, fd, flags.into(), path, new_fd, new).await
        })
    }

    fn open_at(
        &mut self,
        fd: Fd,
        path_flags: PathFlags,
        path: String,
        open_flags: OpenFlags,
        flags: DescriptorFlags,
    ) -> FsResult<Fd> {
        let _place = self.place()?;
        let path_flags = path_flags.into();
        let opened = self.on_path(path, async |it, path| {
            let dir = Resource::new_borrow(fd.rep());
            // Opening a pipe that nobody writes to waits for ever, and keeps a thread; opening a device may do anything.
            if let Ok(found) = Calls::stat_at(it, dir, path_flags, path.clone()).await
                && !matches!(found.type_, Kind::RegularFile | Kind::Directory | Kind::SymbolicLink)
            {
                return Err(FailedWith::Unsupported.into());
            }
            Calls::open_at(it, fd, path_flags, path, open_flags.into(), flags.into()).await
        })?;
        let host = self.host().map_err(FsError::trap)?;
        let descriptors = host.shared.descriptors.clone();
        if let (Some(descriptors), Ok(opened)) = (descriptors, host.wasi.ctx().table.get(&opened)) {
            match opened {
                Descriptor::File(file) => descriptors.count(&file.file),
                Descriptor::Dir(directory) => descriptors.count(&directory.dir),
            }
        }
        Ok(opened)
    }

    fn readlink_at(&mut self, fd: Fd, path: String) -> FsResult<String> {
        self.on_path(path, async |it, path| Calls::readlink_at(it, fd, path).await)
    }

    fn remove_directory_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        self.on_path(path, async |it, path| Calls::remove_directory_at(it, fd, path).await)
    }

    fn rename_at(&mut self, fd: Fd, path: String, new_fd: Fd, new: String) -> FsResult<()> {
        self.on_paths(path, new, async |it, path, new| Calls::rename_at(it, fd, path, new_fd, new).await)
    }

    fn symlink_at(&mut self, fd: Fd, target: String, path: String) -> FsResult<()> {
        self.on_paths(target, path, async |it, target, path| Calls::symlink_at(it, fd, target, path).await)
    }

    fn unlink_file_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        self.on_path(path, async |it, path| Calls::unlink_file_at(it, fd, path).await)
    }

    fn is_same_object(&mut self, one: Fd, other: Fd) -> wasmtime::Result<bool> {
        self.on_files(async |mut it| Calls::is_same_object(&mut it, one, other).await)?
    }

    fn metadata_hash(&mut self, fd: Fd) -> FsResult<MetadataHashValue> {
        self.files(async |it| Ok(Calls::metadata_hash(it, fd).await?.into()))
    }

    fn metadata_hash_at(&mut self, fd: Fd, flags: PathFlags, path: String) -> FsResult<MetadataHashValue> {
        self.on_path(path, async |it, path| {
            Ok(Calls::metadata_hash_at(it, fd, flags.into(), path).await?.into())
        })
    }

    fn drop(&mut self, fd: Fd) -> wasmtime::Result<()> {
        self.table()?.delete(fd)?;
        Ok(())
    }
}

impl types::HostDirectoryEntryStream for View<'_> {
    fn read_directory_entry(
        &mut self,
        stream: Resource<DirectoryEntryStream>,
    ) -> FsResult<Option<DirectoryEntry>> {
        let listing = Resource::<Listing>::new_borrow(stream.rep());
        let entry = self.files(async |it| Ok(it.table.get_mut(&listing)?.next().await?))?;
        let Some(entry) = entry else { return Ok(None) };
        let name = String::from_utf8(entry.name).map_err(|_| FailedWith::IllegalByteSequence)?;
        Ok(Some(DirectoryEntry { type_: descriptor_type(entry.kind), name }))
    }

    fn drop(&mut self, stream: Resource<DirectoryEntryStream>) -> wasmtime::Result<()> {
        self.table()?.delete(Resource::<Listing>::new_own(stream.rep()))?;
        Ok(())
    }
}

fn descriptor_type(kind: FileType) -> DescriptorType {
    match kind {
        FileType::RegularFile => DescriptorType::RegularFile,
        FileType::Directory => DescriptorType::Directory,
        FileType::Symlink => DescriptorType::SymbolicLink,
        FileType::BlockDevice => DescriptorType::BlockDevice,
        FileType::CharacterDevice => DescriptorType::CharacterDevice,
        FileType::Fifo => DescriptorType::Fifo,
        FileType::Socket => DescriptorType::Socket,
        FileType::Unknown => DescriptorType::Unknown,
    }
}
