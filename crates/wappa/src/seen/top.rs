//! `top`: components of a stream, with what they do and what waits for them.

use std::{
    io::{self, IsTerminal, Write},
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use clap::Args;
use wappa_spec::printable_lines;

use super::{ADDRESS, Service, refusal, samples::Samples, table};
use crate::{cli::duration, standard_output};

const EXAMPLES: &str = "\
It reads what the exporter `prometheus` or `json_api` shows at `/stats`, of Wappa or of Bento.

  wappa top
  wappa top http://127.0.0.1:4195 --interval 5s
  wappa top http://user:password@10.0.0.7:4195 --once";

/// The arguments of `top`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct TopArguments {
    /// The HTTP service of the program; a user and a password may stand in it.
    #[arg(default_value = ADDRESS)]
    pub(crate) url: String,

    /// How often it is looked at.
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = duration)]
    pub(crate) interval: Duration,

    /// Show this stream only, of a process with several.
    #[arg(long, value_name = "ID")]
    pub(crate) stream: Option<String>,

    /// Print one table, of one interval.
    #[arg(long)]
    pub(crate) once: bool,
}

/// So many streams are named to whoever asks for one that is not there.
const STREAMS_NAMED_MAX: usize = 20;

/// What was seen, and when.
struct Look {
    at: Instant,
    samples: Samples,
    state: String,
}

/// Shows what components do: again and again on a terminal, else once.
pub(crate) fn top(arguments: &TopArguments) -> Result<ExitCode, String> {
    standard_output::check()?;
    let service = Service::new(&arguments.url)?;
    let is_live = !arguments.once && io::stdout().is_terminal();
    let mut before = look(&service)?;
    if let Some(wanted) = &arguments.stream {
        is_there(wanted, &before.samples)?;
    }
    loop {
        thread::sleep(arguments.interval);
        let now = match look(&service) {
            Ok(now) => now,
            // It may come back; whoever looks sees why there is nothing new.
            Err(why) if is_live => {
                if !print(&format!("\x1b[H\x1b[2J{}\n", printable_lines(&why))) {
                    return Ok(ExitCode::SUCCESS);
                }
                continue;
            }
            Err(why) => return Err(why),
        };
        let seconds = now.at.saturating_duration_since(before.at).as_secs_f64();
        let table = table::of(&before.samples, &now.samples, seconds, arguments.stream.as_deref());
        let text = printable_lines(&format!("{}\n\n{table}", now.state)).into_owned();
        let begin = if is_live { "\x1b[H\x1b[2J" } else { "" };
        if !print(&format!("{begin}{text}")) || !is_live {
            return Ok(ExitCode::SUCCESS);
        }
        before = now;
    }
}

/// A stream that is misspelt is said, and not shown as one that does nothing.
fn is_there(wanted: &str, samples: &Samples) -> Result<(), String> {
    let streams = samples.values_of("stream");
    if streams.contains(wanted) {
        return Ok(());
    }
    let mut named: Vec<&str> = streams.iter().copied().take(STREAMS_NAMED_MAX).collect();
    if named.is_empty() {
        return Err(format!("there is no stream {wanted}, and no other one in this process"));
    }
    if named.len() < streams.len() {
        named.push("…");
    }
    Err(format!("there is no stream {wanted}; there are: {}", named.join(", ")))
}

fn look(service: &Service) -> Result<Look, String> {
    let (code, page) = service.text("/stats")?;
    match code {
        200 => (),
        404 => {
            return Err(
                "the service shows no metrics: its config has to say `metrics: {prometheus: {}}` or \
                        `metrics: {json_api: {}}`"
                    .to_string(),
            );
        }
        code => return Err(refusal(code, &page)),
    }
    let at = Instant::now();
    let samples = Samples::read(&page)?;
    let state = match service.text("/ready") {
        Ok((200, _)) => "ready".to_string(),
        Ok((_, text)) => text.lines().collect::<Vec<_>>().join(", "),
        Err(why) => why,
    };
    Ok(Look { at, samples, state })
}

/// Whether somebody takes it.
fn print(text: &str) -> bool {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_ok()
}
