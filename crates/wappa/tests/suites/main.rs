//! The suites: every heading of `tests/suites/**/*.md` is a test of the program itself.
//!
//! `UPDATE_EXPECT=1` rewrites the expectations that can be rewritten. `SUITE_PROGRAM=/path/to/bento`
//! runs the suites against Bento instead, with the expectations marked `bento` where there are any:
//! so what the suites say about Bento can be checked too. The fences are described in [`parse`].

mod expect;
mod parse;
mod run;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use libtest_mimic::{Arguments, Failed, Trial};

use crate::expect::Miss;
use crate::parse::{Case, Fence};
use crate::run::Program;

/// The bodies to write into each suite, by the line on which they begin.
type Updates = Mutex<BTreeMap<PathBuf, BTreeMap<usize, (usize, String)>>>;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Most cases wait for a time that the page names, rather than work.
    let n_cores = std::thread::available_parallelism().map_or(1, |it| it.get());
    arguments.test_threads.get_or_insert(2 * n_cores);
    let updates = Arc::new(Updates::default());
    let trials = match collect(&updates) {
        Ok(trials) => trials,
        Err(err) => {
            eprintln!("{err}");
            return ExitCode::FAILURE;
        }
    };
    let conclusion = libtest_mimic::run(&arguments, trials);
    if let Err(err) = rewrite(&updates) {
        eprintln!("rewriting the suites: {err}");
        return ExitCode::FAILURE;
    }
    conclusion.exit_code()
}

fn collect(updates: &Arc<Updates>) -> Result<Vec<Trial>, String> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = package.join("../../tests/suites");
    let program = Arc::new(program(package).map_err(|err| format!("preparing the guests: {err}"))?);
    let mut files = Vec::new();
    find_suites(&root, &mut files).map_err(|err| format!("reading {}: {err}", root.display()))?;
    files.sort();
    let mut trials = Vec::new();
    let mut names = BTreeSet::new();
    for file in files {
        let text =
            std::fs::read_to_string(&file).map_err(|err| format!("reading {}: {err}", file.display()))?;
        for case in parse::parse(&root, &file, &text)? {
            if !names.insert(case.name.clone()) {
                return Err(format!("two tests are named `{}`", case.name));
            }
            let skips = program.is_bento && ["yaml", "args"].iter().any(|it| case.is(it, "ours"));
            let (program, updates) = (Arc::clone(&program), Arc::clone(updates));
            trials.push(
                Trial::test(case.name.clone(), move || judge(&program, &case, &updates))
                    .with_ignored_flag(skips),
            );
        }
    }
    Ok(trials)
}

/// Finds the program and its guests; Bento reads no text, so its guests are assembled first.
fn program(package: &Path) -> Result<Program, String> {
    let mut program = Program {
        path: PathBuf::from(env!("CARGO_BIN_EXE_wappa")),
        is_bento: false,
        guests: package.join("tests/guests"),
        scratch: Path::new(env!("CARGO_TARGET_TMPDIR")).join("suites"),
    };
    let Some(bento) = std::env::var_os("SUITE_PROGRAM") else {
        return Ok(program);
    };
    program.path = bento.into();
    program.is_bento = true;
    program.scratch = program.scratch.with_file_name("suites-bento");
    let assembled = program.scratch.join("guests");
    std::fs::create_dir_all(&assembled).map_err(|err| err.to_string())?;
    for entry in std::fs::read_dir(&program.guests).map_err(|err| err.to_string())? {
        let path = entry.map_err(|err| err.to_string())?.path();
        let bytes = wat::parse_file(&path).map_err(|err| err.to_string())?;
        let name = path.file_name().unwrap_or_default();
        std::fs::write(assembled.join(name), bytes).map_err(|err| err.to_string())?;
    }
    program.guests = assembled;
    Ok(program)
}

fn find_suites(dir: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            find_suites(&path, found)?;
        } else if path.extension().is_some_and(|it| it == "md") {
            found.push(path);
        }
    }
    Ok(())
}

fn judge(program: &Program, case: &Case, updates: &Updates) -> Result<(), Failed> {
    let run = run::run(program, case)?;
    let mut misses = expect::check(case, &run, program.is_bento);
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        misses.retain(|miss| !update(miss, updates));
    }
    if misses.is_empty() {
        return Ok(());
    }
    let mut report: String = misses.iter().map(|miss| format!("{}\n", miss.report)).collect();
    report.push_str(&format!("standard error:\n{}\n", String::from_utf8_lossy(&run.err)));
    Err(report.into())
}

/// Notes the body that a missed expectation should have; says whether there is one.
fn update(miss: &Miss<'_>, updates: &Updates) -> bool {
    let (Some(fence), Some(actual)) = (miss.fence, &miss.actual) else {
        return false;
    };
    let Fence { suite, lines, .. } = fence;
    let mut updates = updates.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    updates.entry(suite.clone()).or_default().insert(lines.start, (lines.end, actual.clone()));
    true
}

fn rewrite(updates: &Updates) -> std::io::Result<()> {
    let updates = updates.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    for (suite, bodies) in updates.iter() {
        let text = std::fs::read_to_string(suite)?;
        let mut lines: Vec<&str> = text.lines().collect();
        // From the last to the first, so that the numbers of those before stay right.
        for (start, (end, body)) in bodies.iter().rev() {
            lines.splice(start..end, body.lines());
        }
        std::fs::write(suite, lines.join("\n") + "\n")?;
    }
    Ok(())
}
