//! `streams`: many streams in one process, which come, change and go while others run.
//!
//! What they have together stands in the main config: the HTTP service, the log, metrics and resources. Each has a config of
//! its own, of a file or of a request (`api`), a name (its id), and its share of the machine.

mod api;
mod files;
mod one;
mod serving;
mod set;
mod threads;
mod watchdog;

use std::{path::Path, process::ExitCode, sync::Arc, time::Instant};

use clap::Args;
use wappa_component::Metrics;
use wappa_engine::{Setting, SharedResources, World};

use self::{
    files::StreamFile,
    serving::StreamsServing,
    set::{Around, Bounds, Streams, Submitted},
};
use crate::{
    cli::Options,
    environment::Environment,
    events::{Events, Happened, received},
    metrics::{self, Push},
    run::{Purpose, Ready, TRACES_GRACE, log_findings, prepare, table_for, tell},
    tracing,
    watcher::Watched,
};

/// How many streams there may be at once, unless a flag says more.
const STREAMS_MAX: usize = 1_000;

/// How many threads the pipeline of a stream has at most, unless a flag says more.
const THREADS_OF_STREAM: usize = 8;

const HELP: &str = "\
The main config has everything but the stream itself: `http`, `logger`, `metrics`, resources. Streams are files, or folders \
of files, and come and go through the endpoints `/streams`.

  wappa streams
  wappa -c ./around.yaml streams
  wappa -c ./around.yaml streams ./streams ./and/some/more.yaml
  curl http://localhost:4195/streams/mine -X POST --data-binary @./mine.yaml";

/// The arguments of `streams`.
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub(crate) struct StreamsArguments {
    /// Files with a stream each, or folders with such files.
    pub(crate) paths: Vec<String>,

    /// Disable the HTTP API with which streams are created, read, updated and deleted.
    #[arg(long)]
    pub(crate) no_api: bool,

    /// Whether HTTP endpoints of a stream's components are below its id.
    #[arg(
        long,
        value_name = "BOOL",
        default_value = "true",
        default_missing_value = "true",
        num_args = 0..=1,
        require_equals = true,
        action = clap::ArgAction::Set
    )]
    pub(crate) prefix_stream_endpoints: bool,

    /// How many streams there may be at once.
    #[arg(long, value_name = "N", default_value_t = STREAMS_MAX, value_parser = at_least_one)]
    pub(crate) max_streams: usize,

    /// How many threads the pipeline of a stream has at most.
    #[arg(long, value_name = "N", default_value_t = THREADS_OF_STREAM, value_parser = at_least_one)]
    pub(crate) max_stream_threads: usize,

    /// Refuse in configs that come through the API what one that is not trusted must not see: files, programs and
    /// environment variables of the machine.
    #[arg(long)]
    pub(crate) restrict_api: bool,

    #[command(flatten)]
    pub(crate) options: Options,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|it| (1..=1_000_000).contains(it));
    number.ok_or_else(|| "it is a number from 1 to 1000000".to_string())
}

/// Runs streams until a signal ends them. The error is for standard error.
pub(crate) fn streams(
    arguments: &StreamsArguments,
    options: Options,
    environment: Environment,
) -> Result<ExitCode, String> {
    let keeping = options.compiling.cache(&environment);
    let watched = options.watcher.then(Watched::default);
    let ready = table_for(&options, &keeping)
        .and_then(|table| prepare(&options, &environment, &table, keeping.clone(), watched, Purpose::Around));
    let ready = match ready {
        Ok(ready) => ready,
        Err(code) => return Ok(code),
    };
    let unread = |text| format!("Stream configuration file read error: {text}");
    let files = files::find(&arguments.paths, arguments.max_streams).map_err(unread)?;
    let logger = ready.logger.clone();
    Ok(start(ready, arguments, options, environment, files).unwrap_or_else(|text| {
        tell(&logger, &text);
        ExitCode::FAILURE
    }))
}

/// Makes what streams have together, then those of files, and runs all of them. The error is for the log.
fn start(
    ready: Ready,
    arguments: &StreamsArguments,
    options: Options,
    environment: Environment,
    files: Vec<StreamFile>,
) -> Result<ExitCode, String> {
    let Ready { config, logger, keeping, watched, .. } = ready;
    let metrics = Metrics::default();
    metrics::rename(&metrics, &config.metrics.mapping, &logger);
    let table = crate::table::registry();
    let push = Push::new(&config.metrics, &table, metrics.clone(), &logger)
        .map_err(|text| format!("failed to connect to metrics aggregator: {text}"))?;
    let tracer = tracing::of(&config.tracer, &table, &logger, &metrics)
        .map_err(|text| format!("failed to initialise tracer: {text}"))?;
    let closing = |text: String| format!("Service closing due to: {text}");
    let world = World::real().map_err(|err| closing(err.to_string()))?;
    let setting = Setting::new(&world).map_err(|err| closing(err.to_string()))?;
    let events = Events::listen(setting.stop()).map_err(|err| closing(err.to_string()))?;
    let mut serving =
        StreamsServing::start(&config, &environment, &logger, push.page(), &metrics).map_err(closing)?;
    let bounds = Bounds {
        streams_max: arguments.max_streams,
        threads_max: arguments.max_stream_threads,
        has_prefix: arguments.prefix_stream_endpoints,
        is_api_restricted: arguments.restrict_api,
    };
    let around = Around {
        config,
        options,
        environment,
        logger: logger.clone(),
        metrics,
        tracer,
        keeping,
        world,
        setting,
        interrupted: events.was_signaled(),
        shared: Arc::new(SharedResources::default()),
        bounds,
    };
    let streams = Arc::new(Streams::new(around, serving.lent()).map_err(closing)?);
    serving.serve(&streams, !arguments.no_api).map_err(closing)?;
    let mut service = Service { streams, events, push, serving, watched, files };
    match service.create_all() {
        Ok(()) => service.run(),
        Err(_) if service.events.is_stopped_early(&logger) => {
            service.stop(None);
            Ok(ExitCode::SUCCESS)
        }
        Err(text) => {
            service.stop(None);
            Err(text)
        }
    }
}

/// What runs until a signal.
struct Service {
    streams: Arc<Streams>,
    events: Events,
    push: Push,
    serving: StreamsServing,
    watched: Option<Watched>,
    files: Vec<StreamFile>,
}

impl Service {
    /// Reads and lints the files before the first stream begins. The error is for the log.
    fn create_all(&mut self) -> Result<(), String> {
        let around = self.streams.around();
        if let Some(watched) = &self.watched {
            let paths: Vec<&Path> = self.files.iter().map(|it| it.path.as_path()).collect();
            paths.into_iter().for_each(|it| watched.begin(Some(it), &around.options.files.resources));
        }
        let (mut all, mut is_refused_any) = (Vec::new(), false);
        for file in &self.files {
            let read = self.streams.read_file(file)?;
            log_findings(&read.findings, around.is_chilled() && read.submitted.is_some(), &around.logger);
            is_refused_any |= read.submitted.is_none() || around.refuses(&read.findings);
            all.extend(read.submitted.map(|it| (file.id.clone(), it)));
        }
        if is_refused_any {
            return Err(
                "Shutting down due to stream linter errors, to prevent shutdown run Wappa with --chilled"
                    .to_string(),
            );
        }
        around.logger.info("Launching Wappa in streams mode, use CTRL+C to close");
        for (id, submitted) in all {
            self.watch_modules(&submitted);
            self.streams
                .create(&id, submitted)
                .map_err(|err| format!("Service closing due to: stream {id}: {err}"))?;
        }
        self.events.has_started();
        self.streams.have_started();
        if let Some(watched) = &self.watched {
            watched
                .call_on_change(self.events.changes())
                .map_err(|err| format!("Service closing due to: {err}"))?;
        }
        Ok(())
    }

    fn watch_modules(&self, submitted: &Submitted) {
        let Some(watched) = &self.watched else { return };
        watched.add(submitted.modules());
    }

    fn run(mut self) -> Result<ExitCode, String> {
        loop {
            match self.events.next(self.push.until_next().and_then(|it| Instant::now().checked_add(it))) {
                None => self.push.push(),
                Some(Happened::Changed) => self.renew(),
                Some(Happened::Signal(signal)) => {
                    self.streams.around().logger.info(&received(signal));
                    return Ok(self.stop(Some(signal)));
                }
            }
        }
    }

    /// Files have changed: those whose stream is another one now take its place. What is wrong with one is told, and its
    /// stream goes on.
    fn renew(&mut self) {
        let around = self.streams.around();
        for file in &self.files {
            let id = &file.id;
            let read = match self.streams.read_file(file) {
                Ok(read) => read,
                Err(text) => {
                    around.logger.error(&text);
                    continue;
                }
            };
            let is_readable = read.submitted.is_some();
            log_findings(&read.findings, around.is_chilled() && is_readable, &around.logger);
            let Some(submitted) = read.submitted.filter(|_| !around.refuses(&read.findings)) else {
                around.logger.error(&format!(
                    "Rejecting updated config of stream {id} due to linter errors, to allow linting errors run Wappa \
                     with --chilled"
                ));
                continue;
            };
            self.watch_modules(&submitted);
            if self.streams.is_as(id, &submitted) {
                continue;
            }
            around.logger.info(&format!("Stream {id} config updated, attempting to update stream."));
            match self.streams.put(id, submitted) {
                Ok(()) => around.logger.info(&format!("Updated stream {id} config from file.")),
                Err(err) => around.logger.error(&format!("Failed to update stream {id}: {err}")),
            }
        }
    }

    /// Stops all streams within the time that they have.
    fn stop(mut self, signal: Option<i32>) -> ExitCode {
        let around = self.streams.around();
        let (delay, timeout) = (around.config.shutdown_delay, around.config.shutdown_timeout);
        watchdog::watch_over(&self.streams, delay.saturating_add(timeout));
        if signal.is_some() && !delay.is_zero() {
            around
                .logger
                .info(&format!("Shutdown delay is in effect for {}", crate::service::go_duration(delay)));
            let until = Instant::now().checked_add(delay);
            while let Some(happened) = self.events.next(until) {
                if matches!(happened, Happened::Signal(_)) {
                    break;
                }
            }
        }
        let events = &self.events;
        let is_hurried = || {
            matches!(events.next(Some(Instant::now())), Some(Happened::Signal(signal_hook::consts::SIGINT)))
        };
        let code = match self.streams.close(timeout, is_hurried) {
            true => ExitCode::SUCCESS,
            false => ExitCode::FAILURE,
        };
        self.push.finish();
        around.tracer.finish(TRACES_GRACE);
        self.serving.close();
        code
    }
}
