//! Schemas that are ready: a bounded number of them, those that were used last.

use std::{
    fmt,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use lru::LruCache;

use crate::loader::Loaded;

/// How many schemas are kept.
const SCHEMAS_MAX: usize = 1000;

/// How much they may take up together, in bytes.
const SIZE_MAX: usize = 512 << 20;

/// How long one is kept that nobody uses; Bento's.
const UNUSED_MAX: Duration = Duration::from_secs(600);

/// Schemas by what they are asked for with. Times are those of the stream.
pub(crate) struct Cache<K: Hash + Eq>(Mutex<Kept<K>>);

struct Kept<K: Hash + Eq> {
    entries: LruCache<K, Entry>,
    size: usize,
}

struct Entry {
    loaded: Arc<Loaded>,
    used: Duration,
    /// When it was fetched, or when somebody last set out to.
    fetched: Duration,
}

/// A schema that is there.
pub(crate) struct Found {
    pub(crate) loaded: Arc<Loaded>,
    /// It is to be fetched again, by whoever is told this: nobody else is, for another period.
    pub(crate) is_old: bool,
}

impl<K: Hash + Eq> Cache<K> {
    pub(crate) fn new() -> Cache<K> {
        Cache(Mutex::new(Kept { entries: LruCache::unbounded(), size: 0 }))
    }

    /// The schema, if it is there. It is old where it was fetched longer ago than this.
    pub(crate) fn get(&self, key: &K, now: Duration, period: Option<Duration>) -> Option<Found> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.forget_unused(now);
        let entry = kept.entries.get_mut(key)?;
        entry.used = now;
        let is_old = period.is_some_and(|it| it <= now.saturating_sub(entry.fetched));
        if is_old {
            entry.fetched = now;
        }
        Some(Found { loaded: Arc::clone(&entry.loaded), is_old })
    }

    pub(crate) fn put(&self, key: K, loaded: Arc<Loaded>, now: Duration) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.size += loaded.size;
        if let Some((_, old)) = kept.entries.push(key, Entry { loaded, used: now, fetched: now }) {
            kept.size -= old.loaded.size;
        }
        // One alone may be as large as it is.
        while 1 < kept.entries.len() && (SCHEMAS_MAX < kept.entries.len() || SIZE_MAX < kept.size) {
            kept.forget_one();
        }
    }
}

impl<K: Hash + Eq> Kept<K> {
    fn forget_unused(&mut self, now: Duration) {
        while self.entries.peek_lru().is_some_and(|it| UNUSED_MAX < now.saturating_sub(it.1.used)) {
            self.forget_one();
        }
    }

    fn forget_one(&mut self) {
        if let Some((_, old)) = self.entries.pop_lru() {
            self.size -= old.loaded.size;
        }
    }
}

impl<K: Hash + Eq> fmt::Debug for Cache<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cache")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loader::Loaded;

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn loaded(id: u32, size: usize) -> Arc<Loaded> {
        Arc::new(Loaded::of_test(id, size))
    }

    fn is_there(cache: &Cache<u32>, key: u32, now: Duration) -> bool {
        cache.get(&key, now, None).is_some()
    }

    #[test]
    fn what_nobody_uses_is_forgotten() {
        let cache = Cache::new();
        cache.put(1, loaded(1, 10), seconds(0));
        cache.put(2, loaded(2, 10), seconds(0));
        assert!(is_there(&cache, 1, seconds(500)));
        assert!(is_there(&cache, 1, seconds(700)) && !is_there(&cache, 2, seconds(700)));
        assert!(!is_there(&cache, 1, seconds(1301)));
    }

    #[test]
    fn number_and_size_are_bounded() {
        let cache = Cache::new();
        (0..1001).for_each(|it| cache.put(it, loaded(it, 10), seconds(0)));
        assert!(!is_there(&cache, 0, seconds(0)) && is_there(&cache, 1, seconds(0)));
        cache.put(5000, loaded(1, SIZE_MAX), seconds(0));
        assert!(!is_there(&cache, 1000, seconds(0)) && is_there(&cache, 5000, seconds(0)));
        // What is put in the place of another counts once.
        (0..10).for_each(|_| cache.put(1, loaded(1, SIZE_MAX / 3), seconds(0)));
        cache.put(2, loaded(2, SIZE_MAX / 3), seconds(0));
        assert!(is_there(&cache, 1, seconds(0)) && is_there(&cache, 2, seconds(0)));
    }

    #[test]
    fn one_who_asks_is_told_that_a_schema_is_old() {
        let cache = Cache::new();
        cache.put(1, loaded(1, 10), seconds(0));
        let is_old = |now| cache.get(&1, seconds(now), Some(seconds(60))).map(|it| it.is_old);
        assert_eq!([is_old(59), is_old(60), is_old(61)], [Some(false), Some(true), Some(false)]);
        assert_eq!([is_old(119), is_old(120)], [Some(false), Some(true)]);
    }
}
