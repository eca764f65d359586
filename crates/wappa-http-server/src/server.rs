//! Servers: what listens, whom it lets in, and for how long.
//!
//! Invariant: nothing that strangers do takes more than the limits of a server say. There are no more connections than
//! places, and one more waits for a place, which whoever has asked for nothing for long gives up; a client has to begin, to
//! send and to take what is sent within its time; heads are bounded, and bodies are asked for room before they are kept.

use std::{convert::Infallible, fmt, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use hyper::{
    Request, StatusCode, Version,
    body::{Body, Incoming},
    header::{CONNECTION, COOKIE, HeaderName, HeaderValue, LOCATION, RETRY_AFTER},
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use wappa_component::{Level, Logger, fault};
use wappa_net::{Address, Bound, Place, Places, Quiet};
use wappa_spec::HttpConfig;

use crate::{
    answer::{Answer, error, header_value, plain, with},
    auth::BasicAuth,
    cors::Cors,
    escapes,
    heads::Heads,
    host,
    patient::{Patient, WRITE_PATIENCE},
    peer::{Bounds, Encryption, Peer},
    room::Room,
    routes::{Asked, Found, Routes, unavailable},
    shares::Shares,
};

/// How long it may take to agree on how a connection is encrypted.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// The wait after a connection could not be taken, as where there are no descriptors.
const ACCEPT_BACK_OFF: Duration = Duration::from_millis(100);

/// How often it is looked for somebody who can go, while one more waits.
const ROOM_INTERVAL: Duration = Duration::from_millis(50);

/// How long the line and the headers of a request may be together.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// What the heads of requests take together that are not answered yet. Each connection has its share of one half.
const HEADS_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A connection on which a larger head has come is not kept.
const HEAD_BYTES_KEPT_MAX: usize = 16 * 1024;

/// What a header, a parameter or a cookie takes beside its bytes.
const HEADER_BYTES: usize = 96;

/// How many requests of one connection may wait for their answers at once, in HTTP 2.
const STREAMS_MAX: u32 = 128;

/// What HTTP 2 may send before it is read: for each request, and for all of a connection.
const STREAM_WINDOW_BYTES: u32 = 256 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;

/// The protocols that are spoken on an encrypted connection, the best first.
pub(crate) const PROTOCOLS: [&str; 2] = ["h2", "http/1.1"];

/// How far a server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// It listens, and who connects waits.
    Waiting,
    /// It takes connections and requests.
    Open,
    /// It takes neither; what is under way is answered.
    Closing,
    /// Connections are closed, whatever is under way.
    Closed,
}

/// What a server lets strangers have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) max_connections: usize,
    pub(crate) idle_timeout: Duration,
    pub(crate) max_bytes: usize,
}

impl Limits {
    pub(crate) fn of(config: &HttpConfig) -> Limits {
        Limits {
            max_connections: config.max_connections,
            idle_timeout: config.idle_timeout,
            max_bytes: usize::try_from(config.max_bytes.bytes()).unwrap_or(usize::MAX),
        }
    }
}

/// How a server is to be.
pub(crate) struct Setup {
    pub(crate) routes: Routes,
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) cors: Option<Cors>,
    pub(crate) auth: Option<BasicAuth>,
    /// A prefix that paths may have.
    pub(crate) prefix: String,
    pub(crate) limits: Limits,
    pub(crate) logger: Logger,
}

/// What listens on an address. When it is dropped, so are its connections.
pub(crate) struct Server {
    address: SocketAddr,
    phase: watch::Sender<Phase>,
    places: Places,
}

/// What all connections share.
struct Shared {
    setup: Setup,
    quiet: Quiet,
    /// For what is said of those who are turned away.
    turning_away: Quiet,
    bounds: Bounds,
    phase: watch::Receiver<Phase>,
    room: Room,
    shares: Shares,
}

impl Server {
    /// Listens; connections wait until it is opened. The error says what is wrong with the address.
    pub(crate) async fn listen(address: &Address, setup: Setup) -> Result<Server, String> {
        let listener = address.listen().await?;
        let local = listener.local_addr().map_err(|err| fault::failed("getsockname", address, err))?;
        let (phase, receiver) = watch::channel(Phase::Waiting);
        let Limits { max_connections, max_bytes, .. } = setup.limits;
        let places = Places::new(max_connections);
        let shared = Shared {
            quiet: Quiet::new(setup.logger.clone()),
            turning_away: Quiet::new(setup.logger.clone()),
            bounds: Bounds {
                bodies: Bound::new(max_bytes, places.limit()),
                heads: Bound::new(HEADS_BYTES_MAX, places.limit()),
            },
            phase: receiver.clone(),
            room: Room::new(setup.logger.clone()),
            shares: Shares::new(places.limit()),
            setup,
        };
        tokio::spawn(accept(listener, Arc::new(shared), places.clone(), receiver));
        Ok(Server { address: local, phase, places })
    }

    /// Takes connections from now on.
    pub(crate) fn open(&self) {
        self.phase.send_replace(Phase::Open);
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes nothing new, and waits until what is under way is answered; not longer than this.
    pub(crate) async fn close(&self, grace: Duration) {
        self.phase.send_replace(Phase::Closing);
        // All places are free once nobody is there any more.
        let _ = timeout(grace, self.places.all_free()).await;
        self.phase.send_replace(Phase::Closed);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.phase.send_replace(Phase::Closed);
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server({})", self.address)
    }
}

/// Waits until a server is that far.
pub(crate) async fn reached(phase: &mut watch::Receiver<Phase>, at_least: Phase) {
    // A server that is gone is closed.
    let _ = phase.wait_for(|it| at_least <= *it).await;
}

/// Takes everybody who connects, within the bound, until the server closes.
async fn accept(
    listener: TcpListener,
    shared: Arc<Shared>,
    places: Places,
    mut phase: watch::Receiver<Phase>,
) {
    reached(&mut phase, Phase::Open).await;
    loop {
        let next = async {
            let accepted = listener.accept().await;
            if let Some(text) = places.all_taken() {
                shared.quiet.log(Level::Warn, &text);
            }
            (accepted, place(&shared.room, &places).await)
        };
        let (accepted, place) = tokio::select! {
            biased;
            () = reached(&mut phase, Phase::Closing) => return,
            next = next => next,
        };
        match accepted {
            Ok((stream, address)) => {
                tokio::spawn(connection(Arc::clone(&shared), stream, address, place));
            }
            Err(err) => {
                let text = format!("Failed to accept a connection: {}", fault::cause(&err));
                shared.quiet.log(Level::Error, &text);
                sleep(ACCEPT_BACK_OFF).await;
            }
        }
    }
}

/// A place for one more, somebody else's where there is none.
async fn place(room: &Room, places: &Places) -> Place {
    let taken = places.take();
    tokio::pin!(taken);
    loop {
        tokio::select! {
            biased;
            place = taken.as_mut() => return place,
            () = async { room.make(); sleep(ROOM_INTERVAL).await } => (),
        }
    }
}

/// Serves a connection to its end. Whatever is wrong with it concerns nobody else.
async fn connection(shared: Arc<Shared>, stream: TcpStream, address: SocketAddr, place: Place) {
    // What is written at once is sent at once, as in Go. One that cannot be told is of no use, and says so itself.
    let _ = stream.set_nodelay(true);
    let stream = Patient::new(stream, WRITE_PATIENCE);
    let unsent = stream.unsent();
    let new_peer = |tls, n_requests| {
        let phase = shared.phase.clone();
        Arc::new(Peer::new(address, tls, unsent, phase, &shared.bounds, n_requests, place))
    };
    let Some(tls) = shared.setup.tls.clone() else {
        let peer = new_peer(None, 1);
        return http1(shared, stream, peer).await;
    };
    // On the heap, since what most connections never do takes ten times the memory of what they do.
    Box::pin(encrypted(Arc::clone(&shared), tls, stream, address, |tls, n_requests| {
        new_peer(Some(tls), n_requests)
    }))
    .await;
}

/// Agrees on how a connection is encrypted and on its protocol, and serves it.
async fn encrypted(
    shared: Arc<Shared>,
    tls: TlsAcceptor,
    stream: Patient<TcpStream>,
    address: SocketAddr,
    new_peer: impl FnOnce(Encryption, usize) -> Arc<Peer>,
) {
    let mut phase = shared.phase.clone();
    let handshake = tokio::select! {
        biased;
        () = reached(&mut phase, Phase::Closed) => return,
        handshake = timeout(HANDSHAKE_MAX, tls.accept(stream)) => handshake,
    };
    match handshake {
        Ok(Ok(stream)) => {
            let agreed = stream.get_ref().1;
            let is_http2 = agreed.alpn_protocol() == Some(b"h2");
            let n_requests = if is_http2 { STREAMS_MAX as usize } else { 1 };
            let peer = new_peer(Encryption::of(agreed), n_requests);
            match is_http2 {
                true => http2(shared, stream, peer).await,
                false => http1(shared, stream, peer).await,
            }
        }
        Ok(Err(err)) => {
            shared
                .quiet
                .log(Level::Debug, &format!("TLS handshake error from {address}: {}", fault::cause(&err)));
        }
        Err(_) => {
            shared.quiet.log(Level::Debug, &format!("TLS handshake error from {address}: it took too long"))
        }
    }
}

async fn http1(
    shared: Arc<Shared>,
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    peer: Arc<Peer>,
) {
    let mut phase = shared.phase.clone();
    let idle_timeout = shared.setup.limits.idle_timeout;
    let seat = shared.room.enter(true);
    let uses = seat.uses().clone();
    let stream = Heads::http1(stream, uses.clone());
    let answer = service_fn(move |request: Request<Incoming>| {
        let using = uses.begin(request.body().size_hint().exact());
        let (shared, peer) = (Arc::clone(&shared), Arc::clone(&peer));
        async move { Ok::<_, Infallible>(using.until_made(shared.answer(request, peer).await)) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(idle_timeout)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), answer)
        .with_upgrades();
    tokio::pin!(connection);
    // Whoever breaks off says enough with that.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = reached(&mut phase, Phase::Closing) => connection.as_mut().graceful_shutdown(),
        () = seat.uses().given_up() => return,
    }
    tokio::select! {
        _ = connection.as_mut() => (),
        () = reached(&mut phase, Phase::Closed) => (),
    }
}

async fn http2(
    shared: Arc<Shared>,
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    peer: Arc<Peer>,
) {
    let mut phase = shared.phase.clone();
    let idle_timeout = shared.setup.limits.idle_timeout;
    let seat = shared.room.enter(false);
    let uses = seat.uses().clone();
    let stream = Heads::http2(stream, uses.clone());
    let answer = service_fn(move |request: Request<Incoming>| {
        let using = uses.begin(request.body().size_hint().exact());
        let (shared, peer) = (Arc::clone(&shared), Arc::clone(&peer));
        async move { Ok::<_, Infallible>(using.until_made(shared.answer(request, peer).await)) }
    });
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_header_list_size(HEAD_BYTES_MAX as u32)
        .max_concurrent_streams(STREAMS_MAX)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        // A client that is gone without a word is found out.
        .keep_alive_interval(idle_timeout)
        .keep_alive_timeout(HANDSHAKE_MAX)
        .serve_connection(TokioIo::new(stream), answer);
    tokio::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        () = reached(&mut phase, Phase::Closing) => (),
        () = seat.uses().idle(idle_timeout) => (),
        () = seat.uses().given_up() => (),
    }
    connection.as_mut().graceful_shutdown();
    tokio::select! {
        _ = connection.as_mut() => (),
        () = reached(&mut phase, Phase::Closed) => (),
    }
}

/// Says where a path is that is written more simply.
fn moved(mut place: String, query: Option<&str>) -> Answer {
    if let Some(query) = query {
        place.push('?');
        place.push_str(query);
    }
    match header_value(place.as_bytes()) {
        Some(place) => with(plain(StatusCode::MOVED_PERMANENTLY, ""), LOCATION, place),
        None => error(StatusCode::BAD_REQUEST, "400 Bad Request: malformed URI"),
    }
}

/// Turns somebody away who may come again.
fn too_many(text: &'static str) -> Answer {
    with(error(StatusCode::SERVICE_UNAVAILABLE, text), RETRY_AFTER, HeaderValue::from_static("1"))
}

/// About what the line and the headers of a request take in memory, with what becomes of them: parameters and cookies are
/// metadata, one by one.
fn bytes_of_head(request: &Request<Incoming>) -> usize {
    let n_of = |text: &[u8], sign: u8| text.iter().filter(|it| **it == sign).count() * HEADER_BYTES;
    let target = request.uri().path_and_query().map_or("", |it| it.as_str()).as_bytes();
    let header = |(name, value): (&HeaderName, &HeaderValue)| {
        let cookies = if name == COOKIE { n_of(value.as_bytes(), b';') } else { 0 };
        HEADER_BYTES + name.as_str().len() + value.len() + cookies
    };
    target.len() + n_of(target, b'&') + request.headers().iter().map(header).sum::<usize>()
}

impl Shared {
    async fn answer(&self, request: Request<Incoming>, peer: Arc<Peer>) -> Answer {
        let n_bytes = bytes_of_head(&request);
        let is_large = HEAD_BYTES_KEPT_MAX < n_bytes && request.version() < Version::HTTP_2;
        let answer = self.answer_one(request, n_bytes, peer).await;
        // What it was read into is kept as long as the connection.
        match is_large && answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            true => with(answer, CONNECTION, HeaderValue::from_static("close")),
            false => answer,
        }
    }

    async fn answer_one(&self, mut request: Request<Incoming>, n_bytes: usize, peer: Arc<Peer>) -> Answer {
        let Ok(head) = peer.keep_head(n_bytes) else {
            let limit = HEADS_BYTES_MAX >> 20;
            let text = format!(
                "Heads of requests that wait for their answers take more than {limit}MiB: others are turned away"
            );
            self.turning_away.log(Level::Warn, &text);
            return too_many("Too many requests at once");
        };
        // It goes wherever the head does.
        request.extensions_mut().insert(Arc::new(head));
        if let Some(mistake) = host::mistake(&request) {
            return error(StatusCode::BAD_REQUEST, format!("400 Bad Request: {mistake}"));
        }
        if host::has_foreign_coding(request.headers()) {
            return error(StatusCode::NOT_IMPLEMENTED, "Unsupported transfer encoding");
        }
        let Some(cors) = &self.setup.cors else { return self.route(request, peer).await };
        match cors.judge(&request) {
            Ok(allowed) => allowed.add_to(self.route(request, peer).await),
            Err(answer) => *answer,
        }
    }

    async fn route(&self, request: Request<Incoming>, peer: Arc<Peer>) -> Answer {
        let path = escapes::path(request.uri().path());
        if let Some(place) = escapes::clean(&path) {
            return moved(place, request.uri().query());
        }
        let Some((Found { handler, vars, clientele }, path)) = self.find(&path) else {
            return error(StatusCode::NOT_FOUND, "404 page not found");
        };
        if let Some(auth) = &self.setup.auth
            && let Err(answer) = auth.check(request.headers()).await
        {
            return *answer;
        }
        let Some(handler) = handler else { return unavailable() };
        let share = match clientele.map(|it| self.shares.take(&it)).transpose() {
            Ok(share) => share.map(Arc::new),
            Err(why) => {
                self.turning_away.log(Level::Warn, &why);
                return too_many("Too many requests to this stream at once");
            }
        };
        let answer = handler.answer(Asked { request, path, vars, peer, share: share.clone() }).await;
        match share {
            Some(share) => share.until_sent(answer),
            None => answer,
        }
    }

    fn find(&self, path: &[u8]) -> Option<(Found, Bytes)> {
        let Setup { routes, prefix, .. } = &self.setup;
        let under_prefix = || path.strip_prefix(prefix.as_bytes()).filter(|_| !prefix.is_empty());
        let found = routes.find(path).or_else(|| routes.find(under_prefix()?))?;
        Some((found, Bytes::copy_from_slice(path)))
    }
}
