//! `run`: from the flags to a running stream.

use std::{
    borrow::Cow,
    fmt::Display,
    io::{self, IsTerminal, Write},
    process::ExitCode,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use wappa_component::{Level, Logger, Metrics, Progress, Services, Tracer};
use wappa_engine::{BuildRequest, Instead, Setting, Stream, Tally, Totals, World};
use wappa_spec::{
    ComponentNode, LintOptions, Node, Registry, Restricted, StreamConfig, imported_files, printable_lines,
};
use wappa_wasm::processor::place_of;

use crate::{
    cli::Options,
    compiling::Keeping,
    config::{Finding, Loaded, Origin, Reading},
    environment::Environment,
    events::Events,
    globs, lint,
    log::{Log, LogSetting, Target},
    metrics::{self, Push},
    panics, picture,
    progress::{Bar, Drawing},
    service::{Renewal, Renewed, Service},
    serving::Serving,
    table::{self, Table},
    tracing, wasm,
    watcher::{Reloads, Watched},
};

/// The version of the program.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Runs a stream until it is over or stopped.
pub(crate) fn run(options: &Options, environment: &Environment) -> ExitCode {
    let keeping = options.compiling.cache(environment);
    let watched = options.watcher.then(Watched::default);
    let ready = table_for(options, &keeping).and_then(|table| {
        prepare(options, environment, &table, keeping, watched, Purpose::Run).map(|ready| (ready, table))
    });
    match ready {
        Ok((ready, table)) => {
            let logger = ready.logger.clone();
            let ended = start(ready, options, environment, &table, None);
            ended.map(|it| it.code).unwrap_or_else(|text| {
                tell(&logger, &text);
                ExitCode::FAILURE
            })
        }
        Err(code) => code,
    }
}

/// How a run ended.
pub(crate) struct Ended {
    /// What the process is to end with.
    pub(crate) code: ExitCode,
    /// What became of all messages.
    pub(crate) totals: Totals,
    /// How many messages were not delivered.
    pub(crate) undelivered: u64,
}

/// Runs a config on messages from elsewhere than its input, with the log on standard error, and without the HTTP service
/// and the metrics, which are those of the stream that runs for good. `changed` may change the config, or refuse it; a
/// `logger` is told in place of the log what happens from then on. The error was told.
pub(crate) fn run_instead(
    options: &Options,
    environment: &Environment,
    changed: impl FnOnce(&mut StreamConfig) -> Result<(), String>,
    instead: Instead<'_>,
    logger: Option<Logger>,
) -> Result<Ended, ExitCode> {
    let keeping = options.compiling.cache(environment);
    let table = table_for(options, &keeping)?;
    let mut ready = prepare(options, environment, &table, keeping, None, Purpose::ByHand)?;
    let empty = StreamConfig::empty(&table).expect("an empty config is a config");
    ready.config.metrics = empty.metrics;
    ready.config.http.enabled = false;
    changed(&mut ready.config).map_err(|text| {
        print(io::stderr(), &format!("{}\n", printable_lines(&text)));
        ExitCode::FAILURE
    })?;
    if let Some(logger) = logger {
        ready.logger = logger;
    }
    let logger = ready.logger.clone();
    start(ready, options, environment, &table, Some(instead)).map_err(|text| {
        tell(&logger, &text);
        ExitCode::FAILURE
    })
}

/// All components, with what lints know of modules, which is nothing yet but for those that the cache trusts.
pub(crate) fn table_for(options: &Options, keeping: &Keeping) -> Result<Table, ExitCode> {
    let modules = wasm::modules(options.compiling.budget()).map_err(|text| {
        print(io::stderr(), &format!("{}\n", printable_lines(&text)));
        ExitCode::FAILURE
    })?;
    Ok(table::with_modules(match keeping {
        Keeping::In(cache) => modules.trusting(Arc::clone(cache)),
        Keeping::Nowhere | Keeping::Off => modules,
    }))
}

/// What a config is prepared for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To be run.
    Run,
    /// To be run on messages that somebody gives it, with the log on standard error.
    ByHand,
    /// To be around several streams.
    Around,
}

/// What a stream can be built from.
pub(crate) struct Ready {
    pub(crate) config: StreamConfig,
    origin: Origin,
    pub(crate) logger: Logger,
    pub(crate) keeping: Keeping,
    bar: Arc<Bar>,
    /// The files it was made of, where they are watched.
    pub(crate) watched: Option<Watched>,
}

/// Reads and lints the config, and all that belongs to it. The error is for standard error.
fn load(
    origin: &Origin,
    options: &Options,
    environment: &Environment,
    table: &Table,
    watched: Option<&Watched>,
    is_around: bool,
) -> Result<Loaded, String> {
    if let Some(watched) = watched {
        watched.begin(origin.path(), &options.files.resources);
    }
    let restricted = Restricted(table);
    let registry: &dyn Registry = if options.restricted { &restricted } else { table };
    let reading = Reading {
        registry,
        environment,
        options: LintOptions::default(),
        guest_memory_limit: options.guest_memory_limit,
        is_around,
    };
    let loaded = reading.load(origin, &options.set, &globs::expand(&options.files.resources)?)?;
    if let Some(watched) = watched {
        watched.add(imported_files());
        let modules = loaded.config.iter().flat_map(wasm::module_paths);
        watched.add(modules.map(|(path, dir)| place_of(&path, dir.as_deref())).collect());
    }
    Ok(loaded)
}

/// Whether findings keep a config from being run. What is not trusted never runs in spite of them.
pub(crate) fn is_refused(config: &StreamConfig, findings: &[Finding], options: &Options) -> bool {
    let is_chilled = options.chilled && !config.is_restricted;
    !is_chilled && findings.iter().any(|it| it.lint.is_error())
}

/// Everything before components are built: reads, lints, and opens the log.
pub(crate) fn prepare(
    options: &Options,
    environment: &Environment,
    table: &Table,
    keeping: Keeping,
    watched: Option<Watched>,
    purpose: Purpose,
) -> Result<Ready, ExitCode> {
    let by_hand = purpose == Purpose::ByHand;
    let origin = Origin::find(options.files.config.as_deref(), environment);
    let loaded = load(&origin, options, environment, table, watched.as_ref(), purpose == Purpose::Around);
    let Loaded { config, findings } = loaded.map_err(|text| {
        print(io::stderr(), &format!("Configuration file read error: {}\n", printable_lines(&text)));
        ExitCode::FAILURE
    })?;
    if config.is_none() && findings.iter().any(Finding::is_read_error) {
        print_unreadable(&findings, environment);
        return Err(ExitCode::FAILURE);
    }
    let is_readable = config.is_some();
    // Without a config the log is as without any settings.
    let config = config.map_or_else(|| StreamConfig::empty(table), Ok);
    let mut config = config.expect("an empty config is a config");
    if by_hand {
        config.logger.file.path.clear();
    }
    let bar = Arc::new(Bar::default());
    let target = if by_hand || writes_to_stdout(&config) { Target::Stderr } else { Target::Stdout };
    let logger = open_log(&config, options, environment, &bar, target).map_err(|text| {
        print(io::stdout(), &format!("Failed to create logger: {}\n", printable_lines(&text)));
        ExitCode::FAILURE
    })?;
    announce(&origin, &logger);
    let is_chilled = options.chilled && !config.is_restricted;
    log_findings(&findings, is_chilled && is_readable, &logger);
    if !logger.enabled(Level::Error) && (!is_readable || is_refused(&config, &findings, options)) {
        lint::print(&findings, environment);
    }
    if !is_readable && is_chilled {
        tell(&logger, "Shutting down: no sense can be made of the config");
        return Err(ExitCode::FAILURE);
    }
    if is_refused(&config, &findings, options) {
        tell(&logger, "Shutting down due to linter errors, to prevent shutdown run Wappa with --chilled");
        return Err(ExitCode::FAILURE);
    }
    Ok(Ready { config, origin, logger, keeping, bar, watched })
}

/// Says why the process ends, in the log, or on standard error where the log takes nothing.
pub(crate) fn tell(logger: &Logger, text: &str) {
    tell_at(Level::Error, logger, text);
}

/// The same for what is a line of this level.
pub(crate) fn tell_at(level: Level, logger: &Logger, text: &str) {
    match logger.enabled(level) {
        true => logger.log(level, text),
        false => print(io::stderr(), &format!("{}\n", printable_lines(text))),
    }
}

/// What Bento says of files that it cannot read, and all the rest that is wrong.
fn print_unreadable(findings: &[Finding], environment: &Environment) {
    let is_terminal = io::stderr().is_terminal();
    let has_color = lint::has_color(is_terminal, environment);
    let mut text = String::new();
    for finding in findings.iter().filter(|it| it.lint.is_error()) {
        let line = match finding.is_read_error() {
            true => {
                let name = &finding.file.path;
                let path = if name.is_empty() { String::new() } else { format!("{name}: ") };
                format!("Configuration file read error: {path}{}", finding.read_error())
            }
            false => finding.line(),
        };
        text.push_str(&picture::render_below(line, finding, is_terminal, has_color));
    }
    print(io::stderr(), &text);
}

fn open_log(
    config: &StreamConfig,
    options: &Options,
    environment: &Environment,
    bar: &Arc<Bar>,
    target: Target,
) -> Result<Logger, String> {
    let setting = LogSetting {
        level: options.log_level.as_deref(),
        target,
        has_color: lint::has_color(true, environment),
        bar: Arc::clone(bar),
    };
    let logger = Logger::new(Arc::new(Log::new(&config.logger, setting)?));
    panics::tell_in_log(logger.clone());
    Ok(logger)
}

/// Whether any output, a child or a resource included, writes to standard output, so that lines of the log would stand
/// between messages.
fn writes_to_stdout(config: &StreamConfig) -> bool {
    let mut outputs = [&config.output].into_iter().chain(&config.resources.outputs);
    outputs.any(|it: &ComponentNode| it.name == "stdout" || names_stdout(&it.body))
}

fn names_stdout(body: &Node) -> bool {
    let is_stdout = |text: &str| ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"].contains(&text);
    match (body.as_map(), body.as_seq()) {
        (Some(pairs), _) => pairs.iter().any(|(key, value)| match key.as_key() {
            "stdout" => true,
            "type" => value.as_str() == Some("stdout"),
            _ => names_stdout(value),
        }),
        (None, Some(items)) => items.iter().any(names_stdout),
        (None, None) => body.as_str().is_some_and(is_stdout),
    }
}

/// A person sees how far it is where the bar is not in the way of messages.
fn shows_progress(config: &StreamConfig, environment: &Environment) -> bool {
    let is_dumb = environment.var("TERM").is_some_and(|it| it == "dumb");
    let is_in_the_way = writes_to_stdout(config) && io::stdout().is_terminal();
    io::stderr().is_terminal() && !is_dumb && !is_in_the_way
}

fn announce(origin: &Origin, logger: &Logger) {
    let path = origin.path().map(|it| Cow::Owned(it.display().to_string()));
    let mut fields: Vec<_> = path.map(|it| ("path", it)).into_iter().collect();
    fields.push(("wappa_version", Cow::Borrowed(VERSION)));
    logger.log_with(Level::Info, &origin.announcement(), &fields);
}

pub(crate) fn log_findings(findings: &[Finding], is_chilled: bool, logger: &Logger) {
    for finding in findings {
        let (level, message) = match (finding.lint.is_error(), is_chilled) {
            (true, false) => (Level::Error, "Config lint error"),
            (true, true) => (Level::Warn, "Config lint error"),
            (false, _) => (Level::Warn, "Config lint warning"),
        };
        let mut fields = vec![("lint", Cow::Owned(finding.line()))];
        fields.extend(finding.lint.hint.as_ref().map(|it| ("hint", Cow::Borrowed(it.as_str()))));
        logger.log_with(level, message, &fields);
    }
}

/// Builds the stream and runs it. The error is for the log.
fn start(
    ready: Ready,
    options: &Options,
    environment: &Environment,
    table: &Table,
    instead: Option<Instead<'_>>,
) -> Result<Ended, String> {
    let Ready { config, origin, logger, keeping, bar, watched } = ready;
    let is_trial = instead.is_some();
    let metrics = Metrics::default();
    metrics::rename(&metrics, &config.metrics.mapping, &logger);
    let push = Push::new(&config.metrics, table, metrics.clone(), &logger)
        .map_err(|text| format!("failed to connect to metrics aggregator: {text}"))?;
    let tracer = tracing::of(&config.tracer, table, &logger, &metrics)
        .map_err(|text| format!("failed to initialise tracer: {text}"))?;
    let setting = new_setting()?;
    let events = Events::listen(setting.stop()).map_err(closing)?;
    // Whoever looks after the process finds it there while a guest is compiled.
    let serving = Serving::start(&config, environment, &logger, push.page(), &metrics).map_err(closing)?;
    let setting = setting.tapped_by(serving.taps());
    let mut services = Services::default();
    // How far streams that follow each other are is nothing to be shown.
    let drawing =
        (watched.is_none() && instead.is_none() && shows_progress(&config, environment)).then(|| {
            let progress = Progress::default();
            services.insert(Arc::new(progress.clone()));
            Drawing::begin(Arc::clone(&bar), progress, lint::has_color(true, environment))
        });
    let maker = Maker {
        options,
        environment,
        logger: logger.clone(),
        metrics,
        keeping,
        interrupted: events.was_signaled(),
        serving: &serving,
        tracer: tracer.clone(),
    };
    let made = match maker.make(&config, table, &setting, services, instead) {
        Ok(made) => made,
        Err(_) if events.is_stopped_early(&logger) => {
            return Ok(Ended { code: ExitCode::SUCCESS, totals: Totals::default(), undelivered: 0 });
        }
        Err(text) => return Err(format!("Service closing due to: {text}")),
    };
    events.has_started();
    if let Some(watched) = &watched {
        watched.call_on_change(events.changes()).map_err(closing)?;
    }
    let reloads = watched.is_some().then(|| Reloads::new(&maker.metrics));
    let (stream, tally) = made;
    serving.runs(setting.activity());
    let of_end = tally.clone();
    let service = Service {
        logger,
        stop: setting.stop().clone(),
        tally,
        activity: setting.activity().clone(),
        push,
        shutdown_delay: config.shutdown_delay,
        shutdown_timeout: config.shutdown_timeout,
        events,
        is_hurried: false,
        is_closing: false,
        signal: None,
        tells_failures: options.exit_non_zero_on_failure,
        is_trial,
        drawing,
        renewal: watched.zip(reloads).map(|(watched, reloads)| -> Renewal<'_> {
            Box::new(move |events| maker.renew(&origin, &watched, &reloads, events))
        }),
        serving: &serving,
    };
    let ended = service.run(stream);
    tracer.finish(TRACES_GRACE);
    serving.close();
    let (totals, undelivered) = (of_end.totals(), of_end.undelivered());
    ended.map(|code| Ended { code, totals, undelivered }).map_err(closing)
}

fn closing(err: impl Display) -> String {
    format!("Service closing due to: {err}")
}

fn new_setting() -> Result<Setting, String> {
    World::real().and_then(|world| Setting::new(&world)).map_err(closing)
}

/// How long the end of the program waits until the last traces are sent.
pub(crate) const TRACES_GRACE: Duration = Duration::from_secs(2);

/// Makes streams, one after the other.
struct Maker<'a> {
    options: &'a Options,
    environment: &'a Environment,
    logger: Logger,
    metrics: Metrics,
    keeping: Keeping,
    /// Set when a signal has come.
    interrupted: Arc<AtomicBool>,
    serving: &'a Serving,
    /// The same for all of them.
    tracer: Tracer,
}

impl Maker<'_> {
    fn make(
        &self,
        config: &StreamConfig,
        table: &Table,
        setting: &Setting,
        mut services: Services,
        instead: Option<Instead<'_>>,
    ) -> Result<(Stream, Tally), String> {
        let restricted = Restricted(table);
        let registry: &dyn Registry = if config.is_restricted { &restricted } else { table };
        let providing = wasm::Providing {
            budget: self.options.compiling.budget(),
            keeping: self.keeping.clone(),
            interrupted: Arc::clone(&self.interrupted),
            guest_memory_limit: self.options.guest_memory_limit,
            pool: None,
        };
        self.serving.provide(&mut services);
        services.insert(Arc::new(self.tracer.clone()));
        if let Some(holdings) = wasm::provide(&mut services, config, providing, &self.logger)? {
            self.serving.counts(holdings);
        }
        let request = BuildRequest {
            config,
            components: table::table(),
            registry,
            logger: self.logger.clone(),
            metrics: self.metrics.clone(),
            services,
            setting,
        };
        let built = match instead {
            Some(instead) => wappa_engine::build_instead(request, instead),
            None => wappa_engine::build(request),
        };
        built.map_err(|err| err.to_string())
    }

    /// The stream of files that have changed, unless something is wrong with them: then the one before goes on. The log and
    /// the metrics stay what they are.
    fn renew(
        &self,
        origin: &Origin,
        watched: &Watched,
        reloads: &Reloads,
        events: &Events,
    ) -> Option<Renewed> {
        self.logger.info("Main config updated, attempting to update pipeline.");
        match self.try_renew(origin, watched, events) {
            Ok(renewed) => {
                reloads.taken.add(1);
                Some(renewed)
            }
            Err(text) => {
                reloads.refused.add(1);
                self.logger.error(&text);
                None
            }
        }
    }

    fn try_renew(&self, origin: &Origin, watched: &Watched, events: &Events) -> Result<Renewed, String> {
        let failed = |text: String| format!("Failed to update the pipeline, which goes on as it was: {text}");
        let modules = wasm::modules(self.options.compiling.budget()).map_err(failed)?;
        let table = table::with_modules(modules);
        let loaded =
            load(origin, self.options, self.environment, &table, Some(watched), false).map_err(failed)?;
        let Loaded { config, findings } = loaded;
        let is_chilled = self.options.chilled && config.as_ref().is_some_and(|it| !it.is_restricted);
        log_findings(&findings, is_chilled, &self.logger);
        let config = config.filter(|it| !is_refused(it, &findings, self.options)).ok_or(
            "Rejecting updated main config due to linter errors, to allow linting errors run Wappa with --chilled",
        )?;
        let setting = new_setting()?.tapped_by(self.serving.taps());
        events.is_starting(setting.stop());
        let made = self.make(&config, &table, &setting, Services::default(), None);
        events.has_started();
        let (stream, tally) = made.map_err(failed)?;
        Ok(Renewed {
            stream,
            stop: setting.stop().clone(),
            tally,
            activity: setting.activity().clone(),
            shutdown_delay: config.shutdown_delay,
            shutdown_timeout: config.shutdown_timeout,
            shown: config.shown,
        })
    }
}

/// Whoever closed the stream does not want to read it.
fn print(mut to: impl Write, text: &str) {
    let _ = to.write_all(text.as_bytes()).and_then(|()| to.flush());
}
