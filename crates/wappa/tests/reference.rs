//! The pages of the reference are what the code says, and the examples in them are configs that run.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use wappa_spec::{Deprecated, LintOptions, Registry, Source, docs};

mod support;

use support::Program;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace is there")
}

#[test]
fn pages_are_up_to_date() {
    let folder = root().join("docs/reference");
    let pages = wappa::reference::pages();
    let is_update = std::env::var_os("UPDATE_EXPECT").is_some();
    let mut stale = BTreeSet::new();
    for path in markdown_below(&folder).into_iter().filter(|it| !pages.contains_key(it)) {
        if is_update {
            fs::remove_file(folder.join(&path)).expect("a page can be removed");
        } else {
            stale.insert(path);
        }
    }
    for (path, text) in &pages {
        let file = folder.join(path);
        if fs::read_to_string(&file).is_ok_and(|it| it == *text) {
            continue;
        }
        if is_update {
            fs::create_dir_all(file.parent().expect("it is in a folder")).expect("a folder can be made");
            fs::write(&file, text).expect("a page can be written");
        } else {
            stale.insert(path.clone());
        }
    }
    assert!(
        stale.is_empty(),
        "these pages of docs/reference are out of date: {stale:?}\n\
         write them with: UPDATE_EXPECT=1 cargo test -p wappa --test reference"
    );
}

fn markdown_below(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut dirs = vec![folder.to_path_buf()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                dirs.push(path);
            } else {
                let path = path.strip_prefix(folder).expect("it is below the folder");
                found.insert(path.display().to_string());
            }
        }
    }
    found
}

/// Whether an example needs a server: it is run by the tests of its component, where there is one.
fn needs_server(text: &str) -> bool {
    [
        "localhost:4195",
        "localhost:4222",
        "localhost:6379",
        "localhost:8080",
        "localhost:8081",
        "localhost:9092",
    ]
    .iter()
    .any(|it| text.contains(it))
}

/// Each example with a name that says where it is.
fn examples() -> Vec<(String, String)> {
    let of_spec = |spec: &wappa_spec::Spec| {
        let name = format!("{} `{}`", spec.kind, spec.name);
        let examples = docs::examples(spec).into_iter();
        examples.map(|it| (format!("{name}, {}", it.title), it.yaml)).collect::<Vec<_>>()
    };
    let mut found: Vec<_> = wappa::table().iter().flat_map(|it| of_spec(&it.spec)).collect();
    for entry in fs::read_dir(root().join("examples")).expect("there are examples").flatten() {
        if entry.path().extension().is_some_and(|it| it == "yaml") {
            let text = fs::read_to_string(entry.path()).expect("an example can be read");
            found.push((entry.path().display().to_string(), text));
        }
    }
    found
}

#[test]
fn examples_are_clean() {
    let specs: Vec<_> = wappa::table().iter().map(|it| &it.spec).collect();
    let registry: &dyn Registry = &specs;
    let options = LintOptions { deprecated: Deprecated::Reject, ..LintOptions::default() };
    let mut problems = Vec::new();
    for (name, text) in examples() {
        // Paths in examples are relative to the root of the repository.
        let lints = match Source::read(text.as_bytes(), |_| None) {
            Ok(source) => source.in_dir(&root()).stream(registry, options).lints,
            Err(lints) => lints,
        };
        problems.extend(lints.iter().map(|it| format!("{name}{it}")));
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn examples_run() {
    let mut problems = Vec::new();
    let examples = examples().into_iter().filter(|(_, text)| !needs_server(text));
    for (number, (name, text)) in examples.enumerate() {
        // What an example writes goes to a folder of its own.
        let program = Program::new(&format!("example-{number}")).file("config.yaml", &text);
        symlink(root().join("examples"), program.dir().join("examples")).expect("a link can be made");
        let ended = program.stdin("one\ntwo\n").run(&["-c", "config.yaml"]);
        if ended.code != Some(0) {
            problems.push(format!("{name}:\n{ended}"));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
