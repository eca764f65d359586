//! What streams have around them.

use std::sync::{Arc, atomic::AtomicBool};

use wappa_component::{Logger, Metrics, Tracer};
use wappa_engine::{Setting, SharedResources, World};
use wappa_spec::{LintOptions, Registry, Restricted, StreamConfig};

use super::bounds::Bounds;
use crate::{
    cli::Options,
    compiling::Keeping,
    config::{Finding, Reading},
    environment::Environment,
    run::is_refused,
    table::{self, Table},
    wasm,
};

/// What streams have around them.
pub(crate) struct Around {
    pub(crate) config: StreamConfig,
    pub(crate) options: Options,
    pub(crate) environment: Environment,
    pub(crate) logger: Logger,
    pub(crate) metrics: Metrics,
    pub(crate) tracer: Tracer,
    pub(crate) keeping: Keeping,
    pub(crate) world: World,
    /// Of the resources that all have together.
    pub(crate) setting: Setting,
    /// Set when a signal has come.
    pub(crate) interrupted: Arc<AtomicBool>,
    /// Caches and rate limits.
    pub(crate) shared: Arc<SharedResources>,
    pub(crate) bounds: Bounds,
}

impl Around {
    /// Whether lints are no reason not to run.
    pub(crate) fn is_chilled(&self) -> bool {
        self.options.chilled && !self.config.is_restricted
    }

    /// Whether findings keep the stream of a file from being run.
    pub(crate) fn refuses(&self, findings: &[Finding]) -> bool {
        is_refused(&self.config, findings, &self.options)
    }

    pub(super) fn table(&self) -> Result<Table, String> {
        let modules = wasm::modules(self.options.compiling.budget())?;
        Ok(table::with_modules(match &self.keeping {
            Keeping::In(cache) => modules.trusting(Arc::clone(cache)),
            Keeping::Nowhere | Keeping::Off => modules,
        }))
    }

    /// Whether what comes by a request is not trusted.
    pub(crate) fn is_api_restricted(&self) -> bool {
        self.bounds.is_api_restricted || self.options.restricted || self.config.is_restricted
    }

    /// Reads with all components, or as what is not trusted.
    pub(super) fn with_reading<T>(
        &self,
        is_restricted: bool,
        read: impl FnOnce(&Reading<'_>) -> T,
    ) -> Result<T, String> {
        let table = self.table()?;
        let restricted = Restricted(&table);
        let is_restricted = is_restricted || self.options.restricted || self.config.is_restricted;
        let registry: &dyn Registry = if is_restricted { &restricted } else { &table };
        Ok(read(&Reading {
            registry,
            environment: &self.environment,
            options: LintOptions::default(),
            guest_memory_limit: None,
            is_around: false,
        }))
    }
}
