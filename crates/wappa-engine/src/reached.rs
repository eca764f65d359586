//! Which processors of a stream are given messages, for tests of configs.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use wappa_component::{Part, Processor, Step};

/// Where a processor is: the label of the resource that it is or is in, and its path.
type Place = (Option<String>, String);

/// Which processors were given messages. Cloning shares.
#[derive(Clone, Debug, Default)]
pub struct Reached(Arc<Mutex<BTreeSet<Place>>>);

impl Reached {
    /// Those so far: each by the label of the resource that it is or is in, and its path.
    pub fn places(&self) -> Vec<(Option<String>, String)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    pub(crate) fn around(
        &self,
        inner: Box<dyn Processor>,
        within: Option<String>,
        path: &str,
    ) -> Box<dyn Processor> {
        let place = (within, path.to_string());
        Box::new(Noted { inner, is_noted: AtomicBool::new(false), place, reached: self.clone() })
    }
}

/// A processor that is noted when it is given its first message.
struct Noted {
    inner: Box<dyn Processor>,
    is_noted: AtomicBool,
    place: Place,
    reached: Reached,
}

impl Processor for Noted {
    fn process(&self, part: &mut Part, step: &mut Step<'_>) -> usize {
        if 0 < part.n_messages() && !self.is_noted.swap(true, Ordering::Relaxed) {
            self.reached.0.lock().unwrap_or_else(PoisonError::into_inner).insert(self.place.clone());
        }
        self.inner.process(part, step)
    }
}
