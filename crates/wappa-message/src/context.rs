//! What belongs to a message on its way and is no part of it: who watches it, and who waits for a reply.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{Message, Span};

/// The context of a message: the span that traces it, and the slot for a reply to whoever sent it.
///
/// Absent by default, and free then. Copies of a message share it, and it stays with them through replays, batches and
/// processors; a message that is made anew has none.
#[derive(Clone, Default)]
pub struct Context {
    /// The span to which what happens to the message belongs.
    pub span: Option<Span>,
    /// The span is another trace's, to which that of the message is linked and does not belong.
    pub is_linked: bool,
    /// Since when, and below which, where it is one of a buffer, which ends behind it.
    pub began: Option<Began>,
    /// What the message came as, where its input has several ways in.
    pub came_as: Option<&'static str>,
    /// Where a reply goes.
    pub reply: Option<Arc<Reply>>,
}

/// The beginning of a span that has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Began {
    /// The span that it is below.
    pub parent_id: u64,
    /// When it began, in nanoseconds of Unix time.
    pub at_ns: u64,
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
