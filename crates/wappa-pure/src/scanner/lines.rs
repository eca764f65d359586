//! The scanner `lines`.

use memchr::{memchr_iter, memmem::Finder};
use wappa_component::{BuildError, BuildScanner, Component, Context, Opened, Ranges, ScanError, Scanner, ScannerFactory};
use wappa_spec::Config;

pub(super) const COMPONENT: Component = Component::scanner::<LinesConfig>("lines");

/// Makes a message of each line.
///
/// A line ends at a line feed; a carriage return before it does not belong to the message either. What follows the
/// last line feed is a message too, unless it is empty. Any bytes can be in a line: they need not be text.
///
/// # Examples
///
/// ### Records that end in a semicolon
///
/// ```yaml
/// input:
///   stdin:
///     scanner:
///       lines:
///         custom_delimiter: ;
///         omit_empty: true
/// output:
///   stdout: {}
/// ```
///
/// # Delivery
///
/// A line that is longer than `max_buffer_size` ends its source with an error that says where the line begins.
/// Nothing of that line is sent, other sources go on, and the process exits with 1 at its end.
///
/// # Performance
///
/// Messages are ranges of the buffer that was read: a line costs a search for its end and no copy.
///
/// # Pitfalls
///
/// With a `custom_delimiter`, even if that is a line feed, carriage returns stay.
#[derive(Config, Debug)]
struct LinesConfig {
    /// What ends a line, in place of a line feed.
    custom_delimiter: Option<String>,

    /// How many bytes a line can have, what ends it included.
    #[config(default = "65536")]
    max_buffer_size: i64,

    /// Whether empty lines are left out.
    #[config(default = "false")]
    omit_empty: bool,
}

impl BuildScanner for LinesConfig {
    fn build(self, _: &mut Context<'_>) -> Result<Box<dyn ScannerFactory>, BuildError> {
        Ok(Box::new(Lines::new(self.custom_delimiter.as_deref(), self.max_buffer_size, self.omit_empty)))
    }
}

/// Makes a scanner of lines for each source.
#[derive(Clone, Debug)]
pub(crate) struct Lines {
    delimiter: Delimiter,
    line_bytes_max: usize,
    omit_empty: bool,
}

#[derive(Clone, Debug)]
enum Delimiter {
    /// A line feed, with a carriage return before it or not.
    LineFeed,
    Custom(Box<Finder<'static>>),
}

impl Lines {
    /// Lines of at most `max_buffer_size` bytes; an empty delimiter is the default one.
    pub(crate) fn new(custom_delimiter: Option<&str>, max_buffer_size: i64, omit_empty: bool) -> Lines {
        let delimiter = match custom_delimiter {
            None | Some("") => Delimiter::LineFeed,
            Some(text) => Delimiter::Custom(Box::new(Finder::new(text).into_owned())),
        };
        Lines { delimiter, line_bytes_max: usize::try_from(max_buffer_size).unwrap_or(0), omit_empty }
    }
}

impl ScannerFactory for Lines {
    fn open(&self, _: &str) -> Result<Opened, String> {
        Ok(Opened::new(LinesScanner { config: self.clone(), n_searched: 0 }))
    }
}

#[derive(Debug)]
struct LinesScanner {
    config: Lines,
    /// How many bytes of an unfinished line are known not to end it.
    n_searched: usize,
}

impl Scanner for LinesScanner {
    fn scan(&mut self, data: &[u8], at_end: bool, ranges: &mut Ranges) -> Result<usize, ScanError> {
        let mut start = 0;
        // Behind a message less may be shown than was searched already.
        let from = self.n_searched.min(data.len());
        self.n_searched = 0;
        match &self.config.delimiter {
            Delimiter::LineFeed => {
                for at in memchr_iter(b'\n', &data[from..]) {
                    let end = from + at + 1;
                    if self.config.line_bytes_max < end - start {
                        return self.too_long(start, ranges);
                    }
                    push(self.config.omit_empty, start, without_cr(data, start, end - 1), ranges);
                    start = end;
                    if ranges.is_full() {
                        return Ok(start);
                    }
                }
            }
            Delimiter::Custom(finder) => {
                let n = finder.needle().len();
                let mut search = from;
                while let Some(at) = finder.find(&data[search..]) {
                    let end = search + at + n;
                    if self.config.line_bytes_max < end - start {
                        return self.too_long(start, ranges);
                    }
                    push(self.config.omit_empty, start, end - n, ranges);
                    (start, search) = (end, end);
                    if ranges.is_full() {
                        return Ok(start);
                    }
                }
            }
        }
        self.finish(data, start, at_end, ranges)
    }
}

impl LinesScanner {
    /// What follows the last delimiter: the last line, or the beginning of one that comes again with more behind it.
    fn finish(
        &mut self,
        data: &[u8],
        start: usize,
        at_end: bool,
        ranges: &mut Ranges,
    ) -> Result<usize, ScanError> {
        let rest = data.len() - start;
        if 0 < rest && self.config.line_bytes_max <= rest {
            return self.too_long(start, ranges);
        }
        if !at_end {
            self.n_searched = match &self.config.delimiter {
                Delimiter::LineFeed => rest,
                Delimiter::Custom(finder) => rest.saturating_sub(finder.needle().len() - 1),
            };
            return Ok(start);
        }
        if 0 < rest {
            let end = match &self.config.delimiter {
                Delimiter::LineFeed => without_cr(data, start, data.len()),
                Delimiter::Custom(_) => data.len(),
            };
            push(self.config.omit_empty, start, end, ranges);
        }
        Ok(data.len())
    }

    /// The lines before a line over the bound are handed on first; the next call says what is wrong.
    fn too_long(&self, start: usize, ranges: &Ranges) -> Result<usize, ScanError> {
        if !ranges.is_empty() {
            return Ok(start);
        }
        let text = format!(
            "a line is longer than {} bytes: raise `max_buffer_size` of the scanner `lines`",
            self.config.line_bytes_max
        );
        Err(ScanError::new(start, text))
    }
}

fn push(omit_empty: bool, start: usize, end: usize, ranges: &mut Ranges) {
    if start < end || !omit_empty {
        ranges.push(start, end);
    }
}

fn without_cr(data: &[u8], start: usize, end: usize) -> usize {
    if start < end && data[end - 1] == b'\r' { end - 1 } else { end }
}

#[cfg(test)]
mod tests {
    use crate::test::check_scan;

    #[test]
    fn lines_and_their_ends() {
        check_scan("lines: {}", b"", &[]);
        check_scan("lines: {}", b"a\nb\n", &[b"a", b"b"]);
        check_scan("lines: {}", b"a\n\nb", &[b"a", b"", b"b"]);
        check_scan("lines: {}", b"\n", &[b""]);
        check_scan("lines: {}", b"a\r\nb\rc\r\n\r\nd\r", &[b"a", b"b\rc", b"", b"d"]);
        check_scan("lines: {}", b"\xff\0\xfe\n\0", &[b"\xff\0\xfe", b"\0"]);
        check_scan("lines: {omit_empty: true}", b"\n\r\na\n\n\n", &[b"a"]);
        check_scan("lines: {omit_empty: true}", b"\n\n\r", &[]);
    }

    #[test]
    fn custom_delimiters() {
        check_scan("lines: {custom_delimiter: '||'}", b"a||b|c||||d|", &[b"a", b"b|c", b"", b"d|"]);
        check_scan("lines: {custom_delimiter: \"\\n\"}", b"a\r\nb\r", &[b"a\r", b"b\r"]);
        check_scan("lines: {custom_delimiter: ''}", b"a\r\nb", &[b"a", b"b"]);
        check_scan("lines: {custom_delimiter: X, omit_empty: true}", b"XaXXb\n", &[b"a", b"b\n"]);
    }

    #[test]
    fn the_bound_counts_the_delimiter() {
        const BOUND: &str = "lines: {max_buffer_size: 10}";
        let error = "a line is longer than 10 bytes: raise `max_buffer_size` of the scanner `lines`";
        check_scan(BOUND, b"012345678\n012345678", &[b"012345678", b"012345678"]);
        check_scan(BOUND, b"ab\n0123456789\nc", &[b"ab", format!("error at 3: {error}").as_bytes()]);
        check_scan(BOUND, b"ab\n0123456789", &[b"ab", format!("error at 3: {error}").as_bytes()]);
        check_scan("lines: {max_buffer_size: 5, custom_delimiter: '||'}", b"abc||", &[b"abc"]);
        let none = "error at 0: a line is longer than 0 bytes: raise `max_buffer_size` of the scanner `lines`";
        check_scan("lines: {max_buffer_size: -1}", b"a\n", &[none.as_bytes()]);
        let mut long = vec![b'x'; 65535];
        check_scan("lines: {}", &[&long[..], b"\n"].concat(), &[&long]);
        long.push(b'x');
        let error = "error at 0: a line is longer than 65536 bytes: raise `max_buffer_size` of the scanner `lines`";
        check_scan("lines: {}", &[&long[..], b"\n"].concat(), &[error.as_bytes()]);
    }
}
