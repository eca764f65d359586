//! `replay --at`: failed messages go through one processor, and it is shown what became of each.

use std::{
    borrow::Cow,
    io::{self, IsTerminal, Write},
    path::PathBuf,
    process::ExitCode,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use wappa_component::{
    Ack, Batches, BuildError, ConnectError, Context, Delivery, Input, InputBell, Level, LogSink, Logger,
    Output, Parcel, ReadError, Step, Waits, cause, counted,
};
use wappa_engine::Instead;
use wappa_message::{Mark, Message};
use wappa_spec::{ComponentNode, StreamConfig};

use super::{
    failed::FailedMessage,
    lines::{LINE_BYTES_MAX, Lines, Next},
    place,
    replay::{at, say},
};
use crate::{
    cli::Options,
    environment::Environment,
    guest::{
        ending::{Ending, Kind},
        records::Records,
        text::Style,
        time_text,
    },
    lint::has_color,
    run, standard_output,
};

/// How many lines of the log are kept for one message.
const LOG_LINES_MAX: usize = 1000;

/// What goes through a processor, and how.
pub(super) struct At {
    /// Where the lines are, for what is told of them.
    pub(super) file: PathBuf,
    pub(super) lines: Lines,
    /// Which processor: its path, or its label.
    pub(super) place: String,
    /// Whether messages are marked with the reason of their lines.
    pub(super) is_marked: bool,
}

impl At {
    /// Shows what the processor does. The error is for standard error.
    pub(super) fn run(self, options: &Options, environment: &Environment) -> Result<ExitCode, String> {
        let style = Style { has_color: has_color(io::stdout().is_terminal(), environment), is_brief: true };
        let seen = Arc::new(Mutex::new(Seen::default()));
        let of_end = Arc::clone(&seen);
        let logger = Logger::new(Arc::new(Listener(Arc::clone(&seen))));
        let At { file, lines, place, is_marked } = self;
        let changed = |config: &mut StreamConfig| place::only(config, &place);
        let outputs = {
            let seen = Arc::clone(&seen);
            move |_: &ComponentNode, _: &mut Context<'_>| -> Option<Result<Box<dyn Output>, BuildError>> {
                Some(Ok(Box::new(Collector(Arc::clone(&seen)))))
            }
        };
        let input = |bell: InputBell| -> Box<dyn Input> {
            Box::new(OneByOne { file, lines, is_marked, seen, bell, style, given: None, is_over: false })
        };
        let instead = Instead { input: Box::new(input), is_as_read: false, outputs: Some(&outputs) };
        let ended = match run::run_instead(options, environment, changed, instead, Some(logger)) {
            Ok(ended) => ended,
            Err(code) => return Ok(code),
        };
        let mut seen = lock(&of_end);
        if let Some(err) = seen.unwritten.take() {
            standard_output::outcome(Err(err))?;
        }
        let ways = Kind::ALL.into_iter().filter(|it| 0 < seen.n[*it as usize]);
        let mut ways: Vec<String> = ways.map(|it| format!("{} {}", seen.n[it as usize], it.word())).collect();
        if 0 < ended.undelivered {
            ways.push(format!("{} given up", ended.undelivered));
        }
        if 0 < seen.n_bad {
            ways.push(format!("{} not read", counted(seen.n_bad, "line", "lines")));
        }
        let n: u64 = seen.n.iter().sum();
        let ways = if ways.is_empty() { String::new() } else { format!(": {}", ways.join(", ")) };
        say(&format!("{}{ways}", counted(n, "message", "messages")));
        let is_good = seen.n_bad == 0 && seen.n[Kind::Failed as usize] == 0;
        Ok(if is_good { ended.code } else { ExitCode::FAILURE })
    }
}

/// What was seen of the message that is under way, and how many there were.
#[derive(Default)]
struct Seen {
    messages: Vec<Message>,
    records: Records,
    took: Option<Duration>,
    n: [u64; Kind::ALL.len()],
    n_bad: u64,
    /// Why something could not be printed.
    unwritten: Option<io::Error>,
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps the lines of components. What the program itself says is told as ever where it is bad.
struct Listener(Arc<Mutex<Seen>>);

impl LogSink for Listener {
    fn enabled(&self, level: Level) -> bool {
        level <= Level::Debug
    }

    fn write(&self, level: Level, message: &str, fields: &[(&str, Cow<'_, str>)]) {
        let path = fields.iter().find(|it| it.0 == "path").map_or("", |it| &*it.1);
        if !path.starts_with("root.") {
            if level <= Level::Error {
                say(message);
            }
            return;
        }
        // The reason is told anyway.
        let is_reason = message.starts_with("Processor failed: ");
        let lines = &mut lock(&self.0).records.lines;
        if path.starts_with("root.pipeline") && !is_reason && lines.len() < LOG_LINES_MAX {
            let level = match level {
                Level::Fatal | Level::Error => wappa_wasm::Level::Error,
                Level::Warn => wappa_wasm::Level::Warn,
                Level::Info => wappa_wasm::Level::Info,
                Level::Debug => wappa_wasm::Level::Debug,
                Level::Trace => wappa_wasm::Level::Trace,
            };
            lines.push((level, message.to_string()));
        }
    }
}

/// Collects what comes out of the processor.
struct Collector(Arc<Mutex<Seen>>);

impl Output for Collector {
    fn connect(&mut self) -> Result<(), ConnectError> {
        Ok(())
    }

    fn write(&mut self, delivery: Delivery, _: &mut Step<'_>) {
        lock(&self.0).messages.extend_from_slice(delivery.messages());
        delivery.answer(Ok(()));
    }
}

/// Failed messages as an input that gives one after the other, and prints what became of each.
struct OneByOne {
    file: PathBuf,
    lines: Lines,
    is_marked: bool,
    seen: Arc<Mutex<Seen>>,
    bell: InputBell,
    style: Style,
    /// The number of the line whose message is under way.
    given: Option<u64>,
    is_over: bool,
}

impl OneByOne {
    /// Prints what became of the message that was under way.
    fn show(&mut self, number: u64, took: Duration) {
        let mut seen = lock(&self.seen);
        let ending = Ending::of_messages(std::mem::take(&mut seen.messages));
        let records = std::mem::take(&mut seen.records);
        seen.n[ending.kind as usize] += 1;
        drop(seen);
        let number = usize::try_from(number).unwrap_or(usize::MAX);
        let mut text = self.style.ending(number, &ending, &time_text(took));
        text.push_str(&self.style.records(&records));
        // Who does not read it any more wants no more.
        if let Err(err) = io::stdout().lock().write_all(text.as_bytes()) {
            self.is_over = true;
            lock(&self.seen).unwritten.get_or_insert(err);
        }
    }

    fn bad(&self, why: &str) {
        lock(&self.seen).n_bad += 1;
        say(&at(&self.file, self.lines.number(), why));
    }

    fn give(&mut self, line: &Bytes) -> Option<Parcel> {
        let failed = match FailedMessage::parse(line) {
            Ok(failed) => failed,
            Err(why) => {
                self.bad(&why);
                return None;
            }
        };
        let mut message = failed.message;
        if self.is_marked {
            message.set_error(Mark::new(failed.reason.unwrap_or_else(|| "failed before".to_string())));
        }
        self.given = Some(self.lines.number());
        let (seen, bell, began) = (Arc::clone(&self.seen), self.bell.clone(), Instant::now());
        let ack = Ack::new(1, move |_| {
            lock(&seen).took = Some(began.elapsed());
            bell.ring();
        });
        Some(Parcel::of_messages(vec![message], Batches::Singles, ack))
    }
}

impl Input for OneByOne {
    fn read(&mut self, waits: &mut Waits, _: &mut Step<'_>) -> Result<Parcel, ReadError> {
        if let Some(number) = self.given {
            // The bell is rung then.
            let Some(took) = lock(&self.seen).took.take() else { return Err(ReadError::NotReady) };
            self.given = None;
            self.show(number, took);
        }
        while !self.is_over {
            match self.lines.next(waits) {
                Ok(Next::Line(line)) if line.is_empty() => (),
                Ok(Next::Line(line)) => {
                    if let Some(parcel) = self.give(&line) {
                        return Ok(parcel);
                    }
                }
                Ok(Next::TooLong) => self.bad(&format!("it is longer than {} MiB", LINE_BYTES_MAX >> 20)),
                Ok(Next::NotYet) => return Err(ReadError::NotReady),
                Ok(Next::End) => self.is_over = true,
                Err(err) => {
                    self.is_over = true;
                    return Err(ReadError::SourceFailed(cause(&err)));
                }
            }
        }
        Err(ReadError::EndOfInput)
    }

    fn stop(&mut self) {
        self.is_over = true;
    }
}
