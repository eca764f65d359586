//! Connections to servers: a request goes out, redirects are followed, an answer comes.

use std::{error::Error, fmt};

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Response,
    header::{
        CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, LOCATION, PROXY_AUTHORIZATION,
        TRANSFER_ENCODING,
    },
};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::{
    client::legacy,
    rt::{TokioExecutor, TokioTimer},
};
use wappa_net::TlsConfig;

use crate::{
    address,
    dial::{Dialer, NotDialed, TransportConfig},
    request::Outgoing,
};

/// So many redirects are followed; Go's number.
const REDIRECTS_MAX: usize = 10;

/// Connections to servers, over which requests go and redirects are followed.
pub(crate) struct Connections {
    pool: legacy::Client<Dialer, Full<Bytes>>,
    dialer: Dialer,
}

/// Why a request was not answered.
#[derive(Clone, Debug)]
pub(crate) struct NotSent(pub(crate) String);

impl fmt::Display for NotSent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Connections {
    pub(crate) fn new(
        transport: &TransportConfig,
        tls: &TlsConfig,
        proxy_url: Option<&str>,
    ) -> Result<Connections, String> {
        let dialer = Dialer::new(transport, tls, proxy_url)?;
        let (n_idle, idle_timeout) = transport.idle();
        let pool = legacy::Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(n_idle)
            .pool_idle_timeout(Some(idle_timeout).filter(|it| !it.is_zero()))
            .http1_title_case_headers(true)
            .build(dialer.clone());
        Ok(Connections { pool, dialer })
    }

    /// Sends a request and follows redirects. What no redirect leads on from is the answer, whatever its code.
    pub(crate) async fn exchange(&self, mut outgoing: Outgoing) -> Result<Response<Incoming>, NotSent> {
        for _ in 0..=REDIRECTS_MAX {
            let response = self.send(&outgoing).await?;
            let Some(next) = redirected(&response, &outgoing).map_err(NotSent)? else { return Ok(response) };
            outgoing = next;
        }
        Err(NotSent(format!("stopped after {REDIRECTS_MAX} redirects")))
    }

    async fn send(&self, outgoing: &Outgoing) -> Result<Response<Incoming>, NotSent> {
        let uri = outgoing.uri().map_err(NotSent)?;
        let mut request = Request::new(Full::new(outgoing.body.clone()));
        *request.method_mut() = outgoing.method.clone();
        *request.headers_mut() = outgoing.headers.clone();
        // The client says of no body how long it is, and there are servers that want to know where one could be.
        if outgoing.body.is_empty() && matches!(outgoing.method, Method::POST | Method::PUT | Method::PATCH) {
            request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        if let Some(value) = self.dialer.proxy_authorization(&uri) {
            request.headers_mut().insert(PROXY_AUTHORIZATION, value);
        }
        *request.uri_mut() = uri;
        self.pool.request(request).await.map_err(|err| NotSent(why(&err)))
    }
}

/// What a failed exchange says, in Go's words where it has them.
fn why(err: &legacy::Error) -> String {
    let mut source: Option<&(dyn Error + 'static)> = Some(err);
    let mut last = err.to_string();
    while let Some(err) = source {
        if let Some(err) = err.downcast_ref::<NotDialed>() {
            return err.0.clone();
        }
        if let Some(err) = err.downcast_ref::<hyper::Error>()
            && (err.is_incomplete_message() || err.is_closed() || err.is_canceled())
        {
            return "EOF".to_string();
        }
        last = match err.downcast_ref::<std::io::Error>() {
            Some(err) => wappa_component::fault::cause(err),
            None => err.to_string(),
        };
        source = err.source();
    }
    last
}

/// The request that a redirect asks for; `None`: the answer is no redirect.
fn redirected(response: &Response<Incoming>, sent: &Outgoing) -> Result<Option<Outgoing>, String> {
    let keeps_method = match response.status().as_u16() {
        301..=303 => matches!(sent.method, Method::GET | Method::HEAD),
        307 | 308 => true,
        _ => return Ok(None),
    };
    let Some(location) = response.headers().get(LOCATION) else { return Ok(None) };
    let location = location.to_str().map_err(|_| "failed to parse Location header".to_string())?;
    let url = sent.url.join(location).map_err(|_| "failed to parse Location header".to_string())?;
    let url = address::parse(url.as_str(), address::HTTP)?;
    let mut next = Outgoing { url, ..sent.clone() };
    if !keeps_method {
        next.method = if sent.method == Method::HEAD { Method::HEAD } else { Method::GET };
        next.body = Bytes::new();
        for name in [CONTENT_TYPE, CONTENT_LENGTH, CONTENT_ENCODING, TRANSFER_ENCODING] {
            next.headers.remove(name);
        }
    }
    if !is_same_server(&sent.url, &next.url) {
        // Any of what a config sends may be meant for that server alone: only what says what the body is goes on.
        let names: Vec<_> = next.headers.keys().cloned().collect();
        let goes_on = |name: &str| {
            name == "accept"
                || name == "user-agent"
                || ["accept-", "content-"].iter().any(|it| name.starts_with(it))
        };
        names.into_iter().filter(|it| !goes_on(it.as_str())).for_each(|it| _ = next.headers.remove(it));
    }
    if sent.url.host_str() != next.url.host_str() || sent.url.port() != next.url.port() {
        next.headers.remove(HOST);
    }
    Ok(Some(next))
}

/// Whether both are the same server, or the second is the first one with encryption.
fn is_same_server(one: &url::Url, other: &url::Url) -> bool {
    let is_upgrade =
        one.scheme() == "http" && other.scheme() == "https" && one.port().is_none() && other.port().is_none();
    let is_same =
        one.scheme() == other.scheme() && one.port_or_known_default() == other.port_or_known_default();
    one.host_str() == other.host_str() && (is_same || is_upgrade)
}
