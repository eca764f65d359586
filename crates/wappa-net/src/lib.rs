//! What clients of the network share, the components for plain sockets, and the exporter of metrics for StatsD.
//!
//! The pipeline's threads wait for nobody on the network: that is done on a [`Runtime`], whose threads meet the pipeline
//! at its two ends. What a [`Source`] reads goes through a [`Feed`] to an [`Input`](wappa_component::Input), which [`fed_by`]
//! makes; what is written goes to a [`Client`], which [`in_flight`] makes an [`Output`](wappa_component::Output) of. A processor
//! that needs an answer from the network waits with [`Step::wait`](wappa_component::Step::wait) for what it has spawned.
//!
//! Who connects again is the engine, for both ends: a component says that its connection is gone, and has no back-off of
//! its own.

mod address;
mod bound;
mod client;
mod courier;
mod feed;
mod foreign;
mod link;
mod metadata_filter;
mod pending;
mod places;
mod quiet;
mod runtime;
mod said;
mod socket;
mod source;
mod statsd;
mod tls;

use wappa_component::Component;

pub use crate::{
    address::Address,
    bound::{Bound, Held, Owner},
    client::{Client, Limit, Sending, in_flight},
    courier::Courier,
    feed::{AtLast, Closed, Fed, Feed, Feeder, feed},
    foreign::{foreign, foreign_future, is_foreign_panic, not_understood},
    link::{Dial, SharedLink},
    metadata_filter::{MetadataFilter, MetadataFilterConfig},
    pending::Pending,
    places::{Place, Places},
    quiet::Quiet,
    runtime::Runtime,
    said::said,
    socket::{Carrier, Ended, Scanners, pump, pump_seen},
    source::{Source, Stopping, fed_by},
    tls::{ClientCertConfig, Pems, ServerTls, ServerTlsConfig, TlsConfig, signing_key, why, why_of},
};

/// All components of this crate, for the program's table.
pub fn components() -> Vec<&'static Component> {
    let mut components = socket::COMPONENTS.to_vec();
    components.push(&statsd::COMPONENT);
    components
}
