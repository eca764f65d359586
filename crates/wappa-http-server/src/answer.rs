//! Answers: the bodies of responses, and those that say what went wrong, in the form of Go's `http.Error`.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::{
    Response, StatusCode,
    header::{CONTENT_TYPE, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS},
};
use wappa_net::Held;

/// What is sent.
pub(crate) type Answer = Response<Content>;

/// The body of a response.
pub(crate) enum Content {
    /// All of it.
    Whole(Bytes),
    /// Pieces, as they come.
    Pieces(Box<dyn Pieces>),
}

/// A body that is not there yet, or of which it matters when it is sent.
pub(crate) trait Pieces: Send {
    /// The next piece; none at its end.
    fn poll_next(&mut self, ctx: &mut Context<'_>) -> Poll<Option<Bytes>>;

    /// How many bytes there are in all, where that is known.
    fn size(&self) -> Option<u64> {
        None
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        ctx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match &mut *self {
            Content::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Content::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Content::Pieces(pieces) => pieces.poll_next(ctx).map(|it| it.map(|it| Ok(Frame::data(it)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Content::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Content::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Content::Pieces(pieces) => pieces.size().map_or_else(SizeHint::default, SizeHint::with_exact),
        }
    }
}

/// A response with nothing but this.
pub(crate) fn plain(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Content::Whole(body.into()));
    *answer.status_mut() = status;
    answer
}

/// A text.
pub(crate) fn text(body: impl Into<Bytes>) -> Answer {
    of_type(HeaderValue::from_static("text/plain; charset=utf-8"), body)
}

/// What is of this type.
pub(crate) fn of_type(content_type: HeaderValue, body: impl Into<Bytes>) -> Answer {
    with(plain(StatusCode::OK, body), CONTENT_TYPE, content_type)
}

/// What went wrong, as a line.
pub(crate) fn error(status: StatusCode, text: impl AsRef<str>) -> Answer {
    let mut answer = self::text(format!("{}\n", text.as_ref()));
    *answer.status_mut() = status;
    with(answer, X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"))
}

/// The same, where there is room for it until it is sent: whoever does not read keeps it in memory.
pub(crate) fn held(mut answer: Answer, mut held: Held) -> Answer {
    let Content::Whole(bytes) = answer.body_mut() else { return answer };
    if let Err(cause) = held.admit(bytes.len()) {
        return error(StatusCode::SERVICE_UNAVAILABLE, cause);
    }
    *bytes = Bytes::from_owner(Kept { bytes: std::mem::take(bytes), _held: held });
    answer
}

/// Bytes that are counted as long as anybody has them.
struct Kept {
    bytes: Bytes,
    _held: Held,
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// The same with one more header.
pub(crate) fn with(mut answer: Answer, name: HeaderName, value: HeaderValue) -> Answer {
    answer.headers_mut().insert(name, value);
    answer
}

/// A value of a header; the ends of lines in it are spaces, as Go writes them. None where there are other bytes that no
/// header may have.
pub(crate) fn header_value(bytes: &[u8]) -> Option<HeaderValue> {
    match bytes.iter().any(|it| matches!(it, b'\r' | b'\n')) {
        false => HeaderValue::from_bytes(bytes).ok(),
        true => {
            let spaced: Vec<u8> =
                bytes.iter().map(|it| if matches!(it, b'\r' | b'\n') { b' ' } else { *it }).collect();
            HeaderValue::from_bytes(&spaced).ok()
        }
    }
}
