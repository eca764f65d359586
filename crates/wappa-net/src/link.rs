//! A connection that processors, caches and rate limits share.

use std::{
    fmt,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use wappa_component::{Context, Step};

use crate::Runtime;

/// After an attempt has failed, this long nobody tries again: who asks hears of the failure instead.
const PAUSE: Duration = Duration::from_millis(500);

/// Who connects to a server.
pub trait Dial: Send + Sync + 'static {
    /// A connection, or one way to use one.
    type Link: Clone + Send + 'static;

    /// Connects. The error says why that is not possible.
    fn dial(&self) -> impl Future<Output = Result<Self::Link, String>> + Send;

    /// Whether a connection that was there is there no more.
    fn is_lost(link: &Self::Link) -> bool;
}

/// A connection that several share: made when it is needed first, and again when it was lost. Cloning shares.
pub struct SharedLink<D: Dial>(Arc<State<D>>);

struct State<D: Dial> {
    dial: D,
    runtime: Runtime,
    link: tokio::sync::Mutex<Option<D::Link>>,
    failed: Mutex<Option<(Instant, String)>>,
}

impl<D: Dial> SharedLink<D> {
    /// One that nobody has made yet.
    pub fn new(dial: D, ctx: &Context<'_>) -> SharedLink<D> {
        let (runtime, link, failed) = (Runtime::of(ctx), tokio::sync::Mutex::new(None), Mutex::new(None));
        SharedLink(Arc::new(State { dial, runtime, link, failed }))
    }

    /// The connection; the error says why there is none. For the runtime's threads.
    pub async fn link(&self) -> Result<D::Link, String> {
        let mut place = self.0.link.lock().await;
        if let Some(link) = place.as_ref().filter(|it| !D::is_lost(it)) {
            return Ok(link.clone());
        }
        if let Some((at, text)) = &*self.0.failed.lock().unwrap_or_else(PoisonError::into_inner)
            && at.elapsed() < PAUSE
        {
            return Err(text.clone());
        }
        let connected = self.0.dial.dial().await;
        let failure = connected.as_ref().err().map(|it| (Instant::now(), it.clone()));
        *self.0.failed.lock().unwrap_or_else(PoisonError::into_inner) = failure;
        Ok(place.insert(connected?).clone())
    }

    /// Whoever asks next makes another connection: of this one no more is expected. For the runtime's threads.
    pub async fn forget(&self) {
        self.0.link.lock().await.take();
    }

    /// Has a future run, and waits for it: [`Runtime::finish_within`].
    pub fn finish_within<T: Send + 'static>(
        &self,
        step: &Step<'_>,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Option<Result<T, String>> {
        self.0.runtime.finish_within(step, future)
    }
}

impl<D: Dial> Clone for SharedLink<D> {
    fn clone(&self) -> SharedLink<D> {
        SharedLink(Arc::clone(&self.0))
    }
}

impl<D: Dial> fmt::Debug for SharedLink<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedLink")
    }
}
