//! Libraries that read what strangers send, and panic on some of it.
//!
//! A panic of ours ends the stream, since nobody knows what is still sound. One of a client's library over the bytes of a
//! server costs the connection that they came on, which is made again as any that was lost.

use std::{
    any::Any,
    cell::Cell,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::Poll,
};

thread_local! {
    static IS_FOREIGN: Cell<bool> = const { Cell::new(false) };
}

/// For the panic hook of a program: whether this panic is a library's and caught, so that nothing need be said of it here.
pub fn is_foreign_panic() -> bool {
    IS_FOREIGN.get()
}

/// Calls a library. The error says why it panicked; what it worked on is not to be used any more.
pub fn foreign<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    let was_foreign = IS_FOREIGN.replace(true);
    let result = catch_unwind(AssertUnwindSafe(call));
    IS_FOREIGN.set(was_foreign);
    result.map_err(|panic| not_understood(text(panic.as_ref())))
}

/// What is said of a server that sends what nobody understands, with why.
pub fn not_understood(why: &str) -> String {
    format!("what the server sends cannot be understood: {why}")
}

/// The same of a future, each time that it goes on.
pub async fn foreign_future<F: Future>(future: F) -> Result<F::Output, String> {
    let mut future = pin!(future);
    poll_fn(|ctx| match foreign(|| future.as_mut().poll(ctx)) {
        Ok(polled) => polled.map(Ok),
        Err(text) => Poll::Ready(Err(text)),
    })
    .await
}

fn text(panic: &(dyn Any + Send)) -> &str {
    match panic.downcast_ref::<String>() {
        Some(text) => text,
        None => panic.downcast_ref::<&str>().copied().unwrap_or("the client gives no reason"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_error_and_whoever_asks_knows_whose_it_is() {
        let said = "what the server sends cannot be understood: too short";
        assert_eq!(foreign(|| 1), Ok(1));
        assert_eq!(foreign(|| -> u8 { panic!("too short") }), Err(said.to_string()));
        assert_eq!(foreign_future(async { 1 }).await, Ok(1));
        let late = foreign_future(async {
            tokio::task::yield_now().await;
            assert!(is_foreign_panic());
            panic!("too {}", "short")
        });
        assert_eq!(late.await, Err::<(), _>(said.to_string()));
        assert!(!is_foreign_panic());
    }
}
