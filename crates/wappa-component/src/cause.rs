//! What the system says went wrong, as all our texts say it.

use std::io;

use rustix::io::Errno;

/// The cause alone: lower case, without a number, so that it reads the same in every text.
///
/// What one limit of the process or of its user is in the way of names it.
pub fn cause(err: &io::Error) -> String {
    let text = err.to_string();
    let text = text.split(" (os error").next().unwrap_or_default().to_lowercase();
    match Errno::from_io_error(err) {
        Some(Errno::MFILE) => format!("{text}: the process has as many as it may (`ulimit -n`)"),
        Some(Errno::NFILE) => format!("{text}: the system has as many as it may (`fs.file-max`)"),
        _ => text,
    }
}

/// Why a thread or a process was not started.
pub fn cause_of_start(err: &io::Error) -> String {
    let text = cause(err);
    match Errno::from_io_error(err) {
        Some(Errno::AGAIN) => format!(
            "{text}: raise the limits of the process and its group (`ulimit -u`, `ulimit -v`, `pids.max`)"
        ),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_named() {
        let told = |errno: Errno| (cause(&errno.into()), cause_of_start(&errno.into()));
        assert_eq!(told(Errno::NOENT).0, "no such file or directory");
        assert_eq!(
            told(Errno::MFILE).0,
            "too many open files: the process has as many as it may (`ulimit -n`)"
        );
        let (waiting, starting) = told(Errno::AGAIN);
        assert_eq!(waiting, "resource temporarily unavailable");
        assert!(starting.starts_with("resource temporarily unavailable: raise the limits"), "{starting}");
        assert_eq!(cause_of_start(&io::Error::other("Nonsense")), "nonsense");
    }
}
