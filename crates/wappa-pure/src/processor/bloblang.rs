//! The processor `bloblang`: the old name of `mapping`.

use wappa_bloblang::Program;
use wappa_component::{BuildError, BuildProcessor, Component, Context, Processor};
use wappa_spec::{Config, Mapping};

use super::mapping::Mapper;

pub(super) const COMPONENT: Component =
    Component::processor::<BloblangConfig>("bloblang").categories(&["Mapping", "Parsing"]);

/// Makes of each message what a mapping says: the old name of `mapping`.
///
/// # Examples
///
/// ### One field of each document
///
/// ```yaml
/// input:
///   stdin: {}
/// pipeline:
///   processors:
///     - bloblang: root = this.user
/// output:
///   stdout: {}
/// ```
#[derive(Config, Debug)]
struct BloblangConfig(Mapping);

impl BuildProcessor for BloblangConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Processor>, BuildError> {
        Ok(Mapper::boxed(self.0, Program::map_over, ctx))
    }
}
