//! Requests: from a body to messages, and from what became of them to an answer.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use hyper::{
    HeaderMap, StatusCode, Uri,
    header::{
        CONTENT_TYPE, COOKIE, HOST, HeaderName, HeaderValue, RETRY_AFTER, TRAILER, TRANSFER_ENCODING,
        USER_AGENT,
    },
};
use tokio::{sync::oneshot, time::timeout};
use wappa_component::{Batches, Failure, LeaseSink, Level, is_stopped};
use wappa_message::{Context, Mark, Message, Metadata, Reply, Span, Value};
use wappa_net::Fed;

use super::{
    Clients, Intake,
    answers::{Post, Waiter},
};
use crate::{
    accepts,
    answer::{Answer, error, plain, with},
    body::{NotReceived, receive},
    escapes,
    multipart::{Form, form_of, parts},
    names::canonical,
    routes::Asked,
};

/// Why a message was not answered by the stream.
pub(super) enum NotFed {
    /// Nothing more is taken.
    Closing,
    /// It was not taken in time.
    TimedOut,
}

fn closing() -> Answer {
    error(StatusCode::SERVICE_UNAVAILABLE, "Server closing")
}

fn timed_out() -> Answer {
    error(StatusCode::REQUEST_TIMEOUT, "Request timed out")
}

impl Clients {
    /// Answers a request.
    pub(super) async fn post(self: Arc<Clients>, asked: Asked, intake: Intake) -> Answer {
        let takes_gzip = accepts::gzip(asked.request.headers());
        let answer = self.answer(asked, intake).await;
        if takes_gzip { accepts::compressed(answer).await } else { answer }
    }

    async fn answer(&self, asked: Asked, intake: Intake) -> Answer {
        let room = asked.hold();
        let Asked { request, path, vars, peer, share: _under_way } = asked;
        if intake.stop.is_requested() {
            return closing();
        }
        if !self.allowed_verbs.iter().any(|it| it == request.method().as_str()) {
            return error(StatusCode::METHOD_NOT_ALLOWED, "Incorrect method");
        }
        match self.wait_for_limit() {
            Ok(wait) if wait.is_zero() => (),
            Ok(wait) => {
                let seconds = wait.as_secs() + u64::from(0 < wait.subsec_nanos());
                let answer = error(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests");
                return with(answer, RETRY_AFTER, seconds.into());
            }
            Err(()) => return error(StatusCode::BAD_GATEWAY, "Server error"),
        }
        let (head, body) = request.into_parts();
        let refused = |why: NotReceived| {
            self.quiet.log(Level::Warn, &format!("Request read failed: {}", why.logged()));
            let (status, text) = why.told();
            error(status, text)
        };
        let form = match head.headers.get(CONTENT_TYPE).map(|it| form_of(it.as_bytes())) {
            None => Form::Whole,
            Some(Ok(form)) => form,
            Some(Err(text)) => return refused(NotReceived::Broken(text)),
        };
        let received = match receive(body, room, self.max_body_bytes).await {
            Ok(received) => received,
            Err(why) => return refused(why),
        };
        let contents = match form {
            Form::Whole => vec![received.bytes],
            Form::Parts { boundary } => match parts(&received.bytes, &boundary) {
                // There is nothing to be delivered.
                Ok(contents) if contents.is_empty() => return plain(StatusCode::OK, ""),
                Ok(contents) => contents,
                Err(text) => return refused(NotReceived::Broken(text)),
            },
        };
        let mut pairs = vec![
            (Bytes::from_static(b"http_server_request_path"), Value::text(&path)),
            (Bytes::from_static(b"http_server_verb"), Value::text(head.method.as_str())),
            (Bytes::from_static(b"http_server_remote_ip"), Value::text(&peer.ip)),
        ];
        if let Some(tls) = &peer.tls {
            pairs.push((Bytes::from_static(b"http_server_tls_version"), Value::text(tls.version)));
            pairs.push((Bytes::from_static(b"http_server_tls_cipher_suite"), Value::text(&tls.cipher_suite)));
        }
        let metadata = metadata(pairs, &head.headers, &head.uri, vars);
        let context = Context { span: span_of(&head.headers), came_as: Some("post"), ..Context::default() };
        let fed = self.feed(contents, metadata, context, &intake, Some(self.timeout)).await;
        let (reply, answered) = match fed {
            Ok(fed) => fed,
            Err(NotFed::Closing) => return closing(),
            Err(NotFed::TimedOut) => return timed_out(),
        };
        drop(received.held);
        match timeout(self.timeout, answered).await {
            Ok(Ok(None)) => self.reply.answer(reply.take(), &self.quiet),
            Ok(Ok(Some(reason))) if intake.stop.is_requested() || is_stopped(&reason) => closing(),
            Ok(Ok(Some(reason))) => error(StatusCode::BAD_GATEWAY, reason.as_str()),
            Ok(Err(_)) => closing(),
            Err(_) => timed_out(),
        }
    }

    /// Hands contents to the stream, as one batch. What comes back is where replies are put, and what tells that all
    /// messages are answered, with the reason of one that failed.
    pub(super) async fn feed(
        &self,
        contents: Vec<Bytes>,
        metadata: Metadata,
        context: Context,
        intake: &Intake,
        patience: Option<Duration>,
    ) -> Result<(Arc<Reply>, oneshot::Receiver<Option<Mark>>), NotFed> {
        let reply = Arc::new(Reply::default());
        let context = Arc::new(Context { reply: Some(Arc::clone(&reply)), ..context });
        let n_messages = contents.len() as u32;
        let mut messages = Vec::with_capacity(contents.len());
        for (content, origin) in contents.into_iter().zip(0..) {
            let mut message = Message::of_input(content, metadata.clone(), origin);
            message.set_context(Arc::clone(&context));
            messages.push(message);
        }
        let batches = if n_messages == 1 { Batches::Singles } else { Batches::Ends(vec![n_messages]) };
        let (tx, answered) = oneshot::channel();
        let waiting = Waiting { n_left: n_messages, failure: None, waiter: Some(tx) };
        let answered_by = Answered { waiting: Mutex::new(waiting), post: self.answers.post() };
        let fed = Fed::messages(messages, batches).leased(answered_by).at_last(self.answers.call());
        let fed = match intake.feeder.try_put_quietly(fed) {
            Ok(None) => return Ok((reply, answered)),
            Ok(Some(fed)) => fed,
            Err(_) => return Err(NotFed::Closing),
        };
        let mut stop = intake.stop.clone();
        let put = async {
            tokio::select! {
                biased;
                put = intake.feeder.put_quietly(fed) => put.map_err(|_| NotFed::Closing),
                () = stop.requested() => Err(NotFed::Closing),
            }
        };
        match patience {
            Some(patience) => timeout(patience, put).await.unwrap_or(Err(NotFed::TimedOut))?,
            None => put.await?,
        }
        Ok((reply, answered))
    }
}

/// The span that a client says its request belongs to.
fn span_of(headers: &HeaderMap) -> Option<Span> {
    let parent = headers.get("traceparent")?;
    // What is said in several headers is one list.
    let states: Vec<&[u8]> = headers.get_all("tracestate").iter().map(HeaderValue::as_bytes).collect();
    Span::of_headers(parent.as_bytes(), Some(&states.join(&b","[..])))
}

/// Tells the one who waits when all messages of a request are answered.
struct Answered {
    waiting: Mutex<Waiting>,
    post: Post,
}

struct Waiting {
    n_left: u32,
    failure: Option<Mark>,
    waiter: Option<Waiter>,
}

impl LeaseSink for Answered {
    fn answered(&self, origins: &[u32], failures: Vec<Failure>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.n_left -= origins.len() as u32;
        if let Some(first) = failures.into_iter().next() {
            waiting.failure.get_or_insert(first.reason);
        }
        if waiting.n_left == 0
            && let Some(waiter) = waiting.waiter.take()
        {
            let failure = waiting.failure.take();
            drop(waiting);
            self.post.put(waiter, failure);
        }
    }
}

/// The metadata of a request, behind those that are there: each later one wins, as in Bento.
pub(super) fn metadata(
    mut pairs: Vec<(Bytes, Value)>,
    headers: &HeaderMap,
    uri: &Uri,
    vars: Vec<(Bytes, Bytes)>,
) -> Metadata {
    pairs.reserve(headers.keys_len() + vars.len() + 2);
    let user_agent = headers.get(USER_AGENT).map(HeaderValue::as_bytes).unwrap_or_default();
    pairs.push((Bytes::from_static(b"http_server_user_agent"), Value::text(user_agent)));
    let mut last = None;
    for (name, value) in headers {
        // The first value of each, of those that are about more than how it was sent.
        let is_of_sending = *name == HOST || *name == TRANSFER_ENCODING || *name == TRAILER;
        if last.replace(name) == Some(name) || is_of_sending {
            continue;
        }
        pairs.push((canonical(name), Value::text(value.as_bytes())));
    }
    if let Some(query) = uri.query() {
        let mut keys = HashSet::new();
        for (key, value) in escapes::query(query) {
            // The first value of each.
            let key = Bytes::from(key);
            if keys.insert(key.clone()) {
                pairs.push((key, Value::text(value)));
            }
        }
    }
    pairs.extend(vars.into_iter().map(|(name, value)| (name, Value::text(&value))));
    for header in headers.get_all(COOKIE) {
        for cookie in header.as_bytes().split(|it| *it == b';') {
            let cookie = cookie.trim_ascii();
            let at = cookie.iter().position(|it| *it == b'=').unwrap_or(cookie.len());
            let (name, value) = cookie.split_at(at);
            if name.is_empty() || HeaderName::from_bytes(name).is_err() {
                continue;
            }
            let value = value.strip_prefix(b"=").unwrap_or_default();
            let value = match value {
                [b'"', inner @ .., b'"'] => inner,
                value => value,
            };
            pairs.push((Bytes::copy_from_slice(name), Value::text(value)));
        }
    }
    Metadata::from_pairs(pairs)
}
