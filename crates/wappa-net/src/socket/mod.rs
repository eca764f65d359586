//! The components for plain sockets.

mod input;
mod output;
mod server;
mod stream;

use wappa_component::Component;

pub use self::stream::{Carrier, Ended, Scanners, pump, pump_seen};

pub(crate) const COMPONENTS: &[&Component] = &[&input::COMPONENT, &server::COMPONENT, &output::COMPONENT];
