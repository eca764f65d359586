//! The processor `compress`.

use wappa_bloblang::Algorithm;
use wappa_component::{BuildError, BuildProcessor, Component, Context, Logger, Part, Processor, Step};
use wappa_message::Mark;
use wappa_spec::{Config, Lint, Node, Reader, Rule};

use super::{each::each_message, limit};

pub(super) const COMPONENT: Component = Component::processor::<CompressConfig>("compress").categories(&["Parsing"]);

/// Compresses the content of each message.
///
/// Each message becomes a compressed whole of its own. Where they follow one another in one file, the output's `codec` has
/// to be `append` (or `all-bytes`, where each has a file): with `lines`, which is the default, a line feed follows each of
/// them, and what decompresses the file ends at the first one. As `gzip` and `zstd` take several wholes for one, a batch
/// of many lines at a time makes a small file that is read as one.
///
/// # Examples
///
/// ### Batches of a thousand lines, compressed
///
/// ```yaml
/// input:
///   batched:
///     child:
///       stdin: {}
///     policy:
///       count: 1000
/// pipeline:
///   processors:
///     - archive:
///         format: lines
///     - compress:
///         algorithm: gzip
/// output:
///   file:
///     root: ./batches
///     path: ${! count("batches") }.gz
///     codec: all-bytes
/// ```
///
/// ### One file of compressed lines
///
/// ```yaml
/// input:
///   stdin: {}
/// output:
///   broker:
///     outputs:
///       - file:
///           path: ./lines.gz
///           codec: append
///     batching:
///       count: 1000
///       period: 10s
///       processors:
///         - archive:
///             format: lines
///         - mapping: root = content() + "\n"
///         - compress:
///             algorithm: gzip
/// ```
///
/// # Errors
///
/// A message that cannot be compressed, for the `level` is none of the algorithm, stays as it was and is marked.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct CompressConfig {
    /// The algorithm. `pgzip` makes what `gzip` makes; `zstd` is understood as well.
    #[config(example = "flate", example = "gzip", example = "lz4", example = "pgzip", example = "snappy", example = "zlib")]
    algorithm: String,

    /// From 1, the fastest, to 9, the smallest; 0 compresses nothing, -1 leaves it to the algorithm. `lz4` and `snappy` have no
    /// levels, `zstd` has one.
    #[config(default = "-1")]
    level: i64,
}

/// Bento knows its algorithms when it starts, not when it lints.
fn lint(config: &CompressConfig, node: &Node, reader: &mut Reader<'_>) {
    if let Err(why) = find(&config.algorithm) {
        let node = node.get("algorithm").unwrap_or(node);
        let lint = Lint::error(Rule::InvalidValue, node.pos, why).on(node);
        reader.push(lint.hint(one_of(Algorithm::compresses)));
    }
}

/// The hint that names the algorithms which will do.
pub(super) fn one_of(will_do: impl Fn(Algorithm) -> bool) -> String {
    let names = Algorithm::NAMES.into_iter().filter(|it| Algorithm::find(it).is_some_and(&will_do));
    format!("one of: {}", names.collect::<Vec<_>>().join(", "))
}

/// The algorithm with this name; the error is Bento's.
fn find(name: &str) -> Result<Algorithm, String> {
    let algorithm = Algorithm::find(name).filter(|it| it.compresses());
    algorithm.ok_or_else(|| format!("compression type not recognised: {name}"))
}

impl BuildProcessor for CompressConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Processor>, BuildError> {
        let algorithm = find(&self.algorithm).map_err(BuildError::new)?;
        Ok(Box::new(Compress { algorithm, level: self.level, logger: ctx.logger() }))
    }
}

struct Compress {
    algorithm: Algorithm,
    level: i64,
    logger: Logger,
}

impl Processor for Compress {
    fn process(&self, part: &mut Part, step: &mut Step<'_>) -> usize {
        each_message(part, step, |message, step| {
            let compressed = self.algorithm.compress(message.content(), self.level).and_then(|it| {
                limit::grow(step, it.len().saturating_sub(message.content_size()))?;
                Ok(it)
            });
            match compressed {
                Ok(compressed) => message.set_content(compressed.into()),
                Err(why) => {
                    self.logger.failed(&format!("Failed to compress message: {why}"));
                    step.mark(message, Mark::new(why));
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::test::{Harness, check_lint, check_process};

    #[test]
    fn what_is_compressed_can_be_decompressed() {
        for algorithm in ["flate", "gzip", "lz4", "pgzip", "snappy", "zlib", "zstd"] {
            check_process(
                &format!("processors: [{{compress: {{algorithm: {algorithm}}}}}, {{decompress: {{algorithm: {algorithm}}}}}]"),
                &["a|", "b"],
                "a|\"\"\nb\n",
            );
        }
    }

    #[test]
    fn a_level_that_is_none_marks() {
        let mut harness = Harness::default();
        let why = "gzip: invalid compression level: 12";
        assert_eq!(harness.process("compress: {algorithm: gzip, level: 12}", &["a"]), format!("a[{why}]\n"));
        let log = format!("Error Failed to compress message: {why} label= path=root.pipeline.processors.0\n");
        assert_eq!(harness.log.take(), log);
    }

    #[test]
    fn lints() {
        let lint = |algorithm: &str, expected: &str| {
            check_lint(&format!("pipeline:\n  processors:\n    - compress:\n        algorithm: {algorithm}\n"), expected);
        };
        lint("lz4", "");
        lint("bzip2", "(4,1) compression type not recognised: bzip2\n");
    }
}
