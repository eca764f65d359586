//! Partitions: what is read of one and not answered, and up to where it may be committed.
//!
//! Invariant: the floor of a partition is the offset of its lowest message that is not answered, and nothing above it is
//! ever committed. One that was taken away commits nothing any more.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use wappa_component::Group;

use super::records::Records;

/// One partition, for as long as it is assigned to this consumer.
pub(crate) struct Partition {
    pub(crate) topic: String,
    pub(crate) number: i32,
    /// Which of the consumer's assignments it is.
    pub(crate) id: u64,
    /// What is read of it keeps its order.
    pub(crate) group: Group,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    is_revoked: bool,
    /// In the order of the partition.
    spans: VecDeque<Span>,
    /// The number of the first span.
    first: u64,
    n_unanswered: usize,
    /// What may be committed and is not stored yet.
    floor: Option<i64>,
    /// Nothing more is read before something is answered.
    is_blocked: bool,
}

/// Messages next to each other that were handed over.
struct Span {
    records: Arc<Records>,
    is_answered: Vec<bool>,
    n_unanswered: usize,
    /// All before this one are answered.
    lowest: usize,
}

/// What answers have changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Settled {
    /// There is room again for somebody who waits for it.
    pub(crate) has_room: bool,
}

impl Partition {
    pub(crate) fn new(topic: &str, number: i32, id: u64, group: Group) -> Partition {
        Partition { topic: topic.to_string(), number, id, group, state: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many messages are read and not answered.
    pub(crate) fn n_unanswered(&self) -> usize {
        self.lock().n_unanswered
    }

    /// Says that nothing more is read before fewer than `limit` messages are unanswered. `false`: that is so already.
    pub(crate) fn block(&self, limit: usize) -> bool {
        let mut state = self.lock();
        state.is_blocked = limit <= state.n_unanswered;
        state.is_blocked
    }

    /// Messages are handed over. Returns the number of their span.
    pub(crate) fn add(&self, records: Arc<Records>) -> u64 {
        let mut state = self.lock();
        let n = records.len();
        state.n_unanswered += n;
        state.spans.push_back(Span { records, is_answered: vec![false; n], n_unanswered: n, lowest: 0 });
        state.first + state.spans.len() as u64 - 1
    }

    /// These messages of a span are answered, and need not come again.
    pub(crate) fn settle(&self, span: u64, indices: impl Iterator<Item = usize>) -> Settled {
        let mut state = self.lock();
        if state.is_revoked || span < state.first {
            return Settled::default();
        }
        let place = (span - state.first) as usize;
        let mut n_new = 0;
        let Some(it) = state.spans.get_mut(place) else { return Settled::default() };
        for idx in indices {
            n_new += usize::from(!std::mem::replace(&mut it.is_answered[idx], true));
        }
        it.n_unanswered -= n_new;
        state.n_unanswered -= n_new;
        if place == 0 {
            state.raise_floor();
        }
        let has_room = 0 < n_new && std::mem::take(&mut state.is_blocked);
        Settled { has_room }
    }

    /// What may be committed now, unless it was taken before.
    pub(crate) fn take_floor(&self) -> Option<i64> {
        self.lock().floor.take()
    }

    /// It is somebody else's: what is answered from now on changes nothing. Returns how many messages will come again.
    pub(crate) fn revoke(&self) -> usize {
        let mut state = self.lock();
        state.is_revoked = true;
        state.spans.clear();
        state.floor = None;
        std::mem::take(&mut state.n_unanswered)
    }
}

impl State {
    fn raise_floor(&mut self) {
        while let Some(span) = self.spans.front_mut() {
            if 0 < span.n_unanswered {
                let n_more = span.is_answered[span.lowest..].iter().take_while(|it| **it).count();
                if 0 < n_more {
                    span.lowest += n_more;
                    self.floor = Some(span.records.offset(span.lowest));
                }
                return;
            }
            self.floor = Some(span.records.next_offset());
            self.spans.pop_front();
            self.first += 1;
        }
    }
}
