//! The output `drop`.

use wappa_component::{BuildError, BuildOutput, Component, ConnectError, Context, Delivery, Output, Step};
use wappa_spec::Config;

pub(super) const COMPONENT: Component = Component::output::<DropConfig>("drop").categories(&["Utility"]);

/// Takes messages, answers that they arrived, and forgets them.
///
/// # Examples
///
/// ### Only the log
///
/// ```yaml
/// input:
///   stdin: {}
/// pipeline:
///   processors:
///     - log:
///         message: ${! content() }
/// output:
///   drop: {}
/// ```
#[derive(Config, Debug)]
struct DropConfig;

impl BuildOutput for DropConfig {
    fn build(self, _: &mut Context<'_>) -> Result<Box<dyn Output>, BuildError> {
        Ok(Box::new(Drop))
    }
}

struct Drop;

impl Output for Drop {
    fn connect(&mut self) -> Result<(), ConnectError> {
        Ok(())
    }

    fn write(&mut self, delivery: Delivery, _: &mut Step<'_>) {
        delivery.answer(Ok(()));
    }
}

#[cfg(test)]
mod tests {
    use crate::test::Harness;

    #[test]
    fn takes_everything() {
        let mut harness = Harness::default();
        let mut output = harness.output("drop: {}");
        assert_eq!(harness.write(&mut output, &["a", "b|c"]), "delivered");
        assert_eq!(harness.write(&mut harness_output(), &[]), "delivered");
    }

    fn harness_output() -> Box<dyn wappa_component::Output> {
        Harness::default().output("drop: \"\"")
    }
}
