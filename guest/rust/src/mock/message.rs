//! The host's side of the message that a guest works on.

use super::record::{stored, Outcome, Record};
use crate::Value;

pub(crate) struct Message {
    /// As it came in.
    original: Record,
    current: Record,
    emitted: Vec<Record>,
    is_filtered: bool,
    reason: Option<String>,
    position: (usize, usize),
}

impl Message {
    pub(super) fn new(record: Record, position: (usize, usize)) -> Message {
        Message {
            current: record.clone(),
            original: record,
            emitted: Vec::new(),
            is_filtered: false,
            reason: None,
            position,
        }
    }

    pub(super) fn into_outcome(self) -> Outcome {
        if let Some(reason) = self.reason {
            return Outcome::Failed { reason, message: self.original };
        }
        let mut sent = self.emitted;
        if !self.is_filtered {
            sent.push(self.current);
        }
        Outcome::Sent(sent)
    }

    pub(crate) fn content(&self) -> &[u8] {
        &self.current.content
    }

    pub(crate) fn content_mut(&mut self) -> &mut Vec<u8> {
        &mut self.current.content
    }

    pub(crate) fn set_content(&mut self, content: &[u8]) {
        self.current.content = content.to_vec();
    }

    pub(crate) fn metadata(&self, key: &str) -> Option<Value<'static>> {
        self.current.metadata.get(key).cloned()
    }

    pub(crate) fn metadata_text(&self, key: &str) -> Option<String> {
        self.current.metadata.get(key).map(|it| it.to_text().into_owned())
    }

    pub(crate) fn metadata_keys(&self) -> Vec<String> {
        self.current.metadata.keys().cloned().collect()
    }

    pub(crate) fn metadata_pairs(&self) -> Vec<(String, Value<'static>)> {
        self.current.metadata.clone().into_iter().collect()
    }

    pub(crate) fn set_metadata(&mut self, key: &str, value: &Value<'_>) {
        self.current.metadata.insert(key.to_string(), stored(value));
    }

    pub(crate) fn delete_metadata(&mut self, key: &str) -> bool {
        self.current.metadata.remove(key).is_some()
    }

    pub(crate) fn error(&self) -> Option<String> {
        self.current.error.clone()
    }

    pub(crate) fn clear_error(&mut self) {
        self.current.error = None;
    }

    pub(crate) fn emit(&mut self) {
        self.emitted.push(self.current.clone());
    }

    pub(crate) fn filter(&mut self) {
        self.is_filtered = true;
    }

    pub(crate) fn fail(&mut self, reason: &str) {
        self.reason = Some(reason.to_string());
    }

    pub(crate) fn position(&self) -> (usize, usize) {
        self.position
    }
}
