//! What is known of modules already, so that a config with thousands of processors reads and looks into each module once:
//! the digests of files, what was found in them, and which ones need not be validated, since their code is kept.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use super::{read_module, versions::Look};
use crate::{
    cache::CodeCache,
    compile::ChildCompiler,
    file::digest::Digest,
    file::digest::digest_of,
    inspect::{Limits, Verdict},
};

/// A lint has no services, so these are the process's. Unset, every lint validates everything.
static KEPT: OnceLock<Arc<CodeCache>> = OnceLock::new();

/// Unset, lints read modules in this process, without a bound.
static READER: OnceLock<ChildCompiler> = OnceLock::new();

/// The digests of files, by what they look like.
static DIGESTS: Mutex<Vec<(Look, Digest)>> = Mutex::new(Vec::new());

/// What is found in a module. The error is one line.
type Found = Result<Arc<Verdict>, String>;

/// For whom: the module, `function`, `memory_limit`.
type Asked = (Digest, String, u64);

/// What was found.
static FOUND: Mutex<BTreeMap<Asked, Found>> = Mutex::new(BTreeMap::new());

/// A process that has seen more than so many begins anew.
const KNOWN_MAX: usize = 256;

/// From now on lints of this process take what this cache holds for valid, since only code of valid modules is kept.
/// For a start that must be fast; whoever asks for lints wants all of them. Only the first cache counts.
pub fn trust(cache: Arc<CodeCache>) {
    let _ = KEPT.set(cache);
}

/// From now on lints of this process have modules read by this one, within its budget. Only the first one counts.
pub fn read_with(reader: ChildCompiler) {
    let _ = READER.set(reader);
}

/// The file of a module, which is read when somebody needs more of it than its digest.
pub(super) struct ModuleFile {
    path: PathBuf,
    digest: Digest,
    bytes: Option<Vec<u8>>,
}

impl ModuleFile {
    /// Reads the file, unless one that looks the same was read before. The error is why it cannot be had.
    pub(super) fn open(path: &Path) -> Result<ModuleFile, String> {
        let look = Look::at(path);
        let known = lock(&DIGESTS).iter().find(|(it, _)| *it == look).map(|(_, digest)| *digest);
        if let Some(digest) = known {
            return Ok(ModuleFile { path: path.to_path_buf(), digest, bytes: None });
        }
        let bytes = read_module(path)?;
        let digest = digest_of(&bytes);
        // What is changed from now on looks different, and what was changed while it was read is another matter.
        if look.is_settled() && Look::at(path) == look {
            let mut digests = lock(&DIGESTS);
            if KNOWN_MAX <= digests.len() {
                digests.clear();
            }
            digests.push((look, digest));
        }
        Ok(ModuleFile { path: path.to_path_buf(), digest, bytes: Some(bytes) })
    }

    pub(super) fn digest(&self) -> &Digest {
        &self.digest
    }

    /// What is in it.
    pub(super) fn bytes(&mut self) -> Result<&[u8], String> {
        let bytes = match self.bytes.take() {
            Some(bytes) => bytes,
            None => {
                let bytes = read_module(&self.path)?;
                self.digest = digest_of(&bytes);
                bytes
            }
        };
        Ok(self.bytes.insert(bytes))
    }

    /// What is found in it. The error is one line.
    pub(super) fn look_into(&mut self, function: &str, limits: &Limits) -> Found {
        let asked = |of: &ModuleFile| (of.digest, function.to_owned(), limits.memory_bytes);
        if let Some(found) = lock(&FOUND).get(&asked(self)) {
            return found.clone();
        }
        let found = look_into(self.bytes()?, function, limits).map(Arc::new);
        let mut all = lock(&FOUND);
        if KNOWN_MAX <= all.len() {
            all.clear();
        }
        all.insert(asked(self), found.clone());
        found
    }
}

fn look_into(file: &[u8], function: &str, limits: &Limits) -> Result<Verdict, String> {
    let is_valid = |sha256: &[u8; 32]| KEPT.get().is_some_and(|it| it.holds(sha256));
    match READER.get() {
        // What is known was read and compiled within its bounds before.
        Some(reader) if !is_valid(&digest_of(file)) => reader.inspect(file, function, limits),
        _ => Ok(Verdict::of_known(file, function, limits, is_valid)),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
