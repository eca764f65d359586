//! The scanner `skip_bom`.

use wappa_component::{BuildError, BuildScanner, Component, Context, Decoder, Opened, ScannerFactory};
use wappa_spec::{ComponentNode, Config};

pub(super) const COMPONENT: Component = Component::scanner::<SkipBomConfig>("skip_bom");

/// Leaves out a byte order mark at the beginning of a source, and scans the rest with another scanner.
///
/// Known are the marks of UTF-8, UTF-16 and UTF-32; the text behind one stays in its encoding.
///
/// # Examples
///
/// ### Tables of a spreadsheet
///
/// ```yaml
/// input:
///   file:
///     paths: [ ./tables/*.csv ]
///     scanner:
///       skip_bom:
///         into:
///           csv: {}
/// output:
///   stdout: {}
/// ```
#[derive(Config, Debug)]
struct SkipBomConfig {
    /// The scanner of the rest.
    #[config(child = "scanner", default = "to_the_end: {}")]
    into: ComponentNode,
}

impl BuildScanner for SkipBomConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn ScannerFactory>, BuildError> {
        Ok(Box::new(SkipBom::new(ctx.scanner(&self.into)?)))
    }
}

/// Makes a scanner for each source.
pub(crate) struct SkipBom {
    into: Box<dyn ScannerFactory>,
}

impl SkipBom {
    pub(crate) fn new(into: Box<dyn ScannerFactory>) -> SkipBom {
        SkipBom { into }
    }
}

impl ScannerFactory for SkipBom {
    fn open(&self, name: &str) -> Result<Opened, String> {
        Ok(self.into.open(name)?.behind(Mark { is_passed: false }))
    }
}

/// The marks, those that begin with another one first.
const MARKS: [&[u8]; 5] =
    [b"\xff\xfe\0\0", b"\0\0\xfe\xff", b"\xef\xbb\xbf", b"\xfe\xff", b"\xff\xfe"];

const MARK_BYTES_MAX: usize = 4;

struct Mark {
    is_passed: bool,
}

impl Decoder for Mark {
    fn expands(&self) -> bool {
        false
    }

    fn decode(&mut self, data: &[u8], at_end: bool, out: &mut Vec<u8>) -> Result<usize, String> {
        if !self.is_passed {
            if data.len() < MARK_BYTES_MAX && !at_end {
                return Ok(0);
            }
            self.is_passed = true;
            if let Some(mark) = MARKS.iter().find(|it| data.starts_with(it)) {
                return Ok(mark.len());
            }
        }
        let n_bytes = data.len().min(out.capacity() - out.len());
        out.extend_from_slice(&data[..n_bytes]);
        Ok(n_bytes)
    }
}

#[cfg(test)]
mod tests {
    use crate::test::check_scan;

    #[test]
    fn one_mark_is_left_out() {
        for (text, expected) in [
            (&b"\xef\xbb\xbfa\n"[..], &b"a\n"[..]),
            (b"\xfe\xff\0a", b"\0a"),
            (b"\xff\xfea\0", b"a\0"),
            (b"\xff\xfe\0\0a\0\0\0", b"a\0\0\0"),
            (b"\0\0\xfe\xff\0\0\0a", b"\0\0\0a"),
            (b"\xef\xbb\xbf\xef\xbb\xbfa", b"\xef\xbb\xbfa"),
            (b"\xef\xbb", b"\xef\xbb"),
            (b"a", b"a"),
            (b"", b""),
        ] {
            check_scan("skip_bom: {}", text, &[expected]);
        }
        check_scan("skip_bom: {into: {lines: {}}}", b"\xef\xbb\xbf", &[]);
    }
}
