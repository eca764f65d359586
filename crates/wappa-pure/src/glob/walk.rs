//! The way through directories that one pattern asks for.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs::{self, FileType},
    io,
    path::{Path, PathBuf},
    vec,
};

use rustix::io::Errno;

use super::{
    Searched,
    pattern::{Glob, Segment},
};
use crate::fault;

/// The search for one pattern: directories that are begun, the innermost last.
#[derive(Debug)]
pub(super) struct Walk {
    pub(super) glob: Glob,
    begun: Vec<Directory>,
    failures: Vec<String>,
    /// Whether anything was found, or could not be looked into.
    pub(super) has_told: bool,
}

#[derive(Debug)]
struct Directory {
    path: PathBuf,
    entries: vec::IntoIter<Entry>,
}

#[derive(Debug)]
struct Entry {
    name: OsString,
    /// Nothing for a name that was not read but is known.
    kind: Option<FileType>,
    /// How far in the pattern one is behind it, where it stands for itself.
    named: Vec<usize>,
    /// The same, where it is one of the directories that `**` stands for.
    deep: Vec<usize>,
}

impl Walk {
    pub(super) fn new(glob: Glob) -> Walk {
        let path = PathBuf::from(if glob.is_rooted { "/" } else { "" });
        let mut walk = Walk { glob, begun: Vec::new(), failures: Vec::new(), has_told: false };
        walk.enter(path, &[0]);
        walk
    }

    pub(super) fn step(&mut self) -> Searched {
        if let Some(text) = self.failures.pop() {
            return Searched::Failed(text);
        }
        let Some(directory) = self.begun.last_mut() else { return Searched::Over };
        let Some(entry) = directory.entries.next() else {
            self.begun.pop();
            return Searched::Nothing;
        };
        let path = directory.path.join(&entry.name);
        let is_link = entry.kind.is_some_and(|it| it.is_symlink());
        let kind = match entry.kind {
            Some(kind) if !is_link => Some(kind),
            // What a link leads to; and whether a known name is there.
            _ => match fs::metadata(&path) {
                Ok(it) => Some(it.file_type()),
                Err(_) if is_link => None,
                Err(err) => {
                    // A link that leads nowhere is there all the same: opening it says so.
                    return match fs::symlink_metadata(&path) {
                        Ok(_) if self.is_complete(&entry.named) => Searched::Found(path),
                        _ => self.failed(&path, err),
                    };
                }
            },
        };
        if !kind.is_some_and(|it| it.is_dir()) {
            return if self.is_complete(&entry.named) { Searched::Found(path) } else { Searched::Nothing };
        }
        let mut below = entry.named;
        if is_link {
            // It is gone through only where the pattern goes on behind its name.
            below.retain(|it| *it < self.glob.n_own);
        } else {
            below.extend(entry.deep);
        }
        below.retain(|it| *it < self.glob.segments.len());
        if !below.is_empty() {
            self.enter(path, &below);
        }
        Searched::Nothing
    }

    fn is_complete(&self, named: &[usize]) -> bool {
        named.iter().any(|it| self.glob.is_complete(*it))
    }

    /// Begins a directory, from where one may be anywhere of `at` in the pattern.
    fn enter(&mut self, path: PathBuf, at: &[usize]) {
        let reachable = self.glob.reachable(at);
        let mut known: BTreeMap<&OsString, Vec<usize>> = BTreeMap::new();
        for &pos in &reachable {
            if let Some(Segment::Literal(name)) = self.glob.segments.get(pos) {
                known.entry(name).or_default().push(pos + 1);
            }
        }
        let n_known: usize = known.values().map(Vec::len).sum();
        let entries: Vec<Entry> = if n_known == reachable.len() {
            // Names that are known need not be looked for.
            let entry = |(name, named): (&OsString, _)| Entry {
                name: name.clone(),
                kind: None,
                named,
                deep: Vec::new(),
            };
            known.into_iter().map(entry).collect()
        } else {
            match self.read(&path, &reachable) {
                Ok(entries) => entries,
                Err(err) => {
                    if let Searched::Failed(text) = self.failed(&path, err) {
                        self.failures.push(text);
                    }
                    return;
                }
            }
        };
        self.begun.push(Directory { path, entries: entries.into_iter() });
    }

    /// The entries of a directory that the pattern asks for, in the order of their names.
    fn read(&self, path: &Path, reachable: &[usize]) -> io::Result<Vec<Entry>> {
        let here = Path::new(".");
        let mut entries = Vec::new();
        for entry in fs::read_dir(if path.as_os_str().is_empty() { here } else { path })? {
            let entry = entry?;
            let name = entry.file_name();
            let kind = entry.file_type().ok();
            let (named, mut deep) = self.glob.behind(&name, reachable);
            if kind.is_some_and(|it| !it.is_dir()) {
                deep.clear();
            }
            if !named.is_empty() || !deep.is_empty() {
                entries.push(Entry { name, kind, named, deep });
            }
        }
        entries.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        Ok(entries)
    }

    /// What is not there, or no directory, is nothing that the pattern could find.
    fn failed(&self, path: &Path, err: io::Error) -> Searched {
        let is_absent = [Errno::NOENT, Errno::NOTDIR, Errno::LOOP]
            .into_iter()
            .any(|it| err.raw_os_error() == Some(it.raw_os_error()));
        if is_absent {
            Searched::Nothing
        } else {
            Searched::Failed(fault::failed("open", path.display(), err))
        }
    }
}
