//! The HTTP service of the program: paths that say how it is, and the paths of components without an address.

use std::{
    fmt,
    future::ready,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hyper::{StatusCode, header::HeaderValue};
use tokio::{task::JoinHandle, time::sleep};
use wappa_component::{Level, Logger, Metrics, Page};
use wappa_net::{Address, Runtime, ServerTls};
use wappa_spec::HttpConfig;

use crate::{
    accepts,
    answer::{Answer, error, held, of_type, text},
    auth::BasicAuth,
    cors::Cors,
    cross_site::Origins,
    debug::{self, Debug, Shield},
    page::{self, View},
    routes::{Asked, Routes},
    server::{Limits, PROTOCOLS, Server, Setup},
    streams::{self, StreamsApi},
};

/// The wait before another attempt to listen where somebody else does.
const LISTEN_AGAIN: Duration = Duration::from_secs(1);

/// How far the stream is, or all of them are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It is being built.
    Starting,
    /// It runs; these have all connections they want.
    Running {
        /// All inputs.
        inputs: bool,
        /// All outputs.
        outputs: bool,
    },
    /// It has come to its end.
    Ended,
    /// Of several streams these run and do not have all connections that they want.
    Unconnected(Vec<String>),
}

/// What the service shows.
pub struct Shown {
    /// The version of the program.
    pub version: &'static str,
    /// When it was built; empty where nobody knows.
    pub built: &'static str,
    /// Asked at each request.
    pub readiness: Box<dyn Fn() -> Readiness + Send + Sync>,
    /// What the exporter makes of these metrics, if it makes anything.
    pub page: Option<(Page, Metrics)>,
    /// For programs on this machine, and whoever knows the password.
    pub debug: Option<Debug>,
    /// What the page at `/` shows.
    pub view: View,
    /// Who has the streams, where there are several and clients may change them.
    pub streams: Option<Arc<dyn StreamsApi>>,
}

/// The HTTP service of a process.
pub struct Service {
    runtime: Runtime,
    routes: Routes,
    logger: Logger,
    address: Address,
    scheme: &'static str,
    has_password: bool,
    origins: Origins,
    new_setup: Arc<dyn Fn() -> Result<Setup, String> + Send + Sync>,
    listening: Arc<Mutex<Option<Server>>>,
    attempts: Option<JoinHandle<()>>,
}

impl Service {
    /// Reads what the config names, and opens nothing. The error says what is wrong with it.
    pub fn new(config: &HttpConfig, runtime: &Runtime, logger: &Logger) -> Result<Service, String> {
        let address = Address::parse(&config.address).map_err(|err| format!("http: {err}"))?;
        let tls = match config.cert_file.as_str() {
            "" => None,
            cert_file => {
                Some(ServerTls::of_files(cert_file, &config.key_file).map_err(|err| format!("http: {err}"))?)
            }
        };
        BasicAuth::of(&config.basic_auth).map_err(|err| format!("http.basic_auth: {err}"))?;
        let routes = Routes::default();
        let (config, of_setup, log) = (config.clone(), routes.clone(), logger.clone());
        let has_tls = tls.is_some();
        let has_password = config.basic_auth.enabled;
        let named = if config.cors.enabled { config.cors.allowed_origins.clone() } else { Vec::new() };
        let new_setup = move || {
            Ok(Setup {
                routes: of_setup.clone(),
                tls: tls.clone().map(|it| it.acceptor(&PROTOCOLS)),
                cors: Cors::of(&config.cors),
                auth: BasicAuth::of(&config.basic_auth)?,
                prefix: config.root_path.trim_end_matches('/').to_string(),
                limits: Limits::of(&config),
                logger: log.clone(),
            })
        };
        Ok(Service {
            runtime: runtime.clone(),
            routes,
            logger: logger.clone(),
            address,
            scheme: if has_tls { "https" } else { "http" },
            has_password,
            origins: Origins { named },
            new_setup: Arc::new(new_setup),
            listening: Arc::default(),
            attempts: None,
        })
    }

    /// The paths of components that have no address, for what they are built with.
    pub fn routes(&self) -> &Routes {
        &self.routes
    }

    /// Serves what is shown.
    pub fn show(&self, shown: Shown) {
        let Shown { version, built, readiness, page, debug, view, streams } = shown;
        let shield = Shield { has_password: self.has_password };
        let routes = &self.routes;
        routes.serve("/ping", "Ping me.", |_: Asked| ready(text("pong")));
        let version = format!("{{\"version\":\"{version}\", \"built\":\"{built}\"}}");
        routes
            .serve("/version", "Returns the service version.", move |_: Asked| ready(text(version.clone())));
        let listed = routes.clone();
        routes.serve("/endpoints", "Returns this map of endpoints.", move |_: Asked| {
            ready(text(json_object(&listed.list())))
        });
        let description = match streams.is_some() {
            true => {
                "Returns 200 OK if the inputs and outputs of all running streams are connected, otherwise a 503 is \
                 returned. If there are no active streams 200 is returned."
            }
            false => "Returns 200 OK if all inputs and outputs are connected, otherwise a 503 is returned.",
        };
        let paths = routes.clone();
        routes.serve("/ready", description, move |_: Asked| ready(ready_answer(readiness().with(&paths))));
        if let Some(api) = streams {
            streams::serve(routes, api, shield, self.origins.clone());
        }
        if let Some((page, metrics)) = page {
            let description = "Exposes service-wide metrics in the format configured.";
            for path in ["/stats", "/metrics"] {
                let (page, metrics) = (page.clone(), metrics.clone());
                routes.serve(path, description, move |asked: Asked| {
                    let takes_gzip = accepts::gzip(asked.request.headers());
                    let content_type = HeaderValue::from_static(page.content_type);
                    let answer = of_type(content_type, (page.render)(&metrics));
                    let room = asked.hold();
                    async move {
                        let answer = if takes_gzip { accepts::compressed(answer).await } else { answer };
                        held(answer, room)
                    }
                });
            }
        }
        if let Some(debug) = debug {
            debug::serve(routes, debug, shield);
        }
        page::serve(routes, view, shield);
    }

    /// Listens from now on. Where somebody else does, it is tried again until it can be, and said once: as an error, or as
    /// a warning where the config does not say a word of the service.
    pub fn listen(&mut self, is_named: bool) -> Result<(), String> {
        let runtime = self.runtime.start()?;
        let setup = (self.new_setup)()?;
        let address = self.address.clone();
        match runtime.block_on(Server::listen(&address, setup)) {
            Ok(server) => {
                server.open();
                say_listening(&self.logger, self.scheme, server.address());
                *lock(&self.listening) = Some(server);
                self.routes.open();
            }
            Err(cause) => {
                let level = if is_named { Level::Error } else { Level::Warn };
                let way_out = "`http.address` gives it another port, and `http.enabled: false` none at all";
                self.logger.log(
                    level,
                    &format!("HTTP Server error: {cause}. It is tried again every second; {way_out}"),
                );
                self.routes.close(&format!("the HTTP service of the program does not listen: {cause}"));
                self.try_again(&runtime);
            }
        }
        Ok(())
    }

    fn try_again(&mut self, runtime: &tokio::runtime::Handle) {
        let (listening, address, logger) =
            (Arc::clone(&self.listening), self.address.clone(), self.logger.clone());
        let (routes, scheme, new_setup) = (self.routes.clone(), self.scheme, Arc::clone(&self.new_setup));
        self.attempts = Some(runtime.spawn(async move {
            let server = loop {
                sleep(LISTEN_AGAIN).await;
                let Ok(setup) = new_setup() else { return };
                if let Ok(server) = Server::listen(&address, setup).await {
                    break server;
                }
            };
            server.open();
            say_listening(&logger, scheme, server.address());
            *lock(&listening) = Some(server);
            routes.open();
        }));
    }

    /// Where it listens, if it does.
    pub fn local_address(&self) -> Option<SocketAddr> {
        lock(&self.listening).as_ref().map(Server::address)
    }

    /// Takes no more connections, and waits until what is under way is answered; not longer than this.
    pub fn close(mut self, grace: Duration) {
        if let Some(attempts) = self.attempts.take() {
            attempts.abort();
        }
        let server = lock(&self.listening).take();
        if let (Some(server), Ok(runtime)) = (server, self.runtime.start()) {
            runtime.block_on(server.close(grace));
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(attempts) = self.attempts.take() {
            attempts.abort();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn say_listening(logger: &Logger, scheme: &str, address: SocketAddr) {
    logger.info(&format!("Listening for HTTP requests at: {scheme}://{address}"));
}

pub(crate) fn ready_answer(readiness: Readiness) -> Answer {
    match readiness {
        Readiness::Running { inputs: true, outputs: true } => text("OK"),
        Readiness::Running { inputs, outputs } => {
            let input = if inputs { "" } else { "input not connected\n" };
            let output = if outputs { "" } else { "output not connected\n" };
            let mut answer = text(format!("{input}{output}"));
            *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            answer
        }
        Readiness::Starting => {
            let mut answer = text("input not connected\noutput not connected\n");
            *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            answer
        }
        Readiness::Unconnected(names) if names.is_empty() => text("OK"),
        Readiness::Unconnected(names) => {
            let mut answer = text(format!("streams {} are not connected\n", names.join(", ")));
            *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            answer
        }
        Readiness::Ended => error(StatusCode::NOT_FOUND, "Stream terminated"),
    }
}

impl Readiness {
    /// An input is connected a moment before it answers whoever comes to its paths: until then it is not ready.
    pub(crate) fn with(self, paths: &Routes) -> Readiness {
        match self {
            Readiness::Running { inputs, outputs } => {
                Readiness::Running { inputs: inputs && !paths.are_opening(), outputs }
            }
            other => other,
        }
    }
}

/// An object of texts.
fn json_object(pairs: &std::collections::BTreeMap<String, &'static str>) -> String {
    let text = |it: &str| wappa_message::Value::text(it).to_json();
    let pairs: Vec<String> =
        pairs.iter().map(|(key, value)| format!("{}:{}", text(key), text(value))).collect();
    format!("{{{}}}", pairs.join(","))
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("address", &self.address).finish_non_exhaustive()
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shown").field("version", &self.version).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_is_not_answered_yet_is_not_ready() {
        let paths = Routes::default();
        let is_ready = || {
            let running = Readiness::Running { inputs: true, outputs: true };
            matches!(running.with(&paths), Readiness::Running { inputs: true, outputs: true })
        };
        assert!(is_ready());
        let place = paths.take("/post", "Test.").expect("nobody has it");
        assert!(!is_ready());
        place.open(|_: Asked| ready(text("it came")));
        assert!(is_ready());
        let other = paths.take("/post/ws", "Test.").expect("nobody has it");
        assert!(!is_ready());
        // Of a stream that has ended.
        drop(other);
        assert!(is_ready());
    }
}
