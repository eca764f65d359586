//! What is known of metadata without asking the host: changes that it was not told yet, and values of keys that the
//! guest asks for with every message.
//!
//! A call of the host costs more than all that it does for one key. So changes are told together, and values are
//! fetched for all messages that are left.

use super::{
    arena::ARENA,
    imports::{self, Change, Optional, RawValue, Slice},
};
use crate::Value;

/// Changes are told when they take so many bytes.
const CHANGED_BYTES_MAX: usize = 64 * 1024;

/// For so many keys values are fetched ahead.
const COLUMNS_MAX: usize = 8;

/// Changes that the host was not told yet, in their order.
pub(super) struct Changes {
    /// Where a text is, is counted from the start of `texts`.
    list: Vec<Change>,
    texts: Vec<u8>,
}

/// What is known of a key.
pub(super) enum Known {
    /// It was set to this.
    Set(Value<'static>),
    Removed,
    /// Only the host can tell how it writes what was set.
    Unclear,
    /// It was not changed.
    Unchanged,
}

impl Changes {
    pub(super) const fn new() -> Changes {
        Changes { list: Vec::new(), texts: Vec::new() }
    }

    /// Whether they are so many that the host should be told.
    pub(super) fn are_many(&self) -> bool {
        CHANGED_BYTES_MAX < self.texts.len() + self.list.len() * size_of::<Change>()
    }

    /// Whether one of them is of this message; later ones there are none.
    pub(super) fn has(&self, index: u32) -> bool {
        self.list.last().is_some_and(|it| it.index == index)
    }

    pub(super) fn push(&mut self, index: u32, key: &str, value: Option<&Value<'_>>) {
        let key = self.copy(key.as_bytes());
        let value = value.map(|it| RawValue::of(it).map(|_| self.copy(it.as_bytes())));
        self.list.push(Change { index, key, value: Optional::of(value) });
    }

    fn copy(&mut self, text: &[u8]) -> Slice {
        let start = self.texts.len();
        self.texts.extend_from_slice(text);
        Slice { start: start as *const u8, len: text.len() }
    }

    fn text(&self, it: Slice) -> &[u8] {
        let start = it.start as usize;
        &self.texts[start..start + it.len]
    }

    /// What is known of a key of this message, which is the last one that was changed or a later one.
    pub(super) fn find(&self, index: u32, key: &str) -> Known {
        let of_message = self.list.iter().rev().take_while(|it| it.index == index);
        let Some(change) = of_message.into_iter().find(|it| self.text(it.key) == key.as_bytes()) else {
            return Known::Unchanged;
        };
        match change.value.get() {
            None => Known::Removed,
            Some(value) => {
                let text = self.text(value.data);
                if value.is_json() && !has_normal_form(text) {
                    Known::Unclear
                } else {
                    Known::Set(value.with(text))
                }
            }
        }
    }

    /// Tells the host, which may refuse one of them: the call ends then.
    pub(super) fn tell(&mut self, batch: u32) {
        if self.list.is_empty() {
            return;
        }
        let base = self.texts.as_ptr();
        let at = |it: Slice| Slice { start: base.wrapping_add(it.start as usize), len: it.len };
        for change in &mut self.list {
            change.key = at(change.key);
            change.value = Optional::of(change.value.get().map(|it| it.map(at)));
        }
        imports::change_metadata(batch, &self.list);
        self.forget();
    }

    pub(super) fn forget(&mut self) {
        self.list.clear();
        self.texts.clear();
    }
}

/// Whether the host would keep JSON just as it is: whole numbers and what else has no parts.
pub(super) fn has_normal_form(json: &[u8]) -> bool {
    if matches!(json, b"true" | b"false" | b"null" | b"0") {
        return true;
    }
    let digits = json.strip_prefix(b"-").unwrap_or(json);
    // So many digits fit every integer.
    matches!(digits.first(), Some(b'1'..=b'9')) && digits.len() <= 18 && digits.iter().all(u8::is_ascii_digit)
}

/// Values of keys that the guest asks for with every message, for all messages of the batch.
pub(super) struct Columns(Vec<Column>);

struct Column {
    key: String,
    /// The message that it was asked for last, counted over all calls.
    asked: u64,
    /// The first message that there is a value of, and all values, in the arena.
    values: Option<(u32, Slice)>,
}

impl Columns {
    pub(super) const fn new() -> Columns {
        Columns(Vec::new())
    }

    /// The batch is done, and what was in the arena with it.
    pub(super) fn forget(&mut self) {
        for column in &mut self.0 {
            column.values = None;
        }
    }

    /// The value of a key as the message came in, in the arena. `message` is the message at `index`, counted over all
    /// calls.
    pub(super) fn get(
        &mut self,
        batch: u32,
        index: u32,
        len: u32,
        message: u64,
        key: &str,
    ) -> Option<RawValue> {
        let Some(column) = self.0.iter_mut().find(|it| it.key == key) else {
            self.remember(message, key);
            return imports::get_metadata(batch, index, key);
        };
        let is_usual = column.asked == message || column.asked + 1 == message;
        column.asked = message;
        if column.values.is_none() && is_usual && index + 1 < len {
            column.values = Some((index, imports::metadata_values(batch, index, len - index, key)));
        }
        let Some((first, values)) = column.values else { return imports::get_metadata(batch, index, key) };
        // SAFETY: the list is in the arena until the batch is done.
        let values: &[Optional<RawValue>] = unsafe { values.list() };
        values[(index - first) as usize].get()
    }

    /// A key that was asked for the first time takes the place of the one that was not asked for longest.
    fn remember(&mut self, message: u64, key: &str) {
        let column = Column { key: key.to_string(), asked: message, values: None };
        if self.0.len() < COLUMNS_MAX {
            return self.0.push(column);
        }
        if let Some(oldest) = self.0.iter_mut().min_by_key(|it| it.asked) {
            // One whose values were fetched for this batch is of use for the rest of it.
            if oldest.asked + 1 < message {
                *oldest = column;
            }
        }
    }
}

/// All pairs or keys of a message, read and given back at once.
pub(super) fn reading<T, U>(list: impl FnOnce() -> Slice, read: impl FnOnce(&[T]) -> U) -> U {
    let mark = ARENA.mark();
    // SAFETY: the list is in the arena until it is released.
    let result = read(unsafe { list().list() });
    // SAFETY: what was read is copied: the references end with `read`.
    unsafe { ARENA.release(mark) };
    result
}
