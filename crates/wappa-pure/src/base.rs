//! Where paths lead from: the working directory, or a directory that they never lead out of.

use std::{
    fs, io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{Mode, OFlags, ResolveFlags, Stat, fstat, mkdirat, open, openat2, stat},
    io::Errno,
};

/// How often an answer that the system cannot give while somebody moves directories is asked for again.
const ATTEMPTS_MAX: usize = 16;

/// What a file is, whatever it is called: its device and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileId(u64, u64);

impl FileId {
    pub(crate) fn of(stat: &Stat) -> FileId {
        FileId(stat.st_dev, stat.st_ino)
    }
}

/// Where the paths of an output lead from.
#[derive(Debug)]
pub(crate) enum Base {
    /// The working directory; they may lead anywhere.
    Anywhere,
    /// A directory that no path leads out of, through whatever links.
    Below(PathBuf),
}

impl Base {
    /// Opens a file; `mode` is for one that `flags` make.
    pub(crate) fn open(&self, path: &Path, flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
        match self {
            Base::Anywhere => open(path, flags, mode),
            Base::Below(root) => open_below(&open_directory(root)?, path, flags, mode),
        }
    }

    /// Makes the directories that are missing above a file.
    pub(crate) fn make_parents(&self, path: &Path) -> io::Result<()> {
        let parent = path.parent().unwrap_or(Path::new(""));
        let Base::Below(root) = self else { return make_directory(parent) };
        make_directory(root)?;
        let root = open_directory(root)?;
        let mut made = PathBuf::new();
        for name in parent {
            let above = if made.as_os_str().is_empty() { Path::new(".") } else { &made };
            let above = open_below(&root, above, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())?;
            match mkdirat(above, name, Mode::from_raw_mode(0o777)) {
                Ok(()) | Err(Errno::EXIST) => made.push(name),
                Err(err) => return Err(err.into()),
            }
        }
        Ok(())
    }

    /// What is there now, at the end of all links.
    pub(crate) fn look(&self, path: &Path) -> Result<Stat, Errno> {
        match self {
            Base::Anywhere => stat(path),
            Base::Below(_) => fstat(self.open(path, OFlags::PATH, Mode::empty())?),
        }
    }

    /// Makes the directory, if there is one to make, and finds out whether the system can hold paths below it.
    pub(crate) fn prepare(&self) -> io::Result<()> {
        let Base::Below(root) = self else { return Ok(()) };
        make_directory(root)?;
        let root = open_directory(root)?;
        open_below(&root, Path::new("."), OFlags::PATH | OFlags::DIRECTORY, Mode::empty())?;
        Ok(())
    }
}

fn open_directory(path: &Path) -> Result<OwnedFd, Errno> {
    open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

fn open_below(root: &OwnedFd, path: &Path, flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let mut result = Err(Errno::AGAIN);
    for _ in 0..ATTEMPTS_MAX {
        result = openat2(root, path, flags | OFlags::CLOEXEC, mode, resolve);
        if !matches!(result, Err(Errno::AGAIN)) {
            break;
        }
    }
    result
}

fn make_directory(path: &Path) -> io::Result<()> {
    match fs::create_dir_all(path) {
        // Go's words for it.
        Err(err) if err.kind() == io::ErrorKind::AlreadyExists => Err(Errno::NOTDIR.into()),
        result => result,
    }
}
