//! What holds for the whole workspace and a program can check: who depends on whom, and how files look.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

/// Each crate of the workspace with those that it may depend on, tests included.
const MAY_DEPEND_ON: &[(&str, &[&str])] = &[
    ("wappa-message", &[]),
    ("wappa-bloblang", &["wappa-message"]),
    ("wappa-spec-macros", &[]),
    ("wappa-spec", &["wappa-bloblang", "wappa-spec-macros"]),
    ("wappa-component", &["wappa-message", "wappa-spec"]),
    // What holds for every component: for the tests of those who have some.
    ("wappa-conformance", &["wappa-component", "wappa-message", "wappa-spec"]),
    // Its simulation runs the components that have others below them.
    ("wappa-engine", &["wappa-component", "wappa-message", "wappa-pure", "wappa-spec"]),
    (
        "wappa-pure",
        &["wappa-bloblang", "wappa-component", "wappa-conformance", "wappa-message", "wappa-spec"],
    ),
    // Its tests run whole streams.
    (
        "wappa-net",
        &[
            "wappa-bloblang",
            "wappa-component",
            "wappa-conformance",
            "wappa-engine",
            "wappa-message",
            "wappa-pure",
            "wappa-spec",
            "wappa-testing",
        ],
    ),
    ("wappa-servers", &[]),
    // Runs whole streams, in tests of those who have components.
    ("wappa-testing", &["wappa-component", "wappa-engine", "wappa-spec"]),
    (
        "wappa-http-client",
        &[
            "wappa-component",
            "wappa-conformance",
            "wappa-engine",
            "wappa-message",
            "wappa-net",
            "wappa-pure",
            "wappa-spec",
            "wappa-testing",
        ],
    ),
    (
        "wappa-http-server",
        &[
            "wappa-bloblang",
            "wappa-component",
            "wappa-conformance",
            "wappa-engine",
            "wappa-message",
            "wappa-net",
            "wappa-pure",
            "wappa-spec",
            "wappa-testing",
        ],
    ),
    (
        "wappa-kafka",
        &[
            "wappa-component",
            "wappa-conformance",
            "wappa-engine",
            "wappa-message",
            "wappa-net",
            "wappa-pure",
            "wappa-servers",
            "wappa-spec",
            "wappa-testing",
        ],
    ),
    // Its tests run whole streams against a real collector.
    ("wappa-otlp", &["wappa-component", "wappa-message", "wappa-net", "wappa-spec"]),
    // Its tests run whole streams against real servers.
    (
        "wappa-sql",
        &[
            "wappa-bloblang",
            "wappa-component",
            "wappa-conformance",
            "wappa-engine",
            "wappa-message",
            "wappa-net",
            "wappa-pure",
            "wappa-servers",
            "wappa-spec",
            "wappa-testing",
        ],
    ),
    (
        "wappa-nats",
        &[
            "wappa-component",
            "wappa-conformance",
            "wappa-engine",
            "wappa-message",
            "wappa-net",
            "wappa-pure",
            "wappa-servers",
            "wappa-spec",
            "wappa-testing",
        ],
    ),
    (
        "wappa-redis",
        &[
            "wappa-component",
            "wappa-conformance",
            "wappa-engine",
            "wappa-message",
            "wappa-net",
            "wappa-pure",
            "wappa-servers",
            "wappa-spec",
            "wappa-testing",
        ],
    ),
    // It asks with the client, words and fields of requests.
    (
        "wappa-schema-registry",
        &[
            "wappa-bloblang",
            "wappa-component",
            "wappa-engine",
            "wappa-http-client",
            "wappa-message",
            "wappa-net",
            "wappa-pure",
            "wappa-servers",
            "wappa-spec",
            "wappa-testing",
        ],
    ),
    ("wappa-wasm", &["wappa-component", "wappa-message", "wappa-spec"]),
    (
        "wappa",
        &[
            "wappa-bloblang",
            "wappa-component",
            "wappa-engine",
            "wappa-http-client",
            "wappa-http-server",
            "wappa-kafka",
            "wappa-message",
            "wappa-nats",
            "wappa-net",
            "wappa-otlp",
            "wappa-pure",
            "wappa-redis",
            "wappa-schema-registry",
            "wappa-servers",
            "wappa-spec",
            "wappa-sql",
            "wappa-wasm",
        ],
    ),
];

/// Dependencies that belong to some crates alone, so that the others build fast and do without.
const BELONGS_TO: &[(&str, &[&str])] = &[
    ("wasmtime", &["wappa-wasm"]),
    ("wasmtime-wasi", &["wappa-wasm"]),
    // Clients of the network, and what wasmtime-wasi names of it.
    (
        "tokio",
        &[
            "wappa-http-client",
            "wappa-http-server",
            "wappa-nats",
            "wappa-net",
            "wappa-otlp",
            "wappa-redis",
            "wappa-schema-registry",
            "wappa-sql",
            "wappa-wasm",
        ],
    ),
    ("rustls", &["wappa-http-client", "wappa-net", "wappa-otlp"]),
    ("rdkafka", &["wappa-kafka"]),
    ("sqlx", &["wappa-sql"]),
    ("async-nats", &["wappa-nats"]),
    ("redis", &["wappa-redis"]),
    ("prost", &["wappa-otlp"]),
    ("prost-reflect", &["wappa-schema-registry"]),
    // Configs, and documents in mappings.
    ("granit-parser", &["wappa-spec", "wappa-bloblang"]),
    ("clap", &["wappa"]),
];

fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().expect("the workspace is there")
}

/// The name of each crate of the workspace with the names of its direct dependencies.
fn dependencies() -> Vec<(String, BTreeSet<String>)> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo writes JSON");
    let text = |value: &Value| value.as_str().expect("a name is a text").to_string();
    let package = |it: &Value| {
        let dependencies = it["dependencies"].as_array().expect("a list");
        (text(&it["name"]), dependencies.iter().map(|it| text(&it["name"])).collect())
    };
    metadata["packages"].as_array().expect("a list").iter().map(package).collect()
}

/// All crates with their features, as they are built for the program or with the tests.
fn built(edges: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--workspace", "--offline", "--prefix=none", "--format={p} {f}", "--edges", edges])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let crates = String::from_utf8_lossy(&output.stdout);
    crates.lines().map(|it| it.trim_end_matches(" (*)").to_string()).collect()
}

/// A feature that only a dependency of tests asks for has the crate compiled twice by whoever runs the program and then the
/// tests.
#[test]
fn the_program_and_the_tests_share_all_dependencies() {
    let (program, tests) = (built("normal,build"), built("normal,build,dev"));
    let twice: Vec<&String> = program.difference(&tests).collect();
    assert!(program.len() > 100 && twice.is_empty(), "compiled twice: {twice:#?}");
}

#[test]
fn crates_depend_on_those_below_them() {
    let dependencies = dependencies();
    let mut problems = Vec::new();
    for (name, direct) in &dependencies {
        let Some((_, allowed)) = MAY_DEPEND_ON.iter().find(|(it, _)| it == name) else {
            problems.push(format!("`{name}` is not in the table of this test"));
            continue;
        };
        for other in direct {
            let is_own = MAY_DEPEND_ON.iter().any(|(it, _)| it == other);
            if is_own && !allowed.contains(&other.as_str()) {
                problems.push(format!("`{name}` must not depend on `{other}`"));
            }
            let is_foreign = |owners: &[&str]| !owners.contains(&name.as_str());
            if let Some((_, owners)) =
                BELONGS_TO.iter().find(|(it, owners)| it == other && is_foreign(owners))
            {
                let owners = owners.join("` and `");
                problems.push(format!("`{name}` must not depend on `{other}`: it belongs to `{owners}`"));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert_eq!(dependencies.len(), MAY_DEPEND_ON.len(), "every crate of the table exists");
}

/// All files of the repository with one of these endings.
fn files(endings: &[&str]) -> Vec<PathBuf> {
    fn walk(dir: &Path, endings: &[&str], found: &mut Vec<PathBuf>) {
        let entries = fs::read_dir(dir).expect("a directory can be read");
        for path in entries.map(|it| it.expect("an entry can be read").path()) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() && !["target", ".git", "node_modules"].contains(&&*name) {
                walk(&path, endings, found);
            } else if endings.iter().any(|it| name.ends_with(it)) && path.is_file() {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root(), endings, &mut found);
    found.sort();
    assert!(!found.is_empty(), "there are files that end with {endings:?}");
    found
}

/// Checks every file; `check` gives what is wrong, with the number of the line.
fn check_files(endings: &[&str], check: impl Fn(&str) -> Vec<(usize, String)>) {
    let mut problems = Vec::new();
    for path in files(endings) {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let name = path.strip_prefix(root()).unwrap_or(&path).display().to_string();
        problems.extend(check(&text).into_iter().map(|(line, text)| format!("{name}:{line}: {text}")));
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// The folders in `guest/` that are no library of a language.
const NO_LANGUAGES: [&str; 3] = ["examples", "gallery", "wit"];

/// The languages that show that the documents are enough for one that nobody thought of, and what they have of the examples.
const STRANGERS: [(&str, [&str; 2]); 1] = [("vala", ["louder", "route"])];

#[test]
fn libraries_for_guests_have_the_same_parts() {
    let guest = root().join("guest");
    let entries = fs::read_dir(&guest).expect("there are guests").map(|it| it.expect("an entry can be read"));
    let languages: Vec<String> = entries
        .map(|it| it.file_name().display().to_string())
        .filter(|it| !NO_LANGUAGES.contains(&it.as_str()))
        .collect();
    assert!(!languages.is_empty(), "there are languages for guests");
    let mut problems = Vec::new();
    for language in languages {
        let parts = [
            format!("guest/{language}/README.md"),
            format!("guest/{language}/build"),
            format!("docs/guests/{language}.md"),
        ];
        let missing = parts.iter().filter(|it| !root().join(it).is_file());
        problems.extend(missing.map(|it| format!("`{it}` is missing")));
        let examples = fs::read_dir(guest.join(&language).join("examples")).into_iter().flatten().flatten();
        let examples: Vec<String> = examples.map(|it| it.file_name().display().to_string()).collect();
        let is_there = |name: &&str| examples.iter().any(|it| it.split('.').next() == Some(name));
        let stranger = STRANGERS.iter().find(|(it, _)| *it == language);
        let wanted = stranger.map_or(&["louder", "redact", "split", "route"][..], |(_, it)| it);
        let missing = wanted.iter().filter(|it| !is_there(it));
        problems.extend(missing.map(|it| format!("`guest/{language}/examples` has no `{it}`")));
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn guests_depend_on_nothing_of_the_workspace() {
    check_files(&[".toml", "go.mod", "Makefile"], |text| {
        let found = (1..).zip(text.lines()).filter(|(_, text)| text.contains("../crates"));
        found.map(|(line, _)| (line, "leads from a guest into the workspace".to_string())).collect()
    });
}

#[test]
fn every_source_file_says_what_it_is_responsible_for() {
    check_files(&[".rs"], |text| match text.starts_with("//! ") {
        true => Vec::new(),
        false => vec![(1, "the file begins without `//! ` and what it is responsible for".to_string())],
    });
}

#[test]
fn nothing_is_left_for_later() {
    let words = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X"), concat!("for", " now")];
    check_files(&[".rs", ".toml", ".wat", ".yaml"], |text| {
        let found = |(line, text): (usize, &str)| {
            let word = words.iter().find(|it| text.contains(*it))?;
            Some((line, format!("says `{word}`")))
        };
        (1..).zip(text.lines()).filter_map(found).collect()
    });
}

#[test]
fn no_file_knows_the_machine_it_was_written_on() {
    let places =
        [concat!("/", "work/"), concat!("/", "home/"), concat!("/", "root/"), concat!("/", "Users/")];
    check_files(&[".rs", ".toml", ".md", ".wat", ".yaml", ".sh", ".lock"], |text| {
        let found = |(line, text): (usize, &str)| {
            let place = places.iter().find(|it| text.contains(*it))?;
            Some((line, format!("names `{place}`")))
        };
        (1..).zip(text.lines()).filter_map(found).collect()
    });
}

#[test]
fn lines_end_where_their_text_ends() {
    check_files(&[".rs", ".toml", ".wat", ".yaml"], |text| {
        // Expected output in a test may have blanks at the end of a line; what is compared is exact there.
        let mut is_inside = false;
        let mut found = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            if !is_inside && line.ends_with([' ', '\t']) {
                found.push((number, "blanks at the end of the line".to_string()));
            }
            if line.contains("r#\"") || line.contains("r##\"") {
                is_inside = true;
            }
            if line.contains("\"#") {
                is_inside = false;
            }
        }
        if !text.is_empty() && !text.ends_with('\n') {
            found.push((text.lines().count(), "no line end at the end of the file".to_string()));
        }
        found
    });
}

/// The folders of `wappa-wasm`, in the order of their dependencies: each uses itself and those before it.
const FOLDERS_OF_WASM: [&str; 11] = [
    "interface",
    "file",
    "inspect",
    "compile",
    "cache",
    "host",
    "wasi",
    "tier",
    "engine",
    "guest",
    "processor",
];

#[test]
fn folders_of_wasm_use_those_before_them() {
    let source = root().join("crates/wappa-wasm/src");
    let folders: BTreeSet<String> = fs::read_dir(&source)
        .expect("the crate is there")
        .map(|it| it.expect("it can be listed").file_name().into_string().expect("a name is text"))
        .filter(|it| it != "lib.rs")
        .collect();
    assert_eq!(folders, FOLDERS_OF_WASM.map(str::to_owned).into(), "every file is in a folder of the list");
    let mut problems = Vec::new();
    for (rank, folder) in FOLDERS_OF_WASM.iter().enumerate() {
        let mut files = Vec::new();
        rust_files_below(&source.join(folder), &mut files);
        for file in files {
            let text = fs::read_to_string(&file).expect("it can be read");
            for used in used_by(&text) {
                if !FOLDERS_OF_WASM[..=rank].contains(&used.as_str()) {
                    problems.push(format!("{} uses `crate::{used}`", file.display()));
                }
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// All files but those of tests, which may use what they like.
fn rust_files_below(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("it can be listed") {
        let path = entry.expect("it can be listed").path();
        let is_of_tests = path.file_stem().is_some_and(|it| it == "tests");
        if path.is_dir() && !is_of_tests {
            rust_files_below(&path, files);
        } else if !is_of_tests && path.extension().is_some_and(|it| it == "rs") {
            files.push(path);
        }
    }
}

/// What follows `crate::` in code: the first name of each path, those of a list in braces too.
fn used_by(text: &str) -> BTreeSet<String> {
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let code: String =
        code.lines().filter(|it| !it.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let mut used = BTreeSet::new();
    for behind in code.split("crate::").skip(1) {
        let Some(list) = behind.strip_prefix('{') else {
            used.insert(first_name(behind));
            continue;
        };
        let (mut depth, mut is_first) = (0, true);
        for (at, c) in list.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => is_first = true,
                _ if is_first && !c.is_whitespace() => {
                    used.insert(first_name(&list[at..]));
                    is_first = false;
                }
                _ => {}
            }
        }
    }
    used
}

fn first_name(path: &str) -> String {
    path.chars().take_while(|it| it.is_alphanumeric() || *it == '_').collect()
}

#[test]
fn paths_are_found() {
    let text = "use crate::{\n    host::{Host, error::Stop},\n    file,\n};\nuse crate::tier::v0;\n// crate::not\nfn f() { crate::wasi::link() }";
    assert_eq!(used_by(text), ["host", "file", "tier", "wasi"].map(str::to_owned).into());
}
