//! Kafka: inputs and outputs under both of Bento's names, over one client.
//!
//! The client library has threads of its own, and each input and output one more, on which its events are taken: what they
//! read is handed over in parcels of one partition each, what was delivered is told to each delivery as a whole. Nothing
//! waits, is woken or is locked for a single message.

mod client;
mod input;
mod native;
mod output;
mod sasl;
mod version;

use wappa_component::Component;

/// All components of this crate, for the program's table.
pub fn components() -> Vec<&'static Component> {
    [input::COMPONENTS, output::COMPONENTS].concat()
}
