//! What the page on operating says that faults of servers print is what the program prints.

mod support;

use std::{
    io::{BufReader, Read},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::mpsc::channel,
    thread,
    time::Duration,
};

use support::{Program, read_until};

/// How long is waited for what is said.
const PATIENCE: Duration = Duration::from_secs(60);

const PAGE: &str = include_str!("../../../docs/operating.md");

/// By its name on the page, a component that needs a server, and a stream with it; with what stands for the address, and the port it has on the page.
const STREAMS: [(&str, &str, &str, u16); 5] = [
    ("Redis", "redis_list", "input: {redis_list: {url: 'redis://ADDRESS', key: k}}", 6379),
    ("NATS", "nats", "input: {nats: {urls: ['nats://ADDRESS'], subject: s}}", 4222),
    (
        "Kafka",
        "kafka_franz",
        "input: {kafka_franz: {seed_brokers: ['ADDRESS'], topics: [t], consumer_group: g}}",
        9092,
    ),
    (
        "PostgreSQL, MySQL",
        "sql_raw",
        "input: {sql_raw: {driver: postgres, dsn: 'postgres://ada@ADDRESS/db?sslmode=disable', query: 'select 1'}}",
        5432,
    ),
    (
        "HTTP",
        "http_client",
        "input: {generate: {count: 1, mapping: 'root = 1'}}\noutput: {http_client: {url: 'http://ADDRESS/', retries: 0}}",
        80,
    ),
];

/// The rows of the table below a line that begins like this: what is in the first column, and the line of the log.
fn rows(heading: &str) -> Vec<(&'static str, &'static str)> {
    let section = PAGE.split(heading).nth(1).unwrap_or_else(|| panic!("the page has no {heading}"));
    let table = section.lines().skip_while(|it| !it.starts_with('|')).take_while(|it| it.starts_with('|'));
    let row = |line: &'static str| {
        let mut cells = line.trim_matches('|').split(" | ").map(str::trim);
        let (name, told) = (cells.next()?, cells.next()?);
        let name = name.split(", after").next()?;
        Some((name, told.trim_end_matches('|').trim().trim_matches('`'))).filter(|it| !it.1.is_empty())
    };
    table.skip(2).filter_map(row).collect()
}

/// Runs the streams of a table all at once, each with an address in the place of its own, and waits for what is said there.
/// `until`: what is behind it is up to the system.
fn check(heading: &str, address: fn(u16) -> String, until: &str) {
    let name: String = heading.chars().filter(char::is_ascii_alphabetic).collect();
    let all = Program::new(&format!("faults-{name}-list")).run(&["list"]).stdout;
    let rows = rows(heading);
    assert!(3 <= rows.len(), "{rows:?}");
    let check_one = |(idx, (server, told)): (usize, &(&str, &str))| {
        let stream = STREAMS.iter().find(|it| it.0 == *server);
        let (_, component, config, port) = stream.unwrap_or_else(|| panic!("the page names {server}"));
        if !all.lines().any(|it| it.trim().trim_start_matches("- ") == *component) {
            eprintln!("skipped: the program was built without {component}");
            return;
        }
        let address = address(*port);
        // On the page a name has another port for MySQL, which says the same.
        let host = if until.is_empty() { "127.0.0.1" } else { "db.example" };
        let told = told.replace("mysql at db.example:3306", "postgres at db.example:5432");
        let told = told.replace(&format!("{host}:{port}"), &address);
        let told =
            if until.is_empty() { &told } else { told.split_once(until).map_or(told.as_str(), |it| it.0) };
        let program =
            Program::new(&format!("faults-{name}-{idx}")).file("a.yaml", config.replace("ADDRESS", &address));
        let mut child = program.start(&["-c", "a.yaml"]);
        // Where no output writes to standard output, the log does.
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let log: Box<dyn Read + Send> = match config.contains("output:") {
            true => Box::new(stdout.expect("it is piped")),
            false => Box::new(stderr.expect("it is piped")),
        };
        // In the log quotes are quoted. One that does not say it ends, so that the test does.
        let told = told.replace('"', "\\\"");
        let (done, is_done) = channel();
        let reader = thread::spawn(move || {
            let said = read_until(&mut BufReader::new(log), &told);
            let _ = done.send(());
            said
        });
        let _ = is_done.recv_timeout(PATIENCE);
        let _ = child.kill();
        let _ = child.wait();
        let said = reader.join().unwrap_or_else(|err| std::panic::resume_unwind(err));
        assert!(!said.contains("panic"), "{said}");
    };
    thread::scope(|scope| {
        for it in rows.iter().enumerate() {
            scope.spawn(move || check_one(it));
        }
    });
}

#[test]
fn a_server_that_is_down() {
    // Nobody has the port, or whoever has it now is no server of this kind.
    check(
        "**The server is down**",
        |_| {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
            listener.local_addr().as_ref().map(SocketAddr::to_string).expect("it has one")
        },
        "",
    );
}

#[test]
fn a_name_that_does_not_resolve() {
    // No name may be so long, so nobody is asked for it.
    check("**Its name does not resolve:**", |port| format!("{}:{port}", "x".repeat(64)), ": name or service");
}

#[test]
fn a_server_that_never_answers() {
    check(
        "**It takes the connection and never answers:**",
        |_| {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
            let address = listener.local_addr().expect("it has one").to_string();
            thread::spawn(move || {
                let taken: Vec<_> = listener.incoming().collect();
                drop(taken);
            });
            address
        },
        "",
    );
}
