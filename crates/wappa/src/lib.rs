//! The program: its command line, where configs come from, logging, signals and exit codes, and the table of all
//! components.
//!
//! It is a library only so that its tests and benchmarks can use the parts.

mod before_main;
mod blobl;
mod cli;
mod compile;
mod compiling;
mod completions;
mod config;
mod config_tests;
mod create;
mod dotenv;
mod echo;
mod environment;
mod events;
mod explain;
mod file_text;
mod globs;
mod graph;
mod guest;
mod lint;
mod list;
mod log;
mod markdown;
mod metrics;
mod open_files;
mod panics;
mod picture;
mod ping;
mod program;
mod progress;
mod prose;
pub mod reference;
mod run;
mod schema;
#[cfg(feature = "http")]
mod seen;
mod service;
mod serving;
mod signals;
mod standard_output;
#[cfg(feature = "http")]
mod streams;
mod table;
mod tracing;
mod trial;
mod wasm;
mod watcher;

pub use crate::{program::main, table::table};
