//! Parcels of messages out of a descriptor: reads, scans, and hands on what was read before every wait.
//!
//! Each parcel has a buffer of its own, so that slices of one buffer are never dropped on two cores. Reads are as
//! large as a parcel is expected to be; what is left over begins the next buffer.

use std::{
    fmt, io,
    os::fd::{AsFd, BorrowedFd},
    sync::Arc,
};

use bytes::Bytes;
use rustix::{
    buffer::spare_capacity,
    fs::{FileType, fstat},
    io::Errno,
};
use wappa_component::{PARCEL_BYTES_MAX, PARCEL_MESSAGES_MAX, Ranges, Scanner, Waits};

use crate::fault;

const READ_BYTES_FIRST: usize = 16 * 1024;
const READ_BYTES_MIN: usize = 4 * 1024;
const READ_BYTES_MAX: usize = PARCEL_BYTES_MAX;

/// After this many bytes without a message control is given back, so that a stop need not wait for a long one.
const BYTES_WITHOUT_MESSAGE_MAX: usize = 1024 * 1024;

/// Ranges of a buffer have 32 bits.
const BUFFER_BYTES_MAX: usize = u32::MAX as usize;

/// Why there is no parcel.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoParcel {
    /// Nothing yet; what for is named.
    NotReady,
    /// There will be no more.
    End,
    /// The source is of no further use.
    Failed(String),
}

/// A buffer, and the ranges of it that are messages.
pub(crate) type Found = (Bytes, Vec<(u32, u32)>);

/// Reads one source.
pub(crate) struct SourceReader<D> {
    descriptor: Arc<D>,
    scanner: Box<dyn Scanner>,
    /// What a failure calls the source.
    name: String,
    buffer: Vec<u8>,
    /// What of the buffer was handed on.
    start: usize,
    /// What was handed on before the buffer, in bytes.
    offset: u64,
    /// How long a message is, its delimiter included; 0 as long as none was seen.
    message_bytes: usize,
    /// How much the scanner is shown: first what a parcel can hold, then more, for a message that is longer.
    window: usize,
    buffer_bytes_max: usize,
    needs_wait: bool,
    /// There may be whole messages in the buffer.
    is_unscanned: bool,
    is_at_end: bool,
    is_stopped: bool,
}

impl<D: AsFd + Send + Sync + 'static> SourceReader<D> {
    /// A reader at the beginning of a source.
    pub(crate) fn new(descriptor: D, scanner: Box<dyn Scanner>, name: impl Into<String>) -> SourceReader<D> {
        let needs_wait = needs_wait(descriptor.as_fd());
        SourceReader {
            descriptor: Arc::new(descriptor),
            scanner,
            name: name.into(),
            buffer: Vec::new(),
            start: 0,
            offset: 0,
            message_bytes: 0,
            window: PARCEL_BYTES_MAX,
            buffer_bytes_max: BUFFER_BYTES_MAX,
            needs_wait,
            is_unscanned: false,
            is_at_end: false,
            is_stopped: false,
        }
    }

    /// The same, for a source that is read from the byte `offset` on.
    pub(crate) fn beginning_at(self, offset: u64) -> SourceReader<D> {
        SourceReader { offset, ..self }
    }

    /// What is read.
    pub(crate) fn descriptor(&self) -> &D {
        &self.descriptor
    }

    /// Asks the source again, after its end, whether there is more.
    pub(crate) fn restart(&mut self, scanner: Box<dyn Scanner>) {
        self.scanner = scanner;
        self.is_at_end = false;
    }

    /// How far in the source the reader is, in bytes.
    pub(crate) fn position(&self) -> u64 {
        self.offset + (self.buffer.len() - self.start) as u64
    }

    /// Messages, as many as are ready. `ranges` is never empty.
    pub(crate) fn read(&mut self, waits: &mut Waits) -> Result<Found, NoParcel> {
        let mut n_read = 0;
        loop {
            if self.is_unscanned
                && let Some(found) = self.scan()?
            {
                return Ok(found);
            }
            if self.is_at_end || self.is_stopped {
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
        self.offset
    }

    /// The size of a source that is a file.
    pub(crate) fn size(&self) -> Option<u64> {
        let stat = fstat(self.descriptor.as_ref())
            .ok()
            .filter(|it| FileType::from_raw_mode(it.st_mode).is_file())?;
        u64::try_from(stat.st_size).ok()
    }

    /// Reads no more. What is in the buffer is handed on; the result is how many bytes may be only a part of a
    /// message.
    pub(crate) fn stop(&mut self) -> usize {
        self.is_stopped = true;
        self.buffer.len() - self.start
    }

    fn scan(&mut self) -> Result<Option<Found>, NoParcel> {
        loop {
            let held = &self.buffer[self.start..];
            let data = &held[..self.window.min(held.len())];
            let is_all = data.len() == held.len();
            let mut ranges = Ranges::with_capacity(data.len() / self.message_bytes.max(1) + 8);
            let result = self.scanner.scan(data, self.is_at_end && is_all, &mut ranges);
            let consumed = result.map_err(|err| {
                let at = self.offset + err.offset as u64;
                NoParcel::Failed(format!("read {}: at byte {at}: {}", self.name, err.text))
            })?;
            if 0 < consumed {
                self.window = PARCEL_BYTES_MAX;
            }
            if !ranges.is_empty() {
                return Ok(Some(self.cut(consumed, ranges.into_vec())));
            }
            self.skip(consumed);
            if is_all {
                self.is_unscanned = false;
                return Ok(None);
            }
            if consumed == 0 {
                self.window = self.window.saturating_mul(2);
            }
        }
    }

    /// Takes messages out of the buffer: with the buffer, where they are most of it, else as a copy of their size.
    fn cut(&mut self, consumed: usize, mut ranges: Vec<(u32, u32)>) -> Found {
        let n_bytes: usize = ranges.iter().map(|(start, end)| (end - start) as usize + 1).sum();
        let average = n_bytes.div_ceil(ranges.len());
        // Halfway, so that one odd parcel does not spoil the size of the next reads.
        self.message_bytes =
            if self.message_bytes == 0 { average } else { (self.message_bytes + average).div_ceil(2) };
        if self.start == 0 && self.buffer.capacity() <= n_bytes * 2 {
            let tail = &self.buffer[consumed..];
            let mut next = Vec::with_capacity(self.buffer_size(tail.len()));
            next.extend_from_slice(tail);
            self.offset += consumed as u64;
            let mut buffer = std::mem::replace(&mut self.buffer, next);
            buffer.truncate(consumed);
            return (buffer.into(), ranges);
        }
        let held = &self.buffer[self.start..];
        let mut copy = Vec::with_capacity(n_bytes - ranges.len());
        for (start, end) in &mut ranges {
            let message = &held[*start as usize..*end as usize];
            *start = copy.len() as u32;
            copy.extend_from_slice(message);
            *end = copy.len() as u32;
        }
        self.skip(consumed);
        (copy.into(), ranges)
    }

    fn skip(&mut self, n_bytes: usize) {
        self.start += n_bytes;
        self.offset += n_bytes as u64;
        if self.start == self.buffer.len() {
            self.buffer.clear();
            self.start = 0;
        }
    }

    /// How large a buffer should be that begins with `held` bytes of an unfinished message.
    fn buffer_size(&self, held: usize) -> usize {
        let parcel = match self.message_bytes {
            0 => READ_BYTES_FIRST,
            it => (it * PARCEL_MESSAGES_MAX).clamp(READ_BYTES_MIN, READ_BYTES_MAX),
        };
        let size = if held <= parcel / 4 * 3 { parcel } else { held * 2 };
        size.min(self.buffer_bytes_max)
    }

    /// Reads once. The result is how many bytes came.
    fn fill(&mut self, waits: &mut Waits) -> Result<usize, NoParcel> {
        if self.needs_wait && !waits.is_readable(&self.descriptor) {
            return Err(NoParcel::NotReady);
        }
        self.make_room()?;
        loop {
            match rustix::io::read(self.descriptor.as_ref(), spare_capacity(&mut self.buffer)) {
                Ok(n_bytes) => {
                    self.is_at_end = n_bytes == 0;
                    self.is_unscanned = true;
                    return Ok(n_bytes);
                }
                Err(Errno::INTR) => (),
                // Somebody else who reads the same pipe was faster.
                Err(Errno::AGAIN) => {
                    waits.readable(&self.descriptor);
                    return Err(NoParcel::NotReady);
                }
                Err(err) => return Err(NoParcel::Failed(fault::failed("read", &self.name, err))),
            }
        }
    }

    fn make_room(&mut self) -> Result<(), NoParcel> {
        let held = self.buffer.len() - self.start;
        if self.buffer_bytes_max <= held {
            let (at, max) = (self.offset, self.buffer_bytes_max);
            return Err(NoParcel::Failed(format!(
                "read {}: at byte {at}: a message is longer than {max} bytes, the most that one can have",
                self.name
            )));
        }
        let size = self.buffer_size(held);
        if (size..=size * 2).contains(&self.buffer.capacity()) {
            self.buffer.drain(..self.start);
        } else {
            let mut larger = Vec::new();
            larger.try_reserve_exact(size).map_err(|_| {
                let (name, at) = (&self.name, self.offset);
                NoParcel::Failed(format!(
                    "read {name}: at byte {at}: no memory for a message of {held} bytes"
                ))
            })?;
            larger.extend_from_slice(&self.buffer[self.start..]);
            self.buffer = larger;
        }
        self.start = 0;
        Ok(())
    }
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
            .field("offset", &self.offset)
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

    use super::*;
    use crate::test::{Harness, TempDir};

    fn read_all(data: &[u8], config: &str) -> Vec<Found> {
        let (dir, mut harness) = (TempDir::new(), Harness::default());
        let file = File::open(dir.write("in", data)).expect("it is there");
        let mut reader = SourceReader::new(file, harness.scanner(config).open(), "in");
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
        for (buffer, ranges) in &found {
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
    fn a_trickle_does_not_keep_large_buffers_alive() {
        let mut harness = Harness::default();
        let (descriptor, mut writer) = std::io::pipe().expect("a pipe can be had");
        let mut reader = SourceReader::new(descriptor, harness.scanner("lines: {}").open(), "in");
        let mut kept = Vec::new();
        for _ in 0..100 {
            writer.write_all(b"0123456789\n").expect("the pipe has room");
            kept.push(reader.read(&mut Waits::default()).expect("a line").0);
        }
        let own = kept.into_iter().map(|it| it.try_into_mut().expect("nobody else has it").capacity());
        assert_eq!(own.sum::<usize>(), 100 * 10);
    }

    #[test]
    fn a_message_may_be_longer_than_any_parcel() {
        let mut data = vec![b'x'; 3_000_000];
        data.extend_from_slice(b"\nshort\n");
        let found = read_all(&data, "lines: {max_buffer_size: 4000000}");
        assert_eq!(found.iter().map(|it| it.1.len()).sum::<usize>(), 2);
        let found = read_all(&data, "to_the_end: {}");
        assert!(found.len() == 1 && found[0].0 == data);
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
            let all = found.iter().flat_map(|(buffer, ranges)| {
                ranges.iter().map(|(start, end)| buffer[*start as usize..*end as usize].len())
            });
            assert_eq!(all.collect::<Vec<_>>(), sizes, "{config}");
        }
    }

    #[test]
    fn a_message_that_no_buffer_can_hold_fails() {
        let (dir, mut harness) = (TempDir::new(), Harness::default());
        let file = File::open(dir.write("in", vec![b'x'; 100_000])).expect("it is there");
        let mut reader = SourceReader::new(file, harness.scanner("to_the_end: {}").open(), "in");
        reader.buffer_bytes_max = 50_000;
        let text = "read in: at byte 0: a message is longer than 50000 bytes, the most that one can have";
        let result = reader.read(&mut Waits::default());
        assert_eq!(result, Err(NoParcel::Failed(text.to_string())));
    }

    #[test]
    fn gives_control_back_while_it_reads_a_long_message() {
        let (dir, mut harness) = (TempDir::new(), Harness::default());
        let file = File::open(dir.write("in", vec![b'x'; 5_000_000])).expect("it is there");
        let mut reader = SourceReader::new(file, harness.scanner("to_the_end: {}").open(), "in");
        assert_eq!(reader.read(&mut Waits::default()), Err(NoParcel::NotReady));
        reader.stop();
        assert_eq!(reader.read(&mut Waits::default()), Err(NoParcel::End));
    }
}
