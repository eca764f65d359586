//! The output `reject`.

use wappa_component::{
    BuildError, BuildOutput, Component, ConnectError, Context, Delivery, Logger, Output, Step, WriteError,
};
use wappa_message::Mark;
use wappa_spec::{Config, Interpolated, Node, Reader, Rule};

pub(super) const COMPONENT: Component = Component::output::<RejectConfig>("reject").categories(&["Utility"]);

/// Turns away all messages, with a reason.
///
/// What is turned away was not delivered, and the input hears of it. The reason may hold interpolations, which are
/// evaluated for each message; it is cut behind 4 KiB.
///
/// # Examples
///
/// ### What one output does not take is turned away, with the reason
///
/// ```yaml
/// input:
///   stdin:
///     auto_replay_nacks: false
/// output:
///   fallback:
///     - reject_errored:
///         stdout: {}
///     - reject: 'not delivered: ${! @fallback_error }'
/// ```
///
/// # Delivery
///
/// An input that replays delivers the messages again at once, for as long as they are turned away. It is no fault of the
/// output, and is logged at the level `DEBUG`.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct RejectConfig(#[config(default = "\"\"")] Interpolated);

const NO_REASON: &str = "an error message must be provided in order to provide context for the rejection";

fn lint(config: &RejectConfig, node: &Node, reader: &mut Reader<'_>) {
    if config.0.as_literal() == Some("") {
        reader.error(Rule::Custom, node, NO_REASON);
    }
}

impl BuildOutput for RejectConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Output>, BuildError> {
        match self.0.as_literal() {
            Some("") => Err(BuildError::new(NO_REASON)),
            _ => Ok(Box::new(Reject { reason: self.0, logger: ctx.logger() })),
        }
    }
}

/// The longest reason, in bytes: many messages may have theirs at a time.
const REASON_BYTES_MAX: usize = 4096;

fn told(mut reason: String) -> Mark {
    if REASON_BYTES_MAX < reason.len() {
        reason.truncate(reason.floor_char_boundary(REASON_BYTES_MAX));
        reason.push('…');
        reason.shrink_to_fit();
    }
    Mark::new(reason)
}

struct Reject {
    reason: Interpolated,
    logger: Logger,
}

impl Output for Reject {
    fn connect(&mut self) -> Result<(), ConnectError> {
        Ok(())
    }

    fn write(&mut self, mut delivery: Delivery, _: &mut Step<'_>) {
        let fixed = self.reason.as_literal().map(|it| told(it.to_string()));
        let mut rejected = Vec::with_capacity(delivery.part().n_messages());
        delivery.part_mut().see_each(|batch, place| {
            let reason = match &fixed {
                Some(mark) => mark.clone(),
                None => told(self.reason.evaluate_text(batch, place).unwrap_or_else(|failure| {
                    self.logger.failed(&format!("Reject message interpolation error: {failure}"));
                    format!("reject message interpolation error: {failure}")
                })),
            };
            rejected.push((rejected.len(), reason));
        });
        delivery.answer(Err(WriteError::Rejected(rejected)));
    }
}

#[cfg(test)]
mod tests {
    use crate::test::{Harness, check_lint};

    #[test]
    fn every_message_has_its_reason() {
        let mut harness = Harness::default();
        let mut output = harness.output("reject: 'not today'");
        assert_eq!(harness.write(&mut output, &["a|b", "c"]), "failed: not today");
        let mut output = harness.output("reject: 'no ${! content() }: ${! error() }'");
        assert_eq!(harness.write(&mut output, &["a|b!"]), "partial: 0: no a: null, 1: no b: b is bad");
        let mut output = harness.output("reject: '${! this.n + batch_index() }'");
        let failed = "context was undefined, unable to reference `n`";
        let expected = format!("partial: 0: 5, 1: 7, 2: reject message interpolation error: {failed}");
        assert_eq!(harness.write(&mut output, &[r#"{"n":5}|{"n":6}|x"#]), expected);
        assert!(harness.log.take().contains(&format!("Error Reject message interpolation error: {failed}")));
    }

    #[test]
    fn a_reason_is_cut() {
        let mut harness = Harness::default();
        let mut output = harness.output("reject: '${! content().repeat(5000) }'");
        let expected = format!("partial: 0: {}…, 1: {}…", "a".repeat(4096), "ä".repeat(2048));
        assert_eq!(harness.write(&mut output, &["a", "ä"]), expected);
    }

    #[test]
    fn a_reason_is_needed() {
        let text = "an error message must be provided in order to provide context for the rejection";
        check_lint("output:\n  reject: ''\n", &format!("(2,1) {text}\n"));
    }
}
