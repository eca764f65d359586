//! Compiling with the engine's settings: what the hook does by default, and what a child process calls.

use crate::{
    compile::{Compile, CompileError},
    settings::compile_settings,
    wrap::is_component,
};

/// Compiles in this process, without any bound.
#[derive(Clone, Copy, Debug, Default)]
pub struct CompileInProcess;

impl Compile for CompileInProcess {
    fn compile(&self, wasm: &[u8]) -> Result<Vec<u8>, CompileError> {
        precompile(wasm)
    }
}

/// Compiles a core module or a component to code that every [`crate::Engine`] of this build loads, whatever its config.
pub fn precompile(wasm: &[u8]) -> Result<Vec<u8>, CompileError> {
    let text = |err: wasmtime::Error| CompileError::Refused(crate::error::one_line(&format!("{err:#}")));
    let engine = wasmtime::Engine::new(&compile_settings()).map_err(text)?;
    let code =
        if is_component(wasm) { engine.precompile_component(wasm) } else { engine.precompile_module(wasm) };
    code.map_err(text)
}
