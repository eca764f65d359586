//! The messages at work in one instance, and the verbs of a guest on them. Every tier ends here.
//!
//! Until a message is finished it keeps its own content and a share of its metadata and its mark, so that a failure at
//! any point leaves it exactly as it came in. All of that is moved or shared, never copied.

use bytes::Bytes;
use wappa_message::{Mark, Message, Metadata, Value};

use crate::{
    CallError, Kind,
    arena::Arena,
    error::Stop,
    json,
    run::{Disposition, Run},
};

/// What a key that was not there costs beside its bytes.
const KEY_OVERHEAD_BYTES: usize = 64;

/// What reading a JSON value may cost in any case.
const JSON_SPARE_BYTES: usize = 1 << 20;

/// What an emitted message costs beside its content and metadata.
const MESSAGE_OVERHEAD_BYTES: usize = 128;

/// What the guest may ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Phase {
    /// There is no message: the instance starts, or is between two calls.
    #[default]
    Outside,
    /// There is a message.
    Message,
    /// The guest was told that there is no other message in this call.
    End,
}

/// The messages of the running call, and what the guest did to the one at work.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) run: Run,
    pub(crate) phase: Phase,
    /// The message at work.
    pub(crate) at: usize,
    output_limit: usize,
    /// The content that takes the place of the old one.
    content: Option<Bytes>,
    /// Messages as they came in, where metadata or mark were changed.
    saved: Vec<Saved>,
    /// What is seldom is looked at together: one of the following is set.
    is_unusual: bool,
    emitted: Vec<Message>,
    emitted_bytes: usize,
    filtered: bool,
    failed: Option<String>,
    mistake: Option<String>,
}

#[derive(Debug)]
struct Saved {
    idx: usize,
    metadata: Metadata,
    error: Option<Mark>,
}

impl Work {
    pub(crate) fn new(output_limit: usize) -> Work {
        Work {
            run: Run::default(),
            phase: Phase::Outside,
            at: 0,
            output_limit,
            content: None,
            saved: Vec::new(),
            is_unusual: false,
            emitted: Vec::new(),
            emitted_bytes: 0,
            filtered: false,
            failed: None,
            mistake: None,
        }
    }

    /// The next message of the run is the one at work.
    #[inline]
    pub(crate) fn begin(&mut self) {
        self.at = self.run.next;
        self.phase = Phase::Message;
    }

    /// The message at work is finished: it gets what the guest changed, or is as it came in when the guest failed it.
    #[inline]
    pub(crate) fn finish(&mut self) {
        if self.is_unusual {
            self.finish_unusual();
        } else {
            if let Some(content) = self.content.take() {
                self.run.messages[self.at].set_content(content);
            }
            self.saved.clear();
        }
        self.run.next = self.at + 1;
    }

    #[cold]
    fn finish_unusual(&mut self) {
        if let Some(reason) = self.failed.take() {
            let err = CallError::new(Kind::Fail, reason);
            self.restore();
            self.run.dispose(self.at, Disposition { failed: Some(err), ..Disposition::default() });
            return;
        }
        if let Some(content) = self.content.take() {
            self.run.messages[self.at].set_content(content);
        }
        let failed = self.mistake.take().map(|text| CallError::new(Kind::HostCall, text).keeping_changes());
        let disposition = Disposition {
            emitted: std::mem::take(&mut self.emitted),
            // A message that failed is not taken for one that was filtered.
            is_replaced: self.filtered && failed.is_none(),
            failed,
        };
        if disposition.is_replaced || disposition.failed.is_some() || !disposition.emitted.is_empty() {
            self.run.dispose(self.at, disposition);
        }
        self.forget();
    }

    /// The message at work failed of something that ended its guest.
    #[cold]
    pub(crate) fn fail(&mut self, err: CallError) {
        self.restore();
        self.run.dispose(self.at, Disposition { failed: Some(err), ..Disposition::default() });
        self.run.next = self.at + 1;
    }

    /// All messages that were changed and not finished are as they came in.
    pub(crate) fn restore(&mut self) {
        for saved in self.saved.drain(..) {
            let message = &mut self.run.messages[saved.idx];
            *message.metadata_mut() = saved.metadata;
            set_mark(message, saved.error);
        }
        self.forget();
    }

    /// One message is as it came in.
    pub(crate) fn restore_one(&mut self, idx: usize) {
        if let Some(place) = self.saved.iter().rposition(|it| it.idx == idx) {
            let saved = self.saved.swap_remove(place);
            let message = &mut self.run.messages[idx];
            *message.metadata_mut() = saved.metadata;
            set_mark(message, saved.error);
        }
    }

    fn forget(&mut self) {
        self.content = None;
        self.saved.clear();
        self.is_unusual = false;
        self.emitted.clear();
        self.emitted_bytes = 0;
        self.filtered = false;
        self.failed = None;
        self.mistake = None;
    }

    /// What was changed stands.
    pub(crate) fn keep_changes(&mut self) {
        self.saved.clear();
    }

    /// The content of the message at work, as the guest sees it.
    #[inline]
    pub(crate) fn content(&self) -> &[u8] {
        match &self.content {
            Some(content) => content,
            None => self.message().content(),
        }
    }

    #[inline]
    fn message(&self) -> &Message {
        &self.run.messages[self.at]
    }

    /// Replaces the content of the message at work with a copy of this.
    #[inline]
    pub(crate) fn set_content(&mut self, arena: &mut Arena, content: &[u8]) -> Result<(), Stop> {
        // A content that is no larger than it was can still be too much beside metadata that grew meanwhile.
        if self.message().content().len() < content.len() || !self.saved.is_empty() || self.is_unusual {
            self.check_output(self.at, content.len())?;
        }
        self.content = Some(arena.copy(content));
        Ok(())
    }

    /// The metadata of a message.
    pub(crate) fn metadata(&self, idx: usize) -> &Metadata {
        self.run.messages[idx].metadata()
    }

    /// Sets a key.
    pub(crate) fn set_metadata(&mut self, idx: usize, key: Bytes, value: Value) -> Result<(), Stop> {
        self.save(idx);
        self.run.messages[idx].metadata_mut().set(key, value);
        let content =
            if idx == self.at { self.content().len() } else { self.run.messages[idx].content().len() };
        self.check_output(idx, content)
    }

    /// Removes a key, and says whether it was there.
    pub(crate) fn delete_metadata(&mut self, idx: usize, key: &[u8]) -> bool {
        if self.metadata(idx).get(key).is_none() {
            return false;
        }
        self.save(idx);
        self.run.messages[idx].metadata_mut().delete(key)
    }

    /// The mark of a message that failed before.
    pub(crate) fn error(&self, idx: usize) -> Option<&Mark> {
        self.run.messages[idx].error()
    }

    /// Removes the mark.
    pub(crate) fn clear_error(&mut self, idx: usize) {
        if self.error(idx).is_some() {
            self.save(idx);
            self.run.messages[idx].clear_error();
        }
    }

    /// Sends the message at work as it stands and goes on with a copy.
    pub(crate) fn emit(&mut self) -> Result<(), Stop> {
        let mut copy = self.message().clone();
        if let Some(content) = &self.content {
            copy.set_content(content.clone());
        }
        self.is_unusual = true;
        self.emitted_bytes += size_sent(&copy);
        self.emitted.push(copy);
        self.check_output(self.at, self.content().len())
    }

    /// The message at work is not sent when it is finished.
    pub(crate) fn filter(&mut self) {
        self.is_unusual = true;
        self.filtered = true;
    }

    /// The message at work fails with this reason. A later one replaces it.
    pub(crate) fn fail_with(&mut self, reason: String) {
        self.is_unusual = true;
        self.failed = Some(reason);
    }

    /// Records a mistake that fails the message but not the call. The last one counts.
    #[cold]
    pub(crate) fn fail_softly(&mut self, text: String) {
        self.is_unusual = true;
        self.mistake = Some(text);
    }

    fn save(&mut self, idx: usize) {
        // Guests go from message to message: the one that was changed last is the likely one.
        if self.saved.iter().rev().any(|it| it.idx == idx) {
            return;
        }
        let message = &self.run.messages[idx];
        let (metadata, error) = (message.metadata().clone(), message.error().cloned());
        self.saved.push(Saved { idx, metadata, error });
    }

    /// Reads a JSON value, unless that alone would cost more than a message may become.
    pub(crate) fn parse(&self, text: &[u8]) -> Result<Result<Value, String>, Stop> {
        let (cost, limit) = (json::cost(text), self.output_limit.saturating_add(JSON_SPARE_BYTES));
        if limit < cost {
            let text = format!(
                "a JSON value takes {cost} bytes, over the limit of {} (`output_limit`)",
                self.output_limit
            );
            return Err(Stop::Output(text));
        }
        Ok(json::parse(text))
    }

    /// Whether a message may become so large with a content of this length.
    pub(crate) fn check_output(&self, idx: usize, content: usize) -> Result<(), Stop> {
        let message = &self.run.messages[idx];
        let saved = self.saved.iter().rev().find(|it| it.idx == idx).map(|it| &it.metadata);
        let metadata = message.metadata();
        let (bytes_before, keys_before) =
            saved.map_or((metadata.size(), metadata.len()), |it| (it.size(), it.len()));
        let before = message.content().len() + bytes_before;
        let keys = metadata.len().saturating_sub(keys_before) * KEY_OVERHEAD_BYTES;
        let now = self.emitted_bytes + content + metadata.size() + keys;
        check(self.output_limit, before, now)
    }

    /// Whether these may take the place of a message.
    pub(crate) fn check_sent(&self, idx: usize, sent: &[Message]) -> Result<(), Stop> {
        let now = sent.iter().map(size_sent).sum();
        check(self.output_limit, self.run.messages[idx].size(), now)
    }
}

/// What one more message costs. Its keys may be a copy of its own.
fn size_sent(message: &Message) -> usize {
    message.size() + message.metadata().len() * KEY_OVERHEAD_BYTES + MESSAGE_OVERHEAD_BYTES
}

fn check(limit: usize, before: usize, now: usize) -> Result<(), Stop> {
    if limit < now && before < now {
        let text = format!("the message would be {now} bytes, over the limit of {limit} (`output_limit`)");
        return Err(Stop::Output(text));
    }
    Ok(())
}

fn set_mark(message: &mut Message, mark: Option<Mark>) {
    match mark {
        Some(mark) => message.set_error(mark),
        None => drop(message.clear_error()),
    }
}
