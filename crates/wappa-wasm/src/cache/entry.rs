//! One file of the cache: code, and behind it what tells whose code it is and whether it is whole.
//!
//! The code comes first, because the engine maps the file and looks for an ELF image at its beginning; it finds
//! everything from there by offsets, and never looks at what follows.

use std::{fmt::Write as _, fs::File, io, ops::Range, os::unix::fs::FileExt, thread};

use super::Digest;
use crate::compile::load::is_component;

/// Ends every file of the cache.
const MAGIC: &[u8; 8] = b"wappacc\n";

/// The layout of the trailer. A file of another version is replaced.
const VERSION: u32 = 1;

/// What is behind the code: digest of the module's file, digest of how it was compiled, size of the code, whether
/// it is that of a component, checksum of everything up to here, version, magic.
const TRAILER_BYTES: usize = CHECKED_BYTES + 4 + 4 + 8;

/// The part of the trailer that the checksum covers.
const CHECKED_BYTES: usize = 32 + 32 + 8 + 4;

/// How much of a file is read at once for its checksum.
const BUFFER_BYTES: usize = 256 << 10;

/// The checksum of a file is taken by several threads, each of which has at least so much to do.
const PIECE_BYTES_MIN: u64 = 1 << 20;

/// More threads than this save little.
const PIECES_MAX: u64 = 4;

/// Whose code it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    /// SHA-256 of the module's file.
    pub(super) file: Digest,
    /// What the code depends on beside the module.
    pub(super) recipe: Digest,
}

impl Key {
    /// The name of the file. The trailer has the whole key.
    pub(super) fn name(&self) -> String {
        let mut name = String::with_capacity(64 + 1 + 16 + SUFFIX.len());
        let mut push = |bytes: &[u8]| {
            for byte in bytes {
                write!(name, "{byte:02x}").expect("writing to a string cannot fail");
            }
        };
        push(&self.file);
        push(&self.recipe[..8]);
        name.insert(64, '-');
        name + SUFFIX
    }
}

/// Ends the name of every file of the cache.
const SUFFIX: &str = ".code";

/// Whether a file of this name is ours to remove.
pub(super) fn is_name(name: &str) -> bool {
    let stem = name.strip_suffix(SUFFIX).and_then(|it| it.split_once('-'));
    let is_hex = |text: &str, n: usize| text.len() == n && text.bytes().all(|it| it.is_ascii_hexdigit());
    stem.is_some_and(|(file, recipe)| is_hex(file, 64) && is_hex(recipe, 16))
}

/// Why a file is not used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Flaw {
    #[error("it is cut short")]
    Short,
    #[error("it does not end as a file of the cache does")]
    NotOurs,
    #[error("another version of Wappa wrote it")]
    Version,
    #[error("it is of another module")]
    OtherModule,
    #[error("it changed since it was written (its checksum is another one)")]
    Checksum,
    #[error("it is a symbolic link")]
    Link,
    #[error("it is not a regular file")]
    NotAFile,
    #[error("it belongs to another user (id {0})")]
    Owner(u32),
    #[error("other users may write to it (mode {0:04o})")]
    Mode(u32),
    #[error("{}", wappa_component::cause(.0))]
    Unreadable(#[from] io::Error),
}

/// What goes behind the code.
pub(super) fn trailer(key: &Key, code: &[u8]) -> Vec<u8> {
    let mut trailer = Vec::with_capacity(TRAILER_BYTES);
    trailer.extend_from_slice(&key.file);
    trailer.extend_from_slice(&key.recipe);
    trailer.extend_from_slice(&(code.len() as u64).to_le_bytes());
    trailer.extend_from_slice(&u32::from(is_component(code)).to_le_bytes());
    let mut sum = crc32fast::Hasher::new();
    sum.update(code);
    sum.update(&trailer);
    trailer.extend_from_slice(&sum.finalize().to_le_bytes());
    trailer.extend_from_slice(&VERSION.to_le_bytes());
    trailer.extend_from_slice(MAGIC);
    trailer
}

/// What the end of a file says.
pub(super) struct Trailer {
    code_bytes: u64,
    checked: [u8; CHECKED_BYTES],
    sum: u32,
}

impl Trailer {
    /// Reads the trailer of a file of this size; an error unless it is a whole file with this key.
    pub(super) fn read(file: &File, size: u64, key: &Key) -> Result<Trailer, Flaw> {
        let code_bytes = size.checked_sub(TRAILER_BYTES as u64).ok_or(Flaw::Short)?;
        let mut bytes = [0; TRAILER_BYTES];
        file.read_exact_at(&mut bytes, code_bytes)?;
        let (checked, rest) = bytes.split_first_chunk::<CHECKED_BYTES>().expect("the array is longer");
        let (sum, rest) = rest.split_first_chunk::<4>().expect("the array is longer");
        let (version, magic) = rest.split_first_chunk::<4>().expect("the array is longer");
        if magic != MAGIC {
            return Err(Flaw::NotOurs);
        }
        if u32::from_le_bytes(*version) != VERSION {
            return Err(Flaw::Version);
        }
        if checked[..32] != key.file || checked[32..64] != key.recipe {
            return Err(Flaw::OtherModule);
        }
        if checked[64..72] != code_bytes.to_le_bytes() {
            return Err(Flaw::Short);
        }
        Ok(Trailer { code_bytes, checked: *checked, sum: u32::from_le_bytes(*sum) })
    }

    /// The size of the code before it.
    pub(super) fn code_bytes(&self) -> u64 {
        self.code_bytes
    }

    /// Whether it is the code of a component.
    pub(super) fn is_component(&self) -> bool {
        self.checked[72] != 0
    }

    /// Reads all of the code, and compares its checksum. A stream waits for this when it starts, so that the cores
    /// share the work.
    pub(super) fn check(&self, file: &File) -> Result<(), Flaw> {
        let cores = thread::available_parallelism().map_or(1, |it| it.get() as u64);
        let n_pieces = (self.code_bytes / PIECE_BYTES_MIN).clamp(1, cores.min(PIECES_MAX));
        let piece = self.code_bytes.div_ceil(n_pieces);
        let piece_of = |n: u64| (n * piece).min(self.code_bytes)..((n + 1) * piece).min(self.code_bytes);
        let mut sum = thread::scope(|scope| {
            let others: Vec<_> =
                (1..n_pieces).map(|n| scope.spawn(move || checksum(file, piece_of(n)))).collect();
            let mut sum = checksum(file, piece_of(0))?;
            for other in others {
                sum.combine(&other.join().expect("taking a checksum does not panic")?);
            }
            Ok::<_, io::Error>(sum)
        })?;
        sum.update(&self.checked);
        if sum.finalize() == self.sum { Ok(()) } else { Err(Flaw::Checksum) }
    }
}

/// The checksum of a part of a file.
fn checksum(file: &File, mut bytes: Range<u64>) -> io::Result<crc32fast::Hasher> {
    let mut sum = crc32fast::Hasher::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    while !bytes.is_empty() {
        let n = usize::try_from(bytes.end - bytes.start).unwrap_or(usize::MAX).min(BUFFER_BYTES);
        file.read_exact_at(&mut buffer[..n], bytes.start)?;
        sum.update(&buffer[..n]);
        bytes.start += n as u64;
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_is_the_same_however_many_take_it() {
        let key = Key { file: [1; 32], recipe: [2; 32] };
        let path = std::env::temp_dir().join(format!("wappa-checksum-{}", std::process::id()));
        for n_bytes in [1, 1 << 20, (2 << 20) + 1, (9 << 20) + 12_345_u32] {
            let mut code: Vec<u8> =
                (0..n_bytes).map(|it| (it.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
            let trailer = trailer(&key, &code);
            let check = |code: &[u8]| {
                std::fs::write(&path, [code, &trailer].concat()).expect("it can be written");
                let file = File::open(&path).expect("it is there");
                let size = (code.len() + trailer.len()) as u64;
                Trailer::read(&file, size, &key).and_then(|it| it.check(&file)).map_err(|err| err.to_string())
            };
            assert_eq!(check(&code), Ok(()), "{n_bytes}");
            for at in [0, code.len() / 3, code.len() / 2, code.len() - 1] {
                code[at] ^= 1;
                assert_eq!(check(&code), Err(Flaw::Checksum.to_string()), "{at} of {n_bytes}");
                code[at] ^= 1;
            }
        }
        std::fs::remove_file(&path).expect("it was there");
    }

    #[test]
    fn names_of_the_cache_are_told_from_others() {
        let key = Key { file: [0xab; 32], recipe: [0x12; 32] };
        let name = key.name();
        assert_eq!(name, format!("{}-{}.code", "ab".repeat(32), "12".repeat(8)));
        assert!(is_name(&name));
        for other in ["", ".code", "notes.code", &name[1..], &format!("{name}~"), &name.replace('-', "_")] {
            assert!(!is_name(other), "{other}");
        }
    }
}
