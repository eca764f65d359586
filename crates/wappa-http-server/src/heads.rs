//! Connections whose heads of requests are counted while they come: what is read of one stays in memory until it is whole.
//!
//! Invariant: beside [`PIECE_BYTES_MAX`] of each connection, no more than the bound of the room waits in heads that are not
//! whole, and as much again on the way out.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf, Take};

use crate::room::Uses;

/// The most that is read at once while no body is expected: so much may belong to the next request and is not counted.
const PIECE_BYTES_MAX: u64 = 8 * 1024;

/// A connection whose heads are counted.
pub(crate) struct Heads<T> {
    inner: Take<T>,
    uses: Uses,
}

impl<T: AsyncRead> Heads<T> {
    pub(crate) fn new(inner: T, uses: Uses) -> Heads<T> {
        Heads { inner: inner.take(0), uses }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Heads<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        ctx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let expects_body = self.uses.expects_body();
        self.inner.set_limit(if expects_body { u64::MAX } else { PIECE_BYTES_MAX });
        let n_before = buf.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(ctx, buf);
        let n_bytes = buf.filled().len() - n_before;
        if !expects_body && !self.uses.hold(n_bytes) {
            let text = "heads of requests that are not whole take too much memory";
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::QuotaExceeded, text)));
        }
        polled
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Heads<T> {
    fn poll_write(mut self: Pin<&mut Self>, ctx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(self.inner.get_mut()).poll_write(ctx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        ctx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(self.inner.get_mut()).poll_write_vectored(ctx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.get_ref().is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.inner.get_mut()).poll_flush(ctx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.inner.get_mut()).poll_shutdown(ctx)
    }
}
