//! What is to be said of a file that was looked into, in a form that goes from one process to another.

use serde_json::{Value, json};

use super::{Inspection, Limits, Problem, Severity};
use crate::file::digest::{Digest, digest_of};

/// What was found in the file of a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is a module.
    Module(Findings),
    /// It is none, or a broken one.
    NotAModule(Refusal),
}

/// What is to be said of a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Findings {
    /// Everything that is wrong with it for the processor that was asked about.
    pub problems: Vec<Problem>,
    /// Facts and problems for people.
    pub report: String,
    /// The same for programs.
    pub json: Value,
}

/// Why a file is no module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// One line.
    pub text: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The same for programs.
    pub json: Value,
}

impl Verdict {
    /// Looks into a file, in this process and without a bound; see [`crate::ChildCompiler::inspect`].
    pub fn of(file: &[u8], function: &str, limits: &Limits) -> Verdict {
        Verdict::of_digest(file, digest_of(file), false, function, limits)
    }

    /// As [`Verdict::of`], of a file that may be known to be valid; see [`Inspection::of_digest`].
    pub(crate) fn of_digest(
        file: &[u8],
        digest: Digest,
        is_known: bool,
        function: &str,
        limits: &Limits,
    ) -> Verdict {
        match Inspection::of_digest(file, digest, is_known) {
            Ok(inspection) => {
                let problems = inspection.problems(function, limits);
                let (report, json) = (inspection.report(&problems), inspection.to_json(&problems));
                Verdict::Module(Findings { problems, report, json })
            }
            Err(err) => {
                let hint = err.hint().map(str::to_owned);
                Verdict::NotAModule(Refusal { text: err.to_string(), hint, json: err.to_json() })
            }
        }
    }

    pub(crate) fn to_json(&self) -> String {
        let json = match self {
            Verdict::Module(it) => {
                let problems: Vec<Value> = it.problems.iter().map(problem_to_json).collect();
                json!({ "problems": problems, "report": it.report, "json": it.json })
            }
            Verdict::NotAModule(it) => json!({ "text": it.text, "hint": it.hint, "json": it.json }),
        };
        json.to_string()
    }

    /// None when it is something else.
    pub(crate) fn from_json(json: &[u8]) -> Option<Verdict> {
        let mut value: Value = serde_json::from_slice(json).ok()?;
        let json = value.get_mut("json")?.take();
        let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        Some(match value.get("problems").and_then(Value::as_array) {
            Some(problems) => {
                let problems = problems.iter().map(problem_from_json).collect::<Option<_>>()?;
                Verdict::Module(Findings { problems, report: text("report")?, json })
            }
            None => Verdict::NotAModule(Refusal { text: text("text")?, hint: text("hint"), json }),
        })
    }
}

fn problem_to_json(problem: &Problem) -> Value {
    let is_error = problem.severity == Severity::Error;
    json!({ "is_error": is_error, "text": problem.text, "hint": problem.hint })
}

fn problem_from_json(json: &Value) -> Option<Problem> {
    let severity = if json.get("is_error")?.as_bool()? { Severity::Error } else { Severity::Warning };
    let text = json.get("text")?.as_str()?.to_owned();
    Some(Problem { severity, text, hint: json.get("hint")?.as_str().map(str::to_owned) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_over_whole() {
        let limits = Limits::default();
        for file in [&b"(module)"[..], b"(module (memory 1))", b"nonsense", b"\x7fELF", b""] {
            let verdict = Verdict::of(file, "process", &limits);
            assert_eq!(Verdict::from_json(verdict.to_json().as_bytes()), Some(verdict));
        }
        assert_eq!(Verdict::from_json(b"{}"), None);
    }
}
