//! What a server answers: found whole in what has come, and read without being copied.
//!
//! Invariant: what may come before a reply is whole is bounded, in bytes and in the values that may be made of them.

use bytes::Bytes;

/// What one reply may cost. Half as much as the largest value that a server takes in its own default, so there is one that
/// cannot be read.
const REPLY_MAX: usize = 256 << 20;

/// What a value costs beside its bytes: about what is made of the smallest entry.
const VALUE: usize = 64;

/// How much is read at once at least.
const READ_MIN: usize = 16 << 10;

/// A buffer that has become larger than this is not kept.
const KEPT_MAX: usize = 1 << 20;

/// Why a server is not listened to any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Malformed {
    /// It does not speak as a server of Redis does.
    Foreign,
    /// A reply is too large.
    TooMuch,
}

impl Malformed {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Malformed::Foreign => "the server answers what is no answer of Redis",
            Malformed::TooMuch => "the server sends too much at once",
        }
    }
}

/// What has come and was not taken yet.
#[derive(Debug, Default)]
pub(crate) struct Incoming {
    buffer: Vec<u8>,
    /// What is before it was taken.
    start: usize,
    scan: Scan,
}

/// How far the search for the end of a reply is.
#[derive(Debug, Default)]
struct Scan {
    /// Bytes of whole values, behind the start of the reply.
    at: usize,
    /// How many values are missing, but for the first one.
    n_left: usize,
    n_values: usize,
    /// Where the end of a line is looked for, since it is not before.
    looked: usize,
}

impl Incoming {
    /// Where what comes next is put.
    pub(crate) fn room(&mut self) -> &mut Vec<u8> {
        if self.start == self.buffer.len() {
            self.start = 0;
            self.buffer.clear();
            if KEPT_MAX < self.buffer.capacity() {
                self.buffer = Vec::new();
            }
        } else if self.buffer.len() / 2 < self.start {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.buffer.reserve(READ_MIN);
        &mut self.buffer
    }

    /// The next reply, if all of it has come.
    pub(crate) fn reply(&mut self) -> Result<Option<&[u8]>, Malformed> {
        let Some(len) = self.scan.end(&self.buffer[self.start..])? else { return Ok(None) };
        self.scan = Scan::default();
        let start = self.start;
        self.start += len;
        Ok(Some(&self.buffer[start..self.start]))
    }
}

impl Scan {
    /// How long the reply is with which these bytes begin.
    fn end(&mut self, bytes: &[u8]) -> Result<Option<usize>, Malformed> {
        while self.n_values == 0 || 0 < self.n_left {
            let Some(end) = self.line(bytes)? else { return Ok(None) };
            let (kind, line) = (bytes[self.at], &bytes[self.at + 1..end - 2]);
            let (mut next, mut n_more) = (end, 0);
            match kind {
                b'+' | b'-' | b':' => (),
                b'$' => {
                    if let Some(len) = length(line)? {
                        next = end
                            .checked_add(len)
                            .and_then(|it| it.checked_add(2))
                            .ok_or(Malformed::TooMuch)?;
                    }
                }
                b'*' => n_more = length(line)?.unwrap_or(0),
                _ => return Err(Malformed::Foreign),
            }
            if REPLY_MAX < next.saturating_add(VALUE * self.n_values) {
                return Err(Malformed::TooMuch);
            }
            if bytes.len() < next {
                return Ok(None);
            }
            let n_missing = if self.n_values == 0 { 0 } else { self.n_left - 1 };
            self.n_left = n_missing.checked_add(n_more).ok_or(Malformed::TooMuch)?;
            self.n_values += 1;
            (self.at, self.looked) = (next, next);
        }
        Ok(Some(self.at))
    }

    /// Where the line ends that begins here.
    fn line(&mut self, bytes: &[u8]) -> Result<Option<usize>, Malformed> {
        let from = self.looked.max(self.at);
        match bytes[from..].iter().position(|it| *it == b'\n') {
            Some(idx) if self.at + 1 < from + idx && bytes[from + idx - 1] == b'\r' => {
                Ok(Some(from + idx + 1))
            }
            Some(_) => Err(Malformed::Foreign),
            None if REPLY_MAX < bytes.len() => Err(Malformed::TooMuch),
            None => {
                self.looked = bytes.len();
                Ok(None)
            }
        }
    }
}

/// A length; `None`: there is nothing.
fn length(line: &[u8]) -> Result<Option<usize>, Malformed> {
    if line == b"-1" {
        return Ok(None);
    }
    number(line).map(|it| it as usize).map(Some).ok_or(Malformed::Foreign)
}

/// What these digits, and nothing else, are.
pub(crate) fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, it| {
        let digit = it.wrapping_sub(b'0');
        if 9 < digit {
            return None;
        }
        number.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// What a reply that is an error says.
pub(crate) fn error(reply: &[u8]) -> Option<&[u8]> {
    reply.strip_prefix(b"-").map(<[u8]>::trim_ascii_end)
}

/// A value of a reply; those of a list follow it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    List(usize),
    Text(Bytes),
    Nothing,
    /// A number, or an error in a list.
    Other,
}

/// The values of a whole reply, one after the other.
#[derive(Clone, Debug)]
pub(crate) struct Values {
    reply: Bytes,
    at: usize,
}

impl Values {
    /// Those of a reply that was found whole.
    pub(crate) fn of(reply: Bytes) -> Values {
        Values { reply, at: 0 }
    }

    /// The next one; `None`: there is no more.
    pub(crate) fn next(&mut self) -> Option<Value> {
        let rest = self.reply.get(self.at..)?;
        let end = self.at + rest.iter().position(|it| *it == b'\n')? + 1;
        let line = self.reply.get(self.at + 1..end - 2)?;
        let kind = self.reply[self.at];
        self.at = end;
        Some(match kind {
            b'*' => number(line).map_or(Value::Nothing, |it| Value::List(it as usize)),
            b'$' => match number(line) {
                Some(len) => {
                    let text = self.reply.slice(end..end + len as usize);
                    self.at = end + len as usize + 2;
                    Value::Text(text)
                }
                None => Value::Nothing,
            },
            b'+' => Value::Text(self.reply.slice(end - 2 - line.len()..end - 2)),
            _ => Value::Other,
        })
    }

    /// The next one, if it is a list: how many values it has.
    pub(crate) fn list(&mut self) -> Option<usize> {
        match self.next() {
            Some(Value::List(n_values)) => Some(n_values),
            _ => None,
        }
    }

    /// The next one, if it is a text.
    pub(crate) fn text(&mut self) -> Option<Bytes> {
        match self.next() {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// Passes over the next one, with all that is in it.
    pub(crate) fn skip(&mut self) -> Option<()> {
        let mut n_left = 1_usize;
        while 0 < n_left {
            n_left -= 1;
            if let Value::List(n_more) = self.next()? {
                n_left += n_more;
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The replies that are found when these bytes come in pieces of `step`, in words of the debugger.
    fn found(bytes: &[u8], step: usize) -> Result<Vec<String>, Malformed> {
        let (mut incoming, mut replies) = (Incoming::default(), Vec::new());
        for piece in bytes.chunks(step) {
            incoming.room().extend_from_slice(piece);
            while let Some(reply) = incoming.reply()? {
                replies.push(reply.escape_ascii().to_string());
            }
        }
        Ok(replies)
    }

    #[test]
    fn replies_are_found_however_they_come() {
        let bytes =
            b"+OK\r\n*-1\r\n*2\r\n*2\r\n$1\r\na\r\n$-1\r\n*0\r\n-ERR no\r\n:12\r\n$2\r\n\r\n\r\n*0\r\n+half";
        let all = [
            "+OK\\r\\n",
            "*-1\\r\\n",
            "*2\\r\\n*2\\r\\n$1\\r\\na\\r\\n$-1\\r\\n*0\\r\\n",
            "-ERR no\\r\\n",
            ":12\\r\\n",
            "$2\\r\\n\\r\\n\\r\\n",
            "*0\\r\\n",
        ];
        for step in 1..=bytes.len() {
            assert_eq!(found(bytes, step).expect("they are replies"), all, "{step}");
        }
    }

    #[test]
    fn what_is_no_reply_is_said_before_it_is_kept() {
        for (bytes, why) in [
            (&b"HTTP/1.1 400\r\n"[..], Malformed::Foreign),
            (b"\r\n", Malformed::Foreign),
            (b"\n", Malformed::Foreign),
            (b"+\n", Malformed::Foreign),
            (b"$x\r\n", Malformed::Foreign),
            (b"*\r\n", Malformed::Foreign),
            (b"$-2\r\n", Malformed::Foreign),
            (b"$99999999999999999999\r\n", Malformed::Foreign),
            (b"$9000000000000000000\r\n", Malformed::TooMuch),
            (b"$18446744073709551615\r\n", Malformed::TooMuch),
            (b"*2\r\n*18446744073709551615\r\n*2\r\n", Malformed::TooMuch),
        ] {
            for step in [1, bytes.len()] {
                assert_eq!(found(bytes, step), Err(why), "{}", bytes.escape_ascii());
            }
        }
    }

    #[test]
    fn small_values_without_end_are_too_much() {
        let mut incoming = Incoming::default();
        incoming.room().extend_from_slice(b"*9000000000000000000\r\n");
        let many = b"*0\r\n".repeat(10_000);
        let result = loop {
            incoming.room().extend_from_slice(&many);
            if let Err(err) = incoming.reply() {
                break err;
            }
        };
        assert_eq!(result, Malformed::TooMuch);
        assert!(incoming.buffer.len() < REPLY_MAX / VALUE * 5, "{}", incoming.buffer.len());
    }

    #[test]
    fn values_are_read_and_passed_over() {
        let mut values =
            Values::of(Bytes::from_static(b"*4\r\n*2\r\n$1\r\na\r\n*1\r\n:1\r\n+b\r\n$-1\r\n:7\r\n"));
        assert_eq!(values.list(), Some(4));
        assert_eq!(values.skip(), Some(()));
        assert_eq!(values.text().as_deref(), Some(&b"b"[..]));
        assert_eq!(values.next(), Some(Value::Nothing));
        assert_eq!(values.next(), Some(Value::Other));
        assert_eq!(values.next(), None);
    }
}
