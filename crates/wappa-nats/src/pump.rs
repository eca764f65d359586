//! From a subscription into a feed.
//!
//! What has come is taken from the client at once, whether the feed has room or not, so that it can be answered
//! for; what waits here is bounded by who asks for it.

use std::{collections::VecDeque, future::pending, pin::Pin};

use async_nats::{Message, Subscriber};
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use wappa_component::{PARCEL_BYTES_MAX, PARCEL_MESSAGES_MAX};
use wappa_net::{Closed, Fed, Feeder};

/// What a message takes beside its bytes: itself, its metadata, and the rest of what was read with it.
pub(crate) const OVERHEAD_BYTES: usize = 768;

/// So many bytes are enough to be taken at once: a message may be large.
const TAKEN_BYTES_MAX: usize = 2 * PARCEL_BYTES_MAX;

/// Contents that are so large have a buffer of the client alone, which may be twice as large.
const ALONE_BYTES_MIN: usize = 64 * 1024;

/// The content of a message, which holds no more memory than it needs: it may wait for long.
pub(crate) fn content(payload: Bytes) -> Bytes {
    match ALONE_BYTES_MIN <= payload.len() {
        true => Bytes::copy_from_slice(&payload),
        false => payload,
    }
}

/// What has come, in order, up to about what a parcel holds; waits for the first. `None`: the subscription is over.
///
/// Dropped where it waits, it has taken nothing.
pub(crate) async fn next_ready(subscriber: &mut Subscriber) -> Option<Vec<Message>> {
    let mut messages = vec![subscriber.next().await?];
    let mut n_bytes = messages[0].length;
    while messages.len() < PARCEL_MESSAGES_MAX
        && n_bytes < TAKEN_BYTES_MAX
        && let Some(Some(message)) = subscriber.next().now_or_never()
    {
        n_bytes += message.length;
        messages.push(message);
    }
    Some(messages)
}

/// What is being put into a feed.
type Putting = Pin<Box<dyn Future<Output = Result<(), Closed>> + Send>>;

/// What waits for room in a feed.
pub(crate) struct Backlog {
    feeder: Feeder,
    /// Each with how many messages it is, and how many bytes.
    waiting: VecDeque<(Fed, usize, usize)>,
    n_messages: usize,
    n_bytes: usize,
    putting: Option<Putting>,
}

impl Backlog {
    pub(crate) fn new(feeder: Feeder) -> Backlog {
        Backlog { feeder, waiting: VecDeque::new(), n_messages: 0, n_bytes: 0, putting: None }
    }

    /// How many messages wait, and how many bytes they are.
    pub(crate) fn held(&self) -> (usize, usize) {
        (self.n_messages, self.n_bytes)
    }

    pub(crate) fn push(&mut self, fed: Fed, n_messages: usize, n_bytes: usize) {
        self.n_messages += n_messages;
        self.n_bytes += n_bytes;
        self.waiting.push_back((fed, n_messages, n_bytes));
    }

    /// Waits until something was put into the feed; forever, as long as nothing waits for it. Dropped where it waits, it goes
    /// on the next time.
    pub(crate) async fn advance(&mut self) -> Result<(), Closed> {
        let putting = match &mut self.putting {
            Some(putting) => putting,
            None => {
                let Some((fed, n_messages, n_bytes)) = self.waiting.pop_front() else {
                    return pending().await;
                };
                self.n_messages -= n_messages;
                self.n_bytes -= n_bytes;
                let feeder = self.feeder.clone();
                self.putting.insert(Box::pin(async move { feeder.put(fed).await }))
            }
        };
        let result = putting.await;
        self.putting = None;
        result
    }

    /// Puts everything into the feed.
    pub(crate) async fn finish(&mut self) -> Result<(), Closed> {
        while self.putting.is_some() || !self.waiting.is_empty() {
            self.advance().await?;
        }
        Ok(())
    }
}
