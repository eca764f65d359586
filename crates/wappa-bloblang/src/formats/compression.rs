//! Compressed bytes, and the way back.

use std::io::{self, Read, Write};

use flate2::{Compression, read, write};

/// How bytes are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// bzip2, which is only decompressed.
    Bzip2,
    /// DEFLATE, RFC 1951.
    Flate,
    /// gzip, RFC 1952; several one after the other are one.
    Gzip,
    /// Frames of LZ4.
    Lz4,
    /// Blocks of Snappy, without frames.
    Snappy,
    /// zlib, RFC 1950.
    Zlib,
    /// Zstandard, RFC 8878.
    Zstd,
}

impl Algorithm {
    /// All names, in their order.
    pub const NAMES: [&str; 8] = ["bzip2", "flate", "gzip", "lz4", "pgzip", "snappy", "zlib", "zstd"];

    /// The algorithm with this name in configs and mappings.
    pub fn find(name: &str) -> Option<Algorithm> {
        Some(match name {
            "bzip2" => Algorithm::Bzip2,
            "flate" => Algorithm::Flate,
            // What is written at once by several threads is the same to readers.
            "gzip" | "pgzip" => Algorithm::Gzip,
            "lz4" => Algorithm::Lz4,
            "snappy" => Algorithm::Snappy,
            "zlib" => Algorithm::Zlib,
            "zstd" => Algorithm::Zstd,
            _ => return None,
        })
    }

    /// Whether Bento compresses with it as well, and not only decompresses.
    pub fn compresses(self) -> bool {
        self != Algorithm::Bzip2
    }

    /// The bytes compressed. A level is a number from 1 to 9, the more the smaller; 0 compresses as little as can be, and
    /// -1 is the algorithm's own. LZ4 and Snappy have no levels.
    pub fn compress(self, bytes: &[u8], level: i64) -> Result<Vec<u8>, String> {
        let compression = || match level {
            0..=9 => Ok(Compression::new(level as u32)),
            -1 => Ok(Compression::default()),
            // What Go has there is even faster than its fastest level.
            -2 => Ok(Compression::fast()),
            _ if self == Algorithm::Flate => {
                Err(format!("flate: invalid compression level {level}: want value in range [-2, 9]"))
            }
            _ => Err(format!("{}: invalid compression level: {level}", self.name())),
        };
        if self == Algorithm::Lz4 && 9 < level {
            return Err(format!("lz4: invalid compression level: {level}"));
        }
        let failed = |err: io::Error| format!("{}: {err}", self.name());
        match self {
            Algorithm::Gzip => {
                finish(write::GzEncoder::new(Vec::new(), compression()?), bytes, |it| it.finish())
            }
            Algorithm::Zlib => {
                finish(write::ZlibEncoder::new(Vec::new(), compression()?), bytes, |it| it.finish())
            }
            Algorithm::Flate => {
                finish(write::DeflateEncoder::new(Vec::new(), compression()?), bytes, |it| it.finish())
            }
            Algorithm::Lz4 => {
                use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
                let info = FrameInfo::new()
                    .block_size(BlockSize::Max4MB)
                    .block_mode(BlockMode::Independent)
                    .content_checksum(true);
                let encoder = FrameEncoder::with_frame_info(info, Vec::new());
                finish(encoder, bytes, |it| it.finish().map_err(io::Error::other))
            }
            Algorithm::Snappy => snap::raw::Encoder::new().compress_vec(bytes).map_err(io::Error::other),
            Algorithm::Zstd => {
                use ruzstd::encoding::{CompressionLevel, compress_to_vec};
                let level =
                    if level == 0 { CompressionLevel::Uncompressed } else { CompressionLevel::Fastest };
                Ok(compress_to_vec(bytes, level))
            }
            Algorithm::Bzip2 => Err(io::ErrorKind::Unsupported.into()),
        }
        .map_err(failed)
    }

    /// The bytes decompressed. `charge` is told how many bytes are about to be made and may refuse.
    /// The outer error is its own, the inner one says what is wrong with the bytes, in Bento's words where it has some.
    pub fn decompress<E>(
        self,
        bytes: &[u8],
        charge: &mut dyn FnMut(usize) -> Result<(), E>,
    ) -> Result<Result<Vec<u8>, String>, E> {
        if self == Algorithm::Snappy {
            // The words are those of the library that Bento has for it.
            let corrupt = || "s2: corrupt input".to_string();
            // A length is only a claim: what a byte stands for is at most 64 bytes.
            let n = match snap::raw::decompress_len(bytes) {
                Ok(n) if !bytes.is_empty() && n <= bytes.len().saturating_mul(64) => n,
                _ => return Ok(Err(corrupt())),
            };
            charge(n)?;
            return Ok(snap::raw::Decoder::new().decompress_vec(bytes).map_err(|_| corrupt()));
        }
        if let Some(why) = self.refuses(bytes) {
            return Ok(Err(why));
        }
        let mut out = Vec::new();
        let mut rest = bytes;
        if self == Algorithm::Zstd && rest.is_empty() {
            return Ok(Ok(out));
        }
        // Several compressed texts one after the other make one.
        loop {
            let read = match self {
                Algorithm::Gzip => read_all(read::MultiGzDecoder::new(&mut rest), &mut out, charge)?,
                Algorithm::Zlib => read_all(read::ZlibDecoder::new(&mut rest), &mut out, charge)?,
                Algorithm::Flate => read_all(read::DeflateDecoder::new(&mut rest), &mut out, charge)?,
                Algorithm::Lz4 => read_all(lz4_flex::frame::FrameDecoder::new(&mut rest), &mut out, charge)?,
                Algorithm::Bzip2 => read_all(bzip2::read::MultiBzDecoder::new(&mut rest), &mut out, charge)?,
                Algorithm::Zstd => match ruzstd::decoding::StreamingDecoder::new(&mut rest) {
                    Ok(decoder) => read_all(decoder, &mut out, charge)?,
                    Err(err) => Err(io::Error::other(err)),
                },
                Algorithm::Snappy => Ok(()),
            };
            if let Err(err) = read {
                return Ok(Err(match is_short(&err) {
                    true => "unexpected EOF".to_string(),
                    false => format!("{}: corrupt input", self.name()),
                }));
            }
            if self != Algorithm::Zstd || rest.is_empty() {
                return Ok(Ok(out));
            }
        }
    }

    fn name(self) -> &'static str {
        match self {
            Algorithm::Bzip2 => "bzip2",
            Algorithm::Flate => "flate",
            Algorithm::Gzip => "gzip",
            Algorithm::Lz4 => "lz4",
            Algorithm::Snappy => "snappy",
            Algorithm::Zlib => "zlib",
            Algorithm::Zstd => "zstd",
        }
    }

    /// Why bytes cannot be what they should be, as far as their beginning shows it.
    fn refuses(self, bytes: &[u8]) -> Option<String> {
        let (magic, why): (&[u8], _) = match self {
            Algorithm::Gzip => (b"\x1f\x8b\x08", "gzip: invalid header"),
            Algorithm::Bzip2 => (b"BZh", "bzip2 data invalid: bad magic value"),
            Algorithm::Lz4 => (b"\x04\x22\x4d\x18", "lz4: bad magic number"),
            Algorithm::Zstd => (b"\x28\xb5\x2f\xfd", "invalid input: magic number mismatch"),
            Algorithm::Zlib => {
                let is_header = |head: &[u8]| {
                    head[0] & 15 == 8 && u16::from_be_bytes([head[0], head[1]]).is_multiple_of(31)
                };
                return match bytes.get(..2) {
                    None => Some("unexpected EOF".to_string()),
                    Some(head) => (!is_header(head)).then(|| "zlib: invalid header".to_string()),
                };
            }
            _ => return None,
        };
        let n_head = if self == Algorithm::Gzip { 10 } else { magic.len() };
        match bytes {
            [] if self == Algorithm::Gzip => Some("EOF".to_string()),
            // Nothing is nothing, decompressed.
            [] if self != Algorithm::Bzip2 => None,
            _ if bytes.len() < n_head => Some("unexpected EOF".to_string()),
            _ => (!bytes.starts_with(magic)).then(|| why.to_string()),
        }
    }
}

/// Whether something ended too early.
fn is_short(err: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(err);
    while let Some(err) = next {
        if let Some(err) = err.downcast_ref::<io::Error>() {
            if err.kind() == io::ErrorKind::UnexpectedEof {
                return true;
            }
            // What an error of this kind carries is not its source.
            next = err.get_ref().map(|it| it as &(dyn std::error::Error + 'static));
            continue;
        }
        next = err.source();
    }
    false
}

fn finish<W: Write>(
    mut encoder: W,
    bytes: &[u8],
    finish: impl FnOnce(W) -> io::Result<Vec<u8>>,
) -> io::Result<Vec<u8>> {
    encoder.write_all(bytes)?;
    finish(encoder)
}

/// Reads what there is, piece by piece.
fn read_all<E>(
    mut reader: impl Read,
    out: &mut Vec<u8>,
    charge: &mut dyn FnMut(usize) -> Result<(), E>,
) -> Result<io::Result<()>, E> {
    const PIECE: usize = 64 << 10;
    loop {
        let len = out.len();
        out.resize(len + PIECE, 0);
        match reader.read(&mut out[len..]) {
            Ok(n) => {
                out.truncate(len + n);
                if n == 0 {
                    return Ok(Ok(()));
                }
                charge(n)?;
            }
            Err(err) => return Ok(Err(err)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [(&str, Algorithm); 7] = [
        ("gzip", Algorithm::Gzip),
        ("pgzip", Algorithm::Gzip),
        ("zlib", Algorithm::Zlib),
        ("flate", Algorithm::Flate),
        ("lz4", Algorithm::Lz4),
        ("snappy", Algorithm::Snappy),
        ("zstd", Algorithm::Zstd),
    ];

    fn free(_: usize) -> Result<(), ()> {
        Ok(())
    }

    #[test]
    fn what_is_compressed_can_be_decompressed() {
        let long: Vec<u8> = (0..300_000u32).flat_map(|it| (it % 777).to_le_bytes()).collect();
        for (name, algorithm) in ALL {
            assert_eq!(Algorithm::find(name), Some(algorithm));
            for level in [-1, 0, 1, 9] {
                for text in [b"".as_slice(), b"a", &long] {
                    let compressed = algorithm.compress(text, level).expect("it can be compressed");
                    let decompressed = algorithm.decompress(&compressed, &mut free).expect("nothing refuses");
                    assert!(decompressed.as_deref() == Ok(text), "{name} {level}");
                }
            }
            let compressed = algorithm.compress(&long, -1).expect("it can be compressed");
            assert!(compressed.len() < long.len() / 10, "{name}");
            let cut = algorithm
                .decompress(&compressed[..compressed.len() / 2], &mut free)
                .expect("nothing refuses");
            assert!(cut.is_err(), "{name}: {}", cut.map_or(0, |it| it.len()));
            let mut n_left = long.len() - 1;
            let mut refuse = |n: usize| n_left.checked_sub(n).map(|it| n_left = it).ok_or(());
            assert_eq!(algorithm.decompress(&compressed, &mut refuse), Err(()), "{name}");
        }
    }

    #[test]
    fn what_is_not_compressed_is_refused() {
        for (name, algorithm) in ALL.into_iter().chain([("bzip2", Algorithm::Bzip2)]) {
            for text in [b"no".as_slice(), b"nothing of this kind", &[0xff; 100]] {
                let decompressed = algorithm.decompress(text, &mut free).expect("nothing refuses");
                assert!(decompressed.is_err(), "{name}");
            }
        }
        assert_eq!(
            Algorithm::Gzip.decompress(b"none of this kind", &mut free),
            Ok(Err("gzip: invalid header".to_string()))
        );
        assert_eq!(
            Algorithm::Lz4.decompress(b"none of this kind", &mut free),
            Ok(Err("lz4: bad magic number".to_string()))
        );
    }
}
