//! Random streams of all components over contents that mean harm, run by the program and looked at from outside.
//!
//! Whatever comes in, a stream ends by itself or when it is asked to, in time, with an exit code of its own; it takes no
//! more memory and descriptors than is promised, and its log is text that a terminal can show.
//! `WAPPA_FUZZ_SECONDS=60` runs for that long, `WAPPA_FUZZ_CASES=…` so many streams, `WAPPA_FUZZ_SEED=…` starts
//! elsewhere; a failure prints the command that repeats its case, and its config.
#![cfg(target_os = "linux")]

mod config;
mod contents;
mod random;
#[path = "../support/mod.rs"]
mod support;

use std::{
    env, fs,
    io::{self, Read, Write},
    process::Child,
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use wait4::Wait4;

use config::{Stream, stream};
use contents::{FILES, content};
use random::Random;
use support::Program;

const CASES: u64 = 25;

/// A stream that goes on for so long is asked to stop.
const PATIENCE: Duration = Duration::from_secs(3);

/// `shutdown_timeout` of each stream, behind which the program ends itself in another second.
const SHUTDOWN: Duration = Duration::from_secs(2);

/// By what that may be passed: a mapping is under way for as long as its steps take in a build without optimizations,
/// on a machine that is busy.
const SHUTDOWN_SLACK: Duration = Duration::from_secs(40);

/// What the messages that are worked on together may grow by (`part_limit`).
const GROWN: u64 = 512 << 20;

/// What the program takes beside that.
const MEMORY_SLACK: u64 = 512 << 20;

/// Descriptors: a few for each input, output and thread.
const DESCRIPTORS: usize = 300;

/// How often descriptors are counted.
const LOOK: Duration = Duration::from_millis(10);

/// What a stream spent at the most.
#[derive(Debug, Default)]
struct Spent {
    peak: u64,
    cpu: Duration,
    to_stop: Duration,
    descriptors: usize,
}

fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok().map(|text| text.parse().expect("a number in the environment"))
}

#[test]
fn fuzz_streams() {
    let first = number("WAPPA_FUZZ_SEED").unwrap_or(1);
    let cases = number("WAPPA_FUZZ_CASES").unwrap_or(CASES);
    let end = number("WAPPA_FUZZ_SECONDS").map(|n| Instant::now() + Duration::from_secs(n));
    let (mut seed, mut n_refused, mut n_failed) = (first, 0, 0);
    let mut most = Spent::default();
    while end.map_or(seed < first + cases, |end| Instant::now() < end) {
        let mut random = Random::new(seed);
        let stream = stream(&mut random);
        let config = serde_json::to_string_pretty(&stream.config).expect("it is JSON");
        let mut program = Program::new("fuzz-streams").file("stream.yaml", &config);
        for name in FILES {
            program = program.file(&format!("in/{name}"), content(&mut random, name));
        }
        let name = random.pick(&FILES);
        let stdin = content(&mut random, name);
        let told = || {
            format!(
                "{config}\nrepeat it with `WAPPA_FUZZ_CASES=1 WAPPA_FUZZ_SEED={seed} cargo test -p wappa --test \
                 fuzz_streams`"
            )
        };
        match run(&program, &stream, stdin, &mut most) {
            Ok(Some(0)) => {}
            Ok(Some(1)) => n_failed += 1,
            Ok(code) => panic!("exit code {code:?}: {}", told()),
            Err(what) if what.starts_with("refused") => {
                n_refused += 1;
                if env::var_os("WAPPA_FUZZ_REFUSED").is_some() {
                    eprintln!("seed {seed}: {what}");
                }
            }
            Err(what) => panic!("{what}: {}", told()),
        }
        seed += 1;
    }
    let cases = seed - first;
    eprintln!(
        "{cases} streams from seed {first}, {n_refused} of them refused by lints, {n_failed} with messages that did \
         not arrive: {most:?}"
    );
    assert!(cases < 20 || 4 * n_refused < cases, "most configs are refused: the generator tests nothing");
}

/// How much of what a stream says is looked at. All of it would be memory of this process, and a child is reported to have
/// had at least as much as the process that started it.
const SAID_BYTES: u64 = 32 << 20;

/// Reads to the end, on a thread of its own, and keeps the beginning.
fn collect(mut from: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = from.by_ref().take(SAID_BYTES).read_to_end(&mut bytes);
        let _ = io::copy(&mut from, &mut io::sink());
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Runs a stream. Its exit code, or what was wrong.
fn run(program: &Program, stream: &Stream, input: Vec<u8>, most: &mut Spent) -> Result<Option<i32>, String> {
    let mut child = program.start(&["-c", "stream.yaml"]);
    let mut stdin = child.stdin.take().expect("it is piped");
    // A program that ends before it has read everything is no mistake of the test.
    let writer = thread::spawn(move || drop(stdin.write_all(&input)));
    let stdout = collect(child.stdout.take().expect("it is piped"));
    let stderr = collect(child.stderr.take().expect("it is piped"));
    let (ended, is_over) = channel();
    let looking = look(&child, stream.is_endless, is_over);
    let result = child.wait4().expect("a child can be waited for");
    drop(ended);
    let looked = looking.join().expect("looking does not panic");
    writer.join().expect("writing does not panic");
    let (stdout, stderr) = [stdout, stderr].map(|it| it.join().expect("reading does not panic")).into();
    // Where messages are printed the log is on the other side.
    let log = if stream.prints { stderr } else { stdout + &stderr };
    let peak = result.rusage.maxrss;
    let cpu = result.rusage.utime + result.rusage.stime;
    most.peak = most.peak.max(peak);
    most.cpu = most.cpu.max(cpu);
    most.descriptors = most.descriptors.max(looked.descriptors);
    most.to_stop = most.to_stop.max(looked.to_stop);
    let Some(code) = result.status.code() else {
        return Err(format!(
            "ended by {:?}, {:?} after it was asked to stop:\n{log}",
            result.status, looked.to_stop
        ));
    };
    let allowed = 2 * GROWN + MEMORY_SLACK;
    if allowed < peak {
        return Err(format!("{peak} bytes of memory, {allowed} allowed:\n{log}"));
    }
    if DESCRIPTORS < looked.descriptors {
        return Err(format!("{} descriptors, {DESCRIPTORS} allowed:\n{log}", looked.descriptors));
    }
    if log.contains("panicked") {
        return Err(format!("a failure of ours:\n{log}"));
    }
    let is_shown = |it: char| it == '\n' || it == '\t' || wappa_spec::is_printable(it);
    if let Some(it) = log.chars().find(|it| !is_shown(*it)) {
        return Err(format!("{it:?} is in the log:\n{}", log.escape_debug()));
    }
    if fs::exists(program.dir().join("../outside")).unwrap_or(true) {
        return Err("a file was written outside of its root".into());
    }
    if log.contains("Config lint error") {
        return Err(format!("refused:\n{log}"));
    }
    Ok(Some(code))
}

#[derive(Default)]
struct Looked {
    descriptors: usize,
    /// How long it took to end after it was asked to.
    to_stop: Duration,
}

/// Counts descriptors while a child runs; asks it to stop when it goes on for long, and ends it when it does not.
fn look(child: &Child, is_endless: bool, is_over: Receiver<()>) -> thread::JoinHandle<Looked> {
    let pid = Pid::from_child(child);
    let files = format!("/proc/{}/fd", child.id());
    thread::spawn(move || {
        let began = Instant::now();
        let mut looked = Looked::default();
        let mut asked = None::<Instant>;
        // One that ends by itself has all the time that it needs.
        let patience = if is_endless { PATIENCE } else { 4 * PATIENCE };
        while is_over.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
            looked.descriptors = looked.descriptors.max(fs::read_dir(&files).map_or(0, Iterator::count));
            match asked {
                None if patience < began.elapsed() => {
                    let _ = kill_process(pid, Signal::TERM);
                    asked = Some(Instant::now());
                }
                Some(asked) if SHUTDOWN + SHUTDOWN_SLACK < asked.elapsed() => {
                    let _ = kill_process(pid, Signal::KILL);
                }
                _ => {}
            }
        }
        looked.to_stop = asked.map_or(Duration::ZERO, |it| it.elapsed());
        looked
    })
}
