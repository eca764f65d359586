//! Reading a file that somebody named: a module, a config, variables.

use std::{
    fs::File,
    io::{self, Read},
    os::unix::fs::FileTypeExt,
    path::Path,
};

use rustix::fs::{Mode, OFlags, fcntl_getfl, fcntl_setfl, open};

use crate::cause;

/// What stands for a descriptor that this process was given, such as `<(…)` of a shell: whoever gives one writes to it.
const DESCRIPTORS: [&str; 3] = ["/dev/stdin", "/dev/fd/", "/proc/self/fd/"];

/// Why a file was not read: what was tried, `open` or `read`, and the cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotRead {
    /// `open` or `read`.
    pub step: &'static str,
    /// As in `no such file or directory`, or `is a FIFO, not a file`.
    pub cause: String,
}

/// What is in a file, which has so many bytes at most.
///
/// Only files can be read: a FIFO might never have a writer, and a device never an end. What this process was given as
/// a descriptor may be anything.
pub fn read_file(path: &Path, bytes_max: u64) -> Result<Vec<u8>, NotRead> {
    // Without waiting: opening a FIFO waits for a writer otherwise.
    let opened = open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty());
    let file = opened.map_err(|err| NotRead { step: "open", cause: cause(&err.into()) })?;
    read(File::from(file), path, bytes_max).map_err(|cause| NotRead { step: "read", cause })
}

fn read(file: File, path: &Path, bytes_max: u64) -> Result<Vec<u8>, String> {
    let told = |err: io::Error| cause(&err);
    let kind = file.metadata().map_err(told)?.file_type();
    let is_given = path.to_str().is_some_and(|it| DESCRIPTORS.iter().any(|prefix| it.starts_with(prefix)));
    let what = match () {
        () if kind.is_dir() => Some("a directory"),
        () if kind.is_file() || is_given || path == Path::new("/dev/null") => None,
        () if kind.is_fifo() => Some("a FIFO, not a file"),
        () => Some("a device, not a file"),
    };
    if let Some(what) = what {
        return Err(format!("is {what}"));
    }
    let flags = fcntl_getfl(&file).map_err(|err| told(err.into()))?;
    fcntl_setfl(&file, flags - OFlags::NONBLOCK).map_err(|err| told(err.into()))?;
    let mut bytes = Vec::new();
    file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes).map_err(told)?;
    if bytes_max < bytes.len() as u64 {
        return Err(format!("the file is larger than {} MiB", bytes_max >> 20));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::{fs, os::fd::AsRawFd};

    use super::*;

    #[test]
    fn only_files_are_read() {
        let dir = std::env::temp_dir().join(format!("wappa-files-{}", std::process::id()));
        fs::create_dir_all(&dir).expect("a directory can be made");
        let (file, fifo) = (dir.join("file"), dir.join("fifo"));
        fs::write(&file, "text").expect("a file can be written");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, Mode::RWXU, 0)
            .expect("a FIFO can be made");
        let told = |path: &Path, bytes_max| match read_file(path, bytes_max) {
            Ok(bytes) => String::from_utf8(bytes).expect("it is text"),
            Err(err) => format!("{} {}", err.step, err.cause),
        };
        assert_eq!(told(&file, 4), "text");
        assert_eq!(told(&file, 3), "read the file is larger than 0 MiB");
        assert_eq!(told(&fifo, 4), "read is a FIFO, not a file");
        assert_eq!(told(&dir, 4), "read is a directory");
        assert_eq!(told(Path::new("/dev/zero"), 4), "read is a device, not a file");
        assert_eq!(told(Path::new("/dev/null"), 4), "");
        assert_eq!(told(&dir.join("none"), 4), "open no such file or directory");
        // What a shell makes of `<(…)`.
        let (reads, writes) = rustix::pipe::pipe().expect("a pipe can be made");
        rustix::io::write(&writes, b"piped").expect("it has room");
        drop(writes);
        assert_eq!(told(Path::new(&format!("/dev/fd/{}", reads.as_raw_fd())), 8), "piped");
        fs::remove_dir_all(&dir).expect("it is ours");
    }
}
