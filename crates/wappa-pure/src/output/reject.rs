//! The output `reject`.

use wappa_component::{
    BuildError, BuildOutput, Component, ConnectError, Context, Delivery, Output, Step, WriteError, interpolate,
};
use wappa_message::{Mark, Message};
use wappa_spec::{Config, Interpolated, Node, Reader, Rule};

pub(super) const COMPONENT: Component = Component::output::<RejectConfig>("reject").categories(&["Utility"]);

/// Turns away all messages, with a reason.
///
/// What is turned away was not delivered, and the input hears of it. The reason may hold interpolations, which are
/// evaluated for each message.
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
    if config.0.parts().is_empty() {
        reader.error(Rule::Custom, node, NO_REASON);
    }
}

impl BuildOutput for RejectConfig {
    fn build(self, _: &mut Context<'_>) -> Result<Box<dyn Output>, BuildError> {
        match self.0.parts() {
            [] => Err(BuildError::new(NO_REASON)),
            _ => Ok(Box::new(Reject(self.0))),
        }
    }
}

struct Reject(Interpolated);

impl Output for Reject {
    fn connect(&mut self) -> Result<(), ConnectError> {
        Ok(())
    }

    fn write(&mut self, delivery: Delivery, _: &mut Step<'_>) {
        let fixed = self.0.as_literal().map(|it| Mark::new(it.to_string()));
        let reason = |message: &Message| match &fixed {
            Some(mark) => mark.clone(),
            None => Mark::new(String::from_utf8_lossy(&interpolate(&self.0, message)).into_owned()),
        };
        let rejected = delivery.messages().iter().map(reason).enumerate().collect();
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
    }

    #[test]
    fn a_reason_is_needed() {
        let text = "an error message must be provided in order to provide context for the rejection";
        check_lint("output:\n  reject: ''\n", &format!("(2,1) {text}\n"));
    }
}
