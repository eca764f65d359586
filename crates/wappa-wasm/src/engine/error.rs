//! Why there is no engine.

use std::io;

use wappa_component::cause_of_start;

/// The engine could not be made.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The settings are refused by this machine.
    #[error("making the wasm engine: {0}")]
    Config(String),
    /// The ticker's thread could not be started.
    #[error("starting the ticker of the wasm engine: {}", cause_of_start(.0))]
    Ticker(#[source] io::Error),
}
