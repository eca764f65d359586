//! Servers that send what no database does: each costs its connection and nothing else, and the stream goes on with the next.
//!
//! What is sent is what makes the client's library panic: a message that is shorter than what it should hold, a length that
//! nothing has.

mod support;

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use support::start;
use wappa_conformance::wait_until;

/// What is said of it.
const SAID: &str = "what the server sends cannot be understood: ";

/// A server that answers whatever comes with the next of what it has; where the first is empty, it speaks first. Says how many
/// clients it had.
fn server(answers: &'static [&'static [u8]]) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("it has one").port();
    let n_clients: Arc<AtomicUsize> = Arc::default();
    let counted = Arc::clone(&n_clients);
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            counted.fetch_add(1, Ordering::SeqCst);
            thread::spawn(move || answer(stream, answers));
        }
    });
    (port, n_clients)
}

fn answer(stream: TcpStream, answers: &[&[u8]]) {
    let mut buffer = [0; 4096];
    let mut hears = || (&stream).read(&mut buffer).is_ok_and(|n| 0 < n);
    if say(&stream, answers, &mut hears) {
        // Until the client is gone.
        while hears() {}
    }
}

/// Says one after the other as it hears something; where the first is empty, it speaks first. Whether all was said.
fn say(mut stream: &TcpStream, answers: &[&[u8]], mut hears: impl FnMut() -> bool) -> bool {
    let speaks_first = answers[0].is_empty();
    answers.iter().enumerate().skip(usize::from(speaks_first)).all(|(idx, answer)| {
        let is_due = speaks_first && idx == 1;
        (is_due || hears()) && stream.write_all(answer).is_ok()
    })
}

/// The most that this process has had in memory, in MiB.
fn peak() -> usize {
    let status = fs::read_to_string("/proc/self/status").expect("it can be read");
    let line = status.lines().find_map(|it| it.strip_prefix("VmHWM:")).expect("it is there");
    let kib: usize = line.trim().trim_end_matches(" kB").parse().expect("it is a number");
    kib >> 10
}

/// A server that says what it has to say, one after the other as it is asked, and then the last of it without end.
fn endless(answers: &'static [&'static [u8]], last: Vec<u8>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("it has one").port();
    let last = Arc::new(last);
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let last = Arc::clone(&last);
            thread::spawn(move || {
                let mut buffer = [0; 4096];
                if say(&stream, answers, || (&stream).read(&mut buffer).is_ok_and(|n| 0 < n)) {
                    while (&stream).write_all(&last).is_ok() {}
                }
            });
        }
    });
    port
}

/// The stream says that it is too much, takes no more than a few times as much memory, and ends when it is asked to.
#[track_caller]
fn check_endless(answers: &'static [&'static [u8]], last: &[u8], config: impl Fn(u16) -> String) {
    let port = endless(answers, last.repeat((64 << 10) / last.len() + 1));
    let running = start(&config(port));
    running.log.line_with("the server's answer is too large");
    running.stop.cut();
    let (report, log) = running.join_with_log();
    assert_eq!(report.fault, None, "{}", log.text());
    assert!(peak() < 500, "{} MiB", peak());
}

/// The stream says what it cannot understand, connects once more, and ends when it is asked to.
#[track_caller]
fn check(answers: &'static [&'static [u8]], config: impl Fn(u16) -> String, text: &str) {
    let (port, n_clients) = server(answers);
    let running = start(&config(port));
    running.log.line_with(&format!("{SAID}{text}"));
    wait_until("another attempt", || 1 < n_clients.load(Ordering::SeqCst));
    running.stop.cut();
    let (report, log) = running.join_with_log();
    assert_eq!(report.fault, None, "{}", log.text());
}

fn postgres(port: u16) -> String {
    format!("driver: postgres, dsn: \"postgres://u:p@127.0.0.1:{port}/db?sslmode=disable\"")
}

fn mysql(port: u16) -> String {
    format!("driver: mysql, dsn: \"u:p@tcp(127.0.0.1:{port})/db\"")
}

fn reading(server: String) -> String {
    format!("input: {{ sql_raw: {{ {server}, query: SELECT a }} }}\noutput: {{ drop: {{}} }}\n")
}

fn writing(server: String) -> String {
    format!(
        "input: {{ generate: {{ count: 1, interval: \"\", mapping: root = 1 }} }}\n\
         output: {{ sql_insert: {{ {server}, table: t, columns: [a], args_mapping: 'root = [this]' }} }}\n"
    )
}

fn asking(server: String) -> String {
    format!(
        "input: {{ generate: {{ interval: 10ms, mapping: root = 1 }} }}\n\
         pipeline: {{ threads: 1, processors: [ {{ sql_raw: {{ {server}, query: SELECT a }} }}, {{ log: {{ message: '${{! error() }}' }} }} ] }}\n\
         output: {{ drop: {{}} }}\n"
    )
}

/// Who is let in, and that it may ask.
const IN: &[u8] = b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I";

/// A greeting of MySQL, and that the client is let in.
const GREETING: &[u8] =
    b"\x49\0\0\0\x0a8.0.0\0\x01\0\0\0abcdefgh\0\xff\xf7\x21\x02\0\xff\x81\x15\0\0\0\0\0\0\0\0\0\0\
    abcdefghijkl\0mysql_native_password\0";
const OK: &[u8] = b"\x07\0\0\x02\0\0\0\x02\0\0\0";
const SET: &[u8] = b"\x07\0\0\x01\0\0\0\x02\0\0\0";
/// A statement is prepared, which has an argument and no columns that anybody knows of.
const PREPARED: &[u8] = b"\x0c\0\0\x01\0\x01\0\0\0\0\0\x01\0\0\0\0\
    \x17\0\0\x02\x03def\0\0\0\x01?\0\x0c\x3f\0\0\0\0\0\xfd\x80\0\0\0\0";

#[test]
fn a_message_that_is_shorter_than_its_own_length_is_not_the_end() {
    for config in [reading, writing, asking] {
        check(&[b"R\0\0\0\0"], |port| config(postgres(port)), "cannot advance past");
    }
}

#[test]
fn rows_that_cannot_be_understood_are_not_the_end_of_the_rows() {
    // A statement of 65535 arguments, none of which is there.
    let answers: &[&[u8]] = &[IN, b"1\0\0\0\x04t\0\0\0\x06\xff\xff"];
    let with_args = |port| postgres(port) + ", args_mapping: 'root = [1]'";
    for config in [reading, asking] {
        check(answers, |port| config(with_args(port)), "advance out of bounds");
    }
}

#[test]
fn a_greeting_that_breaks_off_is_not_the_end() {
    for config in [reading, writing, asking] {
        check(&[b"", b"\x05\0\0\0\x0a8.0\0"], |port| config(mysql(port)), "advance out of bounds");
    }
}

#[test]
fn more_columns_than_there_can_be_are_refused_before_there_is_room_for_them() {
    // The count is in front of the columns: of what is asked without arguments, and with some, behind what is prepared.
    let many: &[(&[&[u8]], &str)] = &[
        (
            &[b"", GREETING, OK, SET, b"\x09\0\0\x01\xfe\xff\xff\xff\xff\xff\xff\xff\x7f"],
            "9223372036854775807",
        ),
        (&[b"", GREETING, OK, SET, b"\x09\0\0\x01\xfe\0\0\0\0\x01\0\0\0"], "4294967296"),
        (&[b"", GREETING, OK, SET, b"\x04\0\0\x01\xfd\xff\xff\xff"], "16777215"),
        (&[b"", GREETING, OK, b"\x04\0\0\x01\xfd\xff\xff\xff"], "16777215"),
    ];
    for (answers, n_columns) in many {
        for config in [reading, asking] {
            check(answers, |port| config(mysql(port)), &format!("{n_columns} columns, where"));
        }
    }
    let answers: &[&[u8]] = &[b"", GREETING, OK, SET, PREPARED, b"\x04\0\0\x01\xfd\xff\xff\xff"];
    let with_args = |port| mysql(port) + ", args_mapping: 'root = [1]'";
    for config in [reading, asking] {
        check(answers, |port| config(with_args(port)), "16777215 columns, where");
    }
    assert!(peak() < 500, "{} MiB", peak());
}

#[test]
fn what_a_server_says_before_it_is_asked_is_refused() {
    // The columns of an answer that nobody has asked for yet, right behind that the client is let in.
    const OK_AND_MORE: &[u8] = b"\x07\0\0\x02\0\0\0\x02\0\0\0\x04\0\0\x01\xfd\xff\xff\xff";
    for config in [reading, writing, asking] {
        check(&[b"", GREETING, OK_AND_MORE], |port| config(mysql(port)), "the server says something unasked");
    }
}

#[test]
fn more_than_there_is_room_for_costs_the_connection() {
    // A row, an error and a notice of 2 GiB, and notices and settings without end; before anybody is let in, and after.
    let long = b"xxxxxxxxxxxxxxxx";
    check_endless(&[IN, b"D\x7f\xff\xff\xff"], long, |port| reading(postgres(port)));
    check_endless(&[IN, b"E\x7f\xff\xff\xff"], long, |port| asking(postgres(port)));
    check_endless(&[IN, b"N\x7f\xff\xff\xff"], long, |port| writing(postgres(port)));
    check_endless(&[b""], b"N\0\0\0\x0bMsome\0\0", |port| writing(postgres(port)));
    check_endless(&[IN], b"S\0\0\0\x08a\0b\0", |port| asking(postgres(port)));
    // Packets of MySQL, each of which says that another one belongs to it.
    let part = [&b"\xff\xff\xff\x01"[..], &[b'x'; 0xff_ffff]].concat();
    check_endless(&[b""], &part, |port| reading(mysql(port)));
    check_endless(&[b"", GREETING, OK, SET], &part, |port| asking(mysql(port)));
}
