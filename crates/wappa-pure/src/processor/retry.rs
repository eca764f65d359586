//! The processor `retry`.

use std::time::Duration;

use wappa_component::{
    BuildError, BuildProcessor, Component, Context, Level, Logger, Part, Processor, Step, in_chunks, run_children,
};
use wappa_message::{Mark, Message, Value};
use wappa_spec::{ComponentNode, Config, Node, Reader, Rule};

use super::limit;
use crate::back_off::{Attempts, BackOff};

pub(super) const COMPONENT: Component = Component::processor::<RetryConfig>("retry").categories(&["Composition"]);

/// Runs processors on each message, and runs them again on what it was if they fail.
///
/// Each attempt begins with the message as it came in, without a mark. What comes of the last one takes its place, with the
/// metadata `retry_count`, how many attempts failed, and `backoff_duration`, how long all waits were, in nanoseconds.
///
/// # Examples
///
/// ### A service that is not always there
///
/// ```yaml
/// input:
///   stdin: {}
/// pipeline:
///   processors:
///     - retry:
///         max_retries: 3
///         backoff:
///           initial_interval: 10ms
///           max_interval: 100ms
///         processors:
///           - mapping: root = if random_int() % 2 == 0 { throw("not now") }
///     - catch:
///         - log:
///             message: given up after ${! @retry_count } attempts
/// output:
///   stdout: {}
/// ```
///
/// # Errors
///
/// When there have been enough attempts the results of the last one go on, marked as they are.
///
/// # Delivery
///
/// To its processors each message is a batch of its own; behind them the batches are what they were. Several messages go
/// through the processors before the first of them that failed does so again; what is finished goes on when those in front
/// of it and around it are. A stream that gives up at the end of its shutdown does not wait any longer; messages that still
/// did are answered as failed.
///
/// # Pitfalls
///
/// As in Bento, `max_retries` is the number of attempts, the first one included.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct RetryConfig {
    /// How long to wait before an attempt.
    backoff: RetryBackOffConfig,

    /// The processors.
    #[config(child = "processor")]
    processors: Vec<ComponentNode>,

    /// Whether the messages that failed wait together, and not one after the other.
    #[config(default = "false")]
    parallel: bool,

    /// How many attempts there are, if they all fail; 0 for any number.
    #[config(default = "0")]
    max_retries: u64,
}

/// How the waits between attempts grow.
#[derive(Config, Debug)]
#[config(lint = lint_back_off)]
struct RetryBackOffConfig {
    /// The first wait.
    #[config(default = "500ms", example = "50ms", example = "1s")]
    initial_interval: String,

    /// The longest wait.
    #[config(default = "10s", example = "5s", example = "1m")]
    max_interval: String,

    /// How long after the first failure attempts go on; zero for without end.
    #[config(default = "1m", example = "1m", example = "1h")]
    max_elapsed_time: String,
}

impl RetryBackOffConfig {
    fn fields(&self) -> [(&'static str, &str); 3] {
        [
            ("initial_interval", &self.initial_interval),
            ("max_interval", &self.max_interval),
            ("max_elapsed_time", &self.max_elapsed_time),
        ]
    }
}

fn lint_back_off(config: &RetryBackOffConfig, node: &Node, reader: &mut Reader<'_>) {
    for (name, text) in config.fields() {
        if let Err(why) = duration_of(name, text) {
            reader.error(Rule::InvalidValue, node.get(name).unwrap_or(node), why);
        }
    }
}

/// A duration; the error is Bento's.
fn duration_of(name: &str, text: &str) -> Result<Duration, String> {
    crate::duration::parse(text)
        .map_err(|err| format!("failed to parse 'backoff.{name}' as a duration string: {err}"))
}

/// Bento does not start without processors.
fn lint(config: &RetryConfig, node: &Node, reader: &mut Reader<'_>) {
    if config.processors.is_empty() {
        reader.error(Rule::InvalidValue, node.get("processors").unwrap_or(node), NO_PROCESSORS);
    }
}

const NO_PROCESSORS: &str = "at least one child processor must be specified";

impl BuildProcessor for RetryConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Processor>, BuildError> {
        if self.processors.is_empty() {
            return Err(BuildError::new(NO_PROCESSORS));
        }
        let mut durations = [Duration::ZERO; 3];
        for (duration, (name, text)) in durations.iter_mut().zip(self.backoff.fields()) {
            *duration = duration_of(name, text).map_err(BuildError::new)?;
        }
        let [initial, longest, elapsed] = durations;
        Ok(Box::new(Retry {
            back_off: BackOff::of_attempts(initial, longest, elapsed, self.max_retries).ending_in(ctx),
            children: ctx.processors("retry.processors", &self.processors)?,
            is_parallel: self.parallel,
            logger: ctx.logger(),
        }))
    }
}

struct Retry {
    back_off: BackOff,
    children: Vec<Box<dyn Processor>>,
    is_parallel: bool,
    logger: Logger,
}

/// One message and its attempts.
struct Trial {
    original: Message,
    attempts: Attempts,
    waited: Duration,
    state: State,
}

enum State {
    /// It is tried again at this time.
    Waits(Duration),
    Done(Vec<Message>),
}

impl Trial {
    fn new(mut original: Message) -> Trial {
        original.clear_error();
        Trial { original, attempts: Attempts::default(), waited: Duration::ZERO, state: State::Waits(Duration::ZERO) }
    }

    /// When it is tried again, if it is.
    fn due(&self) -> Option<Duration> {
        match self.state {
            State::Waits(due) => Some(due),
            State::Done(_) => None,
        }
    }

    /// What there is of it. Of one that was interrupted it is the message.
    fn into_messages(self) -> Vec<Message> {
        match self.state {
            State::Waits(_) => vec![self.original],
            State::Done(messages) => messages,
        }
    }
}

impl Retry {
    /// Runs a part, each message by itself, and returns how many leading batches are finished.
    fn run(&self, part: &mut Part, step: &mut Step<'_>) -> usize {
        let messages = part.messages_mut().iter_mut().map(std::mem::take);
        let mut trials: Vec<Trial> = messages.map(Trial::new).collect();
        let all: Vec<usize> = (0..trials.len()).collect();
        let mut n_finished = self.attempt(&mut trials, &all, step);
        if self.is_parallel {
            n_finished = self.wait_together(&mut trials, n_finished, step);
        } else {
            for idx in 0..n_finished {
                if !self.wait_for(&mut trials, idx, step) {
                    n_finished = idx;
                    break;
                }
            }
        }
        let done = part.batches_within(n_finished);
        let mut trials = trials.into_iter();
        part.replace_each(|_, out| {
            out.extend(trials.next().expect("one for each message").into_messages());
        });
        done
    }

    /// Tries one message until it is done; `false`: interrupted.
    fn wait_for(&self, trials: &mut [Trial], idx: usize, step: &mut Step<'_>) -> bool {
        while let Some(due) = trials[idx].due() {
            if !wait_until(due, step) {
                return false;
            }
            // What an attempt that failed has made is gone.
            let (growth, charges) = (step.growth(), step.take_charges());
            if self.attempt(trials, &[idx], step) == 0 {
                step.put_charges(charges);
                return false;
            }
            if trials[idx].due().is_some() {
                step.begin_part(growth);
                drop(step.take_charges());
            }
            step.put_charges(charges);
        }
        true
    }

    /// Tries the first so many messages until they are done, each when its time has come, and returns how many leading ones
    /// are.
    fn wait_together(&self, trials: &mut [Trial], n: usize, step: &mut Step<'_>) -> usize {
        let first_waiting = |trials: &[Trial]| trials[..n].iter().position(|it| it.due().is_some()).unwrap_or(n);
        while let Some(due) = trials[..n].iter().filter_map(Trial::due).min() {
            if !wait_until(due, step) {
                return first_waiting(trials);
            }
            let now = step.now();
            let is_due = |idx: &usize| trials[*idx].due().is_some_and(|due| due <= now);
            let chosen: Vec<usize> = (0..n).filter(is_due).collect();
            if self.attempt(trials, &chosen, step) < chosen.len() {
                return first_waiting(trials);
            }
        }
        n
    }

    /// Tries messages once, and returns how many of them were tried before an interruption.
    fn attempt(&self, trials: &mut [Trial], chosen: &[usize], step: &mut Step<'_>) -> usize {
        let mut view = Part::singles(chosen.iter().map(|idx| trials[*idx].original.clone()).collect());
        let done = run_children(&self.children, &mut view, step);
        view.join_places();
        let n_results: Vec<usize> = (0..done).map(|idx| view.batch(idx).len()).collect();
        let mut results = view.into_messages().into_iter();
        for (idx, n_results) in chosen.iter().zip(n_results) {
            let results: Vec<Message> = results.by_ref().take(n_results).collect();
            self.settle(&mut trials[*idx], results, step);
        }
        done
    }

    /// An attempt gave these results.
    fn settle(&self, trial: &mut Trial, mut results: Vec<Message>, step: &mut Step<'_>) {
        let now = step.now();
        if let Some(mark) = results.iter().find_map(Message::error) {
            if let Some(due) = trial.attempts.fail(&self.back_off, now) {
                let wait = due.saturating_sub(now);
                trial.waited += wait;
                trial.state = State::Waits(due);
                let fields = [("backoff", format!("{wait:?}").into()), ("error", mark.as_str().into())];
                self.logger.log_with(Level::Debug, "Error occurred, sleeping for next backoff period.", &fields);
                return;
            }
            let fields = [("error", mark.as_str().into())];
            self.logger.log_with(Level::Debug, "Error occurred and there were enough attempts.", &fields);
        }
        let waited = i64::try_from(trial.waited.as_nanos()).unwrap_or(i64::MAX);
        let n_failed = i64::try_from(trial.attempts.n_failed()).unwrap_or(i64::MAX);
        for message in &mut results {
            let told = [("retry_count", n_failed), ("backoff_duration", waited)];
            let set = |(key, n)| limit::set_metadata(step, message, key, Value::Int(n));
            if let Err(why) = told.into_iter().try_for_each(set) {
                step.mark(message, Mark::new(why));
            }
        }
        trial.state = State::Done(results);
    }
}

/// Waits until it is that time; `false`: interrupted.
fn wait_until(due: Duration, step: &Step<'_>) -> bool {
    let wait = due.saturating_sub(step.now());
    if wait.is_zero() { !step.is_interrupted() } else { step.sleep(wait) }
}

impl Processor for Retry {
    fn process(&self, part: &mut Part, step: &mut Step<'_>) -> usize {
        in_chunks(part, step, |part, step| self.run(part, step))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use wappa_component::Pulse;

    use crate::test::{Harness, check_interrupted, check_lint, check_process};

    /// The content, the mark and the metadata that a retry leaves.
    const SEEN: &str = "{mutation: 'root = content().string() + \" \" + @retry_count.string() + \" \" + \
                        (@backoff_duration / 1000000).string()'}";

    fn retry(fields: &str, mapping: &str) -> String {
        format!("retry: {{{fields}, processors: [{{append: x}}, {{mutation: '{mapping}'}}]}}")
    }

    #[test]
    fn what_fails_is_tried_again_as_it_was() {
        let mut harness = Harness::default();
        // The third attempt of the second message is the first that does not fail.
        let mapping = r#"root = if content() == "bx" && count("what_fails_is_tried_again") < 3 { throw("not yet") }"#;
        let config = format!("processors: [{{{}}}, {SEEN}]", retry("max_retries: 5", mapping));
        assert_eq!(harness.process(&config, &["a|b", "c"]), "ax 0 0|bx 2 1250\ncx 0 0\n");
        assert_eq!(harness.time.now().as_millis(), 1250);
    }

    #[test]
    fn attempts_come_to_an_end() {
        let fails = r#"root = throw("no")"#;
        for (fields, n_failed, waited) in [
            ("max_retries: 1", 1, 0),
            ("max_retries: 3, backoff: {initial_interval: 100ms, max_interval: 120ms}", 3, 220),
            ("backoff: {initial_interval: 100ms, max_interval: 200ms, max_elapsed_time: 500ms}", 4, 450),
        ] {
            let config = format!("processors: [{{{}}}, {SEEN}]", retry(fields, fails));
            let expected = format!("ax {n_failed} {waited}[failed assignment (line 1): no]\n");
            assert_eq!(Harness::default().process(&config, &["a"]), expected, "{fields}");
        }
    }

    #[test]
    fn messages_wait_one_after_the_other_or_together() {
        for (parallel, ms) in [("false", 400), ("true", 200)] {
            let mut harness = Harness::default();
            let fields = format!("parallel: {parallel}, max_retries: 3, backoff: {{initial_interval: 100ms, max_interval: 100ms}}");
            let config = retry(&fields, r#"root = if content() != "bx" { throw("no") }"#);
            let failed = "[failed assignment (line 1): no]";
            let output = harness.process(&config, &["a|b|c", "d"]);
            assert_eq!(output, format!("ax{failed}|bx|cx{failed}\ndx{failed}\n"));
            assert_eq!(harness.time.now().as_millis(), ms);
        }
    }

    #[test]
    fn a_mark_from_before_is_none() {
        check_process("retry: {processors: [{append: x}]}", &["a!"], "ax\n");
    }

    #[test]
    fn what_is_filtered_or_multiplied_has_not_failed() {
        check_process("retry: {processors: [{filter_on: a}, {double: {}}]}", &["a|b", "a"], "b|b\n-\n");
    }

    #[test]
    fn what_is_finished_before_an_interruption_goes_on() {
        check_interrupted("retry: {processors: [{interrupt: b}, {append: '1'}]}", &["a|a", "a|b", "a"], "a1|a1\n");
        for parallel in ["false", "true"] {
            let mut harness = Harness::default();
            harness.time.is_interrupted.store(true, Ordering::Relaxed);
            let config = retry(&format!("parallel: {parallel}"), r#"root = if content() == "bx" { throw("no") }"#);
            assert_eq!(harness.process(&config, &["a|c", "a", "a|b", "c"]), "ax|cx\nax\n", "{parallel}");
        }
    }

    #[test]
    fn lints() {
        let lint = |body: &str, expected: &str| {
            check_lint(&format!("pipeline:\n  processors:\n    - retry:\n        {body}\n"), expected);
        };
        lint("processors: [{noop: {}}]", "");
        lint("processors: []", "(4,1) at least one child processor must be specified\n");
        lint(
            "{processors: [{noop: {}}], backoff: {max_interval: 1d}}",
            "(4,1) failed to parse 'backoff.max_interval' as a duration string: time: unknown unit \"d\" in duration \"1d\"\n",
        );
    }
}
