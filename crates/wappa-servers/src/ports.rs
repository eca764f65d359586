//! Ports for servers that stop and start again at the same place.

use std::{
    net::{TcpListener, UdpSocket},
    process,
    sync::atomic::{AtomicU16, Ordering},
};

/// Below those that the system gives to clients: a client that connects to a port of that range while nobody listens
/// there may be given just this port for its own end, and be connected to itself.
const FIRST: u16 = 15_000;
const N_PORTS: u16 = 15_000;

/// A TCP port of 127.0.0.1 that is nobody else's as long as this is there, whether somebody listens at it or not.
#[derive(Debug)]
pub struct Port {
    number: u16,
    /// Who has the UDP port of the same number has this one: all who ask here keep to that, in every process.
    _claim: UdpSocket,
}

impl Port {
    /// One that is free.
    pub fn free() -> Port {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let own = (process::id() % 1_500) as u16 * 10;
        for _ in 0..N_PORTS {
            let n = NEXT.fetch_add(1, Ordering::Relaxed);
            let number = FIRST + own.wrapping_add(n) % N_PORTS;
            let Ok(claim) = UdpSocket::bind(("127.0.0.1", number)) else { continue };
            if TcpListener::bind(("127.0.0.1", number)).is_ok() {
                return Port { number, _claim: claim };
            }
        }
        panic!("no port is free");
    }

    /// Its number.
    pub fn number(&self) -> u16 {
        self.number
    }

    /// Where a server at it is reached: `127.0.0.1:15000`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.number)
    }
}
