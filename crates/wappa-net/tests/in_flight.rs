//! A client that waits for answers: how much is in flight, in which order, and what becomes of it when something breaks.

mod support;

use std::{
    collections::VecDeque,
    fs,
    io::{BufRead, BufReader, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use support::{Running, TempDir, asking, wait_until};

/// A server that answers each line, in order, a while after it came.
struct Server {
    address: String,
    lines: Arc<Mutex<Vec<String>>>,
    /// How many lines waited for their answers at the same time, at most.
    outstanding_max: Arc<AtomicUsize>,
}

/// What a server does with its connections.
#[derive(Clone, Copy)]
struct Habits {
    delay: Duration,
    /// Answers nothing before so many lines wait for their answers.
    waits_for: usize,
    /// Closes the connection when so many lines have come over it, without an answer to what is outstanding.
    breaks_after: Option<usize>,
    /// Refuses each of so many lines once.
    refuses_one_in: Option<usize>,
}

impl Server {
    fn start(habits: Habits) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port can be had");
        let address = listener.local_addr().expect("it has one").to_string();
        let lines: Arc<Mutex<Vec<String>>> = Arc::default();
        let outstanding_max: Arc<AtomicUsize> = Arc::default();
        let server =
            Server { address, lines: Arc::clone(&lines), outstanding_max: Arc::clone(&outstanding_max) };
        thread::spawn(move || {
            for stream in listener.incoming() {
                serve(stream.expect("it connects"), habits, &lines, &outstanding_max);
            }
        });
        server
    }

    fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

type Answers = Arc<(Mutex<VecDeque<Option<(Instant, bool)>>>, Condvar)>;

fn serve(stream: TcpStream, habits: Habits, lines: &Mutex<Vec<String>>, outstanding_max: &AtomicUsize) {
    let answers: Answers = Arc::default();
    let writer = {
        let (answers, stream) = (Arc::clone(&answers), stream.try_clone().expect("a descriptor can be had"));
        thread::spawn(move || answer(stream, &answers, habits.waits_for))
    };
    let put = |answer| {
        let mut waiting = answers.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.push_back(answer);
        outstanding_max.fetch_max(waiting.len(), Ordering::Relaxed);
        drop(waiting);
        answers.1.notify_all();
    };
    for (n, line) in BufReader::new(&stream).lines().map_while(Result::ok).enumerate() {
        if habits.breaks_after.is_some_and(|it| n == it) {
            break;
        }
        let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
        let is_refused = habits.refuses_one_in.is_some_and(|it| lines.len().is_multiple_of(it));
        lines.push(if is_refused { format!("refused {line}") } else { line });
        drop(lines);
        put(Some((Instant::now() + habits.delay, is_refused)));
    }
    if habits.breaks_after.is_some() {
        let _ = stream.shutdown(Shutdown::Both);
    }
    put(None);
    writer.join().expect("no panic");
}

fn answer(mut stream: TcpStream, answers: &Answers, waits_for: usize) {
    let mut n_wanted = waits_for;
    loop {
        let mut waiting = answers.0.lock().unwrap_or_else(PoisonError::into_inner);
        while waiting.len() < n_wanted {
            waiting = answers.1.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        n_wanted = 1;
        let Some((at, is_refused)) = waiting[0] else { return };
        drop(waiting);
        thread::sleep(at.saturating_duration_since(Instant::now()));
        answers.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        // Who has gone hears nothing.
        let _ = stream.write_all(if is_refused { b"no\n" } else { b"ok\n" });
    }
}

fn config(dir: &TempDir, server: &Server, max_in_flight: usize, processors: &str) -> String {
    format!(
        "input: {{ file: {{ paths: [{:?}] }} }}\npipeline: {{ threads: 2, processors: [{processors}] }}\n\
         output: {{ asking: {{ address: {:?}, max_in_flight: {max_in_flight} }} }}\n",
        dir.at("in"),
        server.address,
    )
}

fn write_lines(dir: &TempDir, count: usize) -> Vec<String> {
    let lines: Vec<String> = (0..count).map(|it| format!("line {it}")).collect();
    fs::write(dir.at("in"), lines.join("\n") + "\n").expect("it can be written");
    lines
}

const ANSWERS_LATE: Habits =
    Habits { delay: Duration::from_millis(5), waits_for: 1, breaks_after: None, refuses_one_in: None };

#[test]
fn as_many_are_in_flight_as_may_be_and_in_their_order() {
    for (max_in_flight, processors) in [(64, ""), (64, "split: {}"), (1, "")] {
        let habits = Habits { waits_for: max_in_flight, ..ANSWERS_LATE };
        let (dir, server) = (TempDir::new(), Server::start(habits));
        let lines = write_lines(&dir, if max_in_flight == 1 { 100 } else { 3000 });
        let running =
            Running::start_with(&config(&dir, &server, max_in_flight, processors), &[&asking::COMPONENT]);
        assert_eq!(running.join().fault, None);
        assert!(server.lines() == lines, "each once, in order");
        assert_eq!(server.outstanding_max.load(Ordering::Relaxed), max_in_flight);
    }
}

#[test]
fn a_stop_in_the_middle_loses_nothing() {
    let (dir, server) = (TempDir::new(), Server::start(ANSWERS_LATE));
    let lines = write_lines(&dir, 100_000);
    let running = Running::start_with(&config(&dir, &server, 64, ""), &[&asking::COMPONENT]);
    wait_until("some have arrived", || 2000 < server.lines().len());
    let tally = running.tally.clone();
    assert_eq!(running.drain().fault, None);
    assert_eq!(tally.undelivered(), 0);
    let arrived = server.lines();
    assert!(
        arrived.len() < lines.len() && lines.starts_with(&arrived),
        "what was read has arrived, in order"
    );
}

#[test]
fn what_was_in_flight_when_a_connection_broke_comes_again_in_its_order() {
    let habits = Habits { breaks_after: Some(500), ..ANSWERS_LATE };
    let (dir, server) = (TempDir::new(), Server::start(habits));
    let lines = write_lines(&dir, 2000);
    let running = Running::start_with(&config(&dir, &server, 64, ""), &[&asking::COMPONENT]);
    assert_eq!(running.join().fault, None);
    // Of each connection the order is that of the input, and each goes on at or before where the last one came to.
    let mut next = 0;
    for line in server.lines() {
        let n: usize = line.strip_prefix("line ").and_then(|it| it.parse().ok()).expect("a line");
        assert!(n <= next && next <= n + 64 + 1, "line {n} after line {}", next - 1);
        next = n + 1;
    }
    assert_eq!(next, lines.len());
}

#[test]
fn what_is_refused_comes_again() {
    let habits = Habits { refuses_one_in: Some(7), delay: Duration::from_millis(1), ..ANSWERS_LATE };
    let (dir, server) = (TempDir::new(), Server::start(habits));
    let mut lines = write_lines(&dir, 1000);
    let running = Running::start_with(&config(&dir, &server, 16, ""), &[&asking::COMPONENT]);
    assert_eq!(running.join().fault, None);
    let mut taken: Vec<String> = server.lines().into_iter().filter(|it| !it.starts_with("refused")).collect();
    taken.sort();
    lines.sort();
    assert!(taken == lines, "each has arrived once");
}

#[test]
fn a_client_that_panics_ends_the_stream_with_its_path() {
    let (dir, server) = (TempDir::new(), Server::start(ANSWERS_LATE));
    write_lines(&dir, 10);
    fs::write(dir.at("in"), "a\npanic\nb\n").expect("it can be written");
    let running = Running::start_with(&config(&dir, &server, 4, ""), &[&asking::COMPONENT]);
    let fault = running.join().fault.expect("it cannot go on");
    assert!(fault.starts_with("`root.output` panicked") && fault.ends_with(": on purpose"), "{fault}");
}

/// Not for what it says of a machine that does other things as well.
#[test]
#[ignore = "prints how fast a client is whose server answers after 5 milliseconds, and what memory it takes"]
fn measure() {
    let memory = || {
        let status = fs::read_to_string("/proc/self/status").expect("the system says so");
        let line = status.lines().find_map(|it| it.strip_prefix("VmRSS:")).expect("it is there");
        line.trim().to_string()
    };
    let (dir, server) = (TempDir::new(), Server::start(ANSWERS_LATE));
    write_lines(&dir, 100_000);
    // What one round trip takes, the wait of the system's clock included.
    let mut stream = TcpStream::connect(&server.address).expect("it listens");
    let mut answers = BufReader::new(stream.try_clone().expect("a descriptor can be had"));
    let began = Instant::now();
    for _ in 0..200 {
        stream.write_all(b"x\n").expect("it reads");
        answers.read_line(&mut String::new()).expect("it answers");
    }
    let round_trip = began.elapsed() / 200;
    drop((stream, answers));
    let running = Running::start_with(&config(&dir, &server, 64, ""), &[&asking::COMPONENT]);
    let mut samples = Vec::new();
    for n in [10_000, 50_000, 90_000] {
        wait_until("so many", || {
            n + 200 <= server.lines.lock().unwrap_or_else(PoisonError::into_inner).len()
        });
        samples.push((Instant::now(), memory()));
    }
    running.drain();
    let rate = 80_000.0 / (samples[2].0 - samples[0].0).as_secs_f64();
    let best = 64.0 / round_trip.as_secs_f64();
    let memory: Vec<_> = samples.iter().map(|it| it.1.as_str()).collect();
    eprintln!(
        "round trip {round_trip:?}, {rate:.0} a second, {:.3} of {best:.0}, memory {memory:?}",
        rate / best
    );
}
