//! Inputs: where messages come from.

use crate::{Parcel, Step, Waits};

/// A source of messages.
///
/// Whoever holds the input's turn owns it: the engine never calls it from two threads at once. It never waits: what it
/// waits for is named, and it is asked again when that has come, or for no reason.
pub trait Input: Send {
    /// Makes the input ready to be read. Called before the first read, and again after
    /// [`ReadError::NotConnected`], with a back-off. Inputs above others have nothing to connect: each of those connects,
    /// and backs off, by itself.
    fn connect(&mut self, _: &mut Waits) -> Result<(), ConnectError> {
        Ok(())
    }

    /// Hands over everything that is ready. Nothing waits to make a parcel larger.
    ///
    /// Where nothing is ready the answer is [`ReadError::NotReady`], and `waits` says what for, unless the
    /// [`InputBell`](crate::InputBell) is rung when there is something. `step` is for processors that run under the input.
    fn read(&mut self, waits: &mut Waits, step: &mut Step<'_>) -> Result<Parcel, ReadError>;

    /// Says that nothing more will be asked for, so that what was collected is handed over, at once, by the
    /// reads that follow; they end with [`ReadError::EndOfInput`]. May be said more than once.
    fn stop(&mut self) {}

    /// Begins again, after the end, as when it was made. `false`: it cannot.
    fn restart(&mut self) -> bool {
        false
    }

    /// Whether nothing new will come before something that was read is answered, so that whoever collects messages must not
    /// wait for more. An input that has said [`ReadError::EndOfInput`] need not answer this.
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

    /// Called once nothing is read any more and all that can be is answered. May be called more than once.
    fn close(&mut self) -> Result<(), String> {
        Ok(())
    }
}

/// Why an input has nothing to give. Closed on purpose: each variant is one reaction of the engine.
#[derive(Debug)]
pub enum ReadError {
    /// Nothing yet: ask again when what is waited for has come.
    NotReady,
    /// There will be no more, however often it is asked. Answers to what was read may still be outstanding.
    EndOfInput,
    /// The connection is gone: connect again.
    NotConnected,
    /// A source was given up, or a piece of one; what else there is goes on. Logged as an error, and the process exits with 1 at the end.
    SourceFailed(String),
    /// A passing fault: ask again after a back-off.
    BackOff(String),
}

/// Why an input or output could not be made ready.
#[derive(Debug)]
pub enum ConnectError {
    /// Not yet. An input has named what it waits for; an output has [a time](crate::Output::due), or rings its bell.
    NotReady,
    /// Trying again may help.
    BackOff(String),
    /// Trying again cannot help: the stream ends with an error.
    Fatal(String),
    /// The stream is about to stop.
    Interrupted,
}
