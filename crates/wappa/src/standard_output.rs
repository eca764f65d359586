//! Standard output, for commands of which nothing is left where nobody takes what they print.

use std::io::{self, Write};

use rustix::{
    fs::{OFlags, fcntl_getfl},
    stdio,
};
use wappa_component::cause;

/// Whether it can be written to. The standard library says nothing where it was closed, and takes everything.
pub(crate) fn check() -> Result<(), String> {
    match fcntl_getfl(stdio::stdout()) {
        Ok(flags) if flags.intersects(OFlags::WRONLY | OFlags::RDWR) => Ok(()),
        _ => Err("standard output is closed, or not open for writing".to_string()),
    }
}

/// Prints a text as a whole. Whoever closed the stream does not want to read it; where it cannot be written for another
/// reason, such as a full disk, that is the error.
pub(crate) fn print(text: &[u8]) -> Result<(), String> {
    let mut out = io::stdout().lock();
    outcome(out.write_all(text).and_then(|()| out.flush()))
}

/// The same for what was written already.
pub(crate) fn outcome(written: io::Result<()>) -> Result<(), String> {
    match written {
        Err(err) if err.kind() != io::ErrorKind::BrokenPipe => {
            Err(format!("writing standard output: {}", cause(&err)))
        }
        _ => Ok(()),
    }
}
