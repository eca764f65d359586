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

/// For so many keys texts are kept side by side.
const TEXTS_MAX: usize = 8;

/// A key with fewer texts is told with the other changes: it is not worth a call of the host.
const TEXTS_OF_A_CALL_MIN: usize = 4;

/// Changes that the host was not told yet.
pub(super) struct Changes {
    /// In their order. Where a text is, is counted from the start of `texts`.
    list: Vec<Change>,
    texts: Vec<u8>,
    /// Texts that guests set, most of all: message by message, and later than what the list has of the same message and
    /// key.
    columns: Vec<Texts>,
    /// So many of them are in use.
    n_columns: usize,
    /// How large the columns are.
    column_bytes: usize,
}

/// Texts of one key for several messages, in their order.
struct Texts {
    key: String,
    indexes: Vec<u32>,
    texts: Vec<u8>,
    /// Where each text ends.
    ends: Vec<u32>,
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
        Changes { list: Vec::new(), texts: Vec::new(), columns: Vec::new(), n_columns: 0, column_bytes: 0 }
    }

    /// Whether they are so many that the host should be told.
    pub(super) fn are_many(&self) -> bool {
        let bytes = self.texts.len() + self.list.len() * size_of::<Change>() + self.column_bytes;
        CHANGED_BYTES_MAX < bytes
    }

    /// Whether one of them is of this message; later ones there are none.
    pub(super) fn has(&self, index: u32) -> bool {
        self.list.last().is_some_and(|it| it.index == index)
            || self.columns[..self.n_columns].iter().any(|it| it.has(index))
    }

    pub(super) fn push(&mut self, index: u32, key: &str, value: Option<&Value<'_>>) {
        let column = self.column(key);
        match value {
            Some(Value::Text(_) | Value::Bytes(_)) if column.is_some() || self.n_columns < TEXTS_MAX => {
                let text = value.map_or(&[][..], Value::as_bytes);
                let column = column.unwrap_or_else(|| self.begin_column(key));
                self.column_bytes += text.len() + 2 * size_of::<u32>();
                self.columns[column].set(index, text);
            }
            _ => {
                // It is overwritten, and must not be told behind this.
                if let Some(column) = column {
                    self.columns[column].forget(index);
                }
                let key = self.copy(key.as_bytes());
                let value = value.map(|it| RawValue::of(it).map(|_| self.copy(it.as_bytes())));
                self.list.push(Change { index, key, value: Optional::of(value) });
            }
        }
    }

    fn column(&self, key: &str) -> Option<usize> {
        self.columns[..self.n_columns].iter().position(|it| it.key == key)
    }

    /// One for a key that has none, whose buffers may be those of an earlier one.
    fn begin_column(&mut self, key: &str) -> usize {
        let column = self.n_columns;
        self.n_columns += 1;
        self.column_bytes += key.len();
        match self.columns.get_mut(column) {
            Some(old) => {
                old.key.clear();
                old.key.push_str(key);
            }
            None => self.columns.push(Texts::new(key)),
        }
        column
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
        let column = self.column(key).map(|it| &self.columns[it]);
        if let Some(text) = column.and_then(|it| it.of(index)) {
            return Known::Set(Value::of_bytes(text.to_vec()));
        }
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
        let base = self.texts.as_ptr();
        let at = |it: Slice| Slice { start: base.wrapping_add(it.start as usize), len: it.len };
        for change in &mut self.list {
            change.key = at(change.key);
            change.value = Optional::of(change.value.get().map(|it| it.map(at)));
        }
        let columns = &self.columns[..self.n_columns];
        let is_many = |it: &&Texts| TEXTS_OF_A_CALL_MIN <= it.ends.len();
        for few in columns.iter().filter(|it| !is_many(it)) {
            self.list.extend(few.changes());
        }
        if !self.list.is_empty() {
            imports::change_metadata(batch, &self.list);
        }
        for many in columns.iter().filter(is_many) {
            imports::set_metadata_texts(batch, &many.key, &many.indexes, &many.texts, &many.ends);
        }
        self.forget();
    }

    pub(super) fn forget(&mut self) {
        self.list.clear();
        self.texts.clear();
        self.columns[..self.n_columns].iter_mut().for_each(Texts::clear);
        self.n_columns = 0;
        self.column_bytes = 0;
    }
}

impl Texts {
    fn new(key: &str) -> Texts {
        Texts { key: key.to_string(), indexes: Vec::new(), texts: Vec::new(), ends: Vec::new() }
    }

    fn has(&self, index: u32) -> bool {
        self.indexes.last() == Some(&index)
    }

    /// The text of this message, which is the last one that there is a text of, or a later one.
    fn of(&self, index: u32) -> Option<&[u8]> {
        self.has(index).then(|| &self.texts[self.last_start()..])
    }

    fn last_start(&self) -> usize {
        let before = self.ends.len().checked_sub(2);
        before.map_or(0, |it| self.ends[it] as usize)
    }

    fn set(&mut self, index: u32, text: &[u8]) {
        self.forget(index);
        self.texts.extend_from_slice(text);
        self.indexes.push(index);
        self.ends.push(self.texts.len() as u32);
    }

    /// There is no text of this message, which is the last one that there is a text of, or a later one.
    fn forget(&mut self, index: u32) {
        if self.has(index) {
            self.texts.truncate(self.last_start());
            self.indexes.pop();
            self.ends.pop();
        }
    }

    /// The same as changes.
    fn changes(&self) -> impl Iterator<Item = Change> + '_ {
        let mut start = 0;
        self.indexes.iter().zip(&self.ends).map(move |(index, end)| {
            let text = &self.texts[start..*end as usize];
            start = *end as usize;
            let value = RawValue::of_bytes(text);
            Change { index: *index, key: Slice::of(self.key.as_bytes()), value: Optional::of(Some(value)) }
        })
    }

    fn clear(&mut self) {
        self.indexes.clear();
        self.ends.clear();
        self.texts.clear();
        // One large text is no reason to keep so much room for each key.
        self.texts.shrink_to(CHANGED_BYTES_MAX);
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
