//! Metadata: keys and typed values beside the content.

use std::{cmp::Ordering, mem, slice, sync::Arc};

use bytes::Bytes;

use crate::{Text, Value, on_demand::OnDemand};

/// What a pair has allocated beside its texts: its place in a list with as much room again, and what its key has beside
/// its bytes: who shares it, and what the allocator keeps for itself.
const PAIR_BYTES: usize = 2 * size_of::<(Bytes, Value)>() + 32;

/// How much a pair takes, in bytes, that lies below one that hides it.
const HIDDEN_BYTES_MAX: usize = 512;

/// The metadata of a message, ordered by key. Empty metadata costs nothing, a clone shares, and whoever sets a key of what
/// is shared has the pairs that he set beside those that he shares: messages have much in common with others of their input.
///
/// Keys are bytes, as in Bento, whose strings need not be UTF-8.
#[derive(Clone, Debug, Default)]
pub struct Metadata(Repr);

#[derive(Clone, Debug, Default)]
enum Repr {
    #[default]
    None,
    Made(Arc<Pairs>),
    /// Those with this index, as soon as somebody asks.
    OnDemand(Arc<OnDemand>, u32),
}

impl Metadata {
    /// None at all.
    pub const EMPTY: Metadata = Metadata(Repr::None);
}

impl PartialEq for Metadata {
    fn eq(&self, other: &Metadata) -> bool {
        self.iter().eq(other.iter())
    }
}

#[derive(Clone, Debug, Default)]
struct Pairs {
    /// What is shared with others, and has no more of that itself. A key that is in the list as well has its value there.
    base: Metadata,
    /// Ordered by key.
    list: Vec<(Bytes, Value)>,
    /// What all that is seen of it has allocated, in bytes, the base included: asked for once per message, so it is kept.
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
        Metadata::from_sorted(list)
    }

    /// Metadata from pairs that are in the order of their keys, of which none comes twice: for inputs that know, message by
    /// message.
    ///
    /// # Panics
    ///
    /// In debug builds where they are not.
    pub fn from_sorted(list: Vec<(Bytes, Value)>) -> Metadata {
        debug_assert!(list.is_sorted_by(|(one, _), (other, _)| one < other), "not in order");
        if list.is_empty() {
            return Metadata::default();
        }
        let bytes = list.iter().map(|(key, value)| pair_bytes(key.len(), value)).sum();
        Metadata::made(Pairs { base: Metadata::EMPTY, list, bytes })
    }

    /// Those of the message with this index, of messages whose metadata are made when somebody asks for them: a look at
    /// one, a key that is set, or its removal.
    pub fn on_demand(all: &Arc<OnDemand>, idx: u32) -> Metadata {
        Metadata(Repr::OnDemand(Arc::clone(all), idx))
    }

    fn made(pairs: Pairs) -> Metadata {
        Metadata(Repr::Made(Arc::new(pairs)))
    }

    /// All there is, where there is anything.
    fn pairs(&self) -> Option<&Pairs> {
        match &self.0 {
            Repr::None => None,
            Repr::Made(pairs) => Some(pairs),
            Repr::OnDemand(all, idx) => match &all.get(*idx).0 {
                Repr::Made(pairs) => Some(pairs),
                Repr::None | Repr::OnDemand(..) => None,
            },
        }
    }

    /// The same metadata with a reference count of their own.
    ///
    /// A count that the messages of two threads share costs each of them several times as much as one that they do
    /// not: whoever hands out many parcels with the same metadata gives each its own.
    pub fn unshared(&self) -> Metadata {
        match &self.0 {
            Repr::Made(pairs) => Metadata::made(pairs.flat()),
            Repr::None | Repr::OnDemand(..) => self.clone(),
        }
    }

    /// Keeps alive no more what metadata that are made when somebody asks would be made of, nor the buffer that they are
    /// pieces of.
    pub fn detach(&mut self) {
        let is_attached = match &self.0 {
            Repr::None => false,
            Repr::Made(pairs) => matches!(pairs.base.0, Repr::OnDemand(..)),
            Repr::OnDemand(..) => true,
        };
        if !is_attached {
            return;
        }
        let Some(mut pairs) = self.pairs().map(Pairs::flat) else { return *self = Metadata::EMPTY };
        for (key, value) in &mut pairs.list {
            *key = Bytes::copy_from_slice(key);
            if let Value::Text(text) = value {
                *text = Text::copied(text.as_slice());
            }
        }
        *self = Metadata::made(pairs);
    }

    fn is_none(&self) -> bool {
        matches!(self.0, Repr::None)
    }

    /// Whether both are one and the same, so that together they keep no more than one.
    pub fn is_shared_with(&self, other: &Metadata) -> bool {
        match (&self.0, &other.0) {
            (Repr::Made(one), Repr::Made(other)) => Arc::ptr_eq(one, other),
            (Repr::OnDemand(one, idx), Repr::OnDemand(other, other_idx)) => {
                Arc::ptr_eq(one, other) && idx == other_idx
            }
            (Repr::None, Repr::None) => true,
            _ => false,
        }
    }

    /// Whether something else holds them too, so that a change would copy them, or have them beside what it sets.
    pub fn is_shared(&self) -> bool {
        match &self.0 {
            Repr::None => false,
            Repr::Made(pairs) => 1 < Arc::strong_count(pairs),
            Repr::OnDemand(..) => true,
        }
    }

    /// Whether there is no key at all.
    pub fn is_empty(&self) -> bool {
        self.pairs().is_none_or(|it| it.of_base().is_empty() && it.list.is_empty())
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        let Some(pairs) = self.pairs() else { return 0 };
        let base = pairs.of_base();
        base.len() + pairs.list.iter().filter(|(key, _)| search(base, key).is_err()).count()
    }

    /// The value of a key.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Option<&Value> {
        let (pairs, key) = (self.pairs()?, key.as_ref());
        let found = |list| search(list, key).ok().map(|idx: usize| &list[idx].1);
        found(&pairs.list).or_else(|| found(pairs.of_base()))
    }

    /// The value of a key as Bento prints it; a missing key is the empty text.
    pub fn text(&self, key: impl AsRef<[u8]>) -> Bytes {
        self.get(key).map(Value::to_text).unwrap_or_default()
    }

    /// Sets a key. Nobody who shares the metadata sees it.
    pub fn set(&mut self, key: impl Into<Bytes>, value: Value) {
        let key = key.into();
        let pairs = self.own();
        let mut place = search(&pairs.list, &key);
        if place.is_err()
            && let Some(bytes) = pairs.shared_bytes(&key)
        {
            // What nobody sees any more does not count, and is not kept either if it is much.
            match HIDDEN_BYTES_MAX < bytes {
                true => {
                    *pairs = pairs.flat();
                    place = search(&pairs.list, &key);
                }
                false => pairs.bytes -= bytes,
            }
        }
        match place {
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

    /// The pairs, to be changed beside what others share.
    fn own(&mut self) -> &mut Pairs {
        if !matches!(&self.0, Repr::Made(pairs) if Arc::strong_count(pairs) == 1) {
            *self = Metadata::made(Pairs::beside(self));
        }
        match &mut self.0 {
            Repr::Made(pairs) => Arc::get_mut(pairs).expect("nobody shares it"),
            Repr::None | Repr::OnDemand(..) => unreachable!("it was just made"),
        }
    }

    /// Removes a key and says whether it was there.
    pub fn delete(&mut self, key: impl AsRef<[u8]>) -> bool {
        let key = key.as_ref();
        let Some(shared) = self.pairs().filter(|it| it.has(key)) else { return false };
        let is_in_place =
            matches!(&self.0, Repr::Made(pairs) if pairs.base.is_none() && Arc::strong_count(pairs) == 1);
        if !is_in_place {
            *self = Metadata::made(shared.flat());
        }
        let pairs = self.own();
        let idx = search(&pairs.list, key).expect("it is there");
        let (key, value) = pairs.list.remove(idx);
        pairs.bytes -= pair_bytes(key.len(), &value);
        true
    }

    /// All pairs, in the order of the keys.
    pub fn iter(&self) -> impl Iterator<Item = (&Bytes, &Value)> {
        let pairs = self.pairs();
        Merged {
            own: pairs.map_or(&[][..], |it| &it.list).iter(),
            base: pairs.map_or(&[][..], Pairs::of_base).iter(),
        }
    }

    /// What keys and values have allocated, in bytes: at least that much, and not more than a few times as much. What
    /// other messages share counts as well.
    #[inline]
    pub fn size(&self) -> usize {
        match &self.0 {
            Repr::None => 0,
            Repr::Made(pairs) => pairs.bytes,
            Repr::OnDemand(all, idx) => all.size(*idx),
        }
    }
}

impl Pairs {
    /// The same, to be changed beside what others share. There is room for what is set next.
    fn beside(shared: &Metadata) -> Pairs {
        let (base, own) = match &shared.0 {
            Repr::Made(pairs) if !pairs.base.is_none() => (pairs.base.clone(), pairs.list.as_slice()),
            Repr::Made(pairs) if pairs.list.is_empty() => (Metadata::EMPTY, &[][..]),
            _ => (shared.clone(), &[][..]),
        };
        let mut list = Vec::with_capacity(own.len() + 2);
        list.extend(own.iter().cloned());
        Pairs { base, list, bytes: shared.pairs().map_or(0, |it| it.bytes) }
    }

    /// A copy that shares with nobody.
    fn flat(&self) -> Pairs {
        if self.base.is_none() {
            return self.clone();
        }
        let all = Merged { own: self.list.iter(), base: self.of_base().iter() };
        let list: Vec<(Bytes, Value)> = all.map(|(key, value)| (key.clone(), value.clone())).collect();
        let bytes = list.iter().map(|(key, value)| pair_bytes(key.len(), value)).sum();
        Pairs { base: Metadata::EMPTY, list, bytes }
    }

    fn of_base(&self) -> &[(Bytes, Value)] {
        self.base.pairs().map_or(&[], |it| &it.list)
    }

    /// How much a pair takes that is shared, in bytes.
    fn shared_bytes(&self, key: &[u8]) -> Option<usize> {
        let base = self.of_base();
        search(base, key).ok().map(|idx| pair_bytes(key.len(), &base[idx].1))
    }

    fn has(&self, key: &[u8]) -> bool {
        search(&self.list, key).is_ok() || search(self.of_base(), key).is_ok()
    }
}

/// The pairs of two lists, in the order of the keys. Of a key that is in both the first list has the value.
struct Merged<'a> {
    own: slice::Iter<'a, (Bytes, Value)>,
    base: slice::Iter<'a, (Bytes, Value)>,
}

impl<'a> Iterator for Merged<'a> {
    type Item = (&'a Bytes, &'a Value);

    fn next(&mut self) -> Option<Self::Item> {
        let order = match (self.own.as_slice().first(), self.base.as_slice().first()) {
            (Some((own, _)), Some((base, _))) => own.cmp(base),
            (None, _) => Ordering::Greater,
            (_, None) => Ordering::Less,
        };
        if order == Ordering::Equal {
            self.base.next();
        }
        let from = if order == Ordering::Greater { &mut self.base } else { &mut self.own };
        from.next().map(|(key, value)| (key, value))
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
    use crate::on_demand::MetadataSource;

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

    /// As many keys as the index says, each with that as its value.
    #[derive(Debug)]
    struct Numbered {
        tells_size: bool,
    }

    impl MetadataSource for Numbered {
        fn metadata(&self, idx: usize) -> Metadata {
            let pair = |key: &&'static str| (Bytes::from(*key), Value::Int(idx as i64));
            Metadata::from_sorted(["a", "c"].iter().take(idx).map(pair).collect())
        }

        fn size(&self, idx: usize) -> Option<usize> {
            self.tells_size.then(|| idx * pair_bytes(1, &Value::Int(0)))
        }
    }

    #[test]
    fn what_nobody_asks_for_is_not_made() {
        use std::sync::atomic::{AtomicUsize, Ordering};

        #[derive(Debug, Default)]
        struct Counted(AtomicUsize);

        impl MetadataSource for Counted {
            fn metadata(&self, idx: usize) -> Metadata {
                self.0.fetch_add(1, Ordering::Relaxed);
                Numbered { tells_size: true }.metadata(idx)
            }

            fn size(&self, idx: usize) -> Option<usize> {
                Numbered { tells_size: true }.size(idx)
            }
        }

        let source = Arc::new(Counted::default());
        let on_demand = Arc::new(OnDemand::new(Arc::clone(&source) as Arc<dyn MetadataSource>, 3));
        let all = [0, 1, 2].map(|it| Metadata::on_demand(&on_demand, it));
        let copies = all.clone();
        assert!(copies[1].is_shared_with(&all[1]) && !all[1].is_shared_with(&all[2]) && all[1].is_shared());
        assert_eq!(all[2].size(), 2 * pair_bytes(1, &Value::Int(0)));
        assert_eq!(source.0.load(Ordering::Relaxed), 0);
        let mut changed = all[2].clone();
        changed.set("c", Value::Null);
        assert_eq!((all[2].get("c"), changed.get("c")), (Some(&Value::Int(2)), Some(&Value::Null)));
        assert_eq!((copies[2].len(), changed.len(), all[0].is_empty()), (2, 2, true));
        assert_eq!(source.0.load(Ordering::Relaxed), 2, "one each");
    }

    #[test]
    fn who_is_kept_for_long_keeps_nothing_else() {
        let source: Arc<dyn MetadataSource> = Arc::new(Numbered { tells_size: true });
        let held = Arc::downgrade(&source);
        let on_demand = Arc::new(OnDemand::new(source, 3));
        let mut all = [0, 1, 2].map(|it| Metadata::on_demand(&on_demand, it));
        drop(on_demand);
        all[2].set("z", Value::Int(9));
        let before = all.clone();
        all.iter_mut().for_each(Metadata::detach);
        assert_eq!(all, before);
        assert!(held.upgrade().is_some());
        drop(before);
        assert!(held.upgrade().is_none());
        assert_eq!((all[0].len(), all[1].get("a"), all[2].len()), (0, Some(&Value::Int(1)), 3));
    }

    /// Copies that are changed, each against a plain map.
    #[test]
    fn what_is_shared_is_changed_for_nobody_else() {
        use std::collections::BTreeMap;

        let keys = ["a", "b", "c", "d", "e", "f"];
        // Some are much.
        let value = |n: i64| if n % 5 == 0 { Value::text("v".repeat(600)) } else { Value::Int(n) };
        let mut all: Vec<(Metadata, BTreeMap<&str, i64>)> = vec![Default::default()];
        // Some begin with what is made when somebody asks.
        for tells_size in [true, false] {
            let on_demand = Arc::new(OnDemand::new(Arc::new(Numbered { tells_size }), 3));
            all.extend((0..3).map(|idx| {
                let model = ["a", "c"].iter().take(idx).map(|key| (*key, idx as i64)).collect();
                (Metadata::on_demand(&on_demand, idx as u32), model)
            }));
        }
        let mut seed = 7_u64;
        let mut next = |n: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as usize % n
        };
        for n in 0..20_000 {
            let idx = next(all.len());
            match next(8) {
                0 if all.len() < 12 => all.push(all[idx].clone()),
                0 => drop(all.swap_remove(idx)),
                1 => all[idx].0 = all[idx].0.unshared(),
                2 | 3 => {
                    let key = keys[next(keys.len())];
                    let (metadata, model) = &mut all[idx];
                    assert_eq!(metadata.delete(key), model.remove(key).is_some());
                }
                _ => {
                    let key = keys[next(keys.len())];
                    let (metadata, model) = &mut all[idx];
                    metadata.set(key, value(n));
                    model.insert(key, n);
                }
            }
            for (metadata, model) in &all {
                let pairs = model.iter().map(|(key, n)| (Bytes::from(*key), value(*n)));
                assert!(metadata.iter().map(|(key, value)| (key.clone(), value.clone())).eq(pairs));
                assert_eq!((metadata.len(), metadata.is_empty()), (model.len(), model.is_empty()));
                let is_there = |key: &&str| metadata.get(key) == model.get(key).map(|n| value(*n)).as_ref();
                assert!(keys.iter().all(is_there));
                let held = model.iter().map(|(key, n)| pair_bytes(key.len(), &value(*n))).sum::<usize>();
                assert_eq!(metadata.size(), held);
            }
        }
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
