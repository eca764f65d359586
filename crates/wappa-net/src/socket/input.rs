//! The input `socket`.

use std::fmt;

use rustls::pki_types::ServerName;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use wappa_component::{
    BuildError, BuildInput, Component, ConnectError, Context, Input, Logger, ReadError, cutter::Cutter,
};
use wappa_spec::{ComponentNode, Config, Node, Reader, Rule};

use super::stream::{Carrier, Ended, HANDSHAKE_MAX, Scanners, pump};
use crate::{
    Address, Feeder, Source, Stopping, TlsConfig,
    address::{self, lint_network},
    fed_by,
};

pub(crate) const COMPONENT: Component = Component::input::<SocketConfig>("socket").categories(&["Network"]);

/// Connects to a TCP or Unix socket and reads messages from it.
///
/// When the other end closes the connection it is made again: at once, and then with a wait from 100 milliseconds to
/// a second as long as nothing comes. What it sent without an end of its own before it closed is a message.
///
/// # Examples
///
/// ### Lines from a program that serves them
///
/// ```yaml
/// input:
///   socket:
///     network: tcp
///     address: localhost:6000
/// output:
///   stdout: {}
/// ```
///
/// # Delivery
///
/// A message that fails is delivered again from memory, before anything new, until it arrives. The other end is told
/// nothing: what it had sent when the process ended is lost.
///
/// # Performance
///
/// Messages are ranges of the buffer that was read. As long as the pipeline has enough to do no more is read, and the
/// other end waits.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct SocketConfig {
    /// What carries the bytes.
    #[config(options("unix", "tcp"))]
    network: String,

    /// Where to connect to: a host and a port, or the path of a socket.
    #[config(example = "/tmp/bento.sock", example = "127.0.0.1:6000")]
    address: String,

    /// Whether messages that fail are delivered again; without it they are lost.
    #[config(default = "true")]
    auto_replay_nacks: bool,

    /// How the bytes are cut into messages.
    #[config(child = "scanner", default = "lines: {}")]
    scanner: ComponentNode,

    /// How the connection is encrypted, with `tcp`.
    #[config(bento = false, advanced)]
    tls: TlsConfig,
}

fn lint(config: &SocketConfig, node: &Node, reader: &mut Reader<'_>) {
    lint_network(&config.network, node, reader);
    if let Err(text) = Target::new(&config.network, &config.address) {
        reader.error(Rule::InvalidValue, node.get("address").unwrap_or(node), text);
    }
    lint_tls(&config.tls, &config.network, node, reader);
}

/// Only what TCP carries can be encrypted.
pub(super) fn lint_tls(config: &TlsConfig, network: &str, node: &Node, reader: &mut Reader<'_>) {
    if config.is_enabled() && network != "tcp" {
        let at = node.get("tls").unwrap_or(node);
        reader.error(Rule::Custom, at, format!("`tls` needs `network: tcp`, not `{network}`"));
    }
}

/// What is connected to.
#[derive(Clone, Debug)]
pub(super) enum Target {
    Tcp(Address),
    Unix(String),
}

impl Target {
    pub(super) fn new(network: &str, address: &str) -> Result<Target, String> {
        match network {
            "unix" => Ok(Target::Unix(address.to_string())),
            _ => Ok(Target::Tcp(Address::parse(address)?)),
        }
    }

    pub(super) async fn connect(&self, tls: Option<&TlsConnector>) -> Result<Box<dyn Carrier>, String> {
        let (address, tls) = match (self, tls) {
            (Target::Unix(path), _) => return Ok(Box::new(address::connect_unix(path).await?)),
            (Target::Tcp(address), None) => return Ok(Box::new(address.connect().await?)),
            (Target::Tcp(address), Some(tls)) => (address, tls),
        };
        let failed = |err: &dyn fmt::Display| format!("dial tls {address}: {err}");
        let name = ServerName::try_from(address.host().to_string()).map_err(|err| failed(&err))?;
        let handshake = timeout(HANDSHAKE_MAX, tls.connect(name, address.connect().await?)).await;
        match handshake {
            Ok(stream) => Ok(Box::new(stream.map_err(|err| failed(&crate::why(&err)))?)),
            Err(_) => Err(failed(&"the handshake took too long")),
        }
    }
}

impl BuildInput for SocketConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Input>, BuildError> {
        let target = Target::new(&self.network, &self.address).map_err(BuildError::new)?;
        let scanners = Scanners::new(ctx.scanner(&self.scanner)?);
        let tls = self.tls.connector().map_err(BuildError::new)?;
        let source = Socket { target, tls, name: self.network, scanners, logger: ctx.logger() };
        Ok(fed_by(source, self.auto_replay_nacks, ctx))
    }
}

struct Socket {
    target: Target,
    tls: Option<TlsConnector>,
    /// What a failure calls the source.
    name: String,
    scanners: Scanners,
    logger: Logger,
}

impl Source for Socket {
    type Connection = Box<dyn Carrier>;

    async fn connect(&self) -> Result<Box<dyn Carrier>, ConnectError> {
        self.target.connect(self.tls.as_ref()).await.map_err(ConnectError::BackOff)
    }

    async fn read(&self, mut stream: Box<dyn Carrier>, feeder: Feeder, stop: Stopping) -> ReadError {
        let mut cutter = match self.scanners.open() {
            Ok(opened) => Cutter::new(opened),
            Err(text) => {
                self.logger.error(&format!("Failed to read message: read {}: {text}", self.name));
                return ReadError::NotConnected;
            }
        };
        match pump(&mut stream, &mut cutter, &feeder, stop, None).await {
            Ended::Over => ReadError::NotConnected,
            Ended::Stopped(n_bytes) => {
                if 0 < n_bytes {
                    self.logger
                        .debug(&format!("{n_bytes} bytes of a message that was not whole are left out"));
                }
                ReadError::EndOfInput
            }
            Ended::Failed(text) => {
                self.logger.error(&format!("Failed to read message: read {}: {text}", self.name));
                ReadError::NotConnected
            }
        }
    }
}
