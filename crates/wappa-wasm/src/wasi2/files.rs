//! Files of WASI 0.2: any of these calls may meet a pipe or a slow disk, so all of them are driven.

use wasmtime::component::Resource;
use wasmtime_wasi::{
    filesystem::WasiFilesystemCtxView,
    p2::{
        FsError, FsResult,
        bindings::{
            filesystem::types::{
                ErrorCode as FailedWith, Host as Errors, HostDescriptor as Calls,
                HostDirectoryEntryStream as Entries,
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
use crate::wasi::FILES_MAX;

impl View<'_> {
    fn files<T>(
        &mut self,
        call: impl AsyncFnOnce(&mut WasiFilesystemCtxView<'_>) -> FsResult<T>,
    ) -> FsResult<T> {
        self.on_files(async |mut files| call(&mut files).await).map_err(FsError::trap)?
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
        self.files(async |it| Calls::read_via_stream(it, fd, offset))
    }

    fn write_via_stream(&mut self, fd: Fd, offset: Filesize) -> FsResult<Resource<OutputStream>> {
        self.files(async |it| Calls::write_via_stream(it, fd, offset))
    }

    fn append_via_stream(&mut self, fd: Fd) -> FsResult<Resource<OutputStream>> {
        self.files(async |it| Calls::append_via_stream(it, fd))
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
        self.files(async |it| Calls::write(it, fd, bytes, offset).await)
    }

    fn read_directory(&mut self, fd: Fd) -> FsResult<Resource<DirectoryEntryStream>> {
        self.files(async |it| Calls::read_directory(it, fd).await)
    }

    fn sync(&mut self, fd: Fd) -> FsResult<()> {
        self.files(async |it| Calls::sync(it, fd).await)
    }

    fn create_directory_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        self.files(async |it| Calls::create_directory_at(it, fd, path).await)
    }

    fn stat(&mut self, fd: Fd) -> FsResult<DescriptorStat> {
        self.files(async |it| Ok(Calls::stat(it, fd).await?.into()))
    }

    fn stat_at(&mut self, fd: Fd, flags: PathFlags, path: String) -> FsResult<DescriptorStat> {
        self.files(async |it| Ok(Calls::stat_at(it, fd, flags.into(), path).await?.into()))
    }

    fn set_times_at(
        &mut self,
        fd: Fd,
        flags: PathFlags,
        path: String,
        access: NewTimestamp,
        modification: NewTimestamp,
    ) -> FsResult<()> {
        self.files(async |it| {
            Calls::set_times_at(it, fd, flags.into(), path, access.into(), modification.into()).await
        })
    }

    fn link_at(&mut self, fd: Fd, flags: PathFlags, path: String, new_fd: Fd, new: String) -> FsResult<()> {
        self.files(async |it| Calls::link_at(it, fd, flags.into(), path, new_fd, new).await)
    }

    fn open_at(
        &mut self,
        fd: Fd,
        path_flags: PathFlags,
        path: String,
        open_flags: OpenFlags,
        flags: DescriptorFlags,
    ) -> FsResult<Fd> {
        // Descriptors are the process's: a guest that opens files without end would leave none for anybody else.
        if FILES_MAX <= self.0.files.len() {
            return Err(FailedWith::Quota.into());
        }
        let opened = self.files(async |it| {
            Calls::open_at(it, fd, path_flags.into(), path, open_flags.into(), flags.into()).await
        })?;
        self.0.files.insert(opened.rep());
        Ok(opened)
    }

    fn readlink_at(&mut self, fd: Fd, path: String) -> FsResult<String> {
        self.files(async |it| Calls::readlink_at(it, fd, path).await)
    }

    fn remove_directory_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        self.files(async |it| Calls::remove_directory_at(it, fd, path).await)
    }

    fn rename_at(&mut self, fd: Fd, path: String, new_fd: Fd, new: String) -> FsResult<()> {
        self.files(async |it| Calls::rename_at(it, fd, path, new_fd, new).await)
    }

    fn symlink_at(&mut self, fd: Fd, target: String, path: String) -> FsResult<()> {
        self.files(async |it| Calls::symlink_at(it, fd, target, path).await)
    }

    fn unlink_file_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        self.files(async |it| Calls::unlink_file_at(it, fd, path).await)
    }

    fn is_same_object(&mut self, one: Fd, other: Fd) -> wasmtime::Result<bool> {
        self.on_files(async |mut it| Calls::is_same_object(&mut it, one, other).await)?
    }

    fn metadata_hash(&mut self, fd: Fd) -> FsResult<MetadataHashValue> {
        self.files(async |it| Ok(Calls::metadata_hash(it, fd).await?.into()))
    }

    fn metadata_hash_at(&mut self, fd: Fd, flags: PathFlags, path: String) -> FsResult<MetadataHashValue> {
        self.files(async |it| Ok(Calls::metadata_hash_at(it, fd, flags.into(), path).await?.into()))
    }

    fn drop(&mut self, fd: Fd) -> wasmtime::Result<()> {
        self.0.files.remove(&fd.rep());
        self.table()?.delete(fd)?;
        Ok(())
    }
}

impl types::HostDirectoryEntryStream for View<'_> {
    fn read_directory_entry(
        &mut self,
        stream: Resource<DirectoryEntryStream>,
    ) -> FsResult<Option<DirectoryEntry>> {
        let entry = self.files(async |it| Entries::read_directory_entry(it, stream).await)?;
        Ok(entry.map(DirectoryEntry::from))
    }

    fn drop(&mut self, stream: Resource<DirectoryEntryStream>) -> wasmtime::Result<()> {
        self.table()?.delete(stream)?;
        Ok(())
    }
}
