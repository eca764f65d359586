//! Connections: made of Bento's fields `url`, `kind`, `master` and `tls`, each good until it is lost.

use std::{error::Error, io, path::PathBuf, sync::Arc, time::Duration};

use percent_encoding::percent_decode_str;
use redis::{
    AsyncConnectionConfig, Cmd, ErrorKind, ProtocolVersion, RedisConnectionInfo, RedisError, RedisResult,
    ServerErrorKind, Value,
    aio::{MultiplexedConnection, PubSub},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    task::AbortHandle,
    time::timeout,
};
use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};
use url::{Host, Url};
use wappa_net::{TlsConfig, foreign_future, said, why};
use wappa_spec::{Config, Node, Reader, Rule};

use crate::{
    meter::{Meter, Metered},
    wire::Wire,
};

/// How long connecting to one server may take, until it has answered who we are.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// How long a server may take to answer; then the connection is given up.
pub(crate) const ANSWER_MAX: Duration = Duration::from_secs(10);

/// The fields that say where a server is.
#[derive(Config, Debug)]
#[config(lint = lint)]
pub(crate) struct ServerConfig {
    /// Where the server is, with a user and a password, and the number of a database as the path. Of several, with commas
    /// between them, the first one is connected to that takes the connection. `rediss` encrypts in any case,
    /// and as `tls` says where that is enabled. `unix:///path?db=1` is a socket of the file system.
    #[config(
        example = "redis://:6397",
        example = "redis://localhost:6379",
        example = "redis://foousername:foopassword@redisplace:6379",
        example = "redis://:foopassword@redisplace:6379",
        example = "redis://localhost:6379/1",
        example = "redis://localhost:6379/1,redis://localhost:6380/1"
    )]
    url: String,

    /// What the server is part of. Wappa speaks to one server, so it has to be `simple`.
    #[config(default = "simple", advanced, options("simple", "cluster", "failover"))]
    kind: String,

    /// Has no effect without `kind: failover`.
    #[config(default = "\"\"", advanced, example = "mymaster")]
    master: String,

    /// How the connection is encrypted.
    #[config(advanced)]
    tls: TlsConfig,
}

impl ServerConfig {
    /// Where the server is.
    pub(crate) fn endpoint(&self) -> Result<Endpoint, String> {
        let _ = &self.master;
        Endpoint::new(&self.url, &self.kind, self.tls.clone())
    }
}

/// Where a server is, and who we are to it.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    servers: Vec<Server>,
    tls: TlsConfig,
}

#[derive(Clone, Debug)]
struct Server {
    place: Place,
    is_encrypted: bool,
    info: RedisConnectionInfo,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Tcp(String, u16),
    Unix(PathBuf),
}

impl Place {
    /// As an error names it: without a user and a password.
    fn shown(&self) -> String {
        match self {
            Place::Tcp(host, port) if host.contains(':') => format!("[{host}]:{port}"),
            Place::Tcp(host, port) => format!("{host}:{port}"),
            Place::Unix(path) => path.display().to_string(),
        }
    }
}

/// Reads the list of servers. The error holds nothing of the text, which may have a password in it.
fn parsed(urls: &str) -> Result<Vec<Server>, String> {
    let servers: Vec<Server> =
        urls.split(',').map(str::trim).filter(|it| !it.is_empty()).map(server).collect::<Result<_, _>>()?;
    if servers.is_empty() { Err("there is no address".to_string()) } else { Ok(servers) }
}

fn server(text: &str) -> Result<Server, String> {
    // An address without a host, as `redis://:6379`, is one of this machine.
    let named = match text.split_once("://:") {
        Some((scheme, rest)) if !rest.contains('@') => format!("{scheme}://localhost:{rest}"),
        _ => text.replacen("@:", "@localhost:", 1),
    };
    let url = Url::parse(&named).map_err(|err| {
        format!("an address cannot be read: {err}; one begins with `redis://`, or with `rediss://` for TLS")
    })?;
    let is_unix = url.scheme() == "unix";
    let is_encrypted = match url.scheme() {
        "redis" | "tcp" | "unix" => false,
        "rediss" => true,
        other => return Err(format!("invalid URL scheme: {other}")),
    };
    let mut db = 0;
    let number = |text: &str| {
        let number: Option<i64> = text.parse().ok().filter(|it| 0 <= *it);
        number.ok_or("the database is no number (a slash in a password is written as `%2F`)")
    };
    let path = url.path().trim_start_matches('/');
    if !is_unix && !path.is_empty() {
        db = number(path)?;
    }
    for (name, value) in url.query_pairs() {
        match name.as_ref() {
            "db" => db = number(&value)?,
            _ => return Err("the only option is `db`".to_string()),
        }
    }
    let mut info = RedisConnectionInfo::default().set_db(db).set_skip_set_lib_name();
    if !url.username().is_empty() {
        info = info.set_username(decoded(url.username()));
    }
    if let Some(password) = url.password() {
        info = info.set_password(decoded(password));
    }
    let place = match (is_unix, url.host()) {
        (true, _) => Place::Unix(PathBuf::from(decoded(url.path()))),
        (false, None) => Place::Tcp("localhost".to_string(), url.port().unwrap_or(6379)),
        (false, Some(host)) => {
            let host = match host {
                Host::Domain("") => "localhost".to_string(),
                Host::Domain(name) => name.to_string(),
                Host::Ipv4(it) => it.to_string(),
                Host::Ipv6(it) => it.to_string(),
            };
            Place::Tcp(host, url.port().unwrap_or(6379))
        }
    };
    Ok(Server { place, is_encrypted, info })
}

/// What `%41` stands for.
fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn check_kind(kind: &str) -> Result<(), String> {
    match kind {
        "simple" => Ok(()),
        other => Err(format!("Wappa speaks to one server of Redis: `kind: {other}` is not supported")),
    }
}

/// Reports what is wrong with the fields of every component.
fn lint(config: &ServerConfig, node: &Node, reader: &mut Reader<'_>) {
    let at = node.get("url").unwrap_or(node);
    match parsed(&config.url) {
        Ok(servers) if servers.iter().any(|it| matches!(it.place, Place::Unix(_))) => {
            reader.refuse_if_restricted("a socket of the file system", at);
        }
        Ok(_) => (),
        Err(text) => reader.error(Rule::InvalidValue, at, format!("url: {text}")),
    }
    if let Err(text) = check_kind(&config.kind) {
        reader.error(Rule::NotInWappa, node.get("kind").unwrap_or(node), text);
    }
}

/// A connection, whatever it goes over.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

impl Endpoint {
    pub(crate) fn new(url: &str, kind: &str, tls: TlsConfig) -> Result<Endpoint, String> {
        check_kind(kind)?;
        Ok(Endpoint { servers: parsed(url).map_err(|err| format!("url: {err}"))?, tls })
    }

    /// Makes a connection; the error says where to and why not.
    pub(crate) async fn connect(&self) -> Result<Link, String> {
        self.first(|server, tls| async move {
            Link::new(&server, &tls, ProtocolVersion::RESP2).await.map_err(|err| not_let_in(&err))
        })
        .await
    }

    /// The same, where answers say of themselves what they are: numbers and objects, and not only lists of texts. A server before
    /// 6.0 does not do that.
    pub(crate) async fn connect_typed(&self) -> Result<Link, String> {
        self.first(|server, tls| async move {
            let mut made = Link::new(&server, &tls, ProtocolVersion::RESP3).await;
            if made.as_ref().is_err_and(|err| err.kind() == ErrorKind::RESP3NotSupported) {
                made = Link::new(&server, &tls, ProtocolVersion::RESP2).await;
            }
            made.map_err(|err| not_let_in(&err))
        })
        .await
    }

    /// Makes a connection for a great many commands.
    pub(crate) async fn connect_wire(&self) -> Result<Wire, String> {
        self.first(|server, tls| async move {
            let mut wire = Wire::new(stream(&server, &tls).await.map_err(|err| why(&err))?);
            wire.introduce(&server.info).await?;
            Ok(wire)
        })
        .await
    }

    /// Makes a connection for what is published.
    pub(crate) async fn subscribe(
        &self,
        channels: &Arc<[String]>,
        are_patterns: bool,
    ) -> Result<(PubSub, Arc<Meter>), String> {
        self.first(|server, tls| {
            let channels = Arc::clone(channels);
            async move {
                let meter = Arc::new(Meter::default());
                let stream = Metered {
                    stream: stream(&server, &tls).await.map_err(|err| why(&err))?,
                    meter: Arc::clone(&meter),
                    waits: true,
                };
                let mut made = PubSub::new(&server.info, stream).await.map_err(|err| not_let_in(&err))?;
                let subscribed = match are_patterns {
                    true => made.psubscribe(&channels[..]).await,
                    false => made.subscribe(&channels[..]).await,
                };
                subscribed.map_err(|err| text_of(&err))?;
                Ok((made, meter))
            }
        })
        .await
    }

    /// What one of the servers gives, in its time.
    async fn first<T, F: Future<Output = Result<T, String>>>(
        &self,
        get: impl Fn(Server, TlsConfig) -> F,
    ) -> Result<T, String> {
        let mut failures = Vec::new();
        for server in &self.servers {
            let got = timeout(CONNECT_MAX, foreign_future(get(server.clone(), self.tls.clone()))).await;
            match got.unwrap_or_else(|_| Ok(Err(SILENT.to_string()))).flatten() {
                Ok(got) => return Ok(got),
                Err(text) => {
                    let is_encrypted = server.is_encrypted || self.tls.is_enabled();
                    let text = said(&text, server.info.password());
                    let text = format!("{text}{}", way_out(&text, is_encrypted));
                    failures.push(format!("dial {}: {text}", server.place.shown()));
                }
            }
        }
        Err(failures.join("; "))
    }
}

/// What is said of a server that has let us connect and says nothing.
const SILENT: &str = "the server does not answer";

/// What may be wrong where an attempt to connect ends like this.
fn way_out(text: &str, is_encrypted: bool) -> &'static str {
    match is_encrypted {
        true if text == SILENT => ": is this a port without TLS (`redis://`, `tls`)?",
        false if text.ends_with("connection reset by peer") => {
            ": is this a port with TLS (`rediss://`, `tls`)?"
        }
        _ => "",
    }
}

async fn stream(server: &Server, tls: &TlsConfig) -> io::Result<Box<dyn Stream>> {
    let (host, stream) = match &server.place {
        Place::Unix(path) => return Ok(Box::new(UnixStream::connect(path).await?)),
        Place::Tcp(host, port) => {
            let stream = TcpStream::connect((host.as_str(), *port)).await?;
            stream.set_nodelay(true)?;
            (host, stream)
        }
    };
    if !server.is_encrypted && !tls.is_enabled() {
        return Ok(Box::new(stream));
    }
    let connector = TlsConnector::from(Arc::new(tls.client_config().map_err(io::Error::other)?));
    let name = ServerName::try_from(host.clone())
        .map_err(|_| io::Error::other(format!("{host:?} is no name of a host")))?;
    Ok(Box::new(connector.connect(name, stream).await?))
}

/// What is said of a server that refuses the password.
pub(crate) const NOT_LET_IN: &str = "the server does not let us in: the user or the password is wrong";

fn not_let_in(err: &RedisError) -> String {
    match (err.kind(), err.code()) {
        (ErrorKind::AuthenticationFailed, _) => NOT_LET_IN.to_string(),
        (_, Some("NOAUTH" | "NOPERM" | "WRONGPASS")) => {
            format!("the server does not let us in: {}", text_of(err))
        }
        _ => text_of(err),
    }
}

/// What went wrong, in the words of the server where it has said something.
fn text_of(err: &RedisError) -> String {
    let shared = err.source().and_then(|it| it.downcast_ref::<Arc<dyn Error + Send + Sync>>());
    if let Some(err) = shared.and_then(|it| it.downcast_ref::<io::Error>()) {
        return why(err);
    }
    let text = match (err.code(), err.detail()) {
        (Some(code), Some(detail)) => format!("{code} {detail}"),
        (None, Some(detail)) => detail.to_string(),
        _ => err.to_string(),
    };
    said(&text, [])
}

/// Ends what drives a connection.
#[derive(Debug)]
struct Driver(AbortHandle);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A connection. Cloning shares: what several ask is sent in the order in which they ask.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    connection: MultiplexedConnection,
    driver: Arc<Driver>,
    meter: Arc<Meter>,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failed {
    /// The connection is lost, or as good as that.
    Lost(String),
    /// The server refuses it.
    Refused(String),
}

impl Failed {
    pub(crate) fn text(self) -> String {
        let (Failed::Lost(text) | Failed::Refused(text)) = self;
        text
    }

    fn of(err: &RedisError) -> Failed {
        match err.kind() {
            ErrorKind::Server(_) | ErrorKind::Extension => Failed::Refused(text_of(err)),
            _ => Failed::Lost(text_of(err)),
        }
    }
}

impl Link {
    async fn new(server: &Server, tls: &TlsConfig, protocol: ProtocolVersion) -> RedisResult<Link> {
        let meter = Arc::new(Meter::default());
        let stream = stream(server, tls).await?;
        let stream = Metered { stream, meter: Arc::clone(&meter), waits: false };
        let info = server.info.clone().set_protocol(protocol);
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        let (mut connection, driver) = MultiplexedConnection::new_with_config(&info, stream, config).await?;
        // What it cannot read ends it, and whoever waits for an answer hears that.
        let driver = Arc::new(Driver(tokio::spawn(foreign_future(driver)).abort_handle()));
        // A server that wants a password says so only now.
        connection.send_packed_command(&redis::cmd("PING")).await?.extract_error()?;
        meter.has_come();
        Ok(Link { connection, driver, meter })
    }

    /// Whether it can be used no more.
    pub(crate) fn is_lost(&self) -> bool {
        self.driver.0.is_finished()
    }

    /// Asks, and waits for the answer.
    pub(crate) async fn ask(&mut self, command: &Cmd) -> Result<Value, Failed> {
        self.ask_for(command, ANSWER_MAX).await
    }

    /// The same, of something that takes its time.
    pub(crate) async fn ask_for(&mut self, command: &Cmd, max: Duration) -> Result<Value, Failed> {
        let answer = timeout(max, self.connection.send_packed_command(command)).await;
        self.meter.has_come();
        match answer {
            Ok(answer) => answer.and_then(Value::extract_error).map_err(|err| self.failed(&err)),
            Err(_) => Err(Failed::Lost("the server does not answer".to_string())),
        }
    }

    /// Why there is no answer. A server that became a replica keeps its connections, but whoever asked for its name may be
    /// led elsewhere by now: the next who uses this link finds it lost.
    fn failed(&self, err: &RedisError) -> Failed {
        if let ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown) = err.kind() {
            self.driver.0.abort();
        }
        Failed::of(err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(urls: &str) -> String {
        match parsed(urls) {
            Err(text) => text,
            Ok(servers) => {
                let all = servers.iter().map(|it| {
                    let info = &it.info;
                    let user = info.username().unwrap_or("-");
                    let secret = info.password().unwrap_or("-");
                    format!("{} {user} {secret} {}", it.place.shown(), info.db())
                });
                all.collect::<Vec<_>>().join("; ")
            }
        }
    }

    #[test]
    fn addresses_are_read() {
        assert_eq!(read("redis://:6397"), "localhost:6397 - - 0");
        assert_eq!(read("tcp://a"), "a:6379 - - 0");
        assert_eq!(read("redis://ann:p%40ss@a:1/2"), "a:1 ann p@ss 2");
        assert_eq!(read("redis://:secret@a:1, redis://[::1]:2/1"), "a:1 - secret 0; [::1]:2 - - 1");
        assert_eq!(read("unix:///run/redis.sock?db=3"), "/run/redis.sock - - 3");
        assert_eq!(read(""), "there is no address");
        assert_eq!(read("http://a"), "invalid URL scheme: http");
        assert!(read("redis://a/x").starts_with("the database is no number"));
        assert_eq!(read("redis://a?x=1"), "the only option is `db`");
        for text in
            ["redis://u:secret@a:x", "redis://u:1/secret@a", "redis://u:1?secret@a", "redis://u:1#secret@a"]
        {
            assert!(!read(text).contains("secret"), "{text}");
        }
    }
}
