//! Traces for collectors that speak the protocol of OpenTelemetry, OTLP.
//!
//! Spans that have ended are put into a bounded queue, one for each collector, and a thread of its own takes them from there
//! in batches, over HTTP or gRPC. Nothing that a collector does holds up a stream: what there is no room for is dropped and
//! counted.

mod collector;
mod encode;
mod endpoint;
mod exchange;
mod jaeger;
mod queue;
mod sender;
mod tags;
mod wire;
mod write;

use wappa_component::Component;

pub use crate::sender::SERIES;

/// All components of this crate, for the program's table.
pub fn components() -> Vec<&'static Component> {
    vec![&collector::COMPONENT, &jaeger::COMPONENT]
}
