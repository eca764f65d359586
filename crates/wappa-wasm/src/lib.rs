//! The wasm engine of Wappa.

mod arena;
mod clock;
pub mod compile;
mod compiler;
mod engine;
mod error;
mod exports;
mod guest;
mod host;
pub mod inspect;
mod instance;
mod interrupt;
mod limiter;
mod log;
mod module;
pub mod processor;
pub mod rewrite;
mod settings;
mod slots;
mod stack;
mod v0;
mod wasi;

pub use crate::{
    compile::{Budget, ChildCompiler, Compile, CompileError, child_main},
    compiler::{CompileInProcess, precompile},
    engine::{CallContext, Engine, EngineConfig},
    error::{CallError, EngineError, GuestError, Kind, ModuleError},
    guest::{Guest, GuestConfig, Limits, Mount},
    instance::{Called, Instance},
    interrupt::Interrupt,
    log::{GuestLog, LOG_LINE_BYTES_MAX, Level},
    module::Module,
    stack::{GUEST_STACK_BYTES, StackError, THREAD_STACK_BYTES, spawn_thread},
};
