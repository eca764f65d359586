//! One request and its answer, over HTTP/1.1 or as a call of gRPC; the connection is kept for the next one.

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode,
    header::{CONTENT_TYPE, HOST, RETRY_AFTER, TE, USER_AGENT},
};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::{Body, Incoming},
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use prost::Message;
use rustls::{ClientConfig, pki_types::ServerName};
use tokio_rustls::TlsConnector;
use wappa_net::{Carrier, why};

use crate::{
    endpoint::{Endpoint, Protocol},
    wire,
};

/// So much of an answer is read. A collector has nothing to say that is longer.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// So much of what it says is told.
const TOLD_CHARS_MAX: usize = 200;

/// The longest wait that a collector may ask for.
const ASKED_WAIT_MAX: Duration = Duration::from_secs(30);

/// Speaks to one collector.
pub(crate) struct Exchange {
    endpoint: Endpoint,
    /// What encrypted connections need, or why there are none.
    tls: Option<Result<Arc<ClientConfig>, String>>,
    link: Option<Link>,
}

/// A connection on which requests can be made.
enum Link {
    First(http1::SendRequest<Full<Bytes>>),
    Second(http2::SendRequest<Full<Bytes>>),
}

/// Why a request came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) text: String,
    /// Whether it may be made again, and how long the collector asks to wait before.
    pub(crate) again: Option<Duration>,
}

/// How many spans a collector did not take of a request that it took, and why.
pub(crate) type Taken = Option<(u64, String)>;

impl Exchange {
    pub(crate) fn new(endpoint: Endpoint) -> Exchange {
        Exchange { endpoint, tls: None, link: None }
    }

    /// Has the collector take the request. Bounded in what it reads, and not in time.
    pub(crate) async fn send(&mut self, request: Bytes) -> Result<Taken, Refused> {
        // One that fails in any way, or is given up, is closed.
        let link = self.link.take();
        let mut link = match link.filter(Link::is_open) {
            Some(link) => link,
            None => self.connect().await.map_err(passing)?,
        };
        let request = self.request(request).map_err(final_)?;
        let response = link.send(request).await.map_err(|err| passing(self.hinted(&err)))?;
        let (parts, body) = response.into_parts();
        let (body, trailers) = read(body).await.map_err(passing)?;
        if body.len() < ANSWER_BYTES_MAX {
            self.link = Some(link);
        }
        match self.endpoint.protocol {
            Protocol::Http => of_http(parts.status, &parts.headers, &body),
            Protocol::Grpc => of_grpc(parts.status, &parts.headers, &trailers.unwrap_or_default(), &body),
        }
    }

    fn request(&self, message: Bytes) -> Result<Request<Full<Bytes>>, String> {
        let Endpoint { uri, protocol, .. } = &self.endpoint;
        let agent = concat!("wappa/", env!("CARGO_PKG_VERSION"));
        let request = Request::builder().method(Method::POST).header(USER_AGENT, agent);
        let request = match protocol {
            Protocol::Http => {
                let host = uri.authority().map_or("", |it| it.as_str());
                let request = request.uri(uri.path_and_query().map_or("/", |it| it.as_str()));
                request
                    .header(HOST, host)
                    .header(CONTENT_TYPE, "application/x-protobuf")
                    .body(Full::new(message))
            }
            Protocol::Grpc => {
                // Not compressed, and its length.
                let mut framed = BytesMut::with_capacity(5 + message.len());
                framed.extend_from_slice(&[0]);
                framed.extend_from_slice(&(message.len() as u32).to_be_bytes());
                framed.extend_from_slice(&message);
                request
                    .uri(uri.clone())
                    .header(CONTENT_TYPE, "application/grpc")
                    .header(TE, "trailers")
                    .body(Full::new(framed.freeze()))
            }
        };
        request.map_err(|err| err.to_string())
    }

    /// Why an exchange failed, and where the other end speaks otherwise, that it may be the other one's port.
    fn hinted(&self, err: &hyper::Error) -> String {
        let (is_other, other) = match self.endpoint.protocol {
            Protocol::Http => (err.is_parse(), "gRPC, which is named in `grpc`"),
            Protocol::Grpc => (
                ["frame with", "broken pipe"].iter().any(|it| told(err).contains(it)),
                "HTTP, which is named in `http`",
            ),
        };
        let hint = if is_other { format!("; is it the port for {other}?") } else { String::new() };
        told(err) + &hint
    }

    async fn connect(&mut self) -> Result<Link, String> {
        let stream: Box<dyn Carrier> = Box::new(self.endpoint.address.connect().await?);
        let stream = if self.endpoint.is_secure { self.encrypt(stream).await? } else { stream };
        let io = TokioIo::new(stream);
        match self.endpoint.protocol {
            Protocol::Http => {
                let (sender, connection) = http1::handshake(io).await.map_err(|err| told(&err))?;
                tokio::spawn(connection);
                Ok(Link::First(sender))
            }
            Protocol::Grpc => {
                let mut builder = http2::Builder::new(TokioExecutor::new());
                builder.timer(TokioTimer::new()).max_header_list_size(16 << 10);
                let (sender, connection) = builder.handshake(io).await.map_err(|err| told(&err))?;
                tokio::spawn(connection);
                Ok(Link::Second(sender))
            }
        }
    }

    async fn encrypt(&mut self, stream: Box<dyn Carrier>) -> Result<Box<dyn Carrier>, String> {
        let protocols: &[&[u8]] = match self.endpoint.protocol {
            Protocol::Http => &[b"http/1.1"],
            Protocol::Grpc => &[b"h2"],
        };
        let prepare = || {
            let mut config = wappa_net::TlsConfig::default().client_config()?;
            config.alpn_protocols = protocols.iter().map(|it| it.to_vec()).collect();
            Ok(Arc::new(config))
        };
        let config = self.tls.get_or_insert_with(prepare).clone()?;
        let host = self.endpoint.address.host().to_string();
        let name = ServerName::try_from(host).map_err(|err| err.to_string())?;
        let stream = TlsConnector::from(config).connect(name, stream).await.map_err(|err| why(&err))?;
        Ok(Box::new(stream))
    }
}

impl Link {
    fn is_open(&self) -> bool {
        match self {
            Link::First(sender) => !sender.is_closed(),
            Link::Second(sender) => !sender.is_closed(),
        }
    }

    async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, hyper::Error> {
        match self {
            Link::First(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
            Link::Second(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
        }
    }
}

/// The beginning of a body, and what comes behind one that is not longer.
async fn read(mut body: Incoming) -> Result<(Bytes, Option<HeaderMap>), String> {
    let mut read = BytesMut::new();
    let mut trailers = None;
    while !body.is_end_stream() {
        let Some(frame) = body.frame().await else { break };
        match frame.map_err(|err| told(&err))?.into_data() {
            Ok(data) => {
                let room = ANSWER_BYTES_MAX - read.len();
                read.extend_from_slice(&data[..data.len().min(room)]);
                if read.len() == ANSWER_BYTES_MAX {
                    break;
                }
            }
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
    }
    Ok((read.freeze(), trailers))
}

fn of_http(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Result<Taken, Refused> {
    if status.is_success() {
        return Ok(partial(body));
    }
    let is_passing = matches!(status.as_u16(), 429 | 502 | 503 | 504);
    let asked = headers.get(RETRY_AFTER).and_then(|it| it.to_str().ok()?.trim().parse().ok());
    let asked = asked.map_or(Duration::ZERO, Duration::from_secs).min(ASKED_WAIT_MAX);
    Err(Refused { text: format!("it answers with {status}"), again: is_passing.then_some(asked) })
}

/// The codes with which a call may be made again: cancelled, too late, aborted, out of range, unavailable, lost; and where
/// resources were exhausted, which collectors say that are full.
const GRPC_PASSING: [u8; 7] = [1, 4, 8, 10, 11, 14, 15];

fn of_grpc(
    status: StatusCode,
    headers: &HeaderMap,
    trailers: &HeaderMap,
    body: &[u8],
) -> Result<Taken, Refused> {
    if status != StatusCode::OK {
        let is_passing = matches!(status.as_u16(), 429 | 502 | 503 | 504);
        let text = format!("it does not answer as a server of gRPC, but with {status}");
        return Err(Refused { text, again: is_passing.then_some(Duration::ZERO) });
    }
    // An answer without a message has it at once.
    let of = |name: &str| trailers.get(name).or_else(|| headers.get(name));
    let code = of("grpc-status").and_then(|it: &HeaderValue| it.to_str().ok()?.parse::<u8>().ok());
    match code {
        Some(0) => Ok(partial(body.get(5..).unwrap_or_default())),
        Some(code) => {
            let message = of("grpc-message").map(|it| shown(it.as_bytes())).unwrap_or_default();
            let again = GRPC_PASSING.contains(&code).then_some(Duration::ZERO);
            Err(Refused { text: format!("it answers with code {code} of gRPC: {message}"), again })
        }
        None => Err(final_("it does not answer as a server of gRPC".to_string())),
    }
}

/// What a collector says that it did not take.
fn partial(body: &[u8]) -> Taken {
    let partial = wire::Response::decode(body).ok()?.partial_success?;
    let n_rejected = u64::try_from(partial.rejected_spans).ok().filter(|it| 0 < *it)?;
    Some((n_rejected, shown(partial.error_message.as_bytes())))
}

/// The beginning of what somebody else says, in one line.
fn shown(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    text.chars().take(TOLD_CHARS_MAX).map(|it| if it.is_control() { ' ' } else { it }).collect()
}

/// Why an exchange failed, with what lies behind it.
fn told(err: &hyper::Error) -> String {
    let mut source = std::error::Error::source(err);
    let mut last = err.to_string();
    while let Some(err) = source {
        last = match err.downcast_ref::<std::io::Error>() {
            Some(err) => wappa_component::fault::cause(err),
            None => err.to_string(),
        };
        source = err.source();
    }
    shown(last.as_bytes())
}

fn passing(text: String) -> Refused {
    Refused { text, again: Some(Duration::ZERO) }
}

fn final_(text: String) -> Refused {
    Refused { text, again: None }
}
