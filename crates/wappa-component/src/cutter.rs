//! Messages out of bytes that come in pieces, whoever reads them.
//!
//! Each parcel has a buffer of its own, so that slices of one buffer are never dropped on two cores. Buffers are as
//! large as a parcel is expected to be; what is left over begins the next buffer.

use std::fmt;

use crate::{Decoding, Opened, PARCEL_BYTES_MAX, PARCEL_MESSAGES_MAX, Ranges, Scanner, Slices};

const READ_BYTES_FIRST: usize = 16 * 1024;
const READ_BYTES_MIN: usize = 4 * 1024;
const READ_BYTES_MAX: usize = PARCEL_BYTES_MAX;

/// Ranges of a buffer have 32 bits.
const BUFFER_BYTES_MAX: usize = u32::MAX as usize;

/// A source is of no further use, or a piece of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotCut {
    /// Where in the source, in bytes.
    pub at: u64,
    /// What is wrong, and which field to change.
    pub text: String,
    /// What is behind that piece can be had.
    pub goes_on: bool,
}

/// At which byte of the source, and what is wrong.
impl fmt::Display for NotCut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at byte {}: {}", self.at, self.text)
    }
}

/// Finds the messages of one source: what was read is put into [`Cutter::room`], and [`Cutter::cut`] takes messages out.
pub struct Cutter {
    /// What the bytes go through before they are scanned, if it is anything.
    decoding: Option<Decoding>,
    scanner: Box<dyn Scanner>,
    /// How far in the source was read, in bytes.
    position: u64,
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
    pub fn new(opened: Opened) -> Cutter {
        Cutter {
            decoding: Decoding::new(opened.decoders),
            scanner: opened.scanner,
            position: 0,
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
        Cutter { offset, position: offset, ..self }
    }

    /// The same, for messages and what follows them of no more than so many bytes together.
    #[must_use]
    pub fn holding(self, buffer_bytes_max: usize) -> Cutter {
        Cutter { buffer_bytes_max: buffer_bytes_max.min(BUFFER_BYTES_MAX), ..self }
    }

    /// There is more behind what was the end.
    pub fn restart(&mut self, opened: Opened) {
        self.decoding = Decoding::new(opened.decoders);
        self.scanner = opened.scanner;
        self.is_at_end = false;
    }

    /// How many bytes of the source were handed on or skipped; of one that is decoded, how many were read.
    pub fn offset(&self) -> u64 {
        if self.decoding.is_some() { self.position } else { self.offset }
    }

    /// How far in the source was read, in bytes.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// How many bytes are held that may be only a part of a message.
    pub fn held(&self) -> usize {
        self.buffer.len() - self.start
    }

    /// How many bytes the buffer takes up.
    pub fn capacity(&self) -> usize {
        self.buffer.capacity() + self.decoding.as_ref().map_or(0, Decoding::capacity)
    }

    /// Whether [`Cutter::filled`] was told that nothing follows, and all of it was decoded.
    pub fn is_at_end(&self) -> bool {
        self.is_at_end
    }

    /// Messages, as many as a parcel can take of what there is, and never none; without metadata. `None`: more has to be
    /// read first.
    pub fn cut(&mut self) -> Result<Option<Slices>, NotCut> {
        loop {
            if let Some(found) = self.scan()? {
                return Ok(Some(found));
            }
            if self.is_at_end || !self.decode()? {
                return Ok(None);
            }
        }
    }

    fn scan(&mut self) -> Result<Option<Slices>, NotCut> {
        while self.is_unscanned {
            let held = &self.buffer[self.start..];
            let data = &held[..self.window.min(held.len())];
            let is_all = data.len() == held.len();
            let mut ranges = Ranges::with_capacity(data.len() / self.message_bytes.max(1) + 8);
            let consumed = match self.scanner.scan(data, self.is_at_end && is_all, &mut ranges) {
                Ok(consumed) => consumed,
                Err(err) => {
                    let at = self.offset + err.offset as u64;
                    self.skip(err.goes_on_at.unwrap_or(0));
                    return Err(NotCut { at, text: err.text, goes_on: err.goes_on_at.is_some() });
                }
            };
            if 0 < consumed {
                self.window = PARCEL_BYTES_MAX;
            }
            if !ranges.is_empty() {
                let form = ranges.take_form();
                return Ok(Some(Slices { form, ..self.take(consumed, ranges.into_vec()) }));
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

    /// Decodes what was read, as far as there is room. `false`: more has to be read first.
    fn decode(&mut self) -> Result<bool, NotCut> {
        if self.decoding.is_none() {
            return Ok(false);
        }
        self.make_room()?;
        let n_before = self.buffer.len();
        let at = self.offset + self.held() as u64;
        let Some(decoding) = &mut self.decoding else { return Ok(false) };
        let result = decoding.run(&mut self.buffer);
        let wants_more = result.map_err(|text| NotCut { at, text, goes_on: false })?;
        self.is_at_end = decoding.is_over();
        self.is_unscanned = n_before < self.buffer.len() || self.is_at_end;
        Ok(self.is_unscanned || !wants_more)
    }

    /// The buffer, with room behind what is in it; what is read is put there, and [`Cutter::filled`] is told.
    pub fn room(&mut self) -> Result<&mut Vec<u8>, NotCut> {
        if self.decoding.is_none() {
            self.make_room()?;
        }
        Ok(self.decoding.as_mut().map_or(&mut self.buffer, Decoding::room))
    }

    fn make_room(&mut self) -> Result<(), NotCut> {
        let held = self.held();
        if self.buffer_bytes_max <= held {
            let max = self.buffer_bytes_max;
            let text = format!("a message is longer than {max} bytes, the most that one can have");
            return Err(NotCut { at: self.offset, text, goes_on: false });
        }
        let size = self.buffer_size(held);
        if (size..=size * 2).contains(&self.buffer.capacity()) {
            self.buffer.drain(..self.start);
        } else {
            let mut larger = Vec::new();
            larger.try_reserve_exact(size).map_err(|_| {
                let text = format!("no memory for a message of {held} bytes");
                NotCut { at: self.offset, text, goes_on: false }
            })?;
            larger.extend_from_slice(&self.buffer[self.start..]);
            self.buffer = larger;
        }
        self.start = 0;
        Ok(())
    }

    /// So many bytes were put into the room; none: nothing follows.
    pub fn filled(&mut self, n_bytes: usize) {
        self.position += n_bytes as u64;
        match &mut self.decoding {
            Some(decoding) if n_bytes == 0 => decoding.end(),
            Some(_) => (),
            None => {
                self.is_at_end = n_bytes == 0;
                self.is_unscanned = true;
            }
        }
    }

    /// Takes messages out of the buffer: with the buffer, where they are most of it, else as a copy of their size.
    fn take(&mut self, consumed: usize, mut ranges: Vec<(u32, u32)>) -> Slices {
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
            return Slices { buffer: buffer.into(), ranges, ..Slices::default() };
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
        Slices { buffer: copy.into(), ranges, ..Slices::default() }
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
