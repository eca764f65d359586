//! Messages as bytes on a descriptor: what stands between them, and how far a write came.

use std::{
    io::IoSlice,
    os::fd::{AsFd, BorrowedFd},
};

use bytes::Bytes;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};
use wappa_message::Message;
use wappa_spec::{Node, Reader, Rule};

use crate::Step;

/// From this size on a content is written from where it is, without a copy.
const LARGE_BYTES: usize = 8 * 1024;

/// The system takes no more pieces at once.
const PIECES_MAX: usize = 1024;

/// The buffer is kept between writes up to this size.
const KEPT_BYTES_MAX: usize = 1024 * 1024;

/// How long a wait for room goes without a look at whether the stream is given up.
const ROOM_WAIT: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// How messages are set apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Codec {
    /// What follows a message that does not end in it.
    suffix: Vec<u8>,
    /// Whether it follows also one that does.
    follows_all: bool,
    /// Whether a file keeps what is in it; else each message replaces the one before.
    pub is_appending: bool,
}

impl Codec {
    /// Reads the name of a codec; the error is Bento's text.
    pub fn parse(text: &str) -> Result<Codec, String> {
        let appending =
            |suffix: &str| Ok(Codec { suffix: suffix.into(), follows_all: false, is_appending: true });
        match text {
            "all-bytes" => Ok(Codec { suffix: Vec::new(), follows_all: false, is_appending: false }),
            "append" => appending(""),
            "lines" => appending("\n"),
            "delim:" => Err("custom delimiter codec requires a non-empty delimiter".to_string()),
            _ => match text.strip_prefix("delim:") {
                Some(delimiter) => appending(delimiter),
                None => Err(format!("codec was not recognised: {text}")),
            },
        }
    }

    /// A line feed behind each message, also behind one that ends in a line feed.
    pub fn line_feeds() -> Codec {
        Codec { suffix: b"\n".to_vec(), follows_all: true, is_appending: true }
    }

    /// Reports what is no codec, at the field `codec` of `node`.
    pub fn lint(text: &str, node: &Node, reader: &mut Reader<'_>) {
        if let Err(err) = Codec::parse(text) {
            reader.error(Rule::InvalidValue, node.get("codec").unwrap_or(node), err);
        }
    }

    /// What is put behind a message with this content.
    pub fn suffix_of(&self, content: &[u8]) -> &[u8] {
        let is_there = match self.suffix.as_slice() {
            // The usual case without a call.
            [byte] => content.last() == Some(byte),
            suffix => content.ends_with(suffix),
        };
        if is_there && !self.follows_all { &[] } else { &self.suffix }
    }
}

/// Bytes that are about to be written, in order, and where messages end in them.
#[derive(Debug, Default)]
pub struct Encoded {
    /// Everything small, one behind the other.
    buffer: Vec<u8>,
    pieces: Vec<Piece>,
    /// For each message, how many bytes there are up to its end.
    ends: Vec<usize>,
    n_bytes: usize,
}

#[derive(Debug)]
enum Piece {
    /// A range of the buffer.
    Buffered {
        start: usize,
        end: usize,
    },
    Large(Bytes),
}

/// A write that came to a halt.
#[derive(Debug)]
pub struct Halt {
    /// How many bytes were written before.
    pub written: usize,
    /// Why; nothing when the stream was given up.
    pub errno: Option<Errno>,
}

impl Encoded {
    /// Starts again, with `rest`, which belongs to none of the messages, and the messages.
    pub fn encode(&mut self, rest: &[u8], messages: &[Message], codec: &Codec) {
        self.buffer.clear();
        self.buffer.shrink_to(KEPT_BYTES_MAX);
        self.pieces.clear();
        self.ends.clear();
        self.buffer.extend_from_slice(rest);
        let mut large_bytes = 0;
        let mut start = 0;
        for message in messages {
            let suffix = match message.printed() {
                Ok(content) if LARGE_BYTES <= content.len() => {
                    self.push_buffered(start);
                    start = self.buffer.len();
                    large_bytes += content.len();
                    self.pieces.push(Piece::Large(content.clone()));
                    codec.suffix_of(content)
                }
                Ok(content) => {
                    self.buffer.extend_from_slice(content);
                    codec.suffix_of(content)
                }
                Err(_) => {
                    let at = self.buffer.len();
                    message.write_content(&mut self.buffer);
                    codec.suffix_of(&self.buffer[at..])
                }
            };
            self.buffer.extend_from_slice(suffix);
            self.ends.push(self.buffer.len() + large_bytes);
        }
        self.push_buffered(start);
        self.n_bytes = self.buffer.len() + large_bytes;
    }

    /// Forgets the contents, which would keep buffers of parcels alive.
    pub fn release(&mut self) {
        self.pieces.clear();
    }

    /// How many messages end within the first `written` bytes, and where the last of them ends.
    pub fn whole(&self, written: usize) -> (usize, usize) {
        let n_messages = self.ends.partition_point(|end| *end <= written);
        (n_messages, n_messages.checked_sub(1).map_or(0, |it| self.ends[it]))
    }

    /// The bytes from `written` up to the end of the message that begins before it, or of the `before_messages` bytes
    /// that belong to none.
    pub fn rest_of_message(&self, written: usize, before_messages: usize) -> Vec<u8> {
        let (n_messages, end) = self.whole(written);
        let boundary = if n_messages == 0 { before_messages } else { end };
        let stop = match written {
            it if it < before_messages => before_messages,
            it if it == boundary => written,
            _ => self.ends[n_messages],
        };
        let mut rest = Vec::with_capacity(stop - written);
        for slice in self.slices(written) {
            let wanted = stop - written - rest.len();
            rest.extend_from_slice(&slice[..slice.len().min(wanted)]);
        }
        rest
    }

    /// Writes everything from the byte `from` on, whatever the number of calls it takes. Returns how many bytes there
    /// are in all.
    pub fn write_to(&self, descriptor: impl AsFd, from: usize, step: &Step<'_>) -> Result<usize, Halt> {
        let descriptor = descriptor.as_fd();
        let mut written = from;
        while written < self.n_bytes {
            let result = match self.pieces.as_slice() {
                [Piece::Buffered { start, end }] => {
                    rustix::io::write(descriptor, &self.buffer[start + written..*end])
                }
                _ => {
                    let slices: Vec<_> = self.slices(written).take(PIECES_MAX).map(IoSlice::new).collect();
                    rustix::io::writev(descriptor, &slices)
                }
            };
            match result {
                Ok(0) => return Err(Halt { written, errno: Some(Errno::IO) }),
                Ok(n_bytes) => written += n_bytes,
                Err(Errno::INTR) => (),
                // Whoever we share the descriptor with made it so; it is not ours to change.
                Err(Errno::AGAIN) => {
                    if step.is_interrupted() {
                        return Err(Halt { written, errno: None });
                    }
                    wait_for_room(descriptor);
                }
                Err(errno) => return Err(Halt { written, errno: Some(errno) }),
            }
        }
        Ok(written)
    }

    /// The bytes from `from` on.
    pub fn slices(&self, from: usize) -> impl Iterator<Item = &[u8]> {
        let mut skip = from;
        self.pieces.iter().filter_map(move |piece| {
            let bytes = match piece {
                Piece::Buffered { start, end } => &self.buffer[*start..*end],
                Piece::Large(content) => content.as_ref(),
            };
            let skipped = skip.min(bytes.len());
            skip -= skipped;
            Some(&bytes[skipped..]).filter(|it| !it.is_empty())
        })
    }

    fn push_buffered(&mut self, start: usize) {
        let end = self.buffer.len();
        if start < end {
            self.pieces.push(Piece::Buffered { start, end });
        }
    }
}

fn wait_for_room(descriptor: BorrowedFd<'_>) {
    // Whatever comes of it, the next write says what is wrong.
    let _ = poll(&mut [PollFd::from_borrowed_fd(descriptor, PollFlags::OUT)], Some(&ROOM_WAIT));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(codec: &str, rest: &str, contents: &[&str]) -> Encoded {
        let messages: Vec<Message> = contents.iter().map(|it| Message::new(it.to_string())).collect();
        let mut encoded = Encoded::default();
        encoded.encode(rest.as_bytes(), &messages, &Codec::parse(codec).expect("a codec"));
        encoded
    }

    #[test]
    fn codecs() {
        for (codec, expected) in [
            ("lines", "a\nb\n\nc\n"),
            ("append", "ab\nc"),
            ("delim:xy", "axyb\nxyxycxy"),
            ("all-bytes", "ab\nc"),
        ] {
            let encoded = encode(codec, "", &["a", "b\n", "", "c"]);
            let bytes: Vec<u8> = encoded.slices(0).flatten().copied().collect();
            assert_eq!(String::from_utf8_lossy(&bytes), expected, "{codec}");
        }
        for (codec, error) in [
            ("delim:", "custom delimiter codec requires a non-empty delimiter"),
            ("LINES", "codec was not recognised: LINES"),
        ] {
            assert_eq!(Codec::parse(codec).expect_err(codec), error);
        }
    }

    #[test]
    fn knows_how_far_it_came() {
        let large = "L".repeat(LARGE_BYTES);
        let encoded = encode("lines", "rr", &["ab", &large, "c"]);
        assert_eq!(encoded.pieces.len(), 3);
        let end = 2 + 3 + LARGE_BYTES + 1;
        assert_eq!(
            [0, 2, 4, 5, 6, end, end + 1, end + 2].map(|it| encoded.whole(it).0),
            [0, 0, 0, 1, 1, 2, 2, 3]
        );
        let rest = |written| String::from_utf8(encoded.rest_of_message(written, 2)).expect("text");
        assert_eq!([0, 1, 2, 3, 4, 5].map(rest), ["rr", "r", "", "b\n", "\n", ""]);
        assert_eq!(rest(end - 2), "L\n");
        assert_eq!([end, end + 1, end + 2].map(rest), ["", "\n", ""]);
    }
}
