//! Feeds: what clients on the runtime have read, until the pipeline takes it.
//!
//! Invariant: a feed holds no more than its bound, and one item over it. Who fills it waits, and reads no more from the
//! network meanwhile.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{
    sync::{Notify, Semaphore, SemaphorePermit, TryAcquireError},
    task::yield_now,
};
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
    /// There is something that the bell was not rung for.
    quietly: Notify,
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
    /// Called behind those who are told together.
    at_last: Option<AtLast>,
}

/// What is called once several were told.
pub type AtLast = Arc<dyn Fn() + Send + Sync>;

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
    let shared = Shared {
        bell,
        quietly: Notify::new(),
        room: Semaphore::new(FEED_BYTES_MAX),
        items: Mutex::default(),
    };
    let shared = Arc::new(shared);
    (Feeder(Arc::clone(&shared)), Feed(shared))
}

impl Fed {
    /// Single messages that are ranges of a buffer; at least one.
    pub fn slices(slices: Slices) -> Fed {
        Fed { content: Content::Slices(slices), sink: Sink::Nobody, order: None, at_last: None }
    }

    /// Messages in batches; at least one.
    pub fn messages(messages: Vec<Message>, batches: Batches) -> Fed {
        Fed { content: Content::Messages(messages, batches), sink: Sink::Nobody, order: None, at_last: None }
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

    /// The same, and this is called once all were told who are told at the same time: for who tells others better at once
    /// than one by one.
    #[must_use]
    pub fn at_last(self, call: AtLast) -> Fed {
        Fed { at_last: Some(call), ..self }
    }

    fn n_messages(&self) -> usize {
        match &self.content {
            Content::Slices(slices) => slices.ranges.len(),
            Content::Messages(messages, _) => messages.len(),
        }
    }

    /// The room that it takes up.
    fn bytes(&self) -> usize {
        self.size().clamp(ITEM_BYTES_MIN, FEED_BYTES_MAX)
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
        let is_same_end = match (&self.at_last, &other.at_last) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (one, other) => one.is_none() && other.is_none(),
        };
        (tells_each(self) && tells_each(other) && self.order == other.order && is_same_end)
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
            Sink::Each(sink) => {
                Ack::leased(n_messages, Joint { sinks: vec![(0, sink)], at_last: self.at_last })
            }
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
struct Joint {
    sinks: Vec<(u32, Box<dyn LeaseSink>)>,
    at_last: Option<AtLast>,
}

impl LeaseSink for Joint {
    fn answered(&self, origins: &[u32], failures: Vec<Failure>) {
        match self.sinks.as_slice() {
            [(_, sink)] => sink.answered(origins, failures),
            _ => self.tell(origins, failures),
        }
        if let Some(call) = &self.at_last {
            call();
        }
    }
}

impl Joint {
    fn tell(&self, origins: &[u32], failures: Vec<Failure>) {
        let mut origins = origins;
        let mut failures = failures.into_iter().peekable();
        while let Some(&first) = origins.first() {
            let idx = self.sinks.partition_point(|(begin, _)| *begin <= first) - 1;
            let (begin, sink) = &self.sinks[idx];
            let end = self.sinks.get(idx + 1).map_or(u32::MAX, |(next, _)| *next);
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
    let at_last = fed.first().and_then(|it| it.at_last.clone());
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
                messages
                    .extend(Fed { content, sink: Sink::Nobody, order: None, at_last: None }.into_messages());
                ends.extend(begin + 1..=messages.len() as u32);
            }
        }
    }
    let batches = match ends.len() == messages.len() {
        true => Batches::Singles,
        false => Batches::Ends(ends),
    };
    let ack = Ack::leased(messages.len() as u32, Joint { sinks, at_last });
    let parcel = Parcel::of_messages(messages, batches, ack);
    match order {
        Some(order) => parcel.with_order(order),
        None => parcel,
    }
}

impl Feeder {
    /// Puts something in, once there is room. What waits keeps its order.
    pub async fn put(&self, fed: Fed) -> Result<(), Closed> {
        let bytes = fed.bytes();
        let permit = self.0.room.acquire_many(bytes as u32).await.map_err(|_| Closed)?;
        self.0.push(fed, bytes, permit)?;
        self.0.bell.ring();
        Ok(())
    }

    /// The same, of one of many who put something in at the same time: the pipeline hears of all of them together, from who
    /// runs [`Feeder::tell`].
    pub async fn put_quietly(&self, fed: Fed) -> Result<(), Closed> {
        let bytes = fed.bytes();
        let permit = self.0.room.acquire_many(bytes as u32).await.map_err(|_| Closed)?;
        self.0.push(fed, bytes, permit)?;
        self.0.quietly.notify_one();
        Ok(())
    }

    /// The same, if there is room at once; else it is given back.
    pub fn try_put_quietly(&self, fed: Fed) -> Result<Option<Fed>, Closed> {
        let bytes = fed.bytes();
        let permit = match self.0.room.try_acquire_many(bytes as u32) {
            Ok(permit) => permit,
            Err(TryAcquireError::NoPermits) => return Ok(Some(fed)),
            Err(TryAcquireError::Closed) => return Err(Closed),
        };
        self.0.push(fed, bytes, permit)?;
        self.0.quietly.notify_one();
        Ok(None)
    }

    /// Tells the pipeline of what was put in quietly, once those who are ready to put something in have done so. Has no end.
    pub async fn tell(&self) {
        loop {
            self.0.quietly.notified().await;
            yield_now().await;
            self.0.bell.ring();
        }
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
    fn push(&self, fed: Fed, bytes: usize, permit: SemaphorePermit<'_>) -> Result<(), Closed> {
        let mut items = self.lock();
        // Whoever takes it out gives the room back; closing comes before or after, under the lock.
        if self.room.is_closed() {
            return Err(Closed);
        }
        permit.forget();
        items.push_back((fed, bytes));
        Ok(())
    }

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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::{runtime::Builder, task::JoinSet};

    use super::*;

    /// Writes down which of its messages it is told of.
    struct Writing(u32, Arc<Mutex<Vec<String>>>);

    impl LeaseSink for Writing {
        fn answered(&self, origins: &[u32], failures: Vec<Failure>) {
            let line = format!("{}: {origins:?} {}", self.0, failures.len());
            self.1.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }
    }

    #[test]
    fn those_who_are_told_together_are_told_before_the_last_call() {
        let (_, feed) = feed(InputBell::new(|| ()));
        let feeder = Feeder(Arc::clone(&feed.0));
        let told: Arc<Mutex<Vec<String>>> = Arc::default();
        let of_call = Arc::clone(&told);
        let call: AtLast =
            Arc::new(move || of_call.lock().unwrap_or_else(PoisonError::into_inner).push("end".to_string()));
        for n in 0..3 {
            let messages = vec![Message::new("a"); n as usize + 1];
            let fed = Fed::messages(messages, Batches::Singles).leased(Writing(n, Arc::clone(&told)));
            let put = feeder.try_put_quietly(fed.at_last(Arc::clone(&call)));
            assert!(matches!(put, Ok(None)));
        }
        drop(feed.take().expect("there is something"));
        let told = told.lock().unwrap_or_else(PoisonError::into_inner);
        assert_eq!(told[..], ["0: [0] 1", "1: [0, 1] 2", "2: [0, 1, 2] 3", "end"]);
    }

    #[test]
    fn who_puts_in_quietly_rings_with_others() {
        let n_rung = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&n_rung);
        let (feeder, feed) = feed(InputBell::new(move || _ = counted.fetch_add(1, Ordering::SeqCst)));
        let runtime = Builder::new_current_thread().build().expect("it can be made");
        runtime.block_on(async {
            let telling = feeder.clone();
            let telling = tokio::spawn(async move { telling.tell().await });
            let mut putting = JoinSet::new();
            for _ in 0..20 {
                let feeder = feeder.clone();
                putting.spawn(async move {
                    feeder.put_quietly(Fed::messages(vec![Message::new("a")], Batches::Singles)).await
                });
            }
            while putting.join_next().await.is_some() {}
            while n_rung.load(Ordering::SeqCst) == 0 {
                yield_now().await;
            }
            telling.abort();
        });
        assert_eq!(n_rung.load(Ordering::SeqCst), 1);
        assert!(feed.take().is_some() && feed.take().is_none());
        feed.close();
        let fed = Fed::messages(vec![Message::new("a")], Batches::Singles);
        assert!(matches!(feeder.try_put_quietly(fed), Err(Closed)));
    }
}
