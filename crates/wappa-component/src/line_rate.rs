//! How many lines there may be in a log: what can fail for every message would fill it otherwise.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// How many lines a second a component writes of messages that fail: as many as a guest may.
pub const LINES_PER_SECOND: u32 = 100;

const INTERVAL: Duration = Duration::from_secs(1);

/// So many lines a second; what is more is counted.
#[derive(Debug)]
pub struct LineRate {
    per_second: u32,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    since: Instant,
    lines: u32,
    dropped: u64,
}

/// Whether a line may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// How many lines were dropped that nobody was told of.
    pub dropped: u64,
    /// Whether there is room for this one; otherwise it counts as dropped.
    pub may_write: bool,
}

impl LineRate {
    /// A rate of so many lines a second.
    pub fn new(per_second: u32) -> LineRate {
        LineRate { per_second, state: Mutex::new(State { since: Instant::now(), lines: 0, dropped: 0 }) }
    }

    /// Asks for one line. What was dropped is told once a second.
    pub fn admit(&self) -> Admitted {
        let mut state = self.lock();
        let now = Instant::now();
        let mut dropped = 0;
        if INTERVAL <= now.duration_since(state.since) {
            dropped = std::mem::take(&mut state.dropped);
            (state.since, state.lines) = (now, 0);
        }
        let may_write = state.lines < self.per_second;
        match may_write {
            true => state.lines += 1,
            false => state.dropped += 1,
        }
        Admitted { dropped, may_write }
    }

    /// Counts a line that is not even looked at.
    pub fn drop_line(&self) {
        self.lock().dropped += 1;
    }

    /// How many lines were dropped that nobody was told of; from now on somebody is.
    pub fn take_dropped(&self) -> u64 {
        std::mem::take(&mut self.lock().dropped)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_is_counted_and_told_once() {
        let rate = LineRate::new(3);
        let admitted = (0..10).filter(|_| rate.admit().may_write).count();
        // A slow machine may be in the next second.
        assert!((3..10).contains(&admitted));
        rate.drop_line();
        let dropped = rate.take_dropped();
        assert!(0 < dropped && dropped <= 8);
        assert_eq!(rate.take_dropped(), 0);
    }

    #[test]
    fn the_next_second_tells_what_was_dropped() {
        let rate = LineRate::new(1);
        let begin = |dropped| {
            *rate.lock() = State { since: Instant::now() - INTERVAL, lines: 1, dropped };
        };
        begin(5);
        assert_eq!(rate.admit(), Admitted { dropped: 5, may_write: true });
        begin(0);
        assert_eq!(rate.admit(), Admitted { dropped: 0, may_write: true });
    }
}
