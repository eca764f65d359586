//! The cache `file`.

use std::{
    ffi::OsStr,
    fs::File,
    io::{self, Read, Write},
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
    path::{Path, PathBuf},
    process,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use rustix::{
    fs::{
        AtFlags, FileType, Mode, OFlags, RenameFlags, fstat, linkat, openat, renameat, renameat_with, unlinkat,
    },
    io::Errno,
};
use wappa_component::{BuildCache, BuildError, Cache, CacheError, Component, Context};
use wappa_spec::{Config, Node, Reader, Rule};

use crate::{base::Base, fault, path};

pub(super) const COMPONENT: Component = Component::cache::<FileConfig>("file").reaching_machine();

/// Keeps each value in a file of a directory. Keys are paths below it.
///
/// The directory, and directories that keys name, are made when something is set. Values stay until they are deleted: one
/// that is set with a time stays like all others.
///
/// # Examples
///
/// ### Each line once, also over restarts
///
/// ```yaml
/// input:
///   stdin: {}
/// pipeline:
///   processors:
///     - dedupe:
///         cache: seen
///         key: ${! content() }
/// output:
///   stdout: {}
/// cache_resources:
///   - label: seen
///     file:
///       directory: ./seen
/// ```
///
/// # Delivery
///
/// A value is written to a file of its own and then renamed, so that nobody reads half of one, not even after a crash
/// of the process. Nothing waits for the disk, so a power failure can lose what was set last. A process that is killed
/// while it writes may leave a file whose name begins with `.wappa-`.
///
/// # Pitfalls
///
/// Messages make keys, and a key is a path: no path leads out of the directory, through whatever links, and one that would
/// is an error. A `/` at the beginning of a key stands for the directory. Needs Linux 5.6.
///
/// Nothing is ever removed by itself.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct FileConfig {
    /// The directory with the values.
    #[config(example = "./cache")]
    directory: String,
}

fn lint(config: &FileConfig, node: &Node, reader: &mut Reader<'_>) {
    if config.directory.is_empty() {
        let at = node.get("directory").unwrap_or(node);
        reader.error(Rule::InvalidValue, at, "`directory` is the path of a directory");
    }
}

impl BuildCache for FileConfig {
    fn build(self, _: &mut Context<'_>) -> Result<Arc<dyn Cache>, BuildError> {
        Ok(Arc::new(Files { base: Base::Below(PathBuf::from(self.directory)), n_written: AtomicU64::new(0) }))
    }
}

struct Files {
    base: Base,
    /// So that what several threads write at once has different names.
    n_written: AtomicU64,
}

/// A value that is written and has no name yet that anybody asks for. Is removed if it does not get one.
struct Written<'a> {
    directory: OwnedFd,
    temporary: String,
    name: &'a OsStr,
}

const FILE_MODE: u32 = 0o666;

/// So much memory is taken for a value before it is read.
const RESERVED_BYTES_MAX: usize = 1 << 20;

impl Files {
    /// Writes a value beside where it belongs.
    fn write<'a>(&self, path: &'a Path, value: &[u8]) -> Result<Written<'a>, CacheError> {
        let parent = path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let name = path.file_name().expect("the path of a file has a name");
        let open = || self.base.open(parent, OFlags::PATH | OFlags::DIRECTORY, Mode::empty());
        let directory = match open() {
            Err(Errno::NOENT) => {
                self.base.make_parents(path).map_err(|err| failed("mkdir", path, err))?;
                open()
            }
            result => result,
        };
        let directory = directory.map_err(|err| failed("open", path, err))?;
        let number = self.n_written.fetch_add(1, Ordering::Relaxed);
        let temporary = format!(".wappa-{}-{number}", process::id());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(&directory, &temporary, flags, Mode::from_raw_mode(FILE_MODE));
        let mut file = File::from(file.map_err(|err| failed("open", path, err))?);
        let written = Written { directory, temporary, name };
        file.write_all(value).map_err(|err| failed("write", path, err))?;
        Ok(written)
    }
}

impl Written<'_> {
    /// The value takes the place of another one, if there is one.
    fn replace(self) -> Result<(), Errno> {
        renameat(&self.directory, &self.temporary, &self.directory, self.name)
    }

    /// The value takes its place if there is none. Whether it did.
    fn add(self) -> Result<bool, Errno> {
        let (from, to) = (&self.temporary, self.name);
        let result = match renameat_with(&self.directory, from, &self.directory, to, RenameFlags::NOREPLACE) {
            // Not every file system knows the flag; one that does not has links.
            Err(Errno::INVAL | Errno::NOSYS) => {
                linkat(&self.directory, from, &self.directory, to, AtFlags::empty())
            }
            result => result,
        };
        match result {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => Ok(false),
            Err(err) => Err(err),
        }
    }
}

impl Drop for Written<'_> {
    fn drop(&mut self) {
        // It is not there any more if it was renamed.
        let _ = unlinkat(&self.directory, &self.temporary, AtFlags::empty());
    }
}

/// The path of a key.
fn path_of(key: &[u8]) -> Result<PathBuf, CacheError> {
    let path = path::of_file(key, Some("directory")).map_err(CacheError::new)?;
    Ok(PathBuf::from(OsStr::from_bytes(&path)))
}

fn failed(call: &str, path: &Path, err: impl Into<io::Error>) -> CacheError {
    let (path, err) = (path::shown(path.as_os_str().as_bytes()), err.into());
    if err.raw_os_error() == Some(Errno::XDEV.raw_os_error()) {
        return CacheError::new(format!("{call} {path}: it leads out of `directory`"));
    }
    CacheError::new(fault::failed(call, path, err))
}

impl Cache for Files {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, CacheError> {
        let path = path_of(key)?;
        // What is no file must not be waited for.
        let descriptor = match self.base.open(&path, OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty()) {
            Ok(it) => it,
            Err(Errno::NOENT) => return Ok(None),
            Err(err) => return Err(failed("open", &path, err)),
        };
        let stat = fstat(&descriptor).map_err(|err| failed("stat", &path, err))?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => (),
            FileType::Directory => return Err(failed("read", &path, Errno::ISDIR)),
            // A device may have no end.
            _ => return Err(failed("read", &path, Errno::INVAL)),
        }
        // How long a file says it is costs nothing, and may be more than any machine has.
        let mut value = Vec::with_capacity(usize::try_from(stat.st_size).unwrap_or(0).min(RESERVED_BYTES_MAX));
        File::from(descriptor).read_to_end(&mut value).map_err(|err| failed("read", &path, err))?;
        Ok(Some(value.into()))
    }

    fn exists(&self, key: &[u8]) -> Result<bool, CacheError> {
        let path = path_of(key)?;
        match self.base.look(&path) {
            Ok(_) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(err) => Err(failed("stat", &path, err)),
        }
    }

    fn set(&self, key: &[u8], value: &[u8], _: Option<Duration>) -> Result<(), CacheError> {
        let path = path_of(key)?;
        self.write(&path, value)?.replace().map_err(|err| failed("rename", &path, err))
    }

    fn add(&self, key: &[u8], value: &[u8], _: Option<Duration>) -> Result<bool, CacheError> {
        // What is there already need not be written first.
        if self.exists(key)? {
            return Ok(false);
        }
        let path = path_of(key)?;
        self.write(&path, value)?.add().map_err(|err| failed("rename", &path, err))
    }

    fn delete(&self, key: &[u8]) -> Result<(), CacheError> {
        let path = path_of(key)?;
        let parent = path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let name = path.file_name().expect("the path of a file has a name");
        let directory = self.base.open(parent, OFlags::PATH | OFlags::DIRECTORY, Mode::empty());
        match directory.and_then(|it| unlinkat(it, name, AtFlags::empty())) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(err) => Err(failed("remove", &path, err)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use crate::test::{Harness, TempDir};

    #[test]
    fn keys_are_paths_that_never_lead_out() {
        let dir = TempDir::new();
        dir.write("secret", "s");
        dir.write("cache/up/x", "");
        symlink("../secret", dir.at("cache/link")).expect("a link can be made");
        symlink("..", dir.at("cache/above")).expect("a link can be made");
        let mut harness = Harness::default();
        let cache = harness.cache(&format!("file: {{directory: {}}}", dir.at("cache")));
        cache.set(b"/a/b/c", b"1", None).expect("directories are made");
        assert_eq!(dir.read("cache/a/b/c"), "1");
        assert_eq!(cache.get(b"a/./b/../b/c"), Ok(Some("1".into())));
        for key in ["../secret", "a/../../secret", "link", "above/secret", "", ".", "/", "a/b", "a\0b", &"x".repeat(300)] {
            let is_refused = cache.get(key.as_bytes()).is_err();
            assert!(is_refused, "{key}");
        }
        for key in ["../new", "above/new", "a/b", "."] {
            assert!(cache.set(key.as_bytes(), b"2", None).is_err(), "{key}");
            assert!(cache.add(key.as_bytes(), b"2", None) != Ok(true), "{key}");
            assert!(cache.delete(key.as_bytes()).is_err(), "{key}");
        }
        assert_eq!(dir.read("secret"), "s");
        // A link is replaced by a value, and not followed.
        cache.set(b"link", b"3", None).expect("it can be set");
        assert_eq!((dir.read("secret"), dir.read("cache/link")), ("s".into(), "3".into()));
        let left = std::fs::read_dir(dir.at("cache")).expect("it is a directory");
        let left = left.filter_map(|it| it.ok()?.file_name().into_string().ok());
        assert!(left.into_iter().all(|it| !it.starts_with(".wappa-")));
    }
}
