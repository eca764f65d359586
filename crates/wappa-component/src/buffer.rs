//! Buffers: places between the input and the pipeline.

use crate::{Charges, Input, Parcel, Processor};

/// The end of a buffer at which the engine puts in what the input reads.
///
/// A thread of its own, the filler, has it beside the input, and reads whenever there is room, whatever the pipeline does.
/// The other end is an [`Input`], which the pipeline reads.
pub trait Buffer: Send {
    /// Whether it takes something now. Where it does not, it rings the bell of the filler when it does again.
    fn has_room(&self) -> bool;

    /// Takes a parcel, in which each message has an origin of its own, and answers for it, now or later: the input forgets
    /// what is answered as delivered. `charges` are for what processors have made of it. The result is how many of its
    /// messages were dropped for want of room; they are answered like the others.
    fn put(&mut self, parcel: Parcel, charges: Charges) -> usize;

    /// Nothing more is put in: the other end has ended once everything was read there. Whoever reads the input is told after
    /// that what became of it, so what this buffer answers later than it takes it is answered here at the latest.
    fn end(&mut self);
}

/// Both ends of a buffer.
#[expect(missing_debug_implementations, reason = "what is behind the ends is code")]
pub struct BufferEnds {
    /// Where the input's parcels go.
    pub buffer: Box<dyn Buffer>,
    /// Where the pipeline reads. What fails is delivered again by the engine, from memory, before anything new; its acks hear
    /// what arrived in the end.
    pub input: Box<dyn Input>,
    /// What messages go through before they are put in; the filler runs it.
    pub before: Vec<Box<dyn Processor>>,
    /// What they go through when they come out, in the turn of whoever reads them.
    pub after: Vec<Box<dyn Processor>>,
    /// Whether the buffer outlives the process. What comes out may then be of a process before, and what is left at a stop
    /// stays for one behind: it is not lost.
    pub is_durable: bool,
}

impl BufferEnds {
    /// The ends of a buffer in memory, with no processors around it.
    pub fn new(buffer: Box<dyn Buffer>, input: Box<dyn Input>) -> BufferEnds {
        BufferEnds { buffer, input, before: Vec::new(), after: Vec::new(), is_durable: false }
    }
}
