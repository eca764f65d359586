//! Trying a config on messages that somebody has: `replay`.

mod failed;
mod lines;
mod replay;

pub(crate) use replay::{ReplayArguments, replay};
