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
        let done = run_children(&self.processors, &mut part, step);
        Ok(Parcel::of_finished(part, done, origin_ends, ack, given_up()))
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
    inner: Box<dyn Output>,
    processors: Vec<Box<dyn Processor>>,
    /// What could not be written for want of a connection. It comes again, and has been through the processors.
    held: Option<Held>,
}

struct Held {
    /// As the caller gave it.
    given: Part,
    ready: Ready,
}

/// What processors made of a part, each message with the index of the one it came from as its origin.
struct Ready {
    part: Part,
    /// Messages of the caller that processors did not finish: those from this index on.
    n_messages: usize,
}

impl UnderOutput {
    pub(crate) fn new(inner: Box<dyn Output>, processors: Vec<Box<dyn Processor>>) -> UnderOutput {
        UnderOutput { inner, processors, held: None }
    }

    fn ready(&mut self, part: &Part, step: &mut Step<'_>) -> Ready {
        if let Some(held) = self.held.take()
            && held.given == *part
        {
            return held.ready;
        }
        // The caller names failures by index, so that what processors filter or add is told apart by origin.
        let mut own = part.numbered();
        let done = run_children(&self.processors, &mut own, step);
        own.split_off(done);
        Ready { part: own, n_messages: part.messages_of(done) }
    }
}

impl Output for UnderOutput {
    fn connect(&mut self) -> Result<(), ConnectError> {
        self.inner.connect()
    }

    fn write(&mut self, part: &mut Part, step: &mut Step<'_>) -> Result<(), WriteError> {
        let mut ready = self.ready(part, step);
        let own = &mut ready.part;
        let result = if own.n_messages() == 0 { Ok(()) } else { self.inner.write(own, step) };
        let unfinished = (ready.n_messages..part.n_messages()).map(|idx| (idx, given_up()));
        match result {
            Ok(()) if unfinished.len() == 0 => Ok(()),
            Ok(()) => Err(WriteError::Partial(unfinished.collect())),
            // What was filtered here needs no delivery.
            Err(WriteError::Failed(reason)) => {
                let failures = (0..own.n_messages()).map(|idx| (idx, reason.clone())).collect();
                Err(by_origin(own, failures, unfinished, WriteError::Partial))
            }
            Err(WriteError::Partial(failures)) => {
                Err(by_origin(own, failures, unfinished, WriteError::Partial))
            }
            Err(WriteError::Rejected(failures)) => {
                let is_all = unfinished.len() == 0;
                let error = if is_all { WriteError::Rejected } else { WriteError::Partial };
                Err(by_origin(own, failures, unfinished, error))
            }
            Err(WriteError::NotConnected) => {
                self.held = Some(Held { given: part.clone(), ready });
                Err(WriteError::NotConnected)
            }
            Err(WriteError::Closed) => Err(WriteError::Closed),
        }
    }

    fn close(&mut self) -> Result<(), String> {
        self.inner.close()
    }
}

/// Names the failures by the messages that the caller knows, and adds those that were not tried.
fn by_origin(
    own: &Part,
    failures: Vec<(usize, Mark)>,
    unfinished: impl Iterator<Item = (usize, Mark)>,
    error: impl FnOnce(Vec<(usize, Mark)>) -> WriteError,
) -> WriteError {
    let origin = |(idx, mark): (usize, Mark)| (own.messages()[idx].origin(), mark);
    let mut failures: Vec<_> = failures.into_iter().map(origin).collect();
    if let Some((_, mark)) = failures.iter().find(|(origin, _)| *origin == ORIGIN_NONE) {
        return WriteError::Failed(mark.clone());
    }
    failures.sort_by_key(|(origin, _)| *origin);
    failures.dedup_by_key(|(origin, _)| *origin);
    let failures = failures.into_iter().map(|(origin, mark)| (origin as usize, mark));
    error(failures.chain(unfinished).collect())
}

#[cfg(test)]
mod tests;
