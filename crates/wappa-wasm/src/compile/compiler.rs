//! Compiling with the engine's settings: what the hook does by default, and what a child process calls.

use std::{panic::catch_unwind, sync::Mutex, thread};

use crate::{
    compile::settings::compile_settings,
    compile::{Compile, CompileError, THREADS_MAX},
    file::prepare::prepare,
    file::text::one_line,
    file::wrap::is_component,
};

/// Compiles in this process, without any bound.
#[derive(Clone, Copy, Debug, Default)]
pub struct CompileInProcess;

impl Compile for CompileInProcess {
    fn compile(&self, file: &[u8]) -> Result<Vec<u8>, CompileError> {
        precompile(file)
    }
}

/// Whether there may be as many threads as the compiler starts. Its pool of them panics where there may not.
fn can_start_threads() -> bool {
    let n = thread::available_parallelism().map_or(1, |it| it.get().min(THREADS_MAX));
    let all_are_there = Mutex::new(());
    let starting = all_are_there.lock();
    thread::scope(|scope| {
        let wait = || drop(all_are_there.lock());
        let is_started = (0..n).all(|_| thread::Builder::new().spawn_scoped(scope, wait).is_ok());
        drop(starting);
        is_started
    })
}

/// Compiles what is in a module's file, binary or text, to code that every [`crate::Engine`] of this build loads,
/// whatever its config.
///
/// A compiler that panics has refused the module.
pub fn precompile(file: &[u8]) -> Result<Vec<u8>, CompileError> {
    let wasm = prepare(file).map_err(CompileError::Unfit)?;
    let compiled = catch_unwind(|| {
        let mut settings = compile_settings();
        settings.parallel_compilation(can_start_threads());
        let engine = wasmtime::Engine::new(&settings)?;
        if is_component(&wasm) { engine.precompile_component(&wasm) } else { engine.precompile_module(&wasm) }
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
