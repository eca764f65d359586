//! Scanners: messages out of a stream of bytes.

use std::{fmt, sync::Arc};

use wappa_message::Message;

use crate::PARCEL_MESSAGES_MAX;

/// Makes a scanner for each source.
pub trait ScannerFactory: Send {
    /// A scanner at the beginning of a source with this name, such as a path. The error says why there is none for it.
    fn open(&self, name: &str) -> Result<Opened, String>;
}

/// A scanner for one source, and what its bytes go through before.
pub struct Opened {
    /// The first one gets the bytes of the source, each other one those of the one before.
    pub decoders: Vec<Box<dyn Decoder>>,
    /// Finds messages in what comes of it.
    pub scanner: Box<dyn Scanner>,
}

impl Opened {
    /// A scanner of the source's own bytes.
    pub fn new(scanner: impl Scanner + 'static) -> Opened {
        Opened { decoders: Vec::new(), scanner: Box::new(scanner) }
    }

    /// The same, of what a decoder makes of the bytes.
    #[must_use]
    pub fn behind(mut self, decoder: impl Decoder + 'static) -> Opened {
        self.decoders.insert(0, Box::new(decoder));
        self
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Opened({} decoders)", self.decoders.len())
    }
}

/// Changes the bytes of one source before messages are looked for in them.
pub trait Decoder: Send {
    /// Decodes what `data` begins with, which begins where the last call stopped consuming, onto the end of `out`, within
    /// its capacity, and returns how many bytes are done with. `at_end`: nothing follows `data`.
    ///
    /// Where nothing is consumed and nothing written more data are needed; at the end, there is no more.
    fn decode(&mut self, data: &[u8], at_end: bool, out: &mut Vec<u8>) -> Result<usize, String>;

    /// How many bytes it keeps for what comes, as a window of what it made.
    fn held(&self) -> usize {
        0
    }

    /// Whether it makes many bytes of few.
    fn expands(&self) -> bool {
        true
    }
}

/// Finds messages in the bytes of one source.
pub trait Scanner: Send {
    /// Finds messages in `data`, which begins where the last call stopped consuming, and returns how many
    /// bytes are done with. `at_end`: nothing follows `data`.
    ///
    /// Stops when `ranges` is full. What is not consumed comes again, with more behind it; when nothing was
    /// found and it is not the end, the caller reads more.
    fn scan(&mut self, data: &[u8], at_end: bool, ranges: &mut Ranges) -> Result<usize, ScanError>;
}

/// A source cannot be scanned further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanError {
    /// Where, counted from the beginning of `data`.
    pub offset: usize,
    /// What is wrong and which field to change.
    pub text: String,
    /// Where it can be scanned further after all, and only what is before that is lost.
    pub goes_on_at: Option<usize>,
}

impl ScanError {
    /// The rest of the source is of no use.
    pub fn new(offset: usize, text: impl Into<String>) -> ScanError {
        ScanError { offset, text: text.into(), goes_on_at: None }
    }
}

/// What messages are beside their bytes. So a scanner need not make messages, which is done outside of the input's turn.
pub trait Form: fmt::Debug + Send + Sync {
    /// Makes a message, which has the bytes of its range as its content, what it is. `idx` counts the ranges that were found
    /// together.
    fn shape(&self, idx: usize, message: &mut Message);
}

/// The messages found, as ranges of the scanned data.
#[derive(Debug, Default)]
pub struct Ranges {
    ranges: Vec<(u32, u32)>,
    form: Option<Arc<dyn Form>>,
}

impl Ranges {
    /// Room for a parcel of messages.
    pub fn with_capacity(capacity: usize) -> Ranges {
        Ranges { ranges: Vec::with_capacity(capacity.min(PARCEL_MESSAGES_MAX)), form: None }
    }

    /// Adds one message.
    #[inline]
    pub fn push(&mut self, start: usize, end: usize) {
        let of = |it: usize| u32::try_from(it).expect("a buffer is smaller than 4 GiB");
        self.ranges.push((of(start), of(end)));
    }

    /// Says what all these messages are beside their bytes.
    pub fn set_form(&mut self, form: impl Form + 'static) {
        self.form = Some(Arc::new(form));
    }

    /// Whether a parcel can take no more.
    #[inline]
    pub fn is_full(&self) -> bool {
        PARCEL_MESSAGES_MAX <= self.ranges.len()
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// How many were found.
    pub fn len(&self) -> usize {
        self.ranges.len()
    }

    /// What the messages are beside their bytes, if it was said.
    pub fn take_form(&mut self) -> Option<Arc<dyn Form>> {
        self.form.take()
    }

    /// The ranges.
    pub fn into_vec(self) -> Vec<(u32, u32)> {
        self.ranges
    }
}
