//! Processors under an input run in the input's turn, those under an output in the output's turn: one after
//! the other, in the order of the stream, whatever the number of threads. Guests with state rely on it. They stream as those
//! of the pipeline do: what is finished goes on, and does not wait for the rest.

use std::{collections::VecDeque, time::Duration};

use wappa_component::{
    ConnectError, Delivery, Input, Output, Parcel, Processor, ReadError, Step, Waits, stopped,
};

use crate::job::Job;

/// An input with processors.
struct UnderInput {
    inner: Box<dyn Input>,
    processors: Vec<Box<dyn Processor>>,
    /// What some of the processors have not seen, the first of it first. What is in front has come further.
    pending: VecDeque<Job>,
}

/// An input with processors, if there are any.
pub(crate) fn under_input(inner: Box<dyn Input>, processors: Vec<Box<dyn Processor>>) -> Box<dyn Input> {
    match processors.is_empty() {
        true => inner,
        false => Box::new(UnderInput { inner, processors, pending: VecDeque::new() }),
    }
}

impl UnderInput {
    /// Runs what is first through the processors it has not seen, each for about a millisecond: what is finished goes on,
    /// the rest comes with the next read. `None`: the stream is given up, and it is answered as failed.
    fn advance(&mut self, mut job: Job, step: &mut Step<'_>) -> Option<Job> {
        while let Some(processor) = self.processors.get(job.next) {
            let done = job.run(processor.as_ref(), step);
            let rest = job.finish(done, step);
            if step.is_interrupted() {
                rest.into_iter().chain(self.pending.drain(..)).for_each(|it| it.failed_within(stopped()));
            } else {
                rest.into_iter().for_each(|it| self.pending.push_front(it));
            }
            if done == 0 && job.n_origins() == 0 {
                return None;
            }
        }
        Some(job)
    }
}

impl Input for UnderInput {
    fn read(&mut self, waits: &mut Waits, step: &mut Step<'_>) -> Result<Parcel, ReadError> {
        let job = match self.pending.pop_front() {
            Some(job) => job,
            None => {
                let parcel = self.inner.read(waits, step)?;
                if parcel.n_origins() == 0 {
                    return Ok(parcel);
                }
                let mut job = Job::of_parcel(0, parcel.open());
                job.charges = step.take_charges();
                // An input above this one may wait for many of them.
                job.growth = job.growth.collected();
                job
            }
        };
        let Some(mut job) = self.advance(job, step) else {
            waits.again();
            return Err(ReadError::NotReady);
        };
        step.put_charges(std::mem::take(&mut job.charges));
        Ok(job.into_unpacked().into_parcel())
    }

    fn stop(&mut self) {
        self.inner.stop();
    }

    fn restart(&mut self) -> bool {
        self.inner.restart()
    }

    fn is_exhausted(&self) -> bool {
        self.pending.is_empty() && self.inner.is_exhausted()
    }

    fn takes_back(&self) -> bool {
        self.inner.takes_back()
    }

    fn close(&mut self) -> Result<(), String> {
        self.pending.drain(..).for_each(|it| it.failed_within(stopped()));
        self.inner.close()
    }
}

/// An output with processors.
pub(crate) struct UnderOutput {
    inner: Box<dyn Output>,
    processors: Vec<Box<dyn Processor>>,
}

impl UnderOutput {
    pub(crate) fn new(inner: Box<dyn Output>, processors: Vec<Box<dyn Processor>>) -> UnderOutput {
        UnderOutput { inner, processors }
    }
}

impl Output for UnderOutput {
    fn connect(&mut self) -> Result<(), ConnectError> {
        self.inner.connect()
    }

    fn has_room(&self) -> bool {
        self.inner.has_room()
    }

    fn write(&mut self, delivery: Delivery, step: &mut Step<'_>) {
        delivery.through(&self.processors, step, |delivery, step| self.inner.write(delivery, step));
    }

    fn resume(&mut self, step: &mut Step<'_>) {
        self.inner.resume(step);
    }

    fn due(&self) -> Option<Duration> {
        self.inner.due()
    }

    fn flush(&mut self, step: &mut Step<'_>) {
        self.inner.flush(step);
    }

    fn close(&mut self) -> Result<(), String> {
        self.inner.close()
    }
}

#[cfg(test)]
mod tests;
