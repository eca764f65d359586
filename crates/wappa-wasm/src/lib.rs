//! Runs WebAssembly guests over messages, whatever the guests do.
//!
//! A *guest* is a WebAssembly module that changes messages: it asks for the content and the metadata of the current
//! one through host functions, and writes them back. Anybody may have written it. So a guest is bounded in time, in
//! memory and in what it makes of a message, it sees nothing of the world that it was not given, and a failure costs
//! exactly the message on which it happened: that one is as it came in, and the next one gets a new instance.
//!
//! From the outside in:
//!
//! - An [`Engine`] compiles modules and owns the memory that guests live in. A process has one.
//! - A [`Module`] is loaded code, compiled once per content, however many ask for it.
//! - A [`Guest`] is a module with the function to call, its [`Limits`] and what it sees of the world, linked once.
//! - An [`Instance`] is a guest that is alive. It belongs to one thread at a time; making one takes microseconds.
//! - [`Instance::call`] takes one [`Message`](wappa_message::Message) through the guest. Inside of a run of calls that
//!   [`Engine::enter`] begins, a call costs no lock, no clock and no allocation beside the new content.
//!
//! Guests run on the caller's thread and may use [`GUEST_STACK_BYTES`] of its stack; [`spawn_thread`] makes a thread
//! that has them, and `enter` refuses one that has not.
//!
//! ```
//! use std::time::{Duration, Instant};
//!
//! use wappa_message::Message;
//! use wappa_wasm::{Engine, EngineConfig, Guest, GuestConfig, Kind, Module, spawn_thread};
//!
//! // Upper-cases, and traps on an exclamation mark. Modules come as `.wasm` or, like this one, as text.
//! const SHOUT: &str = r#"
//!     (module
//!       (import "bento_wasm" "v0_msg_as_bytes" (func $as_bytes (result i64)))
//!       (import "bento_wasm" "v0_msg_set_bytes" (func $set_bytes (param i32 i32)))
//!       (memory (export "memory") 1)
//!       ;; Where the host may put the content. One place will do: there is one message at a time.
//!       (func (export "malloc") (param $len i32) (result i32) (i32.const 1024))
//!       (func (export "free") (param i32))
//!       (func (export "process") (local $packed i64) (local $at i32) (local $len i32) (local $c i32)
//!         (local.set $packed (call $as_bytes))
//!         (local.set $len (i32.wrap_i64 (local.get $packed)))
//!         (block $done
//!           (loop $next
//!             (br_if $done (i32.ge_u (local.get $at) (local.get $len)))
//!             (local.set $c (i32.load8_u offset=1024 (local.get $at)))
//!             (if (i32.eq (local.get $c) (i32.const 0x21)) (then unreachable))
//!             (if (i32.lt_u (i32.sub (local.get $c) (i32.const 0x61)) (i32.const 26))
//!               (then (i32.store8 offset=1024 (local.get $at) (i32.sub (local.get $c) (i32.const 32)))))
//!             (local.set $at (i32.add (local.get $at) (i32.const 1)))
//!             (br $next)))
//!         (call $set_bytes (i32.const 1024) (local.get $len))))
//! "#;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let engine = Engine::new(EngineConfig::default())?;
//! let module = Module::new(&engine, SHOUT.as_bytes())?;
//! let mut config = GuestConfig::default();
//! config.limits.timeout = Duration::from_secs(1);
//! let guest = Guest::new(&engine, &module, config)?;
//!
//! let worker = spawn_thread("worker", move || {
//!     let soon = || Instant::now() + Duration::from_secs(10);
//!     let mut instance = guest.instantiate(soon()).expect("the module has no start function that could fail");
//!     let mut told = Vec::new();
//!     // Held for as many messages as there are, and not while waiting for more.
//!     let ctx = guest.engine().enter().expect("`spawn_thread` makes threads that are large enough");
//!     for text in ["hello", "stop!", "again"] {
//!         let mut message = Message::new(text);
//!         match instance.call(&mut message, &ctx) {
//!             Ok(_) => told.push(String::from_utf8_lossy(message.content()).into_owned()),
//!             Err(err) => {
//!                 assert_eq!(err.kind(), Kind::Trap);
//!                 assert_eq!(message.content(), text); // as it came in
//!                 told.push(err.mark_text());
//!             }
//!         }
//!         if instance.is_spent() {
//!             drop(instance);
//!             instance = guest.instantiate(soon()).expect("as above");
//!         }
//!     }
//!     told
//! })?;
//! assert_eq!(worker.join().expect("it does not panic"), ["HELLO", "trap: unreachable", "AGAIN"]);
//! # Ok(())
//! # }
//! ```
//!
//! Compiling is the one thing that no limit of the engine bounds: where modules come from strangers, give
//! [`EngineConfig::compiler`] a [`compile::ChildCompiler`], which does it in a process that can be stopped.

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
mod waiting;
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
