//! Requests and their answers in the log, where a config asks for that; without the headers that may hold credentials.

use std::{borrow::Cow, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use wappa_component::{Level, Logger};
use wappa_message::Value;
use wappa_spec::SCRUBBED;

use crate::{
    address::Told,
    request::{Outgoing, is_secret},
};

/// So much of a body is logged.
const BODY_BYTES_MAX: usize = 64 << 10;

/// Logs requests.
#[derive(Clone, Debug)]
pub(crate) struct Dump {
    level: Level,
    logger: Logger,
}

/// What came of a request.
pub(crate) enum Came<'a> {
    Answer(StatusCode, &'a HeaderMap, Option<&'a [u8]>),
    Error(&'a str),
}

impl Dump {
    /// `None`: nothing is logged.
    pub(crate) fn new(level: &str, logger: &Logger) -> Option<Dump> {
        let level = match level {
            "TRACE" => Level::Trace,
            "DEBUG" => Level::Debug,
            "INFO" => Level::Info,
            "WARN" => Level::Warn,
            "ERROR" | "FATAL" => Level::Error,
            _ => return None,
        };
        Some(Dump { level, logger: logger.clone() }).filter(|it| it.logger.enabled(level))
    }

    pub(crate) fn log(&self, outgoing: &Outgoing, elapsed: Duration, came: &Came<'_>) {
        let request = [
            ("body", body(&outgoing.body)),
            ("header", headers(&outgoing.headers)),
            ("method", Value::text(outgoing.method.as_str())),
            ("url", Value::text(Told(&outgoing.url).to_string())),
        ];
        let elapsed = i64::try_from(elapsed.as_nanos()).unwrap_or(i64::MAX);
        let mut all = vec![("elapsed_ns", Value::Int(elapsed)), ("request", object(request))];
        match came {
            Came::Answer(status, of, content) => {
                let mut response =
                    vec![("header", headers(of)), ("status_code", Value::Int(i64::from(status.as_u16())))];
                response.extend(content.map(|it| ("body", body(it))));
                all.push(("response", object(response)));
            }
            Came::Error(text) => all.push(("error", Value::text(text))),
        }
        let text = object(all).to_json();
        self.logger.log_with(self.level, "http request log", &[("access_log", Cow::Owned(text))]);
    }
}

fn object<'a>(pairs: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
    Value::object(pairs).unwrap_or_default()
}

/// A document as it is, anything else as text.
fn body(content: &[u8]) -> Value {
    if BODY_BYTES_MAX < content.len() {
        return Value::text(format!("{}…", String::from_utf8_lossy(&content[..BODY_BYTES_MAX])));
    }
    match content {
        [] => Value::Null,
        _ => Value::from_json(&Bytes::copy_from_slice(content))
            .unwrap_or_else(|_| Value::text(String::from_utf8_lossy(content).as_bytes())),
    }
}

fn headers(headers: &HeaderMap) -> Value {
    object(headers.keys().map(|name| {
        let values = headers.get_all(name).iter();
        let values = values.map(|it| match it.is_sensitive() || is_secret(name.as_str()) {
            true => Cow::Borrowed(SCRUBBED),
            false => String::from_utf8_lossy(it.as_bytes()),
        });
        (name.as_str(), Value::text(values.collect::<Vec<_>>().join(" ")))
    }))
}
