//! The output `resource`.

use wappa_component::{BuildError, BuildOutput, Component, Context, Output};
use wappa_spec::Config;

// The resource itself is counted and logged.
pub(super) const COMPONENT: Component =
    Component::output::<ResourceConfig>("resource").categories(&["Utility"]).unobserved();

/// Writes to the output resource with this label.
///
/// # Examples
///
/// ### An output that is described elsewhere
///
/// ```yaml
/// input:
///   stdin: {}
/// output:
///   resource: archive
/// output_resources:
///   - label: archive
///     file:
///       path: ./archive.txt
/// ```
#[derive(Config, Debug)]
struct ResourceConfig(#[config(default = "\"\"", label_of = "output")] String);

impl BuildOutput for ResourceConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Output>, BuildError> {
        ctx.output_resource(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use wappa_spec::ComponentKind;

    use crate::test::Harness;

    #[test]
    fn writes_to_the_resource() {
        let mut harness = Harness::default();
        harness.resource(ComponentKind::Output, "{label: one, failing: {name: one, on: b}}");
        let mut output = harness.output("resource: one");
        assert_eq!(harness.write(&mut output, &["a", "b"]), "partial: 1: one failed");
        assert!(harness.try_output("resource: two").is_err());
    }
}
