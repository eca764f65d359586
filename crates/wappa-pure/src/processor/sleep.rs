//! The processor `sleep`.

use std::time::Duration;

use wappa_component::{BuildError, BuildProcessor, Component, Context, Logger, Part, Processor, Step};
use wappa_message::Message;
use wappa_spec::{Config, Interpolated, Lint, Node, Reader, Rule, duration_hint};

use crate::duration;

pub(super) const COMPONENT: Component = Component::processor::<SleepConfig>("sleep").categories(&["Utility"]);

/// Waits a while for each message, and leaves it as it is.
///
/// The waits of a batch come one after the other. A duration that is none is logged as an error, and its message goes
/// on at once; a negative one is no wait.
///
/// # Examples
///
/// ### At most ten messages a second
///
/// ```yaml
/// input:
///   stdin: {}
/// pipeline:
///   threads: 1
///   processors:
///     - sleep:
///         duration: 100ms
/// output:
///   stdout: {}
/// ```
///
/// # Delivery
///
/// What has waited goes on while others wait. A stream that gives up at the end of its shutdown does not wait any
/// longer; messages that still did are answered as failed.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct SleepConfig {
    /// How long to wait for each message.
    #[config(example = "100ms", example = "${! meta(\"delay\") }")]
    duration: Interpolated,
}

/// Such a stream runs, as it does on Bento, and never sleeps.
fn lint(config: &SleepConfig, node: &Node, reader: &mut Reader<'_>) {
    if let Some(Err(err)) = config.duration.as_literal().map(duration::parse) {
        let at = node.get("duration").unwrap_or(node);
        let text = format!("failed to parse duration: {err}");
        let lint = Lint::warning(Rule::InvalidValue, at.pos, text).on(at);
        reader.push(lint.hint(format!("{}; this one is no wait", duration_hint(at.as_str().unwrap_or_default()))));
    }
}

impl BuildProcessor for SleepConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Processor>, BuildError> {
        let fixed = self.duration.as_literal().and_then(|it| duration::parse(it).ok());
        Ok(Box::new(Sleep { duration: self.duration, fixed, logger: ctx.logger() }))
    }
}

/// What is finished goes on before a wait of this length.
const LONG: Duration = Duration::from_millis(1);

struct Sleep {
    duration: Interpolated,
    /// The duration, where it is the same for all messages.
    fixed: Option<Duration>,
    logger: Logger,
}

impl Processor for Sleep {
    fn process(&self, part: &mut Part, step: &mut Step<'_>) -> usize {
        let n_batches = part.n_batches();
        for idx in 0..n_batches {
            let range = part.batch(idx);
            let batch = &mut part.messages_mut()[range];
            for place in 0..batch.len() {
                let duration = self.duration_for(batch, place);
                if LONG <= duration && 0 < idx && place == 0 {
                    return idx;
                }
                if !duration.is_zero() && !step.sleep(duration) {
                    return idx;
                }
            }
            if step.is_due() {
                return idx + 1;
            }
        }
        n_batches
    }
}

impl Sleep {
    fn duration_for(&self, batch: &mut [Message], place: usize) -> Duration {
        if let Some(fixed) = self.fixed {
            return fixed;
        }
        let text = match self.duration.evaluate_text(batch, place) {
            Ok(text) => text,
            Err(failure) => {
                self.logger.failed(&format!("Period interpolation error: {failure}"));
                return Duration::ZERO;
            }
        };
        duration::parse(&text).unwrap_or_else(|err| {
            self.logger.failed(&format!("Failed to parse duration: {err}"));
            Duration::ZERO
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use wappa_component::{Pulse, Step};

    use super::*;
    use crate::test::{Harness, batches, check_lint, text};

    #[test]
    fn waits_for_each_message() {
        let mut harness = Harness::default();
        assert_eq!(harness.process("sleep: {duration: 500ms}", &["a|b|c", "d"]), "a|b|c\nd\n");
        assert_eq!(harness.time.now(), Duration::from_secs(2));
        harness.process("sleep: {duration: '${! content() }'}", &["1s", "-5s", "0"]);
        assert_eq!(harness.time.now(), Duration::from_secs(3));
        assert_eq!(harness.log.take(), "");
    }

    #[test]
    fn what_is_no_duration_is_logged() {
        let mut harness = Harness::default();
        let inputs = ["x", "", "5", "1d", "1h2", "."];
        assert_eq!(harness.process("sleep: {duration: '${! content() }'}", &inputs), text(&batches(&inputs)));
        let expected = r#"time: invalid duration "x"
time: invalid duration ""
time: missing unit in duration "5"
time: unknown unit "d" in duration "1d"
time: invalid duration "1h2"
time: invalid duration "."
"#;
        let prefix = "Error Failed to parse duration: ";
        let log = harness.log.take().replace(prefix, "").replace(" label= path=root.pipeline.processors.0", "");
        assert_eq!(log, expected);
        assert_eq!(harness.process("sleep: {duration: '${! this.wait }'}", &["x"]), "x\n");
        assert!(harness.log.take().starts_with("Error Period interpolation error: context was undefined"));
    }

    #[test]
    fn lints() {
        let lint = |duration: &str, expected: &str| {
            check_lint(&format!("pipeline:\n  processors:\n    - sleep:\n        duration: {duration}\n"), expected);
        };
        lint("1h2m", "");
        lint("'-5s'", "");
        lint("${! content() }", "");
        lint("1d", "(4,1) failed to parse duration: time: unknown unit \"d\" in duration \"1d\"\n");
        lint("5", "(4,1) failed to parse duration: time: missing unit in duration \"5\"\n");
    }

    #[test]
    fn gives_back_what_is_done_when_it_is_due_or_interrupted() {
        let mut harness = Harness::default();
        let processor = harness.processor("sleep: {duration: 1s}").expect("it can be built");
        let short = harness.processor("sleep: {duration: 10us}").expect("it can be built");
        let mut part = batches(&["a", "b|c", "d"]);
        let mut step = Step::new(0, harness.time.as_ref());
        assert_eq!(processor.process(&mut part, &mut step), 1, "what is done does not wait for the others");
        assert_eq!(short.process(&mut part, &mut step), 3);
        harness.time.ticks_per_look.store(1, Ordering::Relaxed);
        step.begin();
        assert_eq!(short.process(&mut part, &mut step), 2);
        harness.time.is_interrupted.store(true, Ordering::Relaxed);
        assert_eq!(processor.process(&mut part, &mut step), 0);
    }
}
