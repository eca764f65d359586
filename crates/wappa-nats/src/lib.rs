//! NATS: its subjects, JetStream, key-value buckets and requests, by the client of the NATS authors.
//!
//! A connection that is lost is not made again by that client but by the engine, as of all components: what is on its way
//! is told of it, and given once more. So `connection` makes connections that end.

mod answers;
mod auth;
mod connection;
mod echo;
mod headers;
mod input;
mod jetstream;
mod kv;
mod output;
mod pump;
mod request_reply;
mod shared;

use wappa_component::Component;

/// All components of this crate, for the program's table.
pub fn components() -> Vec<&'static Component> {
    vec![
        &input::COMPONENT,
        &output::COMPONENT,
        &jetstream::input::COMPONENT,
        &jetstream::output::COMPONENT,
        &kv::cache::COMPONENT,
        &kv::input::COMPONENT,
        &kv::output::COMPONENT,
        &kv::processor::COMPONENT,
        &request_reply::COMPONENT,
    ]
}
