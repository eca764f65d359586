//! `test`: runs the tests of configs, and tells what is not as it is to be, in Bento's words.
//!
//! A test's processors run in a stream of their own, as those of any config: with real components and modules, and with
//! the limits that they have in a run. A test that does not end is given up, and those behind it in its file are not run.

mod conditions;
mod coverage;
mod definitions;
mod execute;
mod json_diff;
mod style;
mod target;
mod values;

use std::{
    cell::Cell,
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use clap::Args;
use wappa_component::Logger;
use wappa_message::Message;
use wappa_spec::{
    Level, LintOptions, Node, Registry, Restricted, Rule, Source, StreamConfig, TestConfig, TestInputConfig,
    printable_lines, printable_path,
};

pub(crate) use self::values::are_equal;
use self::{
    conditions::{Looking, file_of_test},
    coverage::Coverage,
    definitions::{Case, Tested},
    execute::{Executing, Outcome},
    style::{Style, shown},
    target::{Targeting, TestRegistry},
    values::{html_safe_json, value_of},
};
use crate::{
    cli::{FileOptions, Options, duration, log_level},
    compiling::CompileOptions,
    config::{Finding, Reading},
    environment::Environment,
    globs, lint,
    log::{Log, LogSetting, Target},
    standard_output, table, wasm,
};

/// No config is that big.
const CONFIG_BYTES_MAX: u64 = 64 << 20;

/// What is told of the failures of one config. Who has more of them mends these first.
const FAILURES_MAX: usize = 1000;

const EXAMPLES: &str = "\
The tests of `foo.yaml` are in its field `tests`, or else in the files `foo_wappa_test.yaml` and `foo_bento_test.yaml` \
beside it. Exits with 0 if all of them hold, and with 1 otherwise, or if there are none.

  wappa test ./config.yaml
  wappa test ./configs/...
  wappa test './configs/*.yaml' --log debug";

/// The arguments of `test`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct TestArguments {
    /// Configs, files of tests, patterns, or a directory with `...` behind it.
    paths: Vec<String>,

    /// Write the log of what is tested to standard output, from this level on: error, warn, info, debug, trace.
    #[arg(long, value_name = "LEVEL", value_parser = log_level)]
    log: Option<String>,

    /// How long one test may take.
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "30s")]
    time_limit: Duration,

    /// Say which processors, and which cases of processors that choose, no test has reached.
    #[arg(long)]
    coverage: bool,

    #[command(flatten)]
    pub(crate) files: FileOptions,

    #[command(flatten)]
    compiling: CompileOptions,
}

/// Runs the tests of what the arguments name. The error is for standard error.
pub(crate) fn test(
    arguments: &TestArguments,
    before: &Options,
    environment: &Environment,
) -> Result<ExitCode, String> {
    standard_output::check()?;
    if !before.set.is_empty() {
        return Err("Cannot override fields with --set (-s) during unit tests".to_string());
    }
    let compiling = before.compiling.clone().merged(&arguments.compiling);
    let table = table::with_modules(wasm::modules(compiling.budget())?);
    let restricted = Restricted(&table);
    let registry: &dyn Registry = if before.restricted { &restricted } else { &table };
    let files = before.files.clone().merged(&arguments.files);
    let resources = globs::expand(&files.resources)
        .map_err(|err| format!("Failed to resolve resource glob pattern: {err}"))?;
    let is_dumb = environment.var("TERM").is_some_and(|it| it == "dumb");
    let has_color = !is_dumb && lint::has_color(io::stdout().is_terminal(), environment);
    let executing = Executing {
        budget: compiling.budget(),
        keeping: compiling.cache(environment),
        guest_memory_limit: before.guest_memory_limit,
        logger: logger(arguments.log.as_deref(), has_color)?,
        time_limit: arguments.time_limit,
    };
    let testing = Testing { registry, environment, resources, executing, style: Style { has_color } };
    let failed = |text: String| format!("Failed to obtain test targets: {text}");
    let paths = paths(&arguments.paths, &files).map_err(failed)?;
    let all = definitions::find(&paths, registry).map_err(failed)?;
    if all.is_empty() {
        let out = Out::default();
        out.say(&testing.style.yellow("No tests were found"));
        warn(&looked_in(&paths), Some(&hint_of(&arguments.paths)));
        return out.outcome().map(|()| ExitCode::FAILURE);
    }
    testing.all(&all, arguments.coverage)
}

/// What components write to standard output, or nothing.
fn logger(level: Option<&str>, has_color: bool) -> Result<Logger, String> {
    let Some(level) = level else { return Ok(Logger::silent()) };
    let setting = LogSetting { level: Some(level), target: Target::Stdout, has_color, bar: Arc::default() };
    let config = StreamConfig::empty(&table::registry()).expect("an empty config is a config");
    let log = Log::new(&config.logger, setting).map_err(|err| format!("Failed to init logger: {err}"))?;
    Ok(Logger::new(Arc::new(log)))
}

/// Where there were no tests.
fn looked_in(paths: &[PathBuf]) -> String {
    const SHOWN_MAX: usize = 3;
    let shown: Vec<String> = paths.iter().take(SHOWN_MAX).map(printable_path).collect();
    let more = paths.len().saturating_sub(SHOWN_MAX);
    match (shown.is_empty(), more) {
        (true, _) => "no file was looked at".to_string(),
        (_, 0) => format!("looked at {}", shown.join(", ")),
        (_, more) => format!("looked at {} and {more} more", shown.join(", ")),
    }
}

fn hint_of(patterns: &[String]) -> String {
    let directory = patterns.iter().find(|it| Path::new(it).is_dir());
    let directory = directory.map_or("DIR", |it| it.trim_end_matches('/'));
    format!(
        "tests are in the field `tests` of a config, or in `NAME_wappa_test.yaml` beside `NAME.yaml`; those of all \
         configs below a directory: wappa test {directory}/..."
    )
}

fn paths(patterns: &[String], files: &FileOptions) -> Result<Vec<PathBuf>, String> {
    let mut paths = Vec::new();
    for pattern in patterns {
        match pattern.strip_suffix("...") {
            Some("") => globs::walk(Path::new("."), &mut paths)?,
            Some(root) => globs::walk(Path::new(root), &mut paths)?,
            None => paths.extend(globs::expand(std::slice::from_ref(pattern))?),
        }
    }
    paths.extend(files.config.clone());
    Ok(paths)
}

/// What is wrong with one config.
struct Failed<'a> {
    path: &'a Path,
    lints: Vec<Finding>,
    failures: Vec<Failure<'a>>,
    /// How many more there are.
    n_untold: usize,
}

/// Something that is not as a test has it.
struct Failure<'a> {
    name: &'a str,
    line: u32,
    reason: String,
}

impl<'a> Failed<'a> {
    /// Nothing is wrong yet.
    fn of(path: &'a Path) -> Failed<'a> {
        Failed { path, lints: Vec::new(), failures: Vec::new(), n_untold: 0 }
    }

    fn push(&mut self, case: &'a Case, reason: String) {
        match self.failures.len() < FAILURES_MAX {
            true => self.failures.push(Failure { name: &case.config.name, line: case.line, reason }),
            false => self.n_untold += 1,
        }
    }

    fn is_empty(&self) -> bool {
        self.lints.is_empty() && self.failures.is_empty()
    }
}

struct Testing<'a> {
    registry: &'a dyn Registry,
    environment: &'a Environment,
    resources: Vec<PathBuf>,
    executing: Executing,
    style: Style,
}

impl Testing<'_> {
    fn all(&self, all: &[Tested], tells_coverage: bool) -> Result<ExitCode, String> {
        let (mut failed, mut coverage, out) = (Vec::new(), Coverage::default(), Out::default());
        let mut code = ExitCode::SUCCESS;
        for tested in all {
            coverage.begin(&tested.path);
            for (file, lint) in &tested.warnings {
                warn(&lint.line(&printable_path(file)), lint.hint.as_deref());
            }
            let path = printable_path(&tested.path);
            let (told, broken) = match self.one(tested, &mut coverage) {
                Ok(told) => told,
                // The others have tests as well.
                Err(why) => (Failed::of(&tested.path), vec![why]),
            };
            for why in &broken {
                let why = printable_lines(why);
                let _ = writeln!(io::stderr(), "Failed to execute test target '{path}': {why}");
                code = ExitCode::FAILURE;
            }
            match told.is_empty() {
                true if !broken.is_empty() => (),
                true => out.say(&format!("Test '{path}' {}", self.style.green("succeeded"))),
                false => {
                    out.say(&format!("Test '{path}' {}", self.style.red("failed")));
                    failed.push(told);
                    code = ExitCode::FAILURE;
                }
            }
        }
        if !failed.is_empty() {
            out.say("\nFailures:\n");
        }
        for (idx, failed) in failed.iter().enumerate() {
            if 0 < idx {
                out.say("");
            }
            tell(failed, &out);
        }
        if tells_coverage {
            out.print(&coverage.report(self.registry, |path| self.tree(path)));
        }
        out.outcome().map(|()| code)
    }

    /// What a config says.
    fn tree(&self, path: &Path) -> Option<Node> {
        let bytes = wappa_component::read_file(path, CONFIG_BYTES_MAX).ok()?;
        let lookup = |name: &str| self.environment.for_config(name, self.registry.is_restricted());
        Source::read(&bytes, lookup).ok().map(|it| it.node)
    }

    /// Lints one config and runs its tests. Beside what failed, why some of them could not be run, and the others were.
    fn one<'t>(
        &self,
        tested: &'t Tested,
        coverage: &mut Coverage,
    ) -> Result<(Failed<'t>, Vec<String>), String> {
        let mut failed = Failed { lints: self.lints(&tested.path)?, ..Failed::of(&tested.path) };
        let mut broken = Vec::new();
        for (idx, case) in tested.cases.iter().enumerate() {
            let is_late = match self.case(&tested.path, case, &mut failed, coverage) {
                Ok(is_late) => is_late,
                Err(_) if FAILURES_MAX <= broken.len() => continue,
                Err(why) => {
                    broken.push(format!("test case {idx} failed: {why}"));
                    continue;
                }
            };
            let n_left = tested.cases.len() - idx - 1;
            if is_late && 0 < n_left {
                let n_left = wappa_component::counted(n_left, "test", "tests");
                failed.push(case, format!("{n_left} behind it not run"));
                break;
            }
        }
        Ok((failed, broken))
    }

    /// What is wrong with the config itself. Variables are for each test to set.
    fn lints(&self, path: &Path) -> Result<Vec<Finding>, String> {
        let reading = Reading {
            registry: self.registry,
            environment: self.environment,
            options: LintOptions::default(),
            guest_memory_limit: None,
            is_around: false,
        };
        let mut findings = reading.lint(&[path.to_path_buf()], Level::Warning);
        findings.retain(|it| it.lint.is_error() && it.lint.rule != Rule::MissingEnvVar);
        match findings.iter().find(|it| it.lint.rule == Rule::FailedRead) {
            Some(unread) => Err(unread.read_error()),
            None => {
                // Inputs and outputs are not built; what a test needs of it is told where it is built.
                findings.retain(|it| {
                    let is_lacking = it.lint.rule == Rule::NotInWappa;
                    if is_lacking {
                        warn(&it.line(), None);
                    }
                    !is_lacking
                });
                Ok(findings)
            }
        }
    }

    /// Runs a test. Whether its time was over.
    fn case<'t>(
        &self,
        path: &Path,
        case: &'t Case,
        failed: &mut Failed<'t>,
        coverage: &mut Coverage,
    ) -> Result<bool, String> {
        let dir = path.parent().unwrap_or(Path::new(""));
        let registry = TestRegistry::new(self.registry, &case.config, path);
        let targeting = Targeting { config: path, environment: self.environment, resources: &self.resources };
        let (config, target) = targeting.stream(&case.config, &registry)?;
        let batches = batches(&case.config, dir)?;
        let outcome = self.executing.run(&config, &registry, batches).map_err(|why| {
            format!("failed to initialise processors '{}': {why}", case.config.target_processors)
        })?;
        if let Some(target) = target {
            coverage.add(&target, &case.config, &outcome.reached, self.registry);
        }
        self.look(dir, case, &outcome, failed);
        Ok(outcome.is_late)
    }

    /// Compares what came out with what is to come out.
    fn look<'t>(&self, dir: &Path, case: &'t Case, outcome: &Outcome, failed: &mut Failed<'t>) {
        let looking = Looking { dir, style: self.style };
        let expected = &case.config.output_batches;
        if let Some(fault) = &outcome.fault {
            failed.push(case, format!("processors resulted in error: {fault}"));
        }
        if outcome.batches.len() < expected.len() {
            let (n, found) = (expected.len(), outcome.batches.len());
            failed.push(case, format!("wrong batch count, expected {n}, got {found}"));
        }
        for (idx, batch) in outcome.batches.iter().enumerate() {
            let Some(expected) = expected.get(idx) else {
                let contents: Vec<String> = batch.iter().map(|it| shown(it.content())).collect();
                failed.push(case, format!("unexpected batch: [{}]", contents.join(" ")));
                continue;
            };
            if expected.len() != batch.len() {
                let (n, found) = (expected.len(), batch.len());
                let text =
                    format!("mismatch of output batch {idx} message counts, expected {n}, got {found}");
                failed.push(case, text);
            }
            for (place, message) in batch.iter().enumerate() {
                let Some(conditions) = expected.get(place) else {
                    let content = shown(message.content());
                    failed.push(case, format!("unexpected message from batch {idx}: {content}"));
                    continue;
                };
                let wrong = looking.check(conditions, message);
                let has_failed = !wrong.is_empty();
                for why in wrong {
                    failed.push(case, format!("batch {idx} message {place}: {why}"));
                }
                if let Some(mark) = message.error().filter(|_| has_failed) {
                    let mark = self.style.red(&shown(mark.as_str().as_bytes()));
                    failed.push(case, format!("batch {idx} message {place}: {mark}"));
                }
            }
        }
    }
}

/// The batches that a test gives to its processors.
fn batches(case: &TestConfig, dir: &Path) -> Result<Vec<Vec<Message>>, String> {
    let last = Some(&case.input_batch).filter(|it| !it.is_empty());
    let of_batch = |batch: &Vec<TestInputConfig>| -> Result<Vec<Message>, String> {
        let numbered = batch.iter().enumerate();
        let message =
            |(idx, it)| message(it, dir).map_err(|why| format!("failed to create test input {idx}: {why}"));
        numbered.map(message).collect()
    };
    let all: Result<Vec<_>, _> = case.input_batches.iter().chain(last).map(of_batch).collect();
    Ok(all?.into_iter().filter(|it| !it.is_empty()).collect())
}

fn message(input: &TestInputConfig, dir: &Path) -> Result<Message, String> {
    let value = |node| value_of(node).map_err(|err| err.to_string());
    let content = match (&input.file_content, &input.json_content, &input.content) {
        (Some(path), ..) if !path.is_empty() => file_of_test(dir, path)?,
        (_, Some(json), _) => Bytes::from(html_safe_json(&value(json)?)),
        (.., content) => Bytes::from(content.clone().unwrap_or_default()),
    };
    let mut message = Message::new(content);
    for (key, node) in input.metadata.iter() {
        message.metadata_mut().set(key.to_string(), value(node)?);
    }
    Ok(message)
}

/// A line on standard error, with the way out.
fn warn(line: &str, hint: Option<&str>) {
    let hint = hint.map(|it| format!("\n  hint: {it}")).unwrap_or_default();
    let _ = writeln!(io::stderr(), "{}", printable_lines(&format!("{line}{hint}")));
}

/// Standard output, and why it could not be written.
#[derive(Default)]
struct Out(Cell<Option<String>>);

impl Out {
    /// A line. Whoever does not read it any more does not want it.
    fn say(&self, line: &str) {
        self.print(&format!("{line}\n"));
    }

    fn print(&self, text: &str) {
        if let Err(why) = standard_output::print(text.as_bytes()) {
            self.0.set(Some(why));
        }
    }

    /// Results that nobody got are no success.
    fn outcome(self) -> Result<(), String> {
        self.0.into_inner().map_or(Ok(()), Err)
    }
}

fn tell(failed: &Failed<'_>, out: &Out) {
    out.say(&format!("--- {} ---\n", printable_path(failed.path)));
    for finding in &failed.lints {
        let hint = finding.lint.hint.as_ref().map(|it| format!("\n  hint: {it}")).unwrap_or_default();
        out.say(&printable_lines(&format!("Lint: {}{hint}", finding.lint)));
    }
    if !failed.lints.is_empty() && !failed.failures.is_empty() {
        out.say("");
    }
    let mut before = None;
    for failure in &failed.failures {
        if before.is_some_and(|it| it != failure.name) {
            out.say("");
        }
        if before != Some(failure.name) {
            out.say(&format!("{} [line {}]:", printable_lines(failure.name), failure.line));
            before = Some(failure.name);
        }
        out.say(&failure.reason);
    }
    if 0 < failed.n_untold {
        out.say(&format!("and {} more", failed.n_untold));
    }
}
