//! The output `reject_errored`.

use wappa_component::{
    BuildError, BuildOutput, Component, ConnectError, Context, Output, Part, Step, WriteError,
};
use wappa_message::Mark;
use wappa_spec::{ComponentNode, Config};

use super::subset::Subset;

pub(super) const COMPONENT: Component =
    Component::output::<RejectErroredConfig>("reject_errored").categories(&["Utility"]).unobserved();

/// Turns away messages that are marked as failed, and passes the others on to another output.
///
/// What is turned away was not delivered: the input hears of it with the reason `rejecting due to failed processing: `
/// and the mark.
///
/// # Examples
///
/// ### What failed goes elsewhere
///
/// ```yaml
/// input:
///   stdin: {}
/// output:
///   fallback:
///     - reject_errored:
///         stdout: {}
///     - file:
///         path: ./failed.txt
/// ```
///
/// # Delivery
///
/// Only the failed messages of a batch are turned away. An input that replays delivers them again at once, through all
/// processors, for as long as they fail, and many of them bring the stream to a halt; with `auto_replay_nacks: false` they are lost. A [`fallback`](fallback.md)
/// gives them another place to go.
#[derive(Config, Debug)]
struct RejectErroredConfig(#[config(child = "output")] ComponentNode);

impl BuildOutput for RejectErroredConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Output>, BuildError> {
        Ok(Box::new(RejectErrored { child: ctx.output("reject_errored", &self.0)? }))
    }
}

struct RejectErrored {
    child: Box<dyn Output>,
}

impl Output for RejectErrored {
    fn connect(&mut self) -> Result<(), ConnectError> {
        self.child.connect()
    }

    fn write(&mut self, part: &mut Part, step: &mut Step<'_>) -> Result<(), WriteError> {
        let marks = part.messages().iter().map(|it| it.error()).enumerate();
        let rejected: Vec<(usize, Mark)> =
            marks.filter_map(|(idx, mark)| Some((idx, rejection(mark?)))).collect();
        if rejected.is_empty() {
            return self.child.write(part, step);
        }
        let is_good = |idx: &usize| part.messages()[*idx].error().is_none();
        let good: Vec<usize> = (0..part.n_messages()).filter(is_good).collect();
        if good.is_empty() {
            return Err(WriteError::Rejected(rejected));
        }
        let mut subset = Subset::of(part, good);
        let failed = match self.child.write(&mut subset.part, step) {
            Ok(()) => return Err(WriteError::Rejected(rejected)),
            Err(WriteError::Rejected(failures)) => {
                return Err(WriteError::Rejected(merged(rejected, subset.original(failures))));
            }
            Err(WriteError::Partial(failures)) => subset.original(failures),
            Err(WriteError::Failed(reason)) => subset.all_failed(&reason),
            Err(err @ (WriteError::NotConnected | WriteError::Closed)) => return Err(err),
        };
        Err(WriteError::Partial(merged(rejected, failed)))
    }

    fn close(&mut self) -> Result<(), String> {
        self.child.close()
    }
}

fn rejection(mark: &Mark) -> Mark {
    Mark::new(format!("rejecting due to failed processing: {mark}"))
}

fn merged(mut one: Vec<(usize, Mark)>, other: Vec<(usize, Mark)>) -> Vec<(usize, Mark)> {
    one.extend(other);
    one.sort_by_key(|(idx, _)| *idx);
    one
}

#[cfg(test)]
mod tests {
    use crate::test::Harness;

    fn check(how: &str, inputs: &[&str], expected: &str, recorded: &str) {
        let mut harness = Harness::default();
        let config = format!("reject_errored: {{failing: {{name: child, on: x, how: {how}}}}}");
        let mut output = harness.output(&config);
        assert_eq!(harness.write(&mut output, inputs), expected);
        assert_eq!(harness.recorder.take(), recorded);
    }

    #[test]
    fn passes_on_what_is_good() {
        check("partial", &["a|b", "c"], "delivered", "child: connect\nchild: a|b / c");
        check(
            "partial",
            &["a|b!|c", "d!"],
            "rejected: 1: rejecting due to failed processing: b is bad, 3: rejecting due to failed processing: d is bad",
            "child: connect\nchild: a|c",
        );
        check("partial", &["a!"], "rejected: 0: rejecting due to failed processing: a is bad", "child: connect");
    }

    #[test]
    fn failures_of_the_output_are_added() {
        let rejected = "2: rejecting due to failed processing: b is bad";
        let child = "child: connect\nchild: a|x / c";
        for (how, expected) in [
            ("partial", format!("partial: 1: child failed, {rejected}")),
            ("rejected", format!("rejected: 1: child failed, {rejected}")),
            ("failed", format!("partial: 0: child failed, 1: child failed, {rejected}, 3: child failed")),
            ("closed", "closed".to_string()),
        ] {
            check(how, &["a|x|b!", "c"], &expected, child);
        }
        check("not_connected", &["a!", "b"], "not connected", "child: connect");
    }
}
