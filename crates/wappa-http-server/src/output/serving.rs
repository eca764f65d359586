//! What clients are sent: a batch, a stream without end, messages of a websocket.

use std::{
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::{SinkExt, StreamExt};
use hyper::{
    HeaderMap, StatusCode,
    header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, ORIGIN},
};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, interval_at, sleep, sleep_until, timeout},
};
use tokio_tungstenite::tungstenite::{Message as Frame, Utf8Bytes};
use wappa_component::{Level, WriteError, stopped};
use wappa_message::{Mark, Message};
use wappa_net::{Quiet, Sending};

use super::queue::Queue;
use crate::{
    answer::{Answer, Content, Pieces, error, of_type, plain, with},
    cors::Cors,
    multipart::Writer,
    patient::{Sent, Unsent},
    routes::Asked,
    server::{Phase, reached},
    websocket::{self, Client, Socket},
};

const OCTETS: &str = "application/octet-stream";

/// How large a message of a websocket may be that nobody reads, as in Bento.
const READ_BYTES_MAX: usize = 512;

pub(super) struct Serving {
    pub(super) queue: Arc<Queue>,
    pub(super) is_event_source: bool,
    pub(super) heartbeat: Option<Duration>,
    pub(super) is_text: bool,
    pub(super) allowed_verbs: Vec<String>,
    pub(super) timeout: Duration,
    pub(super) cors: Option<Cors>,
    pub(super) write_wait: Duration,
    pub(super) pong_wait: Duration,
    pub(super) ping_period: Duration,
    pub(super) quiet: Quiet,
}

fn closed() -> Answer {
    error(StatusCode::SERVICE_UNAVAILABLE, "Server closed")
}

/// What is on its way to a client. It has failed where it never comes there.
struct OnItsWay {
    sendings: Vec<Sending>,
    queue: Arc<Queue>,
}

impl OnItsWay {
    fn sent(mut self) {
        std::mem::take(&mut self.sendings).into_iter().for_each(|it| it.answer(Ok(())));
    }
}

impl Drop for OnItsWay {
    fn drop(&mut self) {
        let is_stopped = self.queue.is_closed();
        for sending in std::mem::take(&mut self.sendings) {
            let reason = match is_stopped {
                true => stopped(),
                false => Mark::new("the connection ended before the client had taken all of it"),
            };
            sending.answer(Err(WriteError::Failed(reason)));
        }
    }
}

impl Serving {
    /// Answers for these once what was written is sent.
    fn answers(&self, sendings: Vec<Sending>) -> Sent {
        let on_its_way = OnItsWay { sendings, queue: Arc::clone(&self.queue) };
        Box::new(move || on_its_way.sent())
    }

    fn is_allowed(&self, asked: &Asked) -> bool {
        self.allowed_verbs.iter().any(|it| it == asked.request.method().as_str())
    }

    /// Answers with a batch.
    pub(super) async fn one(self: Arc<Serving>, asked: Asked) -> Answer {
        if self.queue.is_closed() {
            return closed();
        }
        if !self.is_allowed(&asked) {
            return error(StatusCode::METHOD_NOT_ALLOWED, "Incorrect method");
        }
        let sending = match timeout(self.timeout, self.queue.one()).await {
            Ok(Ok(sending)) => sending,
            Ok(Err(_)) => return closed(),
            Err(_) => return error(StatusCode::REQUEST_TIMEOUT, "Timed out waiting for message"),
        };
        let answer = match sending.messages() {
            [message] => of_type(HeaderValue::from_static(OCTETS), message.content().clone()),
            messages => {
                let mut writer = Writer::new();
                messages.iter().for_each(|it| writer.part(OCTETS.as_bytes(), it.content()));
                let (body, content_type) = writer.finish();
                of_type(HeaderValue::from_str(&content_type).expect("it is made of letters"), body)
            }
        };
        let Content::Whole(body) = answer.body() else { return answer };
        // Sent as one piece, so that it is known when it was.
        let piece = Piece { bytes: body.clone(), sent: self.answers(vec![sending]) };
        let unsent = asked.peer.unsent.clone();
        answer.map(|_| Content::Pieces(Box::new(One { piece: Some(piece), unsent })))
    }

    /// Answers with all that comes.
    pub(super) fn stream(self: &Arc<Serving>, asked: Asked) -> Answer {
        if self.queue.is_closed() {
            return closed();
        }
        if !self.is_allowed(&asked) {
            return error(StatusCode::METHOD_NOT_ALLOWED, "Incorrect method");
        }
        let (tx, rx) = mpsc::channel(1);
        let phase = asked.peer.phase.clone();
        tokio::spawn(Arc::clone(self).fill(tx, phase));
        let body = Stream { rx, unsent: asked.peer.unsent.clone() };
        let mut answer = plain(StatusCode::OK, "").map(|_| Content::Pieces(Box::new(body)));
        if !self.is_event_source {
            return with(answer, CONTENT_TYPE, HeaderValue::from_static(OCTETS));
        }
        answer = with(answer, CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        answer = with(answer, CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        match self.allowed_origin(asked.request.headers()) {
            Some(origin) => with(answer, ACCESS_CONTROL_ALLOW_ORIGIN, origin),
            None => answer,
        }
    }

    fn allowed_origin(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let origin = headers.get(ORIGIN)?;
        self.cors.as_ref()?.allows(origin.to_str().ok()?).then(|| origin.clone())
    }

    /// Puts what comes into the body of an answer, until its client is gone.
    async fn fill(self: Arc<Serving>, tx: mpsc::Sender<Piece>, mut phase: watch::Receiver<Phase>) {
        let heartbeat = self.heartbeat.filter(|_| self.is_event_source);
        loop {
            let beat = async {
                match heartbeat {
                    Some(time) => sleep(time).await,
                    None => std::future::pending().await,
                }
            };
            let sendings = tokio::select! {
                biased;
                () = tx.closed() => return,
                () = reached(&mut phase, Phase::Closing) => return,
                sendings = self.queue.all() => match sendings {
                    Ok(sendings) => sendings,
                    Err(_) => return,
                },
                () = beat => Vec::new(),
            };
            let mut bytes = BytesMut::new();
            if sendings.is_empty() {
                bytes.put_slice(b": heartbeat\n\n");
            }
            for sending in &sendings {
                let part = sending.part();
                for idx in 0..part.n_batches() {
                    self.write(&part.messages()[part.batch(idx)], &mut bytes);
                }
            }
            // Where nobody takes it any more, it is dropped, and has failed.
            if tx.send(Piece { bytes: bytes.freeze(), sent: self.answers(sendings) }).await.is_err() {
                return;
            }
        }
    }

    /// Writes a batch as it is in the stream.
    fn write(&self, batch: &[Message], out: &mut BytesMut) {
        for message in batch {
            if !self.is_event_source {
                out.put_slice(message.content());
                out.put_u8(b'\n');
                continue;
            }
            for line in message.content().split(|it| *it == b'\n') {
                out.put_slice(b"data: ");
                out.put_slice(line);
                out.put_u8(b'\n');
            }
            out.put_u8(b'\n');
        }
        if !self.is_event_source && 1 < batch.len() {
            out.put_u8(b'\n');
        }
    }

    /// Answers the request for a websocket, and serves it.
    pub(super) fn socket(self: &Arc<Serving>, asked: Asked) -> Answer {
        if self.queue.is_closed() {
            return closed();
        }
        let (serving, phase) = (Arc::clone(self), asked.peer.phase.clone());
        websocket::accept(asked, self.cors.as_ref(), READ_BYTES_MAX, move |socket, _, client| {
            serving.talk(socket, client, phase)
        })
    }

    async fn talk(self: Arc<Serving>, mut socket: Socket, client: Client, mut phase: watch::Receiver<Phase>) {
        let mut pings = interval_at(Instant::now() + self.ping_period, self.ping_period);
        let mut silent_until = Instant::now() + self.pong_wait;
        loop {
            let sendings = tokio::select! {
                biased;
                () = reached(&mut phase, Phase::Closing) => break,
                frame = socket.next() => match frame {
                    Some(Ok(Frame::Pong(_))) => {
                        client.meter.reset();
                        silent_until = Instant::now() + self.pong_wait;
                        continue;
                    }
                    Some(Ok(Frame::Close(_))) | None => return,
                    Some(Ok(_)) => {
                        client.meter.reset();
                        continue;
                    }
                    Some(Err(err)) => {
                        self.quiet.log(Level::Debug, &format!("WebSocket read error: {err}"));
                        return;
                    }
                },
                sendings = self.queue.all() => match sendings {
                    Ok(sendings) => sendings,
                    Err(_) => break,
                },
                _ = pings.tick() => {
                    let ping = timeout(self.write_wait, socket.send(Frame::Ping(Bytes::new())));
                    if !matches!(ping.await, Ok(Ok(()))) {
                        return;
                    }
                    continue;
                }
                () = sleep_until(silent_until) => return,
            };
            if let Err(text) = self.send(&mut socket, &sendings).await {
                self.quiet.log(Level::Debug, &format!("WebSocket write error: {text}"));
                let failed = || WriteError::Failed(Mark::new(text.as_str()));
                sendings.into_iter().for_each(|it| it.answer(Err(failed())));
                return;
            }
            sendings.into_iter().for_each(|it| it.answer(Ok(())));
        }
        let _ = timeout(self.write_wait, socket.close(None)).await;
    }

    async fn send(&self, socket: &mut Socket, sendings: &[Sending]) -> Result<(), String> {
        let write = async {
            for message in sendings.iter().flat_map(|it| it.messages()) {
                let content = message.content().clone();
                // What is no text cannot be sent as one.
                let text = self.is_text.then(|| Utf8Bytes::try_from(content.clone()).ok()).flatten();
                socket.feed(text.map_or(Frame::Binary(content), Frame::Text)).await?;
            }
            socket.flush().await
        };
        match timeout(self.write_wait, write).await {
            Ok(result) => result.map_err(|err| err.to_string()),
            Err(_) => Err("the client takes nothing".to_string()),
        }
    }
}

/// A piece of a body, and what is to be done once it is sent.
struct Piece {
    bytes: Bytes,
    sent: Sent,
}

impl Piece {
    fn hand_over(self, unsent: &Unsent) -> Bytes {
        unsent.then(self.sent);
        self.bytes
    }
}

/// A body of one piece.
struct One {
    piece: Option<Piece>,
    unsent: Unsent,
}

impl Pieces for One {
    fn poll_next(&mut self, _: &mut Context<'_>) -> Poll<Option<Bytes>> {
        Poll::Ready(self.piece.take().map(|it| it.hand_over(&self.unsent)))
    }

    fn size(&self) -> Option<u64> {
        Some(self.piece.as_ref().map_or(0, |it| it.bytes.len() as u64))
    }
}

/// A body without end.
struct Stream {
    rx: mpsc::Receiver<Piece>,
    unsent: Unsent,
}

impl Pieces for Stream {
    fn poll_next(&mut self, ctx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let piece = ready!(self.rx.poll_recv(ctx));
        Poll::Ready(piece.map(|it| it.hand_over(&self.unsent)))
    }
}
