//! The messages of a part: ranges of a buffer, as long as nobody has looked at them.
//!
//! A stream without processors never makes a message: what is counted, divided and answered is ranges, and an output
//! that writes bytes finds them where the input put them.

use std::sync::OnceLock;

use wappa_message::Message;

use crate::Slices;

/// Messages next to each other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Messages {
    /// What they are, unless somebody may have changed them.
    ranges: Option<Box<Ranges>>,
    made: OnceLock<Vec<Message>>,
}

/// Ranges of a buffer, whose origins count from that of the first.
#[derive(Clone, Debug)]
struct Ranges {
    slices: Slices,
    first_origin: u32,
}

impl Messages {
    pub(crate) fn new(messages: Vec<Message>) -> Messages {
        Messages { ranges: None, made: OnceLock::from(messages) }
    }

    /// Each with its index as its origin. Those that are more than their bytes and a context are made at once.
    pub(crate) fn of_slices(slices: Slices) -> Messages {
        match slices.form {
            None => Messages::of_ranges(slices, 0),
            Some(_) => Messages::new(slices.messages()),
        }
    }

    fn of_ranges(slices: Slices, first_origin: u32) -> Messages {
        Messages { ranges: Some(Box::new(Ranges { slices, first_origin })), made: OnceLock::new() }
    }

    /// What they are, as long as nobody may have changed them.
    pub(crate) fn slices(&self) -> Option<&Slices> {
        self.ranges.as_ref().map(|it| &it.slices)
    }

    pub(crate) fn len(&self) -> usize {
        match &self.ranges {
            Some(it) => it.slices.ranges.len(),
            None => self.made.get().map_or(0, Vec::len),
        }
    }

    pub(crate) fn all(&self) -> &[Message] {
        self.made.get_or_init(|| match &self.ranges {
            Some(it) => it.slices.messages_from(it.first_origin),
            None => Vec::new(),
        })
    }

    /// To be changed.
    #[inline]
    pub(crate) fn all_mut(&mut self) -> &mut Vec<Message> {
        if self.ranges.is_some() || self.made.get().is_none() {
            self.make();
        }
        self.made.get_mut().expect("they were made")
    }

    #[cold]
    fn make(&mut self) {
        self.all();
        self.ranges = None;
    }

    pub(crate) fn take(&mut self) -> Vec<Message> {
        std::mem::take(self).into_vec()
    }

    pub(crate) fn into_vec(mut self) -> Vec<Message> {
        std::mem::take(self.all_mut())
    }

    /// Keeps the first `n` and returns the others.
    pub(crate) fn split_off(&mut self, n: usize) -> Messages {
        match (&mut self.ranges, self.made.get()) {
            (Some(it), None) => Messages::of_ranges(it.slices.split_off(n), it.first_origin + n as u32),
            _ => Messages::new(self.all_mut().split_off(n)),
        }
    }

    /// The origin of each is its index.
    pub(crate) fn number(&mut self) {
        match (&mut self.ranges, self.made.get()) {
            (Some(it), None) => it.first_origin = 0,
            _ => {
                for (idx, message) in self.all_mut().iter_mut().enumerate() {
                    message.set_origin(idx as u32);
                }
            }
        }
    }

    pub(crate) fn origin(&self, idx: usize) -> u32 {
        match &self.ranges {
            Some(it) => it.first_origin + idx as u32,
            None => self.all()[idx].origin(),
        }
    }

    pub(crate) fn origins(&self) -> Vec<u32> {
        match &self.ranges {
            Some(it) => (it.first_origin..).take(it.slices.ranges.len()).collect(),
            None => self.all().iter().map(Message::origin).collect(),
        }
    }
}

impl PartialEq for Messages {
    fn eq(&self, other: &Messages) -> bool {
        self.all() == other.all()
    }
}
