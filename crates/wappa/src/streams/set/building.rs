//! Builds streams, and begins what was built.

use std::{num::NonZero, sync::Arc, thread};

use wappa_component::{Metrics, Services, cause};
use wappa_engine::{BuildRequest, Setting};
use wappa_pure::share_pipes;
use wappa_spec::{Registry, Restricted, StreamPart, scrub};

use super::{
    super::one::{Prepared, Running},
    Refusal, Streams, Submitted,
    bounds::check_spare_files,
    closed,
};
use crate::{table, wasm};

/// A stream that is built and not begun.
pub(super) struct Built {
    pub(super) prepared: Prepared,
    stream: wappa_engine::Stream,
}

/// The series of a stream that was not begun are gone with it.
pub(super) struct Unused<'a>(pub(super) Option<&'a Metrics>);

impl Drop for Unused<'_> {
    fn drop(&mut self) {
        if let Some(metrics) = self.0.take() {
            metrics.retire();
        }
    }
}

impl Streams {
    /// What components of a stream are built with; or those of the resources that all have together.
    pub(super) fn services_of(&self, id: Option<&str>) -> Services {
        let mut services = Services::default();
        share_pipes(&self.services, &mut services);
        services.insert(Arc::clone(&self.around.shared));
        services.insert(Arc::new(self.around.tracer.clone()));
        if id.is_some() {
            services.insert(Arc::clone(&self.components));
        }
        self.lent.provide(&mut services, id, self.around.bounds.has_prefix);
        services
    }

    pub(super) fn build(&self, id: &str, submitted: Submitted) -> Result<Built, Refusal> {
        let _building = self.begin_building()?;
        let Submitted { part, source, stamp } = submitted;
        let bounds = self.around.bounds;
        let mut config = self.around.config.around(part);
        config.resources = self.lock().resources.clone();
        let asked = usize::try_from(config.pipeline.threads).unwrap_or(0);
        if bounds.threads_max < asked {
            return Err(Refusal::Mistake(format!(
                "the pipeline of a stream has at most {} threads, not {asked} (`--max-stream-threads`)",
                bounds.threads_max
            )));
        }
        if asked == 0 {
            let n_processors = thread::available_parallelism().map_or(1, NonZero::get);
            config.pipeline.threads = n_processors.min(bounds.threads_max) as i64;
        }
        // One more that waits for its end, and one that fills a buffer.
        let fills = usize::from(config.buffer.name != "none");
        let n_threads = usize::try_from(config.pipeline.threads).unwrap_or(0) + 1 + fills;
        let threads = self.threads.take(n_threads).map_err(Refusal::Mistake)?;
        let failed = |text: String| Refusal::Failed(text);
        check_spare_files().map_err(failed)?;
        let table = self.around.table().map_err(failed)?;
        let restricted = Restricted(&table);
        let registry: &dyn Registry = if config.is_restricted { &restricted } else { &table };
        let taps = self.lent.taps().of_stream(id);
        let setting = Setting::new(&self.around.world).map_err(|err| failed(cause(&err)))?;
        let setting = setting.tapped_by(&taps).one_of_several();
        let logger = self.around.logger.for_stream(id);
        let mut services = self.services_of(Some(id));
        let providing = wasm::Providing {
            budget: self.around.options.compiling.budget(),
            keeping: self.around.keeping.clone(),
            interrupted: Arc::clone(&self.around.interrupted),
            guest_memory_limit: None,
            pool: Some(self.guest_memory.clone()),
        };
        wasm::provide(&mut services, &config, providing, &logger).map_err(failed)?;
        let metrics = self.around.metrics.of_stream(id);
        let mut unused = Unused(Some(&metrics));
        let request = BuildRequest {
            config: &config,
            components: table::table(),
            registry,
            logger: logger.clone(),
            metrics: metrics.clone(),
            services,
            setting: &setting,
        };
        let (stream, tally) = wappa_engine::build(request).map_err(|err| failed(err.to_string()))?;
        unused.0 = None;
        drop(unused);
        let shown = scrub(&source.node, StreamPart::FIELDS, registry);
        let routes = self.lent.routes_of(id, bounds.has_prefix);
        let prepared = Prepared {
            id: id.to_string(),
            tree: source.node,
            stamp,
            shown,
            stop: setting.stop().clone(),
            activity: setting.activity().clone(),
            tally,
            logger,
            metrics,
            taps,
            routes,
            has_ready_path: bounds.has_prefix,
            _threads: threads,
        };
        Ok(Built { prepared, stream })
    }

    pub(super) fn begin(&self, built: Built) -> Result<(), Refusal> {
        let Built { prepared, stream } = built;
        let (id, metrics) = (prepared.id.clone(), prepared.metrics.clone());
        let mut state = self.lock();
        if state.is_closed {
            metrics.retire();
            return Err(closed());
        }
        // Under the lock, so that whoever closes finds it, or keeps it from prepared.
        match Running::begin(prepared, stream) {
            Ok(running) => {
                state.all.insert(id, running);
                Ok(())
            }
            Err(text) => {
                metrics.retire();
                Err(Refusal::Failed(text))
            }
        }
    }
}
