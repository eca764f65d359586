//! From what is asked for to a schema that is ready: fetched on the runtime, and made ready on a thread beside it.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::Semaphore,
    task::spawn_blocking,
    time::{Instant, timeout_at},
};
use wappa_http_client::Access;

use crate::{
    avro::Options,
    codec::Codec,
    registry::{Asked, Registry},
};

/// How long it may take to fetch a schema with all that it refers to; Bento's.
const FETCH_TIME: Duration = Duration::from_secs(5);

/// How long it may take to make it ready.
const READY_TIME: Duration = Duration::from_secs(5);

/// How many are made ready at once. One that takes longer than it may keeps its place until it is done.
const AT_ONCE_MAX: usize = 2;

/// A schema that is ready.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) id: u32,
    pub(crate) codec: Codec,
    /// How much it takes up, at most, in bytes.
    pub(crate) size: usize,
}

/// Loads schemas. Cloning shares.
#[derive(Clone, Debug)]
pub(crate) struct Loader {
    registry: Arc<Registry>,
    options: Options,
    at_once: Arc<Semaphore>,
}

impl Loader {
    /// The error says which field is wrong, or which file.
    pub(crate) fn new(access: &Access, options: Options) -> Result<Loader, String> {
        let registry = Arc::new(Registry::new(access)?);
        Ok(Loader { registry, options, at_once: Arc::new(Semaphore::new(AT_ONCE_MAX)) })
    }

    pub(crate) async fn load(&self, asked: Asked) -> Result<Arc<Loaded>, String> {
        let whole = timeout_at(Instant::now() + FETCH_TIME, self.registry.whole(&asked)).await;
        let whole =
            whole.map_err(|_| format!("request failed for {asked}: no answer within {FETCH_TIME:?}"))??;
        let late = || format!("{asked} is not ready within {READY_TIME:?}");
        let deadline = Instant::now() + READY_TIME;
        let permit = timeout_at(deadline, Arc::clone(&self.at_once).acquire_owned()).await;
        let permit = permit.map_err(|_| late())?.map_err(|err| err.to_string())?;
        let options = self.options;
        let ready = spawn_blocking(move || {
            let _permit = permit;
            let id = whole.root.id;
            Codec::new(&whole, options).map(|(codec, size)| Loaded { id, codec, size })
        });
        match timeout_at(deadline, ready).await {
            Err(_) => Err(late()),
            Ok(Ok(loaded)) => loaded.map(Arc::new).map_err(|why| format!("{asked}: {why}")),
            Ok(Err(err)) if err.is_panic() => std::panic::resume_unwind(err.into_panic()),
            Ok(Err(err)) => Err(err.to_string()),
        }
    }
}

#[cfg(test)]
impl Loaded {
    /// One of any schema.
    pub(crate) fn of_test(id: u32, size: usize) -> Loaded {
        let schema = crate::avro::Schema::parse("\"null\"", &[], Options::default());
        Loaded { id, codec: Codec::Avro(schema.expect("a schema")), size }
    }
}
