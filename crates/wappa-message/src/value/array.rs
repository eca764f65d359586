//! Lists of values.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use once_cell::sync::OnceCell;

use super::{Own, Slot, TooDeep, Value, drop_deep, slot};
use crate::json::scan::{Name, Notes, Range, Scan, See};

/// A list of values. Cloning shares; writing copies the list itself first, and what is in it stays shared.
///
/// A list that was read from a document keeps its values as ranges of the document until somebody asks for them.
#[derive(Clone)]
pub struct Array(Arc<Node>);

#[derive(Clone)]
struct Node {
    /// What the ranges of the slots are of; empty where there are none.
    source: Bytes,
    /// Of a list as it was read, whose text the whole source is: what the scan found out, and how many values.
    as_read: Option<(Notes, u32)>,
    /// How many containers there are one within another, this one included.
    height: u16,
    /// Of a list that was made or changed: what its values have allocated beside their places and the source.
    inner_bytes: usize,
    /// Found when somebody asks for them.
    slots: OnceCell<Vec<Slot>>,
}

impl Array {
    /// A list of these values.
    pub fn new(values: impl IntoIterator<Item = Value>) -> Result<Array, TooDeep> {
        let slots: Vec<Slot> = values.into_iter().map(Slot::Value).collect();
        let mut node = Node::of_slots(slots);
        node.measure();
        node.count();
        match node.height <= crate::DEPTH_MAX {
            true => Ok(Array(Arc::new(node))),
            false => Err(TooDeep),
        }
    }

    /// A list that stands in `source`, all of it, and that a scan has passed over.
    pub(super) fn unread_of(source: Bytes, range: Range) -> Array {
        let as_read = Some((range.notes, range.len));
        Array(Arc::new(Node {
            source,
            as_read,
            height: range.height,
            inner_bytes: 0,
            slots: OnceCell::new(),
        }))
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.0.as_read.map_or_else(|| self.slots().len(), |(_, len)| len as usize)
    }

    /// Whether there is no value at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value at a place, counted from 0.
    pub fn get(&self, idx: usize) -> Option<Value> {
        self.slots().get(idx).map(|it| it.open(&self.0.source))
    }

    /// The value at a place, and how many bytes are gone through to give it: as [`Object::find`](super::Object::find).
    pub fn find(&self, idx: usize) -> Option<(Value, usize)> {
        self.slots().get(idx).map(|it| (it.open(&self.0.source), it.bytes_to_open(&self.0.source)))
    }

    /// Adds a value at the end.
    pub fn push(&mut self, value: Value) -> Result<(), TooDeep> {
        let height = value.height() + 1;
        if crate::DEPTH_MAX < height {
            return Err(TooDeep);
        }
        let node = Arc::make_mut(&mut self.0);
        let (source, slots) = node.slots_mut();
        let bytes = value.allocated(source);
        slots.push(Slot::Value(value));
        node.height = node.height.max(height);
        node.inner_bytes = super::sum(node.inner_bytes, bytes);
        Ok(())
    }

    /// Changes the value at a place, if there is one; gives what `change` gives.
    ///
    /// Nobody else sees the change: what is shared is copied first, on the way from here to it and nothing beside. A
    /// change that makes the list too deep leaves `null` in the place of the value.
    pub fn update<R>(
        &mut self,
        idx: usize,
        change: impl FnOnce(&mut Value) -> R,
    ) -> Result<Option<R>, TooDeep> {
        if self.len() <= idx {
            return Ok(None);
        }
        let node = Arc::make_mut(&mut self.0);
        let (source, slots) = node.slots_mut();
        let bytes_before = slots[idx].allocated(source);
        let value = slots[idx].open_in_place(source);
        let before = value.height() + 1;
        let result = change(value);
        let mut after = value.height() + 1;
        let is_too_deep = crate::DEPTH_MAX < after;
        if is_too_deep {
            *value = Value::Null;
            after = 1;
        }
        let bytes_after = value.allocated(source);
        node.changed(bytes_before, bytes_after);
        if node.height <= after {
            node.height = after;
        } else if before == node.height {
            node.measure();
        }
        if is_too_deep { Err(TooDeep) } else { Ok(Some(result)) }
    }

    /// All values, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Value> + DoubleEndedIterator {
        self.slots().iter().map(|it| it.open(&self.0.source))
    }

    /// All values, in order, for who is done with the list: one that was read and that nobody has looked into makes no places
    /// for what is in it.
    pub fn into_values(self) -> Vec<Value> {
        let Some(source) = self.unopened() else { return self.iter().collect() };
        let mut open = Open { source, values: Vec::with_capacity(self.len()) };
        Scan::new(source).array(0, &mut open).expect("it was passed over before");
        open.values
    }

    pub(crate) fn slots(&self) -> &[Slot] {
        self.0.slots()
    }

    pub(crate) fn source(&self) -> &Bytes {
        &self.0.source
    }

    /// Of a list that is as it was read: its text, and what a scan found out about it.
    pub(crate) fn unread(&self) -> Option<(&[u8], Notes)> {
        self.0.as_read.map(|(notes, _)| (self.0.source.as_ref(), notes))
    }

    /// The places of a list that is not as it was read.
    pub(super) fn made(&self) -> Option<&[Slot]> {
        self.0.as_read.is_none().then(|| self.slots())
    }

    pub(super) fn height(&self) -> u16 {
        self.0.height
    }

    /// What is allocated, or will be when somebody asks for what is in a list that was read: that many bytes from the
    /// beginning, so that whoever keeps the sum of several can take one out again.
    #[inline]
    pub(super) fn allocated(&self, held: &Bytes) -> usize {
        let own = self.own_allocated() + super::beside(&self.0.source, held);
        super::sum(own, self.0.inner_bytes)
    }

    #[inline]
    fn own_allocated(&self) -> usize {
        let slots = match (self.0.as_read, self.0.slots.get()) {
            (Some((_, len)), _) => len as usize * size_of::<Slot>(),
            (None, Some(it)) => it.capacity() * size_of::<Slot>(),
            (None, None) => 0,
        };
        super::SHARED_BYTES + size_of::<Node>() + slots
    }

    #[inline]
    pub(super) fn own(&self) -> Own {
        Own { allocated: self.own_allocated(), source: self.0.source.len() }
    }

    #[inline]
    pub(super) fn unopened(&self) -> Option<&Bytes> {
        (self.0.as_read.is_some() && self.0.slots.get().is_none()).then_some(&self.0.source)
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

    /// Takes what is in the list out of it, if nobody shares it.
    pub(super) fn into_slots(self) -> impl Iterator<Item = Slot> {
        let slots = Arc::into_inner(self.0).and_then(|mut it| it.slots.take());
        slots.into_iter().flatten()
    }
}

impl Default for Array {
    fn default() -> Array {
        Array(Arc::new(Node::of_slots(Vec::new())))
    }
}

impl PartialEq for Array {
    fn eq(&self, other: &Array) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl fmt::Debug for Array {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl Node {
    /// Of slots that are not measured.
    fn of_slots(slots: Vec<Slot>) -> Node {
        Node { source: Bytes::new(), as_read: None, height: 1, inner_bytes: 0, slots: OnceCell::from(slots) }
    }

    fn slots(&self) -> &[Slot] {
        self.slots.get_or_init(|| {
            let len = self.as_read.map_or(0, |(_, len)| len as usize);
            let mut collect = Collect(Vec::with_capacity(len));
            Scan::new(&self.source).array(0, &mut collect).expect("it was passed over before");
            collect.0
        })
    }

    /// The slots, to be changed: the text of the list no longer stands for it.
    fn slots_mut(&mut self) -> (&Bytes, &mut Vec<Slot>) {
        self.slots();
        self.as_read = None;
        (&self.source, self.slots.get_mut().expect("they were just read"))
    }

    /// Keeps what is allocated true where a value with so many bytes made place for one with so many.
    fn changed(&mut self, before: usize, after: usize) {
        match self.inner_bytes {
            // Nobody knows what is left of what was too much to be counted.
            super::BYTES_COUNTED_MAX => self.count(),
            it => self.inner_bytes = super::sum(it - before, after),
        }
    }

    fn count(&mut self) {
        let bytes = self.slots().iter().map(|it| it.allocated(&self.source));
        self.inner_bytes = bytes.fold(0, super::sum);
    }

    fn measure(&mut self) {
        self.height = self.slots().iter().map(Slot::height).max().map_or(1, |it| it + 1);
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if super::DROPPED_HEIGHT_MAX < self.height
            && let Some(slots) = self.slots.take()
        {
            drop_deep(slots.into_iter());
        }
    }
}

/// Opens the values that a scan comes by.
struct Open<'a> {
    source: &'a Bytes,
    values: Vec<Value>,
}

impl See for &mut Open<'_> {
    fn pair(&mut self, _: Name, _: Range) {
        unreachable!("a list has no names");
    }

    fn element(&mut self, value: Range) {
        self.values.push(slot::open(self.source, value));
    }
}

/// Takes down the values that a scan comes by.
struct Collect(Vec<Slot>);

impl See for &mut Collect {
    fn pair(&mut self, _: Name, _: Range) {
        unreachable!("a list has no names");
    }

    fn element(&mut self, value: Range) {
        self.0.push(Slot::Unread(value));
    }
}
