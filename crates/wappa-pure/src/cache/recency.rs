//! Which values a bounded cache keeps: the rules of `lru`, over lists that are ordered by use.

use bytes::Bytes;
use lru::LruCache;

type Key = Box<[u8]>;

/// Keys and what belongs to them, in the order of their use.
type List<T> = LruCache<Key, T>;

/// Values by key, no more than so many, and the rule that says which one makes room.
#[derive(Debug)]
pub(super) struct Bounded<T = Bytes> {
    len_max: usize,
    rule: Rule<T>,
}

#[derive(Debug)]
enum Rule<T> {
    /// What was used longest ago goes.
    Recent(List<T>),
    TwoQueues(TwoQueues<T>),
    Adaptive(Adaptive<T>),
}

/// What was used once and what was used again are apart, so that many values which nobody asks for again do not drive out
/// those that somebody does. Johnson and Shasha, "2Q: A Low Overhead High Performance Buffer Management Replacement
/// Algorithm", 1994, in its full form.
#[derive(Debug)]
struct TwoQueues<T> {
    /// How many of those that were used once are kept when all are full.
    once_len: usize,
    gone_len_max: usize,
    once: List<T>,
    again: List<T>,
    /// Keys of those that were used once and had to go.
    gone: List<()>,
}

/// As two queues, whose shares follow what turns out to be asked for again. Megiddo and Modha, "ARC: A Self-Tuning, Low
/// Overhead Replacement Cache", 2003.
#[derive(Debug)]
struct Adaptive<T> {
    /// How many of those that were used once are worth keeping.
    once_len: usize,
    once: List<T>,
    again: List<T>,
    once_gone: List<()>,
    again_gone: List<()>,
}

impl<T: Clone> Bounded<T> {
    /// The one that was used longest ago makes room.
    pub(super) fn recent(len_max: usize) -> Bounded<T> {
        Bounded { len_max, rule: Rule::Recent(List::unbounded()) }
    }

    /// Two queues: the share of those that were used once, and how many keys of those that are gone are known, as a share
    /// of all.
    pub(super) fn two_queues(len_max: usize, once: f64, gone: f64) -> Bounded<T> {
        let share = |it: f64| (len_max as f64 * it) as usize;
        let rule = TwoQueues {
            once_len: share(once),
            gone_len_max: share(gone),
            once: List::unbounded(),
            again: List::unbounded(),
            gone: List::unbounded(),
        };
        Bounded { len_max, rule: Rule::TwoQueues(rule) }
    }

    /// Two queues that find their shares by themselves.
    pub(super) fn adaptive(len_max: usize) -> Bounded<T> {
        let rule = Adaptive {
            once_len: 0,
            once: List::unbounded(),
            again: List::unbounded(),
            once_gone: List::unbounded(),
            again_gone: List::unbounded(),
        };
        Bounded { len_max, rule: Rule::Adaptive(rule) }
    }

    /// The value of a key, which is used by that.
    pub(super) fn get(&mut self, key: &[u8]) -> Option<T> {
        let (once, again) = match &mut self.rule {
            Rule::Recent(list) => return list.get(key).cloned(),
            Rule::TwoQueues(it) => (&mut it.once, &mut it.again),
            Rule::Adaptive(it) => (&mut it.once, &mut it.again),
        };
        if let Some((key, value)) = once.pop_entry(key) {
            again.put(key, value.clone());
            return Some(value);
        }
        again.get(key).cloned()
    }

    /// The value of a key, without using it.
    pub(super) fn peek(&self, key: &[u8]) -> Option<&T> {
        let (once, again) = match &self.rule {
            Rule::Recent(list) => return list.peek(key),
            Rule::TwoQueues(it) => (&it.once, &it.again),
            Rule::Adaptive(it) => (&it.once, &it.again),
        };
        once.peek(key).or_else(|| again.peek(key))
    }

    /// Sets a value. Another one makes room where there is none.
    pub(super) fn put(&mut self, key: &[u8], value: T) {
        match &mut self.rule {
            Rule::Recent(list) => {
                list.put(key.into(), value);
                if self.len_max < list.len() {
                    list.pop_lru();
                }
            }
            Rule::TwoQueues(it) => it.put(key, value, self.len_max),
            Rule::Adaptive(it) => it.put(key, value, self.len_max),
        }
    }

    /// Removes a value.
    pub(super) fn remove(&mut self, key: &[u8]) {
        match &mut self.rule {
            Rule::Recent(list) => drop(list.pop(key)),
            Rule::TwoQueues(it) => {
                it.once.pop(key);
                it.again.pop(key);
                it.gone.pop(key);
            }
            Rule::Adaptive(it) => {
                it.once.pop(key);
                it.again.pop(key);
                it.once_gone.pop(key);
                it.again_gone.pop(key);
            }
        }
    }
}

impl<T> TwoQueues<T> {
    fn put(&mut self, key: &[u8], value: T, len_max: usize) {
        let is_used_again = self.once.pop(key).is_some() || self.again.contains(key);
        if is_used_again {
            self.again.put(key.into(), value);
            return;
        }
        let was_gone = self.gone.pop(key).is_some();
        self.make_room(was_gone, len_max);
        let list = if was_gone { &mut self.again } else { &mut self.once };
        list.put(key.into(), value);
    }

    fn make_room(&mut self, was_gone: bool, len_max: usize) {
        if self.once.len() + self.again.len() < len_max {
            return;
        }
        // What comes back leaves those that were used once their full share.
        let once_len_max = if was_gone { self.once_len } else { self.once_len.saturating_sub(1) };
        if once_len_max < self.once.len() || self.again.is_empty() {
            if let Some((key, _)) = self.once.pop_lru() {
                self.gone.put(key, ());
                if self.gone_len_max < self.gone.len() {
                    self.gone.pop_lru();
                }
            }
        } else {
            self.again.pop_lru();
        }
    }
}

impl<T> Adaptive<T> {
    fn put(&mut self, key: &[u8], value: T, len_max: usize) {
        if self.once.pop(key).is_some() || self.again.contains(key) {
            self.again.put(key.into(), value);
            return;
        }
        let step = |other: usize, own: usize| (other / own.max(1)).max(1);
        let was_once = self.once_gone.contains(key);
        let was_again = self.again_gone.contains(key);
        if was_once {
            // Those that were used once go too early.
            let step = step(self.again_gone.len(), self.once_gone.len());
            self.once_len = (self.once_len + step).min(len_max);
        } else if was_again {
            let step = step(self.once_gone.len(), self.again_gone.len());
            self.once_len = self.once_len.saturating_sub(step);
        }
        if len_max <= self.once.len() + self.again.len() {
            self.make_room(was_again);
        }
        if was_once || was_again {
            self.once_gone.pop(key);
            self.again_gone.pop(key);
            self.again.put(key.into(), value);
            return;
        }
        if len_max - self.once_len < self.once_gone.len() {
            self.once_gone.pop_lru();
        }
        if self.once_len < self.again_gone.len() {
            self.again_gone.pop_lru();
        }
        self.once.put(key.into(), value);
    }

    fn make_room(&mut self, was_again: bool) {
        let once = self.once.len();
        let once_goes = 0 < once && (self.once_len < once || self.once_len == once && was_again);
        if once_goes || self.again.is_empty() {
            if let Some((key, _)) = self.once.pop_lru() {
                self.once_gone.put(key, ());
            }
        } else if let Some((key, _)) = self.again.pop_lru() {
            self.again_gone.put(key, ());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is there after keys were put (`a`) or got (`+a`), one letter each.
    fn left(mut cache: Bounded<()>, uses: &str) -> String {
        let mut uses = uses.bytes();
        let mut all: Vec<u8> = Vec::new();
        while let Some(it) = uses.next() {
            match it {
                b'+' => drop(cache.get(&[uses.next().expect("a key follows")])),
                key => {
                    cache.put(&[key], ());
                    all.push(key);
                }
            }
        }
        all.sort();
        all.dedup();
        all.into_iter().filter(|it| cache.peek(&[*it]).is_some()).map(char::from).collect()
    }

    #[test]
    fn what_was_used_longest_ago_goes() {
        assert_eq!(left(Bounded::recent(3), "abcd"), "bcd");
        assert_eq!(left(Bounded::recent(3), "abc+ad"), "acd");
        assert_eq!(left(Bounded::recent(3), "abcad"), "acd");
        assert_eq!(left(Bounded::recent(1), "ab"), "b");
    }

    #[test]
    fn a_row_of_values_that_nobody_asks_for_drives_out_none_that_somebody_does() {
        let row = "ab+a+bcdefghijklmnopqrstuvwxyz";
        assert_eq!(left(Bounded::recent(4), row), "wxyz");
        assert_eq!(left(Bounded::two_queues(4, 0.25, 0.5), row), "abyz");
        assert_eq!(left(Bounded::adaptive(4), row), "abyz");
    }

    #[test]
    fn what_comes_back_soon_counts_as_used_again() {
        // `a` went, came back, and stays through a row.
        assert!(left(Bounded::two_queues(4, 0.25, 1.0), "abcdea").contains('a'));
        let row = "abcdeafghijklmn";
        assert!(left(Bounded::two_queues(4, 0.25, 1.0), row).contains('a'));
        assert!(left(Bounded::adaptive(4), "ab+bcdeafgh").contains('a'));
        assert!(!left(Bounded::recent(4), row).contains('a'));
    }

    #[test]
    fn there_are_never_more_than_there_may_be() {
        let caches: [fn(usize) -> Bounded<u32>; 3] =
            [Bounded::recent, |n| Bounded::two_queues(n, 0.25, 0.5), Bounded::adaptive];
        for make in caches {
            for len_max in [1, 2, 3, 10] {
                let mut cache = make(len_max);
                let mut random = 1u32;
                for _ in 0..5_000 {
                    random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let key = [(random >> 24) as u8 % 30];
                    match random >> 16 & 7 {
                        0..4 => {
                            cache.put(&key, random);
                            assert_eq!(cache.peek(&key), Some(&random), "what was put last is there");
                        }
                        4..7 => assert_eq!(cache.peek(&key).copied(), cache.get(&key)),
                        _ => {
                            cache.remove(&key);
                            assert_eq!(cache.get(&key), None);
                        }
                    }
                    let n = (0..30).filter(|it| cache.peek(&[*it]).is_some()).count();
                    assert!(n <= len_max, "{n} of {len_max}");
                    assert!(cache.n_known() <= 2 * len_max + 1, "{}", cache.n_known());
                }
            }
        }
    }

    impl<T> Bounded<T> {
        /// Of how many keys it knows anything.
        fn n_known(&self) -> usize {
            match &self.rule {
                Rule::Recent(it) => it.len(),
                Rule::TwoQueues(it) => it.once.len() + it.again.len() + it.gone.len(),
                Rule::Adaptive(it) => {
                    it.once.len() + it.again.len() + it.once_gone.len() + it.again_gone.len()
                }
            }
        }
    }
}
