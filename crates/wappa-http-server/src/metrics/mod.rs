//! Exporters whose metrics are fetched.

pub(crate) mod json_api;
pub(crate) mod process;
pub(crate) mod prometheus;
mod push;
