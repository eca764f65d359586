//! Compressed bytes that come in pieces, and the way back, within the room there is.
//!
//! What a decoder keeps is bounded by its format: a window, or one block.

use std::io::{BufRead, Read};

use bzip2::Status as BzipStatus;
use flate2::{Crc, FlushDecompress, Status};
use lz4_flex::frame::FrameDecoder as Lz4Decoder;
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder as ZstdDecoder};
use wappa_bloblang::Algorithm;
use wappa_component::Decoder;

/// A decoder at the beginning of a source.
pub(crate) fn decoder(algorithm: Algorithm) -> Box<dyn Decoder> {
    match algorithm {
        Algorithm::Gzip => Box::new(Deflate::new(Wrapping::Gzip)),
        Algorithm::Zlib => Box::new(Deflate::new(Wrapping::Zlib)),
        Algorithm::Flate => Box::new(Deflate::new(Wrapping::None)),
        Algorithm::Bzip2 => Box::new(Bzip2 { state: bzip2::Decompress::new(false), phase: Phase::Head }),
        Algorithm::Lz4 => Box::new(Lz4 {
            decoder: Lz4Decoder::new(Feed::default()),
            frame: None,
            block_bytes: 0,
            n_skipped: 0,
            is_pending: false,
        }),
        Algorithm::Zstd => Box::new(Zstd {
            decoder: ZstdDecoder::new(),
            is_in_frame: false,
            has_checksum: false,
            window: 0,
            n_kept: 0,
            n_skipped: 0,
        }),
        Algorithm::Snappy => Box::new(Snappy { has_begun: false, made: Vec::new(), start: 0 }),
    }
}

/// What the state of a decoder takes up: for `flate` the window and the tables, for `bzip2` a block of 900 kB, four bytes
/// for each of its own.
const DEFLATE_BYTES: usize = 48 << 10;
const BZIP2_BYTES: usize = 3_700_000;

const SHORT: &str = "unexpected EOF";

fn room(out: &Vec<u8>) -> usize {
    out.capacity() - out.len()
}

/// What comes next.
#[derive(Clone, Copy, PartialEq)]
enum Phase {
    Head,
    Body,
    Tail,
    /// What follows means nothing.
    Over,
}

/// What DEFLATE is wrapped in.
#[derive(Clone, Copy, PartialEq)]
enum Wrapping {
    None,
    Zlib,
    Gzip,
}

/// RFC 1951, 1950 and 1952. Several of gzip one after the other are one.
struct Deflate {
    wrapping: Wrapping,
    state: flate2::Decompress,
    phase: Phase,
    crc: Crc,
    is_first: bool,
}

const GZIP_HEAD_BYTES: usize = 10;
const GZIP_TAIL_BYTES: usize = 8;

/// The names and comments in the head of gzip are bounded, since the head is read as a whole.
const GZIP_HEAD_BYTES_MAX: usize = 1 << 20;

impl Deflate {
    fn new(wrapping: Wrapping) -> Deflate {
        Deflate {
            wrapping,
            state: flate2::Decompress::new(wrapping == Wrapping::Zlib),
            phase: if wrapping == Wrapping::None { Phase::Body } else { Phase::Head },
            crc: Crc::new(),
            is_first: true,
        }
    }

    /// How long the head is that does not belong to the state; none: more is needed.
    fn head(&self, data: &[u8]) -> Result<Option<usize>, String> {
        if self.wrapping == Wrapping::Gzip {
            return match gzip_head(data) {
                Ok(None) if GZIP_HEAD_BYTES_MAX < data.len() => Err(GZIP_NO_HEAD.to_string()),
                result => result,
            };
        }
        let Some(head) = data.get(..2) else { return Ok(None) };
        match head[0] & 15 == 8 && u16::from_be_bytes([head[0], head[1]]).is_multiple_of(31) {
            true => Ok(Some(0)),
            false => Err("zlib: invalid header".to_string()),
        }
    }

    /// Decodes as far as there are data and room.
    fn body(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<usize, String> {
        let (n_before, begin) = (self.state.total_in(), out.len());
        let status = self.state.decompress_vec(data, out, FlushDecompress::None);
        let corrupt = match self.wrapping {
            Wrapping::Zlib => "zlib: corrupt input",
            _ => "flate: corrupt input",
        };
        let status = status.map_err(|_| corrupt.to_string())?;
        self.crc.update(&out[begin..]);
        if status == Status::StreamEnd {
            self.phase = if self.wrapping == Wrapping::Gzip { Phase::Tail } else { Phase::Over };
        }
        Ok((self.state.total_in() - n_before) as usize)
    }
}

const GZIP_NO_HEAD: &str = "gzip: invalid header";

/// How long the head of gzip is, with all that is optional.
fn gzip_head(data: &[u8]) -> Result<Option<usize>, String> {
    let Some(head) = data.get(..GZIP_HEAD_BYTES) else { return Ok(None) };
    if !head.starts_with(b"\x1f\x8b\x08") {
        return Err(GZIP_NO_HEAD.to_string());
    }
    let flags = head[3];
    let mut at = GZIP_HEAD_BYTES;
    if flags & 4 != 0 {
        let Some(len) = data.get(at..at + 2) else { return Ok(None) };
        at += 2 + usize::from(u16::from_le_bytes([len[0], len[1]]));
    }
    for flag in [8, 16] {
        if flags & flag != 0 {
            let Some(end) = data.get(at..).and_then(|it| memchr::memchr(0, it)) else { return Ok(None) };
            at += end + 1;
        }
    }
    if flags & 2 != 0 {
        at += 2;
    }
    Ok((at <= data.len()).then_some(at))
}

impl Decoder for Deflate {
    fn held(&self) -> usize {
        DEFLATE_BYTES
    }

    fn decode(&mut self, data: &[u8], at_end: bool, out: &mut Vec<u8>) -> Result<usize, String> {
        let mut at = 0;
        loop {
            let rest = &data[at..];
            match self.phase {
                Phase::Head if rest.is_empty() && !self.is_first => return Ok(at),
                Phase::Head if rest.is_empty() && at_end && self.wrapping == Wrapping::Gzip => {
                    return Err("EOF".to_string());
                }
                Phase::Head => match self.head(rest)? {
                    Some(n_bytes) => {
                        at += n_bytes;
                        self.phase = Phase::Body;
                    }
                    None if at_end => return Err(SHORT.to_string()),
                    None => return Ok(at),
                },
                Phase::Body if room(out) == 0 => return Ok(at),
                Phase::Body => {
                    let begin = out.len();
                    let n_bytes = self.body(rest, out)?;
                    at += n_bytes;
                    if n_bytes == 0 && begin == out.len() && self.phase == Phase::Body {
                        return if at_end { Err(SHORT.to_string()) } else { Ok(at) };
                    }
                }
                Phase::Tail => {
                    let Some(tail) = rest.get(..GZIP_TAIL_BYTES) else {
                        return if at_end { Err(SHORT.to_string()) } else { Ok(at) };
                    };
                    let number =
                        |at: usize| u32::from_le_bytes([tail[at], tail[at + 1], tail[at + 2], tail[at + 3]]);
                    if (number(0), number(4)) != (self.crc.sum(), self.crc.amount()) {
                        return Err("gzip: invalid checksum".to_string());
                    }
                    at += GZIP_TAIL_BYTES;
                    *self = Deflate { is_first: false, ..Deflate::new(Wrapping::Gzip) };
                }
                Phase::Over => return Ok(data.len()),
            }
        }
    }
}

/// Several one after the other are one.
struct Bzip2 {
    state: bzip2::Decompress,
    phase: Phase,
}

impl Decoder for Bzip2 {
    fn held(&self) -> usize {
        if self.phase == Phase::Head { 0 } else { BZIP2_BYTES }
    }

    fn decode(&mut self, data: &[u8], at_end: bool, out: &mut Vec<u8>) -> Result<usize, String> {
        let mut at = 0;
        loop {
            let rest = &data[at..];
            if self.phase == Phase::Head {
                match rest.get(..3) {
                    Some(b"BZh") => self.phase = Phase::Body,
                    Some(_) => return Err("bzip2 data invalid: bad magic value".to_string()),
                    None if at_end => return Err(SHORT.to_string()),
                    None => return Ok(at),
                }
            }
            // Behind the end of one another one may begin.
            if self.phase == Phase::Tail {
                if rest.is_empty() {
                    return Ok(at);
                }
                self.state = bzip2::Decompress::new(false);
                self.phase = Phase::Head;
                continue;
            }
            if room(out) == 0 {
                return Ok(at);
            }
            let (n_before, begin) = (self.state.total_in(), out.len());
            let status = self.state.decompress_vec(rest, out);
            let status = status.map_err(|_| "bzip2: corrupt input".to_string())?;
            let n_bytes = (self.state.total_in() - n_before) as usize;
            at += n_bytes;
            if status == BzipStatus::StreamEnd {
                self.phase = Phase::Tail;
            } else if n_bytes == 0 && begin == out.len() {
                return if at_end { Err(SHORT.to_string()) } else { Ok(at) };
            }
        }
    }
}

/// What a decoder reads from: a whole unit of its format, or nothing.
#[derive(Default)]
struct Feed {
    bytes: Vec<u8>,
    start: usize,
}

impl Read for Feed {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n_bytes = (&self.bytes[self.start..]).read(buffer)?;
        self.start += n_bytes;
        Ok(n_bytes)
    }
}

/// What is to be passed over of the data.
fn skip(n_skipped: &mut u64, data: &[u8], at: &mut usize) {
    let n_bytes = (data.len() - *at).min(usize::try_from(*n_skipped).unwrap_or(usize::MAX));
    *at += n_bytes;
    *n_skipped -= n_bytes as u64;
}

fn number(data: &[u8]) -> Option<u32> {
    data.first_chunk().map(|it| u32::from_le_bytes(*it))
}

/// Frames of LZ4 and of Zstandard may have others between them that mean nothing, with these numbers at the beginning.
const SKIPPED: std::ops::RangeInclusive<u32> = 0x184D_2A50..=0x184D_2A5F;

/// How long such a frame is, when the data begin with one.
fn skipped_frame(data: &[u8]) -> Option<u64> {
    number(data).filter(|it| SKIPPED.contains(it))?;
    number(&data[4..]).map(|it| 8 + u64::from(it))
}

/// Frames of LZ4. The decoder of the library reads until it has what it wants, so it is given whole blocks.
struct Lz4 {
    decoder: Lz4Decoder<Feed>,
    frame: Option<Lz4Frame>,
    /// How many bytes a block had at most, of all frames.
    block_bytes: usize,
    n_skipped: u64,
    /// It has decoded something that did not fit.
    is_pending: bool,
}

#[derive(Clone, Copy)]
struct Lz4Frame {
    has_block_checksums: bool,
    has_checksum: bool,
}

const LZ4_MAGIC: u32 = 0x184D_2204;
const LZ4_BLOCK_BYTES_MAX: usize = 4 << 20;

impl Lz4 {
    /// How long what comes next is, if all of it is there: the head of a frame, a block, or the end of a frame.
    fn unit(&mut self, data: &[u8]) -> Result<Option<usize>, String> {
        let corrupt = || Err("lz4: corrupt input".to_string());
        let n_bytes = match self.frame {
            None => {
                let Some(magic) = number(data) else { return Ok(None) };
                if magic != LZ4_MAGIC {
                    return Err("lz4: bad magic number".to_string());
                }
                let Some(flags) = data.get(4) else { return Ok(None) };
                let n_bytes = 7 + if flags & 8 == 0 { 0 } else { 8 } + if flags & 1 == 0 { 0 } else { 4 };
                if n_bytes <= data.len() {
                    let (has_block_checksums, has_checksum) = (flags & 16 != 0, flags & 4 != 0);
                    // From 64 KiB, which is 4, to 4 MiB.
                    self.block_bytes = self.block_bytes.max(1 << (8 + 2 * (data[5] >> 4 & 7)));
                    self.frame = Some(Lz4Frame { has_block_checksums, has_checksum });
                }
                n_bytes
            }
            Some(frame) => match number(data) {
                None => return Ok(None),
                Some(0) => {
                    let n_bytes = if frame.has_checksum { 8 } else { 4 };
                    if n_bytes <= data.len() {
                        self.frame = None;
                    }
                    n_bytes
                }
                Some(head) => {
                    let n_bytes = (head & 0x7FFF_FFFF) as usize;
                    if LZ4_BLOCK_BYTES_MAX < n_bytes {
                        return corrupt();
                    }
                    4 + n_bytes + if frame.has_block_checksums { 4 } else { 0 }
                }
            },
        };
        Ok((n_bytes <= data.len()).then_some(n_bytes))
    }

    /// Hands on what is decoded, as far as there is room.
    fn drain(&mut self, out: &mut Vec<u8>) -> Result<(), String> {
        let made = self.decoder.fill_buf().map_err(|_| "lz4: corrupt input".to_string())?;
        let n_bytes = made.len().min(room(out));
        out.extend_from_slice(&made[..n_bytes]);
        self.is_pending = n_bytes < made.len();
        self.decoder.consume(n_bytes);
        Ok(())
    }
}

impl Decoder for Lz4 {
    fn held(&self) -> usize {
        2 * self.block_bytes + self.decoder.get_ref().bytes.capacity()
    }

    fn decode(&mut self, data: &[u8], at_end: bool, out: &mut Vec<u8>) -> Result<usize, String> {
        let mut at = 0;
        loop {
            if self.is_pending {
                self.drain(out)?;
            }
            skip(&mut self.n_skipped, data, &mut at);
            let rest = &data[at..];
            if self.is_pending || rest.is_empty() && (!at_end || self.frame.is_none() && self.n_skipped == 0)
            {
                return Ok(at);
            }
            if self.frame.is_none()
                && let Some(n_bytes) = skipped_frame(rest)
            {
                self.n_skipped = n_bytes;
                continue;
            }
            let is_skipped = self.frame.is_none() && number(rest).is_some_and(|it| SKIPPED.contains(&it));
            let unit = if is_skipped { None } else { self.unit(rest)? };
            let Some(n_bytes) = unit else {
                return if at_end { Err(SHORT.to_string()) } else { Ok(at) };
            };
            let feed = self.decoder.get_mut();
            feed.bytes.clear();
            feed.bytes.extend_from_slice(&rest[..n_bytes]);
            feed.start = 0;
            at += n_bytes;
            self.drain(out)?;
        }
    }
}

/// Frames of Zstandard, RFC 8878. The decoder of the library reads until it has what it wants, so it is given whole blocks.
struct Zstd {
    decoder: ZstdDecoder,
    is_in_frame: bool,
    has_checksum: bool,
    /// How far back in the frame something may be looked up, in bytes.
    window: usize,
    /// The most that it has kept: what it has decoded, up to a window, which may be looked up again.
    n_kept: usize,
    n_skipped: u64,
}

const ZSTD_MAGIC: u32 = 0xFD2F_B528;
const ZSTD_HEAD_BYTES_MAX: usize = 18;

/// A block has no more bytes. Source: RFC 8878, 3.1.1.2.4.
const ZSTD_BLOCK_BYTES_MAX: usize = 128 << 10;

/// The size of the window that the head of a frame names, which is there. Source: RFC 8878, 3.1.1.1.
fn zstd_window(head: &[u8]) -> usize {
    let flags = head[4];
    if flags & 0x20 == 0 {
        let (exponent, mantissa) = (head[5] >> 3, usize::from(head[5] & 7));
        let base = 1usize << (10 + u32::from(exponent));
        return base + base / 8 * mantissa;
    }
    // The frame is one segment, whose size takes the window's place.
    let n_dictionary = [0, 1, 2, 4][usize::from(flags & 3)];
    let n_bytes = 1 << (flags >> 6);
    let size = head.get(5 + n_dictionary..5 + n_dictionary + n_bytes).unwrap_or_default();
    let number = size.iter().rev().fold(0u64, |all, it| all << 8 | u64::from(*it));
    let number = if n_bytes == 2 { number + 256 } else { number };
    usize::try_from(number).unwrap_or(usize::MAX / 2)
}

impl Zstd {
    /// Reads the head of a frame; none: more is needed.
    fn begin(&mut self, data: &[u8], at_end: bool) -> Result<Option<usize>, String> {
        let Some(magic) = number(data) else { return Ok(None) };
        if magic != ZSTD_MAGIC {
            return Err("invalid input: magic number mismatch".to_string());
        }
        if data.len() < ZSTD_HEAD_BYTES_MAX && !at_end {
            return Ok(None);
        }
        let mut rest = data;
        if let Err(err) = self.decoder.init(&mut rest) {
            return if rest.is_empty() { Ok(None) } else { Err(format!("zstd: {err}")) };
        }
        self.has_checksum = data[4] & 4 != 0;
        self.window = zstd_window(data);
        self.is_in_frame = true;
        Ok(Some(data.len() - rest.len()))
    }

    /// How long the next block is, if all of it is there.
    fn block(&self, data: &[u8]) -> Option<usize> {
        let head = data.get(..3)?;
        let head = u32::from_le_bytes([head[0], head[1], head[2], 0]);
        let (is_last, is_repeated, size) = (head & 1 == 1, head >> 1 & 3 == 1, (head >> 3) as usize);
        let n_bytes = 3 + if is_repeated { 1 } else { size };
        let n_bytes = n_bytes + if is_last && self.has_checksum { 4 } else { 0 };
        (n_bytes <= data.len()).then_some(n_bytes)
    }

    /// Hands on what is decoded, as far as there is room. `true`: nothing is left of it.
    fn drain(&mut self, out: &mut Vec<u8>) -> Result<bool, String> {
        let n_bytes = self.decoder.can_collect().min(room(out));
        let begin = out.len();
        out.resize(begin + n_bytes, 0);
        let n_read = self.decoder.read(&mut out[begin..]).map_err(|err| format!("zstd: {err}"))?;
        out.truncate(begin + n_read);
        Ok(self.decoder.can_collect() == 0)
    }
}

impl Decoder for Zstd {
    fn held(&self) -> usize {
        self.n_kept
    }

    fn decode(&mut self, data: &[u8], at_end: bool, out: &mut Vec<u8>) -> Result<usize, String> {
        let mut at = 0;
        loop {
            if self.is_in_frame {
                if !self.drain(out)? {
                    return Ok(at);
                }
                if self.decoder.is_finished() {
                    self.is_in_frame = false;
                    let told = self.decoder.get_checksum_from_data();
                    if told.is_some() && told != self.decoder.get_calculated_checksum() {
                        return Err("zstd: invalid checksum".to_string());
                    }
                }
            }
            skip(&mut self.n_skipped, data, &mut at);
            let rest = &data[at..];
            if rest.is_empty() && (!at_end || !self.is_in_frame && self.n_skipped == 0) {
                return Ok(at);
            }
            if !self.is_in_frame
                && let Some(n_bytes) = skipped_frame(rest)
            {
                self.n_skipped = n_bytes;
                continue;
            }
            let is_skipped = !self.is_in_frame && number(rest).is_some_and(|it| SKIPPED.contains(&it));
            let unit = match self.is_in_frame {
                _ if is_skipped => None,
                false => self.begin(rest, at_end)?,
                true => match self.block(rest) {
                    Some(n_bytes) => {
                        self.decoder
                            .decode_blocks(&rest[..n_bytes], BlockDecodingStrategy::UptoBlocks(1))
                            .map_err(|_| "zstd: corrupt input".to_string())?;
                        let made = self.decoder.blocks_decoded().saturating_mul(ZSTD_BLOCK_BYTES_MAX);
                        self.n_kept =
                            self.n_kept.max(made.min(self.window.saturating_add(ZSTD_BLOCK_BYTES_MAX)));
                        Some(n_bytes)
                    }
                    None => None,
                },
            };
            match unit {
                Some(n_bytes) => at += n_bytes,
                None if at_end => return Err(SHORT.to_string()),
                None => return Ok(at),
            }
        }
    }
}

/// The framing format of Snappy.
struct Snappy {
    has_begun: bool,
    /// What one chunk was decoded to, and how much of it was handed on.
    made: Vec<u8>,
    start: usize,
}

/// What a stream begins with, as a chunk.
const SNAPPY_HEAD: &[u8] = b"\xff\x06\0\0sNaPpY";

impl Decoder for Snappy {
    fn held(&self) -> usize {
        self.made.capacity()
    }

    fn decode(&mut self, data: &[u8], at_end: bool, out: &mut Vec<u8>) -> Result<usize, String> {
        let corrupt = || "s2: corrupt input".to_string();
        let mut at = 0;
        loop {
            let n_bytes = (self.made.len() - self.start).min(room(out));
            out.extend_from_slice(&self.made[self.start..self.start + n_bytes]);
            self.start += n_bytes;
            let rest = &data[at..];
            if self.start < self.made.len() || rest.is_empty() {
                return Ok(at);
            }
            let size = number(rest).map(|it| 4 + (it >> 8) as usize);
            let is_whole = size.is_some_and(|it| it <= rest.len());
            // What cannot be one is told before all of it is there.
            if !self.has_begun && !rest.starts_with(&SNAPPY_HEAD[..rest.len().min(SNAPPY_HEAD.len())]) {
                return Err(corrupt());
            }
            let Some(chunk) = size.filter(|_| is_whole).map(|it| &rest[..it]) else {
                return if at_end { Err(SHORT.to_string()) } else { Ok(at) };
            };
            at += chunk.len();
            match chunk[0] {
                0xff if chunk == SNAPPY_HEAD => self.has_begun = true,
                0 | 1 => {
                    (self.made, self.start) = (Vec::new(), 0);
                    let stream = SNAPPY_HEAD.chain(chunk);
                    snap::read::FrameDecoder::new(stream)
                        .read_to_end(&mut self.made)
                        .map_err(|_| corrupt())?;
                }
                0x80..=0xfe => (),
                _ => return Err(corrupt()),
            }
        }
    }
}
