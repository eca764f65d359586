//! How fast messages go from one topic through an upper-casing guest into another one, beside a plain program that does the
//! same with the same client.
//!
//! `WAPPA=target/release/wappa cargo bench -p wappa-kafka --bench kafka -- [messages] [bytes] [batch]` starts a broker, fills
//! a topic of one partition, and runs both, each in a process of its own: the time until everything is in the other topic,
//! and the CPU time of the process.
#![expect(clippy::print_stdout, reason = "it prints what it has measured")]

use std::{
    env,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig, Message as _,
    consumer::{BaseConsumer, CommitMode, Consumer as _},
    producer::{BaseProducer, BaseRecord, Producer as _},
};
use rustix::process::{Pid, Signal, kill_process};
use wait4::Wait4 as _;
use wappa_servers::{Dir, kafka::Kafka};

const FROM: &str = "bench-from";

fn client(address: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", address);
    config
}

fn fill(address: &str, n_messages: usize, n_bytes: usize) {
    let producer: BaseProducer =
        client(address).set("queue.buffering.max.messages", "0").create().expect("a client");
    let content = vec![b'a'; n_bytes];
    for _ in 0..n_messages {
        producer
            .send(BaseRecord::<(), [u8]>::to(FROM).partition(0).payload(&content))
            .map_err(|it| it.0)
            .expect("room");
        if producer.in_flight_count() % 1000 == 0 {
            producer.poll(Duration::ZERO);
        }
    }
    producer.flush(Duration::from_secs(120)).expect("the broker takes them");
}

/// The plain program: reads, turns into upper case, writes, commits; until it is killed.
fn plain(address: &str, to: &str) {
    let consumer: BaseConsumer =
        client(address).set("group.id", to).set("auto.offset.reset", "earliest").create().expect("a client");
    let producer: BaseProducer = client(address)
        .set("enable.idempotence", "true")
        .set("compression.type", "snappy")
        .create()
        .expect("a client");
    consumer.subscribe(&[FROM]).expect("a topic");
    let mut n_messages = 0_u64;
    loop {
        if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) {
            let content = message.payload().unwrap_or_default().to_ascii_uppercase();
            while producer.send(BaseRecord::<(), [u8]>::to(to).partition(0).payload(&content)).is_err() {
                producer.poll(Duration::from_millis(1));
            }
            n_messages += 1;
        }
        if n_messages.is_multiple_of(1000) {
            producer.poll(Duration::ZERO);
            let _ = consumer.commit_consumer_state(CommitMode::Async);
        }
    }
}

/// Waits until so many messages are in the topic, ends the process, and says how long it took.
fn measure(name: &str, address: &str, to: &str, n_messages: usize, child: Child) {
    let began = Instant::now();
    let looker: BaseConsumer = client(address).set("group.id", "looks").create().expect("a client");
    let n_there = || looker.fetch_watermarks(to, 0, Duration::from_secs(5)).map_or(0, |it| it.1);
    while n_there() < n_messages as i64 {
        thread::sleep(Duration::from_millis(5));
        assert!(began.elapsed() < Duration::from_secs(600), "{name}: never");
    }
    let took = began.elapsed();
    kill_process(Pid::from_child(&child), Signal::KILL).expect("it runs");
    let usage = child.wait4().expect("it is ours").rusage;
    let cpu = (usage.utime + usage.stime).as_secs_f64();
    let million = n_messages as f64 / 1e6;
    println!(
        "{name:8} {:8.0} messages a second, {:6.2} CPU-seconds a million",
        n_messages as f64 / took.as_secs_f64(),
        cpu / million
    );
}

fn main() {
    let arguments: Vec<String> = env::args().skip(1).filter(|it| it != "--bench").collect();
    if let [word, address, to] = arguments.as_slice()
        && word == "plain"
    {
        return plain(address, to);
    }
    let number = |idx: usize, default| arguments.get(idx).and_then(|it| it.parse().ok()).unwrap_or(default);
    let (n_messages, n_bytes, batch) = (number(0, 100_000), number(1, 100), number(2, 1));
    let server = match Kafka::find() {
        Ok(kafka) => kafka.properties("num.partitions=1").start(),
        Err(missing) => return println!("skipped: {missing}"),
    };
    let address = server.address();
    fill(&address, n_messages, n_bytes);
    let me = env::current_exe().expect("it runs");
    let started = Command::new(me).args(["plain", &address, "to-plain"]).spawn().expect("it starts");
    measure("plain", &address, "to-plain", n_messages, started);
    let Some(program) = env::var_os("WAPPA") else {
        return println!("wappa    skipped: `WAPPA` names no program");
    };
    let guest = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/upper.wat");
    let batching =
        if 1 < batch { format!("batching: {{count: {batch}, period: 10ms}}, ") } else { String::new() };
    let dir = Dir::new();
    let config = dir.write(
        "a.yaml",
        format!(
            "input: {{kafka_franz: {{{batching}seed_brokers: ['{address}'], topics: [{FROM}], consumer_group: wappa}}}}\n\
             pipeline: {{threads: 1, processors: [{{wasm: {{module_path: {guest:?}}}}}]}}\n\
             output: {{kafka_franz: {{seed_brokers: ['{address}'], topic: to-wappa, max_in_flight: 64}}}}\n"
        ),
    );
    let started =
        Command::new(program).args(["-c", &config]).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    measure("wappa", &address, "to-wappa", n_messages, started.expect("it starts"));
}
