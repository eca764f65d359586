//! Pushing metrics to a gateway for Prometheus, which keeps them for who comes to fetch them: for streams that are over
//! before anybody comes.

use std::time::{Duration, Instant};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{
    Request, Uri,
    client::conn::http1,
    header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderValue, USER_AGENT},
};
use hyper_util::rt::TokioIo;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};
use wappa_component::{Logger, Metrics};
use wappa_net::{Address, Carrier, Courier, Runtime, TlsConfig, why};

/// How long a push may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long the end of the program waits until the last metrics are there.
const GRACE: Duration = Duration::from_secs(5);

/// A fault that lasts is told so often.
const TOLD_INTERVAL: Duration = Duration::from_secs(60);

/// So much of an answer that says what is wrong is told.
const TOLD_BYTES_MAX: usize = 1024;

/// What may stand in a piece of a path as it is.
const PIECE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Makes the page that is pushed.
type Render = Box<dyn Fn(&Metrics) -> String + Send>;

/// Where metrics go.
pub(super) struct Target {
    address: Address,
    is_encrypted: bool,
    host: String,
    path: String,
    authorization: Option<HeaderValue>,
    /// The address as it is told, without credentials.
    told: String,
}

impl Target {
    /// A gateway at an address, `http://` where it says nothing else. The error shows nothing of the address.
    pub(super) fn new(url: &str, job: &str, user: &str, password: &str) -> Result<Target, String> {
        let url = if url.contains("://") { url.to_string() } else { format!("http://{url}") };
        let uri: Uri = url.parse().map_err(|err| format!("the address cannot be read: {err}"))?;
        let is_encrypted = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err("the address begins with `http://` or `https://`".to_string()),
        };
        let authority = uri.authority().ok_or("there is no host in the address")?;
        let host = authority.host();
        let port = authority.port_u16().unwrap_or(if is_encrypted { 443 } else { 80 });
        if host.trim_matches(['[', ']']).is_empty() {
            return Err("there is no host in the address".to_string());
        }
        if job.is_empty() {
            return Err("the name of the job is empty".to_string());
        }
        let job = match job.contains('/') {
            true => format!("job@base64/{}", URL_SAFE_NO_PAD.encode(job)),
            false => format!("job/{}", utf8_percent_encode(job, PIECE)),
        };
        let path = format!("{}/metrics/{job}", uri.path().trim_end_matches('/'));
        // What the address says of a user counts where the config says nothing else.
        let named = authority.as_str().rsplit_once('@').map(|it| it.0.split_once(':').unwrap_or((it.0, "")));
        let plain = |it: &str| percent_decode_str(it).decode_utf8_lossy().into_owned();
        let credentials = match (user.is_empty() && password.is_empty(), named) {
            (false, _) => Some(format!("{user}:{password}")),
            (true, Some((user, password))) => Some(format!("{}:{}", plain(user), plain(password))),
            (true, None) => None,
        };
        let header = |it: String| HeaderValue::try_from(format!("Basic {}", STANDARD.encode(it)));
        let authorization = credentials.map(header).transpose().map_err(|err| err.to_string())?;
        let shown = match authority.port_u16() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_string(),
        };
        Ok(Target {
            address: Address::new(host.trim_start_matches('[').trim_end_matches(']'), port),
            is_encrypted,
            told: format!("{}://{shown}{path}", if is_encrypted { "https" } else { "http" }),
            host: shown,
            path,
            authorization,
        })
    }

    /// Puts a page in the place of what the gateway has of this job.
    async fn put(&self, page: String) -> Result<(), String> {
        let stream = self.address.connect().await?;
        let stream: Box<dyn Carrier> = match self.is_encrypted {
            false => Box::new(stream),
            true => {
                let config = TlsConfig::default().client_config()?;
                let name = ServerName::try_from(self.address.host().to_string());
                let name = name.map_err(|err| format!("{}: {err}", self.told))?;
                let connector = TlsConnector::from(std::sync::Arc::new(config));
                let shaken = connector.connect(name, stream).await;
                Box::new(shaken.map_err(|err| format!("dial tls {}: {}", self.address, why(&err)))?)
            }
        };
        let failed = |err: &dyn std::fmt::Display| format!("Put {:?}: {err}", self.told);
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|err| failed(&err))?;
        let connection = tokio::spawn(connection);
        let mut request = Request::put(&self.path)
            .header(HOST, &self.host)
            .header(USER_AGENT, concat!("wappa/", env!("CARGO_PKG_VERSION")))
            .header(CONTENT_TYPE, super::prometheus::CONTENT_TYPE)
            // Of an empty page nobody would say it.
            .header(CONTENT_LENGTH, page.len());
        if let Some(value) = &self.authorization {
            request = request.header(AUTHORIZATION, value);
        }
        let request = request.body(Full::new(Bytes::from(page))).map_err(|err| failed(&err))?;
        let answer = async {
            let response = sender.send_request(request).await.map_err(|err| failed(&err))?;
            let code = response.status().as_u16();
            if matches!(code, 200 | 202) {
                return Ok(());
            }
            let (mut text, mut body) = (Vec::new(), response.into_body());
            while text.len() < TOLD_BYTES_MAX
                && let Some(Ok(frame)) = body.frame().await
            {
                text.extend_from_slice(frame.data_ref().map_or(&[], |it| &it[..]));
            }
            text.truncate(TOLD_BYTES_MAX);
            let text = String::from_utf8_lossy(&text);
            Err(format!("unexpected status code {code} while pushing to {}: {}", self.told, text.trim()))
        };
        let answer = answer.await;
        connection.abort();
        answer
    }
}

/// Pushes from a thread of its own: whoever gives it metrics does not wait.
pub(super) struct Gateway {
    /// How often; `None`: only at the end.
    pub(super) interval: Option<Duration>,
    last: Option<Instant>,
    courier: Courier,
}

impl Gateway {
    /// Starts the thread. The error says why it cannot be.
    pub(super) fn new(
        target: Target,
        interval: Option<Duration>,
        render: Render,
        logger: Logger,
    ) -> Result<Gateway, String> {
        let (runtime, mut told): (_, Option<Instant>) = (Runtime::default(), None);
        let courier = Courier::start("push", GRACE, move |metrics| {
            let result = runtime.wait(PATIENCE, target.put(render(metrics))).and_then(|it| it);
            if let Err(why) = result
                && told.is_none_or(|it| TOLD_INTERVAL <= it.elapsed())
            {
                told = Some(Instant::now());
                logger.error(&format!("Failed to push metrics: {why}"));
            }
        });
        let courier = courier.map_err(|why| format!("starting a thread to push metrics: {why}"))?;
        Ok(Gateway { interval, last: None, courier })
    }

    /// Pushes what there is now, where it is time for that. While another push is under way there is none.
    pub(super) fn push_if_due(&mut self, metrics: &Metrics, tick: Duration) {
        let Some(interval) = self.interval else { return };
        // The ticks come a little early or late.
        let is_due = self.last.is_none_or(|it| interval <= it.elapsed() + tick / 2);
        if is_due {
            self.last = Some(Instant::now());
            self.courier.give(metrics);
        }
    }

    /// Pushes for the last time, and waits until that is done, not for ever.
    pub(super) fn finish(&mut self, metrics: &Metrics) {
        self.courier.finish(metrics);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_gateways() {
        let of = |url: &str, job: &str, user: &str| match Target::new(url, job, user, "") {
            Ok(it) => format!("{} {}", it.told, it.authorization.map_or("-".into(), |it| format!("{it:?}"))),
            Err(err) => err,
        };
        assert_eq!(of("gateway:9091", "bento_push", ""), "http://gateway:9091/metrics/job/bento_push -");
        assert_eq!(of("https://[::1]/a/", "a b/c", ""), "https://[::1]/a/metrics/job@base64/YSBiL2M -");
        assert_eq!(of("http://g", "a b", ""), "http://g/metrics/job/a%20b -");
        // `me:s cret`, and `you:`.
        let named = of("http://me:s%20cret@g:1/", "j", "");
        assert_eq!(named, "http://g:1/metrics/job/j \"Basic bWU6cyBjcmV0\"");
        assert_eq!(of("http://me:secret@g:1", "j", "you"), "http://g:1/metrics/job/j \"Basic eW91Og==\"");
        for (url, job) in [("ftp://g", "j"), ("http://", "j"), ("http://:secret@", "j"), ("g", "")] {
            let told = of(url, job, "");
            assert!(!told.contains("/metrics/") && !told.contains("secret"), "{url}: {told}");
        }
    }
}
