//! What a server may send before anybody takes it: the client keeps what it reads until a value is whole, however large that
//! becomes, and what is published until somebody asks.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::Notify,
};

/// What one answer may cost. Half as much as the largest value that a server takes in its own default, so there is one that
/// cannot be read; it would be in memory several times.
const ANSWER_MAX: usize = 256 << 20;

/// What is published may cost so much before it is taken.
const AHEAD_MAX: usize = 16 << 20;

/// What a line costs beside its bytes: about what the client makes of the smallest value, which is a line.
const LINE: usize = 64;

/// How much was read, in bytes and lines. Shared between a connection and who asks.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    /// Since the last whole answer or message.
    unanswered: AtomicUsize,
    /// What is not taken yet.
    ahead: AtomicUsize,
    full: Notify,
    reader: Mutex<Option<Waker>>,
}

impl Meter {
    /// Says that something whole has come.
    pub(crate) fn has_come(&self) {
        self.unanswered.store(0, Relaxed);
    }

    /// Says that all of it is taken, so that more may be read.
    pub(crate) fn is_taken(&self) {
        let reader = {
            let mut reader = self.lock();
            self.ahead.store(0, Relaxed);
            reader.take()
        };
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// Waits until nothing more is read, since what was is not taken.
    pub(crate) async fn is_full(&self) {
        self.full.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, Option<Waker>> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is room; who is told that there is none is woken when there is.
    fn has_room(&self, cx: &Context<'_>) -> bool {
        if self.ahead.load(Relaxed) < AHEAD_MAX {
            return true;
        }
        let mut reader = self.lock();
        let has_room = self.ahead.load(Relaxed) < AHEAD_MAX;
        if !has_room {
            *reader = Some(cx.waker().clone());
            drop(reader);
            self.full.notify_one();
        }
        has_room
    }

    fn count(&self, read: &[u8], is_ahead: bool) -> io::Result<()> {
        let cost = read.len() + LINE * read.iter().filter(|it| **it == b'\n').count();
        if is_ahead {
            self.ahead.fetch_add(cost, Relaxed);
        }
        match self.unanswered.fetch_add(cost, Relaxed) + cost <= ANSWER_MAX {
            true => Ok(()),
            false => Err(io::Error::new(io::ErrorKind::InvalidData, "the server sends too much at once")),
        }
    }
}

/// A connection whose reading is counted.
pub(crate) struct Metered<S> {
    pub(crate) stream: S,
    pub(crate) meter: Arc<Meter>,
    /// Whether it waits for what was read to be taken.
    pub(crate) waits: bool,
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.waits && !self.meter.has_room(cx) {
            return Poll::Pending;
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        Poll::Ready(self.meter.count(&buf.filled()[before..], self.waits))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
