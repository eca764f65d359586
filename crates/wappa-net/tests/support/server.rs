//! A server that answers each line, and streams that ask it.

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

use super::TempDir;

/// A server that answers each line, in order, a while after it came.
pub(crate) struct Server {
    pub(crate) address: String,
    pub(crate) lines: Arc<Mutex<Vec<String>>>,
    /// How many lines waited for their answers at the same time, at most.
    pub(crate) outstanding_max: Arc<AtomicUsize>,
}

/// What a server does with its connections.
#[derive(Clone, Copy)]
pub(crate) struct Habits {
    pub(crate) delay: Duration,
    /// Answers nothing before so many lines wait for their answers.
    pub(crate) waits_for: usize,
    /// Closes the connection when so many lines have come over it, without an answer to what is outstanding.
    pub(crate) breaks_after: Option<usize>,
    /// Refuses each of so many lines once.
    pub(crate) refuses_one_in: Option<usize>,
}

impl Server {
    pub(crate) fn start(habits: Habits) -> Server {
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

    pub(crate) fn n_lines(&self) -> usize {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

type Answers = Arc<(Mutex<VecDeque<Option<(Instant, bool)>>>, Condvar)>;

fn serve(stream: TcpStream, habits: Habits, lines: &Mutex<Vec<String>>, outstanding_max: &AtomicUsize) {
    let answers: Answers = Arc::default();
    let _ = stream.set_nodelay(true);
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

pub(crate) fn config(dir: &TempDir, server: &Server, max_in_flight: usize, processors: &str) -> String {
    format!(
        "input: {{ file: {{ paths: [{:?}] }} }}\npipeline: {{ threads: 2, processors: [{processors}] }}\n\
         output: {{ asking: {{ address: {:?}, max_in_flight: {max_in_flight} }} }}\n",
        dir.at("in"),
        server.address,
    )
}

pub(crate) fn write_lines(dir: &TempDir, count: usize) -> Vec<String> {
    let lines: Vec<String> = (0..count).map(|it| format!("line {it}")).collect();
    fs::write(dir.at("in"), lines.join("\n") + "\n").expect("it can be written");
    lines
}

pub(crate) const ANSWERS_LATE: Habits =
    Habits { delay: Duration::from_millis(5), waits_for: 1, breaks_after: None, refuses_one_in: None };
