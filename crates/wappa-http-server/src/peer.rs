//! Who is at the other end of a connection.

use std::{fmt, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use tokio::sync::watch;
use tokio_rustls::rustls::{CipherSuite, ProtocolVersion, ServerConnection};
use wappa_net::{Bound, Held, Owner, Place};

use crate::{patient::Unsent, server::Phase};

/// What all requests of a connection have in common. It keeps the connection's place.
pub(crate) struct Peer {
    /// Its address, without the port.
    pub(crate) ip: Bytes,
    /// Whether it is on this machine.
    pub(crate) is_local: bool,
    pub(crate) tls: Option<Encryption>,
    pub(crate) unsent: Unsent,
    /// Whether the server goes on.
    pub(crate) phase: watch::Receiver<Phase>,
    bound: Arc<Bound>,
    _place: Place,
}

/// How a connection is encrypted, in the words of Bento's metadata.
#[derive(Clone, Debug)]
pub(crate) struct Encryption {
    pub(crate) version: &'static str,
    pub(crate) cipher_suite: Bytes,
}

impl Peer {
    pub(crate) fn new(
        address: SocketAddr,
        tls: Option<Encryption>,
        unsent: Unsent,
        phase: watch::Receiver<Phase>,
        bound: Arc<Bound>,
        place: Place,
    ) -> Peer {
        // One who speaks the older protocol to a socket of both.
        let ip = address.ip().to_canonical();
        Peer {
            ip: ip.to_string().into(),
            is_local: ip.is_loopback(),
            tls,
            unsent,
            phase,
            bound,
            _place: place,
        }
    }

    /// What a body that is being received holds, which is one of this owner's.
    pub(crate) fn hold(&self, owner: Option<&Arc<Owner>>) -> Held {
        owner.map_or_else(|| self.bound.hold(), |it| self.bound.hold_of(it))
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Peer({:?})", self.ip)
    }
}

impl Encryption {
    pub(crate) fn of(connection: &ServerConnection) -> Encryption {
        let version = match connection.protocol_version() {
            Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
            Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
            _ => "",
        };
        let suite = connection.negotiated_cipher_suite().map(|it| it.suite());
        Encryption { version, cipher_suite: suite.map(name_of).unwrap_or_default().into() }
    }
}

/// The name that the registry of IANA, and Go, have for it.
fn name_of(suite: CipherSuite) -> String {
    let name = format!("{suite:?}");
    match name.strip_prefix("TLS13_") {
        Some(rest) => format!("TLS_{rest}"),
        None => name,
    }
}
