//! `run`: from the flags to a running stream.

use std::{
    borrow::Cow,
    io::{self, IsTerminal, Write},
    process::ExitCode,
    sync::Arc,
};

use wappa_component::{Level, Logger, Metrics, Progress, Services};
use wappa_engine::{BuildRequest, Setting, World};
use wappa_spec::{ComponentNode, LintOptions, Node, Registry, Restricted, StreamConfig, printable_lines};

use crate::{
    cli::Options,
    compiling::Keeping,
    config::{Finding, Loaded, Origin, Reading},
    environment::Environment,
    globs, lint,
    log::{Log, LogSetting, Target},
    metrics::{self, Push},
    panics, picture,
    progress::{Bar, Drawing},
    service::{Events, Service},
    table, wasm,
};

/// The version of the program.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Runs a stream until it is over or stopped.
pub(crate) fn run(options: &Options, environment: &Environment) -> ExitCode {
    let keeping = options.compiling.cache(environment);
    let modules = match wasm::modules(options.compiling.budget()) {
        Ok(modules) => modules,
        Err(text) => {
            print(io::stderr(), &format!("{}\n", printable_lines(&text)));
            return ExitCode::FAILURE;
        }
    };
    let modules = match &keeping {
        Keeping::In(cache) => modules.trusting(Arc::clone(cache)),
        Keeping::Nowhere | Keeping::Off => modules,
    };
    let table = table::with_modules(modules);
    let restricted = Restricted(&table);
    let registry = |is_restricted| -> &dyn Registry { if is_restricted { &restricted } else { &table } };
    match prepare(options, environment, registry(options.restricted), keeping) {
        Ok(ready) => match start(&ready, options, environment, registry(ready.config.is_restricted)) {
            Ok(code) => code,
            Err(text) => {
                ready.logger.error(&text);
                ExitCode::FAILURE
            }
        },
        Err(code) => code,
    }
}

/// What a stream can be built from.
struct Ready {
    config: StreamConfig,
    logger: Logger,
    keeping: Keeping,
    bar: Arc<Bar>,
}

/// Everything before components are built: reads, lints, and opens the log.
fn prepare(
    options: &Options,
    environment: &Environment,
    registry: &dyn Registry,
    keeping: Keeping,
) -> Result<Ready, ExitCode> {
    let origin = Origin::find(options.files.config.as_deref(), environment);
    let reading = Reading {
        registry,
        environment,
        options: LintOptions::default(),
        guest_memory_limit: options.guest_memory_limit,
    };
    let resources = globs::expand(&options.files.resources);
    let loaded = resources.and_then(|it| reading.load(&origin, &options.set, &it));
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
    let config = config.map_or_else(|| StreamConfig::empty(registry), Ok);
    let config = config.expect("an empty config is a config");
    let bar = Arc::new(Bar::default());
    let logger = open_log(&config, options, environment, &bar).map_err(|text| {
        print(io::stdout(), &format!("Failed to create logger: {}\n", printable_lines(&text)));
        ExitCode::FAILURE
    })?;
    announce(&origin, &logger);
    // What is not trusted never runs in spite of what was found.
    let is_chilled = options.chilled && !config.is_restricted;
    log_findings(&findings, is_chilled && is_readable, &logger);
    if !is_readable && is_chilled {
        logger.error("Shutting down: no sense can be made of the config");
        return Err(ExitCode::FAILURE);
    }
    if !is_chilled && findings.iter().any(|it| it.lint.is_error()) {
        logger.error("Shutting down due to linter errors, to prevent shutdown run Wappa with --chilled");
        return Err(ExitCode::FAILURE);
    }
    Ok(Ready { config, logger, keeping, bar })
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

/// To standard output, unless messages go there.
fn open_log(
    config: &StreamConfig,
    options: &Options,
    environment: &Environment,
    bar: &Arc<Bar>,
) -> Result<Logger, String> {
    let setting = LogSetting {
        level: options.log_level.as_deref(),
        target: if writes_to_stdout(config) { Target::Stderr } else { Target::Stdout },
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

fn log_findings(findings: &[Finding], is_chilled: bool, logger: &Logger) {
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
    ready: &Ready,
    options: &Options,
    environment: &Environment,
    registry: &dyn Registry,
) -> Result<ExitCode, String> {
    let Ready { config, logger, keeping, bar } = ready;
    let metrics = Metrics::default();
    metrics::rename(&metrics, &config.metrics.mapping, logger);
    let push = Push::new(&config.metrics, registry, metrics.clone(), logger)
        .map_err(|text| format!("failed to connect to metrics aggregator: {text}"))?;
    let failed = |err: io::Error| format!("Service closing due to: {err}");
    let world = World::real().map_err(failed)?;
    let setting = Setting::new(&world).map_err(failed)?;
    let events = Events::listen(setting.stop()).map_err(failed)?;
    let mut services = Services::default();
    let drawing = shows_progress(config, environment).then(|| {
        let progress = Progress::default();
        services.insert(Arc::new(progress.clone()));
        Drawing::begin(Arc::clone(bar), progress, lint::has_color(true, environment))
    });
    let interrupted = events.was_signaled();
    let providing = wasm::Providing {
        budget: options.compiling.budget(),
        keeping: keeping.clone(),
        interrupted,
        guest_memory_limit: options.guest_memory_limit,
    };
    wasm::provide(&mut services, config, providing, logger)
        .map_err(|text| format!("Service closing due to: {text}"))?;
    let request = BuildRequest {
        config,
        components: table::table(),
        registry,
        logger: logger.clone(),
        metrics,
        services,
        setting: &setting,
    };
    let (stream, tally) = match wappa_engine::build(request) {
        Ok(built) => built,
        Err(_) if events.is_stopped_early(logger) => return Ok(ExitCode::SUCCESS),
        Err(err) => return Err(format!("Service closing due to: {err}")),
    };
    events.has_started();
    let service = Service {
        logger: logger.clone(),
        stop: setting.stop().clone(),
        tally,
        activity: setting.activity().clone(),
        push,
        shutdown_delay: config.shutdown_delay,
        shutdown_timeout: config.shutdown_timeout,
        events,
        is_hurried: false,
        tells_failures: options.exit_non_zero_on_failure,
        drawing,
    };
    service.run(stream).map_err(failed)
}

/// Whoever closed the stream does not want to read it.
fn print(mut to: impl Write, text: &str) {
    let _ = to.write_all(text.as_bytes()).and_then(|()| to.flush());
}
