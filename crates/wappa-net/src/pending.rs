//! What is under way on the runtime for somebody who does not wait.

use std::{
    any::Any,
    fmt,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use tokio::task::AbortHandle;

use crate::Runtime;

/// Why a future ended before its end.
pub(crate) type Panic = Box<dyn Any + Send>;

/// A future that runs on the runtime. Dropping this ends it where it waits.
pub struct Pending<T> {
    result: Arc<Mutex<Option<Result<T, Panic>>>>,
    task: AbortHandle,
}

impl<T: Send + 'static> Pending<T> {
    /// Begins it; `ring` is called once it is done.
    pub fn new(
        runtime: &Runtime,
        future: impl Future<Output = T> + Send + 'static,
        ring: impl FnOnce() + Send + 'static,
    ) -> Result<Pending<T>, String> {
        let result = Arc::new(Mutex::new(None));
        let place = Arc::clone(&result);
        let task = runtime.spawn(async move {
            let done = Guarded::new(future).await;
            *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(done);
            ring();
        })?;
        Ok(Pending { result, task: task.abort_handle() })
    }

    /// Whether it is done, and what came of it is to be had.
    pub fn is_done(&self) -> bool {
        self.result.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// What came of it, once, if it is done. Where it panicked, this does.
    pub fn take(&mut self) -> Option<T> {
        let result = self.result.lock().unwrap_or_else(PoisonError::into_inner).take();
        result.map(|it| it.unwrap_or_else(|panic| resume_unwind(panic)))
    }
}

impl<T> Drop for Pending<T> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A future whose panic is what comes of it.
pub(crate) struct Guarded<T>(Pin<Box<dyn Future<Output = T> + Send>>);

impl<T> Guarded<T> {
    pub(crate) fn new(future: impl Future<Output = T> + Send + 'static) -> Guarded<T> {
        Guarded(Box::pin(future))
    }
}

impl<T> Future for Guarded<T> {
    type Output = Result<T, Panic>;

    fn poll(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<Result<T, Panic>> {
        match catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(ctx))) {
            Ok(polled) => polled.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    }
}

impl<T> fmt::Debug for Pending<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pending")
    }
}
