//! Parts: a run of whole batches, the unit of work.

use std::{mem, ops::Range, sync::Arc};

use wappa_message::{Context, Message};

use crate::{Slices, messages::Messages, parcel::contexts_of};

/// Where the batches of a run of messages end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Batches {
    /// Every message is a batch of its own.
    Singles,
    /// The end of each batch, as an index into the messages. A batch may have become empty.
    Ends(Vec<u32>),
}

/// A run of whole batches, in places.
///
/// A *place* is a batch as the input read it: order and acks count places. A *batch* is what processors and outputs see;
/// one that is divided leaves several in one place. Where nothing was divided both are the same.
///
/// Invariant: a processor never changes the number of places. A batch whose last message was filtered
/// stays, empty, so that it can be answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    messages: Messages,
    batches: Batches,
    /// Where the places end, counted in batches; `None`: each batch is one.
    places: Option<Vec<u32>>,
}

/// What is in a part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Content, metadata and marks of all messages together.
    pub bytes: usize,
    /// How many messages of the input they descend from.
    pub n_origins: usize,
    /// How many of them are marked as failed.
    pub n_marked: usize,
}

/// Where the batches of a part were.
#[derive(Clone, Debug)]
pub struct Outline(Batches);

impl Outline {
    /// How many messages the first `n_batches` batches had.
    pub fn messages_of(&self, n_batches: usize) -> usize {
        messages_of(&self.0, n_batches)
    }
}

fn messages_of(batches: &Batches, n_batches: usize) -> usize {
    match batches {
        Batches::Singles => n_batches,
        Batches::Ends(_) if n_batches == 0 => 0,
        Batches::Ends(ends) => ends[n_batches - 1] as usize,
    }
}

impl Part {
    /// A part of these messages.
    pub fn new(messages: Vec<Message>, batches: Batches) -> Part {
        if let Batches::Ends(ends) = &batches {
            assert_eq!(
                ends.last().copied().unwrap_or(0) as usize,
                messages.len(),
                "the last batch ends at the end"
            );
        }
        Part { messages: Messages::new(messages), batches, places: None }
    }

    /// A part in which each message is a batch of its own.
    pub fn singles(messages: Vec<Message>) -> Part {
        Part { messages: Messages::new(messages), batches: Batches::Singles, places: None }
    }

    /// The same, of ranges of a buffer, each with its index as its origin. Messages are made of them when somebody looks.
    pub fn of_slices(slices: Slices) -> Part {
        Part { messages: Messages::of_slices(slices), batches: Batches::Singles, places: None }
    }

    /// A part that is one batch.
    pub fn one_batch(messages: Vec<Message>) -> Part {
        let end = messages.len() as u32;
        Part { messages: Messages::new(messages), batches: Batches::Ends(vec![end]), places: None }
    }

    /// How many batches there are, empty ones included.
    pub fn n_batches(&self) -> usize {
        match &self.batches {
            Batches::Singles => self.messages.len(),
            Batches::Ends(ends) => ends.len(),
        }
    }

    /// How many places there are.
    pub fn n_places(&self) -> usize {
        self.places.as_ref().map_or_else(|| self.n_batches(), Vec::len)
    }

    /// How many batches the first `n_places` places have.
    pub fn batches_of(&self, n_places: usize) -> usize {
        match &self.places {
            None => n_places,
            Some(_) if n_places == 0 => 0,
            Some(ends) => ends[n_places - 1] as usize,
        }
    }

    /// How many leading places lie wholly within the first `n_messages` messages.
    pub fn places_within(&self, n_messages: usize) -> usize {
        let n_batches = self.batches_within(n_messages);
        match &self.places {
            None => n_batches,
            Some(ends) => ends.partition_point(|end| *end as usize <= n_batches),
        }
    }

    /// Divides batches, which stay in their places. `divide` gets the messages of each batch, and says where the batches
    /// that it becomes end, but for the last.
    pub fn divide(&mut self, mut divide: impl FnMut(&[Message], &mut Vec<u32>)) {
        let places = self.places.take();
        let (mut ends, mut own_places, mut inner) = (Vec::new(), Vec::new(), Vec::new());
        for idx in 0..self.n_batches() {
            let range = self.batch(idx);
            divide(&self.messages.all()[range.clone()], &mut inner);
            ends.extend(inner.drain(..).map(|end| range.start as u32 + end));
            ends.push(range.end as u32);
            own_places.push(ends.len() as u32);
        }
        let are_singles = ends.iter().enumerate().all(|(idx, end)| *end as usize == idx + 1);
        self.batches = if are_singles { Batches::Singles } else { Batches::Ends(ends) };
        self.set_places(own_places);
        if let Some(places) = places {
            self.put_within(&places);
        }
    }

    /// All messages of a place are one batch again.
    pub fn join_places(&mut self) {
        if let Some(places) = self.places.take() {
            let ends = places.iter().map(|end| self.messages_of(*end as usize) as u32).collect();
            self.batches = Batches::Ends(ends);
        }
    }

    /// All messages are one batch.
    pub fn join(&mut self) {
        *self = Part::one_batch(self.messages.take());
    }

    /// From here on each batch is a place of its own; nobody counts places any more.
    pub(crate) fn forget_places(&mut self) {
        self.places = None;
    }

    /// Takes out where the places are; until they are [put back](Part::put_within) each batch is one.
    pub(crate) fn take_places(&mut self) -> Option<Vec<u32>> {
        self.places.take()
    }

    /// What are places now were batches of these.
    pub(crate) fn put_within(&mut self, places: &[u32]) {
        assert_eq!(
            places.last().copied().unwrap_or(0) as usize,
            self.n_places(),
            "the last place ends at the end"
        );
        let ends = places.iter().map(|end| self.batches_of(*end as usize) as u32).collect();
        self.set_places(ends);
    }

    fn set_places(&mut self, ends: Vec<u32>) {
        let are_batches = ends.iter().enumerate().all(|(idx, end)| *end as usize == idx + 1);
        self.places = if are_batches { None } else { Some(ends) };
    }

    /// How many messages there are.
    pub fn n_messages(&self) -> usize {
        self.messages.len()
    }

    /// The messages of all batches, one batch after the other.
    pub fn messages(&self) -> &[Message] {
        self.messages.all()
    }

    /// The messages, to be changed one by one.
    #[inline]
    pub fn messages_mut(&mut self) -> &mut [Message] {
        self.messages.all_mut()
    }

    /// What the messages are, where they are nothing but ranges of a buffer and nobody may have changed them: for whoever
    /// writes bytes and needs no messages.
    pub fn slices(&self) -> Option<&Slices> {
        self.messages.slices()
    }

    /// Shows those messages that have a context, by index and in order. No messages are made for that.
    #[inline]
    pub fn each_context<'a>(&'a self, mut see: impl FnMut(usize, &'a Arc<Context>)) {
        match self.slices() {
            Some(slices) => slices.contexts().for_each(|(idx, context)| see(idx, context)),
            None => contexts_of(self.messages()).for_each(|(idx, context)| see(idx, context)),
        }
    }

    /// The origin of a message.
    pub fn origin(&self, idx: usize) -> u32 {
        self.messages.origin(idx)
    }

    /// The origins of all messages.
    pub fn origins(&self) -> Vec<u32> {
        self.messages.origins()
    }

    /// The origin of each message is its index.
    pub(crate) fn number(&mut self) {
        self.messages.number();
    }

    /// Whether a message is marked as failed.
    pub fn has_marks(&self) -> bool {
        self.slices().is_none() && self.messages().iter().any(|it| it.error().is_some())
    }

    /// Shows each message: the messages of its batch, and its place among them.
    pub fn see_each(&mut self, mut see: impl FnMut(&mut [Message], usize)) {
        for idx in 0..self.n_batches() {
            let range = self.batch(idx);
            let batch = &mut self.messages.all_mut()[range];
            (0..batch.len()).for_each(|place| see(batch, place));
        }
    }

    /// Index of the first message behind the first `n_batches` batches.
    pub fn messages_of(&self, n_batches: usize) -> usize {
        messages_of(&self.batches, n_batches)
    }

    /// The messages of batch `idx`, as a range of indices.
    pub fn batch(&self, idx: usize) -> Range<usize> {
        self.messages_of(idx)..self.messages_of(idx + 1)
    }

    /// How many leading batches lie wholly within the first `n_messages` messages.
    pub fn batches_within(&self, n_messages: usize) -> usize {
        match &self.batches {
            Batches::Singles => n_messages,
            Batches::Ends(ends) => ends.partition_point(|end| *end as usize <= n_messages),
        }
    }

    /// How many of the first `n_batches` batches have a message.
    pub fn n_batches_with_messages(&self, n_batches: usize) -> usize {
        match &self.batches {
            Batches::Singles => n_batches,
            Batches::Ends(_) => (0..n_batches).filter(|idx| !self.batch(*idx).is_empty()).count(),
        }
    }

    /// Where the batches are now, to be compared with later.
    pub fn outline(&self) -> Outline {
        Outline(self.batches.clone())
    }

    /// Keeps the messages that `is_kept` picks by index, in the batches they were in; batches without any of them are left
    /// out.
    pub fn retain(&mut self, mut is_kept: impl FnMut(usize) -> bool) {
        let before = self.messages.take();
        let batches = mem::replace(&mut self.batches, Batches::Singles);
        let mut kept = Vec::new();
        let mut ends = Vec::new();
        let mut batch = 0;
        for (idx, message) in before.into_iter().enumerate() {
            if let Batches::Ends(ends_before) = &batches
                && ends_before[batch] as usize <= idx
            {
                batch += ends_before[batch..].partition_point(|end| *end as usize <= idx);
                if ends.last().copied().unwrap_or(0) < kept.len() as u32 {
                    ends.push(kept.len() as u32);
                }
            }
            if is_kept(idx) {
                kept.push(message);
            }
        }
        if let Batches::Ends(_) = batches {
            if ends.last().copied().unwrap_or(0) < kept.len() as u32 {
                ends.push(kept.len() as u32);
            }
            // Where all are single that costs nothing to keep track of.
            if ends.len() < kept.len() {
                self.batches = Batches::Ends(ends);
            }
        }
        self.messages = Messages::new(kept);
    }

    /// Cuts the part behind its first `n_places` places and returns the rest.
    pub fn split_off(&mut self, n_places: usize) -> Part {
        let n_batches = self.batches_of(n_places);
        let places = self.places.as_mut().map(|ends| ends.split_off(n_places));
        let at = self.messages_of(n_batches);
        let messages = self.messages.split_off(at);
        let batches = match &mut self.batches {
            Batches::Singles => Batches::Singles,
            Batches::Ends(ends) => {
                Batches::Ends(ends.split_off(n_batches).into_iter().map(|end| end - at as u32).collect())
            }
        };
        let mut rest = Part { messages, batches, places: None };
        if let Some(ends) = places {
            rest.set_places(ends.into_iter().map(|end| end - n_batches as u32).collect());
        }
        if let Some(ends) = self.places.take() {
            self.set_places(ends);
        }
        rest
    }

    /// Cuts the part behind its first `n_messages` messages, within a batch if need be, and returns the rest.
    pub fn cut(&mut self, n_messages: usize) -> Part {
        let n_batches = self.batches_within(n_messages);
        let is_within = self.messages_of(n_batches) < n_messages;
        let mut rest = self.split_off(n_batches);
        if is_within {
            let tail = rest.messages.split_off(n_messages - self.messages.len());
            self.append(Part::one_batch(mem::replace(&mut rest.messages, tail).into_vec()));
            if let Batches::Ends(ends) = &mut rest.batches {
                let n_gone = ends.last().copied().unwrap_or(0) - rest.messages.len() as u32;
                ends.iter_mut().for_each(|end| *end -= n_gone);
            }
        }
        rest
    }

    /// Puts the batches of `tail` behind those of this part.
    pub fn append(&mut self, mut tail: Part) {
        if self.places.is_some() || tail.places.is_some() {
            let at = self.n_batches() as u32;
            let all = |part: &mut Part| {
                part.places.take().unwrap_or_else(|| (1..=part.n_batches() as u32).collect())
            };
            let tail_ends = all(&mut tail);
            let mut ends = all(self);
            ends.extend(tail_ends.into_iter().map(|end| end + at));
            self.places = Some(ends);
        }
        if self.batches != Batches::Singles || tail.batches != Batches::Singles {
            let at = self.messages.len() as u32;
            let tail_ends = tail.take_ends();
            let mut ends = self.take_ends();
            ends.extend(tail_ends.into_iter().map(|end| end + at));
            self.batches = Batches::Ends(ends);
        }
        self.messages.all_mut().append(tail.messages.all_mut());
    }

    /// Replaces each message by what `replace` pushes for it: nothing filters it, several multiply it.
    ///
    /// What is pushed belongs to the batch of the message it came from.
    pub fn replace_each(&mut self, mut replace: impl FnMut(Message, &mut Vec<Message>)) {
        let before = self.messages.take();
        let mut after = Vec::with_capacity(before.len());
        let mut ends_after = Vec::with_capacity(self.n_batches());
        let mut ends = match mem::replace(&mut self.batches, Batches::Singles) {
            Batches::Singles => (1..=before.len() as u32).collect(),
            Batches::Ends(ends) => ends,
        }
        .into_iter()
        .peekable();
        for (idx, message) in before.into_iter().enumerate() {
            while ends.next_if(|end| *end as usize <= idx).is_some() {
                ends_after.push(after.len() as u32);
            }
            replace(message, &mut after);
        }
        ends_after.extend(ends.map(|_| after.len() as u32));
        let still_singles = ends_after.iter().enumerate().all(|(idx, end)| *end as usize == idx + 1);
        self.messages = Messages::new(after);
        self.batches = if still_singles { Batches::Singles } else { Batches::Ends(ends_after) };
    }

    /// Replaces the messages of each batch that has any by what `replace` makes of them. One of which nothing is left stays,
    /// empty.
    pub fn replace_batches(&mut self, mut replace: impl FnMut(Vec<Message>) -> Vec<Message>) {
        let ends = self.take_ends();
        let mut before = self.messages.take().into_iter();
        let mut after = Vec::with_capacity(before.len());
        let mut ends_after = Vec::with_capacity(ends.len());
        let mut start = 0;
        for end in ends {
            let batch: Vec<Message> = before.by_ref().take((end - start) as usize).collect();
            if !batch.is_empty() {
                after.extend(replace(batch));
            }
            ends_after.push(after.len() as u32);
            start = end;
        }
        let still_singles = ends_after.iter().enumerate().all(|(idx, end)| *end as usize == idx + 1);
        self.messages = Messages::new(after);
        self.batches = if still_singles { Batches::Singles } else { Batches::Ends(ends_after) };
    }

    /// The messages and where their batches end.
    pub fn into_parts(self) -> (Vec<Message>, Batches) {
        (self.messages.into_vec(), self.batches)
    }

    /// The messages alone.
    pub fn into_messages(self) -> Vec<Message> {
        self.messages.into_vec()
    }

    /// Content, metadata and marks of all messages together, in bytes.
    pub fn size(&self) -> usize {
        self.census().bytes
    }

    /// Counts what is there.
    pub fn census(&self) -> Census {
        if let Some(slices) = self.slices() {
            let n_messages = slices.ranges.len();
            let bytes = slices.sizes().sum::<usize>() + n_messages * slices.metadata.size();
            return Census { bytes, n_origins: n_messages, n_marked: 0 };
        }
        let mut census = Census::default();
        let mut last = None;
        for message in self.messages() {
            census.bytes += message.size();
            if let Some(mark) = message.error() {
                census.bytes += mark.as_str().len();
                census.n_marked += 1;
            }
            // What descends from one message stays together.
            census.n_origins += usize::from(last != Some(message.origin()));
            last = Some(message.origin());
        }
        census
    }

    fn take_ends(&mut self) -> Vec<u32> {
        match mem::replace(&mut self.batches, Batches::Singles) {
            Batches::Singles => (1..=self.messages.len() as u32).collect(),
            Batches::Ends(ends) => ends,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(batches: &[&str]) -> Part {
        let mut part = Part::singles(Vec::new());
        for batch in batches {
            let messages = batch.chars().map(|it| Message::new(it.to_string())).collect();
            part.append(Part::one_batch(messages));
        }
        part
    }

    fn text(part: &Part) -> String {
        let batch = |idx| {
            let messages = &part.messages()[part.batch(idx)];
            messages.iter().map(|it| String::from_utf8_lossy(it.content())).collect::<String>()
        };
        (0..part.n_batches()).map(batch).collect::<Vec<_>>().join("|")
    }

    #[test]
    fn keeps_its_batches() {
        let mut one = part(&["ab", "c", "", "def"]);
        assert_eq!((one.n_batches(), one.n_messages()), (4, 6));
        assert_eq!([2, 3, 4].map(|it| one.batches_within(it)), [1, 3, 3]);
        let tail = one.split_off(2);
        assert_eq!((text(&one), text(&tail)), ("ab|c".to_string(), "|def".to_string()));
        one.append(tail);
        assert_eq!(text(&one), "ab|c||def");
        one.replace_each(|message, out| match message.content().as_ref() {
            b"c" => (),
            b"e" => out.extend([message.clone(), message]),
            _ => out.push(message),
        });
        assert_eq!(text(&one), "ab|||deef");
    }

    #[test]
    fn batches_are_replaced_whole() {
        let mut one = part(&["abc", "", "d", "ef"]);
        one.replace_batches(|batch| match batch.len() {
            1 => Vec::new(),
            _ => batch.into_iter().rev().collect(),
        });
        assert_eq!(text(&one), "cba|||fe");
        let mut one = part(&["a", "b"]);
        one.replace_batches(|batch| batch);
        assert_eq!((text(&one).as_str(), &one.batches), ("a|b", &Batches::Singles));
        one.replace_batches(|batch| [batch.clone(), batch].concat());
        assert_eq!(text(&one), "aa|bb");
    }

    #[test]
    fn a_batch_can_be_cut() {
        for (n_messages, expected) in [
            (0, " / abc||d|ef"),
            (2, "ab / c||d|ef"),
            (3, "abc| / d|ef"),
            (5, "abc||d|e / f"),
            (6, "abc||d|ef / "),
        ] {
            let mut one = part(&["abc", "", "d", "ef"]);
            let rest = one.cut(n_messages);
            assert_eq!(format!("{} / {}", text(&one), text(&rest)), expected);
        }
        let mut one = Part::singles("abc".chars().map(|it| Message::new(it.to_string())).collect());
        assert_eq!((text(&one.cut(1)).as_str(), text(&one).as_str()), ("b|c", "a"));
    }

    #[test]
    fn what_is_kept_stays_in_its_batch() {
        for (batches, kept, expected) in [
            (&["abc", "d", "ef"][..], "acf", "ac|f"),
            (&["abc", "", "d"], "d", "d"),
            (&["", "ab", "cd", ""], "bcd", "b|cd"),
            (&["ab", "cd"], "", ""),
            (&["a", "b", "c"], "ac", "a|c"),
            (&["ab", "c"], "bc", "b|c"),
        ] {
            let mut one = part(batches);
            let names: Vec<_> = one.messages().iter().map(|it| it.content().clone()).collect();
            one.retain(|idx| kept.as_bytes().contains(&names[idx][0]));
            assert_eq!(text(&one), expected, "{batches:?}");
            assert_eq!(one.batches == Batches::Singles, one.n_batches() == one.n_messages());
        }
    }

    #[test]
    fn what_is_divided_stays_in_its_place() {
        let two =
            |messages: &[Message], ends: &mut Vec<u32>| ends.extend((2..messages.len() as u32).step_by(2));
        let mut one = part(&["abc", "", "de", "fghij"]);
        one.divide(two);
        assert_eq!((text(&one).as_str(), one.n_places()), ("ab|c||de|fg|hi|j", 4));
        assert_eq!([1, 2, 4].map(|it| one.batches_of(it)), [2, 3, 7]);
        assert_eq!([2, 3, 9, 10].map(|it| one.places_within(it)), [0, 2, 3, 4]);
        let mut rest = one.split_off(1);
        assert_eq!((text(&one).as_str(), one.n_places(), text(&rest).as_str()), ("ab|c", 1, "|de|fg|hi|j"));
        let tail = rest.split_off(2);
        assert_eq!((rest.places.clone(), tail.n_places()), (None, 1));
        one.append(rest);
        one.append(tail);
        assert_eq!((text(&one).as_str(), one.places.clone()), ("ab|c||de|fg|hi|j", Some(vec![2, 3, 4, 7])));
        // Divided again.
        one.divide(|messages, ends| ends.extend(1..messages.len() as u32));
        assert_eq!(
            (text(&one).as_str(), one.places.clone()),
            ("a|b|c||d|e|f|g|h|i|j", Some(vec![3, 4, 6, 11]))
        );
        one.join_places();
        assert_eq!((text(&one).as_str(), one.n_places()), ("abc||de|fghij", 4));
        one.divide(|_, _| ());
        assert_eq!(one.places, None);
    }

    #[test]
    fn singles_stay_cheap() {
        let mut one = Part::singles("abc".chars().map(|it| Message::new(it.to_string())).collect());
        let tail = one.split_off(1);
        one.append(tail);
        one.replace_each(|message, out| out.push(message));
        assert_eq!(one.batches, Batches::Singles);
        one.replace_each(|message, out| out.extend((message.content() != "b").then_some(message)));
        assert_eq!((one.n_batches(), text(&one).as_str()), (3, "a||c"));
    }
}
