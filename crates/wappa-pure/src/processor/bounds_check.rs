//! The processor `bounds_check`.

use wappa_component::{BuildError, BuildProcessor, Component, Context, Level, Logger, Part, Processor, Step};
use wappa_message::Message;
use wappa_spec::Config;

pub(super) const COMPONENT: Component =
    Component::processor::<BoundsCheckConfig>("bounds_check").categories(&["Utility"]);

/// Filters batches that have too few or too many messages, or a message that is too small or too large.
///
/// The whole batch is filtered, also when only one of its messages is out of bounds. What is filtered is logged at the level
/// `DEBUG`.
///
/// # Examples
///
/// ### No empty lines, and none of more than a megabyte
///
/// ```yaml
/// input:
///   stdin: {}
/// pipeline:
///   processors:
///     - bounds_check:
///         max_part_size: 1000000
/// output:
///   stdout: {}
/// ```
///
/// # Delivery
///
/// What is filtered counts as done with, and is not delivered again.
#[derive(Config, Debug)]
struct BoundsCheckConfig {
    /// How many bytes of content a message has at most.
    #[config(default = "1073741824")]
    max_part_size: u64,

    /// How many bytes of content a message has at least.
    #[config(default = "1")]
    min_part_size: u64,

    /// How many messages a batch has at most.
    #[config(default = "100", advanced)]
    max_parts: u64,

    /// How many messages a batch has at least.
    #[config(default = "1", advanced)]
    min_parts: u64,
}

impl BuildProcessor for BoundsCheckConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Processor>, BuildError> {
        Ok(Box::new(BoundsCheck { config: self, logger: ctx.logger() }))
    }
}

struct BoundsCheck {
    config: BoundsCheckConfig,
    logger: Logger,
}

impl BoundsCheck {
    /// Why a batch is filtered, in Bento's words; nothing when it is not.
    fn reason(&self, batch: &[Message]) -> Option<String> {
        let BoundsCheckConfig { max_part_size, min_part_size, max_parts, min_parts } = self.config;
        let n_messages = batch.len() as u64;
        if n_messages < min_parts {
            let what = "message parts below minimum";
            return Some(format!("Rejecting message due to {what} ({min_parts}): {n_messages}"));
        }
        if max_parts < n_messages {
            let what = "message parts exceeding limit";
            return Some(format!("Rejecting message due to {what} ({max_parts}): {n_messages}"));
        }
        let is_within = |size: &u64| (min_part_size..=max_part_size).contains(size);
        let mut sizes = batch.iter().map(|it| it.content().len() as u64);
        let size = sizes.find(|it| !is_within(it))?;
        let bounds = format!("({min_part_size} -> {max_part_size})");
        Some(format!("Rejecting message due to message part size {bounds}: {size}"))
    }
}

impl Processor for BoundsCheck {
    fn process(&self, part: &mut Part, _: &mut Step<'_>) -> usize {
        let n_batches = part.n_batches();
        let batch = |idx| &part.messages()[part.batch(idx)];
        // The usual case without touching anything.
        if (0..n_batches).all(|idx| batch(idx).is_empty() || self.reason(batch(idx)).is_none()) {
            return n_batches;
        }
        part.replace_batches(|batch| match self.reason(&batch) {
            None => batch,
            Some(reason) => {
                if self.logger.enabled(Level::Debug) {
                    self.logger.debug(&reason);
                }
                Vec::new()
            }
        });
        n_batches
    }
}

#[cfg(test)]
mod tests {
    use crate::test::check_process;

    #[test]
    fn batches_out_of_bounds_are_filtered() {
        let check = |fields: &str, inputs: &[&str], expected: &str| {
            check_process(&format!("bounds_check: {{{fields}}}"), inputs, expected);
        };
        check("", &["a|b", "", "c|", "d"], "a|b\n-\n-\nd\n");
        check("max_part_size: 2", &["aa", "aaa|b", "c!"], "aa\n-\nc[c is bad]\n");
        check("min_part_size: 0", &["", "a"], "\"\"\na\n");
        check("max_parts: 2", &["a", "a|b", "a|b|c"], "a\na|b\n-\n");
        check("min_parts: 2", &["a", "a|b"], "-\na|b\n");
    }
}
