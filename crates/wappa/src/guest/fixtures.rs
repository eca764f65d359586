//! Fixtures: what goes into a guest and what is to come out, in the directory `fixtures` of a project.
//!
//! A fixture NAME is what `wappa call` reads on standard input (`NAME.in`), what it prints with `--brief`
//! (`NAME.out`), and where there are some its other flags (`NAME.args`, one a line).

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use clap::Parser;
use wappa_spec::printable_path;
use wappa_wasm::Run;

use super::{
    Host,
    call::{CallShape, batch_run},
    ending::Ending,
    records::Records,
    session::Session,
    text::Style,
};

const BRIEF: Style = Style { has_color: false, is_brief: true };

/// A fixture of a project.
#[derive(Debug)]
pub(super) struct Fixture {
    pub(super) name: String,
    dir: PathBuf,
}

/// What came of a fixture.
pub(super) enum Came {
    /// What was expected.
    Good,
    /// Something else.
    Different { expected: String, found: String, said: Records },
    /// It was written down, as the user wanted.
    Updated,
    /// It could not be run.
    Bad(String),
}

/// The flags of a fixture.
#[derive(Parser)]
#[command(no_binary_name = true, disable_help_flag = true)]
struct Flags {
    #[command(flatten)]
    shape: CallShape,
}

/// The fixtures of a project, by name.
pub(super) fn find(project: &Path) -> Result<Vec<Fixture>, String> {
    let dir = project.join("fixtures");
    let entries = match fs::read_dir(&dir) {
        Ok(entries) => entries,
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(err) => {
            return Err(format!("reading {}: {}", printable_path(&dir), wappa_component::cause(&err)));
        }
    };
    let mut fixtures = Vec::new();
    for entry in entries.flatten() {
        let name = entry.file_name();
        if let Some(name) = name.to_str().and_then(|it| it.strip_suffix(".in")) {
            fixtures.push(Fixture { name: name.to_string(), dir: dir.clone() });
        }
    }
    fixtures.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(fixtures)
}

impl Fixture {
    fn file(&self, extension: &str) -> PathBuf {
        self.dir.join(format!("{}.{extension}", self.name))
    }

    /// Runs it, and compares what came out with what is expected.
    pub(super) fn run(&self, host: &Host, module: &Path, is_update: bool) -> Came {
        self.try_run(host, module, is_update).unwrap_or_else(Came::Bad)
    }

    fn try_run(&self, host: &Host, module: &Path, is_update: bool) -> Result<Came, String> {
        let shape = self.shape()?;
        let (found, said) = outcomes(&shape, host, module)?;
        let file = self.file("out");
        let expected = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(err) if err.kind() == io::ErrorKind::NotFound => String::new(),
            Err(err) => {
                return Err(format!("reading {}: {}", printable_path(&file), wappa_component::cause(&err)));
            }
        };
        if expected == found {
            return Ok(Came::Good);
        }
        if !is_update {
            return Ok(Came::Different { expected, found, said });
        }
        fs::write(&file, found)
            .map_err(|err| format!("writing {}: {}", printable_path(&file), wappa_component::cause(&err)))?;
        Ok(Came::Updated)
    }

    /// How the guest is called.
    fn shape(&self) -> Result<CallShape, String> {
        let file = self.file("args");
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(err) if err.kind() == io::ErrorKind::NotFound => String::new(),
            Err(err) => {
                return Err(format!("reading {}: {}", printable_path(&file), wappa_component::cause(&err)));
            }
        };
        let flags = Flags::try_parse_from(arguments(&text)).map_err(|err| {
            let text = err.to_string();
            let first = text.lines().next().unwrap_or_default();
            format!("{}: {}", printable_path(&file), first.strip_prefix("error: ").unwrap_or(first))
        })?;
        let mut shape = flags.shape;
        if !shape.input.files.is_empty() {
            let text = "the messages of a fixture are in its `.in` file: name no others";
            return Err(format!("{}: {text}", printable_path(&file)));
        }
        // It stands for standard input, of which each line is a message.
        shape.input.files = vec![self.file("in")];
        shape.input.lines = !shape.input.whole;
        Ok(shape)
    }
}

/// One flag a line, with its value behind it; empty lines and comments mean nothing.
fn arguments(text: &str) -> Vec<String> {
    let lines = text.lines().map(str::trim).filter(|it| !it.is_empty() && !it.starts_with('#'));
    let words = lines.flat_map(|line| match line.split_once(char::is_whitespace) {
        Some((flag, value)) if flag.starts_with('-') => vec![flag.to_string(), value.trim().to_string()],
        _ => vec![line.to_string()],
    });
    words.collect()
}

/// What `wappa call --brief` would print, and what the guest said beside it.
fn outcomes(shape: &CallShape, host: &Host, module: &Path) -> Result<(String, Records), String> {
    let mut session = Session::open(host, module, &shape.guest)?;
    let messages = shape.input.messages().collect::<Result<Vec<_>, String>>()?;
    let run = if shape.batch { batch_run(messages) } else { Run::singles(messages) };
    let ran = session.run(run);
    session.close();
    let mut text = String::new();
    for (idx, outcome) in ran.outcomes.into_iter().enumerate() {
        text.push_str(&BRIEF.ending(idx + 1, &Ending::from(outcome), ""));
    }
    Ok((text, session.recorder.take()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_one_a_line() {
        let text = "# how it is called\n--config greeting=welcome back\n\n--batch\n-m kind=a\n";
        assert_eq!(arguments(text), ["--config", "greeting=welcome back", "--batch", "-m", "kind=a"]);
    }
}
