//! Messages out of bytes that come in pieces, whoever reads them.
//!
//! Each parcel has a buffer of its own, so that slices of one buffer are never dropped on two cores. Buffers are as
//! large as a parcel is expected to be; what is left over begins the next buffer.

use std::fmt;

use bytes::Bytes;

use crate::{PARCEL_BYTES_MAX, PARCEL_MESSAGES_MAX, Ranges, Scanner};

const READ_BYTES_FIRST: usize = 16 * 1024;
const READ_BYTES_MIN: usize = 4 * 1024;
const READ_BYTES_MAX: usize = PARCEL_BYTES_MAX;

/// Ranges of a buffer have 32 bits.
const BUFFER_BYTES_MAX: usize = u32::MAX as usize;

/// A buffer, and the ranges of it that are messages.
pub type Found = (Bytes, Vec<(u32, u32)>);

/// A source is of no further use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotCut {
    /// Where in the source, in bytes.
    pub at: u64,
    /// What is wrong, and which field to change.
    pub text: String,
}

/// At which byte of the source, and what is wrong.
impl fmt::Display for NotCut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at byte {}: {}", self.at, self.text)
    }
}

/// Finds the messages of one source: what was read is put into [`Cutter::room`], and [`Cutter::cut`] takes messages out.
pub struct Cutter {
    scanner: Box<dyn Scanner>,
    buffer: Vec<u8>,
    /// What of the buffer was handed on.
    start: usize,
    /// What was handed on before the buffer, in bytes.
    offset: u64,
    /// How long a message is, its delimiter included; 0 as long as none was seen.
    message_bytes: usize,
    /// How much the scanner is shown: first what a parcel can hold, then more, for a message that is longer.
    window: usize,
    buffer_bytes_max: usize,
    /// There may be whole messages in the buffer.
    is_unscanned: bool,
    is_at_end: bool,
}

impl Cutter {
    /// At the beginning of a source.
    pub fn new(scanner: Box<dyn Scanner>) -> Cutter {
        Cutter {
            scanner,
            buffer: Vec::new(),
            start: 0,
            offset: 0,
            message_bytes: 0,
            window: PARCEL_BYTES_MAX,
            buffer_bytes_max: BUFFER_BYTES_MAX,
            is_unscanned: false,
            is_at_end: false,
        }
    }

    /// The same, for a source that is read from the byte `offset` on.
    #[must_use]
    pub fn beginning_at(self, offset: u64) -> Cutter {
        Cutter { offset, ..self }
    }

    /// The same, for messages and what follows them of no more than so many bytes together.
    #[must_use]
    pub fn holding(self, buffer_bytes_max: usize) -> Cutter {
        Cutter { buffer_bytes_max: buffer_bytes_max.min(BUFFER_BYTES_MAX), ..self }
    }

    /// There is more behind what was the end.
    pub fn restart(&mut self, scanner: Box<dyn Scanner>) {
        self.scanner = scanner;
        self.is_at_end = false;
    }

    /// How many bytes of the source were handed on or skipped.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// How many bytes are held that may be only a part of a message.
    pub fn held(&self) -> usize {
        self.buffer.len() - self.start
    }

    /// How many bytes the buffer takes up.
    pub fn capacity(&self) -> usize {
        self.buffer.capacity()
    }

    /// Whether [`Cutter::filled`] was told that nothing follows.
    pub fn is_at_end(&self) -> bool {
        self.is_at_end
    }

    /// Messages, as many as a parcel can take of what there is, and never none. `None`: more has to be read first.
    pub fn cut(&mut self) -> Result<Option<Found>, NotCut> {
        while self.is_unscanned {
            let held = &self.buffer[self.start..];
            let data = &held[..self.window.min(held.len())];
            let is_all = data.len() == held.len();
            let mut ranges = Ranges::with_capacity(data.len() / self.message_bytes.max(1) + 8);
            let result = self.scanner.scan(data, self.is_at_end && is_all, &mut ranges);
            let consumed =
                result.map_err(|err| NotCut { at: self.offset + err.offset as u64, text: err.text })?;
            if 0 < consumed {
                self.window = PARCEL_BYTES_MAX;
            }
            if !ranges.is_empty() {
                return Ok(Some(self.take(consumed, ranges.into_vec())));
            }
            self.skip(consumed);
            if is_all {
                self.is_unscanned = false;
            } else if consumed == 0 {
                self.window = self.window.saturating_mul(2);
            }
        }
        Ok(None)
    }

    /// The buffer, with room behind what is in it; what is read is put there, and [`Cutter::filled`] is told.
    pub fn room(&mut self) -> Result<&mut Vec<u8>, NotCut> {
        let held = self.held();
        if self.buffer_bytes_max <= held {
            let max = self.buffer_bytes_max;
            let text = format!("a message is longer than {max} bytes, the most that one can have");
            return Err(NotCut { at: self.offset, text });
        }
        let size = self.buffer_size(held);
        if (size..=size * 2).contains(&self.buffer.capacity()) {
            self.buffer.drain(..self.start);
        } else {
            let mut larger = Vec::new();
            larger.try_reserve_exact(size).map_err(|_| {
                let text = format!("no memory for a message of {held} bytes");
                NotCut { at: self.offset, text }
            })?;
            larger.extend_from_slice(&self.buffer[self.start..]);
            self.buffer = larger;
        }
        self.start = 0;
        Ok(&mut self.buffer)
    }

    /// So many bytes were put into the room; none: nothing follows.
    pub fn filled(&mut self, n_bytes: usize) {
        self.is_at_end = n_bytes == 0;
        self.is_unscanned = true;
    }

    /// Takes messages out of the buffer: with the buffer, where they are most of it, else as a copy of their size.
    fn take(&mut self, consumed: usize, mut ranges: Vec<(u32, u32)>) -> Found {
        let n_bytes: usize = ranges.iter().map(|(start, end)| (end - start) as usize + 1).sum();
        let average = n_bytes.div_ceil(ranges.len());
        // Halfway, so that one odd parcel does not spoil the size of the next reads.
        self.message_bytes =
            if self.message_bytes == 0 { average } else { (self.message_bytes + average).div_ceil(2) };
        if self.start == 0 && self.buffer.capacity() <= n_bytes * 2 {
            let tail = &self.buffer[consumed..];
            let mut next = Vec::with_capacity(self.buffer_size(tail.len()));
            next.extend_from_slice(tail);
            self.offset += consumed as u64;
            let mut buffer = std::mem::replace(&mut self.buffer, next);
            buffer.truncate(consumed);
            return (buffer.into(), ranges);
        }
        let held = &self.buffer[self.start..];
        let mut copy = Vec::with_capacity(n_bytes - ranges.len());
        for (start, end) in &mut ranges {
            let message = &held[*start as usize..*end as usize];
            *start = copy.len() as u32;
            copy.extend_from_slice(message);
            *end = copy.len() as u32;
        }
        self.skip(consumed);
        (copy.into(), ranges)
    }

    fn skip(&mut self, n_bytes: usize) {
        self.start += n_bytes;
        self.offset += n_bytes as u64;
        if self.start == self.buffer.len() {
            self.buffer.clear();
            self.start = 0;
        }
    }

    /// How large a buffer should be that begins with `held` bytes of an unfinished message.
    fn buffer_size(&self, held: usize) -> usize {
        let parcel = match self.message_bytes {
            0 => READ_BYTES_FIRST,
            it => (it * PARCEL_MESSAGES_MAX).clamp(READ_BYTES_MIN, READ_BYTES_MAX),
        };
        let size = if held <= parcel / 4 * 3 { parcel } else { held * 2 };
        size.min(self.buffer_bytes_max)
    }
}

impl fmt::Debug for Cutter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cutter")
            .field("offset", &self.offset)
            .field("held", &self.held())
            .finish_non_exhaustive()
    }
}
