//! One message of the batch, and what becomes of it.

use std::cell::{Cell, RefCell};

use super::{
    arena::ARENA,
    imports::{self, Disposition, Pair, RawValue, Sent, Slice},
    metadata::{has_normal_form, reading, Changes, Columns, Known},
};
use crate::Value;

/// Where the content is.
#[derive(Clone, Copy)]
enum Content {
    /// With the host, as it came in.
    Incoming,
    /// In the arena; what was emitted may share it.
    Placed { content: Slice, is_emitted: bool },
    /// In `buffer`.
    Edited,
}

/// The message of the batch that is being worked on.
pub(crate) struct Message {
    batch: u32,
    len: u32,
    index: u32,
    /// All contents of the batch and where each ends, once one of them was asked for.
    contents: Cell<Option<[Slice; 2]>>,
    content: Content,
    /// Used again for each message.
    buffer: Vec<u8>,
    /// After the first emit the metadata are ours, in the order of the keys: what is sent has all of its metadata with
    /// it, so the host's no longer matter.
    metadata: Option<Vec<Pair>>,
    /// The metadata as the last message that was emitted has them, if they are still the same.
    emitted_metadata: Option<Slice>,
    emitted: Vec<Sent>,
    is_filtered: bool,
    reason: Option<String>,
    changes: RefCell<Changes>,
    columns: RefCell<Columns>,
    /// Whether the host knows of changes of this message, so that what was fetched before is no longer true.
    is_changed: Cell<bool>,
    /// How many messages there were in earlier calls.
    n_earlier: u64,
}

impl Message {
    pub(super) const fn new() -> Message {
        Message {
            batch: 0,
            len: 0,
            index: 0,
            contents: Cell::new(None),
            content: Content::Incoming,
            buffer: Vec::new(),
            metadata: None,
            emitted_metadata: None,
            emitted: Vec::new(),
            is_filtered: false,
            reason: None,
            changes: RefCell::new(Changes::new()),
            columns: RefCell::new(Columns::new()),
            is_changed: Cell::new(false),
            n_earlier: 0,
        }
    }

    /// A new batch, after which [`Message::begin`] has to be called.
    pub(super) fn enter(&mut self, batch: u32, len: u32) {
        (self.batch, self.len) = (batch, len);
        self.contents.set(None);
        // Of a call that a trap ended nothing stands.
        self.changes.get_mut().forget();
        self.columns.get_mut().forget();
    }

    /// The batch is done.
    pub(super) fn leave(&mut self) {
        self.changes.get_mut().tell(self.batch);
        self.columns.get_mut().forget();
        self.n_earlier += u64::from(self.len);
    }

    pub(super) fn begin(&mut self, index: u32) {
        self.index = index;
        self.is_changed.set(false);
        self.content = Content::Incoming;
        self.metadata = None;
        self.emitted_metadata = None;
        self.emitted.clear();
        self.is_filtered = false;
        self.reason = None;
    }

    pub(super) fn finish(&mut self) -> Disposition {
        if let Some(reason) = self.reason.take() {
            return Disposition::fail(ARENA.take(&mut reason.into_bytes()));
        }
        if self.emitted.is_empty() {
            return match self.content {
                _ if self.is_filtered => Disposition::FILTER,
                Content::Incoming => Disposition::KEEP,
                Content::Placed { .. } | Content::Edited => Disposition::content(self.place()),
            };
        }
        if !self.is_filtered {
            self.emit();
        }
        Disposition::send(ARENA.copy_list(&self.emitted))
    }

    /// The content as it came in. For all messages of the batch at once: a call costs more than copying a few hundred
    /// bytes, and whoever reads one content mostly reads them all.
    fn incoming(&self) -> Slice {
        let [all, ends] = self.contents.get().unwrap_or_else(|| {
            let contents = if self.len == 1 {
                let content = imports::content(self.batch, 0);
                [content, ARENA.copy_list(&[content.len as u32])]
            } else {
                imports::contents(self.batch)
            };
            self.contents.set(Some(contents));
            contents
        });
        // SAFETY: both lists are in the arena until the batch is done.
        let (all, ends) = unsafe { (all.bytes(), ends.list::<u32>()) };
        let index = self.index as usize;
        let start = if index == 0 { 0 } else { ends[index - 1] as usize };
        Slice::of(&all[start..ends[index] as usize])
    }

    /// The content, in the arena.
    fn place(&mut self) -> Slice {
        match self.content {
            Content::Incoming => self.incoming(),
            Content::Placed { content, .. } => content,
            Content::Edited => {
                let content = ARENA.take(&mut self.buffer);
                self.content = Content::Placed { content, is_emitted: false };
                content
            }
        }
    }

    pub(crate) fn content(&self) -> &[u8] {
        let content = match self.content {
            Content::Incoming => self.incoming(),
            Content::Placed { content, .. } => content,
            Content::Edited => return &self.buffer,
        };
        // SAFETY: it is in the arena until the batch is done, when nobody can have borrowed the message.
        unsafe { content.bytes() }
    }

    pub(crate) fn content_mut(&mut self) -> &mut Vec<u8> {
        if !matches!(self.content, Content::Edited) {
            // SAFETY: it is in the arena until the batch is done.
            let content = unsafe { self.place().bytes() };
            self.buffer.clear();
            self.buffer.extend_from_slice(content);
            self.content = Content::Edited;
        }
        &mut self.buffer
    }

    pub(crate) fn set_content(&mut self, content: &[u8]) {
        match self.content {
            Content::Incoming | Content::Placed { is_emitted: true, .. } => {
                self.content = Content::Placed { content: ARENA.copy(content), is_emitted: false };
            }
            // The arena gives nothing back before the batch is done, and a guest may set contents in a loop.
            Content::Placed { is_emitted: false, .. } | Content::Edited => {
                self.buffer.clear();
                self.buffer.extend_from_slice(content);
                self.content = Content::Edited;
            }
        }
    }

    pub(crate) fn metadata(&self, key: &str) -> Option<Value<'static>> {
        if let Some(pairs) = &self.metadata {
            let pair = &pairs[search(pairs, key).ok()?];
            // SAFETY: it is in the arena until the batch is done.
            return Some(unsafe { pair.value.to_value() });
        }
        let known = self.changes.borrow().find(self.index, key);
        match known {
            Known::Set(value) => return Some(value),
            Known::Removed => return None,
            Known::Unclear => self.tell_changes(),
            Known::Unchanged => {}
        }
        // SAFETY: it is in the arena until the batch is done.
        self.raw_metadata(key).map(|it| unsafe { it.to_value() })
    }

    /// The value of a key that has no change but those that the host knows, in the arena.
    fn raw_metadata(&self, key: &str) -> Option<RawValue> {
        if self.is_changed.get() || self.len == 1 {
            return imports::get_metadata(self.batch, self.index, key);
        }
        let message = self.n_earlier + u64::from(self.index);
        self.columns.borrow_mut().get(self.batch, self.index, self.len, message, key)
    }

    /// Tells the host what was changed, before it is asked for more than a key.
    fn tell_changes(&self) {
        let mut changes = self.changes.borrow_mut();
        if changes.has(self.index) {
            self.is_changed.set(true);
            changes.tell(self.batch);
        }
    }

    pub(crate) fn metadata_text(&self, key: &str) -> Option<String> {
        match self.metadata(key)? {
            Value::Text(text) | Value::Json(text) => Some(text.into_owned()),
            Value::Bytes(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        }
    }

    pub(crate) fn metadata_keys(&self) -> Vec<String> {
        if let Some(pairs) = &self.metadata {
            // SAFETY: the keys are in the arena until the batch is done.
            return pairs.iter().map(|it| unsafe { text_of(it.key) }).collect();
        }
        self.tell_changes();
        // SAFETY: the keys are in the arena until they are read.
        reading(
            || imports::metadata_keys(self.batch, self.index),
            |keys: &[Slice]| keys.iter().map(|it| unsafe { text_of(*it) }).collect(),
        )
    }

    pub(crate) fn metadata_pairs(&self) -> Vec<(String, Value<'static>)> {
        let read = |pairs: &[Pair]| {
            // SAFETY: the pairs are in the arena.
            pairs.iter().map(|it| unsafe { (text_of(it.key), it.value.to_value()) }).collect()
        };
        if let Some(pairs) = &self.metadata {
            return read(pairs);
        }
        self.tell_changes();
        reading(|| imports::metadata(self.batch, self.index), read)
    }

    pub(crate) fn set_metadata(&mut self, key: &str, value: &Value<'_>) {
        let Some(pairs) = &mut self.metadata else { return self.change(key, Some(value)) };
        let is_normal = match value {
            Value::Json(json) => has_normal_form(json.as_bytes()),
            Value::Text(_) | Value::Bytes(_) => true,
        };
        let value = if is_normal {
            // SAFETY: these are the bytes of `value`, which is borrowed until the end of this function.
            RawValue::of(value).map(|data| ARENA.copy(unsafe { data.bytes() }))
        } else {
            let changes = self.changes.get_mut();
            changes.push(self.index, key, Some(value));
            changes.tell(self.batch);
            match imports::get_metadata(self.batch, self.index, key) {
                Some(value) => value,
                None => unreachable!("the key was set"),
            }
        };
        match search(pairs, key) {
            Ok(at) => pairs[at].value = value,
            Err(at) => pairs.insert(at, Pair { key: ARENA.copy(key.as_bytes()), value }),
        }
        self.emitted_metadata = None;
    }

    fn change(&mut self, key: &str, value: Option<&Value<'_>>) {
        let changes = self.changes.get_mut();
        changes.push(self.index, key, value);
        if changes.are_many() {
            self.is_changed.set(true);
            changes.tell(self.batch);
        }
    }

    pub(crate) fn delete_metadata(&mut self, key: &str) -> bool {
        let Some(pairs) = &mut self.metadata else {
            let was_there = match self.changes.get_mut().find(self.index, key) {
                Known::Set(_) | Known::Unclear => true,
                Known::Removed => false,
                Known::Unchanged => self.raw_metadata(key).is_some(),
            };
            if was_there {
                self.change(key, None);
            }
            return was_there;
        };
        let found = search(pairs, key).map(|at| pairs.remove(at)).is_ok();
        self.emitted_metadata = None;
        found
    }

    pub(crate) fn error(&self) -> Option<String> {
        imports::error(self.batch, self.index)
    }

    pub(crate) fn clear_error(&mut self) {
        imports::clear_error(self.batch, self.index);
    }

    pub(crate) fn emit(&mut self) {
        let content = self.place();
        if let Content::Placed { is_emitted, .. } = &mut self.content {
            *is_emitted = true;
        }
        self.tell_changes();
        let pairs = self.metadata.get_or_insert_with(|| {
            // SAFETY: the list is in the arena until the batch is done.
            unsafe { imports::metadata(self.batch, self.index).list() }.to_vec()
        });
        let metadata = *self.emitted_metadata.get_or_insert_with(|| ARENA.copy_list(pairs));
        self.emitted.push(Sent { content, metadata });
    }

    pub(crate) fn filter(&mut self) {
        self.is_filtered = true;
    }

    pub(crate) fn fail(&mut self, reason: &str) {
        self.reason = Some(reason.to_string());
    }

    pub(crate) fn position(&self) -> (usize, usize) {
        imports::position(self.batch, self.index)
    }
}

fn search(pairs: &[Pair], key: &str) -> Result<usize, usize> {
    // SAFETY: the keys are in the arena until the batch is done.
    pairs.binary_search_by(|it| unsafe { it.key.bytes() }.cmp(key.as_bytes()))
}

/// # Safety
///
/// The text is there.
unsafe fn text_of(text: Slice) -> String {
    // SAFETY: as this function demands.
    String::from_utf8_lossy(unsafe { text.bytes() }).into_owned()
}
