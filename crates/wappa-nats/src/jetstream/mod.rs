//! JetStream: streams that the server keeps.

pub(crate) mod consumer;
pub(crate) mod desk;
pub(crate) mod input;
pub(crate) mod leases;
pub(crate) mod output;
mod pull;
