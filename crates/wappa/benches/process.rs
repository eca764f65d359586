//! Runs a process and notes what it took: wall time, CPU time, peak memory.

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use wait4::Wait4;

use crate::Result;

/// What one process took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    pub(crate) wall: Duration,
    /// User and system time, with that of descendants.
    pub(crate) cpu: Duration,
    pub(crate) rss_bytes_max: u64,
}

/// Runs a process to its end.
pub(crate) fn measured(mut command: Command) -> Result<Run> {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let begun = Instant::now();
    let ended = command.spawn()?.wait4()?;
    let wall = begun.elapsed();
    if !ended.status.success() {
        return Err(format!("{} ended with {}", command.get_program().display(), ended.status).into());
    }
    let usage = ended.rusage;
    Ok(Run { wall, cpu: usage.utime + usage.stime, rss_bytes_max: usage.maxrss })
}

/// The middle one.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[n / 2],
        n => f64::midpoint(values[n / 2 - 1], values[n / 2]),
    }
}
