//! The stop and the time, for mappings: they find both by the thread that they are evaluated on, so that no component has
//! to hand them on.

use std::{sync::Arc, time::Duration};

use wappa_spec::Watch;

use crate::Pulse;

struct OfStream(Arc<dyn Pulse>);

impl Watch for OfStream {
    fn now(&self) -> Duration {
        self.0.now()
    }

    fn is_interrupted(&self) -> bool {
        self.0.is_interrupted()
    }
}

/// From now on all mappings, and texts with queries, that this thread evaluates end when the stream of this pulse gives up
/// what it is doing, and when they take too long. For whoever has a thread in which components are called.
pub fn watch_mappings(pulse: Option<Arc<dyn Pulse>>) {
    wappa_spec::watch(pulse.map(|it| Arc::new(OfStream(it)) as Arc<dyn Watch>));
}
