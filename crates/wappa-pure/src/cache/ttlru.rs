//! The cache `ttlru`.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use wappa_component::{BuildCache, BuildError, Cache, CacheError, Component, Context, Pulse};
use wappa_spec::{Config, Map, Node, Reader, Rule};

use super::recency::Bounded;

pub(super) const COMPONENT: Component = Component::cache::<TtlruConfig>("ttlru");

/// Keeps so many values in memory, those that were used last, each for a time. They are gone when the process ends.
///
/// All values have the same time, counted from when they were set: one that is set with a time of its own stays as long as
/// all others.
///
/// # Examples
///
/// ### Each line once in ten seconds
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
///     ttlru:
///       cap: 100000
///       default_ttl: 10s
/// ```
#[derive(Config, Debug)]
#[config(lint = lint)]
struct TtlruConfig {
    /// How many values there are at most. The one that was used longest ago makes room.
    #[config(default = "1024")]
    cap: i64,

    /// How long a value stays.
    #[config(default = "5m0s")]
    default_ttl: Duration,

    /// How long a value stays; the old name of `default_ttl`.
    #[config(deprecated)]
    ttl: Option<Duration>,

    /// Keys and values that are there from the beginning, for that time.
    #[config(example = "{ Nickelback: \"1995\", Spice Girls: \"1994\" }")]
    init_values: Map<String>,

    /// Has no effect: a value is never added twice.
    #[config(default = "false", advanced)]
    optimistic: bool,
}

const NO_ROOM: &str = "invalid ttlru cache parameter capacity: must be bigger than 0";
const NO_TIME: &str = "invalid ttlru cache parameter default_ttl: must be bigger than 0s";

impl TtlruConfig {
    fn time(&self) -> Duration {
        self.ttl.unwrap_or(self.default_ttl)
    }
}

fn lint(config: &TtlruConfig, node: &Node, reader: &mut Reader<'_>) {
    let of = |name| node.get(name).unwrap_or(node);
    if config.cap <= 0 {
        reader.error(Rule::InvalidValue, of("cap"), NO_ROOM);
    }
    if config.time().is_zero() {
        let at = if config.ttl.is_some() { "ttl" } else { "default_ttl" };
        reader.error(Rule::InvalidValue, of(at), NO_TIME);
    }
}

impl BuildCache for TtlruConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Arc<dyn Cache>, BuildError> {
        // Atomic in any case.
        let _ = self.optimistic;
        let cap = usize::try_from(self.cap).ok().filter(|it| 0 < *it);
        let cap = cap.ok_or_else(|| BuildError::new(NO_ROOM))?;
        let ttl = self.time();
        if ttl.is_zero() {
            return Err(BuildError::new(NO_TIME));
        }
        let cache = Ttlru { values: Mutex::new(Bounded::recent(cap)), ttl, pulse: ctx.pulse() };
        for (key, value) in self.init_values.iter() {
            let item = cache.item(value.as_bytes());
            cache.values().put(key.as_bytes(), item);
        }
        Ok(Arc::new(cache))
    }
}

struct Ttlru {
    values: Mutex<Bounded<Item>>,
    ttl: Duration,
    pulse: Arc<dyn Pulse>,
}

#[derive(Clone)]
struct Item {
    value: Bytes,
    /// When its time is over.
    until: Duration,
}

impl Ttlru {
    fn values(&self) -> MutexGuard<'_, Bounded<Item>> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn item(&self, value: &[u8]) -> Item {
        Item { value: Bytes::copy_from_slice(value), until: self.pulse.now().saturating_add(self.ttl) }
    }

    fn is_there(&self, item: &Item) -> bool {
        self.pulse.now() <= item.until
    }
}

impl Cache for Ttlru {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, CacheError> {
        let mut values = self.values();
        if values.peek(key).is_some_and(|it| !self.is_there(it)) {
            // It need not wait until it would make room.
            values.remove(key);
        }
        Ok(values.get(key).map(|it| it.value))
    }

    fn exists(&self, key: &[u8]) -> Result<bool, CacheError> {
        Ok(self.values().peek(key).is_some_and(|it| self.is_there(it)))
    }

    fn set(&self, key: &[u8], value: &[u8], _: Option<Duration>) -> Result<(), CacheError> {
        let item = self.item(value);
        self.values().put(key, item);
        Ok(())
    }

    fn add(&self, key: &[u8], value: &[u8], _: Option<Duration>) -> Result<bool, CacheError> {
        let mut values = self.values();
        let is_added = !values.peek(key).is_some_and(|it| self.is_there(it));
        if is_added {
            values.put(key, self.item(value));
        }
        Ok(is_added)
    }

    fn delete(&self, key: &[u8]) -> Result<(), CacheError> {
        self.values().remove(key);
        Ok(())
    }
}
