//! Outputs: one command for each message, and as many on their way as there may be.

pub(crate) mod hash;
pub(crate) mod list;
pub(crate) mod pubsub;
pub(crate) mod streams;

use std::sync::{Mutex, PoisonError};

use redis::{Cmd, Pipeline};
use wappa_component::{ConnectError, Context, Output, WriteError};
use wappa_message::{Mark, Message};
use wappa_net::{Client, Limit, Sending, in_flight};

use crate::connection::{Endpoint, Failed, Link};

/// What becomes of a message.
pub(crate) trait Form: Send + Sync + 'static {
    /// The command for the message at this place of a batch.
    fn command(&self, batch: &mut [Message], place: usize) -> Result<Cmd, Mark>;
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
    in_flight(Commands { endpoint, form, link: Mutex::new(None) }, limit, ctx)
}

struct Commands<F> {
    endpoint: Endpoint,
    form: F,
    link: Mutex<Option<Link>>,
}

impl<F> Commands<F> {
    fn link(&self) -> Option<Link> {
        let link = self.link.lock().unwrap_or_else(PoisonError::into_inner);
        link.clone().filter(|it| !it.is_lost())
    }

    fn put(&self, link: Option<Link>) {
        *self.link.lock().unwrap_or_else(PoisonError::into_inner) = link;
    }
}

impl<F: Form> Client for Commands<F> {
    async fn connect(&self) -> Result<(), ConnectError> {
        self.put(Some(self.endpoint.connect().await.map_err(ConnectError::BackOff)?));
        Ok(())
    }

    async fn send(&self, mut sending: Sending) {
        let mut commands = Pipeline::new();
        let (mut failures, mut places, mut idx) = (Vec::new(), Vec::new(), 0);
        let part = sending.part_mut();
        for n in 0..part.n_batches() {
            let range = part.batch(n);
            let batch = &mut part.messages_mut()[range];
            for place in 0..batch.len() {
                match self.form.command(batch, place) {
                    Ok(command) => {
                        commands.add_command(command);
                        places.push(idx);
                    }
                    Err(mark) => failures.push((idx, mark)),
                }
                idx += 1;
            }
        }
        if !places.is_empty() {
            let Some(mut link) = self.link() else {
                return sending.answer(Err(WriteError::NotConnected));
            };
            match link.ask_all(&commands).await {
                Ok(answers) => {
                    let each = places.into_iter().zip(answers);
                    failures.extend(each.filter_map(|(idx, it)| Some((idx, Mark::new(it.err()?)))));
                    failures.sort_by_key(|it| it.0);
                }
                Err(Failed::Refused(text)) => {
                    failures.extend(places.into_iter().map(|idx| (idx, Mark::new(text.clone()))));
                    failures.sort_by_key(|it| it.0);
                }
                Err(Failed::Lost(_)) => {
                    self.put(None);
                    return sending.answer(Err(WriteError::NotConnected));
                }
            }
        }
        sending.answer(if failures.is_empty() { Ok(()) } else { Err(WriteError::Partial(failures)) });
    }

    async fn close(&self) -> Result<(), String> {
        self.put(None);
        Ok(())
    }
}
