//! The output `http_server`.

mod queue;
mod serving;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use wappa_component::{BuildError, BuildOutput, Component, ConnectError, Context, Logger, Output};
use wappa_net::{Address, Client, Limit, Quiet, Sending, ServerTls, in_flight};
use wappa_spec::{Config, CorsConfig, Node, Reader, Rule, http::lint_key_pair};

use self::{queue::Queue, serving::Serving};
use crate::{
    cors::Cors,
    routes::{self, Asked, Place, Routes},
    server::{Limits, PROTOCOLS, Server, Setup},
};

pub(crate) const COMPONENT: Component =
    Component::output::<HttpServerConfig>("http_server").categories(&["Network"]);

/// Serves messages to clients that fetch them over HTTP: one batch a request, a stream of them, or over a websocket.
///
/// Without an `address` it is served by the [HTTP service](../config.md) of the program, on port 4195.
/// Each batch goes to one client, whichever comes first; as long as none comes the stream waits.
///
/// # Examples
///
/// ### Events for a web page, in the form that `EventSource` reads
///
/// ```yaml
/// input:
///   stdin: {}
/// output:
///   http_server:
///     address: localhost:8080
///     stream_path: /events
///     stream_format: event_source
///     heartbeat: 15s
///     cors:
///       enabled: true
///       allowed_origins: ["https://example.com"]
/// ```
///
/// # Delivery
///
/// A batch has arrived when the system has taken all of it, for a client that is connected; whether the client reads it
/// nobody knows. What a client breaks off fails, and is delivered again by an input that does so.
///
/// # Performance
///
/// What is there goes to a client of `stream_path` or `ws_path` together.
///
/// # Pitfalls
///
/// Whoever can connect takes messages from all others. Websockets are refused to web pages of other origins, unless `cors`
/// lets them in.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct HttpServerConfig {
    /// Where to listen, instead of the program's own service: a host and a port, where no host means all addresses of the
    /// machine and port 0 any that is free.
    #[config(default = "\"\"", example = "0.0.0.0:8080")]
    address: String,

    /// The path at which a batch is fetched; none when empty. One of several messages is a `multipart` body.
    #[config(default = "/get")]
    path: String,

    /// The path at which all that comes is sent, without end; none when empty.
    #[config(default = "/get/stream")]
    stream_path: String,

    /// What is sent there: messages, each with a line feed behind it and one more behind a batch of several, or the events
    /// that `EventSource` of browsers reads.
    #[config(default = "raw_bytes", options("raw_bytes", "event_source"))]
    stream_format: String,

    /// How often a comment is sent when there are no events, so that nobody in between takes the connection for dead; zero
    /// for never.
    #[config(default = "0s", advanced)]
    heartbeat: Duration,

    /// The path to which websockets connect; none when empty.
    #[config(default = "/get/ws")]
    ws_path: String,

    /// What messages of websockets are.
    #[config(default = "binary", options("binary", "text"))]
    ws_message_type: String,

    /// The methods that requests to `path` and `stream_path` may have.
    #[config(default = "[GET]")]
    allowed_verbs: Vec<String>,

    /// How long a request to `path` may wait for a batch.
    #[config(default = "5s", advanced)]
    timeout: Duration,

    /// A file with a certificate, and behind it those up to the authority: with it and `key_file` connections are encrypted,
    /// and HTTP 2 is spoken too. Only with an `address`.
    #[config(default = "\"\"", advanced)]
    cert_file: String,

    /// A file with the key.
    #[config(default = "\"\"", advanced)]
    key_file: String,

    /// What web pages of other origins may do. Without an `address` it is for the events at `stream_path` and for websockets.
    #[config(advanced)]
    cors: CorsConfig,

    /// How long a websocket may take to take a message.
    #[config(default = "10s", advanced)]
    write_wait: Duration,

    /// How long a websocket may not answer before it is hung up on.
    #[config(default = "60s", advanced)]
    pong_wait: Duration,

    /// How often a websocket is asked whether it is there; less than `pong_wait`.
    #[config(default = "54s", advanced)]
    ping_period: Duration,

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

fn lint(config: &HttpServerConfig, node: &Node, reader: &mut Reader<'_>) {
    let at = |key: &str| node.get(key).unwrap_or(node);
    if !config.address.is_empty()
        && let Err(text) = Address::parse(&config.address)
    {
        reader.error(Rule::InvalidValue, at("address"), text);
    }
    let paths = [("path", &config.path), ("stream_path", &config.stream_path), ("ws_path", &config.ws_path)];
    for (name, path) in paths {
        if !path.is_empty()
            && let Err(text) = routes::check(path)
        {
            reader.error(Rule::InvalidValue, at(name), text);
        }
    }
    if paths.iter().all(|(_, path)| path.is_empty()) {
        let text = "there is neither a path nor a stream_path nor a ws_path: nobody can fetch anything";
        reader.error(Rule::Custom, at("path"), text);
    }
    for (idx, (name, path)) in paths.iter().enumerate() {
        if !path.is_empty() && paths[..idx].iter().any(|(_, it)| it == path) {
            reader.error(Rule::Custom, at(name), format!("path {path} is given twice"));
        }
    }
    if config.allowed_verbs.is_empty() {
        reader.error(Rule::Custom, at("allowed_verbs"), "must specify at least one allowed verb");
    }
    if config.pong_wait <= config.ping_period {
        reader.error(Rule::Custom, at("ping_period"), "ping_period must be less than pong_wait");
    }
    if config.max_connections == 0 {
        reader.error(Rule::InvalidValue, at("max_connections"), "expected int value of 1 or more, got `0`");
    }
    lint_key_pair(&config.cert_file, &config.key_file, node, reader);
    if config.address.is_empty() {
        let given = [
            (!config.cert_file.is_empty(), "cert_file"),
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

/// How many batches wait for a client, or until the system has taken them.
const IN_FLIGHT: usize = 64;

/// What bodies may be: a client that fetches has nothing to say.
const BODIES_BYTES_MAX: usize = 16 * 1024 * 1024;

impl BuildOutput for HttpServerConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Output>, BuildError> {
        let logger = ctx.logger();
        let own = match self.address.as_str() {
            "" => None,
            address => Some(Own {
                address: Address::parse(address).map_err(BuildError::new)?,
                tls: match self.cert_file.as_str() {
                    "" => None,
                    file => Some(ServerTls::of_files(file, &self.key_file).map_err(BuildError::new)?),
                },
                cors: self.cors.clone(),
                limits: Limits {
                    max_connections: self.max_connections,
                    idle_timeout: self.idle_timeout,
                    max_bytes: BODIES_BYTES_MAX,
                },
            }),
        };
        let queue = Arc::new(Queue::default());
        let serving = Serving {
            queue: Arc::clone(&queue),
            is_event_source: self.stream_format == "event_source",
            heartbeat: Some(self.heartbeat).filter(|it| !it.is_zero()),
            is_text: self.ws_message_type == "text",
            allowed_verbs: self.allowed_verbs,
            timeout: self.timeout,
            cors: Cors::of(&self.cors),
            write_wait: self.write_wait,
            pong_wait: self.pong_wait,
            ping_period: self.ping_period,
            quiet: Quiet::new(logger.clone()),
        };
        let server = HttpServer {
            own,
            service: Routes::clone(&ctx.services().get_or_default::<Routes>()),
            path: self.path,
            stream_path: self.stream_path,
            ws_path: self.ws_path,
            serving: Arc::new(serving),
            queue,
            logger,
            open: Mutex::new(None),
        };
        Ok(in_flight(server, Limit::of(IN_FLIGHT).at_once(IN_FLIGHT), ctx))
    }
}

/// A server of its own.
struct Own {
    address: Address,
    tls: Option<ServerTls>,
    cors: CorsConfig,
    limits: Limits,
}

struct HttpServer {
    own: Option<Own>,
    /// The paths of the program's service.
    service: Routes,
    path: String,
    stream_path: String,
    ws_path: String,
    serving: Arc<Serving>,
    queue: Arc<Queue>,
    logger: Logger,
    open: Mutex<Option<Open>>,
}

/// What is open to clients.
struct Open {
    _places: Vec<Place>,
    server: Option<Server>,
}

/// How long clients have, at the end, to take what is on its way.
const GRACE: Duration = Duration::from_millis(900);

impl HttpServer {
    async fn open(&self) -> Result<Open, String> {
        let routes = match &self.own {
            Some(_) => Routes::default(),
            None => {
                self.service.check_open()?;
                self.service.clone()
            }
        };
        let mut places = Vec::new();
        if !self.path.is_empty() {
            let place = routes.take(&self.path, "Read a single message from Wappa.")?;
            let serving = Arc::clone(&self.serving);
            place.open(move |asked: Asked| Arc::clone(&serving).one(asked));
            places.push(place);
        }
        if !self.stream_path.is_empty() {
            let place = routes.take(&self.stream_path, "Read a continuous stream of messages from Wappa.")?;
            let serving = Arc::clone(&self.serving);
            place.open(move |asked: Asked| std::future::ready(serving.stream(asked)));
            places.push(place);
        }
        if !self.ws_path.is_empty() {
            let place = routes.take(&self.ws_path, "Read messages from Wappa via websockets.")?;
            let serving = Arc::clone(&self.serving);
            place.open(move |asked: Asked| std::future::ready(serving.socket(asked)));
            places.push(place);
        }
        let Some(own) = &self.own else { return Ok(Open { _places: places, server: None }) };
        let setup = Setup {
            routes,
            tls: own.tls.clone().map(|it| it.acceptor(&PROTOCOLS)),
            cors: Cors::of(&own.cors),
            auth: None,
            prefix: String::new(),
            limits: own.limits,
            logger: self.logger.clone(),
        };
        let server = Server::listen(&own.address, setup).await?;
        server.open();
        let scheme = if own.tls.is_some() { "https" } else { "http" };
        let (name, address) = (scheme.to_uppercase(), server.address());
        self.logger.info(&format!(
            "Serving messages through {name} GET request at: {scheme}://{address}{}",
            self.path
        ));
        Ok(Open { _places: places, server: Some(server) })
    }
}

impl Client for HttpServer {
    async fn connect(&self) -> Result<(), ConnectError> {
        let is_open = self.open.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        if is_open {
            return Ok(());
        }
        let open = self.open().await.map_err(ConnectError::BackOff)?;
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = Some(open);
        Ok(())
    }

    async fn send(&self, sending: Sending) {
        // It is answered by whoever takes it.
        self.queue.put(sending);
    }

    async fn close(&self) -> Result<(), String> {
        self.queue.close();
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(server) = open.as_ref().and_then(|it| it.server.as_ref()) {
            server.close(GRACE).await;
        }
        Ok(())
    }
}

impl fmt::Debug for HttpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpServer({})", self.path)
    }
}
