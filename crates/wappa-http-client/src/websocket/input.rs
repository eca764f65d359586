//! The input `websocket`.

use std::task::Poll;

use futures_util::{SinkExt, Stream, future::poll_fn};
use tokio_tungstenite::tungstenite::{Error, Message as Frame};
use wappa_component::{
    Batches, BuildError, BuildInput, Component, ConnectError, Context, Input, Logger, PARCEL_BYTES_MAX,
    PARCEL_MESSAGES_MAX, ReadError,
};
use wappa_message::Message;
use wappa_net::{Fed, Feeder, Source, Stopping, TlsConfig, fed_by};
use wappa_spec::{Config, Interpolated, Map, Node, Reader, Rule, Size};

use super::{ConnectionConfig, Fields, Socket, Target, lint_fields};
use crate::auth::{BasicConfig, JwtConfig, OauthConfig};

pub(crate) const COMPONENT: Component =
    Component::input::<WebsocketConfig>("websocket").categories(&["Network"]);

/// Connects to a websocket, and makes a message of each that comes.
///
/// # Examples
///
/// ### What a server has to say, once it was asked
///
/// ```yaml
/// input:
///   websocket:
///     url: ws://localhost:4195/get/ws
///     open_messages:
///       - '{"subscribe":"all"}'
///     open_message_type: text
/// output:
///   stdout: {}
/// ```
///
/// # Delivery
///
/// A message that fails is delivered again from memory, before anything new, until it arrives. A connection that is gone is
/// made again at once, and then with a wait from 100 milliseconds to a second as long as nothing comes.
///
/// The server is told nothing, and sends nothing again. At a stop what was read is seen through, as long as
/// `shutdown_timeout` lets it; what the server had sent and nobody had read is lost, which is as much as the two systems keep
/// of a connection, some megabytes where the pipeline was slower than the server. When the process is killed, what was in
/// the pipeline is lost as well, and while there is no connection, whatever the server has to say.
///
/// # Performance
///
/// As long as the pipeline has enough to do no more is read, and the server waits.
///
/// # Limits
///
/// A message that is larger than `message_limit` ends its connection.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct WebsocketConfig {
    /// The address, of `ws` or `wss`.
    #[config(example = "ws://localhost:4195/get/ws")]
    url: String,

    /// The address of a proxy. Without it those of the environment count, for other machines than this one.
    #[config(advanced, secret)]
    proxy_url: Option<String>,

    /// Headers of the request with which it begins.
    #[config(advanced, example = "Sec-WebSocket-Protocol: graphql-ws\nUser-Agent: ${! uuid_v4() }")]
    headers: Map<Interpolated>,

    /// Sent to the server with each connection.
    #[config(advanced, deprecated)]
    open_message: Option<String>,

    /// Sent to the server with each connection, in this order.
    #[config(advanced)]
    open_messages: Option<Vec<String>>,

    /// What these are sent as.
    #[config(default = "binary", options("binary", "text"), advanced)]
    open_message_type: String,

    /// Whether messages that fail are delivered again; without it they are lost.
    #[config(default = "true")]
    auto_replay_nacks: bool,

    /// How the connection is encrypted, for addresses of `wss`. Without it the server has to be one that the system trusts.
    tls: TlsConfig,

    /// Whether connecting is given up after a while.
    #[config(advanced)]
    connection: ConnectionConfig,

    /// Signs the request with OAuth 1.
    #[config(advanced)]
    oauth: OauthConfig,

    /// A user and a password.
    #[config(advanced)]
    basic_auth: BasicConfig,

    /// Signs a token into the request.
    #[config(advanced)]
    jwt: JwtConfig,

    /// How large a message may be.
    #[config(default = "64MiB", bento = false, advanced)]
    message_limit: Size,
}

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
            message_limit: self.message_limit,
        }
    }
}

fn lint(config: &WebsocketConfig, node: &Node, reader: &mut Reader<'_>) {
    lint_fields(&config.fields(), node, reader);
    config.connection.lint(node, reader);
    if config.open_message.is_some() && config.open_messages.as_ref().is_some_and(|it| !it.is_empty()) {
        reader.error(Rule::Custom, node, "both open_message and open_messages cannot be set");
    }
}

impl BuildInput for WebsocketConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Input>, BuildError> {
        let target = Target::new(&self.fields()).map_err(BuildError::new)?;
        let several = self.open_messages.filter(|it| !it.is_empty());
        let open =
            several.unwrap_or_else(|| self.open_message.into_iter().filter(|it| !it.is_empty()).collect());
        let is_text = self.open_message_type == "text";
        let frame = |text: String| if is_text { Frame::text(text) } else { Frame::binary(text.into_bytes()) };
        let open = open.into_iter().map(frame).collect();
        let source = Websocket { target, open, logger: ctx.logger() };
        Ok(fed_by(source, self.auto_replay_nacks, ctx))
    }
}

struct Websocket {
    target: Target,
    open: Vec<Frame>,
    logger: Logger,
}

/// What came, as far as it is there already.
struct Came {
    messages: Vec<Message>,
    n_bytes: usize,
    /// Nothing more comes; why, if that is a fault.
    end: Option<Option<String>>,
}

impl Came {
    fn take(&mut self, frame: Option<Result<Frame, Error>>) {
        match frame {
            Some(Ok(Frame::Text(text))) => self.push(text.into()),
            Some(Ok(Frame::Binary(bytes))) => self.push(bytes),
            // What is asked and answered between the ends is not for us.
            Some(Ok(Frame::Ping(_) | Frame::Pong(_) | Frame::Frame(_))) => (),
            Some(Ok(Frame::Close(_)) | Err(Error::ConnectionClosed | Error::AlreadyClosed)) | None => {
                self.end = Some(None);
            }
            Some(Err(err)) => self.end = Some(Some(err.to_string().to_lowercase())),
        }
    }

    fn push(&mut self, content: bytes::Bytes) {
        self.n_bytes += content.len();
        self.messages.push(Message::new(content));
    }

    fn is_full(&self) -> bool {
        self.end.is_some() || PARCEL_MESSAGES_MAX <= self.messages.len() || PARCEL_BYTES_MAX <= self.n_bytes
    }
}

/// Waits for a message, and takes all that are there then.
async fn receive(socket: &mut Socket) -> Came {
    let mut came = Came { messages: Vec::new(), n_bytes: 0, end: None };
    poll_fn(|ctx| {
        while !came.is_full() {
            match std::pin::Pin::new(&mut *socket).poll_next(ctx) {
                Poll::Ready(frame) => came.take(frame),
                Poll::Pending if came.messages.is_empty() => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        Poll::Ready(())
    })
    .await;
    came
}

impl Source for Websocket {
    type Connection = Socket;

    async fn connect(&self) -> Result<Socket, ConnectError> {
        let mut socket = self.target.connect().await.map_err(ConnectError::BackOff)?;
        for frame in &self.open {
            socket.send(frame.clone()).await.map_err(|err| ConnectError::BackOff(err.to_string()))?;
        }
        Ok(socket)
    }

    async fn read(&self, mut socket: Socket, feeder: Feeder, mut stop: Stopping) -> ReadError {
        loop {
            let came = tokio::select! {
                biased;
                () = stop.requested() => {
                    // Whether the server hears of it is of no consequence any more.
                    let _ = socket.close(None).await;
                    return ReadError::EndOfInput;
                }
                came = receive(&mut socket) => came,
            };
            if !came.messages.is_empty()
                && feeder.put(Fed::messages(came.messages, Batches::Singles)).await.is_err()
            {
                return ReadError::EndOfInput;
            }
            if let Some(end) = came.end {
                if let Some(text) = end {
                    self.logger.error(&format!("Failed to read message: {text}"));
                }
                return ReadError::NotConnected;
            }
        }
    }
}
