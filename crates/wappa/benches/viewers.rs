//! What viewers of the page cost: processor time of the whole process, in pairs with the same process that nobody looks at.
//!
//! `cargo bench -p wappa --bench viewers -- [PAIRS]`. A process with one stream, and one with fifty, each under as much load as
//! the machine gives; ten clients that read `/-/live`, as ten open pages do. A run has a number of messages and not a time, so
//! that what the viewers cost is what it takes longer.
#![allow(clippy::print_stdout, reason = "the table is what it is for")]

use std::{
    env, fs,
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use wait4::Wait4;

/// How many messages a run has, all streams together: some seconds.
const N_MESSAGES: usize = 6_000_000;

/// How many look.
const N_VIEWERS: usize = 10;

/// How many streams there are in a process.
const N_STREAMS: [usize; 2] = [1, 50];

/// Pairs, where nothing else is said.
const PAIRS: usize = 5;

/// A run that takes longer has hung.
const LONGEST: Duration = Duration::from_secs(300);

fn main() {
    // `cargo test --all-targets` starts benchmarks as well, to see that they do.
    if !env::args().any(|it| it == "--bench") {
        return;
    }
    let pairs = env::args().find_map(|it| it.parse().ok()).unwrap_or(PAIRS).max(1);
    let dir = env::temp_dir().join(format!("wappa-viewers-{}", std::process::id()));
    println!(
        "| streams | CPU, with {N_VIEWERS} viewers / without: median (least to most of {pairs}) | events |\n| --- | --- | --- |"
    );
    for n_streams in N_STREAMS {
        write_files(&dir, n_streams).expect("they can be written");
        // Not counted: the first has to fill caches.
        run(&dir, n_streams, 0);
        let mut n_events = 0;
        let mut ratios: Vec<f64> = (0..pairs)
            .map(|_| {
                let (with, events) = run(&dir, n_streams, N_VIEWERS);
                n_events += events;
                with / run(&dir, n_streams, 0).0
            })
            .collect();
        ratios.sort_by(f64::total_cmp);
        let [least, median, most] = [0, pairs / 2, pairs - 1].map(|it| ratios[it]);
        println!("| {n_streams} | {median:.3} ({least:.3} to {most:.3}) | {n_events} |");
    }
    fs::remove_dir_all(&dir).expect("it can be removed");
}

fn write_files(dir: &Path, n_streams: usize) -> io::Result<()> {
    let streams = dir.join("streams");
    fs::create_dir_all(&streams)?;
    let mut file = io::BufWriter::new(fs::File::create(dir.join("in"))?);
    for n in 0..N_MESSAGES / n_streams {
        writeln!(file, r#"{{"id":{n},"a":"what is said of it, as text","b":[1,2,3],"c":{{"d":true}}}}"#)?;
    }
    file.flush()?;
    fs::write(dir.join("main.yaml"), "logger: {level: ERROR}\n")?;
    for n in 0..n_streams {
        let text = "input: {file: {paths: [./in]}}\n\
                    pipeline: {threads: 1, processors: [{label: cut, mapping: 'root = this.without(\"b\")'}]}\n\
                    output: {file: {path: /dev/null, codec: lines}}\n";
        fs::write(streams.join(format!("s{n:02}.yaml")), text)?;
    }
    Ok(())
}

/// The processor time of a run, in seconds, and how many events its viewers saw.
fn run(dir: &Path, n_streams: usize, n_viewers: usize) -> (f64, usize) {
    let address = free_address();
    let mut command = Command::new(env!("CARGO_BIN_EXE_wappa"));
    let set = format!("http.address={address}");
    command.args(["-c", "main.yaml", "--set", &set, "streams", "streams"]);
    command.current_dir(dir).stdout(Stdio::null());
    let child = command.spawn().expect("it can be run");
    let begun = Instant::now();
    while TcpStream::connect(&address).is_err() {
        assert!(begun.elapsed() < LONGEST, "it does not listen");
        thread::sleep(Duration::from_millis(5));
    }
    let viewers: Vec<_> = (0..n_viewers)
        .map(|n| {
            let (address, stream) = (address.clone(), n % n_streams);
            thread::spawn(move || look(&address, stream).unwrap_or_default())
        })
        .collect();
    while !are_over(&address, n_streams) {
        assert!(begun.elapsed() < LONGEST, "it does not end");
        thread::sleep(Duration::from_millis(100));
    }
    let cpu = end(child);
    (cpu, viewers.into_iter().map(|it| it.join().expect("it looks")).sum())
}

fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
    listener.local_addr().expect("it has one").to_string()
}

fn ask(address: &str, path: &str) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    Ok(stream)
}

/// As an open page does, until the process ends: how many events came.
fn look(address: &str, stream: usize) -> io::Result<usize> {
    let mut lines = BufReader::new(ask(address, &format!("/-/live?stream=s{stream:02}"))?).split(b'\n');
    let mut n_events = 0;
    while let Some(Ok(line)) = lines.next() {
        n_events += usize::from(line.starts_with(b"event: look"));
    }
    Ok(n_events)
}

fn are_over(address: &str, n_streams: usize) -> bool {
    let mut answer = String::new();
    let read = ask(address, "/streams").and_then(|mut it| it.read_to_string(&mut answer));
    read.is_ok() && answer.matches(r#""active":false"#).count() == n_streams
}

fn end(child: Child) -> f64 {
    let pid = Pid::from_child(&child);
    kill_process(pid, Signal::TERM).expect("it runs");
    let used = child.wait4().expect("it ends");
    assert!(used.status.success(), "{:?}", used.status);
    (used.rusage.utime + used.rusage.stime).as_secs_f64()
}
