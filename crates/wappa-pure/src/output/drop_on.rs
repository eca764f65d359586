//! The output `drop_on`.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use regex::bytes::Regex;
use wappa_bloblang::go_regex;
use wappa_component::{
    Answer, BuildError, BuildOutput, Component, ConnectError, Context, Delivery, Level, Logger, Output, Returns, Step,
    WriteError, is_unfinished,
};
use wappa_message::Mark;
use wappa_spec::{ComponentNode, Config, Node, Reader, Rule};

use crate::duration;

pub(super) const COMPONENT: Component =
    Component::output::<DropOnConfig>("drop_on").categories(&["Utility"]).unobserved();

/// Writes to another output, and forgets messages that it does not take.
///
/// Usually what is not delivered holds up the stream until it is. This output gives up messages instead, for reasons that
/// are named here.
///
/// # Examples
///
/// ### A copy that must not hold up anything
///
/// ```yaml
/// input:
///   stdin: {}
/// output:
///   broker:
///     pattern: fan_out
///     outputs:
///       - stdout: {}
///       - drop_on:
///           error: true
///           back_pressure: 10s
///           output:
///             file:
///               path: ./copy.txt
/// ```
///
/// # Delivery
///
/// What is forgotten counts as delivered, and is logged at the level `WARN`. Without `error: true`, what waits longer than
/// `back_pressure` fails instead, so that an input can bring it back, or a [`fallback`](fallback.md) can try elsewhere.
///
/// What is not delivered yet when the stream is stopped is not forgotten: it has failed, and an input that can brings it to
/// the next run.
///
/// The time of `back_pressure` runs from when a message comes here until it is delivered: while the output has no room, as
/// when its connection is lost, and while its answer is waited for. Once it has run out, messages are given up at once
/// until the output has room again.
///
/// # Pitfalls
///
/// A message whose answer is not waited for any longer may still arrive.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct DropOnConfig {
    /// Whether messages that the output fails to deliver are forgotten, whatever the reason.
    #[config(default = "false")]
    error: bool,

    /// Regular expressions: messages whose failure one of them matches are forgotten.
    #[config(optional, example = "[ \"and that was really bad$\" ]", example = "[ \"roughly [0-9]+ issues occurred\" ]")]
    error_patterns: Option<Vec<String>>,

    /// How long a message waits to be delivered before it is given up.
    #[config(optional, example = "30s", example = "1m")]
    back_pressure: Option<String>,

    /// Where messages go.
    #[config(child = "output")]
    output: ComponentNode,
}

impl DropOnConfig {
    /// The patterns; the error is Bento's text.
    fn patterns(&self) -> Result<Vec<Regex>, String> {
        let patterns = self.error_patterns.iter().flatten();
        if self.error && self.error_patterns.as_ref().is_some_and(|it| !it.is_empty()) {
            return Err("field 'error_patterns' is ineffective when 'error' is set to `true`".to_string());
        }
        let parse = |(idx, text): (usize, &String)| {
            go_regex(text).map_err(|err| format!("error pattern {idx} failed to compile: {err}"))
        };
        patterns.enumerate().map(parse).collect()
    }

    fn back_pressure(&self) -> Result<Option<Duration>, String> {
        let Some(text) = self.back_pressure.as_ref().filter(|it| !it.is_empty()) else { return Ok(None) };
        let parsed =
            duration::parse(text).map_err(|err| format!("failed to parse back_pressure duration: {err}"))?;
        Ok(Some(parsed).filter(|it| !it.is_zero()))
    }
}

fn lint(config: &DropOnConfig, node: &Node, reader: &mut Reader<'_>) {
    if let Err(text) = config.patterns() {
        reader.error(Rule::Custom, node.get("error_patterns").unwrap_or(node), text);
    }
    if let Err(text) = config.back_pressure() {
        duration::lint(text, node.get("back_pressure").unwrap_or(node), reader);
    }
}

impl BuildOutput for DropOnConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Output>, BuildError> {
        let patterns = self.patterns().map_err(BuildError::new)?;
        let back_pressure = self.back_pressure().map_err(BuildError::new)?;
        Ok(Box::new(DropOn {
            child: ctx.output("drop_on.output", &self.output)?,
            drops_all: self.error,
            patterns,
            back_pressure,
            waiting: VecDeque::new(),
            given: BTreeMap::new(),
            next_number: 0,
            has_given_up: false,
            returns: Returns::new(ctx.output_bell()),
            logger: ctx.logger(),
        }))
    }
}

struct DropOn {
    child: Box<dyn Output>,
    drops_all: bool,
    patterns: Vec<Regex>,
    back_pressure: Option<Duration>,
    /// What the output had no room for, in the order it came.
    waiting: VecDeque<Open>,
    /// What the output has, in the order it came.
    given: BTreeMap<u64, Open>,
    next_number: u64,
    /// The output kept something waiting for too long, and had no room since.
    has_given_up: bool,
    returns: Returns<(u64, Answer)>,
    logger: Logger,
}

struct Open {
    delivery: Delivery,
    deadline: Option<Duration>,
}

impl Open {
    fn is_late(&self, now: Duration) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= now)
    }
}

impl DropOn {
    /// Gives what waits to the output, for as long as that has room. Without a time to wait the output keeps it itself.
    fn give(&mut self, step: &mut Step<'_>) {
        while (self.back_pressure.is_none() || self.child.has_room())
            && let Some(open) = self.waiting.pop_front()
        {
            self.has_given_up = false;
            let (number, returns) = (self.next_number, self.returns.clone());
            self.next_number += 1;
            let then = move |answer| returns.put((number, answer));
            let delivery = Delivery::new(open.delivery.part().clone(), then);
            let has_way_out = self.drops_all || open.delivery.has_way_out();
            let delivery = if has_way_out { delivery.with_way_out() } else { delivery };
            self.given.insert(number, open);
            self.child.write(delivery, step);
        }
    }

    fn settle(&mut self, step: &mut Step<'_>) {
        loop {
            self.give(step);
            let Some(returned) = self.returns.take() else { break };
            for (number, answer) in returned {
                // What was given up is not here any more.
                if let Some(open) = self.given.remove(&number) {
                    self.answered(open.delivery, answer);
                }
            }
        }
        let now = step.now();
        // Deadlines are in the order in which deliveries came.
        while let Some(entry) = self.given.first_entry().filter(|it| it.get().is_late(now)) {
            let open = entry.remove();
            self.give_up(open.delivery);
        }
        // What has no chance does not wait either.
        while let Some(open) =
            self.waiting.pop_front_if(|it| it.is_late(now) || (self.has_given_up && !self.child.has_room()))
        {
            self.give_up(open.delivery);
        }
    }

    /// It waited for too long.
    fn give_up(&mut self, delivery: Delivery) {
        self.has_given_up = true;
        let messages = several(delivery.part().n_messages());
        let seconds = self.back_pressure.unwrap_or_default().as_secs_f64();
        delivery.answer(match self.drops_all {
            true => {
                self.logger.seldom(Level::Warn, &format!("{messages} dropped due to back pressure."));
                Ok(())
            }
            false => {
                // Whoever gave them may deliver them elsewhere, so nothing is dropped yet.
                self.logger.seldom(Level::Warn, &format!("{messages} given back due to back pressure."));
                let reason = format!("experienced back pressure beyond: {seconds}s");
                Err(WriteError::Failed(Mark::new(reason)))
            }
        });
    }

    /// Whether a failure for this reason is forgotten. A stop is no failure of the output.
    fn drops(&self, reason: &Mark) -> bool {
        !is_unfinished(reason) && (self.drops_all || self.patterns.iter().any(|it| it.is_match(reason.as_str().as_bytes())))
    }

    fn answered(&self, delivery: Delivery, answer: Answer) {
        if answer.is_closed && !answer.failures.iter().any(|(_, reason)| self.drops(reason)) {
            return delivery.conclude(answer);
        }
        let Answer { failures, .. } = answer;
        let (dropped, failures): (Vec<_>, Vec<_>) = failures.into_iter().partition(|(_, it)| self.drops(it));
        if let Some((_, reason)) = dropped.first() {
            let messages = several(dropped.len());
            self.logger.seldom(Level::Warn, &format!("{messages} dropped due to: {reason}"));
        }
        delivery.conclude(Answer { failures, is_closed: false });
    }
}

/// One message in Bento's words.
fn several(n_messages: usize) -> String {
    match n_messages {
        1 => "Message".to_string(),
        n => format!("{n} messages"),
    }
}

impl Output for DropOn {
    fn connect(&mut self) -> Result<(), ConnectError> {
        self.child.connect()
    }

    /// With a time to wait, one delivery waits here, where it is measured.
    fn has_room(&self) -> bool {
        match self.back_pressure {
            Some(_) => self.waiting.is_empty(),
            None => self.child.has_room(),
        }
    }

    fn write(&mut self, delivery: Delivery, step: &mut Step<'_>) {
        self.returns.attend();
        if self.has_given_up && !self.child.has_room() {
            self.give_up(delivery);
        } else {
            let deadline = self.back_pressure.map(|it| step.now().saturating_add(it));
            self.waiting.push_back(Open { delivery, deadline });
        }
        self.settle(step);
    }

    fn resume(&mut self, step: &mut Step<'_>) {
        self.returns.attend();
        self.child.resume(step);
        self.settle(step);
    }

    fn due(&self) -> Option<Duration> {
        let first = self.given.values().next().into_iter().chain(self.waiting.front());
        self.child.due().into_iter().chain(first.filter_map(|it| it.deadline)).min()
    }

    fn flush(&mut self, step: &mut Step<'_>) {
        // What it lets go of may make room for what waits.
        for _ in 0..2 {
            self.returns.attend();
            self.child.flush(step);
            self.settle(step);
        }
    }

    fn close(&mut self) -> Result<(), String> {
        self.child.close()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::test::{Harness, check_lint};

    #[test]
    fn what_fails_is_forgotten_for_the_reasons_that_are_named() {
        let child = "output: {failing: {name: one, on: x, how: partial}}";
        for (reasons, expected, logged) in [
            ("error: true", "delivered", "Message dropped due to: one failed"),
            ("error_patterns: ['two', '^one f']", "delivered", "Message dropped due to: one failed"),
            ("error_patterns: [two]", "partial: 1: one failed", ""),
            ("error: false", "partial: 1: one failed", ""),
        ] {
            let mut harness = Harness::default();
            let mut output = harness.output(&format!("drop_on: {{{reasons}, {child}}}"));
            assert_eq!(harness.write(&mut output, &["a|x", "b"]), expected, "{reasons}");
            let log = harness.log.take();
            assert!(log.contains(logged) && log.is_empty() == logged.is_empty(), "{reasons}: {log}");
        }
    }

    #[test]
    fn what_was_not_delivered_before_a_stop_is_not_forgotten() {
        for reasons in ["error: true", "error_patterns: [stopped, dropped]"] {
            for reason in ["the stream was stopped", "dropped before delivery"] {
                let mut harness = Harness::default();
                let mut output = harness.output(&format!("drop_on: {{{reasons}, output: {{reject: {reason}}}}}"));
                assert_eq!(harness.write(&mut output, &["a"]), format!("failed: {reason}"), "{reasons}");
                assert_eq!(harness.log.take(), "", "{reasons}");
            }
        }
    }

    #[test]
    fn a_reader_that_is_gone_ends_the_stream_unless_that_is_forgotten() {
        let child = "output: {failing: {name: one, on: x, how: closed}}";
        for (reasons, expected) in
            [("error: false", "closed"), ("error: true", "delivered"), ("error_patterns: [pipe]", "delivered")]
        {
            let mut harness = Harness::default();
            let mut output = harness.output(&format!("drop_on: {{{reasons}, {child}}}"));
            assert_eq!(harness.write(&mut output, &["x"]), expected, "{reasons}");
        }
    }

    #[test]
    fn nothing_waits_longer_than_it_may() {
        for (drops, expected) in
            [("true", "delivered"), ("false", "failed: experienced back pressure beyond: 2s")]
        {
            let mut harness = Harness::default();
            let child = "output: {late: {name: one, room: 1}}";
            let mut output = harness.output(&format!("drop_on: {{error: {drops}, back_pressure: 2s, {child}}}"));
            let first = harness.give(&mut output, &["a"]);
            harness.time.advance(Duration::from_secs(1));
            let second = harness.give(&mut output, &["b"]);
            assert!(!output.has_room());
            harness.time.advance(Duration::from_millis(1500));
            harness.resume(&mut output);
            // The output has the first one; it may still arrive.
            assert_eq!((first.take().as_str(), second.take().as_str()), (expected, expected));
            assert!(output.has_room());
            let third = harness.give(&mut output, &["c"]);
            assert_eq!(third.take(), expected, "the output has no room since");
            harness.held.answer("one", "a");
            let fourth = harness.give(&mut output, &["d"]);
            assert_eq!((harness.held.of("one").as_str(), first.take().as_str()), ("d", expected));
            harness.held.answer("one", "");
            harness.resume(&mut output);
            assert_eq!((fourth.take().as_str(), output.due()), ("delivered", None));
        }
    }

    #[test]
    fn lints() {
        let lint = |fields: &str, expected: &str| {
            check_lint(&format!("output:\n  drop_on:\n    {fields}\n    output: {{drop: {{}}}}\n"), expected);
        };
        lint("error: false\n    error_patterns: [a]", "");
        let both = "field 'error_patterns' is ineffective when 'error' is set to `true`";
        lint("error: true\n    error_patterns: [a]", &format!("(4,1) {both}\n"));
        lint("back_pressure: 1", "(3,1) failed to parse back_pressure duration: time: missing unit in duration \"1\"\n");
    }
}
