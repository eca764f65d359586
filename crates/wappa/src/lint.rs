//! `lint`: everything that is wrong with configs, all at once.

use std::{
    io::{self, IsTerminal, Write},
    path::PathBuf,
    process::ExitCode,
};

use wappa_spec::{Deprecated, LintOptions, Rule, printable_lines};

use crate::{
    cli::{FileOptions, LintArguments},
    config::{Finding, Reading},
    environment::Environment,
    globs, picture, table,
};

/// Lints what the arguments name, and the files of `--config` and `--resources`.
pub(crate) fn lint(arguments: &LintArguments, files: &FileOptions, environment: &Environment) -> ExitCode {
    let targets = match targets(arguments, files) {
        Ok(targets) => targets,
        Err(err) => {
            let _ = writeln!(io::stderr(), "Lint paths error: {}", printable_lines(&err));
            return ExitCode::FAILURE;
        }
    };
    let deprecated = if arguments.deprecated { Deprecated::Reject } else { Deprecated::Warn };
    let lint_options = LintOptions { deprecated, require_labels: arguments.labels };
    let reading = Reading { registry: &table::registry(), environment, options: lint_options };
    let mut findings: Vec<Finding> = targets.iter().flat_map(|it| reading.lint(it)).collect();
    if arguments.skip_env_var_check {
        findings.retain(|it| it.lint.rule != Rule::MissingEnvVar);
    }
    print(&findings, environment)
}

fn targets(arguments: &LintArguments, files: &FileOptions) -> Result<Vec<PathBuf>, String> {
    let mut targets = globs::expand_deep(&arguments.paths)?;
    targets.extend(files.config.clone());
    targets.extend(globs::expand(&files.resources)?);
    Ok(targets)
}

/// Errors go to standard error, with the warnings among them. Warnings alone go to standard output, and are no
/// failure.
pub(crate) fn print(findings: &[Finding], environment: &Environment) -> ExitCode {
    let has_errors = findings.iter().any(|it| it.lint.is_error());
    let is_terminal = match has_errors {
        true => io::stderr().is_terminal(),
        false => io::stdout().is_terminal(),
    };
    let has_color = has_color(is_terminal, environment);
    let text: String = findings.iter().map(|it| picture::render(it, is_terminal, has_color)).collect();
    // Whoever does not read it any more does not want it.
    let _ = match has_errors {
        true => io::stderr().lock().write_all(text.as_bytes()),
        false => io::stdout().lock().write_all(text.as_bytes()),
    };
    if has_errors { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Whether colors are welcome.
pub(crate) fn has_color(is_terminal: bool, environment: &Environment) -> bool {
    is_terminal && environment.var("NO_COLOR").is_none_or(|it| it.is_empty())
}
