//! Bodies of answers: read within a bound, and decompressed where nobody asked for the compressed one.

use std::{
    fmt, io,
    io::Write,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use flate2::write::MultiGzDecoder;
use http::{
    HeaderMap,
    header::{CONTENT_ENCODING, CONTENT_LENGTH},
};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use tokio::io::{AsyncRead, ReadBuf};
use wappa_spec::Size;

use crate::room::{Room, Taken};

/// Why a body cannot be had.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NotRead {
    TooLarge(usize),
    /// The other answers of its batch take up all room.
    NoRoom,
    Failed(String),
}

impl fmt::Display for NotRead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotRead::TooLarge(bytes_max) => {
                write!(f, "the answer is larger than `response_limit`, {}", Size(*bytes_max as u64))
            }
            NotRead::NoRoom => f.write_str("the messages worked on together would grow by more than 512MiB"),
            NotRead::Failed(why) => f.write_str(why),
        }
    }
}

/// What hyper says of a body, in Go's words where it has them.
pub(crate) fn why(err: &hyper::Error) -> String {
    if err.is_incomplete_message() {
        return "unexpected EOF".to_string();
    }
    let mut text = err.to_string();
    let mut source = std::error::Error::source(err);
    while let Some(err) = source {
        text = match err.downcast_ref::<io::Error>() {
            Some(err) if err.kind() == io::ErrorKind::UnexpectedEof => return "unexpected EOF".to_string(),
            Some(err) => wappa_component::fault::cause(err),
            None => err.to_string(),
        };
        source = err.source();
    }
    text
}

/// Reads all of a body.
pub(crate) async fn read(mut body: Incoming, bytes_max: usize, taken: &mut Taken) -> Result<Bytes, NotRead> {
    let mut first = Bytes::new();
    let mut all: Vec<u8> = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|err| NotRead::Failed(why(&err)))?.into_data() else { continue };
        if bytes_max - first.len() - all.len() < data.len() {
            return Err(NotRead::TooLarge(bytes_max));
        }
        if !taken.take(data.len()) {
            return Err(NotRead::NoRoom);
        }
        match (first.is_empty() && all.is_empty(), first.is_empty()) {
            // What comes in one piece is not copied.
            (true, _) => first = data,
            (false, false) => {
                let whole = body.size_hint().exact().unwrap_or_default() as usize;
                all.reserve(first.len() + data.len() + whole.min(bytes_max));
                all.extend_from_slice(&std::mem::take(&mut first));
                all.extend_from_slice(&data);
            }
            (false, true) => all.extend_from_slice(&data),
        }
    }
    Ok(if all.is_empty() { first } else { all.into() })
}

/// Reads the beginning of a body that is told to somebody, whatever becomes of the rest.
pub(crate) async fn read_begin(mut body: Incoming, bytes_max: usize) -> Vec<u8> {
    let mut begin = Vec::new();
    while begin.len() < bytes_max
        && let Some(Ok(frame)) = body.frame().await
    {
        if let Ok(data) = frame.into_data() {
            begin.extend_from_slice(&data[..data.len().min(bytes_max - begin.len())]);
        }
    }
    begin
}

/// Whether a body is compressed in the way that was asked for on nobody's behalf. Then the headers say nothing of that any
/// more, as in Go.
pub(crate) fn take_compression(headers: &mut HeaderMap) -> bool {
    let is_compressed =
        headers.get(CONTENT_ENCODING).is_some_and(|it| it.as_bytes().eq_ignore_ascii_case(b"gzip"));
    if is_compressed {
        headers.remove(CONTENT_ENCODING);
        headers.remove(CONTENT_LENGTH);
    }
    is_compressed
}

/// Takes up so many bytes and no more.
struct Bounded<'a> {
    bytes: Vec<u8>,
    max: usize,
    taken: &'a mut Taken,
}

impl Write for Bounded<'_> {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        if self.max - self.bytes.len() < piece.len() {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        if !self.taken.take(piece.len()) {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        self.bytes.extend_from_slice(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Decompresses a body.
pub(crate) fn decompress(body: &[u8], bytes_max: usize, taken: &mut Taken) -> Result<Bytes, NotRead> {
    if body.is_empty() {
        return Ok(Bytes::new());
    }
    let mut decoder = MultiGzDecoder::new(Bounded { bytes: Vec::new(), max: bytes_max, taken });
    let done = decoder.write_all(body).and_then(|()| decoder.finish());
    match done {
        Ok(bounded) => Ok(bounded.bytes.into()),
        Err(err) if err.kind() == io::ErrorKind::FileTooLarge => Err(NotRead::TooLarge(bytes_max)),
        Err(err) if err.kind() == io::ErrorKind::QuotaExceeded => Err(NotRead::NoRoom),
        Err(err) => Err(NotRead::Failed(format!("gzip: {err}"))),
    }
}

/// The beginning of a body of which the beginning is there.
pub(crate) fn decompress_begin(body: &[u8], bytes_max: usize) -> Vec<u8> {
    let mut taken = Room::endless().enter();
    let mut decoder = MultiGzDecoder::new(Bounded { bytes: Vec::new(), max: bytes_max, taken: &mut taken });
    // What is behind the bound, or broken, is left out.
    let _ = decoder.write_all(body).and_then(|()| decoder.flush());
    std::mem::take(&mut decoder.get_mut().bytes)
}

/// So much of what is compressed is decompressed at once: few bytes may become a thousand times as many.
const PIECE_BYTES: usize = 1024;

/// A body that is read as it comes.
pub(crate) struct Reading {
    body: Incoming,
    decoder: Option<MultiGzDecoder<Vec<u8>>>,
    compressed: Bytes,
    plain: Bytes,
}

impl Reading {
    pub(crate) fn new(body: Incoming, is_compressed: bool) -> Reading {
        let decoder = is_compressed.then(|| MultiGzDecoder::new(Vec::new()));
        Reading { body, decoder, compressed: Bytes::new(), plain: Bytes::new() }
    }

    fn decompress(&mut self) -> io::Result<()> {
        if let Some(decoder) = &mut self.decoder
            && !self.compressed.is_empty()
        {
            let piece = self.compressed.split_to(self.compressed.len().min(PIECE_BYTES));
            decoder.write_all(&piece)?;
            self.plain = std::mem::take(decoder.get_mut()).into();
        }
        Ok(())
    }
}

impl AsyncRead for Reading {
    fn poll_read(
        mut self: Pin<&mut Self>,
        ctx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            if !self.plain.is_empty() {
                let n_bytes = self.plain.len().min(buffer.remaining());
                buffer.put_slice(&self.plain[..n_bytes]);
                self.plain.advance(n_bytes);
                return Poll::Ready(Ok(()));
            }
            if !self.compressed.is_empty() {
                self.decompress()?;
                continue;
            }
            match ready!(Pin::new(&mut self.body).poll_frame(ctx)) {
                None => {
                    let Some(decoder) = self.decoder.take() else { return Poll::Ready(Ok(())) };
                    self.plain = decoder.finish()?.into();
                }
                Some(Err(err)) => return Poll::Ready(Err(io::Error::other(why(&err)))),
                Some(Ok(frame)) => {
                    let data = frame.into_data().unwrap_or_default();
                    match self.decoder {
                        Some(_) => self.compressed = data,
                        None => self.plain = data,
                    }
                }
            }
        }
    }
}

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reading")
    }
}

#[cfg(test)]
mod tests {
    use flate2::{Compression, write::GzEncoder};

    use super::*;

    #[test]
    fn what_becomes_too_large_is_not_taken_up() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&vec![0; 1 << 20]).expect("it is kept");
        let compressed = encoder.finish().expect("it is kept");
        let decompress = |body: &[u8], bytes_max| decompress(body, bytes_max, &mut Room::endless().enter());
        assert_eq!(decompress(&compressed, 1 << 20).expect("it fits").len(), 1 << 20);
        assert_eq!(decompress(&compressed, (1 << 20) - 1), Err(NotRead::TooLarge((1 << 20) - 1)));
        assert_eq!(
            NotRead::TooLarge(1 << 20).to_string(),
            "the answer is larger than `response_limit`, 1MiB"
        );
        assert!(matches!(decompress(b"nonsense", 100), Err(NotRead::Failed(_))));
        let begin = decompress_begin(&compressed[..100], 100_000);
        assert!(!begin.is_empty() && begin.iter().all(|it| *it == 0));
        assert!(matches!(decompress(&compressed[..100], 1 << 20), Err(NotRead::Failed(_))));
    }

    #[test]
    fn what_there_is_no_room_for_is_not_taken_up() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&vec![0; 1 << 20]).expect("it is kept");
        let compressed = encoder.finish().expect("it is kept");
        let room = Room::new(3 << 19);
        let answer = || -> Result<usize, NotRead> {
            let mut taken = room.enter();
            let bytes = decompress(&compressed, 2 << 20, &mut taken)?.len();
            taken.keep(bytes);
            Ok(bytes)
        };
        assert_eq!(answer(), Ok(1 << 20));
        assert_eq!(answer(), Err(NotRead::NoRoom));
        // What was taken in vain is there again.
        assert!(room.enter().take(1 << 19) && !room.enter().take((1 << 19) + 1));
    }
}
