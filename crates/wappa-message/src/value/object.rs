//! Names and values, ordered by name.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use once_cell::sync::OnceCell;

use super::{Key, Own, Slot, Text, TooDeep, Value, drop_deep};
use crate::json::scan::{Failed, Name, Notes, Range, Scan, See};

/// Names and values, ordered by the bytes of the names. Cloning shares; writing copies the object itself first, and
/// what is in it stays shared.
///
/// An object that was read from a document keeps its values as ranges of the document until somebody asks for them.
#[derive(Clone)]
pub struct Object(Arc<Node>);

#[derive(Clone)]
struct Node {
    /// What the ranges of the entries are of; empty where there are none.
    source: Bytes,
    /// Of an object as it was read, whose text the whole source is: what the scan found out, and how many pairs.
    as_read: Option<(Notes, u32)>,
    /// How many containers there are one within another, this one included.
    height: u16,
    /// Of an object that was made or changed: what its names and values have allocated beside their places and the
    /// source.
    inner_bytes: usize,
    /// Found when somebody asks for them.
    entries: OnceCell<Entries>,
}

#[derive(Clone, Default)]
pub(super) struct Entries {
    list: Vec<Entry>,
    is_sorted: bool,
    /// Of a list that is not sorted: the entries in order, without those whose name comes again.
    order: OnceCell<Box<[u32]>>,
}

#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) key: Key,
    pub(crate) slot: Slot,
}

/// Up to this length any list is searched from one end to the other.
const SHORT_LEN_MAX: usize = 8;

/// Up to this length a list that is not sorted is searched from one end to the other: less work than to sort it.
const SEARCHED_LEN_MAX: usize = 128;

impl Object {
    /// An object from pairs; where a name comes twice the last one stays.
    pub fn from_pairs<K: Into<Text>>(pairs: impl IntoIterator<Item = (K, Value)>) -> Result<Object, TooDeep> {
        let pairs = pairs.into_iter();
        let mut list: Vec<Entry> = Vec::with_capacity(pairs.size_hint().0);
        // As they nearly always are where names are known beforehand.
        let mut is_sorted = true;
        for (key, value) in pairs {
            let key = Key::Text(key.into());
            is_sorted = is_sorted && list.last().is_none_or(|it| it.key.as_slice(&[]) < key.as_slice(&[]));
            list.push(Entry { key, slot: Slot::Value(value) });
        }
        let entries = Entries { list, is_sorted, order: OnceCell::new() };
        let mut node = Node::of_entries(entries);
        let _ = node.sorted_mut();
        node.measure();
        node.count();
        match node.height <= crate::DEPTH_MAX {
            true => Ok(Object(Arc::new(node))),
            false => Err(TooDeep),
        }
    }

    /// An object that stands in `source`, all of it, and that a scan has passed over.
    pub(super) fn unread_of(source: Bytes, range: Range) -> Object {
        let as_read = Some((range.notes, range.len));
        Object(Arc::new(Node {
            source,
            as_read,
            height: range.height,
            inner_bytes: 0,
            entries: OnceCell::new(),
        }))
    }

    /// Reads the object at which the scan of `text` stands.
    pub(super) fn read(source: &Bytes, scan: &mut Scan<'_>) -> Result<Object, Failed> {
        let start = scan.at();
        // A pair is hardly shorter than this, and a list that is short by half grows once.
        let list = Vec::with_capacity(((source.len() - start) / 24).clamp(4, 64));
        let mut collect = Collect { source, list };
        let passed = scan.object(0, &mut collect)?;
        let Collect { mut list, .. } = collect;
        // The ranges count from the beginning of the whole text; the source begins here.
        let source = match start {
            0 if scan.at() == source.len() => source.clone(),
            _ => {
                list.iter_mut().for_each(|it| it.shift(start as u32));
                source.slice(start..scan.at())
            }
        };
        let entries = Entries { list, is_sorted: passed.is_sorted, order: OnceCell::new() };
        let node = Node {
            source,
            as_read: Some((passed.notes, passed.len)),
            height: passed.height,
            inner_bytes: 0,
            entries: OnceCell::from(entries),
        };
        Ok(Object(Arc::new(node)))
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        let entries = self.0.entries();
        entries.order(&self.0.source).map_or(entries.list.len(), <[u32]>::len)
    }

    /// Whether there is no name at all.
    pub fn is_empty(&self) -> bool {
        self.0.entries().list.is_empty()
    }

    /// The value of a name.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Option<Value> {
        let entries = self.0.entries();
        let idx = entries.find(key.as_ref(), &self.0.source)?;
        Some(entries.list[idx].slot.open(&self.0.source))
    }

    /// The value of a name, and how many bytes are gone through to give it: those of an escaped text, which is read anew
    /// each time.
    pub fn find(&self, key: impl AsRef<[u8]>) -> Option<(Value, usize)> {
        let entries = self.0.entries();
        let slot = &entries.list[entries.find(key.as_ref(), &self.0.source)?].slot;
        Some((slot.open(&self.0.source), slot.bytes_to_open(&self.0.source)))
    }

    /// Whether there is a value of this name.
    pub fn contains_key(&self, key: impl AsRef<[u8]>) -> bool {
        self.0.entries().find(key.as_ref(), &self.0.source).is_some()
    }

    /// Sets the value of a name.
    pub fn insert(&mut self, key: impl Into<Text>, value: Value) -> Result<(), TooDeep> {
        let height = value.height() + 1;
        if crate::DEPTH_MAX < height {
            return Err(TooDeep);
        }
        let key = key.into();
        let node = Arc::make_mut(&mut self.0);
        let (source, entries) = node.sorted_mut();
        let slot = Slot::Value(value);
        let mut bytes_after = slot.allocated(source);
        let (before, bytes_before) = match entries.search(&key, source) {
            Ok(idx) => {
                let before = std::mem::replace(&mut entries.list[idx].slot, slot);
                (before.height() + 1, before.allocated(source))
            }
            Err(idx) => {
                bytes_after = super::sum(bytes_after, key.allocated());
                entries.list.insert(idx, Entry { key: Key::Text(key), slot });
                (0, 0)
            }
        };
        node.changed((before, bytes_before), (height, bytes_after));
        Ok(())
    }

    /// Removes a name and says whether it was there.
    pub fn remove(&mut self, key: impl AsRef<[u8]>) -> bool {
        if !self.contains_key(key.as_ref()) {
            return false;
        }
        let node = Arc::make_mut(&mut self.0);
        let (source, entries) = node.sorted_mut();
        let idx = entries.search(key.as_ref(), source).expect("it is there");
        let entry = entries.list.remove(idx);
        let bytes_before = entry.allocated(source);
        node.changed((entry.slot.height() + 1, bytes_before), (0, 0));
        true
    }

    /// Changes the value of a name in its place, if there is one; gives what `change` gives.
    ///
    /// Nobody else sees the change: what is shared is copied first, on the way from here to it and nothing beside. A
    /// change that makes the object too deep leaves `null` in the place of the value.
    pub fn update<R>(
        &mut self,
        key: impl AsRef<[u8]>,
        change: impl FnOnce(&mut Value) -> R,
    ) -> Result<Option<R>, TooDeep> {
        if !self.contains_key(key.as_ref()) {
            return Ok(None);
        }
        let node = Arc::make_mut(&mut self.0);
        let (source, entries) = node.sorted_mut();
        let idx = entries.search(key.as_ref(), source).expect("it is there");
        let slot = &mut entries.list[idx].slot;
        let bytes_before = slot.allocated(source);
        let value = slot.open_in_place(source);
        let before = (value.height() + 1, bytes_before);
        let result = change(value);
        let after = value.height() + 1;
        if crate::DEPTH_MAX < after {
            *value = Value::Null;
            node.changed(before, (1, 0));
            return Err(TooDeep);
        }
        let bytes_after = value.allocated(source);
        node.changed(before, (after, bytes_after));
        Ok(Some(result))
    }

    /// All names and values, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (Text, Value)> {
        let source = &self.0.source;
        self.entries().map(move |it| (it.key.to_text(source), it.slot.open(source)))
    }

    /// All names, in order.
    pub fn keys(&self) -> impl Iterator<Item = Text> {
        self.entries().map(|it| it.key.to_text(&self.0.source))
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        let entries = self.0.entries();
        let order = entries.order(&self.0.source);
        let n = order.map_or(entries.list.len(), <[u32]>::len);
        (0..n).map(move |idx| &entries.list[order.map_or(idx, |it| it[idx] as usize)])
    }

    pub(crate) fn source(&self) -> &Bytes {
        &self.0.source
    }

    /// Of an object that is as it was read: its text, and what a scan found out about it.
    pub(crate) fn unread(&self) -> Option<(&[u8], Notes)> {
        self.0.as_read.map(|(notes, _)| (self.0.source.as_ref(), notes))
    }

    /// How long printing it will be, roughly.
    pub(super) fn printed_len(&self) -> usize {
        self.0.source.len()
    }

    pub(super) fn height(&self) -> u16 {
        self.0.height
    }

    /// What is allocated, or will be when somebody asks for what is in an object that was read: that many bytes from
    /// the beginning, so that whoever keeps the sum of several can take one out again.
    #[inline]
    pub(super) fn allocated(&self, held: &Bytes) -> usize {
        let own = self.own_allocated() + super::beside(&self.0.source, held);
        super::sum(own, self.0.inner_bytes)
    }

    #[inline]
    fn own_allocated(&self) -> usize {
        let source = &self.0.source;
        let entries = match (self.0.as_read, self.0.entries.get()) {
            (Some((notes, len)), _) => {
                let len = len as usize;
                // Of names that are not what stands in the source it is not known how long they are.
                let of_names =
                    if notes.has(Notes::NAMED) { len * Text::LONG_BYTES + source.len() } else { 0 };
                len * (size_of::<Entry>() + size_of::<u32>()) + of_names
            }
            (None, Some(it)) => it.list.capacity() * size_of::<Entry>(),
            (None, None) => 0,
        };
        super::SHARED_BYTES + size_of::<Node>() + entries
    }

    /// The places of an object that is not as it was read.
    pub(super) fn made(&self) -> Option<&[Entry]> {
        self.0.as_read.is_none().then(|| self.0.entries().list.as_slice())
    }

    #[inline]
    pub(super) fn own(&self) -> Own {
        Own { allocated: self.own_allocated(), source: self.0.source.len() }
    }

    #[inline]
    pub(super) fn unopened(&self) -> Option<&Bytes> {
        (self.0.as_read.is_some() && self.0.entries.get().is_none()).then_some(&self.0.source)
    }

    pub(super) fn is_shared(&self) -> bool {
        1 < Arc::strong_count(&self.0)
    }

    pub(super) fn addresses(&self) -> std::ops::Range<usize> {
        let at = Arc::as_ptr(&self.0).addr();
        at..at + size_of::<Node>()
    }

    #[cfg(test)]
    pub(super) fn is_counted_right(&self) -> bool {
        if self.0.as_read.is_some() {
            return self.0.inner_bytes == 0;
        }
        let mut node = Node::clone(&self.0);
        node.count();
        node.inner_bytes == self.0.inner_bytes
    }

    /// Takes what is in the object out of it, if nobody shares it.
    pub(super) fn into_slots(self) -> impl Iterator<Item = Slot> {
        let entries = Arc::into_inner(self.0).and_then(|mut it| it.entries.take());
        entries.into_iter().flat_map(|it| it.list).map(|it| it.slot)
    }
}

impl Default for Object {
    fn default() -> Object {
        let entries = Entries { is_sorted: true, ..Entries::default() };
        Object(Arc::new(Node::of_entries(entries)))
    }
}

impl PartialEq for Object {
    fn eq(&self, other: &Object) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl Node {
    /// Of entries that are not measured.
    fn of_entries(entries: Entries) -> Node {
        Node { source: Bytes::new(), as_read: None, height: 1, inner_bytes: 0, entries: entries.into() }
    }

    fn entries(&self) -> &Entries {
        self.entries.get_or_init(|| {
            let len = self.as_read.map_or(0, |(_, len)| len as usize);
            let mut collect = Collect { source: &self.source, list: Vec::with_capacity(len) };
            let passed = Scan::new(&self.source).object(0, &mut collect).expect("it was passed over before");
            Entries { list: collect.list, is_sorted: passed.is_sorted, order: OnceCell::new() }
        })
    }

    /// The entries, sorted, to be changed: the text of the object no longer stands for it.
    fn sorted_mut(&mut self) -> (&Bytes, &mut Entries) {
        self.entries();
        let read = self.as_read.take();
        let entries = self.entries.get_mut().expect("they were just read");
        entries.order(&self.source);
        if let Some(order) = entries.order.take() {
            let mut all: Vec<Option<Entry>> = entries.list.drain(..).map(Some).collect();
            let taken = order.iter().map(|it| all[*it as usize].take().expect("each is there once"));
            entries.list.extend(taken);
        }
        entries.is_sorted = true;
        if read.is_some_and(|(notes, _)| notes.has(Notes::NAMED)) {
            self.inner_bytes = entries.list.iter().map(|it| it.key.allocated()).sum();
        }
        (&self.source, entries)
    }

    /// Keeps true what is known of all together where a value made place for another one: its height, itself included,
    /// and what was allocated for it.
    fn changed(&mut self, before: (u16, usize), after: (u16, usize)) {
        match self.inner_bytes {
            // Nobody knows what is left of what was too much to be counted.
            super::BYTES_COUNTED_MAX => self.count(),
            it => self.inner_bytes = super::sum(it - before.1, after.1),
        }
        if self.height <= after.0 {
            self.height = after.0;
        } else if before.0 == self.height {
            self.measure();
        }
    }

    fn count(&mut self) {
        let list = &self.entries.get().expect("they were read").list;
        let bytes = list.iter().map(|it| it.allocated(&self.source));
        self.inner_bytes = bytes.fold(0, super::sum);
    }

    fn measure(&mut self) {
        let list = &self.entries.get().expect("they were read").list;
        self.height = list.iter().map(|it| it.slot.height()).max().map_or(1, |it| it + 1);
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if super::DROPPED_HEIGHT_MAX < self.height
            && let Some(entries) = self.entries.take()
        {
            drop_deep(entries.list.into_iter().map(|it| it.slot));
        }
    }
}

impl Entries {
    #[inline]
    fn search(&self, key: &[u8], source: &[u8]) -> Result<usize, usize> {
        self.list.binary_search_by(|it| it.key.as_slice(source).cmp(key))
    }

    fn find(&self, key: &[u8], source: &[u8]) -> Option<usize> {
        if self.is_sorted && SHORT_LEN_MAX < self.list.len() {
            return self.search(key, source).ok();
        }
        if self.list.len() <= SEARCHED_LEN_MAX {
            // The last one of a name counts.
            return self.list.iter().rposition(|it| it.key.as_slice(source) == key);
        }
        let order = self.order(source)?;
        let idx = order.binary_search_by(|it| self.list[*it as usize].key.as_slice(source).cmp(key)).ok()?;
        Some(order[idx] as usize)
    }

    fn order(&self, source: &[u8]) -> Option<&[u32]> {
        if self.is_sorted {
            return None;
        }
        Some(self.order.get_or_init(|| {
            // Most names differ in their first eight bytes, which are one number.
            let prefix = |key: &[u8]| {
                let mut first = [0; 8];
                let n = key.len().min(8);
                first[..n].copy_from_slice(&key[..n]);
                u64::from_be_bytes(first)
            };
            let key = |idx: u32| self.list[idx as usize].key.as_slice(source);
            let mut order: Vec<(u64, u32)> =
                (0..self.list.len() as u32).map(|idx| (prefix(key(idx)), idx)).collect();
            order.sort_unstable_by(|a, b| {
                let behind = || key(a.1).cmp(key(b.1)).then(b.1.cmp(&a.1));
                a.0.cmp(&b.0).then_with(behind)
            });
            // Of equal names the last one comes first, and stays.
            order.dedup_by(|b, a| a.0 == b.0 && key(a.1) == key(b.1));
            order.into_iter().map(|(_, idx)| idx).collect()
        }))
    }
}

impl Entry {
    /// What the pair holds beside its own place and the source, in bytes.
    fn allocated(&self, source: &Bytes) -> usize {
        super::sum(self.slot.allocated(source), self.key.allocated())
    }

    /// Where the pair stands in the source, from the quote before its name to the end of its value, if that is what
    /// printing it gives.
    pub(crate) fn as_printed(&self) -> Option<(usize, usize)> {
        let (Key::Unread { start, end }, Slot::Unread(range)) = (&self.key, &self.slot) else { return None };
        // A quote and a colon are between them.
        let is_printed = range.start == end + 2 && range.notes.is_printed();
        is_printed.then_some((*start as usize - 1, range.end as usize))
    }

    fn shift(&mut self, by: u32) {
        if let Key::Unread { start, end } = &mut self.key {
            *start -= by;
            *end -= by;
        }
        if let Slot::Unread(range) = &mut self.slot {
            range.start -= by;
            range.end -= by;
        }
    }
}

/// Takes down the pairs that a scan comes by.
struct Collect<'a> {
    source: &'a Bytes,
    list: Vec<Entry>,
}

impl See for &mut Collect<'_> {
    fn pair(&mut self, name: Name, value: Range) {
        self.list.push(Entry { key: Key::of_name(name, self.source), slot: Slot::Unread(value) });
    }

    fn element(&mut self, _: Range) {
        unreachable!("an object has pairs");
    }
}
