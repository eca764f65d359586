//! What mappings see of the world, and share with each other.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{self, Read},
    os::unix::fs::FileTypeExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use rustix::fs::{Mode, OFlags, fcntl_getfl, fcntl_setfl};

/// What mappings see of the world: files, environment variables, counters with names. Cloning shares.
///
/// Nothing of it is looked at unless a mapping asks for it.
#[derive(Clone, Debug, Default)]
pub struct Environment(Arc<World>);

#[derive(Debug, Default)]
struct World {
    /// Where paths that are not absolute begin.
    dir: PathBuf,
    /// Where those of imported mappings do, from there.
    imports: PathBuf,
    is_restricted: bool,
    /// Variables that count before those of the process.
    variables: BTreeMap<String, String>,
    counts: Mutex<Counts>,
    /// Files that mappings were read from.
    imported: Mutex<BTreeSet<PathBuf>>,
}

/// The largest file that is read, in bytes: as much as a mapping may make for a message.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// What is counted, by name.
#[derive(Debug, Default)]
struct Counts {
    by_name: BTreeMap<Vec<u8>, i64>,
    /// What the names take, in bytes.
    bytes: usize,
}

/// What all names that are counted may take together, in bytes: whoever counts by a name that comes with messages would
/// fill the memory otherwise.
const COUNTED_BYTES_MAX: usize = 16 << 20;

/// What a name takes beside its bytes.
const COUNT_BYTES: usize = 64;

/// What stands for a descriptor that the process was given: whoever gives one writes to it.
const DESCRIPTORS: [&str; 3] = ["/dev/stdin", "/dev/fd/", "/proc/self/fd/"];

/// Opens a file. A FIFO might never have a writer, and a device never an end: nobody waits for those.
fn open(path: &Path) -> io::Result<File> {
    // Without waiting: opening a FIFO waits for a writer otherwise.
    let file = File::from(rustix::fs::open(
        path,
        OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC,
        Mode::empty(),
    )?);
    let kind = file.metadata()?.file_type();
    let is_given = path.to_str().is_some_and(|it| DESCRIPTORS.iter().any(|prefix| it.starts_with(prefix)));
    if !is_given && kind.is_fifo() {
        return Err(io::Error::other("is a FIFO, not a file"));
    }
    if !is_given && kind.is_char_device() && path != Path::new("/dev/null") {
        return Err(io::Error::other("is a device, not a file"));
    }
    fcntl_setfl(&file, fcntl_getfl(&file)? - OFlags::NONBLOCK)?;
    Ok(file)
}

impl Environment {
    /// The environment of the process, in which relative paths begin at this directory.
    pub fn new(dir: impl Into<PathBuf>) -> Environment {
        Environment(Arc::new(World { dir: dir.into(), ..World::default() }))
    }

    /// One of its own for mappings of a file, whose imports are relative to this directory, with variables that count
    /// before those of the process.
    pub fn of_file(imports: impl Into<PathBuf>, variables: BTreeMap<String, String>) -> Environment {
        Environment(Arc::new(World { imports: imports.into(), variables, ..World::default() }))
    }

    /// One for mappings that are not trusted: no file, no variable, no name of the machine.
    pub fn restricted() -> Environment {
        Environment(Arc::new(World { is_restricted: true, ..World::default() }))
    }

    /// Why something of the world is not to be had, if it is not.
    pub(crate) fn refuses(&self, what: &str) -> Result<(), String> {
        match self.0.is_restricted {
            true => Err(format!("{what} is not allowed in a restricted mapping")),
            false => Ok(()),
        }
    }

    pub(crate) fn variable(&self, name: &str) -> Result<Option<String>, String> {
        self.refuses("reading an environment variable")?;
        if let Some(value) = self.0.variables.get(name) {
            return Ok(Some(value.clone()));
        }
        Ok(std::env::var_os(name).map(|it| it.to_string_lossy().into_owned()))
    }

    /// Reads a file, whose path may be relative to a directory.
    pub(crate) fn read(&self, path: &Path) -> Result<Vec<u8>, String> {
        self.refuses("reading a file")?;
        let path = self.0.dir.join(path);
        let content = open(&path).and_then(|file| {
            let mut content = Vec::new();
            file.take(FILE_BYTES_MAX + 1).read_to_end(&mut content)?;
            Ok(content)
        });
        if content.as_ref().is_ok_and(|it| FILE_BYTES_MAX < it.len() as u64) {
            return Err(format!("open {}: it has more than {FILE_BYTES_MAX} bytes", path.display()));
        }
        content.map_err(|err| {
            let why = match err.kind() {
                std::io::ErrorKind::NotFound => "no such file or directory".to_string(),
                std::io::ErrorKind::PermissionDenied => "permission denied".to_string(),
                std::io::ErrorKind::IsADirectory => "is a directory".to_string(),
                _ => err.to_string(),
            };
            format!("open {}: {why}", path.display())
        })
    }

    /// Reads a file with a mapping.
    pub(crate) fn import(&self, path: &Path) -> Result<Vec<u8>, String> {
        let path = self.0.imports.join(path);
        let content = self.read(&path)?;
        self.0.imported.lock().unwrap_or_else(|err| err.into_inner()).insert(self.0.dir.join(path));
        Ok(content)
    }

    /// All files that mappings have imported, in the order of their names.
    pub fn imported(&self) -> Vec<PathBuf> {
        self.0.imported.lock().unwrap_or_else(|err| err.into_inner()).iter().cloned().collect()
    }

    /// One more of what is counted under this name.
    pub(crate) fn count(&self, name: &[u8]) -> Result<i64, String> {
        let mut counts = self.0.counts.lock().unwrap_or_else(|err| err.into_inner());
        if let Some(count) = counts.by_name.get_mut(name) {
            *count = count.wrapping_add(1);
            return Ok(*count);
        }
        let bytes = counts.bytes + name.len() + COUNT_BYTES;
        if COUNTED_BYTES_MAX < bytes {
            return Err(format!("the names that are counted take more than {COUNTED_BYTES_MAX} bytes"));
        }
        counts.bytes = bytes;
        counts.by_name.insert(name.to_vec(), 1);
        Ok(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_ends_is_not_read() {
        let dir = std::env::temp_dir().join(format!("wappa-environment-{}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("a directory can be made");
        std::fs::write(dir.join("file"), "text").expect("a file can be written");
        let fifo = dir.join("fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, Mode::RWXU, 0)
            .expect("a FIFO can be made");
        let environment = Environment::new(&dir);
        let told = |path: &str| {
            environment.read(Path::new(path)).map_err(|why| why.replace(&format!("{}/", dir.display()), ""))
        };
        assert_eq!(told("file"), Ok(b"text".to_vec()));
        assert_eq!(told("fifo"), Err("open fifo: is a FIFO, not a file".to_string()));
        assert_eq!(told("/dev/zero"), Err("open /dev/zero: is a device, not a file".to_string()));
        assert_eq!(told("/dev/null"), Ok(Vec::new()));
        assert_eq!(told("none"), Err("open none: no such file or directory".to_string()));
        std::fs::remove_dir_all(&dir).expect("it is ours");
    }
}
