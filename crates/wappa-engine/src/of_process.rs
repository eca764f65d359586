//! Caches and rate limits that all streams of a process have together: one thing, whichever stream asks.
//!
//! A stream finds them among the services that it is built with. What takes the place of one is found by all who have it at
//! their next call. Processors, inputs and outputs are bound to the threads and turns of a stream, so each stream has its own.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use wappa_component::{Cache, CacheError, RateLimit};
use wappa_message::Message;
use wappa_spec::ComponentKind;

/// The caches and rate limits of a process, by label.
#[derive(Default)]
pub struct SharedResources {
    caches: Mutex<BTreeMap<String, Arc<Changing<dyn Cache>>>>,
    rate_limits: Mutex<BTreeMap<String, Arc<Changing<dyn RateLimit>>>>,
}

/// How many components all streams of a process have, and may have together: each takes some kilobytes, and a config of a few
/// lines may ask for any number. Found among the services.
#[derive(Debug)]
pub struct ComponentsOfProcess {
    n: AtomicUsize,
    max: usize,
}

impl ComponentsOfProcess {
    /// So many may be.
    pub fn new(max: usize) -> ComponentsOfProcess {
        ComponentsOfProcess { n: AtomicUsize::new(0), max }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.n.load(Ordering::SeqCst)
    }
}

/// What a stream has of them, until this is dropped.
pub(crate) struct ComponentsOfStream {
    of: Arc<ComponentsOfProcess>,
    n: usize,
}

impl ComponentsOfStream {
    pub(crate) fn new(of: Arc<ComponentsOfProcess>) -> ComponentsOfStream {
        ComponentsOfStream { of, n: 0 }
    }

    /// One more, unless there are too many; then how many there may be.
    pub(crate) fn take(&mut self) -> Result<(), usize> {
        let max = self.of.max;
        let add = |it: usize| (it < max).then_some(it + 1);
        self.of.n.fetch_update(Ordering::SeqCst, Ordering::SeqCst, add).map_err(|_| max)?;
        self.n += 1;
        Ok(())
    }
}

impl Drop for ComponentsOfStream {
    fn drop(&mut self) {
        self.of.n.fetch_sub(self.n, Ordering::SeqCst);
    }
}

/// One of them, whose place another may take.
struct Changing<T: ?Sized>(RwLock<Arc<T>>);

impl<T: ?Sized> Changing<T> {
    fn now(&self) -> Arc<T> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn set(&self, it: Arc<T>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = it;
    }
}

fn put<T: ?Sized>(all: &Mutex<BTreeMap<String, Arc<Changing<T>>>>, label: &str, it: Arc<T>) {
    let mut all = lock(all);
    match all.get(label) {
        Some(found) => found.set(it),
        None => {
            all.insert(label.to_string(), Arc::new(Changing(RwLock::new(it))));
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SharedResources {
    /// What there is.
    pub fn labels(&self) -> Vec<(ComponentKind, String)> {
        let caches: Vec<String> = lock(&self.caches).keys().cloned().collect();
        let rate_limits: Vec<String> = lock(&self.rate_limits).keys().cloned().collect();
        let caches = caches.into_iter().map(|it| (ComponentKind::Cache, it));
        caches.chain(rate_limits.into_iter().map(|it| (ComponentKind::RateLimit, it))).collect()
    }

    pub(crate) fn put_cache(&self, label: &str, cache: Arc<dyn Cache>) {
        put(&self.caches, label, cache);
    }

    pub(crate) fn put_rate_limit(&self, label: &str, rate_limit: Arc<dyn RateLimit>) {
        put(&self.rate_limits, label, rate_limit);
    }

    pub(crate) fn caches(&self) -> Vec<(String, Arc<dyn Cache>)> {
        lock(&self.caches)
            .iter()
            .map(|(label, it)| (label.clone(), Arc::clone(it) as Arc<dyn Cache>))
            .collect()
    }

    pub(crate) fn rate_limits(&self) -> Vec<(String, Arc<dyn RateLimit>)> {
        let all = lock(&self.rate_limits);
        all.iter().map(|(label, it)| (label.clone(), Arc::clone(it) as Arc<dyn RateLimit>)).collect()
    }
}

impl Cache for Changing<dyn Cache> {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, CacheError> {
        self.now().get(key)
    }

    fn exists(&self, key: &[u8]) -> Result<bool, CacheError> {
        self.now().exists(key)
    }

    fn set(&self, key: &[u8], value: &[u8], ttl: Option<Duration>) -> Result<(), CacheError> {
        self.now().set(key, value, ttl)
    }

    fn add(&self, key: &[u8], value: &[u8], ttl: Option<Duration>) -> Result<bool, CacheError> {
        self.now().add(key, value, ttl)
    }

    fn delete(&self, key: &[u8]) -> Result<(), CacheError> {
        self.now().delete(key)
    }
}

impl RateLimit for Changing<dyn RateLimit> {
    fn access(&self, message: &Message) -> Result<Duration, String> {
        self.now().access(message)
    }
}

impl fmt::Debug for SharedResources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SharedResources").field(&self.labels()).finish()
    }
}
