//! What parent and child say to each other: one request, one answer, each framed so that a cut is noticed.

use std::io::{self, Read, Write};

use super::Budget;

const REQUEST: &[u8; 8] = b"wappacr1";
const ANSWER: &[u8; 8] = b"wappaca1";
/// Ends an answer, so that one that is cut at its very end is not taken for whole.
const END: &[u8; 8] = b"wappaend";

/// Marker, kind, length.
const ANSWER_HEADER: usize = 8 + 1 + 8;

/// The largest module that the engine's parser accepts.
const WASM_BYTES_MAX: u64 = 1 << 30;

/// What the child is to do, and what it may cost.
pub(super) struct Request {
    pub(super) cpu_seconds: u64,
    pub(super) memory_bytes: u64,
    pub(super) threads: u64,
    pub(super) wasm: Vec<u8>,
}

/// The bytes that go before the module.
pub(super) fn request_header(budget: &Budget, threads: u64, wasm: &[u8]) -> Vec<u8> {
    let cpu_seconds = budget.cpu.as_secs().saturating_add(u64::from(budget.cpu.subsec_nanos() > 0));
    let mut header = REQUEST.to_vec();
    for number in [cpu_seconds.max(1), budget.memory, threads, wasm.len() as u64] {
        header.extend_from_slice(&number.to_le_bytes());
    }
    header
}

impl Request {
    /// Reads a whole request; an error when the parent is not one of ours, or has gone.
    pub(super) fn read(from: &mut impl Read) -> io::Result<Request> {
        let mut marker = [0; 8];
        from.read_exact(&mut marker)?;
        if marker != *REQUEST {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "this is not a request to compile"));
        }
        let mut number = || {
            let mut bytes = [0; 8];
            from.read_exact(&mut bytes).map(|()| u64::from_le_bytes(bytes))
        };
        let (cpu_seconds, memory_bytes, threads, length) = (number()?, number()?, number()?, number()?);
        if length > WASM_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the module is larger than 1 GiB"));
        }
        let mut wasm = Vec::new();
        from.take(length).read_to_end(&mut wasm)?;
        if wasm.len() as u64 != length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Request { cpu_seconds, memory_bytes, threads, wasm })
    }
}

/// Writes a whole answer: the code, or the reason why there is none.
pub(super) fn write_answer(to: &mut impl Write, answer: &Result<Vec<u8>, String>) -> io::Result<()> {
    let (kind, content) = match answer {
        Ok(code) => (0_u8, code.as_slice()),
        Err(reason) => (1, reason.as_bytes()),
    };
    to.write_all(ANSWER)?;
    to.write_all(&[kind])?;
    to.write_all(&(content.len() as u64).to_le_bytes())?;
    to.write_all(content)?;
    to.write_all(END)?;
    to.flush()
}

/// An answer as it arrives. It grows with what has come, never with what was announced.
#[derive(Debug, Default)]
pub(super) struct Incoming {
    bytes: Vec<u8>,
}

impl Incoming {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// How many bytes a whole answer has; none while the header has not come.
    fn expected(&self, content_max: u64) -> Result<Option<usize>, &'static str> {
        let marker = &self.bytes[..self.bytes.len().min(8)];
        if !ANSWER.starts_with(marker) {
            return Err("something else than code");
        }
        let Some(header) = self.bytes.get(..ANSWER_HEADER) else { return Ok(None) };
        let length = header[9..].first_chunk().map_or(0, |it| u64::from_le_bytes(*it));
        if header[8] > 1 || length > content_max {
            return Err("more code than memory was granted");
        }
        Ok(Some(ANSWER_HEADER + length as usize + END.len()))
    }

    /// Whether the answer is whole, or wrong.
    pub(super) fn is_whole(&self, content_max: u64) -> Result<bool, &'static str> {
        match self.expected(content_max)? {
            Some(expected) if self.bytes.len() > expected => Err("more than it announced"),
            Some(expected) if self.bytes.len() == expected => {
                if self.bytes.ends_with(END) {
                    Ok(true)
                } else {
                    Err("an answer that does not end as one")
                }
            }
            _ => Ok(false),
        }
    }

    /// Takes a whole answer apart.
    pub(super) fn into_answer(mut self) -> Result<Vec<u8>, String> {
        let is_code = self.bytes[8] == 0;
        self.bytes.truncate(self.bytes.len() - END.len());
        self.bytes.drain(..ANSWER_HEADER);
        if is_code { Ok(self.bytes) } else { Err(String::from_utf8_lossy(&self.bytes).into_owned()) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_request_goes_over_whole_or_not_at_all() {
        let budget = Budget { cpu: Duration::from_millis(1500), wall: Duration::MAX, memory: 7 };
        let mut bytes = request_header(&budget, 3, b"module");
        bytes.extend_from_slice(b"module");
        let request = Request::read(&mut bytes.as_slice()).expect("a whole request");
        let Request { cpu_seconds, memory_bytes, threads, wasm } = request;
        assert_eq!((cpu_seconds, memory_bytes, threads, wasm), (2, 7, 3, b"module".to_vec()));
        for n in 0..bytes.len() {
            assert!(Request::read(&mut &bytes[..n]).is_err());
        }
    }

    #[test]
    fn an_answer_goes_over_whole_or_not_at_all() {
        for answer in [Ok(b"code".to_vec()), Err("no".to_owned())] {
            let mut bytes = Vec::new();
            write_answer(&mut bytes, &answer).expect("writing to memory");
            let mut incoming = Incoming::default();
            for byte in &bytes {
                assert_eq!(incoming.is_whole(4), Ok(false));
                incoming.push(&[*byte]);
            }
            assert_eq!(incoming.is_whole(4), Ok(true));
            assert_eq!(incoming.is_whole(1), Err("more code than memory was granted"));
            assert_eq!(incoming.into_answer(), answer);
        }
    }

    #[test]
    fn anything_else_is_no_answer() {
        let check = |bytes: &[u8]| {
            let mut incoming = Incoming::default();
            incoming.push(bytes);
            incoming.is_whole(100)
        };
        assert_eq!(check(b"hello"), Err("something else than code"));
        assert_eq!(
            check(b"wappaca1\0\x01\0\0\0\0\0\0\0xwappaenD"),
            Err("an answer that does not end as one")
        );
        assert_eq!(check(b"wappaca1\0\0\0\0\0\0\0\0\0wappaend!"), Err("more than it announced"));
    }
}
