//! Lines of the log that others can cause at will: at most one a second, and how many were held back.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use wappa_component::{Level, Logger, counted};

const INTERVAL: Duration = Duration::from_secs(1);

/// A log that says one thing a second. Shared by those who may cause the same lines.
#[derive(Debug)]
pub struct Quiet {
    logger: Logger,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    last: Option<Instant>,
    n_held_back: usize,
}

impl Quiet {
    /// A log that was silent until now.
    pub fn new(logger: Logger) -> Quiet {
        Quiet { logger, state: Mutex::default() }
    }

    /// Logs the text, unless something was logged a moment ago.
    pub fn log(&self, level: Level, text: &str) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if state.last.is_some_and(|it| now < it + INTERVAL) {
            state.n_held_back += 1;
            return;
        }
        state.last = Some(now);
        let n_held_back = std::mem::take(&mut state.n_held_back);
        drop(state);
        match n_held_back {
            0 => self.logger.log(level, text),
            n => {
                let n_lines = counted(n, "line like this was", "lines like this were");
                self.logger.log(level, &format!("{text} ({n_lines} held back)"));
            }
        }
    }
}
