//! Echoes: what a connection sends to an inbox of its own comes back once the server has taken all that was sent before.
//!
//! The client's `flush` and `drain` end with the last byte in the system's buffers. When the server has read it, and what it
//! sends meanwhile, they do not know.

use std::time::Duration;

use async_nats::{Message, Subscriber};
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use tokio::time::timeout;
use wappa_component::Level;

use crate::{connection::Link, pump::next_ready};

/// How long an echo may take. A server that takes longer is not waited for: whether it is there at all is found out by others.
const ECHO_MAX: Duration = Duration::from_secs(5);

/// As a number of messages after which a subscription ends: for the client it never comes, and the server takes what has more
/// digits than it counts as none at all, so that it ends the subscription at once. One that would count so far sends on until
/// the subscription is dropped, and what is on its way then is lost as if nobody had waited.
const AT_ONCE: u64 = u64::MAX;

impl Link {
    /// Waits until the server has taken all that was given to the client; `false`: the connection was lost before.
    ///
    /// Who may not send to inboxes, or not read them, is told so by the server in the order of what it takes, which is as good.
    pub(crate) async fn echo(&self) -> bool {
        let (subject, number) = self.next_echo();
        let mut refused = self.refused_echoes();
        let there_and_back = async {
            // What fails here fails since the connection is lost.
            let Ok(mut subscriber) = self.client.subscribe(subject.clone()).await else { return };
            if self.client.publish(subject, Bytes::new()).await.is_ok() {
                tokio::select! {
                    _ = subscriber.next() => (),
                    _ = refused.wait_for(|it| number <= *it) => (),
                }
            }
        };
        tokio::select! {
            back = timeout(ECHO_MAX, there_and_back) => {
                if back.is_err() {
                    self.log(Level::Debug, "the server has not said within 5s that it has what was sent");
                }
                !self.is_lost()
            }
            () = self.lost() => false,
        }
    }

    /// Ends a subscription, and gives `take` what the server had sent until it knew.
    pub(crate) async fn end(&self, subscriber: &mut Subscriber, mut take: impl FnMut(Vec<Message>)) {
        if subscriber.unsubscribe_after(AT_ONCE).await.is_err() {
            return;
        }
        {
            let echo = self.echo().fuse();
            let mut echo = std::pin::pin!(echo);
            loop {
                tokio::select! {
                    messages = next_ready(subscriber) => match messages {
                        Some(messages) => take(messages),
                        None => return,
                    },
                    _ = &mut echo => break,
                }
            }
        }
        // All that came before the echo is here now.
        while let Some(Some(messages)) = next_ready(subscriber).now_or_never() {
            take(messages);
        }
    }
}
