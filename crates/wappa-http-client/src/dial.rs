//! Connections: to a server or through a proxy, encrypted or not. Why there is none is told in Go's words.

use std::{
    error::Error,
    fmt,
    future::Future,
    io,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{
    HeaderValue, Request, Uri,
    header::{HOST, PROXY_AUTHORIZATION},
};
use http_body_util::Empty;
use hyper_util::{
    client::{
        legacy::connect::{Connected, Connection, proxy::SocksV5},
        proxy::matcher::{Intercept, Matcher},
    },
    rt::TokioIo,
};
use rustix::net::sockopt;
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;
use tower_service::Service;
use wappa_net::{Address, Carrier, TlsConfig, why};
use wappa_spec::Config;

/// Where proxies of SOCKS listen.
const SOCKS_PORT: u16 = 1080;

/// How connections are made and kept.
#[derive(Config, Clone, Debug)]
pub struct TransportConfig {
    /// How a connection is made.
    #[config(advanced)]
    dial_context: DialConfig,

    /// Whether HTTP/2 is used with servers that have it; over encrypted connections only.
    #[config(default = "true", advanced)]
    force_http2: bool,

    /// How many connections to one server are kept for the requests to come; 0 for any number.
    #[config(default = "100", advanced)]
    max_idle_connections: usize,

    /// How long an idle connection is kept.
    #[config(default = "90s", advanced)]
    idle_connection_timeout: Duration,

    /// How long it may take to agree on how a connection is encrypted.
    #[config(default = "10s", advanced)]
    tls_handshake_timeout: Duration,

    /// Has no effect: no request waits for leave to send its body.
    #[config(default = "1s", advanced)]
    #[expect(
        dead_code,
        reason = "nothing in Bento's requests waits either, unless a header of the config asks for it"
    )]
    expect_continue_timeout: Duration,
}

/// How a connection is made.
#[derive(Config, Clone, Debug)]
pub(crate) struct DialConfig {
    /// How long it may take.
    #[config(default = "30s", advanced)]
    timeout: Duration,

    /// How long nothing comes before the other end is asked whether it is still there; 0 for never.
    #[config(default = "30s", advanced)]
    keep_alive: Duration,
}

impl TransportConfig {
    /// As where the config says nothing.
    pub(crate) fn of_defaults() -> TransportConfig {
        let seconds = Duration::from_secs;
        TransportConfig {
            dial_context: DialConfig { timeout: seconds(30), keep_alive: seconds(30) },
            force_http2: true,
            max_idle_connections: 100,
            idle_connection_timeout: seconds(90),
            tls_handshake_timeout: seconds(10),
            expect_continue_timeout: seconds(1),
        }
    }

    /// How many idle connections there may be, and for how long.
    pub(crate) fn idle(&self) -> (usize, Duration) {
        let n_max = if self.max_idle_connections == 0 { usize::MAX } else { self.max_idle_connections };
        (n_max, self.idle_connection_timeout)
    }
}

/// What makes connections. Cloning shares.
#[derive(Clone)]
pub(crate) struct Dialer(Arc<Dialing>);

struct Dialing {
    timeout: Duration,
    keep_alive: Duration,
    handshake: Duration,
    http2: bool,
    tls: TlsConfig,
    /// Made when the first connection wants it, unless the config says how: reading what the system trusts takes a while.
    prepared: OnceLock<Result<Encryption, String>>,
    proxies: Matcher,
    /// The proxies are those of the environment, which are for other machines only.
    are_from_environment: bool,
}

#[derive(Clone)]
struct Encryption {
    /// HTTP/2 where the other end has it.
    any: Arc<ClientConfig>,
    /// HTTP/1.1, for websockets and proxies.
    first: Arc<ClientConfig>,
}

/// A connection.
pub(crate) struct Link {
    stream: Box<dyn Carrier>,
    is_http2: bool,
    /// Requests on it name the whole address.
    is_proxied: bool,
}

/// Why there is no connection.
#[derive(Clone, Debug)]
pub(crate) struct NotDialed(pub(crate) String);

impl fmt::Display for NotDialed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for NotDialed {}

/// Checks the address of a proxy; the error shows nothing of it.
pub(crate) fn check_proxy(text: &str) -> Result<(), String> {
    let url = url::Url::parse(text).map_err(|err| format!("failed to parse proxy_url string: {err}"))?;
    match url.scheme() {
        "http" | "https" | "socks5" | "socks5h" => Ok(()),
        scheme => Err(format!(
            "proxies of the scheme {scheme:?} are not supported: use `http`, `https` or `socks5`"
        )),
    }
}

impl Dialer {
    /// The error says what is wrong with the files of `tls`, or with the proxy.
    pub(crate) fn new(
        transport: &TransportConfig,
        tls: &TlsConfig,
        proxy_url: Option<&str>,
    ) -> Result<Dialer, String> {
        if let Some(proxy) = proxy_url {
            check_proxy(proxy)?;
        }
        let prepared = OnceLock::new();
        if tls.is_enabled() {
            let _ = prepared.set(Ok(Encryption::new(tls.client_config()?)));
        }
        let dialing = Dialing {
            timeout: transport.dial_context.timeout,
            keep_alive: transport.dial_context.keep_alive,
            handshake: transport.tls_handshake_timeout,
            http2: transport.force_http2,
            tls: tls.clone(),
            prepared,
            proxies: proxy_url.map_or_else(Matcher::from_env, |it| Matcher::builder().all(it).build()),
            are_from_environment: proxy_url.is_none(),
        };
        Ok(Dialer(Arc::new(dialing)))
    }

    /// The proxy on the way to an address.
    fn proxy_for(&self, uri: &Uri) -> Option<Intercept> {
        if self.0.are_from_environment && is_this_machine(uri.host().unwrap_or_default()) {
            return None;
        }
        self.0.proxies.intercept(uri)
    }

    /// What a request for this address says to a proxy that sees it.
    pub(crate) fn proxy_authorization(&self, uri: &Uri) -> Option<HeaderValue> {
        if uri.scheme_str() != Some("http") {
            return None;
        }
        self.proxy_for(uri)?.basic_auth().cloned()
    }

    /// A connection on which nothing but HTTP/1.1 is spoken, to the server itself.
    pub(crate) async fn dial_first(&self, uri: &Uri) -> Result<Box<dyn Carrier>, NotDialed> {
        let is_encrypted = uri.scheme_str() == Some("https");
        let stream = match self.proxy_for(uri) {
            Some(proxy) => self.tunnel(&proxy, uri).await?,
            None => Box::new(self.connect(host_of(uri), port_of(uri)).await?),
        };
        Ok(if is_encrypted { self.encrypt(stream, uri, false).await?.0 } else { stream })
    }

    async fn dial(&self, uri: &Uri) -> Result<Link, NotDialed> {
        let is_encrypted = uri.scheme_str() == Some("https");
        let proxy = self.proxy_for(uri);
        let stream: Box<dyn Carrier> = match &proxy {
            Some(proxy) if is_encrypted || is_socks(proxy) => self.tunnel(proxy, uri).await?,
            Some(proxy) => self.connect_to_proxy(proxy).await?,
            None => Box::new(self.connect(host_of(uri), port_of(uri)).await?),
        };
        if !is_encrypted {
            let is_proxied = proxy.is_some_and(|it| !is_socks(&it));
            return Ok(Link { stream, is_http2: false, is_proxied });
        }
        let (stream, is_http2) = self.encrypt(stream, uri, self.0.http2).await?;
        Ok(Link { stream, is_http2, is_proxied: false })
    }

    async fn connect(&self, host: &str, port: u16) -> Result<TcpStream, NotDialed> {
        let address = Address::new(host, port);
        let stream = match within(self.0.timeout, address.connect()).await {
            Some(stream) => stream.map_err(NotDialed)?,
            None => return Err(NotDialed(format!("dial tcp {address}: i/o timeout"))),
        };
        if !self.0.keep_alive.is_zero() {
            // A system that cannot ask finds out later.
            let _ = sockopt::set_socket_keepalive(&stream, true);
            let _ = sockopt::set_tcp_keepidle(&stream, self.0.keep_alive);
            let _ = sockopt::set_tcp_keepintvl(&stream, self.0.keep_alive);
        }
        Ok(stream)
    }

    async fn connect_to_proxy(&self, proxy: &Intercept) -> Result<Box<dyn Carrier>, NotDialed> {
        let uri = proxy.uri();
        let told = |err: NotDialed| NotDialed(format!("proxyconnect tcp: {err}"));
        let stream = self.connect(host_of(uri), port_of(uri)).await.map_err(told)?;
        match uri.scheme_str() {
            Some("https") => {
                let (stream, _) = self.encrypt(Box::new(stream), uri, false).await.map_err(told)?;
                Ok(stream)
            }
            _ => Ok(Box::new(stream)),
        }
    }

    /// A connection to the server through a proxy that sees nothing of what is said on it.
    async fn tunnel(&self, proxy: &Intercept, uri: &Uri) -> Result<Box<dyn Carrier>, NotDialed> {
        let target = Address::new(host_of(uri), port_of(uri)).to_string();
        let failed = |err: &dyn fmt::Display| NotDialed(format!("proxyconnect tcp: {target}: {err}"));
        let opening = async {
            if is_socks(proxy) {
                return self.through_socks(proxy, uri).await.map_err(|err| failed(&err));
            }
            let stream = TokioIo::new(self.connect_to_proxy(proxy).await?);
            let shaken = hyper::client::conn::http1::handshake(stream).await;
            let (mut sender, connection) = shaken.map_err(|err| failed(&err))?;
            let task = tokio::spawn(connection.with_upgrades());
            let mut request = Request::connect(target.as_str()).header(HOST, target.as_str());
            if let Some(value) = proxy.basic_auth() {
                request = request.header(PROXY_AUTHORIZATION, value);
            }
            let request = request.body(Empty::<Bytes>::new()).map_err(|err| failed(&err))?;
            let response = sender.send_request(request).await.map_err(|err| failed(&err))?;
            if !response.status().is_success() {
                task.abort();
                return Err(failed(&response.status()));
            }
            let upgraded = hyper::upgrade::on(response).await.map_err(|err| failed(&err))?;
            Ok(Box::new(TokioIo::new(upgraded)) as Box<dyn Carrier>)
        };
        within(self.0.timeout, opening).await.unwrap_or_else(|| Err(failed(&"i/o timeout")))
    }

    /// The same through a proxy of SOCKS 5, which looks the name up by itself.
    async fn through_socks(&self, proxy: &Intercept, uri: &Uri) -> Result<Box<dyn Carrier>, String> {
        let mut socks = SocksV5::new(proxy.uri().clone(), Plain(self.clone()));
        if let Some((user, password)) = proxy.raw_auth() {
            socks = socks.with_auth(user.to_string(), password.to_string());
        }
        let stream = socks.call(uri.clone()).await.map_err(|err| {
            // What is behind its own words says why.
            err.source().map_or_else(|| err.to_string(), ToString::to_string)
        })?;
        Ok(Box::new(stream.into_inner()))
    }

    /// The connection encrypted, and whether HTTP/2 is spoken on it.
    async fn encrypt(
        &self,
        stream: Box<dyn Carrier>,
        uri: &Uri,
        any: bool,
    ) -> Result<(Box<dyn Carrier>, bool), NotDialed> {
        let (host, port) = (host_of(uri), port_of(uri));
        let failed =
            |err: &dyn fmt::Display| NotDialed(format!("dial tls {}: {err}", Address::new(host, port)));
        let prepared =
            self.0.prepared.get_or_init(|| self.0.tls.client_config().map(Encryption::new)).clone();
        let encryption = prepared.map_err(|err| failed(&err))?;
        let config = if any { encryption.any } else { encryption.first };
        let name = ServerName::try_from(host.to_string()).map_err(|err| failed(&err))?;
        let shaken = within(self.0.handshake, TlsConnector::from(config).connect(name, stream)).await;
        match shaken {
            Some(Ok(stream)) => {
                let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                Ok((Box::new(stream), is_http2))
            }
            Some(Err(err)) => Err(failed(&why(&err))),
            None => Err(failed(&"TLS handshake timeout")),
        }
    }
}

impl Encryption {
    fn new(config: ClientConfig) -> Encryption {
        let with = |protocols: &[&str]| {
            let mut config = config.clone();
            config.alpn_protocols = protocols.iter().map(|it| it.as_bytes().to_vec()).collect();
            Arc::new(config)
        };
        Encryption { any: with(&["h2", "http/1.1"]), first: with(&["http/1.1"]) }
    }
}

fn is_socks(proxy: &Intercept) -> bool {
    proxy.uri().scheme_str().is_some_and(|it| it.starts_with("socks5"))
}

/// Connects to proxies that speak SOCKS.
#[derive(Clone)]
struct Plain(Dialer);

impl Service<Uri> for Plain {
    type Response = TokioIo<TcpStream>;
    type Error = NotDialed;
    type Future = Pin<Box<dyn Future<Output = Result<TokioIo<TcpStream>, NotDialed>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), NotDialed>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let dialer = self.0.clone();
        let port = uri.port_u16().unwrap_or(SOCKS_PORT);
        Box::pin(async move { dialer.connect(host_of(&uri), port).await.map(TokioIo::new) })
    }
}

/// Zero is without end.
async fn within<T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    if limit.is_zero() { Some(future.await) } else { timeout(limit, future).await.ok() }
}

/// The host of an address, without brackets.
fn host_of(uri: &Uri) -> &str {
    let host = uri.host().unwrap_or_default();
    host.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(host)
}

fn port_of(uri: &Uri) -> u16 {
    uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 })
}

/// Nobody is a proxy for this machine unless the config says so, as in Go.
fn is_this_machine(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|it| it.is_loopback())
}

impl Service<Uri> for Dialer {
    type Response = TokioIo<Link>;
    type Error = NotDialed;
    type Future = Pin<Box<dyn Future<Output = Result<TokioIo<Link>, NotDialed>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), NotDialed>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let dialer = self.clone();
        Box::pin(async move { dialer.dial(&uri).await.map(TokioIo::new) })
    }
}

impl Connection for Link {
    fn connected(&self) -> Connected {
        let connected = Connected::new().proxy(self.is_proxied);
        if self.is_http2 { connected.negotiated_h2() } else { connected }
    }
}

impl AsyncRead for Link {
    fn poll_read(
        mut self: Pin<&mut Self>,
        ctx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(ctx, buffer)
    }
}

impl AsyncWrite for Link {
    fn poll_write(mut self: Pin<&mut Self>, ctx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(ctx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        ctx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(ctx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(ctx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(ctx)
    }
}

impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Dialer")
    }
}
