//! Deleting files that were read: what was read, once all of it has arrived, and only that.
//!
//! A name may have come to mean another file since, and the file may have grown, been cut short or been written over. So
//! what is deleted is compared with what was read. A descriptor for each file that waits for its answers would soon be
//! too many, so a file is known by its device, its number there and the time at which it came to be.

use std::{
    fs,
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use rustix::{
    fs::{AtFlags, FileType, Mode, OFlags, SeekFrom, Statx, StatxFlags, open, seek, statx},
    io::Errno,
};
use wappa_component::{InputBell, Logger};

use crate::fault;

/// How far a file was read, and what is needed to know it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    id: (u32, u32, u64),
    /// When it came to be, where the system knows.
    born: Option<(i64, u32)>,
    is_file: bool,
    n_bytes: u64,
    modified: (i64, u32),
}

impl Seen {
    fn of(descriptor: impl AsFd) -> Result<Seen, Errno> {
        let mask = StatxFlags::BASIC_STATS | StatxFlags::BTIME;
        Ok(Seen::new(&statx(descriptor, "", AtFlags::EMPTY_PATH, mask)?))
    }

    fn at(path: &Path) -> Result<Seen, Errno> {
        let mask = StatxFlags::BASIC_STATS | StatxFlags::BTIME;
        Ok(Seen::new(&statx(rustix::fs::CWD, path, AtFlags::empty(), mask)?))
    }

    fn new(stat: &Statx) -> Seen {
        let knows_birth = StatxFlags::from_bits_retain(stat.stx_mask).contains(StatxFlags::BTIME);
        Seen {
            id: (stat.stx_dev_major, stat.stx_dev_minor, stat.stx_ino),
            born: knows_birth.then_some((stat.stx_btime.tv_sec, stat.stx_btime.tv_nsec)),
            is_file: FileType::from_raw_mode(stat.stx_mode.into()) == FileType::RegularFile,
            n_bytes: stat.stx_size,
            modified: (stat.stx_mtime.tv_sec, stat.stx_mtime.tv_nsec),
        }
    }

    fn is_same_file(&self, other: &Seen) -> bool {
        self.id == other.id && self.born == other.born
    }
}

/// What the files of one input that are to be deleted have in common.
#[derive(Debug)]
pub(super) struct Deletions {
    logger: Logger,
    /// Rung when a file is settled.
    bell: InputBell,
    /// Files that were read to their end and are not settled.
    n_open: AtomicUsize,
    grown: Mutex<Vec<Grown>>,
    /// Nothing more is read: what has grown stays.
    is_over: AtomicBool,
}

/// A file of which there is more to read.
#[derive(Debug)]
pub(super) struct Grown {
    pub(super) path: PathBuf,
    /// Stands where reading goes on.
    pub(super) descriptor: OwnedFd,
    pub(super) position: u64,
    /// It grew in the moment in which it was deleted.
    pub(super) is_deleted: bool,
}

impl Deletions {
    pub(super) fn new(logger: Logger, bell: InputBell) -> Arc<Deletions> {
        Arc::new(Deletions {
            logger,
            bell,
            n_open: AtomicUsize::new(0),
            grown: Mutex::new(Vec::new()),
            is_over: AtomicBool::new(false),
        })
    }

    /// A file of which there is more to read.
    pub(super) fn take_grown(&self) -> Option<Grown> {
        self.grown.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// Whether a file that was read may yet turn out to have grown. What has is to be taken first.
    pub(super) fn is_waiting(&self) -> bool {
        self.n_open.load(Ordering::Acquire) != 0
    }

    /// Nothing more is read.
    pub(super) fn stop(&self) {
        self.is_over.store(true, Ordering::SeqCst);
    }

    fn settled(&self, grown: Option<Grown>) {
        self.grown.lock().unwrap_or_else(PoisonError::into_inner).extend(grown);
        self.n_open.fetch_sub(1, Ordering::AcqRel);
        self.bell.ring();
    }

    /// Deletes a file that has arrived, if it still is what was read; gives it back if there is more of it.
    fn settle(&self, path: &Path, read: &Seen) -> Option<Grown> {
        let stays = |why: &str| {
            self.logger.warn(&format!("`{}` {why}: it is not deleted", path.display()));
            None
        };
        match Seen::at(path) {
            Ok(now) if !now.is_same_file(read) => return stays("is not the file any more that was read"),
            Ok(_) => (),
            Err(Errno::NOENT) => {
                self.logger
                    .info(&format!("`{}` is gone already: there is nothing to delete", path.display()));
                return None;
            }
            Err(err) => return self.failed("stat", path, err),
        }
        if !read.is_file {
            return self.remove(path);
        }
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
        let descriptor = match open(path, flags, Mode::empty()) {
            Ok(it) => it,
            Err(err) => return self.failed("open", path, err),
        };
        let now = match Seen::of(&descriptor) {
            Ok(it) => it,
            Err(err) => return self.failed("stat", path, err),
        };
        if !now.is_same_file(read) {
            return stays("is not the file any more that was read");
        }
        if read.n_bytes < now.n_bytes {
            if read.born.is_none() {
                // It may as well be another one, with the number of one that is gone.
                return stays("has changed since it was read");
            }
            return self.grown(path, descriptor, read, false);
        }
        if now.n_bytes < read.n_bytes || now.modified != read.modified {
            return stays("was changed while it was read");
        }
        self.remove(path);
        // Whoever wrote between the look and the removal did not write for nothing.
        match Seen::of(&descriptor) {
            Ok(it) if read.n_bytes < it.n_bytes => self.grown(path, descriptor, read, true),
            _ => None,
        }
    }

    fn grown(&self, path: &Path, descriptor: OwnedFd, read: &Seen, is_deleted: bool) -> Option<Grown> {
        if self.is_over.load(Ordering::SeqCst) {
            if is_deleted {
                let path = path.display();
                self.logger.error(&format!("what was written to `{path}` while it was deleted is lost"));
            }
            return None;
        }
        let position = read.n_bytes;
        if let Err(err) = seek(&descriptor, SeekFrom::Start(position)) {
            return self.failed("seek", path, err);
        }
        Some(Grown { path: path.to_path_buf(), descriptor, position, is_deleted })
    }

    fn remove(&self, path: &Path) -> Option<Grown> {
        if let Err(err) = fs::remove_file(path) {
            self.logger.error(&fault::failed("remove", path.display(), err));
        }
        None
    }

    fn failed(&self, call: &str, path: &Path, err: Errno) -> Option<Grown> {
        self.logger.error(&fault::failed(call, path.display(), err));
        None
    }
}

/// One file that is to be deleted once it was read to its end and all that came of it has arrived.
#[derive(Debug)]
pub(super) struct Deletion {
    path: PathBuf,
    all: Arc<Deletions>,
    /// One for each parcel, and one for the reader.
    n_awaited: AtomicUsize,
    keeps: AtomicBool,
    /// Set at the end of the file.
    read: Mutex<Option<Seen>>,
}

impl Deletion {
    pub(super) fn new(path: PathBuf, all: &Arc<Deletions>) -> Deletion {
        all.n_open.fetch_add(1, Ordering::AcqRel);
        Deletion {
            path,
            all: Arc::clone(all),
            n_awaited: AtomicUsize::new(1),
            keeps: AtomicBool::new(false),
            read: Mutex::new(None),
        }
    }

    /// There is one more answer to wait for.
    pub(super) fn expect(&self) {
        self.n_awaited.fetch_add(1, Ordering::Relaxed);
    }

    /// It was read to its end, which is after `n_bytes`.
    pub(super) fn is_whole(&self, descriptor: impl AsFd, n_bytes: u64) {
        match Seen::of(descriptor) {
            Ok(seen) => {
                // What grew meanwhile is looked at when all else has arrived.
                *self.read.lock().unwrap_or_else(PoisonError::into_inner) = Some(Seen { n_bytes, ..seen });
                self.answered(true);
            }
            Err(err) => {
                self.all.failed("stat", &self.path, err);
                self.answered(false);
            }
        }
    }

    /// One of those that are waited for has come. `is_good`: as far as this one goes, the file may be deleted.
    pub(super) fn answered(&self, is_good: bool) {
        if !is_good {
            self.keeps.store(true, Ordering::Relaxed);
        }
        // Release what this answer recorded, acquire what all others did.
        if self.n_awaited.fetch_sub(1, Ordering::AcqRel) != 1 {
            return;
        }
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner).take();
        let read = read.filter(|_| !self.keeps.load(Ordering::Relaxed));
        self.all.settled(read.and_then(|read| self.all.settle(&self.path, &read)));
    }
}
