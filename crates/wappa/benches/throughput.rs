//! The benchmark: `wappa` from file to file beside its yardsticks, as one command. `docs/benchmark.md` says how to run
//! it and how to read what it prints.

mod allocations;
mod bars;
mod cases;
mod events;
mod input;
mod measure;
mod options;
mod picture;
mod place;
mod process;
mod report;
mod starts;
mod yardsticks;

use std::{env, error::Error, ffi::OsString, fs, path::PathBuf, process::ExitCode};

use clap::Parser;

use crate::{
    cases::{Case, Row, Who},
    measure::Bench,
    options::Options,
};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// The first argument of this program when it is started by itself as a yardstick.
const YARDSTICK: &str = "--yardstick";

fn main() -> ExitCode {
    let args: Vec<OsString> = env::args_os().collect();
    let done = match args.get(1) {
        Some(arg) if arg == YARDSTICK => yardstick(&args[2..]),
        _ if args.iter().any(|arg| arg == "--bench") => benchmark(&Options::parse_from(args)),
        // `cargo test --all-targets` starts benchmarks as well, to see that they do.
        _ => Ok(()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => {
            eprintln!("throughput: {err}");
            ExitCode::FAILURE
        }
    }
}

fn yardstick(args: &[OsString]) -> Result<()> {
    let paths: Vec<PathBuf> = args.iter().skip(1).map(PathBuf::from).collect();
    let number = |at: usize| -> Result<u64> {
        Ok(args.get(at).and_then(|it| it.to_str()).ok_or("a number is missing")?.parse()?)
    };
    match (args.first().and_then(|it| it.to_str()), &paths[..]) {
        (Some("copy"), [output, inputs @ ..]) => yardsticks::copy(inputs, output),
        (Some("upper"), [output, inputs @ ..]) => yardsticks::upper(inputs, output),
        (Some("loop"), [module, input, _]) => yardsticks::bare_loop(module, input, number(3)?),
        (Some("events"), [module]) => events::run(module),
        _ => Err("no such yardstick".into()),
    }
}

fn benchmark(options: &Options) -> Result<()> {
    let mut bench = Bench::new(options)?;
    if options.allocations {
        return allocations::run(&bench);
    }
    report::machine(&bench);
    report::head();
    let mut table = Vec::new();
    let mut lines = Vec::new();
    for &size in &options.sizes {
        for measured in bench.run_side_by_side(cases::of_size(options, size))? {
            lines.push(report::row(&measured));
            table.push(measured);
        }
    }
    if let Some(path) = &options.picture {
        fs::write(path, picture::draw(&lines.join("\n")))
            .map_err(|err| format!("{} cannot be written: {err}", path.display()))?;
    }
    if options.has_bars() {
        for measured in bench.run_side_by_side(cases::of_filters(options))? {
            report::row(&measured);
            table.push(measured);
        }
        let plain = |row| Case { row, who: Who::This, size: 100, batch: 1, threads: 1 };
        let memory = bench.memory_over_lengths(&[plain(Row::None), plain(Row::Wasm)])?;
        let events = events::measure(&bench)?;
        let starts = starts::measure(&bench)?;
        report::beside(&memory, &events);
        report::starts(&starts);
        report::bars(&bars::judge(&table, &memory, &events, &starts));
    }
    report::load("at the end");
    Ok(())
}
