//! Outputs: where messages go.

use wappa_message::Mark;

use crate::{ConnectError, Part, Step};

/// A destination of messages.
///
/// Whoever holds the output's turn owns it: parts come in the order of the stream, one at a time.
pub trait Output: Send {
    /// Makes the output ready to be written. Called before the first write, and again after
    /// [`WriteError::NotConnected`], with a back-off.
    fn connect(&mut self) -> Result<(), ConnectError>;

    /// Writes all messages of the part, batch by batch. `Ok` means delivered.
    ///
    /// The messages may be changed: nobody looks at them afterwards, failed ones are replayed from the copy
    /// that the input keeps. Their order and number stay, since failures are named by index. After
    /// [`WriteError::NotConnected`] the same messages come again, and are as they were.
    fn write(&mut self, part: &mut Part, step: &mut Step<'_>) -> Result<(), WriteError>;

    /// Called after the last write, once by each who refers to the output.
    fn close(&mut self) -> Result<(), String> {
        Ok(())
    }
}

/// Why a write did not deliver everything. Closed on purpose: each variant is one reaction of the engine.
#[derive(Debug)]
pub enum WriteError {
    /// The connection is gone: nothing of the part arrived. Connect again, then write again.
    NotConnected,
    /// Nobody reads any more (`| head -1`): nothing more can be delivered, and that is no error.
    Closed,
    /// Nothing of the part arrived.
    Failed(Mark),
    /// The messages with these indices did not arrive, the others did.
    Partial(Vec<(usize, Mark)>),
    /// The messages with these indices were turned away on purpose: no fault of the output, logged at debug.
    Rejected(Vec<(usize, Mark)>),
}
