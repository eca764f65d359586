//! The bell of the output: whoever has something for it from outside its turn has it called.

use std::{
    fmt,
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicBool, Ordering},
    },
};

use wappa_component::OutputBell;

use crate::worker::{self, Shared};

/// Whether the output is wanted, and the stream it belongs to. Cloning shares.
#[derive(Clone, Default)]
pub(crate) struct Recall(Arc<State>);

#[derive(Default)]
struct State {
    is_set: AtomicBool,
    stream: OnceLock<Weak<Shared>>,
}

impl Recall {
    /// The stream whose output it is. A setting is for one stream.
    pub(crate) fn attach(&self, shared: &Arc<Shared>) {
        let _ = self.0.stream.set(Arc::downgrade(shared));
    }

    /// The bell, for components.
    pub(crate) fn bell(&self) -> OutputBell {
        let recall = self.clone();
        OutputBell::new(move || {
            if recall.0.is_set.swap(true, Ordering::SeqCst) {
                return;
            }
            if let Some(shared) = recall.0.stream.get().and_then(Weak::upgrade) {
                worker::call(&shared);
            }
        })
    }

    /// The output is wanted, and whoever says so calls a thread.
    pub(crate) fn set(&self) {
        self.0.is_set.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.is_set.load(Ordering::SeqCst)
    }

    /// Whether the output is wanted; it is called now.
    pub(crate) fn take(&self) -> bool {
        self.0.is_set.swap(false, Ordering::SeqCst)
    }
}

impl fmt::Debug for Recall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recall({})", self.is_set())
    }
}
