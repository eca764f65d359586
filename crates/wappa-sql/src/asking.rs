//! Asking a database from a thread of the pipeline, which waits for the answer.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::task::JoinHandle;
use wappa_component::Step;
use wappa_net::Runtime;

/// Runs a future on the runtime and waits for what comes of it. `None`: the stream gives up what it is doing, and the future
/// is dropped.
pub(crate) fn wait<T: Send + 'static>(
    runtime: &Runtime,
    step: &Step<'_>,
    future: impl Future<Output = T> + Send + 'static,
) -> Option<Result<T, String>> {
    match runtime.spawn(future) {
        Ok(handle) => step.wait(Joined(handle)).map(Ok),
        Err(err) => Some(Err(err)),
    }
}

/// A task that ends with whoever waits for it. Where it panics, this does.
struct Joined<T>(JoinHandle<T>);

impl<T> Future for Joined<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<T> {
        Pin::new(&mut self.0).poll(ctx).map(|result| match result {
            Ok(it) => it,
            Err(err) => match err.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
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

/// Asks over a connection of the pool. What is prepared there and no longer what it was is prepared once more.
///
/// A macro, since a closure that gives a future of what it borrows cannot be said to be sent to another thread.
macro_rules! ask {
    ($pool:expr, $connection:ident => $asked:expr) => {
        async {
            let mut lease = $pool.acquire().await?;
            let mut is_prepared_anew = false;
            let result = loop {
                let result: Result<_, $crate::failed::Failed> = async {
                    let $connection: &mut $crate::connection::Connection = &mut lease;
                    $asked
                }
                .await;
                match result {
                    Err(err) if err.kind == $crate::failed::Kind::Stale && !is_prepared_anew => {
                        is_prepared_anew = true;
                        lease.forget().await?;
                    }
                    result => break result,
                }
            };
            lease.settle(&result);
            result
        }
        .await
    };
}
pub(crate) use ask;
