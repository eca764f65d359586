//! Websockets: each message that a client sends is one of the stream's, and its replies are sent back.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use hyper::{Request, StatusCode, body::Incoming};
use tokio::time::sleep;
use tokio_tungstenite::tungstenite::{Message as Frame, Utf8Bytes};
use wappa_component::Level;
use wappa_message::{Context, Metadata};

use super::{Clients, Intake, post::metadata};
use crate::{
    answer::{Answer, error},
    body::owned,
    routes::Asked,
    websocket::{self, Client, Socket},
};
/// The shortest and longest wait before what did not arrive is delivered again, as Bento's.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// The shortest wait before the rate limit is asked again.
const LIMIT_WAIT_MIN: Duration = Duration::from_millis(1);

impl Clients {
    /// Answers the request for a websocket, and serves it.
    pub(super) fn socket(self: &Arc<Clients>, asked: Asked, intake: Intake) -> Answer {
        if intake.stop.is_requested() {
            return error(StatusCode::SERVICE_UNAVAILABLE, "Server closing");
        }
        let clients = Arc::clone(self);
        let cors = self.cors.clone();
        websocket::accept(asked, cors.as_ref(), self.max_body_bytes, move |socket, request, client| {
            clients.serve(socket, request, client, intake)
        })
    }

    async fn serve(
        self: Arc<Clients>,
        mut socket: Socket,
        request: Request<Incoming>,
        client: Client,
        intake: Intake,
    ) {
        let (head, _) = request.into_parts();
        let of_request = metadata(Vec::new(), &head.headers, &head.uri, client.vars.clone());
        let mut stop = intake.stop.clone();
        if !self.welcome.is_empty() && socket.send(Frame::Binary(self.welcome.clone().into())).await.is_err()
        {
            return;
        }
        loop {
            let frame = tokio::select! {
                biased;
                () = stop.requested() => break,
                frame = socket.next() => frame,
            };
            let content: Bytes = match frame {
                Some(Ok(Frame::Binary(bytes))) => owned(bytes),
                Some(Ok(Frame::Text(text))) => owned(text.into()),
                Some(Ok(Frame::Close(_))) | None => return,
                // Pings are answered by whoever reads them.
                Some(Ok(_)) => continue,
                Some(Err(err)) => {
                    self.quiet.log(Level::Warn, &format!("Websocket request failed: {err}"));
                    return;
                }
            };
            if self.deliver(&mut socket, content, &of_request, &intake).await.is_none() {
                break;
            }
            client.meter.reset();
        }
        let _ = socket.close(None).await;
    }

    /// Delivers a message, again and again until it has arrived, and sends back its replies. None: nothing more is to come.
    async fn deliver(
        &self,
        socket: &mut Socket,
        content: Bytes,
        of_request: &Metadata,
        intake: &Intake,
    ) -> Option<()> {
        let mut wait = Duration::ZERO;
        loop {
            self.wait_for_turn(socket, intake).await?;
            let context = Context { came_as: Some("websocket"), ..Context::default() };
            let fed = self.feed(vec![content.clone()], of_request.unshared(), context, intake, None).await;
            let (reply, answered) = fed.ok()?;
            match answered.await {
                Ok(None) => {
                    for message in reply.take().into_iter().flatten() {
                        let content = message.content().clone();
                        let frame = match Utf8Bytes::try_from(content) {
                            Ok(text) => Frame::Text(text),
                            Err(_) => Frame::Binary(message.content().clone()),
                        };
                        socket.send(frame).await.ok()?;
                    }
                    return Some(());
                }
                Ok(Some(_)) => {
                    wait = (wait * 2).clamp(BACK_OFF.0, BACK_OFF.1);
                    let mut stop = intake.stop.clone();
                    tokio::select! {
                        () = stop.requested() => return None,
                        () = sleep(wait) => (),
                    }
                }
                // The stream is gone.
                Err(_) => return None,
            }
        }
    }

    /// Waits until the rate limit lets a message go on, and says once that it does not.
    async fn wait_for_turn(&self, socket: &mut Socket, intake: &Intake) -> Option<()> {
        let mut is_told = false;
        loop {
            let wait = match self.wait_for_limit() {
                Ok(wait) if wait.is_zero() => return Some(()),
                Ok(wait) => wait,
                Err(()) => BACK_OFF.0,
            };
            if !std::mem::replace(&mut is_told, true) && !self.slow_down.is_empty() {
                socket.send(Frame::Binary(self.slow_down.clone().into())).await.ok()?;
            }
            let mut stop = intake.stop.clone();
            tokio::select! {
                () = stop.requested() => return None,
                () = sleep(wait.max(LIMIT_WAIT_MIN)) => (),
            }
        }
    }
}
