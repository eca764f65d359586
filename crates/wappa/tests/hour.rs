//! An hour in the life of a service, or as much of it as `WAPPA_HOUR_SECONDS` says: messages come in over HTTP and go into a
//! file while the stream's metrics are read, somebody looks at its messages, its config is replaced by good ones and bad
//! ones, its guest traps, and the clock runs. All that was acknowledged arrives, what was taken is answered, memory stays
//! flat, and no descriptor is left.

use std::{
    env, fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

mod support;

use support::{Program, collect, wait};

/// How many clients send at once, each one message after the other with a pause in between.
const N_CLIENTS: usize = 4;
const PAUSE: Duration = Duration::from_millis(2);

/// How many messages somebody who looks in wants to see.
const TAPPED: &str = "20";

/// On one message of so many the guest traps.
const POISONED: u64 = 50;

/// A config comes each minute of an hour, and not before the one before it has been looked at. Each third one is bad.
const CONFIGS: u32 = 60;
const CONFIG_AFTER: Duration = Duration::from_secs(3);

/// What memory may grow by from the first third to the last.
const GROWTH_BYTES: u64 = 32 << 20;

/// A connection that is kept, with what has been read ahead.
struct Client(BufReader<TcpStream>);

impl Client {
    fn connect(port: u16) -> std::io::Result<Client> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        stream.set_nodelay(true)?;
        Ok(Client(BufReader::new(stream)))
    }

    /// The code and the body of an answer.
    fn ask(&mut self, method: &str, path: &str, body: &str) -> std::io::Result<(u16, Vec<u8>)> {
        let head =
            format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {}\r\n\r\n", body.len());
        self.0.get_mut().write_all(format!("{head}{body}").as_bytes())?;
        let (mut code, mut length) = (0, 0);
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line)? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            let line = line.trim_end().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(rest) = line.strip_prefix("http/1.1 ") {
                code = rest.get(..3).and_then(|it| it.parse().ok()).unwrap_or(0);
            } else if let Some(rest) = line.strip_prefix("content-length:") {
                length = rest.trim().parse().unwrap_or(0);
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        Ok((code, body))
    }
}

/// The stream with this number: good, or bad in one of two ways.
fn config(port: u16, number: u32) -> String {
    let processor = match number {
        n if n % 6 == 2 => "    - mapping: 'root = '\n".to_string(),
        n if n % 6 == 5 => "    - wasm: { module_path: nowhere.wat }\n".to_string(),
        n => format!("    - mapping: 'root = content().string() + \" v{n}\"'\n"),
    };
    format!(
        "http: {{ address: '127.0.0.1:{port}', debug_endpoints: true }}\n\
         input: {{ http_server: {{ path: /post }} }}\n\
         pipeline:\n  processors:\n    - wasm: {{ module_path: poison.wat }}\n    - catch: []\n{processor}\
         output: {{ file: {{ path: out.txt, codec: lines }} }}\n"
    )
}

/// What the system says of a process: its resident memory in bytes, and its descriptors.
fn measure(pid: u32) -> (u64, usize) {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let resident = status.lines().find_map(|it| it.strip_prefix("VmRSS:")).expect("it has memory");
    let kibibytes: u64 = resident.trim().trim_end_matches("kB").trim().parse().expect("it is a number");
    (kibibytes * 1024, fs::read_dir(format!("/proc/{pid}/fd")).expect("it runs").count())
}

#[test]
fn nothing_is_lost_and_nothing_grows() {
    let seconds = env::var("WAPPA_HOUR_SECONDS").map_or(15, |it| it.parse().expect("WAPPA_HOUR_SECONDS"));
    let lasts = Duration::from_secs(seconds);
    let port =
        TcpListener::bind("127.0.0.1:0").expect("there is a port").local_addr().expect("it has one").port();
    let poison =
        fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/poison.wat")).expect("it is there");
    let program = Program::new("hour").file("poison.wat", poison).file("a.yaml", config(port, 0));
    let arguments = ["-w", "-c", "a.yaml"];
    let mut child = program.command(&arguments);
    let mut child = child.stdout(std::process::Stdio::piped()).spawn().expect("the program starts");
    let log = collect(child.stdout.take().expect("it is piped"));
    let (began, is_over) = (Instant::now(), AtomicBool::new(false));
    let acknowledged: Vec<AtomicU64> = (0..N_CLIENTS).map(|_| AtomicU64::new(0)).collect();
    let (n_refused, n_scraped, n_tapped) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));

    let mut measured: Vec<(Duration, u64, usize)> = Vec::new();
    thread::scope(|scope| {
        for (who, done) in acknowledged.iter().enumerate() {
            let (is_over, n_refused) = (&is_over, &n_refused);
            scope.spawn(move || {
                let mut client: Option<Client> = None;
                while !is_over.load(Ordering::SeqCst) {
                    let number = done.load(Ordering::SeqCst);
                    let poison = if number % POISONED == POISONED - 1 { "!" } else { "" };
                    let body = format!("{poison}{who}:{number}");
                    let connected = client.take().map_or_else(|| Client::connect(port), Ok);
                    let answer = connected.and_then(|mut it| Ok((it.ask("POST", "/post", &body)?, it)));
                    match answer {
                        Ok(((200, _), connected)) => {
                            done.fetch_add(1, Ordering::SeqCst);
                            client = Some(connected);
                            thread::sleep(PAUSE);
                        }
                        // What is not acknowledged is sent again.
                        _ => {
                            n_refused.fetch_add(1, Ordering::SeqCst);
                            thread::sleep(Duration::from_millis(20));
                        }
                    }
                }
            });
        }
        scope.spawn(|| {
            while !is_over.load(Ordering::SeqCst) {
                let page = Client::connect(port).and_then(|mut it| it.ask("GET", "/metrics", ""));
                if let Ok((200, body)) = page {
                    let has = String::from_utf8_lossy(&body).contains("input_received");
                    n_scraped.fetch_add(u64::from(has), Ordering::SeqCst);
                }
                thread::sleep(Duration::from_secs(1));
            }
        });
        scope.spawn(|| {
            let url = format!("http://127.0.0.1:{port}");
            while !is_over.load(Ordering::SeqCst) {
                // It ends by itself once it has seen so many, however many streams have followed each other meanwhile.
                let seen = program.run(&["tap", &url, "root.input", "--count", TAPPED]);
                n_tapped.fetch_add(u64::from(seen.code == Some(0)), Ordering::SeqCst);
                thread::sleep(Duration::from_secs(1));
            }
        });
        let mut number = 0;
        while began.elapsed() < lasts {
            thread::sleep(Duration::from_millis(200));
            let (memory, descriptors) = measure(child.id());
            measured.push((began.elapsed(), memory, descriptors));
            if (lasts / CONFIGS).max(CONFIG_AFTER) * (number + 1) < began.elapsed() {
                number += 1;
                fs::write(program.dir().join("a.yaml"), config(port, number)).expect("it is ours");
            }
        }
        is_over.store(true, Ordering::SeqCst);
    });
    kill_process(Pid::from_child(&child), Signal::TERM).expect("it runs");
    let code = wait(child).code();
    let log = log.join().expect("reading does not panic");
    // A request that was taken is seen through, also while one stream gives way to the next.
    assert_eq!(code, Some(0), "{log}");

    // What has arrived, of whom.
    let out = fs::File::open(program.dir().join("out.txt")).expect("it was written");
    let mut arrived: Vec<Vec<u8>> =
        acknowledged.iter().map(|it| vec![0; it.load(Ordering::SeqCst) as usize + 1]).collect();
    let (mut n_arrived, mut versions) = (0_u64, std::collections::BTreeSet::new());
    for line in BufReader::new(out).lines() {
        let line = line.expect("it is text");
        let (message, version) = line.split_once(' ').expect("the mapping wrote its version");
        let (who, number) = message.trim_start_matches('!').split_once(':').expect("a client sent it");
        let place =
            &mut arrived[who.parse::<usize>().expect("a client")][number.parse::<usize>().expect("a number")];
        *place = place.saturating_add(1);
        versions.insert(version.to_string());
        n_arrived += 1;
    }
    let n_acknowledged: u64 = acknowledged.iter().map(|it| it.load(Ordering::SeqCst)).sum();
    let lost = |(of, done): (&Vec<u8>, &AtomicU64)| {
        of[..done.load(Ordering::SeqCst) as usize].iter().filter(|it| **it == 0).count()
    };
    let n_lost: usize = arrived.iter().zip(&acknowledged).map(lost).sum();
    let n_twice = arrived.iter().flatten().filter(|it| 1 < **it).count();
    let n_rejected = log.matches("Rejecting updated main config").count();
    let n_updated = log.matches("Updated main config").count();
    let third = |from: u32, to: u32| {
        measured.iter().filter(move |it| lasts * from / 3 <= it.0 && it.0 < lasts * to / 3)
    };
    let memory_of = |from, to| third(from, to).map(|it| it.1).max().expect("it was measured");
    let (memory, memory_last) = (memory_of(0, 1), memory_of(2, 3));
    // What one stream has while another gives way to it is there for a moment; what was forgotten stays.
    let descriptors = third(0, 1).map(|it| it.2).max().expect("it was measured");
    let descriptors_last = third(2, 3).map(|it| it.2).min().expect("it was measured");
    eprintln!(
        "{seconds} s: {n_acknowledged} acknowledged, {n_lost} lost, {n_twice} twice, {n_refused:?} refused; \
         {n_updated} configs taken, {n_rejected} rejected, {n_scraped:?} scrapes, {n_tapped:?} looks; \
         memory {} to {} MiB, descriptors {descriptors} to {descriptors_last}",
        memory >> 20,
        memory_last >> 20,
    );
    assert_eq!(n_lost, 0);
    assert!(n_acknowledged <= n_arrived && 0 < n_acknowledged, "{n_arrived}");
    assert!(1 < versions.len() && 0 < n_updated && 0 < n_rejected, "{versions:?}\n{log}");
    assert!(0 < n_scraped.load(Ordering::SeqCst) && 0 < n_tapped.load(Ordering::SeqCst));
    assert!(memory_last < memory + GROWTH_BYTES, "{measured:?}");
    assert!(descriptors_last <= descriptors + N_CLIENTS, "{measured:?}");
}
