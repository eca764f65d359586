//! What the tests of components share: a builder, a clock that tests move, and text in, text out.

mod components;
mod harness;
mod scan;
mod temp;

pub(crate) use components::Recorder;
pub(crate) use harness::{Harness, batches, check_lint, check_process, text};
pub(crate) use scan::check_scan;
pub(crate) use temp::TempDir;
