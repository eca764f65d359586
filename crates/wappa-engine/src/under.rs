//! Processors under an input run in the input's turn, those under an output in the output's turn: one after
//! the other, in the order of the stream, whatever the number of threads. Guests with state rely on it.

use wappa_component::{
    ConnectError, Input, Output, Parcel, Part, Processor, ReadError, Step, Waiter, WriteError, run_children,
};

use wappa_message::{Mark, ORIGIN_NONE};

use crate::stop::given_up;

/// An input with processors.
pub(crate) struct UnderInput {
    pub(crate) inner: Box<dyn Input>,
    pub(crate) processors: Vec<Box<dyn Processor>>,
}

impl Input for UnderInput {
    fn connect(&mut self, waiter: &dyn Waiter) -> Result<(), ConnectError> {
        self.inner.connect(waiter)
    }

    fn read(&mut self, waiter: &dyn Waiter, step: &mut Step<'_>) -> Result<Parcel, ReadError> {
        let (mut part, origin_ends, ack) = self.inner.read(waiter, step)?.open();
        step.begin();
        if !run_children(&self.processors, &mut part, step) {
            ack.failed(given_up());
            return Err(ReadError::NotReady);
        }
        Ok(Parcel::of_part(part, origin_ends, ack))
    }

    fn stop(&mut self) {
        self.inner.stop();
    }

    fn is_exhausted(&self) -> bool {
        self.inner.is_exhausted()
    }

    fn takes_back(&self) -> bool {
        self.inner.takes_back()
    }
}

/// An output with processors.
pub(crate) struct UnderOutput {
    pub(crate) inner: Box<dyn Output>,
    pub(crate) processors: Vec<Box<dyn Processor>>,
}

impl Output for UnderOutput {
    fn connect(&mut self) -> Result<(), ConnectError> {
        self.inner.connect()
    }

    fn write(&mut self, part: &mut Part, step: &mut Step<'_>) -> Result<(), WriteError> {
        // The caller names failures by index, so that what processors filter or add is told apart by origin.
        let mut own = part.numbered();
        if !run_children(&self.processors, &mut own, step) {
            return Err(WriteError::Failed(given_up()));
        }
        if own.n_messages() == 0 {
            return Ok(());
        }
        match self.inner.write(&mut own, step) {
            // What was filtered here needs no delivery.
            Err(WriteError::Failed(reason)) => {
                let failures = (0..own.n_messages()).map(|idx| (idx, reason.clone())).collect();
                Err(by_origin(&own, failures, WriteError::Partial))
            }
            Err(WriteError::Partial(failures)) => Err(by_origin(&own, failures, WriteError::Partial)),
            Err(WriteError::Rejected(failures)) => Err(by_origin(&own, failures, WriteError::Rejected)),
            result => result,
        }
    }

    fn close(&mut self) -> Result<(), String> {
        self.inner.close()
    }
}

/// Names the failures by the messages that the caller knows.
fn by_origin(
    own: &Part,
    failures: Vec<(usize, Mark)>,
    error: impl FnOnce(Vec<(usize, Mark)>) -> WriteError,
) -> WriteError {
    let origin = |(idx, mark): (usize, Mark)| (own.messages()[idx].origin(), mark);
    let mut failures: Vec<_> = failures.into_iter().map(origin).collect();
    if let Some((_, mark)) = failures.iter().find(|(origin, _)| *origin == ORIGIN_NONE) {
        return WriteError::Failed(mark.clone());
    }
    failures.sort_by_key(|(origin, _)| *origin);
    failures.dedup_by_key(|(origin, _)| *origin);
    error(failures.into_iter().map(|(origin, mark)| (origin as usize, mark)).collect())
}
