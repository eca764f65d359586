//! Connections whose other end may be slow, but not for ever.
//!
//! What was written is told to whoever waits for it once the system has taken all of it, so that nothing is taken for sent
//! that is still here. Whoever takes nothing for a while is hung up on.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

/// How long the other end of a connection may take nothing of what is written to it.
pub(crate) const WRITE_PATIENCE: Duration = Duration::from_secs(30);

/// Called when what was written before is with the system, or dropped when it never will be.
pub(crate) type Sent = Box<dyn FnOnce() + Send>;

/// Who waits until what was written is sent. Cloning shares.
#[derive(Clone, Default)]
pub(crate) struct Unsent(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    waiting: Vec<Sent>,
    is_gone: bool,
}

impl Unsent {
    /// Calls this once everything that was handed to the connection up to now is sent.
    pub(crate) fn then(&self, sent: Sent) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.is_gone {
            state.waiting.push(sent);
        }
    }

    fn is_sent(&self) {
        let waiting = {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if state.waiting.is_empty() {
                return;
            }
            std::mem::take(&mut state.waiting)
        };
        waiting.into_iter().for_each(|it| it());
    }

    fn is_gone(&self) {
        let waiting = {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            state.is_gone = true;
            std::mem::take(&mut state.waiting)
        };
        drop(waiting);
    }
}

/// A connection, with patience.
pub(crate) struct Patient<T> {
    inner: T,
    unsent: Unsent,
    patience: Duration,
    /// Runs while the other end takes nothing.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl<T> Patient<T> {
    pub(crate) fn new(inner: T, patience: Duration) -> Patient<T> {
        Patient { inner, unsent: Unsent::default(), patience, deadline: None }
    }

    pub(crate) fn unsent(&self) -> Unsent {
        self.unsent.clone()
    }

    /// What comes of a write: an error where nothing was taken for too long.
    fn judge<R>(&mut self, ctx: &mut Context<'_>, result: Poll<io::Result<R>>) -> Poll<io::Result<R>> {
        if result.is_ready() {
            self.deadline = None;
            return result;
        }
        let deadline =
            self.deadline.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + self.patience)));
        match deadline.as_mut().poll(ctx) {
            Poll::Ready(()) => {
                let text = "the other end takes nothing";
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, text)))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<T> Drop for Patient<T> {
    fn drop(&mut self) {
        self.unsent.is_gone();
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Patient<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        ctx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(ctx, buf)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Patient<T> {
    fn poll_write(mut self: Pin<&mut Self>, ctx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.inner).poll_write(ctx, buf);
        self.judge(ctx, result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        ctx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.inner).poll_write_vectored(ctx, bufs);
        self.judge(ctx, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.inner).poll_flush(ctx);
        let result = self.judge(ctx, result);
        if let Poll::Ready(Ok(())) = result {
            self.unsent.is_sent();
        }
        result
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.inner).poll_shutdown(ctx);
        self.judge(ctx, result)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    fn run<T>(future: impl Future<Output = T>) -> T {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().build().expect("it can be made");
        runtime.block_on(future)
    }

    #[test]
    fn whoever_takes_nothing_is_hung_up_on() {
        run(async {
            let (near, _far) = duplex(8);
            let mut patient = Patient::new(near, Duration::from_millis(50));
            let err = patient.write_all(&[0; 100]).await.expect_err("nobody reads");
            assert_eq!(err.kind(), io::ErrorKind::TimedOut);
        });
    }

    #[test]
    fn whoever_takes_a_little_is_waited_for() {
        run(async {
            let (near, mut far) = duplex(8);
            let mut patient = Patient::new(near, Duration::from_millis(200));
            let reading = async {
                let mut buf = [0; 8];
                for _ in 0..10 {
                    tokio::time::sleep(Duration::from_millis(30)).await;
                    far.read_exact(&mut buf).await.expect("it comes");
                }
            };
            let (written, ()) = tokio::join!(patient.write_all(&[0; 80]), reading);
            written.expect("it was taken");
        });
    }

    #[test]
    fn what_is_sent_is_told_and_what_is_not_is_dropped() {
        run(async {
            let (near, _far) = duplex(8);
            let mut patient = Patient::new(near, Duration::from_secs(1));
            let unsent = patient.unsent();
            let told = Arc::new(AtomicBool::new(false));
            let tell = || {
                let told = Arc::clone(&told);
                Box::new(move || told.store(true, Ordering::SeqCst))
            };
            unsent.then(tell());
            patient.write_all(b"abc").await.expect("there is room");
            assert!(!told.load(Ordering::SeqCst));
            patient.flush().await.expect("there is room");
            assert!(told.swap(false, Ordering::SeqCst));
            unsent.then(tell());
            drop(patient);
            unsent.then(tell());
            assert!(!told.load(Ordering::SeqCst));
            assert_eq!(Arc::strong_count(&told), 1);
        });
    }
}
