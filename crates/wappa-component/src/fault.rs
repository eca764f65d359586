//! Texts of failed system calls, in Go's form, since scripts match them: `open a.txt: permission denied`.

use std::{borrow::Cow, fmt, io};

pub use crate::cause;

/// A failed call as Go prints it: the call, what it was for, the cause.
pub fn failed(call: &str, what: impl fmt::Display, err: impl Into<io::Error>) -> String {
    format!("{call} {what}: {}", cause(&err.into()))
}

/// The longest key that an error tells, in bytes: one may be as long as a message, and each message that fails keeps its
/// own text.
const TOLD_BYTES_MAX: usize = 1024;

/// A key for a text.
pub fn told(key: &[u8]) -> Cow<'_, str> {
    match key.get(..TOLD_BYTES_MAX) {
        None => String::from_utf8_lossy(key),
        Some(begin) => Cow::Owned(format!("{}…", String::from_utf8_lossy(begin))),
    }
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn texts_are_those_of_go() {
        assert_eq!(failed("open", "a", Errno::NOENT), "open a: no such file or directory");
        assert_eq!(failed("read", "d", Errno::ISDIR), "read d: is a directory");
        assert_eq!(failed("write", "/dev/full", Errno::NOSPC), "write /dev/full: no space left on device");
        assert_eq!(failed("write", "p", Errno::PIPE), "write p: broken pipe");
        assert_eq!(failed("open", "s", Errno::ACCESS), "open s: permission denied");
        assert_eq!(failed("mkdir", "f", Errno::NOTDIR), "mkdir f: not a directory");
    }
}
