//! Messages as the tests of a guest give and get them.

use std::collections::BTreeMap;

use super::json;
use crate::Value;

/// A message that a test gives to the [`Host`](super::Host), or gets back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    pub(super) content: Vec<u8>,
    pub(super) metadata: BTreeMap<String, Value<'static>>,
    pub(super) error: Option<String>,
}

impl Record {
    /// A message with this content, and nothing else.
    pub fn new(content: impl AsRef<[u8]>) -> Record {
        Record { content: content.as_ref().to_vec(), ..Record::default() }
    }

    /// The same with a metadata value.
    pub fn with_metadata<'v>(mut self, key: impl Into<String>, value: impl Into<Value<'v>>) -> Record {
        self.metadata.insert(key.into(), stored(&value.into()));
        self
    }

    /// The same, marked as failed.
    pub fn with_error(mut self, error: impl Into<String>) -> Record {
        self.error = Some(error.into());
        self
    }

    /// The content.
    pub fn content(&self) -> &[u8] {
        &self.content
    }

    /// The content as text.
    ///
    /// # Panics
    ///
    /// When it is not UTF-8.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.content).expect("the content is text")
    }

    /// The value of a key.
    pub fn metadata(&self, key: &str) -> Option<&Value<'static>> {
        self.metadata.get(key)
    }

    /// All keys in order, with their values.
    pub fn metadata_pairs(&self) -> impl Iterator<Item = (&str, &Value<'static>)> {
        self.metadata.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// The error mark.
    pub fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }
}

/// The value as the host keeps it.
pub(super) fn stored(value: &Value<'_>) -> Value<'static> {
    match value {
        Value::Text(_) | Value::Bytes(_) => Value::of_bytes(value.as_bytes().to_vec()),
        Value::Json(text) => match json::read(text) {
            Some(json::Read::Text(text)) => Value::Text(text.into()),
            Some(json::Read::Other(json)) => Value::Json(json.into()),
            None => panic!("a metadata value has to be JSON to be set as `Value::Json`; `{text}` is not"),
        },
    }
}

impl From<&str> for Record {
    fn from(content: &str) -> Record {
        Record::new(content)
    }
}

impl From<String> for Record {
    fn from(content: String) -> Record {
        Record::new(content)
    }
}

impl From<&[u8]> for Record {
    fn from(content: &[u8]) -> Record {
        Record::new(content)
    }
}

impl<const N: usize> From<&[u8; N]> for Record {
    fn from(content: &[u8; N]) -> Record {
        Record::new(content)
    }
}

impl From<Vec<u8>> for Record {
    fn from(content: Vec<u8>) -> Record {
        Record { content, ..Record::default() }
    }
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// These are sent in its place: none when it was filtered, more than one when some were emitted.
    Sent(Vec<Record>),
    /// It goes on as it came in, marked as failed.
    Failed {
        /// Why.
        reason: String,
        /// The message as it came in.
        message: Record,
    },
}

impl Outcome {
    /// The messages that are sent.
    ///
    /// # Panics
    ///
    /// When the message failed.
    #[track_caller]
    pub fn sent(&self) -> &[Record] {
        match self {
            Outcome::Sent(messages) => messages,
            Outcome::Failed { reason, .. } => panic!("the message failed: {reason}"),
        }
    }

    /// The reason, if the message failed.
    pub fn failed(&self) -> Option<&str> {
        match self {
            Outcome::Sent(_) => None,
            Outcome::Failed { reason, .. } => Some(reason),
        }
    }

    /// Whether nothing is sent.
    pub fn is_filtered(&self) -> bool {
        matches!(self, Outcome::Sent(messages) if messages.is_empty())
    }
}
