//! Databases: inputs that read rows, processors that ask, outputs that write, a cache in a table, and a buffer in a file.
//!
//! What is asked runs on the runtime of the network (`wappa-net`), whose threads wait for the database, over connections of
//! a pool for each component. Values, statements and names of databases are those of Go's drivers for them, so that a
//! config of Bento means the same here.

mod args;
mod asking;
mod buffer;
mod cache;
mod config;
mod connection;
mod driver;
mod dsn;
mod failed;
mod input;
mod insert;
mod output;
mod pool;
mod processor;
mod query;
mod statement;

use wappa_component::Component;

pub use buffer::SERIES as BUFFER_SERIES;

const COMPONENTS: &[&Component] = &[
    &input::RAW,
    &input::SELECT,
    &processor::insert::COMPONENT,
    &processor::raw::COMPONENT,
    &processor::select::COMPONENT,
    &processor::deprecated::COMPONENT,
    &output::insert::COMPONENT,
    &output::raw::COMPONENT,
    &output::deprecated::COMPONENT,
    &buffer::COMPONENT,
    &cache::COMPONENT,
];

/// All components of this crate, for the program's table.
pub fn components() -> Vec<&'static Component> {
    COMPONENTS.to_vec()
}
