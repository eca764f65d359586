//! Connections: made of Bento's fields `urls`, `tls` and `auth`, each good until it is lost.

use std::{
    error::Error,
    future::ready,
    io,
    str::FromStr,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_nats::{
    Auth, AuthError, Client, ConnectErrorKind, ConnectOptions, Event, ServerAddr, ServerError,
    connection::State,
};
use percent_encoding::percent_decode_str;
use tokio::{
    sync::watch,
    task::AbortHandle,
    time::{interval, timeout},
};
use wappa_component::{Context, Level, Logger};
use wappa_net::{Quiet, TlsConfig, foreign_future, said, why};
use wappa_spec::{Node, Reader, Rule};

use crate::auth::AuthConfig;

/// How long an attempt may take with each server.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// How often a server that says nothing is asked whether it is there; the third question without an answer ends the
/// connection.
const PING_INTERVAL: Duration = Duration::from_secs(10);

/// How often it is looked whether the connection is lost, in case the client could not tell.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// How many bytes may come without a message among them. No server takes messages of more than 64 MiB, and what is said beside
/// messages is little; the client's library reads on whatever is announced.
const UNREAD_BYTES_MAX: u64 = 80 * 1024 * 1024;

/// How often it is looked how many there are.
const METER_INTERVAL: Duration = Duration::from_millis(100);

/// Where servers are, and who we are to them.
pub(crate) struct Endpoint {
    urls: Vec<ServerAddr>,
    tls: TlsConfig,
    auth: AuthConfig,
    /// What the server calls the connection.
    name: String,
    inbox_prefix: Option<String>,
    logger: Logger,
}

impl Endpoint {
    pub(crate) fn new(
        urls: &[String],
        tls: TlsConfig,
        auth: AuthConfig,
        ctx: &Context<'_>,
    ) -> Result<Endpoint, String> {
        auth.check()?;
        let (name, logger) = (ctx.label().to_string(), ctx.logger());
        Ok(Endpoint { urls: parsed(urls)?, tls, auth, name, inbox_prefix: None, logger })
    }

    /// The same, in which answers come to subjects that begin like this.
    pub(crate) fn with_inbox_prefix(self, prefix: Option<String>) -> Endpoint {
        Endpoint { inbox_prefix: prefix.filter(|it| !it.is_empty()), ..self }
    }

    /// Makes a connection, on which as many messages of a subscription may wait; the error says where to and why not.
    pub(crate) async fn connect(&self, subscription_capacity: usize) -> Result<Link, String> {
        let told = Arc::new(Told::new(Quiet::new(self.logger.clone())));
        let failure: Arc<Mutex<Option<String>>> = Arc::default();
        let was_connected = Arc::new(AtomicBool::new(false));
        let mut options = self.options(&told, &failure, &was_connected);
        options = options.subscription_capacity(subscription_capacity.max(1));
        if let Some(tls) = self.tls.connector()? {
            options = options.require_tls(true).tls_client_config((**tls.config()).clone());
        }
        let connected = foreign_future(options.connect(self.urls.as_slice())).await;
        was_connected.store(true, Ordering::SeqCst);
        let connected = connected.and_then(|it| it.map_err(|err| cause_of(&err)));
        let connected = connected.map_err(|cause| said(&cause, self.secrets().iter().map(String::as_str)));
        let client = connected.map_err(|cause| {
            let failure = failure.lock().unwrap_or_else(PoisonError::into_inner).take();
            let urls: Vec<String> = self.urls.iter().map(shown).collect();
            format!("dial {}: {}", urls.join(", "), failure.unwrap_or(cause))
        })?;
        let _ = told.echoes.set(client.new_inbox());
        let meter = tokio::spawn(meter(client.clone(), Arc::clone(&told)));
        Ok(Link { client, told, meter: Arc::new(Meter(meter.abort_handle())) })
    }

    /// What the server is told in confidence.
    fn secrets(&self) -> Vec<String> {
        let of_urls = self.urls.iter().filter_map(of_url);
        of_urls.flat_map(|it| [it.password, it.token]).flatten().chain(self.auth.jwt()).collect()
    }

    fn options(
        &self,
        told: &Arc<Told>,
        failure: &Arc<Mutex<Option<String>>>,
        was_connected: &Arc<AtomicBool>,
    ) -> ConnectOptions {
        let (was_connected, failure, auth) =
            (Arc::clone(was_connected), Arc::clone(failure), self.auth.clone());
        let user = self.urls.iter().find_map(of_url);
        let answer = move |nonce: Vec<u8>| {
            // The client would connect again by itself, behind the back of those who have to know.
            if was_connected.load(Ordering::SeqCst) {
                return Err(AuthError::new("the connection is over"));
            }
            let mut answer = user.clone().unwrap_or_default();
            auth.answer(&nonce, &mut answer).inspect_err(|err| {
                *failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(err.to_string());
            })?;
            Ok(answer)
        };
        let (hearing, secrets) = (Hearing(Arc::clone(told)), self.secrets());
        let mut options = ConnectOptions::with_auth_callback(move |nonce| ready(answer(nonce)))
            .connection_timeout(CONNECT_MAX)
            .ping_interval(PING_INTERVAL)
            // Each server is tried once.
            .max_reconnects(self.urls.len())
            .reconnect_delay_callback(|_| Duration::ZERO)
            .event_callback(move |event| {
                hearing.0.hear(&event, &secrets);
                ready(())
            });
        if !self.name.is_empty() {
            options = options.name(&self.name);
        }
        match &self.inbox_prefix {
            Some(prefix) => options.custom_inbox_prefix(prefix),
            None => options,
        }
    }
}

/// Reads the list of servers, in which one item may name several.
fn parsed(urls: &[String]) -> Result<Vec<ServerAddr>, String> {
    let each = urls.iter().flat_map(|it| it.split(',')).map(str::trim).filter(|it| !it.is_empty());
    let parse = |text: &str| {
        // The text itself may hold a password.
        let url = ServerAddr::from_str(text).map_err(|err| format!("urls: {err}"))?;
        match url.is_websocket() {
            true => {
                Err(format!("urls: {}: websockets are not supported, only `nats` and `tls`", shown(&url)))
            }
            false => Ok(url),
        }
    };
    let parsed: Vec<ServerAddr> = each.map(parse).collect::<Result<_, _>>()?;
    if parsed.is_empty() {
        return Err("urls: there is none".to_string());
    }
    Ok(parsed)
}

/// Reports what is wrong with the field `urls`.
pub(crate) fn lint_urls(urls: &[String], node: &Node, reader: &mut Reader<'_>) {
    if let Err(text) = parsed(urls) {
        reader.error(Rule::InvalidValue, node.get("urls").unwrap_or(node), text);
    }
}

/// A URL without a user and a password.
fn shown(url: &ServerAddr) -> String {
    format!("{}://{}:{}", url.scheme(), url.host(), url.port())
}

/// The user and the password of a URL, or its token.
fn of_url(url: &ServerAddr) -> Option<Auth> {
    let user = decoded(url.username()?);
    let mut auth = Auth::new();
    match url.password() {
        Some(password) => {
            auth.username = Some(user);
            auth.password = Some(decoded(password));
        }
        None => auth.token = Some(user),
    }
    Some(auth)
}

/// What `%41` stands for.
fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// Why there is no connection, without the words of those in between.
fn cause_of(err: &async_nats::ConnectError) -> String {
    match err.kind() {
        ConnectErrorKind::AuthorizationViolation => {
            return "the server does not let us in: Authorization Violation".to_string();
        }
        ConnectErrorKind::TimedOut => return "the server does not answer".to_string(),
        _ => (),
    }
    let mut found: &dyn Error = err;
    while let Some(source) = found.source() {
        found = source;
        if let Some(err) = found.downcast_ref::<io::Error>() {
            return why(err);
        }
    }
    found.to_string()
}

/// A connection. Cloning shares.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) client: Client,
    told: Arc<Told>,
    #[expect(dead_code, reason = "it is there to be dropped")]
    meter: Arc<Meter>,
}

/// Looks at how much comes, as long as anybody has the connection.
#[derive(Debug)]
struct Meter(AbortHandle);

impl Drop for Meter {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Ends a connection on which more comes than a message can be.
async fn meter(client: Client, told: Arc<Told>) {
    let statistics = client.statistics();
    let n_read =
        || (statistics.in_messages.load(Ordering::Relaxed), statistics.in_bytes.load(Ordering::Relaxed));
    let (mut n_messages, mut since) = n_read();
    let mut looks = interval(METER_INTERVAL);
    loop {
        looks.tick().await;
        let (n_messages_now, n_bytes) = n_read();
        if n_messages_now != n_messages {
            (n_messages, since) = (n_messages_now, n_bytes);
        } else if UNREAD_BYTES_MAX < n_bytes - since {
            let text = "NATS server: it sends more than a message can be: the connection is given up";
            told.quiet.log(Level::Error, text);
            told.is_lost.send_replace(true);
            // It is not let in again.
            let _ = client.force_reconnect().await;
            return;
        }
    }
}

/// What a server has said about a connection, and not in answer to anything.
#[derive(Debug)]
struct Told {
    is_lost: watch::Sender<bool>,
    /// What was refused last.
    refusal: watch::Sender<Refusal>,
    n_dropped: AtomicU64,
    /// What the subjects of echoes begin with, once there is a connection; behind it each has its number.
    echoes: OnceLock<String>,
    n_echoes: AtomicU64,
    /// The number of the last echo that was refused.
    refused_echo: watch::Sender<u64>,
    quiet: Quiet,
}

/// The server's words, and the subject that they are about.
pub(crate) type Refusal = Option<Arc<(String, String)>>;

impl Told {
    fn new(quiet: Quiet) -> Told {
        Told {
            is_lost: watch::Sender::new(false),
            refusal: watch::Sender::new(None),
            n_dropped: AtomicU64::new(0),
            echoes: OnceLock::new(),
            n_echoes: AtomicU64::new(0),
            refused_echo: watch::Sender::new(0),
            quiet,
        }
    }

    fn hear(&self, event: &Event, secrets: &[String]) {
        match event {
            Event::Disconnected | Event::Closed => _ = self.is_lost.send_replace(true),
            Event::SlowConsumer(_) => _ = self.n_dropped.fetch_add(1, Ordering::Relaxed),
            Event::ServerError(err) => {
                let text = match err {
                    ServerError::Other(text) => text.clone(),
                    other => other.to_string(),
                };
                // Part of a subject may well be what somebody has for a password.
                let refused = text.split_once("to \"").filter(|it| it.0.contains("Permissions Violation"));
                let subject = refused.map(|it| it.1.split('"').next().unwrap_or_default().to_string());
                let text = said(&text, secrets.iter().map(String::as_str));
                if let Some(number) = subject.as_deref().and_then(|it| self.number_of_echo(it)) {
                    // It is an answer all the same, and nothing that anybody asked for.
                    self.quiet.log(Level::Debug, &format!("NATS server: {text}"));
                    self.refused_echo.send_replace(number);
                    return;
                }
                self.quiet.log(Level::Error, &format!("NATS server: {text}"));
                if let Some(subject) = subject {
                    self.refusal.send_replace(Some(Arc::new((text, subject))));
                }
            }
            _ => (),
        }
    }

    fn number_of_echo(&self, subject: &str) -> Option<u64> {
        subject.strip_prefix(self.echoes.get()?.as_str())?.strip_prefix('.')?.parse().ok()
    }
}

/// Hears what is said, until there is nobody to say anything: what drives a connection goes without a word where it panics on
/// what the server sends.
struct Hearing(Arc<Told>);

impl Drop for Hearing {
    fn drop(&mut self) {
        self.0.is_lost.send_replace(true);
    }
}

impl Link {
    /// Whether the connection is gone, for good.
    pub(crate) fn is_lost(&self) -> bool {
        *self.told.is_lost.borrow() || self.client.connection_state() == State::Disconnected
    }

    /// Waits until it is.
    pub(crate) async fn lost(&self) {
        let mut lost = self.told.is_lost.subscribe();
        while !self.is_lost() {
            // The client tells when it can, which is not always.
            let _ = timeout(LOOK_INTERVAL, lost.changed()).await;
        }
    }

    /// Hears of what the server refuses, and of what it has refused last.
    pub(crate) fn refusals(&self) -> watch::Receiver<Refusal> {
        let mut refusals = self.told.refusal.subscribe();
        if refusals.borrow().is_some() {
            refusals.mark_changed();
        }
        refusals
    }

    /// What the server has refused last.
    pub(crate) fn refusal(&self) -> Refusal {
        self.told.refusal.borrow().clone()
    }

    /// How many messages were dropped since the last call, because nobody took them in time.
    pub(crate) fn take_dropped(&self) -> u64 {
        self.told.n_dropped.swap(0, Ordering::Relaxed)
    }

    /// The subject of the next echo, and its number.
    pub(crate) fn next_echo(&self) -> (String, u64) {
        let number = self.told.n_echoes.fetch_add(1, Ordering::SeqCst) + 1;
        (format!("{}.{number}", self.told.echoes.get().map_or("", String::as_str)), number)
    }

    /// Hears of echoes that are refused: the number of the last.
    pub(crate) fn refused_echoes(&self) -> watch::Receiver<u64> {
        self.told.refused_echo.subscribe()
    }

    /// Logs something about the connection.
    pub(crate) fn log(&self, level: Level, text: &str) {
        self.told.quiet.log(level, text);
    }

    /// Sends what was given to the client, and waits for no answer; `false`: the connection was lost before.
    pub(crate) async fn flush(&self) -> bool {
        tokio::select! {
            result = self.client.flush() => result.is_ok() && !self.is_lost(),
            () = self.lost() => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(urls: &[&str]) -> Result<String, String> {
        let urls: Vec<String> = urls.iter().map(|it| it.to_string()).collect();
        Ok(parsed(&urls)?.iter().map(shown).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn urls_are_read_and_shown_without_passwords() {
        let read = |urls: &[&str]| read(urls).unwrap_or_else(|err| err);
        assert_eq!(read(&["nats://u:p@a:1, b", "tls://c"]), "nats://a:1 nats://b:4222 tls://c:4222");
        assert_eq!(read(&[]), "urls: there is none");
        assert_eq!(read(&["http://u:secret@a"]), "urls: invalid scheme for NATS server URL: http");
        let error = "urls: ws://a:80: websockets are not supported, only `nats` and `tls`";
        assert_eq!(read(&["ws://u:secret@a"]), error);
        assert!(!read(&["nats://u:secret@a:x"]).contains("secret"));
    }

    #[test]
    fn users_passwords_and_tokens_come_from_urls() {
        let auth = |url: &str| of_url(&url.parse().expect("it can be read")).unwrap_or_default();
        let one = auth("nats://ann:p%40ss%2@a");
        assert_eq!((one.username.as_deref(), one.password.as_deref()), (Some("ann"), Some("p@ss%2")));
        assert_eq!(auth("nats://t0k%2Fen@a").token.as_deref(), Some("t0k/en"));
        assert!(of_url(&"nats://a".parse().expect("it can be read")).is_none());
    }
}
