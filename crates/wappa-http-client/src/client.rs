//! The client: requests of batches, and what comes of them.

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Response, StatusCode, Uri,
    header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, RANGE, RETRY_AFTER},
};
use hyper::{body::Incoming, ext::ReasonPhrase};
use tokio::{
    task::spawn_blocking,
    time::{sleep, timeout_at},
};
use wappa_component::{Context, Counter, Level, Logger, Metrics, RateLimit, Timing};
use wappa_message::{Mark, Message, Metadata, Value};
use wappa_spec::SCRUBBED;

use crate::{
    address::Told,
    auth::{Digest, Oauth2, Signer},
    body::{self, NotRead, Reading},
    connections::{Connections, NotSent},
    dump::{Came, Dump},
    fields::HttpConfig,
    filter::Filter,
    multipart,
    request::{Content, Outgoing, Template, uri_of},
    room::Room,
    spans::{Requests, UnderWay},
    verdict::{Attempts, Retries, Verdict, Verdicts},
};

wappa_component::series! {
    LATENCY: timing "http_request_latency_ns", [], "How long requests took until the head of their answer was there, those included that failed.";
    CODE_1XX: counter "http_request_code_1xx", [], "Answers with a code from 100 to 199.";
    CODE_2XX: counter "http_request_code_2xx", [], "Answers with a code from 200 to 299.";
    CODE_3XX: counter "http_request_code_3xx", [], "Answers with a code from 300 to 399 that no redirect led on from.";
    CODE_4XX: counter "http_request_code_4xx", [], "Answers with a code from 400 to 499.";
    CODE_5XX: counter "http_request_code_5xx", [], "Answers with a code from 500 to 599.";
}

/// So much of the body of an answer with a failure is read, for the text of it.
const FAILURE_BYTES_MAX: usize = 16 << 10;

/// So much of it is told.
const TOLD_BYTES_MAX: usize = 1024;

/// How long to wait before a rate limit that failed is asked again; Bento's.
const RATE_LIMIT_WAIT: Duration = Duration::from_secs(1);

/// Why there is no answer to a batch.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    /// The code of the answer, if there was one.
    pub(crate) code: Option<u16>,
    /// Nothing came within the time.
    pub(crate) is_timeout: bool,
    /// No repetition helps.
    is_hopeless: bool,
    verdict: Verdict,
    /// How long the server asks to wait.
    asked: Option<Duration>,
    text: String,
}

impl Failure {
    fn new(text: String) -> Failure {
        Failure {
            code: None,
            is_timeout: false,
            is_hopeless: false,
            verdict: Verdict::Again,
            asked: None,
            text,
        }
    }

    /// What a message is marked with.
    pub(crate) fn mark(&self) -> Mark {
        if self.is_hopeless { Mark::of_hopeless(self.text.as_str()) } else { Mark::new(self.text.as_str()) }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// An answer with a code of success, of which the body is still to be read.
pub(crate) struct Answered {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    body: Incoming,
    is_compressed: bool,
    deadline: Option<tokio::time::Instant>,
    dumped: Option<(Outgoing, Instant)>,
    /// The address, as it is told.
    told: String,
}

/// Makes requests of batches.
pub(crate) struct Client {
    template: Template,
    connections: Connections,
    signer: Signer,
    oauth2: Option<Oauth2>,
    digest: Option<Digest>,
    verdicts: Verdicts,
    retries: Retries,
    timeout: Option<Duration>,
    response_limit: usize,
    extract: Filter,
    rate_limit: Option<Arc<dyn RateLimit>>,
    dump: Option<Dump>,
    /// Texts that are not told, whoever says them.
    secrets: Vec<String>,
    logger: Logger,
    latency: Timing,
    codes: Codes,
    /// None for one whose requests are of no messages.
    spans: Option<Requests>,
}

impl Client {
    /// The error says which field is wrong, or which file.
    pub(crate) fn new(
        config: &HttpConfig,
        content: Content,
        ctx: &mut Context<'_>,
    ) -> Result<Client, wappa_component::BuildError> {
        let rate_limit = config.rate_limit.as_deref().filter(|it| !it.is_empty());
        let rate_limit = rate_limit.map(|label| ctx.rate_limit(label)).transpose()?;
        Client::with(config, content, rate_limit, ctx).map_err(wappa_component::BuildError::new)
    }

    /// One whose requests are made of messages of the stream.
    pub(crate) fn of_messages(
        config: &HttpConfig,
        content: Content,
        ctx: &mut Context<'_>,
    ) -> Result<Client, wappa_component::BuildError> {
        let client = Client::new(config, content, ctx)?;
        Ok(Client { spans: Some(Requests::new(ctx)), ..client })
    }

    fn with(
        config: &HttpConfig,
        content: Content,
        rate_limit: Option<Arc<dyn RateLimit>>,
        ctx: &Context<'_>,
    ) -> Result<Client, String> {
        if config.negotiate.enabled {
            return Err("Wappa speaks neither Kerberos nor NTLM: `negotiate` cannot be enabled".to_string());
        }
        let signer = Signer::new(&config.oauth, &config.basic_auth, &config.jwt)?;
        let (oauth2, digest) = (Oauth2::new(&config.oauth2)?, Digest::new(&config.digest_auth));
        let mut secrets = signer.secrets();
        secrets.extend(oauth2.iter().flat_map(Oauth2::secrets));
        secrets.extend(digest.iter().flat_map(Digest::secrets));
        secrets.retain(is_telling);
        let labels = [("label", ctx.label()), ("path", ctx.path())];
        Ok(Client {
            template: Template::new(config, content)?,
            connections: Connections::new(
                &config.transport,
                &config.tls,
                config.proxy_url.as_deref().filter(|it| !it.is_empty()),
            )?,
            signer,
            oauth2,
            digest,
            verdicts: Verdicts::new(config),
            retries: Retries::new(config),
            timeout: Some(config.timeout).filter(|it| !it.is_zero()),
            response_limit: usize::try_from(config.response_limit.bytes()).unwrap_or(usize::MAX),
            extract: Filter::new(&config.extract_headers)?,
            rate_limit,
            dump: Dump::new(&config.dump_request_log_level, &ctx.logger()),
            secrets,
            logger: ctx.logger(),
            latency: ctx.metrics().timing(LATENCY.name, &labels),
            codes: Codes::new(ctx.metrics(), ctx.label(), ctx.path()),
            spans: None,
        })
    }

    /// Makes the request of a batch, again if need be, and gives the messages that the answer holds: one, or one for each
    /// part of it. Each has the code, and the headers that were asked for, as its metadata. What the answer holds is taken
    /// from the room, and kept there.
    pub(crate) async fn fetch(&self, batch: &mut [Message], room: &Room) -> Result<Vec<Message>, Failure> {
        let answered = self.open(batch).await?;
        self.read(answered, room).await
    }

    /// Makes the request of a batch, again if need be, until an answer with a code of success begins.
    pub(crate) async fn open(&self, batch: &mut [Message]) -> Result<Answered, Failure> {
        let request = self.spans.as_ref().and_then(|it| it.begin(batch));
        let opened = self.open_in(batch, request.as_ref()).await;
        if let Some(request) = request {
            request.end(opened.is_err());
        }
        opened
    }

    async fn open_in(
        &self,
        batch: &mut [Message],
        request: Option<&UnderWay<'_>>,
    ) -> Result<Answered, Failure> {
        let mut attempts = Attempts::default();
        loop {
            self.wait_for_leave(&batch[0]).await;
            let failure = match self.attempt(batch, request).await {
                Ok(answered) => return Ok(answered),
                Err(failure) => failure,
            };
            if failure.is_hopeless || failure.verdict == Verdict::Drop {
                return Err(failure);
            }
            let backs_off = failure.verdict == Verdict::BackOff;
            let Some(wait) = attempts.fail(&self.retries, backs_off, failure.asked) else {
                return Err(failure);
            };
            if self.logger.enabled(Level::Debug) {
                self.logger
                    .seldom(Level::Debug, &format!("HTTP request is made again in {wait:?}: {failure}"));
            }
            sleep(wait).await;
        }
    }

    /// The body of an answer, to be read as it comes.
    pub(crate) fn begin(&self, answered: Answered) -> Reading {
        if let (Some(dump), Some((outgoing, began))) = (&self.dump, &answered.dumped) {
            let came = Came::Answer(answered.status, &answered.headers, None);
            dump.log(outgoing, began.elapsed(), &came);
        }
        Reading::new(answered.body, answered.is_compressed)
    }

    /// Waits until the rate limit lets a request go on.
    async fn wait_for_leave(&self, message: &Message) {
        let Some(limit) = &self.rate_limit else { return };
        loop {
            let (limit, message) = (Arc::clone(limit), message.clone());
            // One that asks a server waits for it.
            let asked = spawn_blocking(move || limit.access(&message)).await;
            let wait = match asked.map_err(|err| err.to_string()).flatten() {
                Ok(wait) => wait,
                Err(err) => {
                    self.logger.failed(&format!("Rate limit error: {err}"));
                    RATE_LIMIT_WAIT
                }
            };
            if wait.is_zero() {
                return;
            }
            sleep(wait).await;
        }
    }

    async fn attempt(
        &self,
        batch: &mut [Message],
        request: Option<&UnderWay<'_>>,
    ) -> Result<Answered, Failure> {
        let made = self.template.make(batch);
        let mut outgoing = made.map_err(|text| Failure { is_hopeless: true, ..Failure::new(text) })?;
        let asks_for_compression = !outgoing.headers.contains_key(ACCEPT_ENCODING)
            && !outgoing.headers.contains_key(RANGE)
            && outgoing.method != Method::HEAD;
        if asks_for_compression {
            outgoing.headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        }
        if let Some(request) = request {
            request.tell(&mut outgoing.headers);
        }
        let told = Told(&outgoing.url).to_string();
        let dumped = self.dump.is_some().then(|| (outgoing.clone(), Instant::now()));
        let verb = verb_of(&outgoing.method);
        let began = Instant::now();
        let deadline = self.timeout.map(|it| tokio::time::Instant::now() + it);
        let exchanged = match deadline {
            Some(deadline) => timeout_at(deadline, self.signed(outgoing)).await,
            None => Ok(self.signed(outgoing).await),
        };
        self.latency.record(began.elapsed());
        let failed = |text: String, is_timeout: bool| {
            let text = self.scrubbed(&text);
            if let (Some(dump), Some((outgoing, began))) = (&self.dump, &dumped) {
                dump.log(outgoing, began.elapsed(), &Came::Error(&text));
            }
            Failure { is_timeout, ..Failure::new(format!("{told}: {verb} {told:?}: {text}")) }
        };
        let response = match exchanged {
            Ok(Ok(response)) => response,
            Ok(Err(NotSent(text))) => return Err(failed(text, false)),
            Err(_) => {
                let text = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)";
                return Err(failed(text.to_string(), true));
            }
        };
        let code = response.status().as_u16();
        self.codes.count(code);
        let verdict = self.verdicts.of(code);
        if verdict != Verdict::Success {
            return Err(self.refused(response, verdict, told, deadline, dumped).await);
        }
        let (mut parts, body) = response.into_parts();
        let is_compressed = asks_for_compression && body::take_compression(&mut parts.headers);
        Ok(Answered {
            status: parts.status,
            headers: parts.headers,
            body,
            is_compressed,
            deadline,
            dumped,
            told,
        })
    }

    /// Sends a request that says who makes it, in each of the ways that the config asks for.
    async fn signed(&self, mut outgoing: Outgoing) -> Result<Response<Incoming>, NotSent> {
        self.signer.sign(&outgoing.method, &outgoing.url, &mut outgoing.headers).map_err(NotSent)?;
        if let Some(oauth2) = &self.oauth2 {
            let header = oauth2.header(&self.connections).await.map_err(NotSent)?;
            outgoing.headers.insert(AUTHORIZATION, header.clone());
            let response = self.connections.exchange(outgoing).await?;
            if response.status() == StatusCode::UNAUTHORIZED {
                oauth2.refused(&header).await;
            }
            return Ok(response);
        }
        let Some(digest) = &self.digest else { return self.connections.exchange(outgoing).await };
        for is_second in [false, true] {
            if let Some(header) = digest.header(&outgoing.method, &outgoing.url).map_err(NotSent)? {
                outgoing.headers.insert(AUTHORIZATION, header);
            }
            let response = self.connections.exchange(outgoing.clone()).await?;
            if is_second || response.status() != StatusCode::UNAUTHORIZED || !digest.asked(response.headers())
            {
                return Ok(response);
            }
        }
        unreachable!("the second answer is returned")
    }

    /// What is said of an answer with a code that is no success.
    async fn refused(
        &self,
        response: Response<Incoming>,
        verdict: Verdict,
        told: String,
        deadline: Option<tokio::time::Instant>,
        dumped: Option<(Outgoing, Instant)>,
    ) -> Failure {
        let status = response.status();
        let (parts, body) = response.into_parts();
        let reason = match parts.extensions.get::<ReasonPhrase>() {
            Some(reason) => String::from_utf8_lossy(reason.as_bytes()).into_owned(),
            None => status.canonical_reason().unwrap_or_default().to_string(),
        };
        let mut headers = parts.headers;
        let is_compressed = body::take_compression(&mut headers);
        let reading = body::read_begin(body, FAILURE_BYTES_MAX);
        // What comes too late of it is not told; that it is a failure is known already.
        let mut begin = match deadline {
            Some(deadline) => timeout_at(deadline, reading).await.unwrap_or_default(),
            None => reading.await,
        };
        if is_compressed {
            begin = body::decompress_begin(&begin, FAILURE_BYTES_MAX);
        }
        if let (Some(dump), Some((outgoing, began))) = (&self.dump, &dumped) {
            dump.log(outgoing, began.elapsed(), &Came::Answer(status, &headers, Some(&begin)));
        }
        let body = match begin.get(..TOLD_BYTES_MAX) {
            Some(begin) => format!("{}…", String::from_utf8_lossy(begin)),
            None => String::from_utf8_lossy(&begin).into_owned(),
        };
        let (code, body) = (status.as_u16(), self.scrubbed(&body.replace('\n', "")));
        let text = format!(
            "{told}: HTTP request returned unexpected response code ({code}): {code} {reason}, Error: {body}"
        );
        Failure { code: Some(code), verdict, asked: asked_wait(&headers), ..Failure::new(text) }
    }

    async fn read(&self, answered: Answered, room: &Room) -> Result<Vec<Message>, Failure> {
        let Answered { status, headers, body, is_compressed, deadline, dumped, told } = answered;
        let mut taken = room.enter();
        let reading = body::read(body, self.response_limit, &mut taken);
        let read = match deadline {
            Some(deadline) => timeout_at(deadline, reading).await.unwrap_or_else(|_| {
                let text =
                    "context deadline exceeded (Client.Timeout or context cancellation while reading body)";
                Err(NotRead::Failed(text.to_string()))
            }),
            None => reading.await,
        };
        let read = read.and_then(|it| match is_compressed {
            true => body::decompress(&it, self.response_limit, &mut taken),
            false => Ok(it),
        });
        if let (Some(dump), Some((outgoing, began))) = (&self.dump, &dumped) {
            let text = read.as_ref().map_err(ToString::to_string);
            let came = match &text {
                Ok(body) => Came::Answer(status, &headers, Some(body)),
                Err(text) => Came::Error(text),
            };
            dump.log(outgoing, began.elapsed(), &came);
        }
        let failed = |why: &dyn fmt::Display| Failure {
            code: Some(status.as_u16()),
            ..Failure::new(format!("{told}: Failed to read response: {why}"))
        };
        let body = read.map_err(|err| failed(&err))?;
        taken.keep(body.len());
        let boundary = match headers.get(CONTENT_TYPE).map(multipart::boundary_of) {
            Some(Err(text)) => {
                self.logger.seldom(Level::Warn, &text);
                None
            }
            Some(Ok(boundary)) => boundary,
            None => None,
        };
        let contents = match boundary {
            Some(boundary) => multipart::parts(&body, &boundary).map_err(|err| failed(&err))?,
            None => vec![body],
        };
        let metadata = self.metadata(status, &headers);
        let message = |content| {
            let mut message = Message::new(content);
            *message.metadata_mut() = metadata.clone();
            message
        };
        Ok(contents.into_iter().map(message).collect())
    }

    fn metadata(&self, status: StatusCode, headers: &HeaderMap) -> Metadata {
        let code = (Bytes::from_static(b"http_status_code"), Value::Int(i64::from(status.as_u16())));
        let names = headers.keys().filter(|it| self.extract.takes(it.as_str().as_bytes()));
        let pair = |name: &http::HeaderName| {
            (Bytes::copy_from_slice(name.as_str().as_bytes()), Value::text(headers[name].as_bytes()))
        };
        Metadata::from_pairs([code].into_iter().chain(names.map(pair)))
    }

    /// A text without what the config keeps secret, which a server may have sent back.
    fn scrubbed(&self, text: &str) -> String {
        scrubbed(&self.secrets, text)
    }
}

/// Whether a secret can be told from other text: a short one would be found in any.
#[expect(clippy::ptr_arg, reason = "it is asked of the elements of a list")]
pub(crate) fn is_telling(secret: &String) -> bool {
    4 <= secret.len()
}

/// A text without these, which a server may have sent back.
pub(crate) fn scrubbed(secrets: &[String], text: &str) -> String {
    secrets.iter().fold(text.to_string(), |text, secret| text.replace(secret.as_str(), SCRUBBED))
}

/// A method as Go writes it in a text.
fn verb_of(method: &Method) -> String {
    let (first, rest) = method.as_str().split_at(1);
    format!("{first}{}", rest.to_ascii_lowercase())
}

/// How long a server asks to wait before the next request: in seconds, or until a time.
fn asked_wait(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    httpdate::parse_http_date(text).ok()?.duration_since(SystemTime::now()).ok()
}

/// Counts answers by their first digit; a series begins with its first one, as in Bento.
struct Codes {
    metrics: Metrics,
    label: String,
    path: String,
    counters: [OnceLock<Counter>; 5],
}

impl Codes {
    fn new(metrics: &Metrics, label: &str, path: &str) -> Codes {
        let (label, path) = (label.to_string(), path.to_string());
        Codes { metrics: metrics.clone(), label, path, counters: Default::default() }
    }

    fn count(&self, code: u16) {
        let series = [CODE_1XX, CODE_2XX, CODE_3XX, CODE_4XX, CODE_5XX];
        let idx = usize::from(code / 100).wrapping_sub(1);
        let (Some(place), Some(series)) = (self.counters.get(idx), series.get(idx)) else { return };
        let labels = [("label", &*self.label), ("path", &*self.path)];
        place.get_or_init(|| self.metrics.counter(series.name, &labels)).add(1);
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}

/// The address of a websocket's server, as a request for it is sent.
pub(crate) fn uri_of_websocket(url: &url::Url) -> Result<Uri, String> {
    let uri = uri_of(url)?.to_string();
    let rest = uri.split_once("://").map_or(uri.as_str(), |it| it.1);
    let scheme = if url.scheme() == "wss" { "https" } else { "http" };
    Uri::try_from(format!("{scheme}://{rest}")).map_err(|err| format!("the address cannot be read: {err}"))
}
