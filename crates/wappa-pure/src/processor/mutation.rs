//! The processor `mutation`.

use wappa_bloblang::Program;
use wappa_component::{BuildError, BuildProcessor, Component, Context, Processor};
use wappa_spec::{Config, Mapping};

use super::mapping::Mapper;

pub(super) const COMPONENT: Component =
    Component::processor::<MutationConfig>("mutation").categories(&["Mapping", "Parsing"]);

/// Changes the document of each message as a mapping says, in the language Bloblang.
///
/// Unlike with `mapping`, `root` is the document from the beginning, and `this` sees what was changed already.
/// So only what changes is written down.
///
/// # Examples
///
/// ### Drop a field and set another one
///
/// ```yaml
/// input:
///   stdin: {}
/// pipeline:
///   processors:
///     - mutation: |
///         root.password = deleted()
///         root.seen = true
/// output:
///   stdout: {}
/// ```
///
/// # Errors
///
/// A message on which the mapping fails stays as it was, also where some assignments were done before; Bento keeps those.
#[derive(Config, Debug)]
struct MutationConfig(Mapping);

impl BuildProcessor for MutationConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Processor>, BuildError> {
        Ok(Mapper::boxed(self.0, Program::mutate, ctx))
    }
}
