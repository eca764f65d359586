//! Scanners: messages out of a stream of bytes.

use crate::PARCEL_MESSAGES_MAX;

/// Makes a scanner for each source.
pub trait ScannerFactory: Send {
    /// A scanner at the beginning of a source.
    fn open(&self) -> Box<dyn Scanner>;
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
}

/// The messages found, as ranges of the scanned data.
#[derive(Debug, Default)]
pub struct Ranges(Vec<(u32, u32)>);

impl Ranges {
    /// Room for a parcel of messages.
    pub fn with_capacity(capacity: usize) -> Ranges {
        Ranges(Vec::with_capacity(capacity.min(PARCEL_MESSAGES_MAX)))
    }

    /// Adds one message.
    pub fn push(&mut self, start: usize, end: usize) {
        let of = |it: usize| u32::try_from(it).expect("a buffer is smaller than 4 GiB");
        self.0.push((of(start), of(end)));
    }

    /// Whether a parcel can take no more.
    pub fn is_full(&self) -> bool {
        PARCEL_MESSAGES_MAX <= self.0.len()
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many were found.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The ranges.
    pub fn into_vec(self) -> Vec<(u32, u32)> {
        self.0
    }
}
