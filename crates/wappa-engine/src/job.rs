//! Jobs: a part on its way through the pipeline, with its place in the stream and its ack.

use std::sync::Arc;

use wappa_component::{
    Ack, Census, Charges, Failure, Growth, Order, Part, Processor, Step, Unpacked, run_one,
};
use wappa_message::Mark;

/// A place in the order of the stream: the number of the parcel, and the batch within it.
pub(crate) type Place = (u64, u32);

/// Where a job stands in the stream, and what is behind it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stretch {
    pub(crate) order: Order,
    pub(crate) place: Place,
    /// The batch of its parcel that follows it.
    pub(crate) behind: u32,
    /// Nothing of its parcel does.
    pub(crate) is_last: bool,
}

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
    /// What is in the part, once all processors have seen it.
    pub(crate) census: Census,
}

#[derive(Debug)]
struct ParcelInfo {
    number: u64,
    order: Order,
    n_batches: u32,
    first_origin: u32,
    /// Where the batches end, counted in origins; `None`: each origin is a batch.
    origin_ends: Option<Vec<u32>>,
    is_replay: bool,
}

impl Job {
    /// The job of a whole parcel, opened, the `number`th of the stream, which has at least one batch.
    pub(crate) fn of_parcel(number: u64, opened: Unpacked) -> Job {
        let Unpacked { part, origin_ends, ack, order, growth, is_replay } = opened;
        assert!(0 < part.n_places(), "a parcel that is numbered has batches");
        let n_batches = part.n_places() as u32;
        let first_origin = ack.origins().start;
        let parcel = ParcelInfo { number, order, n_batches, first_origin, origin_ends, is_replay };
        let parcel = Arc::new(parcel);
        let charges = Charges::default();
        let census = Census::default();
        Job { parcel, first_batch: 0, part, ack, next: 0, is_begun: false, growth, charges, census }
    }

    /// How many messages of the input it answers for, whatever processors made of them.
    pub(crate) fn n_origins(&self) -> usize {
        self.ack.origins().len()
    }

    /// Where the job stands in the stream.
    pub(crate) fn place(&self) -> Place {
        (self.parcel.number, self.first_batch)
    }

    /// Where it stands, and what is behind it.
    pub(crate) fn stretch(&self) -> Stretch {
        let behind = self.first_batch + self.part.n_places() as u32;
        let is_last = behind == self.parcel.n_batches;
        Stretch { order: self.parcel.order, place: self.place(), behind, is_last }
    }

    /// Keeps the first `n_batches` places; the result is a job of the rest.
    pub(crate) fn split_off(&mut self, n_batches: usize) -> Job {
        let first_batch = self.first_batch + n_batches as u32;
        let origin = match &self.parcel.origin_ends {
            None => self.parcel.first_origin + first_batch,
            Some(_) if first_batch == 0 => self.parcel.first_origin,
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
            census: self.census,
        }
    }

    /// Runs it through a processor, for about a millisecond, and returns how many places are finished. None: interrupted.
    pub(crate) fn run(&mut self, processor: &dyn Processor, step: &mut Step<'_>) -> usize {
        step.begin();
        step.begin_part(self.growth);
        self.is_begun = true;
        let n_places = self.part.n_places();
        let done = run_one(processor, &mut self.part, step);
        assert_eq!(self.part.n_places(), n_places, "a processor keeps the number of places");
        assert!(done <= n_places && (0 < done || step.is_interrupted()), "finished {done} batches");
        done
    }

    /// So many places went through the processor it was run through, and go on to the next. Returns the rest.
    pub(crate) fn finish(&mut self, done: usize, step: &mut Step<'_>) -> Option<Job> {
        let grown = step.growth().bytes() - self.growth.bytes();
        let rest = (done < self.part.n_places()).then(|| self.split_off(done));
        self.growth.add(grown);
        self.growth.settle(|| self.part.size());
        self.charges.append(step.take_charges());
        self.charges.shrink_to(self.growth.bytes());
        self.next += 1;
        rest
    }

    /// What was a parcel, or a part of one.
    pub(crate) fn into_unpacked(self) -> Unpacked {
        let batches = self.first_batch as usize..self.first_batch as usize + self.part.n_places();
        let origin_ends = self.parcel.origin_ends.as_ref().map(|ends| ends[batches].to_vec());
        let Job { part, ack, growth, .. } = self;
        let ParcelInfo { order, is_replay, .. } = *self.parcel;
        Unpacked { part, origin_ends, ack, order, growth, is_replay }
    }

    /// Answers that none of its messages arrived. What was filtered needs no delivery.
    pub(crate) fn failed(self, reason: &Mark) {
        let of = |origin| Failure { origin, reason: reason.clone() };
        let failures = self.part.origins().into_iter().map(of).collect();
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
