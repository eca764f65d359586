//! The cache `redis`.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use redis::{Cmd, Value};
use tokio::time::{Instant, sleep};
use wappa_component::{BuildCache, BuildError, Cache, CacheError, Component, Context, Pulse, Step};
use wappa_spec::Config;

use crate::asking::{Shared, ask};
use crate::connection::ServerConfig;

pub(crate) const COMPONENT: Component = Component::cache::<RedisConfig>("redis");

/// Keeps values in Redis. All processes that use the server share them.
///
/// # Examples
///
/// ### Each order once, whichever process gets it
///
/// ```yaml
/// input:
///   stdin: {}
/// pipeline:
///   processors:
///     - dedupe:
///         cache: seen
///         key: ${! json("id") }
/// output:
///   stdout: {}
/// cache_resources:
///   - label: seen
///     redis:
///       url: redis://localhost:6379
///       prefix: "seen:"
///       default_ttl: 24h
/// ```
#[derive(Config, Debug)]
struct RedisConfig {
    #[config(flatten)]
    server: ServerConfig,

    /// What all keys begin with on the server.
    #[config(optional)]
    prefix: Option<String>,

    /// How long values stay that are set without a time of their own. Without it they stay for good.
    #[config(optional, advanced)]
    default_ttl: Option<Duration>,

    /// How often what fails is tried again.
    #[config(advanced)]
    retries: RetriesConfig,
}

/// How the wait between two attempts grows.
#[derive(Config, Debug)]
struct RetriesConfig {
    /// The first wait.
    #[config(default = "500ms", advanced)]
    initial_interval: Duration,

    /// The longest wait.
    #[config(default = "1s", advanced)]
    max_interval: Duration,

    /// How long it is tried in all.
    #[config(default = "5s", advanced)]
    max_elapsed_time: Duration,
}

impl BuildCache for RedisConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Arc<dyn Cache>, BuildError> {
        let endpoint = self.server.endpoint().map_err(BuildError::new)?;
        Ok(Arc::new(RedisCache {
            shared: Shared::new(endpoint, ctx),
            prefix: self.prefix.unwrap_or_default(),
            default_ttl: self.default_ttl,
            waits: [self.retries.initial_interval, self.retries.max_interval, self.retries.max_elapsed_time],
            pulse: ctx.pulse(),
        }))
    }
}

struct RedisCache {
    shared: Shared,
    prefix: String,
    default_ttl: Option<Duration>,
    waits: [Duration; 3],
    pulse: Arc<dyn Pulse>,
}

impl RedisCache {
    /// A command about a key.
    fn about(&self, name: &str, key: &[u8]) -> Cmd {
        let mut command = redis::cmd(name);
        command.arg([self.prefix.as_bytes(), key].concat());
        command
    }

    fn setting(&self, key: &[u8], value: &[u8], ttl: Option<Duration>) -> Cmd {
        let mut command = self.about("SET", key);
        command.arg(value);
        if let Some(ttl) = ttl.or(self.default_ttl).filter(|it| !it.is_zero()) {
            command.arg("PX").arg(ttl.as_millis().max(1) as u64);
        }
        command
    }

    fn ask(&self, command: Cmd) -> Result<Value, CacheError> {
        let (shared, [first, longest, max]) = (self.shared.clone(), self.waits);
        let asking = async move {
            let (began, mut wait) = (Instant::now(), first);
            loop {
                let failed = match ask(&shared, &command).await {
                    Ok(value) => return Ok(value),
                    Err(failed) => failed.text(),
                };
                if max < began.elapsed() + wait {
                    return Err(failed);
                }
                sleep(wait).await;
                wait = (wait.mul_f64(1.5)).min(longest.max(first));
            }
        };
        match self.shared.finish_within(&Step::new(0, self.pulse.as_ref()), asking) {
            None => Err(CacheError::new("the stream is about to stop")),
            Some(answered) => answered.map_err(CacheError::new)?.map_err(CacheError::new),
        }
    }
}

impl Cache for RedisCache {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, CacheError> {
        match self.ask(self.about("GET", key))? {
            Value::BulkString(value) => Ok(Some(value.into())),
            _ => Ok(None),
        }
    }

    fn exists(&self, key: &[u8]) -> Result<bool, CacheError> {
        Ok(self.ask(self.about("EXISTS", key))? == Value::Int(1))
    }

    fn set(&self, key: &[u8], value: &[u8], ttl: Option<Duration>) -> Result<(), CacheError> {
        self.ask(self.setting(key, value, ttl)).map(drop)
    }

    fn add(&self, key: &[u8], value: &[u8], ttl: Option<Duration>) -> Result<bool, CacheError> {
        let mut command = self.setting(key, value, ttl);
        command.arg("NX");
        Ok(self.ask(command)? != Value::Nil)
    }

    fn delete(&self, key: &[u8]) -> Result<(), CacheError> {
        self.ask(self.about("DEL", key)).map(drop)
    }
}
