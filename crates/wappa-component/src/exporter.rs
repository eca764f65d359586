//! Exporters: components that show metrics to whoever looks at them.

use std::{fmt, sync::Arc, time::Duration};

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

    /// Called instead of the last [`Exporter::push`], when the program ends.
    fn finish(&mut self, metrics: &Metrics) {
        self.push(metrics);
    }

    /// What is shown at the paths `/metrics` and `/stats` of the program's HTTP service; `None`: nothing.
    fn page(&self) -> Option<Page> {
        None
    }
}

/// Makes a page of metrics.
pub type Render = Arc<dyn Fn(&Metrics) -> Vec<u8> + Send + Sync>;

/// A page that shows metrics. Cloning shares.
#[derive(Clone)]
pub struct Page {
    /// The type of what is rendered.
    pub content_type: &'static str,
    /// The page of these metrics as they are now. Called by several threads, and does not wait.
    pub render: Render,
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Page({})", self.content_type)
    }
}
