//! The tracer that the config names.

use wappa_component::{Build, Logger, Metrics, Tracer};
use wappa_spec::{ComponentNode, Registry};

use crate::table;

/// Builds it.
pub(crate) fn of(
    node: &ComponentNode,
    registry: &dyn Registry,
    logger: &Logger,
    metrics: &Metrics,
) -> Result<Tracer, String> {
    let component = table::table().iter().find(|it| it.spec.kind == node.kind && it.spec.name == node.name);
    match component.map(|it| it.build) {
        Some(Build::Tracer(build)) => {
            build(&node.body, registry, logger.clone(), metrics).map_err(|err| err.to_string())
        }
        // The one that needs no code, or one of Bento's, of which a lint has told.
        _ => Ok(Tracer::default()),
    }
}
