//! One message, and the mark that says it failed.

use std::{fmt, sync::Arc};

use bytes::Bytes;

use crate::Metadata;

/// The origin of a message that descends from no single input message: it stands for its whole batch.
pub const ORIGIN_NONE: u32 = u32::MAX;

/// One message. Cloning is cheap: content, metadata and mark are shared until one side writes.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    content: Bytes,
    metadata: Metadata,
    error: Option<Mark>,
    origin: u32,
}

impl Message {
    /// A message without metadata and without an error mark, with [`ORIGIN_NONE`]: whoever makes one of another
    /// message says so with [`Message::set_origin`].
    pub fn new(content: impl Into<Bytes>) -> Message {
        Message::of_input(content.into(), Metadata::default(), ORIGIN_NONE)
    }

    /// A message that shares `metadata` with others; the origin is its index among the messages of its parcel.
    pub fn of_input(content: Bytes, metadata: Metadata, origin: u32) -> Message {
        Message { content, metadata, error: None, origin }
    }

    /// The content.
    pub fn content(&self) -> &Bytes {
        &self.content
    }

    /// Replaces the content.
    pub fn set_content(&mut self, content: Bytes) {
        self.content = content;
    }

    /// The metadata.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The metadata, to be changed. Nothing is copied before something is written.
    pub fn metadata_mut(&mut self) -> &mut Metadata {
        &mut self.metadata
    }

    /// Why a processor failed on this message, if one did.
    pub fn error(&self) -> Option<&Mark> {
        self.error.as_ref()
    }

    /// Marks the message as failed. A later mark replaces an earlier one.
    pub fn set_error(&mut self, mark: Mark) {
        self.error = Some(mark);
    }

    /// Removes the mark and returns it.
    pub fn clear_error(&mut self) -> Option<Mark> {
        self.error.take()
    }

    /// The index, within its parcel, of the input message that this one descends from; or [`ORIGIN_NONE`].
    pub fn origin(&self) -> u32 {
        self.origin
    }

    /// Says which input message this one descends from.
    pub fn set_origin(&mut self, origin: u32) {
        self.origin = origin;
    }

    /// Content and metadata together, in bytes: what the message makes its holder keep. Texts of the metadata count with
    /// what is allocated for them.
    pub fn size(&self) -> usize {
        self.content.len() + self.metadata.size()
    }
}

impl Default for Message {
    fn default() -> Message {
        Message::new(Bytes::new())
    }
}

/// The text of a failure, one line. Cloning shares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark(Arc<MarkText>);

#[derive(Debug, PartialEq, Eq)]
struct MarkText {
    text: Box<str>,
    is_final: bool,
}

impl Mark {
    /// A mark with this text.
    pub fn new(text: impl Into<Box<str>>) -> Mark {
        Mark(Arc::new(MarkText { text: text.into(), is_final: false }))
    }

    /// One for a message that can never arrive, however often it is delivered again.
    pub fn of_hopeless(text: impl Into<Box<str>>) -> Mark {
        Mark(Arc::new(MarkText { text: text.into(), is_final: true }))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// Whether delivering the message again is of no use.
    pub fn is_final(&self) -> bool {
        self.0.is_final
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Value;

    #[test]
    fn a_clone_does_not_see_edits() {
        let mut one = Message::new("a");
        one.metadata_mut().set("k", Value::text("1"));
        let two = one.clone();
        one.metadata_mut().set("k", Value::text("2"));
        one.set_content(Bytes::from("b"));
        one.set_error(Mark::new("late"));
        assert_eq!((two.content().as_ref(), two.metadata().text("k").as_ref()), (&b"a"[..], &b"1"[..]));
        assert!(two.error().is_none());
        assert_eq!(one.clear_error().map(|it| it.to_string()).as_deref(), Some("late"));
    }

    #[test]
    fn a_message_that_is_made_has_no_origin_until_somebody_says_so() {
        let mut made = [Message::new("a"), Message::default()];
        assert_eq!([0, 1].map(|it| made[it].origin()), [ORIGIN_NONE; 2]);
        made[0].set_origin(3);
        assert_eq!(made[0].clone().origin(), 3);
    }

    #[test]
    fn messages_stay_small() {
        assert!(size_of::<Message>() <= 64, "{}", size_of::<Message>());
    }
}
