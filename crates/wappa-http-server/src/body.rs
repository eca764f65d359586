//! Bodies of requests, as they are received: within their size, within the room that all have, and within their time.

use std::{
    fmt::Display,
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http_body::Body;
use http_body_util::BodyExt;
use hyper::{StatusCode, body::Incoming};
use tokio::time::{Instant, error::Elapsed, timeout_at};
use wappa_net::Held;

/// How long a body may take in any case, and how many bytes of one have to come in each second after that.
const BODY_PATIENCE: Duration = Duration::from_secs(20);
const BYTES_PER_SECOND_MIN: u64 = 500;

/// A body that is there, and the room that it takes up.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) bytes: Bytes,
    pub(crate) held: Held,
}

/// Why there is no body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NotReceived {
    /// It is larger than it may be.
    TooLarge(usize),
    /// Others take up all room.
    NoRoom(String),
    /// It comes too slowly.
    TooSlow,
    /// It was broken off, or cannot be read.
    Broken(String),
}

impl NotReceived {
    /// What the client is told.
    pub(crate) fn told(&self) -> (StatusCode, String) {
        match self {
            NotReceived::TooLarge(max) => (
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("Request body too large: at most {max} bytes are taken (`max_body_bytes`)"),
            ),
            NotReceived::NoRoom(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, "Too many requests at once".to_string())
            }
            NotReceived::TooSlow => (StatusCode::REQUEST_TIMEOUT, "Request timed out".to_string()),
            NotReceived::Broken(_) => (StatusCode::BAD_REQUEST, "Bad request".to_string()),
        }
    }

    /// What the log says of it.
    pub(crate) fn logged(&self) -> String {
        match self {
            NotReceived::TooLarge(max) => format!("the body is larger than {max} bytes (`max_body_bytes`)"),
            NotReceived::NoRoom(text) | NotReceived::Broken(text) => text.clone(),
            NotReceived::TooSlow => {
                format!("the body comes more slowly than {BYTES_PER_SECOND_MIN} bytes a second")
            }
        }
    }
}

/// Receives a body, which takes up this room.
pub(crate) async fn receive(body: Incoming, held: Held, max_bytes: usize) -> Result<Received, NotReceived> {
    receive_within(body, held, max_bytes, BODY_PATIENCE).await
}

/// The same as a time-out, with a clock only where there is something to wait for.
async fn soon<T>(until: Instant, future: impl Future<Output = T>) -> Result<T, Elapsed> {
    let mut future = pin!(future);
    let at_once = poll_fn(|ctx| Poll::Ready(future.as_mut().poll(ctx))).await;
    match at_once {
        Poll::Ready(it) => Ok(it),
        Poll::Pending => timeout_at(until, future).await,
    }
}

/// Receives a body that may take so long in any case.
async fn receive_within<B: Body<Data = Bytes, Error: Display> + Unpin>(
    mut body: B,
    mut held: Held,
    max_bytes: usize,
    in_any_case: Duration,
) -> Result<Received, NotReceived> {
    let declared = body.size_hint().exact().map(|it| usize::try_from(it).unwrap_or(usize::MAX));
    if declared.is_some_and(|it| max_bytes < it) {
        return Err(NotReceived::TooLarge(max_bytes));
    }
    let began = Instant::now();
    let mut bytes = Bytes::new();
    let mut more: Option<BytesMut> = None;
    let mut n_bytes = 0_usize;
    loop {
        let patience = in_any_case + Duration::from_secs(n_bytes as u64 / BYTES_PER_SECOND_MIN);
        let frame = match soon(began + patience, body.frame()).await {
            Ok(None) => break,
            Ok(Some(Ok(frame))) => frame,
            Ok(Some(Err(err))) => return Err(NotReceived::Broken(err.to_string())),
            Err(_) => return Err(NotReceived::TooSlow),
        };
        let Ok(data) = frame.into_data() else { continue };
        n_bytes += data.len();
        if max_bytes < n_bytes {
            return Err(NotReceived::TooLarge(max_bytes));
        }
        // A buffer that grows is there twice while it moves.
        held.admit(if n_bytes == data.len() { n_bytes } else { 2 * n_bytes }).map_err(NotReceived::NoRoom)?;
        match &mut more {
            Some(more) => more.extend_from_slice(&data),
            None if bytes.is_empty() => bytes = owned(data),
            None => {
                let mut all = BytesMut::with_capacity(n_bytes);
                all.extend_from_slice(&bytes);
                all.extend_from_slice(&data);
                bytes = Bytes::new();
                more = Some(all);
            }
        }
    }
    let bytes = more.map_or(bytes, BytesMut::freeze);
    // It becomes less, so there is room.
    held.admit(bytes.len()).map_err(NotReceived::NoRoom)?;
    Ok(Received { bytes, held })
}

/// What is shorter is copied: it is a range of a buffer that may be many times as large, and nobody knows how long the
/// message is kept.
const COPIED_MAX: usize = 4 * 1024;

/// The same bytes, in a buffer that is not much larger.
pub(crate) fn owned(bytes: Bytes) -> Bytes {
    if bytes.len() < COPIED_MAX { Bytes::copy_from_slice(&bytes) } else { bytes }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::{StreamExt, stream};
    use http_body::Frame;
    use http_body_util::StreamBody;
    use wappa_net::Bound;

    use super::*;

    /// What comes of pieces with pauses between them.
    fn receive(pieces: &[&str], pause_ms: u64, max_bytes: usize, total: usize) -> String {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().build().expect("it can be made");
        let pieces: Vec<Bytes> = pieces.iter().map(|it| Bytes::copy_from_slice(it.as_bytes())).collect();
        let pieces = stream::iter(pieces).then(move |it| async move {
            tokio::time::sleep(Duration::from_millis(pause_ms)).await;
            Ok::<_, Infallible>(Frame::data(it))
        });
        let body = StreamBody::new(Box::pin(pieces));
        let held = Bound::new(total, 1).hold();
        match runtime.block_on(receive_within(body, held, max_bytes, Duration::from_millis(200))) {
            Ok(received) => String::from_utf8_lossy(&received.bytes).into_owned(),
            Err(err) => err.told().0.to_string(),
        }
    }

    #[test]
    fn pieces_are_put_together() {
        assert_eq!(receive(&[], 0, 10, 100), "");
        assert_eq!(receive(&["ab", "", "cd", "e"], 0, 10, 100), "abcde");
    }

    #[test]
    fn a_body_that_trickles_ends() {
        assert_eq!(receive(&["a"; 100], 20, 1_000, 10_000), "408 Request Timeout");
    }

    #[test]
    fn what_is_too_large_is_not_kept() {
        assert_eq!(receive(&["abc", "def"], 0, 5, 100), "413 Payload Too Large");
        assert_eq!(receive(&["abcdef", "g"], 0, 10, 10), "503 Service Unavailable");
    }
}
