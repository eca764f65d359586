//! Blocks of headers in HTTP 2, which come in one frame or in several: how much there is of one that is not whole.

/// What comes before the first frame.
const PREFACE_BYTES: usize = 24;

/// A frame's length, its type, its flags, and which request it belongs to.
const FRAME_HEAD_BYTES: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;

/// A block ends with this frame.
const END_HEADERS: u8 = 4;

/// What a byte of a block may be in memory: a name and a value that both sides know are one.
const BYTES_OF_ONE: usize = 64;

/// And what all of a block may be: more than a server keeps of it.
const BLOCK_BYTES_MAX: usize = 128 * 1024;

/// Frames as they come, in pieces.
#[derive(Debug)]
pub(crate) struct Blocks {
    head: [u8; FRAME_HEAD_BYTES],
    n_head: usize,
    /// How much of something else is to come before the next frame.
    n_rest: usize,
    is_data: bool,
    /// The frame that comes is not the last one of a block.
    goes_on: bool,
    /// How much has come of what is not whole.
    n_bytes: usize,
}

impl Default for Blocks {
    fn default() -> Blocks {
        Blocks { head: [0; _], n_head: 0, n_rest: PREFACE_BYTES, is_data: true, goes_on: false, n_bytes: 0 }
    }
}

impl Blocks {
    /// So much came. Gives what the block that is not whole takes now, or the frame that is not and holds no data.
    pub(crate) fn read(&mut self, mut bytes: &[u8]) -> usize {
        while !bytes.is_empty() {
            if self.n_rest == 0 {
                let n_taken = (FRAME_HEAD_BYTES - self.n_head).min(bytes.len());
                self.head[self.n_head..self.n_head + n_taken].copy_from_slice(&bytes[..n_taken]);
                self.n_head += n_taken;
                bytes = &bytes[n_taken..];
                if self.n_head < FRAME_HEAD_BYTES {
                    break;
                }
                let [high, mid, low, kind, flags, ..] = self.head;
                self.n_head = 0;
                self.n_rest = u32::from_be_bytes([0, high, mid, low]) as usize;
                self.is_data = kind == DATA;
                self.goes_on = matches!(kind, HEADERS | CONTINUATION) && flags & END_HEADERS == 0;
            }
            let n_taken = self.n_rest.min(bytes.len());
            self.n_rest -= n_taken;
            bytes = &bytes[n_taken..];
            if !self.is_data {
                self.n_bytes += n_taken;
            }
            if self.n_rest == 0 && !self.goes_on {
                self.n_bytes = 0;
            }
        }
        (self.n_bytes * BYTES_OF_ONE).min(BLOCK_BYTES_MAX.max(self.n_bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, n_bytes: usize) -> Vec<u8> {
        let len = (n_bytes as u32).to_be_bytes();
        [&len[1..], &[kind, flags, 0, 0, 0, 1], &vec![0; n_bytes]].concat()
    }

    /// What is counted after frames, which come in pieces of so many bytes.
    fn counted(frames: &[Vec<u8>], n: usize) -> usize {
        let mut blocks = Blocks::default();
        let all = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frames.concat()].concat();
        all.chunks(n).fold(0, |_, it| blocks.read(it))
    }

    #[test]
    fn what_is_not_whole_is_counted_until_it_is() {
        const SETTINGS: u8 = 4;
        for n in [1, 5, 9, 10, 1 << 20] {
            assert_eq!(counted(&[], n), 0);
            assert_eq!(counted(&[frame(SETTINGS, 0, 0), frame(HEADERS, END_HEADERS, 100)], n), 0);
            assert_eq!(counted(&[frame(HEADERS, 0, 100)], n), 6400);
            assert_eq!(counted(&[frame(HEADERS, 0, 100), frame(CONTINUATION, 0, 10)], n), 7040);
            assert_eq!(counted(&[frame(HEADERS, 0, 100), frame(CONTINUATION, END_HEADERS, 10)], n), 0);
            assert_eq!(counted(&[frame(HEADERS, 0, 1 << 14)], n), BLOCK_BYTES_MAX);
            // What breaks off in a frame: data, a block that has an end, anything else.
            let broken = |mut frame: Vec<u8>| {
                frame.pop();
                frame
            };
            assert_eq!(counted(&[broken(frame(DATA, 0, 100))], n), 0);
            assert_eq!(counted(&[broken(frame(HEADERS, END_HEADERS, 101))], n), 6400);
            assert_eq!(counted(&[broken(frame(SETTINGS, 0, 101))], n), 6400);
        }
    }
}
