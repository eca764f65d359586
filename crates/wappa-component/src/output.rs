//! Outputs: where messages go.

use std::{fmt, sync::Arc, time::Duration};

use wappa_message::Mark;

use crate::{ConnectError, Delivery, Step};

/// A destination of messages.
///
/// Whoever holds the output's turn owns it: it is never called from two threads at once, and deliveries come in the
/// order of the stream. It does not wait for others: what takes time is answered later, and a time that has to come
/// is named with [`Output::due`].
pub trait Output: Send {
    /// Makes the output ready to be written. Called before the first write, and again once everything is answered
    /// after a delivery was answered with [`WriteError::NotConnected`]; the engine backs off in between.
    fn connect(&mut self) -> Result<(), ConnectError>;

    /// Whether it would send what it is given now, and not keep it until something else is answered.
    ///
    /// One that has no room is not written to by whoever can wait, so that what is held stays bounded; when it has room
    /// again, it rings the [`OutputBell`] unless a whole delivery of the engine was answered.
    fn has_room(&self) -> bool {
        true
    }

    /// Takes the delivery, whether it has room or not, and answers it now or later, from any thread.
    ///
    /// The messages may be changed: nobody looks at them afterwards. Only a delivery that is answered with
    /// [`WriteError::NotConnected`] is as it was: the engine connects again, and gives everything that was answered so
    /// once more, in order and before anything new.
    fn write(&mut self, delivery: Delivery, step: &mut Step<'_>);

    /// Goes on with what is held: after the [`OutputBell`] was rung, when the time of [`Output::due`] has come, and when
    /// the stream goes on to another phase of stopping. May be called without a reason.
    fn resume(&mut self, _: &mut Step<'_>) {}

    /// When [`Output::resume`] is to be called, if nothing else happens before, as a time of [`Step::now`].
    fn due(&self) -> Option<Duration> {
        None
    }

    /// Nothing more may come until something is answered: what was collected to be sent together is sent now.
    fn flush(&mut self, _: &mut Step<'_>) {}

    /// Called after the last write, by each who refers to the output. What it still holds is not waited for.
    fn close(&mut self) -> Result<(), String> {
        Ok(())
    }
}

/// Why messages did not arrive. Closed on purpose: each variant is one reaction.
#[derive(Debug)]
pub enum WriteError {
    /// The connection is gone: nothing of the delivery arrived, and it comes again once there is another.
    NotConnected,
    /// Nobody reads any more (`| head -1`): nothing more can be delivered, and that is no error.
    Closed,
    /// Nothing of the delivery arrived.
    Failed(Mark),
    /// The messages with these indices did not arrive, the others did.
    Partial(Vec<(usize, Mark)>),
    /// The messages with these indices were turned away on purpose: no fault of the output, logged at debug.
    Rejected(Vec<(usize, Mark)>),
}

/// Calls whoever can take the output's turn to [`Output::resume`]. May be rung from any thread, and does not wait.
/// Cloning shares.
#[derive(Clone)]
pub struct OutputBell(Arc<dyn Fn() + Send + Sync>);

impl OutputBell {
    /// A bell that does this.
    pub fn new(ring: impl Fn() + Send + Sync + 'static) -> OutputBell {
        OutputBell(Arc::new(ring))
    }

    /// [`Output::resume`] is called soon.
    pub fn ring(&self) {
        (self.0)();
    }
}

impl fmt::Debug for OutputBell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OutputBell")
    }
}
