//! Compiled code on its way into an engine: from bytes, or mapped from a file.

use std::fs::File;

use crate::{ModuleError, error::one_line};

/// Code that [`crate::precompile`] of this build made of a valid module.
///
/// **It is trusted**: loading it checks nothing but a header. Whoever makes one vouches for where it comes from.
#[derive(Debug)]
pub(crate) enum Code {
    /// From the compiler.
    Bytes(Vec<u8>),
    /// From the cache: checked on this very descriptor, which is mapped and not opened again by name. The code is the
    /// first so many bytes of it; what is behind them is none of the engine's business.
    File { file: File, bytes: u64 },
}

impl Code {
    /// The size of the code.
    pub(crate) fn bytes(&self) -> u64 {
        match self {
            Code::Bytes(bytes) => bytes.len() as u64,
            Code::File { bytes, .. } => *bytes,
        }
    }
}

/// Loads the code of a core module.
#[allow(
    unsafe_code,
    reason = "compiled code is machine code: loading it is a matter of trust, not of checks"
)]
pub(crate) fn module(engine: &wasmtime::Engine, code: &Code) -> Result<wasmtime::Module, ModuleError> {
    let refused = |text: String| ModuleError::Load(one_line(&text));
    match code {
        // SAFETY: the code comes from the engine's compiler, whose contract (`Compile`) is to return what
        // `precompile` of this build returned for a module. Nobody else can put code here.
        Code::Bytes(bytes) => unsafe { wasmtime::Module::deserialize(engine, bytes) },
        Code::File { file, .. } => {
            let file = file.try_clone().map_err(|err| refused(err.to_string()))?;
            // SAFETY: as above, and then kept in a file that nobody but us and root may write. Its checksum was
            // right when it was opened, and we never write to a file of the cache but replace it by another one.
            unsafe { wasmtime::Module::deserialize_open_file(engine, file) }
        }
    }
    .map_err(|err| refused(format!("{err:#}")))
}
