//! `run --dry-run`: the first lines of a file go through the real pipeline, and what would be written where is printed.

use std::{
    io::{self, IsTerminal},
    path::PathBuf,
    process::ExitCode,
};

use clap::Args;
use wappa_component::{
    Ack, Batches, Context, Input, PARCEL_MESSAGES_MAX, Parcel, ReadError, Step, Waits, cause, counted,
};
use wappa_engine::Instead;
use wappa_message::{Message, Value};
use wappa_spec::{ComponentNode, Registry, Restricted, StreamConfig};

use super::{
    effects::effects,
    lines::{LINE_BYTES_MAX, Lines, Next},
    replay::{at, say},
    stand_in::{Printed, stand_in},
};
use crate::{
    cli::Options,
    environment::Environment,
    guest::{input::metadata, text::Style},
    lint::has_color,
    run, standard_output, table,
};

const HEADING: &str = "A dry run";

/// How many lines go through it where nobody says.
const MESSAGES: u16 = 10;

/// How many bytes they may have together, since all of them are one parcel.
const BYTES_MAX: usize = 128 << 20;

/// Flags of a dry run.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct DryRunOptions {
    /// Send the first lines of a file through the pipeline and print what would be written where; nothing is connected
    /// and nothing is written.
    #[arg(long, requires = "input", help_heading = HEADING)]
    pub(crate) dry_run: bool,

    /// The file whose lines stand for what the input reads; `-` is standard input.
    #[arg(long, value_name = "FILE", requires = "dry_run", help_heading = HEADING)]
    input: Option<PathBuf>,

    /// How many lines, 256 at most [default: 10].
    #[arg(long, value_name = "N", requires = "dry_run", help_heading = HEADING, value_parser = clap::value_parser!(u16).range(1..=PARCEL_MESSAGES_MAX as i64))]
    messages: Option<u16>,

    /// Metadata of each message: a text, or with `:=` JSON of any type (`n:=3`); may be given again.
    #[arg(long, value_name = "KEY=TEXT", requires = "dry_run", help_heading = HEADING, value_parser = metadata)]
    meta: Vec<(String, Value)>,

    /// Run processors that reach servers, programs or files; without it a config that has some is refused.
    #[arg(long, requires = "dry_run", help_heading = HEADING)]
    effects: bool,
}

/// Makes a dry run. The error is for standard error.
pub(crate) fn dry_run(
    of: &DryRunOptions,
    mut options: Options,
    environment: &Environment,
) -> Result<ExitCode, String> {
    standard_output::check()?;
    if options.watcher {
        return Err("a dry run ends with its lines, so there is nothing for `--watcher` to watch".to_string());
    }
    let path = of.input.as_deref().expect("the command line demands it");
    let lines = Lines::open(path)?;
    options.log_level.get_or_insert_with(|| "WARN".to_string());
    let style = Style { has_color: has_color(io::stdout().is_terminal(), environment), is_brief: true };
    let printed = Printed::default();
    let outputs = |node: &ComponentNode, ctx: &mut Context<'_>| stand_in(node, style, &printed, ctx);
    let n_left = usize::from(of.messages.unwrap_or(MESSAGES));
    let first = First {
        lines,
        n_left,
        taken: Vec::new(),
        n_bytes: 0,
        is_over: false,
        path: path.to_path_buf(),
        printed: printed.clone(),
        meta: of.meta.clone(),
    };
    let instead = Instead { input: Box::new(|_| Box::new(first)), is_as_read: true, outputs: Some(&outputs) };
    let changed = |config: &mut StreamConfig| if of.effects { Ok(()) } else { refuse_effects(config) };
    let ended = match run::run_instead(&options, environment, changed, instead, None) {
        Ok(ended) => ended,
        Err(code) => return Ok(code),
    };
    if let Some(err) = printed.take_unwritten() {
        standard_output::outcome(Err(err))?;
        // Whoever closed it knows how much of it there was.
        return Ok(ExitCode::SUCCESS);
    }
    let totals = ended.totals;
    let mut ways = vec![format!("{} would be written", counted(printed.n(), "message", "messages"))];
    if 0 < totals.filtered {
        ways.push(format!("{} filtered", totals.filtered));
    }
    if 0 < totals.failed {
        ways.push(format!("{} failed in a processor", totals.failed));
    }
    if 0 < ended.undelivered {
        ways.push(format!("{} that no output takes", ended.undelivered));
    }
    if 0 < printed.n_bad() {
        ways.push(format!("{} not read", counted(printed.n_bad(), "line", "lines")));
    }
    say(&format!("{}: {}", counted(totals.read, "line", "lines"), ways.join(", ")));
    if printed.is_cut() {
        say(&format!("these lines are larger than {} MiB: no more were read", BYTES_MAX >> 20));
    }
    Ok(if 0 < printed.n_bad() { ExitCode::FAILURE } else { ended.code })
}

fn refuse_effects(config: &StreamConfig) -> Result<(), String> {
    let table = table::registry();
    let restricted = Restricted(&table);
    let registry: &dyn Registry = if config.is_restricted { &restricted } else { &table };
    let found = effects(config, registry);
    if found.is_empty() {
        return Ok(());
    }
    Err(format!(
        "a dry run would reach servers, programs or files with:\n  {}\nhint: `--effects` runs them for real; \
         `wappa test` puts mocks in their place",
        found.join("\n  ")
    ))
}

/// The first lines as an input, all of them as one parcel.
struct First {
    lines: Lines,
    n_left: usize,
    taken: Vec<Message>,
    n_bytes: usize,
    is_over: bool,
    /// Where the lines are, for what is told of them.
    path: PathBuf,
    printed: Printed,
    meta: Vec<(String, Value)>,
}

impl Input for First {
    fn read(&mut self, waits: &mut Waits, _: &mut Step<'_>) -> Result<Parcel, ReadError> {
        while 0 < self.n_left && !self.is_over {
            match self.lines.next(waits) {
                Ok(Next::Line(line)) => {
                    self.n_left -= 1;
                    self.n_bytes += line.len();
                    self.is_over = BYTES_MAX < self.n_bytes;
                    if self.is_over && 0 < self.n_left {
                        self.printed.cut();
                    }
                    let mut message = Message::new(line);
                    self.meta.iter().for_each(|(key, value)| {
                        message.metadata_mut().set(key.clone(), value.clone());
                    });
                    message.set_context(self.printed.next_line());
                    self.taken.push(message);
                }
                Ok(Next::TooLong) => {
                    self.n_left -= 1;
                    self.printed.count_bad();
                    let why = format!("it is longer than {} MiB", LINE_BYTES_MAX >> 20);
                    say(&at(&self.path, self.lines.number(), &why));
                }
                Ok(Next::NotYet) => return Err(ReadError::NotReady),
                Ok(Next::End) => self.is_over = true,
                Err(err) => {
                    self.is_over = true;
                    return Err(ReadError::SourceFailed(cause(&err)));
                }
            }
        }
        self.is_over = true;
        let messages = std::mem::take(&mut self.taken);
        if messages.is_empty() {
            return Err(ReadError::EndOfInput);
        }
        let ack = Ack::new(messages.len() as u32, |_| ());
        Ok(Parcel::of_messages(messages, Batches::Singles, ack))
    }

    fn stop(&mut self) {
        self.is_over = true;
    }
}
