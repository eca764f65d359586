//! Compares what a run left behind with what its test expects.

use crate::parse::{Case, Fence, escape};
use crate::run::Run;

/// An expectation that did not hold, with the body that would (where one can be written).
#[derive(Debug)]
pub(crate) struct Miss<'a> {
    pub(crate) fence: Option<&'a Fence>,
    pub(crate) report: String,
    pub(crate) actual: Option<String>,
}

/// All expectations of `case` that `run` does not meet.
pub(crate) fn check<'a>(case: &'a Case, run: &Run, is_bento: bool) -> Vec<Miss<'a>> {
    let mut misses = Vec::new();
    for kind in ["out", "out-file", "stdout", "stderr"] {
        misses.extend(case.of(kind, is_bento).filter_map(|fence| check_fence(fence, run, is_bento)));
    }
    let exit = case.of("exit", is_bento).next();
    let expected = exit.map_or("0", |it| it.body.trim());
    if !line_matches(expected, &run.exit) {
        let report = format!("exit code: expected {expected}, got {}", run.exit);
        misses.push(Miss { fence: exit, report, actual: Some(format!("{}\n", run.exit)) });
    }
    let err = String::from_utf8_lossy(&run.err);
    if !is_bento && err.contains("panicked at") {
        misses.push(Miss { fence: None, report: "the program panicked".to_owned(), actual: None });
    }
    misses
}

fn check_fence<'a>(fence: &'a Fence, run: &Run, is_bento: bool) -> Option<Miss<'a>> {
    let actual = match fence.kind.as_str() {
        "out" | "stdout" => run.out.clone(),
        "stderr" => run.err.clone(),
        _ => match std::fs::read(run.dir.join(&fence.name)) {
            Ok(bytes) => bytes,
            Err(err) => {
                let report = format!("reading {}: {err}", fence.name);
                return Some(Miss { fence: Some(fence), report, actual: None });
            }
        },
    };
    let text = match fence.is("escaped") {
        true => escape(&actual),
        false => String::from_utf8_lossy(&actual).into_owned(),
    };
    let is_whole = fence.kind.starts_with("out") || fence.is("exact");
    if is_whole { check_whole(fence, text, is_bento) } else { check_lines(fence, &text) }
}

/// The body is the whole text. Bento gives no hints.
fn check_whole(fence: &Fence, mut text: String, is_bento: bool) -> Option<Miss<'_>> {
    let mut ends_wrong = false;
    if fence.is("no-final-newline") {
        ends_wrong = text.ends_with('\n');
        text.push('\n');
    } else if !text.is_empty() && !text.ends_with('\n') {
        ends_wrong = true;
    }
    let is_expected = |it: &&str| !(is_bento && it.starts_with("  hint: "));
    let expected: Vec<&str> = fence.body.lines().filter(is_expected).collect();
    let actual: Vec<&str> = text.lines().collect();
    if lines_match(&expected, &actual) && !ends_wrong {
        return None;
    }
    let note = if ends_wrong { " (mind the final newline)" } else { "" };
    let report = format!(
        "{} {}{note}: expected\n{}got\n{}",
        fence.kind,
        fence.name,
        indent(&fence.body),
        indent(&text)
    );
    Some(Miss { fence: Some(fence), report, actual: Some(text) })
}

/// Every line of the body appears somewhere, or nowhere when the fence says `absent`.
fn check_lines<'a>(fence: &'a Fence, text: &str) -> Option<Miss<'a>> {
    let wants = !fence.is("absent");
    let appears = |pattern: &str| text.lines().any(|it| line_matches(&format!("[..]{pattern}[..]"), it));
    let wrong: Vec<&str> = fence.body.lines().filter(|it| appears(it) != wants).collect();
    if wrong.is_empty() {
        return None;
    }
    let verb = if wants { "does not have" } else { "must not have" };
    let report = format!("{} {verb}\n{}it is\n{}", fence.kind, indent(&wrong.join("\n")), indent(text));
    Some(Miss { fence: Some(fence), report, actual: None })
}

fn indent(text: &str) -> String {
    text.lines().map(|it| format!("    {it}\n")).collect()
}

/// Whether the lines match; `...` stands for any number of lines.
fn lines_match(expected: &[&str], actual: &[&str]) -> bool {
    match (expected.split_first(), actual.split_first()) {
        (None, rest) => rest.is_none(),
        (Some((&"...", tail)), _) => (0..=actual.len()).any(|skip| lines_match(tail, &actual[skip..])),
        (Some((pattern, tail)), Some((line, rest))) => line_matches(pattern, line) && lines_match(tail, rest),
        (Some(_), None) => false,
    }
}

/// Whether a line matches a pattern in which `[..]` stands for any text.
pub(crate) fn line_matches(pattern: &str, line: &str) -> bool {
    let Some((first, rest)) = pattern.split_once("[..]") else {
        return pattern == line;
    };
    let Some(mut line) = line.strip_prefix(first) else {
        return false;
    };
    let mut pieces: Vec<&str> = rest.split("[..]").collect();
    let last = pieces.pop().unwrap_or_default();
    for piece in pieces {
        let Some(at) = line.find(piece) else {
            return false;
        };
        line = &line[at + piece.len()..];
    }
    line.ends_with(last)
}
