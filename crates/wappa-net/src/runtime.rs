//! The runtime: threads on which network clients wait, apart from those of the pipeline.

use std::{
    fmt,
    future::Future,
    num::NonZero,
    panic::resume_unwind,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{self, Poll},
    thread::available_parallelism,
    time::Duration,
};

use tokio::{
    runtime::{Builder, Handle},
    task::JoinHandle,
};
use wappa_component::{Context, Pulse, Step, cause_of_start, stopped};

/// The most threads that the runtime has. They wait for sockets; what is heavy is done by the pipeline's.
const THREADS_MAX: usize = 4;

/// How long the end of a process waits for what still runs.
const GRACE: Duration = Duration::from_millis(100);

/// The one runtime of a process, which starts when somebody needs it. Cloning shares.
#[derive(Clone, Default)]
pub struct Runtime(Arc<Started>);

#[derive(Default)]
struct Started(Mutex<Option<tokio::runtime::Runtime>>);

impl Runtime {
    /// The runtime that the components of a program share.
    pub fn of(ctx: &Context<'_>) -> Runtime {
        Runtime::clone(&ctx.services().get_or_default::<Runtime>())
    }

    /// Starts the threads unless they run. The error says what to change.
    pub fn start(&self) -> Result<Handle, String> {
        let mut started = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = &*started {
            return Ok(runtime.handle().clone());
        }
        let n_threads = available_parallelism().map_or(1, NonZero::get).min(THREADS_MAX);
        let runtime = Builder::new_multi_thread()
            .worker_threads(n_threads)
            .thread_name("network")
            .enable_io()
            .enable_time()
            .build()
            .map_err(|err| {
                format!("starting {n_threads} threads for the network: {}", cause_of_start(&err))
            })?;
        let handle = runtime.handle().clone();
        *started = Some(runtime);
        Ok(handle)
    }

    /// Runs a future on the runtime. What comes of it can be waited for with `Step::wait`.
    pub fn spawn<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Result<JoinHandle<T>, String> {
        Ok(self.start()?.spawn(future))
    }
}

impl Runtime {
    /// Has a future run on the runtime and waits for what comes of it: for caches, rate limits and whoever else is asked on a
    /// thread of the pipeline and has no [`Step`] to wait with. `pulse` is [`Context::pulse`].
    ///
    /// The error says that it took longer than `limit`, or that the stream gives up what it is doing; the future is dropped
    /// where it waits. Where it panics, this does.
    ///
    /// # A whole cache on a server
    ///
    /// A rate limit asks in the same way. Either joins the crate `wappa-conformance` with one line: `check_cache_at`,
    /// `check_rate_limit_at`.
    ///
    /// ```
    #[doc = include_str!("pages/far.rs")]
    /// # assert_eq!(COMPONENT.spec.name, "far");
    /// ```
    pub fn finish<T: Send + 'static>(
        &self,
        pulse: &dyn Pulse,
        limit: Duration,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, String> {
        // The time is the runtime's: it begins there.
        let in_time = async move { tokio::time::timeout(limit, future).await };
        match self.finish_within(&Step::new(0, pulse), in_time) {
            Some(Ok(Ok(result))) => Ok(result),
            Some(Ok(Err(_))) => Err(format!("no answer within {limit:?}")),
            Some(Err(text)) => Err(text),
            None => Err(stopped().to_string()),
        }
    }

    /// Has a future run on the runtime and waits for what comes of it, for whoever has a [`Step`]. `None`: the stream gives
    /// up what it is doing, and the future is dropped where it waits. The error says why there are no threads. Where the
    /// future panics, this does.
    pub fn finish_within<T: Send + 'static>(
        &self,
        step: &Step<'_>,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Option<Result<T, String>> {
        match self.spawn(future) {
            Ok(task) => step.wait(Joined(task)).map(Ok),
            Err(text) => Some(Err(text)),
        }
    }
}

/// A task that ends with whoever waits for it. Where it panics, this does.
struct Joined<T>(JoinHandle<T>);

impl<T> Future for Joined<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, ctx: &mut task::Context<'_>) -> Poll<T> {
        Pin::new(&mut self.0).poll(ctx).map(|result| match result {
            Ok(it) => it,
            Err(err) => match err.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                Err(err) => panic!("nobody else ends it: {err}"),
            },
        })
    }
}

impl<T> Drop for Joined<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Runtime {
    /// Waits for what comes of a future, on a thread that no stream stops: a command of the program. The error says that it
    /// took longer than `limit`.
    pub fn wait<T>(&self, limit: Duration, future: impl Future<Output = T>) -> Result<T, String> {
        // The time is the runtime's: it begins there.
        let answer = self.start()?.block_on(async { tokio::time::timeout(limit, future).await });
        answer.map_err(|_| format!("no answer within {limit:?}"))
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let started = self.0.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        // The last who has it may be a task of its own, which cannot wait for itself.
        match started {
            Some(runtime) if Handle::try_current().is_ok() => runtime.shutdown_background(),
            Some(runtime) => runtime.shutdown_timeout(GRACE),
            None => (),
        }
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Runtime")
    }
}
