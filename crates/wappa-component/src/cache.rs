//! Caches: resources that keep values by key. This page is all that the author of one needs.

use std::{error::Error, fmt, time::Duration};

use bytes::Bytes;

/// A store of values by key, which all components share that ask for its label with
/// [`Context::cache`](crate::Context::cache).
///
/// It is built once, before the stream runs, from an entry of `cache_resources`, and dropped after everything that uses
/// it. There is nothing to connect: one that has a connection makes it when it is called first, and again when it was
/// lost. What is called, how long it takes and what comes of it is counted around it, not in it.
///
/// # What it is given
///
/// It is called by all threads of the stream, several at once. Keys and values are any bytes, none at all included,
/// and lie in buffers that hold much else: whoever keeps one copies it. The time a call takes is the message's, so one
/// that waits for a server bounds its wait, and ends it when [`Pulse::is_interrupted`](crate::Pulse::is_interrupted):
/// [`Context::pulse`](crate::Context::pulse) has the stream's, and the time.
///
/// # What it promises
///
/// - A value that was set is what [`get`](Cache::get) gives, until it is replaced or deleted, its time is over, or a cache
///   that is bounded makes room.
/// - A value whose time is over is not there, whichever method asks.
/// - Of several calls of [`add`](Cache::add) with one key at the same time, one adds it and the others are told so.
/// - An error means that nobody knows whether it was done.
///
/// The crate `wappa-conformance` holds every cache to this; a new one joins it with one line.
///
/// # A whole cache
///
/// ```
/// use std::{
///     collections::{HashMap, hash_map::Entry},
///     sync::{Arc, Mutex, MutexGuard, PoisonError},
///     time::Duration,
/// };
///
/// use bytes::Bytes;
/// use wappa_component::{BuildCache, BuildError, Cache, CacheError, Component, Context};
/// use wappa_spec::Config;
///
/// const COMPONENT: Component = Component::cache::<ForeverConfig>("forever");
///
/// /// Keeps everything, for as long as the stream runs.
/// #[derive(Config)]
/// struct ForeverConfig;
///
/// impl BuildCache for ForeverConfig {
///     fn build(self, _: &mut Context<'_>) -> Result<Arc<dyn Cache>, BuildError> {
///         Ok(Arc::new(Forever::default()))
///     }
/// }
///
/// #[derive(Default)]
/// struct Forever(Mutex<HashMap<Vec<u8>, Bytes>>);
///
/// impl Forever {
///     fn values(&self) -> MutexGuard<'_, HashMap<Vec<u8>, Bytes>> {
///         self.0.lock().unwrap_or_else(PoisonError::into_inner)
///     }
/// }
///
/// impl Cache for Forever {
///     fn get(&self, key: &[u8]) -> Result<Option<Bytes>, CacheError> {
///         Ok(self.values().get(key).cloned())
///     }
///
///     fn set(&self, key: &[u8], value: &[u8], _: Option<Duration>) -> Result<(), CacheError> {
///         self.values().insert(key.to_vec(), Bytes::copy_from_slice(value));
///         Ok(())
///     }
///
///     fn add(&self, key: &[u8], value: &[u8], _: Option<Duration>) -> Result<bool, CacheError> {
///         match self.values().entry(key.to_vec()) {
///             Entry::Occupied(_) => Ok(false),
///             Entry::Vacant(place) => {
///                 place.insert(Bytes::copy_from_slice(value));
///                 Ok(true)
///             }
///         }
///     }
///
///     fn delete(&self, key: &[u8]) -> Result<(), CacheError> {
///         self.values().remove(key);
///         Ok(())
///     }
/// }
/// # assert_eq!(COMPONENT.spec.name, "forever");
/// ```
pub trait Cache: Send + Sync {
    /// The value of a key; `None`: there is none.
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, CacheError>;

    /// Whether there is a value of this key.
    fn exists(&self, key: &[u8]) -> Result<bool, CacheError> {
        Ok(self.get(key)?.is_some())
    }

    /// Sets a value, whether there is one or not.
    ///
    /// `ttl` is how long it stays; `None`: as long as values of this cache do. A cache that has one time for all does not
    /// look at it, and says so on its page.
    fn set(&self, key: &[u8], value: &[u8], ttl: Option<Duration>) -> Result<(), CacheError>;

    /// Sets a value if there is none, and says whether it did. `ttl` as for [`set`](Cache::set).
    fn add(&self, key: &[u8], value: &[u8], ttl: Option<Duration>) -> Result<bool, CacheError>;

    /// Removes a value; one that is not there is removed already.
    fn delete(&self, key: &[u8]) -> Result<(), CacheError>;
}

/// Why a cache could not do what it was asked to. One line, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheError(String);

impl CacheError {
    /// An error with this text.
    pub fn new(text: impl Into<String>) -> CacheError {
        CacheError(text.into())
    }
}

impl fmt::Display for CacheError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for CacheError {}
