//! Spans of messages in a buffer: from the time that they are put in until what comes out has its answer.

use std::sync::Arc;

use wappa_message::{Began, Context};

use super::{OpenSpan, SpanPlace, span_of, unix_ns};
use crate::Parcel;

impl SpanPlace {
    /// The same parcel, which is put into the buffer of this place: each message that is traced has a span below the one that
    /// it had, and linked to that, which ends before.
    #[must_use]
    pub fn put_in(&self, parcel: Parcel) -> Parcel {
        let mut contexts = Vec::new();
        let mut at_ns = 0;
        for (idx, _, context) in &parcel.contexts() {
            let Some(parent) = span_of(context) else { continue };
            if at_ns == 0 {
                at_ns = unix_ns();
            }
            let (span, began) = (self.tracing.below(parent), Began { parent_id: parent.span_id, at_ns });
            let context = Context { span: Some(span), began: Some(began), ..Context::clone(context) };
            contexts.push((*idx, Arc::new(context)));
        }
        parcel.with_contexts(contexts)
    }

    /// The spans of the messages of a parcel that comes out of the buffer, by origin and in order.
    pub fn taken_out(&self, parcel: &Parcel) -> Vec<(u32, OpenSpan)> {
        let contexts = parcel.contexts();
        let open = contexts.iter().filter_map(|(_, origin, context)| {
            let (span, began) = (span_of(context)?.clone(), context.began?);
            let link = Some(Box::new((span.trace_id, began.parent_id)));
            let of = self.of.clone();
            let open = OpenSpan {
                span,
                parent_id: began.parent_id,
                of,
                began_ns: began.at_ns,
                link,
                is_entry: false,
            };
            Some((*origin, open))
        });
        open.collect()
    }
}
