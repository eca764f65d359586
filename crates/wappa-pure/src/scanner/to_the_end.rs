//! The scanner `to_the_end`.

use wappa_component::{BuildError, BuildScanner, Component, Context, Opened, Ranges, ScanError, Scanner, ScannerFactory};
use wappa_spec::Config;

pub(super) const COMPONENT: Component = Component::scanner::<ToTheEndConfig>("to_the_end");

/// Makes one message of a whole source.
///
/// An empty source gives one empty message.
///
/// # Examples
///
/// ### A message for each file
///
/// ```yaml
/// input:
///   file:
///     paths: [ ./documents/*.json ]
///     scanner:
///       to_the_end: {}
/// output:
///   stdout: {}
/// ```
///
/// # Pitfalls
///
/// The whole source is held in memory. A source of 4 GiB or more is given up with an error.
#[derive(Config, Debug)]
struct ToTheEndConfig;

impl BuildScanner for ToTheEndConfig {
    fn build(self, _: &mut Context<'_>) -> Result<Box<dyn ScannerFactory>, BuildError> {
        Ok(Box::new(ToTheEnd))
    }
}

/// Makes a scanner for each source.
#[derive(Debug)]
pub(crate) struct ToTheEnd;

impl ScannerFactory for ToTheEnd {
    fn open(&self, _: &str) -> Result<Opened, String> {
        Ok(Opened::new(ToTheEndScanner { is_done: false }))
    }
}

#[derive(Debug)]
struct ToTheEndScanner {
    is_done: bool,
}

impl Scanner for ToTheEndScanner {
    fn scan(&mut self, data: &[u8], at_end: bool, ranges: &mut Ranges) -> Result<usize, ScanError> {
        if !at_end {
            return Ok(0);
        }
        if !self.is_done {
            self.is_done = true;
            ranges.push(0, data.len());
        }
        Ok(data.len())
    }
}

#[cfg(test)]
mod tests {
    use crate::test::check_scan;

    #[test]
    fn one_message() {
        check_scan("to_the_end: {}", b"a\nb\n", &[b"a\nb\n"]);
        check_scan("to_the_end: {}", b"", &[b""]);
    }
}
