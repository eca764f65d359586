//! What is known of modules already, so that a config with thousands of processors reads and looks into each module once:
//! the digests of files, what was found in them, and which ones need not be validated, since their code is kept.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{read_module, versions::Look};
use crate::{
    cache::CodeCache,
    compile::ChildCompiler,
    file::digest::Digest,
    file::digest::digest_of,
    inspect::{Limits, Verdict},
};

/// What is known of modules, and who finds out more. A program has one, which its registry gives to lints
/// ([`Registry::service`](wappa_spec::Registry::service)) and to processors; without one nothing is known, and modules are
/// read in this process, without a bound.
#[derive(Default)]
pub struct Modules {
    kept: Option<Arc<CodeCache>>,
    reader: Option<ChildCompiler>,
    /// The digests of files, by what they look like.
    digests: Mutex<Vec<(Look, Digest)>>,
    /// What was found.
    found: Mutex<BTreeMap<Asked, Found>>,
}

impl fmt::Debug for Modules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Modules").finish_non_exhaustive()
    }
}

/// What is found in a module. The error is one line.
type Found = Result<Arc<Verdict>, String>;

/// For whom: the module, `function`, `memory_limit`.
type Asked = (Digest, String, u64);

/// Who has seen more than so many begins anew.
const KNOWN_MAX: usize = 256;

impl Modules {
    /// What this cache holds is valid, since only code of valid modules is kept. For a start that must be fast; whoever
    /// asks for lints wants all of them.
    pub fn trusting(self, cache: Arc<CodeCache>) -> Modules {
        Modules { kept: Some(cache), ..self }
    }

    /// Modules are read by this one, within its budget.
    pub fn read_by(self, reader: ChildCompiler) -> Modules {
        Modules { reader: Some(reader), ..self }
    }

    /// Reads the file, unless one that looks the same was read before. The error is why it cannot be had.
    pub(super) fn open(&self, path: &Path) -> Result<ModuleFile, String> {
        let look = Look::at(path);
        let known = lock(&self.digests).iter().find(|(it, _)| *it == look).map(|(_, digest)| *digest);
        if let Some(digest) = known {
            return Ok(ModuleFile { path: path.to_path_buf(), digest, bytes: None });
        }
        let bytes = read_module(path)?;
        let digest = digest_of(&bytes);
        // What is changed from now on looks different, and what was changed while it was read is another matter.
        if look.is_settled() && Look::at(path) == look {
            let mut digests = lock(&self.digests);
            if KNOWN_MAX <= digests.len() {
                digests.clear();
            }
            digests.push((look, digest));
        }
        Ok(ModuleFile { path: path.to_path_buf(), digest, bytes: Some(bytes) })
    }

    /// What is found in a module. The error is one line.
    pub(super) fn look_into(&self, module: &mut ModuleFile, function: &str, limits: &Limits) -> Found {
        let asked = |of: &ModuleFile| (of.digest, function.to_owned(), limits.memory_bytes);
        if let Some(found) = lock(&self.found).get(&asked(module)) {
            return found.clone();
        }
        let found = self.inspect(module, function, limits).map(Arc::new);
        let mut all = lock(&self.found);
        if KNOWN_MAX <= all.len() {
            all.clear();
        }
        all.insert(asked(module), found.clone());
        found
    }

    fn inspect(&self, module: &mut ModuleFile, function: &str, limits: &Limits) -> Result<Verdict, String> {
        let (file, digest) = module.read()?;
        let is_valid = self.kept.as_ref().is_some_and(|it| it.holds(&digest));
        match &self.reader {
            // What is known was read and compiled within its bounds before.
            Some(reader) if !is_valid => reader.inspect(file, function, limits),
            _ => Ok(Verdict::of_digest(file, digest, is_valid, function, limits)),
        }
    }
}

/// The file of a module, which is read when somebody needs more of it than its digest.
pub(super) struct ModuleFile {
    path: PathBuf,
    digest: Digest,
    bytes: Option<Vec<u8>>,
}

impl ModuleFile {
    pub(super) fn digest(&self) -> &Digest {
        &self.digest
    }

    /// What is in it, and the digest of that. A large file takes a while to digest, so nobody does it twice.
    pub(super) fn read(&mut self) -> Result<(&[u8], Digest), String> {
        let bytes = match self.bytes.take() {
            Some(bytes) => bytes,
            None => {
                let bytes = read_module(&self.path)?;
                self.digest = digest_of(&bytes);
                bytes
            }
        };
        Ok((self.bytes.insert(bytes), self.digest))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
