//! The output `websocket`.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use futures_util::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use tokio::{sync::Mutex, task::AbortHandle};
use tokio_tungstenite::tungstenite::{Error, Message as Frame};
use wappa_component::{
    BuildError, BuildOutput, Component, ConnectError, Context, Logger, Output, PARCEL_MESSAGES_MAX,
    WriteError,
};
use wappa_net::{Client, Limit, Sending, TlsConfig, in_flight};
use wappa_spec::{Config, Interpolated, Map, Node, Reader, Size};

use super::{Fields, Socket, Target, lint_fields};
use crate::auth::{BasicConfig, JwtConfig, OauthConfig};

pub(crate) const COMPONENT: Component =
    Component::output::<WebsocketConfig>("websocket").categories(&["Network"]);

/// Connects to a websocket, and sends each message over it, as binary.
///
/// What the server sends is read and left out. When the connection is gone it is made again, at once, and then with a wait
/// from 500 milliseconds to a second.
///
/// # Examples
///
/// ### Lines to a server
///
/// ```yaml
/// input:
///   stdin: {}
/// output:
///   websocket:
///     url: ws://localhost:4195/post/ws
/// ```
///
/// # Delivery
///
/// A message has arrived once the system has taken it: nobody says whether the server has read it. What the system had
/// taken when a connection broke may be lost, and what was on its way comes again on the next one.
///
/// # Performance
///
/// All messages that are ready are sent together.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct WebsocketConfig {
    /// The address, of `ws` or `wss`.
    url: String,

    /// The address of a proxy. Without it those of the environment count, for other machines than this one.
    #[config(advanced, secret)]
    proxy_url: Option<String>,

    /// Headers of the request with which it begins.
    #[config(
        advanced,
        example = "Sec-WebSocket-Protocol: graphql-ws\nAuthorization: Bearer ${! env(\"TOKEN\") }"
    )]
    headers: Map<Interpolated>,

    /// How the connection is encrypted, for addresses of `wss`. Without it the server has to be one that the system trusts.
    tls: TlsConfig,

    /// Signs the request with OAuth 1.
    #[config(advanced)]
    oauth: OauthConfig,

    /// A user and a password.
    #[config(advanced)]
    basic_auth: BasicConfig,

    /// Signs a token into the request.
    #[config(advanced)]
    jwt: JwtConfig,
}

/// What a server says is left out, so it need not be large.
const MESSAGE_LIMIT: Size = Size(1 << 20);

impl WebsocketConfig {
    fn fields(&self) -> Fields<'_> {
        Fields {
            url: &self.url,
            proxy_url: self.proxy_url.as_deref(),
            headers: &self.headers,
            tls: &self.tls,
            oauth: &self.oauth,
            basic_auth: &self.basic_auth,
            jwt: &self.jwt,
            message_limit: MESSAGE_LIMIT,
        }
    }
}

fn lint(config: &WebsocketConfig, node: &Node, reader: &mut Reader<'_>) {
    lint_fields(&config.fields(), node, reader);
}

impl BuildOutput for WebsocketConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Output>, BuildError> {
        let target = Target::new(&self.fields()).map_err(BuildError::new)?;
        let client = Websocket { target, connection: Mutex::new(None), logger: ctx.logger() };
        // One call after the other has the connection, each with all that is ready.
        Ok(in_flight(client, Limit::of(PARCEL_MESSAGES_MAX).at_once(PARCEL_MESSAGES_MAX), ctx))
    }
}

struct Websocket {
    target: Target,
    connection: Mutex<Option<Connection>>,
    logger: Logger,
}

struct Connection {
    sink: SplitSink<Socket, Frame>,
    is_gone: Arc<AtomicBool>,
    reading: AbortHandle,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

/// Reads what the server sends, which answers to what it asks, until it is gone.
async fn leave_out(mut stream: SplitStream<Socket>, is_gone: Arc<AtomicBool>) {
    while let Some(Ok(_)) = stream.next().await {}
    is_gone.store(true, Ordering::SeqCst);
}

impl Connection {
    async fn send(&mut self, sending: &Sending) -> Result<(), Error> {
        for message in sending.messages() {
            self.sink.feed(Frame::binary(message.content().clone())).await?;
        }
        self.sink.flush().await
    }
}

impl Client for Websocket {
    async fn connect(&self) -> Result<(), ConnectError> {
        let socket = self.target.connect().await.map_err(ConnectError::BackOff)?;
        let (sink, stream) = socket.split();
        let is_gone = Arc::new(AtomicBool::new(false));
        let reading = tokio::spawn(leave_out(stream, Arc::clone(&is_gone))).abort_handle();
        *self.connection.lock().await = Some(Connection { sink, is_gone, reading });
        Ok(())
    }

    async fn send(&self, sending: Sending) {
        // The lock is given to those who wait for it in their order.
        let mut place = self.connection.lock().await;
        let Some(connection) = place.as_mut().filter(|it| !it.is_gone.load(Ordering::SeqCst)) else {
            *place = None;
            return sending.answer(Err(WriteError::NotConnected));
        };
        let sent = connection.send(&sending).await;
        if let Err(err) = sent {
            *place = None;
            drop(place);
            let text = err.to_string().to_lowercase();
            self.logger.error(&format!("Failed to send message to websocket: {text}"));
            return sending.answer(Err(WriteError::NotConnected));
        }
        sending.answer(Ok(()));
    }

    async fn close(&self) -> Result<(), String> {
        if let Some(mut connection) = self.connection.lock().await.take() {
            // Whether the server still listens is of no consequence any more.
            let _ = connection.sink.close().await;
        }
        Ok(())
    }
}
