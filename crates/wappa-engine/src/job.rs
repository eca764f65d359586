//! Jobs: a part on its way through the pipeline, with its place in the stream and its ack.

use std::sync::Arc;

use wappa_component::{Ack, Charges, Failure, Growth, Part};
use wappa_message::{Mark, Message};

/// A place in the order of the stream: the number of the parcel, and the batch within it.
pub(crate) type Place = (u64, u32);

/// A part, the processor it comes to next, and what is needed to answer for it.
#[derive(Debug)]
pub(crate) struct Job {
    parcel: Arc<ParcelInfo>,
    first_batch: u32,
    pub(crate) part: Part,
    pub(crate) ack: Ack,
    /// Index of the next processor of the pipeline.
    pub(crate) next: usize,
    /// Whether a processor has seen it.
    pub(crate) is_begun: bool,
    /// What processors have made of it.
    pub(crate) growth: Growth,
    /// What was charged for that.
    pub(crate) charges: Charges,
}

#[derive(Debug)]
struct ParcelInfo {
    number: u64,
    n_batches: u32,
    /// Where the batches end, counted in origins; `None`: each origin is a batch.
    origin_ends: Option<Vec<u32>>,
}

impl Job {
    /// The job of a whole parcel, opened, the `number`th of the stream, which has at least one batch.
    pub(crate) fn of_parcel(number: u64, opened: (Part, Option<Vec<u32>>, Ack), growth: Growth) -> Job {
        let (part, origin_ends, ack) = opened;
        assert!(0 < part.n_places(), "a parcel that is numbered has batches");
        let n_batches = part.n_places() as u32;
        let parcel = Arc::new(ParcelInfo { number, n_batches, origin_ends });
        let charges = Charges::default();
        Job { parcel, first_batch: 0, part, ack, next: 0, is_begun: false, growth, charges }
    }

    /// How many messages of the input it answers for, whatever processors made of them.
    pub(crate) fn n_origins(&self) -> usize {
        self.ack.origins().len()
    }

    /// Where the job stands in the stream.
    pub(crate) fn place(&self) -> Place {
        (self.parcel.number, self.first_batch)
    }

    /// The place of whatever follows this job.
    pub(crate) fn place_behind(&self) -> Place {
        let batch = self.first_batch + self.part.n_places() as u32;
        if batch == self.parcel.n_batches { (self.parcel.number + 1, 0) } else { (self.parcel.number, batch) }
    }

    /// Keeps the first `n_batches` places; the result is a job of the rest.
    pub(crate) fn split_off(&mut self, n_batches: usize) -> Job {
        let first_batch = self.first_batch + n_batches as u32;
        let origin = match &self.parcel.origin_ends {
            None => first_batch,
            Some(_) if first_batch == 0 => 0,
            Some(ends) => ends[first_batch as usize - 1],
        };
        let growth = self.growth.split_off(n_batches, self.part.n_places());
        let charges = self.charges.split_off(n_batches, self.part.n_places());
        Job {
            parcel: Arc::clone(&self.parcel),
            first_batch,
            growth,
            charges,
            part: self.part.split_off(n_batches),
            ack: self.ack.split_off(origin),
            next: self.next,
            is_begun: self.is_begun,
        }
    }

    /// Answers that none of its messages arrived. What was filtered needs no delivery.
    pub(crate) fn failed(self, reason: &Mark) {
        let of = |message: &Message| Failure { origin: message.origin(), reason: reason.clone() };
        let failures = self.part.messages().iter().map(of).collect();
        self.ack.answer(failures);
    }

    /// Answers that nothing arrived, when a component did not finish and it is not known what the part holds.
    pub(crate) fn failed_within(self, reason: Mark) {
        self.ack.failed(reason);
    }

    /// What is to be delivered, and who answers for it.
    pub(crate) fn into_delivery(self) -> (Part, Ack) {
        (self.part, self.ack)
    }
}
