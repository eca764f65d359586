//! All components that need no foreign client: one file each, and one table a kind.
//!
//! This crate knows the seam (`wappa-component`) and never the engine. A new component is a file with a
//! `COMPONENT`, a config struct whose doc comments are its reference page, its implementation and its tests,
//! plus one word in the list of its kind.

/// Declares the modules and the table from one list, so that neither can miss an entry.
macro_rules! components {
    ($($name:ident),* $(,)?) => {
        $(mod $name;)*
        /// In the order of the documentation's index.
        pub(crate) const COMPONENTS: &[&wappa_component::Component] = &[$(&$name::COMPONENT),*];
    };
}

mod base;
mod buffer;
mod cache;
mod child;
mod cron;
mod decompression;
mod formats;
mod glob;
mod inproc;
mod input;
mod metrics;
mod output;
mod path;
mod processor;
mod rate_limit;
mod reader;
mod scanner;
mod stream_lints;
#[cfg(test)]
mod test;

use wappa_component::{Component, back_off, batching, duration, fault, writer};

pub use batching::SERIES;
pub use buffer::SERIES as BUFFER_SERIES;

pub use glob::{PathPattern, Search, Searched};
pub use inproc::share_pipes;
pub use stream_lints::lint_stream;

/// All components of this crate, for the program's table: inputs, buffers, processors, outputs, caches, rate limits, scanners,
/// metrics exporters.
pub fn components() -> Vec<&'static Component> {
    [
        input::COMPONENTS,
        buffer::COMPONENTS,
        processor::COMPONENTS,
        output::COMPONENTS,
        cache::COMPONENTS,
        rate_limit::COMPONENTS,
        scanner::COMPONENTS,
        metrics::COMPONENTS,
    ]
    .concat()
}
