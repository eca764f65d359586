//! What processors make of a part: how much larger it became than it was read.

/// What a part was when it was read, and what it has grown by since, through all processors.
///
/// Whoever multiplies bytes (a guest, a decompressor) looks at it before it does, so that many processors after each
/// other, or many messages of one batch, cannot fill the memory where each by itself stays within its own limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Growth {
    came_in: usize,
    grown: usize,
    /// Whether the part may be kept beside any number of others.
    is_collected: bool,
}

/// A part may grow by so much before that is charged: most never do, and there are few parts at once.
const FREE_BYTES: usize = 1 << 20;

/// Below so much it is not worth looking at what a part really holds.
const LOOK_BYTES: usize = 1 << 20;

impl Growth {
    /// Of a part that was read with so many bytes.
    pub fn of(came_in: usize) -> Growth {
        Growth { came_in, ..Growth::default() }
    }

    /// The same of a part that may be put together with any number of others: what is free of each would be much of all.
    pub fn collected(self) -> Growth {
        Growth { is_collected: true, ..self }
    }

    /// By how many bytes more it may grow before that is charged to the guests of the process.
    pub fn free(&self) -> usize {
        if self.is_collected { 0 } else { FREE_BYTES.saturating_sub(self.grown) }
    }

    /// By how many bytes it has grown.
    pub fn bytes(&self) -> usize {
        self.grown
    }

    /// By how many bytes more it may grow. It may always become twice what it was: who reads large batches has room for
    /// them.
    pub fn left(&self, limit: usize) -> usize {
        limit.max(self.came_in).saturating_sub(self.grown)
    }

    /// It has grown.
    pub fn add(&mut self, bytes: usize) {
        self.grown = self.grown.saturating_add(bytes);
    }

    /// What a later processor removed does not count any more. `size` is asked only for a part that has grown much.
    pub fn settle(&mut self, size: impl FnOnce() -> usize) {
        if LOOK_BYTES < self.grown {
            self.grown = self.grown.min(size().saturating_sub(self.came_in));
        }
    }

    /// Divides it as its part is divided, of which so many of all batches stay.
    pub fn split_off(&mut self, n_stay: usize, n_all: usize) -> Growth {
        let share = |bytes: usize| (bytes as u128 * n_stay as u128 / n_all.max(1) as u128) as usize;
        let stays = Growth { came_in: share(self.came_in), grown: share(self.grown), ..*self };
        let rest = Growth { came_in: self.came_in - stays.came_in, grown: self.grown - stays.grown, ..*self };
        *self = stays;
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_part_may_double_and_a_small_one_has_the_limit() {
        let mut large = Growth::of(5000);
        assert_eq!((large.left(1000), Growth::of(10).left(1000)), (5000, 1000));
        large.add(4990);
        assert_eq!(large.left(1000), 10);
        large.add(usize::MAX);
        assert_eq!(large.left(1000), 0);
    }

    #[test]
    fn nothing_is_won_by_being_divided() {
        let mut one = Growth::of(1001);
        one.add(500);
        let rest = one.split_off(1, 3);
        assert_eq!((one.came_in + rest.came_in, one.grown + rest.grown), (1001, 500));
        assert!(one.came_in < rest.came_in);
    }

    #[test]
    fn little_is_free_for_parts_that_are_few() {
        let mut growth = Growth::of(5000);
        growth.add(1000);
        assert_eq!((growth.free(), growth.collected().free()), (FREE_BYTES - 1000, 0));
        assert_eq!(growth.collected().split_off(1, 2).free(), 0);
        growth.add(FREE_BYTES);
        assert_eq!(growth.free(), 0);
    }

    #[test]
    fn what_is_gone_does_not_count() {
        let mut growth = Growth::of(100);
        growth.add(500);
        growth.settle(|| unreachable!("it is too little to look at"));
        growth.add(2 * LOOK_BYTES);
        growth.settle(|| 150);
        assert_eq!(growth.bytes(), 50);
    }
}
