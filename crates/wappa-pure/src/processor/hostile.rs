//! What messages that mean harm can make processors spend.

use wappa_component::{Part, Step};
use wappa_message::{Message, Metadata, Value};

use super::limit;
use crate::{
    formats::{Member, zip},
    test::{Harness, batches},
};

/// Whether a processor marks messages since they would grow by more than is left.
fn is_refused(config: &str, mut part: Part, n_left: usize) -> bool {
    let mut harness = Harness::default();
    let processor = harness.processor(config).expect("it can be built");
    let mut step = Step::new(0, harness.time.as_ref());
    step.begin_part(limit::growth_that_leaves(n_left));
    assert_eq!(processor.process(&mut part, &mut step), part.n_batches());
    part.messages().iter().any(|it| it.error().is_some_and(|mark| mark.as_str().contains(limit::TOO_LARGE)))
}

#[test]
fn what_processors_make_of_messages_is_counted() {
    for (config, inputs, needed) in [
        ("insert_part: {content: '${! content().repeat(1000) }'}", vec!["0123456789"; 100], 1_000_000),
        ("insert_part: {}", vec!["a"; 10_000], 500_000),
        ("mapping: 'root = content().repeat(1000)'", vec!["0123456789"; 100], 1_000_000),
        ("bloblang: 'meta m = content().string().repeat(1000)'", vec!["0123456789"; 100], 1_000_000),
        ("mutation: 'root.a = content().string().repeat(1000)'", vec![r#"{"a":"12"}"#; 100], 1_000_000),
        ("archive: {format: tar}", vec!["a|a|a|a"; 500], 2_000_000),
        ("archive: {format: zip}", vec!["a|a|a|a"; 5000], 1_000_000),
        (
            "archive: {format: zip, path: '${! content().repeat(1000) }'}",
            vec!["0123456789|a"; 100],
            2_000_000,
        ),
        (
            "archive: {format: tar, path: '${! content().repeat(1000) }'}",
            vec!["0123456789|a"; 100],
            2_000_000,
        ),
        ("archive: {format: binary}", vec!["|||||||||||||||||||"; 10_000], 800_000),
        ("archive: {format: lines}", vec!["|||||||||||||||||||"; 10_000], 190_000),
        (
            "subprocess: {name: /bin/sh, args: ['-c', 'while read x; do echo $x$x$x$x; done']}",
            vec!["0123456789"; 10],
            300,
        ),
    ] {
        assert!(is_refused(config, batches(&inputs), needed / 2), "{config}");
        assert!(!is_refused(config, batches(&inputs), needed * 4), "{config}");
    }
}

/// Metadata that many messages share are copied for each that gets one more.
#[test]
fn metadata_that_are_copied_are_counted() {
    let key = |idx: usize| (format!("key{idx}").into_bytes().into(), Value::Int(1));
    let common = Metadata::from_pairs((0..100).map(key));
    let members: Vec<Member> =
        (0..100).map(|_| Member { name: "a".into(), content: Default::default() }).collect();
    let archive = zip::write(&members, Default::default()).expect("it is small");
    let document = format!("{{{}}}", (0..100).map(|it| format!("\"{it}\":1")).collect::<Vec<_>>().join(","));
    let one = |content: Vec<u8>| vec![Message::new(content)];
    let many = || vec![Message::new("a"); 100];
    for (config, mut messages) in [
        ("unarchive: {format: zip}", one(archive)),
        ("unarchive: {format: json_map}", one(document.into_bytes())),
        ("mutation: 'meta x = 1'", many()),
        ("mapping: 'meta x = 1'", many()),
        ("retry: {processors: [noop: {}]}", many()),
        ("command: {name: sh, args_mapping: 'root = [\"-c\", \"echo a >&2\"]'}", many()),
    ] {
        messages.iter_mut().for_each(|it| *it.metadata_mut() = common.clone());
        assert!(is_refused(config, Part::singles(messages.clone()), 50 * common.size()), "{config}");
        assert!(!is_refused(config, Part::singles(messages), 300 * common.size()), "{config}");
    }
}

/// As many fields as a row can have bytes.
#[test]
fn a_row_of_nothing_but_commas_is_refused() {
    let mut harness = Harness::default();
    let row = ",".repeat(2_000_000);
    let output = harness.process("unarchive: {format: csv}", &[&format!("{row}\n{row}\n")]);
    assert!(
        output.ends_with("record on line 1: more than 1048576 fields]\n"),
        "{}",
        &output[output.len() - 200..]
    );
}

#[test]
fn what_is_said_of_every_message_does_not_fill_the_log() {
    for config in [
        "switch: [{check: 'throw(\"no\")', processors: [noop: {}]}]",
        "group_by: [{check: 'throw(\"no\")', processors: [noop: {}]}]",
        "workflow: {branches: {a: {processors: [noop: {}]}}}",
        "metric: {type: gauge, name: a, value: '${! content() }'}",
        "split: {byte_size: 1}",
        "subprocess: {name: /bin/sh, args: ['-c', 'while read x; do echo bad >&2; done']}",
    ] {
        let mut harness = Harness::default();
        harness.process(config, &[&["no"; 1000].join("|")]);
        let n_lines = harness.log.take().lines().count();
        // A slow machine may be in another second, and what was dropped is said then.
        assert!((100..1000).contains(&n_lines), "{config}: {n_lines}");
    }
}

/// Each of a thousand problems names a place that is 150 names deep.
#[test]
fn problems_are_told_as_far_as_anybody_reads_them() {
    let name = format!("{{\"{}\":", "x".repeat(250));
    let wrong: Vec<String> = (0..1000).map(|it| format!("\"{it}\":1")).collect();
    let document = format!("{}{{{}}}{}", name.repeat(90), wrong.join(","), "}".repeat(90));
    let schema = r##"{"type":"object","additionalProperties":{"$ref":"#"}}"##;
    let mut harness = Harness::default();
    let processor =
        harness.processor(&format!("json_schema: {{schema: '{schema}'}}")).expect("it can be built");
    let mut part = batches(&[&document]);
    processor.process(&mut part, &mut Step::new(0, harness.time.as_ref()));
    let mark = part.messages()[0].error().expect("it does not fit").as_str().len();
    assert!((4000..5000).contains(&mark), "{mark}");
}

/// Values of labels come from messages; ten are as long as all together may be.
#[test]
fn labels_of_metrics_are_bounded() {
    let mut harness = Harness::default();
    let long = "x".repeat(2 << 20);
    let messages: Vec<String> = (0..10).map(|it| format!("{it}{long}")).collect();
    let messages: Vec<&str> = messages.iter().map(String::as_str).collect();
    harness.process("metric: {type: counter, name: a, labels: {l: '${! content() }'}}", &messages);
    assert_eq!(harness.samples().len(), 7);
    assert_eq!(
        harness.log.take(),
        "Error `a` has 16MiB of labels in 7 series: with other labels nothing is counted label= path=root.pipeline.processors.0\n"
    );
}
