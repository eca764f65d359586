//! The processor `decompress`.

use wappa_bloblang::Algorithm;
use wappa_component::{BuildError, BuildProcessor, Component, Context, Logger, Part, Processor, Step};
use wappa_message::Mark;
use wappa_spec::{Config, Lint, Node, Reader, Rule};

use super::{compress::one_of, each::each_message, limit::Charged};

pub(super) const COMPONENT: Component =
    Component::processor::<DecompressConfig>("decompress").categories(&["Parsing"]);

/// Decompresses the content of each message.
///
/// # Examples
///
/// ### The lines of files that are compressed
///
/// ```yaml
/// input:
///   file:
///     paths:
///       - ./logs/*.gz
///     scanner:
///       to_the_end: {}
/// pipeline:
///   processors:
///     - decompress:
///         algorithm: gzip
///     - unarchive:
///         format: lines
///     - split: {}
/// output:
///   stdout: {}
/// ```
///
/// # Errors
///
/// A message that is not compressed in this way stays as it was and is marked.
///
/// # Limits
///
/// The messages that are worked on together grow by 512MiB at most. One that would become larger is marked before it is.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct DecompressConfig {
    /// The algorithm; `pgzip` reads what `gzip` reads, and `zstd` is understood as well.
    #[config(
        example = "bzip2",
        example = "flate",
        example = "gzip",
        example = "lz4",
        example = "pgzip",
        example = "snappy",
        example = "zlib"
    )]
    algorithm: String,
}

/// Bento knows its algorithms when it starts, not when it lints.
fn lint(config: &DecompressConfig, node: &Node, reader: &mut Reader<'_>) {
    if let Err(why) = find(&config.algorithm) {
        let node = node.get("algorithm").unwrap_or(node);
        let lint = Lint::error(Rule::InvalidValue, node.pos, why).on(node);
        reader.push(lint.hint(one_of(|_| true)));
    }
}

/// The algorithm with this name; the error is Bento's.
fn find(name: &str) -> Result<Algorithm, String> {
    Algorithm::find(name).ok_or_else(|| format!("compression type not recognised: {name}"))
}

impl BuildProcessor for DecompressConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Processor>, BuildError> {
        let algorithm = find(&self.algorithm).map_err(BuildError::new)?;
        Ok(Box::new(Decompress { algorithm, logger: ctx.logger() }))
    }
}

struct Decompress {
    algorithm: Algorithm,
    logger: Logger,
}

impl Processor for Decompress {
    fn process(&self, part: &mut Part, step: &mut Step<'_>) -> usize {
        each_message(part, step, |message, step| {
            let mut charged = Charged::new(step, message);
            let decompressed = self.algorithm.decompress(message.content(), &mut |n| charged.charge(n));
            match decompressed.flatten() {
                Ok(decompressed) => message.set_content(decompressed.into()),
                Err(why) => {
                    self.logger.failed(&format!("Failed to decompress message part: {why}"));
                    step.mark(message, Mark::new(why));
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use wappa_bloblang::Algorithm;
    use wappa_component::{Part, Step};
    use wappa_message::Message;

    use super::super::limit;
    use crate::test::{Harness, check_lint};

    #[test]
    fn what_is_not_compressed_is_marked() {
        let mut harness = Harness::default();
        for (algorithm, why) in [
            ("gzip", "unexpected EOF"),
            ("pgzip", "unexpected EOF"),
            ("zlib", "zlib: invalid header"),
            ("lz4", "lz4: bad magic number"),
            ("snappy", "s2: corrupt input"),
            ("bzip2", "bzip2 data invalid: bad magic value"),
        ] {
            let config = format!("decompress: {{algorithm: {algorithm}}}");
            assert_eq!(harness.process(&config, &["hello"]), format!("hello[{why}]\n"), "{algorithm}");
            let log = format!("Error Failed to decompress message part: {why} label= path=root.pipeline.processors.0\n");
            assert_eq!(harness.log.take(), log);
        }
    }

    /// Each of the messages by itself would fit.
    #[test]
    fn what_grows_too_much_is_refused() {
        let bomb = Bytes::from(Algorithm::Gzip.compress(&vec![0; 2 << 20], 9).expect("it can be compressed"));
        let mut harness = Harness::default();
        let processor = harness.processor("decompress: {algorithm: gzip}").expect("it can be built");
        let mut part = Part::singles([bomb.clone(), bomb].map(Message::new).to_vec());
        let mut step = Step::new(0, harness.time.as_ref());
        step.begin_part(limit::growth_that_leaves(3 << 20));
        assert_eq!(processor.process(&mut part, &mut step), 2);
        assert_eq!(part.messages()[0].content().len(), 2 << 20);
        let mark = part.messages()[1].error().expect("together they are too large").to_string();
        assert_eq!(mark, limit::TOO_LARGE);
    }

    #[test]
    fn lints() {
        let lint = |algorithm: &str, expected: &str| {
            check_lint(&format!("pipeline:\n  processors:\n    - decompress:\n        algorithm: {algorithm}\n"), expected);
        };
        lint("bzip2", "");
        lint("rar", "(4,1) compression type not recognised: rar\n");
    }
}
