//! The lines of a file or of standard input, each with its number, in memory that is bounded whatever the file holds.

use std::{
    fs::{File, Metadata},
    io::{self, Read},
    os::{fd::AsFd, unix::fs::FileTypeExt},
    path::Path,
    sync::Arc,
};

use bytes::Bytes;
use wappa_component::Waits;
use wappa_spec::printable_path;

/// No line is longer: a message of it would not come through a stream with the default limits either.
pub(super) const LINE_BYTES_MAX: usize = 64 << 20;

/// How much is read at once.
const CHUNK_BYTES: usize = 64 << 10;

/// How often that is read before whoever asks for a line may look at something else.
const CHUNKS_MAX: usize = 64;

/// Lines that are read as they are asked for.
pub(super) struct Lines {
    file: Arc<File>,
    /// How many bytes are left of a file that others may write to meanwhile; none: it is read to its end.
    left: Option<u64>,
    /// What was read and not given, from `at` on.
    buffer: Vec<u8>,
    at: usize,
    /// Up to where there is no end of a line behind `at`.
    searched: usize,
    /// Whether a line is passed over that is too long.
    is_passing: bool,
    number: u64,
    is_over: bool,
}

/// What there is next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// A line without its end.
    Line(Bytes),
    /// One that is longer than [`LINE_BYTES_MAX`].
    TooLong,
    /// Nothing yet.
    NotYet,
    /// Nothing more.
    End,
}

impl Lines {
    /// The lines of a file; `-` is standard input. What is written to a file after it was opened is not read: it may be
    /// what becomes of its own lines.
    pub(super) fn open(path: &Path) -> Result<Lines, String> {
        let failed =
            |err: io::Error| format!("reading {}: {}", printable_path(path), wappa_component::cause(&err));
        let file = match path.as_os_str() == "-" {
            true => io::stdin().as_fd().try_clone_to_owned().map(File::from),
            false => File::open(path),
        };
        let file = file.map_err(failed)?;
        let about = file.metadata().map_err(failed)?;
        if about.is_dir() {
            return Err(format!("reading {}: is a directory", printable_path(path)));
        }
        refuse_device(path, &about)?;
        let left = (about.is_file() && path.as_os_str() != "-").then_some(about.len());
        Ok(Lines::of(file, left))
    }

    fn of(file: File, left: Option<u64>) -> Lines {
        let file = Arc::new(file);
        Lines {
            file,
            left,
            buffer: Vec::new(),
            at: 0,
            searched: 0,
            is_passing: false,
            number: 0,
            is_over: false,
        }
    }

    /// The number of the line that was given last, counted from 1.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The next line. Where there is nothing yet, `waits` is told what for; a line that has no end holds up nobody who stops.
    pub(super) fn next(&mut self, waits: &mut Waits) -> io::Result<Next> {
        for _ in 0..CHUNKS_MAX {
            if let Some(next) = self.buffered() {
                return Ok(next);
            }
            if self.is_over {
                return Ok(self.last());
            }
            if !waits.is_readable(&self.file) {
                return Ok(Next::NotYet);
            }
            if self.fill()? {
                return Ok(Next::TooLong);
            }
        }
        waits.again();
        Ok(Next::NotYet)
    }

    /// A line that is in the buffer as a whole.
    fn buffered(&mut self) -> Option<Next> {
        let Some(idx) = self.buffer[self.searched..].iter().position(|it| *it == b'\n') else {
            self.searched = self.buffer.len();
            return None;
        };
        let end = self.searched + idx;
        let start = std::mem::replace(&mut self.at, end + 1);
        self.searched = self.at;
        if std::mem::take(&mut self.is_passing) {
            // It was told already.
            return self.buffered();
        }
        self.number += 1;
        if LINE_BYTES_MAX < end - start {
            return Some(Next::TooLong);
        }
        let line = &self.buffer[start..end];
        Some(Next::Line(Bytes::copy_from_slice(line.strip_suffix(b"\r").unwrap_or(line))))
    }

    /// What is behind the last end of a line.
    fn last(&mut self) -> Next {
        let rest = std::mem::take(&mut self.buffer).split_off(std::mem::take(&mut self.at));
        self.searched = 0;
        if rest.is_empty() || std::mem::take(&mut self.is_passing) {
            return Next::End;
        }
        self.number += 1;
        match LINE_BYTES_MAX < rest.len() {
            true => Next::TooLong,
            false => Next::Line(Bytes::from(rest)),
        }
    }

    /// Reads once, and not until there is so much: of a pipe more may never come. Whether a line turns out to be too long,
    /// which is passed over from then on.
    fn fill(&mut self) -> io::Result<bool> {
        self.searched -= self.at;
        self.buffer.drain(..std::mem::take(&mut self.at));
        let is_too_long = !self.is_passing && LINE_BYTES_MAX < self.buffer.len();
        if self.is_passing || is_too_long {
            (self.is_passing, self.buffer, self.searched) = (true, Vec::new(), 0);
        }
        self.number += u64::from(is_too_long);
        let wanted =
            self.left.map_or(CHUNK_BYTES, |it| CHUNK_BYTES.min(usize::try_from(it).unwrap_or(CHUNK_BYTES)));
        let before = self.buffer.len();
        self.buffer.resize(before + wanted, 0);
        let n = loop {
            match self.file.as_ref().read(&mut self.buffer[before..]) {
                Err(err) if err.kind() == io::ErrorKind::Interrupted => (),
                other => break other,
            }
        };
        self.buffer.truncate(before + n.as_ref().map_or(0, |it| *it));
        let n = n?;
        if let Some(left) = &mut self.left {
            *left -= n as u64;
        }
        self.is_over = n == 0;
        Ok(is_too_long)
    }
}

/// Refuses what has no end, but for what the process was started with.
pub(super) fn refuse_device(path: &Path, about: &Metadata) -> Result<(), String> {
    let is_of_process = ["-", "/dev/stdin"].iter().any(|it| path == Path::new(it)) || is_descriptor(path);
    let is_device = about.file_type().is_char_device() || about.file_type().is_block_device();
    match is_device && !is_of_process {
        true => Err(format!("reading {}: it is a device, not a file", printable_path(path))),
        false => Ok(()),
    }
}

fn is_descriptor(path: &Path) -> bool {
    ["/dev/fd", "/proc/self/fd"].iter().any(|it| path.starts_with(it))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn all(lines: &mut Lines) -> Vec<(u64, Next)> {
        let mut found = Vec::new();
        loop {
            match lines.next(&mut Waits::default()).expect("it can be read") {
                Next::End => return found,
                next => found.push((lines.number(), next)),
            }
        }
    }

    fn of(content: &[u8]) -> Lines {
        let (reader, mut writer) = io::pipe().expect("a pipe can be made");
        let content = content.to_vec();
        std::thread::spawn(move || drop(writer.write_all(&content)));
        Lines::of(File::from(std::os::fd::OwnedFd::from(reader)), None)
    }

    /// All lines of a pipe, which is waited for.
    fn of_pipe(content: &[u8]) -> Vec<(u64, Next)> {
        let mut lines = of(content);
        let mut found = Vec::new();
        loop {
            match lines.next(&mut Waits::default()).expect("it can be read") {
                Next::End => return found,
                Next::NotYet => std::thread::yield_now(),
                next => found.push((lines.number(), next)),
            }
        }
    }

    #[test]
    fn lines_have_numbers() {
        let line = |text: &'static str| Next::Line(Bytes::from(text));
        assert_eq!(of_pipe(b"a\r\n\nb\r"), [(1, line("a")), (2, line("")), (3, line("b\r"))]);
        assert_eq!(of_pipe(b""), []);
    }

    #[test]
    fn a_line_that_is_too_long_is_passed_over_and_not_kept() {
        let mut content = vec![b'x'; LINE_BYTES_MAX + 1];
        content.extend(b"\na\n");
        content.extend(vec![b'y'; LINE_BYTES_MAX + 1]);
        let found = of_pipe(&content);
        assert_eq!(found, [(1, Next::TooLong), (2, Next::Line(Bytes::from("a"))), (3, Next::TooLong)]);
    }

    #[test]
    fn a_line_without_an_end_holds_up_nobody() {
        let mut lines = Lines::of(File::open("/dev/zero").expect("it is there"), None);
        let mut n_told = 0;
        for _ in 0..3 * LINE_BYTES_MAX / (CHUNKS_MAX * CHUNK_BYTES) {
            match lines.next(&mut Waits::default()).expect("it can be read") {
                Next::TooLong => n_told += 1,
                next => assert_eq!(next, Next::NotYet),
            }
        }
        assert_eq!((n_told, lines.buffer.len() <= CHUNK_BYTES), (1, true));
    }

    #[test]
    fn devices_are_refused() {
        let refused = |path| Lines::open(Path::new(path)).err();
        let text = "reading /dev/zero: it is a device, not a file".to_string();
        assert_eq!((refused("/dev/zero"), refused("-")), (Some(text), None));
    }

    #[test]
    fn what_is_written_later_is_not_read() {
        let path = std::env::temp_dir().join(format!("wappa-lines-{}", std::process::id()));
        std::fs::write(&path, "a\nb\n").expect("a file can be written");
        let mut lines = Lines::open(&path).expect("it is there");
        let mut file = File::options().append(true).open(&path).expect("it can be opened");
        file.write_all(b"c\n").expect("it can be written");
        let numbers: Vec<u64> = all(&mut lines).iter().map(|it| it.0).collect();
        std::fs::remove_file(&path).expect("it can be removed");
        assert_eq!(numbers, [1, 2]);
    }
}
