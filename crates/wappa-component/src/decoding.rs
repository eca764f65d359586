//! Bytes on their way through decoders, from one to the next, as far as there is room.

use std::fmt;

use crate::Decoder;

/// How many bytes wait before a decoder.
const ROOM_BYTES: usize = 64 * 1024;

/// What the bytes of a source go through.
pub struct Decoding {
    /// The first one gets what is read.
    stages: Vec<Stage>,
    /// What is read is all there is.
    is_read: bool,
}

struct Stage {
    decoder: Box<dyn Decoder>,
    /// What comes to it, and how much of that is done with.
    buffer: Vec<u8>,
    start: usize,
    /// It has had all there is, and given all it has.
    is_over: bool,
}

impl Decoding {
    /// `None`: nothing is to be decoded.
    pub fn new(decoders: Vec<Box<dyn Decoder>>) -> Option<Decoding> {
        let stage = |decoder| Stage { decoder, buffer: Vec::new(), start: 0, is_over: false };
        let stages: Vec<Stage> = decoders.into_iter().map(stage).collect();
        (!stages.is_empty()).then_some(Decoding { stages, is_read: false })
    }

    /// Decodes onto the end of `out`, within its capacity. `true`: nothing more comes before something is read.
    pub fn run(&mut self, out: &mut Vec<u8>) -> Result<bool, String> {
        let n_stages = self.stages.len();
        // From the last one, which has the room, back to the first that gets on.
        let mut idx = n_stages - 1;
        loop {
            let (before, stages) = self.stages.split_at_mut(idx);
            let (stage, behind) = stages.split_first_mut().expect("there is one");
            let at_end = before.last().map_or(self.is_read, |it| it.is_over);
            let target = match behind.first_mut() {
                Some(next) => next.room(),
                None => &mut *out,
            };
            let n_before = target.len();
            let data = &stage.buffer[stage.start..];
            let n_bytes = stage.decoder.decode(data, at_end, target)?;
            let gets_on = 0 < n_bytes || n_before < target.len();
            stage.start += n_bytes;
            if !gets_on && at_end {
                stage.is_over = true;
            }
            match (gets_on || stage.is_over, idx + 1 == n_stages) {
                (true, true) => return Ok(false),
                (true, false) => idx += 1,
                (false, _) if idx == 0 => return Ok(true),
                (false, _) => idx -= 1,
            }
        }
    }

    /// Where bytes of the source are to be read to.
    pub fn room(&mut self) -> &mut Vec<u8> {
        self.stages[0].room()
    }

    /// How many bytes its buffers and decoders take up.
    pub fn capacity(&self) -> usize {
        self.stages.iter().map(|it| it.buffer.capacity() + it.decoder.held()).sum()
    }

    /// Whether many bytes may come of few.
    pub fn expands(&self) -> bool {
        self.stages.iter().any(|it| it.decoder.expands())
    }

    /// There are no more bytes.
    pub fn end(&mut self) {
        self.is_read = true;
    }

    /// Whether all there is was decoded.
    pub fn is_over(&self) -> bool {
        self.stages.last().is_none_or(|it| it.is_over)
    }
}

impl Stage {
    /// Where bytes come in. What a decoder does not take before it has more may be longer than what usually waits.
    fn room(&mut self) -> &mut Vec<u8> {
        self.buffer.drain(..self.start);
        self.start = 0;
        let room =
            if self.buffer.len() < ROOM_BYTES { ROOM_BYTES - self.buffer.len() } else { self.buffer.len() };
        self.buffer.reserve(room);
        &mut self.buffer
    }
}

impl fmt::Debug for Decoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Decoding({} decoders)", self.stages.len())
    }
}
