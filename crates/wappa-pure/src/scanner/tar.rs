//! The scanner `tar`.

use bytes::Bytes;
use tar::{EntryType, Header, PaxExtensions};
use wappa_component::{
    BuildError, BuildScanner, Component, Context, Form, Opened, Ranges, ScanError, Scanner, ScannerFactory,
};
use wappa_message::{Message, Value};
use wappa_spec::Config;

pub(super) const COMPONENT: Component = Component::scanner::<TarConfig>("tar");

/// Makes a message of each file in an archive of the format tar.
///
/// Directories and links are messages without content.
///
/// Messages get the metadata `tar_name`: the path in the archive.
///
/// # Examples
///
/// ### The files of compressed archives
///
/// ```yaml
/// input:
///   file:
///     paths: [ ./archives/*.tar.gz ]
///     scanner:
///       decompress:
///         algorithm: gzip
///         into:
///           tar: {}
/// output:
///   stdout: {}
/// ```
///
/// # Errors
///
/// What is no archive, or one that was cut off, ends its source with an error; the files before that are delivered.
/// A sparse file is an error too.
///
/// # Pitfalls
///
/// A file is held in memory, and one of 4GiB or more is an error.
#[derive(Config, Debug)]
struct TarConfig;

impl BuildScanner for TarConfig {
    fn build(self, _: &mut Context<'_>) -> Result<Box<dyn ScannerFactory>, BuildError> {
        Ok(Box::new(Tar))
    }
}

/// Makes a scanner for each source.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tar;

impl ScannerFactory for Tar {
    fn open(&self, _: &str) -> Result<Opened, String> {
        Ok(Opened::new(TarScanner::default()))
    }
}

const BLOCK_BYTES: usize = 512;

/// How long what says something about the next file can be: its name, and what else there is.
const NOTE_BYTES_MAX: u64 = 1 << 20;

/// Ranges of a buffer have 32 bits.
const FILE_BYTES_MAX: u64 = u32::MAX as u64 - 2 * BLOCK_BYTES as u64;

const NO_HEADER: &str = "archive/tar: invalid tar header";
const SHORT: &str = "unexpected EOF";

#[derive(Default)]
struct TarScanner {
    /// What was said of the next file.
    name: Option<Bytes>,
    size: Option<u64>,
    is_over: bool,
}

/// An entry of the archive.
struct Entry {
    kind: EntryType,
    /// How many bytes follow the header.
    size: u64,
    name: Bytes,
}

impl Scanner for TarScanner {
    fn scan(&mut self, data: &[u8], at_end: bool, ranges: &mut Ranges) -> Result<usize, ScanError> {
        let (mut at, mut names) = (0, Vec::new());
        while !ranges.is_full() && !self.is_over && at < data.len() {
            match self.entry(&data[at..], at_end) {
                Ok(Some((entry, end))) => {
                    let start = at + BLOCK_BYTES;
                    let content = start..start + entry.size as usize;
                    if let Some(name) = self.take(&entry, &data[content.clone()]) {
                        ranges.push(content.start, content.end);
                        names.push(name);
                    }
                    at += end;
                }
                Ok(None) => break,
                // The files before it come first.
                Err(_) if !ranges.is_empty() => break,
                Err(text) => return Err(ScanError::new(at, text)),
            }
        }
        if !ranges.is_empty() {
            ranges.set_form(Names(names));
        }
        Ok(if self.is_over { data.len() } else { at })
    }
}

impl TarScanner {
    /// The entry with which the data begin, and where the next one does; none where more is needed, or nothing follows.
    fn entry(&mut self, data: &[u8], at_end: bool) -> Result<Option<(Entry, usize)>, String> {
        let short = || if at_end { Err(SHORT.to_string()) } else { Ok(None) };
        let Some(block) = data.get(..BLOCK_BYTES) else { return short() };
        if block.iter().all(|it| *it == 0) {
            return match data.get(BLOCK_BYTES..2 * BLOCK_BYTES) {
                None if !at_end => Ok(None),
                Some(next) if next.iter().any(|it| *it != 0) => Err(NO_HEADER.to_string()),
                _ => {
                    self.is_over = true;
                    Ok(None)
                }
            };
        }
        let header = Header::from_byte_slice(block);
        if header.cksum().ok() != Some(sum(block)) {
            return Err(NO_HEADER.to_string());
        }
        let size = header.entry_size().map_err(|_| NO_HEADER.to_string())?;
        let kind = header.entry_type();
        let name = || self.name.clone().unwrap_or_else(|| Bytes::copy_from_slice(&header.path_bytes()));
        let (size, most) = match kind {
            EntryType::GNULongName | EntryType::GNULongLink | EntryType::XHeader | EntryType::XGlobalHeader => {
                (size, NOTE_BYTES_MAX)
            }
            EntryType::GNUSparse => return Err(format!("`{}` is a sparse file", shown(&name()))),
            EntryType::Link
            | EntryType::Symlink
            | EntryType::Char
            | EntryType::Block
            | EntryType::Directory
            | EntryType::Fifo => (0, 0),
            _ => (self.size.unwrap_or(size), FILE_BYTES_MAX),
        };
        if most < size {
            return Err(format!("`{}` has {size} bytes, and at most {most} can be read", shown(&name())));
        }
        let end = BLOCK_BYTES + size as usize;
        if data.len() < end {
            return short();
        }
        let entry = Entry { kind, size, name: name() };
        // What fills the last block is nobody's loss.
        let next = end.next_multiple_of(BLOCK_BYTES);
        match data.len() < next && !at_end {
            true => Ok(None),
            false => Ok(Some((entry, next.min(data.len())))),
        }
    }

    /// The name of a file, or nothing of what only says something about the next one.
    fn take(&mut self, entry: &Entry, content: &[u8]) -> Option<Bytes> {
        match entry.kind {
            EntryType::GNULongName => {
                let end = content.iter().position(|it| *it == 0).unwrap_or(content.len());
                self.name = Some(Bytes::copy_from_slice(&content[..end]));
                None
            }
            EntryType::XHeader => {
                for note in PaxExtensions::new(content).flatten() {
                    match note.key_bytes() {
                        b"path" => self.name = Some(Bytes::copy_from_slice(note.value_bytes())),
                        b"size" => self.size = note.value().ok().and_then(|it| it.parse().ok()),
                        _ => (),
                    }
                }
                None
            }
            EntryType::GNULongLink | EntryType::XGlobalHeader => None,
            _ => {
                (self.name, self.size) = (None, None);
                Some(entry.name.clone())
            }
        }
    }
}

/// The checksum of a header: its bytes, where those of the checksum are blanks.
fn sum(block: &[u8]) -> u32 {
    let of = |(at, byte): (usize, &u8)| if (148..156).contains(&at) { u32::from(b' ') } else { u32::from(*byte) };
    block.iter().enumerate().map(of).sum()
}

fn shown(name: &[u8]) -> String {
    crate::path::shown(name)
}

/// The names of files that were found together.
#[derive(Debug)]
struct Names(Vec<Bytes>);

impl Form for Names {
    fn shape(&self, idx: usize, message: &mut Message) {
        if let Some(name) = self.0.get(idx) {
            message.metadata_mut().set("tar_name", Value::text(name));
        }
    }
}

#[cfg(test)]
mod tests {
    use tar::{Builder, EntryType, Header};

    use crate::test::check_scan;

    fn header(size: u64, kind: EntryType) -> Header {
        let mut header = Header::new_gnu();
        header.set_size(size);
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header
    }

    fn archive() -> Vec<u8> {
        let mut builder = Builder::new(Vec::new());
        let mut add = |name: &str, kind, content: &[u8]| {
            builder.append_data(&mut header(content.len() as u64, kind), name, content).expect("there is memory");
        };
        add("d/", EntryType::Directory, b"");
        add("d/a.txt", EntryType::Regular, b"hello\n");
        add("d/empty", EntryType::Regular, b"");
        add(&format!("d/{}", "x".repeat(150)), EntryType::Regular, &[b'y'; 513]);
        builder.append_pax_extensions([("path", &b"from pax"[..])]).expect("there is memory");
        builder.append_data(&mut header(1, EntryType::Regular), "other", &b"z"[..]).expect("there is memory");
        builder.into_inner().expect("there is memory")
    }

    fn check(data: &[u8], expected: &[&str]) {
        let expected: Vec<&[u8]> = expected.iter().map(|it| it.as_bytes()).collect();
        check_scan("tar: {}", data, &expected);
    }

    #[test]
    fn files_of_an_archive() {
        let long = format!("{} tar_name=\"d/{}\"", "y".repeat(513), "x".repeat(150));
        let files = [
            " tar_name=\"d/\"",
            "hello\n tar_name=\"d/a.txt\"",
            " tar_name=\"d/empty\"",
            &long,
            "z tar_name=\"from pax\"",
        ];
        check(&archive(), &files);
        let without_end = &archive()[..archive().len() - 1024];
        check(without_end, &files);
        check(&[&archive()[..], b"whatever follows"].concat(), &files);
        check(b"", &[]);
    }

    #[test]
    fn what_is_none() {
        check(b"short", &["error at 0: unexpected EOF"]);
        check(&[b'x'; 600], &["error at 0: archive/tar: invalid tar header"]);
        check(&archive()[..1029], &[" tar_name=\"d/\"", "error at 512: unexpected EOF"]);
        let mut broken = archive();
        broken[512] ^= 1;
        check(&broken, &[" tar_name=\"d/\"", "error at 512: archive/tar: invalid tar header"]);
        let mut large = header(1 << 40, EntryType::Regular);
        large.set_path("large").expect("it is short");
        large.set_cksum();
        let text = "`large` has 1099511627776 bytes, and at most 4294966271 can be read";
        check(large.as_bytes(), &[&format!("error at 0: {text}")]);
        let mut long = header(1 << 30, EntryType::GNULongName);
        long.set_path("long").expect("it is short");
        long.set_cksum();
        let text = "`long` has 1073741824 bytes, and at most 1048576 can be read";
        check(long.as_bytes(), &[&format!("error at 0: {text}")]);
    }
}
