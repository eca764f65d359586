//! Buffers: places between the input and the pipeline.

use crate::{Charges, Input, Parcel};

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

    /// Nothing more is put in: the other end has ended once everything was read there.
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
}
