//! Streams from and to a real broker: what they read and write, in which order, and what is committed.

mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    time::{Duration, Instant},
};

use support::{Record, broker, committed, make_topic, name, produce, produce_numbers, read_topic, start};
use wappa_servers::{Dir, wait_until};

/// The lines of a file.
fn lines(dir: &Dir, file: &str) -> Vec<String> {
    fs::read_to_string(dir.at(file)).unwrap_or_default().lines().map(str::to_string).collect()
}

fn to_file(dir: &Dir) -> String {
    format!("file: {{ path: {:?}, codec: lines }}", dir.at("out"))
}

#[test]
fn what_a_message_comes_with() {
    let Some(address) = broker() else { return };
    let (topic, dir) = (name("metadata"), Dir::new());
    make_topic(address, &topic, 2);
    let at = |payload: Option<&str>, key: Option<&str>, ms: i64| Record {
        key: key.map(|it| it.as_bytes().to_vec()),
        payload: payload.map(|it| it.as_bytes().to_vec()),
        partition: Some(1),
        timestamp: Some(ms),
        headers: Vec::new(),
    };
    let first = Record {
        headers: vec![
            ("trace".to_string(), b"one".to_vec()),
            ("trace".to_string(), b"two".to_vec()),
            ("kafka_topic".to_string(), b"mine".to_vec()),
        ],
        ..at(Some("a"), Some("k"), 1_600_000_000_123)
    };
    produce(
        address,
        &topic,
        &[first, at(Some(""), None, 1_600_000_001_000), at(None, Some("gone"), 1_600_000_002_999)],
    );
    let read = |input: &str| {
        let file = dir.at(&input.replace([' ', ':', '{', '}', '[', ']', '\'', '"', '/', ','], "_"));
        let config = format!(
            "input: {{ {input} }}\npipeline: {{ threads: 1, processors: [ {{ mapping: 'root = metadata().without(\"kafka_lag\").assign({{\"c\": content().string(), \"lag\": @kafka_lag}})' }} ] }}\n\
             output: {{ file: {{ path: {file:?}, codec: lines }} }}"
        );
        let running = start(&config);
        let lines = || fs::read_to_string(&file).unwrap_or_default();
        wait_until("three lines", || lines().lines().count() == 3);
        running.drain();
        lines().replace(&topic, "T")
    };
    let common = |multi: &str| format!("topics: ['{topic}:1'], multi_header: {multi}");
    assert_eq!(
        read(&format!("kafka: {{ addresses: ['{address}'], {} }}", common("false"))),
        r#"{"c":"a","kafka_key":"k","kafka_offset":0,"kafka_partition":1,"kafka_timestamp_unix":1600000000,"kafka_timestamp_unix_ms":1600000000123,"kafka_tombstone_message":false,"kafka_topic":"T","lag":2,"trace":"two"}
{"c":"","kafka_key":"","kafka_offset":1,"kafka_partition":1,"kafka_timestamp_unix":1600000001,"kafka_timestamp_unix_ms":1600000001000,"kafka_tombstone_message":false,"kafka_topic":"T","lag":1}
{"c":"","kafka_key":"gone","kafka_offset":2,"kafka_partition":1,"kafka_timestamp_unix":1600000002,"kafka_timestamp_unix_ms":1600000002999,"kafka_tombstone_message":true,"kafka_topic":"T","lag":0}
"#
    );
    assert_eq!(
        read(&format!("kafka_franz: {{ seed_brokers: ['{address}'], {} }}", common("true"))),
        r#"{"c":"a","kafka_key":"k","kafka_offset":0,"kafka_partition":1,"kafka_timestamp_unix":1600000000,"kafka_timestamp_unix_ms":1600000000123,"kafka_tombstone_message":false,"kafka_topic":["mine"],"lag":null,"trace":["one","two"]}
{"c":"","kafka_offset":1,"kafka_partition":1,"kafka_timestamp_unix":1600000001,"kafka_timestamp_unix_ms":1600000001000,"kafka_tombstone_message":false,"kafka_topic":"T","lag":null}
{"c":"","kafka_key":"gone","kafka_offset":2,"kafka_partition":1,"kafka_timestamp_unix":1600000002,"kafka_timestamp_unix_ms":1600000002999,"kafka_tombstone_message":true,"kafka_topic":"T","lag":null}
"#
    );
}

#[test]
fn a_group_goes_on_where_it_was() {
    let Some(address) = broker() else { return };
    for (group, input) in [
        ("sarama", "kafka: { addresses: [ADDRESS], topics: [TOPIC], consumer_group: GROUP }"),
        ("franz", "kafka_franz: { seed_brokers: [ADDRESS], topics: [TOPIC], consumer_group: GROUP }"),
        (
            "pattern",
            "kafka_franz: { seed_brokers: [ADDRESS], topics: ['^TOPIC$'], regexp_topics: true, consumer_group: GROUP }",
        ),
        ("number", "kafka: { addresses: [ADDRESS], topics: ['TOPIC:0-3'], consumer_group: GROUP }"),
    ] {
        let (topic, dir) = (name(&format!("group-{group}")), Dir::new());
        make_topic(address, &topic, 4);
        produce_numbers(address, &topic, 0..1000, 4);
        let input = input.replace("ADDRESS", address).replace("TOPIC", &topic).replace("GROUP", group);
        let config = format!("input: {{ {input} }}\noutput: {{ {} }}", to_file(&dir));
        let running = start(&config);
        wait_until("all of it", || lines(&dir, "out").len() == 1000);
        running.drain();
        let offsets = (0..4).map(|it| committed(address, group, &topic, it));
        assert_eq!(offsets.collect::<Vec<_>>(), [Some(250); 4], "{group}");
        // What is new, and nothing else.
        produce_numbers(address, &topic, 1000..1004, 4);
        let running = start(&config);
        wait_until("the new ones", || lines(&dir, "out").len() == 1004);
        running.drain();
        let all: BTreeSet<String> = lines(&dir, "out").into_iter().collect();
        assert_eq!((all.len(), lines(&dir, "out").len()), (1004, 1004), "{group}");
    }
}

#[test]
fn what_nobody_has_looked_at_when_the_end_comes_is_read_by_the_next_one() {
    let Some(address) = broker() else { return };
    let (topic, dir) = (name("given-back"), Dir::new());
    make_topic(address, &topic, 1);
    produce_numbers(address, &topic, 0..60, 1);
    for replays in [true, false] {
        fs::write(dir.at("out"), "").expect("it can be written");
        let config = |processors: &str| {
            format!(
                "input: {{ kafka: {{ addresses: ['{address}'], topics: ['{topic}'], consumer_group: g-{topic}-{replays}, \
                 auto_replay_nacks: {replays} }} }}\n\
                 pipeline: {{ threads: 1, processors: [{processors}] }}\noutput: {{ {} }}\n",
                to_file(&dir)
            )
        };
        let running = start(&config("sleep: { duration: 100ms }"));
        wait_until("some", || 3 <= lines(&dir, "out").len());
        let tally = running.tally.clone();
        running.drain();
        // It is the broker's again: nothing was lost, and nothing was worked off that could wait.
        assert_eq!(tally.undelivered(), 0);
        assert!(lines(&dir, "out").len() < 60);
        let running = start(&config(""));
        wait_until("all of it", || 60 <= lines(&dir, "out").len());
        running.drain();
        let all = lines(&dir, "out");
        assert_eq!((all.len(), all.into_iter().collect::<BTreeSet<_>>().len()), (60, 60), "{replays}");
    }
}

#[test]
fn what_is_behind_the_last_message_that_is_wanted_is_read_by_the_next_one() {
    let Some(address) = broker() else { return };
    let (topic, dir) = (name("until"), Dir::new());
    make_topic(address, &topic, 1);
    produce_numbers(address, &topic, 0..60, 1);
    let kafka =
        format!("kafka: {{ addresses: ['{address}'], topics: ['{topic}'], consumer_group: g-{topic} }}");
    let until = format!("read_until: {{ check: 'content() == \"9\"', input: {{ {kafka} }} }}");
    for (input, n_lines) in [(until, 10), (kafka, 60)] {
        let running = start(&format!("input: {{ {input} }}\noutput: {{ {} }}\n", to_file(&dir)));
        wait_until("those that are wanted", || n_lines <= lines(&dir, "out").len());
        let tally = running.tally.clone();
        running.drain();
        assert_eq!((tally.undelivered(), lines(&dir, "out").len()), (0, n_lines));
    }
}

#[test]
fn a_partition_keeps_its_order_with_many_threads() {
    let Some(address) = broker() else { return };
    let (topic, to) = (name("order"), name("order-out"));
    make_topic(address, &topic, 4);
    make_topic(address, &to, 4);
    produce_numbers(address, &topic, 0..2000, 4);
    let config = format!(
        "input: {{ kafka_franz: {{ seed_brokers: ['{address}'], topics: ['{topic}'], consumer_group: g-{topic} }} }}\n\
         pipeline:\n  threads: 4\n  processors:\n    - switch: [ {{ check: 'content().number() % 97 == 0', processors: [ {{ sleep: {{ duration: 20ms }} }} ] }} ]\n\
         output: {{ kafka_franz: {{ seed_brokers: ['{address}'], topic: '{to}', partitioner: manual, partition: '${{! @kafka_partition }}', key: '${{! @kafka_offset }}', metadata: {{ include_prefixes: [kafka_part] }} }} }}"
    );
    let running = start(&config);
    let all = read_topic(address, &to, 2000);
    running.drain();
    let mut of_partition: BTreeMap<i32, Vec<u32>> = BTreeMap::new();
    for read in &all {
        of_partition.entry(read.partition).or_default().push(read.payload.parse().expect("a number"));
        assert_eq!(read.headers, [("kafka_partition".to_string(), read.partition.to_string())]);
    }
    for (partition, numbers) in of_partition {
        assert_eq!(numbers, (0..500).map(|it| it * 4 + partition as u32).collect::<Vec<_>>());
    }
}

#[test]
fn what_goes_different_ways_keeps_its_order() {
    let Some(address) = broker() else { return };
    let (topics, dir) = ([name("ways-a"), name("ways-b")], Dir::new());
    topics.iter().for_each(|it| make_topic(address, it, 2));
    // Runs of several lengths, of topics, of partitions and of messages with headers; some to a partition that is not there.
    let way = |n: usize| (n / 5 % 2, if n % 41 == 7 { 9 } else { n / 3 % 2 }, n % 7 < 2);
    let line = |n: usize| {
        let (topic, partition, has_header) = way(n);
        format!(r#"{{"n":{n},"t":"{}","p":{partition},"h":{has_header}}}"#, topics[topic])
    };
    let all: Vec<String> = (0..400).map(line).collect();
    let config = format!(
        "input: {{ file: {{ paths: [ {:?} ] }} }}\n\
         pipeline: {{ processors: [ {{ mapping: 'meta own = if this.h {{ this.n }} else {{ deleted() }}' }} ] }}\n\
         output:\n  fallback:\n    - kafka_franz: {{ seed_brokers: ['{address}'], topic: '${{! this.t }}', partitioner: manual, partition: '${{! this.p }}', metadata: {{ include_prefixes: [own] }} }}\n    - {}",
        dir.write("in", all.join("\n") + "\n"),
        to_file(&dir)
    );
    assert_eq!(start(&config).join().fault, None);
    let is_of =
        |n: &usize, topic: usize, partition: i32| (way(*n).0, way(*n).1) == (topic, partition as usize);
    for (topic, name) in topics.iter().enumerate() {
        let expected = |partition| (0..400).filter(move |n| is_of(n, topic, partition)).collect::<Vec<_>>();
        let read = read_topic(address, name, expected(0).len() + expected(1).len());
        for partition in 0..2 {
            let own: Vec<_> = read.iter().filter(|it| it.partition == partition).collect();
            let payloads: Vec<&str> = own.iter().map(|it| it.payload.as_str()).collect();
            assert_eq!(payloads, expected(partition).iter().map(|n| all[*n].as_str()).collect::<Vec<_>>());
            let headers: Vec<_> = own.iter().map(|it| it.headers.clone()).collect();
            let header = |n: &usize| way(*n).2.then(|| ("own".to_string(), n.to_string()));
            assert_eq!(
                headers,
                expected(partition).iter().map(|n| header(n).into_iter().collect()).collect::<Vec<Vec<_>>>()
            );
        }
    }
    let mut failed = lines(&dir, "out");
    failed.sort();
    let mut missing: Vec<String> = (0..400).filter(|n| way(*n).1 == 9).map(line).collect();
    missing.sort();
    assert_eq!(failed, missing);
}

#[test]
fn what_is_not_answered_is_not_committed() {
    let Some(address) = broker() else { return };
    let (topic, dir) = (name("floor"), Dir::new());
    make_topic(address, &topic, 1);
    produce_numbers(address, &topic, 0..100, 1);
    let group = format!("g-{topic}");
    // Fifty fails again and again.
    let config = format!(
        "input: {{ kafka: {{ addresses: ['{address}'], topics: ['{topic}'], consumer_group: {group}, commit_period: 100ms }} }}\n\
         output:\n  switch:\n    cases:\n      - check: 'content() == \"50\"'\n        output: {{ reject: no }}\n      - output: {{ {} }}\n",
        to_file(&dir)
    );
    let running = start(&config);
    wait_until("all but one", || lines(&dir, "out").len() == 99);
    wait_until("a commit", || committed(address, &group, &topic, 0) == Some(50));
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(committed(address, &group, &topic, 0), Some(50));
    running.stop.abandon();
    running.join();
    assert_eq!(committed(address, &group, &topic, 0), Some(50));
}

#[test]
fn a_member_without_a_partition_leaves_its_group() {
    let Some(address) = broker() else { return };
    for input in [
        "kafka: { addresses: [ADDRESS], topics: [TOPIC], consumer_group: g-TOPIC, group: { session_timeout: 45s } }",
        "kafka_franz: { seed_brokers: [ADDRESS], topics: [TOPIC], consumer_group: g-TOPIC }",
    ] {
        let kind = input.split(':').next().unwrap_or_default();
        let (topic, dir) = (name(&format!("spare-{kind}")), Dir::new());
        make_topic(address, &topic, 1);
        let input = input.replace("ADDRESS", address).replace("TOPIC", &topic);
        let config = format!("input: {{ {input} }}\noutput: {{ {} }}", to_file(&dir));
        let n_lines = || lines(&dir, "out").len();
        let first = start(&config);
        produce_numbers(address, &topic, 0..10, 1);
        wait_until("the first ones", || n_lines() == 10);
        let spare = start(&config);
        spare.log.line_with("is now active");
        // It is told that there is nothing for it.
        std::thread::sleep(Duration::from_secs(4));
        spare.drain();
        first.drain();
        // Nobody waits for the other two, as they would until their sessions are over.
        let began = Instant::now();
        let third = start(&config);
        produce_numbers(address, &topic, 10..20, 1);
        wait_until("the next ones", || n_lines() == 20);
        assert!(began.elapsed() < Duration::from_secs(30), "{kind}: {:?}", began.elapsed());
        third.drain();
    }
}
