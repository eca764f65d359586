//! Metadata: keys and typed values beside the content.

use std::{mem, sync::Arc};

use bytes::Bytes;

use crate::Value;

/// What a pair has allocated beside its texts: its place in a list with as much room again, and what its key has beside
/// its bytes: who shares it, and what the allocator keeps for itself.
const PAIR_BYTES: usize = 2 * size_of::<(Bytes, Value)>() + 32;

/// The metadata of a message, ordered by key. Empty metadata costs nothing, a clone shares.
///
/// Keys are bytes, as in Bento, whose strings need not be UTF-8.
#[derive(Clone, Debug, Default)]
pub struct Metadata(Option<Arc<Pairs>>);

impl Metadata {
    /// None at all.
    pub const EMPTY: Metadata = Metadata(None);
}

impl PartialEq for Metadata {
    fn eq(&self, other: &Metadata) -> bool {
        self.iter().eq(other.iter())
    }
}

#[derive(Clone, Debug, Default)]
struct Pairs {
    /// Ordered by key.
    list: Vec<(Bytes, Value)>,
    /// What all of it has allocated, in bytes: asked for once per message, so it is kept.
    bytes: usize,
}

impl Metadata {
    /// Metadata from pairs; where a key comes twice the last one stays.
    pub fn from_pairs(pairs: impl IntoIterator<Item = (Bytes, Value)>) -> Metadata {
        let mut list: Vec<(Bytes, Value)> = pairs.into_iter().collect();
        if list.is_empty() {
            return Metadata::default();
        }
        // All at once: pairs that are set one by one may each be put in front of all others. Equal keys stay in the
        // order in which they came.
        list.sort_by(|(one, _), (other, _)| one.cmp(other));
        list.dedup_by(|(later, value), (key, kept)| {
            let is_same = later == key;
            if is_same {
                mem::swap(kept, value);
            }
            is_same
        });
        let bytes = list.iter().map(|(key, value)| pair_bytes(key.len(), value)).sum();
        Metadata(Some(Arc::new(Pairs { list, bytes })))
    }

    /// The same metadata with a reference count of their own.
    ///
    /// A count that the messages of two threads share costs each of them several times as much as one that they do
    /// not: whoever hands out many parcels with the same metadata gives each its own.
    pub fn unshared(&self) -> Metadata {
        Metadata(self.0.as_ref().map(|it| Arc::new(Pairs::clone(it))))
    }

    /// Whether both are one and the same, so that together they keep no more than one.
    pub fn is_shared_with(&self, other: &Metadata) -> bool {
        match (&self.0, &other.0) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (None, None) => true,
            _ => false,
        }
    }

    /// Whether something else holds them too, so that a change would copy all of them.
    pub fn is_shared(&self) -> bool {
        self.0.as_ref().is_some_and(|it| 1 < Arc::strong_count(it))
    }

    /// Whether there is no key at all.
    pub fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(|it| it.list.is_empty())
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |it| it.list.len())
    }

    /// The value of a key.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Option<&Value> {
        let list = &self.0.as_ref()?.list;
        let idx = search(list, key.as_ref()).ok()?;
        Some(&list[idx].1)
    }

    /// The value of a key as Bento prints it; a missing key is the empty text.
    pub fn text(&self, key: impl AsRef<[u8]>) -> Bytes {
        self.get(key).map(Value::to_text).unwrap_or_default()
    }

    /// Sets a key. Copies the metadata first when another message shares them.
    pub fn set(&mut self, key: impl Into<Bytes>, value: Value) {
        let key = key.into();
        let shared = self.0.get_or_insert_default();
        let pairs = match Arc::get_mut(shared) {
            Some(pairs) => pairs,
            None => {
                *shared = Arc::new(shared.with_room());
                Arc::get_mut(shared).expect("it was just made")
            }
        };
        match search(&pairs.list, &key) {
            Ok(idx) => {
                pairs.bytes += value.size();
                pairs.bytes -= pairs.list[idx].1.size();
                pairs.list[idx].1 = value;
            }
            Err(idx) => {
                pairs.bytes += pair_bytes(key.len(), &value);
                pairs.list.insert(idx, (key, value));
            }
        }
    }

    /// Removes a key and says whether it was there.
    pub fn delete(&mut self, key: impl AsRef<[u8]>) -> bool {
        let Some(shared) = &mut self.0 else { return false };
        let Ok(idx) = search(&shared.list, key.as_ref()) else { return false };
        let pairs = Arc::make_mut(shared);
        let (key, value) = pairs.list.remove(idx);
        pairs.bytes -= pair_bytes(key.len(), &value);
        true
    }

    /// All pairs, in the order of the keys.
    pub fn iter(&self) -> impl Iterator<Item = (&Bytes, &Value)> {
        self.0.iter().flat_map(|it| it.list.iter()).map(|(key, value)| (key, value))
    }

    /// What keys and values have allocated, in bytes: at least that much, and not more than a few times as much. What
    /// other messages share counts as well.
    #[inline]
    pub fn size(&self) -> usize {
        self.0.as_ref().map_or(0, |it| it.bytes)
    }
}

impl Pairs {
    /// A copy with room for what is set next, which need not be moved for it.
    fn with_room(&self) -> Pairs {
        let mut list = Vec::with_capacity(self.list.len() + 2);
        list.extend(self.list.iter().cloned());
        Pairs { list, bytes: self.bytes }
    }
}

/// What one more pair has allocated, in bytes, with a key of this length.
pub fn pair_bytes(key: usize, value: &Value) -> usize {
    PAIR_BYTES + key + value.size()
}

fn search(pairs: &[(Bytes, Value)], key: &[u8]) -> Result<usize, usize> {
    pairs.binary_search_by(|(it, _)| it.as_ref().cmp(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_is_what_holds_the_same() {
        let mut one = Metadata::default();
        one.set("k", Value::Int(1));
        assert_eq!(one, one.unshared());
        assert_ne!(one, Metadata::default());
        one.delete("k");
        assert_eq!(one, Metadata::default());
    }

    #[test]
    fn pairs_in_any_order_are_the_same_as_one_by_one() {
        let pairs =
            ["d", "b", "a", "b", "c", "b"].iter().zip(0..).map(|(key, n)| (Bytes::from(*key), Value::Int(n)));
        let at_once = Metadata::from_pairs(pairs.clone());
        let mut one_by_one = Metadata::default();
        pairs.for_each(|(key, value)| one_by_one.set(key, value));
        assert_eq!(at_once, one_by_one);
        assert_eq!((at_once.size(), at_once.text("b")), (one_by_one.size(), "5".into()));
        assert!(Metadata::from_pairs([]).is_empty());
    }

    #[test]
    fn keys_are_ordered_and_any_bytes() {
        let mut metadata = Metadata::default();
        metadata.set("b", Value::Int(2));
        metadata.set(Bytes::from_static(b"\xff"), Value::text("odd"));
        metadata.set("a", Value::text(""));
        metadata.set("b", Value::Int(3));
        let keys: Vec<&[u8]> = metadata.iter().map(|(key, _)| key.as_ref()).collect();
        assert_eq!(keys, [&b"a"[..], b"b", b"\xff"]);
        assert_eq!(metadata.text("b"), "3");
        assert_eq!(metadata.text("missing"), "");
        assert!(metadata.delete("a") && !metadata.delete("a"));
        assert_eq!(metadata.len(), 2);
    }

    #[test]
    fn pairs_are_ordered_and_the_last_one_of_a_key_stays() {
        let pairs = ["b1", "a1", "c1", "b2", "a2", "b3"]
            .map(|it| (Bytes::from(it[..1].to_string()), Value::text(&it[1..])));
        let all = Metadata::from_pairs(pairs.clone());
        let mut one_by_one = Metadata::default();
        pairs.into_iter().for_each(|(key, value)| one_by_one.set(key, value));
        assert_eq!((&all, all.size()), (&one_by_one, one_by_one.size()));
        assert_eq!(["a", "b", "c"].map(|it| all.text(it)), ["2", "3", "1"]);
        assert!(Metadata::from_pairs([]).is_empty());
    }

    #[test]
    fn what_is_taken_out_does_not_count_any_more() {
        let mut metadata = Metadata::default();
        metadata.set("a", Value::array([Value::text("b"), Value::Null]).expect("flat"));
        metadata.set("b", Value::Int(1));
        metadata.set("b", Value::text("text"));
        metadata.delete("a");
        metadata.delete("b");
        assert_eq!(metadata.size(), 0);
    }
}
