//! The processor `catch`.

use wappa_component::{
    BuildError, BuildProcessor, Component, Context, Part, Processor, Step, as_singles, in_chunks, run_children,
};
use wappa_spec::{ComponentNode, Config};

pub(super) const COMPONENT: Component = Component::processor::<CatchConfig>("catch").categories(&["Composition"]);

/// Runs processors on the messages that failed before, and takes the marks off all of them.
///
/// While the processors run the mark is still there, so that `${! error() }` says what it was. Afterwards no message is
/// marked, whatever happened in here. An empty list takes marks off and does nothing else.
///
/// # Examples
///
/// ### Log what failed, and go on with it
///
/// ```yaml
/// input:
///   stdin: {}
/// pipeline:
///   processors:
///     - catch:
///         - log:
///             level: ERROR
///             message: 'failed: ${! error() }'
/// output:
///   stdout: {}
/// ```
///
/// # Delivery
///
/// To its processors each message is a batch of its own; behind them the batches are what they were.
///
/// # Pitfalls
///
/// Messages that come out of here count as good: an output that rejects what failed sends them on.
#[derive(Config, Debug)]
struct CatchConfig(#[config(child = "processor")] Vec<ComponentNode>);

impl BuildProcessor for CatchConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Processor>, BuildError> {
        Ok(Box::new(Catch { children: ctx.processors("catch", &self.0)? }))
    }
}

struct Catch {
    children: Vec<Box<dyn Processor>>,
}

impl Processor for Catch {
    fn process(&self, part: &mut Part, step: &mut Step<'_>) -> usize {
        in_chunks(part, step, |part, step| {
            let is_marked = |it: &wappa_message::Message| it.error().is_some();
            let done =
                as_singles(part, step, is_marked, |part, step| run_children(&self.children, part, step));
            let n_messages = part.messages_of(done);
            for message in &mut part.messages_mut()[..n_messages] {
                message.clear_error();
            }
            done
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::test::{Harness, check_interrupted, check_process};

    #[test]
    fn runs_on_what_failed_and_takes_marks_off() {
        check_process("catch: [{append: '1'}, {fail_on: b}, {append: '2'}]", &["a|b!|c!", "d"], "a|b12|c12\nd\n");
        check_process("catch: []", &["a|b!"], "a|b\n");
        check_process("catch: [{double: {}}, {filter_on: c}]", &["a|b!|c!", "c!"], "a|b|b\n-\n");
    }

    #[test]
    fn what_is_finished_before_an_interruption_goes_on() {
        check_interrupted("catch: [{interrupt: b}]", &["a!|c", "c", "a|b!", "c!"], "a|c\nc\n");
    }

    #[test]
    fn the_mark_is_there_while_they_run() {
        let mut harness = Harness::default();
        harness.process("catch: [log: {message: '${! error() }'}]", &["a!|b"]);
        assert_eq!(harness.log.take(), "Info a is bad label= path=root.pipeline.processors.0.catch.0\n");
    }
}
