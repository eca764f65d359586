//! The input `resource`.

use wappa_component::{BuildError, BuildInput, Component, Context, Input};
use wappa_spec::Config;

// The resource itself is counted and logged.
pub(super) const COMPONENT: Component =
    Component::input::<ResourceConfig>("resource").categories(&["Utility"]).unobserved();

/// Reads from the input resource with this label.
///
/// # Examples
///
/// ### An input that is described elsewhere
///
/// ```yaml
/// input:
///   resource: lines
/// output:
///   stdout: {}
/// input_resources:
///   - label: lines
///     stdin: {}
/// ```
#[derive(Config, Debug)]
struct ResourceConfig(#[config(default = "\"\"", label_of = "input")] String);

impl BuildInput for ResourceConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Input>, BuildError> {
        ctx.input_resource(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use wappa_spec::ComponentKind;

    use crate::test::{Harness, TempDir};

    #[test]
    fn reads_from_the_resource() {
        let dir = TempDir::new();
        let path = dir.write("a.txt", "a\n");
        let mut harness = Harness::default();
        harness.resource(ComponentKind::Input, &format!("{{label: one, file: {{paths: [{path}]}}}}"));
        let mut input = harness.input("resource: one");
        assert_eq!(harness.read_all(input.as_mut()), "a\nend\n");
        assert!(harness.try_input("resource: two").is_err());
    }
}
