//! The output `socket`.

use std::{
    io::{self, IoSlice},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use rustix::io::Errno;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split},
    net::UdpSocket,
    sync::Mutex,
    task::AbortHandle,
    time::sleep,
};
use tokio_rustls::TlsConnector;
use wappa_component::{
    BuildError, BuildOutput, Component, ConnectError, Context, Logger, Output, PARCEL_MESSAGES_MAX,
    WriteError, fault,
    writer::{Codec, Encoded},
};
use wappa_message::Mark;
use wappa_spec::{Config, Node, Reader, Rule};

use super::{
    input::{Target, lint_tls},
    stream::Carrier,
};
use crate::{Address, Client, Limit, Sending, TlsConfig, address::lint_network, in_flight};

pub(crate) const COMPONENT: Component = Component::output::<SocketConfig>("socket").categories(&["Network"]);

/// Connects to a TCP, UDP or Unix socket and writes messages to it.
///
/// When the connection is gone it is made again, at once, and then with a wait from 500 milliseconds to a second. What
/// the other end sends is read and left out, so that it need not wait for that.
///
/// # Examples
///
/// ### Each line as a datagram
///
/// ```yaml
/// input:
///   stdin: {}
/// output:
///   socket:
///     network: udp
///     address: localhost:6000
///     codec: append
/// ```
///
/// # Delivery
///
/// A message has arrived once the system has taken it: nobody says whether the other end has read it. What the system
/// had taken when a connection broke may be lost. A message that was written only in part when that happened comes
/// again, whole, on the next connection. When the other end closes the connection while nothing is written, the next
/// message goes over a new one; whether one that ends within its first second was closed, or is that of somebody who
/// sends nothing and reads on, the first message behind that tells, which comes again where it was closed.
///
/// With `udp` each message is a datagram of its own, which may get lost on the way; one that is longer than a datagram
/// can be fails for good.
///
/// # Performance
///
/// All messages that are ready are written with one call; with `udp`, one call each.
///
/// # Pitfalls
///
/// With `codec: append`, and `all-bytes`, which is the same here, nothing tells where a message ends.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct SocketConfig {
    /// What carries the bytes.
    #[config(options("unix", "tcp", "udp"))]
    network: String,

    /// Where to connect to: a host and a port, or the path of a socket.
    #[config(example = "/tmp/bento.sock", example = "127.0.0.1:6000")]
    address: String,

    /// How messages are set apart: `lines` puts a line feed after each, `delim:x` puts `x`, unless the message ends in
    /// it; `append` puts nothing, as does `all-bytes`.
    #[config(default = "lines", example = "lines", example = "\"delim:\\t\"", example = "delim:foobar")]
    codec: String,

    /// How the connection is encrypted, with `tcp`.
    #[config(bento = false, advanced)]
    tls: TlsConfig,
}

fn lint(config: &SocketConfig, node: &Node, reader: &mut Reader<'_>) {
    lint_network(&config.network, node, reader);
    Codec::lint(&config.codec, node, reader);
    if let Err(text) = Target::new(&config.network, &config.address) {
        reader.error(Rule::InvalidValue, node.get("address").unwrap_or(node), text);
    }
    lint_tls(&config.tls, &config.network, node, reader);
}

impl BuildOutput for SocketConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Output>, BuildError> {
        let codec = Codec::parse(&self.codec).map_err(BuildError::new)?;
        let target = Target::new(&self.network, &self.address).map_err(BuildError::new)?;
        // One call after the other has the connection, each with all that is ready.
        let limit = Limit::of(PARCEL_MESSAGES_MAX).at_once(PARCEL_MESSAGES_MAX);
        Ok(match (self.network.as_str(), target) {
            ("udp", Target::Tcp(address)) => {
                let client = Datagrams { address, codec, socket: Mutex::new(None) };
                in_flight(client, limit, ctx)
            }
            (_, target) => {
                let tls = self.tls.connector().map_err(BuildError::new)?;
                let client =
                    Stream { target, tls, codec, logger: ctx.logger(), connection: Mutex::new(None) };
                in_flight(client, limit, ctx)
            }
        })
    }
}

/// An end that comes within this time may be that of somebody who never sends, as `ncat --recv-only`, and reads on.
const NEVER_SENDS: Duration = Duration::from_secs(1);

/// How long whoever has closed the connection has to say so, when something was written to it.
const REFUSAL_MAX: Duration = Duration::from_millis(200);

struct Stream {
    target: Target,
    tls: Option<TlsConnector>,
    codec: Codec,
    logger: Logger,
    connection: Mutex<Option<Connection>>,
}

struct Connection {
    writer: WriteHalf<Box<dyn Carrier>>,
    is_gone: Arc<AtomicBool>,
    /// The other end sends nothing any more, or has closed it.
    has_ended_early: Arc<AtomicBool>,
    /// It has not closed it: something that was written behind that was taken.
    reads_on: bool,
    reading: AbortHandle,
    encoded: Encoded,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

impl Client for Stream {
    async fn connect(&self) -> Result<(), ConnectError> {
        let stream = self.target.connect(self.tls.as_ref()).await.map_err(ConnectError::BackOff)?;
        let (reader, writer) = split(stream);
        let is_gone = Arc::new(AtomicBool::new(false));
        let has_ended_early: Arc<AtomicBool> = Arc::default();
        let reading = tokio::spawn(leave_out(reader, Arc::clone(&is_gone), Arc::clone(&has_ended_early)));
        let connection = Connection {
            writer,
            is_gone,
            has_ended_early,
            reads_on: false,
            reading: reading.abort_handle(),
            encoded: Encoded::default(),
        };
        *self.connection.lock().await = Some(connection);
        Ok(())
    }

    async fn send(&self, mut sending: Sending) {
        // The lock is given to those who wait for it in their order.
        let mut place = self.connection.lock().await;
        let Some(connection) = place.as_mut().filter(|it| !it.is_gone.load(Ordering::SeqCst)) else {
            *place = None;
            return sending.answer(Err(WriteError::NotConnected));
        };
        let Connection { writer, encoded, has_ended_early, reads_on, .. } = connection;
        encoded.encode(&[], sending.part(), 0..sending.part().n_messages(), &self.codec);
        let mut result = write_all(writer, encoded).await;
        if result.is_ok() && !*reads_on && has_ended_early.load(Ordering::SeqCst) {
            // Where nobody was there to take it, nothing of it has arrived.
            result = refused(writer).await.map_or(Ok(()), |err| Err((0, err)));
            *reads_on = result.is_ok();
        }
        encoded.release();
        let Err((written, err)) = result else { return sending.answer(Ok(())) };
        self.logger.error(&format!("Failed to send message to socket: write: {}", fault::cause(&err)));
        // What is encrypted together may not have left, however much was taken.
        let (n_written, _) = encoded.whole(if self.tls.is_some() { 0 } else { written });
        *place = None;
        drop(place);
        // What is whole has left; a batch of which something has not comes again.
        let part = sending.part();
        let n_left = part.batches_within(n_written);
        let rest = sending.split_off(n_left);
        if 0 < n_left {
            sending.answer(Ok(()));
        }
        rest.answer(Err(WriteError::NotConnected));
    }

    async fn close(&self) -> Result<(), String> {
        if let Some(mut connection) = self.connection.lock().await.take() {
            // Whether the other end still listens is of no consequence any more.
            let _ = connection.writer.shutdown().await;
        }
        Ok(())
    }
}

/// Writes everything; the error says how many bytes were written before.
async fn write_all(
    writer: &mut WriteHalf<Box<dyn Carrier>>,
    encoded: &Encoded,
) -> Result<(), (usize, io::Error)> {
    let mut written = 0;
    loop {
        let slices: Vec<IoSlice<'_>> = encoded.slices(written).take(64).map(IoSlice::new).collect();
        let result = match slices.as_slice() {
            [] => return writer.flush().await.map_err(|err| (written, err)),
            [slice] => writer.write(slice).await,
            slices => writer.write_vectored(slices).await,
        };
        match result {
            Ok(0) => return Err((written, io::ErrorKind::WriteZero.into())),
            Ok(n_bytes) => written += n_bytes,
            Err(err) if err.kind() == io::ErrorKind::Interrupted => (),
            Err(err) => return Err((written, err)),
        }
    }
}

/// Why what was written was not taken, as whoever has closed the connection says at once.
async fn refused(writer: &mut WriteHalf<Box<dyn Carrier>>) -> Option<io::Error> {
    let (began, mut pause) = (Instant::now(), Duration::from_millis(1));
    while began.elapsed() < REFUSAL_MAX {
        // Writing nothing tells what has become of the connection.
        if let Err(err) = writer.write(&[]).await {
            return Some(err);
        }
        sleep(pause).await;
        pause *= 2;
    }
    None
}

/// Reads what the other end sends, until it is gone.
async fn leave_out(
    mut reader: ReadHalf<Box<dyn Carrier>>,
    is_gone: Arc<AtomicBool>,
    has_ended_early: Arc<AtomicBool>,
) {
    let began = Instant::now();
    let mut buffer = vec![0; 4096];
    loop {
        match reader.read(&mut buffer).await {
            Ok(0) if began.elapsed() < NEVER_SENDS => return has_ended_early.store(true, Ordering::SeqCst),
            Ok(0) | Err(_) => return is_gone.store(true, Ordering::SeqCst),
            Ok(_) => (),
        }
    }
}

struct Datagrams {
    address: Address,
    codec: Codec,
    socket: Mutex<Option<UdpSocket>>,
}

impl Client for Datagrams {
    async fn connect(&self) -> Result<(), ConnectError> {
        *self.socket.lock().await = Some(self.address.send_to().await.map_err(ConnectError::BackOff)?);
        Ok(())
    }

    async fn send(&self, sending: Sending) {
        let socket = self.socket.lock().await;
        let Some(socket) = socket.as_ref() else { return sending.answer(Err(WriteError::NotConnected)) };
        let mut failures = Vec::new();
        let mut datagram = Vec::new();
        for (idx, message) in sending.messages().iter().enumerate() {
            datagram.clear();
            message.write_content(&mut datagram);
            datagram.extend_from_slice(self.codec.suffix_of(&datagram));
            if let Err(err) = send_one(socket, &datagram).await {
                let reason = format!("write udp {}: {}", self.address, fault::cause(&err));
                let is_too_long = err.raw_os_error() == Some(Errno::MSGSIZE.raw_os_error());
                failures.push((idx, if is_too_long { Mark::of_hopeless(reason) } else { Mark::new(reason) }));
            }
        }
        sending.answer(if failures.is_empty() { Ok(()) } else { Err(WriteError::Partial(failures)) });
    }
}

async fn send_one(socket: &UdpSocket, datagram: &[u8]) -> io::Result<usize> {
    match socket.send(datagram).await {
        // Nobody took the datagram before this one, of which nothing was sent.
        Err(err) if err.kind() == io::ErrorKind::ConnectionRefused => socket.send(datagram).await,
        result => result,
    }
}
