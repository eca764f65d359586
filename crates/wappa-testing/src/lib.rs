//! Runs whole streams of a config in tests of crates with components; never shipped.

mod log;
mod running;
mod streams;

use std::time::Duration;

pub use self::{
    log::Log,
    running::Running,
    streams::{Around, Streams},
};

/// Nothing that a test waits for takes that long, unless it never comes.
pub const PATIENCE: Duration = Duration::from_secs(60);
