//! Addresses as Bento writes them, and why they cannot be reached, in Go's words.

use std::{fmt, io};

use tokio::net::{TcpListener, TcpStream, UdpSocket, UnixStream};
use wappa_component::fault;
use wappa_spec::{Node, Reader};

/// A host and a port, where either may be left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    text: String,
    host: String,
    port: u16,
}

impl Address {
    /// Reads `host:port`, `:port` and `[host]:port`; the error is Go's text, but for names of ports, which there are none of.
    pub fn parse(text: &str) -> Result<Address, String> {
        let error = |why: &str| format!("address {text}: {why}");
        let (host, port) = text.rsplit_once(':').ok_or_else(|| error("missing port in address"))?;
        let host = match host.strip_prefix('[').map(|it| it.strip_suffix(']')) {
            Some(Some(host)) => host,
            Some(None) => return Err(error("missing ']' in address")),
            None if host.contains(':') => return Err(error("too many colons in address")),
            None => host,
        };
        let port = match port {
            "" => 0,
            port => port.parse().map_err(|_| error("invalid port"))?,
        };
        Ok(Address { text: text.to_string(), host: host.to_string(), port })
    }

    /// Of a host, which has no brackets around it, and a port.
    pub fn new(host: &str, port: u16) -> Address {
        let text = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        Address { text, host: host.to_string(), port }
    }

    /// The host's name, for whoever checks who answers.
    pub fn host(&self) -> &str {
        if self.host.is_empty() { "localhost" } else { &self.host }
    }

    /// Connects to it; the error is Go's text.
    pub async fn connect(&self) -> Result<TcpStream, String> {
        let stream = TcpStream::connect((self.host(), self.port)).await;
        let stream = stream.map_err(|err| not_dialed("tcp", self, &err))?;
        // What is written at once is sent at once, as in Go. One that cannot be told is of no use, and says so itself.
        let _ = stream.set_nodelay(true);
        Ok(stream)
    }

    /// Listens on all addresses of the machine where no host is named.
    pub async fn listen(&self) -> Result<TcpListener, String> {
        let result = match self.host.as_str() {
            "" => match TcpListener::bind(("::", self.port)).await {
                // A machine without the newer protocol.
                Err(_) => TcpListener::bind(("0.0.0.0", self.port)).await,
                result => result,
            },
            host => TcpListener::bind((host, self.port)).await,
        };
        result.map_err(|err| not_listened("tcp", self, &err))
    }

    /// A socket for datagrams that come to this address.
    pub(crate) async fn receive(&self) -> Result<UdpSocket, String> {
        let result = match self.host.as_str() {
            "" => match UdpSocket::bind(("::", self.port)).await {
                Err(_) => UdpSocket::bind(("0.0.0.0", self.port)).await,
                result => result,
            },
            host => UdpSocket::bind((host, self.port)).await,
        };
        result.map_err(|err| not_listened("udp", self, &err))
    }

    /// A socket for datagrams to this address.
    pub(crate) async fn send_to(&self) -> Result<UdpSocket, String> {
        let dial = async {
            let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
            for to in tokio::net::lookup_host((self.host(), self.port)).await? {
                let any = if to.is_ipv4() { "0.0.0.0" } else { "::" };
                let socket = UdpSocket::bind((any, 0)).await?;
                match socket.connect(to).await {
                    Ok(()) => return Ok(socket),
                    Err(err) => last = err,
                }
            }
            Err(last)
        };
        dial.await.map_err(|err| not_dialed("udp", self, &err))
    }
}

/// As it was written.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Connects to a socket of the file system.
pub(crate) async fn connect_unix(path: &str) -> Result<UnixStream, String> {
    UnixStream::connect(path).await.map_err(|err| not_dialed("unix", path, &err))
}

fn not_dialed(network: &str, address: impl fmt::Display, err: &io::Error) -> String {
    // The system's refusal, and not that of whoever looks names up.
    let call = if err.raw_os_error().is_some() { " connect:" } else { "" };
    format!("dial {network} {address}:{call} {}", fault::cause(err))
}

pub(crate) fn not_listened(network: &str, address: impl fmt::Display, err: &io::Error) -> String {
    let call = if err.raw_os_error().is_some() { " bind:" } else { "" };
    format!("listen {network} {address}:{call} {}", fault::cause(err))
}

/// A socket of the file system is a file of the machine, and a way to its services.
pub(crate) fn lint_network(network: &str, node: &Node, reader: &mut Reader<'_>) {
    if network == "unix" {
        reader.refuse_if_restricted("network unix", node.get("network").unwrap_or(node));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let read = |text: &str| match Address::parse(text) {
            Ok(it) => format!("{} {}", it.host(), it.port),
            Err(err) => err,
        };
        for (text, expected) in [
            ("127.0.0.1:6000", "127.0.0.1 6000"),
            ("[::1]:6000", "::1 6000"),
            (":6000", "localhost 6000"),
            ("example.com:", "example.com 0"),
            ("example.com", "address example.com: missing port in address"),
            ("::1:6000", "address ::1:6000: too many colons in address"),
            ("[::1:6000", "address [::1:6000: missing ']' in address"),
            ("a:http", "address a:http: invalid port"),
            ("a:65536", "address a:65536: invalid port"),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }
}
