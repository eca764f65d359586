//! The processor `group_by_value`.

use bytes::Bytes;
use wappa_component::{BuildError, BuildProcessor, Component, Context, Logger, Part, Processor, Step};
use wappa_message::{Mark, Message};
use wappa_spec::{Config, Interpolated};

use super::group_by::Divided;

pub(super) const COMPONENT: Component =
    Component::processor::<GroupByValueConfig>("group_by_value").categories(&["Composition"]);

/// Divides each batch into groups with the same value, each of which becomes a batch.
///
/// The messages of a group stay in their order, and the groups are in the order of their first messages.
///
/// # Examples
///
/// ### One archive for each user
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
///     - group_by_value:
///         value: ${! json("user") }
///     - archive:
///         format: lines
/// output:
///   stdout: {}
/// ```
///
/// # Errors
///
/// A message for which there is no value is marked, and belongs to the group without a value.
///
/// # Delivery
///
/// What came in one batch is acknowledged when all of its groups have arrived.
#[derive(Config, Debug)]
struct GroupByValueConfig {
    /// The value.
    #[config(example = "${! meta(\"kafka_key\") }", example = "${! json(\"foo.bar\") }-${! meta(\"baz\") }")]
    value: Interpolated,
}

impl BuildProcessor for GroupByValueConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Processor>, BuildError> {
        Ok(Box::new(GroupByValue { value: self.value, logger: ctx.logger() }))
    }
}

struct GroupByValue {
    value: Interpolated,
    logger: Logger,
}

impl GroupByValue {
    fn divide(&self, batch: &mut [Message], step: &mut Step<'_>) -> Divided {
        let values: Vec<Result<Bytes, String>> = (0..batch.len())
            .map(|place| {
                self.value.evaluate(batch, place).map_err(|failure| failure.to_string())
            })
            .collect();
        let mut groups: Vec<(Bytes, Vec<Message>)> = Vec::new();
        let mut places = std::collections::HashMap::new();
        for (message, value) in batch.iter_mut().zip(values) {
            let mut message = std::mem::take(message);
            let value = value.unwrap_or_else(|why| {
                self.logger.failed(&format!("Group value interpolation error: {why}"));
                step.mark(&mut message, Mark::new(format!("group value interpolation error: {why}")));
                Bytes::new()
            });
            let place = *places.entry(value.clone()).or_insert_with(|| {
                groups.push((value, Vec::new()));
                groups.len() - 1
            });
            groups[place].1.push(message);
        }
        let mut divided = Divided::default();
        groups.into_iter().for_each(|(_, messages)| divided.push(messages));
        divided
    }
}

impl Processor for GroupByValue {
    fn process(&self, part: &mut Part, step: &mut Step<'_>) -> usize {
        let n_batches = part.n_batches();
        let mut places = Vec::with_capacity(n_batches);
        for idx in 0..n_batches {
            let range = part.batch(idx);
            places.push(self.divide(&mut part.messages_mut()[range], step));
        }
        *part = Divided::part(places);
        n_batches
    }
}

#[cfg(test)]
mod tests {
    use crate::test::{Harness, check_process};

    #[test]
    fn messages_with_the_same_value_are_a_batch() {
        let config = "processors: [{group_by_value: {value: '${! this % 2 }'}}, {mutation: 'root = content().string() + \"/\" + \
                      batch_size().string()'}]";
        check_process(config, &["1|2|3|4|5", "6|8", "7"], "1/3|3/3|5/3\n2/2|4/2\n6/2|8/2\n7/1\n");
    }

    #[test]
    fn what_has_no_value_is_marked() {
        let mut harness = Harness::default();
        let config = "group_by_value: {value: '${! if content() == \"a\" { \"\" } else { this % 2 } }'}";
        let text = "group value interpolation error: ";
        let output = harness.process(config, &["a|x|4|y"]);
        assert_eq!(output.matches(text).count(), 2, "{output}");
        assert!(output.starts_with("a|x[group") && output.ends_with("\n4\n"), "{output}");
        assert!(harness.log.take().starts_with("Error Group value interpolation error: "));
    }
}
