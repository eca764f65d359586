//! The cache `noop`.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use wappa_component::{BuildCache, BuildError, Cache, CacheError, Component, Context};
use wappa_spec::Config;

pub(super) const COMPONENT: Component = Component::cache::<NoopConfig>("noop");

/// Keeps nothing: whatever is set is gone at once, and whatever is added was not there.
///
/// # Examples
///
/// ### Switch a cache off without touching what uses it
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
///     noop: {}
/// ```
#[derive(Config, Debug)]
struct NoopConfig;

impl BuildCache for NoopConfig {
    fn build(self, _: &mut Context<'_>) -> Result<Arc<dyn Cache>, BuildError> {
        Ok(Arc::new(self))
    }
}

impl Cache for NoopConfig {
    fn get(&self, _: &[u8]) -> Result<Option<Bytes>, CacheError> {
        Ok(None)
    }

    fn set(&self, _: &[u8], _: &[u8], _: Option<Duration>) -> Result<(), CacheError> {
        Ok(())
    }

    fn add(&self, _: &[u8], _: &[u8], _: Option<Duration>) -> Result<bool, CacheError> {
        Ok(true)
    }

    fn delete(&self, _: &[u8]) -> Result<(), CacheError> {
        Ok(())
    }
}
