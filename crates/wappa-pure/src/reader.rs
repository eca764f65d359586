//! Parcels of messages out of a descriptor: reads, scans, and hands on what was read before every wait.

use std::{
    fmt, io,
    os::fd::{AsFd, BorrowedFd},
    sync::Arc,
};

use rustix::{
    buffer::spare_capacity,
    fs::{FileType, fstat},
    io::Errno,
};
use wappa_component::{
    Opened, Slices, Waits,
    cutter::{Cutter, NotCut},
};

use crate::fault;

/// After this many bytes without a message control is given back, so that a stop need not wait for a long one.
const BYTES_WITHOUT_MESSAGE_MAX: usize = 1024 * 1024;

/// Why there is no parcel.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoParcel {
    /// Nothing yet; what for is named.
    NotReady,
    /// There will be no more.
    End,
    /// The source is of no further use.
    Failed(String),
    /// Something of the source is of no use.
    Broken(String),
}

/// Reads one source.
pub(crate) struct SourceReader<D> {
    descriptor: Arc<D>,
    cutter: Cutter,
    /// What a failure calls the source.
    name: String,
    needs_wait: bool,
    /// The size that a file had in the beginning.
    size_before: u64,
    is_stopped: bool,
}

impl<D: AsFd + Send + Sync + 'static> SourceReader<D> {
    /// A reader at the beginning of a source.
    pub(crate) fn new(descriptor: D, opened: Opened, name: impl Into<String>) -> SourceReader<D> {
        let needs_wait = needs_wait(descriptor.as_fd());
        let reader = SourceReader {
            descriptor: Arc::new(descriptor),
            cutter: Cutter::new(opened),
            name: name.into(),
            needs_wait,
            size_before: 0,
            is_stopped: false,
        };
        SourceReader { size_before: reader.size().unwrap_or(0), ..reader }
    }

    /// The same, for a source that is read from the byte `offset` on.
    pub(crate) fn beginning_at(self, offset: u64) -> SourceReader<D> {
        SourceReader { cutter: self.cutter.beginning_at(offset), ..self }
    }

    /// What is read.
    pub(crate) fn descriptor(&self) -> &D {
        &self.descriptor
    }

    /// Asks the source again, after its end, whether there is more.
    pub(crate) fn restart(&mut self, opened: Opened) {
        self.cutter.restart(opened);
    }

    /// How far in the source the reader is, in bytes.
    pub(crate) fn position(&self) -> u64 {
        self.cutter.position()
    }

    /// Messages, as many as are ready, without metadata. There is one at least.
    pub(crate) fn read(&mut self, waits: &mut Waits) -> Result<Slices, NoParcel> {
        let mut n_read = 0;
        loop {
            if let Some(found) = self.cutter.cut().map_err(|err| not_cut(&self.name, &err))? {
                return Ok(found);
            }
            if self.cutter.is_at_end() || self.is_stopped {
                return Err(NoParcel::End);
            }
            if BYTES_WITHOUT_MESSAGE_MAX <= n_read {
                waits.again();
                return Err(NoParcel::NotReady);
            }
            n_read += self.fill(waits)?;
        }
    }

    /// How many bytes of the source were handed on or skipped.
    pub(crate) fn offset(&self) -> u64 {
        self.cutter.offset()
    }

    /// The size of a source that is a file.
    pub(crate) fn size(&self) -> Option<u64> {
        let stat = fstat(self.descriptor.as_ref())
            .ok()
            .filter(|it| FileType::from_raw_mode(it.st_mode).is_file())?;
        u64::try_from(stat.st_size).ok()
    }

    /// Whether a file ends before what it had in the beginning. What the system makes up may be of another size than it says,
    /// but says so again.
    fn is_cut_off(&self) -> bool {
        self.position() < self.size_before && self.size().is_some_and(|size| size < self.size_before)
    }

    /// Reads no more. What is in the buffer is handed on; the result is how many bytes may be only a part of a
    /// message.
    pub(crate) fn stop(&mut self) -> usize {
        self.is_stopped = true;
        self.cutter.pause();
        self.cutter.held()
    }

    /// Nothing more is there. What came is looked through first, if it was not.
    fn pause(&mut self, why: NoParcel) -> Result<usize, NoParcel> {
        if !self.cutter.is_behind() {
            return Err(why);
        }
        self.cutter.pause();
        Ok(0)
    }

    /// Reads once. The result is how many bytes came.
    fn fill(&mut self, waits: &mut Waits) -> Result<usize, NoParcel> {
        if self.needs_wait && !waits.is_readable(&self.descriptor) {
            return self.pause(NoParcel::NotReady);
        }
        let room = self.cutter.room().map_err(|err| not_cut(&self.name, &err))?;
        let n_bytes = loop {
            match rustix::io::read(self.descriptor.as_ref(), spare_capacity(room)) {
                Ok(n_bytes) => break n_bytes,
                Err(Errno::INTR) => (),
                // Somebody else who reads the same pipe was faster.
                Err(Errno::AGAIN) => {
                    waits.readable(&self.descriptor);
                    return self.pause(NoParcel::NotReady);
                }
                Err(err) => return Err(NoParcel::Failed(fault::failed("read", &self.name, err))),
            }
        };
        if n_bytes == 0 && self.is_cut_off() {
            let text = "it became shorter while it was read, and what was not read yet is lost";
            return Err(NoParcel::Failed(format!("read {}: {text}", self.name)));
        }
        self.cutter.filled(n_bytes);
        Ok(n_bytes)
    }
}

fn not_cut(name: &str, err: &NotCut) -> NoParcel {
    let text = format!("read {name}: {err}");
    if err.goes_on { NoParcel::Broken(text) } else { NoParcel::Failed(text) }
}

/// Whether reading may block. Files never do, and cannot be waited for.
fn needs_wait(descriptor: BorrowedFd<'_>) -> bool {
    let Ok(stat) = fstat(descriptor) else { return false };
    let kind = FileType::from_raw_mode(stat.st_mode);
    !matches!(kind, FileType::RegularFile | FileType::Directory | FileType::BlockDevice)
}

impl<D> fmt::Debug for SourceReader<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SourceReader")
            .field("name", &self.name)
            .field("cutter", &self.cutter)
            .finish_non_exhaustive()
    }
}

/// Standard input as a descriptor; the standard library's buffer is not used.
pub(crate) fn standard_input() -> impl AsFd + Send + Sync {
    io::stdin()
}

#[cfg(test)]
mod tests {
    use std::{fs::File, io::Write};

    use wappa_component::{PARCEL_BYTES_MAX, PARCEL_MESSAGES_MAX};

    use super::*;
    use crate::test::{Harness, TempDir};

    fn read_all(data: &[u8], config: &str) -> Vec<Slices> {
        let (dir, mut harness) = (TempDir::new(), Harness::default());
        let file = File::open(dir.write("in", data)).expect("it is there");
        let mut reader = SourceReader::new(file, harness.scanner(config).open("in").expect("it fits"), "in");
        let mut all = Vec::new();
        loop {
            match reader.read(&mut Waits::default()) {
                Ok(found) => all.push(found),
                Err(NoParcel::NotReady) => (),
                Err(err) => {
                    assert_eq!(err, NoParcel::End);
                    return all;
                }
            }
        }
    }

    #[test]
    fn parcels_have_their_bounds_and_nothing_is_lost() {
        // Sizes that change suddenly, in both directions.
        let sizes = [10, 300, 5_000, 1, 60_000, 0, 100];
        let mut data = Vec::new();
        for (idx, size) in sizes.iter().cycle().take(21).enumerate() {
            for n in 0..200_000 / (size + 100) {
                data.extend(std::iter::repeat_n(b'a' + ((idx + n) % 26) as u8, *size));
                data.push(b'\n');
            }
        }
        let mut expected = data.split(|it| *it == b'\n');
        let found = read_all(&data, "lines: {}");
        for Slices { buffer, ranges, .. } in &found {
            assert!(!ranges.is_empty() && ranges.len() <= PARCEL_MESSAGES_MAX);
            let n_bytes: usize = ranges.iter().map(|(start, end)| (end - start) as usize + 1).sum();
            assert!(buffer.len() <= PARCEL_BYTES_MAX + 60_000, "{}", buffer.len());
            assert!(buffer.len() <= n_bytes * 2, "{} for {n_bytes}", buffer.len());
            for (start, end) in ranges {
                assert!(expected.next() == Some(&buffer[*start as usize..*end as usize]));
            }
        }
        assert_eq!((expected.next(), expected.next()), (Some(&b""[..]), None));
        assert!(found.len() < 2 * data.len() / PARCEL_BYTES_MAX + 2 * data.len() / 20_000, "{}", found.len());
    }

    #[test]
    fn a_file_that_becomes_shorter_has_no_end() {
        let (dir, mut harness) = (TempDir::new(), Harness::default());
        let path = dir.write("in", "a line\n".repeat(1_000_000));
        let file = File::open(&path).expect("it is there");
        let mut reader =
            SourceReader::new(file, harness.scanner("lines: {}").open("in").expect("it fits"), "in");
        assert!(reader.read(&mut Waits::default()).is_ok());
        File::options().write(true).open(&path).and_then(|it| it.set_len(10)).expect("it is ours");
        let end = loop {
            match reader.read(&mut Waits::default()) {
                Ok(found) => {
                    let lines =
                        found.ranges.iter().map(|(start, end)| &found.buffer[*start as usize..*end as usize]);
                    lines.for_each(|it| assert_eq!(it, b"a line"));
                }
                Err(NoParcel::NotReady) => (),
                Err(err) => break err,
            }
        };
        let text = "read in: it became shorter while it was read, and what was not read yet is lost";
        assert_eq!(end, NoParcel::Failed(text.to_string()));
        // What the system makes up has no size, and an end all the same.
        let file = File::open("/proc/self/status").expect("it is there");
        let mut reader =
            SourceReader::new(file, harness.scanner("to_the_end: {}").open("in").expect("it fits"), "in");
        assert!(reader.read(&mut Waits::default()).is_ok());
        assert_eq!(reader.read(&mut Waits::default()).err(), Some(NoParcel::End));
    }

    #[test]
    fn a_trickle_does_not_keep_large_buffers_alive() {
        let mut harness = Harness::default();
        let (descriptor, mut writer) = std::io::pipe().expect("a pipe can be had");
        let mut reader =
            SourceReader::new(descriptor, harness.scanner("lines: {}").open("in").expect("it fits"), "in");
        let mut kept = Vec::new();
        for _ in 0..100 {
            writer.write_all(b"0123456789\n").expect("the pipe has room");
            kept.push(reader.read(&mut Waits::default()).expect("a line").buffer);
        }
        let own = kept.into_iter().map(|it| it.try_into_mut().expect("nobody else has it").capacity());
        assert_eq!(own.sum::<usize>(), 100 * 10);
    }

    #[test]
    fn a_message_may_be_longer_than_any_parcel() {
        let mut data = vec![b'x'; 3_000_000];
        data.extend_from_slice(b"\nshort\n");
        let found = read_all(&data, "lines: {max_buffer_size: 4000000}");
        assert_eq!(found.iter().map(|it| it.ranges.len()).sum::<usize>(), 2);
        let found = read_all(&data, "to_the_end: {}");
        assert!(found.len() == 1 && found[0].buffer == data);
    }

    #[test]
    fn many_messages_may_be_longer_than_any_parcel() {
        for (config, delimiter) in [
            ("lines: {max_buffer_size: 2000000}", "\n"),
            ("lines: {max_buffer_size: 2000000, custom_delimiter: '<>'}", "<>"),
        ] {
            let sizes = [1 << 20, 1 << 20, 10, 700_000, 1 << 20, 0, 131_072, 1 << 20];
            let lines: Vec<String> = sizes.iter().map(|it| "x".repeat(*it)).collect();
            let data = lines.join(delimiter) + delimiter;
            let found = read_all(data.as_bytes(), config);
            let all = found.iter().flat_map(|Slices { buffer, ranges, .. }| {
                ranges.iter().map(|(start, end)| buffer[*start as usize..*end as usize].len())
            });
            assert_eq!(all.collect::<Vec<_>>(), sizes, "{config}");
        }
    }

    #[test]
    fn a_message_that_no_buffer_can_hold_fails() {
        let (dir, mut harness) = (TempDir::new(), Harness::default());
        let file = File::open(dir.write("in", vec![b'x'; 100_000])).expect("it is there");
        let mut reader =
            SourceReader::new(file, harness.scanner("to_the_end: {}").open("in").expect("it fits"), "in");
        reader.cutter = reader.cutter.holding(50_000);
        let text = "read in: at byte 0: a message is longer than 50000 bytes, the most that one can have";
        let result = reader.read(&mut Waits::default());
        assert_eq!(result.err(), Some(NoParcel::Failed(text.to_string())));
    }

    #[test]
    fn gives_control_back_while_it_reads_a_long_message() {
        let (dir, mut harness) = (TempDir::new(), Harness::default());
        let file = File::open(dir.write("in", vec![b'x'; 5_000_000])).expect("it is there");
        let mut reader =
            SourceReader::new(file, harness.scanner("to_the_end: {}").open("in").expect("it fits"), "in");
        assert_eq!(reader.read(&mut Waits::default()).err(), Some(NoParcel::NotReady));
        reader.stop();
        assert_eq!(reader.read(&mut Waits::default()).err(), Some(NoParcel::End));
    }
}
