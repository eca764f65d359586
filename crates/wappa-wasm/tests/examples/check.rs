//! What can be seen of a message, and how two of them are compared.

use std::{collections::BTreeMap, fmt::Debug};

use bytes::Bytes;
use serde_json::Value as Json;
use wappa_message::{Mark, Message, Value};
use wappa_wasm::Outcome;

/// The longest text of a message that is shown.
const SHOWN_BYTES_MAX: usize = 400;

/// All that there is of a message.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Seen {
    pub(crate) content: Content,
    pub(crate) metadata: BTreeMap<Bytes, Meta>,
    pub(crate) error: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Content {
    Bytes(Bytes),
    /// Any text of this value.
    Json(Json),
}

/// A value of metadata: text, which is not the same as JSON of a text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Meta {
    Text(Bytes),
    Json(Json),
}

impl Seen {
    pub(crate) fn of(message: &Message) -> Seen {
        let metadata = message.metadata().iter().map(|(key, value)| (key.clone(), meta(value)));
        Seen {
            content: Content::Bytes(message.content().clone()),
            metadata: metadata.collect(),
            error: message.error().map(|it| it.as_str().to_string()),
        }
    }

    /// The same with the content as JSON, if it is some.
    fn with_json(self) -> Seen {
        let json = match &self.content {
            Content::Bytes(content) => serde_json::from_slice(content).ok(),
            Content::Json(_) => None,
        };
        match json {
            Some(json) => Seen { content: Content::Json(json), ..self },
            None => self,
        }
    }
}

fn meta(value: &Value) -> Meta {
    match value {
        Value::Text(text) => Meta::Text(text.to_bytes()),
        other => Meta::Json(serde_json::from_str(&other.to_json()).expect("a value prints as JSON")),
    }
}

/// What goes on after a guest, marked as the processor marks it.
pub(crate) fn sent(outcome: Outcome) -> Vec<Message> {
    let (mut messages, failed) = match outcome {
        Outcome::Kept(message, failed) => (vec![message], failed),
        Outcome::Sent(messages, failed) => (messages, failed),
    };
    if let (Some(last), Some(err)) = (messages.last_mut(), failed) {
        last.set_error(Mark::new(err.mark_text()));
    }
    messages
}

/// Compares what became of one message with what should have.
pub(crate) fn compare(expected: &[Seen], messages: &[Message]) -> Result<(), String> {
    let as_expected = |(idx, message): (usize, &Message)| match expected.get(idx) {
        Some(Seen { content: Content::Json(_), .. }) => Seen::of(message).with_json(),
        _ => Seen::of(message),
    };
    let found: Vec<Seen> = messages.iter().enumerate().map(as_expected).collect();
    if found == expected {
        return Ok(());
    }
    Err(format!("became   {}\nexpected {}", shown(&found), shown(&expected)))
}

fn shown(value: &dyn Debug) -> String {
    let text = format!("{value:?}");
    match text.char_indices().nth(SHOWN_BYTES_MAX) {
        Some((at, _)) => format!("{}… ({} bytes)", &text[..at], text.len()),
        None => text,
    }
}
