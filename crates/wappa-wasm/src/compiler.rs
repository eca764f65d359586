//! Where compiled code comes from: a hook, because compilation can be neither bounded nor cancelled inside the engine.

use crate::{CompileError, settings::compile_settings};

/// Compiles modules. 300 KB of a module can cost 14 s of a core, so whoever runs modules of strangers compiles in a
/// child process with limits and hands the code over.
///
/// **The code is trusted**: it is loaded without any check of its content. It must come from [`precompile`], run by the
/// same build of this crate.
pub trait Compile: Send + Sync {
    /// Code for this module, which was parsed and validated before.
    fn compile(&self, wasm: &[u8]) -> Result<Vec<u8>, CompileError>;
}

/// Compiles in this process, without any bound.
#[derive(Clone, Copy, Debug, Default)]
pub struct CompileInProcess;

impl Compile for CompileInProcess {
    fn compile(&self, wasm: &[u8]) -> Result<Vec<u8>, CompileError> {
        precompile(wasm)
    }
}

/// Compiles a module to code that every [`crate::Engine`] of this build loads, whatever its config.
pub fn precompile(wasm: &[u8]) -> Result<Vec<u8>, CompileError> {
    let text = |err: wasmtime::Error| CompileError(crate::error::one_line(&format!("{err:#}")));
    let engine = wasmtime::Engine::new(&compile_settings()).map_err(text)?;
    engine.precompile_module(wasm).map_err(text)
}
