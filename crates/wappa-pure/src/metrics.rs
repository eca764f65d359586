//! Metrics exporters that need no connection. The program runs them; here they are listed.

use wappa_component::Component;
use wappa_spec::builtin::{LoggerMetrics, NoMetrics};

const LOGGER: Component = Component::metrics::<LoggerMetrics>("logger");
const NONE: Component = Component::metrics::<NoMetrics>("none");

/// In the order of the documentation's index.
pub(crate) const COMPONENTS: &[&Component] = &[&LOGGER, &NONE];
