//! Names of traces and spans: random numbers that no other process has.

use std::{
    hash::{BuildHasher, RandomState},
    sync::atomic::{AtomicU64, Ordering},
};

/// Gives numbers of which none is like another. Two sequences, so that traces of processes that happen to be at the same place
/// in one of them are different still.
#[derive(Debug)]
pub(super) struct Ids {
    seeds: [u64; 2],
    n: AtomicU64,
}

impl Ids {
    pub(super) fn random() -> Ids {
        // Keyed by the system's random numbers.
        let seed = |it: u64| RandomState::new().hash_one(it);
        Ids { seeds: [seed(0), seed(1)], n: AtomicU64::new(0) }
    }

    /// Two numbers.
    pub(super) fn pair(&self) -> [u64; 2] {
        let n = self.n.fetch_add(1, Ordering::Relaxed);
        self.seeds.map(|seed| mixed(seed.wrapping_add(n.wrapping_mul(0x9e37_79b9_7f4a_7c15))))
    }

    /// A number that is not 0.
    pub(super) fn span_id(&self) -> u64 {
        self.pair()[1].max(1)
    }

    /// A number from 0 to 1, without these two.
    pub(super) fn fraction(&self) -> f64 {
        let bits = self.pair()[0] >> 12;
        (bits as f64 + 0.5) / (1u64 << 52) as f64
    }
}

/// The output function of SplitMix64: each number has one of its own.
fn mixed(n: u64) -> u64 {
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}
