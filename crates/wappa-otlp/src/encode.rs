//! Requests of spans.

use bytes::Bytes;
use prost::Message;
use wappa_component::tracer::{Attribute, SpanData};

use crate::{
    tags::{Tags, pair, text},
    wire::{self, Value},
};

/// `SPAN_KIND_INTERNAL`: what all of Bento's are.
const INTERNAL: i32 = 1;

/// `STATUS_CODE_ERROR`.
const FAILED: i32 = 2;

/// Of `SpanFlags`: that of the trace, and two of the parent.
const SAMPLED: u32 = 1;
const KNOWS_REMOTE: u32 = 0x100;
const IS_REMOTE: u32 = 0x200;

/// What all requests to a collector have in common.
#[derive(Clone, Debug)]
pub(crate) struct Encoder {
    resource: wire::Resource,
    scope: wire::Scope,
}

impl Encoder {
    pub(crate) fn new(tags: Tags) -> Encoder {
        let scope = wire::Scope { name: "wappa".to_string(), version: env!("CARGO_PKG_VERSION").to_string() };
        Encoder { resource: wire::Resource { attributes: tags.into_attributes() }, scope }
    }

    /// The request that has these spans.
    pub(crate) fn request(&self, spans: &[SpanData]) -> Bytes {
        let request = wire::Request {
            resource_spans: vec![wire::ResourceSpans {
                resource: Some(self.resource.clone()),
                scope_spans: vec![wire::ScopeSpans {
                    scope: Some(self.scope.clone()),
                    spans: spans.iter().map(span).collect(),
                }],
                schema_url: "https://opentelemetry.io/schemas/1.7.0".to_string(),
            }],
        };
        Bytes::from(request.encode_to_vec())
    }
}

fn span(data: &SpanData) -> wire::Span {
    let mut attributes: Vec<_> =
        data.of.attributes.iter().map(|(key, value)| pair(key, text(value))).collect();
    attributes.extend(data.attributes.iter().map(|(key, value)| {
        pair(
            key,
            match value {
                Attribute::Text(value) => text(value),
                Attribute::Int(value) => Value::Int(*value),
            },
        )
    }));
    let mut events = Vec::new();
    if data.is_failed {
        // As Bento tells it. Why is not told: the reason of a failure may be made of what the message holds.
        attributes.push(pair("error", text("true")));
        let attributes = vec![pair("error", text("type"))];
        events.push(wire::Event { time_unix_nano: data.ended_ns, name: "event".to_string(), attributes });
    }
    let link = |(trace_id, span_id): (u128, u64)| wire::Link {
        trace_id: trace_id.to_be_bytes().to_vec(),
        span_id: span_id.to_be_bytes().to_vec(),
    };
    wire::Span {
        trace_id: data.span.trace_id.to_be_bytes().to_vec(),
        span_id: data.span.span_id.to_be_bytes().to_vec(),
        trace_state: data.span.state.as_deref().unwrap_or_default().to_string(),
        parent_span_id: if data.parent_id == 0 { Vec::new() } else { data.parent_id.to_be_bytes().to_vec() },
        name: data.of.name.to_string(),
        kind: INTERNAL,
        start_time_unix_nano: data.began_ns,
        end_time_unix_nano: data.ended_ns,
        attributes,
        events,
        links: data.link.into_iter().map(link).collect(),
        status: data.is_failed.then_some(wire::Status { code: FAILED }),
        flags: SAMPLED | KNOWS_REMOTE | if data.is_entry { IS_REMOTE } else { 0 },
    }
}
