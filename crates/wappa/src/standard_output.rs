//! Standard output, for commands of which nothing is left where nobody takes what they print.

use rustix::{
    fs::{OFlags, fcntl_getfl},
    stdio,
};

/// Whether it can be written to. The standard library says nothing where it was closed, and takes everything.
pub(crate) fn check() -> Result<(), String> {
    match fcntl_getfl(stdio::stdout()) {
        Ok(flags) if flags.intersects(OFlags::WRONLY | OFlags::RDWR) => Ok(()),
        _ => Err("standard output is closed, or not open for writing".to_string()),
    }
}
