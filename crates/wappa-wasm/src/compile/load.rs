//! Compiled code on its way into an engine: from bytes, or mapped from a file.

use std::{
    fs::File,
    io,
    os::{fd::AsRawFd, unix::fs::FileExt},
};

use rustix::io::Errno;
use wasmtime::{Module, Precompiled, component::Component};

use crate::{compile::error::ModuleError, file::text::one_line};

/// Code that can be linked.
pub(crate) enum Code {
    Core(wasmtime::Module),
    Component(wasmtime::component::Component),
}

impl Code {
    /// Whether a core module exports a function of this name.
    pub(crate) fn has_function(&self, name: &str) -> bool {
        match self {
            Code::Core(wasm) => matches!(wasm.get_export(name), Some(wasmtime::ExternType::Func(_))),
            Code::Component(_) => false,
        }
    }
}

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

/// Loads the code of a core module or a component.
pub(crate) fn load(engine: &wasmtime::Engine, compiled: &Compiled) -> Result<Code, ModuleError> {
    let is_component = compiled.is_component;
    let loaded = match &compiled.storage {
        Storage::Bytes(bytes) => from_bytes(engine, bytes, is_component),
        // Where programs must not be run from the file system (`noexec`), code cannot be mapped, but it can be read.
        Storage::File { file, bytes } => match mapped(engine, file, is_component) {
            Err(err) if is_of_system(&err) => {
                read(file, *bytes).and_then(|it| from_bytes(engine, &it, is_component))
            }
            // What the engine refuses, a pool say that is too small for it, it refuses in any form.
            loaded => loaded,
        },
    };
    loaded.map_err(|err| ModuleError::Load(one_line(&format!("{err:#}"))))
}

#[allow(
    unsafe_code,
    reason = "compiled code is machine code: loading it is a matter of trust, not of checks"
)]
fn from_bytes(engine: &wasmtime::Engine, bytes: &[u8], is_component: bool) -> wasmtime::Result<Code> {
    // SAFETY: the code comes from the engine's compiler, whose contract (`Compile`) is to return what `precompile` of
    // this build returned for a module; maybe by way of the cache, see below. Nobody else can put code here.
    unsafe {
        match is_component {
            true => Component::deserialize(engine, bytes).map(Code::Component),
            false => Module::deserialize(engine, bytes).map(Code::Core),
        }
    }
}

#[allow(
    unsafe_code,
    reason = "compiled code is machine code: loading it is a matter of trust, not of checks"
)]
fn mapped(engine: &wasmtime::Engine, file: &File, is_component: bool) -> wasmtime::Result<Code> {
    // SAFETY: the code comes from the engine's compiler, as above, and was then kept in a file that nobody but us and
    // root may write. Its checksum was right when it was opened, and we never write to a file of the cache but replace
    // it by another one.
    unsafe {
        match is_component {
            // The engine opens components by name only. This one is that of the very descriptor, whatever became of
            // the file's own name; where there is no such thing, the code is read.
            true => {
                let name = format!("/proc/self/fd/{}", file.as_raw_fd());
                Component::deserialize_file(engine, name).map(Code::Component)
            }
            false => Module::deserialize_open_file(engine, file.try_clone()?).map(Code::Core),
        }
    }
}

/// Whether it is the system that refused something.
fn is_of_system(error: &wasmtime::Error) -> bool {
    error.chain().any(|it| it.is::<io::Error>() || it.is::<Errno>())
}

/// The code that a file of the cache begins with.
fn read(file: &File, bytes: u64) -> wasmtime::Result<Vec<u8>> {
    let mut code = vec![0; usize::try_from(bytes)?];
    file.read_exact_at(&mut code, 0)?;
    Ok(code)
}
