//! Who is at the other end of a connection.

use std::{
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use tokio::sync::watch;
use tokio_rustls::rustls::{CipherSuite, ProtocolVersion, ServerConnection};
use wappa_net::{Bound, Held, Owner, Place};

use crate::{patient::Unsent, server::Phase};

/// What the connections of a server may hold together.
pub(crate) struct Bounds {
    /// In bodies.
    pub(crate) bodies: Arc<Bound>,
    /// In heads of requests that are not answered.
    pub(crate) heads: Arc<Bound>,
}

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
    /// So many requests of it may be under way at once.
    n_requests: usize,
    /// How much their heads are together, and what they hold.
    heads: Mutex<(usize, Held)>,
    _place: Place,
}

/// The head of a request of somebody, which is counted until this is dropped.
#[derive(Debug)]
pub(crate) struct Head {
    peer: Arc<Peer>,
    n_bytes: usize,
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
        bounds: &Bounds,
        n_requests: usize,
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
            bound: Arc::clone(&bounds.bodies),
            n_requests,
            heads: Mutex::new((0, bounds.heads.hold())),
            _place: place,
        }
    }

    /// What a body that is being received holds, which is one of this owner's.
    pub(crate) fn hold(&self, owner: Option<&Arc<Owner>>) -> Held {
        owner.map_or_else(|| self.bound.hold(), |it| self.bound.hold_of(it)).one_of(self.n_requests)
    }

    /// One more head of so many bytes is kept. The error: there is no room for it.
    pub(crate) fn keep_head(self: &Arc<Peer>, n_bytes: usize) -> Result<Head, ()> {
        let (n_before, held) = &mut *self.heads.lock().unwrap_or_else(PoisonError::into_inner);
        held.admit(*n_before + n_bytes).map_err(|_| ())?;
        *n_before += n_bytes;
        Ok(Head { peer: Arc::clone(self), n_bytes })
    }
}

impl Drop for Head {
    fn drop(&mut self) {
        let (n_bytes, held) = &mut *self.peer.heads.lock().unwrap_or_else(PoisonError::into_inner);
        *n_bytes -= self.n_bytes;
        // Less is never refused.
        _ = held.admit(*n_bytes);
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
