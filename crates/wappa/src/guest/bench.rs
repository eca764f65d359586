//! `bench`: how fast a guest is, and whether it keeps its memory.

use std::{
    io::{self, IsTerminal},
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::Args;
use wappa_message::Message;
use wappa_spec::Size;
use wappa_wasm::Run;

use super::{
    Stop,
    bench_report::{Measured, Report},
    ending::{Ending, Kind},
    host,
    input::InputOptions,
    on_thread,
    options::GuestOptions,
    session::Session,
    size_text,
    text::Style,
};
use crate::{cli::size, compiling::CompileOptions, environment::Environment, lint::has_color};

/// Contents that are made up have these sizes unless others are given.
const SIZES: [u64; 3] = [100, 1 << 10, 16 << 10];

/// One run of the guest has no more messages and, unless one alone is larger, no more bytes.
const RUN_MESSAGES_MAX: usize = 256;
const RUN_BYTES_MAX: usize = 1 << 20;

/// Runs get longer until they take about so long: a clock that is read too often would be measured, too.
const RUN_TIME: Duration = Duration::from_millis(2);

/// How much of the time passes before anything is measured.
const WARM_UP: f64 = 0.1;

/// No content that is made up is larger.
const SIZE_MAX: u64 = 64 << 20;

const EXAMPLES: &str = "\
Calls the guest on one thread, over and over, with messages of made-up text or with those of a file.

  wappa bench ./greeter.wasm
  wappa bench ./greeter.wasm --size 100 --size 1MiB --seconds 5
  wappa bench ./greeter.wasm --lines sample.ndjson --batch 50";

/// The arguments of `bench`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct BenchArguments {
    /// A module: a `.wasm` file, or WebAssembly text.
    module: PathBuf,

    #[command(flatten)]
    input: InputOptions,

    /// The size of made-up contents; may be given again [default: 100, 1KiB, 16KiB].
    #[arg(long, value_name = "SIZE", value_parser = size, conflicts_with = "files")]
    size: Vec<Size>,

    /// How long to measure each size, in seconds.
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = seconds)]
    seconds: f64,

    /// Give messages to the guest in batches of so many.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    batch: u32,

    /// Print JSON: one document a line for each size.
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    guest: GuestOptions,

    #[command(flatten)]
    compiling: CompileOptions,
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(it) if (0.01..=3600.0).contains(&it) => Ok(it),
        _ => Err("a number of seconds from 0.01 to 3600".to_string()),
    }
}

/// Measures a guest. The error is for standard error.
pub(crate) fn bench(arguments: BenchArguments, before: CompileOptions) -> Result<ExitCode, String> {
    let host = host(before, &arguments.compiling, arguments.guest.guest_memory_limit)?;
    let is_terminal = io::stdout().is_terminal();
    let style = Style { has_color: has_color(is_terminal, &Environment::default()), is_brief: false };
    on_thread(move |out| {
        let cases = cases(&arguments)?;
        let mut report = Report { out, style, is_json: arguments.json, batch: arguments.batch };
        let mut all = Vec::new();
        for case in cases {
            // Each size begins with a fresh instance, so that its memory is its own.
            let mut session = Session::open(&host, &arguments.module, &arguments.guest)?;
            if all.is_empty() {
                report.begin(&arguments.module, &session, arguments.seconds)?;
            }
            let measured = measure(&mut session, &case, &arguments);
            report.row(&measured)?;
            all.push(measured);
        }
        report.end(&all)?;
        Ok(all.iter().all(|it| it.n_failed == 0))
    })
}

/// Messages to measure with.
struct Case {
    name: String,
    messages: Vec<Message>,
}

fn cases(arguments: &BenchArguments) -> Result<Vec<Case>, Stop> {
    if !arguments.input.files.is_empty() {
        let messages = arguments.input.messages().collect::<Result<Vec<Message>, String>>()?;
        if messages.is_empty() {
            return Err(Stop::Said("there is no message in the files to measure with".to_string()));
        }
        return Ok(vec![Case { name: "files".to_string(), messages }]);
    }
    let sizes = match arguments.size.as_slice() {
        [] => SIZES.to_vec(),
        sizes => sizes.iter().map(|it| it.bytes()).collect(),
    };
    let case = |bytes: u64| {
        if SIZE_MAX < bytes {
            return Err(Stop::Said(format!("`--size` is at most {}", size_text(SIZE_MAX))));
        }
        let contents = (0..16).map(|it| made_up(it, bytes as usize));
        let messages = contents.map(|it| arguments.input.message(it)).collect();
        Ok(Case { name: size_text(bytes), messages })
    };
    sizes.into_iter().map(case).collect()
}

/// A line of printable text of exactly this size.
fn made_up(number: usize, n_bytes: usize) -> Vec<u8> {
    const WORDS: [&str; 8] =
        ["level=info", "user=ann", "action=login", "path=/a/b", "status=200", "ms=17", "ok", "x"];
    let mut text = format!("id={number:04} ");
    let mut words = WORDS.iter().cycle().skip(number % WORDS.len());
    while text.len() < n_bytes {
        text.push_str(words.next().expect("it goes on for ever"));
        text.push(' ');
    }
    let mut bytes = text.into_bytes();
    bytes.truncate(n_bytes);
    bytes
}

/// Calls the guest until the time is over.
fn measure(session: &mut Session, case: &Case, arguments: &BenchArguments) -> Measured {
    let mut feed = Feed::new(case, arguments.batch as usize);
    let warm_up = Duration::from_secs_f64(arguments.seconds * WARM_UP);
    let mut cold = Measured::new(case.name.clone());
    feed.run(session, warm_up, &mut cold);
    let mut measured = Measured::new(case.name.clone());
    measured.memory_before = session.memory_bytes();
    feed.run(session, Duration::from_secs_f64(arguments.seconds), &mut measured);
    measured.memory_after = session.memory_bytes();
    measured.n_replaced = session.n_replaced;
    // A guest that failed as long as it was cold is as bad.
    measured.n_failed += cold.n_failed;
    measured.first_failure = cold.first_failure.or(measured.first_failure);
    measured
}

/// Gives messages to the guest.
struct Feed<'a> {
    case: &'a Case,
    batch: usize,
    next: usize,
    /// How many batches a run has.
    n_batches: usize,
    n_batches_max: usize,
}

impl Feed<'_> {
    fn new(case: &Case, batch: usize) -> Feed<'_> {
        let bytes: usize = case.messages.iter().map(Message::size).sum();
        let each = (bytes / case.messages.len()).max(1);
        let n_messages = (RUN_BYTES_MAX / each).clamp(1, RUN_MESSAGES_MAX);
        Feed { case, batch, next: 0, n_batches: 1, n_batches_max: (n_messages / batch).max(1) }
    }

    fn run(&mut self, session: &mut Session, time: Duration, measured: &mut Measured) {
        let until = Instant::now() + time;
        while Instant::now() < until {
            let (run, n_bytes) = self.next_run();
            let n_messages = run.len() as u64;
            let ran = session.run(run);
            measured.n_messages += n_messages;
            measured.n_bytes += n_bytes;
            measured.time += ran.time;
            measured.saw_memory(session.memory_bytes(), session.n_replaced);
            for outcome in ran.outcomes {
                let ending = Ending::from(outcome);
                if ending.kind == Kind::Failed {
                    measured.n_failed += 1;
                    measured.first_failure.get_or_insert_with(|| {
                        ending.failed.as_ref().map(|it| it.mark_text()).unwrap_or_default()
                    });
                }
            }
            session.recorder.take();
            if ran.time < RUN_TIME {
                self.n_batches = (self.n_batches * 2).min(self.n_batches_max);
            }
        }
    }

    /// The next messages, and how many bytes they have.
    fn next_run(&mut self) -> (Run, u64) {
        let n = self.n_batches * self.batch;
        let mut messages = Vec::with_capacity(n);
        let mut n_bytes = 0;
        for _ in 0..n {
            let message = self.case.messages[self.next].clone();
            n_bytes += message.content().len() as u64;
            messages.push(message);
            self.next = (self.next + 1) % self.case.messages.len();
        }
        let ends = (1..=self.n_batches).map(|it| (it * self.batch) as u32).collect();
        (Run::batches(messages, ends), n_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_up_contents_have_their_size() {
        for n_bytes in [0, 1, 5, 100, 1000] {
            let texts: Vec<Vec<u8>> = (0..16).map(|it| made_up(it, n_bytes)).collect();
            assert!(
                texts.iter().all(|it| it.len() == n_bytes && it.iter().all(|it| (0x20..0x7f).contains(it)))
            );
        }
        assert_ne!(made_up(1, 100), made_up(2, 100));
    }
}
