//! Numbers that look random and are the same for the same seed.

/// A generator (xorshift64*).
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Random {
        // Zero is the one state that the generator never leaves.
        Random(mix(&[seed]) | 1)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// Less than `bound`.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        (self.next() >> 16) % bound
    }

    /// Less than a power of two that is itself random: small numbers as often as large ones.
    pub(super) fn below_power(&mut self, least: u64, bound: u64) -> u64 {
        let power = least + self.below(bound - least);
        self.below(1 << power)
    }

    /// True about once in `n` times; never for 0.
    pub(super) fn once_in(&mut self, n: u64) -> bool {
        0 < n && self.below(n) == 0
    }

    pub(super) fn pick<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize].clone()
    }
}

/// One number from several, for decisions that depend on these and on nothing else (splitmix64).
pub(super) fn mix(numbers: &[u64]) -> u64 {
    numbers.iter().fold(0x9E37_79B9_7F4A_7C15, |sum, number| {
        let mut it = (sum ^ number).wrapping_add(0x9E37_79B9_7F4A_7C15);
        it = (it ^ (it >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        it = (it ^ (it >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        it ^ (it >> 31)
    })
}

/// A number from a text.
pub(super) fn mix_text(salt: u64, text: &str) -> u64 {
    text.bytes().fold(salt, |sum, byte| mix(&[sum, u64::from(byte)]))
}
