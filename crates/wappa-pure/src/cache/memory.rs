//! The cache `memory`.

use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::BuildHasher,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use wappa_component::{BuildCache, BuildError, Cache, CacheError, Component, Context, Pulse};
use wappa_spec::{Config, Map, Node, Reader, Rule};

pub(super) const COMPONENT: Component = Component::cache::<MemoryConfig>("memory");

/// More of them help no machine.
const SHARDS_MAX: u64 = 4096;

/// Keeps values in memory, each for a time. They are gone when the process ends.
///
/// A value whose time is over is not there any more, and its memory is freed by the next compaction. What is in
/// `init_values` stays for ever, until it is set anew.
///
/// # Examples
///
/// ### Each line once in five minutes
///
/// ```yaml
/// input:
///   stdin: {}
/// pipeline:
///   processors:
///     - dedupe:
///         cache: seen
///         key: ${! content() }
/// output:
///   stdout: {}
/// cache_resources:
///   - label: seen
///     memory:
///       default_ttl: 5m
/// ```
///
/// ### A table
///
/// ```yaml
/// input:
///   stdin: {}
/// pipeline:
///   processors:
///     - cache:
///         resource: years
///         operator: get
///         key: ${! content() }
/// output:
///   stdout: {}
/// cache_resources:
///   - label: years
///     memory:
///       init_values:
///         Nickelback: "1995"
///         Spice Girls: "1994"
/// ```
///
/// # Performance
///
/// Values that are got are shared, not copied. A compaction goes through all values of a shard while nobody else can use
/// it; it is made by whoever sets, adds or deletes something once the interval is over.
///
/// # Pitfalls
///
/// Nothing bounds how many values there are but their time: what sets new keys faster than they go fills the memory.
/// [`ttlru`](ttlru.md) has a bound.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct MemoryConfig {
    /// How long a value stays that is set without a time of its own.
    #[config(default = "5m")]
    default_ttl: Duration,

    /// How often the memory of values is freed whose time is over; when empty, values stay for ever.
    #[config(default = "60s")]
    compaction_interval: Option<Duration>,

    /// Keys and values that are there from the beginning.
    #[config(example = "{ Nickelback: \"1995\", Spice Girls: \"1994\" }")]
    init_values: Map<String>,

    /// How many parts the cache has. Threads that use different parts do not wait for each other.
    #[config(default = "1", advanced)]
    shards: u64,
}

fn lint(config: &MemoryConfig, node: &Node, reader: &mut Reader<'_>) {
    if SHARDS_MAX < config.shards {
        let at = node.get("shards").unwrap_or(node);
        reader.error(Rule::InvalidValue, at, format!("a cache has at most {SHARDS_MAX} shards"));
    }
}

impl BuildCache for MemoryConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Arc<dyn Cache>, BuildError> {
        let pulse = ctx.pulse();
        let compacted = pulse.now();
        let shard = || Mutex::new(Shard { items: HashMap::new(), compacted });
        let memory = Memory {
            shards: (0..self.shards.clamp(1, SHARDS_MAX)).map(|_| shard()).collect(),
            hasher: RandomState::new(),
            ttl: self.default_ttl,
            interval: self.compaction_interval.filter(|it| !it.is_zero()),
            pulse,
        };
        for (key, value) in self.init_values.iter() {
            let item = Item { value: Bytes::copy_from_slice(value.as_bytes()), until: None };
            memory.shard(key.as_bytes()).items.insert(key.as_bytes().into(), item);
        }
        Ok(Arc::new(memory))
    }
}

struct Memory {
    shards: Vec<Mutex<Shard>>,
    hasher: RandomState,
    ttl: Duration,
    /// Nothing: values stay for ever.
    interval: Option<Duration>,
    pulse: Arc<dyn Pulse>,
}

struct Shard {
    items: HashMap<Box<[u8]>, Item>,
    /// When it was compacted last.
    compacted: Duration,
}

struct Item {
    value: Bytes,
    /// When its time is over; nothing for never.
    until: Option<Duration>,
}

impl Memory {
    fn shard(&self, key: &[u8]) -> MutexGuard<'_, Shard> {
        let idx = match self.shards.len() {
            1 => 0,
            len => (self.hasher.hash_one(key) % len as u64) as usize,
        };
        self.shards[idx].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The part of the cache with this key, to be changed, and the time.
    fn shard_mut(&self, key: &[u8]) -> (MutexGuard<'_, Shard>, Duration) {
        let mut shard = self.shard(key);
        let now = self.pulse.now();
        if self.interval.is_some_and(|it| it <= now.saturating_sub(shard.compacted)) {
            shard.items.retain(|_, it| it.is_there(now));
            shard.compacted = now;
        }
        (shard, now)
    }

    fn item(&self, value: &[u8], ttl: Option<Duration>, now: Duration) -> Item {
        let until = self.interval.and_then(|_| now.checked_add(ttl.unwrap_or(self.ttl)));
        Item { value: Bytes::copy_from_slice(value), until }
    }
}

impl Item {
    fn is_there(&self, now: Duration) -> bool {
        self.until.is_none_or(|it| now <= it)
    }
}

impl Cache for Memory {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, CacheError> {
        let shard = self.shard(key);
        let item = shard.items.get(key).filter(|it| it.is_there(self.pulse.now()));
        Ok(item.map(|it| it.value.clone()))
    }

    fn set(&self, key: &[u8], value: &[u8], ttl: Option<Duration>) -> Result<(), CacheError> {
        let (mut shard, now) = self.shard_mut(key);
        shard.items.insert(key.into(), self.item(value, ttl, now));
        Ok(())
    }

    fn add(&self, key: &[u8], value: &[u8], ttl: Option<Duration>) -> Result<bool, CacheError> {
        let (mut shard, now) = self.shard_mut(key);
        if shard.items.get(key).is_some_and(|it| it.is_there(now)) {
            return Ok(false);
        }
        shard.items.insert(key.into(), self.item(value, ttl, now));
        Ok(true)
    }

    fn delete(&self, key: &[u8]) -> Result<(), CacheError> {
        self.shard_mut(key).0.items.remove(key);
        Ok(())
    }
}
