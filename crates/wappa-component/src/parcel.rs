//! Parcels: what an input hands over at once.

use std::{borrow::Cow, sync::Arc};

use bytes::Bytes;
use wappa_message::{Context, Mark, Message, Metadata};

use crate::{Ack, Batches, Contexts, Failure, Form, Growth, Order, Part};

/// The most messages a parcel holds, unless one batch is larger.
pub const PARCEL_MESSAGES_MAX: usize = 256;

/// The most bytes a parcel keeps alive, unless one batch is larger.
pub const PARCEL_BYTES_MAX: usize = 128 * 1024;

/// Everything an input had ready, with one shared ack.
///
/// A parcel is a hand-off, not a unit of work: see [`Part`].
#[derive(Debug)]
pub struct Parcel {
    content: Content,
    /// Where the batches end, counted in origins; `None`: each origin is a batch.
    origin_ends: Option<Vec<u32>>,
    ack: Ack,
    order: Order,
    /// What processors have made of it since it was read; `None`: none has seen it.
    growth: Option<Growth>,
    /// Whether what it has was handed over before.
    is_replay: bool,
}

/// A parcel that was opened: what is worked on, and the duty to answer for it.
#[derive(Debug)]
pub struct Unpacked {
    /// The messages.
    pub part: Part,
    /// Where the batches end, counted in origins; `None`: each origin is a batch.
    pub origin_ends: Option<Vec<u32>>,
    /// Who is told what became of them.
    pub ack: Ack,
    /// With what they keep their order.
    pub order: Order,
    /// What processors have made of them since they were read.
    pub growth: Growth,
    /// Whether they were handed over before, and failed.
    pub is_replay: bool,
}

impl Unpacked {
    /// Keeps the first `n_places` places; the result is the rest.
    pub fn split_off(&mut self, n_places: usize) -> Unpacked {
        let (mut origin, mut rest_ends) = (self.ack.origins().start + n_places as u32, None);
        if let Some(ends) = &mut self.origin_ends {
            let behind = ends.split_off(n_places);
            origin = ends.last().copied().unwrap_or(self.ack.origins().start);
            rest_ends = Some(behind);
        }
        let growth = self.growth.split_off(n_places, self.part.n_places());
        Unpacked {
            part: self.part.split_off(n_places),
            origin_ends: rest_ends,
            ack: self.ack.split_off(origin),
            order: self.order,
            growth,
            is_replay: self.is_replay,
        }
    }

    /// To be handed on.
    pub fn into_parcel(self) -> Parcel {
        let Unpacked { part, origin_ends, ack, order, growth, is_replay } = self;
        let n_batches = origin_ends.as_ref().map_or(ack.origins().len(), Vec::len);
        assert_eq!(part.n_places(), n_batches, "processors keep the number of places");
        Parcel { content: Content::Part(part), origin_ends, ack, order, growth: Some(growth), is_replay }
    }
}

#[derive(Debug)]
enum Content {
    Slices(Slices),
    Part(Part),
    /// Several stretches, and where their batches end.
    Stretches(Vec<Stretch>, Vec<u32>),
}

/// Messages next to each other of a batch that is put together: as they came in, where nobody has looked at them.
#[derive(Clone, Debug)]
pub enum Stretch {
    /// Ranges of a buffer.
    Slices(Slices),
    /// Messages.
    Messages(Vec<Message>),
}

/// From how many messages on reference counts of their own cost less than they save.
const APART_MESSAGES_MIN: usize = 16;

impl Stretch {
    /// How many messages there are.
    pub fn n_messages(&self) -> usize {
        match self {
            Stretch::Slices(slices) => slices.ranges.len(),
            Stretch::Messages(messages) => messages.len(),
        }
    }

    /// The messages with these indices.
    fn select(&self, indices: &[u32]) -> Vec<Message> {
        match self {
            Stretch::Slices(slices) => slices.select(indices),
            Stretch::Messages(messages) => indices.iter().map(|it| messages[*it as usize].clone()).collect(),
        }
    }

    /// How large each message is, in bytes.
    fn sizes(&self) -> Vec<usize> {
        match self {
            Stretch::Slices(slices) => slices.sizes().collect(),
            Stretch::Messages(messages) => messages.iter().map(Message::size).collect(),
        }
    }
}

fn size_of(stretch: &Stretch) -> usize {
    match stretch {
        Stretch::Slices(slices) => slices.sizes().sum(),
        Stretch::Messages(messages) => messages.iter().map(Message::size).sum(),
    }
}

/// The index of a message, its origin, and its context.
pub(crate) type InContext = (usize, u32, Arc<Context>);

/// Those that have a context, by index and in order.
pub(crate) fn contexts_of(messages: &[Message]) -> impl Iterator<Item = (usize, &Arc<Context>)> {
    messages.iter().enumerate().filter_map(|(idx, it)| Some((idx, it.context()?)))
}

/// Whether each message is the one that was read with its index, in the batch it was read in.
fn has_own_origins(part: &Part, ack: &Ack) -> bool {
    let are_batches = part.n_places() == part.n_batches();
    are_batches
        && ack.origins() == (0..part.n_messages() as u32)
        && part.origins().into_iter().eq(ack.origins())
}

/// The messages of all stretches, in batches.
fn part_of(stretches: Vec<Stretch>, ends: Vec<u32>) -> Part {
    let mut messages = Vec::with_capacity(ends.last().copied().unwrap_or(0) as usize);
    for stretch in stretches {
        match stretch {
            Stretch::Slices(slices) => slices.apart().append_to(&mut messages, 0),
            Stretch::Messages(own) => messages.extend(own),
        }
    }
    for (idx, message) in messages.iter_mut().enumerate() {
        message.set_origin(idx as u32);
    }
    Part::new(messages, Batches::Ends(ends))
}

/// Messages that are ranges of one buffer and share their metadata.
///
/// The cheapest pristine copy there is: the buffer and eight bytes a message.
#[derive(Clone, Debug, Default)]
pub struct Slices {
    /// The buffer. No other parcel has slices of it.
    pub buffer: Bytes,
    /// Start and end of each message.
    pub ranges: Vec<(u32, u32)>,
    /// The metadata of every message.
    pub metadata: Metadata,
    /// What the messages are beside their bytes, if they are anything.
    pub form: Option<Arc<dyn Form>>,
    /// Those that have a context, by the same numbers as the form's.
    pub contexts: Contexts,
    /// The number of the first of these messages, as the form counts them.
    pub first: usize,
}

impl Slices {
    /// The messages, in order, each with its index as its origin.
    pub fn messages(&self) -> Vec<Message> {
        self.messages_from(0)
    }

    /// The same, with origins that count from this one.
    pub(crate) fn messages_from(&self, first_origin: u32) -> Vec<Message> {
        let mut messages = Vec::with_capacity(self.ranges.len());
        self.append_to(&mut messages, first_origin);
        messages
    }

    /// Makes the messages behind those that are there.
    fn append_to(&self, messages: &mut Vec<Message>, first_origin: u32) {
        let of = |(origin, (start, end)): (u32, &(u32, u32))| {
            let content = self.buffer.slice(*start as usize..*end as usize);
            Message::of_input(content, self.metadata.clone(), origin)
        };
        let n_before = messages.len();
        messages.extend((first_origin..).zip(&self.ranges).map(of));
        // Messages that are nothing beside their bytes, of which there are the most, are made without a look at it.
        if let Some(form) = &self.form {
            for (idx, message) in messages[n_before..].iter_mut().enumerate() {
                form.shape(self.first + idx, message);
            }
        }
        for (idx, context) in self.contexts() {
            messages[n_before + idx].set_context(Arc::clone(context));
        }
    }

    /// Those that have a context, by index and in order, as long as no messages are made of them.
    pub fn contexts(&self) -> impl Iterator<Item = (usize, &Arc<Context>)> {
        let within = self.contexts.within(self.first..self.first + self.ranges.len());
        within.map(|(number, context)| (number - self.first, context))
    }

    fn bytes(&self, idx: usize) -> Bytes {
        let (start, end) = self.ranges[idx];
        self.buffer.slice(start as usize..end as usize)
    }

    /// One message, with origin 0.
    pub fn message(&self, idx: usize) -> Message {
        self.make(self.bytes(idx), idx, 0)
    }

    fn make(&self, bytes: Bytes, idx: usize, origin: u32) -> Message {
        let mut message = Message::of_input(bytes, self.metadata.clone(), origin);
        if let Some(form) = &self.form {
            form.shape(self.first + idx, &mut message);
        }
        let number = self.first + idx;
        if let Some((_, context)) = self.contexts.within(number..number + 1).next() {
            message.set_context(Arc::clone(context));
        }
        message
    }

    /// The same with reference counts of their own, if they are for many messages: other threads work on what else was
    /// read with these, and counts that two of them change cost each several times as much.
    fn apart(mut self) -> Slices {
        if APART_MESSAGES_MIN <= self.ranges.len() && !self.buffer.is_unique() {
            self.buffer = Bytes::from_owner(self.buffer);
            self.metadata = self.metadata.unshared();
        }
        self
    }

    /// Keeps the first `n_messages` messages and returns the others.
    pub fn split_off(&mut self, n_messages: usize) -> Slices {
        let ranges = self.ranges.split_off(n_messages);
        let (buffer, metadata, form) = (self.buffer.clone(), self.metadata.clone(), self.form.clone());
        let contexts = self.contexts.clone();
        Slices { buffer, ranges, metadata, form, contexts, first: self.first + n_messages }
    }

    /// The size of each message's content, in bytes.
    pub fn sizes(&self) -> impl Iterator<Item = usize> {
        self.ranges.iter().map(|(start, end)| (end - start) as usize)
    }

    /// The messages with these indices, with origin 0. They may be kept for long: where they are the smaller part of the
    /// buffer they do not keep it alive.
    fn select(&self, indices: &[u32]) -> Vec<Message> {
        let indices = || indices.iter().map(|it| *it as usize);
        let n_bytes: usize = indices().map(|idx| self.bytes(idx).len()).sum();
        let is_copied = n_bytes < self.buffer.len() / 2;
        let message = |idx| {
            let bytes = self.bytes(idx);
            let mut message = self.make(bytes, idx, 0);
            if is_copied {
                message.detach();
            }
            message
        };
        indices().map(message).collect()
    }
}

impl Parcel {
    /// A parcel of single messages that are ranges of one buffer.
    pub fn of_slices(slices: Slices, ack: Ack) -> Parcel {
        assert_eq!(ack.origins().len(), slices.ranges.len(), "one origin for each range");
        Parcel {
            content: Content::Slices(slices),
            origin_ends: None,
            ack,
            order: Order::Stream,
            growth: None,
            is_replay: false,
        }
    }

    /// A parcel of messages as they came in; their origins become their indices.
    pub fn of_messages(mut messages: Vec<Message>, batches: Batches, ack: Ack) -> Parcel {
        assert_eq!(ack.origins().len(), messages.len(), "one origin for each message");
        for (idx, message) in messages.iter_mut().enumerate() {
            message.set_origin(idx as u32);
        }
        let origin_ends = match &batches {
            Batches::Singles => None,
            Batches::Ends(ends) => Some(ends.clone()),
        };
        Parcel {
            content: Content::Part(Part::new(messages, batches)),
            origin_ends,
            ack,
            order: Order::Stream,
            growth: None,
            is_replay: false,
        }
    }

    /// A parcel of batches that are put together of several stretches, each message with an origin of its own. The
    /// messages are made when it is opened, outside of the input's turn.
    pub fn of_stretches(stretches: Vec<Stretch>, ends: Vec<u32>, ack: Ack) -> Parcel {
        assert_eq!(
            ack.origins().len(),
            stretches.iter().map(Stretch::n_messages).sum::<usize>(),
            "one origin for each message"
        );
        Parcel {
            content: Content::Stretches(stretches, ends.clone()),
            origin_ends: Some(ends),
            ack,
            order: Order::Stream,
            growth: None,
            is_replay: false,
        }
    }

    /// The messages as one stretch, without their batches, and the ack. Those that are a buffer's have their indices as
    /// their origins.
    pub fn into_stretch(self) -> (Stretch, Ack) {
        match self.content {
            Content::Slices(slices) => (Stretch::Slices(slices), self.ack),
            Content::Part(part) => (Stretch::Messages(part.into_messages()), self.ack),
            Content::Stretches(stretches, ends) => {
                (Stretch::Messages(part_of(stretches, ends).into_messages()), self.ack)
            }
        }
    }

    /// The messages, for a look: they are made where nobody has made them yet, and not kept.
    pub fn messages(&self) -> Cow<'_, [Message]> {
        match &self.content {
            Content::Slices(slices) => slices.messages().into(),
            Content::Part(part) => part.messages().into(),
            Content::Stretches(stretches, _) => {
                let of = |it: &Stretch| match it {
                    Stretch::Slices(slices) => slices.messages(),
                    Stretch::Messages(messages) => messages.clone(),
                };
                stretches.iter().flat_map(of).collect()
            }
        }
    }

    /// How many messages there are.
    pub(crate) fn n_messages(&self) -> usize {
        match &self.content {
            Content::Slices(slices) => slices.ranges.len(),
            Content::Part(part) => part.n_messages(),
            Content::Stretches(stretches, _) => stretches.iter().map(Stretch::n_messages).sum(),
        }
    }

    /// The same, in which these messages, by index and in order, have these contexts.
    #[must_use]
    pub(crate) fn with_contexts(mut self, contexts: Vec<(usize, Arc<Context>)>) -> Parcel {
        if contexts.is_empty() {
            return self;
        }
        match self.content {
            Content::Slices(ref mut slices) => {
                let first = slices.first;
                slices.contexts =
                    slices.contexts.with(contexts.into_iter().map(|(idx, it)| (first + idx, it)));
            }
            content => {
                let mut part = match content {
                    Content::Part(part) => part,
                    Content::Stretches(stretches, ends) => part_of(stretches, ends),
                    Content::Slices(_) => unreachable!("it has its own arm"),
                };
                let messages = part.messages_mut();
                contexts.into_iter().for_each(|(idx, context)| messages[idx].set_context(context));
                self.content = Content::Part(part);
            }
        }
        self
    }

    /// Those messages that have a context, by index and in order, with their origins. Nothing is made for that.
    pub(crate) fn contexts(&self) -> Vec<InContext> {
        match &self.content {
            Content::Slices(slices) => {
                slices.contexts().map(|(idx, it)| (idx, idx as u32, Arc::clone(it))).collect()
            }
            Content::Part(part) => {
                let mut all = Vec::new();
                part.each_context(|idx, it| all.push((idx, part.origin(idx), Arc::clone(it))));
                all
            }
            Content::Stretches(stretches, _) => {
                let (mut all, mut first) = (Vec::new(), 0);
                for stretch in stretches {
                    let mut push = |idx: usize, it: &Arc<Context>| {
                        all.push((first + idx, (first + idx) as u32, Arc::clone(it)));
                    };
                    match stretch {
                        Stretch::Slices(slices) => slices.contexts().for_each(|(idx, it)| push(idx, it)),
                        Stretch::Messages(messages) => {
                            contexts_of(messages).for_each(|(idx, it)| push(idx, it));
                        }
                    }
                    first += stretch.n_messages();
                }
                all
            }
        }
    }

    /// The origin of a message.
    pub(crate) fn origin(&self, idx: usize) -> u32 {
        match &self.content {
            Content::Part(part) => part.origin(idx),
            Content::Slices(_) | Content::Stretches(..) => idx as u32,
        }
    }

    /// Whether there is no message in it, since it had none or none is left.
    pub fn is_empty(&self) -> bool {
        match &self.content {
            Content::Slices(slices) => slices.ranges.is_empty(),
            Content::Part(part) => part.n_messages() == 0,
            Content::Stretches(stretches, _) => stretches.iter().all(|it| it.n_messages() == 0),
        }
    }

    /// How many input messages the parcel answers for.
    pub fn n_origins(&self) -> usize {
        self.ack.origins().len()
    }

    /// What processors have made of it since it was read.
    pub fn growth(&self) -> Growth {
        self.growth.unwrap_or_else(|| Growth::of(self.size()))
    }

    /// What its messages keep alive, in bytes.
    pub fn size(&self) -> usize {
        match &self.content {
            Content::Slices(slices) => slices.buffer.len(),
            Content::Part(part) => part.size(),
            Content::Stretches(stretches, _) => stretches.iter().map(size_of).sum(),
        }
    }

    /// How many batches the input made of them.
    pub fn n_batches(&self) -> usize {
        self.origin_ends.as_ref().map_or(self.n_origins(), Vec::len)
    }

    /// By how many bytes processors have made it grow since it was read.
    pub fn growth_bytes(&self) -> usize {
        self.growth.map_or(0, |it| it.bytes())
    }

    /// With what its messages keep their order.
    pub fn order(&self) -> Order {
        self.order
    }

    /// Says with what its messages keep their order.
    #[must_use]
    pub fn with_order(self, order: Order) -> Parcel {
        Parcel { order, ..self }
    }

    /// The same, of messages that were handed over before, and failed.
    #[must_use]
    pub fn replayed(self) -> Parcel {
        Parcel { is_replay: true, ..self }
    }

    /// Whether some of it was handed over before, and failed. Whoever wants nothing new still wants that.
    pub fn is_replay(&self) -> bool {
        self.is_replay
    }

    /// Nobody wants it: its source is told so, which is no failure.
    pub fn give_back(self) {
        self.ack.failed(Mark::of_unwanted());
    }

    /// What it has, to be worked on.
    pub fn open(self) -> Unpacked {
        let growth = self.growth();
        let part = match self.content {
            Content::Slices(slices) => Part::of_slices(slices),
            Content::Part(part) => part,
            Content::Stretches(stretches, ends) => part_of(stretches, ends),
        };
        let Parcel { origin_ends, ack, order, is_replay, .. } = self;
        Unpacked { part, origin_ends, ack, order, growth, is_replay }
    }

    /// The same, in which each message has an origin of its own, whatever processors have made of those that were read: what
    /// is answered for it is passed on, all at once. Batches of which nothing is left are left out.
    #[must_use]
    pub fn with_own_origins(self) -> Parcel {
        let Parcel { content, origin_ends, ack, order, growth, is_replay } = self;
        let part = match content {
            Content::Part(part) if !has_own_origins(&part, &ack) => part,
            // Of what no processor has seen each message has one.
            content => return Parcel { content, origin_ends, ack, order, growth, is_replay },
        };
        let origins = part.origins();
        let (messages, mut batches) = part.into_parts();
        if let Batches::Ends(ends) = &mut batches {
            ends.dedup();
            ends.retain(|end| 0 < *end);
        }
        let ack = Ack::new(messages.len() as u32, move |failures: Vec<Failure>| {
            let of_read = |it: Failure| Failure { origin: origins[it.origin as usize], ..it };
            ack.answer(failures.into_iter().map(of_read).collect());
        });
        Parcel { growth, is_replay, ..Parcel::of_messages(messages, batches, ack).with_order(order) }
    }

    /// Where its batches end, counted in messages, where each message has an origin of its own.
    pub fn batch_ends(&self) -> Vec<u32> {
        match (&self.content, &self.origin_ends) {
            (Content::Part(part), _) => {
                (0..part.n_batches()).map(|idx| part.messages_of(idx + 1) as u32).collect()
            }
            (_, Some(ends)) => ends.clone(),
            (_, None) => (1..=self.n_origins() as u32).collect(),
        }
    }

    /// How large each batch is, in bytes of content and metadata, and so many more for each message.
    pub fn batch_sizes(&self, of_message: usize) -> Vec<usize> {
        let mut sizes: Vec<usize> = match &self.content {
            Content::Slices(slices) => slices.sizes().collect(),
            Content::Part(part) => part.messages().iter().map(Message::size).collect(),
            Content::Stretches(stretches, _) => stretches.iter().flat_map(Stretch::sizes).collect(),
        };
        sizes.iter_mut().for_each(|it| *it += of_message);
        let ends: Vec<usize> = match (&self.content, &self.origin_ends) {
            (Content::Part(part), _) => {
                (0..part.n_places()).map(|idx| part.messages_of(part.batches_of(idx + 1))).collect()
            }
            (_, Some(ends)) => ends.iter().map(|end| *end as usize).collect(),
            (_, None) => return sizes,
        };
        let mut begin = 0;
        let of_batch = |end: usize| sizes[std::mem::replace(&mut begin, end)..end].iter().sum();
        ends.into_iter().map(of_batch).collect()
    }

    /// The first batches alone, of a parcel in which each message has an origin of its own, for `ack`; and the ack of all.
    pub fn first_batches(self, n_batches: usize, ack: impl FnOnce(u32) -> Ack) -> (Parcel, Ack) {
        let Parcel { mut content, mut origin_ends, ack: of_all, order, growth, is_replay } = self;
        if n_batches < origin_ends.as_ref().map_or(of_all.origins().len(), Vec::len) {
            origin_ends.iter_mut().for_each(|ends| ends.truncate(n_batches));
            match &mut content {
                Content::Slices(slices) => slices.ranges.truncate(n_batches),
                Content::Part(part) => _ = part.split_off(n_batches),
                Content::Stretches(stretches, ends) => {
                    let mut part = part_of(std::mem::take(stretches), std::mem::take(ends));
                    part.split_off(n_batches);
                    content = Content::Part(part);
                }
            }
        }
        let n_origins =
            origin_ends.as_ref().map_or(n_batches, |ends| ends.last().map_or(0, |end| *end as usize));
        (Parcel { content, origin_ends, ack: ack(n_origins as u32), order, growth, is_replay }, of_all)
    }

    /// Takes the ack out and puts another one in its place.
    pub fn wrap_ack(self, wrap: impl FnOnce(Ack) -> Ack) -> Parcel {
        Parcel { ack: wrap(self.ack), ..self }
    }

    /// Takes the ack out and puts another one in its place, beside a copy of the messages as they came in.
    ///
    /// The copy shares their contents.
    pub fn exchange_ack(self, exchange: impl FnOnce(Pristine, Ack) -> Ack) -> Parcel {
        let Parcel { content, origin_ends, ack, order, growth, is_replay } = self;
        let stretches = match &content {
            Content::Slices(slices) => vec![Stretch::Slices(slices.clone())],
            Content::Part(part) => vec![Stretch::Messages(part.messages().to_vec())],
            Content::Stretches(stretches, _) => stretches.clone(),
        };
        let ack = exchange(Pristine { stretches, origin_ends: origin_ends.clone() }, ack);
        Parcel { content, origin_ends, ack, order, growth, is_replay }
    }
}

/// The messages of a parcel as they came in.
#[derive(Debug)]
pub struct Pristine {
    stretches: Vec<Stretch>,
    origin_ends: Option<Vec<u32>>,
}

impl Pristine {
    /// Copies of the messages with these origins, in order, in the batches they came in.
    ///
    /// A batch of which only some messages are wanted comes as a batch of those. They may be kept for long:
    /// when they are the smaller part of their buffer they are copied, so that they do not keep it alive.
    pub fn select(&self, origins: &[u32]) -> (Vec<Message>, Batches) {
        let (mut messages, mut rest, mut begin) = (Vec::with_capacity(origins.len()), origins, 0);
        for stretch in &self.stretches {
            let end = begin + stretch.n_messages() as u32;
            let (own, others) = rest.split_at(rest.partition_point(|it| *it < end));
            let indices: Vec<u32> = own.iter().map(|it| it - begin).collect();
            messages.extend(stretch.select(&indices));
            (rest, begin) = (others, end);
        }
        let Some(ends) = &self.origin_ends else { return (messages, Batches::Singles) };
        let batch_of = |origin: u32| ends.partition_point(|end| *end <= origin);
        let mut ends_of_selected = Vec::new();
        for (idx, pair) in origins.windows(2).enumerate() {
            if batch_of(pair[0]) != batch_of(pair[1]) {
                ends_of_selected.push(idx as u32 + 1);
            }
        }
        if !origins.is_empty() {
            ends_of_selected.push(origins.len() as u32);
        }
        (messages, Batches::Ends(ends_of_selected))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pristine_copy_keeps_batches_and_ignores_edits() {
        let messages: Vec<Message> = "abcdef".chars().map(|it| Message::new(it.to_string())).collect();
        let ack = Ack::new(6, |_| ());
        let parcel = Parcel::of_messages(messages, Batches::Ends(vec![3, 4, 6]), ack);
        let mut pristine = None;
        let parcel = parcel.exchange_ack(|it, ack| {
            pristine = Some(it);
            ack
        });
        let Unpacked { mut part, origin_ends: ends, ack, .. } = parcel.open();
        part.messages_mut()[1].set_content(Bytes::from("edited"));
        assert_eq!(ends, Some(vec![3, 4, 6]));
        let (messages, batches) = pristine.expect("exchanged").select(&[1, 2, 5]);
        let text: Vec<_> = messages.iter().map(|it| it.content().clone()).collect();
        assert_eq!((text, batches), (["b", "c", "f"].map(Bytes::from).to_vec(), Batches::Ends(vec![2, 3])));
        ack.delivered();
    }

    #[test]
    fn what_is_not_finished_is_answered_as_failed() {
        for (ends, n_finished, expected) in
            [(None, 2, vec![2, 3]), (Some(vec![1, 3, 4]), 1, vec![1, 2, 3]), (Some(vec![1, 3, 4]), 3, vec![])]
        {
            let (tx, rx) = std::sync::mpsc::sync_channel(1);
            let ack = Ack::new(4, move |failures: Vec<crate::Failure>| {
                tx.send(failures.iter().map(|it| it.origin).collect::<Vec<_>>()).expect("the test listens");
            });
            let messages = "abcd".chars().map(|it| Message::new(it.to_string())).collect();
            let batches = ends.map_or(Batches::Singles, Batches::Ends);
            let mut opened = Parcel::of_messages(messages, batches, ack).open();
            drop(opened.split_off(n_finished));
            let Unpacked { part, ack, .. } = opened.into_parcel().open();
            assert_eq!((part.n_batches(), part.n_messages()), (n_finished, 4 - expected.len()));
            ack.delivered();
            assert_eq!(rx.recv().expect("it is answered"), expected);
        }
    }

    #[test]
    fn what_processors_have_made_gets_origins_of_its_own() {
        let (tx, rx) = std::sync::mpsc::sync_channel(1);
        let ack = Ack::new(4, move |failures: Vec<Failure>| {
            tx.send(failures.iter().map(|it| it.origin).collect::<Vec<_>>()).expect("the test listens");
        });
        let messages = "abcd".chars().map(|it| Message::new(it.to_string())).collect();
        let mut opened = Parcel::of_messages(messages, Batches::Ends(vec![1, 2, 4]), ack).open();
        // The first is there twice, and of the second nothing is left.
        opened.part.replace_each(|message, out| match message.content().as_ref() {
            b"a" => out.extend([message.clone(), message]),
            b"b" => (),
            _ => out.push(message),
        });
        let parcel = opened.into_parcel().with_own_origins();
        assert_eq!((parcel.n_origins(), parcel.n_batches(), parcel.batch_sizes(10)), (4, 2, vec![22, 22]));
        let Unpacked { part, ack, .. } = parcel.open();
        let origins: Vec<u32> = part.messages().iter().map(Message::origin).collect();
        assert_eq!(origins, [0, 1, 2, 3]);
        let failure = |origin| Failure { origin, reason: wappa_message::Mark::new("full") };
        ack.answer(vec![failure(1), failure(3)]);
        assert_eq!(rx.recv().expect("it is answered"), [0, 3]);
    }

    /// Each message, with a mark where it has the context that was given to it.
    fn marked(messages: &[Message]) -> String {
        let of = |it: &Message| {
            let text = String::from_utf8_lossy(it.content()).into_owned();
            match it.context() {
                None => text,
                Some(context) => {
                    assert_eq!(context.came_as, Some(if text == "c" { "c" } else { "f" }));
                    text + "!"
                }
            }
        };
        messages.iter().map(of).collect()
    }

    #[test]
    fn contexts_go_with_their_messages_as_long_as_none_are_made() {
        let parcel = || {
            let slices = Slices {
                buffer: Bytes::from_static(b"abcdefgh"),
                ranges: (0..8).map(|it| (it, it + 1)).collect(),
                ..Slices::default()
            };
            let context = |came_as| Arc::new(Context { came_as: Some(came_as), ..Context::default() });
            let parcel = Parcel::of_slices(slices, Ack::new(8, |_| ()));
            parcel.with_contexts(vec![(2, context("c")), (5, context("f"))])
        };
        let answered = |opened: Unpacked| {
            opened.ack.delivered();
            marked(opened.part.messages())
        };
        let indices = |part: &Part| {
            let mut all = Vec::new();
            part.each_context(|idx, _| all.push(idx));
            all
        };
        assert_eq!(parcel().contexts().iter().map(|it| (it.0, it.1)).collect::<Vec<_>>(), [(2, 2), (5, 5)]);
        assert_eq!(answered(parcel().open()), "abc!def!gh");
        // Cut into pieces, which nobody has looked at yet.
        let mut first = parcel().open();
        let mut rest = first.split_off(4);
        let last = rest.split_off(3);
        assert!([&first.part, &rest.part, &last.part].iter().all(|it| it.slices().is_some()));
        assert_eq!([&first.part, &rest.part, &last.part].map(indices), [vec![2], vec![1], vec![]]);
        assert_eq!([first, rest, last].map(answered), ["abc!d", "ef!g", "h"]);
        // Where they are put together with others, kept for a replay, or left out.
        let (stretch, ack) = parcel().into_stretch();
        let others = Stretch::Messages(vec![Message::new("x")]);
        let together = Parcel::of_stretches(vec![others, stretch], vec![4, 9], Ack::new(9, |_| ()));
        assert_eq!(together.contexts().iter().map(|it| (it.0, it.1)).collect::<Vec<_>>(), [(3, 3), (6, 6)]);
        assert_eq!(answered(together.open()), "xabc!def!gh");
        ack.delivered();
        let mut pristine = None;
        let exchanged = parcel().exchange_ack(|it, ack| {
            pristine = Some(it);
            ack
        });
        let (few, ack) = exchanged.first_batches(3, |n| Ack::new(n, |_| ()));
        assert_eq!(answered(few.open()), "abc!");
        ack.delivered();
        assert_eq!(marked(&pristine.expect("exchanged").select(&[1, 2, 5, 6]).0), "bc!f!g");
    }

    #[test]
    fn few_messages_of_a_large_buffer_are_copied() {
        let buffer = Bytes::from(vec![b'x'; 1000]);
        let slices = |ranges: Vec<(u32, u32)>| {
            let ack = Ack::new(ranges.len() as u32, |_| ());
            Parcel::of_slices(Slices { buffer: buffer.clone(), ranges, ..Slices::default() }, ack)
        };
        let is_shared = |origins: &[u32]| {
            let mut selected = Vec::new();
            let parcel = slices(vec![(0, 100), (100, 1000)]).exchange_ack(|pristine, ack| {
                selected = pristine.select(origins).0;
                ack
            });
            parcel.open().ack.delivered();
            let within = buffer.as_ptr_range();
            selected.iter().all(|it| within.contains(&it.content().as_ptr()))
        };
        assert_eq!([&[0][..], &[1], &[0, 1]].map(is_shared), [false, true, true]);
    }
}
