//! The scanner `re_match`.

use regex::bytes::Regex;
use wappa_bloblang::go_regex;
use wappa_component::{
    BuildError, BuildScanner, Component, Context, Opened, Ranges, ScanError, Scanner, ScannerFactory,
};
use wappa_spec::{Config, Node, Reader, Rule};

pub(super) const COMPONENT: Component = Component::scanner::<ReMatchConfig>("re_match");

/// Makes a message of each segment that begins where a regular expression matches.
///
/// What comes before the first match is a message too, unless there is nothing.
///
/// # Examples
///
/// ### Log entries that go over several lines
///
/// ```yaml
/// input:
///   file:
///     paths: [ ./logs/*.log ]
///     scanner:
///       re_match:
///         pattern: '(?m)^\d\d:\d\d:\d\d'
/// output:
///   stdout: {}
/// ```
///
/// # Delivery
///
/// A message that is longer than `max_buffer_size` ends its source with an error that says where it begins.
/// Nothing of it is sent, other sources go on, and the process exits with 1 at its end.
///
/// # Pitfalls
///
/// What ends a line before a match belongs to the message before it.
/// `^` is the beginning of a message, and of a line only with `(?m)`.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct ReMatchConfig {
    /// The regular expression, in the syntax of Go.
    #[config(example = r"'(?m)^\d\d:\d\d:\d\d'")]
    pattern: String,

    /// How many bytes a message can have.
    #[config(default = "65536")]
    max_buffer_size: i64,
}

impl ReMatchConfig {
    fn pattern(&self) -> Result<Regex, String> {
        go_regex(&self.pattern)
    }
}

fn lint(config: &ReMatchConfig, node: &Node, reader: &mut Reader<'_>) {
    if let Err(text) = config.pattern() {
        reader.error(Rule::InvalidValue, node.get("pattern").unwrap_or(node), text);
    }
}

impl BuildScanner for ReMatchConfig {
    fn build(self, _: &mut Context<'_>) -> Result<Box<dyn ScannerFactory>, BuildError> {
        let pattern = self.pattern().map_err(BuildError::new)?;
        Ok(Box::new(ReMatch::new(pattern, self.max_buffer_size)))
    }
}

/// Makes a scanner of segments for each source.
#[derive(Clone, Debug)]
pub(crate) struct ReMatch {
    pattern: Regex,
    bytes_max: usize,
}

impl ReMatch {
    pub(crate) fn new(pattern: Regex, max_buffer_size: i64) -> ReMatch {
        ReMatch { pattern, bytes_max: usize::try_from(max_buffer_size).unwrap_or(0) }
    }

    /// How long the first segment is, if it is known to end within the data.
    fn segment(&self, data: &[u8], at_end: bool) -> Option<usize> {
        let mut matches = self.pattern.find_iter(data).map(|it| it.range()).filter(|it| 0 < it.start);
        let next = matches.next()?;
        // What goes up to the end of the data may not match any more with what follows.
        (at_end || next.end < data.len()).then_some(next.start)
    }
}

impl ScannerFactory for ReMatch {
    fn open(&self, _: &str) -> Result<Opened, String> {
        Ok(Opened::new(self.clone()))
    }
}

impl Scanner for ReMatch {
    fn scan(&mut self, data: &[u8], at_end: bool, ranges: &mut Ranges) -> Result<usize, ScanError> {
        let mut start = 0;
        while start < data.len() && !ranges.is_full() {
            let rest = &data[start..];
            let end = match self.segment(rest, at_end) {
                None if at_end => Some(rest.len()),
                end => end,
            };
            if self.bytes_max <= end.unwrap_or(rest.len()) {
                // The messages before one over the bound are handed on first; the next call says what is wrong.
                if !ranges.is_empty() {
                    break;
                }
                let text = format!(
                    "a message is longer than {} bytes: raise `max_buffer_size` of the scanner `re_match`",
                    self.bytes_max
                );
                return Err(ScanError::new(start, text));
            }
            let Some(end) = end else { break };
            ranges.push(start, start + end);
            start += end;
        }
        Ok(start)
    }
}

#[cfg(test)]
mod tests {
    use crate::test::{check_lint, check_scan};

    #[test]
    fn segments() {
        let check = |pattern: &str, text: &str, expected: &[&str]| {
            let expected: Vec<&[u8]> = expected.iter().map(|it| it.as_bytes()).collect();
            check_scan(&format!("re_match: {{max_buffer_size: 12, pattern: '{pattern}'}}"), text.as_bytes(), &expected);
        };
        check("X", "", &[]);
        check("X", "aXbXX", &["a", "Xb", "X", "X"]);
        check("(?m)^\\d\\d", "head\n12 a\nb\n13 c\n14", &["head\n", "12 a\nb\n", "13 c\n", "14"]);
        check("x*", "axxb", &["a", "xxb"]);
        check("b*", "acb", &["a", "c", "b"]);
        check("(?m)^a$", "b\nab\na\nc", &["b\nab\n", "a\nc"]);
        check("X", "no match", &["no match"]);
        // As in Go: classes are of ASCII, and `\\z` is the end.
        check("\\d", "a\u{0663}b1c", &["a\u{0663}b", "1c"]);
        let error = "a message is longer than 12 bytes: raise `max_buffer_size` of the scanner `re_match`";
        check("X", "aX01234567890X", &["a", &format!("error at 1: {error}")]);
        check("X", "aX0123456789X", &["a", "X0123456789", "X"]);
        check("X", "012345678901", &[&format!("error at 0: {error}")]);
    }

    #[test]
    fn a_pattern_that_is_none() {
        let config = "input:\n  stdin:\n    scanner:\n      re_match: {pattern: '('}\n";
        check_lint(config, "(4,1) error parsing regexp: missing closing ): `(`\n");
    }
}
