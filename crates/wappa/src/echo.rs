//! `echo`: a config as it is understood, with its defaults, without its secrets, and without values of variables.

use std::{
    cell::RefCell,
    io::{self, IsTerminal, Write},
    path::Path,
    process::ExitCode,
    sync::Arc,
};

use wappa_component::{NotRead, read_file};
use wappa_spec::{
    Lint, LintOptions, Registry, Restricted, Rule, Source, StreamConfig, printable_lines, scrub,
    with_defaults,
};

use crate::{
    cli::Options,
    config::{Finding, Origin},
    environment::Environment,
    file_text::FileText,
    lint::has_color,
    picture, standard_output, table,
};

/// No config is that big.
const CONFIG_BYTES_MAX: u64 = 64 << 20;

/// Prints the main config. The error is for standard error.
pub(crate) fn echo(options: &Options, environment: &Environment) -> Result<ExitCode, String> {
    standard_output::check()?;
    let table = table::registry();
    let restricted = Restricted(&table);
    let registry: &dyn Registry = if options.restricted { &restricted } else { &table };
    let origin = Origin::find(options.files.config.as_deref(), environment);
    let (name, bytes) = match &origin {
        Origin::Specified(path) | Origin::Found(path) => (path.display().to_string(), read(path)?),
        Origin::Variable(name) => (name.to_string(), environment.var(name).unwrap_or_default().into_bytes()),
        Origin::Nowhere => (String::new(), b"{}".to_vec()),
    };
    let unread = |why: &str| {
        let place = if name.is_empty() { String::new() } else { format!("{name}: ") };
        printable_lines(&format!("Configuration file read error: {place}{why}")).into_owned()
    };
    let lookup = |name: &str| environment.for_config(name, registry.is_restricted());
    let source = read_source(&bytes, lookup, &options.set, registry, unread)?;
    let linted = source.stream(registry, LintOptions::default());
    if linted.config.is_none() {
        let first = linted.lints.iter().find(|it| it.is_error());
        return Err(unread(&first.map(ToString::to_string).unwrap_or_default()));
    }
    tell(&name, &bytes, linted.lints, environment);
    let kept = Kept::of(&bytes);
    let source = read_source(&bytes, |it| kept.lookup(it, lookup), &options.set, registry, unread)?;
    let whole = with_defaults(&source.node, StreamConfig::FIELDS);
    let shown = scrub(&whole, StreamConfig::FIELDS, registry);
    standard_output::print(kept.restored(&format!("{shown}\n")).as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// The tree of a config, with the fields that are set. `unread` makes an error of what is wrong with it.
fn read_source(
    bytes: &[u8],
    lookup: impl Fn(&str) -> Option<String>,
    set: &[String],
    registry: &dyn Registry,
    unread: impl Fn(&str) -> String,
) -> Result<Source, String> {
    let mut source = Source::read(bytes, lookup).map_err(|lints| {
        let first = lints.iter().find(|it| it.rule == Rule::FailedRead).or(lints.first());
        unread(&first.map(ToString::to_string).unwrap_or_default())
    })?;
    for expression in set {
        // Without the value, which may be secret.
        let flag = expression.split('=').next().unwrap_or_default();
        source.set(expression, registry).map_err(|err| format!("--set {flag}: {err}"))?;
    }
    Ok(source)
}

/// Says what is wrong with a config that can be shown all the same.
fn tell(name: &str, bytes: &[u8], lints: Vec<Lint>, environment: &Environment) {
    let file = Arc::new(FileText::new(name, String::from_utf8_lossy(bytes).into_owned()));
    let is_terminal = io::stderr().is_terminal();
    let has_color = has_color(is_terminal, environment);
    let findings = lints.into_iter().map(|lint| Finding { file: Arc::clone(&file), lint });
    let text: String = findings.map(|it| picture::render(&it, is_terminal, has_color)).collect();
    // Whoever closed the stream does not want to read it.
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Environment variables that stay references, since nobody knows which of them are secret: each is a word that a config may
/// have anywhere until it is printed.
struct Kept {
    word: String,
    names: RefCell<Vec<String>>,
}

impl Kept {
    fn of(bytes: &[u8]) -> Kept {
        let text = String::from_utf8_lossy(bytes);
        let mut word = "environment_variable_".to_string();
        while text.contains(&word) {
            word.push('_');
        }
        Kept { word, names: RefCell::default() }
    }

    /// What stands for a variable. One that is empty gives way to a default.
    fn lookup(&self, name: &str, lookup: impl Fn(&str) -> Option<String>) -> Option<String> {
        let value = lookup(name)?;
        if value.is_empty() {
            return Some(value);
        }
        let mut names = self.names.borrow_mut();
        let idx = names.iter().position(|it| it == name).unwrap_or(names.len());
        if idx == names.len() {
            names.push(name.to_string());
        }
        Some(format!("{}{idx}.", self.word))
    }

    fn restored(&self, text: &str) -> String {
        let names = self.names.borrow();
        let each = names.iter().enumerate();
        each.fold(text.to_string(), |text, (idx, name)| {
            text.replace(&format!("{}{idx}.", self.word), &format!("${{{name}}}"))
        })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    read_file(path, CONFIG_BYTES_MAX).map_err(|NotRead { step, cause }| {
        let path = path.display();
        printable_lines(&format!("Configuration file read error: {path}: {step} {path}: {cause}"))
            .into_owned()
    })
}
