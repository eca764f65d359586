//! Config.
pub mod env;
pub mod lint;
pub mod yaml;
