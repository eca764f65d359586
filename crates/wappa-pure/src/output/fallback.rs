//! The output `fallback`.

use std::{sync::Arc, time::Duration};

use wappa_component::{
    Answer, BuildError, BuildOutput, Component, ConnectError, Context, Delivery, Logger, Output, Pulse,
    Returns, Step,
};
use wappa_message::{Mark, Value};
use wappa_spec::{ComponentNode, Config, Node, Reader, Rule};

use super::children::Children;

pub(super) const COMPONENT: Component =
    Component::output::<FallbackConfig>("fallback").categories(&["Utility"]).unobserved();

/// Tries outputs in turn: what one of them does not deliver goes to the next.
///
/// A message that moves on gets the metadata `fallback_error`, which says why it did.
///
/// # Examples
///
/// ### Messages that failed go to a file, with the reason
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
///       processors:
///         - log:
///             message: 'to failed.txt: ${! @fallback_error }'
/// ```
///
/// # Delivery
///
/// Only the messages that failed move on, in the batches they were in, as soon as it is known that they did. What the
/// last output does not deliver either has failed, and is replayed through all of them, unless none of them could ever
/// take it. Messages keep their marks on the way.
///
/// An output that loses its connection, or never had one, is waited for, as in Bento: not having one is no failure of a
/// message. After ten seconds in which the first one takes nothing that is said in the log. Where it is connected again, and
/// loses that connection on the same messages before it has delivered any, they move on.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct FallbackConfig(#[config(child = "output")] Vec<ComponentNode>);

const NO_OUTPUTS: &str = "attempting to create broker output type with no outputs";

fn lint(config: &FallbackConfig, node: &Node, reader: &mut Reader<'_>) {
    if config.0.is_empty() {
        reader.error(Rule::Custom, node, NO_OUTPUTS);
    }
}

impl BuildOutput for FallbackConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Output>, BuildError> {
        if self.0.is_empty() {
            return Err(BuildError::new(NO_OUTPUTS));
        }
        let nodes = self.0.iter().enumerate();
        let children = nodes.map(|(idx, node)| ctx.output(&format!("fallback.{idx}"), node));
        let children = children.collect::<Result<_, _>>()?;
        Ok(Box::new(Fallback {
            children: Children::new(children),
            returns: Returns::new(ctx.output_bell()),
            n_given: 0,
            stuck_since: None,
            // A single one holds up nobody else.
            has_told: self.0.len() == 1,
            pulse: ctx.pulse(),
            logger: ctx.logger(),
        }))
    }
}

struct Fallback {
    children: Children,
    /// What outputs did not deliver, or did, with the index of each.
    returns: Returns<(usize, bool, Delivery, Answer)>,
    /// What the first output has not answered.
    n_given: usize,
    /// Since when that takes nothing although it has nothing.
    stuck_since: Option<Duration>,
    has_told: bool,
    pulse: Arc<dyn Pulse>,
    logger: Logger,
}

/// How long the first output may take nothing before it is said what that holds up.
const STUCK_MAX: Duration = Duration::from_secs(10);

impl Output for Fallback {
    fn connect(&mut self) -> Result<(), ConnectError> {
        let connected = self.children.connect();
        self.look();
        connected
    }

    fn has_room(&self) -> bool {
        self.children.has_room(0)
    }

    fn write(&mut self, delivery: Delivery, step: &mut Step<'_>) {
        self.returns.attend();
        self.give(0, false, delivery, step);
        self.move_on(step);
    }

    fn resume(&mut self, step: &mut Step<'_>) {
        self.returns.attend();
        self.children.resume(step);
        self.move_on(step);
        self.look();
    }

    fn due(&self) -> Option<Duration> {
        let tells = self.stuck_since.filter(|_| !self.has_told).map(|it| it + STUCK_MAX);
        self.children.due().into_iter().chain(tells).min()
    }

    fn flush(&mut self, step: &mut Step<'_>) {
        // What one lets go of may come to the next.
        for idx in 0..self.children.len() {
            self.returns.attend();
            self.children.get(idx).flush(step);
            self.move_on(step);
        }
    }

    fn close(&mut self) -> Result<(), String> {
        self.children.close()
    }
}

impl Fallback {
    /// Says, once, what it means that the first output takes nothing.
    fn look(&mut self) {
        if self.has_told || 0 < self.n_given || self.children.has_room(0) {
            self.stuck_since = None;
            return;
        }
        let now = self.pulse.now();
        if *self.stuck_since.get_or_insert(now) + STUCK_MAX <= now {
            self.has_told = true;
            self.logger.warn(
                "The first output of this fallback takes nothing, as one without a connection: the stream waits for it, and nothing goes to the others",
            );
        }
    }

    /// `hope`: an output before this one may take them yet.
    fn give(&mut self, idx: usize, hope: bool, delivery: Delivery, step: &mut Step<'_>) {
        let is_last = idx + 1 == self.children.len();
        self.n_given += usize::from(idx == 0 && !is_last);
        let delivery = if !is_last {
            let returns = self.returns.clone();
            delivery.via(move |delivery, answer| returns.put((idx, hope, delivery, answer))).with_way_out()
        } else if hope {
            delivery.via(|delivery, answer| delivery.conclude(not_final(answer)))
        } else {
            delivery
        };
        self.children.get(idx).write(delivery, step);
    }

    /// What failed goes to the next output, with the reason as metadata.
    fn move_on(&mut self, step: &mut Step<'_>) {
        while let Some(returned) = self.returns.take() {
            for (idx, hope, delivery, answer) in returned {
                self.n_given -= usize::from(idx == 0);
                let Some(mut left) = delivery.narrow(&answer) else { continue };
                for (message, (_, reason)) in left.part_mut().messages_mut().iter_mut().zip(&answer.failures)
                {
                    message.metadata_mut().set("fallback_error", Value::text(reason.as_str()));
                }
                let hope: Vec<bool> = answer.failures.iter().map(|(_, it)| hope || !it.is_final()).collect();
                let routed = left.route(2, |idx, _| usize::from(hope[idx]));
                for (hope, left) in [false, true].into_iter().zip(routed) {
                    if let Some(left) = left {
                        self.give(idx + 1, hope, left, step);
                    }
                }
            }
        }
    }
}

/// The last output will never take them, but another one may.
fn not_final(mut answer: Answer) -> Answer {
    let again = answer.failures.iter_mut().filter(|(_, mark)| mark.is_final());
    again.for_each(|(_, mark)| *mark = Mark::new(mark.as_str()));
    answer
}

#[cfg(test)]
mod tests {
    use crate::test::{Harness, TempDir, answer, batches, check_lint};

    #[test]
    fn says_once_that_the_first_output_takes_nothing() {
        let mut harness = Harness::default();
        // One that has no room from the beginning is as one without a connection.
        let mut output = harness.output("fallback: [{late: {name: one, room: 0}}, {late: {name: two}}]");
        harness.log.take();
        harness.advance_to(output.due());
        harness.resume(&mut output);
        let log = harness.log.take();
        assert!(log.starts_with("Warn The first output of this fallback takes nothing"), "{log}");
        assert_eq!(output.due(), None);
        // One that has enough to do is no such one.
        let mut output = harness.output("fallback: [{late: {name: three, room: 1}}, {late: {name: four}}]");
        let said = harness.give(&mut output, &["a"]);
        harness.turn(&mut output);
        assert_eq!((output.has_room(), output.due()), (false, None));
        harness.held.answer("three", "");
        harness.resume(&mut output);
        assert_eq!((output.has_room(), said.take().as_str()), (true, "delivered"));
    }

    fn failing(name: &str, on: &str, how: &str) -> String {
        format!("failing: {{name: {name}, on: '{on}', how: {how}}}")
    }

    fn check(outputs: &[String], inputs: &[&str], expected: &str, recorded: &str) {
        let mut harness = Harness::default();
        let mut output = harness.output(&format!("fallback: [{{{}}}]", outputs.join("}, {")));
        harness.recorder.take();
        assert_eq!(harness.write(&mut output, inputs), expected);
        assert_eq!(harness.recorder.take(), recorded);
    }

    #[test]
    fn only_what_failed_moves_on() {
        let second = failing("two", "y", "partial");
        for how in ["partial", "rejected"] {
            let first = failing("one", "x", how);
            check(
                &[first, second.clone()],
                &["a|x1|x2", "b", "x3|c", "xy"],
                "partial: 6: two failed",
                "one: a|x1|x2 / b / x3|c / xy\ntwo: x1|x2 / x3 / xy",
            );
        }
        check(&[failing("one", "z", "partial"), second.clone()], &["a"], "delivered", "one: a");
        check(&[failing("one", "a", "failed"), second.clone()], &["a|b"], "delivered", "one: a|b\ntwo: a|b");
        check(&[failing("one", "a", "closed"), second], &["a|b"], "delivered", "one: a|b\ntwo: a|b");
    }

    #[test]
    fn what_the_last_one_says_counts() {
        for (how, expected) in [
            ("partial", "partial: 1: two failed, 3: two failed"),
            ("rejected", "partial: 1: two failed, 3: two failed"),
            ("failed", "partial: 1: two failed, 3: two failed"),
            ("closed", "closed: 1: broken pipe, 3: broken pipe"),
        ] {
            let outputs = [failing("one", "x", "partial"), failing("two", "x", how)];
            check(&outputs, &["a|x", "b|x"], expected, "one: a|x / b|x\ntwo: x / x");
        }
        check(
            &[failing("one", "x", "failed"), failing("two", "x", "failed")],
            &["x"],
            "failed: two failed",
            "one: x\ntwo: x",
        );
    }

    #[test]
    fn the_reason_is_metadata_and_the_mark_stays() {
        let mut harness = Harness::default();
        let mut output = harness.output(
            "fallback: [reject_errored: {drop: {}}, file: {path: '/dev/null/${! @fallback_error }'}]",
        );
        let text = "rejecting due to failed processing: b is bad";
        assert_eq!(harness.write(&mut output, &["a|b!"]), "partial: 1: mkdir /dev/null: not a directory");
        let mut output = harness.output("fallback: [reject_errored: {drop: {}}, reject_errored: {drop: {}}]");
        assert_eq!(harness.write(&mut output, &["a|b!"]), format!("partial: 1: {text}"));
    }

    #[test]
    fn a_message_is_given_up_only_if_no_output_can_ever_take_it() {
        let dir = TempDir::new();
        let hopeless = format!("file: {{root: {}, path: '../${{! content() }}'}}", dir.path().display());
        let check = |outputs: &[&str], is_final: bool| {
            let mut harness = Harness::default();
            let mut output = harness.output(&format!("fallback: [{{{}}}]", outputs.join("}, {")));
            let answer = answer(output.as_mut(), batches(&["a"]), &harness.time);
            assert_eq!(answer.failures[0].1.is_final(), is_final, "{outputs:?}: {answer:?}");
        };
        check(&[&hopeless, &hopeless], true);
        check(&[&failing("one", "a", "partial"), &hopeless], false);
        check(&[&failing("one", "a", "partial"), &hopeless, &hopeless], false);
        check(&[&hopeless, &failing("two", "a", "partial")], false);
    }

    #[test]
    fn what_fails_later_moves_on_later() {
        let mut harness = Harness::default();
        let mut output = harness.output("fallback: [late: {name: one}, late: {name: two}]");
        let first = harness.give(&mut output, &["a|x", "b"]);
        let second = harness.give(&mut output, &["c"]);
        assert_eq!(harness.held.of("one"), "a|x / b\nc");
        harness.held.answer("one", "x");
        assert_eq!(
            (harness.held.of("two").as_str(), first.take().as_str()),
            ("", "nothing"),
            "not in another's turn"
        );
        harness.resume(&mut output);
        assert_eq!(harness.held.of("two"), "x");
        harness.held.answer("one", "");
        harness.resume(&mut output);
        assert_eq!((first.take().as_str(), second.take().as_str()), ("nothing", "delivered"));
        harness.held.answer("two", "x");
        assert_eq!(first.take(), "partial: 1: two failed");
    }

    #[test]
    fn no_outputs() {
        let text = "attempting to create broker output type with no outputs";
        check_lint("output:\n  fallback: []\n", &format!("(2,1) {text}\n"));
        assert!(Harness::default().try_output("fallback: [drop: {}]").is_ok());
    }
}
