//! What mappings cost in streams: `wappa` from file to file beside plain programs with `serde_json`, and beside a Bento where
//! `WAPPA_BENTO` names one. `docs/benchmark.md` says how to run it and how to read what it prints.
#![expect(clippy::print_stdout, reason = "the report is what this program is for")]

mod bars;
mod by_hand;
mod cases;
mod config;
mod document;
#[path = "../process.rs"]
mod process;

use std::{
    env,
    error::Error,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use clap::Parser;

use crate::{
    cases::{Case, Load, Who},
    process::{Run, median},
};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// The first argument of this program when it is started by itself as the program that does the same by hand.
const BY_HAND: &str = "--by-hand";

/// Measures mappings from file to file.
#[derive(Debug, Parser)]
#[command(name = "cargo bench -p wappa --bench mappings --")]
struct Options {
    /// Short runs and few of them, to see that all works. Its numbers mean little.
    #[arg(long)]
    quick: bool,
    /// Bytes per document, about.
    #[arg(long, value_delimiter = ',', default_values_t = [200, 1024, 10240])]
    sizes: Vec<usize>,
    /// Only rows whose name has this in it.
    #[arg(long, default_value = "")]
    only: String,
    /// How often each is run, after a first time that is not counted.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Seconds that a run should take.
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Where inputs and outputs are: `/dev/shm` unless said otherwise.
    #[arg(long, value_name = "DIR", default_value = "/dev/shm")]
    dir: PathBuf,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let args: Vec<OsString> = env::args_os().collect();
    let done = match args.get(1) {
        Some(arg) if arg == BY_HAND => by_hand::run(&args[2..]),
        _ if args.iter().any(|arg| arg == "--bench") => benchmark(&Options::parse_from(args)),
        // `cargo test --all-targets` starts benchmarks as well, to see that they do.
        _ => Ok(()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => {
            eprintln!("mappings: {err}");
            ExitCode::FAILURE
        }
    }
}

/// A case with its counted runs.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) case: Case,
    pub(crate) messages: u64,
    pub(crate) input_bytes: u64,
    pub(crate) runs: Vec<Run>,
}

impl Measured {
    /// Nanoseconds a message, by the wall clock.
    pub(crate) fn wall_ns(&self) -> f64 {
        median(self.runs.iter().map(|it| it.wall.as_secs_f64())) * 1e9 / self.messages as f64
    }

    /// The same of processor time.
    pub(crate) fn cpu_ns(&self) -> f64 {
        median(self.runs.iter().map(|it| it.cpu.as_secs_f64())) * 1e9 / self.messages as f64
    }

    /// What passes in a second, in units of 10⁹ bytes, by processor time.
    pub(crate) fn gigabytes(&self) -> f64 {
        self.input_bytes as f64 / self.messages as f64 / self.cpu_ns()
    }
}

fn benchmark(options: &Options) -> Result<()> {
    let bento = env::var_os("WAPPA_BENTO").map(PathBuf::from);
    let bento = bento.as_deref().map(fs::canonicalize).transpose()?;
    let dir = options.dir.join(format!("wappa-mappings-{}", std::process::id()));
    fs::create_dir(&dir)?;
    let bench = Bench { options, bento, dir };
    let done = bench.run();
    fs::remove_dir_all(&bench.dir)?;
    done
}

struct Bench<'a> {
    options: &'a Options,
    bento: Option<PathBuf>,
    dir: PathBuf,
}

/// Bento takes a fifth of a second to start and to end, which longer runs make up for.
const BENTO_LONGER: f64 = 3.0;

/// Counts are multiples of the largest batch: Bento waits for ever where a batch by count is not full at the end.
const COUNT_STEP: u64 = 100;

/// How large an input may become, in bytes.
const INPUT_BYTES_MAX: u64 = 512 << 20;

impl Bench<'_> {
    fn run(&self) -> Result<()> {
        let load = || fs::read_to_string("/proc/loadavg").unwrap_or_default();
        println!("- Bento: {}.", self.bento.as_ref().map_or("none".into(), |it| it.display().to_string()));
        println!("- Load averages at the beginning: {}.\n", load().trim());
        println!("| bytes | row | batches of | who | ns a message | by CPU time | peak MiB | runs |");
        println!("| ---: | --- | ---: | --- | ---: | ---: | ---: | --- |");
        let mut table = Vec::new();
        for &size in &self.options.sizes {
            for load in Load::ALL {
                let has_name = format!("{load}").contains(self.options.only.as_str());
                // What others are held against runs with them.
                if load.is_at(size) && (has_name || load == Load::Bare) {
                    table.extend(self.side_by_side(load, size)?);
                }
            }
        }
        println!();
        let reading = config::reading(&self.dir, self.options.quick)?;
        bars::report(&table, &reading);
        println!("\n- Load averages at the end: {}.", load().trim());
        Ok(())
    }

    /// Runs all programs on the same documents in turn, after a round in which their outputs are compared.
    fn side_by_side(&self, load: Load, size: usize) -> Result<Vec<Measured>> {
        let mut all: Vec<Measured> = Vec::new();
        for case in cases::of(load, size, self.bento.is_some()) {
            // One input for all batches of a program.
            let messages = match all.iter().find(|it| it.case.who == case.who) {
                Some(it) => it.messages,
                None => self.count(&case)?,
            };
            let input_bytes = document::write(&self.input(case.who), size, messages)?;
            all.push(Measured { case, messages, input_bytes, runs: Vec::new() });
        }
        self.compare(load, &all)?;
        let runs = if self.options.quick { 2 } else { self.options.runs.max(1) };
        for _ in 0..runs {
            for measured in &mut all {
                measured.runs.push(self.run_once(&measured.case, &self.input(measured.case.who))?);
            }
        }
        for it in &all {
            let (wall, cpu) = (it.wall_ns(), it.cpu_ns());
            let spread =
                it.runs.iter().map(|run| run.wall.as_secs_f64() * 1e9 / it.messages as f64 / wall - 1.0);
            let (low, high) = spread.fold((0f64, 0f64), |(low, high), it| (low.min(it), high.max(it)));
            let (low, high) = (100.0 * low, 100.0 * high);
            let Case { load, size, batch, who } = it.case;
            let peak = median(it.runs.iter().map(|run| run.rss_bytes_max as f64)) / 1024.0 / 1024.0;
            println!(
                "| {size} | {load} | {batch} | {} | {wall:.0} | {cpu:.0} | {peak:.0} | {low:+.0} … {high:+.0} % |",
                who.name()
            );
        }
        Ok(all)
    }

    fn input(&self, who: Who) -> PathBuf {
        self.dir.join(format!("input-{}", who.name()))
    }

    /// The programs give the same, but for what is random.
    fn compare(&self, load: Load, all: &[Measured]) -> Result<()> {
        let mut first: Option<Vec<u8>> = None;
        for measured in all {
            let input = self.dir.join("input-compared");
            document::write(&input, measured.case.size, COUNT_STEP)?;
            self.run_once(&measured.case, &input)?;
            let output = fs::read(self.output())?;
            if output.is_empty() {
                return Err(format!("{}: the output is empty", measured.case).into());
            }
            match &first {
                Some(it) if *it != output && !load.is_random() => {
                    return Err(format!(
                        "{}: the output is another one than that of the first",
                        measured.case
                    )
                    .into());
                }
                Some(_) => (),
                None => first = Some(output),
            }
        }
        Ok(())
    }

    fn output(&self) -> PathBuf {
        self.dir.join("output")
    }

    fn run_once(&self, case: &Case, input: &Path) -> Result<Run> {
        let output = self.output();
        // What is empty has been written by nobody.
        fs::write(&output, "")?;
        let mut command = match (case.who, &self.bento) {
            (Who::ByHand, _) => {
                let mut command = Command::new(env::current_exe()?);
                command.arg(BY_HAND).arg(case.load.word()).arg(input).arg(&output);
                command
            }
            (who, bento) => {
                let config = self.dir.join("stream.yaml");
                fs::write(&config, case.config(&self.dir, input, &output)?)?;
                let mut command = match (who, bento) {
                    (Who::Bento, Some(bento)) => {
                        let mut command = Command::new(bento);
                        command.env("GOMAXPROCS", "2");
                        command
                    }
                    _ => Command::new(env!("CARGO_BIN_EXE_wappa")),
                };
                command.arg("-c").arg(config);
                command
            }
        };
        command.current_dir(&self.dir);
        process::measured(command).map_err(|err| format!("{case}: {err}").into())
    }

    /// How many messages make a run about as long as asked for.
    fn count(&self, case: &Case) -> Result<u64> {
        let is_bento = case.who == Who::Bento;
        let seconds = if self.options.quick { 0.1 } else { self.options.seconds };
        let seconds = if is_bento { BENTO_LONGER * seconds } else { seconds };
        let input = self.dir.join("input-probe");
        let count_max = (INPUT_BYTES_MAX / case.size as u64).next_multiple_of(COUNT_STEP);
        let mut count = 1000;
        loop {
            document::write(&input, case.size, count)?;
            let took = self.run_once(case, &input)?.wall.as_secs_f64();
            // Bento's start is no message's.
            let took = if is_bento { (took - 0.2).max(0.01) } else { took };
            if 0.1 <= took || count_max <= count {
                let wanted = (count as f64 * seconds / took) as u64;
                return Ok(wanted.clamp(COUNT_STEP, count_max).next_multiple_of(COUNT_STEP));
            }
            count = (4 * count).min(count_max);
        }
    }
}
