//! Real servers for tests and benchmarks: child processes on free ports of 127.0.0.1, with their data in a directory that
//! goes with them.
//!
//! A test that needs one asks for it and is skipped where the program is not installed:
//!
//! ```no_run
//! let Some(mut server) = wappa_servers::or_skip(wappa_servers::nats::Nats::find()).map(|it| it.start()) else { return };
//! let address = server.address();
//! server.stop();
//! server.start_again();
//! # let _ = address;
//! ```
//!
//! `.ci/servers DIR` installs all of them, and `WAPPA_SERVERS=required` has a test fail that would be skipped. Programs are
//! looked for on `PATH`, then in `WAPPA_SERVERS_DIR`, then in `target/servers` of the workspace.
//!
//! A new server is a file here, which finds its programs with [`find`] and gives a [`Launch`] to [`Server::start`]. Tests
//! that need servers are in files called `tests/servers_*.rs`, which is how `.ci/run` finds them.

pub mod apicurio;
pub mod contest;
mod dir;
mod find;
pub mod kafka;
pub mod mariadb;
pub mod nats;
pub mod otelcol;
mod owner;
mod ports;
pub mod postgres;
mod proxy;
pub mod redis;
mod server;
mod spawner;

pub use crate::{
    dir::Dir,
    find::{Missing, find, find_file, or_skip},
    ports::Port,
    proxy::Proxy,
    server::{Launch, PATIENCE, Server, wait_until},
};
