//! Websockets: the handshake of a server, with whom it is made, and how much a message may be.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use hyper::{
    HeaderMap, Method, Request, StatusCode,
    body::Incoming,
    header::{
        CONNECTION, HOST, HeaderValue, ORIGIN, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
        SEC_WEBSOCKET_VERSION, UPGRADE,
    },
    upgrade::{self, Upgraded},
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        handshake::derive_accept_key,
        protocol::{Role, WebSocketConfig},
    },
};

use wappa_net::Held;

use crate::{
    answer::{Answer, error, plain, with},
    cors::Cors,
    peer::Peer,
    routes::Asked,
    server::{Phase, reached},
    shares::Share,
};

/// How long it takes at most until a connection is a websocket.
const UPGRADE_MAX: Duration = Duration::from_secs(10);

/// A connection on which messages go both ways.
pub(crate) type Socket = WebSocketStream<Metered<TokioIo<Upgraded>>>;

/// A connection that is asked for room for what comes before it is whole.
pub(crate) struct Metered<T> {
    inner: T,
    meter: Meter,
}

/// What came and is not whole. Cloning shares.
#[derive(Clone)]
pub(crate) struct Meter(Arc<Mutex<(usize, Held)>>);

impl Meter {
    /// What came is whole, and somebody else's.
    pub(crate) fn reset(&self) {
        let (n_bytes, held) = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *n_bytes = 0;
        let _ = held.admit(0);
    }

    fn add(&self, more: usize) -> io::Result<()> {
        let (n_bytes, held) = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *n_bytes += more;
        // Pieces are there once more while they are put together.
        held.admit(2 * *n_bytes).map_err(io::Error::other)
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Metered<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        ctx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(ctx, buf))?;
        Poll::Ready(self.meter.add(buf.filled().len() - before))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Metered<T> {
    fn poll_write(mut self: Pin<&mut Self>, ctx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(ctx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(ctx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(ctx)
    }
}

/// Makes a websocket of a request's connection, which `serve` gets; the answer is what the client is told of that.
///
/// Web pages of other origins are refused, unless `cors` lets them in: a browser sends them with whatever it knows of the
/// user.
pub(crate) fn accept<F: Future<Output = ()> + Send + 'static>(
    asked: Asked,
    cors: Option<&Cors>,
    message_bytes_max: usize,
    serve: impl FnOnce(Socket, Request<Incoming>, Client) -> F + Send + 'static,
) -> Answer {
    let held = asked.hold();
    let Asked { mut request, vars, peer, share, .. } = asked;
    let key = match check(&request) {
        Ok(key) => key,
        Err(text) => {
            let answer = error(StatusCode::BAD_REQUEST, format!("Bad Request: {text}"));
            return with(answer, SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        }
    };
    if !is_welcome(request.headers(), cors) {
        return error(StatusCode::FORBIDDEN, "Forbidden");
    }
    let upgrading = upgrade::on(&mut request);
    let meter = Meter(Arc::new(Mutex::new((0, held))));
    let rest = Client { vars, meter: meter.clone(), _peer: Arc::clone(&peer), _share: share };
    tokio::spawn(async move {
        let mut phase = peer.phase.clone();
        let Ok(Ok(upgraded)) = timeout(UPGRADE_MAX, upgrading).await else { return };
        let config = WebSocketConfig::default()
            .max_message_size(Some(message_bytes_max))
            .max_frame_size(Some(message_bytes_max))
            // What is written is flushed at once, so there is nothing to keep.
            .read_buffer_size(8 * 1024)
            .write_buffer_size(0)
            .max_write_buffer_size(usize::MAX);
        let metered = Metered { inner: TokioIo::new(upgraded), meter };
        let socket = WebSocketStream::from_raw_socket(metered, Role::Server, Some(config)).await;
        tokio::select! {
            () = serve(socket, request, rest) => (),
            () = reached(&mut phase, Phase::Closed) => (),
        }
    });
    let mut answer = plain(StatusCode::SWITCHING_PROTOCOLS, "");
    answer = with(answer, CONNECTION, HeaderValue::from_static("Upgrade"));
    answer = with(answer, UPGRADE, HeaderValue::from_static("websocket"));
    let accept = HeaderValue::from_str(&derive_accept_key(key.as_bytes())).expect("base64 can be a header");
    with(answer, SEC_WEBSOCKET_ACCEPT, accept)
}

/// Who is at the other end of a websocket. It keeps the connection's place, and what a stream's clients have of those.
pub(crate) struct Client {
    /// What stands for the names in the route.
    pub(crate) vars: Vec<(Bytes, Bytes)>,
    pub(crate) meter: Meter,
    _peer: Arc<Peer>,
    _share: Option<Arc<Share>>,
}

/// The key of a handshake; the error says why it is none.
fn check(request: &Request<Incoming>) -> Result<HeaderValue, &'static str> {
    let headers = request.headers();
    if request.method() != Method::GET {
        return Err("websocket: the request is no GET");
    }
    if !has_token(headers, CONNECTION, "upgrade") || !has_token(headers, UPGRADE, "websocket") {
        return Err("websocket: the client is not using the websocket protocol");
    }
    if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|it| it != "13") {
        return Err("websocket: the version is not 13");
    }
    headers
        .get(SEC_WEBSOCKET_KEY)
        .filter(|it| it.len() == 24)
        .cloned()
        .ok_or("websocket: there is no key of 16 bytes")
}

fn has_token(headers: &HeaderMap, name: hyper::header::HeaderName, token: &str) -> bool {
    let values = headers.get_all(name);
    values
        .iter()
        .any(|it| it.to_str().unwrap_or_default().split(',').any(|it| it.trim().eq_ignore_ascii_case(token)))
}

/// Whether it is no web page that asks, or one of this server, or of an origin that is let in.
fn is_welcome(headers: &HeaderMap, cors: Option<&Cors>) -> bool {
    let Some(origin) = headers.get(ORIGIN) else { return true };
    let origin = origin.to_str().unwrap_or_default();
    let host = headers.get(HOST).and_then(|it| it.to_str().ok()).unwrap_or_default();
    let is_own =
        origin.split_once("://").is_some_and(|(_, it)| it.eq_ignore_ascii_case(host) && !host.is_empty());
    is_own || cors.is_some_and(|it| it.allows(origin))
}
