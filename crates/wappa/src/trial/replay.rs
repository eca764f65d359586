//! `replay`: failed messages go through the config again, or through one of its processors.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use clap::Args;
use wappa_component::{
    Ack, Batches, Failure, Input, PARCEL_BYTES_MAX, PARCEL_MESSAGES_MAX, Parcel, ReadError, Step, Waits,
    cause, counted,
};
use wappa_engine::{Instead, Totals};
use wappa_spec::{printable_lines, printable_path};

use super::{
    at::At,
    failed::FailedMessage,
    lines::{LINE_BYTES_MAX, Lines, Next},
};
use crate::{cli::Options, config::Origin, environment::Environment, run, standard_output};

/// Of how many lines it is told what is wrong with them, or why their messages were not delivered. Whoever has more of them
/// looks at these first.
const TOLD_MAX: u64 = 100;

const EXAMPLES: &str = "\
Each line of FILE is a failed message as the recipe in docs/operating.md writes it. The messages go into the pipeline in \
place of what the input reads, each once: what is not delivered is told, not replayed, and not retried without end. The buffer is left out, and \
there are no HTTP service and no metrics. Exits with 0 if all messages went through, and with 1 otherwise.

  wappa replay ./failed.jsonl ./config.yaml
  wappa replay ./failed.jsonl ./config.yaml --at pipeline.processors.2";

/// The arguments of `replay`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ReplayArguments {
    /// The failed messages, one a line; `-` is standard input.
    file: PathBuf,

    /// The config; without it that of `-c`, or the one that a stream would run.
    path: Option<PathBuf>,

    /// Run the messages through this one processor, by its path or its label, and show what it does with each.
    #[arg(long, value_name = "PATH")]
    at: Option<String>,

    /// With `--at`: mark each message with the `reason` of its line, as a processor such as `catch` wants it.
    #[arg(long, requires = "at")]
    marked: bool,

    #[command(flatten)]
    pub(crate) options: Options,
}

/// Replays a file. The error is for standard error.
pub(crate) fn replay(
    arguments: &ReplayArguments,
    mut options: Options,
    environment: &Environment,
) -> Result<ExitCode, String> {
    standard_output::check()?;
    if options.watcher {
        return Err("`replay` ends with its file, so there is nothing for `--watcher` to watch".to_string());
    }
    options.files.config = arguments.path.clone().or(options.files.config);
    let config = options.files.config.as_deref();
    if is_config(&arguments.file) && config.is_none_or(|it| !is_config(it)) {
        let hint = "the file of failed messages comes first: wappa replay FILE CONFIG";
        return Err(format!("{} has the name of a config\nhint: {hint}", printable_path(&arguments.file)));
    }
    let lines = Lines::open(&arguments.file)?;
    if Origin::find(config, environment) == Origin::Nowhere {
        return Err("there is no config to replay the messages with: wappa replay FILE CONFIG".to_string());
    }
    if let Some(place) = &arguments.at {
        options.log_level.get_or_insert_with(|| "WARN".to_string());
        let (file, place) = (arguments.file.clone(), place.clone());
        let at = At { file, lines, place, is_marked: arguments.marked };
        return at.run(&options, environment);
    }
    let told = Arc::new(Mutex::new(Told { path: arguments.file.clone(), ..Told::default() }));
    let replayed = Replayed { lines, told: Arc::clone(&told), is_stopped: false };
    let input = Box::new(|_| -> Box<dyn Input> { Box::new(replayed) });
    let instead = Instead { input, is_as_read: false, outputs: None };
    let ended = match run::run_instead(&options, environment, |_| Ok(()), instead, None) {
        Ok(ended) => ended,
        Err(code) => return Ok(code),
    };
    let mut told = lock(&told);
    told.end();
    say(&told.summary(&ended.totals));
    let is_good = told.n_bad == 0 && told.n_undelivered == 0 && ended.totals.failed == 0;
    Ok(if is_good { ended.code } else { ExitCode::FAILURE })
}

/// Whether a file has the name of a config.
pub(super) fn is_config(path: &Path) -> bool {
    path.extension().is_some_and(|it| it == "yaml" || it == "yml")
}

/// Whoever closed standard error does not want to read it.
pub(super) fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{}", printable_lines(line));
}

/// What is told of single lines, and how many there were.
#[derive(Debug, Default)]
struct Told {
    path: PathBuf,
    n_messages: u64,
    n_bad: u64,
    n_undelivered: u64,
    /// Lines whose messages were not delivered, and why: of the first ones.
    undelivered: Vec<(u64, String)>,
}

impl Told {
    fn bad(&mut self, number: u64, why: &str) {
        self.n_bad += 1;
        match self.n_bad <= TOLD_MAX {
            true => say(&at(&self.path, number, why)),
            false if self.n_bad == TOLD_MAX + 1 => say("what is wrong with further lines is not told"),
            false => (),
        }
    }

    /// What is told on the thread that answers must not wait for whoever reads it.
    fn undelivered(&mut self, number: u64, why: &str) {
        self.n_undelivered += 1;
        if self.n_undelivered <= TOLD_MAX {
            self.undelivered.push((number, why.to_string()));
        }
    }

    fn end(&mut self) {
        self.undelivered.sort_unstable();
        for (number, why) in &self.undelivered {
            say(&at(&self.path, *number, &format!("not delivered: {why}")));
        }
        if TOLD_MAX < self.n_undelivered {
            say(&format!("and {} more that were not delivered", self.n_undelivered - TOLD_MAX));
        }
    }

    fn summary(&self, totals: &Totals) -> String {
        let (n, failed, undelivered) = (self.n_messages, totals.failed, self.n_undelivered);
        let mut ways = Vec::new();
        // One that failed may be one that was not delivered as well.
        if failed == 0 || undelivered == 0 {
            ways.push(format!("{} went through", n.saturating_sub(failed + undelivered)));
        }
        if 0 < failed {
            let how = if undelivered == 0 { ", delivered with a mark" } else { "" };
            ways.push(format!("{failed} failed in a processor{how}"));
        }
        if 0 < undelivered {
            ways.push(format!("{undelivered} not delivered"));
        }
        if 0 < self.n_bad {
            ways.push(format!("{} not read", counted(self.n_bad, "line", "lines")));
        }
        format!("{}: {}", counted(n, "message", "messages"), ways.join(", "))
    }
}

/// What is told of a line.
pub(super) fn at(path: &Path, number: u64, what: &str) -> String {
    match path.as_os_str() == "-" {
        true => format!("standard input:{number}: {what}"),
        false => format!("{}:{number}: {what}", printable_path(path)),
    }
}

fn lock(told: &Mutex<Told>) -> MutexGuard<'_, Told> {
    told.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Failed messages as an input.
struct Replayed {
    lines: Lines,
    told: Arc<Mutex<Told>>,
    is_stopped: bool,
}

impl Input for Replayed {
    fn read(&mut self, waits: &mut Waits, _: &mut Step<'_>) -> Result<Parcel, ReadError> {
        let (mut messages, mut numbers, mut n_bytes) = (Vec::new(), Vec::new(), 0);
        let mut is_over = self.is_stopped;
        while messages.len() < PARCEL_MESSAGES_MAX && n_bytes < PARCEL_BYTES_MAX && !is_over {
            match self.lines.next(waits) {
                // Whoever edits a file leaves some.
                Ok(Next::Line(line)) if line.is_empty() => (),
                Ok(Next::Line(line)) => {
                    n_bytes += line.len();
                    match FailedMessage::parse(&line) {
                        Ok(failed) => {
                            messages.push(failed.origin.unwrap_or(failed.message));
                            numbers.push(self.lines.number());
                        }
                        Err(why) => lock(&self.told).bad(self.lines.number(), &why),
                    }
                }
                Ok(Next::TooLong) => {
                    let why = format!("it is longer than {} MiB", LINE_BYTES_MAX >> 20);
                    lock(&self.told).bad(self.lines.number(), &why);
                }
                Ok(Next::NotYet) if messages.is_empty() => return Err(ReadError::NotReady),
                Ok(Next::NotYet) => break,
                Ok(Next::End) => is_over = true,
                Err(err) => {
                    self.is_stopped = true;
                    return Err(ReadError::SourceFailed(cause(&err)));
                }
            }
        }
        if messages.is_empty() {
            waits.again();
            return Err(if is_over { ReadError::EndOfInput } else { ReadError::NotReady });
        }
        lock(&self.told).n_messages += messages.len() as u64;
        let told = Arc::clone(&self.told);
        let ack = Ack::new(messages.len() as u32, move |failures: Vec<Failure>| {
            let mut told = lock(&told);
            failures.iter().for_each(|it| told.undelivered(numbers[it.origin as usize], it.reason.as_str()));
        });
        Ok(Parcel::of_messages(messages, Batches::Singles, ack))
    }

    fn stop(&mut self) {
        self.is_stopped = true;
    }
}
