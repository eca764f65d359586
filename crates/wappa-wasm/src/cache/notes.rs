//! What the cache has to say, each text once.
//!
//! The cache is asked before there is a log: whether a module was compiled before decides how much of it a lint looks
//! at. So texts wait until somebody takes them.

use std::sync::{Mutex, PoisonError};

use crate::interface::Level;

type Log = Box<dyn Fn(Level, &str) + Send + Sync>;

/// How many texts are remembered. Whoever could make more of them than this could flood the log.
const TEXTS_MAX: usize = 64;

#[derive(Default)]
pub(super) struct Notes(Mutex<Told>);

#[derive(Default)]
struct Told {
    texts: Vec<(Level, String)>,
    log: Option<Log>,
}

impl Notes {
    pub(super) fn tell(&self, level: Level, text: String) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if TEXTS_MAX <= told.texts.len() || told.texts.iter().any(|(_, it)| *it == text) {
            return;
        }
        if let Some(log) = &told.log {
            log(level, &text);
        }
        told.texts.push((level, text));
    }

    pub(super) fn log_to(&self, log: Log) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.log.is_some() {
            return;
        }
        told.texts.iter().for_each(|(level, text)| log(*level, text));
        told.log = Some(log);
    }
}
