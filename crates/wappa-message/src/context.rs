//! What belongs to a message on its way and is no part of it: who watches it, and who waits for a reply.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use crate::Message;

/// The context of a message: the span that traces it, and the slot for a reply to whoever sent it.
///
/// Absent by default, and free then. Copies of a message share it, and it stays with them through replays, batches and
/// processors; a message that is made anew has none.
#[derive(Clone, Default)]
pub struct Context {
    /// The span to which what happens to the message belongs.
    pub span: Option<Span>,
    /// Where a reply goes.
    pub reply: Option<Arc<Reply>>,
}

/// A span as W3C Trace Context names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The trace.
    pub trace_id: u128,
    /// The span within the trace.
    pub span_id: u64,
    /// Whether anybody records it.
    pub is_sampled: bool,
}

/// Where messages are put that are to go back to the sender of another one, such as the client of a request.
///
/// Whoever waits for the reply takes it once the message is answered. A message that is replayed may be replied to
/// again; what was not taken before it is thrown away with [`Reply::take`].
#[derive(Debug, Default)]
pub struct Reply(Mutex<Vec<Vec<Message>>>);

impl Reply {
    /// Adds a batch to the reply.
    pub fn put(&self, batch: Vec<Message>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(batch);
    }

    /// All batches, in the order in which they were put; there are none afterwards.
    pub fn take(&self) -> Vec<Vec<Message>> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What is in the reply is messages, which may have this context themselves.
        f.debug_struct("Context").field("span", &self.span).field("has_reply", &self.reply.is_some()).finish()
    }
}
