//! Exporters: components that show metrics to whoever looks at them.

use std::time::Duration;

use crate::Metrics;

/// Shows what the series of a stream hold: in the log, in a file, to a server.
///
/// An exporter belongs to the program, not to a stream's pipeline: it is built before the stream and lives longer. It
/// only reads, so that several may stand beside each other.
pub trait Exporter: Send {
    /// How often [`Exporter::push`] is called while the stream runs; `None`: only at its end.
    fn interval(&self) -> Option<Duration> {
        None
    }

    /// Sends what there is now. Called at each interval, and once more when the stream is over.
    ///
    /// It holds up the program's reaction to signals, so what waits bounds its wait. What goes wrong is for the log: no
    /// stream fails because nobody counts.
    fn push(&mut self, metrics: &Metrics);
}
