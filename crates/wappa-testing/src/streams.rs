//! Streams of certain components.

use std::sync::Arc;

use wappa_component::{Component, Level, LogSink, Logger, Metrics, Services, Taps};
use wappa_engine::{Activity, BuildRequest, Setting, World};
use wappa_spec::{LintOptions, Registry, Restricted, Source, Spec, StreamConfig};

use crate::{Log, Running};

/// The components that streams are made of, and what is heard of them.
#[derive(Debug)]
pub struct Streams {
    components: &'static [&'static Component],
    specs: Vec<&'static Spec>,
    least: Level,
}

/// What is around a stream that is about to be built.
#[derive(Debug)]
pub struct Around<'a> {
    /// What is to be built.
    pub config: &'a StreamConfig,
    /// Where it will log.
    pub logger: &'a Logger,
    /// What it will count.
    pub metrics: &'a Metrics,
    /// Who may look at its messages.
    pub taps: &'a Taps,
    /// What it will be doing.
    pub activity: &'a Activity,
    /// What its components will share.
    pub services: &'a mut Services,
}

impl Streams {
    /// Streams of these, which log what is at least an information.
    pub fn of(components: impl IntoIterator<Item = &'static Component>) -> Streams {
        let components: &[&Component] = components.into_iter().collect::<Vec<_>>().leak();
        Streams { components, specs: components.iter().map(|it| &it.spec).collect(), least: Level::Info }
    }

    /// The same, which log also what helps to find faults.
    #[must_use]
    pub fn with_debug_lines(self) -> Streams {
        Streams { least: Level::Debug, ..self }
    }

    /// What they are made of.
    pub fn components(&self) -> &'static [&'static Component] {
        self.components
    }

    /// What is wrong with a config, a line each.
    ///
    /// # Panics
    ///
    /// Where it is no YAML.
    pub fn lint(&self, config: &str) -> String {
        lint(config, &self.specs)
    }

    /// The same, of one that is not trusted.
    ///
    /// # Panics
    ///
    /// Where it is no YAML.
    pub fn lint_restricted(&self, config: &str) -> String {
        lint(config, &Restricted(&self.specs))
    }

    /// Begins a stream.
    ///
    /// # Panics
    ///
    /// Where something is wrong with the config, and where the stream cannot be built.
    pub fn start(&self, config: &str) -> Running {
        self.try_start(config).unwrap_or_else(|err| panic!("the stream cannot be built: {err}"))
    }

    /// The same, or why it cannot be built.
    ///
    /// # Errors
    ///
    /// What a component said.
    ///
    /// # Panics
    ///
    /// Where something is wrong with the config.
    pub fn try_start(&self, config: &str) -> Result<Running, String> {
        self.build(config, |_| ()).map(|it| it.0)
    }

    /// Begins a stream once what it needs around it is there.
    ///
    /// # Panics
    ///
    /// As for [`Streams::start`].
    pub fn start_within<T>(&self, config: &str, prepare: impl FnOnce(Around<'_>) -> T) -> (Running, T) {
        self.build(config, prepare).unwrap_or_else(|err| panic!("the stream cannot be built: {err}"))
    }

    fn build<T>(&self, config: &str, prepare: impl FnOnce(Around<'_>) -> T) -> Result<(Running, T), String> {
        let config = self.read(config);
        let restricted = Restricted(&self.specs);
        let registry: &dyn Registry = if config.is_restricted { &restricted } else { &self.specs };
        let log = Arc::new(Log::new(self.least));
        let logger = Logger::new(Arc::clone(&log) as Arc<dyn LogSink>);
        let (metrics, taps, mut services) = (Metrics::default(), Taps::default(), Services::default());
        let world = World::real().expect("a thread can be started");
        let setting = Setting::new(&world).expect("a descriptor can be had").tapped_by(&taps);
        let prepared = prepare(Around {
            config: &config,
            logger: &logger,
            metrics: &metrics,
            taps: &taps,
            activity: setting.activity(),
            services: &mut services,
        });
        let request = BuildRequest {
            config: &config,
            components: self.components,
            registry,
            logger,
            metrics: metrics.clone(),
            services: services.clone(),
            setting: &setting,
        };
        let (stream, tally) = wappa_engine::build(request).map_err(|err| err.to_string())?;
        Ok((Running::new(stream, log, setting.stop().clone(), tally, (metrics, services)), prepared))
    }

    fn read(&self, config: &str) -> StreamConfig {
        let source = Source::read(config.as_bytes(), |_| None).expect("the test's YAML is sound");
        let linted = source.stream(&self.specs, LintOptions::default());
        let errors: Vec<_> = linted.lints.iter().filter(|it| it.is_error()).collect();
        assert!(errors.is_empty(), "{errors:?}");
        linted.config.expect("a config without errors can be read")
    }
}

fn lint(config: &str, registry: &dyn Registry) -> String {
    let source = Source::read(config.as_bytes(), |_| None).expect("the test's YAML is sound");
    let lints = source.stream(registry, LintOptions::default()).lints;
    lints.iter().map(|it| format!("{it}\n")).collect()
}
