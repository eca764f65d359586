//! What a request costs: the input `http_server` and the output `sync_response`, beside the same handler in plain axum.
//!
//! `cargo bench -p wappa-http-server --bench requests` runs each server in a process of its own, on one core, with the load
//! on the other one: 64 connections that ask again as soon as they are answered, and then 64 that ask at half the rate
//! that plain axum has reached. `-- --quick` takes a second for each. At the end each server holds 10,000 connections.
//!
//! `PROGRAMS=wappa=/path/to/wappa,bento=/path/to/bento` has these programs run as well, with `MODULE=/path/to.wasm` as a
//! processor between both ends where it is given.

#![allow(clippy::print_stdout, reason = "the results are for a person")]

use std::{
    env, fs,
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use rustix::thread::{CpuSet, sched_setaffinity};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    runtime::Builder,
    time::sleep_until,
};
use wappa_component::{Level, LogSink, Logger, Metrics, Services};
use wappa_engine::{BuildRequest, Setting, World};
use wappa_spec::{LintOptions, Source, Spec};

const N_CONNECTIONS: usize = 64;
const N_HELD: usize = 10_000;
const BODY: [u8; 100] = [b'x'; 100];

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("serve-axum") => serve_axum(),
        Some("serve-wappa") => serve_wappa(&config("127.0.0.1:0", None)),
        _ => measure_all(arguments.iter().any(|it| it == "--quick")),
    }
}

fn config(address: &str, module: Option<&str>) -> String {
    let processors = module.map(|it| format!("- wasm: {{module_path: {it:?}}}")).unwrap_or("[]".to_string());
    format!(
        "http: {{enabled: false}}\nlogger: {{level: INFO}}\ninput: {{http_server: {{address: '{address}', path: /}}}}\n\
         pipeline:\n  threads: 1\n  processors:\n    {processors}\noutput: {{sync_response: {{}}}}\n"
    )
}

/// The same as the stream does, with nothing around it.
fn serve_axum() {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("it can be made");
    runtime.block_on(async {
        let app = axum::Router::new().route("/", axum::routing::post(async |body: bytes::Bytes| body));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port can be had");
        println!("http://{}/", listener.local_addr().expect("it has one"));
        axum::serve(listener, app).await.expect("it serves");
    });
}

/// Prints the line with the address.
struct Announcing;

impl LogSink for Announcing {
    fn enabled(&self, level: Level) -> bool {
        level <= Level::Info
    }

    fn write(&self, _: Level, message: &str, _: &[(&str, std::borrow::Cow<'_, str>)]) {
        let mut out = std::io::stdout();
        let _ = writeln!(out, "{message}").and_then(|()| out.flush());
    }
}

fn serve_wappa(config: &str) {
    let components: Vec<_> =
        wappa_pure::components().into_iter().chain(wappa_http_server::components()).collect();
    let components = &*components.leak();
    let specs: Vec<&Spec> = components.iter().map(|it| &it.spec).collect();
    let source = Source::read(config.as_bytes(), |_| None).expect("it is YAML");
    let config = source.stream(&specs, LintOptions::default()).config.expect("it is sound");
    let world = World::real().expect("a thread can be started");
    let setting = Setting::new(&world).expect("a descriptor can be had");
    let request = BuildRequest {
        config: &config,
        components,
        registry: &specs,
        logger: Logger::new(Arc::new(Announcing)),
        metrics: Metrics::default(),
        services: Services::default(),
        setting: &setting,
    };
    let (stream, _) = wappa_engine::build(request).expect("it can be built");
    stream.run().expect("it runs");
}

/// A server in a process of its own.
struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    fn start(mut command: Command) -> Server {
        // What is started inherits the core.
        pin(1);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        pin(0);
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let address = loop {
            let line = lines.next().expect("it says where it listens").expect("it is a text");
            if line.contains("4195") {
                continue;
            }
            if let Some((_, rest)) = line.split_once("http://")
                && let Ok(address) = rest.split(['/', '"', ' ']).next().unwrap_or_default().parse()
            {
                break address;
            }
        };
        // What it says later goes nowhere.
        std::thread::spawn(move || lines.for_each(drop));
        let began = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(began.elapsed() < Duration::from_secs(30), "nobody listens at {address}");
            std::thread::sleep(Duration::from_millis(20));
        }
        Server { child, address }
    }

    /// The processor time of all threads up to now.
    fn cpu(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        let fields: Vec<&str> =
            stat.rsplit_once(')').map_or(Vec::new(), |it| it.1.split_whitespace().collect());
        let ticks = |idx: usize| fields.get(idx).and_then(|it| it.parse::<u64>().ok()).unwrap_or_default();
        Duration::from_millis((ticks(11) + ticks(12)) * 1000 / rustix::param::clock_ticks_per_second())
    }

    fn resident_mib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|it| it.strip_prefix("VmRSS:")).unwrap_or_default();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or_default() / 1024
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Keeps this thread, and what it starts, on a core; where it was, if there is no such core.
fn pin(core: usize) {
    let mut cores = CpuSet::new();
    cores.set(core);
    let _ = sched_setaffinity(None, &cores);
}

/// What came of a load.
struct Measured {
    per_second: f64,
    cpu_us: f64,
    median: Duration,
    p99: Duration,
}

fn measure_all(is_quick: bool) {
    pin(0);
    let time = if is_quick { Duration::from_secs(1) } else { Duration::from_secs(10) };
    let myself = env::current_exe().expect("it is there");
    let of_self = |mode: &str| {
        let mut command = Command::new(&myself);
        command.arg(mode);
        command
    };
    let mut servers: Vec<(String, Command)> = vec![
        ("axum".to_string(), of_self("serve-axum")),
        ("wappa, in process".to_string(), of_self("serve-wappa")),
    ];
    let module = env::var("MODULE").ok();
    let dir = env::temp_dir().join(format!("wappa-requests-{}", std::process::id()));
    fs::create_dir_all(&dir).expect("a folder can be made");
    for (idx, program) in env::var("PROGRAMS").unwrap_or_default().split(',').enumerate() {
        let Some((name, path)) = program.split_once('=') else { continue };
        let file: PathBuf = dir.join(format!("{idx}.yaml"));
        let address = format!("127.0.0.1:{}", 24_990 + idx);
        fs::write(&file, config(&address, module.as_deref())).expect("it can be written");
        let mut command = Command::new(path);
        command.arg("-c").arg(file);
        servers.push((name.to_string(), command));
    }
    println!("| server | load | requests/s | CPU µs/request | median ms | 99th percentile ms | MiB |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    let mut half = None;
    for (name, command) in servers {
        let server = Server::start(command);
        let row = |load: &str, it: &Measured| {
            let ms = |it: Duration| it.as_secs_f64() * 1e3;
            println!(
                "| {name} | {load} | {:.0} | {:.1} | {:.2} | {:.2} | {} |",
                it.per_second,
                it.cpu_us,
                ms(it.median),
                ms(it.p99),
                server.resident_mib()
            );
        };
        run(&server, None, time / 4);
        let full = run(&server, None, time);
        row("as fast as it can", &full);
        let rate = *half.get_or_insert(full.per_second / 2.0);
        row(&format!("{rate:.0}/s"), &run(&server, Some(rate), time));
        let held: Vec<TcpStream> = (0..N_HELD).map_while(|_| hold(server.address)).collect();
        println!("| {name} | {} connections held | | | | | {} |", held.len(), server.resident_mib());
    }
    let _ = fs::remove_dir_all(dir);
}

fn request() -> Vec<u8> {
    let head = format!("POST / HTTP/1.1\r\nHost: here\r\nContent-Length: {}\r\n\r\n", BODY.len());
    [head.as_bytes(), &BODY[..]].concat()
}

/// A connection on which there was a request.
fn hold(address: SocketAddr) -> Option<TcpStream> {
    use std::io::Read;
    let mut stream = TcpStream::connect(address).ok()?;
    // A server may have no more room, by its limit of descriptors.
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    stream.write_all(&request()).ok()?;
    let mut answer = [0; 1024];
    stream.read(&mut answer).ok().filter(|it| 0 < *it)?;
    Some(stream)
}

/// Loads a server: as fast as it can, or with so many requests a second, whose time counts from when they were due.
fn run(server: &Server, rate: Option<f64>, time: Duration) -> Measured {
    let runtime = Builder::new_current_thread().enable_all().build().expect("it can be made");
    let latencies = Arc::new(Mutex::new(Vec::new()));
    let (cpu_before, began) = (server.cpu(), Instant::now());
    let until = began + time;
    runtime.block_on(async {
        let mut asking = tokio::task::JoinSet::new();
        for idx in 0..N_CONNECTIONS {
            let (latencies, address) = (Arc::clone(&latencies), server.address);
            asking.spawn(async move {
                let mut own = Vec::new();
                let mut stream = tokio::net::TcpStream::connect(address).await.expect("it listens");
                stream.set_nodelay(true).expect("it can be told");
                let (request, mut answer) = (request(), vec![0; 4096]);
                let interval = rate.map(|it| Duration::from_secs_f64(N_CONNECTIONS as f64 / it));
                let mut due = began + interval.unwrap_or_default().mul_f64(idx as f64 / N_CONNECTIONS as f64);
                while Instant::now() < until {
                    match interval {
                        Some(interval) => {
                            sleep_until(due.into()).await;
                            stream.write_all(&request).await.expect("it takes it");
                            read(&mut stream, &mut answer).await;
                            own.push(due.elapsed());
                            due += interval;
                        }
                        None => {
                            let asked = Instant::now();
                            stream.write_all(&request).await.expect("it takes it");
                            read(&mut stream, &mut answer).await;
                            own.push(asked.elapsed());
                        }
                    }
                }
                latencies.lock().unwrap_or_else(PoisonError::into_inner).append(&mut own);
            });
        }
        while asking.join_next().await.is_some() {}
    });
    let took = began.elapsed();
    let cpu = server.cpu() - cpu_before;
    let mut latencies = std::mem::take(&mut *latencies.lock().unwrap_or_else(PoisonError::into_inner));
    latencies.sort_unstable();
    let at = |fraction: f64| latencies[((latencies.len() - 1) as f64 * fraction) as usize];
    Measured {
        per_second: latencies.len() as f64 / took.as_secs_f64(),
        cpu_us: cpu.as_secs_f64() * 1e6 / latencies.len() as f64,
        median: at(0.5),
        p99: at(0.99),
    }
}

/// Reads an answer whose body is what was sent.
async fn read(stream: &mut tokio::net::TcpStream, answer: &mut [u8]) {
    let mut n_bytes = 0;
    loop {
        n_bytes += stream.read(&mut answer[n_bytes..]).await.expect("it answers");
        let head = answer[..n_bytes].windows(4).position(|it| it == b"\r\n\r\n");
        if head.is_some_and(|it| it + 4 + BODY.len() <= n_bytes) {
            return;
        }
    }
}
