//! Why a module cannot be a guest.

use std::io;

use wappa_component::cause_of_start;
use wappa_spec::Size;

/// The module cannot be a guest with this config.
#[derive(Debug, thiserror::Error)]
pub enum GuestError {
    /// The function is not exported. Which ones would do is part of the text.
    #[error("the module exports no function `{function}`{hint}")]
    NoFunction {
        /// The name that was looked for.
        function: String,
        /// Empty, or what is there instead.
        hint: String,
    },
    /// The function takes parameters, or something else of this name is exported.
    #[error("the export `{function}` is {found}, expected a function without parameters (`function`)")]
    WrongFunction {
        /// The name.
        function: String,
        /// What it is.
        found: String,
    },
    /// A component of another world.
    #[error("the component exports no `{interface}`, so it is no processor")]
    NotAProcessor {
        /// What it would export.
        interface: String,
    },
    /// Imports that nobody provides, or with another type.
    #[error("{0}")]
    Import(String),
    /// The module needs more than `memory_limit` to start with.
    #[error(
        "the module starts with {} of memory, more than `memory_limit` allows ({})", Size(*needed), Size(*limit as u64)
    )]
    Memory {
        /// Its memories at their smallest, and what else an instance costs the host.
        needed: u64,
        /// The limit.
        limit: usize,
    },
    /// What the guest's files would be waited for with cannot be made.
    #[error("starting a thread to wait for files: {}", cause_of_start(.0))]
    Threads(#[source] io::Error),
    /// A directory that was to be visible to the guest cannot be opened.
    #[error("opening the mount `{host}`: {source}")]
    Mount {
        /// The directory of the host.
        host: String,
        /// Why.
        source: io::Error,
    },
}
