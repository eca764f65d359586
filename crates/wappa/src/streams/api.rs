//! `/streams` and `/resources`: what requests ask for, done to the streams, in Bento's words.

use std::sync::{Arc, Weak};

use wappa_http_server::{StreamsApi, StreamsReply, StreamsRequest, StreamsSubject};
use wappa_message::Value;
use wappa_spec::{ComponentKind, Lint, Rule, SCRUBBED};

use super::{
    one::Running,
    set::{Found, Refusal, Streams, Submitted},
};
use crate::{service::go_duration, serving::to_json};

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

const RESOURCE_TYPES: &str =
    "Var `type` must be set to one of `cache`, `input`, `output`, `processor` or `rate_limit`";

/// Who answers.
pub(super) struct Api {
    streams: Weak<Streams>,
}

/// Why a request is not answered with what it asks for.
enum Problem {
    /// What is wrong with the config that was sent.
    Lints(Vec<String>),
    Refused(Refusal),
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Problem {
        Problem::Refused(refusal)
    }
}

impl Problem {
    fn mistake(text: impl Into<String>) -> Problem {
        Problem::Refused(Refusal::Mistake(text.into()))
    }

    fn failed(text: impl Into<String>) -> Problem {
        Problem::Refused(Refusal::Failed(text.into()))
    }
}

impl Api {
    pub(super) fn new(streams: &Arc<Streams>) -> Api {
        Api { streams: Arc::downgrade(streams) }
    }
}

impl StreamsApi for Api {
    fn answer(&self, request: StreamsRequest) -> StreamsReply {
        let Some(streams) = self.streams.upgrade() else { return error(502, "the service is closing") };
        let answered = answer(&streams, &request);
        let reply = match answered {
            Ok(reply) => return reply,
            Err(Problem::Lints(lints)) => {
                let lints: Vec<String> = lints.iter().map(|it| quoted(it)).collect();
                reply(400, JSON, format!("{{\"lint_errors\":[{}]}}", lints.join(",")))
            }
            Err(Problem::Refused(Refusal::NotFound)) => reply(404, TEXT, "Stream not found\n".to_string()),
            Err(Problem::Refused(Refusal::Exists)) => reply(400, TEXT, "Stream already exists\n".to_string()),
            Err(Problem::Refused(Refusal::Mistake(text))) => error(400, &text),
            Err(Problem::Refused(Refusal::Failed(text))) => error(502, &text),
        };
        if reply.status == 502 {
            streams.around().logger.error(&format!("Streams CRUD {}", reply.body.trim_end()));
        }
        reply
    }
}

fn answer(streams: &Streams, request: &StreamsRequest) -> Result<StreamsReply, Problem> {
    let StreamsRequest { method, subject, is_chilled, body } = request;
    // What is not trusted never runs in spite of lints, which are what keeps it from the machine.
    let is_chilled = &(*is_chilled && !streams.around().is_api_restricted());
    match (method.as_str(), subject) {
        ("GET", StreamsSubject::All) => Ok(list(streams)),
        ("POST", StreamsSubject::All) => {
            let set = read_set(streams, body, *is_chilled)?;
            streams.replace_all(set)?;
            Ok(done())
        }
        (_, StreamsSubject::All) => Err(Problem::mistake("method not supported")),
        ("GET", StreamsSubject::One(id)) => {
            let running = streams.get(id).ok_or(Refusal::NotFound)?;
            Ok(show(&running))
        }
        ("POST", StreamsSubject::One(id)) => {
            if streams.get(id).is_some() {
                return Err(Refusal::Exists.into());
            }
            streams.create(id, read(streams, body, *is_chilled)?)?;
            Ok(done())
        }
        ("PUT", StreamsSubject::One(id)) => {
            if streams.get(id).is_none() {
                return Err(Refusal::NotFound.into());
            }
            let submitted = read(streams, body, *is_chilled)?;
            streams.update(id, |_| Ok::<_, Problem>(submitted))?;
            Ok(done())
        }
        ("PATCH", StreamsSubject::One(id)) => {
            if streams.get(id).is_none() {
                return Err(Refusal::NotFound.into());
            }
            streams.update(id, |before| patched(streams, before, body, *is_chilled))?;
            Ok(done())
        }
        ("DELETE", StreamsSubject::One(id)) => {
            streams.delete(id)?;
            Ok(done())
        }
        (method, StreamsSubject::One(_)) => Err(Problem::mistake(format!("verb not supported: {method}"))),
        ("GET", StreamsSubject::Stats(id)) => {
            Ok(reply(200, JSON, streams.stats(id).ok_or(Refusal::NotFound)?))
        }
        (method, StreamsSubject::Stats(_)) => Err(Problem::mistake(format!("verb not supported: {method}"))),
        (method, StreamsSubject::Resource { kind, label }) => {
            let Some(kind) = resource_kind(kind) else {
                return Ok(reply(400, TEXT, format!("{RESOURCE_TYPES}\n")));
            };
            if method != "POST" {
                return Err(Problem::mistake(format!("verb not supported: {method}")));
            }
            put_resource(streams, kind, label, body, *is_chilled)?;
            Ok(done())
        }
    }
}

fn resource_kind(name: &str) -> Option<ComponentKind> {
    Some(match name {
        "cache" => ComponentKind::Cache,
        "input" => ComponentKind::Input,
        "output" => ComponentKind::Output,
        "processor" => ComponentKind::Processor,
        "rate_limit" => ComponentKind::RateLimit,
        _ => return None,
    })
}

/// What a request says of a stream, unless something is wrong with it.
fn read(streams: &Streams, body: &[u8], is_chilled: bool) -> Result<Submitted, Problem> {
    check_secrets(body)?;
    let read = streams.read_posted(|reading| reading.source(body, None)).map_err(Problem::failed)?;
    judged(read, is_chilled, "")
}

/// What was shown as secret is not what it stands for.
fn check_secrets(body: &[u8]) -> Result<(), Problem> {
    let is_shown = body.windows(SCRUBBED.len()).any(|it| it == SCRUBBED.as_bytes());
    let text = "the config has a mark in the place of a secret, as it is shown: write the secret, or PATCH only what is to \
                be another";
    if is_shown { Err(Problem::mistake(text)) } else { Ok(()) }
}

/// What was read, unless lints keep it from being used.
fn judged<T>(read: Found<T>, is_chilled: bool, prefix: &str) -> Result<T, Problem> {
    let (read, lints) = match read {
        Ok((read, lints)) => (read, lints),
        Err(lints) => (None, lints),
    };
    let errors: Vec<&Lint> = lints.iter().filter(|it| it.is_error()).collect();
    // What cannot even be read is told by itself, as what is missing of the environment.
    let unread = [Rule::FailedRead, Rule::ComponentMissing, Rule::ComponentNotFound, Rule::MissingEnvVar];
    let first =
        errors.iter().find(|it| unread.contains(&it.rule) && !(is_chilled && it.rule == Rule::MissingEnvVar));
    if let Some(lint) = first {
        let has_place = ![Rule::FailedRead, Rule::MissingEnvVar].contains(&lint.rule);
        let text = if has_place { lint.line("") } else { lint.message.clone() };
        return Err(Problem::mistake(format!("{prefix}{text}")));
    }
    if !errors.is_empty() && !is_chilled || read.is_none() {
        return Err(Problem::Lints(errors.iter().map(|it| format!("{prefix}{}", it.line(""))).collect()));
    }
    read.ok_or_else(|| Problem::mistake("no sense can be made of the config"))
}

/// A stream with what a request says of it.
fn patched(streams: &Streams, before: &Running, body: &[u8], is_chilled: bool) -> Result<Submitted, Problem> {
    check_secrets(body)?;
    let read = streams.read_posted(|reading| {
        let patch = reading.source(body, None)?;
        // Nothing is no change, as in Bento.
        let is_nothing = patch.node.is_null();
        let node = if is_nothing { before.of.tree.clone() } else { before.of.tree.patched(&patch.node) };
        Ok(patch.with_node(node))
    });
    judged(read.map_err(Problem::failed)?, is_chilled, "")
}

/// All streams of a set.
fn read_set(streams: &Streams, body: &[u8], is_chilled: bool) -> Result<Vec<(String, Submitted)>, Problem> {
    check_secrets(body)?;
    let whole = streams.source_of(body).map_err(Problem::failed)?;
    let whole = whole.or_else(|lints| judged(Err(lints), is_chilled, ""))?;
    let pieces = whole.into_pieces().map_err(|it| {
        Problem::mistake(format!("expected an object of stream ids to configs, got {}", it.node.tag()))
    })?;
    // Before any of them is read.
    streams.check_number(pieces.len())?;
    let mut set: Vec<(String, Submitted)> = Vec::new();
    let mut lints = Vec::new();
    for (id, piece) in pieces {
        let read = streams.read_posted(|_| Ok(piece)).map_err(Problem::failed)?;
        match judged(read, is_chilled, &format!("stream '{id}': ")) {
            Ok(submitted) => set.push((id, submitted)),
            Err(Problem::Lints(more)) => lints.extend(more),
            Err(problem) => return Err(problem),
        }
    }
    if lints.is_empty() { Ok(set) } else { Err(Problem::Lints(lints)) }
}

fn put_resource(
    streams: &Streams,
    kind: ComponentKind,
    label: &str,
    body: &[u8],
    is_chilled: bool,
) -> Result<(), Problem> {
    check_secrets(body)?;
    if !wappa_spec::is_label(label) {
        return Err(Problem::mistake(format!(
            "invalid label '{label}': should match the regular expression /^[a-z0-9_]+$/ and must not start with an underscore"
        )));
    }
    let read = streams.read_resource(kind, body).map_err(Problem::failed)?;
    let (node, lints) = match read {
        Ok(it) => it,
        Err(lints) => (None, lints),
    };
    if let Some(lint) = lints.iter().find(|it| it.rule == Rule::FailedRead) {
        return Err(Problem::mistake(lint.message.clone()));
    }
    // Warnings count here as well.
    if !lints.is_empty() && !is_chilled || node.is_none() {
        return Err(Problem::Lints(lints.iter().map(|it| it.line("")).collect()));
    }
    let node = node.ok_or_else(|| Problem::mistake("no sense can be made of the config"))?;
    Ok(streams.put_resource(node, label)?)
}

fn list(streams: &Streams) -> StreamsReply {
    let of = |it: &Arc<Running>| format!("{}:{{{}}}", quoted(&it.of.id), status(it));
    let all: Vec<String> = streams.all().iter().map(of).collect();
    reply(200, JSON, format!("{{{}}}", all.join(",")))
}

fn show(running: &Running) -> StreamsReply {
    reply(200, JSON, format!("{{{},\"config\":{}}}", status(running), to_json(&running.of.shown)))
}

fn status(running: &Running) -> String {
    let uptime = running.uptime();
    format!(
        "\"active\":{},\"uptime\":{},\"uptime_str\":{}",
        running.is_active(),
        uptime.as_secs_f64(),
        quoted(&go_duration(uptime))
    )
}

fn quoted(text: &str) -> String {
    Value::text(text).to_json()
}

fn done() -> StreamsReply {
    StreamsReply { status: 200, content_type: None, body: String::new() }
}

fn error(status: u16, text: &str) -> StreamsReply {
    reply(status, TEXT, format!("Error: {text}\n"))
}

fn reply(status: u16, content_type: &'static str, body: String) -> StreamsReply {
    StreamsReply { status, content_type: Some(content_type), body }
}
