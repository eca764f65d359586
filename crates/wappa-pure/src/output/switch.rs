//! The output `switch`.

use std::time::Duration;

use wappa_component::{
    BuildError, BuildOutput, Component, ConnectError, Context, Delivery, Logger, Output, Step, WriteError,
};
use wappa_message::{Mark, Message};
use wappa_spec::{ComponentNode, Config, Mapping, Node, Reader, Rule};

use super::{children::Children, retry::Retry};
use crate::back_off::BackOff;

pub(super) const COMPONENT: Component =
    Component::output::<SwitchConfig>("switch").categories(&["Utility"]).unobserved();

/// Sends each message to the output of the first case whose check it passes.
///
/// A message that passes no check is dropped, and counts as delivered, unless `strict_mode` is set.
/// A case without a check takes every message that comes to it.
///
/// # Examples
///
/// ### Errors to one file, failed messages to another, the rest to standard output
///
/// ```yaml
/// input:
///   generate:
///     count: 3
///     interval: ""
///     mapping: 'root = {"level": "error", "text": "no space"}'
/// output:
///   switch:
///     cases:
///       - check: errored()
///         output:
///           file:
///             path: ./failed.txt
///       - check: this.level == "error"
///         output:
///           file:
///             path: ./errors.txt
///       - output:
///           stdout: {}
/// ```
///
/// ### To each output whose check passes
///
/// ```yaml
/// input:
///   stdin: {}
/// output:
///   switch:
///     cases:
///       - check: content().length() < 80
///         continue: true
///         output:
///           file:
///             path: ./short.txt
///       - output:
///           stdout: {}
/// ```
///
/// # Delivery
///
/// Messages of a batch that go to the same case stay a batch.
/// A message that goes to several outputs has arrived once all of them have it; where one fails it comes again to all of
/// them, unless `retry_until_success` has each output try until it succeeds.
///
/// An output that cannot take more, or has lost its connection, holds up the others only once there is a message for it.
///
/// # Errors
///
/// A check that fails, or gives anything else than a boolean, is logged, and the message does not pass it.
/// With `strict_mode` a message that passes no check fails, is logged, and comes again from an input that replays.
///
/// # Pitfalls
///
/// With `strict_mode` and an input that replays, a message that never passes holds up the stream.
/// A last case without a check, with [`reject`](reject.md) or [`drop`](drop.md), says what becomes of such messages.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct SwitchConfig {
    /// Whether an output that fails is tried again until it succeeds, in place of the message's failing.
    #[config(default = "false")]
    retry_until_success: bool,

    /// Whether a message that passes no check fails; without it, it is dropped.
    #[config(default = "false", advanced)]
    strict_mode: bool,

    /// The cases, in the order in which they are tried.
    cases: Vec<CaseConfig>,
}

/// An output, and the messages that go there.
#[derive(Config, Debug)]
struct CaseConfig {
    /// A mapping that is true of messages that go here; none: all of them.
    #[config(
        default = "\"\"",
        example = "this.type == \"foo\"",
        example = "this.contents.urls.contains(\"https://example.com/\")"
    )]
    check: Mapping,

    /// Where messages go.
    #[config(child = "output")]
    output: ComponentNode,

    /// Whether a message that passes is tried with the next case too.
    #[config(default = "false", advanced)]
    r#continue: bool,
}

const FEW_CASES: &str = "attempting to create switch with fewer than 2 cases";
const ENDLESS: &str = "a 'switch' output with a 'reject' case output must have the field 'switch.retry_until_success' set to \
                       'false', otherwise the 'reject' child output will result in infinite retries";
const NO_MATCH: &str = "no switch output conditions were met by message";
const NO_MATCH_LOG: &str = "Message failed to match against at least one output check with strict mode enabled, it will be \
                            nacked and/or re-processed";

fn lint(config: &SwitchConfig, node: &Node, reader: &mut Reader<'_>) {
    if config.cases.len() < 2 {
        reader.error(Rule::Custom, node.get("cases").unwrap_or(node), FEW_CASES);
    }
    if config.retry_until_success && config.cases.iter().any(|case| case.output.name == "reject") {
        reader.error(Rule::Custom, node, ENDLESS);
    }
}

impl BuildOutput for SwitchConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Output>, BuildError> {
        if self.cases.len() < 2 {
            return Err(BuildError::new(FEW_CASES));
        }
        let (mut cases, mut children) = (Vec::new(), Vec::new());
        for (idx, case) in self.cases.into_iter().enumerate() {
            let child = ctx.output(&format!("switch.cases.{idx}.output"), &case.output)?;
            children.push(match self.retry_until_success {
                true => Box::new(Retry::new(child, BackOff::endless(), ctx)) as Box<dyn Output>,
                false => child,
            });
            cases.push(Case { check: case.check, goes_on: case.r#continue, is_crowded: false });
        }
        Ok(Box::new(Switch {
            cases,
            children: Children::new(children),
            is_strict: self.strict_mode,
            logger: ctx.logger(),
        }))
    }
}

struct Case {
    check: Mapping,
    /// Whether the next case is tried too.
    goes_on: bool,
    /// Its output was given something that it had no room for.
    is_crowded: bool,
}

struct Switch {
    cases: Vec<Case>,
    children: Children,
    is_strict: bool,
    logger: Logger,
}

impl Switch {
    /// For each message, one after the other: whether each case is for it, and whether none is.
    fn sort(&self, delivery: &mut Delivery) -> Vec<bool> {
        let part = delivery.part_mut();
        let mut sorted = Vec::with_capacity(part.n_messages() * self.n_targets());
        for idx in 0..part.n_batches() {
            let range = part.batch(idx);
            let batch = &mut part.messages_mut()[range];
            for place in 0..batch.len() {
                self.sort_one(batch, place, &mut sorted);
            }
        }
        sorted
    }

    fn sort_one(&self, batch: &mut [Message], place: usize, sorted: &mut Vec<bool>) {
        let (mut is_open, mut is_matched) = (true, false);
        for (idx, case) in self.cases.iter().enumerate() {
            let passes = is_open && self.passes(idx, case, batch, place);
            is_open &= !passes || case.goes_on;
            is_matched |= passes;
            sorted.push(passes);
        }
        sorted.push(!is_matched);
    }

    fn passes(&self, idx: usize, case: &Case, batch: &mut [Message], place: usize) -> bool {
        let Some(program) = case.check.program() else { return true };
        program.test(batch, place).unwrap_or_else(|err| {
            self.logger.failed(&format!("Failed to test case {idx}: {err}"));
            false
        })
    }

    /// The cases, and those messages that pass none.
    fn n_targets(&self) -> usize {
        self.cases.len() + 1
    }

    fn without_case(&self, delivery: Delivery) {
        if !self.is_strict {
            return delivery.answer(Ok(()));
        }
        for _ in 0..delivery.part().n_messages() {
            self.logger.failed(NO_MATCH_LOG);
        }
        delivery.answer(Err(WriteError::Failed(Mark::new(NO_MATCH))));
    }
}

impl Output for Switch {
    fn connect(&mut self) -> Result<(), ConnectError> {
        self.children.connect()
    }

    /// What an output has no room for is only known with the next message, so each may be given one delivery too many.
    fn has_room(&self) -> bool {
        self.cases.iter().enumerate().all(|(idx, case)| !case.is_crowded || self.children.has_room(idx))
    }

    fn write(&mut self, mut delivery: Delivery, step: &mut Step<'_>) {
        let sorted = self.sort(&mut delivery);
        let n_targets = self.n_targets();
        let routed = delivery.spread(n_targets, |idx, target| sorted[idx * n_targets + target]);
        for (idx, delivery) in routed.into_iter().enumerate() {
            let Some(delivery) = delivery else { continue };
            let has_room = idx < self.cases.len() && self.children.has_room(idx);
            match self.cases.get_mut(idx) {
                Some(case) => {
                    case.is_crowded = !has_room;
                    self.children.get(idx).write(delivery, step);
                }
                None => self.without_case(delivery),
            }
        }
    }

    fn resume(&mut self, step: &mut Step<'_>) {
        self.children.resume(step);
    }

    fn due(&self) -> Option<Duration> {
        self.children.due()
    }

    fn flush(&mut self, step: &mut Step<'_>) {
        for idx in 0..self.children.len() {
            self.children.get(idx).flush(step);
        }
    }

    fn close(&mut self) -> Result<(), String> {
        self.children.close()
    }
}

#[cfg(test)]
mod tests {
    use super::ENDLESS;
    use crate::test::{Harness, check_lint};

    /// A switch whose outputs record what they are given.
    fn check(cases: &str, inputs: &[&str], answer: &str, recorded: &str) -> String {
        let mut harness = Harness::default();
        let mut output = harness.output(&format!("switch: {cases}"));
        harness.recorder.take();
        assert_eq!(harness.write(&mut output, inputs), answer, "{cases}");
        assert_eq!(harness.recorder.take(), recorded, "{cases}");
        harness.log.take()
    }

    fn case(check: &str, name: &str, on: &str) -> String {
        format!("{{check: '{check}', output: {{failing: {{name: {name}, on: '{on}', how: partial}}}}}}")
    }

    fn goes_on(case: String) -> String {
        case.replacen('{', "{continue: true, ", 1)
    }

    #[test]
    fn the_first_case_that_passes() {
        let cases = [
            case("content().contains(\"a\")", "one", "none"),
            case("content().contains(\"b\")", "two", "none"),
        ]
        .join(", ");
        let log = check(
            &format!("{{cases: [{cases}]}}"),
            &["a|b|ab", "c", "b"],
            "delivered",
            "one: a|ab\ntwo: b / b",
        );
        assert_eq!(log, "");
        check(&format!("{{cases: [{cases}]}}"), &["c"], "delivered", "");
        let text = "no switch output conditions were met by message";
        let log = check(
            &format!("{{strict_mode: true, cases: [{cases}]}}"),
            &["a|c", "d", "b"],
            &format!("partial: 1: {text}, 2: {text}"),
            "one: a\ntwo: b",
        );
        assert_eq!(log.matches("Message failed to match against at least one output check").count(), 2, "{log}");
    }

    #[test]
    fn failures_keep_their_messages() {
        let one = goes_on(case("content().contains(\"a\")", "one", "x"));
        let cases = format!("{{cases: [{one}, {}]}}", case("", "two", "y"));
        check(
            &cases,
            &["a|b", "ax|ay", "bxy"],
            "partial: 2: one failed, 3: two failed, 4: two failed",
            "one: a / ax|ay\ntwo: a|b / ax|ay / bxy",
        );
        check(&cases, &["axy"], "failed: one failed", "one: axy\ntwo: axy");
    }

    #[test]
    fn a_check_that_fails_does_not_pass() {
        let cases = [
            case("throw(\"no\")", "one", "none"),
            case("batch_index()", "two", "none"),
            case("this.a == 1", "three", "none"),
            case("errored()", "four", "none"),
        ];
        let cases = format!("{{cases: [{}]}}", cases.join(", "));
        let log = check(&cases, &["{\"a\":1}", "no JSON!"], "delivered", "three: {\\\"a\\\":1}\nfour: no JSON[no JSON is bad]");
        let expected = "Error Failed to test case 0: failed assignment (line 1): no label= path=root.output
Error Failed to test case 1: expected bool value, got number from mapping (0) label= path=root.output
";
        assert!(log.starts_with(expected), "{log}");
    }

    #[test]
    fn an_output_that_is_full_holds_up_its_own_messages() {
        let mut harness = Harness::default();
        let late = |check: &str, name: &str| {
            format!("{{check: '{check}', output: {{late: {{name: {name}, room: 1}}}}}}")
        };
        let cases = [late("content() == \"a\"", "one"), late("", "two")].join(", ");
        let mut output = harness.output(&format!("switch: {{cases: [{cases}]}}"));
        let _first = harness.give(&mut output, &["a"]);
        assert!(output.has_room(), "for others");
        let second = harness.give(&mut output, &["b"]);
        assert!(output.has_room());
        let third = harness.give(&mut output, &["b", "a"]);
        assert!(!output.has_room(), "both have too much");
        harness.held.answer("two", "");
        harness.held.answer("two", "");
        assert!(!output.has_room(), "the other one still has");
        assert_eq!((second.take().as_str(), third.take().as_str()), ("delivered", "nothing"));
        harness.held.answer("one", "");
        harness.held.answer("one", "a");
        assert_eq!((third.take().as_str(), output.has_room()), ("partial: 1: one failed", true));
    }

    #[test]
    fn an_output_that_fails_is_tried_until_it_succeeds() {
        let mut harness = Harness::default();
        let cases = "[{check: 'content() == \"a\"', continue: true, output: {late: {name: one}}}, {output: {late: {name: two}}}]";
        let mut output = harness.output(&format!("switch: {{retry_until_success: true, cases: {cases}}}"));
        let said = harness.give(&mut output, &["a|b"]);
        harness.held.answer("one", "a");
        harness.held.answer("two", "");
        harness.resume(&mut output);
        assert_eq!(said.take(), "nothing");
        harness.advance_to(output.due());
        harness.resume(&mut output);
        assert_eq!((harness.held.of("one").as_str(), harness.held.of("two").as_str()), ("a", ""));
        harness.held.answer("one", "");
        harness.resume(&mut output);
        assert_eq!(said.take(), "delivered");
    }

    #[test]
    fn mistakes() {
        let text = "attempting to create switch with fewer than 2 cases";
        check_lint("output:\n  switch:\n    cases: []\n", &format!("(3,1) {text}\n"));
        check_lint("output:\n  switch:\n    cases: [ output: {drop: {}} ]\n", &format!("(3,1) {text}\n"));
        check_lint(
            "output:\n  switch:\n    cases:\n      - check: this.nope()\n        output: {drop: {}}\n      - output: {drop: {}}\n",
            "(4,28) unrecognised method 'nope'\n",
        );
        let retried = "output:\n  switch:\n    retry_until_success: true\n    cases:\n      - check: 'true'\n        output: {drop: {}}\n      \
                       - output: {reject: no}\n";
        check_lint(retried, &format!("(3,1) {ENDLESS}\n"));
        check_lint(&retried.replace("success: true", "success: false"), "");
        check_lint(
            "output:\n  switch:\n    cases:\n      - chek: a\n        output: {drop: {}}\n      - check: b\n",
            "(4,1) field chek not recognised\n(6,1) field output is required\n",
        );
    }
}
