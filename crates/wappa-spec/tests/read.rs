//! What components get of their configs.

mod common;

use std::time::Duration;

use common::{SPECS, Wasm};
use expect_test::expect;
use wappa_spec::{Config, LintOptions, Linted, Source, StreamConfig, yaml};

fn stream(text: &str) -> StreamConfig {
    let source = Source::read(text.as_bytes(), |_| None).expect("the text is YAML");
    let Linted { config, lints, .. } = source.stream(&SPECS.to_vec(), LintOptions::default());
    assert!(lints.is_empty(), "{lints:?}");
    config.expect("no lints were found")
}

#[test]
fn a_stream() {
    let config = stream(
        "
input: {stdin: {auto_replay_nacks: false}, processors: [{noop: {}}]}
pipeline: {threads: 2, ordered: no, processors: [{label: a, wasm: {module_path: m, timeout: 1.5s, memory_limit: 64KiB, config: {k: v}}}]}
processor_resources: [{label: b, noop: {}}]
logger: {format: JSON, static_fields: {x: 1}}
metrics: {logger: {push_interval: 1s}}
shutdown_timeout: 1m
",
    );
    assert_eq!(config.input.name, "stdin");
    assert_eq!(config.input.processors.len(), 1);
    assert_eq!((config.pipeline.threads, config.pipeline.ordered), (2, false));
    assert_eq!(config.output.name, "stdout");
    assert_eq!(config.resources.processors[0].label, "b");
    assert_eq!(config.logger.format.as_deref(), Some("json"));
    assert_eq!(config.logger.static_fields.get("x").map(String::as_str), Some("1"));
    assert_eq!(config.metrics.name, "logger");
    assert_eq!(config.shutdown_timeout, Duration::from_secs(60));

    let node = &config.pipeline.processors[0];
    assert_eq!((node.name.as_str(), node.label.as_str()), ("wasm", "a"));
    let wasm = Wasm::from_body(&node.body, &SPECS.to_vec()).expect("it was linted");
    assert_eq!((wasm.module_path.as_str(), wasm.function.as_str()), ("m", "process"));
    assert_eq!(wasm.timeout, Duration::from_millis(1500));
    assert_eq!(wasm.memory_limit.bytes(), 64 << 10);
    assert_eq!((wasm.recycle.messages, wasm.recycle.growth), (0, true));
    assert_eq!(wasm.config.reveal().get("k").map(String::as_str), Some("v"));
    assert_eq!(format!("{:?}", wasm.config), "!!!SECRET_SCRUBBED!!!");
}

#[test]
fn nothing_at_all() {
    let config = StreamConfig::empty(&SPECS.to_vec()).expect("the table has stdin and stdout");
    expect![[r#"
        LoggerConfig {
            level: "INFO",
            format: None,
            add_timestamp: false,
            level_name: "level",
            timestamp_name: "time",
            message_name: "msg",
            static_fields: Map(
                [
                    (
                        "@service",
                        "wappa",
                    ),
                ],
            ),
            file: LogFileConfig {
                path: "",
                rotate: false,
                rotate_max_age_days: 0,
            },
            log_all_errors: false,
        }
    "#]]
    .assert_debug_eq(&config.logger);
    assert_eq!((config.input.name.as_str(), config.output.name.as_str()), ("stdin", "stdout"));
    assert_eq!((config.pipeline.threads, config.pipeline.ordered), (-1, true));
    assert_eq!(config.metrics.name, "none");
    assert_eq!((config.shutdown_delay, config.shutdown_timeout), (Duration::ZERO, Duration::from_secs(20)));
}

#[test]
fn a_body_that_cannot_be_built() {
    let body = yaml::parse("timeout: x\nnope: 1\n").expect("it is YAML").node;
    let lints = Wasm::from_body(&body, &SPECS.to_vec()).err().expect("a field is missing");
    expect![[r#"
        (1,1) expected duration value, got `x` @10+1 | a duration is written like `300ms`, `5s` or `1h30m`
        (2,1) field nope not recognised @1+4
        (1,1) field module_path is required @1+0
    "#]]
    .assert_eq(&common::print(&lints));
}

#[test]
fn a_config_with_errors_can_still_be_run() {
    let source = Source::read(b"input: {stdin: {nope: 1}}\nnope: 2\n", |_| None).expect("it is YAML");
    let linted = source.stream(&SPECS.to_vec(), LintOptions::default());
    assert_eq!((linted.config.is_some(), linted.lints.len()), (true, 2));
}

/// What two components have in common.
#[derive(Config, Debug)]
#[expect(dead_code, reason = "it is printed")]
struct Place {
    /// A path.
    path: String,

    /// How it is opened.
    #[config(default = "read")]
    how: String,
}

/// One of them.
#[derive(Config, Debug)]
#[expect(dead_code, reason = "it is printed")]
struct Written {
    /// A field in front.
    #[config(default = "1")]
    first: i64,
    #[config(flatten, defaults(how = "append"))]
    place: Place,
    /// A field behind.
    fields: Vec<String>,
}

#[test]
fn fields_of_a_config_that_is_part_of_another() {
    let read = |text: &str| {
        let node = Source::read(text.as_bytes(), |_| None).expect("the text is YAML").node;
        let (config, lints) = Written::from_body_with_lints(&node, &SPECS.to_vec());
        let lints: Vec<String> =
            lints.iter().map(|it| format!("{}:{} {it}", it.pos.line, it.pos.column)).collect();
        format!("{config:?}\n{}\n", lints.join("\n"))
    };
    let shown = |it: &wappa_spec::Field| format!("{} {:?}", it.name, it.default);
    let fields: Vec<String> = Written::FIELDS.iter().map(shown).collect();
    let alone: Vec<String> = Place::FIELDS.iter().map(shown).collect();
    let all = [
        "path: a",
        "{fields: [x], how: read, path: a, first: 2}",
        "how: 1",
        "{path: a, patth: b, place: c}",
        "{path: {}, first: x}",
    ];
    expect![[r#"
        ["first Some(\"1\")", "path None", "how Some(\"append\")", "fields Some(\"[]\")"]
        ["path None", "how Some(\"read\")"]
        Some(Written { first: 1, place: Place { path: "a", how: "append" }, fields: [] })

        Some(Written { first: 2, place: Place { path: "a", how: "read" }, fields: ["x"] })

        None
        1:1 (1,1) field path is required
        Some(Written { first: 1, place: Place { path: "a", how: "append" }, fields: [] })
        1:11 (1,1) field patth not recognised
        1:21 (1,1) field place not recognised
        None
        1:8 (1,1) expected string value
        1:19 (1,1) expected int value, got `x`
    "#]]
    .assert_eq(&format!("{fields:?}\n{alone:?}\n{}", all.map(read).concat()));
}
