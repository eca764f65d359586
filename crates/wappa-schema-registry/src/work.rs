//! What both processors do with a message: its schema is looked for, and what becomes of it is counted.

use std::{
    fmt,
    hash::Hash,
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::task::JoinHandle;
use wappa_component::{Context, Level, Logger, Step};
use wappa_net::Runtime;

use crate::{
    cache::Cache,
    loader::{Loaded, Loader},
    registry::Asked,
};

/// How much the messages that are worked on together may grow by: what all processors of content allow.
const PART_LIMIT: usize = 512 << 20;

/// How large what becomes of one message may be.
const MESSAGE_LIMIT: usize = 64 << 20;

/// Schemas that are there or can be had.
pub(crate) struct Schemas<K: Hash + Eq> {
    cache: Arc<Cache<K>>,
    loader: Loader,
    /// After this long a schema is fetched again, while the one that is there is used.
    period: Option<Duration>,
    runtime: Runtime,
    logger: Logger,
}

/// Ends a task that nobody waits for any more.
struct Task<T>(JoinHandle<T>);

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl<K: Hash + Eq + Clone + Send + 'static> Schemas<K> {
    pub(crate) fn new(loader: Loader, period: Option<Duration>, ctx: &Context<'_>) -> Schemas<K> {
        Schemas {
            cache: Arc::new(Cache::new()),
            loader,
            period,
            runtime: Runtime::of(ctx),
            logger: ctx.logger(),
        }
    }

    /// The schema. `None`: the stream gives up what it is doing.
    pub(crate) fn get(&self, key: &K, asked: Asked, step: &Step<'_>) -> Option<Result<Arc<Loaded>, String>> {
        let now = step.now();
        if let Some(found) = self.cache.get(key, now, self.period) {
            if found.is_old {
                self.fetch_again(key.clone(), asked, now);
            }
            return Some(Ok(found.loaded));
        }
        let loader = self.loader.clone();
        let loading = async move { loader.load(asked).await };
        let mut task = match self.runtime.spawn(loading) {
            Ok(task) => Task(task),
            Err(why) => return Some(Err(why)),
        };
        let loaded = match step.wait(&mut task.0)? {
            Ok(loaded) => loaded,
            Err(err) if err.is_panic() => std::panic::resume_unwind(err.into_panic()),
            Err(err) => Err(err.to_string()),
        };
        match &loaded {
            Ok(it) => self.cache.put(key.clone(), Arc::clone(it), step.now()),
            Err(why) => self.logger.seldom(Level::Error, why),
        }
        Some(loaded)
    }

    /// Has it fetched beside the pipeline. What is there stays if that fails.
    fn fetch_again(&self, key: K, asked: Asked, now: Duration) {
        let (loader, logger) = (self.loader.clone(), self.logger.clone());
        let cache: Weak<Cache<K>> = Arc::downgrade(&self.cache);
        let fetching = async move {
            match loader.load(asked.clone()).await {
                Ok(loaded) => {
                    if let Some(cache) = cache.upgrade() {
                        cache.put(key, loaded, now);
                    }
                }
                Err(why) => logger.seldom(Level::Error, &format!("Failed to refresh {asked}: {why}")),
            }
        };
        if let Err(why) = self.runtime.spawn(fetching) {
            self.logger.seldom(Level::Error, &why);
        }
    }
}

/// How large what becomes of a message may be now.
pub(crate) fn limit(step: &Step<'_>) -> usize {
    step.growth().left(PART_LIMIT).min(MESSAGE_LIMIT)
}

impl<K: Hash + Eq> fmt::Debug for Schemas<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Schemas")
    }
}
