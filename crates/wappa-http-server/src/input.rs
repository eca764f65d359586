//! The input `http_server`.

mod answers;
mod post;
mod reply;
mod sockets;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use wappa_component::{
    BuildError, BuildInput, Component, ConnectError, Context, Input, Level, Logger, RateLimit, ReadError,
};
use wappa_message::Message;
use wappa_net::{Address, Feeder, MetadataFilterConfig, Quiet, ServerTls, Source, Stopping, fed_by};
use wappa_spec::{Config, CorsConfig, Interpolated, Map, Node, Reader, Rule, Size, http::lint_key_pair};

use self::{answers::Answers, reply::Replying};
use crate::{
    cors::Cors,
    routes::{self, Asked, Place, Routes},
    server::{Limits, PROTOCOLS, Server, Setup},
};

pub(crate) const COMPONENT: Component =
    Component::input::<HttpServerConfig>("http_server").categories(&["Network"]);

/// Makes messages of what clients post over HTTP, and answers each when its message has arrived.
///
/// Without an `address` it is served by the [HTTP service](../config.md) of the program, on port 4195.
/// The body of a request is one message; the parts of one whose type is `multipart` are a batch.
/// What is sent to `ws_path`, over a websocket, is a message each.
///
/// A path that ends with `/` stands for all that begin with it.
/// `{name}` stands for a piece of a path, and `{name:pattern}` for what a regular expression matches; both become metadata.
/// Where several match, the one that says most has the request.
///
/// # Metadata
///
/// `http_server_user_agent`, `http_server_request_path`, `http_server_verb` and `http_server_remote_ip`; on an encrypted
/// connection `http_server_tls_version` and `http_server_tls_cipher_suite`; the first value of each header (`Content-Type`)
/// and each parameter of the query, what stands for names in the path, and cookies.
///
/// # Examples
///
/// ### Answers what is posted, in capitals
///
/// ```yaml
/// input:
///   http_server:
///     address: localhost:8080
///     path: /shout
/// pipeline:
///   processors:
///     - mapping: root = content().uppercase()
/// output:
///   sync_response: {}
/// ```
///
/// ### What is no JSON is refused
///
/// ```yaml
/// input:
///   http_server:
///     address: localhost:8080
///     path: /orders/{customer}
///     sync_response:
///       status: ${! @status.or("200") }
///       headers:
///         Content-Type: application/json
/// pipeline:
///   processors:
///     - try:
///         - mapping: 'root = this.merge({"customer": @customer})'
///     - catch:
///         - mapping: |
///             root.error = error()
///             meta status = "422"
/// output:
///   sync_response: {}
/// ```
///
/// # Delivery
///
/// A client is answered once all messages of its request have arrived, with 200, or with what is in the reply: see the
/// output and the processor `sync_response`. When one did not arrive the answer is 502 with the reason, and it is the
/// client's to send it again: nothing is delivered again by itself. After `timeout` the answer is 408; the message may
/// still arrive.
///
/// | status | when |
/// | --- | --- |
/// | 400 | the body cannot be read |
/// | 405 | the verb is not one of `allowed_verbs` |
/// | 408 | not answered within `timeout`, or the body comes too slowly |
/// | 413 | the body is larger than `max_body_bytes` |
/// | 429 | the rate limit says so; `Retry-After` says for how long |
/// | 502 | a message did not arrive, or the reply cannot be sent |
/// | 503 | the stream stops, or bodies take up too much memory |
///
/// A message of a websocket that did not arrive is delivered again, until it does, before the next one is read.
/// Its replies are sent back as texts.
///
/// # Performance
///
/// What many clients send comes to the pipeline together, and no request waits for the order of another one.
/// As long as the pipeline has enough to do, requests wait.
///
/// # Pitfalls
///
/// Whoever can connect can send anything, on all addresses of the machine unless there is an `address` or `http.address`.
/// Websockets are refused to web pages of other origins, unless `cors` lets them in.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct HttpServerConfig {
    /// Where to listen, instead of the program's own service: a host and a port, where no host means all addresses of the
    /// machine and port 0 any that is free.
    #[config(default = "\"\"", example = "0.0.0.0:8080")]
    address: String,

    /// The path to which requests are sent; none when empty.
    #[config(default = "/post")]
    path: String,

    /// The path to which websockets connect; none when empty.
    #[config(default = "/post/ws")]
    ws_path: String,

    /// What each websocket is sent first.
    #[config(default = "\"\"", advanced)]
    ws_welcome_message: String,

    /// What a websocket is sent whose messages have to wait for the rate limit.
    #[config(default = "\"\"", advanced)]
    ws_rate_limit_message: String,

    /// The methods that requests to `path` may have.
    #[config(default = "[POST]")]
    allowed_verbs: Vec<String>,

    /// How long a request may wait: for its turn, and then for its answer.
    #[config(default = "5s")]
    timeout: Duration,

    /// The label of a rate limit that requests, and messages of websockets, are asked for.
    #[config(default = "\"\"")]
    rate_limit: String,

    /// A file with a certificate, and behind it those up to the authority: with it and `key_file` connections are encrypted,
    /// and HTTP 2 is spoken too. Only with an `address`.
    #[config(default = "\"\"", advanced)]
    cert_file: String,

    /// A file with the key.
    #[config(default = "\"\"", advanced)]
    key_file: String,

    /// What web pages of other origins may do. Only with an `address`.
    #[config(advanced)]
    cors: CorsConfig,

    /// What answers are like that have a reply.
    #[config(advanced)]
    sync_response: SyncResponseConfig,

    /// How large a body, or a message of a websocket, may be.
    #[config(default = "64MiB", bento = false, advanced)]
    max_body_bytes: Size,

    /// How much memory the bodies of all requests may take up that are still being received, or wait for the pipeline. Each
    /// connection may have its share of one half whatever the others do. Only with an `address`.
    #[config(default = "256MiB", bento = false, advanced)]
    max_bytes: Size,

    /// How many connections there may be at once. Those of all servers together are no more than three quarters of what the
    /// process may open (`ulimit -n`).
    /// Whoever comes after that takes the place of who has asked for nothing for longest, for a second at least, or waits.
    /// Only with an `address`.
    #[config(default = "16384", bento = false, advanced)]
    max_connections: usize,

    /// How long a client may take to begin a request and send all of its headers, also the next one of a connection that is
    /// kept, before it is hung up on. Only with an `address`.
    #[config(default = "75s", bento = false, advanced)]
    idle_timeout: Duration,
}

/// What answers are like that have a reply.
#[derive(Config, Debug)]
struct SyncResponseConfig {
    /// The status of the answer, for the first message of the reply.
    #[config(
        default = "200",
        advanced,
        example = "${! json(\"status\") }",
        example = "${! metadata(\"status\") }"
    )]
    status: Interpolated,

    /// Headers of the answer, for the first message of the reply. With none of them named `Content-Type` the type is what
    /// the content looks like.
    #[config(default = "{Content-Type: application/octet-stream}", advanced)]
    headers: Map<Interpolated>,

    /// Metadata of the reply that become headers.
    #[config(advanced)]
    metadata_headers: MetadataFilterConfig,
}

fn lint(config: &HttpServerConfig, node: &Node, reader: &mut Reader<'_>) {
    let at = |key: &str| node.get(key).unwrap_or(node);
    if !config.address.is_empty()
        && let Err(text) = Address::parse(&config.address)
    {
        reader.error(Rule::InvalidValue, at("address"), text);
    }
    for (name, path) in [("path", &config.path), ("ws_path", &config.ws_path)] {
        if !path.is_empty()
            && let Err(text) = routes::check(path)
        {
            reader.error(Rule::InvalidValue, at(name), text);
        }
    }
    if config.path.is_empty() && config.ws_path.is_empty() {
        reader.error(
            Rule::Custom,
            at("path"),
            "there is neither a path nor a ws_path: nobody can send anything",
        );
    }
    if config.allowed_verbs.is_empty() {
        reader.error(Rule::Custom, at("allowed_verbs"), "must specify at least one allowed verb");
    }
    if config.max_connections == 0 {
        reader.error(Rule::InvalidValue, at("max_connections"), "expected int value of 1 or more, got `0`");
    }
    lint_key_pair(&config.cert_file, &config.key_file, node, reader);
    if config.address.is_empty() {
        let given = [
            (!config.cert_file.is_empty(), "cert_file"),
            (config.cors.enabled, "cors"),
            (node.get("max_bytes").is_some(), "max_bytes"),
            (node.get("max_connections").is_some(), "max_connections"),
            (node.get("idle_timeout").is_some(), "idle_timeout"),
        ];
        for (_, name) in given.into_iter().filter(|it| it.0) {
            let text =
                format!("field {name} has no effect without an address: it is that of the root's `http`");
            reader.warn(Rule::Custom, at(name), text);
        }
    }
}

impl BuildInput for HttpServerConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Input>, BuildError> {
        let logger = ctx.logger();
        let at = match self.address.as_str() {
            "" => At::Service(Routes::clone(&ctx.services().get_or_default::<Routes>())),
            address => At::Own(Box::new(Own::of(&self, address).map_err(BuildError::new)?)),
        };
        let rate_limit = match self.rate_limit.as_str() {
            "" => None,
            label => Some(ctx.rate_limit(label)?),
        };
        let clients = Clients {
            allowed_verbs: self.allowed_verbs,
            timeout: self.timeout,
            max_body_bytes: usize::try_from(self.max_body_bytes.bytes()).unwrap_or(usize::MAX),
            rate_limit,
            welcome: self.ws_welcome_message,
            slow_down: self.ws_rate_limit_message,
            cors: Cors::of(&self.cors),
            reply: Replying {
                status: self.sync_response.status,
                headers: self.sync_response.headers.0,
                metadata: self.sync_response.metadata_headers.filter().map_err(BuildError::new)?,
            },
            answers: Answers::new(),
            quiet: Quiet::new(logger.clone()),
        };
        let server = HttpServer {
            at,
            path: self.path,
            ws_path: self.ws_path,
            clients: Arc::new(clients),
            logger,
            open: Mutex::new(None),
        };
        // A client is told of what failed, and sends it again if it likes.
        Ok(fed_by(server, false, ctx))
    }
}

/// Where clients come to.
enum At {
    /// The service of the program.
    Service(Routes),
    Own(Box<Own>),
}

/// A server of its own.
struct Own {
    address: Address,
    tls: Option<ServerTls>,
    cors: CorsConfig,
    limits: Limits,
}

impl Own {
    fn of(config: &HttpServerConfig, address: &str) -> Result<Own, String> {
        let tls = match config.cert_file.as_str() {
            "" => None,
            cert_file => Some(ServerTls::of_files(cert_file, &config.key_file)?),
        };
        Ok(Own {
            address: Address::parse(address)?,
            tls,
            cors: config.cors.clone(),
            limits: Limits {
                max_connections: config.max_connections,
                idle_timeout: config.idle_timeout,
                max_bytes: usize::try_from(config.max_bytes.bytes()).unwrap_or(usize::MAX),
            },
        })
    }

    async fn listen(&self, routes: Routes, logger: &Logger) -> Result<Server, String> {
        let setup = Setup {
            routes,
            tls: self.tls.clone().map(|it| it.acceptor(&PROTOCOLS)),
            cors: Cors::of(&self.cors),
            auth: None,
            prefix: String::new(),
            limits: self.limits,
            logger: logger.clone(),
        };
        Server::listen(&self.address, setup).await
    }
}

struct HttpServer {
    at: At,
    path: String,
    ws_path: String,
    clients: Arc<Clients>,
    logger: Logger,
    open: Mutex<Option<Open>>,
}

/// What is open to clients, until the input is closed: who still waits for an answer gets it.
struct Open {
    places: Vec<Place>,
    server: Option<Server>,
}

/// What clients meet.
struct Clients {
    allowed_verbs: Vec<String>,
    timeout: Duration,
    max_body_bytes: usize,
    rate_limit: Option<Arc<dyn RateLimit>>,
    welcome: String,
    slow_down: String,
    cors: Option<Cors>,
    reply: Replying,
    answers: Answers,
    quiet: Quiet,
}

/// Where what they send goes.
#[derive(Clone)]
struct Intake {
    feeder: Feeder,
    stop: Stopping,
}

/// How long the clients of a server of its own have, at the end, to take their answers.
const GRACE: Duration = Duration::from_millis(900);

impl HttpServer {
    fn take(&self) -> Option<Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    async fn let_go(&self) {
        let open = self.take();
        if let Some(server) = open.as_ref().and_then(|it| it.server.as_ref()) {
            server.close(GRACE).await;
        }
    }

    /// Takes the paths, and listens where there is an address.
    async fn open(&self) -> Result<(Open, Opened), String> {
        let routes = match &self.at {
            At::Service(routes) => {
                routes.check_open()?;
                routes.clone()
            }
            At::Own(_) => Routes::default(),
        };
        let take = |path: &str, description| match path {
            "" => Ok(None),
            path => routes.take(path, description).map(Some),
        };
        let post = take(&self.path, "Post a message into Wappa.")?;
        let ws = take(&self.ws_path, "Post messages via websocket into Wappa.")?;
        let server = match &self.at {
            At::Service(_) => None,
            At::Own(own) => Some(own.listen(routes, &self.logger).await?),
        };
        let address = server.as_ref().map(Server::address);
        Ok((Open { places: Vec::new(), server }, Opened { post, ws, address }))
    }
}

/// What was opened and is not answered yet.
struct Opened {
    post: Option<Place>,
    ws: Option<Place>,
    address: Option<std::net::SocketAddr>,
}

impl Source for HttpServer {
    type Connection = Opened;

    async fn connect(&self) -> Result<Opened, ConnectError> {
        self.let_go().await;
        self.clients.answers.open();
        let (open, opened) = self.open().await.map_err(ConnectError::BackOff)?;
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = Some(open);
        Ok(opened)
    }

    async fn read(&self, opened: Opened, feeder: Feeder, mut stop: Stopping) -> ReadError {
        let intake = Intake { feeder: feeder.clone(), stop: stop.clone() };
        if let Some(place) = &opened.post {
            let (clients, intake) = (Arc::clone(&self.clients), intake.clone());
            place.open(move |asked: Asked| Arc::clone(&clients).post(asked, intake.clone()));
        }
        if let Some(place) = &opened.ws {
            let clients = Arc::clone(&self.clients);
            place.open(move |asked: Asked| {
                let answer = clients.socket(asked, intake.clone());
                async { answer }
            });
        }
        if let Some(open) = &mut *self.open.lock().unwrap_or_else(PoisonError::into_inner) {
            open.places.extend([opened.post, opened.ws].into_iter().flatten());
            // Whoever has connected meanwhile finds somebody.
            open.server.iter().for_each(Server::open);
        }
        if let (At::Own(own), Some(address)) = (&self.at, opened.address) {
            let scheme = if own.tls.is_some() { "https" } else { "http" };
            let name = scheme.to_uppercase();
            self.logger.info(&format!("Receiving {name} messages at: {scheme}://{address}{}", self.path));
        }
        tokio::select! {
            biased;
            () = stop.requested() => (),
            () = feeder.tell() => (),
        }
        ReadError::EndOfInput
    }

    /// What was taken is seen through at a stop: whoever waits for an answer gets that of the stream.
    fn takes_back(&self) -> bool {
        false
    }

    async fn close(&self) {
        self.let_go().await;
    }
}

impl Clients {
    /// How long to wait for the rate limit; the error is logged.
    fn wait_for_limit(&self) -> Result<Duration, ()> {
        let Some(limit) = &self.rate_limit else { return Ok(Duration::ZERO) };
        // One that asks a server takes its time.
        let wait = tokio::task::block_in_place(|| limit.access(&Message::new("")));
        wait.map_err(|err| self.quiet.log(Level::Warn, &format!("Failed to access rate limit: {err}")))
    }
}

impl fmt::Debug for HttpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpServer({})", self.path)
    }
}
