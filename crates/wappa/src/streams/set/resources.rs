//! Resources: those that all streams have together, and those that each builds for itself.

use std::sync::PoisonError;

use wappa_engine::BuildRequest;
use wappa_spec::{ComponentKind, ComponentNode, Registry, Resources, Restricted, StreamConfig};

use super::{Refusal, Streams};
use crate::table;

/// How many resources may be added by requests.
const RESOURCES_MAX: usize = 1_000;

impl Streams {
    /// Adds a resource, or replaces the one of its label.
    pub(crate) fn put_resource(&self, mut node: ComponentNode, label: &str) -> Result<(), Refusal> {
        node.label = label.to_string();
        let _alone = self.whole.write().unwrap_or_else(PoisonError::into_inner);
        let mut state = self.lock();
        let others = state.resources.clone();
        let of_others = [
            (ComponentKind::Input, &others.inputs),
            (ComponentKind::Processor, &others.processors),
            (ComponentKind::Output, &others.outputs),
        ];
        let is_other =
            of_others.iter().any(|(kind, all)| *kind != node.kind && all.iter().any(|it| it.label == label));
        let of_shared = self.around.shared.labels();
        let is_other_shared = of_shared.iter().any(|(kind, it)| *kind != node.kind && it == label);
        if is_other || is_other_shared {
            return Err(Refusal::Mistake(format!(
                "{} resource label '{label}' collides with a previously defined resource",
                node.kind
            )));
        }
        let is_there =
            of_others.iter().any(|(kind, all)| *kind == node.kind && all.iter().any(|it| it.label == label))
                || of_shared.iter().any(|(kind, it)| *kind == node.kind && it == label);
        if !is_there {
            if RESOURCES_MAX <= state.n_added {
                let text =
                    format!("no more than {RESOURCES_MAX} resources can be added while the process runs");
                return Err(Refusal::Mistake(text));
            }
            state.n_added += 1;
        }
        let list = match node.kind {
            ComponentKind::Input => &mut state.resources.inputs,
            ComponentKind::Processor => &mut state.resources.processors,
            ComponentKind::Output => &mut state.resources.outputs,
            kind => {
                drop(state);
                let resources = match kind {
                    ComponentKind::Cache => Resources { caches: vec![node], ..Resources::default() },
                    _ => Resources { rate_limits: vec![node], ..Resources::default() },
                };
                return self.build_shared(resources).map_err(Refusal::Failed);
            }
        };
        match list.iter_mut().find(|it| it.label == label) {
            Some(found) => *found = node,
            None => list.push(node),
        }
        Ok(())
    }

    pub(super) fn build_shared(&self, resources: Resources) -> Result<(), String> {
        let config = StreamConfig { resources, ..self.around.config.clone() };
        let table = self.around.table()?;
        let restricted = Restricted(&table);
        let registry: &dyn Registry = if config.is_restricted { &restricted } else { &table };
        let request = BuildRequest {
            config: &config,
            components: table::table(),
            registry,
            logger: self.around.logger.clone(),
            metrics: self.around.metrics.clone(),
            services: self.services_of(None),
            setting: &self.around.setting,
        };
        wappa_engine::build_shared(request, &self.around.shared).map_err(|err| err.to_string())
    }
}
