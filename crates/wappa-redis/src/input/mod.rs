//! Inputs.

pub(crate) mod list;
pub(crate) mod pubsub;
pub(crate) mod streams;
