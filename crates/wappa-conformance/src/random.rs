//! Numbers at random, by seed: the same seed gives the same ones.

/// A generator of numbers.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// One that begins at this seed.
    pub fn new(seed: u64) -> Random {
        Random(seed * 2 + 1)
    }

    /// A number below this one.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    /// Whether it is one in so many.
    pub fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }
}
