//! The messages at work in one instance, and the verbs of a guest on them. Every tier ends here.
//!
//! Until a message is finished it keeps its own content and a share of its metadata and its mark, so that a failure at
//! any point leaves it exactly as it came in. All of that is moved or shared, never copied.

use bytes::Bytes;
use wappa_message::{Mark, Message, Metadata, Value, pair_bytes};
use wappa_spec::Size;

use crate::{
    host::arena::Arena,
    host::error::CallError,
    host::error::Kind,
    host::error::Stop,
    host::json::{self, Refused},
    host::lifted::{WitMessage, WitValue},
    host::run::{Disposition, Run},
};

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
    content: Content,
    /// Where new contents are put.
    pub(crate) arena: Arena,
    /// Messages as they came in, where metadata or mark were changed, in their order.
    saved: Vec<Saved>,
    /// By how many bytes the metadata of all these are larger than they were.
    saved_growth: isize,
    /// What is seldom is looked at together: one of the following is set.
    is_unusual: bool,
    emitted: Vec<Message>,
    emitted_bytes: usize,
    filtered: bool,
    failed: Option<String>,
    mistake: Option<String>,
}

/// The content of the message at work.
#[derive(Debug, Default)]
enum Content {
    /// As it came in.
    #[default]
    Unchanged,
    /// What was written into the arena last takes the place of the old one.
    Written,
    /// This does.
    Own(Bytes),
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
            content: Content::Unchanged,
            arena: Arena::default(),
            saved: Vec::new(),
            saved_growth: 0,
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
            self.replace_content();
            if !self.saved.is_empty() {
                self.keep_changes();
            }
        }
        self.run.next = self.at + 1;
    }

    /// The message at work gets the content that was written for it.
    #[inline(always)]
    fn replace_content(&mut self) {
        let content = match std::mem::take(&mut self.content) {
            Content::Unchanged => return,
            Content::Written => self.arena.take(),
            Content::Own(content) => content,
        };
        let message = &mut self.run.messages[self.at];
        self.run.growth.grown += content.len().saturating_sub(message.content_size());
        message.set_content(content);
    }

    #[cold]
    fn finish_unusual(&mut self) {
        if let Some(reason) = self.failed.take() {
            let err = CallError::new(Kind::Fail, reason);
            self.restore();
            self.run.dispose(self.at, Disposition { failed: Some(err), ..Disposition::default() });
            return;
        }
        self.run.growth.grown += self.emitted_bytes;
        self.replace_content();
        self.keep_changes();
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
        if let Ok(place) = self.place_of(idx) {
            let saved = self.saved.remove(place);
            let message = &mut self.run.messages[idx];
            self.saved_growth -= message.metadata().size() as isize - saved.metadata.size() as isize;
            *message.metadata_mut() = saved.metadata;
            set_mark(message, saved.error);
        }
    }

    fn forget(&mut self) {
        self.content = Content::Unchanged;
        self.saved.clear();
        self.saved_growth = 0;
        self.is_unusual = false;
        self.emitted.clear();
        self.emitted_bytes = 0;
        self.filtered = false;
        self.failed = None;
        self.mistake = None;
    }

    /// What was changed of metadata and marks stands.
    pub(crate) fn keep_changes(&mut self) {
        self.saved_growth = 0;
        for saved in self.saved.drain(..) {
            let now = self.run.messages[saved.idx].metadata();
            // What others hold stays where it is.
            let freed = match saved.metadata.is_shared() {
                true if now.is_shared_with(&saved.metadata) => now.size(),
                true => 0,
                false => saved.metadata.size(),
            };
            self.run.growth.grown += now.size().saturating_sub(freed);
        }
    }

    /// Makes bytes of a content that is a structure, unless somebody did: the host holds both then, which counts for the
    /// part at once and stays, whatever becomes of the message.
    #[inline]
    pub(crate) fn print(&mut self, idx: usize) -> Result<(), Stop> {
        if self.run.messages[idx].printed().is_ok() { Ok(()) } else { self.print_structure(idx) }
    }

    #[cold]
    fn print_structure(&mut self, idx: usize) -> Result<(), Stop> {
        let Err(value) = self.run.messages[idx].printed() else { return Ok(()) };
        let bytes = value.json_len();
        self.run.growth.check(bytes).map_err(Stop::Output)?;
        self.run.growth.grown += bytes;
        self.run.messages[idx].content();
        Ok(())
    }

    /// Makes bytes of the content of the message at work, see [`Work::print`]: before the guest sees it.
    #[inline]
    pub(crate) fn print_content(&mut self) -> Result<(), Stop> {
        if matches!(self.content, Content::Unchanged) { self.print(self.at) } else { Ok(()) }
    }

    /// The content of the message at work, as the guest sees it; it was made bytes before.
    #[inline]
    pub(crate) fn content(&self) -> &[u8] {
        match &self.content {
            Content::Unchanged => self.message().content(),
            Content::Written => self.arena.written(),
            Content::Own(content) => content,
        }
    }

    /// What the content of the message at work keeps, in bytes.
    #[inline]
    fn content_size(&self) -> usize {
        match &self.content {
            Content::Unchanged => self.message().content_size(),
            Content::Written => self.arena.written().len(),
            Content::Own(content) => content.len(),
        }
    }

    #[inline]
    fn message(&self) -> &Message {
        &self.run.messages[self.at]
    }

    /// Replaces the content of the message at work with a copy of this.
    #[inline]
    pub(crate) fn set_content(&mut self, content: &[u8]) -> Result<(), Stop> {
        // A content that is no larger than it was can still be too much beside metadata that grew meanwhile.
        if self.message().content_size() < content.len() || !self.saved.is_empty() || self.is_unusual {
            let at = self.at;
            self.check_output(at, content.len())?;
        }
        if self.arena.write(content) {
            self.content = Content::Written;
        } else {
            // What it takes the place of goes first.
            self.content = Content::Unchanged;
            self.content = Content::Own(Bytes::copy_from_slice(content));
        }
        Ok(())
    }

    /// The metadata of a message.
    pub(crate) fn metadata(&self, idx: usize) -> &Metadata {
        self.run.messages[idx].metadata()
    }

    /// Sets a key.
    pub(crate) fn set_metadata(&mut self, idx: usize, key: Bytes, value: Value) -> Result<(), Stop> {
        self.check_copy(idx)?;
        self.save(idx);
        let metadata = self.run.messages[idx].metadata_mut();
        let before = metadata.size();
        metadata.set(key, value);
        self.saved_growth += metadata.size() as isize - before as isize;
        let content =
            if idx == self.at { self.content_size() } else { self.run.messages[idx].content_size() };
        self.check_output(idx, content)
    }

    /// Removes a key, and says whether it was there.
    pub(crate) fn delete_metadata(&mut self, idx: usize, key: &[u8]) -> Result<bool, Stop> {
        if self.metadata(idx).get(key).is_none() {
            return Ok(false);
        }
        self.check_copy(idx)?;
        self.save(idx);
        let metadata = self.run.messages[idx].metadata_mut();
        let before = metadata.size();
        let was_there = metadata.delete(key);
        self.saved_growth += metadata.size() as isize - before as isize;
        Ok(was_there)
    }

    /// Whether a message's metadata may be changed: what is shared is copied first.
    fn check_copy(&mut self, idx: usize) -> Result<(), Stop> {
        let metadata = self.metadata(idx);
        let copied = if metadata.is_shared() { metadata.size() } else { 0 };
        self.run.growth.check(copied).map_err(Stop::Output)
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
        if matches!(self.content, Content::Written) {
            self.content = Content::Own(self.arena.take());
        }
        let mut copy = self.message().clone();
        if let Content::Own(content) = &self.content {
            copy.set_content(content.clone());
        }
        // Metadata are shared with what came in, or was sent last, until they are changed.
        let metadata = copy.metadata();
        let of_saved = self.saved.iter().rev().find(|it| it.idx == self.at).map(|it| &it.metadata);
        let is_shared = of_saved.is_none_or(|it| it.is_shared_with(metadata))
            || self.emitted.last().is_some_and(|it| it.metadata().is_shared_with(metadata));
        let of_metadata = if is_shared { 0 } else { metadata.size() };
        self.is_unusual = true;
        self.emitted_bytes += copy.content_size() + of_metadata + MESSAGE_OVERHEAD_BYTES;
        self.emitted.push(copy);
        let (at, content) = (self.at, self.content_size());
        self.check_output(at, content)
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
        let Err(place) = self.place_of(idx) else { return };
        let message = &self.run.messages[idx];
        let (metadata, error) = (message.metadata().clone(), message.error().cloned());
        self.saved.insert(place, Saved { idx, metadata, error });
    }

    /// Where a message is among those that were changed, or would be.
    #[inline]
    fn place_of(&self, idx: usize) -> Result<usize, usize> {
        // Guests go from message to message, so that it is the last one or comes behind it.
        match self.saved.last() {
            Some(last) if last.idx == idx => Ok(self.saved.len() - 1),
            Some(last) if idx < last.idx => self.saved.binary_search_by_key(&idx, |it| it.idx),
            _ => Err(self.saved.len()),
        }
    }

    /// Reads a JSON value, unless that alone would cost more than a message may become.
    pub(crate) fn parse(&mut self, text: &[u8]) -> Result<Result<Value, String>, Stop> {
        self.parse_beside(text, 0)
    }

    /// The same, of a message that has so many bytes already.
    fn parse_beside(&self, text: &[u8], bytes: usize) -> Result<Result<Value, String>, Stop> {
        let limit = self.output_limit.saturating_add(JSON_SPARE_BYTES).saturating_sub(bytes);
        match json::parse_within(text, limit) {
            Ok(value) => Ok(Ok(value)),
            Err(Refused::NotJson(why)) => Ok(Err(why)),
            Err(Refused::TooLarge) => Err(Stop::Output(format!(
                "a JSON value takes more memory than the limit of {} allows (`output_limit`)",
                Size(self.output_limit as u64)
            ))),
        }
    }

    /// Whether texts of so many bytes together may be copied for the message at work: whatever they take the place of,
    /// it would be too large with them.
    #[inline]
    pub(crate) fn check_texts(&mut self, bytes: usize) -> Result<(), Stop> {
        if bytes <= self.output_limit {
            return Ok(());
        }
        let before = self.size_before(self.at);
        self.check(before, bytes, self.growth_of_others(self.at))
    }

    /// Whether texts of so many bytes together may be copied for a message: it would be too large with them.
    #[inline]
    pub(crate) fn check_room(&self, idx: usize, bytes: usize) -> Result<(), Stop> {
        if bytes <= self.output_limit || bytes <= self.size_before(idx) {
            return Ok(());
        }
        Err(self.too_large(bytes))
    }

    /// What a message was as it came in.
    fn size_before(&self, idx: usize) -> usize {
        self.run.messages[idx].content_size() + self.metadata_before(idx).size()
    }

    fn metadata_before(&self, idx: usize) -> &Metadata {
        let saved = self.place_of(idx).map(|place| &self.saved[place].metadata);
        saved.unwrap_or(self.run.messages[idx].metadata())
    }

    /// By how many bytes the metadata of other messages were made larger in the same call, which nobody has counted yet.
    fn growth_of_others(&self, idx: usize) -> usize {
        if self.saved_growth <= 0 {
            return 0;
        }
        let own = self.metadata(idx).size() as isize - self.metadata_before(idx).size() as isize;
        usize::try_from(self.saved_growth - own).unwrap_or(0)
    }

    /// Whether a message may become so large with a content of this length.
    pub(crate) fn check_output(&mut self, idx: usize, content: usize) -> Result<(), Stop> {
        let now = self.emitted_bytes + content + self.metadata(idx).size();
        let before = self.size_before(idx);
        self.check(before, now, self.growth_of_others(idx))
    }

    /// Whether a message may become larger, where others have already grown by so much.
    fn check(&mut self, before: usize, now: usize, others: usize) -> Result<(), Stop> {
        if now <= before {
            return Ok(());
        }
        if self.output_limit < now {
            return Err(self.too_large(now));
        }
        self.run.growth.check((now - before).saturating_add(others)).map_err(Stop::Output)
    }

    #[cold]
    fn too_large(&self, now: usize) -> Stop {
        let limit = Size(self.output_limit as u64);
        Stop::Output(format!("the message would be {now} bytes, over the limit of {limit} (`output_limit`)"))
    }

    /// The messages that take the place of one: they descend from what it descends from. Each is checked before the
    /// next one is made.
    pub(crate) fn messages_of(
        &mut self,
        idx: usize,
        sent: Vec<WitMessage>,
    ) -> Result<(Vec<Message>, usize), Stop> {
        let of = &self.run.messages[idx];
        let (before, origin, mark) = (of.size(), of.origin(), of.error().cloned());
        let mut now = sent.len() * MESSAGE_OVERHEAD_BYTES;
        let others = self.growth_of_others(idx);
        self.check(before, now, others)?;
        let mut messages = Vec::with_capacity(sent.len());
        for it in sent {
            let mut pairs = Vec::with_capacity(it.metadata.len());
            now += it.content.len();
            for (key, value) in it.metadata {
                let value = self.value_of(value, now)?;
                now += pair_bytes(key.len(), &value);
                self.check(before, now, others)?;
                pairs.push((Bytes::from(key), value));
            }
            self.check(before, now, others)?;
            let mut message = Message::of_input(it.content.into(), Metadata::from_pairs(pairs), origin);
            // As with what a guest of v1 emits: a failure is cleared by who says so, not by passing.
            if let Some(mark) = &mark {
                message.set_error(mark.clone());
            }
            messages.push(message);
        }
        Ok((messages, now.saturating_sub(before)))
    }

    /// A value as the world of components writes it, for a message that has so many bytes already.
    pub(crate) fn value_of(&self, value: WitValue, bytes: usize) -> Result<Value, Stop> {
        match value {
            WitValue::Text(text) => Ok(Value::Text(text.into())),
            WitValue::Bytes(bytes) => Ok(Value::Text(bytes.into())),
            WitValue::Json(text) => self.json_of(text.as_bytes(), bytes),
        }
    }

    /// The same, of a text that is JSON.
    pub(crate) fn json_of(&self, text: &[u8], bytes: usize) -> Result<Value, Stop> {
        self.parse_beside(text, bytes)?
            .map_err(|why| Stop::HostCall(format!("a metadata value is not JSON: {why}").into()))
    }
}

fn set_mark(message: &mut Message, mark: Option<Mark>) {
    match mark {
        Some(mark) => message.set_error(mark),
        None => drop(message.clear_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_call_sets_on_many_messages_counts_together() {
        let mut work = Work::new(1 << 20);
        work.run = Run::singles(vec![Message::new("x"); 100]);
        work.run.grow_by(50_000, 50_000);
        let set = |work: &mut Work, idx: usize| {
            work.set_metadata(idx, Bytes::from_static(b"k"), Value::text("v".repeat(1000))).is_ok()
        };
        let n_set = (0..100).take_while(|idx| set(&mut work, *idx)).count();
        assert!((30..50).contains(&n_set), "{n_set}");
        // What is taken back, or was there already, is room for others.
        work.restore_one(n_set);
        assert!(set(&mut work, 0));
        for idx in 0..10 {
            assert_eq!(work.delete_metadata(idx, b"k").ok(), Some(true));
        }
        assert!((90..98).all(|idx| set(&mut work, idx)));
        work.keep_changes();
        assert!(40_000 < work.run.grown() && work.run.grown() <= 50_000, "{}", work.run.grown());
        assert!(!(0..10).all(|idx| set(&mut work, idx)));
    }

    /// Metadata that others hold are copied with the first change, which counts before it is done.
    #[test]
    fn what_is_copied_to_be_changed_is_counted_before() {
        let mut large = Message::new("x");
        large.metadata_mut().set("large", Value::text("v".repeat(100_000)));
        let change = |message: Message| {
            let mut work = Work::new(1 << 20);
            work.run = Run::singles(vec![message]);
            work.run.grow_by(50_000, 50_000);
            let set = work.set_metadata(0, Bytes::from_static(b"k"), Value::text("v")).is_ok();
            (set, work.delete_metadata(0, b"large").is_ok())
        };
        assert_eq!(change(large.clone()), (false, false));
        assert_eq!(change(large), (true, true));
    }
}
