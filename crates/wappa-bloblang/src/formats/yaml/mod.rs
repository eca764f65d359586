//! YAML, as Go's `yaml.v3` reads and writes it.

mod read;
mod scalar;
mod write;

pub(crate) use read::parse;
pub(crate) use write::write;
