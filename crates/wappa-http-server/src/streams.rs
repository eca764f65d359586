//! `/streams` and `/resources`: streams of the process are created, shown, changed and deleted while others run.
//!
//! Here is who may ask, and how much: whoever changes something, or reads a config, is a program on this machine that asks for
//! its address or for `localhost`, or knows the password; no page of another origin is either. Bodies are bounded, and so is
//! how many changes are under way. What comes of them is for whoever has the streams ([`StreamsApi`]).

use std::{fmt, future::ready, sync::Arc};

use bytes::Bytes;
use hyper::{
    Method, StatusCode,
    header::{HeaderValue, X_CONTENT_TYPE_OPTIONS},
};
use tokio::{sync::Semaphore, task::spawn_blocking};

use crate::{
    answer::{Answer, error, held, of_type, plain, with},
    body,
    cross_site::Origins,
    debug::Shield,
    escapes,
    routes::{Asked, Place, Routes},
    service::{Readiness, ready_answer},
};

/// How large a config is that comes by a request; one that was written by hand has some kilobytes.
const BODY_BYTES_MAX: usize = 1 << 20;

/// How many changes may be under way at once. Each of them has a thread, most of which wait for each other.
const CHANGES_MAX: usize = 32;

/// What a request is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamsSubject {
    /// All streams.
    All,
    /// The stream with this name.
    One(String),
    /// What the stream with this name counts.
    Stats(String),
    /// A resource.
    Resource {
        /// `cache`, `input`, and so on; or anything else.
        kind: String,
        /// Its label.
        label: String,
    },
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamsRequest {
    /// `GET`, `POST` and so on, in capitals.
    pub method: String,
    /// What it is about.
    pub subject: StreamsSubject,
    /// Whether lints are no reason to refuse a config.
    pub is_chilled: bool,
    /// What was sent.
    pub body: Bytes,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamsReply {
    /// The status.
    pub status: u16,
    /// What the body is; `None` where there is none.
    pub content_type: Option<&'static str>,
    /// The body.
    pub body: String,
}

/// Who has the streams.
pub trait StreamsApi: Send + Sync {
    /// Answers a request of somebody who may ask. What changes something may wait, on a thread of its own, and goes on where
    /// the client is gone; everything else does not.
    fn answer(&self, request: StreamsRequest) -> StreamsReply;
}

struct Shared {
    api: Arc<dyn StreamsApi>,
    shield: Shield,
    origins: Origins,
    changes: Arc<Semaphore>,
}

/// Serves all of it.
pub(crate) fn serve(routes: &Routes, api: Arc<dyn StreamsApi>, shield: Shield, origins: Origins) {
    let shared = Arc::new(Shared { api, shield, origins, changes: Arc::new(Semaphore::new(CHANGES_MAX)) });
    let route = |path: &str, description: &'static str, subject: fn(&[String]) -> StreamsSubject| {
        let shared = Arc::clone(&shared);
        routes.serve(path, description, move |asked: Asked| {
            let texts: Result<Vec<String>, _> =
                asked.vars.iter().map(|(_, value)| String::from_utf8(value.to_vec())).collect();
            let subject = texts.ok().map(|it| subject(&it));
            answer(Arc::clone(&shared), asked, subject)
        });
    };
    route(
        "/streams",
        "GET: List all streams along with their status and uptimes. POST: Post an object of stream ids to stream configs, \
         all streams will be replaced by this new set.",
        |_| StreamsSubject::All,
    );
    route(
        "/streams/{id}",
        "Perform CRUD operations on streams, supporting POST (Create), GET (Read), PUT (Update), PATCH (Patch update) and \
         DELETE (Delete).",
        |it| StreamsSubject::One(it[0].clone()),
    );
    route("/streams/{id}/stats", "GET a structured JSON object containing metrics for the stream.", |it| {
        StreamsSubject::Stats(it[0].clone())
    });
    route(
        "/resources/{type}/{id}",
        "POST: Create or replace a given resource configuration of a specified type. Types supported are `cache`, `input`, \
         `output`, `processor` and `rate_limit`.",
        |it| StreamsSubject::Resource { kind: it[0].clone(), label: it[1].clone() },
    );
}

async fn answer(shared: Arc<Shared>, asked: Asked, subject: Option<StreamsSubject>) -> Answer {
    let Some(subject) = subject else { return error(StatusCode::BAD_REQUEST, "Error: the path is no text") };
    let method = match asked.request.method() {
        &Method::HEAD => Method::GET,
        method => method.clone(),
    };
    let is_change = ![Method::GET, Method::OPTIONS].contains(&method);
    let shows_config = matches!(subject, StreamsSubject::One(_));
    if (is_change || shows_config)
        && let Some(refusal) = shared.shield.refuses(&asked)
    {
        return refusal;
    }
    if is_change && shared.origins.are_foreign(&asked.request) {
        let text = "Error: a page of another origin changes nothing (`http.cors.allowed_origins` names those that may)";
        return error(StatusCode::FORBIDDEN, text);
    }
    let query: Vec<_> = escapes::query(asked.request.uri().query().unwrap_or_default()).collect();
    let is_chilled = query.iter().any(|(name, value)| name == b"chilled" && value == b"true");
    let request = |body| StreamsRequest { method: method.to_string(), subject, is_chilled, body };
    if !is_change {
        let answer = made_of(shared.api.answer(request(Bytes::new())));
        return held(answer, asked.hold());
    }
    let room = asked.hold();
    let received = match body::receive(asked.request.into_body(), room, BODY_BYTES_MAX).await {
        Ok(received) => received,
        Err(body::NotReceived::TooLarge(max)) => {
            let text = format!("Error: a config is no larger than {max} bytes");
            return error(StatusCode::PAYLOAD_TOO_LARGE, text);
        }
        Err(err) => {
            let (status, text) = err.told();
            return error(status, format!("Error: {text}"));
        }
    };
    // Only now: whoever is slow to say what he wants keeps nobody from changing something.
    let Ok(permit) = Arc::clone(&shared.changes).try_acquire_owned() else {
        let text =
            format!("Error: {CHANGES_MAX} changes are under way already, and no more can be: try again");
        return with(
            error(StatusCode::SERVICE_UNAVAILABLE, text),
            hyper::header::RETRY_AFTER,
            HeaderValue::from_static("1"),
        );
    };
    let (request, api) = (request(received.bytes), Arc::clone(&shared.api));
    // It goes on to its end whoever waits for it, and has its place until then.
    let made = spawn_blocking(move || {
        let reply = api.answer(request);
        drop((received.held, permit));
        reply
    });
    match made.await {
        Ok(reply) => made_of(reply),
        Err(_) => error(
            StatusCode::BAD_GATEWAY,
            "Error: the change has panicked, which is a bug: the log says where",
        ),
    }
}

fn made_of(reply: StreamsReply) -> Answer {
    let StreamsReply { status, content_type, body } = reply;
    let mut answer = match content_type {
        Some(content_type) => of_type(HeaderValue::from_static(content_type), body),
        None => plain(StatusCode::OK, body),
    };
    *answer.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    match answer.status().is_success() {
        true => answer,
        // What is wrong may say what somebody sent.
        false => with(answer, X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    }
}

/// A path that says whether a stream is ready, until this is dropped.
pub struct ReadyPath {
    _place: Place,
}

impl ReadyPath {
    /// At `/ready` among the paths of a stream. The error says that another component has it.
    pub fn new(
        routes: &Routes,
        readiness: impl Fn() -> Readiness + Send + Sync + 'static,
    ) -> Result<ReadyPath, String> {
        let description =
            "Returns 200 OK if all inputs and outputs are connected, otherwise a 503 is returned.";
        let place = routes.take("/ready", description)?;
        let paths = routes.clone();
        place.open(move |_: Asked| ready(ready_answer(readiness().with(&paths))));
        Ok(ReadyPath { _place: place })
    }
}

impl fmt::Debug for ReadyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReadyPath")
    }
}
