//! Any text at all is read, linted, scrubbed and written without a panic.

mod common;

use common::SPECS;
use wappa_spec::{LintOptions, Source, StreamConfig, env, scrub, yaml};

const SEEDS: &[&str] = &[
    "input:\n  label: a\n  stdin: {scanner: {lines: {}}}\n  processors: []\npipeline:\n  threads: -1\n  processors:\n    - label: x\n      wasm: {module_path: &a ./a.wasm, timeout: 1h2m, config: {k: v}, mounts: [{host: /, guest: *a}]}\n    - try:\n      - log: {message: 'a ${! meta(\"k\") } ${{! b }} ${X:y}'}\n    - switch: [{check: '', processors: [{noop: {}}]}]\noutput:\n  fallback:\n    - reject: |\n        a ${! error() }\n    - stdout: {}\n",
    "\"a\\u0041\": !!str 5\n? [x, y]\n: >-\n  folded\n\n  text\nb: |+2\n   x\n\n--- %\n...\n",
    "logger: {level: x, static_fields: {'@service': wappa}}\nmetrics: {prometheus: {}}\nhttp: {enabled: true}\n<<: {a: b}\n# ${A:${B}}${{C}}\n",
];

fn exercise(bytes: &[u8]) {
    let registry = SPECS.to_vec();
    let Ok(mut source) = Source::read(bytes, |name| (name == "X").then(|| "v\n".to_string())) else { return };
    let linted = source.stream(&registry, LintOptions::default());
    assert!(
        linted.config.is_some() || linted.lints.iter().any(wappa_spec::Lint::is_error),
        "{}",
        source.text
    );
    source.resources(&registry, LintOptions::default());
    let written = scrub(&source.node, StreamConfig::FIELDS, &registry).to_string();
    yaml::parse(&written).expect("what was written is YAML");
    let written = source.node.to_string();
    let _ = source.set("pipeline.processors.0.wasm.config.a=b", &registry);
    // Keys that are lists are not written back as they were.
    if let Ok(again) = yaml::parse(&written) {
        assert!(again.node.to_string().len() <= 2 * written.len() + 16);
    }
}

/// A small generator of numbers; the same ones in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap_or(0) % limit.max(1)
    }
}

#[test]
fn mutated_configs() {
    const BYTES: &[u8] = b" \n\t-:[]{},&*#?|>!%@`'\"\\$~<0x\xff\xc3\xa9aA_.";
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    for round in 0..1000 {
        let mut bytes = SEEDS[round % SEEDS.len()].as_bytes().to_vec();
        for _ in 0..=numbers.below(6) {
            let at = numbers.below(bytes.len());
            match numbers.below(4) {
                0 => bytes[at] = BYTES[numbers.below(BYTES.len())],
                1 => bytes.insert(at, BYTES[numbers.below(BYTES.len())]),
                2 => drop(bytes.remove(at)),
                _ => {
                    let end = (at + numbers.below(30)).min(bytes.len());
                    let piece = bytes[at..end].to_vec();
                    let to = numbers.below(bytes.len());
                    bytes.splice(to..to, piece);
                }
            }
        }
        exercise(&bytes);
    }
}

#[test]
fn long_texts_without_an_end() {
    for piece in ["${A:", "${", "${{", "${A:${", "${A:${B}", "}"] {
        let text = piece.repeat(1 << 14);
        assert!(env::replace(&text, |_| None).text.len() <= text.len());
        exercise(text.as_bytes());
    }
    let message = "${! a".repeat(1 << 14);
    exercise(format!("output: {{reject: '{message}'}}").as_bytes());
    exercise(format!("output: {{reject: '{} }}'}}", message.replace('a', "@a")).as_bytes());
    exercise(format!("{}: 1\n", "a".repeat(1 << 20)).as_bytes());
    exercise(format!("a: | # {}\n  b\n", "> ".repeat(1 << 14)).as_bytes());
    let keys: String = (0..1 << 12).map(|it| format!("k{it}: v, ")).collect();
    for text in ["{KEYS}", "input: {KEYS}", "logger: {static_fields: {KEYS}}", "logger: {KEYS}"] {
        exercise(text.replace("KEYS", &keys).as_bytes());
    }
}
