//! Servers start, stand still, end and start again, and nothing is left of them.

use std::{
    fs,
    net::TcpStream,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use wappa_servers::{Dir, Server, kafka::Kafka, nats::Nats, or_skip, redis::Redis, wait_until};

fn is_reached(server: &Server) -> bool {
    TcpStream::connect(server.address()).is_ok()
}

fn comes_and_goes(mut server: Server) {
    let dir = server.dir().path().to_path_buf();
    assert!(is_reached(&server));
    server.stop();
    assert!(!is_reached(&server));
    server.start_again();
    server.pause();
    // The system still takes the connection.
    assert!(is_reached(&server));
    server.kill();
    assert!(!is_reached(&server));
    server.start_again();
    assert!(is_reached(&server) && !server.log().is_empty());
    let address = server.address();
    drop(server);
    assert!(TcpStream::connect(address).is_err() && !fs::exists(dir).expect("it can be looked for"));
}

#[test]
fn kafka_comes_and_goes() {
    if let Some(kafka) = or_skip(Kafka::find()) {
        comes_and_goes(kafka.start());
    }
}

#[test]
fn nats_comes_and_goes() {
    if let Some(nats) = or_skip(Nats::find()) {
        comes_and_goes(nats.start());
    }
}

#[test]
fn redis_comes_and_goes() {
    if let Some(redis) = or_skip(Redis::find()) {
        comes_and_goes(redis.start());
    }
}

#[test]
fn a_server_outlives_the_thread_that_asked_for_it() {
    let Some(redis) = or_skip(Redis::find()) else { return };
    let server = thread::spawn(move || redis.start()).join().expect("it does not panic");
    thread::sleep(Duration::from_millis(50));
    assert!(is_reached(&server));
}

/// What the test below starts as a process of its own, and kills.
#[test]
#[ignore = "part of another test"]
fn waits_to_be_killed() {
    let server = Redis::find().expect("the other test has it").start();
    eprintln!("at {}", server.address());
    thread::sleep(Duration::from_secs(60));
}

#[test]
fn a_server_ends_with_a_test_that_is_killed() {
    if or_skip(Redis::find()).is_none() {
        return;
    }
    let dir = Dir::new();
    let said = fs::File::create(dir.at("said")).expect("it can be written");
    let mut test = Command::new(std::env::current_exe().expect("it runs"))
        .args(["--ignored", "--exact", "--nocapture", "waits_to_be_killed"])
        // What is left of it goes with this directory.
        .env("TMPDIR", dir.path())
        .stderr(said)
        .stdout(Stdio::null())
        .spawn()
        .expect("it can be started");
    let mut address = String::new();
    wait_until("the server's address", || {
        let said = dir.read("said");
        let found = said.split_once("at 127.0.0.1:").and_then(|it| it.1.split_once('\n'));
        address = found.map_or_else(String::new, |it| format!("127.0.0.1:{}", it.0));
        !address.is_empty()
    });
    assert!(TcpStream::connect(&address).is_ok());
    test.kill().expect("it runs");
    test.wait().expect("it is our child");
    wait_until("the end of the server", || TcpStream::connect(&address).is_err());
}
