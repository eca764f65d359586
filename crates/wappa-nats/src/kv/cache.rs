//! The cache `nats_kv`.

use std::{future::Future, sync::Arc, time::Duration};

use async_nats::jetstream::kv::{CreateErrorKind, Store};
use bytes::Bytes;
use tokio::time::timeout;
use wappa_component::{BuildCache, BuildError, Cache, CacheError, Component, Context, Pulse, Step};
use wappa_net::TlsConfig;
use wappa_spec::{Config, Node, Reader};

use super::{ANSWER_MAX, Bucket, entry, key_of};
use crate::{
    auth::AuthConfig,
    connection::{Endpoint, lint_urls},
    jetstream::consumer::with_cause,
};

pub(crate) const COMPONENT: Component = Component::cache::<KvConfig>("nats_kv").categories(&["Services"]);

/// Keeps values in a key-value bucket of NATS, which has to be there.
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
///     nats_kv:
///       urls: [nats://localhost:4222]
///       bucket: seen
/// ```
///
/// # Pitfalls
///
/// - How long values stay is up to the bucket: the time that somebody gives for one is not looked at.
/// - Keys are of letters, digits and `-/_=.`, and neither begin nor end with a dot.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct KvConfig {
    /// Where the servers are; one of them is connected to. An item may hold several with commas between them, and a user
    /// and a password, or a token.
    #[config(example = "[nats://127.0.0.1:4222]", example = "[\"nats://username:password@127.0.0.1:4222\"]")]
    urls: Vec<String>,

    /// The name of the bucket.
    #[config(example = "my_kv_bucket")]
    bucket: String,

    /// How the connection is encrypted.
    #[config(advanced)]
    tls: TlsConfig,

    /// Who we are to the server.
    #[config(advanced)]
    auth: AuthConfig,
}

fn lint(config: &KvConfig, node: &Node, reader: &mut Reader<'_>) {
    lint_urls(&config.urls, node, reader);
}

impl BuildCache for KvConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Arc<dyn Cache>, BuildError> {
        let endpoint = Endpoint::new(&self.urls, self.tls, self.auth, ctx).map_err(BuildError::new)?;
        Ok(Arc::new(KvCache {
            bucket: Arc::new(Bucket::new(endpoint, self.bucket, ctx)),
            pulse: ctx.pulse(),
        }))
    }
}

struct KvCache {
    bucket: Arc<Bucket>,
    pulse: Arc<dyn Pulse>,
}

impl KvCache {
    /// Does something with the bucket, in its time.
    fn with<T, F>(
        &self,
        key: &[u8],
        what: impl FnOnce(Store, String) -> F + Send + 'static,
    ) -> Result<T, CacheError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, String>> + Send,
    {
        let key = key_of(Bytes::copy_from_slice(key)).map_err(CacheError::new)?;
        let bucket = Arc::clone(&self.bucket);
        let doing = async move {
            let in_time = timeout(ANSWER_MAX, async { what(bucket.store().await?.1, key).await }).await;
            in_time.unwrap_or_else(|_| Err(format!("bucket {} does not answer", bucket.name())))
        };
        match self.bucket.connection.finish_within(&Step::new(0, self.pulse.as_ref()), doing) {
            None => Err(CacheError::new("the stream is about to stop")),
            Some(done) => done.flatten().map_err(CacheError::new),
        }
    }
}

impl Cache for KvCache {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, CacheError> {
        self.with(key, |store, key| async move { Ok(entry(&store, &key).await?.map(|it| it.value)) })
    }

    fn set(&self, key: &[u8], value: &[u8], _: Option<Duration>) -> Result<(), CacheError> {
        let value = Bytes::copy_from_slice(value);
        self.with(key, |store, key| async move {
            store.put(&key, value).await.map(|_| ()).map_err(|err| with_cause(&err))
        })
    }

    fn add(&self, key: &[u8], value: &[u8], _: Option<Duration>) -> Result<bool, CacheError> {
        let value = Bytes::copy_from_slice(value);
        self.with(key, |store, key| async move {
            match store.create(&key, value).await {
                Ok(_) => Ok(true),
                Err(err) if err.kind() == CreateErrorKind::AlreadyExists => Ok(false),
                Err(err) => Err(with_cause(&err)),
            }
        })
    }

    fn delete(&self, key: &[u8]) -> Result<(), CacheError> {
        self.with(key, |store, key| async move { store.delete(&key).await.map_err(|err| with_cause(&err)) })
    }
}
