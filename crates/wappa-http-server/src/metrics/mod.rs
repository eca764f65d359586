//! Exporters whose metrics are fetched.

pub(crate) mod json_api;
mod process;
pub(crate) mod prometheus;
mod push;
