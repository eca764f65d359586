//! Compiling with the engine's settings: what the hook does by default, and what a child process calls.

use std::panic::catch_unwind;

use crate::{
    compile::{Compile, CompileError},
    error::one_line,
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

/// Compiles a valid core module or component to code that every [`crate::Engine`] of this build loads, whatever its
/// config.
///
/// A compiler that panics has refused the module.
pub fn precompile(wasm: &[u8]) -> Result<Vec<u8>, CompileError> {
    let compiled = catch_unwind(|| {
        let engine = wasmtime::Engine::new(&compile_settings())?;
        if is_component(wasm) { engine.precompile_component(wasm) } else { engine.precompile_module(wasm) }
    });
    let refused = |text: &str| CompileError::Refused(one_line(text));
    match compiled {
        Ok(Ok(code)) => Ok(code),
        Ok(Err(err)) => Err(refused(&format!("{err:#}"))),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a reason");
            Err(refused(&format!("the compiler panicked: {text}")))
        }
    }
}
