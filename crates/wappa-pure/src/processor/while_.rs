//! The processor `while`.

use wappa_component::{
    BuildError, BuildProcessor, Component, Context, Logger, Part, Processor, Step, run_children,
};
use wappa_spec::{ComponentNode, Config, Mapping, Node, Reader, Rule};

pub(super) const COMPONENT: Component = Component::processor::<WhileConfig>("while").categories(&["Composition"]);

/// Runs processors on a batch again and again, as long as something is true of it.
///
/// What is checked is the first message of the batch. To check each message, put a `for_each` around it.
///
/// # Examples
///
/// ### Divide until it is small
///
/// ```yaml
/// input:
///   stdin: {}
/// pipeline:
///   processors:
///     - while:
///         check: this >= 10
///         max_loops: 100
///         processors:
///           - mapping: root = (this / 10).floor()
/// output:
///   stdout: {}
/// ```
///
/// # Errors
///
/// A check that fails is logged and ends the loop, as one that is false does.
///
/// # Delivery
///
/// A loop that has no end ends when the stream gives up at the end of its shutdown: its messages are answered as failed then.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct WhileConfig {
    /// Whether the processors run once whatever the check says.
    #[config(default = "false")]
    at_least_once: bool,

    /// How often they run at most; 0 for any number.
    #[config(default = "0", advanced)]
    max_loops: i64,

    /// A mapping that says whether they run once more.
    #[config(default = "\"\"", example = "errored()", example = "this.urls.unprocessed.length() > 0")]
    check: Mapping,

    /// The processors.
    #[config(child = "processor")]
    processors: Vec<ComponentNode>,
}

/// Bento does not start with such a loop.
fn lint(config: &WhileConfig, node: &Node, reader: &mut Reader<'_>) {
    if config.check.program().is_none() {
        reader.error(Rule::InvalidValue, node.get("check").unwrap_or(node), NO_CHECK);
    }
}

const NO_CHECK: &str = "a check query is required";

impl BuildProcessor for WhileConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Processor>, BuildError> {
        if self.check.program().is_none() {
            return Err(BuildError::new(NO_CHECK));
        }
        Ok(Box::new(While {
            at_least_once: self.at_least_once,
            loops_max: u64::try_from(self.max_loops).ok().filter(|it| 0 < *it),
            check: self.check,
            children: ctx.processors("while.processors", &self.processors)?,
            logger: ctx.logger(),
        }))
    }
}

struct While {
    at_least_once: bool,
    loops_max: Option<u64>,
    check: Mapping,
    children: Vec<Box<dyn Processor>>,
    logger: Logger,
}

impl While {
    /// Whether something is true of the first message of a place.
    fn test(&self, place: &mut Part) -> bool {
        let (Some(program), Some(first)) =
            (self.check.program(), (0..place.n_batches()).find(|idx| !place.batch(*idx).is_empty()))
        else {
            return false;
        };
        let range = place.batch(first);
        program.test(&mut place.messages_mut()[range], 0).unwrap_or_else(|failure| {
            self.logger.failed(&format!("Query failed for loop: {failure}"));
            false
        })
    }

    /// Runs one place to its end; `false`: interrupted.
    fn run(&self, place: &mut Part, step: &mut Step<'_>) -> bool {
        let mut n_loops = 0;
        let mut goes_on = self.at_least_once || self.test(place);
        while goes_on && 0 < place.n_messages() {
            if step.is_interrupted() {
                return false;
            }
            if self.loops_max.is_some_and(|max| max <= n_loops) {
                self.logger.trace("Reached max loops count");
                break;
            }
            self.logger.trace("Looped");
            if run_children(&self.children, place, step) == 0 {
                return false;
            }
            n_loops += 1;
            goes_on = self.test(place);
        }
        true
    }
}

impl Processor for While {
    fn process(&self, part: &mut Part, step: &mut Step<'_>) -> usize {
        let mut rest = std::mem::replace(part, Part::singles(Vec::new()));
        let mut n_finished = 0;
        while 0 < rest.n_places() {
            let tail = rest.split_off(1);
            let mut place = std::mem::replace(&mut rest, tail);
            let is_finished = self.run(&mut place, step);
            part.append(place);
            n_finished += usize::from(is_finished);
            if !is_finished || step.is_due() {
                break;
            }
        }
        part.append(rest);
        n_finished
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use crate::test::{Harness, check_interrupted, check_lint, check_process};

    const MORE: &str = "{mutation: root = this + 1}";

    #[test]
    fn processors_run_while_something_is_true() {
        check_process(&format!("while: {{check: this < 5, processors: [{MORE}]}}"), &["1|2", "7", "4"], "5|6\n7\n5\n");
        check_process(&format!("while: {{check: this < 5, at_least_once: true, processors: [{MORE}]}}"), &["7"], "8\n");
        check_process(&format!("while: {{check: this < 5, max_loops: 2, processors: [{MORE}]}}"), &["1", "4"], "3\n5\n");
        check_process("while: {check: 'true', processors: [{filter_on: a}]}", &["a"], "-\n");
    }

    #[test]
    fn a_batch_that_is_divided_is_checked_by_its_first_message() {
        let config = format!("while: {{check: this < 5, processors: [{{split: {{}}}}, {MORE}]}}");
        check_process(&config, &["1|9", "8"], "5\n13\n8\n");
    }

    #[test]
    fn a_check_that_fails_ends_it() {
        let mut harness = Harness::default();
        let config = format!("while: {{check: this.a < 1, at_least_once: true, processors: [{MORE}]}}");
        assert_eq!(harness.process(&config, &["1"]), "2\n");
        let log = harness.log.take();
        assert!(log.contains("Error Query failed for loop: failed assignment (line 1): "), "{log}");
    }

    #[test]
    fn a_loop_without_an_end_ends_with_the_stream() {
        let mut harness = Harness::default();
        harness.time.is_interrupted.store(true, Ordering::Relaxed);
        assert_eq!(harness.process("while: {check: content() == \"a\", processors: [{append: ''}]}", &["b", "a", "b"]), "b\n");
        check_interrupted("while: {check: content() == \"a\", processors: [{interrupt: a}]}", &["b", "a", "b"], "b\n");
    }

    #[test]
    fn lints() {
        let lint = |body: &str, expected: &str| {
            check_lint(&format!("pipeline:\n  processors:\n    - while:\n        {body}\n"), expected);
        };
        lint("{check: 'true', processors: []}", "");
        lint("{max_loops: 3, processors: [{noop: {}}]}", "(4,1) a check query is required\n");
    }
}
