//! A connection that processors and caches share: made when it is needed first, and again when it was lost.

use std::{
    future::Future,
    panic::resume_unwind,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use wappa_component::{Context, Step};
use wappa_net::Runtime;

use crate::connection::{Endpoint, Link};

/// After an attempt has failed, this long nobody tries again: each message hears of the failure instead.
const PAUSE: Duration = Duration::from_millis(500);

/// Cloning shares.
#[derive(Clone)]
pub(crate) struct Shared(Arc<State>);

struct State {
    endpoint: Endpoint,
    runtime: Runtime,
    link: tokio::sync::Mutex<Option<Link>>,
    failed: Mutex<Option<(Instant, String)>>,
}

impl Shared {
    pub(crate) fn new(endpoint: Endpoint, ctx: &Context<'_>) -> Shared {
        let (runtime, link, failed) = (Runtime::of(ctx), tokio::sync::Mutex::new(None), Mutex::new(None));
        Shared(Arc::new(State { endpoint, runtime, link, failed }))
    }

    /// The connection; the error says why there is none. For the runtime's threads.
    pub(crate) async fn link(&self) -> Result<Link, String> {
        let mut place = self.0.link.lock().await;
        if let Some(link) = place.as_ref().filter(|it| !it.is_lost()) {
            return Ok(link.clone());
        }
        if let Some((at, text)) = &*self.0.failed.lock().unwrap_or_else(PoisonError::into_inner)
            && at.elapsed() < PAUSE
        {
            return Err(text.clone());
        }
        let connected = self.0.endpoint.connect(1024).await;
        let failure = connected.as_ref().err().map(|it| (Instant::now(), it.clone()));
        *self.0.failed.lock().unwrap_or_else(PoisonError::into_inner) = failure;
        let link = connected?;
        *place = Some(link.clone());
        Ok(link)
    }

    /// Runs a future on the runtime and waits for it. `None`: the stream gives up what it is doing.
    pub(crate) fn wait<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
        step: &Step<'_>,
    ) -> Result<Option<T>, String> {
        let mut task = self.0.runtime.spawn(future)?;
        match step.wait(&mut task) {
            Some(Ok(result)) => Ok(Some(result)),
            Some(Err(err)) if err.is_panic() => resume_unwind(err.into_panic()),
            Some(Err(err)) => Err(err.to_string()),
            None => {
                task.abort();
                Ok(None)
            }
        }
    }
}
