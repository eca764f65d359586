//! How fast a stream goes from a server through a guest and back to it: a plain program with the same client, the program,
//! and a Bento where one is given, in turns, with the server and what looks at it on one core and who is measured on the
//! other.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    process::{Pid, Signal, kill_process},
    thread::{CpuSet, sched_setaffinity},
};
use wait4::Wait4 as _;

use crate::Dir;

/// After so long nobody waits for a run any more.
const PATIENCE: Duration = Duration::from_secs(600);

/// How many messages a run has where the course says nothing else, and at most where Bento runs, whose start is little beside
/// what it takes for them.
const N_MESSAGES: usize = 200_000;

/// What is measured: a server with something to read from and something to write to.
pub trait Course {
    /// How the table calls it.
    fn name(&self) -> &'static str;

    /// Puts so many messages of so many bytes where the next run reads, and has nothing where it writes.
    fn prepare(&mut self, n_messages: usize, n_bytes: usize);

    /// How many messages of the run have arrived.
    fn n_there(&mut self) -> usize;

    /// The input and the output, as both programs read them, with messages in batches of so many.
    fn config(&self, batch: usize) -> String;

    /// How many messages a run has, of so many bytes: enough that the plain program runs for longer than it takes to start.
    fn n_messages(&self, _n_bytes: usize) -> usize {
        N_MESSAGES
    }

    /// Whether the start of a plain program takes so long that there is a bar for it.
    fn starts_slowly(&self) -> bool {
        false
    }

    /// What the plain program is started with, behind the word `plain`.
    fn plain(&self) -> Vec<String>;
}

/// What `cargo bench` was asked for.
#[derive(Debug)]
pub struct Options {
    is_quick: bool,
    wappa: PathBuf,
    bento: Option<PathBuf>,
}

impl Options {
    /// Reads the arguments and the environment: `--quick` for one short run each, `WAPPA` for the program (the one beside
    /// the benchmark where it says nothing), `WAPPA_BENTO` for a Bento. Nothing where the benchmark was not started as one,
    /// which `cargo test --all-targets` does, or where there is no program.
    pub fn read() -> Option<Options> {
        let args: Vec<String> = env::args().collect();
        if !args.iter().any(|it| it == "--bench") {
            return None;
        }
        let own = env::current_exe().expect("it runs");
        let beside = || own.ancestors().nth(2).expect("it is in the target directory").join("wappa");
        let wappa = env::var_os("WAPPA").map_or_else(beside, PathBuf::from);
        if !wappa.exists() {
            eprintln!("{} is not there: `cargo build --release` makes it", wappa.display());
            return None;
        }
        let bento = env::var_os("WAPPA_BENTO").map(PathBuf::from);
        Some(Options { is_quick: args.iter().any(|it| it == "--quick"), wappa, bento })
    }
}

/// The address that the plain program was started with, and what else; nothing where it is the benchmark that was started.
pub fn plain() -> Option<Vec<String>> {
    let mut args = env::args().skip(1);
    (args.next().as_deref() == Some("plain")).then(|| args.collect())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    Plain,
    Wappa,
    Bento,
}

/// What came of a run, or the medians of some.
#[derive(Clone, Copy)]
struct Measured {
    /// Messages a second, from the start of the program until the last had arrived.
    rate: f64,
    /// Seconds of processor time for a million messages.
    cpu: f64,
    /// From the start until the first message had arrived.
    first_ms: f64,
}

/// Keeps this thread, and what it starts from now on, on a core; where it was, if there is no such core.
pub fn pin(core: usize) {
    let mut cores = CpuSet::new();
    cores.set(core);
    let _ = sched_setaffinity(None, &cores);
}

/// Measures, and prints a table and the bars.
#[allow(clippy::print_stdout, reason = "the table is what it is for")]
pub fn run(course: &mut dyn Course, options: &Options) {
    let n_runs = if options.is_quick { 1 } else { 3 };
    let name = course.name();
    println!("| server | bytes | batches of | who | messages/s | CPU s a million | first message, ms |");
    println!("| --- | ---: | ---: | --- | ---: | ---: | ---: |");
    let mut bars = Vec::new();
    for n_bytes in [100, 1_024] {
        let n_messages = if options.is_quick { 20_000 } else { course.n_messages(n_bytes) };
        for batch in [1, 100] {
            let mut all = vec![Who::Plain, Who::Wappa];
            all.extend(options.bento.is_some().then_some(Who::Bento));
            let mut runs: Vec<Vec<Measured>> = all.iter().map(|_| Vec::new()).collect();
            for _ in 0..n_runs {
                for (who, runs) in all.iter().zip(&mut runs) {
                    course.prepare(n_messages, n_bytes);
                    let n_looked_at =
                        if *who == Who::Bento { n_messages.min(N_MESSAGES) } else { n_messages };
                    runs.push(once(course, options, *who, batch, n_looked_at));
                }
            }
            let medians: Vec<Measured> = runs.iter().map(|it| medians(it)).collect();
            for (who, it) in all.iter().zip(&medians) {
                let who = match who {
                    Who::Plain => "plain",
                    Who::Wappa => "wappa",
                    Who::Bento => "Bento",
                };
                println!(
                    "| {name} | {n_bytes} | {batch} | {who} | {:.0} | {:.2} | {:.0} |",
                    it.rate, it.cpu, it.first_ms
                );
            }
            let (plain, wappa) = (medians[0], medians[1]);
            let case = format!("{name}, {n_bytes} B, batches of {batch}");
            bars.push((
                format!("{case}: by the rate of the plain program"),
                '≥',
                0.7,
                wappa.rate / plain.rate,
            ));
            bars.push((format!("{case}: by its CPU"), '≤', 1.4, wappa.cpu / plain.cpu));
            if let Some(bento) = medians.get(2) {
                let needed = if batch == 1 { 0.25 } else { 0.5 };
                bars.push((format!("{case}: by the CPU of Bento"), '≤', needed, wappa.cpu / bento.cpu));
            }
            if course.starts_slowly() {
                let first = wappa.first_ms / plain.first_ms;
                bars.push((format!("{case}: to the first message, by plain"), '≤', 1.2, first));
            }
        }
    }
    println!("\n| bar | needed | measured | |\n| --- | ---: | ---: | --- |");
    for (bar, sign, needed, value) in bars {
        let is_met = if sign == '≥' { needed <= value } else { value <= needed };
        println!("| {bar} | {sign} {needed} | {value:.2} | {} |", if is_met { "met" } else { "**missed**" });
    }
}

fn medians(runs: &[Measured]) -> Measured {
    let median = |of: fn(&Measured) -> f64| {
        let mut all: Vec<f64> = runs.iter().map(of).collect();
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    };
    Measured { rate: median(|it| it.rate), cpu: median(|it| it.cpu), first_ms: median(|it| it.first_ms) }
}

fn once(course: &mut dyn Course, options: &Options, who: Who, batch: usize, n: usize) -> Measured {
    let dir = Dir::new();
    let mut command = match who {
        Who::Plain => {
            let mut command = Command::new(env::current_exe().expect("it runs"));
            command.arg("plain").args(course.plain());
            command
        }
        Who::Wappa | Who::Bento => {
            // Binary, since Bento reads no other.
            let guest =
                wat::parse_file(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/upper.wat"));
            let module = dir.at("upper.wasm");
            fs::write(&module, guest.expect("it is a module")).expect("it can be written");
            let config = dir.write(
                "config.yaml",
                format!(
                    "http: {{ enabled: false }}\n{}pipeline: {{ threads: 1, processors: [{{ wasm: {{ module_path: {module:?} }} }}] }}\n",
                    course.config(batch)
                ),
            );
            let program = match (who, &options.bento) {
                (Who::Bento, Some(bento)) => bento,
                _ => &options.wappa,
            };
            let mut command = Command::new(program);
            command.args(["-c", &config]);
            command
        }
    };
    let log = fs::File::create(dir.at("log")).expect("it can be made");
    let began = Instant::now();
    // What is started inherits the core.
    pin(1);
    let child = command.stdout(Stdio::null()).stderr(log).spawn().expect("it starts");
    pin(0);
    let mut first: Option<Instant> = None;
    let (last, n_there) = loop {
        let n_there = course.n_there();
        let now = Instant::now();
        if 0 < n_there {
            first.get_or_insert(now);
        }
        if n <= n_there {
            break (now, n_there);
        }
        assert!(now - began < PATIENCE, "{n_there} of {n} arrived: {}", dir.read("log"));
        thread::sleep(Duration::from_millis(if first.is_none() { 1 } else { 10 }));
    };
    kill_process(Pid::from_child(&child), Signal::KILL).expect("it runs");
    let used = child.wait4().expect("it is our child").rusage;
    let first = first.expect("all arrived");
    Measured {
        rate: n_there as f64 / (last - began).as_secs_f64(),
        cpu: (used.utime + used.stime).as_secs_f64() * 1e6 / n_there as f64,
        first_ms: (first - began).as_secs_f64() * 1e3,
    }
}
