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

/// No more bytes of a message are made of what was compressed: as much as processors may make of one.
const DECODED_BYTES_MAX: usize = 512 << 20;

/// So many bytes are looked through again for each piece that comes. Of more, a part of itself has to come before they are,
/// or a pause.
const LOOKED_BYTES_MAX: usize = PARCEL_BYTES_MAX;

/// What part that is: all looks together go through nine times what came.
const LOOK_AFTER: usize = 8;

/// Whether so many bytes may be taken up, beside those that may already; the error is the reason why not.
pub type Admit = Box<dyn FnMut(usize) -> Result<(), String> + Send>;

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
    /// Asked before more is taken up.
    admit: Option<Admit>,
    /// There may be whole messages in the buffer.
    is_unscanned: bool,
    /// How many bytes were looked through in vain.
    n_looked: usize,
    is_at_end: bool,
}

impl Cutter {
    /// At the beginning of a source.
    pub fn new(opened: Opened) -> Cutter {
        let decoding = Decoding::new(opened.decoders);
        let expands = decoding.as_ref().is_some_and(Decoding::expands);
        Cutter {
            decoding,
            scanner: opened.scanner,
            position: 0,
            buffer: Vec::new(),
            start: 0,
            offset: 0,
            message_bytes: 0,
            window: PARCEL_BYTES_MAX,
            buffer_bytes_max: if expands { DECODED_BYTES_MAX } else { BUFFER_BYTES_MAX },
            admit: None,
            is_unscanned: false,
            n_looked: 0,
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

    /// The same, for a source that asks before its buffers become larger: it is told how many bytes all of them will be.
    #[must_use]
    pub fn asking(self, admit: impl FnMut(usize) -> Result<(), String> + Send + 'static) -> Cutter {
        Cutter { admit: Some(Box::new(admit)), ..self }
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
                self.n_looked = 0;
            }
            if !ranges.is_empty() {
                let form = ranges.take_form();
                return Ok(Some(Slices { form, ..self.take(consumed, ranges.into_vec()) }));
            }
            self.skip(consumed);
            if is_all {
                self.is_unscanned = false;
                self.n_looked = self.held();
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
        let n_before = self.held();
        let at = self.offset + self.held() as u64;
        let Some(decoding) = &mut self.decoding else { return Ok(false) };
        let result = decoding.run(&mut self.buffer);
        let wants_more = result.map_err(|text| NotCut { at, text, goes_on: false })?;
        self.is_at_end = decoding.is_over();
        let gets_on = n_before < self.held() || self.is_at_end;
        self.is_unscanned = gets_on && self.is_worth_a_look();
        Ok(gets_on || !wants_more)
    }

    /// Whether enough has come since the last look.
    fn is_worth_a_look(&self) -> bool {
        let enough = self.n_looked + self.n_looked / LOOK_AFTER;
        self.is_at_end || self.n_looked <= LOOKED_BYTES_MAX || enough <= self.held()
    }

    /// Whether something has come that was not looked through.
    pub fn is_behind(&self) -> bool {
        !self.is_unscanned && self.n_looked < self.held()
    }

    /// Nothing more is there: what has come is looked through, however little it is.
    pub fn pause(&mut self) {
        self.is_unscanned |= self.is_behind();
    }

    /// The buffer, with room behind what is in it; what is read is put there, and [`Cutter::filled`] is told.
    pub fn room(&mut self) -> Result<&mut Vec<u8>, NotCut> {
        match self.decoding {
            None => self.make_room()?,
            Some(_) => self.ask(self.buffer.capacity())?,
        }
        Ok(self.decoding.as_mut().map_or(&mut self.buffer, Decoding::room))
    }

    /// Asks whether there may be a buffer of this size.
    fn ask(&mut self, size: usize) -> Result<(), NotCut> {
        let decoding = self.decoding.as_ref().map_or(0, Decoding::capacity);
        let Some(admit) = &mut self.admit else { return Ok(()) };
        let at = self.offset;
        admit(size + decoding).map_err(|text| NotCut { at, text, goes_on: false })
    }

    fn make_room(&mut self) -> Result<(), NotCut> {
        let held = self.held();
        if self.buffer_bytes_max <= held {
            let max = self.buffer_bytes_max;
            let text = format!("a message is longer than {max} bytes, the most that one can have");
            return Err(NotCut { at: self.offset, text, goes_on: false });
        }
        let size = self.buffer_size(held);
        self.ask(size.max(self.buffer.capacity()))?;
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
                self.is_unscanned = self.is_worth_a_look();
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

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use super::*;
    use crate::{Decoder, ScanError};

    /// Finds nothing before it sees an `x`, and counts what it was shown.
    struct Searching(Arc<AtomicUsize>);

    impl Scanner for Searching {
        fn scan(&mut self, data: &[u8], _: bool, ranges: &mut Ranges) -> Result<usize, ScanError> {
            self.0.fetch_add(data.len(), Ordering::Relaxed);
            if !data.ends_with(b"x") {
                return Ok(0);
            }
            ranges.push(0, data.len());
            Ok(data.len())
        }
    }

    /// Makes zeros without end.
    struct Zeros;

    impl Decoder for Zeros {
        fn decode(&mut self, data: &[u8], _: bool, out: &mut Vec<u8>) -> Result<usize, String> {
            if !data.is_empty() {
                out.resize(out.capacity(), 0);
            }
            Ok(0)
        }
    }

    fn fill(cutter: &mut Cutter, bytes: &[u8]) {
        cutter.room().expect("there is room").extend_from_slice(bytes);
        cutter.filled(bytes.len());
    }

    #[test]
    fn what_comes_in_pieces_is_looked_through_a_few_times_only() {
        let n_shown = Arc::new(AtomicUsize::new(0));
        let mut cutter = Cutter::new(Opened::new(Searching(Arc::clone(&n_shown))));
        let (n_pieces, piece) = (1000, [b'a'; 4096]);
        for _ in 0..n_pieces {
            fill(&mut cutter, &piece);
            assert!(cutter.cut().is_ok_and(|it| it.is_none()));
        }
        let n_bytes = n_pieces * piece.len();
        let n_shown = n_shown.load(Ordering::Relaxed);
        assert!(n_shown < 15 * n_bytes, "{n_shown} of {n_bytes}");
        // The end of a message counts at the next pause, or where nothing follows.
        fill(&mut cutter, b"x");
        if cutter.is_behind() {
            assert!(cutter.cut().is_ok_and(|it| it.is_none()));
            cutter.pause();
        }
        let found = cutter.cut().expect("it can be scanned").expect("it ends");
        assert_eq!((found.buffer.len(), cutter.held()), (n_bytes + 1, 0));
    }

    #[test]
    fn what_is_decoded_is_asked_for_before() {
        let told = Arc::new(AtomicUsize::new(0));
        let (scanner, seen) = (Searching(Arc::default()), Arc::clone(&told));
        let mut cutter = Cutter::new(Opened::new(scanner).behind(Zeros)).asking(move |n_bytes| {
            seen.fetch_max(n_bytes, Ordering::Relaxed);
            if n_bytes <= 10 << 20 { Ok(()) } else { Err("no room".to_string()) }
        });
        fill(&mut cutter, b"a");
        let err = loop {
            match cutter.cut() {
                Ok(found) => assert!(found.is_none()),
                Err(err) => break err,
            }
        };
        assert_eq!(err.text, "no room");
        assert!(cutter.capacity() <= 10 << 20 && 10 << 20 < told.load(Ordering::Relaxed));
    }
}
