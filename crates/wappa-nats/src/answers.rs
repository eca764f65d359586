//! Answers to messages: told on any thread, which does not wait, and published by a task.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
};

use async_nats::{HeaderMap, Subject};
use bytes::Bytes;
use tokio::sync::{
    mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    oneshot, watch,
};

use crate::connection::Link;

/// How many answers are published before it is looked whether there are more.
const AT_ONCE: usize = 256;

/// The message has arrived.
pub(crate) const ACK: Bytes = Bytes::from_static(b"+ACK");
/// The message is still worked on.
pub(crate) const PROGRESS: Bytes = Bytes::from_static(b"+WPI");

/// The message has not arrived, and is to be delivered again after so long.
pub(crate) fn nak(delay: Option<std::time::Duration>) -> Bytes {
    match delay {
        Some(delay) if !delay.is_zero() => format!("-NAK {{\"delay\": {}}}", delay.as_nanos()).into(),
        _ => Bytes::from_static(b"-NAK"),
    }
}

/// One answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) to: Subject,
    pub(crate) headers: Option<HeaderMap>,
    pub(crate) payload: Bytes,
}

impl Answer {
    pub(crate) fn new(to: Subject, payload: Bytes) -> Answer {
        Answer { to, headers: None, payload }
    }
}

enum Order {
    Publish(Vec<Answer>),
    Flush(oneshot::Sender<()>),
}

/// Where answers are put. There are never more than messages that were read and not answered.
pub(crate) struct Answers {
    tx: UnboundedSender<Order>,
    rx: Mutex<Option<UnboundedReceiver<Order>>>,
    /// What they are published with: any connection does, not only the one that the message came with.
    link: watch::Sender<Option<Link>>,
}

impl Answers {
    pub(crate) fn new() -> Answers {
        let (tx, rx) = unbounded_channel();
        Answers { tx, rx: Mutex::new(Some(rx)), link: watch::Sender::new(None) }
    }

    /// There is a connection. Called on the runtime.
    pub(crate) fn connected(&self, link: &Link) {
        self.link.send_replace(Some(link.clone()));
        if let Some(orders) = self.rx.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // It ends by itself, once nobody can put anything any more and what was put is published.
            tokio::spawn(publish(orders, self.link.subscribe()));
        }
    }

    /// Whether there is a connection to publish with now.
    pub(crate) fn is_connected(&self) -> bool {
        self.link.borrow().as_ref().is_some_and(|it| !it.is_lost())
    }

    /// Publishes them soon.
    pub(crate) fn put(&self, answers: Vec<Answer>) {
        if !answers.is_empty() {
            // Where nobody publishes any more nobody waits for an answer.
            let _ = self.tx.send(Order::Publish(answers));
        }
    }

    /// Waits until the server has all that were put, or there is no connection to send them with.
    pub(crate) async fn flush(&self) {
        let (done, is_done) = oneshot::channel();
        if self.is_connected() && self.tx.send(Order::Flush(done)).is_ok() {
            let _ = is_done.await;
        }
    }
}

impl fmt::Debug for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Answers")
    }
}

async fn publish(mut orders: UnboundedReceiver<Order>, mut link: watch::Receiver<Option<Link>>) {
    let mut taken = Vec::with_capacity(AT_ONCE);
    let mut last = None;
    while 0 < orders.recv_many(&mut taken, AT_ONCE).await {
        // What was answered while there is no connection waits for the next one.
        let is_there = link.wait_for(|it| it.as_ref().is_some_and(|it| !it.is_lost())).await;
        let Ok(Some(link)) = is_there.map(|it| it.clone()) else { return };
        for order in taken.drain(..) {
            match order {
                Order::Publish(answers) => {
                    for Answer { to, headers, payload } in answers {
                        // One that cannot be published is as one that was lost: the message is delivered again.
                        let _ = match headers {
                            Some(headers) => link.client.publish_with_headers(to, headers, payload).await,
                            None => link.client.publish(to, payload).await,
                        };
                    }
                }
                Order::Flush(done) => {
                    link.echo().await;
                    let _ = done.send(());
                }
            }
        }
        last = Some(link);
    }
    if let Some(link) = last {
        link.echo().await;
    }
}
