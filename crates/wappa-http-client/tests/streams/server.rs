//! A real HTTP server on a free port of this machine, which does what a test says.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    runtime::Runtime,
    sync::{Barrier, mpsc},
    time::sleep,
};
use tokio_rustls::TlsAcceptor;

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) version: http::Version,
    /// With its query.
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |it| it.to_str().expect("it is text"))
    }
}

/// What is answered.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    code: u16,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
    /// So long nothing is answered.
    delay: Duration,
    /// Nothing is answered before so many requests wait for that.
    together: Option<Arc<Barrier>>,
    /// Nothing is answered as long as this is set.
    held: Option<Arc<AtomicBool>>,
    /// The body comes in pieces, each so long after the one before.
    pieces: Option<(Vec<Bytes>, Duration)>,
}

pub(crate) fn answer(code: u16, body: impl Into<Bytes>) -> Answer {
    Answer {
        code,
        headers: Vec::new(),
        body: body.into(),
        delay: Duration::ZERO,
        together: None,
        held: None,
        pieces: None,
    }
}

impl Answer {
    pub(crate) fn header(mut self, name: &'static str, value: impl ToString) -> Answer {
        self.headers.push((name, value.to_string()));
        self
    }

    pub(crate) fn after(self, delay: Duration) -> Answer {
        Answer { delay, ..self }
    }

    pub(crate) fn together(self, barrier: &Arc<Barrier>) -> Answer {
        Answer { together: Some(Arc::clone(barrier)), ..self }
    }

    pub(crate) fn while_held(self, is_held: &Arc<AtomicBool>) -> Answer {
        Answer { held: Some(Arc::clone(is_held)), ..self }
    }

    pub(crate) fn in_pieces(self, pieces: &[&str], pause: Duration) -> Answer {
        let pieces = pieces.iter().map(|it| Bytes::copy_from_slice(it.as_bytes())).collect();
        Answer { pieces: Some((pieces, pause)), ..self }
    }
}

type Handler = dyn Fn(&Seen) -> Answer + Send + Sync;

/// A server, which is gone when it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    runtime: Option<Runtime>,
}

impl Server {
    pub(crate) fn start(handler: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Server {
        Server::at("127.0.0.1:0", None, handler)
    }

    pub(crate) fn encrypted(
        tls: TlsAcceptor,
        handler: impl Fn(&Seen) -> Answer + Send + Sync + 'static,
    ) -> Server {
        Server::at("127.0.0.1:0", Some(tls), handler)
    }

    /// Begins at an address, which may be that of one that is gone.
    pub(crate) fn at(
        address: &str,
        tls: Option<TlsAcceptor>,
        handler: impl Fn(&Seen) -> Answer + Send + Sync + 'static,
    ) -> Server {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("threads can be started");
        let listener = runtime.block_on(TcpListener::bind(address)).expect("a port can be had");
        let address = listener.local_addr().expect("it has one");
        let seen = Arc::<Mutex<Vec<Seen>>>::default();
        let (all, handler) = (Arc::clone(&seen), Arc::new(handler) as Arc<Handler>);
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (seen, handler, tls) = (Arc::clone(&all), Arc::clone(&handler), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, false, seen, handler).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                                serve(stream, is_http2, seen, handler).await;
                            }
                        }
                    }
                });
            }
        });
        Server { address, seen, runtime: Some(runtime) }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// All requests so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_millis(100));
        }
    }
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    is_http2: bool,
    all: Arc<Mutex<Vec<Seen>>>,
    handler: Arc<Handler>,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        let (all, handler) = (Arc::clone(&all), Arc::clone(&handler));
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.map(|it| it.to_bytes()).unwrap_or_default();
            let seen = Seen {
                method: parts.method.to_string(),
                version: parts.version,
                path: parts.uri.to_string(),
                headers: parts.headers,
                body: String::from_utf8_lossy(&body).into_owned(),
            };
            let answer = handler(&seen);
            all.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
            sleep(answer.delay).await;
            if let Some(barrier) = &answer.together {
                barrier.wait().await;
            }
            while answer.held.as_ref().is_some_and(|it| it.load(Ordering::SeqCst)) {
                sleep(Duration::from_millis(1)).await;
            }
            Ok::<_, Infallible>(respond(answer))
        }
    });
    let stream = TokioIo::new(stream);
    let _ = match is_http2 {
        true => http2::Builder::new(TokioExecutor::new()).serve_connection(stream, service).await,
        false => http1::Builder::new().serve_connection(stream, service).await,
    };
}

/// A body that comes in pieces.
struct Pieces(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        ctx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(ctx).map(|it| it.map(|it| Ok(hyper::body::Frame::data(it))))
    }
}

fn respond(answer: Answer) -> Response<http_body_util::Either<Full<Bytes>, Pieces>> {
    let mut response = Response::builder().status(answer.code);
    for (name, value) in &answer.headers {
        response = response.header(*name, value);
    }
    let body = match answer.pieces {
        None => http_body_util::Either::Left(Full::new(answer.body)),
        Some((pieces, pause)) => {
            let (tx, rx) = mpsc::channel(1);
            tokio::spawn(async move {
                for piece in pieces {
                    if tx.send(piece).await.is_err() {
                        return;
                    }
                    sleep(pause).await;
                }
            });
            http_body_util::Either::Right(Pieces(rx))
        }
    };
    response.body(body).expect("a response can be made")
}
