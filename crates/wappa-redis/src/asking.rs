//! A connection that processors, caches and rate limits share: made when it is needed first, and again when it was lost.

use std::{
    future::Future,
    panic::resume_unwind,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use redis::{Cmd, Value};
use wappa_component::{Context, Step};
use wappa_net::Runtime;

use crate::connection::{Endpoint, Failed, Link};

/// After an attempt has failed, this long nobody tries again: who asks hears of the failure instead.
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

    async fn link(&self) -> Result<Link, String> {
        let mut place = self.0.link.lock().await;
        if let Some(link) = place.as_ref().filter(|it| !it.is_lost()) {
            return Ok(link.clone());
        }
        if let Some((at, text)) = &*self.0.failed.lock().unwrap_or_else(PoisonError::into_inner)
            && at.elapsed() < PAUSE
        {
            return Err(text.clone());
        }
        let connected = self.0.endpoint.connect_typed().await;
        let failure = connected.as_ref().err().map(|it| (Instant::now(), it.clone()));
        *self.0.failed.lock().unwrap_or_else(PoisonError::into_inner) = failure;
        Ok(place.insert(connected?).clone())
    }

    /// Asks, once. For the runtime's threads.
    pub(crate) async fn ask(&self, command: &Cmd) -> Result<Value, Failed> {
        let mut link = self.link().await.map_err(Failed::Lost)?;
        let answer = link.ask(command).await;
        if matches!(answer, Err(Failed::Lost(_))) {
            // One that does not answer is not waited for again.
            self.0.link.lock().await.take();
        }
        answer
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
