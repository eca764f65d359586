//! The cache `lru`.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use wappa_component::{BuildCache, BuildError, Cache, CacheError, Component, Context};
use wappa_spec::{Config, Map, Node, Reader, Rule};

use super::recency::Bounded;

pub(super) const COMPONENT: Component = Component::cache::<LruConfig>("lru");

/// Keeps so many values in memory, those that were used last. They are gone when the process ends.
///
/// Getting and setting a value uses it; asking whether it exists does not. Values have no time: one that is set with a
/// time stays like all others.
///
/// # Examples
///
/// ### Drop what was seen among the last thousand
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
///     lru:
///       cap: 1000
/// ```
///
/// # Algorithms
///
/// - `standard`: the value that was used longest ago makes room.
/// - `two_queues`: values that were used once are kept apart from those that were used again, so that a row of values
///   which nobody asks for again does not drive out all others. Keys of values that had to go are remembered for a while;
///   one that comes back counts as used again.
/// - `arc`: as two queues, whose shares follow what turns out to be asked for again.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct LruConfig {
    /// How many values there are at most.
    #[config(default = "1000")]
    cap: i64,

    /// Keys and values that are there from the beginning.
    #[config(example = "{ Nickelback: \"1995\", Spice Girls: \"1994\" }")]
    init_values: Map<String>,

    /// Which value makes room.
    #[config(default = "standard", options("standard", "arc", "two_queues"), advanced)]
    algorithm: String,

    /// The share of values that were used once, with `two_queues`.
    #[config(default = "0.25", advanced)]
    two_queues_recent_ratio: f64,

    /// How many keys of values that had to go are remembered, as a share of `cap`, with `two_queues`.
    #[config(default = "0.5", advanced)]
    two_queues_ghost_ratio: f64,

    /// Has no effect: a value is never added twice.
    #[config(default = "false", advanced)]
    optimistic: bool,
}

const NO_ROOM: &str = "invalid lru cache parameter capacity: must be bigger than 0";

fn lint(config: &LruConfig, node: &Node, reader: &mut Reader<'_>) {
    let of = |name| node.get(name).unwrap_or(node);
    if config.cap <= 0 {
        reader.error(Rule::InvalidValue, of("cap"), NO_ROOM);
    }
    if !(0.0..=1.0).contains(&config.two_queues_recent_ratio) {
        reader.error(Rule::InvalidValue, of("two_queues_recent_ratio"), "invalid recent ratio");
    }
    if !(0.0..=1.0).contains(&config.two_queues_ghost_ratio) {
        reader.error(Rule::InvalidValue, of("two_queues_ghost_ratio"), "invalid ghost ratio");
    }
}

impl BuildCache for LruConfig {
    fn build(self, _: &mut Context<'_>) -> Result<Arc<dyn Cache>, BuildError> {
        // Atomic in any case.
        let _ = self.optimistic;
        let cap = usize::try_from(self.cap).ok().filter(|it| 0 < *it);
        let cap = cap.ok_or_else(|| BuildError::new(NO_ROOM))?;
        let mut values = match self.algorithm.as_str() {
            "two_queues" => {
                Bounded::two_queues(cap, self.two_queues_recent_ratio, self.two_queues_ghost_ratio)
            }
            "arc" => Bounded::adaptive(cap),
            _ => Bounded::recent(cap),
        };
        for (key, value) in self.init_values.iter() {
            values.put(key.as_bytes(), Bytes::copy_from_slice(value.as_bytes()));
        }
        Ok(Arc::new(Lru(Mutex::new(values))))
    }
}

struct Lru(Mutex<Bounded>);

impl Lru {
    fn values(&self) -> MutexGuard<'_, Bounded> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cache for Lru {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, CacheError> {
        Ok(self.values().get(key))
    }

    fn exists(&self, key: &[u8]) -> Result<bool, CacheError> {
        Ok(self.values().peek(key).is_some())
    }

    fn set(&self, key: &[u8], value: &[u8], _: Option<Duration>) -> Result<(), CacheError> {
        let value = Bytes::copy_from_slice(value);
        self.values().put(key, value);
        Ok(())
    }

    fn add(&self, key: &[u8], value: &[u8], _: Option<Duration>) -> Result<bool, CacheError> {
        let mut values = self.values();
        let is_added = values.peek(key).is_none();
        if is_added {
            values.put(key, Bytes::copy_from_slice(value));
        }
        Ok(is_added)
    }

    fn delete(&self, key: &[u8]) -> Result<(), CacheError> {
        self.values().remove(key);
        Ok(())
    }
}
