//! Leases: which of the messages of a range have descendants that are not answered.

use std::ops::Range;

use wappa_message::Mark;

use crate::Failure;

/// By origin: how many answer for it, and why one of them failed.
#[derive(Debug, Default)]
pub(crate) struct Leases {
    first: u32,
    n_left: Vec<u32>,
    reasons: Vec<Option<Mark>>,
}

impl Leases {
    /// One answers for all of the range.
    pub(crate) fn new(range: Range<u32>) -> Leases {
        Leases { first: range.start, n_left: vec![1; range.len()], reasons: vec![None; range.len()] }
    }

    /// All origins.
    pub(crate) fn range(&self) -> Range<u32> {
        self.first..self.first + self.n_left.len() as u32
    }

    /// One more answers for these.
    pub(crate) fn add(&mut self, origins: impl IntoIterator<Item = u32>) {
        origins.into_iter().for_each(|it| self.n_left[(it - self.first) as usize] += 1);
    }

    /// How many answer for this one.
    pub(crate) fn n_left(&self, origin: u32) -> u32 {
        self.n_left[(origin - self.first) as usize]
    }

    /// One less answers for this one, and another one still does.
    pub(crate) fn hand_on(&mut self, origin: u32) {
        assert!(1 < self.n_left(origin), "another one answers for {origin}");
        self.n_left[(origin - self.first) as usize] -= 1;
    }

    /// This one did not arrive. What one of its descendants may still achieve counts more than what another never will.
    pub(crate) fn fail(&mut self, failure: Failure) {
        let reason = &mut self.reasons[(failure.origin - self.first) as usize];
        if reason.as_ref().is_none_or(Mark::is_final) {
            *reason = Some(failure.reason);
        }
    }

    /// One less answers for these, which are in order. Returns those for which nobody does any more, and which of them
    /// failed.
    pub(crate) fn settle(&mut self, origins: impl IntoIterator<Item = u32>) -> (Vec<u32>, Vec<Failure>) {
        let (mut done, mut failures) = (Vec::new(), Vec::new());
        for origin in origins {
            let idx = (origin - self.first) as usize;
            self.n_left[idx] -= 1;
            if self.n_left[idx] == 0 {
                done.push(origin);
                failures.extend(self.reasons[idx].take().map(|reason| Failure { origin, reason }));
            }
        }
        (done, failures)
    }
}
