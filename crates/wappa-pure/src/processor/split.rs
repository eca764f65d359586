//! The processor `split`.

use wappa_component::{BuildError, BuildProcessor, Component, Context, Level, Logger, Part, Processor, Step};
use wappa_message::Message;
use wappa_spec::Config;

pub(super) const COMPONENT: Component = Component::processor::<SplitConfig>("split").categories(&["Utility"]);

/// Divides batches into smaller ones.
///
/// A batch ends when it has `size` messages, or when the next one would bring it over `byte_size`. What is left over is a
/// batch too. A message that is larger than `byte_size` is a batch of its own, and a warning says so.
///
/// Messages that were one batch are answered together, as they would be without this: the input is told of each of them when
/// all have been delivered.
///
/// # Examples
///
/// ### Small batches for the output, large ones for a processor
///
/// ```yaml
/// input:
///   batched:
///     child:
///       stdin: {}
///     policy:
///       count: 100
/// pipeline:
///   processors:
///     - log:
///         message: a batch
///     - split:
///         size: 10
/// output:
///   stdout: {}
/// ```
#[derive(Config, Debug)]
struct SplitConfig {
    /// How many messages a batch has; 0 for any number.
    #[config(default = "1")]
    size: i64,

    /// How many bytes of content a batch has; 0 for any number.
    #[config(default = "0")]
    byte_size: i64,
}

impl BuildProcessor for SplitConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Processor>, BuildError> {
        let limit = |it: i64| usize::try_from(it).ok().filter(|it| 0 < *it);
        Ok(Box::new(Split { size: limit(self.size), byte_size: limit(self.byte_size), logger: ctx.logger() }))
    }
}

struct Split {
    size: Option<usize>,
    byte_size: Option<usize>,
    logger: Logger,
}

impl Split {
    fn divide(&self, messages: &[Message], ends: &mut Vec<u32>) {
        let (mut start, mut n_bytes) = (0, 0);
        for (idx, message) in messages.iter().enumerate() {
            let bytes = message.content().len();
            let is_full = self.size.is_some_and(|it| it <= idx - start);
            let is_heavy = self.byte_size.is_some_and(|it| it < n_bytes + bytes);
            if start < idx && (is_full || is_heavy) {
                ends.push(idx as u32);
                (start, n_bytes) = (idx, 0);
            }
            if let Some(byte_size) = self.byte_size.filter(|it| start == idx && *it < bytes) {
                self.logger.seldom(Level::Warn, &format!(
                    "A single message exceeds the target batch byte size of '{byte_size}', actual size: '{bytes}'"
                ));
            }
            n_bytes += bytes;
        }
    }
}

impl Processor for Split {
    fn process(&self, part: &mut Part, _: &mut Step<'_>) -> usize {
        let n_places = part.n_batches();
        part.divide(|messages, ends| self.divide(messages, ends));
        n_places
    }
}

#[cfg(test)]
mod tests {
    use crate::test::{Harness, check_process};

    #[test]
    fn batches_have_their_size() {
        check_process("split: {size: 2}", &["a|b|c|d|e", "f", "g|h"], "a|b\nc|d\ne\nf\ng|h\n");
        check_process("split: {}", &["a|b", "c"], "a\nb\nc\n");
        check_process("split: {size: 0, byte_size: 4}", &["aa|bb|c|dddddd|e"], "aa|bb\nc\ndddddd\ne\n");
        check_process("split: {size: 0}", &["a|b|c"], "a|b|c\n");
        check_process("split: {size: 2, byte_size: 3}", &["a|b|cc|d|e"], "a|b\ncc|d\ne\n");
    }

    #[test]
    fn what_is_divided_goes_on_in_pieces_and_is_joined_where_a_batch_is_one() {
        check_process("processors: [split: {size: 2}, select_parts: {parts: [0]}]", &["a|b|c", "d"], "a\nc\nd\n");
        check_process("processors: [split: {size: 3}, split: {size: 2}]", &["a|b|c|d", "e"], "a|b\nc\nd\ne\n");
        check_process("for_each: [double: {}, split: {}]", &["a|b"], "a|a|b|b\n");
        let mut harness = Harness::default();
        let policy = "{count: 3, processors: [split: {}]}";
        let mut output = harness.output(&format!("broker: {{outputs: [late: {{name: one}}], batching: {policy}}}"));
        harness.give(&mut output, &["a", "b", "c"]);
        assert_eq!(harness.held.of("one"), "a|b|c");
    }

    #[test]
    fn a_message_that_is_too_large_is_named() {
        let mut harness = Harness::default();
        harness.process("split: {byte_size: 1}", &["a|bb"]);
        let text = "A single message exceeds the target batch byte size of '1', actual size: '2'";
        assert!(harness.log.take().contains(text));
    }
}
