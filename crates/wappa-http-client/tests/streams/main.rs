//! Streams of real components, and servers at the other end that behave well or badly.

mod auth;
mod conformance;
mod faults;
mod inputs;
mod requests;
mod server;
mod support;
mod websockets;
