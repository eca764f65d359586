//! The scanner `decompress`.

use wappa_bloblang::Algorithm;
use wappa_component::{BuildError, BuildScanner, Component, Context, Opened, ScannerFactory};
use wappa_spec::{ComponentNode, Config, Node, Reader, Rule};

use crate::decompression;

pub(super) const COMPONENT: Component = Component::scanner::<DecompressConfig>("decompress");

/// Decompresses a source while it is read, and scans what comes of it with another scanner.
///
/// Several compressed texts one after the other are one, of the algorithms `gzip`, `bzip2`, `lz4` and `zstd`.
/// `snappy` is the format with frames, `lz4` that of the tool of this name.
///
/// # Examples
///
/// ### Lines of compressed files
///
/// ```yaml
/// input:
///   file:
///     paths: [ ./logs/*.gz ]
///     scanner:
///       decompress:
///         algorithm: gzip
///         into:
///           lines: {}
/// output:
///   stdout: {}
/// ```
///
/// # Errors
///
/// What cannot be decompressed, or ends too early, ends its source with an error; what was decompressed before is delivered.
/// Checksums are verified, also of what was delivered already.
///
/// # Limits
///
/// A message of what was compressed has 512MiB at most, however little it was.
///
/// # Performance
///
/// No more is decompressed than the scanner has asked for, so what expands to any size needs no more memory than its
/// messages, a window of the algorithm and one of its blocks.
/// A source is decompressed by one thread.
///
/// # Pitfalls
///
/// Places in errors of the scanner count the decompressed bytes.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct DecompressConfig {
    /// One of `gzip`, `pgzip`, `zlib`, `bzip2`, `flate`, `snappy`, `lz4`, `zstd`.
    #[config(example = "gzip")]
    algorithm: String,

    /// The scanner of what is decompressed.
    #[config(child = "scanner", default = "to_the_end: {}")]
    into: ComponentNode,
}

impl DecompressConfig {
    fn algorithm(&self) -> Result<Algorithm, String> {
        let unknown = || format!("compression type not recognised: {}", self.algorithm);
        Algorithm::find(&self.algorithm).ok_or_else(unknown)
    }
}

fn lint(config: &DecompressConfig, node: &Node, reader: &mut Reader<'_>) {
    if let Err(text) = config.algorithm() {
        reader.error(Rule::InvalidValue, node.get("algorithm").unwrap_or(node), text);
    }
}

impl BuildScanner for DecompressConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn ScannerFactory>, BuildError> {
        let algorithm = self.algorithm().map_err(BuildError::new)?;
        Ok(Box::new(Decompress::new(algorithm, ctx.scanner(&self.into)?)))
    }
}

/// Makes a scanner for each source.
pub(crate) struct Decompress {
    algorithm: Algorithm,
    into: Box<dyn ScannerFactory>,
}

impl Decompress {
    pub(crate) fn new(algorithm: Algorithm, into: Box<dyn ScannerFactory>) -> Decompress {
        Decompress { algorithm, into }
    }
}

impl ScannerFactory for Decompress {
    fn open(&self, name: &str) -> Result<Opened, String> {
        let mut opened = self.into.open(name)?;
        opened.decoders.insert(0, decompression::decoder(self.algorithm));
        Ok(opened)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use crate::test::{check_lint, check_scan};

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder =
            flate2::GzBuilder::new().filename("name").extra(vec![1; 300]).comment("none").write(Vec::new(), flate2::Compression::default());
        encoder.write_all(text).expect("there is memory");
        encoder.finish().expect("there is memory")
    }

    fn lz4(text: &[u8], mode: lz4_flex::frame::BlockMode) -> Vec<u8> {
        let info = lz4_flex::frame::FrameInfo::new()
            .block_size(lz4_flex::frame::BlockSize::Max64KB)
            .block_mode(mode)
            .block_checksums(true)
            .content_checksum(true);
        let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
        encoder.write_all(text).expect("there is memory");
        encoder.finish().expect("there is memory")
    }

    /// The text compressed by each algorithm, in all its forms.
    fn compressed(text: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
        let finish = |result: std::io::Result<Vec<u8>>| result.expect("there is memory");
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        zlib.write_all(text).expect("there is memory");
        let mut flate = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::none());
        flate.write_all(text).expect("there is memory");
        let mut bzip = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        bzip.write_all(text).expect("there is memory");
        let mut snappy = snap::write::FrameEncoder::new(Vec::new());
        snappy.write_all(text).expect("there is memory");
        let zstd = ruzstd::encoding::compress_to_vec(text, ruzstd::encoding::CompressionLevel::Fastest);
        let skipped = b"\x53\x2a\x4d\x18\x03\0\0\0abc";
        vec![
            ("gzip", gzip(text)),
            ("pgzip", gzip(text)),
            ("zlib", finish(zlib.finish())),
            ("flate", finish(flate.finish())),
            ("bzip2", finish(bzip.finish())),
            ("snappy", snappy.into_inner().expect("there is memory")),
            ("lz4", lz4(text, lz4_flex::frame::BlockMode::Linked)),
            ("lz4", [&skipped[..], &lz4(text, lz4_flex::frame::BlockMode::Independent)].concat()),
            ("zstd", zstd.clone()),
            ("zstd", [&skipped[..], &zstd, skipped].concat()),
        ]
    }

    #[test]
    fn all_algorithms() {
        let text: Vec<u8> = (0..40).flat_map(|it| format!("line {it}\n").into_bytes()).collect();
        let lines: Vec<&[u8]> = text.split(|it| *it == b'\n').filter(|it| !it.is_empty()).collect();
        for (name, bytes) in compressed(&text) {
            check_scan(&format!("decompress: {{algorithm: {name}, into: {{lines: {{}}}}}}"), &bytes, &lines);
        }
        for (name, bytes) in compressed(b"") {
            check_scan(&format!("decompress: {{algorithm: {name}}}"), &bytes, &[b""]);
        }
        // More than any window or block, and more than a decoder can decode at once.
        let text: Vec<u8> = (0..100_000u32).flat_map(|it| (it / 3).to_le_bytes()).collect();
        for (name, bytes) in compressed(&text) {
            check_scan(&format!("decompress: {{algorithm: {name}}}"), &bytes, &[&text]);
        }
    }

    #[test]
    fn several_are_one() {
        for (name, bytes) in compressed(b"a\nb\n") {
            if !matches!(name, "zlib" | "flate") {
                let twice = [&bytes[..], &bytes].concat();
                let config = format!("decompress: {{algorithm: {name}, into: {{lines: {{}}}}}}");
                check_scan(&config, &twice, &[b"a", b"b", b"a", b"b"]);
            }
        }
        let nested = gzip(&gzip(b"a\n"));
        let config = "decompress: {algorithm: gzip, into: {decompress: {algorithm: gzip, into: {lines: {}}}}}";
        check_scan(config, &nested, &[b"a"]);
    }

    #[test]
    fn what_is_none() {
        for (name, expected) in [
            ("gzip", "error: gzip: invalid header"),
            ("zlib", "error: zlib: invalid header"),
            ("bzip2", "error: bzip2 data invalid: bad magic value"),
            ("zstd", "error: invalid input: magic number mismatch"),
            ("lz4", "error: lz4: bad magic number"),
            ("snappy", "error: s2: corrupt input"),
            ("flate", "error: flate: corrupt input"),
        ] {
            let config = format!("decompress: {{algorithm: {name}, into: {{lines: {{}}}}}}");
            check_scan(&config, b"\xff is no text that anybody compressed", &[expected.as_bytes()]);
        }
    }

    /// Cut anywhere it is an error; with any byte changed it ends, one way or the other.
    #[test]
    fn broken_ones() {
        let text: Vec<u8> = (0..100u32).flat_map(|it| (it / 3).to_le_bytes()).collect();
        for (name, bytes) in compressed(&text) {
            let mut harness = crate::test::Harness::default();
            let factory = harness.scanner(&format!("decompress: {{algorithm: {name}}}"));
            let decode = |bytes: &[u8]| {
                let opened = factory.open("").expect("any source will do");
                let mut decoding = wappa_component::Decoding::new(opened.decoders).expect("it decodes");
                decoding.room().extend_from_slice(bytes);
                decoding.end();
                let mut out = Vec::new();
                while !decoding.is_over() {
                    assert!(out.len() <= 1 << 20, "{name}: it does not end");
                    out.reserve(1000);
                    if decoding.run(&mut out).is_err() {
                        return None;
                    }
                }
                Some(out)
            };
            assert_eq!(decode(&bytes).as_deref(), Some(text.as_slice()), "{name}");
            for n_bytes in 1..bytes.len() {
                // A stream of frames may end behind any.
                if decode(&bytes[..n_bytes]).is_some_and(|it| it == text) {
                    assert!(matches!(name, "snappy" | "zstd" | "lz4"), "{name}, {n_bytes} bytes");
                }
            }
            for at in 0..bytes.len() {
                for bit in 0..8 {
                    let mut bytes = bytes.clone();
                    bytes[at] ^= 1 << bit;
                    let _ = decode(&bytes);
                }
            }
        }
    }

    #[test]
    fn mistakes() {
        let config = "input:\n  stdin:\n    scanner:\n      decompress: {algorithm: nope}\n";
        check_lint(config, "(4,1) compression type not recognised: nope\n");
    }
}
