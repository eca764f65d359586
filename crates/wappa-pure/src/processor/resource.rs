//! The processor `resource`.

use wappa_component::{BuildError, BuildProcessor, Component, Context, Processor};
use wappa_spec::Config;

// The resource itself is counted and logged, for all who use it together.
pub(super) const COMPONENT: Component =
    Component::processor::<ResourceConfig>("resource").categories(&["Utility"]).unobserved();

/// Runs the processor resource with this label.
///
/// All who refer to a resource share one instance of it, with its state, its limits and its metrics.
///
/// # Examples
///
/// ### One processor in two places
///
/// ```yaml
/// input:
///   stdin: {}
/// pipeline:
///   processors:
///     - resource: tell
///     - noop: {}
///     - resource: tell
/// output:
///   stdout: {}
/// processor_resources:
///   - label: tell
///     log:
///       message: ${! content() }
/// ```
#[derive(Config, Debug)]
struct ResourceConfig(#[config(default = "\"\"", label_of = "processor")] String);

impl BuildProcessor for ResourceConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Processor>, BuildError> {
        ctx.processor_resource(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use wappa_spec::ComponentKind;

    use crate::test::Harness;

    #[test]
    fn runs_the_resource() {
        let mut harness = Harness::default();
        harness.resource(ComponentKind::Processor, "{label: one, append: '1'}");
        assert_eq!(harness.process("try: [{resource: one}, {resource: one}]", &["a"]), "a11\n");
        let err = harness.processor("resource: two").err().map(|it| it.to_string()).unwrap_or_default();
        assert!(err.contains("two"), "{err}");
    }
}
