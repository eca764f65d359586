//! Compiled code on its way into an engine: from bytes, or mapped from a file.

use std::fs::File;

use wasmtime::Precompiled;

use crate::{ModuleError, error::one_line};

/// Code that [`crate::precompile`] of this build made of a valid module.
///
/// **It is trusted**: loading it checks nothing but a header. Whoever makes one vouches for where it comes from.
#[derive(Debug)]
pub(crate) struct Compiled {
    storage: Storage,
    is_component: bool,
}

#[derive(Debug)]
enum Storage {
    Bytes(Vec<u8>),
    /// The code is the first so many bytes of it; what is behind them is none of the engine's business.
    File {
        file: File,
        bytes: u64,
    },
}

impl Compiled {
    /// What a compiler returned.
    pub(crate) fn from_compiler(bytes: Vec<u8>) -> Compiled {
        let is_component = is_component(&bytes);
        Compiled { storage: Storage::Bytes(bytes), is_component }
    }

    /// So many bytes at the beginning of a file of the cache. It was checked on this very descriptor, which is mapped,
    /// and not opened again by name.
    pub(crate) fn from_cache(file: File, bytes: u64, is_component: bool) -> Compiled {
        Compiled { storage: Storage::File { file, bytes }, is_component }
    }

    /// Whether it is the code of a component, not of a core module.
    pub(crate) fn is_component(&self) -> bool {
        self.is_component
    }

    /// Whether it is in the cache.
    pub(crate) fn is_kept(&self) -> bool {
        matches!(self.storage, Storage::File { .. })
    }

    /// The size of the code.
    pub(crate) fn bytes(&self) -> u64 {
        match &self.storage {
            Storage::Bytes(bytes) => bytes.len() as u64,
            Storage::File { bytes, .. } => *bytes,
        }
    }
}

/// Whether these bytes are the code of a component.
pub(crate) fn is_component(code: &[u8]) -> bool {
    wasmtime::Engine::detect_precompiled(code) == Some(Precompiled::Component)
}

/// Loads the code of a core module.
#[allow(
    unsafe_code,
    reason = "compiled code is machine code: loading it is a matter of trust, not of checks"
)]
pub(crate) fn module(engine: &wasmtime::Engine, code: &Compiled) -> Result<wasmtime::Module, ModuleError> {
    let refused = |text: String| ModuleError::Load(one_line(&text));
    if code.is_component() {
        return Err(refused("it is the code of a component".to_string()));
    }
    match &code.storage {
        // SAFETY: the code comes from the engine's compiler, whose contract (`Compile`) is to return what
        // `precompile` of this build returned for a module. Nobody else can put code here.
        Storage::Bytes(bytes) => unsafe { wasmtime::Module::deserialize(engine, bytes) },
        Storage::File { file, .. } => {
            let file = file.try_clone().map_err(|err| refused(err.to_string()))?;
            // SAFETY: as above, and then kept in a file that nobody but us and root may write. Its checksum was
            // right when it was opened, and we never write to a file of the cache but replace it by another one.
            unsafe { wasmtime::Module::deserialize_open_file(engine, file) }
        }
    }
    .map_err(|err| refused(format!("{err:#}")))
}
