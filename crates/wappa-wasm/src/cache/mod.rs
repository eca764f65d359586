//! The cache of compiled code on disk.
//!
//! It makes a start fast and never makes one fail: a directory that cannot be used means no cache, and a file that is
//! not exactly as it was written is not used and replaced. Both are said once.

mod directory;
mod entry;
mod notes;
mod recipe;

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use crate::{compile::load::Compiled, file::digest::Digest, interface::Level};
use directory::{Directory, Unusable};
use entry::{Flaw, Key, Trailer, trailer};
use notes::Notes;
use wappa_spec::Size;

/// How many bytes a cache has unless told otherwise: some hundred modules of Go.
pub const CACHE_BYTES_MAX: u64 = 1 << 30;

/// Keeps compiled code in a directory, from one start to the next.
///
/// **The directory is trusted**: its files are machine code that is run in this process. A file is used only if it and
/// the directory belong to this user or to root, if nobody else may write to them, and if its checksum is right; that
/// finds accidents and strangers, but not what this user or root put there on purpose.
///
/// Files are found by the SHA-256 of the module and by everything else that the code depends on, so a new version of
/// the engine does not see those of the old one. When there are more bytes than allowed, those go first that were not
/// used for the longest time. Any number of processes may use one directory.
pub struct CodeCache {
    path: PathBuf,
    bytes_max: u64,
    /// None once it was found unusable.
    directory: OnceLock<Option<Directory>>,
    notes: Notes,
}

impl fmt::Debug for CodeCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CodeCache")
            .field("path", &self.path)
            .field("bytes_max", &self.bytes_max)
            .finish_non_exhaustive()
    }
}

impl CodeCache {
    /// A cache in this directory, which is made when it is first needed, of so many bytes at most.
    pub fn new(path: impl Into<PathBuf>, bytes_max: u64) -> CodeCache {
        let path = path.into();
        CodeCache { path, bytes_max, directory: OnceLock::new(), notes: Notes::default() }
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Says where the notes go of what is not used and why; those that were made before come first. Only the first
    /// receiver counts.
    pub fn log_to(&self, log: impl Fn(Level, &str) + Send + Sync + 'static) {
        self.notes.log_to(Box::new(log));
    }

    /// Whether there is code of a file with this SHA-256, as far as its name and its end say. It was valid, then: only
    /// code of valid modules is kept.
    pub fn holds(&self, sha256: &Digest) -> bool {
        let key = key_of(sha256);
        let opened = self.directory().map(|it| it.open_entry(&key.name()));
        let Some(Ok(Some((file, size)))) = opened else { return false };
        Trailer::read(&file, size, &key).is_ok()
    }

    /// The code of the file with this digest.
    pub(crate) fn find(&self, digest: &Digest) -> Option<Compiled> {
        let key = key_of(digest);
        let opened = open(self.directory()?, &key);
        if let Err(flaw) = &opened {
            self.tell_flaw(digest, flaw);
        }
        opened.ok()?
    }

    /// Keeps the code of the file with this digest, and gives it back in the form that is best to load.
    pub(crate) fn keep(&self, digest: &Digest, code: Vec<u8>) -> Compiled {
        let Some(directory) = self.directory() else { return Compiled::from_compiler(code) };
        let key = key_of(digest);
        let trailer = trailer(&key, &code);
        let bytes = (code.len() + trailer.len()) as u64;
        if bytes > self.bytes_max {
            let text = format!("{bytes} bytes are more than it may have ({})", Size(self.bytes_max));
            self.tell_not_kept(&text);
            return Compiled::from_compiler(code);
        }
        let kept = directory.write(&key.name(), &[&code, &trailer]).and_then(|()| self.make_room(directory));
        if let Err(err) = kept {
            self.tell_not_kept(&wappa_component::cause(&err));
        }
        // A mapped file is memory that the system can take back, and that processes share.
        match open(directory, &key) {
            Ok(Some(code)) => code,
            _ => Compiled::from_compiler(code),
        }
    }

    /// The engine did not take code of this cache.
    pub(crate) fn tell_refused(&self, digest: &Digest, reason: &dyn fmt::Display) {
        self.tell_flaw(digest, reason);
    }

    fn tell_flaw(&self, digest: &Digest, reason: &dyn fmt::Display) {
        let (path, name) = (self.path.display(), key_of(digest).name());
        let text = format!("compiling again: the compiled code `{path}/{name}` is not used: {reason}");
        self.notes.tell(Level::Warn, text);
    }

    fn tell_not_kept(&self, reason: &str) {
        let path = self.path.display();
        self.notes.tell(Level::Info, format!("compiled code is not kept in `{path}`: {reason}"));
    }

    fn directory(&self) -> Option<&Directory> {
        let open = || {
            let refused = match Directory::open(&self.path) {
                Ok(directory) => return Some(directory),
                Err(refused) => refused,
            };
            let level = match &refused {
                Unusable::Unsafe(_) => Level::Warn,
                Unusable::Io(_) => Level::Info,
            };
            let path = self.path.display();
            self.notes.tell(level, format!("compiled code is not cached: `{path}`: {refused}"));
            None
        };
        self.directory.get_or_init(open).as_ref()
    }

    /// Removes files, the one that was not used for the longest time first, until the rest is within the bound.
    fn make_room(&self, directory: &Directory) -> io::Result<()> {
        let mut found = directory.list()?;
        let mut bytes = found.iter().map(|it| it.bytes).fold(0, u64::saturating_add);
        if bytes <= self.bytes_max {
            return Ok(());
        }
        found.sort_by_key(|it| it.used);
        for file in found {
            if bytes <= self.bytes_max {
                break;
            }
            if directory.remove(&file.name) {
                bytes -= file.bytes;
            }
        }
        Ok(())
    }
}

/// What is found under a key, all of it checked.
fn open(directory: &Directory, key: &Key) -> Result<Option<Compiled>, Flaw> {
    let Some((file, size)) = directory.open_entry(&key.name())? else { return Ok(None) };
    let trailer = Trailer::read(&file, size, key)?;
    trailer.check(&file)?;
    Directory::touch(&file);
    Ok(Some(Compiled::from_cache(file, trailer.code_bytes(), trailer.is_component())))
}

fn key_of(digest: &Digest) -> Key {
    Key { file: *digest, recipe: *recipe::recipe() }
}
