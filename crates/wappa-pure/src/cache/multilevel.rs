//! The cache `multilevel`.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use wappa_component::{BuildCache, BuildError, Cache, CacheError, Component, Context, Logger};
use wappa_spec::{Config, Node, Reader, Rule};

use crate::fault;

pub(super) const COMPONENT: Component = Component::cache::<MultilevelConfig>("multilevel");

/// Several caches as one: what is near is asked first, and what is set is set in all of them.
///
/// A value that only a cache further down has is set in those above it, each time it is got. What is added is added to the
/// last one first, which says whether it was there.
///
/// # Examples
///
/// ### A few values in memory, all of them on disk
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
///     multilevel: [ hot, cold ]
///   - label: hot
///     lru:
///       cap: 1000
///   - label: cold
///     file:
///       directory: ./seen
/// ```
#[derive(Config, Debug)]
#[config(lint = lint)]
struct MultilevelConfig(#[config(label_of = "cache")] Vec<String>);

fn too_few(n: usize) -> String {
    format!("expected at least two cache levels, found {n}")
}

fn lint(config: &MultilevelConfig, node: &Node, reader: &mut Reader<'_>) {
    if config.0.len() < 2 {
        reader.error(Rule::InvalidValue, node, too_few(config.0.len()));
    }
}

impl BuildCache for MultilevelConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Arc<dyn Cache>, BuildError> {
        if self.0.len() < 2 {
            return Err(BuildError::new(too_few(self.0.len())));
        }
        let level = |label: String| Ok((ctx.cache(&label)?, label));
        let levels: Result<Vec<_>, BuildError> = self.0.into_iter().map(level).collect();
        Ok(Arc::new(Multilevel { levels: levels?, logger: ctx.logger() }))
    }
}

struct Multilevel {
    /// From the nearest to the last, each with its label.
    levels: Vec<(Arc<dyn Cache>, String)>,
    logger: Logger,
}

impl Multilevel {
    /// Sets a value in the first `n` caches. It is elsewhere, so one that does not take it is slow and nothing worse.
    fn set_above(&self, n: usize, key: &[u8], value: &[u8], ttl: Option<Duration>) {
        for (cache, label) in &self.levels[..n] {
            if let Err(err) = cache.set(key, value, ttl) {
                let key = fault::told(key);
                self.logger.failed(&format!("Unable to passively set key '{key}' for cache '{label}': {err}"));
            }
        }
    }
}

impl Cache for Multilevel {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, CacheError> {
        for (idx, (cache, _)) in self.levels.iter().enumerate() {
            if let Some(value) = cache.get(key)? {
                self.set_above(idx, key, &value, None);
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    fn set(&self, key: &[u8], value: &[u8], ttl: Option<Duration>) -> Result<(), CacheError> {
        self.levels.iter().try_for_each(|(cache, _)| cache.set(key, value, ttl))
    }

    fn add(&self, key: &[u8], value: &[u8], ttl: Option<Duration>) -> Result<bool, CacheError> {
        let n_above = self.levels.len() - 1;
        for (cache, _) in &self.levels[..n_above] {
            if cache.exists(key)? {
                return Ok(false);
            }
        }
        let is_added = self.levels[n_above].0.add(key, value, ttl)?;
        if is_added {
            self.set_above(n_above, key, value, ttl);
        }
        Ok(is_added)
    }

    fn delete(&self, key: &[u8]) -> Result<(), CacheError> {
        self.levels.iter().try_for_each(|(cache, _)| cache.delete(key))
    }
}
