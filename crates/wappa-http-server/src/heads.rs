//! Connections whose heads of requests are counted while they come: what is read of one stays in memory until it is whole.
//!
//! Invariant: beside [`PIECE_BYTES_MAX`] of each connection, no more than the bound of the room waits in heads that are not
//! whole, and as much again on the way out.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf, Take};

use crate::{
    blocks::Blocks,
    room::{Expected, Uses},
};

/// The most that is read at once where it may belong to the next request: so much is not counted.
const PIECE_BYTES_MAX: u64 = 8 * 1024;

/// The most that is read at once of a body: the more it is, the larger a buffer is kept as long as the connection.
const BODY_PIECE_BYTES_MAX: u64 = 16 * 1024;

/// A connection whose heads are counted.
pub(crate) struct Heads<T> {
    inner: Take<T>,
    uses: Uses,
    /// How far its blocks of headers are, where it speaks HTTP 2.
    blocks: Option<Blocks>,
}

impl<T: AsyncRead> Heads<T> {
    /// A connection on which requests follow each other one by one.
    pub(crate) fn http1(inner: T, uses: Uses) -> Heads<T> {
        Heads { inner: inner.take(0), uses, blocks: None }
    }

    /// One on which they come in frames.
    pub(crate) fn http2(inner: T, uses: Uses) -> Heads<T> {
        Heads { inner: inner.take(u64::MAX), uses, blocks: Some(Blocks::default()) }
    }
}

/// What is told of heads for which there is no room.
fn no_room() -> io::Error {
    io::Error::new(io::ErrorKind::QuotaExceeded, "heads of requests that are not whole take too much memory")
}

impl<T: AsyncRead + Unpin> AsyncRead for Heads<T> {
    fn poll_read(self: Pin<&mut Self>, ctx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Heads { inner, uses, blocks } = self.get_mut();
        let n_before = buf.filled().len();
        if let Some(blocks) = blocks {
            ready!(Pin::new(inner).poll_read(ctx, buf))?;
            let n_bytes = blocks.read(&buf.filled()[n_before..]);
            return Poll::Ready(if uses.hold_all(n_bytes) { Ok(()) } else { Err(no_room()) });
        }
        let expected = uses.expected();
        inner.set_limit(match expected {
            Expected::Body(n_bytes) => n_bytes.min(BODY_PIECE_BYTES_MAX),
            Expected::Head | Expected::Pieces => PIECE_BYTES_MAX,
            Expected::Foreign => u64::MAX,
        });
        ready!(Pin::new(inner).poll_read(ctx, buf))?;
        let n_bytes = buf.filled().len() - n_before;
        match expected {
            Expected::Head if !uses.hold(n_bytes) => return Poll::Ready(Err(no_room())),
            Expected::Body(_) => uses.came(n_bytes as u64),
            Expected::Head | Expected::Pieces | Expected::Foreign => (),
        }
        Poll::Ready(Ok(()))
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
