//! Feeds: what clients on the runtime have read, until the pipeline takes it.
//!
//! Invariant: a feed holds no more than its bound, and one item over it. Who fills it waits, and reads no more from the
//! network meanwhile.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Semaphore;
use wappa_component::{
    Ack, AckSink, Batches, Failure, InputBell, LeaseSink, Order, PARCEL_BYTES_MAX, PARCEL_MESSAGES_MAX,
    Parcel, Slices,
};
use wappa_message::Message;

/// What a feed holds at most, in bytes: as much as a few parcels, so that neither end waits for the other to wake.
const FEED_BYTES_MAX: usize = 8 * PARCEL_BYTES_MAX;

/// What an item counts at least, so that there are not too many of them.
const ITEM_BYTES_MIN: usize = 256;

/// The end at which the pipeline takes: for [`Input::read`](wappa_component::Input::read).
pub struct Feed(Arc<Shared>);

/// The end at which clients put in. Cloning shares.
#[derive(Clone)]
pub struct Feeder(Arc<Shared>);

struct Shared {
    bell: InputBell,
    /// The bytes there is room for.
    room: Semaphore,
    /// Each with the room that it takes up.
    items: Mutex<VecDeque<(Fed, usize)>>,
}

/// What is put into a feed at once.
pub struct Fed {
    content: Content,
    sink: Sink,
    /// Unless they keep their order with all that the input reads.
    order: Option<Order>,
}

/// Who is told what became of it.
enum Sink {
    Nobody,
    /// When all of it is answered.
    Whole(Box<dyn AckSink>),
    /// Of each message as soon as it is answered.
    Each(Box<dyn LeaseSink>),
}

enum Content {
    Slices(Slices),
    Messages(Vec<Message>, Batches),
}

/// Nobody takes anything any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed;

/// The two ends of a feed whose reader is woken by this bell.
pub fn feed(bell: InputBell) -> (Feeder, Feed) {
    let shared = Shared { bell, room: Semaphore::new(FEED_BYTES_MAX), items: Mutex::default() };
    let shared = Arc::new(shared);
    (Feeder(Arc::clone(&shared)), Feed(shared))
}

impl Fed {
    /// Single messages that are ranges of a buffer; at least one.
    pub fn slices(slices: Slices) -> Fed {
        Fed { content: Content::Slices(slices), sink: Sink::Nobody, order: None }
    }

    /// Messages in batches; at least one.
    pub fn messages(messages: Vec<Message>, batches: Batches) -> Fed {
        Fed { content: Content::Messages(messages, batches), sink: Sink::Nobody, order: None }
    }

    /// The same, and this is told once what became of all of it: which messages failed, by index.
    #[must_use]
    pub fn telling(self, sink: impl AckSink + 'static) -> Fed {
        Fed { sink: Sink::Whole(Box::new(sink)), ..self }
    }

    /// The same, and this is told of each message, by index, as soon as it is answered: for a server that waits for each.
    #[must_use]
    pub fn telling_each(self, sink: impl LeaseSink + 'static) -> Fed {
        Fed { sink: Sink::Each(Box::new(sink)), ..self }
    }

    /// The same, of messages that keep their order with those of their group only, or with none; see
    /// [`Parcel::with_order`].
    #[must_use]
    pub fn with_order(self, order: Order) -> Fed {
        Fed { order: Some(order), ..self }
    }

    /// The same, of messages that keep their order with nobody's, and this is told of each as soon as it is answered:
    /// indices are those of these messages. They come to the pipeline together with others of their kind, of whom each is told
    /// of its own.
    #[must_use]
    pub fn leased(self, sink: impl LeaseSink + 'static) -> Fed {
        self.telling_each(sink).with_order(Order::None)
    }

    fn n_messages(&self) -> usize {
        match &self.content {
            Content::Slices(slices) => slices.ranges.len(),
            Content::Messages(messages, _) => messages.len(),
        }
    }

    /// What it keeps alive, in bytes.
    fn size(&self) -> usize {
        match &self.content {
            Content::Slices(slices) => slices.buffer.len() + slices.ranges.len() * size_of::<(u32, u32)>(),
            Content::Messages(messages, _) => messages.iter().map(Message::size).sum(),
        }
    }

    /// Whether it may stand in one parcel with others.
    fn is_loose(&self) -> bool {
        let is_single = !matches!(&self.content, Content::Messages(_, Batches::Ends(_)));
        is_single && matches!(self.sink, Sink::Nobody) && self.order.is_none()
    }

    /// Whether both may stand in one parcel.
    fn goes_with(&self, other: &Fed) -> bool {
        let tells_each = |it: &Fed| matches!(it.sink, Sink::Each(_));
        (tells_each(self) && tells_each(other) && self.order == other.order)
            || (self.is_loose() && other.is_loose())
    }

    fn into_messages(self) -> Vec<Message> {
        match self.content {
            Content::Slices(slices) => slices.messages(),
            Content::Messages(messages, _) => messages,
        }
    }

    fn into_parcel(self) -> Parcel {
        let n_messages = self.n_messages() as u32;
        let ack = match self.sink {
            Sink::Nobody => Ack::new(n_messages, |_| ()),
            Sink::Whole(sink) => Ack::new(n_messages, move |failures| sink.answered(failures)),
            Sink::Each(sink) => Ack::leased(n_messages, Joint(vec![(0, sink)])),
        };
        let parcel = match self.content {
            Content::Slices(slices) => Parcel::of_slices(slices, ack),
            Content::Messages(messages, batches) => Parcel::of_messages(messages, batches, ack),
        };
        match self.order {
            Some(order) => parcel.with_order(order),
            None => parcel,
        }
    }
}

/// Those who are told of the messages of one parcel, each with where its own begin.
struct Joint(Vec<(u32, Box<dyn LeaseSink>)>);

impl LeaseSink for Joint {
    fn answered(&self, origins: &[u32], failures: Vec<Failure>) {
        if let [(_, sink)] = self.0.as_slice() {
            return sink.answered(origins, failures);
        }
        let mut origins = origins;
        let mut failures = failures.into_iter().peekable();
        while let Some(&first) = origins.first() {
            let idx = self.0.partition_point(|(begin, _)| *begin <= first) - 1;
            let (begin, sink) = &self.0[idx];
            let end = self.0.get(idx + 1).map_or(u32::MAX, |(next, _)| *next);
            let (own, rest) = origins.split_at(origins.partition_point(|it| *it < end));
            origins = rest;
            let own: Vec<u32> = own.iter().map(|it| it - begin).collect();
            let of_own = std::iter::from_fn(|| failures.next_if(|it| it.origin < end));
            let of_own = of_own.map(|it| Failure { origin: it.origin - begin, ..it }).collect();
            sink.answered(&own, of_own);
        }
    }
}

/// What stands for itself, put together, so that each is told of its own messages.
fn joined(fed: Vec<Fed>) -> Parcel {
    let (mut messages, mut ends, mut sinks) = (Vec::new(), Vec::new(), Vec::with_capacity(fed.len()));
    let order = fed.first().and_then(|it| it.order);
    for fed in fed {
        let begin = messages.len() as u32;
        let Sink::Each(sink) = fed.sink else { unreachable!("it goes with those that are told of each") };
        sinks.push((begin, sink));
        match fed.content {
            Content::Messages(more, Batches::Ends(more_ends)) => {
                messages.extend(more);
                ends.extend(more_ends.iter().map(|it| begin + it));
            }
            content => {
                messages.extend(Fed { content, sink: Sink::Nobody, order: None }.into_messages());
                ends.extend(begin + 1..=messages.len() as u32);
            }
        }
    }
    let batches = match ends.len() == messages.len() {
        true => Batches::Singles,
        false => Batches::Ends(ends),
    };
    let ack = Ack::leased(messages.len() as u32, Joint(sinks));
    let parcel = Parcel::of_messages(messages, batches, ack);
    match order {
        Some(order) => parcel.with_order(order),
        None => parcel,
    }
}

impl Feeder {
    /// Puts something in, once there is room. What waits keeps its order.
    pub async fn put(&self, fed: Fed) -> Result<(), Closed> {
        let bytes = fed.size().clamp(ITEM_BYTES_MIN, FEED_BYTES_MAX);
        let permit = self.0.room.acquire_many(bytes as u32).await.map_err(|_| Closed)?;
        let mut items = self.0.lock();
        // Whoever takes it out gives the room back; closing comes before or after, under the lock.
        if self.0.room.is_closed() {
            return Err(Closed);
        }
        permit.forget();
        items.push_back((fed, bytes));
        drop(items);
        self.0.bell.ring();
        Ok(())
    }

    /// Waits until all that was put in is taken, so that nothing is fetched before it is wanted.
    pub async fn taken(&self) -> Result<(), Closed> {
        self.0.room.acquire_many(FEED_BYTES_MAX as u32).await.map(drop).map_err(|_| Closed)
    }
}

impl Feed {
    /// Everything that is ready, up to what a parcel holds. Where that is nothing, the bell is rung once it is not.
    pub fn take(&self) -> Option<Parcel> {
        let mut items = self.0.lock();
        let (first, mut freed) = items.pop_front()?;
        let (mut n_messages, mut n_bytes) = (first.n_messages(), first.size());
        let mut others = Vec::new();
        while let Some((fed, bytes)) = items.pop_front_if(|(it, _)| {
            first.goes_with(it)
                && n_messages + it.n_messages() <= PARCEL_MESSAGES_MAX
                && n_bytes + it.size() <= PARCEL_BYTES_MAX
        }) {
            n_messages += fed.n_messages();
            n_bytes += fed.size();
            freed += bytes;
            others.push(fed);
        }
        drop(items);
        self.0.room.add_permits(freed);
        if others.is_empty() {
            return Some(first.into_parcel());
        }
        if let Sink::Each(_) = first.sink {
            others.insert(0, first);
            return Some(joined(others));
        }
        let mut messages = first.into_messages();
        others.into_iter().for_each(|it| messages.extend(it.into_messages()));
        Some(Fed::messages(messages, Batches::Singles).into_parcel())
    }

    /// Takes nothing any more. What is in it is answered as failed, and who waits to put something in hears of it.
    pub fn close(&self) {
        let items = {
            let mut items = self.0.lock();
            self.0.room.close();
            std::mem::take(&mut *items)
        };
        for (fed, _) in items {
            drop(fed.into_parcel());
        }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, VecDeque<(Fed, usize)>> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Feed({})", self.0.lock().len())
    }
}

impl fmt::Debug for Feeder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Feeder({})", self.0.lock().len())
    }
}

impl fmt::Debug for Fed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fed({})", self.n_messages())
    }
}
