//! Requests of spans: `opentelemetry/proto/*/v1/*.proto`, version 1, as far as it is used.

use std::{collections::HashMap, ops::Range, ptr};

use bytes::Bytes;
use wappa_component::tracer::{SpanData, SpanOf};

use crate::{tags::Tags, write};

/// `SPAN_KIND_INTERNAL`: what all of Bento's are.
const INTERNAL: u64 = 1;

/// `STATUS_CODE_ERROR`.
const FAILED: u64 = 2;

/// Of `SpanFlags`: that of the trace, and two of the parent.
const SAMPLED: u32 = 1;
const KNOWS_REMOTE: u32 = 0x100;
const IS_REMOTE: u32 = 0x200;

/// About so many bytes have a span and what is around it.
const SPAN_BYTES: usize = 192;

/// The beginning of a message with a short number has no more: the number and the length.
const BEGIN_BYTES_MAX: usize = 11;

/// What all requests to a collector have in common.
#[derive(Clone, Debug)]
pub(crate) struct Encoder {
    /// The beginning of `ResourceSpans`: the resource.
    resource: Vec<u8>,
    /// The beginning of `ScopeSpans`: the scope.
    scope: Vec<u8>,
    /// The end of `ResourceSpans`: whose conventions are followed.
    schema: Vec<u8>,
}

/// What spans of the same place have in common, where it was written once.
#[derive(Debug, Default)]
struct Places {
    /// By where it is. Those who have spans of it keep it there.
    at: HashMap<*const SpanOf, Range<usize>>,
    last: Option<(*const SpanOf, Range<usize>)>,
    written: Vec<u8>,
}

impl Encoder {
    pub(crate) fn new(tags: &Tags) -> Encoder {
        let (mut resource, mut scope, mut schema) = (Vec::new(), Vec::new(), Vec::new());
        write::message(&mut resource, 1, |out| {
            tags.iter().for_each(|(key, value)| text(out, 1, key, value));
        });
        write::message(&mut scope, 1, |out| {
            write::bytes(out, 1, b"wappa");
            write::bytes(out, 2, env!("CARGO_PKG_VERSION").as_bytes());
        });
        write::bytes(&mut schema, 3, b"https://opentelemetry.io/schemas/1.7.0");
        Encoder { resource, scope, schema }
    }

    /// The request that has these spans: an `ExportTraceServiceRequest`.
    pub(crate) fn request(&self, spans: &[SpanData]) -> Bytes {
        // What stands before the spans tells how long they are, and has its place before they are written.
        let room = self.resource.len() + 3 * BEGIN_BYTES_MAX;
        let mut request = Vec::with_capacity(room + self.scope.len() + spans.len() * SPAN_BYTES);
        request.resize(room, 0);
        request.extend_from_slice(&self.scope);
        let (mut places, mut own) = (Places::default(), Vec::with_capacity(SPAN_BYTES));
        for data in spans {
            own.clear();
            span(&mut own, data);
            let of_place = places.of(data);
            write::begin(&mut request, 2, own.len() + of_place.len());
            request.extend_from_slice(of_place);
            request.extend_from_slice(&own);
        }
        let of_scope = request.len() - room;
        request.extend_from_slice(&self.schema);
        let mut scope = Vec::with_capacity(BEGIN_BYTES_MAX);
        write::begin(&mut scope, 2, of_scope);
        let mut before = Vec::with_capacity(room);
        write::begin(&mut before, 1, self.resource.len() + scope.len() + request.len() - room);
        before.extend_from_slice(&self.resource);
        before.extend_from_slice(&scope);
        let start = room - before.len();
        request[start..room].copy_from_slice(&before);
        Bytes::from(request).slice(start..)
    }
}

impl Places {
    /// The name and the attributes of a span that all of its place have.
    fn of(&mut self, data: &SpanData) -> &[u8] {
        let place = ptr::from_ref(&*data.of);
        let range = match &self.last {
            Some((last, range)) if *last == place => range.clone(),
            _ => {
                let written = &mut self.written;
                let range = self.at.entry(place).or_insert_with(|| {
                    let start = written.len();
                    write::bytes(written, 5, data.of.name.as_bytes());
                    data.of.attributes.iter().for_each(|(key, value)| text(written, 9, key, value));
                    start..written.len()
                });
                range.clone()
            }
        };
        self.last = Some((place, range.clone()));
        &self.written[range]
    }
}

/// A `Span` without what those of its place have in common. Its fields may come in any order.
fn span(out: &mut Vec<u8>, data: &SpanData) {
    write::bytes(out, 1, &data.span.trace_id.to_be_bytes());
    write::bytes(out, 2, &data.span.span_id.to_be_bytes());
    if let Some(state) = &data.span.state {
        write::bytes(out, 3, state.as_bytes());
    }
    if data.parent_id != 0 {
        write::bytes(out, 4, &data.parent_id.to_be_bytes());
    }
    write::varint(out, 6, INTERNAL);
    write::fixed64(out, 7, data.began_ns);
    write::fixed64(out, 8, data.ended_ns);
    if 1 < data.n_together {
        attribute(out, 9, "messages", |value| write::varint(value, 3, data.n_together as u64));
    }
    if data.is_failed {
        // As Bento tells it. Why is not told: the reason of a failure may be made of what the message holds.
        text(out, 9, "error", "true");
        write::message(out, 11, |event| {
            write::fixed64(event, 1, data.ended_ns);
            write::bytes(event, 2, b"event");
            text(event, 3, "error", "type");
        });
    }
    if let Some((trace_id, span_id)) = data.link.as_deref() {
        write::message(out, 13, |link| {
            write::bytes(link, 1, &trace_id.to_be_bytes());
            write::bytes(link, 2, &span_id.to_be_bytes());
        });
    }
    if data.is_failed {
        write::message(out, 15, |status| write::varint(status, 3, FAILED));
    }
    write::fixed32(out, 16, SAMPLED | KNOWS_REMOTE | if data.is_entry { IS_REMOTE } else { 0 });
}

/// A `KeyValue` that is a text.
fn text(out: &mut Vec<u8>, field: u32, key: &str, value: &str) {
    attribute(out, field, key, |out| write::bytes(out, 1, value.as_bytes()));
}

fn attribute(out: &mut Vec<u8>, field: u32, key: &str, value: impl FnOnce(&mut Vec<u8>)) {
    write::message(out, field, |out| {
        write::bytes(out, 1, key.as_bytes());
        write::message(out, 2, value);
    });
}

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use wappa_component::tracer::SharedSpanOf;
    use wappa_message::Span;
    use wappa_spec::Map;

    use super::*;
    use crate::wire::{self, Value};

    fn shown(pairs: &[wire::KeyValue]) -> String {
        let value = |it: &wire::KeyValue| match it.value.as_ref().and_then(|it| it.value.as_ref()) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Int(number)) => number.to_string(),
            None => "nothing".to_string(),
        };
        pairs.iter().map(|it| format!("{}={}", it.key, value(it))).collect::<Vec<_>>().join(" ")
    }

    /// Everything that can be said of a span is read again by who knows the protocol, as it was said.
    #[test]
    fn what_is_written_is_read_as_it_was() {
        let long = "l".repeat(1024);
        let place = |name: &str| {
            SharedSpanOf::from(SpanOf {
                name: name.into(),
                attributes: vec![("label", long.as_str().into()), ("path", "root".into())],
            })
        };
        let bare = SharedSpanOf::from(SpanOf { name: "bare".into(), attributes: Vec::new() });
        let one = SpanData {
            span: Span { trace_id: 1 << 120, span_id: u64::MAX, is_sampled: true, state: None },
            parent_id: 0,
            of: bare,
            began_ns: 1,
            ended_ns: u64::MAX,
            is_failed: false,
            is_entry: false,
            link: None,
            n_together: 1,
        };
        let two = SpanData {
            span: Span { state: Some("a=1".into()), ..one.span.clone() },
            parent_id: 7,
            of: place("two"),
            is_failed: true,
            is_entry: true,
            link: Some(Box::new((3, 4))),
            n_together: 300,
            ..one.clone()
        };
        let three = SpanData { of: place("three"), ..one.clone() };
        let given = [one, two.clone(), three, two];
        let bytes = Encoder::new(&Tags::new(&Map::default())).request(&given);
        let request = wire::Request::decode(bytes).expect("it is a request");
        let [resource] = request.resource_spans.as_slice() else { panic!("one resource: {request:?}") };
        let said = resource.resource.as_ref().map(|it| shown(&it.attributes)).unwrap_or_default();
        assert!(said.starts_with("service.name=wappa service.version="), "{said}");
        assert_eq!(resource.schema_url, "https://opentelemetry.io/schemas/1.7.0");
        let [scope] = resource.scope_spans.as_slice() else { panic!("one scope: {resource:?}") };
        assert_eq!(scope.scope.as_ref().map(|it| it.name.as_str()), Some("wappa"));
        let names: Vec<&str> = scope.spans.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["bare", "two", "three", "two"]);
        let (bare, failed) = (&scope.spans[0], &scope.spans[1]);
        assert_eq!(
            (bare.trace_id.as_slice(), bare.span_id.as_slice()),
            (&(1u128 << 120).to_be_bytes()[..], &[255; 8][..])
        );
        assert_eq!((bare.start_time_unix_nano, bare.end_time_unix_nano, bare.kind), (1, u64::MAX, 1));
        assert_eq!(
            (bare.trace_state.as_str(), bare.parent_span_id.len(), shown(&bare.attributes).as_str()),
            ("", 0, "")
        );
        assert_eq!(
            (bare.flags, bare.status.is_none(), bare.events.len(), bare.links.len()),
            (0x101, true, 0, 0)
        );
        assert_eq!(shown(&failed.attributes), format!("label={long} path=root messages=300 error=true"));
        assert_eq!(
            (failed.trace_state.as_str(), failed.parent_span_id.as_slice()),
            ("a=1", &7u64.to_be_bytes()[..])
        );
        let events: Vec<_> = failed
            .events
            .iter()
            .map(|it| (it.name.as_str(), shown(&it.attributes), it.time_unix_nano))
            .collect();
        assert_eq!(events, [("event", "error=type".to_string(), u64::MAX)]);
        assert_eq!(
            failed.links.iter().map(|it| it.span_id.as_slice()).collect::<Vec<_>>(),
            [4u64.to_be_bytes()]
        );
        assert_eq!((failed.flags, failed.status.as_ref().map(|it| it.code)), (0x301, Some(2)));
        assert_eq!(scope.spans[3], *failed);
    }
}
