//! `echo`: a config as it is understood, with its defaults and without its secrets.

use std::{
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use wappa_component::{NotRead, read_file};
use wappa_spec::{
    LintOptions, Registry, Restricted, Rule, Source, StreamConfig, printable_lines, scrub, with_defaults,
};

use crate::{cli::Options, config::Origin, environment::Environment, standard_output, table};

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
    let mut source = Source::read(&bytes, lookup).map_err(|lints| {
        let first = lints.iter().find(|it| it.rule == Rule::FailedRead).or(lints.first());
        unread(&first.map(ToString::to_string).unwrap_or_default())
    })?;
    for expression in &options.set {
        // Without the value, which may be secret.
        let flag = expression.split('=').next().unwrap_or_default();
        source.set(expression, registry).map_err(|err| format!("--set {flag}: {err}"))?;
    }
    let linted = source.stream(registry, LintOptions::default());
    if linted.config.is_none() {
        let first = linted.lints.iter().find(|it| it.is_error());
        return Err(unread(&first.map(ToString::to_string).unwrap_or_default()));
    }
    let whole = with_defaults(&source.node, StreamConfig::FIELDS);
    let shown = scrub(&whole, StreamConfig::FIELDS, registry);
    // Whoever closed the stream does not want to read it.
    let _ = writeln!(io::stdout().lock(), "{shown}");
    Ok(ExitCode::SUCCESS)
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    read_file(path, CONFIG_BYTES_MAX).map_err(|NotRead { step, cause }| {
        let path = path.display();
        printable_lines(&format!("Configuration file read error: {path}: {step} {path}: {cause}"))
            .into_owned()
    })
}
