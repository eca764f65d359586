//! How a running stream is stopped: the timeline of a shutdown, what is said, and the exit code.

use std::{
    fs,
    io::{BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    os::fd::AsFd,
    process::{Child, Stdio},
    thread,
    time::Duration,
};

use expect_test::{Expect, expect};
use rustix::process::{Pid, Signal, kill_process};

mod support;

use support::{Program, read_until, shell, wait, without_duration};

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).expect("it runs");
}

/// Runs a config until `ready` is in its log, sends the signals, and shows what came of it. Standard input stays
/// open with `input` in it.
fn check(name: &str, config: &str, input: &str, ready: &str, signals: &[(Signal, &str)], expected: Expect) {
    let program = Program::new(name).file("a.yaml", config);
    let mut child = program.start(&["-c", "a.yaml", "--log.level", "debug"]);
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(input.as_bytes()).expect("it is read");
    let mut log = BufReader::new(child.stderr.take().expect("it is piped"));
    read_until(&mut log, ready);
    let mut said = String::new();
    for (signal, answer) in signals {
        send(&child, *signal);
        said.push_str(&read_until(&mut log, answer));
    }
    let mut stdout = child.stdout.take().expect("it is piped");
    let code = wait(child).code();
    log.read_to_string(&mut said).expect("it is text");
    let mut out = String::new();
    stdout.read_to_string(&mut out).expect("it is text");
    drop(stdin);
    // One end may be connected a moment after the other, and later than the signal.
    let of_stop = said.lines().filter(|it| !it.contains("is now active"));
    let said: String = of_stop.map(|it| format!("{it}\n")).collect();
    expected.assert_eq(&without_duration(&format!("exit {code:?}\n{out}{said}")));
}

const GUESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/guests");

const TERM: (Signal, &str) = (Signal::TERM, "the service is closing");

#[test]
fn what_does_not_end_is_given_up_within_the_budget() {
    let sleep = "sleep: {duration: 1h}".to_string();
    let guest = format!("wasm: {{module_path: {GUESTS}/loop-on-b.wat, timeout: 1h}}");
    for (n, (never_ends, budget)) in
        [(&sleep, "1400ms"), (&sleep, "300ms"), (&guest, "300ms")].into_iter().enumerate()
    {
        check(
            &format!("given-up-{n}"),
            &format!(
                "pipeline: {{threads: 1, processors: [{{log: {{message: works}}}}, {{{never_ends}}}]}}\n\
                 shutdown_timeout: {budget}\n"
            ),
            "b\n",
            "msg=works",
            &[TERM],
            expect![[r#"
                exit Some(1)
                level=info msg="Received SIGTERM, the service is closing" @service=wappa
                level=debug msg="1 message was not delivered: the stream was stopped" @service=wappa label="" path=root.input
                level=warning msg="1 message was read and not delivered" @service=wappa
                level=info msg="Messages of this run" @service=wappa duration=TIME failed=0 filtered=0 in=1 out=0 replayed=0
            "#]],
        );
    }
}

#[test]
fn what_was_read_is_worked_off() {
    // All of a time that is short is for working off.
    for budget in ["20s", "1s"] {
        check_worked_off(budget);
    }
}

fn check_worked_off(budget: &str) {
    check(
        &format!("graceful-{budget}"),
        &format!(
            "pipeline: {{threads: 1, processors: [{{log: {{message: works}}}}, {{sleep: {{duration: 300ms}}}}]}}\n\
             shutdown_timeout: {budget}\n"
        ),
        "a\n",
        "msg=works",
        &[TERM],
        expect![[r#"
            exit Some(0)
            a
            level=info msg="Received SIGTERM, the service is closing" @service=wappa
            level=info msg="Messages of this run" @service=wappa duration=TIME failed=0 filtered=0 in=1 out=1 replayed=0
        "#]],
    );
}

/// What a server answers to one request, and hangs up.
fn ask(address: &str, method: &str, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("somebody listens");
    let n_bytes = body.len();
    let head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
    write!(stream, "{head}Content-Length: {n_bytes}\r\n\r\n{body}").expect("it is read");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it is text");
    answer
}

#[test]
fn requests_that_were_taken_are_seen_through() {
    const N_REQUESTS: usize = 12;
    let port =
        TcpListener::bind("127.0.0.1:0").expect("there is a port").local_addr().expect("it has one").port();
    let address = format!("127.0.0.1:{port}");
    let config = format!(
        "http: {{address: '{address}'}}\n\
         input: {{http_server: {{path: /post, timeout: 1m}}}}\n\
         pipeline: {{threads: 1, processors: [{{log: {{message: works}}}}, {{sleep: {{duration: 150ms}}}}]}}\n\
         output: {{file: {{path: out.txt, codec: lines}}}}\n"
    );
    let program = Program::new("seen-through").file("a.yaml", config);
    let mut child = program.start(&["-c", "a.yaml"]);
    let mut log = BufReader::new(child.stdout.take().expect("it is piped"));
    read_until(&mut log, "Input type http_server is now active");
    // It may be a moment until somebody is there.
    while ask(&address, "GET", "/post", "").starts_with("HTTP/1.1 503 ") {
        thread::sleep(Duration::from_millis(5));
    }
    let send_one = |number: usize| {
        let address = address.clone();
        thread::spawn(move || ask(&address, "POST", "/post", &number.to_string()))
    };
    // The first one keeps the only thread busy, so that the others are read together, and wait for it.
    let mut clients = vec![send_one(0)];
    read_until(&mut log, "msg=works");
    clients.extend((1..N_REQUESTS).map(send_one));
    let received = format!("input_received{{label=\"\",path=\"root.input\"}} {N_REQUESTS}\n");
    while !ask(&address, "GET", "/metrics", "").contains(&received) {
        thread::sleep(Duration::from_millis(5));
    }
    send(&child, Signal::TERM);
    let log = support::collect(log);
    for client in clients {
        let answer = client.join().expect("asking does not panic");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    let code = wait(child).code();
    let log = log.join().expect("reading does not panic");
    assert_eq!(code, Some(0), "{log}");
    let out = fs::read_to_string(program.dir().join("out.txt")).expect("it was written");
    assert_eq!(out.lines().count(), N_REQUESTS, "{out}");
}

#[test]
fn a_terminal_that_goes_away_ends_a_stream_as_gracefully() {
    if ignores_hangups() {
        eprintln!(
            "skipped: the tests were started with hang-ups ignored (`nohup`), which a stream would heed"
        );
        return;
    }
    check(
        "hangup",
        "pipeline: {threads: 1, processors: [{log: {message: works}}, {sleep: {duration: 300ms}}]}\n",
        "a\n",
        "msg=works",
        &[(Signal::HUP, "the service is closing")],
        expect![[r#"
            exit Some(0)
            a
            level=info msg="Received SIGHUP, the service is closing" @service=wappa
            level=info msg="Messages of this run" @service=wappa duration=TIME failed=0 filtered=0 in=1 out=1 replayed=0
        "#]],
    );
}

#[test]
fn what_tools_send_to_have_files_opened_anew_ends_no_stream() {
    let config = "pipeline:
  threads: 1
  processors:
    - command: {name: /bin/sh, args_mapping: '[\"-c\", \"kill -USR1 $$\"]'}
    - log: {message: '${! error() }, works'}
";
    let program = Program::new("user-signals").file("a.yaml", config);
    let mut child = program.start(&["-c", "a.yaml"]);
    let mut stdin = child.stdin.take().expect("it is piped");
    let mut log = BufReader::new(child.stderr.take().expect("it is piped"));
    read_until(&mut log, "Input type stdin is now active");
    send(&child, Signal::USR1);
    send(&child, Signal::USR2);
    stdin.write_all(b"a\n").expect("it is read");
    // The programs that it runs do not inherit that: this one ends by its own signal.
    assert!(read_until(&mut log, "works").contains("signal: "));
    drop(stdin);
    assert_eq!(wait(child).code(), Some(0));
}

/// Whether whoever started the tests ignores hang-ups: it is inherited, and no program takes it back by itself.
fn ignores_hangups() -> bool {
    let status = fs::read_to_string("/proc/self/status").expect("the system tells");
    let ignored = status.lines().find_map(|it| it.strip_prefix("SigIgn:")).expect("it says what is ignored");
    let ignored = u64::from_str_radix(ignored.trim(), 16).expect("a set of signals is a number");
    ignored & 1 << (Signal::HUP.as_raw() - 1) != 0
}

#[test]
fn a_stream_that_is_to_outlive_its_terminal_does() {
    let program = Program::new("nohup").file("a.yaml", "{}\n");
    let mut command = shell("trap '' HUP; exec \"$WAPPA\" -c a.yaml", program.dir());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    read_until(
        &mut BufReader::new(child.stderr.take().expect("it is piped")),
        "Output type stdout is now active",
    );
    send(&child, Signal::HUP);
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(b"a\n").expect("it is read");
    let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
    assert_eq!(read_until(&mut stdout, "\n"), "a\n");
    drop(stdin);
    assert_eq!(wait(child).code(), Some(0));
}

#[test]
fn who_waits_is_told_for_how_long() {
    let config = "pipeline: {threads: 1, processors: [{log: {message: works}}, {sleep: {duration: 1h}}]}\n\
                  shutdown_timeout: 1h\n";
    let program = Program::new("patience").file("a.yaml", config);
    let mut child = program.start(&["-c", "a.yaml"]);
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(b"a\n").expect("it is read");
    let mut log = BufReader::new(child.stderr.take().expect("it is piped"));
    read_until(&mut log, "msg=works");
    send(&child, Signal::INT);
    read_until(
        &mut log,
        "What was read is still worked off, for 3600s at most; CTRL+C once more gives it up",
    );
    send(&child, Signal::INT);
    read_until(&mut log, "1 message was read and not delivered");
    assert_eq!(wait(child).code(), Some(1));
}

#[test]
fn who_asks_twice_does_not_wait() {
    for (n, first) in [Signal::INT, Signal::TERM].into_iter().enumerate() {
        let name = if first == Signal::INT { "SIGINT" } else { "SIGTERM" };
        let program = Program::new(&format!("hurry-{n}")).file(
            "a.yaml",
            "pipeline: {threads: 1, processors: [{log: {message: works}}, {sleep: {duration: 1h}}]}\n\
             shutdown_timeout: 1h\n",
        );
        let mut child = program.start(&["-c", "a.yaml"]);
        let mut stdin = child.stdin.take().expect("it is piped");
        stdin.write_all(b"a\nb\n").expect("it is read");
        let mut log = BufReader::new(child.stderr.take().expect("it is piped"));
        read_until(&mut log, "msg=works");
        send(&child, first);
        read_until(&mut log, &format!("Received {name}, the service is closing"));
        send(&child, Signal::INT);
        read_until(
            &mut log,
            "Received SIGINT while the service is closing, what is not delivered is given up",
        );
        read_until(&mut log, "read and not delivered");
        assert_eq!(wait(child).code(), Some(1));
        drop(stdin);
    }
}

#[test]
fn what_is_finished_before_a_guest_loops_is_delivered() {
    let config = format!(
        "pipeline: {{threads: 1, processors: [wasm: {{module_path: {GUESTS}/loop-on-b.wat, timeout: 1h}}]}}\n\
         shutdown_timeout: 1400ms\n"
    );
    let program = Program::new("finished").file("a.yaml", config);
    let mut child = program.start(&["-c", "a.yaml"]);
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(b"a\na\na\nb\nc\n").expect("it is read");
    let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
    let mut out = read_until(&mut stdout, "X\n");
    send(&child, Signal::TERM);
    stdout.read_to_string(&mut out).expect("it is text");
    assert_eq!(out, "X\nX\nX\n");
    let mut log = BufReader::new(child.stderr.take().expect("it is piped"));
    read_until(&mut log, "2 messages were read and not delivered");
    assert_eq!(wait(child).code(), Some(1));
    drop(stdin);
}

#[test]
fn a_second_signal_ends_the_delay() {
    check(
        "delay",
        "shutdown_delay: 1h\n",
        "",
        "Input type stdin is now active",
        &[(Signal::TERM, "Shutdown delay is in effect for 1h0m0s"), (Signal::INT, "interrupted by signal")],
        expect![[r#"
            exit Some(0)
            level=info msg="Received SIGTERM, the service is closing" @service=wappa
            level=info msg="Shutdown delay is in effect for 1h0m0s" @service=wappa
            level=error msg="Shutdown delay failed: shutdown delay interrupted by signal: interrupt" @service=wappa
            level=info msg="Messages of this run" @service=wappa duration=TIME failed=0 filtered=0 in=0 out=0 replayed=0
        "#]],
    );
}

/// Waits until nothing is added to a pipe any more, so that whoever writes to it hangs.
fn until_full(pipe: impl AsFd) {
    let (mut before, mut n_same) = (0, 0);
    while n_same < 20 {
        thread::sleep(Duration::from_millis(5));
        let now = rustix::io::ioctl_fionread(&pipe).expect("it is a pipe");
        // A page of the pipe need not be full; less than half of them means that it was not begun.
        n_same = if now == before && 30_000 < now { n_same + 1 } else { 0 };
        before = now;
    }
}

#[test]
fn a_blocked_output_is_left_behind() {
    let program = Program::new("blocked")
        .file("a.yaml", "input: {file: {paths: [in.txt]}}\nshutdown_timeout: 300ms\n")
        .file("in.txt", "0123456789\n".repeat(100_000));
    let mut child = program.start(&["-c", "a.yaml"]);
    let mut log = BufReader::new(child.stderr.take().expect("it is piped"));
    let stdout = child.stdout.take().expect("it is piped");
    until_full(&stdout);
    send(&child, Signal::TERM);
    let said = read_until(&mut log, "were read and not delivered");
    assert!(said.contains("Some components prevented forced termination"), "{said}");
    assert!(said.contains(". Still at work: root.output\""), "{said}");
    assert_eq!(wait(child).code(), Some(1));
    drop(stdout);
}

#[test]
fn a_log_that_nobody_reads_does_not_hold_up_the_end() {
    let program = Program::new("flood")
        .file(
            "a.yaml",
            "input: {file: {paths: [in.txt]}}\npipeline: {processors: [{log: {message: '${! content() }'}}]}\n\
             output: {drop: {}}\nshutdown_timeout: 300ms\n",
        )
        .file("in.txt", "0123456789\n".repeat(100_000));
    let mut child = program.start(&["-c", "a.yaml"]);
    // The log goes to standard output, where there are no messages.
    let log = child.stdout.take().expect("it is piped");
    until_full(&log);
    send(&child, Signal::TERM);
    assert_eq!(wait(child).code(), Some(1));
    drop(log);
}
