//! How a processor becomes a module's: the macro, and what all kinds of guests do with a processor.

#[cfg(target_arch = "wasm32")]
use std::cell::UnsafeCell;

use crate::{Config, Error, Message, Processor};

/// Exports a [`Processor`] as the one of this module. Once per crate of type `cdylib`.
///
/// Off WebAssembly it exports nothing, and the [mock host](crate::mock) runs the processor.
#[macro_export]
macro_rules! export {
    ($processor:ty $(,)?) => {
        const _: fn() = $crate::__private::assert_processor::<$processor>;
        $crate::__export!($processor);
    };
}

#[cfg(not(target_arch = "wasm32"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __export {
    ($processor:ty) => {};
}

/// Compiles for processors only, so that a wrong type is found in native tests, too.
#[doc(hidden)]
pub fn assert_processor<P: Processor>() {}

/// Why code of the guest's author did not end well.
pub(crate) enum Failure {
    /// It returned an error.
    Error(String),
    /// It panicked, and the panic was caught. The text says so.
    #[cfg_attr(not(panic = "unwind"), allow(dead_code, reason = "a panic is a trap then"))]
    Panic(String),
}

impl Failure {
    pub(crate) fn into_reason(self) -> String {
        match self {
            Failure::Error(reason) | Failure::Panic(reason) => reason,
        }
    }
}

/// Makes a processor, or says why that is impossible.
pub(crate) fn configure<P: Processor>(config: Config) -> Result<P, String> {
    guarded(|| P::configure(config)).map_err(Failure::into_reason)
}

/// How the call of a processor ended, of which the message knows already.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Ended {
    /// It returned.
    Returned,
    /// It panicked.
    #[cfg_attr(not(panic = "unwind"), allow(dead_code, reason = "a panic is a trap then"))]
    Panicked,
}

/// Hands one message to the processor and reports a failure to the message.
pub(crate) fn process<P: Processor>(processor: &mut P, message: &mut Message) -> Ended {
    match guarded(|| processor.process(message)) {
        Ok(()) => Ended::Returned,
        Err(Failure::Error(reason)) => {
            message.fail(reason);
            Ended::Returned
        }
        Err(Failure::Panic(reason)) => {
            message.fail(reason);
            Ended::Panicked
        }
    }
}

/// Runs code of the guest's author. Where a panic unwinds, it is caught.
#[cfg(panic = "unwind")]
fn guarded<T>(run: impl FnOnce() -> Result<T, Error>) -> Result<T, Failure> {
    // What a panic leaves behind in a processor is the affair of its author, as with a mutex that is poisoned; the
    // host's side of the message is consistent between any two calls.
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)) {
        Ok(result) => result.map_err(|err| Failure::Error(reason(&err))),
        Err(payload) => Err(Failure::Panic(format!("panicked: {}", panic_text(&*payload)))),
    }
}

/// Runs code of the guest's author. A panic ends the call with a trap, after the hook has reported it.
#[cfg(not(panic = "unwind"))]
fn guarded<T>(run: impl FnOnce() -> Result<T, Error>) -> Result<T, Failure> {
    run().map_err(|err| Failure::Error(reason(&err)))
}

/// The text of an error and of its sources, each once: some errors print their source themselves.
fn reason(err: &Error) -> String {
    let mut text = err.to_string();
    let mut source = err.source();
    while let Some(err) = source {
        let more = err.to_string();
        if !text.ends_with(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        source = err.source();
    }
    text
}

/// What a panic was raised with, where it is text.
#[cfg(any(panic = "unwind", target_arch = "wasm32"))]
pub(crate) fn panic_text(payload: &(dyn std::any::Any + Send)) -> &str {
    if let Some(text) = payload.downcast_ref::<&str>() {
        text
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text
    } else {
        "with something that is no text"
    }
}

/// Makes a panic say its text where the user of the module can see it: see "Panics" in the crate's documentation.
#[cfg(target_arch = "wasm32")]
pub(crate) fn install_panic_hook() {
    std::panic::set_hook(Box::new(|info| {
        let mut text = "panicked".to_string();
        if let Some(it) = info.location() {
            text.push_str(&format!(" at {}:{}:{}", it.file(), it.line(), it.column()));
        }
        text.push_str(": ");
        text.push_str(panic_text(info.payload()));
        if cfg!(panic = "unwind") {
            // It is caught and becomes the reason of the failure; the place is what that reason lacks.
            crate::debug!("{text}");
            return;
        }
        // The host adds the last line of either to the reason of the failure.
        if cfg!(target_os = "wasi") {
            eprintln!("{}", text.replace('\n', " "));
        } else {
            crate::error!("{text}");
        }
    }));
}

/// Where an exported processor lives.
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
#[derive(Debug)]
pub struct Slot<T>(UnsafeCell<Option<T>>);

// SAFETY: an instance is entered by one thread at a time, and its module has no threads of its own.
#[cfg(target_arch = "wasm32")]
unsafe impl<T> Sync for Slot<T> {}

#[cfg(target_arch = "wasm32")]
impl<T> Slot<T> {
    #[allow(clippy::new_without_default, reason = "it is made in a static, where `default` cannot be called")]
    pub const fn new() -> Slot<T> {
        Slot(UnsafeCell::new(None))
    }

    /// What is in the slot.
    ///
    /// # Safety
    ///
    /// The reference must be gone before the next call. The entry points are not reentrant: the host does not call
    /// them while one of them runs.
    #[allow(clippy::mut_from_ref, reason = "that is what the cell is for")]
    pub(crate) unsafe fn get(&self) -> &mut Option<T> {
        // SAFETY: as this function demands.
        unsafe { &mut *self.0.get() }
    }
}
