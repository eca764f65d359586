//! `lint`: everything that is wrong with configs, all at once.

use std::{
    io::{self, IsTerminal, Write},
    path::PathBuf,
    process::ExitCode,
};

use wappa_component::counted;
use wappa_spec::{
    Deprecated, Level, LintOptions, Registry, Restricted, Rule, printable, printable_json, printable_lines,
};

use crate::{
    cli::{FileOptions, LintArguments},
    config::{Finding, Reading},
    environment::Environment,
    globs, picture, standard_output,
};

/// How findings are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    // For people: Bento's lines, with the way out.
    #[default]
    Text,
    // A list of objects: file, line, column, level, rule, message and hint.
    Json,
    // Annotations of GitHub's workflows.
    Github,
}

/// Lints what the arguments name, and the files of `--config` and `--resources`.
pub(crate) fn lint(
    arguments: &LintArguments,
    files: &FileOptions,
    environment: &Environment,
    registry: &dyn Registry,
) -> ExitCode {
    let targets = match targets(arguments, files) {
        Ok(targets) => targets,
        Err(err) => {
            let _ = writeln!(io::stderr(), "Lint paths error: {}", printable_lines(&err));
            return ExitCode::FAILURE;
        }
    };
    if targets.is_empty() {
        let text = "Lint paths error: there is nothing to lint\nhint: name configs: wappa lint config.yaml, or all below \
                    a directory: wappa lint configs/...\n";
        let _ = io::stderr().write_all(text.as_bytes());
        return ExitCode::FAILURE;
    }
    let deprecated = if arguments.deprecated { Deprecated::Reject } else { Deprecated::Warn };
    let lint_options =
        LintOptions { deprecated, require_labels: arguments.labels, portable: arguments.portable };
    let restricted = Restricted(registry);
    let registry: &dyn Registry = if arguments.restricted { &restricted } else { registry };
    let reading = Reading {
        registry,
        environment,
        options: lint_options,
        guest_memory_limit: arguments.guest_memory_limit,
        is_around: false,
    };
    // Without `-r` a resource may well be in a file that is not here.
    let unknown_resource = if files.resources.is_empty() { Level::Warning } else { Level::Error };
    let mut findings = reading.lint(&targets, unknown_resource);
    if arguments.skip_env_var_check {
        findings.retain(|it| it.lint.rule != Rule::MissingEnvVar);
    }
    match arguments.format {
        Format::Text if findings.is_empty() && io::stdout().is_terminal() => {
            let n_files = counted(targets.len(), "file", "files");
            let _ = writeln!(io::stdout(), "{n_files}, no problems");
            ExitCode::SUCCESS
        }
        Format::Text => print(&findings, environment),
        format => {
            let text = if format == Format::Json { json(&findings) } else { github(&findings) };
            match standard_output::print(text.as_bytes()) {
                Ok(()) => code_of(&findings),
                Err(why) => unwritten(&why),
            }
        }
    }
}

/// Findings that nobody got are no success.
fn unwritten(why: &str) -> ExitCode {
    let _ = writeln!(io::stderr(), "{why}");
    ExitCode::FAILURE
}

fn code_of(findings: &[Finding]) -> ExitCode {
    if findings.iter().any(|it| it.lint.is_error()) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn level_of(finding: &Finding) -> &'static str {
    if finding.lint.is_error() { "error" } else { "warning" }
}

fn json(findings: &[Finding]) -> String {
    let of = |it: &Finding| {
        serde_json::json!({
            "file": it.file.path,
            "line": it.lint.pos.line,
            "column": it.lint.pos.column,
            "level": level_of(it),
            "rule": it.lint.rule.name(),
            "message": it.lint.message,
            "hint": it.lint.hint,
        })
    };
    let all = findings.iter().map(of).collect::<serde_json::Value>();
    format!("{}\n", printable_json(&format!("{all:#}")))
}

/// Texts of commands to the runner have their own escapes.
fn github(findings: &[Finding]) -> String {
    let text = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |it: &str| text(it).replace(':', "%3A").replace(',', "%2C");
    let of = |it: &Finding| {
        let hint = it.lint.hint.as_ref().map(|it| format!("\nhint: {it}")).unwrap_or_default();
        format!(
            "::{} file={},line={},col={},title={}::{}\n",
            level_of(it),
            property(&printable(&it.file.path)),
            it.lint.pos.line.max(1),
            it.lint.pos.column.max(1),
            property(it.lint.rule.name()),
            text(&printable_lines(&format!("{}{hint}", it.lint.message))),
        )
    };
    findings.iter().map(of).collect()
}

fn targets(arguments: &LintArguments, files: &FileOptions) -> Result<Vec<PathBuf>, String> {
    let mut targets = globs::expand_deep(&arguments.paths)?;
    targets.extend(files.config.clone());
    for pattern in &files.resources {
        let found = globs::expand(std::slice::from_ref(pattern))?;
        if found.is_empty() && !pattern.is_empty() {
            return Err(format!("`{pattern}` finds no file"));
        }
        targets.extend(found);
    }
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
    if has_errors {
        // Whoever does not read it any more does not want it.
        let _ = io::stderr().lock().write_all(text.as_bytes());
    } else if let Err(why) = standard_output::print(text.as_bytes()) {
        return unwritten(&why);
    }
    code_of(findings)
}

/// Whether colors are welcome.
pub(crate) fn has_color(is_terminal: bool, environment: &Environment) -> bool {
    is_terminal && environment.var("NO_COLOR").is_none_or(|it| it.is_empty())
}
