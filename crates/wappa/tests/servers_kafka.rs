//! The program between topics of a real broker: stopped and killed in the middle, and the streams of the guide.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use rustix::process::{Pid, Signal, kill_process};
use wappa_servers::{apicurio::Apicurio, kafka::Kafka, or_skip, wait_until};

mod support;

use support::{Program, wait};

const N_MESSAGES: usize = 5_000;

/// Where the broker of a guide is.
const OF_GUIDES: &str = "localhost:9092";

/// Where the schema registry of a guide is.
const REGISTRY_OF_GUIDES: &str = "http://localhost:8081";

fn guest(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name).display().to_string()
}

#[test]
fn nothing_is_lost_when_the_program_is_stopped_or_killed_in_the_middle() {
    let Some(server) = or_skip(Kafka::find()).map(Kafka::start) else { return };
    let address = server.address();
    let numbers: String = (0..N_MESSAGES).map(|it| format!("{it}\n")).collect();
    let filled = Program::new("kafka-fill").stdin(&numbers).file(
        "a.yaml",
        format!(
            "output: {{kafka: {{addresses: ['{address}'], topic: numbers, partitioner: round_robin}}}}\n"
        ),
    );
    let ended = filled.run(&["-c", "a.yaml"]);
    assert_eq!(ended.code, Some(0), "{ended}");
    let program = Program::new("kafka-stopped").file(
        "a.yaml",
        format!(
            "input: {{kafka_franz: {{seed_brokers: ['{address}'], topics: [numbers], consumer_group: g, commit_period: 200ms}}}}\n\
             pipeline: {{threads: 2, processors: [{{wasm: {{module_path: {:?}}}}}, {{sleep: {{duration: 100us}}}}]}}\n\
             output: {{file: {{path: ./out, codec: lines}}}}\n",
            guest("upper.wat")
        ),
    );
    let out = program.dir().join("out");
    let lines = || fs::read_to_string(&out).unwrap_or_default();
    for (n, signal) in [Signal::TERM, Signal::KILL, Signal::TERM, Signal::KILL].into_iter().enumerate() {
        let child = program.start(&["-c", "a.yaml"]);
        wait_until("some", || (n + 1) * 500 < lines().lines().count());
        kill_process(Pid::from_child(&child), signal).expect("it runs");
        let code = wait(child).code();
        if signal != Signal::KILL {
            assert_eq!(code, Some(0), "{signal:?}");
        }
        // What a write was cut off in comes again, and does not run into the next.
        if !lines().ends_with('\n') {
            fs::write(&out, lines() + "\n").expect("it can be written");
        }
    }
    let child = program.start(&["-c", "a.yaml"]);
    let numbers = || lines().lines().filter_map(|it| it.parse().ok()).collect::<BTreeSet<usize>>();
    wait_until("all", || N_MESSAGES <= numbers().len());
    kill_process(Pid::from_child(&child), Signal::TERM).expect("it runs");
    assert_eq!(wait(child).code(), Some(0));
    assert_eq!(numbers(), (0..N_MESSAGES).collect());
}

/// The whole configs of the guide, in their order.
fn streams_of_the_guide(address: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/servers/kafka.md");
    let text = fs::read_to_string(path).expect("the guide is there");
    let fences = text.split("```yaml\n").skip(1).map(|it| it.split("```").next().unwrap_or_default());
    let own = |it: &str| {
        it.replace(OF_GUIDES, address)
            .replace("examples/upper.wat", &guest("upper.wat"))
            .replace("examples/kafka-route.wat", &guest("kafka-route.wat"))
    };
    fences.map(own).collect()
}

#[test]
fn the_streams_of_the_guide_run_as_they_are() {
    let Some(server) = or_skip(Kafka::find()).map(Kafka::start) else { return };
    let address = server.address();
    let streams = streams_of_the_guide(&address);
    let [lines, shouting, routing, _] = streams.as_slice() else { panic!("four streams: {streams:#?}") };
    let first = Program::new("kafka-guide-lines").file("a.yaml", lines).stdin("one day\n!fire in one\ntwo\n");
    let ended = first.run(&["-c", "a.yaml"]);
    assert_eq!(ended.code, Some(0), "{ended}");
    let read = Program::new("kafka-guide-read").file(
        "a.yaml",
        format!(
            "input: {{kafka_franz: {{seed_brokers: ['{address}'], topics: ['shouted|alerts|rest'], regexp_topics: true, consumer_group: reading, metadata_max_age: 1s}}}}\n\
             pipeline: {{processors: [{{mapping: 'root = \"%s %s %s\".format(@kafka_topic, @kafka_key, content())'}}]}}\n\
             output: {{file: {{path: ./out, codec: lines}}}}\n"
        ),
    );
    let programs = [
        Program::new("kafka-guide-shouting").file("a.yaml", shouting),
        Program::new("kafka-guide-routing").file("a.yaml", routing),
        read,
    ];
    let children = programs.each_ref().map(|it| it.start(&["-c", "a.yaml"]));
    let out = programs[2].dir().join("out");
    let found = || fs::read_to_string(&out).unwrap_or_default();
    wait_until("six messages", || found().lines().count() == 6);
    for child in children {
        kill_process(Pid::from_child(&child), Signal::TERM).expect("it runs");
        assert_eq!(wait(child).code(), Some(0));
    }
    let mut of_topic: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in found().lines() {
        let (topic, message) = line.split_once(' ').expect("a topic and a message");
        of_topic.entry(topic.to_string()).or_default().push(message.to_string());
    }
    of_topic.values_mut().for_each(|it| it.sort());
    let text = |topic: &str| of_topic.get(topic).map(|it| it.join("|")).unwrap_or_default();
    assert_eq!(text("shouted"), "!fire !FIRE IN ONE|one ONE DAY|two TWO");
    assert_eq!(
        (text("alerts").as_str(), text("rest").as_str()),
        ("!fire !fire in one", "one one day|two two")
    );
}

#[test]
fn the_stream_of_the_guide_with_a_schema_registry_runs_as_it_is() {
    let Some(server) = or_skip(Kafka::find()).map(Kafka::start) else { return };
    let Some(registry) = or_skip(Apicurio::find()).map(Apicurio::start) else { return };
    let schema = r#"{"type":"record","name":"reading","fields":[{"name":"celsius","type":"double"}]}"#;
    Apicurio::register(&registry, "warm-value", &format!("{{\"schema\":{schema:?}}}"));
    let (address, url) = (server.address(), format!("http://{}{}", registry.address(), Apicurio::PATH));
    let streams = streams_of_the_guide(&address);
    let stream = streams.last().expect("there are some").replace(REGISTRY_OF_GUIDES, &url);
    let filled = Program::new("kafka-guide-readings")
        .stdin("{\"celsius\":12.5}\n{\"celsius\":31.5}\n{\"celsius\":30}\n")
        .file(
            "a.yaml",
            format!(
                "pipeline: {{processors: [{{schema_registry_encode: {{url: '{url}', subject: warm-value, avro_raw_json: true}}}}]}}\n\
                 output: {{kafka_franz: {{seed_brokers: ['{address}'], topic: readings}}}}\n"
            ),
        );
    let ended = filled.run(&["-c", "a.yaml"]);
    assert_eq!(ended.code, Some(0), "{ended}");
    let read = Program::new("kafka-guide-warm").file(
        "a.yaml",
        format!(
            "input: {{kafka_franz: {{seed_brokers: ['{address}'], topics: [warm], consumer_group: reading, metadata_max_age: 1s}}}}\n\
             pipeline: {{processors: [{{schema_registry_decode: {{url: '{url}', avro_raw_json: true}}}}]}}\n\
             output: {{file: {{path: ./out, codec: lines}}}}\n"
        ),
    );
    let programs = [Program::new("kafka-guide-registry").file("a.yaml", stream), read];
    let children = programs.each_ref().map(|it| it.start(&["-c", "a.yaml"]));
    let found = || fs::read_to_string(programs[1].dir().join("out")).unwrap_or_default();
    wait_until("two readings", || found().lines().count() == 2);
    for child in children {
        kill_process(Pid::from_child(&child), Signal::TERM).expect("it runs");
        assert_eq!(wait(child).code(), Some(0));
    }
    // They may be in several partitions.
    assert_eq!(
        found().lines().collect::<BTreeSet<_>>(),
        BTreeSet::from([r#"{"celsius":30}"#, r#"{"celsius":31.5}"#])
    );
}
