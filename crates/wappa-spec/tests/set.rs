//! Overrides of single fields, as `--set` gives them.

mod common;

use common::{SPECS, print};
use expect_test::{Expect, expect};
use wappa_spec::{LintOptions, Source};

const CONFIG: &str = "
input: {stdin: {}}
pipeline:
  processors:
    - wasm: {module_path: a.wasm}
    - try: []
";

/// Applies the overrides, and prints the tree and its lints, or the error.
fn check(text: &str, overrides: &[&str], expected: Expect) {
    let mut source = Source::read(text.as_bytes(), |_| None).expect("the text is YAML");
    let registry = SPECS.to_vec();
    for it in overrides {
        if let Err(err) = source.set(it, &registry) {
            expected.assert_eq(&err);
            return;
        }
    }
    let lints = source.stream(&registry, LintOptions::default()).lints;
    expected.assert_eq(&format!("{}{}", source.node, print(&lints)));
}

#[test]
fn values() {
    check(
        CONFIG,
        &["pipeline.threads=4", "pipeline.processors.0.wasm.function=a=b", "output.drop=null"],
        expect![[r#"
            input:
              stdin: {}
            pipeline:
              processors:
                - wasm:
                    module_path: a.wasm
                    function: a=b
                - try: []
              threads: 4
            output:
              drop: null
        "#]],
    );
    check(
        "{}",
        &["input.type=stdin", "input.label=a", "logger.static_fields.a~1b~0c=d", "shutdown_timeout=5s"],
        expect![[r#"
            input:
              type: stdin
              label: a
            logger:
              static_fields:
                "a.b~c": d
            shutdown_timeout: 5s
        "#]],
    );
    check(
        "input: text",
        &["input.stdin.scanner.lines.custom_delimiter=X"],
        expect![[r#"
        input:
          stdin:
            scanner:
              lines:
                custom_delimiter: X
    "#]],
    );
    check(
        CONFIG,
        &["pipeline.processors.1.try.-.noop=", "x"],
        expect!["invalid set expression 'pipeline.processors.1.try.-.noop=': expected foo=bar syntax"],
    );
    check(
        CONFIG,
        &["pipeline.processors.-.log.message=a: [b", "pipeline.processors.1.try.-.log.level=WARN"],
        expect![[r#"
            input:
              stdin: {}
            pipeline:
              processors:
                - wasm:
                    module_path: a.wasm
                - try:
                    - log:
                        level: WARN
                - log:
                    message: "a: [b"
        "#]],
    );
    check(
        "output: {drop: {}}",
        &["output.processors.-.wasm.mounts.-.host=/a"],
        expect![[r#"
        output:
          drop: {}
          processors:
            - wasm:
                mounts:
                  - host: /a
        (1,1) field guest is required @9+0
        (1,1) field module_path is required @9+0
    "#]],
    );
    check(
        "",
        &["output.drop={}"],
        expect![[r#"
        output:
          drop: "{}"
        (1,1) expected object value, got !!str @1+0
    "#]],
    );
}

#[test]
fn errors() {
    check("{}", &["foo"], expect!["invalid set expression 'foo': expected foo=bar syntax"]);
    check("{}", &["=a"], expect!["invalid set expression '=a': expected foo=bar syntax"]);
    check("{}", &["foo=bar"], expect!["failed to set config field override: foo: field not recognised"]);
    check(
        "{}",
        &["input.foo=bar"],
        expect!["failed to set config field override: input.foo: field not recognised"],
    );
    check(
        "{}",
        &["input.stdin.foo=bar"],
        expect!["failed to set config field override: input.stdin.foo: field not recognised"],
    );
    check(
        "{}",
        &["pipeline.threads.a=bar"],
        expect!["failed to set config field override: pipeline.threads.a: field not recognised"],
    );
    check(
        CONFIG,
        &["pipeline.processors.2.noop=a"],
        expect![
            "failed to set config field override: pipeline.processors.2: target index greater than array length"
        ],
    );
    check(
        CONFIG,
        &["pipeline.processors.x.noop=a"],
        expect![
            "failed to set config field override: pipeline.processors.x: failed to parse path segment as array index"
        ],
    );
    check(
        CONFIG,
        &["pipeline.processors.0.wasm.config=a"],
        expect![
            "failed to set config field override: pipeline.processors.0.wasm.config.cannot set map directly"
        ],
    );
    check(
        "{}",
        &[&format!("output.{}drop=a", "fallback.-.".repeat(10_000))],
        expect!["failed to set config field override: the path has more than 50 segments"],
    );
}
