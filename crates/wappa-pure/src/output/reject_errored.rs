//! The output `reject_errored`.

use std::time::Duration;

use wappa_component::{
    BuildError, BuildOutput, Component, ConnectError, Context, Delivery, Output, Step, WriteError,
};
use wappa_message::{Mark, Message};
use wappa_spec::{ComponentNode, Config};

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

    fn has_room(&self) -> bool {
        self.child.has_room()
    }

    fn write(&mut self, delivery: Delivery, step: &mut Step<'_>) {
        if delivery.messages().iter().all(|it| it.error().is_none()) {
            return self.child.write(delivery, step);
        }
        let is_marked = |_, message: &Message| usize::from(message.error().is_some());
        let mut routed = delivery.route(2, is_marked).into_iter();
        let (good, marked) = (routed.next().flatten(), routed.next().flatten());
        if let Some(marked) = marked {
            let marks = marked.messages().iter().map(|it| it.error()).enumerate();
            let rejected = marks.filter_map(|(idx, mark)| Some((idx, rejection(mark?)))).collect();
            marked.answer(Err(WriteError::Rejected(rejected)));
        }
        if let Some(good) = good {
            self.child.write(good, step);
        }
    }

    fn resume(&mut self, step: &mut Step<'_>) {
        self.child.resume(step);
    }

    fn due(&self) -> Option<Duration> {
        self.child.due()
    }

    fn flush(&mut self, step: &mut Step<'_>) {
        self.child.flush(step);
    }

    fn close(&mut self) -> Result<(), String> {
        self.child.close()
    }
}

fn rejection(mark: &Mark) -> Mark {
    Mark::new(format!("rejecting due to failed processing: {mark}"))
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
            "partial: 1: rejecting due to failed processing: b is bad, 3: rejecting due to failed processing: d is bad",
            "child: connect\nchild: a|c",
        );
        check("partial", &["a!"], "failed: rejecting due to failed processing: a is bad", "child: connect");
    }

    #[test]
    fn failures_of_the_output_are_added() {
        let rejected = "2: rejecting due to failed processing: b is bad";
        let child = "child: connect\nchild: a|x / c";
        for (how, expected) in [
            ("partial", format!("partial: 1: child failed, {rejected}")),
            ("rejected", format!("partial: 1: child failed, {rejected}")),
            ("failed", format!("partial: 0: child failed, 1: child failed, {rejected}, 3: child failed")),
            ("closed", format!("closed: 0: broken pipe, 1: broken pipe, {rejected}, 3: broken pipe")),
        ] {
            check(how, &["a|x|b!", "c"], &expected, child);
        }
    }
}
