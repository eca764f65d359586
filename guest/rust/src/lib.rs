//! Write processors for Wappa: a stream processor that calls a WebAssembly module for each message.
//!
//! A guest is a type that implements [`Processor`], and one line that exports it:
//!
//! ```
//! use wappa_guest::{Config, Message, Processor, Result};
//!
//! struct Greeter {
//!     greeting: String,
//! }
//!
//! impl Processor for Greeter {
//!     fn configure(config: Config) -> Result<Greeter> {
//!         Ok(Greeter { greeting: config.get("greeting").unwrap_or("hello".to_string()) })
//!     }
//!
//!     fn process(&mut self, message: &mut Message) -> Result {
//!         let name = std::str::from_utf8(message.content())?;
//!         let text = format!("{}, {name}!", self.greeting);
//!         message.set_content(text);
//!         Ok(())
//!     }
//! }
//!
//! wappa_guest::export!(Greeter);
//!
//! // In a test there is a mock host, and no WebAssembly at all:
//! use wappa_guest::mock::Host;
//!
//! let mut host = Host::<Greeter>::start([("greeting", "welcome")])?;
//! assert_eq!(host.process("ann").sent()[0].text(), "welcome, ann!");
//! assert!(host.process(b"\xff").failed().unwrap().contains("utf-8"));
//! # Ok::<(), String>(())
//! ```
//!
//! # Concepts
//!
//! - An **instance** of the module is made for each thread of the stream. It calls [`Processor::configure`] once, and
//!   then [`Processor::process`] for one message after the other. What the processor keeps in its fields is the
//!   instance's alone, and is lost when the host replaces the instance: after a trap, or when the stream is configured
//!   to recycle instances.
//! - A [`Message`] has a content, which is any bytes, [metadata](Value) beside it, and perhaps an error mark. What you
//!   do not touch is never copied into the module: a message that is let through unread costs next to nothing,
//!   however large it is.
//! - After `Ok(())` the message goes on, as you left it. [`Message::filter`] keeps it from being sent,
//!   [`Message::emit`] sends more than one.
//! - After `Err(…)` the message goes on **as it came in**, marked as failed with the text of the error; a `catch` in
//!   the stream's config can deal with it. The other messages are not touched. [`Message::fail`] is the same without
//!   leaving the function.
//!
//! # Panics
//!
//! A panic fails the message, too, with the panic's text. Where the target unwinds (in your native tests, and on
//! WebAssembly if you build with `panic=unwind`) it is caught, and the processor goes on with the next message. On
//! WebAssembly as it is built today a panic is a trap: the host drops the instance and goes on with a fresh one, so what
//! your processor kept in its fields is lost. The hook that this crate installs brings the text out before: to
//! standard error where there is WASI, else to the stream's log, at level error. The host makes it part of the reason.
//! Return errors for what data can cause, and leave panics to bugs.
//!
//! # Targets
//!
//! The same source builds as either kind of guest:
//!
//! | target | without features | with feature `component` |
//! | --- | --- | --- |
//! | `wasm32-unknown-unknown` | guest interface v1 | component |
//! | `wasm32-wasip1` | guest interface v1 | component |
//! | `wasm32-wasip2` | component | component |
//! | others | the [mock host](mock) | the mock host |
//!
//! `wasm32-unknown-unknown` is the one to begin with: the module imports nothing but what this crate uses. Take
//! `wasm32-wasip1` where the guest needs files, environment variables or the clock through `std`. On these two the
//! feature `component` builds a core module that carries the type of a component; Wappa wraps it when it loads it, and
//! so does `wasm-tools component new`.
//!
//! # Cargo features
//!
//! - `json`: [`Message::json`](Message) and `set_json` by way of `serde_json`. You may also use `serde_json` directly
//!   on [`Message::content`].
//! - `component`: see above. It changes what is built for WebAssembly, and nothing in your source.

mod config;
mod export;
mod log;
mod message;
mod value;

#[cfg(not(target_arch = "wasm32"))]
pub mod mock;
#[cfg(not(target_arch = "wasm32"))]
use mock as host;

#[cfg(all(target_arch = "wasm32", any(feature = "component", target_env = "p2")))]
mod component;
#[cfg(all(target_arch = "wasm32", any(feature = "component", target_env = "p2")))]
use component as host;

#[cfg(all(target_arch = "wasm32", not(any(feature = "component", target_env = "p2"))))]
mod v1;
#[cfg(all(target_arch = "wasm32", not(any(feature = "component", target_env = "p2"))))]
use v1 as host;

pub use config::Config;
pub use log::{count, log, Level};
pub use message::Message;
pub use value::Value;

#[doc(hidden)]
pub mod __private {
    //! What the macros of this crate expand to. Not for use by hand: it may change in any version.

    pub use crate::{export::assert_processor, log::log_arguments};
    #[cfg(target_arch = "wasm32")]
    pub use crate::{export::Slot, host::entry};
}

/// Why a message fails, or why a processor cannot be made: any error, or a text.
///
/// `?` works on every error, and `Err("not a number".into())` on texts. The reason that the host is given is the
/// error's text followed by those of its [sources](std::error::Error::source).
pub type Error = Box<dyn std::error::Error>;

/// A result whose error is any [`Error`], and whose value is nothing unless you say otherwise.
pub type Result<T = (), E = Error> = std::result::Result<T, E>;

/// A processor: what is made once per instance, and called with every message.
///
/// [`export!`] makes it the module's.
pub trait Processor: Sized + 'static {
    /// Makes the processor, once per instance and before the first message.
    ///
    /// An error keeps the stream from starting, and its text is what the user of your module sees: say which key of the
    /// config is wrong, and what it should be.
    fn configure(config: Config) -> Result<Self>;

    /// Works on one message. Called for every message of the stream, also for those that are already marked as failed.
    ///
    /// An error fails the message: see [the crate's documentation](crate#concepts).
    fn process(&mut self, message: &mut Message) -> Result;
}
