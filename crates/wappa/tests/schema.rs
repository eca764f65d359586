//! The schema that editors use: what lints clean is valid, and what is wrong in its form is refused.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};
use wappa_bloblang::Schema;
use wappa_spec::{
    LintOptions, Node, Registry, Rule, Source,
    yaml::{self, Kind},
};

mod support;

use support::Program;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace is there")
}

/// The schema that the program prints.
fn schema() -> String {
    let ended = Program::new("schema").run(&["list", "--format", "json-schema"]);
    assert_eq!(ended.code, Some(0), "{ended}");
    ended.stdout
}

/// What is wrong with a document; none where nothing is.
fn problems_of(schema: &Schema, document: &Value) -> Option<String> {
    let value = wappa_message::Value::from_json(&document.to_string().into_bytes().into());
    let problems =
        schema.problems(&value.expect("it is JSON")).expect("a config is not too big for a schema");
    (!problems.is_empty()).then(|| problems.join("\n"))
}

/// A document as editors read it.
fn value_of(node: &Node) -> Value {
    match &node.kind {
        Kind::Null => Value::Null,
        Kind::Seq(items) => items.iter().map(value_of).collect(),
        // Merged keys are there beside the key that merges them.
        Kind::Map(pairs) => {
            let pairs = pairs.iter().filter(|(key, _)| key.as_key() != "<<");
            pairs.map(|(key, it)| (key.as_key().to_string(), value_of(it))).collect()
        }
        Kind::Scalar { text, .. } => match node.tag() {
            "!!bool" => Value::from(text.eq_ignore_ascii_case("true")),
            "!!int" | "!!float" => serde_json::from_str(text).unwrap_or_else(|_| text.as_str().into()),
            _ => text.as_str().into(),
        },
    }
}

/// All texts of the repository that may be configs, with a name that says where each is.
fn candidates() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for component in wappa::table() {
        for example in wappa_spec::docs::examples(&component.spec) {
            let name = format!("{} {}, {}", component.spec.kind, component.spec.name, example.title);
            found.push((name, example.yaml));
        }
    }
    let mut dirs: Vec<PathBuf> = ["docs", "examples", "guest", "tests", "crates/wappa/templates"]
        .iter()
        .map(|it| root().join(it))
        .collect();
    let mut files = vec![root().join("README.md")];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).expect("a folder can be read").flatten() {
            let path = entry.path();
            let is_built = path.ends_with("target") || path.ends_with("node_modules");
            match path.is_dir() {
                true if !is_built => dirs.push(path),
                true => {}
                false => files.push(path),
            }
        }
    }
    files.sort();
    for file in files {
        let name = file.strip_prefix(root()).expect("it is below the root").display().to_string();
        let extension = file.extension().and_then(|it| it.to_str());
        let Some(extension @ ("md" | "yaml" | "yml")) = extension else { continue };
        let text = fs::read_to_string(&file).expect("a file can be read");
        match extension {
            "md" => found.extend(fences(&text).into_iter().map(|(line, it)| (format!("{name}:{line}"), it))),
            _ => found.push((name, text)),
        }
    }
    found
}

/// The fences that are marked as YAML, with their lines.
fn fences(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut open: Option<(usize, bool, String)> = None;
    for (number, line) in text.lines().enumerate() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(mark)) => {
                let mark = mark.split_whitespace().next().unwrap_or_default();
                open = Some((number + 2, matches!(mark, "yaml" | "yml"), String::new()));
            }
            (Some(_), Some(mark)) if mark.trim().is_empty() => {
                found.extend(open.take().filter(|it| it.1).map(|it| (it.0, it.2)));
            }
            (Some((_, _, text)), _) => *text += &format!("{line}\n"),
            (None, None) => {}
        }
    }
    found
}

/// The rules that are about the form of a config, which a schema knows.
const FORM: [Rule; 6] = [
    Rule::ComponentNotFound,
    Rule::ExpectedArray,
    Rule::ExpectedObject,
    Rule::InvalidOption,
    Rule::MissingField,
    Rule::UnknownField,
];

/// A text that may be a config, and what lint says of its form.
struct Candidate {
    name: String,
    document: Value,
    /// The rules of [`FORM`] that it breaks.
    of_form: BTreeSet<&'static str>,
    /// Whether it has no error of any kind.
    is_clean: bool,
    /// Why the schema refuses it.
    refused: Option<String>,
}

/// All that a schema says as much of as lint does.
fn linted() -> Vec<Candidate> {
    let specs: Vec<_> = wappa::table().iter().map(|it| &it.spec).collect();
    let registry: &dyn Registry = &specs;
    let schema = Schema::parse(schema().as_bytes()).expect("the schema is one");
    let mut found = Vec::new();
    for (name, text) in candidates() {
        // What stands in `plugin` may be anything to a schema, and that lint is off is said by a comment.
        if text.contains("plugin:") || text.starts_with("# BENTO LINT DISABLE") {
            continue;
        }
        let Ok(parsed) = yaml::parse(&text) else { continue };
        // Variables stand for what they are without a value.
        let Ok(source) = Source::read(text.as_bytes(), |_| None) else { continue };
        let lints = source.in_dir(&root()).stream(registry, LintOptions::default()).lints;
        let errors = || lints.iter().filter(|it| it.is_error());
        let of_form = errors().filter(|it| FORM.contains(&it.rule)).map(|it| it.rule.name()).collect();
        let is_clean = errors().next().is_none();
        let document = value_of(&parsed.node);
        let refused = problems_of(&schema, &document);
        found.push(Candidate { name, document, of_form, is_clean, refused });
    }
    found
}

#[test]
fn says_of_all_configs_what_lint_says() {
    let all = linted();
    let (mut n_valid, mut n_refused) = (0, 0);
    let mut problems = Vec::new();
    for Candidate { name, of_form, is_clean, refused, .. } in &all {
        match (refused, of_form.is_empty()) {
            (None, true) => n_valid += 1,
            (Some(_), false) => n_refused += 1,
            (Some(why), true) if *is_clean => {
                problems.push(format!("{name} lints clean, and is refused:\n{why}"))
            }
            // Both refuse it, for a reason that is not in the list.
            (Some(_), true) => {}
            (None, false) => problems.push(format!("{name} is valid, and has lints: {of_form:?}")),
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n\n"));
    assert!(300 < n_valid && 20 < n_refused, "{n_valid} valid, {n_refused} refused");
    check_with_python(&all);
}

/// Prints `true` or `false` for each document of a file, by what Python's validator says.
const PYTHON: &str = "
import json, sys
from jsonschema import Draft7Validator
it = json.load(open(sys.argv[1]))
Draft7Validator.check_schema(it['schema'])
validator = Draft7Validator(it['schema'])
print(json.dumps([validator.is_valid(document) for document in it['documents']]))
";

/// Another validator, which knows nothing of us, says the same of all of them, where there is one.
fn check_with_python(all: &[Candidate]) {
    let has_python = Command::new("python3").args(["-c", "import jsonschema"]).output();
    if !has_python.is_ok_and(|it| it.status.success()) {
        eprintln!("skipped: this machine has no Python with jsonschema");
        return;
    }
    let schema: Value = serde_json::from_str(&schema()).expect("the schema is JSON");
    let documents: Vec<&Value> = all.iter().map(|it| &it.document).collect();
    let it = json!({"schema": schema, "documents": documents}).to_string();
    let program = Program::new("schema-python").file("it.json", it);
    let ended = Command::new("python3").args(["-c", PYTHON, "it.json"]).current_dir(program.dir()).output();
    let ended = ended.expect("Python runs");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    let theirs: Vec<bool> = serde_json::from_slice(&ended.stdout).expect("it prints a list");
    assert_eq!(theirs.len(), all.len());
    for (it, is_valid) in all.iter().zip(theirs) {
        assert_eq!(it.refused.is_none(), is_valid, "{}", it.name);
    }
}

/// Whoever writes a config sees what is wanted, and no pattern.
#[test]
fn what_is_of_another_type_is_told_in_words() {
    fn check(schema: &Value, n_patterns: &mut usize) {
        if schema["type"].is_array() && schema["pattern"].is_string() {
            *n_patterns += 1;
            let text = schema["patternErrorMessage"].as_str();
            assert!(text.is_some_and(|it| it.ends_with('.')), "no words: {schema}");
        }
        let inner: Vec<&Value> = match schema {
            Value::Object(fields) => fields.values().collect(),
            Value::Array(items) => items.iter().collect(),
            _ => Vec::new(),
        };
        inner.into_iter().for_each(|it| check(it, n_patterns));
    }
    let schema: Value = serde_json::from_str(&schema()).expect("it is JSON");
    let mut n_patterns = 0;
    check(&schema, &mut n_patterns);
    assert!(1000 < n_patterns, "only {n_patterns} patterns were found");
    let threads = &schema["properties"]["pipeline"]["properties"]["threads"];
    assert_eq!(threads["patternErrorMessage"], "An integer is wanted.");
}
