//! How many messages a call of a component gets.
//!
//! It begins with one, and doubles while calls take less than half of ten milliseconds; one that takes more than ten
//! gets half as many. A call that failed is run again one message at a time, and for a while nothing else is tried:
//! poison seldom comes alone.

use std::time::Duration;

/// A call of a component gets no more messages than this.
const MESSAGES_MAX: usize = 256;

/// A call that takes longer gets fewer messages the next time.
const CALL_TIME: Duration = Duration::from_millis(10);

/// A guest that made so many calls without reading a content is taken for one that does not read.
const UNREAD_CALLS: u32 = 16;

/// How many messages are given one by one after a call of many has failed, at least.
const SINGLES_MIN: usize = 1000;

/// The pace of one lane. It outlives instances.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    n: usize,
    /// So many messages more are given one by one.
    singles: usize,
    /// So many calls in a row were made without reading a content.
    unread: u32,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace { n: 1, singles: 0, unread: 0 }
    }
}

impl Pace {
    /// How many messages the next call gets at most.
    pub(crate) fn n_messages(&self) -> usize {
        if 0 < self.singles { 1 } else { self.n }
    }

    /// Whether the guest reads contents, as far as one can tell.
    pub(crate) fn reads(&self) -> bool {
        self.unread < UNREAD_CALLS
    }

    /// A call of so many messages took so long, and read a content or not.
    pub(crate) fn took(&mut self, n_messages: usize, time: Duration, was_read: bool) {
        self.unread = if was_read { 0 } else { self.unread.saturating_add(1) };
        self.singles = self.singles.saturating_sub(n_messages);
        if CALL_TIME < time {
            self.n = (n_messages / 2).max(1);
        } else if time < CALL_TIME / 2 && self.n <= n_messages {
            self.n = (self.n * 2).min(MESSAGES_MAX);
        }
    }

    /// A call of so many messages failed; they are run again.
    pub(crate) fn failed(&mut self, n_messages: usize) {
        self.n = 1;
        self.unread = 0;
        self.singles = self.singles.max(n_messages).max(SINGLES_MIN);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_while_calls_are_quick_and_falls_back_after_a_failure() {
        let mut pace = Pace::default();
        let quick = Duration::from_micros(10);
        let mut seen = Vec::new();
        for _ in 0..10 {
            let n = pace.n_messages();
            seen.push(n);
            pace.took(n, quick, true);
        }
        assert_eq!(seen, [1, 2, 4, 8, 16, 32, 64, 128, 256, 256]);
        // Few that were ready say nothing about many.
        pace.took(3, quick, true);
        assert_eq!(pace.n_messages(), 256);
        pace.took(256, Duration::from_millis(30), true);
        assert_eq!(pace.n_messages(), 128);
        pace.failed(128);
        for _ in 0..SINGLES_MIN {
            assert_eq!(pace.n_messages(), 1);
            pace.took(1, quick, true);
        }
        assert_eq!(pace.n_messages(), 2);
        assert!(pace.reads());
        (0..UNREAD_CALLS).for_each(|_| pace.took(1, quick, false));
        assert!(!pace.reads());
        pace.took(1, quick, true);
        assert!(pace.reads());
    }
}
