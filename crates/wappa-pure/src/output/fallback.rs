//! The output `fallback`.

use std::{collections::HashSet, time::Duration};

use wappa_component::{
    BuildError, BuildOutput, Component, ConnectError, Context, Output, Part, Step, WriteError,
};
use wappa_message::{Mark, Value};
use wappa_spec::{ComponentNode, Config, Node, Reader, Rule};

use super::subset::Subset;

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
/// Only the messages that failed move on, in the batches they were in. What the last output does not deliver either has
/// failed, and is replayed through all of them, unless none of them could ever take it. Messages keep their marks on the
/// way.
///
/// An output that loses its connection is waited for: not having one is no failure of a message.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct FallbackConfig(#[config(child = "output")] Vec<ComponentNode>);

const NO_OUTPUTS: &str = "attempting to create broker output type with no outputs";

/// The shortest and longest wait between two attempts to connect, as Bento's.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(1));

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
        let mut children = Vec::with_capacity(self.0.len());
        for (idx, node) in self.0.iter().enumerate() {
            let output = ctx.output(&format!("fallback.{idx}"), node)?;
            children.push(Child { output, is_connected: false });
        }
        Ok(Box::new(Fallback { children }))
    }
}

struct Fallback {
    children: Vec<Child>,
}

struct Child {
    output: Box<dyn Output>,
    is_connected: bool,
}

impl Output for Fallback {
    /// The first one has to be there; the others are waited for when they are needed.
    fn connect(&mut self) -> Result<(), ConnectError> {
        let mut result = Ok(());
        for (idx, child) in self.children.iter_mut().enumerate() {
            if let Err(err) = child.connect()
                && (idx == 0 || matches!(err, ConnectError::Fatal(_)))
            {
                result = result.and(Err(err));
            }
        }
        result
    }

    fn write(&mut self, part: &mut Part, step: &mut Step<'_>) -> Result<(), WriteError> {
        let (last, earlier) = self.children.split_last_mut().expect("there is one, or it is not built");
        let mut left: Option<Subset> = None;
        // What an output failed on that may yet take it.
        let mut hopeful = HashSet::new();
        for child in earlier {
            // Whoever writes a part may change it, and what failed is needed again.
            let mut copy = left.as_ref().map_or_else(|| part.clone(), |it| it.part.clone());
            let failures = match child.write(&mut copy, step) {
                Ok(()) => return Ok(()),
                Err(err) => failures(err, &left, part.n_messages()),
            };
            if failures.is_empty() {
                return Ok(());
            }
            hopeful.extend(failures.iter().filter(|(_, mark)| !mark.is_final()).map(|(idx, _)| *idx));
            left = Some(moving_on(part, failures));
        }
        let Some(mut left) = left else { return last.write(part, step) };
        let mut err = match last.write(&mut left.part, step) {
            Ok(()) => return Ok(()),
            Err(WriteError::Rejected(failures)) => WriteError::Rejected(left.original(failures)),
            Err(WriteError::Partial(failures)) => WriteError::Partial(left.original(failures)),
            Err(WriteError::Failed(reason)) if reason.is_final() || left.part.n_messages() < part.n_messages() => {
                WriteError::Partial(left.all_failed(&reason))
            }
            Err(err) => err,
        };
        if let WriteError::Partial(failures) | WriteError::Rejected(failures) = &mut err {
            let again = failures.iter_mut().filter(|(idx, mark)| mark.is_final() && hopeful.contains(idx));
            again.for_each(|(_, mark)| *mark = Mark::new(mark.as_str()));
        }
        Err(err)
    }

    fn close(&mut self) -> Result<(), String> {
        let results: Vec<_> = self.children.iter_mut().map(|it| it.output.close()).collect();
        results.into_iter().collect()
    }
}

impl Child {
    fn connect(&mut self) -> Result<(), ConnectError> {
        if !self.is_connected {
            self.output.connect()?;
            self.is_connected = true;
        }
        Ok(())
    }

    /// Writes, and connects as often as it takes. Never answers that it is not connected, since outputs before this
    /// one may have delivered messages.
    fn write(&mut self, part: &mut Part, step: &mut Step<'_>) -> Result<(), WriteError> {
        let stopped = || WriteError::Failed(Mark::new("the stream was stopped"));
        let mut back_off = BACK_OFF.0;
        loop {
            match self.connect() {
                Ok(()) => match self.output.write(part, step) {
                    Err(WriteError::NotConnected) => {
                        self.is_connected = false;
                        if step.is_interrupted() {
                            return Err(stopped());
                        }
                        continue;
                    }
                    result => return result,
                },
                Err(ConnectError::Fatal(text)) => return Err(WriteError::Failed(Mark::new(text))),
                Err(ConnectError::BackOff(_) | ConnectError::Interrupted) => (),
            }
            if !step.sleep(back_off) {
                return Err(stopped());
            }
            back_off = (back_off * 2).min(BACK_OFF.1);
        }
    }
}

/// What an output that was given `left`, or else the whole part, did not deliver.
fn failures(err: WriteError, left: &Option<Subset>, n_messages: usize) -> Vec<(usize, Mark)> {
    let all = |reason: Mark| match left {
        Some(left) => left.all_failed(&reason),
        None => (0..n_messages).map(|idx| (idx, reason.clone())).collect(),
    };
    match (err, left) {
        (WriteError::Partial(failures) | WriteError::Rejected(failures), Some(left)) => left.original(failures),
        (WriteError::Partial(failures) | WriteError::Rejected(failures), None) => failures,
        (WriteError::Failed(reason), _) => all(reason),
        (WriteError::Closed, _) => all(Mark::new("broken pipe")),
        (WriteError::NotConnected, _) => all(Mark::new("not connected")),
    }
}

/// The messages that failed, each with the reason as metadata.
fn moving_on(part: &Part, mut failures: Vec<(usize, Mark)>) -> Subset {
    failures.sort_by_key(|(idx, _)| *idx);
    failures.dedup_by_key(|(idx, _)| *idx);
    let mut subset = Subset::of(part, failures.iter().map(|(idx, _)| *idx).collect());
    for (message, (_, reason)) in subset.part.messages_mut().iter_mut().zip(&failures) {
        message.metadata_mut().set("fallback_error", Value::text(reason.as_str()));
    }
    subset
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use crate::test::{Harness, TempDir, check_lint};

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
            ("rejected", "rejected: 1: two failed, 3: two failed"),
            ("failed", "partial: 1: two failed, 3: two failed"),
            ("closed", "closed"),
        ] {
            let outputs = [failing("one", "x", "partial"), failing("two", "x", how)];
            check(&outputs, &["a|x", "b|x"], expected, "one: a|x / b|x\ntwo: x / x");
        }
        check(&[failing("one", "x", "failed"), failing("two", "x", "failed")], &["x"], "failed: two failed", "one: x\ntwo: x");
    }

    #[test]
    fn the_reason_is_metadata_and_the_mark_stays() {
        let mut harness = Harness::default();
        let mut output = harness.output("fallback: [reject_errored: {drop: {}}, file: {path: '/dev/null/${! @fallback_error }'}]");
        let text = "rejecting due to failed processing: b is bad";
        assert_eq!(harness.write(&mut output, &["a|b!"]), "partial: 1: mkdir /dev/null: not a directory");
        let mut output = harness.output("fallback: [reject_errored: {drop: {}}, reject_errored: {drop: {}}]");
        assert_eq!(harness.write(&mut output, &["a|b!"]), format!("rejected: 1: {text}"));
    }

    #[test]
    fn a_message_is_given_up_only_if_no_output_can_ever_take_it() {
        let dir = TempDir::new();
        let hopeless = format!("file: {{root: {}, path: '../${{! content() }}'}}", dir.path().display());
        let check = |outputs: &[&str], is_final: bool| {
            let mut harness = Harness::default();
            let mut output = harness.output(&format!("fallback: [{{{}}}]", outputs.join("}, {")));
            let mut step = wappa_component::Step::new(2, harness.time.as_ref());
            match output.write(&mut crate::test::batches(&["a"]), &mut step) {
                Err(super::WriteError::Partial(failures)) => {
                    assert_eq!(failures[0].1.is_final(), is_final, "{outputs:?}: {failures:?}");
                }
                result => panic!("{outputs:?}: {result:?}"),
            }
        };
        check(&[&hopeless, &hopeless], true);
        check(&[&failing("one", "a", "partial"), &hopeless], false);
        check(&[&hopeless, &failing("two", "a", "partial")], false);
    }

    #[test]
    fn a_connection_is_waited_for() {
        let outputs = [failing("one", "x", "partial"), failing("two", "y", "not_connected")];
        check(&outputs, &["a|x"], "delivered", "one: a|x\ntwo: connect\ntwo: x");
        let mut harness = Harness::default();
        let mut output = harness.output(&format!("fallback: [{{{}}}]", failing("one", "x", "not_connected")));
        harness.time.is_interrupted.store(true, Ordering::Relaxed);
        assert_eq!(harness.write(&mut output, &["a"]), "failed: the stream was stopped");
    }

    #[test]
    fn no_outputs() {
        let text = "attempting to create broker output type with no outputs";
        check_lint("output:\n  fallback: []\n", &format!("(2,1) {text}\n"));
        assert!(Harness::default().try_output("fallback: [drop: {}]").is_ok());
    }
}
