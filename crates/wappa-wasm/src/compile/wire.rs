//! What parent and child say to each other: one request, one answer, each framed so that a cut is noticed.

use std::io::{self, Read, Write};

use serde_json::{Value, json};

use super::Budget;
use crate::inspect::Limits;

const REQUEST: &[u8; 8] = b"wappacr2";
const ANSWER: &[u8; 8] = b"wappaca2";
/// Ends an answer, so that one that is cut at its very end is not taken for whole.
const END: &[u8; 8] = b"wappaend";

/// Marker, kind, length.
const ANSWER_HEADER: usize = 8 + 1 + 8;

/// The largest module that the engine's parser accepts.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// What is asked beside the module is small.
const QUESTION_BYTES_MAX: u64 = 1 << 20;

/// What is to be done with a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// Code is made of it.
    Compile,
    /// It is looked into, for a processor with this field `function` and these limits.
    Inspect { function: String, limits: Limits },
    /// The places in the source of these offsets are looked for.
    SourceLines { offsets: Vec<u64> },
}

impl Question {
    fn to_json(&self) -> String {
        let json = match self {
            Question::Compile => json!({}),
            Question::Inspect { function, limits } => {
                json!({ "function": function, "memory_bytes": limits.memory_bytes })
            }
            Question::SourceLines { offsets } => json!({ "offsets": offsets }),
        };
        json.to_string()
    }

    fn from_json(json: &[u8]) -> Option<Question> {
        let json: Value = serde_json::from_slice(json).ok()?;
        if let Some(function) = json.get("function") {
            let limits = Limits { memory_bytes: json.get("memory_bytes")?.as_u64()? };
            return Some(Question::Inspect { function: function.as_str()?.to_owned(), limits });
        }
        if let Some(offsets) = json.get("offsets") {
            let offsets = offsets.as_array()?.iter().map(Value::as_u64);
            return Some(Question::SourceLines { offsets: offsets.collect::<Option<_>>()? });
        }
        Some(Question::Compile)
    }
}

/// What comes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// What was asked for.
    Made(Vec<u8>),
    /// Why it cannot be had.
    Refused(String),
    /// Why the file is no module that could be used.
    Unfit(String),
}

/// What the child is to do, and what it may cost.
pub(super) struct Request {
    pub(super) cpu_seconds: u64,
    pub(super) memory_bytes: u64,
    pub(super) threads: u64,
    pub(super) question: Question,
    pub(super) file: Vec<u8>,
}

/// The bytes that go before the module.
pub(super) fn request_header(budget: &Budget, threads: u64, question: &Question, file: &[u8]) -> Vec<u8> {
    let cpu_seconds = budget.cpu.as_secs().saturating_add(u64::from(budget.cpu.subsec_nanos() > 0));
    let mut header = REQUEST.to_vec();
    let question = question.to_json();
    let lengths = [question.len() as u64, file.len() as u64];
    for number in [cpu_seconds.max(1), budget.memory, threads].into_iter().chain(lengths) {
        header.extend_from_slice(&number.to_le_bytes());
    }
    header.extend_from_slice(question.as_bytes());
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
        let (cpu_seconds, memory_bytes, threads) = (number()?, number()?, number()?);
        let (question_bytes, file_bytes) = (number()?, number()?);
        let wrong = |text| io::Error::new(io::ErrorKind::InvalidData, text);
        if QUESTION_BYTES_MAX < question_bytes || FILE_BYTES_MAX < file_bytes {
            return Err(wrong("the module is larger than 1 GiB"));
        }
        let mut take = |length: u64| {
            let mut bytes = Vec::new();
            from.by_ref().take(length).read_to_end(&mut bytes)?;
            match bytes.len() as u64 == length {
                true => Ok(bytes),
                false => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
            }
        };
        let question = take(question_bytes)?;
        let question = Question::from_json(&question).ok_or_else(|| wrong("nobody knows this question"))?;
        let file = take(file_bytes)?;
        Ok(Request { cpu_seconds, memory_bytes, threads, question, file })
    }
}

/// Writes a whole answer: the code or what else was asked for, or the reason why there is none.
pub(super) fn write_answer(to: &mut impl Write, answer: &Answer) -> io::Result<()> {
    let (kind, content) = match answer {
        Answer::Made(content) => (0_u8, content.as_slice()),
        Answer::Refused(reason) => (1, reason.as_bytes()),
        Answer::Unfit(reason) => (2, reason.as_bytes()),
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
            return Err("something else than an answer");
        }
        let Some(header) = self.bytes.get(..ANSWER_HEADER) else { return Ok(None) };
        let length = header[9..].first_chunk().map_or(0, |it| u64::from_le_bytes(*it));
        if header[8] > 2 || length > content_max {
            return Err("more than memory was granted");
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
    pub(super) fn into_answer(mut self) -> Answer {
        let kind = self.bytes[8];
        self.bytes.truncate(self.bytes.len() - END.len());
        self.bytes.drain(..ANSWER_HEADER);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match kind {
            0 => Answer::Made(self.bytes),
            1 => Answer::Refused(text(&self.bytes)),
            _ => Answer::Unfit(text(&self.bytes)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_request_goes_over_whole_or_not_at_all() {
        let budget = Budget { cpu: Duration::from_millis(1500), wall: Duration::MAX, memory: 7 };
        let limits = Limits { memory_bytes: 9 };
        for question in [
            Question::Compile,
            Question::Inspect { function: "process".to_owned(), limits },
            Question::SourceLines { offsets: vec![0, u64::MAX] },
        ] {
            let mut bytes = request_header(&budget, 3, &question, b"module");
            bytes.extend_from_slice(b"module");
            let request = Request::read(&mut bytes.as_slice()).expect("a whole request");
            assert_eq!((request.cpu_seconds, request.memory_bytes, request.threads), (2, 7, 3));
            assert_eq!((request.question, request.file), (question, b"module".to_vec()));
            for n in 0..bytes.len() {
                assert!(Request::read(&mut &bytes[..n]).is_err());
            }
        }
    }

    #[test]
    fn an_answer_goes_over_whole_or_not_at_all() {
        let (no, bad) = (Answer::Refused("no".to_owned()), Answer::Unfit("bad".to_owned()));
        for answer in [Answer::Made(b"code".to_vec()), no, bad] {
            let mut bytes = Vec::new();
            write_answer(&mut bytes, &answer).expect("writing to memory");
            let mut incoming = Incoming::default();
            for byte in &bytes {
                assert_eq!(incoming.is_whole(4), Ok(false));
                incoming.push(&[*byte]);
            }
            assert_eq!(incoming.is_whole(4), Ok(true));
            assert_eq!(incoming.is_whole(1), Err("more than memory was granted"));
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
        assert_eq!(check(b"hello"), Err("something else than an answer"));
        assert_eq!(
            check(b"wappaca2\0\x01\0\0\0\0\0\0\0xwappaenD"),
            Err("an answer that does not end as one")
        );
        assert_eq!(check(b"wappaca2\0\0\0\0\0\0\0\0\0wappaend!"), Err("more than it announced"));
    }
}
