//! What mappings see of the world, and share with each other.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

/// What mappings see of the world: files, environment variables, counters with names. Cloning shares.
///
/// Nothing of it is looked at unless a mapping asks for it.
#[derive(Clone, Debug, Default)]
pub struct Environment(Arc<World>);

#[derive(Debug, Default)]
struct World {
    /// Where paths that are not absolute begin.
    dir: PathBuf,
    is_restricted: bool,
    counts: Mutex<BTreeMap<Vec<u8>, i64>>,
}

impl Environment {
    /// The environment of the process, in which relative paths begin at this directory.
    pub fn new(dir: impl Into<PathBuf>) -> Environment {
        Environment(Arc::new(World { dir: dir.into(), ..World::default() }))
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
        Ok(std::env::var_os(name).map(|it| it.to_string_lossy().into_owned()))
    }

    /// Reads a file, whose path may be relative to a directory.
    pub(crate) fn read(&self, path: &Path) -> Result<Vec<u8>, String> {
        self.refuses("reading a file")?;
        let path = self.0.dir.join(path);
        std::fs::read(&path).map_err(|err| {
            let why = match err.kind() {
                std::io::ErrorKind::NotFound => "no such file or directory".to_string(),
                std::io::ErrorKind::PermissionDenied => "permission denied".to_string(),
                std::io::ErrorKind::IsADirectory => "is a directory".to_string(),
                _ => err.to_string(),
            };
            format!("open {}: {why}", path.display())
        })
    }

    /// One more of what is counted under this name.
    pub(crate) fn count(&self, name: &[u8]) -> i64 {
        let mut counts = self.0.counts.lock().unwrap_or_else(|err| err.into_inner());
        let count = counts.entry(name.to_vec()).or_default();
        *count = count.wrapping_add(1);
        *count
    }
}
