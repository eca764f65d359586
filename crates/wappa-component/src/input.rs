//! Inputs: where messages come from.

use crate::{Parcel, Step, Waiter};

/// A source of messages.
///
/// Whoever holds the input's turn owns it: the engine never calls it from two threads at once.
pub trait Input: Send {
    /// Makes the input ready to be read. Called before the first read, and again after
    /// [`ReadError::NotConnected`], with a back-off.
    fn connect(&mut self, waiter: &dyn Waiter) -> Result<(), ConnectError>;

    /// Hands over everything that is ready, and waits only while nothing is.
    ///
    /// What was read is handed on before every wait; nothing waits to make a parcel larger. All waiting is
    /// done with `waiter`; when that says anything but [`Woken::Ready`](crate::Woken::Ready) and there is
    /// still nothing, the answer is [`ReadError::NotReady`]. `step` is for processors that run under the input.
    fn read(&mut self, waiter: &dyn Waiter, step: &mut Step<'_>) -> Result<Parcel, ReadError>;

    /// Says that nothing more will be asked for, so that what was collected is handed over, at once, by the
    /// reads that follow; they end with [`ReadError::EndOfInput`].
    fn stop(&mut self) {}

    /// Whether nothing new will come, so that whoever collects messages must not wait for more: all that can still
    /// come is a replay of what fails. An input that has said [`ReadError::EndOfInput`] need not answer this.
    fn is_exhausted(&self) -> bool {
        false
    }

    /// Whether what failed is to be delivered again by the engine (the field `auto_replay_nacks`). The input
    /// is then told only once everything has arrived.
    fn auto_replay_nacks(&self) -> bool {
        false
    }

    /// Whether a message that fails can be given back to where it came from, to be delivered again later.
    /// `stdin` and files cannot.
    fn takes_back(&self) -> bool {
        false
    }
}

/// Why an input has nothing to give. Closed on purpose: each variant is one reaction of the engine.
#[derive(Debug)]
pub enum ReadError {
    /// Nothing yet: ask again after looking after other things.
    NotReady,
    /// There will be no more. Answers to what was read may still be outstanding.
    EndOfInput,
    /// The connection is gone: connect again.
    NotConnected,
    /// A source was given up; others go on. Logged as an error, and the process exits with 1 at the end.
    SourceFailed(String),
    /// A passing fault: ask again after a back-off.
    BackOff(String),
}

/// Why an input or output could not be made ready.
#[derive(Debug)]
pub enum ConnectError {
    /// Trying again may help.
    BackOff(String),
    /// Trying again cannot help: the stream ends with an error.
    Fatal(String),
    /// The stream is about to stop.
    Interrupted,
}
