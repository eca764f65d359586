//! Pulling: asks a consumer for as many messages as there is room for.

use std::time::{Duration, Instant};

use async_nats::{HeaderMap, Message, StatusCode};
use bytes::Bytes;

use crate::connection::Link;

/// How long a request stands; then it is made again.
const EXPIRES: Duration = Duration::from_secs(30);

/// How often the server says that it is there while a request stands.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// After so long without anything a request is forgotten, and made again.
const SILENCE_MAX: Duration = Duration::from_secs(15);

/// The requests that stand.
#[derive(Debug)]
pub(super) struct Pull {
    /// Where requests go.
    api: String,
    inbox: String,
    /// How many messages may be held and asked for together.
    most: usize,
    n_asked: usize,
    heard: Instant,
}

/// What a message without content says about requests.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    Nothing,
    /// There is no consumer any more.
    Gone(String),
}

impl Pull {
    pub(super) fn new(stream: &str, consumer: &str, inbox: &str, most: usize) -> Pull {
        let api = format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}");
        Pull { api, inbox: inbox.to_string(), most, n_asked: 0, heard: Instant::now() }
    }

    /// Asks for what there is room for beside `n_held` messages, unless it is too little to ask for by itself.
    pub(super) async fn ask(&mut self, n_held: usize, link: &Link) {
        if SILENCE_MAX < self.heard.elapsed() {
            self.n_asked = 0;
        }
        let n_free = self.most.saturating_sub(n_held + self.n_asked);
        if n_free == 0 || (0 < self.n_asked && n_free < self.most.div_ceil(4)) {
            return;
        }
        if self.n_asked == 0 {
            self.heard = Instant::now();
        }
        let request = format!(
            "{{\"batch\":{n_free},\"expires\":{},\"idle_heartbeat\":{}}}",
            EXPIRES.as_nanos(),
            HEARTBEAT.as_nanos()
        );
        let asked =
            link.client.publish_with_reply(self.api.clone(), self.inbox.clone(), request.into()).await;
        if asked.is_ok() {
            self.n_asked += n_free;
        }
    }

    /// Messages have come.
    pub(super) fn hear(&mut self, n_messages: usize) {
        self.heard = Instant::now();
        self.n_asked = self.n_asked.saturating_sub(n_messages);
    }

    /// Something has come that is no message.
    pub(super) fn hear_status(&mut self, message: &Message) -> Said {
        self.heard = Instant::now();
        let text = message.description.clone().unwrap_or_default();
        match message.status.map(|it| it.as_u16()) {
            None | Some(100) => Said::Nothing,
            // Nobody answers for the consumer.
            Some(503) => Said::Gone("there is no such consumer".to_string()),
            Some(409) if text.contains("Deleted") || text.contains("push based") => Said::Gone(text),
            Some(_) => {
                // The request is over; of how many messages was left.
                let left = pending(message.headers.as_ref());
                self.n_asked = left.map_or(0, |it| self.n_asked.saturating_sub(it));
                Said::Nothing
            }
        }
    }
}

fn pending(headers: Option<&HeaderMap>) -> Option<usize> {
    headers?.get("Nats-Pending-Messages")?.as_str().parse().ok()
}

/// Answers what a consumer that pushes wants to know, so that it goes on.
pub(super) async fn answer_flow_control(message: &Message, link: &Link) {
    let stalled = || message.headers.as_ref()?.get("Nats-Consumer-Stalled").map(|it| it.as_str().to_string());
    let to = message.reply.as_ref().map(|it| it.to_string()).or_else(stalled);
    if message.status == Some(StatusCode::IDLE_HEARTBEAT)
        && let Some(to) = to
    {
        let _ = link.client.publish(to, Bytes::new()).await;
    }
}
