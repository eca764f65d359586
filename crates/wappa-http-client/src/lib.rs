//! The components that make HTTP requests, and those that open websockets.
//!
//! One `Client` stands behind all of them: it makes a request of a batch, signs it, sends it over a pool of
//! connections, follows redirects, judges the status, and tries again. Addresses and failures are printed without what
//! could be a credential in them: see `address.rs`.

mod address;
mod auth;
mod body;
mod client;
mod codec;
mod connections;
mod dial;
mod documents;
mod dump;
mod fields;
mod filter;
mod input;
mod multipart;
mod output;
mod pages;
mod processor;
mod request;
mod room;
mod spans;
mod verdict;
mod websocket;

use wappa_component::Component;

pub use crate::{
    auth::{BasicConfig, JwtConfig, OauthConfig},
    client::SERIES,
    dial::TransportConfig,
    documents::{Access, Document, Documents, check_address},
    pages::{Page, Pages},
};

/// All components of this crate, for the program's table.
pub fn components() -> Vec<&'static Component> {
    vec![
        &input::COMPONENT,
        &websocket::input::COMPONENT,
        &processor::COMPONENT,
        &output::COMPONENT,
        &websocket::output::COMPONENT,
    ]
}
