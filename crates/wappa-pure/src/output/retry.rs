//! The output `retry`, and what `broker` retries with.

use std::{collections::BTreeMap, time::Duration};

use wappa_component::{
    Answer, BuildError, BuildOutput, Component, ConnectError, Context, Delivery, Level, Logger, Output, Returns, Step,
};
use wappa_spec::{ComponentNode, Config};

use crate::back_off::{Attempts, BackOff, BackOffConfig};

pub(super) const COMPONENT: Component =
    Component::output::<RetryConfig>("retry").categories(&["Utility"]).unobserved();

/// Writes to another output, and writes what fails again until it has arrived.
///
/// # Examples
///
/// ### A copy that may be late, and an output that must not wait for it
///
/// ```yaml
/// input:
///   stdin: {}
/// output:
///   broker:
///     pattern: fan_out_fail_fast
///     outputs:
///       - stdout: {}
///       - retry:
///           max_retries: 3
///           backoff:
///             initial_interval: 100ms
///           output:
///             file:
///               path: ./copy.txt
/// ```
///
/// # Delivery
///
/// Only the messages that failed are written again. While any of them wait for another attempt, nothing new is taken, so
/// that an output that fails is not given more and more. When there have been enough attempts the messages fail, with the
/// last reason; an input that replays brings them back. A message that can never arrive is not tried again.
///
/// # Pitfalls
///
/// Without a limit an output that never takes a message holds up the stream, as does an input that replays. A connection
/// that is lost is no failure of a message, and is waited for by every output.
#[derive(Config, Debug)]
struct RetryConfig {
    /// How often what failed is written again; 0 for any number.
    #[config(default = "0")]
    max_retries: u64,

    /// How long to wait before an attempt.
    backoff: BackOffConfig,

    /// Where messages go.
    #[config(child = "output")]
    output: ComponentNode,
}

impl BuildOutput for RetryConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Output>, BuildError> {
        let back_off = BackOff::new(&self.backoff, self.max_retries).map_err(BuildError::new)?;
        let child = ctx.output("retry.output", &self.output)?;
        Ok(Box::new(Retry::new(child, back_off, ctx)))
    }
}

/// Says that attempts fail at most once in this time.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// An output whose failures are written again.
pub(super) struct Retry {
    child: Box<dyn Output>,
    back_off: BackOff,
    /// What waits for its next attempt, by when that is, then by when it failed.
    waiting: BTreeMap<(Duration, u64), Again>,
    next_number: u64,
    /// How many deliveries have failed and not arrived yet.
    n_failing: usize,
    returns: Returns<(Attempts, Delivery, Answer)>,
    logger: Logger,
    /// Nothing is logged of attempts that failed before this time.
    quiet_until: Duration,
}

struct Again {
    delivery: Delivery,
    attempts: Attempts,
    /// Why the last one failed.
    answer: Answer,
}

impl Retry {
    pub(super) fn new(child: Box<dyn Output>, back_off: BackOff, ctx: &Context<'_>) -> Retry {
        Retry {
            child,
            back_off: back_off.ending_in(ctx),
            waiting: BTreeMap::new(),
            next_number: 0,
            n_failing: 0,
            returns: Returns::new(ctx.output_bell()),
            logger: ctx.logger(),
            quiet_until: Duration::ZERO,
        }
    }

    fn give(&mut self, delivery: Delivery, attempts: Attempts, step: &mut Step<'_>) {
        let returns = self.returns.clone();
        let delivery = delivery.via(move |delivery, answer| returns.put((attempts, delivery, answer)));
        self.child.write(delivery, step);
    }

    fn settle(&mut self, step: &mut Step<'_>) {
        loop {
            while let Some(returned) = self.returns.take() {
                for (attempts, delivery, answer) in returned {
                    self.returned(attempts, delivery, answer, step);
                }
            }
            let is_interrupted = step.is_interrupted();
            let is_due = |due: Duration| is_interrupted || due <= step.now();
            let Some(entry) = self.waiting.first_entry().filter(|it| is_due(it.key().0)) else { return };
            let Again { delivery, attempts, answer } = entry.remove();
            self.returns.attend();
            if is_interrupted {
                self.n_failing -= 1;
                delivery.give_up(answer);
            } else {
                self.give(delivery, attempts, step);
            }
        }
    }

    fn returned(&mut self, mut attempts: Attempts, delivery: Delivery, answer: Answer, step: &Step<'_>) {
        let has_failed = attempts.have_failed();
        let (delivery, answer) = match delivery.narrow(&answer) {
            Some(delivery) => give_up_hopeless(delivery, answer),
            None => (None, answer),
        };
        let Some(delivery) = delivery else {
            self.n_failing -= usize::from(has_failed);
            return;
        };
        let due = if answer.is_closed { None } else { attempts.fail(&self.back_off, step.now()) };
        let Some(due) = due.filter(|_| !step.is_interrupted()) else {
            self.n_failing -= usize::from(has_failed);
            if let Some((_, reason)) = answer.failures.first().filter(|_| !answer.is_closed) {
                self.logger.failed(&format!("Failed to send message: {reason}"));
            }
            return delivery.give_up(answer);
        };
        // A stream that stands still says why, and not for every message.
        let now = step.now();
        if let Some((_, reason)) = answer.failures.first()
            && self.quiet_until <= now
        {
            self.quiet_until = now + LOG_INTERVAL;
            self.logger.seldom(Level::Warn, &format!("Failed to send message: {reason}"));
        }
        self.n_failing += usize::from(!has_failed);
        let number = self.next_number;
        self.next_number += 1;
        self.waiting.insert((due, number), Again { delivery, attempts, answer });
    }
}

/// Answers for the messages that can never arrive. Returns the others, with what was answered for them.
fn give_up_hopeless(delivery: Delivery, answer: Answer) -> (Option<Delivery>, Answer) {
    let is_closed = answer.is_closed;
    let is_hopeless: Vec<bool> = answer.failures.iter().map(|(_, reason)| reason.is_final()).collect();
    let (hopeless, others): (Vec<_>, Vec<_>) = answer.failures.into_iter().partition(|(_, it)| it.is_final());
    let mut routed = delivery.route(2, |idx, _| usize::from(is_hopeless[idx])).into_iter();
    let (left, given_up) = (routed.next().flatten(), routed.next().flatten());
    if let Some(given_up) = given_up {
        given_up.give_up(Answer { failures: hopeless, is_closed });
    }
    (left, Answer { failures: others, is_closed })
}

impl Output for Retry {
    fn connect(&mut self) -> Result<(), ConnectError> {
        self.child.connect()
    }

    fn has_room(&self) -> bool {
        self.n_failing == 0 && self.child.has_room()
    }

    fn write(&mut self, delivery: Delivery, step: &mut Step<'_>) {
        self.returns.attend();
        self.give(delivery, Attempts::default(), step);
        self.settle(step);
    }

    fn resume(&mut self, step: &mut Step<'_>) {
        self.returns.attend();
        self.child.resume(step);
        self.settle(step);
    }

    fn due(&self) -> Option<Duration> {
        let again = self.waiting.first_key_value().map(|((due, _), _)| *due);
        self.child.due().into_iter().chain(again).min()
    }

    fn flush(&mut self, step: &mut Step<'_>) {
        self.returns.attend();
        self.child.flush(step);
        self.settle(step);
    }

    fn close(&mut self) -> Result<(), String> {
        self.child.close()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use crate::test::{Harness, TempDir, check_lint};

    const CONFIG: &str =
        "retry: {max_retries: 2, backoff: {initial_interval: 100ms, max_interval: 1s}, output: {late: {name: one}}}";

    #[test]
    fn only_what_failed_is_written_again() {
        let mut harness = Harness::default();
        let mut output = harness.output(CONFIG);
        let said = harness.give(&mut output, &["a|x|y", "b"]);
        assert!(output.has_room());
        harness.held.answer("one", "x");
        harness.resume(&mut output);
        assert_eq!((harness.held.of("one").as_str(), output.has_room()), ("", false), "it waits");
        harness.advance_to(output.due());
        harness.resume(&mut output);
        assert_eq!(harness.held.of("one"), "x");
        harness.held.answer("one", "");
        harness.resume(&mut output);
        assert_eq!((said.take().as_str(), output.has_room(), output.due()), ("delivered", true, None));
    }

    #[test]
    fn there_is_an_end_to_it() {
        let mut harness = Harness::default();
        let mut output = harness.output(CONFIG);
        let said = harness.give(&mut output, &["a|x", "b|x"]);
        for _ in 0..2 {
            harness.held.answer("one", "x");
            harness.resume(&mut output);
            harness.advance_to(output.due());
            harness.resume(&mut output);
        }
        assert_eq!(said.take(), "nothing");
        harness.held.answer("one", "x");
        harness.resume(&mut output);
        assert_eq!(said.take(), "partial: 1: one failed, 3: one failed");
        assert!(output.has_room());
        // Once that it fails, and once that it is given up.
        let log = "Warn Failed to send message: one failed label= path=root.output\n\
                   Error Failed to send message: one failed label= path=root.output\n";
        assert_eq!(harness.log.take(), log);
    }

    #[test]
    fn nobody_waits_once_the_stream_is_given_up() {
        let mut harness = Harness::default();
        let mut output = harness.output(CONFIG);
        let said = harness.give(&mut output, &["a|x"]);
        harness.held.answer("one", "x");
        harness.resume(&mut output);
        assert_eq!(said.take(), "nothing");
        harness.time.is_interrupted.store(true, Ordering::Relaxed);
        harness.turn(&mut output);
        assert_eq!(said.take(), "partial: 1: one failed");
    }

    #[test]
    fn what_can_never_arrive_is_not_tried_again() {
        let dir = TempDir::new();
        let path = format!("file: {{root: {}, path: '${{! content() }}'}}", dir.path().display());
        let mut harness = Harness::default();
        let mut output = harness.output(&format!("retry: {{output: {{{path}}}}}"));
        let text = "partial: 1: open ../b: it leads out of `root`";
        assert_eq!(harness.write(&mut output, &["a", "../b"]), text);
        assert!(output.has_room());
    }

    #[test]
    fn a_reader_that_is_gone_is_not_waited_for() {
        let mut harness = Harness::default();
        let mut output = harness.output("retry: {output: {failing: {name: one, on: a, how: closed}}}");
        assert_eq!(harness.write(&mut output, &["a"]), "closed");
    }

    #[test]
    fn durations_are_linted() {
        let config = "output:\n  retry:\n    backoff: {max_interval: soon}\n    output: {drop: {}}\n";
        check_lint(config, "(3,1) failed to parse duration string: time: invalid duration \"soon\"\n");
    }
}
