//! The exporter that exports nothing.

use wappa_component::{BuildError, BuildExporter, Component, Exporter, Logger, Metrics};
use wappa_spec::Config;

pub(super) const COMPONENT: Component = Component::metrics::<NoMetrics>("none");

/// Sends no metrics.
#[derive(Config, Clone, Copy, Debug)]
struct NoMetrics;

impl BuildExporter for NoMetrics {
    fn build(self, _: Logger) -> Result<Box<dyn Exporter>, BuildError> {
        Ok(Box::new(self))
    }
}

impl Exporter for NoMetrics {
    fn push(&mut self, _: &Metrics) {}
}
