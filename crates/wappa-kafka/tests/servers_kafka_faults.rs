//! What goes wrong between a stream and a broker: what is said, that nothing is lost, and that it goes on by itself.

mod support;

use std::{collections::BTreeMap, fs, time::Duration};

use support::{
    committed, make_topic, n_partitions, name, produce, produce_numbers, read_topic, record, start,
};
use wappa_servers::{Dir, Server, kafka::Kafka, or_skip, wait_until};

fn lines(dir: &Dir) -> Vec<String> {
    fs::read_to_string(dir.at("out")).unwrap_or_default().lines().map(str::to_string).collect()
}

/// From a topic to another one, over single messages.
fn through(address: &str, from: &str, to: &str, more: &str) -> String {
    format!(
        "input: {{ kafka_franz: {{ seed_brokers: ['{address}'], topics: ['{from}'], consumer_group: g-{from}, commit_period: 100ms }} }}\n\
         pipeline: {{ threads: 2 }}\n\
         output: {{ kafka_franz: {{ seed_brokers: ['{address}'], topic: '{to}'{more} }} }}"
    )
}

/// How often each number is there.
fn counted(address: &str, topic: &str, count: usize) -> BTreeMap<u32, usize> {
    let mut counts = BTreeMap::new();
    for read in read_topic(address, topic, count) {
        *counts.entry(read.payload.parse().expect("a number")).or_default() += 1;
    }
    counts
}

fn broker() -> Option<Server> {
    or_skip(Kafka::find()).map(Kafka::start)
}

#[test]
fn a_broker_that_comes_late_and_is_killed_loses_nothing() {
    let Some(mut server) = broker() else { return };
    let (address, from, to) = (server.address(), name("late"), name("late-out"));
    make_topic(&address, &from, 2);
    make_topic(&address, &to, 2);
    produce_numbers(&address, &from, 0..500, 2);
    server.stop();
    let running = start(&through(&address, &from, &to, ""));
    running.log.line_with("Error Failed to connect to kafka_franz: ");
    running.log.line_with("Connection refused");
    server.start_again();
    running.log.line_with("Info Input type kafka_franz is now active");
    running.log.line_with("Info Output type kafka_franz is now active");
    assert_eq!(counted(&address, &to, 500).len(), 500);
    // Without a word to anybody, in the middle of it.
    produce_numbers(&address, &from, 500..3000, 2);
    server.kill();
    running.log.line_with("No broker can be reached, and messages wait");
    server.start_again();
    let counts = counted(&address, &to, 3000);
    assert_eq!(counts.keys().copied().collect::<Vec<_>>(), (0..3000).collect::<Vec<_>>());
    wait_until("all is committed", || {
        (0..2).filter_map(|it| committed(&address, &format!("g-{from}"), &from, it)).sum::<i64>() == 3000
    });
    running.drain();
}

#[test]
fn a_broker_that_stands_still_is_waited_for() {
    let Some(server) = broker() else { return };
    let (address, from, to) = (server.address(), name("still"), name("still-out"));
    make_topic(&address, &from, 2);
    make_topic(&address, &to, 2);
    let running = start(&through(&address, &from, &to, ""));
    produce_numbers(&address, &from, 0..100, 2);
    assert_eq!(counted(&address, &to, 100).len(), 100);
    server.pause();
    std::thread::sleep(Duration::from_secs(3));
    server.resume();
    produce_numbers(&address, &from, 100..1000, 2);
    assert_eq!(counted(&address, &to, 1000).len(), 1000);
    running.drain();
    // One that never answers at all. An input that has ended would end the stream, so a message waits.
    server.pause();
    let dir = Dir::new();
    let config = format!(
        "input: {{ file: {{ paths: [ {:?} ] }} }}\noutput: {{ kafka: {{ addresses: ['{address}'], topic: '{to}' }} }}",
        dir.write("in", "1000\n")
    );
    let running = start(&config);
    running.log.line_with("Error Failed to connect to kafka: ");
    server.resume();
    running.log.line_with("Info Output type kafka is now active");
    assert_eq!(running.join().fault, None);
    assert_eq!(counted(&address, &to, 1001).len(), 1001);
}

#[test]
fn who_is_refused_is_told_why() {
    let Some(kafka) = or_skip(Kafka::find()) else { return };
    let server = kafka.user("alice", "sesame").start();
    let address = format!("127.0.0.1:{}", server.port(wappa_servers::kafka::SASL));
    let topic = name("refused");
    make_topic(&server.address(), &topic, 1);
    produce(&server.address(), &topic, &[record("open")]);
    let dir = Dir::new();
    let config = |password: &str| {
        format!(
            "input: {{ kafka: {{ addresses: ['{address}'], topics: ['{topic}'], consumer_group: g, sasl: {{ mechanism: PLAIN, user: alice, password: {password} }} }} }}\n\
             output: {{ file: {{ path: {:?}, codec: lines }} }}",
            dir.at("out")
        )
    };
    let running = start(&config("hunter2"));
    running.log.line_with("Error Failed to connect to kafka: ");
    running.log.line_with("SASL authentication error: Authentication failed: Invalid username or password");
    assert!(!running.log.has("hunter2"), "{:?}", running.log.lines());
    running.stop.abandon();
    running.join();
    let running = start(&config("sesame"));
    wait_until("a message", || lines(&dir) == ["open"]);
    running.drain();
    let output = format!(
        "input: {{ file: {{ paths: [ {:?} ] }} }}\n\
         output: {{ kafka_franz: {{ seed_brokers: ['{address}'], topic: {topic}, sasl: [ {{ mechanism: PLAIN, username: alice, password: sesame }} ] }} }}",
        dir.write("in", "by name\n")
    );
    assert_eq!(start(&output).join().fault, None);
    let payloads: Vec<String> =
        read_topic(&server.address(), &topic, 2).into_iter().map(|it| it.payload).collect();
    assert_eq!(payloads, ["open", "by name"]);
}

#[test]
fn what_is_too_large_or_has_no_topic_says_so() {
    let Some(kafka) = or_skip(Kafka::find()) else { return };
    let server = kafka.properties("auto.create.topics.enable=false").start();
    let (address, topic, dir) = (server.address(), name("large"), Dir::new());
    make_topic(&address, &topic, 1);
    let large = "x".repeat(300_000);
    let file = dir.write("in", format!("small\n{large}\nlast\n"));
    let config = |topic: &str| {
        format!(
            "input: {{ file: {{ paths: [ {file:?} ], scanner: {{ lines: {{ max_buffer_size: 400000 }} }} }} }}\n\
             output:\n  fallback:\n    - kafka: {{ addresses: ['{address}'], topic: '{topic}', max_msg_bytes: 200000 }}\n    - file: {{ path: {:?}, codec: lines }}",
            dir.at("out")
        )
    };
    let running = start(&config(&topic));
    running.log.line_with("Error Failed to send message to kafka: a message of 300000 bytes is over the limit of 200000 (`max_msg_bytes`)");
    assert_eq!(running.join().fault, None);
    assert_eq!(lines(&dir), [large]);
    let payloads: Vec<String> = read_topic(&address, &topic, 2).into_iter().map(|it| it.payload).collect();
    assert_eq!(payloads, ["small", "last"]);
    // One that nobody makes: the input says so, and goes on when somebody does.
    let missing = name("missing");
    let input = format!(
        "input: {{ kafka_franz: {{ seed_brokers: ['{address}'], topics: ['{missing}'], consumer_group: g, metadata_max_age: 1s }} }}\n\
         output: {{ file: {{ path: {:?}, codec: lines }} }}",
        dir.at("found")
    );
    let running = start(&input);
    running.log.line_with(&format!(
        "Error Subscribed topic not available: {missing}: Broker: Unknown topic or partition"
    ));
    make_topic(&address, &missing, 1);
    produce(&address, &missing, &[record("found")]);
    wait_until("it is read", || dir.read("found") == "found\n");
    running.drain();
}

#[test]
fn one_of_two_members_goes_and_nothing_is_lost() {
    let Some(server) = broker() else { return };
    let (address, from, to) = (server.address(), name("members"), name("members-out"));
    make_topic(&address, &from, 8);
    make_topic(&address, &to, 8);
    let config = through(&address, &from, &to, ", key: '${! content() }'");
    let (one, two) = (start(&config), start(&config));
    // One who comes late finds nothing where all was sent before: there is more until both have some.
    let mut n = 0;
    wait_until("both have something", || {
        produce_numbers(&address, &from, n..n + 400, 8);
        n += 400;
        0 < one.tally.totals().read && 0 < two.tally.totals().read
    });
    // One ends in the middle, as a process does at SIGTERM.
    assert_eq!(one.drain().fault, None);
    produce_numbers(&address, &from, n..n + 2000, 8);
    let counts = counted(&address, &to, n as usize + 2000);
    assert_eq!(counts.keys().copied().collect::<Vec<_>>(), (0..n + 2000).collect::<Vec<_>>());
    let group = format!("g-{from}");
    wait_until("all is committed", || {
        (0..8).filter_map(|it| committed(&address, &group, &from, it)).sum::<i64>() == i64::from(n) + 2000
    });
    two.drain();
}

#[test]
fn a_key_goes_to_one_partition() {
    let Some(server) = broker() else { return };
    let (address, dir) = (server.address(), Dir::new());
    let keys: Vec<String> = (0..40).map(|it| format!("key-{it}")).collect();
    let file = dir.write("in", keys.join("\n") + "\n");
    let write = |topic: &str, output: &str| -> BTreeMap<String, i32> {
        make_topic(&address, topic, 5);
        let config = format!(
            "input: {{ file: {{ paths: [ {file:?} ] }} }}\noutput: {{ {} }}",
            output.replace("ADDRESS", &address).replace("TOPIC", topic)
        );
        assert_eq!(start(&config).join().fault, None);
        let key = |it: support::Read| (it.key.unwrap_or_default(), it.partition);
        read_topic(&address, topic, 40).into_iter().map(key).collect()
    };
    let key = "key: '${! content() }'";
    let fnv = write(&name("fnv"), &format!("kafka: {{ addresses: [ADDRESS], topic: TOPIC, {key} }}"));
    let murmur = write(
        &name("murmur"),
        &format!("kafka: {{ addresses: [ADDRESS], topic: TOPIC, {key}, partitioner: murmur2_hash }}"),
    );
    let franz =
        write(&name("franz"), &format!("kafka_franz: {{ seed_brokers: [ADDRESS], topic: TOPIC, {key} }}"));
    // As Bento's clients calculate it: the hash as a number with a sign, and what is left of it without one.
    let fnv1a = |key: &str| {
        let hash =
            key.bytes().fold(0x811c_9dc5_u32, |hash, it| (hash ^ u32::from(it)).wrapping_mul(0x0100_0193));
        (hash as i32 % 5).abs()
    };
    assert!(keys.iter().all(|it| fnv[it] == fnv1a(it)), "{fnv:?}");
    assert_eq!(murmur, franz);
    let round = write(
        &name("round"),
        &format!("kafka: {{ addresses: [ADDRESS], topic: TOPIC, {key}, partitioner: round_robin }}"),
    );
    for partition in 0..5 {
        assert_eq!(round.values().filter(|it| **it == partition).count(), 8, "{round:?}");
    }
    for way in ["least_backup", "uniform_bytes"] {
        let all = write(
            &name(way),
            &format!("kafka_franz: {{ seed_brokers: [ADDRESS], topic: TOPIC, {key}, partitioner: {way} }}"),
        );
        assert_eq!(all.len(), 40);
    }
}

#[test]
fn batches_are_of_one_partition() {
    let Some(server) = broker() else { return };
    let (address, topic, dir) = (server.address(), name("batches"), Dir::new());
    make_topic(&address, &topic, 2);
    produce_numbers(&address, &topic, 0..100, 2);
    let config = format!(
        "input: {{ kafka: {{ addresses: ['{address}'], topics: ['{topic}'], consumer_group: g-{topic}, batching: {{ count: 20, period: 500ms, processors: [ {{ archive: {{ format: json_array }} }} ] }} }} }}\n\
         output: {{ file: {{ path: {:?}, codec: lines }} }}",
        dir.at("out")
    );
    let running = start(&config);
    wait_until("six batches", || lines(&dir).len() == 6);
    running.drain();
    let mut sizes = Vec::new();
    for line in lines(&dir) {
        let numbers: Vec<u32> =
            line.trim_matches(['[', ']']).split(',').map(|it| it.parse().expect("a number")).collect();
        assert!(numbers.iter().all(|it| it % 2 == numbers[0] % 2), "{line}");
        sizes.push(numbers.len());
    }
    sizes.sort();
    assert_eq!(sizes, [10, 10, 20, 20, 20, 20]);
    let group = format!("g-{topic}");
    assert_eq!([0, 1].map(|it| committed(&address, &group, &topic, it)), [Some(50); 2]);
}

#[test]
fn topics_are_made_as_the_config_says() {
    let Some(server) = broker() else { return };
    let (address, topic, dir) = (server.address(), name("made"), Dir::new());
    let file = dir.write("in", "1\n2\n3\n4\n5\n6\n");
    let config = format!(
        "input: {{ file: {{ paths: [ {file:?} ] }} }}\n\
         output: {{ kafka: {{ addresses: ['{address}'], topic: '{topic}-${{! content().number() % 2 }}', partitioner: round_robin, custom_topic_creation: {{ enabled: true, partitions: 3, replication_factor: 1 }}, static_headers: {{ of: us }} }} }}"
    );
    assert_eq!(start(&config).join().fault, None);
    for (odd, payloads) in [(1, ["1", "3", "5"]), (0, ["2", "4", "6"])] {
        let mut read = read_topic(&address, &format!("{topic}-{odd}"), 3);
        // Which partitions take turns depends on which have a leader by now.
        read.sort_by(|one, other| one.payload.cmp(&other.payload));
        assert_eq!(read.iter().map(|it| it.payload.as_str()).collect::<Vec<_>>(), payloads);
        assert_eq!(n_partitions(&address, &format!("{topic}-{odd}")), 3);
        // The metadata of the file are there too.
        assert!(read.iter().all(|it| it.headers.contains(&("of".to_string(), "us".to_string()))));
    }
}
