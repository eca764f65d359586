//! Redis: streams, lists, channels and hashes, a cache, a rate limit, and commands and scripts for each message.
//!
//! Connections are made here and given to the client, which has neither TLS nor a back-off of its own: one that is lost is
//! made again by the engine, as of all components. What waits for the server to have something (`XREADGROUP BLOCK`, `BLPOP`) has
//! a connection of its own, since everything else would wait behind it. What there is much of, streams that are read and what
//! outputs write, goes past the client's library (`wire`).

mod args;
mod asking;
mod cache;
mod connection;
mod input;
mod meter;
mod output;
mod processor;
mod rate_limit;
mod wire;

use wappa_component::Component;

/// All components of this crate, for the program's table.
pub fn components() -> Vec<&'static Component> {
    vec![
        &input::streams::COMPONENT,
        &input::list::COMPONENT,
        &input::pubsub::COMPONENT,
        &output::streams::COMPONENT,
        &output::list::COMPONENT,
        &output::pubsub::COMPONENT,
        &output::hash::COMPONENT,
        &cache::COMPONENT,
        &rate_limit::COMPONENT,
        &processor::redis::COMPONENT,
        &processor::script::COMPONENT,
    ]
}
