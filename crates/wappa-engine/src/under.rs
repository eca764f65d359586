//! Processors under an input run in the input's turn, those under an output in the output's turn: one after
//! the other, in the order of the stream, whatever the number of threads. Guests with state rely on it.

use std::time::Duration;

use wappa_component::{
    ConnectError, Delivery, Input, Output, Parcel, Processor, ReadError, Step, Waits, run_children, stopped,
};

/// An input with processors.
pub(crate) struct UnderInput {
    pub(crate) inner: Box<dyn Input>,
    pub(crate) processors: Vec<Box<dyn Processor>>,
}

impl Input for UnderInput {
    fn read(&mut self, waits: &mut Waits, step: &mut Step<'_>) -> Result<Parcel, ReadError> {
        let parcel = self.inner.read(waits, step)?;
        step.begin_part(parcel.growth());
        let (mut part, origin_ends, ack) = parcel.open();
        step.begin();
        let done = run_children(&self.processors, &mut part, step);
        let mut growth = step.growth();
        growth.settle(|| part.size());
        Ok(Parcel::of_finished(part, done, origin_ends, ack, stopped()).with_growth(growth))
    }

    fn stop(&mut self) {
        self.inner.stop();
    }

    fn restart(&mut self) -> bool {
        self.inner.restart()
    }

    fn is_exhausted(&self) -> bool {
        self.inner.is_exhausted()
    }

    fn takes_back(&self) -> bool {
        self.inner.takes_back()
    }

    fn close(&mut self) -> Result<(), String> {
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
        if let Some(delivery) = delivery.process(&self.processors, step) {
            self.inner.write(delivery, step);
        }
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
