//! The scanner `chunker`.

use wappa_component::{BuildError, BuildScanner, Component, Context, Opened, Ranges, ScanError, Scanner, ScannerFactory};
use wappa_spec::{Config, Node, Reader, Rule};

pub(super) const COMPONENT: Component = Component::scanner::<ChunkerConfig>("chunker");

/// Makes messages of a fixed number of bytes.
///
/// The last message of a source has what is left; there is none when nothing is.
///
/// # Examples
///
/// ### Records of 16 bytes
///
/// ```yaml
/// input:
///   stdin:
///     scanner:
///       chunker:
///         size: 16
/// output:
///   stdout:
///     codec: append
/// ```
#[derive(Config, Debug)]
#[config(lint = lint)]
struct ChunkerConfig {
    /// How many bytes a message has.
    #[config(example = "1024")]
    size: i64,
}

const SIZE_IS_WRONG: &str = "field size must be from 1 to 4294967294";

fn lint(config: &ChunkerConfig, node: &Node, reader: &mut Reader<'_>) {
    if Chunker::new(config.size).is_none() {
        reader.error(Rule::InvalidValue, node.get("size").unwrap_or(node), SIZE_IS_WRONG);
    }
}

impl BuildScanner for ChunkerConfig {
    fn build(self, _: &mut Context<'_>) -> Result<Box<dyn ScannerFactory>, BuildError> {
        Ok(Box::new(Chunker::new(self.size).ok_or_else(|| BuildError::new(SIZE_IS_WRONG))?))
    }
}

/// Makes a scanner for each source.
#[derive(Clone, Debug)]
pub(crate) struct Chunker {
    size: usize,
}

impl Chunker {
    /// Chunks of `size` bytes, which is neither nothing nor more than a buffer can hold.
    pub(crate) fn new(size: i64) -> Option<Chunker> {
        let size = u32::try_from(size).ok().filter(|it| 0 < *it && *it < u32::MAX)?;
        Some(Chunker { size: size as usize })
    }
}

impl ScannerFactory for Chunker {
    fn open(&self, _: &str) -> Result<Opened, String> {
        Ok(Opened::new(self.clone()))
    }
}

impl Scanner for Chunker {
    fn scan(&mut self, data: &[u8], at_end: bool, ranges: &mut Ranges) -> Result<usize, ScanError> {
        let mut start = 0;
        while start < data.len() && !ranges.is_full() {
            let end = match start + self.size {
                end if end <= data.len() => end,
                _ if at_end => data.len(),
                _ => break,
            };
            ranges.push(start, end);
            start = end;
        }
        Ok(start)
    }
}

#[cfg(test)]
mod tests {
    use crate::test::{check_lint, check_scan};

    #[test]
    fn chunks() {
        check_scan("chunker: {size: 3}", b"abcdefgh", &[b"abc", b"def", b"gh"]);
        check_scan("chunker: {size: 4}", b"abcdefgh", &[b"abcd", b"efgh"]);
        check_scan("chunker: {size: 4}", b"", &[]);
    }

    #[test]
    fn a_size_of_nothing_is_no_size() {
        let lint = |size: &str| format!("input:\n  stdin:\n    scanner:\n      chunker: {{size: {size}}}\n");
        for size in ["0", "-1", "4294967295"] {
            check_lint(&lint(size), "(4,1) field size must be from 1 to 4294967294\n");
        }
        check_lint(&lint("1"), "");
    }
}
