//! Ways to choose a partition that the client library does not have.

use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::{BuildHasher, Hasher},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use rdkafka::producer::Partitioner;

/// How a partition is chosen.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    /// One after the other.
    RoundRobin,
    /// The one with the fewest messages on their way, the same for all that are written at once.
    LeastBackup,
    /// The same for so many bytes.
    UniformBytes {
        bytes: usize,
        /// Then the one with the fewest messages on their way, and not any.
        is_adaptive: bool,
        /// Messages with a key go where the key says.
        by_key: bool,
    },
}

/// Chooses partitions in one of these ways.
pub(crate) struct Chooser {
    way: Way,
    topics: Mutex<HashMap<String, Topic>>,
    /// How large the message is that is being sent.
    n_bytes: AtomicUsize,
    /// Which of the writes it is of.
    write: AtomicU64,
}

#[derive(Default)]
struct Topic {
    current: Option<i32>,
    /// The bytes that the current one got.
    n_bytes: usize,
    write: u64,
    /// By partition: how many messages are on their way.
    backlog: Vec<usize>,
    random: u64,
}

impl Chooser {
    pub(crate) fn new(way: Way) -> Chooser {
        Chooser { way, topics: Mutex::default(), n_bytes: AtomicUsize::new(0), write: AtomicU64::new(0) }
    }

    fn topics(&self) -> MutexGuard<'_, HashMap<String, Topic>> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// More is written.
    pub(crate) fn begin(&self) {
        self.write.fetch_add(1, Ordering::Relaxed);
    }

    /// A message of so many bytes is sent.
    pub(crate) fn send(&self, n_bytes: usize) {
        self.n_bytes.store(n_bytes, Ordering::Relaxed);
    }

    /// A message has arrived, or never will.
    pub(crate) fn answered(&self, topic: &str, partition: i32) {
        if let Some(topic) = self.topics().get_mut(topic)
            && let Some(n) = topic.backlog.get_mut(partition.max(0) as usize)
        {
            *n = n.saturating_sub(1);
        }
    }
}

impl Partitioner for Chooser {
    fn partition(
        &self,
        topic: &str,
        key: Option<&[u8]>,
        n_partitions: i32,
        is_available: impl Fn(i32) -> bool,
    ) -> i32 {
        if let (Way::UniformBytes { by_key: true, .. }, Some(key)) = (self.way, key) {
            return by_key(key, n_partitions);
        }
        let mut topics = self.topics();
        if !topics.contains_key(topic) {
            let random = RandomState::new().build_hasher().finish();
            topics.insert(topic.to_string(), Topic { random, ..Topic::default() });
        }
        let topic = topics.get_mut(topic).expect("it was just put there");
        topic.backlog.resize(n_partitions as usize, 0);
        let available: Vec<i32> = (0..n_partitions).filter(|it| is_available(*it)).collect();
        // Where none is available the message waits for one.
        let all: Vec<i32> = if available.is_empty() { (0..n_partitions).collect() } else { available };
        let chosen = topic.choose(
            self.way,
            &all,
            self.n_bytes.load(Ordering::Relaxed),
            self.write.load(Ordering::Relaxed),
        );
        topic.backlog[chosen as usize] += 1;
        chosen
    }
}

impl Topic {
    fn choose(&mut self, way: Way, all: &[i32], n_bytes: usize, write: u64) -> i32 {
        let current = self.current.filter(|it| all.contains(it));
        let chosen = match way {
            Way::RoundRobin => {
                // The next one that is there.
                let next = self.current.map_or(0, |it| it + 1);
                all.iter().copied().find(|it| next <= *it).unwrap_or(all[0])
            }
            Way::LeastBackup => match current {
                Some(current) if write == self.write => current,
                _ => self.least(all),
            },
            Way::UniformBytes { bytes, is_adaptive, .. } => match current {
                Some(current) if self.n_bytes.saturating_add(n_bytes) <= bytes => current,
                _ if is_adaptive => self.least(all),
                _ => all[(self.next_random() % all.len() as u64) as usize],
            },
        };
        if current != Some(chosen) {
            self.n_bytes = 0;
        }
        if let Way::UniformBytes { bytes, .. } = way
            && bytes < self.n_bytes.saturating_add(n_bytes)
        {
            self.n_bytes = 0;
        }
        self.n_bytes = self.n_bytes.saturating_add(n_bytes);
        (self.current, self.write) = (Some(chosen), write);
        chosen
    }

    fn least(&mut self, all: &[i32]) -> i32 {
        let least = all.iter().map(|it| self.backlog[*it as usize]).min().unwrap_or(0);
        let of_least: Vec<i32> =
            all.iter().copied().filter(|it| self.backlog[*it as usize] == least).collect();
        of_least[(self.next_random() % of_least.len() as u64) as usize]
    }

    /// SplitMix64.
    fn next_random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut it = self.random;
        it = (it ^ (it >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        it = (it ^ (it >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        it ^ (it >> 31)
    }
}

/// Where a key belongs, as Kafka's own clients have it.
fn by_key(key: &[u8], n_partitions: i32) -> i32 {
    (murmur2(key) & 0x7fff_ffff) as i32 % n_partitions.max(1)
}

/// MurmurHash2 of Austin Appleby with the seed of Kafka's clients.
fn murmur2(key: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash = 0x9747_b28c ^ key.len() as u32;
    let words = key.chunks_exact(4);
    let rest = words.remainder();
    for word in words {
        let mut k = u32::from_le_bytes([word[0], word[1], word[2], word[3]]).wrapping_mul(M);
        k = (k ^ (k >> 24)).wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ k;
    }
    for (idx, byte) in rest.iter().enumerate() {
        hash ^= u32::from(*byte) << (8 * idx);
    }
    if !rest.is_empty() {
        hash = hash.wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_that_of_kafka() {
        // The values that Kafka's own tests have.
        for (key, hash) in [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
        ] {
            assert_eq!(murmur2(key.as_bytes()) as i32, hash, "{key}");
        }
    }

    fn chosen(chooser: &Chooser, n: usize, is_available: impl Fn(i32) -> bool + Copy) -> Vec<i32> {
        (0..n).map(|_| chooser.partition("t", None, 4, is_available)).collect()
    }

    #[test]
    fn one_after_the_other_that_is_there() {
        let chooser = Chooser::new(Way::RoundRobin);
        assert_eq!(chosen(&chooser, 6, |_| true), [0, 1, 2, 3, 0, 1]);
        assert_eq!(chosen(&chooser, 4, |it| it != 2), [3, 0, 1, 3]);
        assert_eq!(chosen(&chooser, 2, |_| false), [0, 1]);
        assert_eq!(chooser.partition("other", None, 4, |_| true), 0);
    }

    #[test]
    fn what_is_written_at_once_goes_where_the_least_is_on_its_way() {
        let chooser = Chooser::new(Way::LeastBackup);
        let mut seen = Vec::new();
        for _ in 0..4 {
            chooser.begin();
            let all = chosen(&chooser, 3, |_| true);
            assert!(all.iter().all(|it| *it == all[0]), "{all:?}");
            seen.push(all[0]);
        }
        let one = seen[2];
        seen.sort();
        assert_eq!(seen, [0, 1, 2, 3]);
        (0..3).for_each(|_| chooser.answered("t", one));
        chooser.begin();
        assert_eq!(chosen(&chooser, 1, |_| true), [one]);
    }

    #[test]
    fn so_many_bytes_go_to_one() {
        let way = Way::UniformBytes { bytes: 100, is_adaptive: true, by_key: true };
        let chooser = Chooser::new(way);
        chooser.send(40);
        let all = chosen(&chooser, 8, |_| true);
        let pairs: Vec<&[i32]> = all.chunks(2).collect();
        assert!(pairs.iter().all(|it| it[0] == it[1]), "{all:?}");
        let mut each: Vec<i32> = pairs.iter().map(|it| it[0]).collect();
        each.sort();
        assert_eq!(each, [0, 1, 2, 3], "each had the least on its way");
        let keyed = |key: &str| chooser.partition("t", Some(key.as_bytes()), 4, |_| true);
        assert_eq!(keyed("foobar"), (790_332_482_u32.wrapping_neg() & 0x7fff_ffff) as i32 % 4);
    }
}
