//! Exporters whose metrics are fetched.

mod process;
pub(crate) mod prometheus;
