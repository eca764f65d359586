//! The directory of the cache: what is opened in it, how it is written, and what is removed from it.
//!
//! Whoever can write here runs code in our process. So the directory and every file are checked on the descriptor
//! that is then used, never by name: they belong to us or to root, and nobody else may write to them.

use std::{
    fs::{DirBuilder, File},
    io::{self, Write},
    os::{
        fd::OwnedFd,
        unix::fs::{DirBuilderExt, MetadataExt},
    },
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustix::{
    fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT},
    io::Errno,
};

use super::entry::{Flaw, is_name};

/// Begins the name of a file that is still being written.
const TEMPORARY: &str = ".new-";

/// A file that is still being written after this time never will be: its writer was killed.
const TEMPORARY_AGE_MAX: Duration = Duration::from_secs(3600);

/// Write permission of group and others.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Read permission of group and others.
const READABLE_BY_OTHERS: u32 = 0o044;

/// Why a directory is not used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unusable {
    /// Others could put code there.
    #[error("{0}")]
    Unsafe(Flaw),
    #[error("{}", wappa_component::cause(.0))]
    Io(#[from] io::Error),
}

/// An open directory that only we and root may write to.
#[derive(Debug)]
pub(super) struct Directory {
    fd: OwnedFd,
    mode: u32,
}

/// A file in the directory.
pub(super) struct Found {
    pub(super) name: String,
    pub(super) bytes: u64,
    pub(super) used: (i64, i64),
}

impl Directory {
    /// Opens it; makes it, and what is above it, where it is not there.
    pub(super) fn open(path: &Path) -> Result<Directory, Unusable> {
        let open = || {
            rustix::fs::open(
                path,
                OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
                Mode::empty(),
            )
        };
        let opened = match open() {
            Err(Errno::NOENT) => {
                DirBuilder::new().recursive(true).mode(0o700).create(path)?;
                open()
            }
            opened => opened,
        };
        let fd = match opened {
            Err(Errno::NOTDIR | Errno::LOOP) if is_link(path) => return Err(Unusable::Unsafe(Flaw::Link)),
            opened => opened.map_err(io::Error::from)?,
        };
        let stat = rustix::fs::fstat(&fd).map_err(io::Error::from)?;
        check(&stat).map_err(Unusable::Unsafe)?;
        Ok(Directory { fd, mode: mode_of(&stat) })
    }

    /// Opens a file of the cache for reading, and says how large it is; none where there is none.
    pub(super) fn open_entry(&self, name: &str) -> Result<Option<(File, u64)>, Flaw> {
        // What is no file must not keep us waiting until somebody opens its other end.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(&self.fd, name, flags, Mode::empty()) {
            Ok(fd) => File::from(fd),
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP) => return Err(Flaw::Link),
            Err(err) => return Err(io::Error::from(err).into()),
        };
        let stat = rustix::fs::fstat(&file).map_err(io::Error::from)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(Flaw::NotAFile);
        }
        check(&stat)?;
        let size = file.metadata()?.size();
        Ok(Some((file, size)))
    }

    /// Says that a file was used just now. One that is not ours to touch stays as old as it is.
    pub(super) fn touch(file: &File) {
        let time = |nanoseconds| Timespec { tv_sec: 0, tv_nsec: nanoseconds };
        let times = Timestamps { last_access: time(UTIME_OMIT), last_modification: time(UTIME_NOW) };
        let _ = rustix::fs::futimens(file, &times);
    }

    /// Writes a file whole, or not at all. Whoever reads meanwhile sees the old one or the new one.
    pub(super) fn write(&self, name: &str, parts: &[&[u8]]) -> io::Result<()> {
        let (mut file, temporary) = self.create_temporary()?;
        let written = (|| {
            parts.iter().try_for_each(|it| file.write_all(it))?;
            // Others may read the code where they may read the directory: an image is built by one user and used by
            // another.
            let mode = Mode::from_raw_mode(0o600 | (self.mode & READABLE_BY_OTHERS));
            rustix::fs::fchmod(&file, mode)?;
            file.sync_all()?;
            Ok(rustix::fs::renameat(&self.fd, &temporary, &self.fd, name)?)
        })();
        if written.is_err() {
            self.remove(&temporary);
        }
        written
    }

    fn create_temporary(&self) -> io::Result<(File, String)> {
        static N: AtomicU64 = AtomicU64::new(0);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        loop {
            let nanoseconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |it| it.as_nanos());
            let n = N.fetch_add(1, Ordering::Relaxed);
            let name = format!("{TEMPORARY}{}-{nanoseconds:x}-{n}", std::process::id());
            match rustix::fs::openat(&self.fd, &name, flags, Mode::RUSR | Mode::WUSR) {
                Ok(fd) => return Ok((fd.into(), name)),
                Err(Errno::EXIST) => {}
                Err(err) => return Err(err.into()),
            }
        }
    }

    /// Whether the file is gone. One that cannot be removed is not ours.
    pub(super) fn remove(&self, name: &str) -> bool {
        matches!(rustix::fs::unlinkat(&self.fd, name, AtFlags::empty()), Ok(()) | Err(Errno::NOENT))
    }

    /// The files of the cache. What killed writers left behind is removed on the way.
    pub(super) fn list(&self) -> io::Result<Vec<Found>> {
        let mut found = Vec::new();
        for entry in Dir::read_from(&self.fd)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            let is_temporary = name.starts_with(TEMPORARY);
            if !is_temporary && !is_name(name) {
                continue;
            }
            // Another process may have removed it meanwhile.
            let Ok(stat) = rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
            if is_temporary {
                if is_older(&stat, TEMPORARY_AGE_MAX) {
                    self.remove(name);
                }
                continue;
            }
            found.push(Found {
                name: name.to_owned(),
                bytes: u64::try_from(stat.st_size).unwrap_or_default(),
                #[allow(clippy::useless_conversion, reason = "the types differ between systems")]
                used: (i64::from(stat.st_mtime), i64::try_from(stat.st_mtime_nsec).unwrap_or_default()),
            });
        }
        Ok(found)
    }
}

fn mode_of(stat: &Stat) -> u32 {
    #[allow(clippy::useless_conversion, reason = "the type differs between systems")]
    u32::from(stat.st_mode)
}

/// Whether only we and root can have written it.
fn check(stat: &Stat) -> Result<(), Flaw> {
    if stat.st_uid != 0 && stat.st_uid != rustix::process::geteuid().as_raw() {
        return Err(Flaw::Owner(stat.st_uid));
    }
    if mode_of(stat) & WRITABLE_BY_OTHERS != 0 {
        return Err(Flaw::Mode(mode_of(stat) & 0o7777));
    }
    Ok(())
}

fn is_older(stat: &Stat, age: Duration) -> bool {
    let since = u64::try_from(stat.st_mtime).map(|it| UNIX_EPOCH + Duration::from_secs(it));
    since.is_ok_and(|it| it.elapsed().is_ok_and(|it| it > age))
}

fn is_link(path: &Path) -> bool {
    let stat = rustix::fs::statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW);
    stat.is_ok_and(|it| FileType::from_raw_mode(it.st_mode) == FileType::Symlink)
}
