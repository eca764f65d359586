//! Spans as they are named in headers: W3C Trace Context.

use std::{fmt, sync::Arc};

/// So many bytes of what other systems have to say of a trace are handed on; the specification asks for so many.
const STATE_BYTES_MAX: usize = 512;

/// So many systems have their say in it.
const STATE_MEMBERS_MAX: usize = 32;

/// A span as W3C Trace Context names it: a stretch of work on a message, in the trace of all that became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The trace; never 0.
    pub trace_id: u128,
    /// The span within the trace; never 0.
    pub span_id: u64,
    /// Whether anybody records it.
    pub is_sampled: bool,
    /// What other systems have to say of the trace, as it came.
    pub state: Option<Arc<str>>,
}

impl Span {
    /// The span that the headers `traceparent` and `tracestate` name; `None`: none, or nonsense. Whatever is wrong with what
    /// other systems say, the span is good without it.
    pub fn of_headers(parent: &[u8], state: Option<&[u8]>) -> Option<Span> {
        let text = std::str::from_utf8(parent).ok()?.trim_matches([' ', '\t']);
        let (version, rest) = field(text, 2)?;
        let (trace_id, rest) = field(rest.strip_prefix('-')?, 32)?;
        let (span_id, rest) = field(rest.strip_prefix('-')?, 16)?;
        let (flags, rest) = field(rest.strip_prefix('-')?, 2)?;
        // Later versions may go on behind that.
        let is_known = version == 0 && rest.is_empty();
        let is_later = (1..255).contains(&version) && (rest.is_empty() || rest.starts_with('-'));
        if !(is_known || is_later) || trace_id == 0 || span_id == 0 {
            return None;
        }
        let state = state.and_then(state_of);
        Some(Span { trace_id, span_id: span_id as u64, is_sampled: flags & 1 == 1, state })
    }

    /// The trace as 32 digits.
    pub fn trace(&self) -> String {
        format!("{:032x}", self.trace_id)
    }

    /// What the header `traceparent` says of it.
    pub fn parent(&self) -> String {
        self.to_string()
    }
}

/// As in the header `traceparent`.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace_id, self.span_id, u8::from(self.is_sampled))
    }
}

/// The number that so many digits are, and what is behind it.
fn field(text: &str, n_digits: usize) -> Option<(u128, &str)> {
    let (digits, rest) = text.split_at_checked(n_digits)?;
    let is_digit = |it: u8| matches!(it, b'0'..=b'9' | b'a'..=b'f');
    if !digits.bytes().all(is_digit) {
        return None;
    }
    Some((u128::from_str_radix(digits, 16).ok()?, rest))
}

/// What other systems say, unless it is too much, or no text for a header.
fn state_of(bytes: &[u8]) -> Option<Arc<str>> {
    let text = std::str::from_utf8(bytes).ok()?.trim_matches([' ', '\t']);
    let is_sound = text.bytes().all(|it| it == b'\t' || (b' '..=b'~').contains(&it));
    let n_members = text.split(',').count();
    let are_members = text.split(',').map(str::trim).all(|it| it.is_empty() || it.contains('='));
    let is_kept = !text.is_empty()
        && text.len() <= STATE_BYTES_MAX
        && is_sound
        && n_members <= STATE_MEMBERS_MAX
        && are_members;
    is_kept.then(|| text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn read(parent: &str) -> Option<String> {
        Span::of_headers(parent.as_bytes(), None).map(|it| it.to_string())
    }

    #[test]
    fn what_is_no_span_is_none() {
        assert_eq!(read(PARENT).as_deref(), Some(PARENT));
        assert_eq!(read(&format!(" {PARENT}\t")).as_deref(), Some(PARENT));
        let unsampled = PARENT.replace("-01", "-00");
        assert_eq!(read(&unsampled), Some(unsampled));
        // A later version may say more, and is answered in this one.
        let later = PARENT.replacen("00-", "cc-", 1);
        for later in [later.clone(), format!("{later}-what-the-future-holds")] {
            assert_eq!(read(&later).as_deref(), Some(PARENT), "{later}");
        }
        for wrong in [
            "",
            "00",
            "00-",
            &PARENT[..54],
            &format!("{PARENT}-"),
            &format!("{PARENT}0"),
            &format!("{later}0"),
            &PARENT.to_uppercase(),
            &PARENT.replacen("00-", "ff-", 1),
            &PARENT.replacen("00-", "+0-", 1),
            &PARENT.replace('-', "_"),
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473\u{e9}-00f067aa0ba902b7-01",
            &"0".repeat(100_000),
        ] {
            assert_eq!(read(wrong), None, "{wrong:.80}");
        }
        assert_eq!(Span::of_headers(&[0xff; 55], None), None);
    }

    #[test]
    fn what_others_say_is_handed_on_within_bounds() {
        let state = |text: &str| {
            let span = Span::of_headers(PARENT.as_bytes(), Some(text.as_bytes())).expect("a span");
            span.state.map(|it| it.to_string())
        };
        for good in ["rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", "a=1, b=2,", &"a=1,".repeat(31)] {
            assert_eq!(state(good).as_deref(), Some(good));
        }
        for bad in ["", " ", "a", "a=\u{e9}", "a=1\r\nx: y", "a=\0", &"a=1,".repeat(32), &"a".repeat(513)] {
            assert_eq!(state(bad), None, "{bad:?}");
        }
    }
}
