//! Hostile configs, from text to lints: nothing panics, positions are in the text, answers do not change.
//!
//! Half of the texts are made from the components' own descriptions, in every style that YAML has; the others are
//! those, and the configs of the examples and the docs, with bytes moved about. `WAPPA_FUZZ_SECONDS=60` runs for that
//! long, `WAPPA_FUZZ_CASES=…` so many cases, `WAPPA_FUZZ_SEED=…` starts elsewhere; a failure prints the command that
//! repeats its case.

mod common;
#[path = "common/generate.rs"]
mod generate;

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use generate::{Random, config, mutate, override_of};
use wappa_spec::{
    ComponentKind, ComponentNode, Config, Deprecated, Interpolated, Lint, LintOptions, Map, Mapping, Node,
    Registry, Secret, Size, Source, Spec, StreamConfig, env, is_printable, printable, scrub, yaml,
};

const CASES: u64 = 1_000;

/// What the message of a lint says beside names of the text, in bytes: of options that there are, above all.
const MESSAGE_BYTES_SLACK: usize = 4 << 10;

/// No text takes as long, however busy the machine is.
const HANG: Duration = Duration::from_secs(120);

/// A field of every type.
#[derive(Config)]
#[expect(dead_code, reason = "it is described here, not used")]
struct Everything {
    /// Text.
    text: String,
    /// One of a few.
    #[config(default = "b", options("a", "b"))]
    choice: String,
    /// A bool.
    #[config(default = "true")]
    flag: bool,
    /// A whole number.
    #[config(default = "-1")]
    int: i64,
    /// One without a sign.
    small: Option<u32>,
    /// A float.
    #[config(default = "0.5")]
    float: f64,
    /// A duration.
    #[config(default = "1s")]
    duration: Duration,
    /// A size.
    #[config(default = "1KiB", advanced)]
    size: Size,
    /// Interpolated.
    #[config(default = "\"\"")]
    interpolated: Interpolated,
    /// A mapping.
    #[config(default = "\"\"")]
    mapping: Mapping,
    /// Anything.
    #[config(deprecated)]
    anything: Option<Node>,
    /// A list of lists.
    lists: Vec<Vec<String>>,
    /// A map.
    map: Map<Vec<i64>>,
    /// Hidden.
    secret: Option<Secret<Map<String>>>,
    /// An object.
    object: Nested,
    /// Objects.
    objects: Vec<Nested>,
    /// Children.
    #[config(child = "processor")]
    processors: Vec<ComponentNode>,
    /// A child.
    #[config(child = "output", default = "drop: {}")]
    output: ComponentNode,
    /// A child that may be absent.
    #[config(child = "input")]
    input: Option<ComponentNode>,
}

/// An object.
#[derive(Config)]
#[expect(dead_code, reason = "it is described here, not used")]
struct Nested {
    /// Text.
    name: String,
    /// Options.
    #[config(default = "false")]
    is_on: bool,
    /// A child.
    #[config(child = "scanner", default = "lines: {}")]
    scanner: ComponentNode,
}

fn registry() -> Vec<&'static Spec> {
    let mut specs = common::SPECS.to_vec();
    specs.push(const { &Spec::new::<Everything>(ComponentKind::Processor, "everything") });
    specs.push(const { &Spec::new::<Everything>(ComponentKind::Input, "everything") });
    specs.push(const { &Spec::new::<Everything>(ComponentKind::Output, "everything") });
    specs
}

fn lookup(name: &str) -> Option<String> {
    match name {
        "X" => Some("value".into()),
        "EMPTY" => Some(String::new()),
        "LINES" => Some("one\ntwo: [\r\n".into()),
        "NESTED" => Some("${X} ${{X}} ${".into()),
        _ => None,
    }
}

/// How far a text got, for the tally: 0 is no YAML, 1 is YAML, 2 a config.
fn check(bytes: &[u8], overrides: &[String], registry: &dyn Registry) -> usize {
    let read = Source::read(bytes, lookup);
    let Ok(text) = std::str::from_utf8(bytes) else {
        assert!(read.is_err());
        return 0;
    };
    let replaced = env::replace(text, lookup).text;
    let mut source = match read {
        Ok(source) => source,
        Err(lints) => {
            assert!(lints.iter().any(Lint::is_error));
            check_lints(&lints, &replaced);
            return 0;
        }
    };
    assert_eq!(source.text, replaced);
    let options = [
        LintOptions::default(),
        LintOptions { require_labels: true, deprecated: Deprecated::Reject, portable: true },
    ];
    for options in options {
        let linted = source.stream(registry, options);
        check_lints(&linted.lints, &source.text);
        assert!(linted.config.is_some() || linted.lints.iter().any(Lint::is_error));
        assert_eq!(linted.lints, source.stream(registry, options).lints);
        let resources = source.resources(registry, options);
        check_lints(&resources.lints, &source.text);
        assert_eq!(resources.lints, source.resources(registry, options).lints);
    }
    check_writing(&source.node, registry);
    let has_config = source.stream(registry, LintOptions::default()).config.is_some();
    for expression in overrides {
        if let Err(text) = source.set(expression, registry) {
            assert!(!text.is_empty());
        }
    }
    if !overrides.is_empty() {
        source.stream(registry, LintOptions::default());
        check_writing(&source.node, registry);
    }
    1 + usize::from(has_config)
}

/// Lints are in the text, and are no longer than it asks for.
fn check_lints(lints: &[Lint], text: &str) {
    let lines: Vec<usize> =
        text.replace("\r\n", "\n").split(['\n', '\r']).map(|it| it.chars().count()).collect();
    for lint in lints {
        let (line, column) = (lint.pos.line as usize, lint.pos.column as usize);
        assert!(line <= lines.len(), "{lint:?} is past the {} lines", lines.len());
        // Line 0 stands for a document that is not there.
        let length = line.checked_sub(1).map_or(0, |it| lines[it]);
        assert!(column <= length + 1, "{lint:?} is past the end of its line, {length}");
        assert!(column + lint.len as usize <= length + 1, "{lint:?} ends past the end of its line, {length}");
        assert!(!lint.message.is_empty());
        // Names are in it as they are, whoever prints it makes them printable.
        let most = 3 * text.len() + MESSAGE_BYTES_SLACK;
        assert!(lint.message.len() <= most, "{} bytes of a message, {}", lint.message.len(), text.len());
        let line = printable(&lint.to_string()).into_owned();
        assert!(line.chars().all(is_printable), "{line:?}");
    }
}

/// What is written reads back as the same tree.
fn check_writing(node: &Node, registry: &dyn Registry) {
    let scrubbed = scrub(node, StreamConfig::FIELDS, registry).to_string();
    yaml::parse(&scrubbed).expect("what was written is YAML");
    if !has_plain_keys(node) {
        return;
    }
    let written = node.to_string();
    let again = yaml::parse(&written).unwrap_or_else(|lint| panic!("{lint}: {written:?}")).node;
    assert!(is_equal(node, &again), "{written}\nwas {node:?}\nand is {again:?}");
}

/// Keys that are lists or mappings are not written as they were.
fn has_plain_keys(node: &Node) -> bool {
    match &node.kind {
        yaml::Kind::Map(pairs) => {
            pairs.iter().all(|(key, value)| key.as_str().is_some() && has_plain_keys(value))
        }
        yaml::Kind::Seq(items) => items.iter().all(has_plain_keys),
        _ => true,
    }
}

/// The same values, whatever their places and their quotes.
fn is_equal(one: &Node, two: &Node) -> bool {
    match (one.as_map(), two.as_map(), one.as_seq(), two.as_seq()) {
        (Some(one), Some(two), _, _) => {
            one.len() == two.len()
                && one.iter().zip(two).all(|(one, two)| is_equal(&one.0, &two.0) && is_equal(&one.1, &two.1))
        }
        (_, _, Some(one), Some(two)) => {
            one.len() == two.len() && one.iter().zip(two).all(|(one, two)| is_equal(one, two))
        }
        _ => {
            one.tag() == two.tag()
                && one.as_str() == two.as_str()
                && one.as_bool() == two.as_bool()
                && one.as_int() == two.as_int()
                && one.as_float().map(f64::to_bits) == two.as_float().map(f64::to_bits)
        }
    }
}

/// The configs of the examples and the docs.
fn corpus() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut files: Vec<PathBuf> = Vec::new();
    let mut dirs = vec![root.join("examples"), root.join("docs")];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).expect("a directory can be read") {
            let path = entry.expect("an entry can be read").path();
            if path.is_dir() { dirs.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    let mut corpus = Vec::new();
    for file in files {
        let Ok(text) = fs::read_to_string(&file) else { continue };
        match file.extension().and_then(|it| it.to_str()) {
            Some("yaml") => corpus.push(text),
            Some("md") => corpus.extend(
                text.split("```yaml").skip(1).filter_map(|it| Some(it.split_once("```")?.0.to_string())),
            ),
            _ => {}
        }
    }
    assert!(3 < corpus.len(), "there are configs to start from");
    corpus
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number in the environment"))
}

#[test]
fn fuzz_configs() {
    let first = number("WAPPA_FUZZ_SEED").unwrap_or(1);
    let cases = number("WAPPA_FUZZ_CASES").unwrap_or(CASES);
    let began = Instant::now();
    let end = number("WAPPA_FUZZ_SECONDS").map(|n| began + Duration::from_secs(n));
    let (registry, corpus) = (registry(), corpus());
    let mut tally = [0; 3];
    let mut seed = first;
    while end.map_or(seed < first + cases, |end| Instant::now() < end) {
        let mut random = Random::new(seed);
        let mut bytes = if random.below(4) == 0 {
            random.pick(&corpus).clone().into_bytes()
        } else {
            config(&mut random, &registry).into_bytes()
        };
        if random.below(2) == 0 {
            mutate(&mut bytes, &mut random);
        }
        let overrides: Vec<String> =
            (0..random.below(3)).map(|_| override_of(&mut random, &registry)).collect();
        let start = Instant::now();
        match catch_unwind(AssertUnwindSafe(|| check(&bytes, &overrides, &registry))) {
            Ok(far) => tally[far] += 1,
            Err(_) => panic!(
                "seed {seed} failed on\n{}\nwith {overrides:?}; repeat it with `WAPPA_FUZZ_CASES=1 \
                 WAPPA_FUZZ_SEED={seed} cargo test -p wappa-spec --test fuzz_config`",
                String::from_utf8_lossy(&bytes)
            ),
        }
        assert!(start.elapsed() < HANG, "seed {seed} took {:?}", start.elapsed());
        seed += 1;
    }
    let cases = seed - first;
    let [unread, read, configs] = tally;
    eprintln!(
        "{cases} texts from seed {first} in {:.1?}: {unread} no YAML, {read} no config, {configs} configs",
        began.elapsed()
    );
    assert!(cases < 100 || cases < 3 * (read + configs), "the generator tests nothing");
    assert!(cases < 100 || cases < 50 * configs, "the generator tests nothing");
}
