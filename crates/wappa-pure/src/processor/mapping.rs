//! The processor `mapping`, and what it shares with `mutation` and `bloblang`.

use std::sync::Arc;

use wappa_bloblang::{Failure, Mapped, Program};
use wappa_component::{BuildError, BuildProcessor, Component, Context, Logger, Part, Processor, Step};
use wappa_message::{Mark, Message, Metadata};
use wappa_spec::{Config, Mapping};

use super::limit;

pub(super) const COMPONENT: Component =
    Component::processor::<MappingConfig>("mapping").categories(&["Mapping", "Parsing"]);

/// Makes of each message what a mapping says, in the language Bloblang.
///
/// A mapping is a list of assignments.
/// `this` is the document as it came in, `root` the one that is made; what is not assigned to keeps its content.
/// A mapping from a file is written `from "./mapping.blobl"`.
///
/// # Examples
///
/// ### Rename a field, and drop what is not wanted
///
/// ```yaml
/// input:
///   stdin: {}
/// pipeline:
///   processors:
///     - mapping: |
///         root = this.without("password")
///         root.name = this.user.name.uppercase()
///         root = if this.level == "debug" { deleted() }
/// output:
///   stdout: {}
/// ```
///
/// # Errors
///
/// A message on which the mapping fails stays as it was, is marked as failed, and the error is logged.
/// Its text says on which line of the mapping it happened.
///
/// # Limits
///
/// A mapping takes at most 100 million steps and ten seconds, and makes at most a gigabyte, for one message.
/// What methods go through and what they make counts, so a list of a million elements is a million steps and some.
/// The messages that are worked on together grow by 512MiB at most.
/// Maps call each other at most 5,000 times, one within another.
///
/// # Performance
///
/// A mapping that only touches metadata does not read the document.
/// One that makes metadata of nothing but metadata is evaluated once for all messages that have theirs in common, as those of a file do.
/// What of a document no query asks for is copied as it stands.
#[derive(Config, Debug)]
struct MappingConfig(Mapping);

impl BuildProcessor for MappingConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Processor>, BuildError> {
        Ok(Mapper::boxed(self.0, Program::map_over, ctx))
    }
}

/// What a mapping makes of one message of a batch.
type Evaluate = fn(&Program, &mut [Message], usize) -> Result<Mapped, Failure>;

/// A mapping at work.
pub(super) struct Mapper {
    program: Option<Arc<Program>>,
    evaluate: Evaluate,
    logger: Logger,
}

impl Mapper {
    pub(super) fn boxed(mapping: Mapping, evaluate: Evaluate, ctx: &mut Context<'_>) -> Box<dyn Processor> {
        Box::new(Mapper { program: mapping.program().cloned(), evaluate, logger: ctx.logger() })
    }

    /// Maps the messages of one batch, and says whether it came to its end; `deleted` is told which of the part's messages
    /// go. `made`: what became of the metadata of the message before, where that is all that becomes of one.
    fn batch(
        &self,
        program: &Program,
        part: &mut Part,
        idx: usize,
        step: &mut Step<'_>,
        deleted: &mut Vec<usize>,
        made: &mut Option<Made>,
    ) -> bool {
        let range = part.batch(idx);
        // Who looks at other messages sees them as they came.
        let mut pristine = match program.reads_batch() {
            true => Some(part.messages()[range.clone()].to_vec()),
            false => None,
        };
        for place in 0..range.len() {
            let message = &mut part.messages_mut()[range.start + place];
            if let Some(made) = made.as_ref().filter(|it| it.of.is_shared_with(message.metadata()))
                && limit::grow(step, made.growth).is_ok()
            {
                *message.metadata_mut() = made.metadata.clone();
                continue;
            }
            let batch = match &mut pristine {
                Some(batch) => batch.as_mut_slice(),
                None => &mut part.messages_mut()[range.clone()],
            };
            let mapped = (self.evaluate)(program, batch, place);
            let message = &mut part.messages_mut()[range.start + place];
            if let Ok(mapped) = &mapped {
                *made = Made::of(program, mapped, message);
            }
            match mapped {
                Ok(mapped) => match limit::apply(mapped, message, step) {
                    Ok(true) => (),
                    Ok(false) => deleted.push(range.start + place),
                    Err(why) => {
                        self.logger.failed(why);
                        step.mark(message, Mark::new(why));
                    }
                },
                // Nothing is known of a message whose mapping was interrupted.
                Err(_) if step.is_interrupted() => {
                    wappa_bloblang::take_interrupted();
                    return false;
                }
                Err(failure) => {
                    self.logger.failed(failure.as_str());
                    step.mark(message, Mark::new(failure.as_str()));
                }
            }
        }
        true
    }
}

/// What a mapping makes of metadata that messages share, where that is all it makes: it is the same for all of them.
struct Made {
    of: Metadata,
    metadata: Metadata,
    growth: usize,
}

impl Made {
    fn of(program: &Program, mapped: &Mapped, message: &Message) -> Option<Made> {
        // A mutation has read the document.
        let metadata = mapped.metadata().filter(|_| program.is_of_metadata() && mapped.keeps_content())?.clone();
        Some(Made { of: message.metadata().clone(), metadata, growth: mapped.growth(message) })
    }
}

impl Processor for Mapper {
    fn process(&self, part: &mut Part, step: &mut Step<'_>) -> usize {
        let n_batches = part.n_batches();
        let Some(program) = self.program.as_deref() else { return n_batches };
        let (mut deleted, mut made) = (Vec::new(), None);
        let mut n_done = 0;
        while n_done < n_batches {
            if !self.batch(program, part, n_done, step, &mut deleted, &mut made) {
                break;
            }
            n_done += 1;
            if step.is_due() {
                break;
            }
        }
        if !deleted.is_empty() {
            let mut next = deleted.into_iter().peekable();
            let mut idx = 0;
            part.replace_each(|message, kept| {
                if next.next_if_eq(&idx).is_none() {
                    kept.push(message);
                }
                idx += 1;
            });
        }
        n_done
    }
}

#[cfg(test)]
mod tests {
    use wappa_component::{Caches, watch_mappings};

    use super::*;
    use crate::test::{Harness, Time, check_lint};

    /// What comes out, with quotes as they are.
    fn check_process(config: &str, inputs: &[&str], expected: &str) {
        let output = Harness::default().process(config, inputs);
        assert_eq!(output.replace("\\\"", "\""), expected);
    }

    #[test]
    fn messages_are_what_the_mapping_makes_of_them() {
        check_process("mapping: 'root.b = this.a + 1'", &[r#"{"a":1}|{"a":2}"#], "{\"b\":2}|{\"b\":3}\n");
        check_process("mapping: 'root = content().uppercase()'", &["a|b", "c"], "A|B\nC\n");
        check_process("mapping: 'meta k = \"v\"'", &["no JSON"], "no JSON\n");
        check_process("mapping: ''", &["a"], "a\n");
        check_process("bloblang: 'root = this.a'", &[r#"{"a":"x"}"#], "x\n");
    }

    #[test]
    fn messages_that_share_metadata_get_the_same() {
        let mut harness = Harness::default();
        let mut part = crate::test::batches(&["1|2", "3", "4"]);
        let shared = Metadata::from_pairs([("a".into(), "x".into())]);
        for (idx, message) in part.messages_mut().iter_mut().enumerate() {
            *message.metadata_mut() = shared.clone();
            if idx == 2 {
                message.metadata_mut().set("a", "y".into());
            }
        }
        let texts = |part: &Part| {
            let text = |it: &Message| it.metadata().text("b");
            part.messages().iter().map(text).collect::<Vec<_>>()
        };
        let mut process = |config: &str, part: &mut Part| {
            let processor = harness.processor(config).expect("the component can be built");
            assert_eq!(processor.process(part, &mut Step::new(0, &Time::default())), 3);
        };
        process("mapping: 'meta b = @a.uppercase() + \"!\"'", &mut part);
        assert_eq!(texts(&part), ["X!", "X!", "Y!", "X!"]);
        let is_shared = |idx: usize| part.messages()[0].metadata().is_shared_with(part.messages()[idx].metadata());
        assert_eq!([1, 2].map(is_shared), [true, false]);
        process("mapping: 'meta b = @b.slice(0, 1) + content().string()'", &mut part);
        assert_eq!(texts(&part), ["X1", "X2", "Y3", "X4"]);
    }

    #[test]
    fn deleted_messages_are_filtered_and_others_stay() {
        let mapping = r#"mapping: 'root = if content() == "b" { deleted() }'"#;
        check_process(mapping, &["a|b|c", "b", "b|b|d"], "a|c\n-\nd\n");
    }

    #[test]
    fn a_failure_marks_its_message_only() {
        let mut harness = Harness::default();
        let text = r#"failed assignment (line 2): expected string value, got number from field `this.a` (1)"#;
        let config = "mapping: \"meta k = 1\\nroot = this.a.uppercase()\"";
        let output = harness.process(config, &[r#"{"a":"x"}|{"a":1}"#]).replace("\\\"", "\"");
        assert_eq!(output, format!("X|{{\"a\":1}}[{text}]\n"));
        assert_eq!(harness.log.take(), format!("Error {text} label= path=root.pipeline.processors.0\n"));
    }

    /// Each of 600 holds a range of the same document of a megabyte, and all of them are a megabyte as text.
    #[test]
    fn what_shares_a_document_is_as_large_as_it_is() {
        let item = format!("{{\"t\":\"{}\"}}", "x".repeat(1700));
        let content = format!("{{\"id\":7,\"items\":[{}]}}", vec![item; 600].join(","));
        for mapping in [
            r#"root.n = this.explode("items").length()"#,
            r#"root = this.explode("items")"#,
            r#"root = this.items.map_each(it -> {"id": this.id, "it": it})"#,
        ] {
            let config = format!("mapping: '{mapping}'");
            let output = Harness::default().process(&config, &[&content]);
            assert!(!output.contains("would grow"), "{mapping}: {}", &output[output.len() - 200..]);
        }
    }

    #[test]
    fn what_was_interrupted_is_not_finished_and_what_was_before_it_is() {
        let mut harness = Harness::default();
        harness.time.is_interrupted.store(true, std::sync::atomic::Ordering::Relaxed);
        watch_mappings(Some((harness.time.clone(), Caches::default())));
        let long = "range(0, 1000).map_each(a -> range(0, 1000).sum()).sum()";
        let inputs = [r#"{"a":1}"#, r#"{"a":2}"#, "{}", r#"{"a":3}"#];
        for config in [
            format!("mapping: 'root = this.a.not_null().catch({long})'"),
            format!("try: [{{mapping: 'root = this.a.not_null().catch({long})'}}]"),
        ] {
            assert_eq!(harness.process(&config, &inputs), "1\n2\n", "{config}");
        }
        // Whoever takes it for a failure of the message has none of them finished.
        let config = format!("insert_part: {{content: '${{! this.a.not_null().catch({long}) }}'}}");
        assert_eq!(harness.process(&config, &inputs), "");
        watch_mappings(None);
        harness.time.is_interrupted.store(false, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(harness.process("mapping: 'root = this.a'", &inputs), "1\n2\nnull\n3\n");
    }

    #[test]
    fn failures_that_come_with_every_message_do_not_fill_the_log() {
        let mut harness = Harness::default();
        let batch = ["{}"; 1000].join("|");
        harness.process("mapping: 'root = throw(\"no\")'", &[&batch]);
        let log = harness.log.take();
        let n_lines = log.lines().filter(|it| it.starts_with("Error failed assignment")).count();
        // A slow machine may be in the next second.
        assert!((100..1000).contains(&n_lines), "{n_lines}");
        let dropped = |it: &str| it.strip_prefix("Warn ")?.split_once(" failure")?.0.parse::<usize>().ok();
        assert_eq!(n_lines + log.lines().filter_map(dropped).sum::<usize>(), 1000, "{log}");
    }

    #[test]
    fn other_messages_are_seen_as_they_came() {
        let mapping = r#"mapping: 'root = json("n").from_all().sum() + json("n").from(0)'"#;
        check_process(mapping, &[r#"{"n":1}|{"n":2}|{"n":3}"#, r#"{"n":5}"#], "7|7|7\n10\n");
        check_process("mapping: 'root = batch_index() + batch_size()'", &["{}|{}"], "2|3\n");
    }

    #[test]
    fn a_mutation_sees_what_it_did() {
        check_process("mutation: 'root.a = deleted()'", &[r#"{"a":1,"b":2}"#], "{\"b\":2}\n");
        let config = "mutation: \"root.a = 2\\nroot.b = this.a\"";
        check_process(config, &[r#"{"a":1}"#], "{\"a\":2,\"b\":2}\n");
        let config = "mapping: \"root.a = 2\\nroot.b = this.a\"";
        check_process(config, &[r#"{"a":1}"#], "{\"a\":2,\"b\":1}\n");
        // What is no document is none; what fails stays as it was.
        check_process("mutation: 'root.a = 1'", &["no JSON"], "{\"a\":1}\n");
        let config = "mutation: \"root.a = 2\\nroot.b = throw(\\\"no\\\")\"";
        check_process(config, &[r#"{"a":1}"#], "{\"a\":1}[failed assignment (line 2): no]\n");
    }

    #[test]
    fn mistakes_have_their_place_in_the_file() {
        let lint = |mapping: &str, expected: &str| {
            check_lint(&format!("pipeline:\n  processors:\n    - mapping: {mapping}\n"), expected);
        };
        lint("'root = this.a'", "");
        lint("'root = this.nope()'", "(3,35) unrecognised method 'nope'\n");
        lint("|\n        root.a = 1\n        root.b = nope()\n", "(5,32) unrecognised function 'nope'\n");
    }
}
