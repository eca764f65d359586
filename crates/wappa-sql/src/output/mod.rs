//! The outputs.

pub(crate) mod deprecated;
pub(crate) mod insert;
mod queue;
pub(crate) mod raw;

use wappa_component::{ConnectError, Logger, WriteError};
use wappa_message::Mark;
use wappa_net::Sending;

use crate::{
    failed::{Failed, Kind},
    pool::Pool,
};

/// The mark of a message that a database did not take.
fn mark(err: Failed) -> Mark {
    match err.kind {
        Kind::Hopeless => Mark::of_hopeless(err.text),
        _ => Mark::new(err.text),
    }
}

/// Finds out whether the database is there.
async fn connect(pool: &Pool) -> Result<(), ConnectError> {
    pool.clear();
    match pool.acquire().await {
        Ok(lease) => {
            lease.give_back();
            Ok(())
        }
        Err(err) => Err(ConnectError::BackOff(err.text)),
    }
}

/// Says that nobody knows what became of messages.
fn tell(err: &Failed, logger: &Logger) {
    logger.error(&format!("Failed to send message to database: {}", err.text));
}

/// Says what became of messages: which were not taken, by their places, or that nobody knows, which was told.
fn answer<E>(sending: Sending, result: Result<Vec<(usize, Mark)>, E>) {
    sending.answer(match result {
        Ok(failures) if failures.is_empty() => Ok(()),
        Ok(failures) => Err(WriteError::Partial(failures)),
        Err(_) => Err(WriteError::NotConnected),
    });
}
