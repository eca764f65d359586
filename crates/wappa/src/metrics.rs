//! When metrics are sent: at the intervals of the exporter that the config names, and at the end.

use std::time::{Duration, Instant};

use wappa_component::{Build, Exporter, Logger, Metrics};
use wappa_spec::{ComponentNode, Registry};

use crate::table;

/// Sends metrics where the config says.
pub(crate) struct Push {
    metrics: Metrics,
    exporter: Box<dyn Exporter>,
    next: Option<Instant>,
}

impl Push {
    /// Builds the exporter that a config names.
    pub(crate) fn new(
        node: &ComponentNode,
        registry: &dyn Registry,
        metrics: Metrics,
        logger: &Logger,
    ) -> Result<Push, String> {
        let is_named = |spec: &wappa_spec::Spec| spec.kind == node.kind && spec.name == node.name;
        let component = table::table().iter().find(|it| is_named(&it.spec));
        let Some(Build::Exporter(build)) = component.map(|it| it.build) else {
            return Err(format!("there is no {} `{}`", node.kind, node.name));
        };
        let exporter = build(&node.body, registry, logger.clone()).map_err(|err| err.to_string())?;
        let mut push = Push { metrics, exporter, next: None };
        push.plan();
        Ok(push)
    }

    /// How long until metrics are to be sent; nothing where only the end counts.
    pub(crate) fn until_next(&self) -> Option<Duration> {
        self.next.map(|it| it.saturating_duration_since(Instant::now()))
    }

    /// Sends what there is.
    pub(crate) fn push(&mut self) {
        self.exporter.push(&self.metrics);
        self.plan();
    }

    fn plan(&mut self) {
        let interval = self.exporter.interval().filter(|it| !it.is_zero());
        self.next = interval.and_then(|it| Instant::now().checked_add(it));
    }
}
