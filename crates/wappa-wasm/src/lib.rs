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
//! - [`Instance::run`] takes the messages of a [`Run`] through the guest, as many as one call serves: what to use where
//!   more than one is ready.
//!
//! Guests are of three interfaces, and a module shows which: v0 is Bento's, v1 has everything that v0 lacks, and
//! WebAssembly components implement the world `wappa:processor`. All of them are called in the same way.
//!
//! The first three are made when a service starts, checked and shared by all of its threads; an instance is made by the
//! thread that uses it, and again whenever it is spent:
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
//! # Many messages
//!
//! A guest may filter a message, send several for one, or fail it with a reason of its own; and where many messages are
//! ready, interface v1 and components take them with one call. [`Run::finish`] says what became of each, in their order:
//!
//! ```
//! # use std::time::{Duration, Instant};
//! # use wappa_message::Message;
//! # use wappa_wasm::{Engine, EngineConfig, Guest, GuestConfig, Module, Outcome, Run, spawn_thread};
//! // Filters what is empty, doubles what begins with a plus, and leaves the rest alone.
//! const SORT: &str = r#"
//!     (module
//!       (import "wappa" "v1_content_read" (func $read (param i32 i32 i32) (result i32)))
//!       (import "wappa" "v1_filter" (func $filter))
//!       (import "wappa" "v1_emit" (func $emit))
//!       (import "wappa" "v1_next" (func $next (result i32)))
//!       (memory (export "memory") 1)
//!       (func (export "process")
//!         (loop $again
//!           (if (i32.eqz (call $read (i32.const 0) (i32.const 0) (i32.const 1)))
//!             (then (call $filter))
//!             (else (if (i32.eq (i32.load8_u (i32.const 0)) (i32.const 0x2b)) (then (call $emit)))))
//!           (br_if $again (i32.eq (call $next) (i32.const 1))))))
//! "#;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let engine = Engine::new(EngineConfig::default())?;
//! let module = Module::new(&engine, SORT.as_bytes())?;
//! let guest = Guest::new(&engine, &module, GuestConfig::default())?;
//! # let worker = spawn_thread("worker", move || {
//! let mut instance = guest.instantiate(Instant::now() + Duration::from_secs(10)).expect("it starts");
//! let ctx = guest.engine().enter().expect("the thread is large enough");
//! let mut run = Run::singles(["a", "", "+b"].map(Message::new).into());
//! while !run.is_done() {
//!     instance.run(&mut run, &ctx).expect("nobody interrupts it");
//!     if instance.is_spent() {
//!         // A message failed, and the guest with it; the others of the run are still to come.
//!         instance = guest.instantiate(Instant::now() + Duration::from_secs(10)).expect("as before");
//!     }
//! }
//! let sent: Vec<Message> = run
//!     .finish()
//!     .flat_map(|outcome| match outcome {
//!         Outcome::Kept(message, _failed) => vec![message],
//!         Outcome::Sent(messages, _failed) => messages,
//!     })
//!     .collect();
//! assert_eq!(sent.iter().map(Message::content).collect::<Vec<_>>(), ["a", "+b", "+b"]);
//! # })?;
//! # worker.join().expect("it does not panic");
//! # Ok(())
//! # }
//! ```
//!
//! # Failures
//!
//! A module that cannot be a guest fails before the first message: [`Module::new`] refuses what is no module, and
//! [`Guest::new`] what lacks the function, imports something unknown or wants more memory than its limit.
//! [`inspect`] finds the same without an engine and without compiling, and names everything at once.
//!
//! A message fails with a [`CallError`]. Its [`Kind`] says of what; [`CallError::mark_text`] is one line for people,
//! and [`CallError::backtrace`] the guest's stack. Afterwards the message is as it came in, but for host functions that
//! failed and let the guest go on ([`CallError::changes_kept`]). Then ask [`Instance::is_spent`]: an instance that
//! trapped, exited or ran out of time is in a state that nobody knows, and refuses to be called again.
//!
//! # Limits and deadlines
//!
//! [`Limits::timeout`] is for one message: the function, the guest's allocator and its frees together. It holds in
//! loops, in start functions, and in WASI calls that wait. [`Guest::instantiate`] has a deadline of its own, since it
//! may also wait: [`GuestConfig::max_instances`] bounds how many instances there are at once.
//!
//! [`Limits::memory`] is for the memories and tables of one instance; growing past it fails inside of the guest, and a
//! trap in the same message is a [`Kind::Memory`]. [`EngineConfig::memory_limit_max`] is the largest such limit whose
//! instances come from the pool: a guest with a larger one runs too, but its instances are dearer to make.
//! [`Limits::output`] is for what one message may become; [`Run::grow_by`] for what the messages of a run may grow by
//! together, for those who keep many.
//!
//! [`EngineConfig::guest_memory`] is for all guests of an engine together, whatever each of them may have: instances, and
//! what messages have grown by, as long as their [`Run`] lives. Every guest has its share of half of it, and the other
//! half belongs to whoever comes first.
//!
//! ```
//! # use std::time::{Duration, Instant};
//! # use wappa_message::Message;
//! # use wappa_wasm::{Engine, EngineConfig, Guest, GuestConfig, Kind, Module, spawn_thread};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let engine = Engine::new(EngineConfig::default())?;
//! let endless = r#"(module (func (export "process") (loop $again (br $again))))"#;
//! let module = Module::new(&engine, endless.as_bytes())?;
//! let mut config = GuestConfig::default();
//! config.limits.timeout = Duration::from_millis(20);
//! let guest = Guest::new(&engine, &module, config)?;
//! # let worker = spawn_thread("worker", move || {
//! let mut instance = guest.instantiate(Instant::now() + Duration::from_secs(10)).expect("it starts");
//! let ctx = guest.engine().enter().expect("the thread is large enough");
//! let err = instance.call(&mut Message::new("hello"), &ctx).expect_err("it never ends");
//! assert_eq!(err.kind(), Kind::Timeout);
//! assert_eq!(err.mark_text(), "timeout: over the limit of 20ms (`timeout`)");
//! assert!(instance.is_spent());
//! # })?;
//! # worker.join().expect("it does not panic");
//! # Ok(())
//! # }
//! ```
//!
//! To end guests before their time, at the end of a service, keep a clone of [`GuestConfig::interrupt`] and
//! [raise](Interrupt::raise) it: running calls, and waits for an instance, end with [`Kind::Interrupted`]. Their
//! messages did not fail: they were not processed.
//!
//! # Threads
//!
//! Guests run on the caller's thread, synchronously, and may use [`GUEST_STACK_BYTES`] of its stack; [`spawn_thread`]
//! makes a thread that has them, and `enter` refuses one that has not. From an asynchronous service, hand messages to
//! such threads and wait for their answers; a guest that takes its time would hold up the runtime.
//!
//! Everything but a [`CallContext`] can be sent to another thread. An instance has globals of its own, so a guest that
//! counts needs all its messages to come to one instance.
//!
//! # Compiling
//!
//! Compiling is the one thing that no limit of the engine bounds, and it takes place in this process by default. Where
//! modules come from strangers, do it in a child process that can be stopped: give the program a hidden command that
//! calls [`child_main`], and the engine a [`ChildCompiler`] that runs it. Whoever has a better place for it implements
//! [`Compile`].
//!
//! Code is compiled anew by every process, unless [`EngineConfig::cache`] says in which directory it is kept.
//!
//! ```no_run
//! use std::{env, process::ExitCode, sync::Arc};
//!
//! use wappa_wasm::{Budget, ChildCompiler, Engine, EngineConfig, child_main};
//!
//! fn main() -> ExitCode {
//!     if env::args().nth(1).is_some_and(|it| it == "compile-child") {
//!         return child_main();
//!     }
//!     let this_program = env::current_exe().expect("a program knows its file");
//!     let compiler = ChildCompiler::new(this_program, vec!["compile-child".into()], Budget::default());
//!     let mut config = EngineConfig::default();
//!     config.compiler = Arc::new(compiler);
//!     let _engine = Engine::new(config).expect("the machine gives us memory");
//!     ExitCode::SUCCESS
//! }
//! ```

mod cache;
pub mod compile;
mod engine;
mod file;
mod guest;
mod host;
pub mod inspect;
mod interface;
pub mod processor;
mod tier;
mod wasi;

pub use wappa_component::Account;

pub use crate::{
    cache::{CACHE_BYTES_MAX, CodeCache},
    compile::{
        Budget, ChildCompiler, Compile, CompileError, child_main,
        compiler::{CompileInProcess, precompile},
        error::ModuleError,
        frames::Frame,
        settings::GUEST_STACK_BYTES,
    },
    engine::{CallContext, Engine, EngineConfig, Holdings, error::EngineError, module::Module},
    file::{footprint::Footprint, rewrite},
    guest::{
        Guest, GuestConfig,
        error::GuestError,
        instance::{Called, Instance},
    },
    host::{
        error::{CallError, Kind},
        interrupt::Interrupt,
        json,
        log::{GuestLog, LOG_LINE_BYTES_MAX},
        metrics::{GuestMetrics, Ticks},
        pace::Pace,
        run::{Outcome, Run},
        shared::{Limits, Mount},
        stack::{StackError, THREAD_STACK_BYTES, spawn_thread},
    },
    interface::Level,
};

/// The program in the guide compiles.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/embedding.md")]
struct Guide;
