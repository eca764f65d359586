//! Seeded random numbers for the fuzzers: the same seed gives the same numbers everywhere.
#![allow(dead_code, reason = "not every fuzzer draws in every way")]

use std::time::{Duration, Instant};

pub(crate) struct Random(u64);

impl Random {
    /// Xorshift, after one round of mixing, so that neighbouring seeds go different ways.
    pub(crate) fn new(seed: u64) -> Random {
        let mixed = (seed ^ 0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        Random((mixed ^ (mixed >> 31)).max(1))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        ((self.next() >> 8) % n.max(1) as u64) as usize
    }

    /// Whether it is one of `n` times.
    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    pub(crate) fn bytes(&mut self, n: usize) -> Vec<u8> {
        (0..n).map(|_| (self.next() >> 8) as u8).collect()
    }
}

/// How long a fuzzer runs, and where it begins: `WAPPA_FUZZ_SECONDS`, `WAPPA_FUZZ_CASES`, `WAPPA_FUZZ_SEED`.
#[derive(Clone, Copy)]
pub(crate) struct Budget {
    pub(crate) first: u64,
    cases: u64,
    end: Option<Instant>,
}

impl Budget {
    /// This many cases, unless the environment asks for something else.
    pub(crate) fn from_env(cases: u64) -> Budget {
        let end = number("WAPPA_FUZZ_SECONDS").map(|it| Instant::now() + Duration::from_secs(it));
        Budget {
            first: number("WAPPA_FUZZ_SEED").unwrap_or(1),
            cases: number("WAPPA_FUZZ_CASES").unwrap_or(cases),
            end,
        }
    }

    /// Whether the case of this seed is still to be run.
    pub(crate) fn has(&self, seed: u64) -> bool {
        match self.end {
            Some(end) => Instant::now() < end,
            None => seed - self.first < self.cases,
        }
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number in the environment"))
}
