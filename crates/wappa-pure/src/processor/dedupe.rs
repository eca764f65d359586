//! The processor `dedupe`.

use std::sync::Arc;

use bytes::Bytes;
use wappa_bloblang::Failure;
use wappa_component::{
    BuildError, BuildProcessor, Cache, Component, Context, Logger, Part, Processor, Step, in_chunks,
};
use wappa_message::{Mark, Message};
use wappa_spec::{Config, Interpolated, Node, Reader, Rule};

pub(super) const COMPONENT: Component =
    Component::processor::<DedupeConfig>("dedupe").categories(&["Utility"]);

/// Deduplicates messages: filters those whose key was there before.
///
/// The keys are in a cache, which says how long and how many are remembered.
///
/// # Examples
///
/// ### Each line once in five minutes
///
/// ```yaml
/// input:
///   stdin: {}
/// pipeline:
///   processors:
///     - dedupe:
///         cache: seen
///         key: ${! content() }
/// output:
///   stdout: {}
/// cache_resources:
///   - label: seen
///     memory:
///       default_ttl: 5m
/// ```
///
/// # Delivery
///
/// What is filtered counts as done with, and is not delivered again.
///
/// # Pitfalls
///
/// A message that does not arrive, and is delivered again, finds its own key and is filtered: what an output fails to
/// deliver is lost. Put an output that can fail into [`retry`](../outputs/retry.md), so that nothing comes back.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct DedupeConfig {
    /// The label of the cache.
    #[config(label_of = "cache")]
    cache: String,

    /// What makes two messages the same.
    #[config(example = "${! content() }", example = "${! meta(\"kafka_key\") }")]
    key: Interpolated,

    /// Whether a message is filtered where the cache cannot tell. Else it is marked as failed and goes on.
    #[config(default = "true")]
    drop_on_err: bool,

    /// Which of the messages with one key in a batch stays: the first (`FIFO`) or the last.
    #[config(default = "FIFO", options("FIFO", "LIFO"), advanced)]
    strategy: String,
}

const NO_KEY: &str = "dedupe key must not be empty";

fn lint(config: &DedupeConfig, node: &Node, reader: &mut Reader<'_>) {
    if config.key.as_literal() == Some("") {
        reader.error(Rule::InvalidValue, node.get("key").unwrap_or(node), NO_KEY);
    }
}

impl BuildProcessor for DedupeConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Processor>, BuildError> {
        if self.key.as_literal() == Some("") {
            return Err(BuildError::new(NO_KEY));
        }
        Ok(Box::new(Dedupe {
            cache: ctx.cache(&self.cache)?,
            key: self.key,
            drops_on_error: self.drop_on_err,
            keeps_last: self.strategy == "LIFO",
            logger: ctx.logger(),
        }))
    }
}

struct Dedupe {
    cache: Arc<dyn Cache>,
    key: Interpolated,
    drops_on_error: bool,
    keeps_last: bool,
    logger: Logger,
}

/// What stands for a key that was there; Bento's.
const SEEN: &[u8] = b"t";

impl Dedupe {
    /// Whether a message stays, whose key is this; where there is none, why.
    fn stays(&self, key: Result<Bytes, Failure>, message: &mut Message, step: &mut Step<'_>) -> bool {
        let why = match key {
            Ok(key) => match self.cache.add(&key, SEEN, None) {
                Ok(is_new) => return is_new,
                Err(err) => {
                    self.logger.failed(&format!("Cache error: {err}"));
                    err.to_string()
                }
            },
            Err(failure) => {
                let why = format!("key interpolation error: {failure}");
                self.logger.failed(&why);
                why
            }
        };
        if !self.drops_on_error {
            step.mark(message, Mark::new(why));
        }
        !self.drops_on_error
    }
}

impl Processor for Dedupe {
    fn process(&self, part: &mut Part, step: &mut Step<'_>) -> usize {
        in_chunks(part, step, |part, step| {
            let n_batches = part.n_batches();
            part.replace_batches(|mut batch| {
                let keys: Vec<_> = (0..batch.len()).map(|place| self.key.evaluate(&mut batch, place)).collect();
                let mut keyed: Vec<_> = batch.into_iter().zip(keys).collect();
                if self.keeps_last {
                    keyed.reverse();
                }
                let stays = |(mut message, key)| self.stays(key, &mut message, step).then_some(message);
                let mut batch: Vec<Message> = keyed.into_iter().filter_map(stays).collect();
                if self.keeps_last {
                    batch.reverse();
                }
                batch
            });
            n_batches
        })
    }
}

#[cfg(test)]
mod tests {
    use wappa_spec::ComponentKind;

    use crate::test::{Harness, TempDir, check_lint};

    fn dedupe(fields: &str) -> String {
        format!("dedupe: {{cache: c, key: '${{! content() }}'{fields}}}")
    }

    #[test]
    fn what_was_there_is_filtered() {
        let inputs = ["a|b|a", "b", "c!|c"];
        for (fields, expected) in [
            ("", "a|b\n-\nc[c is bad]\n"),
            (", strategy: LIFO", "b|a\n-\nc\n"),
        ] {
            let mut harness = Harness::default();
            harness.resource(ComponentKind::Cache, "{label: c, lru: {}}");
            assert_eq!(harness.process(&dedupe(fields), &inputs), expected, "{fields}");
        }
    }

    #[test]
    fn a_cache_that_cannot_tell_filters_or_marks() {
        let dir = TempDir::new();
        for (fields, expected) in [
            ("", "a\n-\n"),
            (", drop_on_err: false", "a\nx/..[open .: it is the path of a directory]\n"),
        ] {
            let mut harness = Harness::default();
            let directory = dir.at(if fields.is_empty() { "one" } else { "two" });
            harness.resource(ComponentKind::Cache, &format!("{{label: c, file: {{directory: {directory}}}}}"));
            let result = harness.process(&dedupe(fields), &["a", "x/.."]);
            assert_eq!(result, expected, "{fields}");
            assert!(harness.log.take().contains("Cache error: open .: it is the path of a directory"));
        }
    }

    #[test]
    fn lints() {
        let config = "pipeline: {processors: [{dedupe: {cache: c, key: ''}}]}\n";
        check_lint(config, "(1,1) dedupe key must not be empty\n");
    }
}
