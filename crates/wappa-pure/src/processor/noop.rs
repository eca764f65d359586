//! The processor `noop`.

use wappa_component::{BuildError, BuildProcessor, Component, Context, Part, Processor, Step};
use wappa_spec::Config;

// As in Bento, it has no metrics.
pub(super) const COMPONENT: Component =
    Component::processor::<NoopConfig>("noop").categories(&["Utility"]).unobserved();

/// Does nothing.
///
/// It stands where a processor is required and none is wanted.
///
/// # Examples
///
/// ### A place for a processor to come
///
/// ```yaml
/// input:
///   stdin: {}
/// pipeline:
///   processors:
///     - noop: {}
/// output:
///   stdout: {}
/// ```
#[derive(Config, Debug)]
struct NoopConfig;

impl BuildProcessor for NoopConfig {
    fn build(self, _: &mut Context<'_>) -> Result<Box<dyn Processor>, BuildError> {
        Ok(Box::new(Noop))
    }
}

struct Noop;

impl Processor for Noop {
    fn process(&self, part: &mut Part, _: &mut Step<'_>) -> usize {
        part.n_batches()
    }
}

#[cfg(test)]
mod tests {
    use crate::test::check_process;

    #[test]
    fn does_nothing() {
        check_process("noop: {}", &["a", "", "b|c"], "a\n\"\"\nb|c\n");
        check_process("noop: ''", &["a"], "a\n");
    }
}
