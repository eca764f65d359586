//! What the system says went wrong, as all our texts say it.

use std::io;

/// The cause alone: lower case, without a number, so that it reads the same in every text.
pub fn cause(err: &io::Error) -> String {
    let text = err.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    text.to_lowercase()
}
