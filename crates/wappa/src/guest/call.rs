//! `call`: one guest, a few messages, and all that can be said about them.

use std::{
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use wappa_message::Message;
use wappa_spec::printable_path;
use wappa_wasm::Run;

use super::{
    Stop, counted,
    ending::{Ending, Kind},
    host,
    input::InputOptions,
    json, on_thread,
    options::GuestOptions,
    session::{Ran, Session},
    size_text,
    text::{Style, printable},
    time_text,
};
use crate::{compiling::CompileOptions, environment::Environment, lint::has_color};

const EXAMPLES: &str = "\
Prints for each message what became of it, and fails when a message did.

  echo hello | wappa call ./greeter.wasm
  wappa call ./greeter.wasm --config greeting=welcome --meta kind=person --meta n:=3 ann.txt
  wappa call ./greeter.wasm --json ann.txt bob.txt | jq .sent";

/// The arguments of `call`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CallArguments {
    /// A module: a `.wasm` file, or WebAssembly text.
    module: PathBuf,

    #[command(flatten)]
    shape: CallShape,

    /// Print JSON: one document a line for each message.
    #[arg(long)]
    json: bool,

    /// Print only what is the same in every run: no times, no sizes, no log. It is what the fixtures of `wappa dev` hold.
    #[arg(long, conflicts_with = "json")]
    brief: bool,

    #[command(flatten)]
    compiling: CompileOptions,
}

/// Which messages a guest is called with, and how.
#[derive(Args, Clone, Debug)]
pub(crate) struct CallShape {
    #[command(flatten)]
    pub(super) input: InputOptions,

    /// All messages are one batch.
    #[arg(long)]
    pub(super) batch: bool,

    #[command(flatten)]
    pub(super) guest: GuestOptions,
}

/// Calls a guest. The error is for standard error.
pub(crate) fn call(arguments: CallArguments, before: CompileOptions) -> Result<ExitCode, String> {
    let host = host(before, &arguments.compiling, arguments.shape.guest.guest_memory_limit)?;
    let is_terminal = io::stdout().is_terminal();
    let style =
        Style { has_color: has_color(is_terminal, &Environment::default()), is_brief: arguments.brief };
    on_thread(move |out| {
        let shape = &arguments.shape;
        let mut session = Session::open(&host, &arguments.module, &shape.guest)?;
        let form = if arguments.json { Form::Json } else { Form::Text(style) };
        let mut printer = Printer { out, form, n: [0; Kind::ALL.len()], number: 0 };
        printer.begin(&arguments, &session)?;
        take(shape, &mut session, &mut printer).map_err(|stop| with_way_out(stop, &arguments))?;
        printer.end(&mut session)
    })
}

/// Takes the messages through the guest.
fn take(shape: &CallShape, session: &mut Session, printer: &mut Printer<'_>) -> Result<(), Stop> {
    let mut messages = shape.input.messages();
    if shape.batch {
        let batch = messages.collect::<Result<Vec<Message>, String>>()?;
        if !batch.is_empty() {
            printer.batch(session, batch)?;
        }
        return Ok(());
    }
    messages.try_for_each(|message| printer.single(session, message?))
}

/// Whoever gives a text where a file is expected is told how to give one.
fn with_way_out(stop: Stop, arguments: &CallArguments) -> Stop {
    match (stop, arguments.shape.input.missing_file().and_then(Path::to_str)) {
        (Stop::Said(mut text), Some(word)) => {
            let module = for_shell(&arguments.module.display().to_string());
            text.push_str(&format!("\nhint: for a text: echo {} | wappa call {module}", for_shell(word)));
            Stop::Said(text)
        }
        (stop, _) => stop,
    }
}

/// One word of a command, as a shell reads it.
fn for_shell(word: &str) -> String {
    let is_plain = |it: char| it.is_alphanumeric() || "._-/+:=@%".contains(it);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_string(),
        false => format!("'{}'", printable(word).replace('\'', r"'\''")),
    }
}

/// All messages in one batch.
pub(super) fn batch_run(messages: Vec<Message>) -> Run {
    let n = u32::try_from(messages.len()).unwrap_or(u32::MAX);
    Run::batches(messages, vec![n])
}

/// How outcomes are printed.
#[derive(Clone, Copy)]
enum Form {
    Text(Style),
    Json,
}

struct Printer<'a> {
    out: &'a mut dyn Write,
    form: Form,
    /// How many messages ended in each way.
    n: [usize; Kind::ALL.len()],
    number: usize,
}

impl Printer<'_> {
    /// The module.
    fn begin(&mut self, arguments: &CallArguments, session: &Session) -> Result<(), Stop> {
        if let Form::Text(style) = self.form
            && !style.is_brief
        {
            let size = size_text(session.module_bytes);
            let (loaded, started) = (time_text(session.load_time), time_text(session.start_time));
            let module = printable_path(&arguments.module);
            let line = format!("{module}: {size}, loaded in {loaded}, started in {started}");
            writeln!(self.out, "{}", style.dim(&line))?;
        }
        Ok(())
    }

    /// One message that is a batch of its own.
    fn single(&mut self, session: &mut Session, message: Message) -> Result<(), Stop> {
        let mut ran = session.run(Run::singles(vec![message]));
        let mut ending = Ending::from(ran.outcomes.pop().expect("one outcome for each message"));
        if let Some(err) = &ending.failed {
            ending.stack = session.stack(err);
        }
        let said = session.recorder.take();
        self.count(&ending);
        match self.form {
            Form::Json => writeln!(self.out, "{}", json::ending(self.number, &ending, Some((&ran, &said))))?,
            Form::Text(style) => {
                let cost = if style.is_brief { String::new() } else { cost_text(&ran) };
                self.out.write_all(style.ending(self.number, &ending, &cost).as_bytes())?;
                if !style.is_brief {
                    self.out.write_all(style.records(&said).as_bytes())?;
                    self.out.write_all(style.backtrace(&ending).as_bytes())?;
                }
            }
        }
        // Whoever types messages waits for each.
        Ok(self.out.flush()?)
    }

    /// All messages in one batch.
    fn batch(&mut self, session: &mut Session, messages: Vec<Message>) -> Result<(), Stop> {
        let n_messages = messages.len();
        let mut ran = session.run(batch_run(messages));
        let said = session.recorder.take();
        for outcome in ran.outcomes.split_off(0) {
            let mut ending = Ending::from(outcome);
            if let Some(err) = &ending.failed {
                ending.stack = session.stack(err);
            }
            self.count(&ending);
            match self.form {
                Form::Json => writeln!(self.out, "{}", json::ending(self.number, &ending, None))?,
                Form::Text(style) => {
                    self.out.write_all(style.ending(self.number, &ending, "").as_bytes())?;
                    if !style.is_brief {
                        self.out.write_all(style.backtrace(&ending).as_bytes())?;
                    }
                }
            }
        }
        match self.form {
            Form::Json => writeln!(self.out, "{}", json::batch(n_messages, &ran, &said))?,
            Form::Text(style) if !style.is_brief => {
                let line = format!("batch of {n_messages}{}", style.dim(&format!(" · {}", cost_text(&ran))));
                write!(self.out, "{line}\n{}", style.records(&said))?;
            }
            Form::Text(_) => (),
        }
        Ok(())
    }

    fn count(&mut self, ending: &Ending) {
        self.number += 1;
        self.n[ending.kind as usize] += 1;
    }

    /// Ends the guest and sums up; whether no message failed.
    fn end(mut self, session: &mut Session) -> Result<bool, Stop> {
        session.close();
        let said = session.recorder.take();
        match self.form {
            Form::Json if !said.is_empty() => writeln!(self.out, "{}", json::end(&said))?,
            Form::Text(style) if !style.is_brief => {
                if !said.is_empty() {
                    write!(self.out, "end\n{}", style.records(&said))?;
                }
                self.sum_up(style)?;
            }
            _ => (),
        }
        Ok(self.n[Kind::Failed as usize] == 0)
    }

    fn sum_up(&mut self, style: Style) -> Result<(), Stop> {
        let ways = Kind::ALL.into_iter().filter(|it| 0 < self.n[*it as usize]);
        let ways: Vec<String> = ways.map(|it| format!("{} {}", self.n[it as usize], it.word())).collect();
        let line = match self.number {
            0 => "no messages".to_string(),
            1 => return Ok(()),
            n => format!("{}: {}", counted(n, "message"), ways.join(", ")),
        };
        Ok(writeln!(self.out, "{}", style.dim(&line))?)
    }
}

fn cost_text(ran: &Ran) -> String {
    format!("{}, memory {}", time_text(ran.time), size_text(ran.memory_bytes))
}
