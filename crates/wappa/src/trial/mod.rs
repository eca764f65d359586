//! Trying a config on messages that somebody has: `replay`, `run --dry-run` and `diff`.

mod at;
mod diff;
mod differences;
mod dry_run;
mod effects;
mod failed;
mod lines;
mod place;
mod replay;
mod stand_in;

pub(crate) use diff::{DiffArguments, diff};
pub(crate) use dry_run::{DryRunOptions, dry_run};
pub(crate) use replay::{ReplayArguments, replay};
