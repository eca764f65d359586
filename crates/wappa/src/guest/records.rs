//! What a guest says beside its messages: the lines of its log and its counters, kept until they are shown.

use std::{
    collections::BTreeMap,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use wappa_wasm::{GuestLog, GuestMetrics, Level};

/// How many counters are kept: as many as a processor has.
const COUNTERS_MAX: usize = 100;

/// Lines and counters.
#[derive(Debug, Default)]
pub(crate) struct Records {
    /// In the order in which they came.
    pub(crate) lines: Vec<(Level, String)>,
    /// What was added to each.
    pub(crate) counters: BTreeMap<String, u64>,
}

impl Records {
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.counters.is_empty()
    }
}

/// Listens to a guest.
#[derive(Debug, Default)]
pub(super) struct Recorder(Mutex<Records>);

impl Recorder {
    pub(super) fn new() -> Arc<Recorder> {
        Arc::new(Recorder::default())
    }

    /// What was said since the last time.
    pub(super) fn take(&self) -> Records {
        mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Records> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl GuestLog for Recorder {
    fn log(&self, level: Level, text: &str) {
        self.lock().lines.push((level, text.to_string()));
    }
}

impl GuestMetrics for Recorder {
    fn count(&self, name: &str, delta: u64) {
        let counters = &mut self.lock().counters;
        if let Some(counter) = counters.get_mut(name) {
            *counter = counter.saturating_add(delta);
        } else if counters.len() < COUNTERS_MAX {
            counters.insert(name.to_string(), delta);
        }
    }
}

/// The word for a level in the log.
pub(super) fn word(level: Level) -> &'static str {
    match level {
        Level::Trace => "trace",
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    }
}
