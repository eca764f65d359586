//! The processor `insert_part`.

use wappa_component::{BuildError, BuildProcessor, Component, Context, Logger, Part, Processor, Step};
use wappa_message::{Mark, Message};
use wappa_spec::{Config, Interpolated};

use super::limit;

pub(super) const COMPONENT: Component =
    Component::processor::<InsertPartConfig>("insert_part").categories(&["Composition"]);

/// Adds a message to each batch.
///
/// The new message has the metadata of the first one of its batch, and interpolations in its content are evaluated on that
/// one too. Where they fail, the error is logged and nothing is added.
///
/// # Examples
///
/// ### A line behind every ten
///
/// ```yaml
/// input:
///   batched:
///     child:
///       stdin: {}
///     policy:
///       count: 10
/// pipeline:
///   processors:
///     - insert_part:
///         content: '--- that was a batch that began with ${! content() }'
/// output:
///   stdout: {}
/// ```
///
/// # Limits
///
/// The messages that are worked on together grow by 512MiB at most: a batch with which they would be larger stays as it is,
/// marked.
///
/// # Delivery
///
/// The new message belongs to the first one of its batch: when it is not delivered, that one is replayed.
#[derive(Config, Debug)]
struct InsertPartConfig {
    /// The place of the new message in its batch, from 0 on; negative ones count from the end, which is -1. One behind the
    /// end is the end, and one before the beginning the beginning.
    #[config(default = "-1")]
    index: i64,

    /// The content of the new message.
    #[config(default = "\"\"")]
    content: Interpolated,
}

impl BuildProcessor for InsertPartConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Processor>, BuildError> {
        Ok(Box::new(InsertPart { index: self.index, content: self.content, logger: ctx.logger() }))
    }
}

struct InsertPart {
    index: i64,
    content: Interpolated,
    logger: Logger,
}

impl Processor for InsertPart {
    fn process(&self, part: &mut Part, step: &mut Step<'_>) -> usize {
        part.replace_batches(|mut batch| {
            let content = match self.content.evaluate(&mut batch, 0) {
                Ok(content) => content,
                Err(failure) => {
                    self.logger.failed(&format!("Content interpolation error: {failure}"));
                    return batch;
                }
            };
            if let Err(why) = limit::grow(step, size_of::<Message>() + content.len()) {
                self.logger.failed(why);
                let mark = Mark::new(why);
                batch.iter_mut().for_each(|message| step.mark(message, mark.clone()));
                return batch;
            }
            let mut new = batch[0].clone();
            new.set_content(content);
            let n_messages = batch.len();
            let place = match usize::try_from(self.index) {
                Ok(place) => place.min(n_messages),
                // -1 is behind the last one.
                Err(_) => {
                    let from_end = usize::try_from(self.index.unsigned_abs() - 1).unwrap_or(usize::MAX);
                    n_messages.saturating_sub(from_end)
                }
            };
            batch.insert(place, new);
            batch
        });
        part.n_batches()
    }
}

#[cfg(test)]
mod tests {
    use wappa_component::Step;
    use wappa_message::Value;

    use crate::test::{Harness, batches, check_process};

    #[test]
    fn a_message_is_added_to_each_batch() {
        let check = |index: &str, expected: &str| {
            check_process(&format!("insert_part: {{index: {index}, content: x}}"), &["a|b", "c"], expected);
        };
        check("-1", "a|b|x\nc|x\n");
        check("0", "x|a|b\nx|c\n");
        check("1", "a|x|b\nc|x\n");
        check("7", "a|b|x\nc|x\n");
        check("-2", "a|x|b\nx|c\n");
        check("-7", "x|a|b\nx|c\n");
        check("-9223372036854775808", "x|a|b\nx|c\n");
        check_process("insert_part: {content: '<${! content() }>'}", &["a|b"], "a|b|<a>\n");
        check_process("insert_part: {content: '${! batch_size() }${! content().from(1) }'}", &["a|b"], "a|b|2b\n");
    }

    #[test]
    fn without_a_content_nothing_is_added() {
        let mut harness = Harness::default();
        assert_eq!(harness.process("insert_part: {content: '${! this.a }'}", &["a|b"]), "a|b\n");
        let failure = "Content interpolation error: context was undefined, unable to reference `a`";
        assert_eq!(harness.log.take(), format!("Error {failure} label= path=root.pipeline.processors.0\n"));
    }

    #[test]
    fn it_belongs_to_the_first_one() {
        let mut harness = Harness::default();
        let processor = harness.processor("insert_part: {content: x}").expect("it can be built");
        let mut part = batches(&["a", "b|c"]);
        part.messages_mut()[1].metadata_mut().set("key", Value::text("b"));
        processor.process(&mut part, &mut Step::new(0, harness.time.as_ref()));
        let origins: Vec<u32> = part.messages().iter().map(|it| it.origin()).collect();
        assert_eq!(origins, [0, 0, 1, 2, 1]);
        assert_eq!(part.messages()[4].metadata().text("key").as_ref(), b"b");
    }
}
