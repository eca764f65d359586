//! The components for plain sockets.

mod address;
mod bound;
mod input;
mod output;
mod quiet;
mod server;
mod stream;

use wappa_component::Component;

pub use self::{
    address::Address,
    stream::{Carrier, Ended, Scanners, pump, pump_seen},
};

pub(crate) const COMPONENTS: &[&Component] = &[&input::COMPONENT, &server::COMPONENT, &output::COMPONENT];
