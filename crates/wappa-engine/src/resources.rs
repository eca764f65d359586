//! Caches and rate limits, observed: what they are asked and what comes of it is counted around them, under Bento's names.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use wappa_component::{Cache, CacheError, Clock, Counter, RateLimit, SeriesSpec, Timing};
use wappa_message::Message;

use crate::{observe::Observed, series};

/// A cache, observed.
pub(crate) struct ObservedCache {
    inner: Arc<dyn Cache>,
    of: Observed,
    get: Operation,
    exists: Operation,
    set: Operation,
    add: Operation,
    delete: Operation,
    not_found: Counter,
    duplicate: Counter,
}

/// What is counted of one method.
struct Operation {
    success: Counter,
    error: Counter,
    latency: Timing,
}

impl ObservedCache {
    pub(crate) fn new(inner: Arc<dyn Cache>, of: Observed) -> ObservedCache {
        let counter = |series: SeriesSpec, operation: &str| {
            let labels = [("label", of.label.as_str()), ("path", of.path.as_str()), ("operation", operation)];
            of.metrics.counter(series.name, &labels)
        };
        let operation = |name: &str| {
            let labels = [("label", of.label.as_str()), ("path", of.path.as_str()), ("operation", name)];
            Operation {
                success: counter(series::CACHE_SUCCESS, name),
                error: counter(series::CACHE_ERROR, name),
                latency: of.metrics.timing(series::CACHE_LATENCY_NS.name, &labels),
            }
        };
        ObservedCache {
            get: operation("get"),
            exists: operation("exists"),
            set: operation("set"),
            add: operation("add"),
            delete: operation("delete"),
            not_found: counter(series::CACHE_NOT_FOUND, "get"),
            duplicate: counter(series::CACHE_DUPLICATE, "add"),
            inner,
            of,
        }
    }

    /// Calls the cache; `is_success` is whether an answer counts as one, or as something else.
    fn call<T>(
        &self,
        operation: &Operation,
        call: impl FnOnce(&dyn Cache) -> Result<T, CacheError>,
        is_success: impl FnOnce(&T) -> bool,
    ) -> Result<T, CacheError> {
        let _called = self.of.enter();
        let began = self.of.world.now();
        let result = call(self.inner.as_ref());
        operation.latency.record(self.of.world.now().saturating_sub(began));
        match &result {
            Ok(it) => operation.success.add(u64::from(is_success(it))),
            Err(_) => operation.error.add(1),
        }
        result
    }
}

impl Cache for ObservedCache {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, CacheError> {
        let result = self.call(&self.get, |it| it.get(key), Option::is_some);
        self.not_found.add(u64::from(matches!(result, Ok(None))));
        result
    }

    fn exists(&self, key: &[u8]) -> Result<bool, CacheError> {
        self.call(&self.exists, |it| it.exists(key), |_| true)
    }

    fn set(&self, key: &[u8], value: &[u8], ttl: Option<Duration>) -> Result<(), CacheError> {
        self.call(&self.set, |it| it.set(key, value, ttl), |()| true)
    }

    fn add(&self, key: &[u8], value: &[u8], ttl: Option<Duration>) -> Result<bool, CacheError> {
        let result = self.call(&self.add, |it| it.add(key, value, ttl), |is_added| *is_added);
        self.duplicate.add(u64::from(matches!(result, Ok(false))));
        result
    }

    fn delete(&self, key: &[u8]) -> Result<(), CacheError> {
        self.call(&self.delete, |it| it.delete(key), |()| true)
    }
}

/// A rate limit, observed.
pub(crate) struct ObservedRateLimit {
    inner: Arc<dyn RateLimit>,
    checked: Counter,
    triggered: Counter,
    error: Counter,
    of: Observed,
}

impl ObservedRateLimit {
    pub(crate) fn new(inner: Arc<dyn RateLimit>, of: Observed) -> ObservedRateLimit {
        ObservedRateLimit {
            checked: of.counter(series::RATE_LIMIT_CHECKED),
            triggered: of.counter(series::RATE_LIMIT_TRIGGERED),
            error: of.counter(series::RATE_LIMIT_ERROR),
            inner,
            of,
        }
    }
}

impl RateLimit for ObservedRateLimit {
    fn access(&self, message: &Message) -> Result<Duration, String> {
        let _called = self.of.enter();
        let result = self.inner.access(message);
        self.checked.add(1);
        self.triggered.add(u64::from(result.as_ref().is_ok_and(|it| !it.is_zero())));
        self.error.add(u64::from(result.is_err()));
        result
    }
}
