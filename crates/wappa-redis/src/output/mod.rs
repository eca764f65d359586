//! Outputs: one command for each message, and as many on their way as there may be.

pub(crate) mod hash;
pub(crate) mod list;
pub(crate) mod pubsub;
pub(crate) mod streams;

use std::sync::{Arc, Mutex, PoisonError};

use wappa_component::{ConnectError, Context, Output, WriteError};
use wappa_message::{Mark, Message};
use wappa_net::{Client, Limit, Sending, in_flight};

use crate::{
    connection::Endpoint,
    wire::{Command, Commands, Filled, Pipe},
};

/// What becomes of a message.
pub(crate) trait Form: Send + Sync + 'static {
    /// Writes the command for the message at this place of a batch. Where it fails there is none.
    fn write(&self, batch: &mut [Message], place: usize, command: &mut Command<'_>) -> Result<(), Mark>;
}

/// An output that sends such commands; `max_in_flight` is Bento's field.
pub(crate) fn boxed(
    endpoint: Endpoint,
    form: impl Form,
    max_in_flight: usize,
    ctx: &Context<'_>,
) -> Box<dyn Output> {
    // One half may be sent while the other is waited for.
    let limit = Limit::of(max_in_flight).at_once(max_in_flight.div_ceil(2));
    in_flight(Sender { endpoint, form, pipe: Mutex::new(None) }, limit, ctx)
}

struct Sender<F> {
    endpoint: Endpoint,
    form: F,
    pipe: Mutex<Option<Arc<Pipe>>>,
}

impl<F> Sender<F> {
    fn pipe(&self) -> Option<Arc<Pipe>> {
        let pipe = self.pipe.lock().unwrap_or_else(PoisonError::into_inner);
        pipe.clone().filter(|it| !it.is_lost())
    }

    fn put(&self, pipe: Option<Arc<Pipe>>) {
        let before = std::mem::replace(&mut *self.pipe.lock().unwrap_or_else(PoisonError::into_inner), pipe);
        drop(before);
    }
}

impl<F: Form> Client for Sender<F> {
    async fn connect(&self) -> Result<(), ConnectError> {
        let wire = self.endpoint.connect_wire().await.map_err(ConnectError::BackOff)?;
        self.put(Some(Arc::new(Pipe::of(wire))));
        Ok(())
    }

    async fn send(&self, mut sending: Sending) {
        let mut commands = Commands::default();
        let (mut failures, mut places, mut idx) = (Vec::new(), Vec::new(), 0);
        let part = sending.part_mut();
        for n in 0..part.n_batches() {
            let range = part.batch(n);
            let batch = &mut part.messages_mut()[range];
            for place in 0..batch.len() {
                let mut command = commands.begin();
                match self.form.write(batch, place, &mut command) {
                    Ok(()) => {
                        command.end();
                        places.push(idx);
                    }
                    Err(mark) => failures.push((idx, mark)),
                }
                idx += 1;
            }
        }
        if places.is_empty() {
            let is_well = failures.is_empty();
            return sending.answer(if is_well { Ok(()) } else { Err(WriteError::Partial(failures)) });
        }
        match self.pipe() {
            Some(pipe) => pipe.send(Filled { sending, commands, places, failures }),
            None => sending.answer(Err(WriteError::NotConnected)),
        }
    }

    async fn close(&self) -> Result<(), String> {
        self.put(None);
        Ok(())
    }
}
