//! Messages as bytes on a descriptor: what stands between them, and how far a write came.

use std::{
    io::IoSlice,
    ops::Range,
    os::fd::{AsFd, BorrowedFd},
};

use bytes::Bytes;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};
use wappa_message::Message;
use wappa_spec::{Node, Reader, Rule};

use crate::{Part, Slices, Step};

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
    #[inline]
    pub fn suffix_of(&self, content: &[u8]) -> &[u8] {
        if self.is_bare(content) { &self.suffix } else { &[] }
    }

    /// Whether something is put behind a message with this content.
    #[inline]
    fn is_bare(&self, content: &[u8]) -> bool {
        self.follows_all
            || match self.suffix.as_slice() {
                // The usual case without a call.
                [byte] => content.last() != Some(byte),
                [] => true,
                suffix => !content.ends_with(suffix),
            }
    }

    /// Whether a range of these bytes has behind it what is put behind a message, so that both can be written as they stand.
    #[inline]
    fn stands_in(&self, bytes: &[u8], range: (u32, u32)) -> bool {
        let (start, end) = (range.0 as usize, range.1 as usize);
        let is_behind = match self.suffix.as_slice() {
            [byte] => bytes.get(end) == Some(byte),
            suffix => bytes.get(end..).is_some_and(|it| it.starts_with(suffix)),
        };
        is_behind && self.is_bare(&bytes[start..end])
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
    /// While it is encoded, how many there are beside the buffer; then all.
    n_bytes: usize,
    /// What of the buffer is in no piece yet begins here.
    start: usize,
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
    /// Starts again, with `rest`, which belongs to none of the messages, and these messages of a part.
    pub fn encode(&mut self, rest: &[u8], part: &Part, messages: Range<usize>, codec: &Codec) {
        self.buffer.clear();
        self.buffer.shrink_to(KEPT_BYTES_MAX);
        self.pieces.clear();
        self.ends.clear();
        self.ends.reserve(messages.len());
        self.n_bytes = 0;
        self.start = 0;
        self.buffer.extend_from_slice(rest);
        match part.slices() {
            Some(slices) => self.push_slices(slices, messages, codec),
            None => part.messages()[messages].iter().for_each(|it| self.push_message(it, codec)),
        }
        self.push_buffered();
        self.n_bytes += self.buffer.len();
    }

    fn push_message(&mut self, message: &Message, codec: &Codec) {
        let is_bare = match message.printed() {
            Ok(content) => {
                self.push_content(content, || content.clone());
                codec.is_bare(content)
            }
            Err(_) => {
                let at = self.buffer.len();
                message.write_content(&mut self.buffer);
                codec.is_bare(&self.buffer[at..])
            }
        };
        self.end_message(is_bare, codec);
    }

    /// What stands in the buffer as it is to be written, one message behind the other, goes as one piece.
    fn push_slices(&mut self, slices: &Slices, messages: Range<usize>, codec: &Codec) {
        let bytes = slices.buffer.as_ref();
        let mut left = &slices.ranges[messages];
        while let Some(first) = left.first() {
            let mut next = first.0;
            let stand = left.iter().take_while(|it| {
                let stands = it.0 == next && codec.stands_in(bytes, **it);
                next = it.1 + codec.suffix.len() as u32;
                stands
            });
            let n_messages = stand.count();
            let Some((_, last_end)) = n_messages.checked_sub(1).map(|it| left[it]) else {
                let content = first.0 as usize..first.1 as usize;
                self.push_content(&bytes[content.clone()], || slices.buffer.slice(content.clone()));
                self.end_message(codec.is_bare(&bytes[content]), codec);
                left = &left[1..];
                continue;
            };
            let run = first.0 as usize..last_end as usize + codec.suffix.len();
            let before = self.n_bytes + self.buffer.len();
            let end_of = |end: u32| before + end as usize + codec.suffix.len() - run.start;
            self.ends.extend(left[..n_messages].iter().map(|(_, end)| end_of(*end)));
            self.push_content(&bytes[run.clone()], || slices.buffer.slice(run));
            left = &left[n_messages..];
        }
    }

    /// Small ones are copied.
    #[inline]
    fn push_content(&mut self, content: &[u8], shared: impl FnOnce() -> Bytes) {
        if content.len() < LARGE_BYTES {
            return self.buffer.extend_from_slice(content);
        }
        self.push_buffered();
        self.n_bytes += content.len();
        self.pieces.push(Piece::Large(shared()));
    }

    #[inline]
    fn end_message(&mut self, is_bare: bool, codec: &Codec) {
        if is_bare {
            match codec.suffix.as_slice() {
                [byte] => self.buffer.push(*byte),
                suffix => self.buffer.extend_from_slice(suffix),
            }
        }
        self.ends.push(self.n_bytes + self.buffer.len());
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
                [piece] => rustix::io::write(descriptor, &self.bytes_of(piece)[written..]),
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
            let bytes = self.bytes_of(piece);
            let skipped = skip.min(bytes.len());
            skip -= skipped;
            Some(&bytes[skipped..]).filter(|it| !it.is_empty())
        })
    }

    fn push_buffered(&mut self) {
        let (start, end) = (self.start, self.buffer.len());
        if start < end {
            self.pieces.push(Piece::Buffered { start, end });
        }
        self.start = end;
    }

    fn bytes_of<'a>(&'a self, piece: &'a Piece) -> &'a [u8] {
        match piece {
            Piece::Buffered { start, end } => &self.buffer[*start..*end],
            Piece::Large(content) => content.as_ref(),
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
        let codec = Codec::parse(codec).expect("a codec");
        encoded.encode(rest.as_bytes(), &Part::singles(messages), 0..contents.len(), &codec);
        encoded
    }

    fn text(encoded: &Encoded) -> String {
        String::from_utf8_lossy(&encoded.slices(0).collect::<Vec<_>>().concat()).into_owned()
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
            assert_eq!(text(&encoded), expected, "{codec}");
        }
        for (codec, error) in [
            ("delim:", "custom delimiter codec requires a non-empty delimiter"),
            ("LINES", "codec was not recognised: LINES"),
        ] {
            assert_eq!(Codec::parse(codec).expect_err(codec), error);
        }
    }

    #[test]
    fn what_stands_in_a_buffer_is_written_as_messages_are() {
        let long = "L".repeat(LARGE_BYTES);
        let texts = [
            "a\nbc\n\nd".to_string(),
            "a\r\nb\n".to_string(),
            "axyb\nxycxy".to_string(),
            format!("a\n{long}\nb\n{long}"),
            String::new(),
        ];
        for (text_of_buffer, codec) in
            texts.iter().flat_map(|it| ["lines", "append", "delim:xy", "delim:\n\n"].map(|codec| (it, codec)))
        {
            let codec = Codec::parse(codec).expect("a codec");
            for codec in [codec, Codec::line_feeds()] {
                // Lines, lines with their ends, some of them, and pieces of three bytes.
                let whole: Vec<(u32, u32)> = text_of_buffer
                    .split_inclusive('\n')
                    .scan(0, |at, it| {
                        let start = std::mem::replace(at, *at + it.len() as u32);
                        Some((start, *at))
                    })
                    .collect();
                let trimmed = |(start, end): &(u32, u32)| {
                    let has_end = text_of_buffer.as_bytes().get(*end as usize - 1) == Some(&b'\n');
                    (*start, *end - u32::from(has_end))
                };
                let len = text_of_buffer.len() as u32;
                for ranges in [
                    whole.iter().map(trimmed).collect(),
                    whole.iter().map(trimmed).step_by(2).collect(),
                    whole.iter().rev().map(trimmed).collect(),
                    (0..len).step_by(3).map(|at| (at, len.min(at + 3))).collect(),
                    whole,
                ] {
                    let slices = Slices {
                        buffer: Bytes::from(text_of_buffer.clone().into_bytes()),
                        ranges,
                        ..Slices::default()
                    };
                    let (ranges, messages) =
                        (Part::of_slices(slices.clone()), Part::singles(slices.messages()));
                    for range in [0..messages.n_messages(), 0..messages.n_messages().min(1)] {
                        let [mut one, mut other] = [(); 2].map(|()| Encoded::default());
                        one.encode(b"rest", &ranges, range.clone(), &codec);
                        other.encode(b"rest", &messages, range, &codec);
                        assert_eq!((text(&one), &one.ends), (text(&other), &other.ends), "{codec:?}");
                        assert_eq!(one.n_bytes, other.n_bytes);
                    }
                }
            }
        }
        let buffer = Bytes::from("line\n".repeat(4000));
        let ranges = (0..4000).map(|it| (5 * it, 5 * it + 4)).collect();
        let part = Part::of_slices(Slices { buffer, ranges, ..Slices::default() });
        let mut encoded = Encoded::default();
        encoded.encode(b"", &part, 1..3999, &Codec::parse("lines").expect("a codec"));
        assert!(
            matches!(encoded.pieces.as_slice(), [Piece::Large(it)] if it.len() == 5 * 3998),
            "without a copy"
        );
        assert_eq!(encoded.whole(12), (2, 10));
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
