//! Servers for HTTP: the service of the program, and the components whose clients come to them.
//!
//! A [`Service`] is the program's own: it says how the program is, shows metrics, and lends its [`Routes`] to components
//! that have no address. Whatever listens is a `Server`, which bounds what strangers may take: connections, their time,
//! and what they send.
//!
//! Invariant: a request is answered once, and nothing that is not answered is taken for delivered.

mod accepts;
mod answer;
mod auth;
mod blocks;
mod body;
mod cors;
mod cross_site;
mod debug;
mod escapes;
mod heads;
mod host;
mod input;
mod metrics;
mod multipart;
mod names;
mod output;
mod page;
mod patient;
mod peer;
mod room;
mod routes;
mod server;
mod service;
mod shares;
mod sniff;
mod streams;
mod websocket;

use wappa_component::Component;

pub use crate::{
    debug::{Debug, Made},
    metrics::json_api::stats_of_stream,
    page::{Picture, PicturePart, PictureWay, StreamState, StreamView, View, ViewOf},
    routes::Routes,
    service::{Readiness, Service, Shown},
    streams::{ReadyPath, StreamsApi, StreamsReply, StreamsRequest, StreamsSubject},
};

/// All components of this crate, for the program's table.
pub fn components() -> Vec<&'static Component> {
    vec![
        &input::COMPONENT,
        &output::COMPONENT,
        &metrics::json_api::COMPONENT,
        &metrics::prometheus::COMPONENT,
    ]
}
