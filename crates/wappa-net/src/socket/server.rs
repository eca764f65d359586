//! The input `socket_server`.

use std::{
    fs, io,
    os::unix::fs::FileTypeExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::{
    net::{TcpListener, UdpSocket, UnixListener, UnixStream},
    task::{JoinSet, spawn_blocking},
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use wappa_component::{
    BuildError, BuildInput, Cache, Component, ConnectError, Context, Input, Level, Logger, Opened, ReadError,
    cutter::Cutter, fault,
};
use wappa_spec::{ComponentNode, Config, Node, Reader, Rule, Size};

use super::stream::{Carrier, Ended, HANDSHAKE_MAX, Scanners, pump};
use crate::{
    Address, Bound, Closed, Fed, Feeder, Places, Quiet, ServerTlsConfig, Source, Stopping,
    address::{lint_network, not_listened},
    fed_by,
};

pub(crate) const COMPONENT: Component =
    Component::input::<ServerConfig>("socket_server").categories(&["Network"]);

/// Listens on a TCP, UDP or Unix socket, encrypted with TLS or not, and reads messages from whoever connects.
///
/// # Examples
///
/// ### Lines from programs on this machine
///
/// ```yaml
/// input:
///   socket_server:
///     network: tcp
///     address: 127.0.0.1:6000
/// output:
///   stdout: {}
/// ```
///
/// # Delivery
///
/// A message that fails is delivered again from memory, before anything new, until it arrives. Who sent it is told
/// nothing: what was sent and not delivered when the process ended is lost. At a stop nobody may connect any more, what
/// was read is delivered, and connections are closed.
///
/// What a connection sent before it ended, without an end of its own, is a message. With `udp` each datagram is scanned
/// by itself, so that datagrams of several senders do not run into each other.
///
/// # Performance
///
/// Messages are ranges of the buffer that was read, and small ones of many connections come to the pipeline together.
/// As long as the pipeline has enough to do nothing is read, and whoever sends waits; datagrams are lost then.
///
/// # Pitfalls
///
/// Whoever can connect can send anything. A connection whose bytes cannot be scanned, such as a line without an end, is
/// closed, with an error in the log; the others go on. One that sends nothing keeps its place for as long as it likes,
/// unless there is an `idle_timeout`.
///
/// With `unix` the socket is removed from the file system at the end. One that an earlier process left behind is
/// replaced when nobody listens on it.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct ServerConfig {
    /// What carries the bytes.
    #[config(options("unix", "tcp", "udp", "tls"))]
    network: String,

    /// Where to listen: a host and a port, where no host means all addresses of the machine and port 0 any that is free;
    /// or the path of a socket.
    #[config(example = "/tmp/bento.sock", example = "0.0.0.0:6000")]
    address: String,

    /// The label of a cache that is told the address that is listened on, for whoever needs to know which port it
    /// became. The key is the label of this input and `_address`, or `socket_server_address` when it has none.
    #[config(advanced)]
    address_cache: Option<String>,

    /// The certificate that is shown to whoever connects, with `network: tls`.
    #[config(advanced)]
    tls: ServerTlsConfig,

    /// Whether messages that fail are delivered again; without it they are lost.
    #[config(default = "true")]
    auto_replay_nacks: bool,

    /// How the bytes of a connection are cut into messages.
    #[config(child = "scanner", default = "lines: {}")]
    scanner: ComponentNode,

    /// How many connections there may be at once. Whoever comes after that waits until one has ended.
    #[config(default = "1000", bento = false, advanced)]
    max_connections: usize,

    /// How much memory the unfinished messages of all connections may take up, with what decompresses them. Each
    /// connection may have its share of one half whatever the others do; one that needs more when there is no more is
    /// closed.
    #[config(default = "128MiB", bento = false, advanced)]
    max_bytes: Size,

    /// How long a connection may send nothing before it is closed; zero for without end.
    #[config(default = "0s", example = "1m", example = "1h", bento = false, advanced)]
    idle_timeout: Duration,
}

fn lint(config: &ServerConfig, node: &Node, reader: &mut Reader<'_>) {
    lint_network(&config.network, node, reader);
    if let Err(text) = Place::new(&config.network, &config.address) {
        reader.error(Rule::InvalidValue, node.get("address").unwrap_or(node), text);
    }
    if config.network == "tls"
        && let Err(text) = config.tls.check()
    {
        reader.error(Rule::Custom, node.get("tls").unwrap_or(node), text);
    }
    if config.max_connections == 0 {
        let at = node.get("max_connections").unwrap_or(node);
        reader.error(Rule::InvalidValue, at, "expected int value of 1 or more, got `0`");
    }
}

/// Where to listen.
#[derive(Debug)]
enum Place {
    Tcp(Address),
    Udp(Address),
    Unix(PathBuf),
}

impl Place {
    fn new(network: &str, address: &str) -> Result<Place, String> {
        Ok(match network {
            "unix" => Place::Unix(address.into()),
            "udp" => Place::Udp(Address::parse(address)?),
            _ => Place::Tcp(Address::parse(address)?),
        })
    }
}

impl BuildInput for ServerConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Input>, BuildError> {
        let place = Place::new(&self.network, &self.address).map_err(BuildError::new)?;
        let key = if ctx.label().is_empty() { "socket_server" } else { ctx.label() };
        let key = format!("{key}_address");
        let cache = self.address_cache.as_deref().map(|it| ctx.cache(it)).transpose()?;
        let logger = ctx.logger();
        let tls =
            (self.network == "tls").then(|| self.tls.acceptor()).transpose().map_err(BuildError::new)?;
        let server = Server {
            place,
            network: self.network,
            noted: cache.map(|it| (it, key)),
            clients: Arc::new(Clients {
                scanners: Scanners::new(ctx.scanner(&self.scanner)?),
                bound: Bound::new(
                    usize::try_from(self.max_bytes.bytes()).unwrap_or(usize::MAX),
                    self.max_connections,
                ),
                tls,
                idle_timeout: Some(self.idle_timeout).filter(|it| !it.is_zero()),
                quiet: Quiet::new(logger.clone()),
            }),
            max_connections: self.max_connections,
            logger,
        };
        Ok(fed_by(server, self.auto_replay_nacks, ctx))
    }
}

/// The wait after a connection could not be taken, as where there are no descriptors.
const ACCEPT_BACK_OFF: Duration = Duration::from_millis(100);

/// No datagram is longer.
const DATAGRAM_BYTES_MAX: usize = 64 * 1024;

struct Server {
    place: Place,
    network: String,
    /// Where the address is noted, and under which key.
    noted: Option<(Arc<dyn Cache>, String)>,
    clients: Arc<Clients>,
    max_connections: usize,
    logger: Logger,
}

/// What all connections share.
struct Clients {
    scanners: Scanners,
    bound: Arc<Bound>,
    tls: Option<TlsAcceptor>,
    idle_timeout: Option<Duration>,
    quiet: Quiet,
}

enum Listener {
    Tcp(TcpListener),
    Unix { listener: UnixListener, _unlinked: Unlinked },
    Udp(UdpSocket),
}

/// A socket of the file system, which is removed when it is of no more use.
struct Unlinked(PathBuf);

impl Drop for Unlinked {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

impl Listener {
    async fn open(place: &Place) -> Result<(Listener, String), String> {
        let text = |address: io::Result<std::net::SocketAddr>| {
            address.map_or_else(|err| fault::cause(&err), |it| it.to_string())
        };
        match place {
            Place::Tcp(address) => {
                let listener = address.listen().await?;
                let address = text(listener.local_addr());
                Ok((Listener::Tcp(listener), address))
            }
            Place::Udp(address) => {
                let socket = address.receive().await?;
                let address = text(socket.local_addr());
                Ok((Listener::Udp(socket), address))
            }
            Place::Unix(path) => {
                let listener = match UnixListener::bind(path) {
                    Err(err) if err.kind() == io::ErrorKind::AddrInUse && is_left_behind(path).await => {
                        fs::remove_file(path).and_then(|()| UnixListener::bind(path))
                    }
                    result => result,
                };
                let listener = listener.map_err(|err| not_listened("unix", path.display(), &err))?;
                let _unlinked = Unlinked(path.clone());
                Ok((Listener::Unix { listener, _unlinked }, path.display().to_string()))
            }
        }
    }

    /// The next who connects.
    async fn accept(&self) -> io::Result<Box<dyn Carrier>> {
        match self {
            Listener::Tcp(listener) => Ok(Box::new(listener.accept().await?.0)),
            Listener::Unix { listener, .. } => Ok(Box::new(listener.accept().await?.0)),
            Listener::Udp(_) => unreachable!("nobody connects there"),
        }
    }
}

/// Whether there is a socket on which nobody listens.
async fn is_left_behind(path: &Path) -> bool {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|it| it.file_type().is_socket());
    let connected = UnixStream::connect(path).await;
    is_socket && connected.is_err_and(|err| err.kind() == io::ErrorKind::ConnectionRefused)
}

impl Source for Server {
    type Connection = Listener;

    async fn connect(&self) -> Result<Listener, ConnectError> {
        let (listener, address) = Listener::open(&self.place).await.map_err(ConnectError::BackOff)?;
        if let Some((cache, key)) = &self.noted {
            let (cache, key, value) = (Arc::clone(cache), key.clone(), address.clone());
            let noted = spawn_blocking(move || cache.set(key.as_bytes(), value.as_bytes(), None)).await;
            let noted = noted.map_or_else(|err| Err(err.to_string()), |it| it.map_err(|err| err.to_string()));
            noted.map_err(|err| ConnectError::BackOff(format!("failed to set address in cache: {err}")))?;
        }
        self.logger.info(&format!("Receiving {} socket messages from address: {address}", self.network));
        Ok(listener)
    }

    async fn read(&self, listener: Listener, feeder: Feeder, stop: Stopping) -> ReadError {
        let result = match &listener {
            Listener::Udp(socket) => self.receive(socket, &feeder, stop).await,
            _ => self.serve(&listener, &feeder, stop).await,
        };
        // Whether the feed is closed or the stop was asked for: nothing more is wanted.
        result.map_or(ReadError::EndOfInput, |()| ReadError::EndOfInput)
    }
}

impl Server {
    /// Takes everybody who connects, within the bound, until the stop.
    async fn serve(&self, listener: &Listener, feeder: &Feeder, mut stop: Stopping) -> Result<(), Closed> {
        let places = Places::new(self.max_connections);
        let mut connections = JoinSet::new();
        while !stop.is_requested() {
            while connections.try_join_next().is_some() {}
            if let Some(text) = places.all_taken() {
                self.clients.quiet.log(Level::Warn, &text);
            }
            let next = async { (places.take().await, listener.accept().await) };
            let (place, accepted) = tokio::select! {
                biased;
                () = stop.requested() => break,
                next = next => next,
            };
            match accepted {
                Ok(stream) => {
                    let clients = Arc::clone(&self.clients);
                    connections.spawn(clients.read(stream, place, feeder.clone(), stop.clone()));
                }
                Err(err) => {
                    self.clients
                        .quiet
                        .log(Level::Error, &format!("Failed to accept a connection: {}", fault::cause(&err)));
                    sleep(ACCEPT_BACK_OFF).await;
                }
            }
        }
        // Each hands on what it has read.
        while connections.join_next().await.is_some() {}
        Ok(())
    }

    /// Takes datagrams, each of which is a source of its own.
    async fn receive(&self, socket: &UdpSocket, feeder: &Feeder, mut stop: Stopping) -> Result<(), Closed> {
        let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
        loop {
            let received = tokio::select! {
                biased;
                () = stop.requested() => return Ok(()),
                received = socket.recv(&mut buffer) => received,
            };
            match received {
                Ok(n_bytes) => self.clients.scan(&buffer[..n_bytes], feeder).await?,
                Err(err) => {
                    self.clients
                        .quiet
                        .log(Level::Error, &format!("Failed to receive a datagram: {}", fault::cause(&err)));
                    sleep(ACCEPT_BACK_OFF).await;
                }
            }
        }
    }
}

impl Clients {
    /// Reads one connection to its end. Whatever is wrong with it concerns nobody else.
    async fn read(
        self: Arc<Clients>,
        stream: Box<dyn Carrier>,
        place: crate::places::Place,
        feeder: Feeder,
        stop: Stopping,
    ) {
        let dropped =
            |text: &str| self.quiet.log(Level::Error, &format!("Connection dropped due to: {text}"));
        let mut stream = match self.open(stream).await {
            Ok(stream) => stream,
            Err(text) => return dropped(&text),
        };
        let mut cutter = match self.scanners.open() {
            Ok(opened) => self.cutter(opened),
            Err(text) => return dropped(&text),
        };
        let reading = pump(&mut stream, &mut cutter, &feeder, stop, self.idle_timeout);
        if let Ended::Failed(text) = reading.await {
            dropped(&text);
        }
        drop(stream);
        drop(place);
    }

    /// Finds messages in what comes from one sender, within what all of them may hold.
    fn cutter(&self, opened: Opened) -> Cutter {
        let mut held = self.bound.hold();
        Cutter::new(opened).asking(move |n_bytes| held.admit(n_bytes))
    }

    /// Agrees on how a connection is encrypted, if it is.
    async fn open(&self, stream: Box<dyn Carrier>) -> Result<Box<dyn Carrier>, String> {
        let Some(tls) = &self.tls else { return Ok(stream) };
        match timeout(HANDSHAKE_MAX, tls.accept(stream)).await {
            Ok(Ok(stream)) => Ok(Box::new(stream)),
            Ok(Err(err)) => Err(format!("tls: {}", fault::cause(&err))),
            Err(_) => Err("tls: the handshake took too long".to_string()),
        }
    }

    /// Finds the messages of a datagram.
    async fn scan(&self, datagram: &[u8], feeder: &Feeder) -> Result<(), Closed> {
        let dropped = |text: &str| self.quiet.log(Level::Error, &format!("Datagram dropped due to: {text}"));
        let mut cutter = match self.scanners.open() {
            Ok(opened) => self.cutter(opened),
            Err(text) => {
                dropped(&text);
                return Ok(());
            }
        };
        let mut rest = datagram;
        loop {
            match cutter.cut() {
                Ok(Some(slices)) => {
                    feeder.put(Fed::slices(slices)).await?;
                    continue;
                }
                Ok(None) if cutter.is_at_end() => return Ok(()),
                Ok(None) => (),
                Err(err) => {
                    dropped(&err.to_string());
                    match err.goes_on {
                        true => continue,
                        false => return Ok(()),
                    }
                }
            }
            let room = match cutter.room() {
                Ok(room) => room,
                Err(err) => {
                    dropped(&err.to_string());
                    return Ok(());
                }
            };
            let n_bytes = rest.len().min(room.capacity() - room.len());
            room.extend_from_slice(&rest[..n_bytes]);
            rest = &rest[n_bytes..];
            cutter.filled(n_bytes);
        }
    }
}
